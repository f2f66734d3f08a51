//! The compile thread: parses, checks, makes pipelines and warms them up away from the frames.
use super::{
    check::{self, Module, ShaderText},
    pipeline::{self, Pipeline, PipelineSpec, Wanted},
};
use crate::gpu::Gpu;
use crossbeam::channel::{self, Receiver, Sender};
use engine_frame::plan::ShaderId;
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Instant,
};

/// Text nests to 64 levels and 2,000 tokens; naga and the back-ends take up to some KiB for each.
pub(crate) const STACK_BYTES: usize = 64 << 20;

/// Jobs that wait. A shader that finds no place asks again after the next outcome.
const WAITING: usize = 64;

/// A text with its module.
#[derive(Clone)]
pub(crate) struct Good {
    pub(crate) text: Arc<ShaderText>,
    pub(crate) module: Arc<Module>,
}

/// A good shader, or on a new device the text of one.
#[derive(Clone)]
pub(crate) enum Known {
    Module(Good),
    Text(Arc<ShaderText>),
}

pub(crate) struct Job {
    pub(crate) shader: ShaderId,
    pub(crate) gpu: Gpu,
    /// The newest text.
    pub(crate) latest: Arc<ShaderText>,
    /// The last good one.
    pub(crate) known: Option<Known>,
    /// All pipelines that the plan wants of this shader.
    pub(crate) wanted: Vec<Wanted>,
    /// Which of `wanted` exist for `known` already.
    pub(crate) made: Vec<bool>,
    pub(crate) since: Instant,
}

pub(crate) struct Outcome {
    pub(crate) shader: ShaderId,
    pub(crate) epoch: u64,
    /// The text that was tried.
    pub(crate) latest: Arc<ShaderText>,
    /// Why that text was not taken.
    pub(crate) rejected: Option<String>,
    /// What is in use from now on.
    pub(crate) good: Option<Good>,
    /// The pipelines made for `good`.
    pub(crate) made: Vec<(Arc<PipelineSpec>, Pipeline)>,
    /// Why `good` does not fit the plan.
    pub(crate) misfit: Option<String>,
    pub(crate) ms: f64,
}

pub(crate) struct Compiler {
    jobs: Option<Sender<Job>>,
    pub(crate) outcomes: Receiver<Outcome>,
    thread: Option<JoinHandle<()>>,
}

impl Compiler {
    pub(crate) fn start() -> io::Result<Self> {
        let (jobs, take) = channel::bounded::<Job>(WAITING);
        // The render thread never waits for a place among the jobs, so it takes these sooner or later.
        let (give, outcomes) = channel::bounded(WAITING);
        let thread = thread::Builder::new().name("shader-compile".into()).stack_size(STACK_BYTES).spawn(
            move || {
                for job in take {
                    if give.send(run(job)).is_err() {
                        return;
                    }
                }
            },
        )?;
        Ok(Self { jobs: Some(jobs), outcomes, thread: Some(thread) })
    }

    /// Returns whether there is a place for a job.
    pub(crate) fn has_place(&self) -> bool {
        self.jobs.as_ref().is_some_and(|jobs| !jobs.is_full())
    }

    /// Hands over a job; only where there is a place.
    pub(crate) fn send(&self, job: Job) {
        // Fails only when the thread is gone, which a missing outcome says better.
        let _ = self.jobs.as_ref().expect("taken only in drop").send(job);
    }
}

impl Drop for Compiler {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(job: Job) -> Outcome {
    let mut outcome = Outcome {
        shader: job.shader,
        epoch: job.gpu.epoch,
        latest: Arc::clone(&job.latest),
        rejected: None,
        good: None,
        made: Vec::new(),
        misfit: None,
        ms: 0.0,
    };
    // A panic in naga or wgpu costs this text, not the thread and all later texts.
    let tried = catch_unwind(AssertUnwindSafe(|| try_all(&job, &mut outcome)));
    if tried.is_err() {
        outcome.rejected = Some(job.latest.text().crashed());
        (outcome.good, outcome.made, outcome.misfit) = (None, Vec::new(), None);
    }
    outcome.ms = job.since.elapsed().as_secs_f64() * 1e3;
    outcome
}

fn try_all(job: &Job, outcome: &mut Outcome) {
    let known_is_latest = match &job.known {
        Some(Known::Module(good)) => good.text.version == job.latest.version,
        _ => false,
    };
    if !known_is_latest {
        let tried = check::compile(&job.gpu, &job.latest).and_then(|module| {
            let good = Good { text: Arc::clone(&job.latest), module: Arc::new(module) };
            let made = make(job, &good, |_| true)?;
            Ok((good, made))
        });
        match tried {
            Ok((good, made)) => {
                outcome.good = Some(good);
                outcome.made = made;
                return;
            }
            Err(message) => outcome.rejected = Some(message),
        }
    }
    let known = match &job.known {
        Some(Known::Module(good)) => Some(good.clone()),
        Some(Known::Text(text)) => {
            let module = check::compile(&job.gpu, text);
            module.ok().map(|module| Good { text: Arc::clone(text), module: Arc::new(module) })
        }
        None => None,
    };
    let Some(known) = known else { return };
    let has_pipelines = matches!(job.known, Some(Known::Module(_)));
    match make(job, &known, |n| !(has_pipelines && job.made[n])) {
        Ok(made) => outcome.made = made,
        Err(message) => outcome.misfit = Some(message),
    }
    outcome.good = Some(known);
}

fn make(
    job: &Job,
    good: &Good,
    wants: impl Fn(usize) -> bool,
) -> Result<Vec<(Arc<PipelineSpec>, Pipeline)>, String> {
    let mut made = Vec::new();
    let mut warm = Vec::new();
    for (_, wanted) in job.wanted.iter().enumerate().filter(|(n, _)| wants(*n)) {
        let pipeline = pipeline::make(&job.gpu, &good.module, &good.text, wanted)?;
        warm.extend(pipeline::warm_up(&job.gpu, wanted, &pipeline));
        made.push((Arc::clone(&wanted.spec), pipeline));
    }
    if !warm.is_empty() {
        let (submitted, _) = job.gpu.creating(|| job.gpu.queue.submit(warm));
        let wait = wgpu::PollType::Wait { submission_index: Some(submitted), timeout: None };
        if let Err(e) = job.gpu.device.poll(wait) {
            tracing::warn!("the warm draw did not end: {e}");
        }
    }
    Ok(made)
}
