//! One pass turned into wgpu objects: its bind groups, attachments and steps.
use super::{MAX_COLOR, Op, Parts, PreparedColor, PreparedDepth, PreparedPass, PreparedWork};
use crate::{
    layouts::LayoutId,
    shader::pipeline::{DepthSpec, PipelineSpec, RasterSpec, Warm, WorkSpec},
};
use engine_frame::plan::{
    Bound, BufferSource, PlannedBinding, PlannedPass, PlannedRaster, PlannedWork, TextureView,
};
use std::sync::Arc;

impl PreparedPass {
    pub(super) fn new(pass: &PlannedPass, parts: &mut Parts<'_>) -> Result<Self, String> {
        let ((layout1, layout2), fault) = {
            let (gpu, layouts) = (parts.gpu, &mut *parts.layouts);
            gpu.creating(|| layouts.of_pass(gpu, pass))
        };
        if let Some(fault) = fault {
            return Err(fault);
        }
        let (work, spec) = match &pass.work {
            PlannedWork::Raster(raster) => prepare_raster(pass, raster, layout2, parts)?,
            PlannedWork::Compute { entry, groups } => {
                (PreparedWork::Compute { groups: *groups }, WorkSpec::Compute { entry: Arc::clone(entry) })
            }
        };
        let spec = Arc::new(PipelineSpec { work: spec, group1: layout1, group2: layout2 });
        Ok(Self {
            label: Arc::clone(&pass.label),
            group1: group1(parts, &spec, &pass.bindings)?,
            spec,
            pipeline: None,
            work,
            place: 0,
            binds_storage: pass.bindings.iter().any(|b| matches!(b.what, Bound::Storage { .. })),
        })
    }

    /// What the warm draw binds: the resources of the first draw.
    pub(super) fn warm(&self, group0: &wgpu::BindGroup) -> Warm {
        let mut warm = Warm { groups: [Some(group0.clone()), self.group1.clone(), None], ..Warm::default() };
        let PreparedWork::Raster { ops, .. } = &self.work else { return warm };
        for op in ops {
            match op {
                Op::Group2(group) => warm.groups[2] = Some(group.clone()),
                Op::Vertex(_, buffer) => warm.vertex.push(buffer.clone()),
                Op::Index(buffer) => warm.index = Some(buffer.clone()),
                Op::Draw { .. } => break,
            }
        }
        warm
    }
}

pub(super) fn group1(
    parts: &Parts<'_>,
    spec: &PipelineSpec,
    bindings: &[PlannedBinding],
) -> Result<Option<wgpu::BindGroup>, String> {
    let Some(layout) = spec.group1 else { return Ok(None) };
    let mut entries = Vec::with_capacity(bindings.len());
    for planned in bindings {
        let resource = match planned.what {
            Bound::Texture { target, view, .. } => wgpu::BindingResource::TextureView(match view {
                TextureView::Whole => parts.targets.whole(target)?,
                TextureView::Level(level) => parts.targets.level(target, level)?,
                TextureView::Previous => parts.targets.previous(target)?,
            }),
            Bound::StorageTexture { target, level, .. } => {
                wgpu::BindingResource::TextureView(parts.targets.level(target, level)?)
            }
            Bound::Uniform { buffer, size } => {
                buffer_binding(&parts.buffers.get(buffer)?.buffer, size.into())
            }
            Bound::Storage { buffer, .. } => {
                let buffer = parts.buffers.get(buffer)?;
                buffer_binding(&buffer.buffer, buffer.storage_bytes(parts.gpu))
            }
        };
        entries.push(wgpu::BindGroupEntry { binding: planned.binding, resource });
    }
    let (group, fault) = parts.gpu.creating(|| {
        parts.gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: parts.layouts.layout(layout),
            entries: &entries,
        })
    });
    fault.map_or(Ok(Some(group)), Err)
}

fn buffer_binding(buffer: &wgpu::Buffer, size: u64) -> wgpu::BindingResource<'_> {
    wgpu::BindingResource::Buffer(wgpu::BufferBinding {
        buffer,
        offset: 0,
        size: wgpu::BufferSize::new(size),
    })
}

