//! A plan turned into wgpu objects, made once per plan: a frame then only replays it.
mod group1;
mod pass;

use crate::{
    buffers::{BufferAt, Buffers},
    event::PassLabel,
    gpu::Gpu,
    layouts::Layouts,
    sealed::Sealed,
    shader::pipeline::{Pipeline, PipelineSpec, Wanted},
    shader::state::Shaders,
    shared::Shared,
    targets::Targets,
};
pub(crate) use group1::Group1;

use engine_frame::plan::{
    CellLine, Load, Plan, PlannedCount, PlannedPass, PlannedWork, Run, ShaderId, TargetId,
};
use std::{collections::HashMap, sync::Arc};

/// More colour targets than WebGPU promises are refused.
pub(crate) const MAX_COLOR: usize = 8;

/// A colour or depth attachment by name: `None` is the picture.
type Attachment = (Option<TargetId>, u32);

/// A plan, ready to be recorded.
#[derive(Default)]
pub(crate) struct Prepared {
    pub(crate) plan: Arc<Plan>,
    /// Rises with each preparation.
    pub(crate) serial: u64,
    pub(crate) runs: Vec<PreparedRun>,
    /// The passes that run, in order.
    pub(crate) labels: Arc<[PassLabel]>,
    /// Some pass that runs draws to the picture.
    pub(crate) draws_picture: bool,
    /// Bind groups show a frame's slots.
    pub(crate) follows: bool,
}

pub(crate) struct PreparedRun {
    pub(crate) cell: CellLine,
    pub(crate) cell_name: Arc<str>,
    pub(crate) shader: ShaderId,
    /// Why it is left out.
    pub(crate) fault: Option<String>,
    /// The host knows why.
    pub(crate) reported: bool,
    /// It has no fault and all its pipelines.
    pub(crate) active: bool,
    pub(crate) group0: wgpu::BindGroup,
    pub(crate) passes: Vec<PreparedPass>,
}

pub(crate) struct PreparedPass {
    pub(crate) label: Arc<str>,
    pub(crate) spec: Arc<PipelineSpec>,
    pub(crate) pipeline: Option<Pipeline>,
    pub(crate) group1: Group1,
    pub(crate) work: PreparedWork,
    /// Its place among the passes that run.
    pub(crate) place: u32,
}

pub(crate) enum PreparedWork {
    Raster { color: Vec<PreparedColor>, depth: Option<PreparedDepth>, ops: Vec<Op> },
    Compute { groups: [u32; 3] },
}

pub(crate) struct PreparedColor {
    /// `None` is the picture.
    pub(crate) view: Option<wgpu::TextureView>,
    pub(crate) load: Load,
    planned: Load,
    name: Attachment,
}

pub(crate) struct PreparedDepth {
    pub(crate) view: wgpu::TextureView,
    pub(crate) load: Load,
    /// Neither written nor cleared: the pass may sample it too.
    pub(crate) read_only: bool,
    writes: bool,
    planned: Load,
    name: Attachment,
}

/// A step of a render pass; what is bound already is not bound again.
pub(crate) enum Op {
    Group2(wgpu::BindGroup),
    Vertex(u32, Source),
    Index(Source),
    Draw { first: u32, count: PlannedCount, base_vertex: i32, first_instance: u32, instances: PlannedCount },
}

/// Where vertices or indices come from.
pub(crate) enum Source {
    Slots(BufferAt),
    Sealed(wgpu::Buffer),
}

/// What passes are prepared from.
pub(crate) struct Parts<'a> {
    pub(crate) gpu: &'a Gpu,
    pub(crate) layouts: &'a mut Layouts,
    pub(crate) targets: &'a Targets,
    pub(crate) buffers: &'a Buffers,
    pub(crate) sealed: &'a mut Sealed,
    pub(crate) shared: &'a Shared,
    pub(crate) picture: wgpu::TextureFormat,
}

impl Prepared {
    pub(crate) fn new(plan: Arc<Plan>, serial: u64, parts: &mut Parts<'_>) -> Self {
        let runs = plan.runs.iter().map(|run| PreparedRun::new(run, parts)).collect();
        Self { plan, serial, runs, labels: Arc::from([]), draws_picture: false, follows: false }
    }

    /// Has every pass see the slots of the frame.
    pub(crate) fn follow_slots(&mut self, parts: &Parts<'_>) {
        self.follows = true;
        for (run, planned) in self.runs.iter_mut().zip(&self.plan.runs) {
            for (pass, planned) in run.passes.iter_mut().zip(&planned.passes) {
                if let Err(fault) = pass.group1.follow(parts, pass.spec.group1, &planned.bindings) {
                    run.fault = Some(fault);
                }
            }
        }
    }

