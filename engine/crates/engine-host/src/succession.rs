//! What a cell knows outlives its instance: which state the next one starts from, and when a checkpoint is due.
//!
//! The state itself is saved and restored in the turn that makes the new instance ([`crate::turn::Legacy`]).
use crate::{
    cells::{CellEntry, Life},
    cx::InstanceCx,
    turn::{Ending, Legacy, Predecessor, SavedState, Turn},
    world::World,
};
use engine_frame::{
    schedule::{DueTick, steps_ns},
    supervise::HUNG_TICK_NS,
};
use std::sync::Arc;

/// The instance before, which ends as planned.
enum Before {
    /// Its turn is under way: it is waited for.
    Busy {
        /// Its epoch.
        epoch: u64,
        /// The host's side of it.
        cx: Arc<InstanceCx>,
    },
    /// It can be saved.
    Idle(Predecessor),
}

/// What a cell's next instance starts from.
#[derive(Default)]
pub struct Succession {
    /// The instance before, until the next one is made.
    before: Option<Before>,
    /// The host's side of the instance whose state the newest one is taking over.
    saving: Option<Arc<InstanceCx>>,
    /// The newest checkpoint, or a state on its way from one instance to the next.
    state: Option<SavedState>,
    /// Why the newest checkpoint failed; `None` while all is well.
    fault: Option<String>,
    /// When the next checkpoint is due, in the world's time in nanoseconds.
    due_ns: u64,
}

impl Succession {
    /// Says that nothing that the instance before does counts any more.
    fn cancel(&self) {
        if let Some(Before::Busy { cx, .. }) = &self.before {
            cx.cancel();
        }
        if let Some(cx) = &self.saving {
            cx.cancel();
        }
    }

    /// Returns whether the turn of the instance before is still under way.
    fn awaits(&self) -> bool {
        matches!(self.before, Some(Before::Busy { .. }))
    }

    /// Returns whether a new instance still waits for the state of the one before.
    pub(crate) fn is_saving(&self) -> bool {
        self.saving.as_ref().is_some_and(|cx| !cx.is_cancelled())
    }

    /// Returns the frame of the state that the next instance starts from.
    pub(crate) fn frame(&self) -> Option<u64> {
        self.state.as_ref().map(|s| s.frame)
    }
}

impl CellEntry {
    /// Cancels all instances that this entry still knows of.
    pub(crate) fn cancel(&self) {
        if let Some(cx) = &self.cx {
            cx.cancel();
        }
        self.succession.cancel();
    }

    /// Lets the next instance start from what `old`, the same cell before, knows. Its instance ends.
    pub(crate) fn succeed(&mut self, old: &mut Self, now_ns: u64) {
        self.succession = std::mem::take(&mut old.succession);
        if old.built.as_ref().is_none_or(|b| b.shape.is_none()) && self.succession.before.is_none() {
            return old.cancel();
        }
        let turn = old.turn.take();
        if let Some(before) = turn.and_then(|mut t| Predecessor::of(&mut t)) {
            old.cx = None;
            self.succession.before = Some(Before::Idle(before));
        } else if matches!(old.life, Life::Busy { .. }) && self.key == old.key {
            if let Some(cx) = old.cx.take() {
                self.succession.before = Some(Before::Busy { epoch: old.epoch, cx });
                self.life = Life::Waiting { until_ns: now_ns + HUNG_TICK_NS };
            }
        } else {
            old.cancel();
            if self.succession.awaits() && self.key == old.key {
                self.life = old.life.clone();
            }
        }
    }

    /// Starts the next instance from its defaults, but for what a healthy one before it knows.
    pub(crate) fn forget_state(&mut self) {
        self.succession.state = None;
    }

    /// Returns what the instance that is about to be made starts from.
    pub(crate) fn legacy(&mut self) -> Option<Legacy> {
        let predecessor = match self.succession.before.take() {
            None => None,
            Some(Before::Idle(before)) => Some(before),
            Some(Before::Busy { cx, .. }) => {
                for cx in [Some(cx), self.succession.saving.take()].into_iter().flatten() {
                    cx.cancel();
                }
                tracing::warn!(
                    cell = &*self.name,
                    "its old instance did not return; its newest state is lost"
                );
                None
            }
        };
        let checkpoint = self.succession.state.clone();
        if predecessor.is_none() && checkpoint.is_none() {
            return None;
        }
        let Some(shape) = self.built.as_ref().and_then(|b| b.shape.clone()) else {
            self.succession.state = None;
            tracing::warn!(cell = &*self.name, "its state is dropped: the new build keeps none");
            return None;
        };
        self.succession.saving = predecessor.as_ref().map(|p| Arc::clone(p.cx()));
        Some(Legacy { predecessor, checkpoint, shape })
    }

