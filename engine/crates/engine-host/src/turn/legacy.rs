//! What an instance takes over from the one before: state that was saved in its planned end, or in a checkpoint.
//!
//! It is saved, judged and restored within the new instance's first turn, on a tick thread: the host waits for nothing.
use super::{Placed, Turn};
use crate::cx::{InstanceCx, TurnKind};
use cell_abi::{Status, saved::Saved, shape::ShapeSection};
use std::sync::Arc;

/// The most bytes of state that are kept of a cell.
pub const MAX_SAVED_BYTES: usize = 60 << 20;

/// State that a cell saved. It lives in memory only.
#[derive(Clone, Debug)]
pub struct SavedState {
    /// As [`cell_abi::saved`] describes it.
    pub bytes: Arc<[u8]>,
    /// The frame of the newest tick that it knows of.
    pub frame: u64,
}

/// An instance that is to end as planned.
pub struct Predecessor {
    instance: Box<dyn Placed>,
    cx: Arc<InstanceCx>,
    frame: u64,
}

impl Predecessor {
    /// Takes the instance out of a turn that does not run.
    #[must_use]
    pub fn of(turn: &mut Turn) -> Option<Self> {
        let instance = turn.instance.take()?;
        Some(Self { instance, cx: Arc::clone(&turn.cx), frame: turn.record.frame })
    }

    /// Returns the host's side of it.
    #[must_use]
    pub fn cx(&self) -> &Arc<InstanceCx> {
        &self.cx
    }

    /// Saves its state and ends it.
    fn save(mut self) -> Result<SavedState, String> {
        let saved = save(&mut *self.instance, &self.cx);
        // Nothing that it does counts any more.
        self.cx.cancel();
        match saved {
            Ok(bytes) => Ok(SavedState { bytes, frame: self.frame }),
            Err((_, why)) => Err(why),
        }
    }
}

/// What a new instance is to start from.
pub struct Legacy {
    /// The instance before, if it is healthy.
    pub predecessor: Option<Predecessor>,
    /// What to take when it cannot be had of the instance before.
    pub checkpoint: Option<SavedState>,
    /// What the new build restores.
    pub shape: Arc<ShapeSection>,
}

impl Legacy {
    /// Ends the instance before and returns the state to start from, and why the newest could not be had.
    pub(super) fn collect(&mut self) -> (Option<SavedState>, Option<String>) {
        match self.predecessor.take().map(Predecessor::save) {
            Some(Ok(saved)) => (Some(saved), None),
            Some(Err(why)) => (self.checkpoint.take(), Some(why)),
            None => (self.checkpoint.take(), None),
        }
    }

    /// Returns why this build does not restore `state`, as a sentence.
    pub(super) fn fault(&self, state: &SavedState) -> Option<String> {
        let saved = match Saved::read(&state.bytes) {
            Ok(saved) => saved,
            Err(error) => return Some(format!("its state cannot be read: {error}")),
        };
        if self.shape.restores(saved.fingerprint) {
            return None;
        }
        let difference = saved.difference(&self.shape.text);
        let difference = difference.unwrap_or_else(|| "its fingerprint is not its text's".to_owned());
        Some(format!("its state was saved in another shape: {difference}"))
    }
}

/// Saves the state of an instance.
pub(super) fn save(instance: &mut dyn Placed, cx: &InstanceCx) -> Result<Arc<[u8]>, (Status, String)> {
    cx.io().begin(TurnKind::Save);
    instance.save().map(Arc::from).map_err(|status| (status, cx.take_reason(TurnKind::Save, status)))
}

/// Restores a state into an instance that was just made.
pub(super) fn restore(
    instance: &mut dyn Placed,
    cx: &InstanceCx,
    state: &SavedState,
) -> Result<(), (Status, String)> {
    cx.io().begin(TurnKind::Restore);
    match instance.restore(&state.bytes) {
        status if status.is_ok() => Ok(()),
        status => Err((status, cx.take_reason(TurnKind::Restore, status))),
    }
}

#[cfg(test)]
mod tests;
