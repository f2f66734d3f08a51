//! A running world: its cells, their buffers, their passes.
use crate::{
    book::{DeclaredBuffer, SlotBook},
    builder::{BuildError, BuiltCell, Project},
    cells::{CellEntry, Life, PortUse},
    cx::{InstanceCx, Services},
    library::Libraries,
    thread_cell::ThreadCell,
    turn::{Maker, Placed, Work},
    turns::TurnPool,
};
use cell_abi::ports::Direction;
use engine_frame::{
    contracts::{CellDecl, Contracts, Resource},
    links::{NowGraph, start_order},
    lists::ListBook,
    packet::Packet,
    plan::{CellLine, Plan, ShaderId},
    wgsl,
};
use engine_render::{Renderer, ShaderSource};
use engine_scene::{Placement, Scene, SceneCell, SceneFault, check_params};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
    time::Duration,
};

/// How a world is run.
#[derive(Clone, Debug)]
pub struct WorldOptions {
    /// Fixed steps, no cut-off, no file watching: the same scene gives the same pixels.
    pub lockstep: bool,
    /// Shuffle starts and delay turns by this seed.
    pub chaos: Option<u64>,
    /// Instead of the scene's seed.
    pub seed: Option<u64>,
    /// Instead of every cell's placement.
    pub placement: Option<Placement>,
    /// Tick threads.
    pub threads: usize,
    /// Lockstep: the longest tick.
    pub tick_limit: Duration,
    /// The output size in pixels.
    pub screen_px: [u32; 2],
}

/// Why a world cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The system gives no threads.
    #[error("the tick threads cannot be started: {0}")]
    Threads(std::io::Error),
    /// The render thread is gone.
    #[error(transparent)]
    Renderer(#[from] engine_render::RendererGone),
    /// Lockstep: a tick took too long.
    #[error(
        "the cell `{cell}` did not return from frame {frame} within {limit_ms} ms; a lockstep run ends there (see --tick-limit-ms)"
    )]
    TickLimit {
        /// The cell.
        cell: String,
        /// The frame.
        frame: u64,
        /// The limit in milliseconds.
        limit_ms: u128,
    },
}

/// A held slot: its buffer, the table's generation, the slot.
pub(crate) type Hold = (engine_frame::plan::BufferId, u32, u8);

/// A running world.
pub struct World {
    pub(crate) project: Project,
    pub(crate) options: WorldOptions,
    pub(crate) scene: Scene,
    pub(crate) services: Arc<Services>,
    pub(crate) libraries: Libraries,
    pub(crate) renderer: Renderer,
    /// In scene order: the index is the cell's line.
    pub(crate) cells: Vec<CellEntry>,
    /// From a cell's key (which never changes) to its line.
    pub(crate) lines: BTreeMap<u32, usize>,
    pub(crate) next_key: u32,
    pub(crate) contracts: Contracts,
    pub(crate) book: SlotBook,
    /// Regions that new processes have mapped; taken at the next frame's start.
    pub(crate) renewals: Vec<crate::renewal::Renewal>,
    pub(crate) pool: TurnPool,
    /// The cells' names, by line.
    pub(crate) names: Vec<Arc<str>>,
    /// From a cell's name to its line.
    pub(crate) by_name: HashMap<Arc<str>, usize>,
    pub(crate) now: NowGraph,
    pub(crate) lists: ListBook,
    /// Real time that no world step has covered yet, in nanoseconds.
    pub(crate) owed_ns: i64,
    pub(crate) plan: Arc<Plan>,
    pub(crate) plan_dirty: bool,
    pub(crate) frame: u64,
    pub(crate) time_ns: u64,
    /// Host time at which the world was opened.
    pub(crate) opened: std::time::Instant,
    /// Packets that came back, for reuse.
    pub(crate) spare_packets: Vec<Packet>,
    /// What unfinished packets hold, by frame.
    pub(crate) packet_holds: Vec<(u64, Vec<Hold>)>,
    pub(crate) spare_holds: Vec<Vec<Hold>>,
    pub(crate) stats: crate::report::WorldStats,
    pub(crate) quit: bool,
    /// Turns on the tick threads.
    pub(crate) in_flight: usize,
    /// Those of them that the current frame waits for.
    pub(crate) ticks_in_flight: usize,
    /// Some load sealed something: look for what is no longer used.
    pub(crate) sealed_changed: bool,
    /// For each line, the lines whose `now` ports wait for it.
    pub(crate) followers: Vec<Vec<usize>>,
    pub(crate) ready: Vec<usize>,
    /// Cells on mail that have just got some.
    pub(crate) mailed: Vec<usize>,
    /// How long the host's work after the ticks takes, as a running mean in nanoseconds.
    pub(crate) after_ns: u64,
    pub(crate) long_turns: Vec<crate::turns::LongTurn>,
}

