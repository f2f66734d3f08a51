//! How many lines a cell may log in a second. One that is not trusted must not fill the log of all others.
use std::time::{Duration, Instant};

/// How many lines are shown of each [`SPAN`].
const MOST: u32 = 100;
const SPAN: Duration = Duration::from_secs(1);

/// What was shown lately, and what was not.
pub(super) struct Flow {
    since: Instant,
    shown: u32,
    left_out: u64,
}

impl Flow {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, shown: 0, left_out: 0 }
    }

    /// Begins the next span if it is time. Returns how many lines were left out in the one before, if any were.
    pub(super) fn next_span(&mut self, now: Instant) -> Option<u64> {
        if now.saturating_duration_since(self.since) < SPAN {
            return None;
        }
        let left_out = self.end();
        *self = Self::new(now);
        left_out
    }

    /// Returns whether another line is shown.
    pub(super) fn admits(&mut self) -> bool {
        let is_shown = self.shown < MOST;
        if is_shown {
            self.shown += 1;
        } else {
            self.left_out += 1;
        }
        is_shown
    }

    /// Returns how many lines were left out that nobody was told of, if any were.
    pub(super) fn end(&mut self) -> Option<u64> {
        Some(std::mem::take(&mut self.left_out)).filter(|n| *n > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_for_a_second_is_counted_and_told_in_the_next() {
        let begun = Instant::now();
        let mut flow = Flow::new(begun);
        let shown = |flow: &mut Flow| (0..MOST + 7).filter(|_| flow.admits()).count();
        assert_eq!(shown(&mut flow), MOST as usize);
        assert_eq!(flow.next_span(begun + SPAN / 2), None);
        assert!(!flow.admits(), "the second is not over");
        assert_eq!(flow.next_span(begun + SPAN), Some(8));
        assert_eq!(shown(&mut flow), MOST as usize);
        assert_eq!(flow.end(), Some(7));
        assert_eq!(flow.next_span(begun + 3 * SPAN), None, "that was told");
    }
}
