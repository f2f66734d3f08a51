//! Where a ring lies in shared memory, and how its bytes are touched.
//!
//! Layout, all little-endian words, zero when empty: four cache lines of header (claims; tail, written by the producer; head, written by the
//! consumer; the consumer's sleep word), then the payload, a power of two.

#![expect(unsafe_code, reason = "the header and payload lie in memory shared with another process")]

use crate::sync::{AtomicU32, AtomicU64, FutexWord};

/// Alignment of a record, and the size of its length prefix.
pub(crate) const GRAIN: usize = 16;
/// Bytes before the payload.
#[cfg(not(loom))]
pub(crate) const HEADER_LEN: usize = 256;

/// A value alone on its cache line, so that the two ends do not slow each other down.
#[repr(C, align(64))]
pub(crate) struct Line<T>(pub(crate) T);

/// Which ends are taken: each may be taken once in a ring's life.
#[repr(C)]
pub(crate) struct Claims {
    pub(crate) producer: AtomicU32,
    pub(crate) consumer: AtomicU32,
}

/// The shared header. Both counters count payload bytes since the start and never go back.
#[repr(C)]
pub(crate) struct RingHeader {
    pub(crate) claims: Line<Claims>,
    pub(crate) tail: Line<AtomicU64>,
    pub(crate) head: Line<AtomicU64>,
    pub(crate) sleeping: Line<FutexWord>,
}

#[cfg(not(loom))]
pub(crate) use mapped::RingMemory;

#[cfg(not(loom))]
mod mapped {
    use std::ptr::NonNull;

    use super::{GRAIN, HEADER_LEN, RingHeader};
    use crate::copy::{copy_in, copy_out_raw};
    use crate::map::MapRw;

    const _: () = assert!(size_of::<RingHeader>() == HEADER_LEN);

    /// One end's view of the ring's memory.
    pub(crate) struct RingMemory {
        header: NonNull<RingHeader>,
        payload: NonNull<u8>,
        capacity: usize,
        _map: MapRw,
    }

    // SAFETY: the pointers lead to memory that outlives `self` and that any thread may use; the ends hand bytes over by atomics.
    unsafe impl Send for RingMemory {}

    impl RingMemory {
        /// Returns whether `len` bytes hold a header and a payload this ring can use.
        pub(crate) fn fits(len: usize) -> bool {
            let capacity = len.saturating_sub(HEADER_LEN);
            capacity.is_power_of_two() && (4 * GRAIN..=1 << 30).contains(&capacity)
        }

        /// Takes a whole ring's mapping; `None` if it has no ring's size.
        pub(crate) fn over(map: MapRw) -> Option<Self> {
            let base = NonNull::new(map.as_ptr()).filter(|_| Self::fits(map.len()))?;
            Some(Self {
                header: base.cast(),
                // SAFETY: a ring is longer than its header.
                payload: unsafe { base.add(HEADER_LEN) },
                capacity: map.len() - HEADER_LEN,
                _map: map,
            })
        }

        pub(crate) fn header(&self) -> &RingHeader {
            // SAFETY: page-aligned, mapped for as long as `self`, and made of atomics only, for which any bytes and any writer are fine.
            unsafe { self.header.as_ref() }
        }

        pub(crate) fn capacity(&self) -> usize {
            self.capacity
        }

        pub(crate) fn write(&self, at: usize, bytes: &[u8]) {
            let dst = self.at(at, bytes.len());
            // SAFETY: inside the payload (checked), which nothing refers to.
            unsafe { copy_in(bytes, dst) }
        }

        /// Replaces the content of `out` by `len` bytes from `at`.
        pub(crate) fn read(&self, at: usize, len: usize, out: &mut Vec<u8>) {
            let src = self.at(at, len);
            out.clear();
            out.reserve(len);
            // SAFETY: inside the payload (checked); `out` has room for `len` bytes, which are all initialised by the copy.
            unsafe {
                copy_out_raw(src, out.as_mut_ptr(), len);
                out.set_len(len);
            }
        }

        /// Reads the length prefix at `at`, once.
        pub(crate) fn read_len(&self, at: usize) -> u32 {
            // SAFETY: inside the payload (checked) and aligned, as all records are.
            unsafe { self.at(at, GRAIN).cast::<u32>().read_volatile() }
        }

        pub(crate) fn write_len(&self, at: usize, len: u32) {
            // SAFETY: as in `read_len`.
            unsafe { self.at(at, GRAIN).cast::<u32>().write_volatile(len) }
        }

        /// The checks of the ring make these hold; they stand here so that no mistake there can reach foreign memory.
        fn at(&self, at: usize, len: usize) -> *mut u8 {
            assert!(at <= self.capacity && len <= self.capacity - at);
            // SAFETY: just checked.
            unsafe { self.payload.as_ptr().add(at) }
        }
    }
}

#[cfg(loom)]
pub(crate) use modelled::RingMemory;

#[cfg(loom)]
mod modelled {
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;

    use super::{Claims, GRAIN, Line, RingHeader};
    use crate::sync::{AtomicU32, AtomicU64, FutexWord};

    /// The ring's memory for loom, which notices every unordered access to a grain.
    #[derive(Clone)]
    pub(crate) struct RingMemory(Arc<(RingHeader, Vec<UnsafeCell<[u8; GRAIN]>>)>);

    // SAFETY: the model's point: loom checks each access to the cells.
    unsafe impl Send for RingMemory {}

    impl RingMemory {
        pub(crate) fn new(capacity: usize) -> Self {
            let header = RingHeader {
                claims: Line(Claims { producer: AtomicU32::new(0), consumer: AtomicU32::new(0) }),
                tail: Line(AtomicU64::new(0)),
                head: Line(AtomicU64::new(0)),
                sleeping: Line(FutexWord::new()),
            };
            let grains = (0..capacity / GRAIN).map(|_| UnsafeCell::new([0; GRAIN]));
            Self(Arc::new((header, grains.collect())))
        }

        pub(crate) fn header(&self) -> &RingHeader {
            &self.0.0
        }

        pub(crate) fn capacity(&self) -> usize {
            self.0.1.len() * GRAIN
        }

        pub(crate) fn write(&self, at: usize, bytes: &[u8]) {
            for (i, byte) in bytes.iter().enumerate() {
                let at = at + i;
                // SAFETY: loom panics if another thread uses the grain now.
                self.0.1[at / GRAIN].with_mut(|g| unsafe { (*g)[at % GRAIN] = *byte });
            }
        }

        pub(crate) fn read(&self, at: usize, len: usize, out: &mut Vec<u8>) {
            out.clear();
            out.extend((at..at + len).map(|at| {
                // SAFETY: loom panics if another thread writes the grain now.
                self.0.1[at / GRAIN].with(|g| unsafe { (*g)[at % GRAIN] })
            }));
        }

        pub(crate) fn read_len(&self, at: usize) -> u32 {
            let mut bytes = Vec::new();
            self.read(at, 4, &mut bytes);
            u32::from_le_bytes(bytes.try_into().expect("four bytes were read"))
        }

        pub(crate) fn write_len(&self, at: usize, len: u32) {
            self.write(at, &len.to_le_bytes());
        }
    }
}