impl World {
    /// Opens the world of `scene` with the cells as built (or why not, by the name in the scene), and waits until
    /// every cell has loaded. Cells with faults stay down; the rest goes on.
    ///
    /// # Errors
    /// [`WorldError`] when nothing can run.
    pub fn open(
        project: Project,
        scene: Scene,
        services: Arc<Services>,
        renderer: Renderer,
        options: WorldOptions,
    ) -> Result<Self, WorldError> {
        let pool = TurnPool::new(options.threads).map_err(WorldError::Threads)?;
        let mut world = Self {
            project,
            scene,
            services,
            libraries: Libraries::default(),
            renderer,
            cells: Vec::new(),
            lines: BTreeMap::new(),
            next_key: 0,
            contracts: Contracts::default(),
            book: SlotBook::default(),
            renewals: Vec::new(),
            pool,
            names: Vec::new(),
            by_name: HashMap::new(),
            now: NowGraph::default(),
            lists: ListBook::default(),
            owed_ns: 0,
            plan: Arc::default(),
            plan_dirty: true,
            frame: 0,
            time_ns: 0,
            opened: std::time::Instant::now(),
            spare_packets: Vec::new(),
            packet_holds: Vec::new(),
            spare_holds: Vec::new(),
            stats: crate::report::WorldStats::default(),
            quit: false,
            in_flight: 0,
            ticks_in_flight: 0,
            sealed_changed: false,
            followers: Vec::new(),
            ready: Vec::new(),
            mailed: Vec::new(),
            after_ns: 500_000,
            long_turns: Vec::new(),
            options,
        };
        for line in world.scene.cells.clone() {
            let entry = world.new_entry(line);
            world.cells.push(entry);
        }
        world.wire();
        world.start_and_wait()?;
        Ok(world)
    }

    pub(crate) fn new_entry(&mut self, line: SceneCell) -> CellEntry {
        let key = self.next_key;
        self.next_key += 1;
        let mut entry = CellEntry::new(line, key, ShaderId(key));
        self.prepare(&mut entry);
        entry
    }

    /// Stages the build of a cell, loads it and checks its parameters. A fault leaves it down.
    pub(crate) fn prepare(&self, entry: &mut CellEntry) {
        let built = match self.project.stage(entry.scene.cell.as_str()) {
            Ok(built) => built,
            Err(e) => return self.down(entry, &e),
        };
        let placement = self.placement(entry);
        if placement == Placement::Thread {
            match self.libraries.load(&built.path) {
                Ok(library) => entry.library = Some(library),
                Err(e) => return self.down(entry, &BuildError::Library(e)),
            }
        }
        entry.set_rate(entry.scene.rate.unwrap_or(built.ports.rate), self.scene.rate);
        entry.shader_path = built.ports.shader.as_ref().map(|s| built.shaders.join(s));
        entry.built = Some(built);
        if let Err(faults) = self.take_params(entry) {
            for f in &faults {
                tracing::error!(cell = &*entry.name, "\n{f}");
            }
            entry.built = None;
            entry.life =
                Life::Down { why: faults.iter().map(|f| f.what.clone()).collect::<Vec<_>>().join("; ") };
        }
    }

