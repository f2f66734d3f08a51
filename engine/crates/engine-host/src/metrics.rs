//! What each cell costs and does. Counted as the frames go by, in a few numbers a cell; put together only when
//! somebody asks.
use crate::{
    cells::{CellEntry, Life},
    swap::SwapReport,
    world::World,
};
use engine_scene::Placement;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A quarter of a second.
const QUARTER_NS: u64 = 250_000_000;
/// How many quarters are looked back to.
const QUARTERS: usize = 4;

/// A time that is measured again and again: its newest value, and sums over the last second. No sample costs memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastSecond {
    newest_ns: u64,
    quarters: [Quarter; QUARTERS],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Quarter {
    /// Which quarter of a second of the world's time, from 1.
    number: u64,
    samples: u32,
    sum_ns: u64,
    max_ns: u64,
}

impl LastSecond {
    /// Adds a sample of the time `at_ns`, which never goes back.
    pub fn add(&mut self, at_ns: u64, ns: u64) {
        let number = at_ns / QUARTER_NS + 1;
        let quarter = &mut self.quarters[(number % QUARTERS as u64) as usize];
        if quarter.number != number {
            *quarter = Quarter { number, ..Quarter::default() };
        }
        quarter.samples += 1;
        quarter.sum_ns += ns;
        quarter.max_ns = quarter.max_ns.max(ns);
        self.newest_ns = ns;
    }

    /// Returns the newest sample, and the mean and the largest of the second before `at_ns`, to a quarter of a second.
    #[must_use]
    pub fn load(&self, at_ns: u64) -> Load {
        let now = at_ns / QUARTER_NS + 1;
        let recent = self.quarters.iter().filter(|q| q.number > 0 && q.number + QUARTERS as u64 > now);
        let (mut samples, mut sum, mut max) = (0_u64, 0, 0);
        for q in recent {
            samples += u64::from(q.samples);
            sum += q.sum_ns;
            max = max.max(q.max_ns);
        }
        let us = |ns: u64| ns as f64 / 1000.0;
        Load { last_us: us(self.newest_ns), mean_us: us(sum) / samples.max(1) as f64, max_us: us(max) }
    }
}

/// A time in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// The newest.
    pub last_us: f64,
    /// The mean over the last second; 0 when there was none.
    pub mean_us: f64,
    /// The largest of the last second.
    pub max_us: f64,
}

/// What a cell is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellState {
    /// It does its work.
    Running,
    /// Its instance is being made or loads for the first time, or waits for its restart.
    Starting,
    /// Its tick was not done in its frame; the frame used its last data.
    Late,
    /// It is at fault and does nothing until it changes.
    Down,
    /// Its instance hung and is about to be replaced.
    Zombie,
    /// It is switched off.
    Disabled,
}

impl CellState {
    /// Returns its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Starting => "starting",
            Self::Late => "late",
            Self::Down => "down",
            Self::Zombie => "zombie",
            Self::Disabled => "disabled",
        }
    }
}

/// What a cell costs and does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CellMetrics {
    /// Its name in the scene.
    pub name: String,
    /// Which cell it is: the crate or the library.
    pub cell: String,
    /// What it is doing.
    pub state: CellState,
    /// Why it is down, or how its last instance ended when it did not end as it should.
    pub why: Option<String>,
    /// Where it runs.
    pub placement: Placement,
    /// The process of its instance, when it has one of its own.
    pub pid: Option<u32>,
    /// The first digits of its build's hash.
    pub build: Option<String>,
    /// How long its ticks hold a tick thread. Wall time: the processor's clock would cost a call of the system for each
    /// tick. A tick that waits counts as long as it waits; one in a process, with its way there and back.
    pub tick_us: Load,
    /// GPU time of all its passes in a frame; `None` where the driver measures none, or it draws nothing.
    pub gpu_us: Option<Load>,
    /// Bytes of its newest publications.
    pub shared_bytes: u64,
    /// Messages that it sent.
    pub sent: u64,
    /// Messages that came into its mailbox.
    pub received: u64,
    /// Messages that its full mailbox dropped.
    pub dropped: u64,
    /// Ticks that returned.
    pub ticks: u64,
    /// Frames in which it was late.
    pub late: u64,
    /// Steps that were dropped because more than 4 were due.
    pub dropped_steps: u64,
    /// Instances after the first.
    pub restarts: u64,
    /// Instances replaced because they hung.
    pub zombies: u64,
    /// Memory that its own process holds, and processor time that it took; see [`CellMetrics::read_process`].
    pub rss_bytes: Option<u64>,
    /// In milliseconds.
    pub cpu_ms: Option<u64>,
    /// What came of the newest replacement of its instance so far.
    pub swap: Option<SwapReport>,
}

