//! Reads the picture back.
use crate::{event::Image, gpu::Gpu};
use std::{sync::mpsc, time::Duration};

/// The GPU may take this long for a frame before a capture is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// A picture on its way back.
pub(crate) struct Capture {
    buffer: wgpu::Buffer,
    size: [u32; 2],
    row_bytes: u32,
    /// Blue comes first.
    bgra: bool,
}

impl Capture {
    /// Records the copy of `picture`; `None` if it cannot be copied.
    pub(crate) fn record(
        gpu: &Gpu,
        encoder: &mut wgpu::CommandEncoder,
        picture: &wgpu::Texture,
    ) -> Option<Self> {
        use wgpu::TextureFormat as F;
        let bgra = match picture.format() {
            F::Rgba8UnormSrgb | F::Rgba8Unorm => false,
            F::Bgra8UnormSrgb | F::Bgra8Unorm => true,
            _ => return None,
        };
        if !picture.usage().contains(wgpu::TextureUsages::COPY_SRC) {
            return None;
        }
        let size = [picture.width(), picture.height()];
        let row_bytes = (size[0] * 4).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
        let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("capture"),
            size: u64::from(row_bytes) * u64::from(size[1]),
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        encoder.copy_texture_to_buffer(
            picture.as_image_copy(),
            wgpu::TexelCopyBufferInfo {
                buffer: &buffer,
                layout: wgpu::TexelCopyBufferLayout {
                    offset: 0,
                    bytes_per_row: Some(row_bytes),
                    rows_per_image: None,
                },
            },
            picture.size(),
        );
        Some(Self { buffer, size, row_bytes, bgra })
    }

    /// Waits for the frame and returns the picture.
    pub(crate) fn read(self, gpu: &Gpu, submitted: wgpu::SubmissionIndex) -> Result<Image, String> {
        let (say, mapped) = mpsc::sync_channel(1);
        self.buffer.map_async(wgpu::MapMode::Read, .., move |result| drop(say.send(result)));
        let wait = wgpu::PollType::Wait { submission_index: Some(submitted), timeout: Some(PATIENCE) };
        gpu.device.poll(wait).map_err(|e| e.to_string())?;
        // The answer may be given on the compile thread, which polls too.
        match mapped.recv_timeout(PATIENCE) {
            Ok(result) => result.map_err(|e| e.to_string())?,
            Err(_) => return Err("the GPU did not answer".to_owned()),
        }
        let bytes = self.buffer.get_mapped_range(..).map_err(|e| e.to_string())?;
        let [width, height] = self.size;
        let mut rgba8 = Vec::with_capacity(width as usize * height as usize * 4);
        for row in bytes.chunks_exact(self.row_bytes as usize) {
            rgba8.extend_from_slice(&row[..width as usize * 4]);
        }
        if self.bgra {
            for pixel in rgba8.chunks_exact_mut(4) {
                pixel.swap(0, 2);
            }
        }
        Ok(Image { width, height, rgba8 })
    }
}
