//! Group 0: the frame's uniform, each cell's parameters, the samplers.
use crate::{gpu::Gpu, layouts::Layouts};
use engine_frame::plan::CellLine;
use std::{collections::BTreeMap, sync::Arc};

/// Bytes of `struct Frame` in every shader.
const FRAME_BYTES: usize = 32;
/// Zeros for a cell whose parameters have not come.
const NO_PARAMS_BYTES: u64 = 4096;

/// What `struct Frame` holds.
pub(crate) struct FrameUniform {
    pub(crate) screen_px: [u32; 2],
    pub(crate) time_ns: u64,
    pub(crate) dt_ns: u64,
    pub(crate) index: u64,
    pub(crate) history_valid: bool,
}

pub(crate) struct Shared {
    frame: wgpu::Buffer,
    samplers: [wgpu::Sampler; 4],
    none: wgpu::BindGroup,
    cells: BTreeMap<CellLine, Params>,
}

struct Params {
    buffer: wgpu::Buffer,
    group: wgpu::BindGroup,
}

impl Shared {
    pub(crate) fn new(gpu: &Gpu, layouts: &Layouts) -> Self {
        let frame = uniform_buffer(gpu, "frame", FRAME_BYTES as u64);
        let samplers = samplers(gpu);
        let zeros = uniform_buffer(gpu, "no params", NO_PARAMS_BYTES);
        let none = group(gpu, layouts, &frame, &zeros, &samplers);
        Self { frame, samplers, none, cells: BTreeMap::new() }
    }

    /// Returns group 0 for the passes of a cell.
    pub(crate) fn group(&self, cell: CellLine) -> &wgpu::BindGroup {
        self.cells.get(&cell).map_or(&self.none, |p| &p.group)
    }

    /// Writes a cell's parameters. Returns whether [`Self::group`] is another one now.
    pub(crate) fn set_params(
        &mut self,
        gpu: &Gpu,
        layouts: &Layouts,
        cell: CellLine,
        bytes: &Arc<[u8]>,
    ) -> bool {
        let size = (bytes.len() as u64).max(16).next_multiple_of(16);
        let made = self.cells.get(&cell).is_none_or(|p| p.buffer.size() != size);
        if made {
            let buffer = uniform_buffer(gpu, "params", size);
            let group = group(gpu, layouts, &self.frame, &buffer, &self.samplers);
            self.cells.insert(cell, Params { buffer, group });
        }
        let buffer = &self.cells[&cell].buffer;
        let (words, rest) = bytes.split_at(bytes.len() & !3);
        if !words.is_empty() {
            gpu.queue.write_buffer(buffer, 0, words);
        }
        if !rest.is_empty() {
            let mut word = [0; 4];
            word[..rest.len()].copy_from_slice(rest);
            gpu.queue.write_buffer(buffer, words.len() as u64, &word);
        }
        made
    }

    pub(crate) fn set_frame(&self, gpu: &Gpu, frame: &FrameUniform) {
        let seconds = |ns: u64| (ns as f64 / 1e9) as f32;
        let words: [[u8; 4]; FRAME_BYTES / 4] = [
            (frame.screen_px[0] as f32).to_le_bytes(),
            (frame.screen_px[1] as f32).to_le_bytes(),
            seconds(frame.time_ns).to_le_bytes(),
            seconds(frame.dt_ns).to_le_bytes(),
            (frame.index as u32).to_le_bytes(),
            u32::from(frame.history_valid).to_le_bytes(),
            [0; 4],
            [0; 4],
        ];
        gpu.queue.write_buffer(&self.frame, 0, words.as_flattened());
    }
}

fn uniform_buffer(gpu: &Gpu, label: &str, size: u64) -> wgpu::Buffer {
    gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

/// Samplers 2 to 5 of group 0.
fn samplers(gpu: &Gpu) -> [wgpu::Sampler; 4] {
    use wgpu::{AddressMode as A, FilterMode as F, MipmapFilterMode as M};
    let make = |label, address, filter, mipmap_filter, compare, anisotropy_clamp| {
        gpu.device.create_sampler(&wgpu::SamplerDescriptor {
            label: Some(label),
            address_mode_u: address,
            address_mode_v: address,
            address_mode_w: address,
            mag_filter: filter,
            min_filter: filter,
            mipmap_filter,
            compare,
            anisotropy_clamp,
            ..Default::default()
        })
    };
    // Where the CPU draws, anisotropic taps cost more than all the rest of a frame (measured on lavapipe: a city at
    // 480x270 took minutes instead of a second).
    let wanted = gpu.downlevel.contains(wgpu::DownlevelFlags::ANISOTROPIC_FILTERING) && !gpu.report().is_cpu;
    let anisotropy = if wanted { 8 } else { 1 };
    [
        make("linear_clamp", A::ClampToEdge, F::Linear, M::Linear, None, 1),
        make("nearest_clamp", A::ClampToEdge, F::Nearest, M::Nearest, None, 1),
        make("linear_repeat", A::Repeat, F::Linear, M::Linear, None, anisotropy),
        // Depth is reversed: what is at least as near as the occluder is lit.
        make(
            "shadow_compare",
            A::ClampToEdge,
            F::Linear,
            M::Nearest,
            Some(wgpu::CompareFunction::GreaterEqual),
            1,
        ),
    ]
}

fn group(
    gpu: &Gpu,
    layouts: &Layouts,
    frame: &wgpu::Buffer,
    params: &wgpu::Buffer,
    samplers: &[wgpu::Sampler; 4],
) -> wgpu::BindGroup {
    let sampler = |n: usize| wgpu::BindGroupEntry {
        binding: n as u32 + 2,
        resource: wgpu::BindingResource::Sampler(&samplers[n]),
    };
    gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("group 0"),
        layout: &layouts.shared,
        entries: &[
            wgpu::BindGroupEntry { binding: 0, resource: frame.as_entire_binding() },
            wgpu::BindGroupEntry { binding: 1, resource: params.as_entire_binding() },
            sampler(0),
            sampler(1),
            sampler(2),
            sampler(3),
        ],
    })
}
