//! The shared memory of buffers: a region per owner, made of slots, each with a header.
//!
//! The host creates every memfd, the owner maps it for writing, the host seals it, and only then does anybody
//! else get a map (design.md, section 4, rule 1). Readers of this process use a second, read-only mapping, so
//! that a stray write through a reader's pointer faults instead of tearing another cell's data.
#![expect(unsafe_code, reason = "slots are handed out as pointers; the slot tables keep them exclusive")]

use cell_abi::BufHeader;
use engine_frame::{
    packet::{SlotMemory, SlotPlace},
    plan::BufferId,
};
use engine_scene::Placement;
use engine_sys::{MapRo, MapRw, Memfd, OutOfRange};
use std::{
    ops::Range,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

/// How many slots a buffer can have; untouched ones cost no memory.
pub const SLOTS: usize = 8;
/// The slot past the last one takes what a tick of a child writes when all slots are in use; it is never published.
/// A region has one process in its life, so only one instance writes it. Cells of this process share a region with
/// the instance that they replace, which may still run: their scratch memory is in their records.
const SCRATCH: usize = SLOTS;
const PAGE: usize = 4096;

/// A buffer as its owner declares it.
#[derive(Clone, Copy, Debug)]
pub struct BufferSize {
    /// Its id.
    pub buffer: BufferId,
    /// Bytes of a slot.
    pub capacity: usize,
}

/// No memory for a region.
#[derive(Debug, thiserror::Error)]
#[error("no shared memory of {bytes} bytes for the cell `{owner}`: {what}")]
pub struct RegionError {
    owner: String,
    bytes: usize,
    what: String,
}

impl RegionError {
    /// Returns the name of the cell that got none.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }
}

/// The memory of all buffers of one owner.
///
/// The region of a thread cell is ready when it is made. That of a cell in a child is a draft at first: no process
/// maps its data for long. One child claims it ([`Region::begin_claim`]), maps it for writing, and only when it
/// has said so is the data sealed and mapped here ([`Region::finish_claim`]); until then nobody can read it.
#[derive(Debug)]
pub struct Region {
    /// Names the region, for children; never used twice.
    pub id: u32,
    /// The data; sealed against growth, shrinking and new writable maps once its owner has mapped it.
    pub data: Memfd,
    /// The headers, one page or more; mapped by the owner and the host only.
    pub headers: Memfd,
    owner: String,
    /// The owner's map, when it is in this process.
    data_rw: Option<MapRw>,
    /// The readers' map; the GPU's too, where it reads slots in place.
    data_ro: OnceLock<Arc<MapRo>>,
    claimed: AtomicBool,
    headers_rw: MapRw,
    parts: Vec<Part>,
}

/// What a new region holds from the start.
#[derive(Clone, Copy, Debug)]
pub struct Prefill<'a> {
    /// The buffer.
    pub buffer: BufferId,
    /// The slot.
    pub slot: u8,
    /// Its first bytes.
    pub bytes: &'a [u8],
}

/// Where a buffer's slots lie in its region.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The buffer.
    pub buffer: BufferId,
    /// Byte of the first slot.
    pub offset: usize,
    /// Bytes from slot to slot.
    pub stride: usize,
    /// Bytes of a slot that may be used.
    pub capacity: usize,
    /// Index of the first slot's header.
    pub header: usize,
}

/// Slots from this size on lie on multiples of it, each in pages of its own.
const LARGE: usize = 65536;

impl Part {
    /// Returns whether each slot has pages of its own.
    fn is_large(&self) -> bool {
        self.stride.is_multiple_of(LARGE) && self.offset.is_multiple_of(LARGE)
    }

    /// Returns the first byte past the last slot.
    fn end(&self) -> usize {
        self.offset + self.stride * (SLOTS + 1)
    }
}

