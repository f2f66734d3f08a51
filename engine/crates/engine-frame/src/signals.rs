//! Who wants which signal.
use std::collections::BTreeMap;

/// How many signals one cell may want.
pub const MAX_SIGNALS: usize = 256;

/// The cells that want a signal, by its fingerprint. Cells are named by their keys, which never change.
#[derive(Debug, Default)]
pub struct Subscriptions {
    /// With the frame in which each asked.
    wanted: BTreeMap<[u8; 16], BTreeMap<u32, u64>>,
    counts: BTreeMap<u32, usize>,
}

impl Subscriptions {
    /// Lets a cell have a signal that is told after `frame`, in which it asked: turns of one frame return in any order.
    /// Returns `false` when it wants too many.
    pub fn add(&mut self, signal: [u8; 16], cell: u32, frame: u64) -> bool {
        if self.wanted.get(&signal).is_some_and(|cells| cells.contains_key(&cell)) {
            return true;
        }
        let count = self.counts.entry(cell).or_default();
        if *count == MAX_SIGNALS {
            return false;
        }
        *count += 1;
        self.wanted.entry(signal).or_default().insert(cell, frame);
        true
    }

    /// Returns who gets a signal that is told in `frame`, in the order of the keys.
    pub fn of(&self, signal: &[u8; 16], frame: u64) -> impl Iterator<Item = u32> {
        let cells = self.wanted.get(signal).into_iter().flatten();
        cells.filter(move |(_, since)| **since < frame).map(|(cell, _)| *cell)
    }

    /// Forgets a cell that is gone.
    pub fn forget(&mut self, cell: u32) {
        self.counts.remove(&cell);
        self.wanted.retain(|_, cells| {
            cells.remove(&cell);
            !cells.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_get_what_they_want_until_they_are_gone() {
        let mut all = Subscriptions::default();
        let mut add = |signal: u8, cell| all.add([signal; 16], cell, 0);
        assert!(add(1, 7) && add(1, 3) && add(1, 7) && add(2, 7));
        assert_eq!(all.of(&[1; 16], 1).collect::<Vec<_>>(), [3, 7]);
        all.forget(7);
        assert_eq!(all.of(&[1; 16], 1).collect::<Vec<_>>(), [3]);
        assert_eq!(all.of(&[2; 16], 1).count(), 0);
    }

    #[test]
    fn what_is_told_in_the_frame_in_which_a_cell_asks_is_not_for_it() {
        let mut all = Subscriptions::default();
        assert!(all.add([1; 16], 7, 5));
        assert_eq!((all.of(&[1; 16], 5).count(), all.of(&[1; 16], 6).count()), (0, 1));
        assert!(all.add([1; 16], 7, 6), "and who asks again goes on");
        assert_eq!(all.of(&[1; 16], 6).count(), 1);
    }

    #[test]
    fn a_cell_wants_so_many_and_no_more() {
        let mut all = Subscriptions::default();
        let signal = |n: usize| (n as u128).to_le_bytes();
        assert!((0..MAX_SIGNALS).all(|n| all.add(signal(n), 1, 0)));
        assert!(!all.add(signal(MAX_SIGNALS), 1, 0) && all.add(signal(0), 1, 0));
        assert!(all.add(signal(MAX_SIGNALS), 2, 0), "others have their own");
    }
}