    /// Takes the tick that is due, with a checkpoint if it is time.
    pub(crate) fn take_due(&mut self, due: Option<DueTick>, time_ns: u64) {
        self.due = due;
        self.wants.tick = self.due.is_some();
        self.wants.save = self.wants.tick && self.has_checkpoints() && time_ns >= self.succession.due_ns;
    }

    fn has_checkpoints(&self) -> bool {
        self.scene.checkpoint.is_some() && self.built.as_ref().is_some_and(|b| b.shape.is_some())
    }

    /// Says that the scene asks for checkpoints of a cell that has nothing to keep.
    pub(crate) fn warn_of_checkpoint(&self) {
        if self.scene.checkpoint.is_some() && self.built.as_ref().is_some_and(|b| b.shape.is_none()) {
            let help = "put `#[derive(Save)]` on it, or leave `checkpoint` out; see docs/keeping-state.md";
            let fault =
                self.scene.fault("`checkpoint` does nothing: the cell keeps no state", Some(help.to_owned()));
            tracing::warn!(cell = &*self.name, "\n{fault}");
        }
    }

    /// Takes a changed `checkpoint` of its scene line.
    pub(crate) fn change_checkpoint(&mut self) {
        // The next one is due at once; what is kept of an earlier one is dropped with the last.
        self.succession.due_ns = 0;
        if self.scene.checkpoint.is_none() {
            self.succession.state = None;
        }
        self.warn_of_checkpoint();
    }
}

impl World {
    /// Sets the time of a cell's next checkpoint.
    pub(crate) fn plan_checkpoint(&mut self, n: usize) {
        let (time_ns, rate) = (self.time_ns, self.scene.rate);
        let entry = &mut self.cells[n];
        if let Some(frames) = entry.scene.checkpoint_frames(rate) {
            entry.succession.due_ns = time_ns + frames * steps_ns(1, rate);
        }
    }

    /// Takes what a turn of a cell's current instance saved.
    pub(crate) fn take_saved(&mut self, n: usize, turn: &mut Turn) {
        if turn.work.save && turn.outcome.ticked {
            self.plan_checkpoint(n);
            let entry = &mut self.cells[n];
            let fault = turn.outcome.save_fault.take();
            if let Some(why) = fault.as_ref().filter(|_| fault != entry.succession.fault) {
                let then = entry.succession.frame().map_or_else(
                    || "there is none to start from".to_owned(),
                    |f| format!("that of frame {f} stays"),
                );
                tracing::warn!(cell = &*entry.name, "its checkpoint was not made ({why}); {then}");
            }
            entry.succession.fault = fault;
        }
        let entry = &mut self.cells[n];
        entry.succession.saving = None;
        if let Some(state) = turn.outcome.saved.take() {
            entry.succession.state = Some(state);
        }
        let arrived = !matches!(turn.outcome.ending, Ending::Over(_)) && entry.scene.checkpoint.is_none();
        if turn.outcome.forgets || arrived {
            entry.succession.state = None;
        }
    }

    /// Takes a turn of an instance that was replaced while the turn was under way: it can be saved now.
    pub(crate) fn take_before(&mut self, mut turn: Box<Turn>) {
        let Some(n) = self.line(turn.cell) else { return };
        let entry = &mut self.cells[n];
        match &entry.succession.before {
            Some(Before::Busy { epoch, .. }) if *epoch == turn.epoch => {}
            _ => return,
        }
        self.take_saved(n, &mut turn);
        let entry = &mut self.cells[n];
        entry.succession.before = None;
        match std::mem::take(&mut turn.outcome.ending) {
            Ending::Over(why) => {
                tracing::warn!(cell = &*entry.name, "{why}, as it was replaced; its newest state is lost");
            }
            _ => entry.succession.before = Predecessor::of(&mut turn).map(Before::Idle),
        }
        if matches!(entry.life, Life::Waiting { .. }) {
            entry.life = Life::Waiting { until_ns: 0 };
        }
        self.wake(n);
    }
}
