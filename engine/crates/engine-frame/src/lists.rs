//! The pass lists of all cells, each with the last one that worked.
//!
//! A cell submits a list whenever it likes; the newest is tried at each planning. When it has a fault, or the
//! GPU refuses it, the cell's last good list is drawn instead, and only that cell's picture stays behind.
use crate::{
    contracts::Contracts,
    limits::Limits,
    plan::{CellLine, ShaderId},
    planner::{CellPasses, PlanInput, PlanOutcome, SealedInfo, plan},
};
use cell_wire::PassList;
use std::{collections::BTreeMap, sync::Arc};

#[derive(Debug)]
struct Entry {
    submitted: CellPasses,
    /// The GPU refused `submitted`.
    refused: bool,
    good: Option<Arc<PassList>>,
    /// What the newest plan draws.
    drawn: Option<Arc<PassList>>,
}

/// The pass lists of all cells.
#[derive(Debug, Default)]
pub struct ListBook {
    entries: BTreeMap<CellLine, Entry>,
    version: u64,
    /// The newest version whose lists are known to be good.
    good_version: u64,
}

/// What planning needs besides the lists; see [`PlanInput`].
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The world's names.
    pub contracts: &'a Contracts,
    /// What a cell sealed under an id.
    pub sealed: &'a dyn Fn(CellLine, u64) -> Option<SealedInfo>,
    /// What each cell may ask for.
    pub limits: &'a dyn Fn(CellLine) -> Limits,
    /// The output size in pixels.
    pub screen_px: [u32; 2],
}

impl ListBook {
    /// Replaces a cell's list.
    pub fn submit(&mut self, line: CellLine, shader: ShaderId, list: Arc<PassList>) {
        let old = self.entries.remove(&line);
        let (good, drawn) = old.map_or((None, None), |e| (e.good, e.drawn));
        let entry = Entry { submitted: CellPasses { line, shader, list }, refused: false, good, drawn };
        self.entries.insert(line, entry);
    }

    /// Forgets a cell's lists: it left the scene, or its line changed its meaning.
    pub fn remove(&mut self, line: CellLine) {
        self.entries.remove(&line);
    }

    /// Gives every cell's lists the line that `new_line` returns, and forgets those for which it returns none.
    pub fn renumber(&mut self, new_line: impl Fn(CellLine) -> Option<CellLine>) {
        // Frames of the plan so far speak of other lines.
        self.good_version = self.version;
        let old = std::mem::take(&mut self.entries);
        for (line, mut entry) in old {
            if let Some(line) = new_line(line) {
                entry.submitted.line = line;
                self.entries.insert(line, entry);
            }
        }
    }

    /// Plans with each cell's newest list, or its last good one where that has a fault.
    ///
    /// The faults are those of the newest lists, and of good ones that fit no more.
    #[must_use]
    pub fn plan(&mut self, world: &World<'_>) -> PlanOutcome {
        self.version += 1;
        let mut faults = Vec::new();
        let mut tried: BTreeMap<CellLine, Vec<Arc<PassList>>> = BTreeMap::new();
        for (line, e) in &self.entries {
            // Tried from the end.
            let mut lists: Vec<_> = e.good.clone().into_iter().collect();
            if !e.refused && !e.good.as_ref().is_some_and(|g| Arc::ptr_eq(g, &e.submitted.list)) {
                lists.push(e.submitted.list.clone());
            }
            tried.insert(*line, lists);
        }
        loop {
            let lists: Vec<CellPasses> = tried
                .iter()
                .filter_map(|(line, lists)| {
                    let list = lists.last()?.clone();
                    Some(CellPasses { list, ..self.entries[line].submitted.clone() })
                })
                .collect();
            let World { contracts, sealed, limits, screen_px } = *world;
            let version = self.version;
            let mut outcome =
                plan(&PlanInput { version, contracts, lists: &lists, sealed, limits, screen_px });
            let left_out = outcome.left_out();
            faults.append(&mut outcome.faults);
            // Each round drops at least one list of those that are left.
            for line in &left_out {
                tried.get_mut(line).and_then(Vec::pop);
            }
            if left_out.is_empty() {
                for (line, e) in &mut self.entries {
                    e.drawn = tried.get(line).and_then(|l| l.last().cloned());
                }
                return PlanOutcome { plan: outcome.plan, faults };
            }
        }
    }

    /// Returns every list that may still be drawn: what its passes name must stay.
    pub fn lists(&self) -> impl Iterator<Item = &Arc<PassList>> {
        self.entries.values().flat_map(|e| {
            let kept = [Some(&e.submitted.list), e.good.as_ref(), e.drawn.as_ref()];
            kept.into_iter().flatten()
        })
    }

    /// Says that a frame of the newest plan was drawn, but for the passes of the cells in `skipped`: what it drew is
    /// good.
    pub fn drawn(&mut self, version: u64, skipped: &[CellLine]) {
        if version != self.version || self.good_version == version {
            return;
        }
        if skipped.is_empty() {
            self.good_version = version;
        }
        for (line, e) in &mut self.entries {
            if e.drawn.is_some() && !skipped.contains(line) {
                e.good.clone_from(&e.drawn);
            }
        }
    }

    /// Says that the GPU refused what the newest plan draws for a cell. Plan again then: the cell goes back to
    /// its last good list, or to none if it was that one.
    pub fn refused(&mut self, line: CellLine) {
        if let Some(e) = self.entries.get_mut(&line) {
            let was = |list: &Arc<PassList>| e.drawn.as_ref().is_some_and(|d| Arc::ptr_eq(d, list));
            if e.good.as_ref().is_some_and(was) {
                e.good = None;
                e.refused |= was(&e.submitted.list);
            } else {
                e.refused = true;
            }
        }
    }

    /// Says that a cell's shader changed: a list that was refused may work now. Returns whether there was one: then
    /// it is time to plan again.
    #[must_use]
    pub fn shader_changed(&mut self, line: CellLine) -> bool {
        self.entries.get_mut(&line).is_some_and(|e| std::mem::take(&mut e.refused))
    }
}

#[cfg(test)]
#[path = "lists_tests.rs"]
mod tests;
