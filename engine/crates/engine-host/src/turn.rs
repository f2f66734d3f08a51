//! One turn of one cell: what it is to do, what it sees, what came of it. Travels to a tick thread and back.
mod follow;
mod legacy;

pub use follow::{Followers, NowLink};
pub use legacy::{Legacy, MAX_SAVED_BYTES, Place, Predecessor, SavedState};

use crate::{
    cx::{InstanceCx, Outgoing, TurnKind},
    kept::Kept,
    record::Record,
    renewal::Renewal,
    swap::Tap,
};
use cell_abi::{Request, Status};
use engine_frame::{plan::BufferId, slots::Grant};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

/// Where an instance runs. The one seam: a thread, a child process, later another machine.
pub trait Placed: Send {
    /// Runs one entry of the cell on `record`. What it hands over is in its [`InstanceCx`] afterwards.
    fn call(&mut self, kind: TurnKind, record: &mut Record) -> Status;

    /// Saves the instance's state, as [`cell_abi::saved`] describes it.
    ///
    /// # Errors
    /// The entry's status; the reason is in its [`InstanceCx`].
    fn save(&mut self) -> Result<Vec<u8>, Status>;

    /// Restores a state that was saved, before the first load.
    fn restore(&mut self, state: &Arc<[u8]>) -> Status;

    /// Makes the new region of its buffers and lets the instance write to it from now on.
    ///
    /// # Errors
    /// Why it cannot; the instance is over then.
    fn renew(&mut self, renewal: Renewal) -> Result<(), String>;

    /// Returns the new region that the instance has mapped, once.
    fn take_renewal(&mut self) -> Option<Renewal> {
        None
    }

    /// Returns why the instance is over, when it has ended between two turns.
    fn ended(&mut self) -> Option<String> {
        None
    }
}

/// Makes an instance; called on a tick thread, since a cell's `create` is its code.
pub type Maker = Box<dyn FnOnce(&Arc<InstanceCx>) -> Result<Box<dyn Placed>, String> + Send>;

/// What a turn is to do, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Load.
    pub load: bool,
    /// Tick.
    pub tick: bool,
    /// Submit passes; also when a load or tick asks for it.
    pub passes: bool,
    /// Save the state, if the tick was well.
    pub save: bool,
}

/// How a turn ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// All entries returned.
    #[default]
    Done,
    /// A load failed; the instance goes on with what it had (a first load: with nothing).
    LoadFailed(String),
    /// The instance is over: a panic, a failed tick, a dead process.
    Over(String),
}

/// What came of a turn.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// Whether a tick returned well, so that its slots may be published.
    pub ticked: bool,
    /// A new pass list, as bytes.
    pub passes: Option<Vec<u8>>,
    /// Messages, in order, for the host to deliver.
    pub outbox: Vec<Outgoing>,
    /// Those that it has delivered.
    pub sent: Vec<Outgoing>,
    /// [`Request`] bits left for the host.
    pub requests: u32,
    /// State that was saved: of the instance before, or a checkpoint.
    pub saved: Option<SavedState>,
    /// Why a checkpoint failed.
    pub save_fault: Option<String>,
    /// The state that it was to start from is of no use to it.
    pub forgets: bool,
    /// It is over before it was given the state that it was to take over: nothing that it did is the cause.
    pub blameless: bool,
    /// It is over because the instance before could not save that state.
    pub unsaved: bool,
    /// Wall time of the entries in nanoseconds.
    pub wall_ns: u64,
}

/// One turn.
pub struct Turn {
    /// The cell's index in the host's table.
    pub cell: u32,
    /// The instance's epoch: a late turn of a replaced instance is told by it.
    pub epoch: u64,
    /// What to do.
    pub work: Work,
    /// Makes the instance first.
    pub maker: Option<Maker>,
    /// The new region for the buffers of an instance that begins.
    pub renewal: Option<Renewal>,
    /// It is the first turn of its instance in the world: nothing was recorded for it.
    pub first: bool,
    /// What the instance starts from.
    pub legacy: Option<Legacy>,
    /// The instance.
    pub instance: Option<Box<dyn Placed>>,
    /// The host's side of it.
    pub cx: Arc<InstanceCx>,
    /// What it sees.
    pub record: Record,
    /// The slots that it may write: buffer, the table's generation, the grant.
    pub grants: Vec<(BufferId, u32, Grant)>,
    /// The slots that its record names: buffer, the table's generation, the slot.
    pub holds: Vec<(BufferId, u32, u8)>,
    /// The `now` ports that see what the turn before this one publishes, when it follows one.
    pub links: Vec<NowLink>,
    /// The turns that follow this one on the same thread.
    pub followers: Arc<Followers>,
    /// The host has something to do as soon as it has ended: it is to be woken.
    pub wakes_host: bool,
    /// The frame that waits for it.
    pub counted_in: Option<u64>,
    /// Chaos: microseconds to wait before the turn.
    pub delay_us: u32,
    /// Where it is copied to when it has ended, for a build that is tried.
    pub(crate) tap: Option<Arc<Tap>>,
    /// What came of it.
    pub outcome: Outcome,
    /// Where its record is kept, if records are.
    pub kept: Option<Arc<Kept>>,
}

