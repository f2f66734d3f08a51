//! What a cell knows outlives its instance: which state the next one starts from, and when a checkpoint is due.
//!
//! The state itself is saved and restored in the turn in which the new instance begins ([`crate::turn::Legacy`]).
use crate::{
    cells::CellEntry,
    turn::{Ending, Legacy, SavedState, Turn},
    world::World,
};
use engine_frame::schedule::{DueTick, steps_ns};

/// What a cell's next instance starts from.
#[derive(Default)]
pub struct Succession {
    /// The newest checkpoint, or a state on its way from one instance to the next.
    pub(crate) state: Option<SavedState>,
    /// Why the newest checkpoint failed; `None` while all is well.
    fault: Option<String>,
    /// When the next checkpoint is due, in the world's time in nanoseconds.
    due_ns: u64,
}

impl Succession {
    /// Returns the frame of the state that the next instance starts from.
    pub(crate) fn frame(&self) -> Option<u64> {
        self.state.as_ref().map(|s| s.frame)
    }
}

impl CellEntry {
    /// Returns what the instance starts from that is about to be made, after one that is over.
    pub(crate) fn legacy(&mut self) -> Option<Legacy> {
        let checkpoint = self.succession.state.clone()?;
        let Some(shape) = self.built.as_ref().and_then(|b| b.shape.clone()) else {
            self.succession.state = None;
            tracing::warn!(cell = &*self.name, "its state is dropped: the new build keeps none");
            return None;
        };
        Some(Legacy::after_end(Some(checkpoint), shape))
    }

    /// Takes the tick that is due, with a checkpoint if it is time.
    pub(crate) fn take_due(&mut self, due: Option<DueTick>, time_ns: u64) {
        self.due = due;
        self.wants.tick = self.due.is_some();
        let is_due = self.has_checkpoints() && time_ns >= self.succession.due_ns;
        let is_tapped = || self.swap.as_ref().and_then(|s| s.tap()).is_some_and(|tap| tap.wants_state());
        let starts_records = || self.kept.as_ref().is_some_and(|k| k.wants_state());
        self.wants.save = self.wants.tick && (is_due || is_tapped() || starts_records());
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
            // Without checkpoints it was asked for the records only, and nothing is lost.
            let fault = turn.outcome.save_fault.take().filter(|_| entry.has_checkpoints());
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
        if let Some(state) = turn.outcome.saved.take() {
            entry.succession.state = Some(state);
        }
        let arrived = !matches!(turn.outcome.ending, Ending::Over(_)) && entry.scene.checkpoint.is_none();
        if turn.outcome.forgets || arrived {
            entry.succession.state = None;
        }
    }
}
