//! A running world: its cells, their buffers, their passes.
mod start;
mod wire;

pub(crate) use start::maker;

use crate::{
    book::SlotBook, builder::Project, cells::CellEntry, closer::Closer, crashes::Crashes, cx::Services,
    kept::Contents, library::Libraries, memory::MemoryTable, process_cell::Start, session::Session,
    turn::Work, turns::TurnPool,
};
use cell_abi::Key;
use engine_frame::{
    calls::Calls, contracts::Contracts, links::NowGraph, lists::ListBook, packet::Packet, plan::Plan,
    signals::Subscriptions,
};
use engine_render::Renderer;
use engine_scene::{Placement, Scene};
use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

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
    /// How the processes of cells are started.
    pub processes: Start,
    /// Whether the last turns of each cell are kept ([`crate::kept`]), for crash files.
    pub records: bool,
    /// The folder for crash files.
    pub crashes: PathBuf,
}

/// Why a world cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The system gives no threads.
    #[error("the threads that run cells cannot be started: {0}")]
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
    pub(crate) libraries: Arc<Libraries>,
    pub(crate) renderer: Renderer,
    /// In scene order: the index is the cell's line.
    pub(crate) cells: Vec<CellEntry>,
    /// Instances that are being replaced.
    pub(crate) swaps: crate::swap::Swaps,
    /// By a cell's key (which never changes), its line.
    pub(crate) lines: Vec<Option<usize>>,
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
    /// The calls between them that nobody has answered yet.
    pub(crate) calls: Calls,
    /// Which of them want which signals.
    pub(crate) subscriptions: Subscriptions,
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
    /// What they name meanwhile.
    pub(crate) no_memory: Arc<MemoryTable>,
    /// What unfinished packets hold, by frame.
    pub(crate) packet_holds: Vec<(u64, Vec<Hold>)>,
    pub(crate) spare_holds: Vec<Vec<Hold>>,
    /// What the renderer writes in unfinished packets, and what it has written and nobody sees yet.
    pub(crate) readbacks: Vec<crate::frame::ReadbackGrant>,
    pub(crate) readback_behind: Vec<cell_abi::DirtyRange>,
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
    /// The cells that are looked at in each frame; the others sleep until something wakes them.
    pub(crate) awake: Vec<usize>,
    /// Some cell was added to them since they were last put in order.
    pub(crate) woken: bool,
    /// The cells that were recorded in this frame.
    pub(crate) due: Vec<usize>,
    pub(crate) ready: Vec<usize>,
    /// The keys that switch cells, each with a line.
    pub(crate) switches: Vec<(Key, usize)>,
    /// Some cell's parameters may not have been sent to the renderer.
    pub(crate) params_changed: bool,
    /// Some cell has a limit of GPU time.
    pub(crate) gpu_limited: bool,
    /// It was said that such limits hold nobody here.
    pub(crate) told_of_gpu_times: bool,
    /// Cells on mail that have just got some.
    pub(crate) mailed: Vec<usize>,
    /// How long the host's work after the ticks takes, as a running mean in nanoseconds.
    pub(crate) after_ns: u64,
    pub(crate) long_turns: Vec<crate::turns::LongTurn>,
    /// What ticks have read lately.
    pub(crate) contents: Arc<Contents>,
    pub(crate) crashes: Crashes,
    /// What is written about the whole run, if it is.
    pub(crate) session: Option<Session>,
    /// Ends instances. The last field: dropped when all of them were handed over.
    pub(crate) closer: Closer,
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
            libraries: Arc::default(),
            renderer,
            cells: Vec::new(),
            swaps: crate::swap::Swaps::default(),
            lines: Vec::new(),
            next_key: 0,
            contracts: Contracts::default(),
            book: SlotBook::default(),
            renewals: Vec::new(),
            pool,
            names: Vec::new(),
            by_name: HashMap::new(),
            calls: Calls::default(),
            subscriptions: Subscriptions::default(),
            now: NowGraph::default(),
            lists: ListBook::default(),
            owed_ns: 0,
            plan: Arc::default(),
            plan_dirty: true,
            frame: 0,
            time_ns: 0,
            opened: std::time::Instant::now(),
            spare_packets: Vec::new(),
            no_memory: Arc::default(),
            packet_holds: Vec::new(),
            spare_holds: Vec::new(),
            readbacks: Vec::new(),
            readback_behind: Vec::new(),
            stats: crate::report::WorldStats::default(),
            quit: false,
            in_flight: 0,
            ticks_in_flight: 0,
            sealed_changed: false,
            followers: Vec::new(),
            awake: Vec::new(),
            woken: false,
            due: Vec::new(),
            ready: Vec::new(),
            switches: Vec::new(),
            params_changed: true,
            gpu_limited: false,
            told_of_gpu_times: false,
            mailed: Vec::new(),
            after_ns: 500_000,
            long_turns: Vec::new(),
            contents: Arc::default(),
            crashes: Crashes::new(&options.crashes),
            session: None,
            closer: Closer::new().map_err(WorldError::Threads)?,
            options,
        };
        for line in world.scene.cells.clone() {
            let entry = world.new_entry(line, |_| ());
            world.cells.push(entry);
        }
        world.wire();
        world.start_and_wait()?;
        Ok(world)
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

    /// Returns the copies of libraries from which cells run or start again, also after a roll-back.
    #[must_use]
    pub fn builds(&self) -> std::collections::BTreeSet<std::path::PathBuf> {
        let builds = |c: &CellEntry| [c.built.clone(), c.probation.as_ref().and_then(|f| f.built().cloned())];
        self.cells.iter().flat_map(builds).flatten().map(|b| b.path).collect()
    }

    /// Returns the line of the cell with a key.
    pub(crate) fn line(&self, key: u32) -> Option<usize> {
        self.lines.get(key as usize).copied().flatten()
    }

    /// Looks at a cell from the next frame on: there is something to do for it.
    pub(crate) fn wake(&mut self, n: usize) {
        if !std::mem::replace(&mut self.cells[n].awake, true) {
            self.awake.push(n);
            self.woken = true;
        }
    }

    /// Wakes the cells that want something.
    pub(crate) fn wake_wanting(&mut self) {
        for n in 0..self.cells.len() {
            if self.cells[n].wants != Work::default() {
                self.wake(n);
            }
        }
    }

    /// Changes the output size.
    pub fn resize(&mut self, screen_px: [u32; 2]) {
        if self.options.screen_px != screen_px {
            self.options.screen_px = screen_px;
            self.plan_dirty = true;
            for c in &mut self.cells {
                c.wants.passes = true;
            }
            self.wake_wanting();
        }
    }

    /// Returns the renderer, for captures and windows.
    pub fn renderer(&mut self) -> &mut Renderer {
        &mut self.renderer
    }

    /// Waits for the turns under way, but not longer than `patience` for the next of them.
    fn await_turns(&mut self, patience: Duration) {
        while self.in_flight > 0
            && let Some(turn) = self.pool.finished_within(patience, 1)
        {
            self.in_flight -= 1;
            drop(turn);
        }
    }

    /// Stops all cells and waits for their ends, as dropping the world does.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for World {
    /// Turns that are still under way are waited for, one that takes longer than half a second is told that it counts no
    /// more, and a hung one is left after two seconds. Then the fields go, the closer last: it waits until the instances, which were handed to it by then, have ended.
    fn drop(&mut self) {
        self.await_turns(Duration::from_millis(500));
        for c in &self.cells {
            c.cancel();
        }
        self.await_turns(Duration::from_millis(1500));
    }
}
