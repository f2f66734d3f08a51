//! Pixels of textures on their way back to the cells that want them.
//!
//! They are copied into a buffer at the end of a frame, the buffer is mapped when the GPU has done the frame, and its bytes
//! go into the slot that the packet grants. Nothing waits: the packet comes back when they are there.
use crate::{gpu::Gpu, targets::Targets};
use engine_frame::packet::{Packet, Readback};
use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The GPU has done the frame: so long may the word of it take from the thread that asked the driver.
const PATIENCE: Duration = Duration::from_secs(10);

/// Buffers for pixels, used again and again.
#[derive(Default)]
pub(crate) struct Readbacks {
    free: Vec<Staged>,
    /// It was said that there is no memory for some of them.
    told: bool,
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
    fn wait(&self, until: Instant) -> bool {
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until.saturating_duration_since(Instant::now());
        let waited = self.given.wait_timeout_while(answer, left, |a| a.is_none());
        *waited.unwrap_or_else(PoisonError::into_inner).0 == Some(true)
    }
}

impl Staged {
    fn fits(&self, texture: &wgpu::Texture) -> bool {
        self.size_px == [texture.width(), texture.height()]
            && Some(self.texel_bytes) == texture.format().block_copy_size(None)
    }

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
            if let Some(found) = self.free.iter().position(|s| s.fits(texture)) {
                out.push(Staged { at, ..self.free.swap_remove(found) });
                continue;
            }
            let row_bytes = (size_px[0] * texel_bytes).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
            let (buffer, fault) = gpu.creating(|| {
                gpu.device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some("read back"),
                    size: u64::from(row_bytes) * u64::from(size_px[1]),
                    usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
                    mapped_at_creation: false,
                })
            });
            if let Some(fault) = fault {
                // Nobody else's picture is the worse for it.
                if !std::mem::replace(&mut self.told, true) {
                    let [width, height] = size_px;
                    tracing::error!("a texture of {width}x{height} cannot be read back: {fault}");
                }
                continue;
            }
            out.push(Staged { at, buffer, size_px, texel_bytes, mapped: Arc::default() });
        }
        // Those of textures that nobody reads back any more go; what is under way goes when it is back.
        let textures = || wanted.iter().filter_map(|w| targets.copied_from(w.target));
        self.free.retain(|s| textures().any(|t| s.fits(t)));
        Returning(out)
    }

    /// Copies what has come back into the slots of its packet. The GPU has done the frame.
    pub(crate) fn finish(&mut self, returning: Returning, packet: &mut Packet) {
        let until = Instant::now() + PATIENCE;
        for staged in returning.0 {
            if !staged.mapped.wait(until) {
                // The device may be lost; another one gets new buffers.
                continue;
            }
            if let (Ok(bytes), Some(wanted)) =
                (staged.buffer.get_mapped_range(..), packet.readbacks.get_mut(staged.at))
            {
                let row_bytes = (staged.size_px[0] * staged.texel_bytes) as usize;
                let rows = bytes.chunks_exact(staged.row_bytes() as usize).map(|row| &row[..row_bytes]);
                let mut into = rows.zip((0_u64..).step_by(row_bytes));
                let is_all = row_bytes as u64 * u64::from(staged.size_px[1]) == wanted.len;
                wanted.arrived =
                    is_all && into.all(|(row, at)| packet.memory.fill(wanted.buffer, wanted.slot, at, row));
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
