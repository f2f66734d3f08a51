//! Mappings of shared memory: writable, read-only, and sealed.

#![expect(unsafe_code, reason = "mmap, and pointers into memory that others write")]

use std::ops::{Deref, Range};
use std::ptr::NonNull;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap};
use thiserror::Error;

use crate::copy::{copy_in, copy_out, copy_out_raw};
use crate::memfd::{Memfd, MemfdError, Seals};

/// A shared mapping, unmapped on drop.
#[derive(Debug)]
struct Mapping {
    ptr: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping is plain memory of the process; every access through it is either unsafe or a volatile copy.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(memfd: &Memfd, prot: ProtFlags, access: &'static str) -> Result<Self, MemfdError> {
        let len = memfd.len();
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let ptr = unsafe { mmap(std::ptr::null_mut(), len, prot, MapFlags::SHARED, memfd.as_fd(), 0) };
        let map_error = |source: rustix::io::Errno| MemfdError::Map { access, len, source: source.into() };
        let ptr = NonNull::new(ptr.map_err(map_error)?.cast())
            .expect("the kernel maps nothing at address 0 unless asked to");
        Ok(Self { ptr, len })
    }

    /// Returns the address of `range`'s first byte, after checking that all of it is inside.
    fn at(&self, start: usize, len: usize) -> Result<*mut u8, OutOfRange> {
        if start > self.len || len > self.len - start {
            return Err(OutOfRange { start, len, mapped: self.len });
        }
        // SAFETY: `start` is at most `self.len`.
        Ok(unsafe { self.ptr.as_ptr().add(start) })
    }

    /// To be called for writable mappings only.
    fn copy_in(&self, src: &[u8], offset: usize) -> Result<(), OutOfRange> {
        let dst = self.at(offset, src.len())?;
        // SAFETY: the range is mapped and writable; references into it exist only under the promise of `bytes`.
        unsafe { copy_in(src, dst) };
        Ok(())
    }

    fn copy_out(&self, offset: usize, dst: &mut [u8]) -> Result<(), OutOfRange> {
        let src = self.at(offset, dst.len())?;
        // SAFETY: the range is mapped and readable; `dst` is our own memory.
        unsafe { copy_out(src, dst) };
        Ok(())
    }

    /// # Safety
    /// Nobody may write to `range` while the slice lives.
    unsafe fn bytes(&self, range: Range<usize>) -> Result<&[u8], OutOfRange> {
        let len = range.end.saturating_sub(range.start);
        let ptr = self.at(range.start, len)?;
        // SAFETY: mapped and readable for as long as `self` lives; the caller vouches that it does not change.
        Ok(unsafe { std::slice::from_raw_parts(ptr, len) })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is ours and no borrow of `self` is left. The only failure is a bad range, which it is not.
        let _ = unsafe { munmap(self.ptr.as_ptr().cast(), self.len) };
    }
}

/// Memory of this process alone, zeroed at first, that any thread may copy bytes into and out of. Pages that were never
/// touched take no memory. Who copies out what is being copied in meanwhile gets a mixture: say who may when.
#[derive(Debug)]
pub struct CopyMemory(Mapping);

impl CopyMemory {
    /// Reserves `len` bytes, at least one.
    ///
    /// # Errors
    /// The system's, when it gives no memory.
    pub fn new(len: usize) -> std::io::Result<Self> {
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let ptr = unsafe { mmap_anonymous(std::ptr::null_mut(), len, prot, MapFlags::PRIVATE) }?;
        let ptr = NonNull::new(ptr.cast()).expect("the kernel maps nothing at address 0 unless asked to");
        Ok(Self(Mapping { ptr, len }))
    }

    /// Copies `src` to `offset`.
    ///
    /// # Errors
    /// [`OutOfRange`] if it does not fit; nothing is written then.
    pub fn copy_in(&self, src: &[u8], offset: usize) -> Result<(), OutOfRange> {
        self.0.copy_in(src, offset)
    }

    /// Copies `dst.len()` bytes from `offset` out.
    ///
    /// # Errors
    /// [`OutOfRange`] if there are not as many.
    pub fn copy_out(&self, offset: usize, dst: &mut [u8]) -> Result<(), OutOfRange> {
        self.0.copy_out(offset, dst)
    }
}

