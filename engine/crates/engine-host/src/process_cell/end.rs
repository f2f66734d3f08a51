//! The end of a child that is no longer needed: it is told, waited for by the [`crate::closer`], or killed.
use super::ProcessCell;
use crate::child_wire::ToChild;
use engine_sys::{ChildProcess, ExitCause};
use std::time::{Duration, Instant};

impl ProcessCell {
    /// Tells the child to end its instance and itself. Does not wait, whatever the child is doing.
    pub(crate) fn stop(&mut self) {
        if self.over {
            return;
        }
        ToChild::Stop.encode(&self.turn, &mut self.out);
        if !self.outlet.try_send(&self.out) {
            // A child that has not taken its messages will not take this one.
            self.kill();
        }
    }

    /// Ends the child at once.
    pub(crate) fn kill(&mut self) {
        if !std::mem::replace(&mut self.over, true) {
            self.warn("its process did not end in time and was killed");
        }
        // Again, if it was killed before; if that fails, it is gone already.
        let _ = self.keeper.process().kill();
    }

    /// Returns whether the child has ended. The first time, its last words are passed on.
    pub(crate) fn has_ended(&mut self) -> bool {
        let ended = match self.keeper.process_mut().try_wait() {
            Ok(None) => return false,
            Ok(Some(ExitCause::Code(0))) => None,
            Ok(Some(cause)) => Some(cause.to_string()),
            // Nobody else reaps our children; if it happens, there is nothing to wait for.
            Err(error) => Some(error.to_string()),
        };
        // Wishes of a dead process are served in vain; its log lines count, and there are no more than a ring holds.
        self.look_at = Instant::now() + Duration::from_secs(1);
        while matches!(self.take(), Ok(Some(_))) {}
        if let Some(cause) = ended.filter(|_| !self.over) {
            self.warn(&format!("its process {cause} at its end"));
        }
        self.over = true;
        true
    }

    /// Returns the child, for waiting on several.
    pub(crate) fn child(&self) -> &ChildProcess {
        self.keeper.process()
    }

    fn warn(&self, what: &str) {
        tracing::warn!(target: "cell", cell = &*self.cx.name, "{what}");
    }
}
