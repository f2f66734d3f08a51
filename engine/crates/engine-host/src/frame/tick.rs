//! Step 2: turns run on the tick threads until all have returned or the time is up.
//!
//! A cell with `now` ports waits for those of their owners that tick in this very frame. Waits it for one, its turn
//! goes with that one's and follows it on the same thread; waits it for several, the host starts it after the last.
use super::FrameSummary;
use crate::{
    cells::Life,
    world::{World, WorldError},
};
use cell_abi::InputFrame;
use engine_frame::{plan::CellLine, seed::cell_seed};
use std::time::{Duration, Instant};

/// So many turns start together and are taken over together: waking a thread costs more than a short tick.
const TOGETHER: usize = 32;

impl World {
    pub(super) fn tick_all(
        &mut self,
        deadline: Instant,
        input: &InputFrame,
        summary: &mut FrameSummary,
    ) -> Result<(), WorldError> {
        // Mail that came between frames is in the records already.
        self.mailed.clear();
        let due = std::mem::take(&mut self.due);
        let mut waiting = self.start_recorded(&due, summary);
        let begun = Instant::now();
        // What is left after the ticks takes about as long as it did lately.
        let cut_off = deadline.checked_sub(Duration::from_nanos(self.after_ns)).unwrap_or(deadline);
        // Who waits, waits for one of these; without any nothing more would come.
        while self.ticks_in_flight > 0 {
            let left = if self.options.lockstep {
                Duration::from_millis(100)
            } else {
                let now = Instant::now();
                if now >= cut_off {
                    break;
                }
                cut_off - now
            };
            let wanted = self.ticks_in_flight.min(TOGETHER.max(self.ticks_in_flight / 4));
            match self.pool.finished_within(left, wanted) {
                Some(turn) => {
                    // Others wait for the ticks of this frame only.
                    let ticked = turn.work.tick && turn.counted_in == Some(self.frame);
                    let key = turn.cell;
                    self.finish(turn);
                    if ticked && waiting > 0 {
                        waiting -= self.start_waiting(key, summary);
                    }
                    self.start_mailed(input, summary);
                }
                None if self.options.lockstep && begun.elapsed() > self.options.tick_limit => {
                    return Err(self.tick_limit());
                }
                None => {}
            }
        }
        if waiting > 0 || self.ticks_in_flight > 0 {
            // What was recorded but not started (its owner is late) is put back: its slots and mail stay.
            for &n in &due {
                self.take_back(n, summary);
            }
        }
        self.due = due;
        Ok(())
    }

    pub(crate) fn tick_limit(&self) -> WorldError {
        let busy = |n: usize| matches!(self.cells[n].life, Life::Busy { .. });
        // One that follows another has not begun while that one runs.
        let begun = |n: &usize| busy(*n) && !self.cells[*n].follows.is_some_and(busy);
        let cell = (0..self.cells.len()).find(begun);
        if let Some(n) = cell {
            let why = format!("did not return within {} ms", self.options.tick_limit.as_millis());
            self.keep_crash(n, &why);
        }
        WorldError::TickLimit {
            cell: cell.map_or_else(String::new, |n| self.cells[n].name.to_string()),
            frame: self.frame,
            limit_ms: self.options.tick_limit.as_millis(),
        }
    }

