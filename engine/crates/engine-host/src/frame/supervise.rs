//! Around the steps: crashed cells start again after a pause, hung ones are replaced.
use super::LOAD_LIMIT;
use crate::{cells::Life, turns::LongTurn, world::World};
use engine_frame::supervise::{AfterCrash, HUNG_TICK_NS};
use engine_scene::Placement;

/// Every how many frames idle processes and instances that end are looked at.
const LOOK_EVERY: u64 = 32;

/// What follows when an instance has hung on a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterHang {
    /// The next one runs in a process: a hung thread cannot be ended, a process can.
    Elsewhere,
    /// The next one runs on a thread too.
    Again,
    /// There is no next one.
    Down,
}

/// Decides it for a cell of which `hung` instances have hung; `only`: where all cells run, if that was asked for.
fn after_hang(only: Option<Placement>, hung: u64) -> AfterHang {
    match only {
        Some(Placement::Thread) if hung > 1 => AfterHang::Down,
        Some(Placement::Thread) => AfterHang::Again,
        Some(Placement::Process) | None => AfterHang::Elsewhere,
    }
}

impl World {
    /// An instance is over. If it has just taken over, the one before goes on. Else its published data and its passes
    /// stay, and a new one follows after a pause.
    pub(crate) fn crashed(&mut self, n: usize, why: &str) {
        let now_ns = self.now_ns();
        self.wake(n);
        self.lose_calls(n);
        self.keep_crash(n, why);
        if self.roll_back(n, why) {
            return;
        }
        let entry = &mut self.cells[n];
        let cx = entry.cx.take();
        entry.crash = Some(why.to_owned());
        match entry.restart.crashed(now_ns) {
            AfterCrash::RestartAt { at_ns } => {
                let from = entry.succession.frame();
                let from = from.map_or_else(String::new, |f| format!(" with its state of frame {f}"));
                tracing::error!(
                    cell = &*entry.name,
                    "{why}; it starts again in {} ms{from}, its last picture and data stay",
                    at_ns.saturating_sub(now_ns) / 1_000_000
                );
                entry.life = Life::Waiting { until_ns: at_ns };
            }
            AfterCrash::GiveUp { crashes } => {
                let lines = cx.map_or_else(String::new, |cx| cx.last_lines().as_ending());
                tracing::error!(
                    cell = &*entry.name,
                    "{why}; it crashed too often ({crashes} times in a short while) and stays down until it changes{lines}"
                );
                entry.life = Life::Down { why: why.to_owned() };
            }
        }
    }

    /// Host time for pauses: frames in lockstep, else the clock.
    pub(crate) fn now_ns(&self) -> u64 {
        if self.options.lockstep { self.time_ns } else { self.opened.elapsed().as_nanos() as u64 }
    }

    pub(super) fn take_late_turns(&mut self) {
        while let Some(turn) = self.pool.try_finished() {
            self.finish(turn);
        }
    }

    /// Restarts what waited long enough, and replaces what hangs.
    pub(super) fn supervise(&mut self) {
        let now_ns = self.now_ns();
        for at in 0..self.awake.len() {
            let n = self.awake[at];
            let entry = &self.cells[n];
            if let Life::Waiting { until_ns } = entry.life
                && until_ns <= now_ns
                && entry.is_declared()
            {
                self.begin_instance(n);
            }
        }
        if self.frame.is_multiple_of(LOOK_EVERY) {
            self.closer.look();
        }
        if self.options.lockstep {
            return;
        }
        if self.frame.is_multiple_of(LOOK_EVERY) {
            self.find_ended();
        }
        self.pool.retire_long();
        let mut long = std::mem::take(&mut self.long_turns);
        long.clear();
        self.pool.long_turns_into(&mut long);
        for LongTurn { cell, epoch, for_ns } in long.drain(..) {
            let Some(n) = self.line(cell) else { continue };
            let Life::Busy { ticks, .. } = self.cells[n].life else { continue };
            if self.cells[n].epoch != epoch {
                // An earlier instance's turn, which was replaced already.
                continue;
            }
            let saving = self.cells[n].probation.as_ref().is_some_and(|f| f.is_saving());
            let patience = self.cells[n].probation.as_ref().map_or(LOAD_LIMIT, |f| f.patience());
            let limit_ns = if ticks || saving { HUNG_TICK_NS } else { patience.as_nanos() as u64 };
            if for_ns > limit_ns {
                let entry = &mut self.cells[n];
                if let Some(cx) = &entry.cx {
                    cx.cancel();
                }
                // The hung turn keeps its slots; when it ever returns, its epoch is over.
                entry.epoch = entry.next_epoch();
                entry.counters.zombies += 1;
                entry.hung = true;
                let what = if saving { "its old instance, whose state was to be saved, " } else { "" };
                if saving {
                    entry.kept = None;
                }
                self.crashed(n, &format!("{what}hung for {} s and was replaced", for_ns / 1_000_000_000));
                let only = self.options.placement;
                let entry = &mut self.cells[n];
                let went_back = entry.life == Life::Idle;
                if saving || went_back || entry.placed == Placement::Process {
                    continue;
                }
                match after_hang(only, entry.counters.zombies) {
                    AfterHang::Elsewhere => entry.quarantined = true,
                    AfterHang::Again => {}
                    AfterHang::Down => {
                        let why = "it hung on a thread more than once, which leaves each of them busy for good; it stays \
                                   down until it changes. Without `--placement Thread` it would go on in a process";
                        tracing::error!(cell = &*entry.name, "{why}");
                        entry.life = Life::Down { why: why.to_owned() };
                    }
                }
            }
        }
        self.long_turns = long;
    }

    /// Finds idle cells whose process has ended; a busy one's tick thread sees it by itself.
    fn find_ended(&mut self) {
        for n in 0..self.cells.len() {
            let entry = &mut self.cells[n];
            if entry.life != Life::Idle {
                continue;
            }
            let instance = entry.turn.as_mut().and_then(|t| t.instance.as_mut());
            if let Some(why) = instance.and_then(|i| i.ended()) {
                entry.turn = None;
                self.crashed(n, &why);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hangs_on_a_thread_goes_on_in_a_process_or_hangs_once_more() {
        for only in [None, Some(Placement::Process)] {
            assert_eq!(after_hang(only, 1), AfterHang::Elsewhere, "{only:?}");
        }
        let only = Some(Placement::Thread);
        assert_eq!(
            [1, 2, 3].map(|hung| after_hang(only, hung)),
            [AfterHang::Again, AfterHang::Down, AfterHang::Down]
        );
    }
}
