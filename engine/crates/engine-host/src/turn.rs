//! One turn of one cell: what it is to do, what it sees, what came of it. Travels to a tick thread and back.
use crate::{
    cx::{InstanceCx, Outgoing, TurnKind},
    record::Record,
    renewal::Renewal,
};
use cell_abi::{Request, Status};
use engine_frame::{plan::BufferId, slots::Grant};
use std::{sync::Arc, time::Instant};

/// Where an instance runs. The one seam: a thread, a child process, later another machine.
pub trait Placed: Send {
    /// Runs one entry of the cell on `record`. What it hands over is in its [`InstanceCx`] afterwards.
    fn call(&mut self, kind: TurnKind, record: &mut Record) -> Status;

    /// Returns the new region that the instance's process has mapped, once.
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
    /// Messages, in order. Drained by the host.
    pub outbox: Vec<Outgoing>,
    /// [`Request`] bits left for the host.
    pub requests: u32,
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
    /// The frame that waits for it.
    pub counted_in: Option<u64>,
    /// Chaos: microseconds to wait before the turn.
    pub delay_us: u32,
    /// What came of it.
    pub outcome: Outcome,
}

impl Turn {
    /// Does the work. Runs on a tick thread.
    pub fn run(&mut self) {
        if self.delay_us > 0 {
            std::thread::sleep(std::time::Duration::from_micros(u64::from(self.delay_us)));
        }
        let start = Instant::now();
        self.outcome.ending = self.entries();
        self.outcome.wall_ns = start.elapsed().as_nanos() as u64;
    }

    fn entries(&mut self) -> Ending {
        self.outcome.ticked = false;
        self.outcome.requests = 0;
        self.outcome.passes = None;
        if let Some(make) = self.maker.take() {
            match make(&self.cx) {
                Ok(instance) => self.instance = Some(instance),
                Err(why) => return Ending::Over(why),
            }
        }
        if self.instance.is_none() {
            return Ending::Over("the cell has no instance".to_owned());
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
        load_failed.map_or(Ending::Done, Ending::LoadFailed)
    }

    fn call(&mut self, kind: TurnKind) -> Result<(), (Status, String)> {
        // The lock is taken only for turns that are no tick, or when the last turn left something behind.
        let instance = self.instance.as_mut().expect("checked by `entries`");
        self.cx.io().begin(kind);
        let status = instance.call(kind, &mut self.record);
        if !self.cx.take_touched() && status.is_ok() && kind != TurnKind::Load {
            return Ok(());
        }
        let mut io = self.cx.io();
        self.outcome.outbox.append(&mut io.outbox);
        self.outcome.requests |= std::mem::take(&mut io.requests);
        if let Some(list) = io.passes.take() {
            self.outcome.passes = Some(list);
        }
        let (panic, failure) = (io.panic.take(), io.failure.take());
        if kind == TurnKind::Load {
            let before = std::mem::take(&mut io.sealed_before);
            if !status.is_ok() {
                // It goes on with what it had.
                io.sealed.extend(before);
            }
        }
        if let Some(why) = io.lost.take() {
            return Err((Status::CANCELLED, why));
        }
        drop(io);
        if status.is_ok() {
            return Ok(());
        }
        let entry = match kind {
            TurnKind::Load => "load",
            TurnKind::Tick => "tick",
            TurnKind::Passes => "passes",
            TurnKind::None => "create",
        };
        Err((
            status,
            match (status, panic, failure) {
                (Status::PANICKED, Some((message, file, line)), _) => {
                    format!("panicked in `{entry}` at {file}:{line}: {message}")
                }
                (Status::PANICKED, None, _) => format!("panicked in `{entry}`"),
                (_, _, Some(why)) => format!("`{entry}` failed: {why}"),
                (other, _, None) => format!("`{entry}` failed with status {}", other.0),
            },
        ))
    }
}
