//! Which cells are due in a frame, and for how many steps. Integers only: the same in every run.
use cell_abi::ports::Rate;

/// The most steps of one tick; what is beyond is dropped and counted.
pub const MAX_STEPS: u32 = 4;

const NS_PER_S: u128 = 1_000_000_000;

/// The clock of one cell.
///
/// Each frame adds the cell's rate; each time that reaches the world's rate is a step. A cell of the world's
/// rate has one step a frame; one of half the rate has one every other frame, from the first frame on; one of
/// twice the rate has two. While a tick is late its steps add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellClock {
    rate: Rate,
    world_hz: u32,
    /// In 1/`world_hz` steps.
    owed: u64,
    steps: u64,
    dropped: u64,
}

/// A tick that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueTick {
    /// How many steps it covers, 1 to [`MAX_STEPS`].
    pub steps: u32,
    /// The length of one step in nanoseconds.
    pub dt_ns: u64,
    /// The cell's time at the start of the tick in nanoseconds: all steps before this tick.
    pub time_ns: u64,
}

impl CellClock {
    /// Returns the clock of a cell that starts with the next frame. Rates are at least 1.
    #[must_use]
    pub fn new(rate: Rate, world_hz: u32) -> Self {
        let owed = match rate {
            Rate::Hz(hz) => u64::from(world_hz.saturating_sub(hz)),
            Rate::OnMail => 0,
        };
        Self { rate, world_hz: world_hz.max(1), owed, steps: 0, dropped: 0 }
    }

    /// Opens a frame of index `frame`: returns the tick that is due, if one is.
    ///
    /// `busy`: the cell's last tick still runs, so no tick can begin. `has_mail`: mail waits for it.
    pub fn open(&mut self, frame: u64, busy: bool, has_mail: bool) -> Option<DueTick> {
        let (hz, steps) = match self.rate {
            Rate::OnMail => {
                let due = has_mail && !busy;
                // Its steps are frames: it lives in the world's time.
                let time_ns = steps_ns(frame, self.world_hz);
                self.steps += u64::from(due);
                return due.then(|| DueTick { steps: 1, dt_ns: steps_ns(1, self.world_hz), time_ns });
            }
            Rate::Hz(hz) => {
                self.owed += u64::from(hz);
                (hz, self.owed / u64::from(self.world_hz))
            }
        };
        if busy || steps == 0 {
            return None;
        }
        self.owed -= steps * u64::from(self.world_hz);
        let taken = steps.min(u64::from(MAX_STEPS));
        self.dropped += steps - taken;
        let time_ns = steps_ns(self.steps, hz);
        self.steps += taken;
        Some(DueTick { steps: taken as u32, dt_ns: steps_ns(1, hz), time_ns })
    }

    /// Returns whether a tick is owed, though the last one may still run.
    #[must_use]
    pub fn is_due(&self, has_mail: bool) -> bool {
        match self.rate {
            Rate::OnMail => has_mail,
            Rate::Hz(_) => self.owed >= u64::from(self.world_hz),
        }
    }

    /// Takes back a tick that was due but did not begin: its steps are owed again.
    pub fn give_back(&mut self, tick: DueTick) {
        let steps = u64::from(tick.steps);
        self.steps = self.steps.saturating_sub(steps);
        if matches!(self.rate, Rate::Hz(_)) {
            self.owed += steps * u64::from(self.world_hz);
        }
    }

