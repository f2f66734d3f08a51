//! The GPU's copies of buffers in slots, filled by `queue.write_buffer` (the `staging` tier).
use crate::gpu::Gpu;
use engine_frame::{
    packet::{SlotMemory, SlotUse},
    plan::{BufferId, PlannedBuffer},
};
use std::sync::Arc;

pub(crate) struct Buffer {
    id: BufferId,
    name: Arc<str>,
    capacity: u64,
    element_size: u64,
    pub(crate) buffer: wgpu::Buffer,
    storage: bool,
    /// Nothing was copied into it yet: the next upload takes all published bytes, whatever the host thinks.
    fresh: bool,
    /// Published bytes.
    len: u64,
    faulty: bool,
}

/// The GPU's copies, ascending by id.
#[derive(Default)]
pub(crate) struct Buffers {
    buffers: Vec<Buffer>,
}

/// What an upload did.
#[derive(Default)]
pub(crate) struct Uploaded {
    pub(crate) bytes: u64,
    /// A buffer bound as storage has another number of elements: its bind groups are made anew.
    pub(crate) storage_resized: bool,
}

impl Buffers {
    /// Makes what the plan binds and is not there yet, drops the rest.
    pub(crate) fn adopt(&mut self, gpu: &Gpu, planned: &[PlannedBuffer]) {
        let mut old = std::mem::take(&mut self.buffers);
        for want in planned {
            let kept = old.iter().position(|b| {
                b.id == want.id
                    && b.capacity == want.capacity
                    && b.element_size == u64::from(want.element_size)
            });
            let mut buffer = kept.map_or_else(|| Buffer::new(gpu, want), |at| old.swap_remove(at));
            buffer.storage = want.storage;
            self.buffers.push(buffer);
        }
        self.buffers.sort_by_key(|b| b.id);
    }

    pub(crate) fn get(&self, id: BufferId) -> Result<&Buffer, String> {
        let at = self.buffers.binary_search_by_key(&id, |b| b.id);
        at.map(|at| &self.buffers[at])
            .map_err(|_| format!("the plan binds buffer {} but does not describe it", id.0))
    }

    /// Copies the dirty ranges of the packet's slots.
    pub(crate) fn upload(&mut self, gpu: &Gpu, slots: &[SlotUse], memory: &dyn SlotMemory) -> Uploaded {
        let mut done = Uploaded::default();
        for slot in slots {
            let Ok(at) = self.buffers.binary_search_by_key(&slot.buffer, |b| b.id) else { continue };
            self.buffers[at].upload(gpu, slot, memory, &mut done);
        }
        done
    }
}

impl Buffer {
    fn new(gpu: &Gpu, planned: &PlannedBuffer) -> Self {
        use wgpu::BufferUsages as U;
        let (buffer, fault) = gpu.creating(|| {
            gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(&planned.name),
                size: planned.capacity.max(u64::from(planned.element_size)).max(16).next_multiple_of(16),
                usage: U::VERTEX | U::INDEX | U::UNIFORM | U::STORAGE | U::COPY_DST | U::COPY_SRC,
                mapped_at_creation: false,
            })
        });
        if let Some(why) = fault {
            tracing::error!(
                "the GPU's copy of `{}` ({} bytes) cannot be made: {why}",
                planned.name,
                planned.capacity
            );
        }
        Self {
            id: planned.id,
            name: Arc::clone(&planned.name),
            capacity: planned.capacity,
            element_size: planned.element_size.into(),
            buffer,
            storage: planned.storage,
            fresh: true,
            len: 0,
            faulty: false,
        }
    }

    /// Returns how many bytes a shader sees as storage: the published elements, or one of zeros.
    pub(crate) fn storage_bytes(&self, gpu: &Gpu) -> u64 {
        let whole = self.len.max(self.element_size).max(4).next_multiple_of(4).min(self.buffer.size());
        let max = gpu.limits.max_storage_buffer_binding_size;
        // A whole number of elements, so that a cut array ends with a whole one.
        if whole <= max { whole } else { max - max % self.element_size.max(4) }
    }

    fn upload(&mut self, gpu: &Gpu, slot: &SlotUse, memory: &dyn SlotMemory, done: &mut Uploaded) {
        let len = slot.len.min(self.capacity);
        if len != self.len {
            if len == 0 {
                gpu.queue.write_buffer(
                    &self.buffer,
                    0,
                    &vec![0; self.element_size.max(4).next_multiple_of(4) as usize],
                );
            }
            self.len = len;
            done.storage_resized |= self.storage;
        }
        if self.fresh {
            self.fresh = !self.copy(gpu, slot, memory, 0, len, done);
        } else {
            for range in &slot.dirty {
                self.copy(gpu, slot, memory, range.start.into(), range.end.into(), done);
            }
        }
    }

    /// Copies `start..end`, widened to whole words. Returns whether the slot has those bytes.
    fn copy(
        &mut self,
        gpu: &Gpu,
        slot: &SlotUse,
        memory: &dyn SlotMemory,
        start: u64,
        end: u64,
        done: &mut Uploaded,
    ) -> bool {
        let start = start & !3;
        let end = end.min(self.len).next_multiple_of(4).min(self.buffer.size());
        if start >= end {
            return true;
        }
        let Some(bytes) = memory.bytes(slot.buffer, slot.slot, start, end - start) else {
            if !std::mem::replace(&mut self.faulty, true) {
                tracing::error!(
                    "slot {} of `{}` has no bytes {start}..{end}: not copied to the GPU",
                    slot.slot,
                    self.name
                );
            }
            return false;
        };
        gpu.queue.write_buffer(&self.buffer, start, bytes);
        done.bytes += end - start;
        true
    }
}