impl CellMetrics {
    /// Asks the system about the cell's own process. Reads a file: not on the host's thread.
    pub fn read_process(&mut self) {
        if let Some(used) = self.pid.and_then(engine_sys::process_use) {
            (self.rss_bytes, self.cpu_ms) = (Some(used.rss_bytes), Some(used.cpu.as_millis() as u64));
        }
    }
}

impl CellEntry {
    /// Returns what it is doing. `frame` is the frame that comes next.
    #[must_use]
    pub fn state(&self, frame: u64) -> CellState {
        match self.life {
            _ if !self.on => CellState::Disabled,
            _ if self.fault().is_some() => CellState::Down,
            Life::Waiting { .. } if self.hung => CellState::Zombie,
            _ if !self.has_loaded => CellState::Starting,
            Life::Busy { since_frame, ticks: true } if since_frame < frame => CellState::Late,
            _ => CellState::Running,
        }
    }
}

impl World {
    /// Returns what every cell costs and does, in scene order. To be called between frames.
    #[must_use]
    pub fn metrics(&self) -> Vec<CellMetrics> {
        let shared = self.shared_bytes();
        (0..self.cells.len()).map(|n| self.cell_metrics(n, &shared)).collect()
    }

    /// Returns the bytes of the newest publications of each cell that has some.
    pub(crate) fn shared_bytes(&self) -> HashMap<&str, u64> {
        let mut found = HashMap::new();
        for (buffer, _) in self.book.counters() {
            let bytes = self.book.latest(buffer.buffer).map_or(0, |l| u64::from(l.len));
            *found.entry(&*buffer.owner).or_default() += bytes;
        }
        found
    }

    pub(crate) fn cell_metrics(&self, n: usize, shared: &HashMap<&str, u64>) -> CellMetrics {
        let c = &self.cells[n];
        let k = &c.counters;
        CellMetrics {
            name: c.name.to_string(),
            cell: c.scene.cell.as_str().to_owned(),
            state: c.state(self.frame),
            why: c.fault().or(c.crash.as_deref()).map(str::to_owned),
            placement: if c.epoch > 0 { c.placed } else { self.placement(c) },
            pid: c.cx.as_ref().and_then(|cx| cx.pid()),
            build: c.built.as_ref().map(|b| b.hash().to_owned()),
            tick_us: k.tick.load(self.time_ns),
            gpu_us: self.stats.gpu_of(&c.name).map(|g| g.load(self.time_ns)),
            shared_bytes: shared.get(&*c.name).copied().unwrap_or_default(),
            sent: k.sent,
            received: k.received,
            dropped: c.mailbox.dropped(),
            ticks: k.ticks,
            late: k.late,
            dropped_steps: k.dropped_steps,
            restarts: k.restarts,
            zombies: k.zombies,
            rss_bytes: None,
            cpu_ms: None,
            swap: self.swaps().rev().find(|s| *s.cell == *c.name).cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn the_last_second_counts_and_what_is_older_does_not() {
        let mut s = LastSecond::default();
        assert_eq!(s.load(7 * SECOND), Load::default());
        s.add(0, 90_000);
        for n in 0..60 {
            s.add(5 * SECOND + n * SECOND / 60, 1000 * (n + 1));
        }
        let now = s.load(6 * SECOND - 1);
        assert_eq!((now.last_us, now.mean_us, now.max_us), (60.0, 30.5, 60.0));
        let later = s.load(6 * SECOND + SECOND / 2);
        assert_eq!((later.last_us, later.max_us), (60.0, 60.0));
        assert!(later.mean_us > 40.0, "the first half is forgotten: {later:?}");
        assert_eq!(s.load(8 * SECOND), Load { last_us: 60.0, ..Load::default() });
    }

    #[test]
    fn a_state_has_one_name_everywhere() {
        use CellState::{Disabled, Down, Late, Running, Starting, Zombie};
        for state in [Running, Starting, Late, Down, Zombie, Disabled] {
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{}\"", state.name()));
        }
    }
}
