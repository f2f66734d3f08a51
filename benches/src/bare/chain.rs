//! The passes of the bare program.
use super::{
    Gpu, Shape,
    content::{self, Content, Cube, Source},
    maker::{Blend, Bound, CLEAR, DEPTH, HDR, Maker, PICTURE},
};
use anyhow::Context as _;
use wgpu::{BufferUsages as U, TextureUsages as T};

/// Mip levels of the bloom chain.
const LEVELS: u32 = 6;

/// Everything that is made once.
pub(crate) struct Chain {
    size: [u32; 2],
    frame: wgpu::Buffer,
    cubes: wgpu::Buffer,
    count: u32,
    vertices: wgpu::Buffer,
    indices: wgpu::Buffer,
    picture: wgpu::Texture,
    depth: wgpu::TextureView,
    /// Passes of one cell each.
    runs: Vec<Run>,
    tonemap: Made,
}

struct Run {
    group0: wgpu::BindGroup,
    passes: Vec<Pass>,
}

struct Pass {
    label: &'static str,
    pipeline: wgpu::RenderPipeline,
    group1: wgpu::BindGroup,
    target: wgpu::TextureView,
    load: wgpu::LoadOp<wgpu::Color>,
    draws_cubes: bool,
}

/// What it takes to make the tone mapper's pipeline again.
struct Made {
    layout: wgpu::PipelineLayout,
    run: usize,
}

impl Chain {
    pub(crate) fn new(gpu: &Gpu, content: &Content, size: [u32; 2]) -> Self {
        let maker = Maker::new(gpu);
        let frame = maker.buffer(32, U::UNIFORM | U::COPY_DST);
        let cubes = maker.buffer((content.cubes.len() * size_of::<Cube>()) as u64, U::VERTEX | U::COPY_DST);
        let (corners, triangles) = content::mesh();
        let vertices = maker.filled(bytemuck::cast_slice(&corners), U::VERTEX);
        let indices = maker.filled(bytemuck::cast_slice(&triangles), U::INDEX);
        let camera = maker.filled(bytemuck::bytes_of(&content.camera(size)), U::UNIFORM);

        let scene_color = maker.texture(size, 1, HDR, T::empty());
        let depth = maker.texture(size, 1, DEPTH, T::empty());
        let half = size.map(|s| s.div_ceil(2));
        let mips = maker.texture(half, LEVELS, HDR, T::empty());
        let bloom_result = maker.texture(size, 1, HDR, T::empty());
        let picture = maker.texture(size, 1, PICTURE, T::COPY_SRC);
        let whole = |t: &wgpu::Texture| t.create_view(&wgpu::TextureViewDescriptor::default());
        let level = |level: u32| {
            mips.create_view(&wgpu::TextureViewDescriptor {
                base_mip_level: level,
                mip_level_count: Some(1),
                ..Default::default()
            })
        };
        let (scene_view, result_view) = (whole(&scene_color), whole(&bloom_result));

        let cubes_run = {
            let s = &content.many_cubes;
            let layout1 = maker.layout(&[(s.binding("camera"), Bound::Uniform)]);
            let layout = maker.pipeline_layout(Some(&layout1));
            let group1 = maker.group(&layout1, &[(s.binding("camera"), camera.as_entire_binding())]);
            let module = maker.module(&s.text);
            Run {
                group0: maker.group0(&frame, &s.params),
                passes: vec![Pass {
                    label: "cubes",
                    pipeline: maker.cubes_pipeline(&layout, &module),
                    group1,
                    target: scene_view.clone(),
                    load: CLEAR,
                    draws_cubes: true,
                }],
            }
        };

        let bloom_run = {
            let s = &content.bloom;
            let (scene, chain) = (s.binding("scene_color"), s.binding("mips"));
            let of_scene = maker.layout(&[(scene, Bound::Texture)]);
            let of_chain = maker.layout(&[(chain, Bound::Texture)]);
            let module = maker.module(&s.text);
            let pipeline = |entry, layout: &wgpu::BindGroupLayout, adds| {
                maker.full_pipeline(&maker.pipeline_layout(Some(layout)), &module, entry, HDR, adds)
            };
            let threshold = pipeline("threshold", &of_scene, Blend::Replace);
            let down = pipeline("down", &of_chain, Blend::Replace);
            let up = pipeline("up", &of_chain, Blend::Add);
            let composite = pipeline("composite", &of_chain, Blend::Replace);
            let reads =
                |n: u32| maker.group(&of_chain, &[(chain, wgpu::BindingResource::TextureView(&level(n)))]);
            let pass = |label, pipeline: &wgpu::RenderPipeline, group1, target, load| Pass {
                label,
                pipeline: pipeline.clone(),
                group1,
                target,
                load,
                draws_cubes: false,
            };
            let first = maker.group(&of_scene, &[(scene, wgpu::BindingResource::TextureView(&scene_view))]);
            let mut passes = vec![pass("threshold", &threshold, first, level(0), CLEAR)];
            for i in 1..LEVELS {
                passes.push(pass("down", &down, reads(i - 1), level(i), CLEAR));
            }
            for i in (0..LEVELS - 1).rev() {
                passes.push(pass("up", &up, reads(i + 1), level(i), wgpu::LoadOp::Load));
            }
            passes.push(pass("composite", &composite, reads(0), result_view.clone(), CLEAR));
            Run { group0: maker.group0(&frame, &s.params), passes }
        };

        let (tonemap_run, tonemap_layout) = {
            let s = &content.tonemap;
            let (scene, bloom) = (s.binding("scene_color"), s.binding("bloom_result"));
            let layout1 = maker.layout(&[(scene, Bound::Texture), (bloom, Bound::Texture)]);
            let layout = maker.pipeline_layout(Some(&layout1));
            let group1 = maker.group(
                &layout1,
                &[
                    (scene, wgpu::BindingResource::TextureView(&scene_view)),
                    (bloom, wgpu::BindingResource::TextureView(&result_view)),
                ],
            );
            let pipeline =
                maker.full_pipeline(&layout, &maker.module(&s.text), "tonemap", PICTURE, Blend::Replace);
            let pass = Pass {
                label: "tonemap",
                pipeline,
                group1,
                target: whole(&picture),
                load: CLEAR,
                draws_cubes: false,
            };
            (Run { group0: maker.group0(&frame, &s.params), passes: vec![pass] }, layout)
        };

        let chain = Self {
            size,
            frame,
            count: content.cubes.len() as u32,
            cubes,
            vertices,
            indices,
            picture,
            depth: whole(&depth),
            runs: vec![cubes_run, bloom_run, tonemap_run],
            tonemap: Made { layout: tonemap_layout, run: 2 },
        };
        chain.write_cubes(gpu, &content.cubes);
        chain
    }

