//! Buffers in slots as the GPU sees them: in place, or as copies of its own. The upload tier says which.
mod imports;

use crate::{gpu::Gpu, upload::UploadTier};
use engine_frame::{
    packet::{SlotMemory, SlotUse},
    plan::{BufferId, PlannedBuffer},
};
use imports::{Import, Imports, Numbered};
use std::sync::Arc;

/// Zeros that stand in for what is not published are at least as many.
const ZEROS: u64 = 64 << 10;

/// A buffer's place among the plan's; good for one plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BufferAt(usize);

/// How a binding of group 1 sees a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The first element, of so many bytes.
    Uniform(u64),
    /// All published elements.
    Storage,
}

/// Which bytes a binding sees: what a bind group is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) serial: u64,
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

/// When bytes are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// In the frame whose slots were uploaded last.
    Now,
    /// At any time: never memory that a cell writes.
    Idle,
}

struct Buffer {
    id: BufferId,
    name: Arc<str>,
    capacity: u64,
    element_size: u64,
    /// Slots are copied: by the tier, or because they hold indices.
    copied: bool,
    storage: bool,
    vertex: bool,
    /// The GPU's copy.
    own: Option<Numbered>,
    /// Nothing was copied into it yet: the next upload takes all published bytes, whatever the host thinks.
    fresh: bool,
    /// Published bytes.
    len: u64,
    faulty: bool,
    /// The memory in which its slots were drawn from.
    imports: Vec<Arc<Import>>,
    /// Where its bytes are in this frame; `None` is in its own copy, or else in zeros.
    slot: Option<(Numbered, u64)>,
    /// The packet has a slot of it.
    listed: bool,
}

/// A copy that the GPU makes at the head of the frame.
struct GpuCopy {
    from: wgpu::Buffer,
    start: u64,
    at: usize,
    to: u64,
    bytes: u64,
}

/// The plan's buffers, ascending by id.
pub(crate) struct Buffers {
    tier: UploadTier,
    buffers: Vec<Buffer>,
    imports: Imports,
    zeros: Option<Numbered>,
    copies: Vec<GpuCopy>,
    serials: u64,
}

/// What an upload did.
#[derive(Default)]
pub(crate) struct Uploaded {
    /// Bytes copied, by us or by the GPU.
    pub(crate) bytes: u64,
    /// Some binding sees other bytes than before: bind groups follow.
    pub(crate) moved: bool,
    /// The GPU reads slots in this frame: they are its own until it has done it.
    pub(crate) reads_slots: bool,
}

impl Buffers {
    pub(crate) fn new(tier: UploadTier) -> Self {
        Self {
            tier,
            buffers: Vec::new(),
            imports: Imports::default(),
            zeros: None,
            copies: Vec::new(),
            serials: 0,
        }
    }

    /// Makes what the plan binds and is not there yet, drops the rest.
    pub(crate) fn adopt(&mut self, gpu: &Gpu, planned: &[PlannedBuffer]) {
        let mut old = std::mem::take(&mut self.buffers);
        let mut zeros = ZEROS;
        for want in planned {
            let kept = old.iter().position(|b| {
                b.id == want.id
                    && b.capacity == want.capacity
                    && b.element_size == u64::from(want.element_size)
            });
            let mut buffer = kept.map_or_else(|| Buffer::new(want), |at| old.swap_remove(at));
            buffer.storage = want.storage;
            buffer.vertex = want.vertex;
            buffer.copied = self.tier != UploadTier::InPlace || want.index;
            if buffer.copied {
                buffer.make_own(gpu, &mut self.serials);
            } else {
                zeros = zeros.max(buffer.element_size.next_multiple_of(16));
            }
            self.buffers.push(buffer);
        }
        self.buffers.sort_by_key(|b| b.id);
        if self.buffers.iter().any(|b| !b.copied) {
            self.need_zeros(gpu, zeros);
        }
    }

    pub(crate) fn at(&self, id: BufferId) -> Result<BufferAt, String> {
        let at = self.buffers.binary_search_by_key(&id, |b| b.id);
        at.map(BufferAt).map_err(|_| format!("the plan binds buffer {} but does not describe it", id.0))
    }

