//! What the render thread knows of each shader: the newest text, the good module, its pipelines.
use super::{
    check::ShaderText,
    compiler::{Compiler, Good, Job, Known, Outcome},
    pipeline::{Pipeline, PipelineSpec, Wanted},
};
use crate::{command::ShaderSource, event::RenderEvent, gpu::Gpu};
use engine_frame::plan::ShaderId;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

pub(crate) struct Shaders {
    compiler: Compiler,
    shaders: BTreeMap<ShaderId, Shader>,
    texts: u64,
    /// Shaders that found no place for their job.
    waiting: Vec<ShaderId>,
}

struct Shader {
    latest: Arc<ShaderText>,
    since: Instant,
    known: Option<Known>,
    pipelines: HashMap<Arc<PipelineSpec>, Pipeline>,
    /// A job is under way.
    pending: bool,
    /// The text's version and the plan's serial number of the last job: neither is tried twice.
    tried: Option<(u64, u64)>,
    /// The last message given to the host and the version of its text, so that it comes once.
    said: Option<(u64, String)>,
}

/// What an outcome changed.
#[derive(Default)]
pub(crate) struct Applied {
    pub(crate) event: Option<RenderEvent>,
    /// The shader's passes have other pipelines.
    pub(crate) swapped: bool,
    /// The plan's passes do not fit the good shader, which older passes did.
    pub(crate) misfit: Option<String>,
}

impl Shaders {
    pub(crate) fn new(compiler: Compiler) -> Self {
        Self { compiler, shaders: BTreeMap::new(), texts: 0, waiting: Vec::new() }
    }

    pub(crate) fn outcomes(&self) -> &crossbeam::channel::Receiver<Outcome> {
        &self.compiler.outcomes
    }

    pub(crate) fn set(&mut self, source: ShaderSource) {
        self.texts += 1;
        let id = source.id;
        let latest = Arc::new(ShaderText { source, version: self.texts });
        let since = Instant::now();
        match self.shaders.get_mut(&id) {
            Some(shader) => (shader.latest, shader.since) = (latest, since),
            None => {
                let shader = Shader {
                    latest,
                    since,
                    known: None,
                    pipelines: HashMap::new(),
                    pending: false,
                    tried: None,
                    said: None,
                };
                self.shaders.insert(id, shader);
            }
        }
    }

    pub(crate) fn remove(&mut self, id: ShaderId) {
        self.shaders.remove(&id);
    }

    /// Forgets everything made on a device; the texts stay.
    pub(crate) fn device_lost(&mut self) {
        for shader in self.shaders.values_mut() {
            if let Some(Known::Module(good)) = &shader.known {
                shader.known = Some(Known::Text(Arc::clone(&good.text)));
            }
            shader.pipelines.clear();
            shader.pending = false;
            shader.tried = None;
        }
    }

    pub(crate) fn ids(&self) -> Vec<ShaderId> {
        self.shaders.keys().copied().collect()
    }

    /// Returns the shaders to ask for again, now that an outcome made a place.
    pub(crate) fn take_waiting(&mut self) -> Vec<ShaderId> {
        std::mem::take(&mut self.waiting)
    }

    pub(crate) fn pending(&self) -> bool {
        self.shaders.values().any(|s| s.pending)
    }

    pub(crate) fn pipeline(&self, id: ShaderId, spec: &PipelineSpec) -> Option<&Pipeline> {
        self.shaders.get(&id)?.pipelines.get(spec)
    }

    /// Starts a job if the newest text or a pipeline that the plan wants is missing and was not tried yet.
    /// `wanted` lists all that the plan wants of this shader; it is asked only for a job.
    pub(crate) fn request(
        &mut self,
        gpu: &Gpu,
        id: ShaderId,
        serial: u64,
        specs: &[Arc<PipelineSpec>],
        wanted: impl FnOnce() -> Vec<Wanted>,
    ) {
        let Some(shader) = self.shaders.get_mut(&id) else { return };
        let current = match &shader.known {
            Some(Known::Module(good)) => good.text.version == shader.latest.version,
            _ => false,
        };
        let complete = specs.iter().all(|s| shader.pipelines.contains_key(s));
        let attempt = (shader.latest.version, serial);
        if shader.pending || (current && complete) || shader.tried == Some(attempt) {
            return;
        }
        // A rejected text is tried again only when the plan wants something that the good one lacks.
        if complete && !specs.is_empty() && shader.tried.is_some_and(|(version, _)| version == attempt.0) {
            return;
        }
        if !self.compiler.has_place() {
            self.waiting.push(id);
            return;
        }
        shader.tried = Some(attempt);
        shader.pending = true;
        let wanted = wanted();
        self.compiler.send(Job {
            shader: id,
            gpu: gpu.clone(),
            latest: Arc::clone(&shader.latest),
            known: shader.known.clone(),
            made: wanted.iter().map(|w| shader.pipelines.contains_key(&w.spec)).collect(),
            wanted,
            since: shader.since,
        });
    }

    pub(crate) fn apply(&mut self, gpu: &Gpu, outcome: Outcome) -> Applied {
        let mut applied = Applied::default();
        let Some(shader) = self.shaders.get_mut(&outcome.shader) else { return applied };
        if outcome.epoch != gpu.epoch {
            return applied;
        }
        shader.pending = false;
        let Outcome { shader: id, latest, rejected, good, made, misfit, ms, .. } = outcome;
        let had_pipelines = !shader.pipelines.is_empty();
        let was_rejected = rejected.is_some();
        if let Some(message) = rejected {
            applied.event = shader.say(id, latest.version, message);
        }
        let Some(good) = good else { return applied };
        if let Some(message) = misfit {
            if had_pipelines {
                applied.misfit = Some(message);
            } else if !was_rejected {
                applied.event = shader.say(id, latest.version, message);
            }
        } else if shader.is_new(&good) {
            shader.pipelines = made.into_iter().collect();
            shader.said = None;
            applied.swapped = true;
            if good.text.version == latest.version {
                applied.event = Some(RenderEvent::ShaderReady { id, ms });
            }
        } else {
            applied.swapped = !made.is_empty();
            shader.pipelines.extend(made);
        }
        shader.known = Some(Known::Module(good));
        applied
    }
}

impl Shader {
    fn is_new(&self, good: &Good) -> bool {
        match &self.known {
            Some(Known::Module(known)) => known.text.version != good.text.version,
            _ => true,
        }
    }

    fn say(&mut self, id: ShaderId, version: u64, message: String) -> Option<RenderEvent> {
        if self.said.as_ref().is_some_and(|said| said.0 == version && said.1 == message) {
            return None;
        }
        self.said = Some((version, message.clone()));
        Some(RenderEvent::ShaderRejected { id, message })
    }
}
