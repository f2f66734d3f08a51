//! Makes the wgpu objects of the bare programs.
use super::{Gpu, content::Cube};
use wgpu::{BufferUsages as U, TextureFormat as F, TextureUsages as T};

/// The format of linear colour.
pub(super) const HDR: F = F::Rgba16Float;
/// The format of depth.
pub(super) const DEPTH: F = F::Depth32Float;
/// The format of the picture.
pub(super) const PICTURE: F = F::Rgba8UnormSrgb;
/// Load operation of a target's first pass.
pub(super) const CLEAR: wgpu::LoadOp<wgpu::Color> = wgpu::LoadOp::Clear(wgpu::Color::TRANSPARENT);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Blend {
    Replace,
    Add,
}

#[derive(Clone, Copy)]
pub(super) enum Bound {
    Uniform,
    Texture,
}

/// Makes wgpu objects.
pub(super) struct Maker<'a> {
    gpu: &'a Gpu,
    layout0: wgpu::BindGroupLayout,
}

impl<'a> Maker<'a> {
    pub(super) fn new(gpu: &'a Gpu) -> Self {
        use wgpu::SamplerBindingType as S;
        let uniform = uniform_type();
        let sampler = wgpu::BindingType::Sampler;
        let types = [
            uniform,
            uniform,
            sampler(S::Filtering),
            sampler(S::NonFiltering),
            sampler(S::Filtering),
            sampler(S::Comparison),
        ];
        let entries: Vec<_> = (0..).zip(types).map(|(n, ty)| layout_entry(n, ty)).collect();
        let layout0 = gpu
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
        Self { gpu, layout0 }
    }

    pub(super) fn buffer(&self, size: u64, usage: U) -> wgpu::Buffer {
        let desc =
            wgpu::BufferDescriptor { label: None, size: size.max(16), usage, mapped_at_creation: false };
        self.gpu.device.create_buffer(&desc)
    }

    pub(super) fn filled(&self, bytes: &[u8], usage: U) -> wgpu::Buffer {
        let buffer = self.buffer(bytes.len() as u64, usage | U::COPY_DST);
        self.gpu.queue.write_buffer(&buffer, 0, bytes);
        buffer
    }

    pub(super) fn texture(&self, [width, height]: [u32; 2], mips: u32, format: F, more: T) -> wgpu::Texture {
        self.gpu.device.create_texture(&wgpu::TextureDescriptor {
            label: None,
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: mips,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format,
            usage: T::RENDER_ATTACHMENT | T::TEXTURE_BINDING | more,
            view_formats: &[],
        })
    }

