//! Pipelines: what tells them apart, how they are made, and the warm draw.
use super::{
    check::{Module, Need, ShaderText},
    message::Text,
};
use crate::{formats, gpu::Gpu, layouts::LayoutId};
use cell_wire::{Blend, Compare, Cull, Topology};
use engine_frame::plan::VertexSlot;
use std::sync::Arc;

/// The vertex entry point of the covering triangle, in the header of every shader.
const FULL: &str = "engine_full";

/// What tells two pipelines of one shader apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PipelineSpec {
    pub(crate) work: WorkSpec,
    pub(crate) group1: Option<LayoutId>,
    pub(crate) group2: Option<LayoutId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum WorkSpec {
    Raster(RasterSpec),
    Compute { entry: Arc<str> },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RasterSpec {
    pub(crate) vertex: Option<Arc<str>>,
    pub(crate) fragment: Option<Arc<str>>,
    pub(crate) color: Vec<(wgpu::TextureFormat, Blend)>,
    pub(crate) depth: Option<DepthSpec>,
    pub(crate) vertex_slots: Vec<VertexSlot>,
    pub(crate) cull: Cull,
    pub(crate) topology: Topology,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DepthSpec {
    pub(crate) format: wgpu::TextureFormat,
    pub(crate) write: bool,
    pub(crate) compare: Compare,
    pub(crate) bias: i32,
    /// The bits of the slope-scaled bias.
    pub(crate) slope_bits: u32,
}

/// A pipeline; cheap to clone.
#[derive(Clone)]
pub(crate) enum Pipeline {
    Render(wgpu::RenderPipeline),
    Compute(wgpu::ComputePipeline),
}

/// A pipeline that a pass needs, with all that is needed to make it on another thread.
pub(crate) struct Wanted {
    pub(crate) spec: Arc<PipelineSpec>,
    pub(crate) layout: wgpu::PipelineLayout,
    pub(crate) label: Arc<str>,
    /// The binding numbers of groups 1 and 2.
    pub(crate) bindings: [Vec<u32>; 2],
    pub(crate) warm: Warm,
}

/// The pass's own resources for its warm draw: drivers compile for them.
#[derive(Default)]
pub(crate) struct Warm {
    pub(crate) groups: [Option<wgpu::BindGroup>; 3],
    pub(crate) vertex: Vec<wgpu::Buffer>,
    pub(crate) index: Option<wgpu::Buffer>,
}

/// Makes a pipeline and draws with it once, so that the driver has compiled it before a frame needs it.
/// Returns the message for the shader's author.
pub(crate) fn make(
    gpu: &Gpu,
    module: &Module,
    text: &ShaderText,
    wanted: &Wanted,
) -> Result<Pipeline, String> {
    let text = text.text();
    let (made, entry) = match &wanted.spec.work {
        WorkSpec::Raster(spec) => {
            let vertex = spec.vertex.as_deref().unwrap_or(FULL);
            fits(module, &text, wanted, vertex, naga::ShaderStage::Vertex)?;
            if let Some(fragment) = &spec.fragment {
                fits(module, &text, wanted, fragment, naga::ShaderStage::Fragment)?;
            }
            let entry = spec.fragment.as_deref().unwrap_or(vertex);
            (raster(gpu, module, spec, vertex, wanted), entry)
        }
        WorkSpec::Compute { entry } => {
            fits(module, &text, wanted, entry, naga::ShaderStage::Compute)?;
            (Ok(compute(gpu, module, entry, wanted)), entry.as_ref())
        }
    };
    let made = made.and_then(|(pipeline, fault)| fault.map_or(Ok(pipeline), Err));
    made.map_err(|fault| {
        text.at_function(entry, &format!("pass `{}` cannot use `{entry}`: {fault}", wanted.label))
    })
}

fn fits(
    module: &Module,
    text: &Text<'_>,
    wanted: &Wanted,
    entry: &str,
    stage: naga::ShaderStage,
) -> Result<(), String> {
    let need =
        Need { label: &wanted.label, entry, stage, groups: [&wanted.bindings[0], &wanted.bindings[1]] };
    module.fault(text, &need).map_or(Ok(()), Err)
}

type Made = (Pipeline, Option<String>);

fn raster(
    gpu: &Gpu,
    module: &Module,
    spec: &RasterSpec,
    vertex: &str,
    wanted: &Wanted,
) -> Result<Made, String> {
    let attributes = spec.vertex_slots.iter().map(attributes).collect::<Result<Vec<_>, _>>()?;
    let buffers: Vec<_> = spec
        .vertex_slots
        .iter()
        .zip(&attributes)
        .map(|(slot, attributes)| {
            Some(wgpu::VertexBufferLayout {
                array_stride: slot.stride.into(),
                step_mode: if slot.per_instance {
                    wgpu::VertexStepMode::Instance
                } else {
                    wgpu::VertexStepMode::Vertex
                },
                attributes,
            })
        })
        .collect();
    let targets: Vec<_> = spec
        .color
        .iter()
        .map(|(format, blend)| {
            Some(wgpu::ColorTargetState {
                format: *format,
                blend: formats::blend(*blend),
                write_mask: wgpu::ColorWrites::ALL,
            })
        })
        .collect();
    let (pipeline, fault) = gpu.creating(|| {
        gpu.device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some(&wanted.label),
            layout: Some(&wanted.layout),
            vertex: wgpu::VertexState {
                module: &module.module,
                entry_point: Some(vertex),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                buffers: &buffers,
            },
            primitive: wgpu::PrimitiveState {
                topology: formats::topology(spec.topology),
                cull_mode: formats::cull(spec.cull),
                ..Default::default()
            },
            depth_stencil: spec.depth.map(|d| wgpu::DepthStencilState {
                format: d.format,
                depth_write_enabled: Some(d.write),
                depth_compare: Some(formats::compare(d.compare)),
                stencil: wgpu::StencilState::default(),
                bias: wgpu::DepthBiasState {
                    constant: d.bias,
                    slope_scale: f32::from_bits(d.slope_bits),
                    clamp: 0.0,
                },
            }),
            multisample: wgpu::MultisampleState::default(),
            fragment: spec.fragment.as_deref().map(|entry| wgpu::FragmentState {
                module: &module.module,
                entry_point: Some(entry),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                targets: &targets,
            }),
            multiview_mask: None,
            cache: None,
        })
    });
    Ok((Pipeline::Render(pipeline), fault))
}

