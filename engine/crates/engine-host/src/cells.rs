//! The host's table of cells: one entry per line of the scene.
use crate::{
    builder::BuiltCell,
    cx::InstanceCx,
    frame::GpuUse,
    kept::Kept,
    library::CellLibrary,
    metrics::LastSecond,
    succession::Succession,
    swap::{Frozen, Swap},
    turn::{Followers, Turn, Work},
};
use cell_abi::ports::{Direction, Port, PortKind, Rate, StartValue};
use cell_wire::PassList;
use engine_frame::{
    mailbox::Mailbox,
    plan::{BufferId, ShaderId},
    schedule::{CellClock, DueTick},
    slots::PublicationFault,
    supervise::Supervisor,
};
use engine_scene::{Placement, SceneCell};
use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

/// How many names of receivers that get nothing are told of one sender.
const UNKNOWN_TOLD: usize = 8;

/// What an entry's instance is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// There is none; one is to be made when the time has come (host time in nanoseconds).
    Waiting {
        /// Not before this.
        until_ns: u64,
    },
    /// Its turn runs.
    Busy {
        /// Since this frame.
        since_frame: u64,
        /// Whether the turn ticks (a load is no late tick).
        ticks: bool,
    },
    /// It waits for its next turn.
    Idle,
    /// It crashed too often, or cannot be loaded: it stays down until its scene line or its build changes.
    Down {
        /// Why.
        why: String,
    },
}

/// A port as the world resolved it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortUse {
    /// Nothing that a tick sees (textures, sealed ports, the backbuffer).
    None,
    /// A buffer that the cell owns.
    Writes(BufferId),
    /// A buffer that it reads.
    Reads {
        /// Which.
        buffer: BufferId,
        /// In the frame in which its owner wrote it.
        now: bool,
        /// With the publication before.
        history: bool,
    },
}

/// What was counted for a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CellCounters {
    /// Ticks that returned.
    pub ticks: u64,
    /// Frames in which it was due while its last turn still ran.
    pub late: u64,
    /// Steps that were dropped because more than 4 were due.
    pub dropped_steps: u64,
    /// Instances made after the first.
    pub restarts: u64,
    /// Instances replaced because they hung.
    pub zombies: u64,
    /// Wall time of its turns in nanoseconds.
    pub turn_ns: u64,
    /// The longest turn in nanoseconds.
    pub longest_turn_ns: u64,
    /// Wall time of its ticks of the last second.
    pub tick: LastSecond,
    /// Messages sent.
    pub sent: u64,
    /// Messages that came into its mailbox.
    pub received: u64,
    /// Pass lists taken.
    pub lists: u64,
    /// Pass lists refused.
    pub refused_lists: u64,
}