/// The owner's writable mapping. It is not inherited by a fork.
#[derive(Debug)]
pub struct MapRw(Mapping);

impl MapRw {
    /// Maps all of `memfd` for reading and writing.
    ///
    /// # Errors
    /// [`MemfdError::Map`]; `EPERM` if it is sealed against writing: a new owner needs new memory.
    pub fn new(memfd: &Memfd) -> Result<Self, MemfdError> {
        let map = Mapping::new(memfd, ProtFlags::READ | ProtFlags::WRITE, "writing")?;
        // A forked child would inherit the right to write, past every seal. Kernels that do not know the advice have no forks of ours either.
        // SAFETY: the range is this mapping; the advice changes nothing in this process.
        let _ = unsafe { madvise(map.ptr.as_ptr().cast(), map.len, Advice::LinuxDontFork) };
        Ok(Self(map))
    }

    /// Returns the address of the first byte. Valid, page-aligned and fixed for as long as the mapping lives.
    pub fn as_ptr(&self) -> *mut u8 {
        self.0.ptr.as_ptr()
    }

    /// Returns the length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Copies `src` to `offset`.
    ///
    /// # Errors
    /// [`OutOfRange`] if it does not fit; nothing is written then.
    pub fn copy_in(&self, src: &[u8], offset: usize) -> Result<(), OutOfRange> {
        self.0.copy_in(src, offset)
    }

    /// Copies `len` bytes at `from_offset` of `from` to `offset`, each read once, whoever may be writing them meanwhile.
    ///
    /// # Errors
    /// [`OutOfRange`] if they are not there or do not fit; nothing is written then.
    pub fn copy_from(
        &self,
        offset: usize,
        from: &MapRo,
        from_offset: usize,
        len: usize,
    ) -> Result<(), OutOfRange> {
        let (src, dst) = (from.0.at(from_offset, len)?, self.0.at(offset, len)?);
        // SAFETY: both ranges are mapped for as long as the two live, and two mappings do not overlap; references into
        // this one exist only under the promise of `bytes`.
        unsafe { copy_out_raw(src, dst, len) };
        Ok(())
    }

    /// Copies `dst.len()` bytes from `offset` out, whoever may be writing them meanwhile.
    ///
    /// # Errors
    /// [`OutOfRange`] if there are not as many.
    pub fn copy_out(&self, offset: usize, dst: &mut [u8]) -> Result<(), OutOfRange> {
        self.0.copy_out(offset, dst)
    }

    /// Returns `range` (bytes) as a slice.
    ///
    /// # Errors
    /// [`OutOfRange`] if it is not all inside.
    ///
    /// # Safety
    /// Nobody, in any process, may write to `range` while the slice lives.
    pub unsafe fn bytes(&self, range: Range<usize>) -> Result<&[u8], OutOfRange> {
        // SAFETY: passed on to the caller.
        unsafe { self.0.bytes(range) }
    }
}

/// A reader's mapping. Writing through it faults, and on memory sealed before it was made it can never be made writable.
#[derive(Debug)]
pub struct MapRo(Mapping);

impl MapRo {
    /// Maps all of `memfd` for reading.
    ///
    /// # Errors
    /// [`MemfdError::Map`] with the kernel's reason.
    pub fn new(memfd: &Memfd) -> Result<Self, MemfdError> {
        Mapping::new(memfd, ProtFlags::READ, "reading").map(Self)
    }

    /// Returns the address of the first byte. Valid, page-aligned and fixed for as long as the mapping lives.
    pub fn as_ptr(&self) -> *const u8 {
        self.0.ptr.as_ptr()
    }

    /// Returns the length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Copies `dst.len()` bytes from `offset` out, whoever may be writing them meanwhile.
    ///
    /// # Errors
    /// [`OutOfRange`] if there are not as many.
    pub fn copy_out(&self, offset: usize, dst: &mut [u8]) -> Result<(), OutOfRange> {
        self.0.copy_out(offset, dst)
    }

    /// Returns `range` (bytes) as a slice.
    ///
    /// # Errors
    /// [`OutOfRange`] if it is not all inside.
    ///
    /// # Safety
    /// Nobody, in any process, may write to `range` while the slice lives. Memory of an untrusted owner never fulfils that: copy it out.
    pub unsafe fn bytes(&self, range: Range<usize>) -> Result<&[u8], OutOfRange> {
        // SAFETY: passed on to the caller.
        unsafe { self.0.bytes(range) }
    }
}

