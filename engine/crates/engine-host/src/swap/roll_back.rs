//! The time in which the old instance waits, and both of its ends: the new one stays, or the old one goes on.
use super::{PROBATION_NS, PROBATION_TICKS, Standing};
use crate::{
    assets::Asset,
    builder::BuiltCell,
    cells::{CellEntry, Life},
    cx::InstanceCx,
    kept::Kept,
    library::CellLibrary,
    turn::{Place, SavedState, Turn, Work},
    world::World,
};
use cell_wire::PassList;
use engine_frame::plan::CellLine;
use engine_scene::Placement;
use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

/// An instance that waits while another one has its place, with all that the host knew of it.
pub struct Frozen {
    pub(super) number: u64,
    /// What messages call the new instance.
    pub(super) subject: String,
    /// How long the new one may take to load.
    pub(super) patience: Duration,
    /// Where it is; empty while its state is being saved.
    pub(super) place: Place,
    pub(super) turn: Box<Turn>,
    pub(crate) cx: Arc<InstanceCx>,
    pub(super) epoch: u64,
    pub(super) built: Option<BuiltCell>,
    pub(super) library: Option<Arc<CellLibrary>>,
    pub(super) placed: Placement,
    pub(super) list: Option<Arc<PassList>>,
    pub(super) sealed: BTreeSet<u64>,
    pub(super) no_ticks: bool,
    pub(super) load_fault: Option<String>,
    pub(super) checkpoint: Option<SavedState>,
    /// The frame of its newest tick.
    pub(super) frame: u64,
    /// How many ticks the cell had returned from, and the world's time, when the new instance took over. That stands still
    /// while the world is paused.
    pub(super) ticks: u64,
    pub(super) begun_ns: u64,
    /// The new instance has loaded.
    pub(super) took_over: bool,
    /// It is to load when it comes back: it was about to, or an asset of its was saved meanwhile.
    pub(super) reload: bool,
    /// It did not save its state for the new one.
    pub(crate) unsaved: bool,
}

impl Frozen {
    /// Returns the build that it comes back with.
    pub(crate) fn built(&self) -> Option<&BuiltCell> {
        self.built.as_ref()
    }

    /// Returns what is kept of it.
    pub(crate) fn kept(&self) -> Option<&Arc<Kept>> {
        self.turn.kept.as_ref()
    }

    /// Says how far the new instance had come, after `ticks` ticks of the cell, as the end of a sentence.
    pub(crate) fn standing(&self, ticks: u64) -> String {
        if self.took_over {
            format!("{} ticks after it took over", ticks.saturating_sub(self.ticks))
        } else {
            "as it took over".to_owned()
        }
    }

    /// Returns whether its state is still being saved.
    pub(crate) fn is_saving(&self) -> bool {
        !self.took_over && self.place.is_empty()
    }

    /// Returns how long the turn may take in which the new instance takes over.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Lets it load the newest content of an asset that it reads, if it comes back.
    pub(crate) fn expect_asset(&mut self, path: &str, asset: &Asset) {
        let reads = self.cx.io().assets.iter().any(|(p, _)| **p == *path);
        if reads {
            self.cx.expect_asset(path, asset.clone());
            self.reload = true;
        }
    }
}

impl CellEntry {
    /// Returns whether a load that fails brings the instance before back: its own was well.
    pub(crate) fn rolls_back_for_load(&self) -> bool {
        self.probation.as_ref().is_some_and(|f| !f.took_over && f.load_fault.is_none() && !f.place.is_empty())
    }
}

impl World {
    /// The new instance of a cell has loaded: from now on it is to show that it works.
    pub(crate) fn took_over(&mut self, n: usize) {
        let (frame, time_ns) = (self.frame, self.time_ns);
        let entry = &mut self.cells[n];
        let Some(frozen) = entry.probation.as_mut().filter(|f| !f.took_over) else { return };
        (frozen.took_over, frozen.begun_ns, frozen.ticks) = (true, time_ns, entry.counters.ticks);
        let words = format!("{} took over after frame {}", frozen.subject, frozen.frame);
        tracing::info!(cell = &*entry.name, "{words}");
        self.swaps.tell(frozen.number, Standing::Probation, frame, format!("{words}; the old one waits"));
        if frozen.place.is_empty() {
            self.stay(n, "the old one ended as its state was saved");
        }
    }