/// Returns where each buffer lies, and the bytes of the data and of the headers.
#[must_use]
pub fn layout(buffers: &[BufferSize]) -> (Vec<Part>, usize, usize) {
    let (mut offset, mut header) = (0, 0);
    let mut parts = Vec::with_capacity(buffers.len());
    for b in buffers {
        // Small slots are 256 bytes apart; a large one can be imported by itself.
        let align = if b.capacity >= LARGE { LARGE } else { 256 };
        let stride = b.capacity.next_multiple_of(align).max(align);
        offset = usize::next_multiple_of(offset, align);
        parts.push(Part { buffer: b.buffer, offset, stride, capacity: b.capacity, header });
        offset += stride * (SLOTS + 1);
        header += SLOTS + 1;
    }
    let bytes = offset.next_multiple_of(PAGE).max(PAGE);
    (parts, bytes, (header * size_of::<BufHeader>()).next_multiple_of(PAGE).max(PAGE))
}

impl Region {
    /// Makes the region of the cell `owner`: for one in this process, mapped for writing and sealed; for one in a
    /// child, a draft.
    ///
    /// # Errors
    /// [`RegionError`] when the system gives no memory.
    pub fn new(
        owner: &str,
        buffers: &[BufferSize],
        placement: Placement,
        prefill: &[Prefill<'_>],
    ) -> Result<Arc<Self>, RegionError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (parts, bytes, header_bytes) = layout(buffers);
        let fail = |e: &dyn std::fmt::Display| error(owner, bytes, e);
        let data = Memfd::create(owner, bytes).map_err(|e| fail(&e))?;
        let headers = Memfd::create(owner, header_bytes).map_err(|e| fail(&e))?;
        // Before anybody else has them: whoever maps memory that its owner could shorten can be made to fault.
        for memory in [&data, &headers] {
            memory.seal_size().map_err(|e| fail(&e))?;
        }
        let headers_rw = MapRw::new(&headers).map_err(|e| fail(&e))?;
        let mut data_rw = None;
        if placement == Placement::Thread || !prefill.is_empty() {
            let map = MapRw::new(&data).map_err(|e| fail(&e))?;
            for p in prefill {
                let part = parts.iter().find(|part| part.buffer == p.buffer);
                let part = part.filter(|part| p.bytes.len() <= part.stride && usize::from(p.slot) < SLOTS);
                if let Some(part) = part {
                    map.copy_in(p.bytes, part.offset + part.stride * usize::from(p.slot))
                        .map_err(|e| fail(&e))?;
                }
            }
            data_rw = Some(map).filter(|_| placement == Placement::Thread);
        }
        let region = Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            data,
            headers,
            owner: owner.to_owned(),
            data_rw,
            data_ro: OnceLock::new(),
            claimed: AtomicBool::new(false),
            headers_rw,
            parts,
        };
        if placement == Placement::Thread {
            region.finish_claim()?;
        }
        Ok(Arc::new(region))
    }

    /// Returns whether a child may map it for writing now: true once, and never for a thread cell's region.
    #[must_use]
    pub fn begin_claim(&self) -> bool {
        !self.is_ready() && !self.claimed.swap(true, Ordering::Relaxed)
    }

    /// Says that the owner has mapped it: seals the data and maps it for readers.
    ///
    /// # Errors
    /// [`RegionError`] when the system refuses.
    pub fn finish_claim(&self) -> Result<(), RegionError> {
        let fail = |e: &dyn std::fmt::Display| error(&self.owner, self.data.len(), e);
        self.data.seal_future_write().map_err(|e| fail(&e))?;
        let map = MapRo::new(&self.data).map_err(|e| fail(&e))?;
        // Claims are made once, so it is empty.
        let _ = self.data_ro.set(Arc::new(map));
        Ok(())
    }

    /// Returns whether its owner has mapped it.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.data_ro.get().is_some()
    }

    /// Returns whether its owner is or was a cell of this process.
    #[must_use]
    pub fn is_of_thread(&self) -> bool {
        self.data_rw.is_some()
    }

    /// Returns whether it is a draft that no child has asked for.
    #[must_use]
    pub fn is_unclaimed(&self) -> bool {
        !self.is_ready() && !self.claimed.load(Ordering::Relaxed)
    }

    /// Returns the name of the cell whose region it is.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Returns where the buffers lie.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }
}