/// One line of the scene.
pub struct CellEntry {
    /// Names the entry for as long as it lives, whatever its line.
    pub key: u32,
    /// The scene's words.
    pub scene: SceneCell,
    /// Its name.
    pub name: Arc<str>,
    /// Whether it is on.
    pub on: bool,
    /// Its build.
    pub built: Option<BuiltCell>,
    /// Its library, when it runs in this process.
    pub library: Option<Arc<CellLibrary>>,
    /// Its encoded parameters.
    pub params: Arc<[u8]>,
    /// The assets that they name, in the table's order.
    pub asset_paths: Vec<String>,
    /// Rises when they change.
    pub params_version: u64,
    /// Whether the renderer has the current parameters.
    pub params_sent: bool,
    /// Its shader's id with the renderer.
    pub shader: ShaderId,
    /// Its shader's file.
    pub shader_path: Option<PathBuf>,
    /// The hash of the shader text that the renderer has.
    pub shader_hash: Option<blake3::Hash>,
    /// How its last shader was refused; `None` while all is well.
    pub shader_fault: Option<String>,
    /// What its instance is doing.
    pub life: Life,
    /// Tells instances apart: the current one's.
    pub epoch: u64,
    /// The highest that any instance had.
    pub last_epoch: u64,
    /// Where the current instance runs.
    pub placed: Placement,
    /// Where it was moved to, whatever the scene says, until its line says something else.
    pub moved_to: Option<Placement>,
    /// The replacement of its instance that is being prepared.
    pub swap: Option<Box<Swap>>,
    /// The instance before, which waits until it is known that the current one stays.
    pub probation: Option<Box<Frozen>>,
    /// The build that was taken back last: it is not tried again by itself.
    pub rejected: Option<PathBuf>,
    /// The host's side of the current instance.
    pub cx: Option<Arc<InstanceCx>>,
    /// The turn with the idle instance in it; travels while busy.
    pub turn: Option<Box<Turn>>,
    /// Its ports, resolved.
    pub ports: Vec<PortUse>,
    /// Ticks per second, or on mail.
    pub rate: Rate,
    /// When it is due.
    pub clock: CellClock,
    /// The tick that is due in this frame.
    pub due: Option<DueTick>,
    /// Whether it wants no ticks at all.
    pub no_ticks: bool,
    /// It was declared when names were last resolved.
    pub was_declared: bool,
    /// Work for its next turn.
    pub wants: Work,
    /// It is looked at in each frame: it has a rate, or there is something to do for it.
    pub awake: bool,
    /// Its record is frozen and its turn not yet started.
    pub recorded: bool,
    /// The line of the cell whose turn its own follows in this frame.
    pub follows: Option<usize>,
    /// Others wait for its tick of this frame, and the host is to start them.
    pub awaited: bool,
    /// The turns that follow its instance's on the same thread.
    pub followers: Arc<Followers>,
    /// How many owners of its `now` ports it still waits for.
    pub waits_for: u32,
    /// It hung on a thread: until its scene line changes it runs in a process.
    pub quarantined: bool,
    /// Why its declarations do not fit the others', or its buffers got no memory; it neither ticks nor draws meanwhile.
    pub contract_fault: Option<String>,
    /// Why its last load failed; `None` while all is well.
    pub load_fault: Option<String>,
    /// Its newest passes.
    pub list: Option<Arc<PassList>>,
    /// The ids of what its instances sealed: what its passes may name.
    pub sealed: BTreeSet<u64>,
    /// Names that it sent messages to and that no cell has, or that it was not granted: each is told once, and not more than a few.
    pub unknown_receivers: BTreeSet<Box<str>>,
    /// What the newest plan found wrong with them; empty while all is well.
    pub list_faults: Vec<String>,
    /// How its last instance ended, when it did not end as it should.
    pub crash: Option<String>,
    /// It ended because it hung.
    pub hung: bool,
    /// The first load of its instance has ended.
    pub has_loaded: bool,
    /// When to restart it.
    pub restart: Supervisor,
    /// How much GPU time it takes.
    pub gpu: GpuUse,
    /// Why its newest publication was refused; `None` while all is well. Told when it changes.
    pub refused: Option<PublicationFault>,
    /// Its mail.
    pub mailbox: Mailbox,
    /// What its next instance starts from.
    pub succession: Succession,
    /// Where the records of its instance are kept, if they are.
    pub kept: Option<Arc<Kept>>,
    /// What was counted.
    pub counters: CellCounters,
}

impl CellEntry {
    /// Returns the entry of a scene line whose cell is not built yet.
    #[must_use]
    pub fn new(scene: SceneCell, key: u32, shader: ShaderId) -> Self {
        Self {
            key,
            name: scene.name.as_str().into(),
            on: scene.enabled,
            scene,
            built: None,
            library: None,
            params: Arc::new([]),
            asset_paths: Vec::new(),
            params_version: 0,
            params_sent: false,
            shader,
            shader_path: None,
            shader_hash: None,
            shader_fault: None,
            life: Life::Waiting { until_ns: 0 },
            epoch: 0,
            last_epoch: 0,
            placed: Placement::default(),
            moved_to: None,
            swap: None,
            probation: None,
            rejected: None,
            cx: None,
            turn: None,
            ports: Vec::new(),
            rate: Rate::default(),
            clock: CellClock::new(Rate::default(), 60),
            due: None,
            no_ticks: false,
            was_declared: false,
            wants: Work::default(),
            awake: false,
            recorded: false,
            follows: None,
            awaited: false,
            followers: Arc::default(),
            waits_for: 0,
            quarantined: false,
            contract_fault: None,
            load_fault: None,
            list: None,
            sealed: BTreeSet::new(),
            unknown_receivers: BTreeSet::new(),
            list_faults: Vec::new(),
            crash: None,
            hung: false,
            has_loaded: false,
            restart: Supervisor::default(),
            gpu: GpuUse::default(),
            refused: None,
            mailbox: Mailbox::default(),
            succession: Succession::default(),
            kept: None,
            counters: CellCounters::default(),
        }
    }