    /// Brings the packet's slots to the GPU: copies what is dirty, or points at where they are.
    pub(crate) fn upload(&mut self, gpu: &Gpu, slots: &[SlotUse], memory: &dyn SlotMemory) -> Uploaded {
        let mut done = Uploaded::default();
        self.copies.clear();
        self.buffers.iter_mut().for_each(|b| b.listed = false);
        for slot in slots {
            let Ok(at) = self.buffers.binary_search_by_key(&slot.buffer, |b| b.id) else { continue };
            self.upload_one(gpu, at, slot, memory, &mut done);
        }
        let mut room = 0;
        for buffer in &mut self.buffers {
            if !buffer.listed {
                done.moved |= buffer.slot.take().is_some();
                buffer.imports.clear();
            }
            if buffer.vertex && buffer.slot.is_none() && buffer.own.is_none() {
                room = room.max(buffer.room());
            }
        }
        if self.zeros.as_ref().is_some_and(|z| z.buffer.size() < room) {
            self.need_zeros(gpu, room);
            done.moved = true;
        }
        done
    }

    /// Records the copies that the GPU makes itself.
    pub(crate) fn record_copies(&self, encoder: &mut wgpu::CommandEncoder) {
        for copy in &self.copies {
            if let Some(own) = &self.buffers[copy.at].own {
                encoder.copy_buffer_to_buffer(&copy.from, copy.start, &own.buffer, copy.to, copy.bytes);
            }
        }
    }

    /// Says that the frame was not submitted: what the GPU was to copy is not there.
    pub(crate) fn not_submitted(&mut self) {
        for copy in self.copies.drain(..) {
            self.buffers[copy.at].fresh = true;
        }
    }

    /// Says that the frame was submitted: wgpu keeps what the GPU copies from until it has done so.
    pub(crate) fn submitted(&mut self) {
        self.copies.clear();
    }

    /// Returns the buffer in which `at`'s bytes are.
    pub(crate) fn buffer(&self, at: BufferAt, when: When) -> &wgpu::Buffer {
        &self.source(at, when).0.buffer
    }

    /// Returns which bytes a binding sees.
    pub(crate) fn spot(&self, gpu: &Gpu, at: BufferAt, seen: Seen, when: When) -> Spot {
        let (numbered, offset) = self.source(at, when);
        let buffer = &self.buffers[at.0];
        let zeros = buffer.own.is_none() && (when == When::Idle || buffer.slot.is_none());
        let size = match seen {
            Seen::Uniform(size) => size,
            Seen::Storage => buffer.storage_bytes(gpu, if zeros { 0 } else { buffer.len }),
        };
        Spot { serial: numbered.serial, offset, size }
    }

    /// Returns whether memory with this number may still hold bytes of a buffer.
    pub(crate) fn knows(&self, at: BufferAt, serial: u64) -> bool {
        let buffer = &self.buffers[at.0];
        let stable = buffer.own.as_ref().or(self.zeros.as_ref());
        stable.is_some_and(|n| n.serial == serial) || buffer.imports.iter().any(|i| i.is(serial))
    }

    /// Returns all bytes of a buffer in this frame, as a vertex or index buffer.
    pub(crate) fn slice(&self, at: BufferAt) -> wgpu::BufferSlice<'_> {
        let (numbered, offset) = self.source(at, When::Now);
        numbered.buffer.slice(offset..offset + self.buffers[at.0].room())
    }

    fn source(&self, at: BufferAt, when: When) -> (&Numbered, u64) {
        let buffer = &self.buffers[at.0];
        match &buffer.slot {
            Some((numbered, offset)) if when == When::Now => (numbered, *offset),
            _ => {
                let stable = buffer.own.as_ref().or(self.zeros.as_ref());
                (stable.expect("what is not copied has zeros to stand in"), 0)
            }
        }
    }

    fn need_zeros(&mut self, gpu: &Gpu, bytes: u64) {
        if self.zeros.as_ref().is_none_or(|z| z.buffer.size() < bytes) {
            let made = make(gpu, "zeros", bytes.next_multiple_of(ZEROS), &mut self.serials);
            self.zeros = Some(made);
        }
    }

    fn upload_one(
        &mut self,
        gpu: &Gpu,
        at: usize,
        slot: &SlotUse,
        memory: &dyn SlotMemory,
        done: &mut Uploaded,
    ) {
        let Self { tier, buffers, imports, copies, serials, .. } = self;
        let buffer = &mut buffers[at];
        buffer.listed = true;
        let len = slot.len.min(buffer.capacity);
        let longer = std::mem::replace(&mut buffer.len, len) != len;
        let room = buffer.room();
        let place = if *tier == UploadTier::Staging { None } else { memory.place(slot.buffer, slot.slot) };
        let found = place.as_ref().and_then(|place| {
            let import = imports.of(gpu, place, &mut buffer.imports, serials, &buffer.name);
            import.slot(place, room).map(|(numbered, start)| (numbered.clone(), start))
        });
        let found = match found {
            Some(slot) if !buffer.copied => {
                // Of nothing, one element of zeros is seen.
                let slot = Some(slot).filter(|_| len > 0);
                let place = |s: &Option<(Numbered, u64)>| s.as_ref().map(|(n, offset)| (n.serial, *offset));
                done.reads_slots |= slot.is_some();
                done.moved |= place(&slot) != place(&buffer.slot) || (longer && buffer.storage);
                buffer.slot = slot;
                buffer.own = None;
                return;
            }
            found => found,
        };
        done.moved |= buffer.slot.take().is_some() || buffer.own.is_none() || (longer && buffer.storage);
        buffer.make_own(gpu, serials);
        if longer && len == 0 {
            buffer.write_zeros(gpu);
        }
        let mut copy = |buffer: &mut Buffer, start: u64, end: u64| {
            let (start, bytes) = buffer.words(start, end);
            if bytes == 0 {
                return true;
            }
            match &found {
                Some((from, slot)) => {
                    let from = from.buffer.clone();
                    copies.push(GpuCopy { from, start: slot + start, at, to: start, bytes });
                    done.reads_slots = true;
                }
                None if !buffer.write(gpu, slot, memory, start, bytes) => return false,
                None => {}
            }
            done.bytes += bytes;
            true
        };
        if buffer.fresh {
            buffer.fresh = !copy(buffer, 0, len);
        } else {
            for range in &slot.dirty {
                copy(buffer, range.start.into(), range.end.into());
            }
        }
    }
}