    /// Returns how many steps the cell took.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Returns how many steps were dropped because a tick covers [`MAX_STEPS`] at most.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// Returns the length of `steps` steps at `hz` in nanoseconds, rounded down: no error adds up.
#[must_use]
pub fn steps_ns(steps: u64, hz: u32) -> u64 {
    (u128::from(steps) * NS_PER_S / u128::from(hz.max(1))) as u64
}

/// Returns where frame `frame` lies between the two newest publications of a `history` port: 0 is `previous`,
/// 1 is `latest`, given as the frames of the ticks that wrote them.
///
/// The picture runs one interval of the owner behind, so that there always is something to go towards: with an
/// owner at half the rate, readers see 0.5, 1, 0.5, 1, ...; with one at the full rate always 1. Without a
/// previous publication it is 1.
#[must_use]
pub fn history_blend(frame: u64, previous: Option<u64>, latest: u64) -> f32 {
    let Some(interval) = previous.map(|p| latest.saturating_sub(p)).filter(|i| *i > 0) else { return 1.0 };
    (frame.saturating_sub(latest) as f32 / interval as f32).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(hz: u32, world_hz: u32, frames: u64) -> Vec<u32> {
        let mut c = CellClock::new(Rate::Hz(hz), world_hz);
        (0..frames).map(|f| c.open(f, false, false).map_or(0, |t| t.steps)).collect()
    }

    #[test]
    fn rates_against_the_world_s() {
        assert_eq!(run(60, 60, 4), [1, 1, 1, 1]);
        assert_eq!(run(30, 60, 5), [1, 0, 1, 0, 1], "a slow cell ticks in the first frame");
        assert_eq!(run(120, 60, 3), [2, 2, 2]);
        assert_eq!(run(90, 60, 4), [1, 2, 1, 2]);
        assert_eq!(run(1, 60, 121).iter().sum::<u32>(), 3);
        assert_eq!(run(600, 60, 2), [4, 4], "ten steps a frame are too many for one tick");
    }

    #[test]
    fn what_one_tick_cannot_cover_is_dropped_and_counted() {
        let mut c = CellClock::new(Rate::Hz(600), 60);
        c.open(0, false, false);
        assert_eq!((c.steps(), c.dropped()), (4, 6));
        let mut c = CellClock::new(Rate::Hz(60), 60);
        for f in 0..9 {
            assert_eq!(c.open(f, true, false), None, "a busy cell begins no tick");
        }
        assert_eq!(c.open(9, false, false).map(|t| t.steps), Some(4));
        assert_eq!((c.steps(), c.dropped()), (4, 6));
    }

    #[test]
    fn a_tick_that_did_not_begin_is_owed_again() {
        let mut c = CellClock::new(Rate::Hz(60), 60);
        let tick = c.open(0, false, false).expect("due");
        c.give_back(tick);
        let next = c.open(1, false, false).expect("due");
        assert_eq!((next.steps, next.time_ns), (2, 0), "no simulated time is lost");
    }

    #[test]
    fn time_is_a_whole_number_of_steps() {
        let mut c = CellClock::new(Rate::Hz(30), 60);
        let times: Vec<u64> = (0..200).filter_map(|f| c.open(f, false, false)).map(|t| t.time_ns).collect();
        assert_eq!(times[..3], [0, 33_333_333, 66_666_666]);
        assert_eq!(times[30], 1_000_000_000, "no error adds up");
    }

    #[test]
    fn a_cell_on_mail_ticks_in_frames_with_mail() {
        let mut c = CellClock::new(Rate::OnMail, 60);
        assert_eq!(c.open(0, false, false), None);
        assert_eq!(c.open(1, true, true), None);
        let t = c.open(60, false, true).expect("due");
        assert_eq!((t.steps, t.dt_ns, t.time_ns), (1, 16_666_666, 1_000_000_000));
    }

    #[test]
    fn a_slow_cell_is_late_only_when_a_step_is_owed() {
        let mut c = CellClock::new(Rate::Hz(30), 60);
        assert!(c.open(0, false, false).is_some());
        let owed: Vec<bool> = (1..5)
            .map(|frame| {
                assert_eq!(c.open(frame, true, false), None, "it is busy");
                c.is_due(false)
            })
            .collect();
        assert_eq!(owed, [false, true, true, true], "the tick still covers frame 1");
        let mail = CellClock::new(Rate::OnMail, 60);
        assert_eq!((mail.is_due(false), mail.is_due(true)), (false, true));
    }

    #[test]
    fn half_the_rate_moves_smoothly() {
        // An owner ticks in frames 0, 2, 4 and writes its frame's number; readers see it a frame later.
        let (mut published, mut seen) = (Vec::new(), Vec::new());
        for frame in 0_u64..12 {
            if let Some(&latest) = published.last() {
                let previous = published.len().checked_sub(2).map(|i| published[i]);
                let b = history_blend(frame, previous, latest);
                let p = previous.unwrap_or(latest) as f32;
                seen.push(p + (latest as f32 - p) * b);
            }
            if frame % 2 == 0 {
                published.push(frame);
            }
        }
        let steps: Vec<f32> = seen[2..].windows(2).map(|w| w[1] - w[0]).collect();
        assert!(steps.iter().all(|s| *s == 1.0), "{seen:?}");
        assert_eq!(history_blend(5, Some(3), 4), 1.0, "the full rate shows the newest");
        assert_eq!(history_blend(50, Some(2), 4), 1.0, "a stalled owner stands still");
    }

    proptest! {
        #[test]
        fn no_step_is_lost(hz in 1u32..1000, world in 1u32..1000, busy in prop::collection::vec(any::<bool>(), 1..200)) {
            let mut c = CellClock::new(Rate::Hz(hz), world);
            let mut taken = 0;
            for (f, b) in busy.iter().enumerate() {
                taken += c.open(f as u64, *b, false).map_or(0, |t| u64::from(t.steps));
            }
            prop_assert_eq!(taken, c.steps());
            let all = (busy.len() as u64 * u64::from(hz) + u64::from(world.saturating_sub(hz))) / u64::from(world);
            let owed = c.owed / u64::from(world);
            prop_assert_eq!(c.steps() + c.dropped() + owed, all);
        }
    }
}
