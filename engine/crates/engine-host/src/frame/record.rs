//! Step 1: what each turn of the frame sees is frozen into its record.
use super::FrameSummary;
use crate::{
    cells::{Life, PortUse},
    record::{PortSlots, SlotRead, SlotWrite},
    turn::Work,
    world::World,
};
use cell_abi::{InputFrame, ports::Rate};
use engine_frame::{
    schedule::{history_blend, steps_ns},
    seed::cell_seed,
};
use std::sync::Arc;

impl World {
    /// Records the cells that have something to do, in scene order.
    pub(super) fn record_all(&mut self, periods: u64, input: &InputFrame, summary: &mut FrameSummary) {
        let (mut awake, mut due) = (std::mem::take(&mut self.awake), std::mem::take(&mut self.due));
        if std::mem::take(&mut self.woken) {
            awake.sort_unstable();
        }
        due.clear();
        awake.retain(|&n| {
            self.open_frame(n, periods, summary);
            let entry = &mut self.cells[n];
            if entry.life == Life::Idle && entry.is_declared() && entry.wants != Work::default() {
                due.push(n);
            }
            entry.awake = !entry.may_sleep();
            entry.awake
        });
        for &n in &due {
            self.record(n, input);
        }
        (self.awake, self.due) = (awake, due);
    }

    /// Finds out whether a cell's tick is due.
    fn open_frame(&mut self, n: usize, periods: u64, summary: &mut FrameSummary) {
        let (frame, time_ns) = (self.frame, self.time_ns);
        let entry = &mut self.cells[n];
        (entry.wants.tick, entry.wants.save) = (false, false);
        if entry.no_ticks || !entry.is_declared() {
            return;
        }
        // A load is a turn of its own: steps and mail wait for it.
        let (busy, ticks) = match entry.life {
            Life::Idle => (entry.wants.load, false),
            Life::Busy { ticks: true, .. } => (true, true),
            // It takes over, and has the time of the one before.
            Life::Busy { ticks: false, .. } if entry.probation.is_some() => (true, false),
            // Without an instance, or before its load, no time passes for it.
            Life::Busy { ticks: false, .. } | Life::Waiting { .. } | Life::Down { .. } => return,
        };
        for _ in 1..periods {
            // Periods that no frame was drawn for: their steps add up.
            entry.clock.open(frame, true, false);
        }
        let due = entry.clock.open(frame, busy, entry.mailbox.has_mail());
        entry.take_due(due, time_ns);
        if ticks && entry.clock.is_due(entry.mailbox.has_mail()) {
            entry.counters.late += 1;
            summary.late += 1;
        }
        entry.counters.dropped_steps = entry.clock.dropped();
    }

    /// Freezes what the next turn of a cell sees.
    pub(super) fn record(&mut self, n: usize, input: &InputFrame) {
        let (frame, time_ns, screen_px) = (self.frame, self.time_ns, self.options.screen_px);
        let seed = self.options.seed.unwrap_or(self.scene.seed);
        let entry = &mut self.cells[n];
        let Some(turn) = entry.turn.as_mut() else { return };
        let r = &mut turn.record;
        r.frame = frame;
        r.time_ns = time_ns;
        r.screen_px = screen_px;
        r.input = *input;
        let tick = entry.due.filter(|_| entry.wants.tick);
        r.steps = tick.map_or(0, |t| t.steps);
        r.dt_ns = tick.map_or_else(|| steps_ns(1, self.scene.rate), |t| t.dt_ns);
        // A cell on mail lives in the world's time, which may run faster than its frames.
        if let (Some(t), Rate::Hz(_)) = (tick, entry.rate) {
            r.time_ns = t.time_ns;
        }
        r.seed = cell_seed(seed, &entry.name, frame);
        if r.params_version != entry.params_version {
            r.params = Arc::clone(&entry.params);
            r.params_version = entry.params_version;
        }
        if !Arc::ptr_eq(&r.memory, self.book.memory()) {
            r.memory = Arc::clone(self.book.memory());
        }
        turn.links.clear();
        r.behind.clear();
        r.ports.clear();
        let ticks = entry.wants.tick;
        for port in &entry.ports {
            let mut slots = PortSlots { blend: 1.0, ..PortSlots::default() };
            match *port {
                PortUse::None => {}
                PortUse::Writes(buffer) => {
                    if let Some((generation, latest)) = self.book.hold_latest(buffer) {
                        turn.holds.push((buffer, generation, latest.slot));
                        slots.read = Some(SlotRead::of(buffer, latest));
                    }
                    if ticks {
                        let first = r.behind.len() as u32;
                        if let Some((generation, grant, count)) =
                            self.book.grant(buffer, frame, &mut r.behind)
                        {
                            slots.write = Some(SlotWrite {
                                buffer,
                                slot: grant.slot,
                                stamp: grant.stamp,
                                behind: (first, count),
                            });
                            turn.grants.push((buffer, generation, grant));
                        }
                    }
                }
                PortUse::Reads { buffer, history, .. } => {
                    if let Some((generation, latest)) = self.book.hold_latest(buffer) {
                        turn.holds.push((buffer, generation, latest.slot));
                        slots.read = Some(SlotRead::of(buffer, latest));
                        if history && let Some((generation, previous)) = self.book.hold_previous(buffer) {
                            turn.holds.push((buffer, generation, previous.slot));
                            slots.previous = Some(SlotRead::of(buffer, previous));
                            slots.blend = history_blend(frame, Some(previous.frame), latest.frame);
                        }
                    }
                }
            }
            r.ports.push(slots);
        }
        r.clear_mail();
        if ticks {
            entry.mailbox.open();
            for m in entry.mailbox.iter() {
                r.deliver(m.from, &self.names[m.from.0 as usize], m.sequence, m.payload);
            }
        }
    }

    /// Lets the `now` ports of a recorded turn see what their owners have just published.
    pub(super) fn refresh_now(&mut self, n: usize) {
        let entry = &mut self.cells[n];
        let Some(turn) = entry.turn.as_mut() else { return };
        if !Arc::ptr_eq(&turn.record.memory, self.book.memory()) {
            // An instance was taken back since it was recorded: the slots of today lie elsewhere.
            return;
        }
        for (p, port) in entry.ports.iter().enumerate() {
            let PortUse::Reads { buffer, now: true, history } = *port else { continue };
            let old = turn.record.ports[p].read;
            if let Some((generation, latest)) = self.book.hold_latest(buffer) {
                if let Some(old) = old
                    && let Some(at) = turn.holds.iter().position(|h| h.0 == buffer && h.2 == old.slot)
                {
                    let (b, g, s) = turn.holds.swap_remove(at);
                    self.book.release(b, g, s);
                }
                turn.holds.push((buffer, generation, latest.slot));
                turn.record.ports[p].read = Some(SlotRead::of(buffer, latest));
                if history && let Some((generation, previous)) = self.book.hold_previous(buffer) {
                    turn.holds.push((buffer, generation, previous.slot));
                    turn.record.ports[p].previous = Some(SlotRead::of(buffer, previous));
                    turn.record.ports[p].blend =
                        history_blend(self.frame, Some(previous.frame), latest.frame);
                }
            }
        }
    }
}
