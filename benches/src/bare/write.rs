//! The bare upload: `queue.write_buffer`, and a dispatch that reads what came.
use super::{Driver, Gpu};
use crate::harness::cpu;

const SHADER: &str = "
    @group(0) @binding(0) var<storage, read> data: array<vec4u>;
    @group(0) @binding(1) var<storage, read_write> out: array<vec4u>;
    @compute @workgroup_size(1) fn main() { out[0] = data[0] + data[arrayLength(&data) - 1u]; }";

/// A program that writes a buffer and reads it with a dispatch.
pub(crate) struct Write {
    gpu: Gpu,
    data: Vec<u8>,
    buffer: wgpu::Buffer,
    group: wgpu::BindGroup,
    pipeline: wgpu::ComputePipeline,
}

impl Write {
    /// Opens a device and makes a buffer of `bytes`.
    pub(crate) fn open(bytes: u64) -> anyhow::Result<Self> {
        use wgpu::BufferUsages as U;
        let gpu = Gpu::open(Driver::Vulkan)?;
        let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(SHADER.into()),
        });
        let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let make = |size, usage| {
            let desc = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
            gpu.device.create_buffer(&desc)
        };
        let (buffer, out) = (make(bytes, U::STORAGE | U::COPY_DST), make(16, U::STORAGE));
        let group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: buffer.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: out.as_entire_binding() },
            ],
        });
        Ok(Self { data: vec![1; bytes as usize], gpu, buffer, group, pipeline })
    }

    /// Writes the whole buffer and reads it. Returns the CPU time of this thread in nanoseconds.
    pub(crate) fn write(&mut self) -> anyhow::Result<f64> {
        self.data[0] = self.data[0].wrapping_add(1);
        let (ns, ()) = cpu(|| {
            self.gpu.queue.write_buffer(&self.buffer, 0, &self.data);
            self.dispatch();
        });
        self.gpu.wait().map(|()| ns)
    }

    /// Reads the buffer as it is. Returns the CPU time of this thread in nanoseconds.
    pub(crate) fn empty(&mut self) -> anyhow::Result<f64> {
        let (ns, ()) = cpu(|| self.dispatch());
        self.gpu.wait().map(|()| ns)
    }

    fn dispatch(&self) {
        let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        pass.dispatch_workgroups(1, 1, 1);
        drop(pass);
        self.gpu.queue.submit([encoder.finish()]);
    }
}