fn error(owner: &str, bytes: usize, what: &dyn std::fmt::Display) -> RegionError {
    RegionError { owner: owner.to_owned(), bytes, what: what.to_string() }
}

/// A buffer's memory.
#[derive(Clone, Debug)]
pub struct BufferMemory {
    /// Its region.
    pub region: Arc<Region>,
    /// Its place in it.
    pub part: Part,
}

impl BufferMemory {
    /// Returns where a slot, or the scratch slot, starts in its region's data.
    #[must_use]
    pub fn offset(&self, slot: Option<u8>) -> usize {
        self.part.offset + self.part.stride * slot.map_or(SCRATCH, usize::from).min(SCRATCH)
    }

    /// Returns where the header of a slot, or of the scratch slot, starts in its region's headers.
    #[must_use]
    pub fn header_offset(&self, slot: Option<u8>) -> usize {
        (self.part.header + slot.map_or(SCRATCH, usize::from).min(SCRATCH)) * size_of::<BufHeader>()
    }

    /// Returns the read-only address of a slot; null while the region is a draft.
    #[must_use]
    pub fn read_ptr(&self, slot: u8) -> *const u8 {
        let map = self.region.data_ro.get();
        map.map_or(std::ptr::null(), |m| m.as_ptr().wrapping_add(self.offset(Some(slot))))
    }

    /// Returns the writable address of a slot; null when its owner is another process. Scratch memory of a cell of
    /// this process is its record's own.
    #[must_use]
    pub fn write_ptr(&self, slot: u8) -> *mut u8 {
        let map = self.region.data_rw.as_ref();
        map.map_or(std::ptr::null_mut(), |m| m.as_ptr().wrapping_add(self.offset(Some(slot))))
    }

    /// Copies bytes to `at` of a slot of a region whose owner is this process. Returns false when they do not fit, or when
    /// it is another's.
    #[must_use]
    pub fn fill(&self, slot: u8, at: usize, bytes: &[u8]) -> bool {
        let fits = at.checked_add(bytes.len()).is_some_and(|end| end <= self.part.capacity);
        let map = self.region.data_rw.as_ref().filter(|_| fits && usize::from(slot) < SLOTS);
        map.is_some_and(|m| m.copy_in(bytes, self.offset(Some(slot)) + at).is_ok())
    }

    /// Copies a range of the slot `from.1` of the buffer `from.0`, whose owner may be writing it meanwhile, to a slot of
    /// this one.
    ///
    /// # Errors
    /// [`OutOfRange`] when the range is not within a slot, or one of the two regions is not mapped for it.
    pub fn copy_slot(&self, slot: u8, from: (&Self, u8), range: Range<usize>) -> Result<(), OutOfRange> {
        let (source, source_slot) = from;
        let slot_bytes = self.part.stride.min(source.part.stride);
        let maps = (self.region.data_rw.as_ref(), source.region.data_ro.get());
        let (Some(to), Some(read), true) = (maps.0, maps.1, range.end <= slot_bytes) else {
            return Err(OutOfRange { start: range.start, len: range.len(), mapped: slot_bytes });
        };
        let (at, source_at) = (self.offset(Some(slot)), source.offset(Some(source_slot)));
        to.copy_from(at + range.start, read, source_at + range.start, range.len())
    }

    /// Returns the header of a slot, or of the scratch slot.
    #[must_use]
    pub fn header(&self, slot: Option<u8>) -> &BufHeader {
        let ptr = self.region.headers_rw.as_ptr().wrapping_add(self.header_offset(slot));
        // SAFETY: `layout` reserved this header within the mapping, which `self` keeps alive; mappings start
        // on a page, so it is aligned to 64; all its fields are atomics, so other writers are no race; zeroed
        // bytes are a valid header.
        unsafe { &*ptr.cast::<BufHeader>() }
    }
}

/// The memory of all buffers. A new one is made when a buffer comes or goes.
#[derive(Clone, Debug, Default)]
pub struct MemoryTable {
    parts: Vec<Option<BufferMemory>>,
}

