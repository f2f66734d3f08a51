//! Records the runs of a prepared plan. This is the hot path: nothing here is looked up, hashed or allocated.
use crate::{
    buffers::Buffers,
    formats,
    gpu::Gpu,
    prepare::{MAX_COLOR, Op, Prepared, PreparedPass, PreparedRun, PreparedWork, Source},
    shader::pipeline::Pipeline,
    timing::PASSES_PER_SET,
};
use engine_frame::plan::{Load, PlannedCount};

/// What all runs of a frame share.
pub(crate) struct FrameParts<'a> {
    pub(crate) gpu: &'a Gpu,
    pub(crate) buffers: &'a Buffers,
    pub(crate) counts: &'a [u32],
    pub(crate) picture: &'a wgpu::TextureView,
    pub(crate) queries: Option<Queries<'a>>,
}

/// Where passes write their times.
#[derive(Clone, Copy)]
pub(crate) struct Queries<'a> {
    /// Sets of [`PASSES_PER_SET`] passes each.
    pub(crate) sets: &'a [wgpu::QuerySet],
}

impl<'a> Queries<'a> {
    /// Returns the set and the two queries of the pass at `place`; `None` beyond the last set.
    fn of(self, place: u32) -> Option<(&'a wgpu::QuerySet, [Option<u32>; 2])> {
        let set = self.sets.get((place / PASSES_PER_SET) as usize)?;
        let first = place % PASSES_PER_SET * 2;
        Some((set, [Some(first), Some(first + 1)]))
    }
}

/// Records every active run into one encoder: what a frame without faults does.
pub(crate) fn record(prepared: &Prepared, frame: &FrameParts<'_>, encoder: &mut wgpu::CommandEncoder) {
    for run in prepared.runs.iter().filter(|r| r.active) {
        record_run(run, frame, encoder);
    }
}

/// Records every active run with an encoder and an error scope of its own, to learn who is to blame for a
/// fault. Runs with a fault are marked with it; returns whether there are any.
pub(crate) fn find_faults(prepared: &mut Prepared, frame: &FrameParts<'_>) -> bool {
    let mut any = false;
    for run in prepared.runs.iter_mut().filter(|r| r.active) {
        let desc = wgpu::CommandEncoderDescriptor { label: Some(&run.cell_name) };
        let (_, fault) = frame.gpu.checked(|| {
            let mut encoder = frame.gpu.device.create_command_encoder(&desc);
            record_run(run, frame, &mut encoder);
            encoder.finish()
        });
        any |= fault.is_some();
        run.fault = fault;
    }
    any
}

fn record_run(run: &PreparedRun, frame: &FrameParts<'_>, encoder: &mut wgpu::CommandEncoder) {
    for pass in &run.passes {
        match (&pass.work, &pass.pipeline) {
            (PreparedWork::Raster { .. }, Some(Pipeline::Render(pipeline))) => {
                record_raster(encoder, run, pass, pipeline, frame);
            }
            (PreparedWork::Compute { groups }, Some(Pipeline::Compute(pipeline))) => {
                record_compute(encoder, run, pass, pipeline, *groups, frame);
            }
            _ => {}
        }
    }
}

fn record_raster(
    encoder: &mut wgpu::CommandEncoder,
    run: &PreparedRun,
    pass: &PreparedPass,
    pipeline: &wgpu::RenderPipeline,
    frame: &FrameParts<'_>,
) {
    let PreparedWork::Raster { color, depth, ops } = &pass.work else { return };
    let mut attachments: [Option<wgpu::RenderPassColorAttachment<'_>>; MAX_COLOR] =
        [const { None }; MAX_COLOR];
    for (to, color) in attachments.iter_mut().zip(color) {
        let load = match color.load {
            Load::Keep => wgpu::LoadOp::Load,
            Load::Clear(value) => wgpu::LoadOp::Clear(formats::color(value)),
        };
        *to = Some(wgpu::RenderPassColorAttachment {
            view: color.view.as_ref().unwrap_or(frame.picture),
            depth_slice: None,
            resolve_target: None,
            ops: wgpu::Operations { load, store: wgpu::StoreOp::Store },
        });
    }
    let depth = depth.as_ref().map(|depth| {
        let load = match depth.load {
            Load::Keep => wgpu::LoadOp::Load,
            Load::Clear(value) => wgpu::LoadOp::Clear(value[0]),
        };
        wgpu::RenderPassDepthStencilAttachment {
            view: &depth.view,
            depth_ops: (!depth.read_only).then_some(wgpu::Operations { load, store: wgpu::StoreOp::Store }),
            stencil_ops: None,
        }
    });
    let times = frame.queries.and_then(|q| q.of(pass.place));
    let mut recorder = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
        label: Some(&pass.label),
        color_attachments: &attachments[..color.len()],
        depth_stencil_attachment: depth,
        timestamp_writes: times.map(|(query_set, [begin, end])| wgpu::RenderPassTimestampWrites {
            query_set,
            beginning_of_pass_write_index: begin,
            end_of_pass_write_index: end,
        }),
        ..Default::default()
    });
    recorder.set_pipeline(pipeline);
    recorder.set_bind_group(0, &run.group0, &[]);
    if let Some(group) = pass.group1.get() {
        recorder.set_bind_group(1, group, &[]);
    }
    let mut indexed = false;
    for op in ops {
        match op {
            Op::Group2(group) => recorder.set_bind_group(2, group, &[]),
            Op::Vertex(slot, source) => recorder.set_vertex_buffer(*slot, frame.slice(source)),
            Op::Index(source) => {
                recorder.set_index_buffer(frame.slice(source), wgpu::IndexFormat::Uint32);
                indexed = true;
            }
            Op::Draw { first, count, base_vertex, first_instance, instances } => {
                let (count, instances) = (frame.number(*count), frame.number(*instances));
                if count == 0 || instances == 0 {
                    continue;
                }
                let range = *first..first.saturating_add(count);
                let instances = *first_instance..first_instance.saturating_add(instances);
                if indexed {
                    recorder.draw_indexed(range, *base_vertex, instances);
                } else {
                    recorder.draw(range, instances);
                }
            }
        }
    }
}

fn record_compute(
    encoder: &mut wgpu::CommandEncoder,
    run: &PreparedRun,
    pass: &PreparedPass,
    pipeline: &wgpu::ComputePipeline,
    [x, y, z]: [u32; 3],
    frame: &FrameParts<'_>,
) {
    let times = frame.queries.and_then(|q| q.of(pass.place));
    let mut recorder = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
        label: Some(&pass.label),
        timestamp_writes: times.map(|(query_set, [begin, end])| wgpu::ComputePassTimestampWrites {
            query_set,
            beginning_of_pass_write_index: begin,
            end_of_pass_write_index: end,
        }),
    });
    recorder.set_pipeline(pipeline);
    recorder.set_bind_group(0, &run.group0, &[]);
    if let Some(group) = pass.group1.get() {
        recorder.set_bind_group(1, group, &[]);
    }
    recorder.dispatch_workgroups(x, y, z);
}

impl<'a> FrameParts<'a> {
    fn slice<'s>(&self, source: &'s Source) -> wgpu::BufferSlice<'s>
    where
        'a: 's,
    {
        match source {
            Source::Slots(at) => self.buffers.slice(*at),
            Source::Sealed(buffer) => buffer.slice(..),
        }
    }

    fn number(&self, count: PlannedCount) -> u32 {
        match count {
            PlannedCount::Fixed(n) => n,
            PlannedCount::Dynamic(at) => self.counts.get(at as usize).copied().unwrap_or(0),
        }
    }
}
