//! What was asked for, and what came of it.
use super::{Act, Ask, Phase, SwapReport, Swaps};
use crate::{builder::BuiltCell, cells::CellEntry, world::World};
use engine_scene::Placement;

impl World {
    /// Returns the replacements that were asked for lately, the oldest first, and how far they have come.
    pub fn swaps(&self) -> impl DoubleEndedIterator<Item = &SwapReport> {
        self.swaps.reports().iter()
    }
}

impl CellEntry {
    /// Returns where it will run when what is under way has been done.
    pub(crate) fn goes_to(&self) -> Placement {
        self.swap.as_ref().and_then(|swap| swap.ask.at).unwrap_or(self.placed)
    }

    /// Returns whether a new instance of this build is being prepared already, to begin anew. Somebody who asks for it
    /// faster than one can be made would never get any.
    pub(crate) fn is_about_to_restart(&self, newest: &BuiltCell) -> bool {
        self.swap.as_ref().filter(|swap| swap.ask.act == Act::Restart).is_some_and(|swap| match &swap.phase {
            Phase::Planned => true,
            // It may have read an older build.
            Phase::Staging(_) => false,
            Phase::Shadowing { staged, .. } | Phase::Making { staged, .. } | Phase::Made { staged, .. } => {
                staged.built.path == newest.path
            }
        })
    }
}

impl Swaps {
    /// Plans to move an entry whose scene line has another `at:`, unless it is there or on its way. Until it has moved, its
    /// instances begin where it is: the move may be refused.
    pub(crate) fn plan_move(&mut self, entry: &mut CellEntry, at: Placement, frame: u64) {
        entry.moved_to = (entry.epoch > 0 && at != entry.placed).then_some(entry.placed);
        if at == entry.goes_to() && entry.epoch > 0 {
            return;
        }
        tracing::info!(cell = &*entry.name, "it moves to {at:?}");
        self.plan(entry, Ask::to(at), frame);
    }
}