    fn down(&self, entry: &mut CellEntry, error: &BuildError) {
        let fault = entry.scene.fault(error.to_string(), None);
        tracing::error!(cell = &*entry.name, "\n{fault}");
        entry.built = None;
        entry.life = Life::Down { why: error.to_string() };
    }

    /// Checks the parameters of a built cell and takes them.
    pub(crate) fn take_params(&self, entry: &mut CellEntry) -> Result<bool, Vec<SceneFault>> {
        let Some(built) = &entry.built else { return Ok(false) };
        let checked = check_params(&entry.scene, &built.ports)?;
        let mut faults = Vec::new();
        for asset in &checked.assets {
            let file = self.services.assets.root().join(&asset.path);
            if !file.is_file() {
                let what = format!("the asset `{}` of `{}` does not exist", asset.path, asset.param);
                let help = Some(format!("put the file at {}", file.display()));
                faults.push(entry.scene.fault_at(asset.span, what, help));
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        if *entry.params != *checked.encoded || entry.params_version == 0 {
            entry.asset_paths = checked.assets.iter().map(|a| a.path.clone()).collect();
            entry.params = checked.encoded.into();
            entry.params_version += 1;
            entry.params_sent = false;
            return Ok(true);
        }
        Ok(false)
    }

    /// Returns where a cell runs: as the scene says, but one that hung on a thread is kept in a process of its own.
    pub(crate) fn placement(&self, entry: &CellEntry) -> Placement {
        if entry.quarantined {
            return Placement::Process;
        }
        self.options.placement.unwrap_or(entry.scene.at)
    }

    /// Resolves all names anew: after cells came, went, moved or were switched.
    pub(crate) fn wire(&mut self) {
        self.lines = self.cells.iter().enumerate().map(|(n, c)| (c.key, n)).collect();
        self.names = self.cells.iter().map(|c| Arc::clone(&c.name)).collect();
        let mut decls = Vec::new();
        self.by_name = self.cells.iter().enumerate().map(|(n, c)| (Arc::clone(&c.name), n)).collect();
        for (n, c) in self.cells.iter_mut().enumerate() {
            c.contract_fault = None;
            if let (true, Some(built)) = (c.on, &c.built) {
                decls.push(CellDecl {
                    line: CellLine(n as u32),
                    name: Arc::clone(&c.name),
                    table: Arc::clone(&built.ports),
                });
            }
        }
        let faults = self.contracts.declare(&decls);
        for f in faults {
            let entry = &mut self.cells[f.line().0 as usize];
            let fault = entry.scene.fault(f.to_string(), None);
            tracing::error!(cell = &*entry.name, "\n{fault}");
            entry.contract_fault = Some(f.to_string());
        }
        for unfed in self.contracts.unfed() {
            // A switched-off cell is no fault; a name that looks like a typing mistake is worth a warning.
            if unfed.did_you_mean.is_some() {
                tracing::warn!("{unfed}");
            } else {
                tracing::debug!("{unfed}");
            }
        }
        for n in 0..self.cells.len() {
            self.resolve_ports(n);
        }
        self.declare_buffers();
        let (now, cycles) = NowGraph::new(&self.contracts);
        for cycle in cycles {
            tracing::error!("{cycle}");
        }
        // A port of a cycle is read as of the frame's start, whatever it declares.
        for (n, c) in self.cells.iter_mut().enumerate() {
            for (p, port) in c.ports.iter_mut().enumerate() {
                if let PortUse::Reads { now: is_now, .. } = port {
                    *is_now = now.is_now(CellLine(n as u32), p as u16);
                }
            }
        }
        self.now = now;
        self.followers.clear();
        self.followers.resize(self.cells.len(), Vec::new());
        for n in 0..self.cells.len() {
            for owner in self.now.start_after(CellLine(n as u32)) {
                self.followers[owner.0 as usize].push(n);
            }
        }
        self.plan_dirty = true;
    }

    fn resolve_ports(&mut self, n: usize) {
        let line = CellLine(n as u32);
        let entry = &mut self.cells[n];
        entry.ports.clear();
        let Some(built) = entry.built.as_ref().filter(|_| entry.on && entry.contract_fault.is_none()) else {
            return;
        };
        for (p, port) in built.ports.ports.iter().enumerate() {
            let resolved = match self.contracts.resolve(line, p as u16) {
                Some(Resource::Buffer(buffer)) => match (&port.kind, port.direction) {
                    (cell_abi::ports::PortKind::Buffer(b), Direction::Input) => {
                        PortUse::Reads { buffer, now: false, history: b.history }
                    }
                    _ => PortUse::Writes(buffer),
                },
                _ => PortUse::None,
            };
            entry.ports.push(resolved);
        }
    }

    fn declare_buffers(&mut self) {
        let mut buffers = Vec::new();
        for c in &self.cells {
            for port in &c.ports {
                if let PortUse::Writes(buffer) = *port
                    && let Some(info) = self.contracts.buffer(buffer)
                {
                    buffers.push(DeclaredBuffer {
                        buffer,
                        owner: Arc::clone(&c.name),
                        capacity: info.capacity(),
                        element_size: info.element.size,
                        history: info.history,
                        placement: self.placement(c),
                    });
                }
            }
        }
        if let Err(error) = self.book.declare(&buffers) {
            tracing::error!(%error, "a cell's buffers are missing");
        }
        self.renew_idle_records();
    }

    /// Lets idle turns name the memory as it is now: a cell that never has another turn must not keep old regions.
    pub(crate) fn renew_idle_records(&mut self) {
        for c in &mut self.cells {
            if let Some(turn) = c.turn.as_mut() {
                turn.record.memory = Arc::clone(self.book.memory());
            }
        }
    }

    /// Hands a cell's shader to the renderer if its text changed. An empty or unreadable file changes nothing.
    pub(crate) fn take_shader(&mut self, n: usize) -> Result<(), engine_render::RendererGone> {
        let root = self.project.root.clone();
        let entry = &mut self.cells[n];
        let (Some(path), Some(built)) = (&entry.shader_path, &entry.built) else { return Ok(()) };
        let shown = shown(path, &root);
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                let keeps = if entry.shader_hash.is_some() {
                    "; the last good one stays"
                } else {
                    "; its passes draw nothing"
                };
                tracing::error!(cell = &*entry.name, "the shader {shown} cannot be read ({error}){keeps}");
                entry.shader_fault = Some(format!("{shown}: {error}"));
                return Ok(());
            }
        };
        let hash = blake3::hash(text.as_bytes());
        if entry.shader_hash == Some(hash) {
            return Ok(());
        }
        if text.trim().is_empty() && entry.shader_hash.is_some() {
            // Many editors save through an empty file; the real text follows.
            return Ok(());
        }
        entry.shader_hash = Some(hash);
        let header = wgsl::header(&built.ports);
        self.renderer.set_shader(ShaderSource { id: entry.shader, path: shown, header, body: text })
    }

