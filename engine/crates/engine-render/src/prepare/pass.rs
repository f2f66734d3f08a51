//! One pass turned into wgpu objects: its bind groups, attachments and steps.
use super::{Group1, MAX_COLOR, Op, Parts, PreparedColor, PreparedDepth, PreparedPass, PreparedWork, Source};
use crate::{
    buffers::{Buffers, When},
    layouts::LayoutId,
    shader::pipeline::{DepthSpec, PipelineSpec, RasterSpec, Warm, WorkSpec},
};
use engine_frame::plan::{BufferSource, PlannedPass, PlannedRaster, PlannedWork};
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
            group1: Group1::new(parts, layout1, &pass.bindings)?,
            spec,
            pipeline: None,
            work,
            place: 0,
        })
    }

    /// What the warm draw binds: the resources of the first draw, without memory that cells may write meanwhile.
    pub(super) fn warm(&self, group0: &wgpu::BindGroup, buffers: &Buffers) -> Warm {
        let groups = [Some(group0.clone()), self.group1.idle().cloned(), None];
        let mut warm = Warm { groups, ..Warm::default() };
        let stable = |source: &Source| match source {
            Source::Slots(at) => buffers.buffer(*at, When::Idle).clone(),
            Source::Sealed(buffer) => buffer.clone(),
        };
        let PreparedWork::Raster { ops, .. } = &self.work else { return warm };
        for op in ops {
            match op {
                Op::Group2(group) => warm.groups[2] = Some(group.clone()),
                Op::Vertex(_, source) => warm.vertex.push(stable(source)),
                Op::Index(source) => warm.index = Some(stable(source)),
                Op::Draw { .. } => break,
            }
        }
        warm
    }
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
                ops.push(Op::Vertex(slot, source_of(parts, *source)?));
            }
        }
        if raster.indexed && index != draw.index_buffer {
            index = draw.index_buffer;
            let source = index.ok_or("an indexed draw brings no index buffer")?;
            ops.push(Op::Index(source_of(parts, source)?));
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

fn source_of(parts: &Parts<'_>, source: BufferSource) -> Result<Source, String> {
    Ok(match source {
        BufferSource::Slots(id) => Source::Slots(parts.buffers.at(id)?),
        BufferSource::Sealed(id) => Source::Sealed(parts.sealed.buffer(id)?.clone()),
    })
}