    /// Takes group 0 anew: parameters of another size came.
    pub(crate) fn rebind_shared(&mut self, shared: &Shared) {
        for run in &mut self.runs {
            run.group0 = shared.group(run.cell).clone();
        }
    }

    /// Decides which runs take part, with which pipelines, and what their attachments hold before.
    pub(crate) fn refresh(&mut self, shaders: &Shaders) {
        let mut started: HashMap<Attachment, Load> = HashMap::new();
        let mut labels = Vec::new();
        self.draws_picture = false;
        for (run, planned) in self.runs.iter_mut().zip(&self.plan.runs) {
            for pass in &mut run.passes {
                pass.pipeline = shaders.pipeline(run.shader, &pass.spec).cloned();
            }
            run.active = run.fault.is_none() && run.passes.iter().all(|p| p.pipeline.is_some());
            if !run.active {
                planned.passes.iter().for_each(|pass| leave_out(&mut started, pass));
                continue;
            }
            for pass in &mut run.passes {
                pass.place = labels.len() as u32;
                labels.push(PassLabel {
                    cell: run.cell,
                    cell_name: Arc::clone(&run.cell_name),
                    pass: Arc::clone(&pass.label),
                });
                let PreparedWork::Raster { color, depth, .. } = &mut pass.work else { continue };
                for color in color {
                    color.load = take_over(&mut started, color.name, color.planned);
                    self.draws_picture |= color.view.is_none();
                }
                if let Some(depth) = depth {
                    depth.load = take_over(&mut started, depth.name, depth.planned);
                    depth.read_only = !depth.writes && depth.load == Load::Keep;
                }
            }
        }
        self.labels = labels.into();
    }

    /// The pipelines that the plan wants of a shader.
    pub(crate) fn specs(&self, shader: ShaderId) -> Vec<Arc<PipelineSpec>> {
        let runs = self.runs.iter().filter(|r| r.shader == shader && r.fault.is_none());
        runs.flat_map(|r| &r.passes).map(|p| Arc::clone(&p.spec)).collect()
    }

    /// The same with all that making them takes; each pipeline once.
    pub(crate) fn wanted(
        &self,
        shader: ShaderId,
        gpu: &Gpu,
        layouts: &mut Layouts,
        buffers: &Buffers,
    ) -> Vec<Wanted> {
        let mut wanted: Vec<Wanted> = Vec::new();
        for (run, planned) in self.runs.iter().zip(&self.plan.runs) {
            if run.shader != shader || run.fault.is_some() {
                continue;
            }
            for (pass, planned) in run.passes.iter().zip(&planned.passes) {
                if wanted.iter().all(|w| w.spec != pass.spec) {
                    wanted.push(Wanted {
                        spec: Arc::clone(&pass.spec),
                        layout: layouts.pipeline(gpu, pass.spec.group1, pass.spec.group2),
                        label: Arc::clone(&pass.label),
                        bindings: [
                            planned.bindings.iter().map(|b| b.binding).collect(),
                            planned.sealed.iter().map(|s| s.binding).collect(),
                        ],
                        warm: pass.warm(&run.group0, buffers),
                    });
                }
            }
        }
        wanted
    }
}

/// Remembers the start values that a pass would have set, had it not been left out.
fn leave_out(started: &mut HashMap<Attachment, Load>, pass: &PlannedPass) {
    let PlannedWork::Raster(raster) = &pass.work else { return };
    for color in &raster.color {
        started.entry((color.target, color.level)).or_insert(color.load);
    }
    if let Some(depth) = &raster.depth {
        started.entry((Some(depth.target), 0)).or_insert(depth.load);
    }
}

/// Returns what an attachment holds before a pass that runs: the first one takes over the start value of
/// those that were left out before it.
fn take_over(started: &mut HashMap<Attachment, Load>, name: Attachment, planned: Load) -> Load {
    match started.insert(name, Load::Keep) {
        Some(start @ Load::Clear(_)) => start,
        _ => planned,
    }
}

impl PreparedRun {
    fn new(run: &Run, parts: &mut Parts<'_>) -> Self {
        let mut passes = Vec::with_capacity(run.passes.len());
        let mut fault = None;
        for pass in &run.passes {
            match PreparedPass::new(pass, parts) {
                Ok(pass) => passes.push(pass),
                Err(why) => {
                    fault = Some(format!("pass `{}`: {why}", pass.label));
                    break;
                }
            }
        }
        Self {
            cell: run.cell,
            cell_name: Arc::clone(&run.cell_name),
            shader: run.shader,
            fault,
            reported: false,
            active: false,
            group0: parts.shared.group(run.cell).clone(),
            passes,
        }
    }
}
