//! Recorded turns leave for the tick threads, and come back without having run when their time is up.
use super::FrameSummary;
use crate::{
    cells::{Life, PortUse},
    record::PortSlots,
    turn::{NowLink, Turn},
    world::World,
};
use std::sync::Arc;

impl World {
    /// Sends a cell's recorded turn to a tick thread.
    pub(crate) fn start_turn(&mut self, n: usize, delay_us: u32, in_frame: bool) {
        if let Some(turn) = self.departing(n, delay_us, in_frame) {
            self.pool.start(turn);
        }
    }

    /// Takes a cell's recorded turn for its way to a tick thread: from now on the cell is busy.
    pub(super) fn departing(&mut self, n: usize, delay_us: u32, in_frame: bool) -> Option<Box<Turn>> {
        let frame = self.frame;
        let entry = &mut self.cells[n];
        let mut turn = entry.turn.take()?;
        turn.work = std::mem::take(&mut entry.wants);
        turn.delay_us = delay_us;
        turn.tap = entry.swap.as_ref().and_then(|s| s.tap()).map(Arc::clone);
        if turn.first {
            turn.record.screen_px = self.options.screen_px;
            turn.record.params = Arc::clone(&entry.params);
            turn.record.params_version = entry.params_version;
            turn.record.ports.clear();
            turn.record.ports.resize(entry.ports.len(), PortSlots::default());
            turn.record.memory = Arc::clone(self.book.memory());
        }
        entry.recorded = false;
        entry.life = Life::Busy { since_frame: frame, ticks: turn.work.tick };
        let in_frame = in_frame && turn.work.tick;
        let counts = self.options.lockstep || in_frame;
        turn.counted_in = counts.then_some(frame);
        turn.wakes_host = !in_frame || entry.awaited;
        self.ticks_in_flight += usize::from(counts);
        self.in_flight += 1;
        Some(turn)
    }

    /// Lets the `now` ports of a recorded turn name the slots that its owner's recorded turn is to write.
    pub(super) fn link(&mut self, n: usize, owner: usize) {
        let Some(mut turn) = self.cells[n].turn.take() else { return };
        turn.links.clear();
        for (port, of) in self.cells[n].ports.iter().enumerate() {
            let PortUse::Reads { buffer, now: true, history } = *of else { continue };
            let grants = self.cells[owner].turn.as_ref().map_or(&[][..], |t| &t.grants);
            // In scratch memory nothing is published.
            let Some((_, generation, grant)) = grants.iter().find(|g| g.0 == buffer) else { continue };
            let Some(slot) = grant.slot else { continue };
            let Some(element_size) = self.book.hold_granted(buffer, *generation, slot) else { continue };
            turn.holds.push((buffer, *generation, slot));
            let (stamp, frame) = (grant.stamp, grant.frame);
            turn.links.push(NowLink { port, buffer, slot, stamp, frame, element_size, history });
        }
        self.cells[n].turn = Some(turn);
    }

    /// Gives back what a recorded turn holds that has not begun, if there is one.
    pub(super) fn take_back(&mut self, n: usize, summary: &mut FrameSummary) {
        if let Some(owner) = self.cells[n].follows.take() {
            let Some(turn) = self.cells[owner].followers.take_back(self.cells[n].key) else { return };
            self.in_flight -= 1;
            self.ticks_in_flight -= usize::from(turn.counted_in == Some(self.frame));
            summary.started -= 1;
            let entry = &mut self.cells[n];
            entry.wants = turn.work;
            entry.life = Life::Idle;
            entry.turn = Some(turn);
        } else if !std::mem::take(&mut self.cells[n].recorded) {
            return;
        }
        summary.late += 1;
        let entry = &mut self.cells[n];
        entry.counters.late += 1;
        let Some(mut turn) = entry.turn.take() else { return };
        if let Some(tick) = entry.due.take() {
            entry.clock.give_back(tick);
        }
        turn.record.clear_mail();
        entry.mailbox.give_back();
        self.settle(&mut turn, false);
        self.cells[n].turn = Some(turn);
    }
}