    /// Makes an instance for each declared cell that has none, and waits for them. In start order: a cell comes
    /// after the owners of the buffers that it reads.
    fn start_and_wait(&mut self) -> Result<(), WorldError> {
        for line in start_order(&self.contracts) {
            self.take_shader(line.0 as usize)?;
            self.begin_instance(line.0 as usize);
        }
        let mut waited = Duration::ZERO;
        while self.in_flight > 0 {
            let step = Duration::from_millis(100);
            match self.pool.finished_within(step) {
                Some(turn) => self.finish(turn),
                None => waited += step,
            }
            if waited.as_millis().is_multiple_of(5000) && !waited.is_zero() {
                for c in self.cells.iter().filter(|c| matches!(c.life, Life::Busy { .. })) {
                    tracing::warn!(cell = &*c.name, "still loading after {} s", waited.as_secs());
                }
            }
            if waited >= crate::frame::LOAD_LIMIT && self.options.lockstep {
                return Err(self.tick_limit());
            }
            if waited >= crate::frame::LOAD_LIMIT {
                tracing::error!("going on without the cells that are still loading");
                break;
            }
        }
        Ok(())
    }

    /// Starts a new instance of a cell: create, load, passes.
    pub(crate) fn begin_instance(&mut self, n: usize) {
        let placement = self.placement(&self.cells[n]);
        let services = Arc::clone(&self.services);
        let entry = &mut self.cells[n];
        let Some(built) = entry.built.clone() else { return };
        entry.epoch += 1;
        if entry.epoch > 1 {
            entry.counters.restarts += 1;
        }
        let renewal = match self.book.replace_instance(&entry.name, placement) {
            Ok(renewal) => renewal,
            Err(error) => {
                tracing::error!(cell = &*entry.name, "{error}");
                None
            }
        };
        let cx = InstanceCx::new(Arc::clone(&entry.name), services);
        let mut turn = CellEntry::new_turn(entry.key, entry.epoch, &cx);
        turn.maker = Some(match placement {
            Placement::Thread => thread_maker(entry),
            Placement::Process => process_maker(&built, renewal),
        });
        entry.cx = Some(cx);
        entry.turn = Some(turn);
        entry.no_ticks = false;
        entry.wants = Work { load: true, tick: false, passes: true };
        self.start_turn(n, 0, false);
    }

