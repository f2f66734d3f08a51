//! Many small passes by hand: what wgpu itself takes for them.
use super::{
    Gpu,
    maker::{CLEAR, Maker},
};
use engine_frame::wgsl;
use engine_host::Project;

/// Passes that each paint a texture of one pixel.
pub(crate) struct Dots {
    gpu: Gpu,
    pipeline: wgpu::RenderPipeline,
    group0: wgpu::BindGroup,
    frame: wgpu::Buffer,
    targets: Vec<wgpu::TextureView>,
    passes: u32,
}

impl Dots {
    /// Makes `passes` passes with the shader of the cell `bench-empty`, onto `textures` textures in turn.
    pub(crate) fn open(project: &Project, passes: u32, textures: u32) -> anyhow::Result<Self> {
        let gpu = Gpu::open(super::Driver::Noop)?;
        let ports = engine_host::library::read_ports(&project.library("bench-empty"))?;
        let body = std::fs::read_to_string(project.root.join("shaders/bench-empty/bench-empty.wgsl"))?;
        let maker = Maker::new(&gpu);
        let frame = maker.buffer(32, wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST);
        let group0 = maker.group0(&frame, &[0; 16]);
        let module = maker.module(&(wgsl::header(&ports) + &body));
        let layout = maker.pipeline_layout(None);
        let pipeline = maker.dots_pipeline(&layout, &module);
        let texture =
            || maker.texture([1, 1], 1, wgpu::TextureFormat::Rgba8Unorm, wgpu::TextureUsages::empty());
        let view = |texture: wgpu::Texture| texture.create_view(&wgpu::TextureViewDescriptor::default());
        let targets = (0..textures.max(1)).map(|_| view(texture())).collect();
        Ok(Self { pipeline, group0, frame, targets, passes, gpu })
    }

    /// Records, submits and waits for one frame. Returns the CPU time of this thread in nanoseconds.
    pub(crate) fn frame(&self) -> anyhow::Result<f64> {
        let (ns, done) = crate::harness::cpu(|| {
            self.submit();
            self.gpu.wait()
        });
        done.map(|()| ns)
    }

    fn submit(&self) {
        self.gpu.queue.write_buffer(&self.frame, 0, &[0; 32]);
        let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for (_, target) in (0..self.passes).zip(self.targets.iter().cycle()) {
            let mut recorder = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                    view: target,
                    depth_slice: None,
                    resolve_target: None,
                    ops: wgpu::Operations { load: CLEAR, store: wgpu::StoreOp::Store },
                })],
                ..Default::default()
            });
            recorder.set_pipeline(&self.pipeline);
            recorder.set_bind_group(0, &self.group0, &[]);
            recorder.draw(0..3, 0..1);
        }
        self.gpu.queue.submit([encoder.finish()]);
    }
}