/// A mapping of memory that can no longer change, so that it is a plain `&[u8]`.
#[derive(Debug)]
pub struct SealedMap(Mapping);

impl SealedMap {
    /// Maps all of `memfd` for reading, after checking that it is immutable ([`Memfd::seal_write`]).
    ///
    /// # Errors
    /// [`MemfdError::NotSealed`] if somebody could still write or cut it, [`MemfdError::Map`] if the mapping fails.
    pub fn new(memfd: &Memfd) -> Result<Self, MemfdError> {
        let found = memfd.seals().map_err(|source| MemfdError::Map {
            access: "reading",
            len: memfd.len(),
            source,
        })?;
        // The kernel grants F_SEAL_WRITE only while no writable map exists, and none after it.
        if !found.contains(Seals::WRITE | Seals::SHRINK) {
            return Err(MemfdError::NotSealed { found });
        }
        Mapping::new(memfd, ProtFlags::READ, "reading").map(Self)
    }
}

impl Deref for SealedMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: checked at construction: nobody can write to it or shorten it any more. The whole range is mapped.
        unsafe { std::slice::from_raw_parts(self.0.ptr.as_ptr(), self.0.len) }
    }
}

/// A range that is not all inside a mapping.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("bytes {start} to {start}+{len} are outside of a mapping of {mapped} bytes")]
pub struct OutOfRange {
    /// First byte asked for.
    pub start: usize,
    /// Bytes asked for.
    pub len: usize,
    /// Bytes there are.
    pub mapped: usize,
}

