//! Pixels of textures on their way back to the cells that want them.
//!
//! They are copied into a buffer at the end of a frame, the buffer is mapped when the GPU has done the frame, and its bytes
//! go into the slot that the packet grants. Nothing waits: the packet comes back when they are there.
use crate::{gpu::Gpu, targets::Targets};
use engine_frame::packet::{Packet, Readback};
use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

/// The GPU has done the frame: so long may the word of it take from the thread that asked the driver.
const PATIENCE: Duration = Duration::from_secs(10);

/// Buffers for pixels, used again and again.
#[derive(Default)]
pub(crate) struct Readbacks {
    free: Vec<Staged>,
}

/// What one frame brings back.
#[derive(Default)]
pub(crate) struct Returning(Vec<Staged>);

struct Staged {
    /// Which of the packet's read-backs it is.
    at: usize,
    buffer: wgpu::Buffer,
    size_px: [u32; 2],
    texel_bytes: u32,
    mapped: Arc<Mapped>,
}

/// Whether a buffer was mapped.
#[derive(Default)]
struct Mapped {
    answer: Mutex<Option<bool>>,
    given: Condvar,
}

impl Mapped {
    fn set(&self, answer: Option<bool>) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
        self.given.notify_one();
    }

    /// The answer may be given by another thread that polls the device, a moment later.
    fn wait(&self) -> bool {
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.given.wait_timeout_while(answer, PATIENCE, |a| a.is_none());
        *waited.unwrap_or_else(PoisonError::into_inner).0 == Some(true)
    }
}

impl Staged {
    fn row_bytes(&self) -> u32 {
        (self.size_px[0] * self.texel_bytes).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT)
    }
}

impl Readbacks {
    /// Finds a buffer for each texture that is wanted.
    pub(crate) fn begin(&mut self, gpu: &Gpu, targets: &Targets, wanted: &[Readback]) -> Returning {
        let mut out = Vec::new();
        for (at, texture) in wanted.iter().map(|w| targets.copied_from(w.target)).enumerate() {
            let Some(texture) = texture else { continue };
            let Some(texel_bytes) = texture.format().block_copy_size(None) else { continue };
            let size_px = [texture.width(), texture.height()];
            let same = |s: &Staged| (s.size_px, s.texel_bytes) == (size_px, texel_bytes);
            if let Some(found) = self.free.iter().position(same) {
                out.push(Staged { at, ..self.free.swap_remove(found) });
                continue;
            }
            let row_bytes = (size_px[0] * texel_bytes).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
            let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("read back"),
                size: u64::from(row_bytes) * u64::from(size_px[1]),
                usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
                mapped_at_creation: false,
            });
            out.push(Staged { at, buffer, size_px, texel_bytes, mapped: Arc::default() });
        }
        if wanted.is_empty() {
            // Nobody reads back any more.
            self.free.clear();
        }
        Returning(out)
    }

    /// Takes buffers back that were not used.
    pub(crate) fn give_back(&mut self, unused: Returning) {
        self.free.extend(unused.0);
    }

    /// Copies what has come back into the slots of its packet. The GPU has done the frame.
    pub(crate) fn finish(&mut self, returning: Returning, packet: &mut Packet) {
        for staged in returning.0 {
            if !staged.mapped.wait() {
                // The device may be lost; another one gets new buffers.
                continue;
            }
            if let (Ok(bytes), Some(wanted)) =
                (staged.buffer.get_mapped_range(..), packet.readbacks.get_mut(staged.at))
            {
                let row_bytes = (staged.size_px[0] * staged.texel_bytes) as usize;
                let rows = bytes.chunks_exact(staged.row_bytes() as usize).map(|row| &row[..row_bytes]);
                let mut into = rows.zip((0_u64..).step_by(row_bytes));
                wanted.arrived =
                    into.all(|(row, at)| packet.memory.fill(wanted.buffer, wanted.slot, at, row));
            }
            staged.buffer.unmap();
            staged.mapped.set(None);
            self.free.push(staged);
        }
    }
}

impl Returning {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Records the copies out of the textures.
    pub(crate) fn record(&self, encoder: &mut wgpu::CommandEncoder, targets: &Targets, wanted: &[Readback]) {
        for staged in &self.0 {
            let Some(texture) = targets.copied_from(wanted[staged.at].target) else { continue };
            encoder.copy_texture_to_buffer(
                texture.as_image_copy(),
                wgpu::TexelCopyBufferInfo {
                    buffer: &staged.buffer,
                    layout: wgpu::TexelCopyBufferLayout {
                        offset: 0,
                        bytes_per_row: Some(staged.row_bytes()),
                        rows_per_image: None,
                    },
                },
                texture.size(),
            );
        }
    }

    /// Asks for the buffers once the GPU has done the frame.
    pub(crate) fn submitted(&self) {
        for staged in &self.0 {
            let mapped = Arc::clone(&staged.mapped);
            staged.buffer.map_async(wgpu::MapMode::Read, .., move |result| mapped.set(Some(result.is_ok())));
        }
    }
}