impl Buffer {
    fn new(planned: &PlannedBuffer) -> Self {
        Self {
            id: planned.id,
            name: Arc::clone(&planned.name),
            capacity: planned.capacity,
            element_size: planned.element_size.into(),
            copied: true,
            storage: planned.storage,
            vertex: planned.vertex,
            own: None,
            fresh: true,
            len: 0,
            faulty: false,
            imports: Vec::new(),
            slot: None,
            listed: false,
        }
    }

    /// Returns how many bytes passes may see of it at most.
    fn room(&self) -> u64 {
        self.capacity.max(self.element_size).max(16).next_multiple_of(16)
    }

    fn make_own(&mut self, gpu: &Gpu, serials: &mut u64) {
        if self.own.is_none() {
            self.own = Some(make(gpu, &self.name, self.room(), serials));
            self.fresh = true;
        }
    }

    /// Returns how many bytes a shader sees as storage of `len` published ones: all elements, or one of zeros.
    fn storage_bytes(&self, gpu: &Gpu, len: u64) -> u64 {
        let whole = len.max(self.element_size).max(4).next_multiple_of(4).min(self.room());
        let max = gpu.limits.max_storage_buffer_binding_size;
        // A whole number of elements, so that a cut array ends with a whole one.
        if whole <= max { whole } else { max - max % self.element_size.max(4) }
    }

    /// Returns the start and number of bytes of the whole words of `start..end` that are published.
    fn words(&self, start: u64, end: u64) -> (u64, u64) {
        let start = start & !3;
        let end = end.min(self.len).next_multiple_of(4).min(self.room());
        (start, end.saturating_sub(start))
    }

    fn write_zeros(&self, gpu: &Gpu) {
        if let Some(own) = &self.own {
            let element = vec![0; self.element_size.max(4).next_multiple_of(4) as usize];
            gpu.queue.write_buffer(&own.buffer, 0, &element);
        }
    }

    /// Writes bytes of a slot into the GPU's copy. Returns whether the slot has them.
    fn write(&mut self, gpu: &Gpu, slot: &SlotUse, memory: &dyn SlotMemory, start: u64, bytes: u64) -> bool {
        let found = memory.bytes(slot.buffer, slot.slot, start, bytes);
        if let (Some(found), Some(own)) = (found, &self.own) {
            gpu.queue.write_buffer(&own.buffer, start, found);
            return true;
        }
        if !std::mem::replace(&mut self.faulty, true) {
            tracing::error!(
                "slot {} of `{}` has no bytes {start}..{}: not copied to the GPU",
                slot.slot,
                self.name,
                start + bytes
            );
        }
        false
    }
}

fn make(gpu: &Gpu, name: &str, bytes: u64, serials: &mut u64) -> Numbered {
    use wgpu::BufferUsages as U;
    let (buffer, fault) = gpu.creating(|| {
        gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(name),
            size: bytes,
            usage: U::VERTEX | U::INDEX | U::UNIFORM | U::STORAGE | U::COPY_DST | U::COPY_SRC,
            mapped_at_creation: false,
        })
    });
    if let Some(why) = fault {
        tracing::error!("the GPU's copy of `{name}` ({bytes} bytes) cannot be made: {why}");
    }
    *serials += 1;
    Numbered { buffer, serial: *serials }
}