fn prepare_raster(
    pass: &PlannedPass,
    raster: &PlannedRaster,
    layout2: Option<LayoutId>,
    parts: &mut Parts<'_>,
) -> Result<(PreparedWork, WorkSpec), String> {
    if raster.color.len() > MAX_COLOR {
        return Err(format!(
            "it draws to {} colour targets; at most {MAX_COLOR} are possible",
            raster.color.len()
        ));
    }
    let mut color = Vec::with_capacity(raster.color.len());
    let mut color_specs = Vec::with_capacity(raster.color.len());
    for planned in &raster.color {
        let (view, format) = match planned.target {
            None => (None, parts.picture),
            Some(id) => (Some(parts.targets.level(id, planned.level)?.clone()), parts.targets.format(id)?),
        };
        color_specs.push((format, planned.blend));
        color.push(PreparedColor {
            view,
            load: planned.load,
            planned: planned.load,
            name: (planned.target, planned.level),
        });
    }
    let mut depth = None;
    let mut depth_spec = None;
    if let Some(planned) = &raster.depth {
        depth = Some(PreparedDepth {
            view: parts.targets.level(planned.target, 0)?.clone(),
            load: planned.load,
            read_only: false,
            writes: planned.state.write,
            planned: planned.load,
            name: (Some(planned.target), 0),
        });
        depth_spec = Some(DepthSpec {
            format: parts.targets.format(planned.target)?,
            write: planned.state.write,
            compare: planned.state.compare,
            bias: planned.state.bias,
            slope_bits: planned.state.slope_bias.to_bits(),
        });
    }
    let ops = prepare_ops(pass, raster, layout2, parts)?;
    let spec = RasterSpec {
        vertex: raster.vertex.clone(),
        fragment: raster.fragment.clone(),
        color: color_specs,
        depth: depth_spec,
        vertex_slots: raster.vertex_slots.clone(),
        cull: raster.cull,
        topology: raster.topology,
    };
    Ok((PreparedWork::Raster { color, depth, ops }, WorkSpec::Raster(spec)))
}

fn prepare_ops(
    pass: &PlannedPass,
    raster: &PlannedRaster,
    layout2: Option<LayoutId>,
    parts: &mut Parts<'_>,
) -> Result<Vec<Op>, String> {
    let mut ops = Vec::with_capacity(raster.draws.len() + raster.vertex_slots.len() + 2);
    let mut sealed: Option<&[u64]> = None;
    let mut vertex: Vec<Option<BufferSource>> = vec![None; raster.vertex_slots.len()];
    let mut index = None;
    for draw in &raster.draws {
        if let Some(layout) = layout2
            && sealed != Some(&draw.sealed)
        {
            ops.push(Op::Group2(parts.sealed.group(
                parts.gpu,
                parts.layouts,
                layout,
                &pass.sealed,
                &draw.sealed,
            )?));
            sealed = Some(&draw.sealed);
        }
        if draw.vertex_buffers.len() != vertex.len() {
            return Err(format!(
                "a draw brings {} of {} vertex buffers",
                draw.vertex_buffers.len(),
                vertex.len()
            ));
        }
        for (slot, (bound, source)) in (0..).zip(vertex.iter_mut().zip(&draw.vertex_buffers)) {
            if *bound != Some(*source) {
                *bound = Some(*source);
                ops.push(Op::Vertex(slot, buffer_of(parts, *source)?));
            }
        }
        if raster.indexed && index != draw.index_buffer {
            index = draw.index_buffer;
            let source = index.ok_or("an indexed draw brings no index buffer")?;
            ops.push(Op::Index(buffer_of(parts, source)?));
        }
        ops.push(Op::Draw {
            first: draw.first,
            count: draw.count,
            base_vertex: draw.base_vertex,
            first_instance: draw.first_instance,
            instances: draw.instances,
        });
    }
    Ok(ops)
}

fn buffer_of(parts: &Parts<'_>, source: BufferSource) -> Result<wgpu::Buffer, String> {
    Ok(match source {
        BufferSource::Slots(id) => parts.buffers.get(id)?.buffer.clone(),
        BufferSource::Sealed(id) => parts.sealed.buffer(id)?.clone(),
    })
}