    /// Returns an empty turn for a new instance.
    pub fn new_turn(&mut self, cx: &Arc<InstanceCx>) -> Box<Turn> {
        let mut turn = Turn::new(self.key, self.epoch, cx);
        // Its own list: what an earlier instance's turn may still look for is not in it.
        self.followers = Arc::clone(&turn.followers);
        turn.kept.clone_from(&self.kept);
        Box::new(turn)
    }

    /// Returns an epoch that no instance had.
    pub fn next_epoch(&mut self) -> u64 {
        self.last_epoch += 1;
        self.last_epoch
    }

    /// Says that nothing counts any more that any of its instances does.
    pub fn cancel(&self) {
        let frozen = self.probation.as_ref().map(|f| &f.cx);
        let next = self.swap.as_ref().and_then(|s| s.cx());
        for cx in [self.cx.as_ref(), frozen, next].into_iter().flatten() {
            cx.cancel();
        }
    }

    /// Takes a rate; a new one starts a new clock.
    pub fn set_rate(&mut self, rate: Rate, world_hz: u32) {
        if self.rate != rate || self.epoch == 0 {
            self.rate = rate;
            self.clock = CellClock::new(rate, world_hz);
        }
    }

    /// Returns whether nothing happens to it before something wakes it: mail, a change, its own doing.
    #[must_use]
    pub fn may_sleep(&self) -> bool {
        match self.life {
            Life::Busy { .. } => false,
            Life::Down { .. } => true,
            _ if !self.is_declared() => true,
            Life::Waiting { .. } => false,
            Life::Idle => (self.rate == Rate::OnMail || self.no_ticks) && self.wants == Work::default(),
        }
    }

    /// Returns whether it may draw and tick: it is on, built, and fits the others.
    #[must_use]
    pub fn is_declared(&self) -> bool {
        self.on && self.built.is_some() && self.contract_fault.is_none()
    }

    /// Its names were resolved. If it was off or at fault before, its buffers are new, and what it draws into targets
    /// that keep their content may be gone: what it makes only now and then, it makes again.
    pub fn names_resolved(&mut self) {
        let is_declared = self.is_declared();
        let was_declared = std::mem::replace(&mut self.was_declared, is_declared);
        if is_declared && !was_declared && self.epoch > 0 {
            self.params_version += 1;
            self.no_ticks = false;
            self.wants.passes = true;
            self.wants.load |= self.keeps_targets();
        }
    }

    /// Returns whether it draws into targets that keep their content.
    #[must_use]
    pub fn keeps_targets(&self) -> bool {
        let keeps = |p: &Port| {
            let texture = matches!(p.kind, PortKind::Texture(t) if t.start == StartValue::Keep);
            texture && p.direction != Direction::Input
        };
        self.built.as_ref().is_some_and(|b| b.ports.ports.iter().any(keeps))
    }

    /// Returns whether it is to be told that it sends to somebody who gets nothing of it: once for each name, and not
    /// of more than a few.
    pub fn tells_unknown(&mut self, receiver: &str) -> bool {
        let is_new =
            self.unknown_receivers.len() < UNKNOWN_TOLD && !self.unknown_receivers.contains(receiver);
        is_new && self.unknown_receivers.insert(receiver.into())
    }

    /// Returns why it does not do its work, if it does not.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        match &self.life {
            Life::Down { why } => Some(why),
            _ => self.contract_fault.as_deref().or(self.load_fault.as_deref()),
        }
    }
}