    pub(super) fn module(&self, text: &str) -> wgpu::ShaderModule {
        let source = wgpu::ShaderSource::Wgsl(text.into());
        self.gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source })
    }

    /// Group 0: the frame, the cell's parameters, four samplers.
    pub(super) fn group0(&self, frame: &wgpu::Buffer, params: &[u8]) -> wgpu::BindGroup {
        use wgpu::{AddressMode as A, FilterMode as M, MipmapFilterMode as Mip};
        let sampler = |address, filter, mipmap_filter, compare| {
            self.gpu.device.create_sampler(&wgpu::SamplerDescriptor {
                address_mode_u: address,
                address_mode_v: address,
                address_mode_w: address,
                mag_filter: filter,
                min_filter: filter,
                mipmap_filter,
                compare,
                ..Default::default()
            })
        };
        let params = self.filled(params, U::UNIFORM);
        let samplers = [
            sampler(A::ClampToEdge, M::Linear, Mip::Linear, None),
            sampler(A::ClampToEdge, M::Nearest, Mip::Nearest, None),
            sampler(A::Repeat, M::Linear, Mip::Linear, None),
            sampler(A::ClampToEdge, M::Linear, Mip::Nearest, Some(wgpu::CompareFunction::GreaterEqual)),
        ];
        let mut entries = vec![(0, frame.as_entire_binding()), (1, params.as_entire_binding())];
        entries.extend((2..).zip(samplers.iter().map(wgpu::BindingResource::Sampler)));
        self.group(&self.layout0, &entries)
    }

    pub(super) fn layout(&self, bound: &[(u32, Bound)]) -> wgpu::BindGroupLayout {
        let entries: Vec<_> = bound
            .iter()
            .map(|(binding, bound)| {
                let ty = match bound {
                    Bound::Uniform => uniform_type(),
                    Bound::Texture => wgpu::BindingType::Texture {
                        sample_type: wgpu::TextureSampleType::Float { filterable: true },
                        view_dimension: wgpu::TextureViewDimension::D2,
                        multisampled: false,
                    },
                };
                layout_entry(*binding, ty)
            })
            .collect();
        let desc = wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries };
        self.gpu.device.create_bind_group_layout(&desc)
    }

    pub(super) fn group(
        &self,
        layout: &wgpu::BindGroupLayout,
        bound: &[(u32, wgpu::BindingResource<'_>)],
    ) -> wgpu::BindGroup {
        let entries: Vec<_> = bound
            .iter()
            .map(|(binding, resource)| wgpu::BindGroupEntry { binding: *binding, resource: resource.clone() })
            .collect();
        let desc = wgpu::BindGroupDescriptor { label: None, layout, entries: &entries };
        self.gpu.device.create_bind_group(&desc)
    }

    pub(super) fn pipeline_layout(&self, layout1: Option<&wgpu::BindGroupLayout>) -> wgpu::PipelineLayout {
        self.gpu.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&self.layout0), layout1],
            immediate_size: 0,
        })
    }

    /// The pipeline of [`super::Dots`].
    pub(super) fn dots_pipeline(
        &self,
        layout: &wgpu::PipelineLayout,
        module: &wgpu::ShaderModule,
    ) -> wgpu::RenderPipeline {
        self.full_pipeline(layout, module, "paint", F::Rgba8Unorm, Blend::Replace)
    }

    pub(super) fn full_pipeline(
        &self,
        layout: &wgpu::PipelineLayout,
        module: &wgpu::ShaderModule,
        fragment: &str,
        format: F,
        blend: Blend,
    ) -> wgpu::RenderPipeline {
        let one = wgpu::BlendComponent {
            src_factor: wgpu::BlendFactor::One,
            dst_factor: wgpu::BlendFactor::One,
            operation: wgpu::BlendOperation::Add,
        };
        let target = wgpu::ColorTargetState {
            format,
            blend: (blend == Blend::Add).then_some(wgpu::BlendState { color: one, alpha: one }),
            write_mask: wgpu::ColorWrites::ALL,
        };
        let entries = [engine_frame::wgsl::FULL_ENTRY, fragment];
        self.pipeline(layout, module, entries, &[], target, None)
    }

    pub(super) fn cubes_pipeline(
        &self,
        layout: &wgpu::PipelineLayout,
        module: &wgpu::ShaderModule,
    ) -> wgpu::RenderPipeline {
        let buffers = [
            Some(wgpu::VertexBufferLayout {
                array_stride: 24,
                step_mode: wgpu::VertexStepMode::Vertex,
                attributes: &wgpu::vertex_attr_array![0 => Float32x3, 1 => Float32x3],
            }),
            Some(wgpu::VertexBufferLayout {
                array_stride: size_of::<Cube>() as u64,
                step_mode: wgpu::VertexStepMode::Instance,
                attributes: &wgpu::vertex_attr_array![2 => Float32x3, 3 => Float32, 4 => Float32x3, 5 => Float32],
            }),
        ];
        let depth = wgpu::DepthStencilState {
            format: DEPTH,
            depth_write_enabled: Some(true),
            depth_compare: Some(wgpu::CompareFunction::Greater),
            stencil: wgpu::StencilState::default(),
            bias: wgpu::DepthBiasState::default(),
        };
        self.pipeline(layout, module, ["vs", "fs"], &buffers, HDR.into(), Some(depth))
    }

    fn pipeline(
        &self,
        layout: &wgpu::PipelineLayout,
        module: &wgpu::ShaderModule,
        [vertex, fragment]: [&str; 2],
        buffers: &[Option<wgpu::VertexBufferLayout<'_>>],
        target: wgpu::ColorTargetState,
        depth_stencil: Option<wgpu::DepthStencilState>,
    ) -> wgpu::RenderPipeline {
        let cull_mode = depth_stencil.is_some().then_some(wgpu::Face::Back);
        self.gpu.device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: None,
            layout: Some(layout),
            vertex: wgpu::VertexState {
                module,
                entry_point: Some(vertex),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                buffers,
            },
            primitive: wgpu::PrimitiveState { cull_mode, ..Default::default() },
            depth_stencil,
            multisample: wgpu::MultisampleState::default(),
            fragment: Some(wgpu::FragmentState {
                module,
                entry_point: Some(fragment),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                targets: &[Some(target)],
            }),
            multiview_mask: None,
            cache: None,
        })
    }
}

fn uniform_type() -> wgpu::BindingType {
    wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Uniform,
        has_dynamic_offset: false,
        min_binding_size: None,
    }
}

fn layout_entry(binding: u32, ty: wgpu::BindingType) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry { binding, visibility: wgpu::ShaderStages::VERTEX_FRAGMENT, ty, count: None }
}
