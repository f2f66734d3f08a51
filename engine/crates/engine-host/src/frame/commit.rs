//! Step 3: what a turn that has returned made is published, delivered and taken over.
use crate::{
    cells::Life,
    turn::{Ending, Turn},
    world::World,
};
use cell_abi::Request;
use engine_frame::{plan::BufferId, slots::PublicationFault};
use std::sync::Arc;

impl World {
    /// Ends the holds and grants of a turn; publishes what it wrote when `publish` says so.
    pub(super) fn settle(&mut self, turn: &mut Turn, publish: bool) {
        for (buffer, generation, slot) in turn.holds.drain(..) {
            self.book.release(buffer, generation, slot);
        }
        for (buffer, generation, grant) in turn.grants.drain(..) {
            let publication = if publish { self.book.publication(buffer, &grant) } else { None };
            if let Err(fault) = self.book.settle(buffer, generation, &grant, publication.as_ref())
                && !matches!(fault, PublicationFault::Scratch)
            {
                self.tell_refused(turn.cell, buffer, fault);
            }
        }
    }

    /// Says why a publication does not count; of a cell's faults that are alike only the first.
    fn tell_refused(&mut self, key: u32, buffer: BufferId, fault: PublicationFault) {
        let Some(n) = self.line(key) else { return };
        let entry = &mut self.cells[n];
        if entry.refused.replace(fault) == Some(fault) {
            return;
        }
        if let Some(contract) = self.contracts.buffer(buffer) {
            let name = &contract.name;
            tracing::warn!(cell = &*entry.name, "its buffer `{name}` was not published: {fault}");
        }
    }

    /// Takes a turn back: publishes, delivers mail, takes a new pass list, or ends the instance.
    pub(crate) fn finish(&mut self, mut turn: Box<Turn>) {
        self.in_flight -= 1;
        // A turn of an earlier frame is late; this frame does not wait for it.
        self.ticks_in_flight -= usize::from(turn.counted_in == Some(self.frame));
        let line = self.line(turn.cell).filter(|n| self.cells[*n].epoch == turn.epoch);
        let Some(n) = line else {
            self.settle(&mut turn, false);
            return self.take_candidate(turn);
        };
        let (ticked, time_ns) = (turn.outcome.ticked, self.time_ns);
        if !ticked && matches!(turn.outcome.ending, Ending::Over(_)) {
            // Nothing counts of a tick that did not return.
            turn.outcome.passes = None;
            turn.outcome.outbox.clear();
            turn.outcome.requests = 0;
        }
        self.settle(&mut turn, ticked);
        if let Some(renewal) = turn.instance.as_mut().and_then(|i| i.take_renewal()) {
            // Between frames: the records of this frame name slots of the old region.
            self.renewals.push(renewal);
        }
        self.add_to_session(n, &turn);
        let entry = &mut self.cells[n];
        entry.counters.ticks += u64::from(ticked);
        entry.counters.turn_ns += turn.outcome.wall_ns;
        if ticked {
            entry.counters.tick.add(time_ns, turn.outcome.wall_ns);
        }
        entry.counters.longest_turn_ns = entry.counters.longest_turn_ns.max(turn.outcome.wall_ns);
        if let Some(list) = turn.outcome.passes.take() {
            self.take_list(n, &list);
        }
        self.post(n, &turn.outcome.outbox);
        turn.outcome.sent.append(&mut turn.outcome.outbox);
        if !Arc::ptr_eq(&turn.record.memory, self.book.memory()) {
            // Its owners may have gone over to new regions meanwhile, and this may be the cell's last turn.
            turn.record.memory = Arc::clone(self.book.memory());
        }
        if turn.work.load {
            self.cells[n].has_loaded = true;
            self.take_sealed(&turn);
        }
        self.take_saved(n, &mut turn);
        let requests = std::mem::take(&mut turn.outcome.requests);
        let entry = &mut self.cells[n];
        if requests & (1 << Request::LOAD.0) != 0 {
            entry.wants.load = true;
        }
        if requests & (1 << Request::NO_TICKS.0) != 0 {
            entry.no_ticks = true;
        }
        if requests & (1 << Request::QUIT.0) != 0 {
            if entry.scene.trust.is_untrusted() {
                tracing::warn!(
                    cell = &*entry.name,
                    "it asks for the end of the run; an untrusted cell may not"
                );
            } else {
                self.quit = true;
            }
        }
        match std::mem::take(&mut turn.outcome.ending) {
            Ending::Done => {
                let loaded = turn.work.load;
                if loaded {
                    entry.load_fault = None;
                }
                entry.life = Life::Idle;
                entry.turn = Some(turn);
                if loaded && entry.probation.is_some() {
                    self.took_over(n);
                }
            }
            Ending::LoadFailed(why) if entry.rolls_back_for_load() => {
                drop(turn);
                self.crashed(n, &why);
            }
            Ending::LoadFailed(why) => {
                tracing::error!(cell = &*entry.name, "{why}");
                entry.load_fault = Some(why);
                entry.life = Life::Idle;
                entry.turn = Some(turn);
                if entry.probation.is_some() {
                    self.took_over(n);
                }
            }
            Ending::Over(why) => {
                if turn.outcome.blameless {
                    // Its records tell nothing of the cause.
                    entry.kept = None;
                }
                if let Some(frozen) = entry.probation.as_mut().filter(|_| turn.outcome.unsaved) {
                    frozen.unsaved = true;
                }
                drop(turn);
                self.crashed(n, &why);
            }
        }
    }
}
