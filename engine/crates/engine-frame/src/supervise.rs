//! What to do about a cell that crashed, hangs or is slow. Decisions only; times come from the caller.

const MS: u64 = 1_000_000;

/// How a cell is restarted. Times in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartPolicy {
    /// The pause after the first crash.
    pub first_pause_ns: u64,
    /// The longest pause; each crash doubles it up to here.
    pub longest_pause_ns: u64,
    /// So many crashes within `window_ns` are the end.
    pub crashes: usize,
    /// The time in which crashes are counted.
    pub window_ns: u64,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self { first_pause_ns: 10 * MS, longest_pause_ns: 1000 * MS, crashes: 5, window_ns: 10_000 * MS }
    }
}

/// What to do after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterCrash {
    /// Start it again at this time.
    RestartAt {
        /// In nanoseconds, on the caller's clock.
        at_ns: u64,
    },
    /// Do not start it again until the user changes something.
    GiveUp {
        /// Crashes within the policy's window.
        crashes: usize,
    },
}

/// The crashes of one cell.
#[derive(Clone, Debug, Default)]
pub struct Supervisor {
    policy: RestartPolicy,
    /// Times of crashes within the window, ascending.
    recent_ns: Vec<u64>,
    total: u64,
}

impl Supervisor {
    /// Returns the supervisor of a cell that never crashed.
    #[must_use]
    pub fn new(policy: RestartPolicy) -> Self {
        Self { policy, recent_ns: Vec::with_capacity(policy.crashes), total: 0 }
    }

    /// Notes a crash and says what to do. The pause doubles with each crash that is still within the window,
    /// so a cell that ran well for long starts over with the shortest.
    pub fn crashed(&mut self, now_ns: u64) -> AfterCrash {
        let p = self.policy;
        self.recent_ns.retain(|t| now_ns.saturating_sub(*t) < p.window_ns);
        let before = u32::try_from(self.recent_ns.len()).unwrap_or(u32::MAX);
        self.recent_ns.push(now_ns);
        self.total += 1;
        if self.recent_ns.len() >= p.crashes {
            return AfterCrash::GiveUp { crashes: self.recent_ns.len() };
        }
        let pause = p.first_pause_ns.saturating_mul(1_u64.checked_shl(before).unwrap_or(u64::MAX));
        AfterCrash::RestartAt { at_ns: now_ns.saturating_add(pause.min(p.longest_pause_ns)) }
    }

    /// Forgets the crashes: the user changed the cell, or asked for a restart.
    pub fn forgive(&mut self) {
        self.recent_ns.clear();
    }

    /// Returns how often the cell crashed in this run.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }
}

/// A tick that takes longer loses its place to a spare thread. In nanoseconds.
pub const LONG_TICK_NS: u64 = 4 * MS;
/// A tick that takes longer is hung: its cell is replaced. In nanoseconds.
pub const HUNG_TICK_NS: u64 = 2000 * MS;

/// What to do about a tick that still runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunningTick {
    /// Let it run.
    Fine,
    /// Let a spare thread take over its place; it goes on at lower priority.
    Displace,
    /// Give it up as a zombie: its host calls are cancelled, its slots stay taken, a new instance starts.
    Zombie,
}

/// Returns what to do about a tick that has run for this long. Long, blocking and hung are one case.
#[must_use]
pub fn judge_tick(running_ns: u64) -> RunningTick {
    match running_ns {
        t if t >= HUNG_TICK_NS => RunningTick::Zombie,
        t if t >= LONG_TICK_NS => RunningTick::Displace,
        _ => RunningTick::Fine,
    }
}

/// How often a cell was late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LateCounter {
    /// Frames at whose cut-off the cell's tick still ran.
    pub late_frames: u64,
    /// Of these, the ones in a row up to now.
    pub in_a_row: u32,
}

impl LateCounter {
    /// Notes whether the cell was in time for a frame in which it was due or still running.
    pub fn note(&mut self, late: bool) {
        self.in_a_row = if late { self.in_a_row.saturating_add(1) } else { 0 };
        self.late_frames += u64::from(late);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_pause_doubles_and_the_fifth_crash_is_the_end() {
        let mut s = Supervisor::new(RestartPolicy::default());
        for (crash_ms, restart_ms) in [(0, 10), (10, 30), (30, 70), (70, 150)] {
            assert_eq!(s.crashed(crash_ms * MS), AfterCrash::RestartAt { at_ns: restart_ms * MS });
        }
        assert_eq!(s.crashed(150 * MS), AfterCrash::GiveUp { crashes: 5 });
        s.forgive();
        assert_eq!(s.crashed(200 * MS), AfterCrash::RestartAt { at_ns: 210 * MS });
        assert_eq!(s.total(), 6);
    }

    #[test]
    fn a_cell_that_ran_well_for_ten_seconds_starts_over() {
        let mut s = Supervisor::new(RestartPolicy::default());
        for n in 0..100 {
            let now = n * 10_000 * MS;
            assert_eq!(s.crashed(now), AfterCrash::RestartAt { at_ns: now + 10 * MS });
        }
    }

    #[test]
    fn long_and_hung_ticks() {
        assert_eq!(judge_tick(0), RunningTick::Fine);
        assert_eq!(judge_tick(LONG_TICK_NS - 1), RunningTick::Fine);
        assert_eq!(judge_tick(LONG_TICK_NS), RunningTick::Displace);
        assert_eq!(judge_tick(HUNG_TICK_NS), RunningTick::Zombie);
        let mut l = LateCounter::default();
        for late in [true, true, false, true] {
            l.note(late);
        }
        assert_eq!(l, LateCounter { late_frames: 3, in_a_row: 1 });
    }

    proptest! {
        #[test]
        fn it_gives_up_exactly_at_five_crashes_in_ten_seconds(
            gaps_ms in prop::collection::vec(0u64..6_000, 1..40),
        ) {
            let mut s = Supervisor::new(RestartPolicy { crashes: 5, ..RestartPolicy::default() });
            let (mut now, mut all) = (0, Vec::new());
            for gap in gaps_ms {
                now += gap * MS;
                all.push(now);
                let recent = all.iter().filter(|t| now - **t < 10_000 * MS).count();
                match s.crashed(now) {
                    AfterCrash::GiveUp { crashes } => prop_assert!(recent >= 5 && crashes == recent),
                    AfterCrash::RestartAt { at_ns } => {
                        prop_assert!(recent < 5);
                        prop_assert!((10 * MS..=1000 * MS).contains(&(at_ns - now)));
                    }
                }
            }
        }
    }
}