impl MemoryTable {
    /// Adds or replaces the buffers of `region`.
    pub fn insert(&mut self, region: &Arc<Region>) {
        for part in region.parts() {
            let at = part.buffer.0 as usize;
            if self.parts.len() <= at {
                self.parts.resize(at + 1, None);
            }
            self.parts[at] = Some(BufferMemory { region: Arc::clone(region), part: *part });
        }
    }

    /// Forgets a buffer.
    pub fn remove(&mut self, buffer: BufferId) {
        if let Some(p) = self.parts.get_mut(buffer.0 as usize) {
            *p = None;
        }
    }

    /// Returns a buffer's memory.
    #[must_use]
    pub fn get(&self, buffer: BufferId) -> Option<&BufferMemory> {
        self.parts.get(buffer.0 as usize)?.as_ref()
    }
}

impl SlotMemory for MemoryTable {
    fn bytes(&self, buffer: BufferId, slot: u8, offset: u64, len: u64) -> Option<&[u8]> {
        let memory = self.get(buffer)?;
        let (offset, len) = (usize::try_from(offset).ok()?, usize::try_from(len).ok()?);
        let end = offset.checked_add(len)?;
        if usize::from(slot) >= SLOTS || end > memory.part.stride || !memory.region.is_ready() {
            return None;
        }
        // SAFETY: the range is within the slot, the mapping lives as long as `self`. Nobody writes the slot
        // meanwhile: the packet holds it in its slot table, which hands out held slots to no writer, and all
        // writers are of this engine's own trust domain (design.md, section 9): what an untrusted cell writes is
        // another region, and this its twin.
        Some(unsafe { std::slice::from_raw_parts(memory.read_ptr(slot).add(offset), len) })
    }

    fn fill(&self, buffer: BufferId, slot: u8, offset: u64, bytes: &[u8]) -> bool {
        let at = usize::try_from(offset);
        self.get(buffer).zip(at.ok()).is_some_and(|(memory, at)| memory.fill(slot, at, bytes))
    }