#[cfg(test)]
mod tests {
    use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate, ftruncate, open};
    use rustix::io::{Errno, pwrite};
    use rustix::mm::{MprotectFlags, mprotect};

    use super::*;

    const LEN: usize = 1 << 16;

    fn errno(error: &MemfdError) -> Option<Errno> {
        match error {
            MemfdError::Map { source, .. } | MemfdError::Seal { source, .. } => Errno::from_io_error(source),
            _ => None,
        }
    }

    #[test]
    fn what_a_stranger_writes_is_copied_from_one_mapping_to_another() {
        let (theirs, ours) = (Memfd::create("theirs", LEN).unwrap(), Memfd::create("ours", LEN).unwrap());
        let (stranger, twin) = (MapRw::new(&theirs).unwrap(), MapRw::new(&ours).unwrap());
        let seen = MapRo::new(&theirs).unwrap();
        stranger.copy_in(b"one two", 300).unwrap();
        twin.copy_from(8, &seen, 304, 3).unwrap();
        let mut copied = [0; 5];
        twin.copy_out(7, &mut copied).unwrap();
        assert_eq!(&copied, b"\0two\0", "these bytes and no others");
        for (to, from, len) in
            [(LEN - 2, 0, 3), (0, LEN - 2, 3), (0, 0, LEN + 1), (usize::MAX, 0, 2), (0, usize::MAX, 2)]
        {
            assert!(twin.copy_from(to, &seen, from, len).is_err(), "{to} {from} {len}");
        }
    }

    /// The table of research/ipc.md, section 2: what a peer can do with a memfd whose owner mapped it before the seal.
    #[test]
    fn after_the_seal_only_the_owner_writes() {
        let memfd = Memfd::create("owned", LEN).unwrap();
        let owner = MapRw::new(&memfd).unwrap();
        memfd.seal_future_write().unwrap();
        owner.copy_in(b"still mine", 100).unwrap();

        let received = Memfd::from_received(
            memfd.as_fd().try_clone_to_owned().unwrap(),
            LEN,
            Seals::FUTURE_WRITE | Seals::SHRINK | Seals::GROW | Seals::SEAL,
        )
        .unwrap();
        let reader = MapRo::new(&received).unwrap();
        let mut seen = [0; 10];
        reader.copy_out(100, &mut seen).unwrap();
        assert_eq!(&seen, b"still mine");

        assert_eq!(errno(&MapRw::new(&received).unwrap_err()), Some(Errno::PERM));
        // SAFETY: the range is the reader's mapping; it is refused, so nothing changes.
        let protect = unsafe {
            mprotect(reader.as_ptr().cast_mut().cast(), LEN, MprotectFlags::READ | MprotectFlags::WRITE)
        };
        assert_eq!(protect, Err(Errno::ACCESS));
        assert_eq!(pwrite(received.as_fd(), b"x", 0), Err(Errno::PERM));
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        assert_eq!(fallocate(received.as_fd(), hole, 0, 4096), Err(Errno::PERM));
        assert_eq!(ftruncate(received.as_fd(), 0), Err(Errno::PERM));
        assert_eq!(errno(&received.seal_write().unwrap_err()), Some(Errno::PERM));

        use std::os::fd::AsRawFd;
        let path = format!("/proc/self/fd/{}", received.as_fd().as_raw_fd());
        let reopened = open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let reopened = Memfd::from_received(reopened, LEN, Seals::empty()).unwrap();
        assert_eq!(
            errno(&MapRw::new(&reopened).unwrap_err()),
            Some(Errno::PERM),
            "reopening it writable is no way round"
        );
        assert_eq!(
            errno(&MapRw::new(&memfd).unwrap_err()),
            Some(Errno::PERM),
            "nor does the owner get a second map"
        );
    }

    #[test]
    fn a_map_made_before_the_seal_could_have_been_made_writable() {
        // The reason for rule 1's order: this is what must not happen, so readers map after the seal.
        let memfd = Memfd::create("early", LEN).unwrap();
        let early = MapRo::new(&memfd).unwrap();
        memfd.seal_future_write().unwrap();
        // SAFETY: the range is the mapping; nothing refers to it.
        let protect = unsafe {
            mprotect(early.as_ptr().cast_mut().cast(), LEN, MprotectFlags::READ | MprotectFlags::WRITE)
        };
        assert_eq!(protect, Ok(()));
    }

    #[test]
    fn sealed_memory_is_a_slice_and_only_sealed_memory() {
        let memfd = Memfd::create("asset", LEN).unwrap();
        assert!(matches!(SealedMap::new(&memfd), Err(MemfdError::NotSealed { .. })));
        let writer = MapRw::new(&memfd).unwrap();
        writer.copy_in(&[7; LEN], 0).unwrap();
        assert_eq!(errno(&memfd.seal_write().unwrap_err()), Some(Errno::BUSY));
        drop(writer);
        memfd.seal_write().unwrap();
        let sealed = SealedMap::new(&memfd).unwrap();
        assert_eq!(&sealed[..], &[7; LEN]);
        assert_eq!(errno(&MapRw::new(&memfd).unwrap_err()), Some(Errno::PERM));
    }

    #[test]
    fn own_memory_is_zeroed_and_filled_by_several_threads_at_once() {
        let memory = CopyMemory::new(LEN).unwrap();
        std::thread::scope(|scope| {
            for n in 0..4_u8 {
                let memory = &memory;
                scope.spawn(move || memory.copy_in(&[n + 1; 1000], usize::from(n) * 1000).unwrap());
            }
        });
        let mut all = [0; 4001];
        memory.copy_out(0, &mut all).unwrap();
        assert!(all[..4000].iter().enumerate().all(|(at, b)| usize::from(*b) == at / 1000 + 1));
        assert_eq!(all[4000], 0);
        assert!(memory.copy_in(&[1; 2], LEN - 1).is_err() && memory.copy_out(LEN, &mut [0]).is_err());
        assert!(CopyMemory::new(usize::MAX).is_err());
    }

    #[test]
    fn ranges_are_checked() {
        let memfd = Memfd::create("range", 4096).unwrap();
        let map = MapRw::new(&memfd).unwrap();
        assert_eq!(map.copy_in(&[1; 8], 4088), Ok(()));
        assert!(map.copy_in(&[1; 8], 4089).is_err());
        assert!(map.copy_out(usize::MAX, &mut [0; 2]).is_err());
        // SAFETY: nobody writes meanwhile.
        let (all, beyond, reversed) = unsafe {
            #[expect(clippy::reversed_empty_ranges, reason = "that is the test")]
            (map.bytes(0..4096), map.bytes(1..4097), map.bytes(9..3))
        };
        assert_eq!(all.unwrap()[4088..], [1; 8]);
        assert!(beyond.is_err());
        assert_eq!(reversed.unwrap(), b"");
    }
}
