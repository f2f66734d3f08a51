//! The engine in this process: a world of cells, driven frame by frame as the binary drives it.
use crate::{
    harness::cpu,
    threads::{self, CpuClocks},
};
use anyhow::{Context as _, anyhow, bail, ensure};
use cell_abi::InputFrame;
use engine_host::{
    Project, World, WorldOptions, assets::AssetStore, cx::Services, par::ParPool, process_cell::Start,
    sealed::SealedStore,
};
use engine_render::{Backend, Image, RenderConfig, Renderer};
use engine_scene::Scene;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The size of the picture in rows that draw.
pub(crate) const SIZE: [u32; 2] = [64, 36];
/// Time from frame to frame.
const FRAME_NS: u64 = 1_000_000_000 / 60;

/// How long shaders may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running world.
pub(crate) struct Engine {
    pub(crate) world: World,
    input: InputFrame,
    render_thread: u32,
}

/// What some frames cost: CPU time in nanoseconds a frame.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FrameCost {
    /// The thread that drives the world.
    pub(crate) main: f64,
    /// Tick threads and parallel loops.
    pub(crate) cells: f64,
    /// The render thread.
    pub(crate) render: f64,
    /// All of the engine's threads; a driver's own are not among them.
    pub(crate) total: f64,
}

/// Returns the configuration in which the engine's own work is measured.
pub(crate) fn config(backend: Backend) -> RenderConfig {
    RenderConfig { backend, wait_ready: true, wait_gpu: true, ..RenderConfig::default() }
}

impl Engine {
    /// Opens the scene with the cells as built, and runs frames until every shader is there.
    pub(crate) fn open(project: &Project, scene: &str, config: RenderConfig) -> anyhow::Result<Self> {
        Self::open_with(project, scene, config, true)
    }

    /// Opens it so that no records are kept.
    pub(crate) fn open_without_records(
        project: &Project,
        scene: &str,
        config: RenderConfig,
    ) -> anyhow::Result<Self> {
        Self::open_with(project, scene, config, false)
    }

    fn open_with(
        project: &Project,
        scene: &str,
        config: RenderConfig,
        records: bool,
    ) -> anyhow::Result<Self> {
        let scene = Scene::parse("bench", scene).map_err(|f| anyhow!("{}", f[0]))?;
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let services = Arc::new(Services {
            pool: ParPool::new(threads)?,
            assets: AssetStore::new(project.root.join("assets")),
            sealed: SealedStore::default(),
        });
        let options = WorldOptions {
            lockstep: false,
            chaos: None,
            seed: None,
            placement: None,
            threads,
            tick_limit: Duration::from_secs(10),
            screen_px: SIZE,
            processes: Start::default(),
            records,
            crashes: project.output().join("crashes"),
        };
        let before = threads::names();
        let renderer = Renderer::start(config)?;
        let render_thread = threads::render_thread(&before).context("the renderer has no thread")?;
        let world = World::open(project.clone(), scene, services, renderer, options)?;
        let mut engine = Self { world, input: InputFrame::default(), render_thread };
        for _ in 0..8 {
            engine.frame()?;
        }
        if let Some((name, why)) = engine.world.down_cells().first() {
            bail!("the cell `{name}` is down: {why}");
        }
        let start = Instant::now();
        loop {
            let before = engine.world.report().incomplete_frames;
            engine.frame()?;
            if engine.world.report().incomplete_frames == before {
                break;
            }
            ensure!(start.elapsed() < PATIENCE, "passes are left out: some shader is not ready");
        }
        Ok(engine)
    }

    /// Runs one frame and waits until it is done: the queue is idle again.
    pub(crate) fn frame(&mut self) -> anyhow::Result<()> {
        self.step(false)?;
        Ok(self.world.drain()?)
    }

    /// Runs one frame with a cut-off at `deadline`, and waits until it is done.
    pub(crate) fn frame_until(&mut self, deadline: Instant) -> anyhow::Result<()> {
        self.world.frame(&self.input, FRAME_NS, deadline, false)?;
        Ok(self.world.drain()?)
    }

    /// Runs one frame and returns its picture.
    pub(crate) fn picture(&mut self) -> anyhow::Result<Image> {
        self.step(true)?;
        self.world.drain()?;
        let taken = self.world.take_capture();
        taken.map(|(_, image)| image).ok_or_else(|| anyhow!("the frame was not captured"))
    }

    fn step(&mut self, capture: bool) -> anyhow::Result<()> {
        // Far enough for no cut-off: what is measured is work, not waiting.
        let deadline = Instant::now() + Duration::from_secs(1);
        self.world.frame(&self.input, FRAME_NS, deadline, capture)?;
        Ok(())
    }

    /// Returns what a frame costs, over `frames` frames, each on an idle queue.
    pub(crate) fn cost(&mut self, frames: u32) -> anyhow::Result<FrameCost> {
        let render = self.render_thread;
        let clocks = || {
            threads::settle();
            [CpuClocks::read_cells(), CpuClocks::read_thread(render), CpuClocks::read_engine()]
        };
        let before = clocks();
        let mut main = 0.0;
        for _ in 0..frames {
            let (ns, done) = cpu(|| self.step(false));
            done?;
            main += ns;
            self.world.drain()?;
        }
        let after = clocks();
        let [cells, render, others] = [0, 1, 2].map(|n| after[n].since(&before[n]) / f64::from(frames));
        let main = main / f64::from(frames);
        Ok(FrameCost { main, cells, render, total: main + render + others })
    }
}
