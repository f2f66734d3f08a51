//! The render thread: takes commands in order, runs frames.
mod frame;
mod unfinished;

use crate::{
    buffers::Buffers,
    command::Command,
    config::{OpenError, RenderConfig, SurfaceSource},
    event::{CpuTimes, FrameReport, PassFault, RenderEvent},
    gpu::{self, Gpu},
    layouts::Layouts,
    outbox::Outbox,
    prepare::Prepared,
    readback::Readbacks,
    screen::Screen,
    sealed::Sealed,
    shader::{
        compiler::{Compiler, Outcome},
        state::Shaders,
    },
    shared::Shared,
    targets::Targets,
    timing::Timing,
};
use crossbeam::{
    channel::{self, Receiver},
    select,
};
use engine_frame::{
    packet::Packet,
    plan::{CellLine, ShaderId},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use unfinished::Unfinished;

/// How many frames the GPU may be behind.
const FRAMES_IN_FLIGHT: usize = 2;
/// With nothing else to do, the thread waits for the GPU this long at a time: a packet that comes meanwhile waits for no
/// longer, and the GPU is busy anyway.
const GPU_WAIT: Duration = Duration::from_millis(1);
/// With nothing unfinished, the thread waits for commands.
const LONG: Duration = Duration::from_secs(3600);

pub(crate) struct Worker {
    config: RenderConfig,
    instance: wgpu::Instance,
    gpu: Gpu,
    world: World,
    shaders: Shaders,
    screen: Screen,
    /// Parameters by cell, for the day the device is lost.
    params: BTreeMap<CellLine, Arc<[u8]>>,
    events: Outbox,
    serials: u64,
    in_flight: [Option<wgpu::SubmissionIndex>; FRAMES_IN_FLIGHT],
    /// The GPU reads slots of the frame that was uploaded last.
    reads_slots: bool,
    unfinished: Unfinished,
    /// What the host was told of a loss that is not made good yet.
    lost: Option<String>,
}

/// Everything that lives on one device.
struct World {
    layouts: Layouts,
    targets: Targets,
    buffers: Buffers,
    shared: Shared,
    sealed: Sealed,
    prepared: Prepared,
    readbacks: Readbacks,
    timing: Option<Timing>,
    /// The plan must be prepared again though its version is the same.
    stale: bool,
    /// Pipelines, faults or attachments changed.
    changed: bool,
}

impl World {
    fn new(gpu: &Gpu, config: &RenderConfig, sealed: Sealed) -> Self {
        let layouts = Layouts::new(gpu);
        Self {
            shared: Shared::new(gpu, &layouts),
            layouts,
            targets: Targets::default(),
            buffers: Buffers::new(gpu.upload.tier),
            sealed,
            prepared: Prepared::default(),
            readbacks: Readbacks::default(),
            timing: config.gpu_times.then(|| Timing::new(gpu, 0)).flatten(),
            stale: true,
            changed: true,
        }
    }
}

impl Worker {
    pub(crate) fn open(config: RenderConfig, events: Outbox) -> Result<Self, OpenError> {
        let instance = gpu::instance(config.backend);
        let mut screen = Screen::new(config.present);
        if let Some(source) = &config.surface {
            screen.attach(&instance, source.clone()).map_err(|detail| OpenError::Surface { detail })?;
        }
        let gpu = Gpu::open(&instance, config.backend, screen.surface(), config.upload, 1)?;
        let upload = &gpu.upload;
        tracing::info!("upload tier `{}` on {}: {}", upload.tier, gpu.adapter.get_info().name, upload.why);
        screen.fit(&gpu).map_err(|detail| OpenError::Surface { detail })?;
        Ok(Self {
            world: World::new(&gpu, &config, Sealed::default()),
            shaders: Shaders::new(Compiler::start()?),
            config,
            instance,
            gpu,
            screen,
            params: BTreeMap::new(),
            events,
            serials: 0,
            in_flight: [const { None }; FRAMES_IN_FLIGHT],
            reads_slots: false,
            unfinished: Unfinished::new(),
            lost: None,
        })
    }

    pub(crate) fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Runs until the handle is dropped. `queue` holds one token per packet that waits in `commands`.
    pub(crate) fn run(mut self, commands: &Receiver<Command>, queue: &Receiver<()>) {
        let mut outcomes = self.shaders.outcomes().clone();
        loop {
            self.events.flush();
            let patience = if self.unfinished.is_empty() { LONG } else { Duration::ZERO };
            select! {
                recv(commands) -> command => match command {
                    Ok(Command::Frame(packet)) => {
                        // The place in the queue is free again: the host may submit the next frame.
                        let _ = queue.recv();
                        self.frame(packet);
                    }
                    Ok(Command::Stop) | Err(_) => break,
                    Ok(other) => self.command(other),
                },
                recv(outcomes) -> outcome => match outcome {
                    Ok(outcome) => self.apply(outcome),
                    // The compile thread is gone: what is compiled goes on.
                    Err(_) => outcomes = channel::never(),
                },
                recv(self.events.retry()) -> _ => {}
                default(patience) => self.give_back(Some(GPU_WAIT)),
            }
        }
        // The GPU may still use what is about to be dropped.
        let _ = self
            .gpu
            .device
            .poll(wgpu::PollType::Wait { submission_index: None, timeout: Some(Duration::from_secs(5)) });
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Shader(source) => {
                let id = source.id;
                self.shaders.set(source);
                self.request(id);
            }
            Command::RemoveShader(id) => {
                self.shaders.remove(id);
                self.world.changed = true;
            }
            Command::Seal(data) => {
                self.world.sealed.add(&self.gpu, data);
                self.world.stale = true;
            }
            Command::Unseal(id) => self.world.sealed.remove(id),
            Command::Surface(source) => self.set_surface(source),
            Command::LoseDevice => {
                self.gpu.device.destroy();
                // The news comes with a poll, once all that was submitted is done.
                let _ = self.gpu.device.poll(wgpu::PollType::Wait { submission_index: None, timeout: None });
            }
            Command::Frame(_) | Command::Stop => {}
        }
    }

    fn set_surface(&mut self, source: Option<SurfaceSource>) {
        let before = self.screen.format();
        self.screen.detach();
        if let Some(source) = source {
            let attached =
                self.screen.attach(&self.instance, source).and_then(|()| self.screen.fit(&self.gpu));
            if let Err(message) = attached {
                self.events.send(RenderEvent::SurfaceFailed { message });
            }
        }
        // Pipelines that draw the picture depend on its format.
        self.world.stale |= self.screen.format() != before;
    }

    fn frame(&mut self, packet: Packet) {
        let mut report = FrameReport {
            frame: packet.frame,
            cpu: CpuTimes::default(),
            uploaded_bytes: 0,
            submits: 0,
            presented: false,
            skipped: Vec::new(),
            gpu: None,
            capture: None,
            packet,
        };
        for (cell, bytes) in &report.packet.params {
            self.params.insert(*cell, Arc::clone(bytes));
        }
        let mut reading = None;
        // A device lost in the middle of a frame costs time, not the frame.
        for _ in 0..2 {
            if !self.usable() {
                break;
            }
            let submitted = self.draw(&mut report);
            if self.gpu.lost().is_none() {
                reading = submitted.filter(|s| self.reads_slots || !s.returning.is_empty());
                break;
            }
        }
        let runs = &self.world.prepared.runs;
        report.skipped.extend(runs.iter().filter(|r| !r.active).map(|r| r.cell));
        self.unfinished.push(reading, report);
        // In lockstep the host must hear the same in the same order in every run: a frame ends before the next begins.
        self.give_back(if self.config.wait_ready { None } else { Some(Duration::ZERO) });
    }

    /// Gives back the packets of frames that are done, after waiting for at most `patience`.
    fn give_back(&mut self, patience: Option<Duration>) {
        while let Some((mut report, returning)) = self.unfinished.next(&self.gpu, patience) {
            if let Some(returning) = returning {
                self.world.readbacks.finish(returning, &mut report.packet);
            }
            self.events.send(RenderEvent::FrameDone(report));
        }
    }

    /// Returns whether the device is there, after trying to open it again if it was lost.
    fn usable(&mut self) -> bool {
        let Some(message) = self.gpu.lost() else { return true };
        self.unfinished.device_lost();
        self.give_back(None);
        if self.lost.is_none() {
            self.lost = Some(String::new());
            self.events.send(RenderEvent::DeviceLost { message });
        }
        let next = self.gpu.epoch + 1;
        let upload = self.config.upload;
        match Gpu::open(&self.instance, self.config.backend, self.screen.surface(), upload, next) {
            Ok(gpu) => self.rebuild(gpu),
            Err(error) => {
                let message = error.to_string();
                // Tried in each frame, said once.
                if self.lost.replace(message.clone()).as_ref() != Some(&message) {
                    self.events.send(RenderEvent::RebuildFailed { message });
                }
                false
            }
        }
    }

    fn rebuild(&mut self, gpu: Gpu) -> bool {
        self.gpu = gpu;
        self.lost = None;
        self.in_flight = [const { None }; FRAMES_IN_FLIGHT];
        self.shaders.device_lost();
        let sealed = std::mem::take(&mut self.world.sealed).rebuilt(&self.gpu);
        self.world = World::new(&self.gpu, &self.config, sealed);
        for (cell, bytes) in &self.params {
            self.world.shared.set_params(&self.gpu, &self.world.layouts, *cell, bytes);
        }
        if let Err(message) = self.screen.fit(&self.gpu) {
            self.events.send(RenderEvent::SurfaceFailed { message });
        }
        self.events.send(RenderEvent::DeviceRebuilt);
        true
    }

    /// Starts the compile thread on what is missing of a shader.
    fn request(&mut self, id: ShaderId) {
        let (world, gpu) = (&mut self.world, &self.gpu);
        let specs = world.prepared.specs(id);
        let World { prepared, layouts, buffers, .. } = world;
        self.shaders.request(gpu, id, prepared.serial, &specs, || prepared.wanted(id, gpu, layouts, buffers));
    }

    fn take_outcomes(&mut self) {
        while let Ok(outcome) = self.shaders.outcomes().try_recv() {
            self.apply(outcome);
        }
    }

    fn wait_until_ready(&mut self) {
        while self.config.wait_ready && self.shaders.pending() && self.gpu.lost().is_none() {
            match self.shaders.outcomes().recv() {
                Ok(outcome) => self.apply(outcome),
                Err(_) => return,
            }
        }
    }

    fn apply(&mut self, outcome: Outcome) {
        let id = outcome.shader;
        if self.gpu.lost().is_some() {
            // Whatever failed, failed for that reason.
            return;
        }
        let applied = self.shaders.apply(&self.gpu, outcome);
        self.world.changed |= applied.swapped;
        if let Some(event) = applied.event {
            self.events.send(event);
        }
        if let Some(message) = applied.misfit {
            for run in self.world.prepared.runs.iter_mut().filter(|r| r.shader == id) {
                run.fault = Some(message.clone());
            }
            self.report_faults();
        }
        // The plan or the text may have changed while the job ran, and others may have waited for a place.
        self.request(id);
        for id in self.shaders.take_waiting() {
            self.request(id);
        }
    }

    /// Tells the host of faults that it does not know yet.
    fn report_faults(&mut self) {
        let mut faults = Vec::new();
        let plan_version = self.world.prepared.plan.version;
        for run in self.world.prepared.runs.iter_mut().filter(|r| !r.reported) {
            if let Some(message) = &run.fault {
                run.reported = true;
                faults.push(PassFault {
                    cell: run.cell,
                    cell_name: Arc::clone(&run.cell_name),
                    plan_version,
                    message: message.clone(),
                });
            }
        }
        if !faults.is_empty() {
            self.world.changed = true;
            self.events.send(RenderEvent::PassesRejected(faults));
        }
    }
}