    fn place(&self, buffer: BufferId, slot: u8) -> Option<SlotPlace> {
        let memory = self.get(buffer).filter(|_| usize::from(slot) < SLOTS)?;
        let mapping = Arc::clone(memory.region.data_ro.get()?);
        let (part, start) = (memory.part, memory.offset(Some(slot)));
        let chunk = if part.is_large() {
            start..start + part.stride
        } else {
            // All small slots between two large buffers share pages.
            let large = || memory.region.parts().iter().filter(|p| p.is_large());
            let from = large().map(Part::end).filter(|end| *end <= start).max();
            let to = large().map(|p| p.offset).filter(|offset| *offset > start).min();
            from.unwrap_or(0)..to.unwrap_or(mapping.len())
        };
        Some(SlotPlace {
            mapping,
            chunk: chunk.start as u64..chunk.end as u64,
            start: start as u64,
            len: part.stride as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_sys::Seals;

    #[test]
    fn slots_lie_apart_and_the_second_mapping_shows_what_the_first_wrote() {
        let sizes = [
            BufferSize { buffer: BufferId(0), capacity: 100 },
            BufferSize { buffer: BufferId(2), capacity: 70_000 },
        ];
        let region = Region::new("test", &sizes, Placement::Thread, &[]).unwrap();
        let mut table = MemoryTable::default();
        table.insert(&region);
        let big = table.get(BufferId(2)).unwrap();
        assert_eq!(big.part.stride, 131_072);
        assert_eq!(big.part.offset % 65536, 0);
        let small = table.get(BufferId(0)).unwrap();
        assert_eq!(small.part.stride, 256);
        for slot in 0..SLOTS as u8 {
            // SAFETY: the test is the only user of the region; 100 bytes fit a slot.
            unsafe { std::ptr::write_bytes(small.write_ptr(slot), slot + 1, 100) };
        }
        for slot in 0..SLOTS as u8 {
            let bytes = table.bytes(BufferId(0), slot, 0, 100).unwrap();
            assert!(bytes.iter().all(|b| *b == slot + 1), "slot {slot}");
        }
        assert!(table.bytes(BufferId(0), 0, 250, 10).is_none(), "beyond the slot");
        assert!(table.place(BufferId(1), 0).is_none() && table.place(BufferId(0), 8).is_none());
        assert!(table.bytes(BufferId(1), 0, 0, 1).is_none(), "no such buffer");
        small.header(Some(3)).publish(9, 1, 100, &[]);
        assert!(small.header(Some(3)).published(9).is_some());
        assert!(small.header(Some(2)).published(9).is_none());
    }

    #[test]
    fn what_the_gpu_takes_together_is_whole_pages_that_do_not_overlap() {
        let sizes: Vec<_> = [100, 70_000, 300, 5_000, 65_536, 65_537, 64]
            .into_iter()
            .zip(0..)
            .map(|(capacity, n)| BufferSize { buffer: BufferId(n), capacity })
            .collect();
        let region = Region::new("test", &sizes, Placement::Thread, &[]).unwrap();
        let mut table = MemoryTable::default();
        table.insert(&region);
        let mut chunks = Vec::new();
        for (size, slot) in sizes.iter().flat_map(|s| (0..SLOTS as u8).map(move |n| (s, n))) {
            let place = table.place(size.buffer, slot).unwrap();
            assert_eq!(place.start as usize, table.get(size.buffer).unwrap().offset(Some(slot)));
            assert!(place.len as usize >= size.capacity && place.start.is_multiple_of(256));
            let chunk = place.chunk;
            assert!(chunk.start <= place.start && place.start + place.len <= chunk.end, "{chunk:?}");
            assert!(chunk.start.is_multiple_of(4096) && chunk.end.is_multiple_of(4096), "{chunk:?}");
            assert!(chunk.end <= region.data.len() as u64);
            if !chunks.contains(&chunk) {
                let apart = |c: &std::ops::Range<u64>| c.end <= chunk.start || chunk.end <= c.start;
                assert!(chunks.iter().all(apart), "{chunk:?} and {chunks:?}");
                chunks.push(chunk);
            }
        }
        // Three large buffers, and what is small before, between and after them.
        assert_eq!(chunks.len(), 3 * SLOTS + 3);
    }

    #[test]
    fn a_draft_is_claimed_once_and_readable_when_its_owner_has_mapped_it() {
        let sizes = [BufferSize { buffer: BufferId(0), capacity: 100 }];
        let prefill = [Prefill { buffer: BufferId(0), slot: 2, bytes: b"before" }];
        let region = Region::new("child", &sizes, Placement::Process, &prefill).unwrap();
        let mut table = MemoryTable::default();
        table.insert(&region);
        let size = Seals::SHRINK | Seals::GROW;
        assert!(
            region.data.seals().unwrap().contains(size),
            "its claimant cannot cut it off under its readers"
        );
        assert!(region.is_unclaimed() && table.bytes(BufferId(0), 2, 0, 6).is_none());
        assert!(table.place(BufferId(0), 2).is_none(), "a draft is nobody's to read, the GPU's neither");
        assert!(table.get(BufferId(0)).unwrap().write_ptr(0).is_null(), "the host does not write it");
        assert!(region.begin_claim() && !region.begin_claim());
        let owner = MapRw::new(&region.data).unwrap();
        region.finish_claim().unwrap();
        assert!(MapRw::new(&region.data).is_err(), "one writer");
        assert!(region.data.seals().unwrap().contains(Seals::SHRINK | Seals::GROW | Seals::SEAL));
        assert_eq!(table.bytes(BufferId(0), 2, 0, 6), Some(&b"before"[..]));
        owner.copy_in(b"after!", table.get(BufferId(0)).unwrap().offset(Some(2))).unwrap();
        assert_eq!(table.bytes(BufferId(0), 2, 0, 6), Some(&b"after!"[..]));
        let thread = Region::new("thread", &sizes, Placement::Thread, &[]).unwrap();
        assert!(thread.is_ready() && !thread.begin_claim(), "a thread cell's region is no child's");
    }
}