    /// Returns the scene that runs.
    #[must_use]
    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// Returns the next frame's index.
    #[must_use]
    pub fn frame_index(&self) -> u64 {
        self.frame
    }

    /// Returns whether a cell asked for the end of the run.
    #[must_use]
    pub fn wants_quit(&self) -> bool {
        self.quit
    }

    /// Returns the names of cells that are down, each with the reason.
    #[must_use]
    pub fn down_cells(&self) -> Vec<(String, String)> {
        self.cells.iter().filter_map(|c| c.fault().map(|why| (c.name.to_string(), why.to_owned()))).collect()
    }

    /// Changes the output size.
    pub fn resize(&mut self, screen_px: [u32; 2]) {
        if self.options.screen_px != screen_px {
            self.options.screen_px = screen_px;
            self.plan_dirty = true;
            for c in &mut self.cells {
                c.wants.passes = true;
            }
        }
    }

    /// Returns the renderer, for captures and windows.
    pub fn renderer(&mut self) -> &mut Renderer {
        &mut self.renderer
    }

    /// Stops all cells. Turns that are still under way are waited for, a hung one for two seconds.
    pub fn close(mut self) {
        for c in &self.cells {
            if let Some(cx) = &c.cx {
                cx.cancel();
            }
        }
        while self.in_flight > 0
            && let Some(turn) = self.pool.finished_within(Duration::from_secs(2))
        {
            self.in_flight -= 1;
            drop(turn);
        }
    }
}

fn thread_maker(entry: &CellEntry) -> Maker {
    match &entry.library {
        None => Box::new(|_| Err("its library is not loaded".to_owned())),
        Some(library) => {
            let library = Arc::clone(library);
            Box::new(move |cx| ThreadCell::create(&library, cx).map(|c| Box::new(c) as Box<dyn Placed>))
        }
    }
}

fn process_maker(built: &BuiltCell, renewal: Option<crate::renewal::Renewal>) -> Maker {
    let path = built.path.clone();
    Box::new(move |cx| {
        crate::process_cell::ProcessCell::create(&path, cx, renewal).map(|c| Box::new(c) as Box<dyn Placed>)
    })
}

pub(crate) fn shown(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