    /// Writes the `frame` block.
    pub(crate) fn write_frame(&self, gpu: &Gpu, index: u32, seconds: f32) {
        let [w, h] = self.size.map(|s| (s as f32).to_bits());
        let words = [w, h, seconds.to_bits(), (1.0_f32 / 60.0).to_bits(), index, 0, 0, 0];
        gpu.queue.write_buffer(&self.frame, 0, bytemuck::cast_slice(&words));
    }

    /// Writes all cubes.
    pub(crate) fn write_cubes(&self, gpu: &Gpu, cubes: &[Cube]) {
        gpu.queue.write_buffer(&self.cubes, 0, bytemuck::cast_slice(cubes));
    }

    /// Records all passes.
    pub(crate) fn record(&self, encoder: &mut wgpu::CommandEncoder, shape: Shape) {
        for (run, pass) in self.runs.iter().flat_map(|run| run.passes.iter().map(move |pass| (run, pass))) {
            let depth = pass.draws_cubes.then_some(wgpu::RenderPassDepthStencilAttachment {
                view: &self.depth,
                depth_ops: Some(wgpu::Operations {
                    load: wgpu::LoadOp::Clear(0.0),
                    store: wgpu::StoreOp::Store,
                }),
                stencil_ops: None,
            });
            let mut recorder = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                label: (shape == Shape::Guarded).then_some(pass.label),
                color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                    view: &pass.target,
                    depth_slice: None,
                    resolve_target: None,
                    ops: wgpu::Operations { load: pass.load, store: wgpu::StoreOp::Store },
                })],
                depth_stencil_attachment: depth,
                ..Default::default()
            });
            recorder.set_pipeline(&pass.pipeline);
            recorder.set_bind_group(0, &run.group0, &[]);
            recorder.set_bind_group(1, &pass.group1, &[]);
            if pass.draws_cubes {
                recorder.set_vertex_buffer(0, self.vertices.slice(..));
                recorder.set_vertex_buffer(1, self.cubes.slice(..));
                recorder.set_index_buffer(self.indices.slice(..), wgpu::IndexFormat::Uint32);
                recorder.draw_indexed(0..36, 0, 0..self.count);
            } else {
                recorder.draw(0..3, 0..1);
            }
        }
    }

    /// Makes the tone mapper's pipeline from another text: what a saved shader costs at the least.
    pub(crate) fn replace_tonemap(&mut self, gpu: &Gpu, source: &Source) {
        let maker = Maker::new(gpu);
        let module = maker.module(&source.text);
        self.runs[self.tonemap.run].passes[0].pipeline =
            maker.full_pipeline(&self.tonemap.layout, &module, "tonemap", PICTURE, Blend::Replace);
    }

    /// Reads the picture back: 4 bytes a pixel, rows from the top.
    pub(crate) fn read_picture(&self, gpu: &Gpu) -> anyhow::Result<Vec<u8>> {
        let [width, height] = self.size;
        let row = width * 4;
        anyhow::ensure!(row % wgpu::COPY_BYTES_PER_ROW_ALIGNMENT == 0, "the width must be a multiple of 64");
        let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: u64::from(row * height),
            usage: U::COPY_DST | U::MAP_READ,
            mapped_at_creation: false,
        });
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_texture_to_buffer(
            self.picture.as_image_copy(),
            wgpu::TexelCopyBufferInfo {
                buffer: &buffer,
                layout: wgpu::TexelCopyBufferLayout {
                    offset: 0,
                    bytes_per_row: Some(row),
                    rows_per_image: Some(height),
                },
            },
            self.picture.size(),
        );
        gpu.queue.submit([encoder.finish()]);
        buffer.map_async(wgpu::MapMode::Read, .., |_| {});
        gpu.wait()?;
        let bytes = buffer.get_mapped_range(..).context("the picture cannot be read back")?;
        Ok(bytes.to_vec())
    }
}
