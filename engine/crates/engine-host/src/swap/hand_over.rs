//! The border between two frames at which one instance follows the other.
use super::{Act, Frozen, Phase, Staged, Standing, Swap};
use crate::{
    cells::Life,
    trust,
    turn::{Legacy, Place, Predecessor, Turn, Work},
    world::World,
};
use std::sync::Arc;

impl World {
    /// Lets a made instance take over if the old one is idle. Returns whether something was done.
    pub(super) fn try_hand_over(
        &mut self,
        n: usize,
        mut swap: Swap,
        staged: Box<Staged>,
        turn: Box<Turn>,
    ) -> bool {
        let entry = &mut self.cells[n];
        let unfit = || entry.built.as_ref().is_none_or(|b| b.ports != staged.built.ports);
        match entry.life {
            // What it replaced may have to come back first, and one that is off has no memory.
            _ if entry.probation.is_some() || !entry.on => {}
            Life::Idle => {
                let instance = entry.turn.as_mut().and_then(|t| t.instance.as_mut());
                if let Some(why) = instance.and_then(|i| i.ended()) {
                    entry.turn = None;
                    swap.phase = Phase::Made { staged, turn };
                    entry.swap = Some(Box::new(swap));
                    self.crashed(n, &why);
                    return true;
                }
                // The scene may have changed since it was judged.
                if let Some(why) = unfit().then(|| self.unfit(n, &staged.built)).flatten() {
                    self.refuse(n, &swap, &staged.subject, &why);
                    return false;
                }
                self.hand_over(n, &swap, *staged, turn);
                return true;
            }
            Life::Waiting { .. } | Life::Down { .. } => {
                self.begin_with(n, &swap, *staged);
                return true;
            }
            Life::Busy { .. } => {}
        }
        swap.phase = Phase::Made { staged, turn };
        self.cells[n].swap = Some(Box::new(swap));
        false
    }

    /// Freezes the old instance and lets the new one have its state, its memory and its load.
    fn hand_over(&mut self, n: usize, swap: &Swap, staged: Staged, mut turn: Box<Turn>) {
        let Staged { built, library, at, subject, patience } = staged;
        let time_ns = self.time_ns;
        let entry = &mut self.cells[n];
        let Some(mut old) = entry.turn.take() else { return };
        let (Some(instance), Some(old_cx)) = (old.instance.take(), entry.cx.replace(Arc::clone(&turn.cx)))
        else {
            return;
        };
        let shape = |b: &crate::builder::BuiltCell| b.shape.clone();
        let (kept, restored) = (entry.built.as_ref().and_then(shape), shape(&built));
        let place = Place::default();
        turn.legacy = match (kept, restored) {
            (Some(_), Some(shape)) if swap.ask.act != Act::Restart => {
                let (cx, frame) = (Arc::clone(&old_cx), old.record.frame);
                let predecessor = Predecessor { instance, cx, frame, place: place.clone() };
                Some(Legacy::handed_over(predecessor, entry.succession.state.clone(), shape))
            }
            (kept, restored) => {
                if kept.is_some() && restored.is_none() {
                    tracing::warn!(cell = &*entry.name, "its state is dropped: the new build keeps none");
                }
                place.put(instance);
                None
            }
        };
        let changed = entry.built.as_ref().is_none_or(|b| b.ports != built.ports);
        self.book.freeze(&entry.name);
        let entry = &mut self.cells[n];
        let frozen = Frozen {
            number: swap.number,
            subject,
            patience,
            place,
            frame: old.record.frame,
            turn: old,
            cx: old_cx,
            epoch: std::mem::replace(&mut entry.epoch, turn.epoch),
            built: entry.built.replace(built),
            library: std::mem::replace(&mut entry.library, library),
            placed: std::mem::replace(&mut entry.placed, at),
            list: entry.list.clone(),
            sealed: entry.sealed.clone(),
            no_ticks: std::mem::take(&mut entry.no_ticks),
            load_fault: entry.load_fault.take(),
            checkpoint: entry.succession.state.clone(),
            ticks: entry.counters.ticks,
            begun_ns: time_ns,
            took_over: false,
            reload: entry.wants.load,
            unsaved: false,
        };
        entry.probation = Some(Box::new(frozen));
        entry.moved_to = Some(at);
        (entry.quarantined, entry.hung, entry.has_loaded) = (false, false, false);
        entry.counters.restarts += 1;
        entry.followers = Arc::clone(&turn.followers);
        entry.kept.clone_from(&turn.kept);
        turn.first = true;
        entry.turn = Some(turn);
        entry.life = Life::Idle;
        if swap.ask.act == Act::Restart {
            entry.succession.state = None;
        }
        self.take_ports(n, changed);
        let entry = &mut self.cells[n];
        entry.wants = Work { load: true, passes: true, ..Work::default() };
        let renewal = self.book.replace_instance(&entry.name, trust::writer(&entry.scene, at));
        if let Some(turn) = &mut entry.turn {
            turn.renewal = renewal;
        }
        self.plan_checkpoint(n);
        // The old one may have slept, and the new one ticks.
        self.wake(n);
        self.lose_calls(n);
        self.start_turn(n, 0, false);
    }

    /// Has a cell begin anew with a build that is ready: there is no instance that could hand anything over.
    fn begin_with(&mut self, n: usize, swap: &Swap, staged: Staged) {
        let entry = &mut self.cells[n];
        let changed = entry.built.as_ref().is_none_or(|b| b.ports != staged.built.ports);
        let first = entry.built.is_none();
        entry.built = Some(staged.built);
        entry.library = staged.library;
        entry.moved_to = Some(staged.at);
        entry.quarantined = false;
        entry.restart.forgive();
        entry.life = Life::Waiting { until_ns: 0 };
        if swap.ask.act == Act::Restart {
            entry.succession.state = None;
        }
        let words = format!("{} begins; there was no instance to take over from", staged.subject);
        tracing::info!(cell = &*entry.name, "{words}");
        self.swaps.tell(swap.number, Standing::Done, self.frame, words);
        self.take_ports(n, changed || first);
        self.wake(n);
    }

    /// Takes over what the port table of a cell's build says.
    pub(super) fn take_ports(&mut self, n: usize, changed: bool) {
        let rate_hz = self.scene.rate;
        let entry = &mut self.cells[n];
        let Some(built) = &entry.built else { return };
        let rate = entry.scene.rate.unwrap_or(built.ports.rate);
        let path = built.ports.shader.as_ref().map(|s| built.shaders.join(s));
        if entry.rate != rate {
            entry.set_rate(rate, rate_hz);
        }
        if !changed {
            return;
        }
        self.cells[n].shader_path = path;
        // The same text has another contract in front of it.
        self.cells[n].shader_hash = None;
        let mut entry = self.cells.remove(n);
        // They were checked before, but a file may have gone since.
        for f in self.take_params(&mut entry).err().into_iter().flatten() {
            tracing::error!(cell = &*entry.name, "\n{f}\nthe cell goes on with the parameters it had");
        }
        entry.params_sent = false;
        self.cells.insert(n, entry);
        self.wire();
        if self.take_shader(n).is_err() {
            tracing::error!("the render thread is gone");
        }
    }
}
