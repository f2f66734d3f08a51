//! The 64-byte header of one slot: how a cell tells the host that a slot is published.
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// How many dirty ranges a publication can name; more are merged into the smallest cover.
pub const MAX_DIRTY_RANGES: usize = 4;

/// A byte range of a slot, `start..end`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirtyRange {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// The header of one slot. It lies in a page that only the slot's owner and the host map.
///
/// The owner fills the slot, then calls [`BufHeader::publish`]; the host calls [`BufHeader::published`] at
/// commit. All fields are atomics because another process may write them; only `ready` orders anything.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct BufHeader {
    frame: AtomicU64,
    len_bytes: AtomicU64,
    ready: AtomicU32,
    generation: AtomicU32,
    dirty_count: AtomicU32,
    reserved: AtomicU32,
    dirty: [[AtomicU32; 2]; MAX_DIRTY_RANGES],
}

const _: () = assert!(size_of::<BufHeader>() == 64 && align_of::<BufHeader>() == 64);

/// What a slot's header says of its newest publication, copied out once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The frame of the tick that wrote the slot.
    pub frame: u64,
    /// How many bytes of the slot hold data. Not yet checked against the slot's capacity.
    pub len_bytes: u64,
    /// How many of `dirty` count; 0 means that everything may have changed.
    pub dirty_count: u32,
    /// The byte ranges that this tick changed. Not yet checked against the capacity.
    pub dirty: [DirtyRange; MAX_DIRTY_RANGES],
}

impl BufHeader {
    /// Marks the slot as published by the turn that was granted `stamp`.
    ///
    /// An empty `dirty` means that everything may have changed. At most [`MAX_DIRTY_RANGES`] ranges are kept;
    /// with more, everything counts as changed.
    #[inline]
    pub fn publish(&self, stamp: u32, frame: u64, len_bytes: u64, dirty: &[DirtyRange]) {
        self.len_bytes.store(len_bytes, Ordering::Relaxed);
        let count = if dirty.len() > MAX_DIRTY_RANGES { 0 } else { dirty.len() };
        for (to, from) in self.dirty.iter().zip(&dirty[..count]) {
            to[0].store(from.start, Ordering::Relaxed);
            to[1].store(from.end, Ordering::Relaxed);
        }
        self.dirty_count.store(count as u32, Ordering::Relaxed);
        self.frame.store(frame, Ordering::Relaxed);
        // SYNC: pairs with the acquire load in `BufHeader::published`.
        self.ready.store(stamp, Ordering::Release);
    }

    /// Returns the publication made under `stamp`, or `None` if that turn published nothing here.
    #[must_use]
    #[inline]
    pub fn published(&self, stamp: u32) -> Option<Publication> {
        // SYNC: pairs with the release store in `BufHeader::publish`.
        if self.ready.load(Ordering::Acquire) != stamp {
            return None;
        }
        let count = self.dirty_count.load(Ordering::Relaxed).min(MAX_DIRTY_RANGES as u32);
        let mut dirty = [DirtyRange::default(); MAX_DIRTY_RANGES];
        for (to, from) in dirty.iter_mut().zip(&self.dirty) {
            *to = DirtyRange { start: from[0].load(Ordering::Relaxed), end: from[1].load(Ordering::Relaxed) };
        }
        Some(Publication {
            frame: self.frame.load(Ordering::Relaxed),
            len_bytes: self.len_bytes.load(Ordering::Relaxed),
            dirty_count: count,
            dirty,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publication_is_seen_only_under_its_own_stamp() {
        let h = BufHeader::default();
        assert_eq!(h.published(7), None);
        h.publish(7, 41, 128, &[DirtyRange { start: 16, end: 32 }]);
        let p = h.published(7).expect("published");
        assert_eq!((p.frame, p.len_bytes, p.dirty_count), (41, 128, 1));
        assert_eq!(p.dirty[0], DirtyRange { start: 16, end: 32 });
        assert_eq!(h.published(8), None, "a later grant has not published");
    }

    #[test]
    fn too_many_ranges_count_as_everything() {
        let h = BufHeader::default();
        h.publish(1, 0, 4, &[DirtyRange { start: 0, end: 1 }; MAX_DIRTY_RANGES + 1]);
        assert_eq!(h.published(1).map(|p| p.dirty_count), Some(0));
    }
}
