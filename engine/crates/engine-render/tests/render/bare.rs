//! What a frame costs on `noop` beside a bare wgpu program that does the same passes. Printed, not asserted:
//! `engine-benches` holds the targets.
use crate::kit::*;
use cell_abi::ports::{StartValue, TextureFormat};
use engine_frame::plan::*;
use engine_render::RenderConfig;
use std::sync::Arc;
use std::time::Instant;

const FRAMES: usize = 300;
const SIZE: [u32; 2] = [64, 36];
const COPY: &str = "
    @fragment fn copy(in: Full) -> @location(0) vec4f { return textureSample(scene, linear_clamp, in.uv); }";

/// The same chain of copies between two textures, by hand: one encoder, nothing checked.
struct Bare {
    device: wgpu::Device,
    queue: wgpu::Queue,
    uniform: wgpu::Buffer,
    pipeline: wgpu::RenderPipeline,
    shared: wgpu::BindGroup,
    groups: [wgpu::BindGroup; 2],
    views: [wgpu::TextureView; 2],
}

impl Bare {
    fn new() -> Self {
        let mut desc = wgpu::InstanceDescriptor::new_without_display_handle();
        desc.backends = wgpu::Backends::NOOP;
        desc.backend_options.noop.enable = true;
        let adapter =
            pollster::block_on(wgpu::Instance::new(desc).request_adapter(&Default::default())).unwrap();
        let (device, queue) = pollster::block_on(adapter.request_device(&Default::default())).unwrap();
        let views = [0, 1].map(|_| {
            let texture = device.create_texture(&wgpu::TextureDescriptor {
                label: None,
                size: wgpu::Extent3d { width: SIZE[0], height: SIZE[1], depth_or_array_layers: 1 },
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: wgpu::TextureFormat::Rgba16Float,
                usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::TEXTURE_BINDING,
                view_formats: &[],
            });
            texture.create_view(&Default::default())
        });
        let uniform = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 32,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let sampler = device.create_sampler(&wgpu::SamplerDescriptor {
            mag_filter: wgpu::FilterMode::Linear,
            ..Default::default()
        });
        let text = format!("{HEADER} {}", COPY.replace("return", "let f = frame.time; return f *"));
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(text.into()),
        });
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: None,
            layout: None,
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some("engine_full"),
                compilation_options: Default::default(),
                buffers: &[],
            },
            primitive: Default::default(),
            depth_stencil: None,
            multisample: Default::default(),
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some("copy"),
                compilation_options: Default::default(),
                targets: &[Some(wgpu::TextureFormat::Rgba16Float.into())],
            }),
            multiview_mask: None,
            cache: None,
        });
        let group = |layout: u32, entries: &[wgpu::BindGroupEntry<'_>]| {
            let layout = &pipeline.get_bind_group_layout(layout);
            device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries })
        };
        let sampler = wgpu::BindGroupEntry { binding: 2, resource: wgpu::BindingResource::Sampler(&sampler) };
        let shared =
            group(0, &[wgpu::BindGroupEntry { binding: 0, resource: uniform.as_entire_binding() }, sampler]);
        let groups = [0, 1].map(|n: usize| {
            let resource = wgpu::BindingResource::TextureView(&views[n]);
            group(1, &[wgpu::BindGroupEntry { binding: 0, resource }])
        });
        Self { device, queue, uniform, pipeline, shared, groups, views }
    }

    fn frame(&self, passes: usize) {
        self.queue.write_buffer(&self.uniform, 0, &[0; 32]);
        let mut encoder = self.device.create_command_encoder(&Default::default());
        for n in 0..passes {
            let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                    view: &self.views[(n + 1) % 2],
                    depth_slice: None,
                    resolve_target: None,
                    ops: wgpu::Operations::default(),
                })],
                ..Default::default()
            });
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &self.shared, &[]);
            pass.set_bind_group(1, &self.groups[n % 2], &[]);
            pass.draw(0..3, 0..1);
        }
        self.queue.submit([encoder.finish()]);
        self.device.poll(wgpu::PollType::Poll).unwrap();
    }
}

fn median(mut times: Vec<u64>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2] as f64 / 1e3
}

fn chain(cells: u32, passes: u32) -> Arc<Plan> {
    let pass = |n: u32| {
        let to = (n + 1) % 2;
        full("copy")
            .reads(texture(0, n % 2, TextureView::Whole))
            .raster(|r| r.color = vec![color(to, Load::Clear([0.0; 4]))])
    };
    let runs = (0..cells).map(|c| run(c, (0..passes).map(|n| pass(c * passes + n)).collect())).collect();
    let zero = StartValue::Clear([0.0; 4]);
    let targets = (0..2).map(|n| target(n, "t", TextureFormat::Rgba16Float, SIZE, zero)).collect();
    Arc::new(Plan { targets, ..plan(1, SIZE, runs) })
}

#[test]
fn a_frame_beside_bare_wgpu() {
    let bare = Bare::new();
    for (cells, passes, gpu_times) in
        [(1, 7, false), (1, 7, true), (3, 3, false), (10, 5, false), (50, 4, false)]
    {
        let mut kit = Kit::start(RenderConfig { gpu_times, ..RenderConfig::noop() });
        (0..cells).for_each(|c| kit.shader(c, COPY));
        let plan = chain(cells, passes);
        kit.run(&plan, false);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..FRAMES {
            ours.push(kit.run(&plan, false).cpu.total_ns());
            let start = Instant::now();
            bare.frame((cells * passes) as usize);
            theirs.push(start.elapsed().as_nanos() as u64);
        }
        let (ours, theirs) = (median(ours), median(theirs));
        println!(
            "noop, {cells} cells of {passes} passes, GPU times {gpu_times}: {ours:.1} us, bare {theirs:.1} us, ratio {:.2}, limit {:.1}",
            ours / theirs,
            theirs * 1.25 + 50.0
        );
        assert_eq!(kit.faults(), vec![]);
    }
}