fn attributes(slot: &VertexSlot) -> Result<Vec<wgpu::VertexAttribute>, String> {
    let made = slot.attributes.iter().map(|(location, kind, offset)| {
        let format = formats::vertex(*kind)
            .ok_or_else(|| format!("a field of type {} cannot be in a vertex buffer", kind.name()))?;
        Ok(wgpu::VertexAttribute { format, offset: (*offset).into(), shader_location: *location })
    });
    made.collect()
}

fn compute(gpu: &Gpu, module: &Module, entry: &str, wanted: &Wanted) -> Made {
    let (pipeline, fault) = gpu.creating(|| {
        gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&wanted.label),
            layout: Some(&wanted.layout),
            module: &module.module,
            entry_point: Some(entry),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        })
    });
    (Pipeline::Compute(pipeline), fault)
}

/// Records one draw or an empty dispatch with each pipeline into targets of its own; the commands, or `None`
/// when a pass's resources do not allow it (the frame will say why).
pub(crate) fn warm_up(gpu: &Gpu, wanted: &Wanted, pipeline: &Pipeline) -> Option<wgpu::CommandBuffer> {
    let (commands, fault) = gpu.creating(|| {
        let mut encoder =
            gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("warm up") });
        match (&wanted.spec.work, pipeline) {
            (WorkSpec::Raster(spec), Pipeline::Render(pipeline)) => {
                warm_draw(gpu, &mut encoder, spec, wanted, pipeline)
            }
            (_, Pipeline::Compute(pipeline)) => {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                pass.set_pipeline(pipeline);
                for (n, group) in (0..).zip(&wanted.warm.groups) {
                    pass.set_bind_group(n, group.as_ref(), &[]);
                }
                pass.dispatch_workgroups(0, 1, 1);
            }
            (WorkSpec::Compute { .. }, Pipeline::Render(_)) => {}
        }
        encoder.finish()
    });
    fault.is_none().then_some(commands)
}

fn warm_draw(
    gpu: &Gpu,
    encoder: &mut wgpu::CommandEncoder,
    spec: &RasterSpec,
    wanted: &Wanted,
    pipeline: &wgpu::RenderPipeline,
) {
    let view = |format| {
        let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("warm up"),
            size: wgpu::Extent3d { width: 16, height: 16, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT,
            view_formats: &[],
        });
        texture.create_view(&wgpu::TextureViewDescriptor::default())
    };
    let color: Vec<_> = spec.color.iter().map(|(format, _)| view(*format)).collect();
    let depth = spec.depth.map(|d| view(d.format));
    let color: Vec<_> = color
        .iter()
        .map(|view| {
            Some(wgpu::RenderPassColorAttachment {
                view,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations::default(),
            })
        })
        .collect();
    let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
        label: Some("warm up"),
        color_attachments: &color,
        depth_stencil_attachment: depth.as_ref().map(|view| wgpu::RenderPassDepthStencilAttachment {
            view,
            depth_ops: Some(wgpu::Operations { load: wgpu::LoadOp::Clear(0.0), store: wgpu::StoreOp::Store }),
            stencil_ops: None,
        }),
        ..Default::default()
    });
    pass.set_pipeline(pipeline);
    for (n, group) in (0..).zip(&wanted.warm.groups) {
        pass.set_bind_group(n, group.as_ref(), &[]);
    }
    for (n, buffer) in (0..).zip(&wanted.warm.vertex) {
        pass.set_vertex_buffer(n, buffer.slice(..));
    }
    match &wanted.warm.index {
        Some(index) => {
            pass.set_index_buffer(index.slice(..), wgpu::IndexFormat::Uint32);
            pass.draw_indexed(0..3, 0, 0..1);
        }
        None => pass.draw(0..3, 0..1),
    }
}
