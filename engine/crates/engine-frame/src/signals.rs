//! Who wants which signal.
use std::collections::{BTreeMap, BTreeSet};

/// How many signals one cell may want.
pub const MAX_SIGNALS: usize = 256;

/// The cells that want a signal, by its fingerprint. Cells are named by their keys, which never change.
#[derive(Debug, Default)]
pub struct Subscriptions {
    wanted: BTreeMap<[u8; 16], BTreeSet<u32>>,
    counts: BTreeMap<u32, usize>,
}

impl Subscriptions {
    /// Lets a cell have a signal from now on. Returns `false` when it wants too many.
    pub fn add(&mut self, signal: [u8; 16], cell: u32) -> bool {
        if self.wanted.get(&signal).is_some_and(|cells| cells.contains(&cell)) {
            return true;
        }
        let count = self.counts.entry(cell).or_default();
        if *count == MAX_SIGNALS {
            return false;
        }
        *count += 1;
        self.wanted.entry(signal).or_default().insert(cell)
    }

    /// Returns who wants a signal, in the order of the keys.
    pub fn of(&self, signal: &[u8; 16]) -> impl Iterator<Item = u32> {
        self.wanted.get(signal).into_iter().flatten().copied()
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
        assert!(all.add([1; 16], 7) && all.add([1; 16], 3) && all.add([1; 16], 7) && all.add([2; 16], 7));
        assert_eq!(all.of(&[1; 16]).collect::<Vec<_>>(), [3, 7]);
        all.forget(7);
        assert_eq!(all.of(&[1; 16]).collect::<Vec<_>>(), [3]);
        assert_eq!(all.of(&[2; 16]).count(), 0);
    }

    #[test]
    fn a_cell_wants_so_many_and_no_more() {
        let mut all = Subscriptions::default();
        let signal = |n: usize| (n as u128).to_le_bytes();
        assert!((0..MAX_SIGNALS).all(|n| all.add(signal(n), 1)));
        assert!(!all.add(signal(MAX_SIGNALS), 1) && all.add(signal(0), 1));
        assert!(all.add(signal(MAX_SIGNALS), 2), "others have their own");
    }
}