impl Turn {
    /// Returns an empty turn for an instance to come.
    #[must_use]
    pub fn new(cell: u32, epoch: u64, cx: &Arc<InstanceCx>) -> Self {
        Self {
            cell,
            epoch,
            work: Work::default(),
            maker: None,
            renewal: None,
            first: true,
            legacy: None,
            instance: None,
            cx: Arc::clone(cx),
            record: Record::default(),
            grants: Vec::new(),
            holds: Vec::new(),
            links: Vec::new(),
            followers: Arc::default(),
            wakes_host: false,
            counted_in: None,
            delay_us: 0,
            tap: None,
            outcome: Outcome::default(),
            kept: None,
        }
    }

    /// Returns whether something else can go on when the host takes this turn back: the sooner, the better.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.wakes_host || !self.outcome.outbox.is_empty() || self.outcome.ending != Ending::Done
    }

    /// Does the work. Runs on a tick thread.
    pub fn run(&mut self) {
        if self.delay_us > 0 {
            std::thread::sleep(std::time::Duration::from_micros(u64::from(self.delay_us)));
        }
        if let Some(kept) = &self.kept {
            kept.begin(&self.record, self.work, self.maker.is_some());
        }
        // What it costs to keep the turn is not the cell's.
        let start = Instant::now();
        // Cells catch their own panics; what arrives here is a fault of the host's. It costs this cell, not the run.
        let ending = catch_unwind(AssertUnwindSafe(|| self.entries()));
        self.outcome.ending = ending.unwrap_or_else(|panic| {
            self.outcome.ticked = false;
            let what = panic.downcast_ref::<String>().map(String::as_str);
            let what = what.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            Ending::Over(format!("the engine itself failed while it ran this cell, please report it: {what}"))
        });
        self.outcome.wall_ns = start.elapsed().as_nanos() as u64;
        if let Some(kept) = &self.kept {
            kept.end(&self.record, &self.outcome, &self.cx);
        }
        if let Some(tap) = &self.tap {
            tap.take(self);
        }
    }

    fn entries(&mut self) -> Ending {
        self.outcome.ticked = false;
        self.outcome.requests = 0;
        self.outcome.passes = None;
        self.outcome.saved = None;
        self.outcome.save_fault = None;
        self.outcome.forgets = false;
        self.outcome.blameless = false;
        self.outcome.unsaved = false;
        self.first = false;
        if let Err(why) = self.begin() {
            return Ending::Over(why);
        }
        let mut load_failed = None;
        if self.work.load {
            match self.call(TurnKind::Load) {
                Ok(()) => self.work.passes = true,
                Err((Status::FAILED, why)) => load_failed = Some(why),
                Err((_, why)) => return Ending::Over(why),
            }
        }
        if self.work.tick && load_failed.is_none() {
            match self.call(TurnKind::Tick) {
                Ok(()) => self.outcome.ticked = true,
                Err((_, why)) => return Ending::Over(why),
            }
        }
        let asked = 1 << Request::PASSES.0;
        if (self.work.passes || self.outcome.requests & asked != 0) && load_failed.is_none() {
            self.outcome.requests &= !asked;
            if let Err((_, why)) = self.call(TurnKind::Passes) {
                return Ending::Over(why);
            }
        }
        if self.work.save && self.outcome.ticked {
            let instance = self.instance.as_mut().expect("checked above");
            match legacy::save(&mut **instance, &self.cx) {
                Ok(bytes) => self.outcome.saved = Some(SavedState { bytes, frame: self.record.frame }),
                Err((Status::FAILED, why)) => self.outcome.save_fault = Some(why),
                Err((_, why)) => return Ending::Over(why),
            }
        }
        load_failed.map_or(Ending::Done, Ending::LoadFailed)
    }

    /// Makes the instance if it is to be made, and lets it have its memory and the state that it starts from.
    fn begin(&mut self) -> Result<(), String> {
        if let Some(make) = self.maker.take() {
            self.instance = Some(make(&self.cx)?);
        }
        let mut legacy = self.legacy.take();
        let state = legacy.as_mut().map_or(Ok(None), |l| self.collect(l))?;
        if let (Some(kept), Some(legacy), Some(state)) = (&self.kept, &legacy, &state) {
            kept.starts_from(state, legacy.is_handed_over());
        }
        let instance = self.instance.as_mut().ok_or("the cell has no instance")?;
        // After the state was saved: nothing is published to the old region any more.
        if let Some(renewal) = self.renewal.take() {
            instance.renew(renewal)?;
        }
        match (legacy, state) {
            (Some(legacy), Some(state)) => self.restore(&legacy, &state),
            _ => Ok(()),
        }
    }

    /// Returns the state to start from.
    fn collect(&mut self, legacy: &mut Legacy) -> Result<Option<SavedState>, String> {
        let (state, fault) = legacy.collect().map_err(|why| {
            (self.outcome.blameless, self.outcome.unsaved) = (true, true);
            format!("{why}; `engine ctl restart {}` begins anew without it", self.cx.name)
        })?;
        if let Some(why) = fault {
            let then = match &state {
                Some(s) => format!("the checkpoint of frame {}", s.frame),
                None => "its defaults".to_owned(),
            };
            tracing::warn!(cell = &*self.cx.name, "its state was not saved ({why}); it starts from {then}");
        }
        self.outcome.saved.clone_from(&state);
        Ok(state)
    }

    /// Restores a state into the instance that was just made. One that does not fit leaves it with its defaults, unless
    /// the instance before waits to go on with it.
    fn restore(&mut self, legacy: &Legacy, state: &SavedState) -> Result<(), String> {
        let instance = self.instance.as_mut().expect("it was just made");
        let (status, why) = match legacy.fault(state) {
            Some(why) => {
                self.outcome.blameless = legacy.is_handed_over();
                (Status::FAILED, why)
            }
            None => match legacy::restore(&mut **instance, &self.cx, state) {
                Ok(()) => {
                    tracing::info!(
                        cell = &*self.cx.name,
                        "it goes on with its state of frame {}",
                        state.frame
                    );
                    return Ok(());
                }
                Err(fault) => fault,
            },
        };
        (self.outcome.saved, self.outcome.forgets) = (None, true);
        if legacy.is_handed_over() {
            return Err(why);
        }
        if status != Status::FAILED {
            return Err(format!("{why}; the next instance starts from its defaults"));
        }
        tracing::warn!(cell = &*self.cx.name, "{why}; it starts from its defaults");
        Ok(())
    }

    fn call(&mut self, kind: TurnKind) -> Result<(), (Status, String)> {
        let instance = self.instance.as_mut().expect("checked by `entries`");
        {
            let mut io = self.cx.io();
            io.begin(kind);
            io.reuse(&mut self.outcome.sent);
        }
        let status = instance.call(kind, &mut self.record);
        // After a tick that left nothing behind the lock is not taken again.
        if !self.cx.take_touched() && status.is_ok() && kind != TurnKind::Load {
            return Ok(());
        }
        let mut io = self.cx.io();
        self.outcome.outbox.append(&mut io.outbox);
        self.outcome.requests |= std::mem::take(&mut io.requests);
        if let Some(list) = io.passes.take() {
            self.outcome.passes = Some(list);
        }
        let is_lost = io.lost.is_some();
        if kind == TurnKind::Load {
            io.end_load(status);
        }
        if status.is_ok() && !is_lost {
            // A reason without a failure is none.
            (io.panic, io.failure) = (None, None);
            return Ok(());
        }
        drop(io);
        let why = self.cx.take_reason(kind, status);
        Err((if is_lost { Status::CANCELLED } else { status }, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assets::AssetStore, cells::CellEntry, cx::Services, par::ParPool, sealed::SealedStore};
    use engine_frame::plan::ShaderId;

    /// An instance over which the host itself stumbles.
    struct Stumbles;

    impl Placed for Stumbles {
        fn call(&mut self, kind: TurnKind, record: &mut Record) -> Status {
            assert!(kind != TurnKind::Tick, "no port {}", record.frame);
            Status::OK
        }

        fn save(&mut self) -> Result<Vec<u8>, Status> {
            Err(Status::FAILED)
        }

        fn restore(&mut self, _: &Arc<[u8]>) -> Status {
            Status::FAILED
        }

        fn renew(&mut self, _: Renewal) -> Result<(), String> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_of_the_host_costs_the_cell_and_names_itself() {
        let services = Services {
            pool: ParPool::without_threads(),
            assets: AssetStore::new(std::path::PathBuf::new()),
            sealed: SealedStore::default(),
        };
        let cx = InstanceCx::new("cell".into(), Arc::new(services));
        let scene = engine_scene::Scene::parse("test.ron", r#"World(cells: [(cell: "cell")])"#).unwrap();
        let mut entry = CellEntry::new(scene.cells[0].clone(), 1, ShaderId(1));
        let mut turn = entry.new_turn(&cx);
        turn.instance = Some(Box::new(Stumbles));
        turn.work = Work { load: true, tick: true, passes: true, save: false };
        turn.record.frame = 7;
        turn.run();
        let Ending::Over(why) = &turn.outcome.ending else { panic!("{:?}", turn.outcome.ending) };
        assert!(why.contains("the engine itself failed") && why.ends_with("no port 7"), "{why}");
        assert!(!turn.outcome.ticked, "nothing of the turn is published");
    }
}