    /// Ends the old instance of a cell if the new one has shown that it works.
    pub(super) fn end_probation(&mut self, n: usize) {
        let time_ns = self.time_ns;
        let entry = &self.cells[n];
        let Some(frozen) = entry.probation.as_ref().filter(|f| f.took_over) else { return };
        let ticks = entry.counters.ticks.saturating_sub(frozen.ticks);
        let is_over = ticks >= PROBATION_TICKS || time_ns.saturating_sub(frozen.begun_ns) >= PROBATION_NS;
        if is_over && entry.life == Life::Idle {
            self.stay(n, &format!("it returned from {ticks} ticks, and the old one has ended"));
        }
    }

    fn stay(&mut self, n: usize, why: &str) {
        let entry = &mut self.cells[n];
        let Some(frozen) = entry.probation.take() else { return };
        frozen.cx.cancel();
        self.book.discard(&entry.name);
        self.sealed_changed = true;
        let words = format!("{} stays: {why}", frozen.subject);
        tracing::info!(cell = &*entry.name, "{words}");
        self.swaps.tell(frozen.number, Standing::Done, self.frame, words);
    }

    /// Lets the instance before go on, if it waits. Returns whether it does.
    pub(crate) fn roll_back(&mut self, n: usize, why: &str) -> bool {
        let frame = self.frame;
        let entry = &mut self.cells[n];
        let Some(frozen) = entry.probation.take() else { return false };
        let after = frozen.standing(entry.counters.ticks);
        let subject = &frozen.subject;
        let instance = frozen.place.take().map(|mut i| i.ended().map_or(Ok(i), Err));
        let instance = match instance {
            Some(Ok(instance)) => instance,
            gone => {
                let gone = gone.and_then(Result::err);
                let gone = gone.map_or("was being saved".to_owned(), |why| format!("is over too: {why}"));
                let words = format!("{subject} failed {after}: {why}; the old one cannot go on, it {gone}");
                tracing::error!(cell = &*entry.name, "{words}");
                self.swaps.tell(frozen.number, Standing::Dropped, frame, words);
                frozen.cx.cancel();
                self.book.discard(&entry.name);
                return false;
            }
        };
        let words = format!(
            "{subject} failed {after}: {why}; the old one is back, as it was after frame {}",
            frozen.frame
        );
        tracing::error!(cell = &*entry.name, "{words}");
        self.swaps.tell(frozen.number, Standing::RolledBack, frame, words);
        self.put_back(n, *frozen, instance);
        true
    }

    fn put_back(&mut self, n: usize, frozen: Frozen, instance: Box<dyn crate::turn::Placed>) {
        let entry = &mut self.cells[n];
        let changed = entry.built.as_ref().map(|b| &b.ports) != frozen.built.as_ref().map(|b| &b.ports);
        // What is left of the new instance.
        if let Some(cx) = entry.cx.replace(frozen.cx) {
            cx.cancel();
        }
        self.renewals.retain(|r| r.owner() != &*entry.name);
        let assets = entry.asset_paths.clone();
        // A restart brings another build too. What the old one's state could not be had for is no fault of it.
        let path = |b: &BuiltCell| -> PathBuf { b.path.clone() };
        let (tried, before) = (entry.built.as_ref().map(path), frozen.built.as_ref().map(path));
        if tried != before && !frozen.unsaved {
            entry.rejected = tried;
        }
        entry.built = frozen.built;
        entry.library = frozen.library;
        entry.placed = frozen.placed;
        entry.moved_to = Some(frozen.placed);
        entry.epoch = frozen.epoch;
        entry.no_ticks = frozen.no_ticks;
        entry.load_fault = frozen.load_fault;
        entry.succession.state = frozen.checkpoint;
        entry.followers = Arc::clone(&frozen.turn.followers);
        entry.kept.clone_from(&frozen.turn.kept);
        entry.sealed.extend(frozen.sealed);
        let mut turn = frozen.turn;
        turn.instance = Some(instance);
        entry.turn = Some(turn);
        entry.life = Life::Idle;
        entry.recorded = false;
        (entry.hung, entry.has_loaded) = (false, true);
        self.take_ports(n, changed);
        let entry = &mut self.cells[n];
        let load = frozen.reload || entry.keeps_targets() || assets != entry.asset_paths;
        entry.wants = Work { load, passes: true, ..Work::default() };
        let line = CellLine(n as u32);
        if entry.list != frozen.list {
            entry.list = frozen.list;
            match &entry.list {
                Some(list) => self.lists.submit(line, entry.shader, Arc::clone(list)),
                None => self.lists.remove(line),
            }
            self.plan_dirty = true;
        }
        self.book.thaw(&self.cells[n].name.clone());
        self.renew_idle_records();
        self.sealed_changed = true;
        self.plan_checkpoint(n);
        self.wake(n);
    }
}
