//! What an instance takes over from the one before: state that is saved for it, or a checkpoint.
//!
//! It is saved, judged and restored within one turn of the new instance, on a tick thread: the host waits for nothing.
use super::Placed;
use crate::cx::{InstanceCx, TurnKind};
use cell_abi::{Status, saved::Saved, shape::ShapeSection};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// Where an instance waits while another one takes its place: it comes back here as soon as its state is saved, so that
/// it is there when the other one hangs.
#[derive(Clone, Default)]
pub struct Place(Arc<Mutex<Option<Box<dyn Placed>>>>);

impl Place {
    fn instance(&self) -> MutexGuard<'_, Option<Box<dyn Placed>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an instance here.
    pub fn put(&self, instance: Box<dyn Placed>) {
        *self.instance() = Some(instance);
    }

    /// Takes the instance.
    #[must_use]
    pub fn take(&self) -> Option<Box<dyn Placed>> {
        self.instance().take()
    }

    /// Returns whether no instance is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.instance().is_none()
    }
}

/// An instance whose state another one takes over.
pub struct Predecessor {
    /// The instance.
    pub instance: Box<dyn Placed>,
    /// The host's side of it.
    pub cx: Arc<InstanceCx>,
    /// The frame of its newest tick.
    pub frame: u64,
    /// Where it waits afterwards.
    pub place: Place,
}

impl Predecessor {
    /// Saves its state. A healthy instance is in its place afterwards.
    fn save(mut self) -> Result<SavedState, (Status, String)> {
        let saved = save(&mut *self.instance, &self.cx);
        if matches!(saved, Ok(_) | Err((Status::FAILED, _))) {
            self.place.put(self.instance);
        } else {
            // Nothing that it does counts any more.
            self.cx.cancel();
        }
        saved.map(|bytes| SavedState { bytes, frame: self.frame })
    }
}

/// What a new instance is to start from.
pub struct Legacy {
    /// The instance before, if it is healthy.
    pub predecessor: Option<Predecessor>,
    /// What to take when there is none, or when it ends as its state is saved.
    pub checkpoint: Option<SavedState>,
    /// What the new build restores.
    pub shape: Arc<ShapeSection>,
    handed_over: bool,
}

impl Legacy {
    /// Returns what an instance starts from that takes the place of one that is over.
    #[must_use]
    pub fn after_end(checkpoint: Option<SavedState>, shape: Arc<ShapeSection>) -> Self {
        Self { predecessor: None, checkpoint, shape, handed_over: false }
    }

    /// Returns what an instance starts from that takes over from one that waits.
    #[must_use]
    pub fn handed_over(
        predecessor: Predecessor,
        checkpoint: Option<SavedState>,
        shape: Arc<ShapeSection>,
    ) -> Self {
        Self { predecessor: Some(predecessor), checkpoint, shape, handed_over: true }
    }

    /// Returns what an instance starts from that is tried only: a state that does not fit is the end of it.
    #[must_use]
    pub fn tried(state: SavedState, shape: Arc<ShapeSection>) -> Self {
        Self { predecessor: None, checkpoint: Some(state), shape, handed_over: true }
    }

    /// Returns whether the instance before waits: it goes on when its state does not fit.
    pub(super) fn is_handed_over(&self) -> bool {
        self.handed_over
    }

    /// Returns the state to start from, and why the newest could not be had.
    ///
    /// # Errors
    /// The instance before is well, but its state could not be saved.
    pub(super) fn collect(&mut self) -> Result<(Option<SavedState>, Option<String>), String> {
        match self.predecessor.take().map(Predecessor::save) {
            Some(Ok(saved)) => Ok((Some(saved), None)),
            Some(Err((Status::FAILED, why))) => Err(format!("the old one's {why}")),
            Some(Err((_, why))) => {
                // There is nobody to go back to.
                self.handed_over = false;
                Ok((self.checkpoint.take(), Some(why)))
            }
            None => Ok((self.checkpoint.take(), None)),
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