    /// Starts the turns of the cells that were recorded, or hangs them to those that they follow. Returns how many
    /// wait for several others.
    fn start_recorded(&mut self, due: &[usize], summary: &mut FrameSummary) -> usize {
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        for &n in due {
            let entry = &mut self.cells[n];
            (entry.recorded, entry.waits_for, entry.follows, entry.awaited) = (false, 0, None, false);
        }
        let mut waiting = 0;
        for &n in due {
            match if self.cells[n].wants.tick { self.ticking_owners(n) } else { (0, 0) } {
                (0, _) => ready.push(n),
                (1, owner) => {
                    self.link(n, owner);
                    self.cells[n].follows = Some(owner);
                }
                (several, _) => {
                    let entry = &mut self.cells[n];
                    (entry.recorded, entry.waits_for) = (true, several);
                    waiting += 1;
                    for owner in self.now.start_after(CellLine(n as u32)) {
                        self.cells[owner.0 as usize].awaited = true;
                    }
                }
            }
        }
        // Before any of those that they follow starts.
        for &n in due {
            if let Some(owner) = self.cells[n].follows {
                summary.started += 1;
                if let Some(turn) = self.departing(n, self.chaos_delay(n), true) {
                    self.cells[owner].followers.push(turn);
                }
            }
        }
        if let Some(seed) = self.options.chaos {
            shuffle(&mut ready, seed ^ self.frame);
        }
        let mut added = 0;
        for n in ready.drain(..) {
            summary.started += 1;
            if let Some(turn) = self.departing(n, self.chaos_delay(n), true) {
                self.pool.add(turn);
                added += 1;
            }
            if added == TOGETHER {
                self.pool.call(std::mem::take(&mut added));
            }
        }
        self.pool.call(added);
        self.ready = ready;
        waiting
    }

    /// Returns how many owners of a cell's `now` ports tick in this frame, and one of them.
    fn ticking_owners(&self, n: usize) -> (u32, usize) {
        let ticks = |owner: &usize| {
            let o = &self.cells[*owner];
            o.life == Life::Idle && o.wants.tick && o.turn.is_some() && o.is_declared()
        };
        let owners = self.now.start_after(CellLine(n as u32)).iter().map(|line| line.0 as usize);
        owners.filter(ticks).fold((0, 0), |(count, _), owner| (count + 1, owner))
    }

    /// Starts the turns that waited for the cell `key` last. Returns how many.
    fn start_waiting(&mut self, key: u32, summary: &mut FrameSummary) -> usize {
        let Some(owner) = self.line(key) else { return 0 };
        let mut started = 0;
        for at in 0..self.followers[owner].len() {
            let n = self.followers[owner][at];
            let entry = &mut self.cells[n];
            if !entry.recorded || entry.waits_for == 0 {
                continue;
            }
            entry.waits_for -= 1;
            if entry.waits_for == 0 {
                self.refresh_now(n);
                summary.started += 1;
                started += 1;
                let delay = self.chaos_delay(n);
                self.start_turn(n, delay, true);
            }
        }
        started
    }

    /// Lets cells on mail take their turn at once, outside of lockstep.
    fn start_mailed(&mut self, input: &InputFrame, summary: &mut FrameSummary) {
        while let Some(n) = self.mailed.pop() {
            let entry = &mut self.cells[n];
            if entry.life != Life::Idle || entry.no_ticks || !entry.is_declared() || entry.recorded {
                continue;
            }
            // A load is a turn of its own, and a new process's memory counts from the next frame on: until then the
            // mail stays in the box.
            if entry.wants.load || !self.renewals.is_empty() {
                continue;
            }
            let due = entry.clock.open(self.frame, false, entry.mailbox.has_mail());
            entry.take_due(due, self.time_ns);
            if entry.wants.tick {
                self.record(n, input);
                summary.started += 1;
                self.start_turn(n, 0, true);
            }
        }
    }

    fn chaos_delay(&self, n: usize) -> u32 {
        self.options.chaos.map_or(0, |seed| {
            let r = cell_seed(seed, &self.cells[n].name, self.frame);
            // Most turns are on time, some are up to 2 ms late.
            if r.is_multiple_of(4) { (r >> 32) as u32 % 2000 } else { 0 }
        })
    }
}

/// Fisher and Yates's shuffle, by a seed.
fn shuffle(items: &mut [usize], seed: u64) {
    for n in (1..items.len()).rev() {
        let r = cell_seed(seed, "chaos", n as u64);
        items.swap(n, (r % (n as u64 + 1)) as usize);
    }
}
