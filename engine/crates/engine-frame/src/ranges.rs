//! Sets of byte ranges.
use cell_abi::DirtyRange;

/// The most ranges a set keeps; beyond that, the nearest two become one.
pub const MAX_RANGES: usize = 64;

/// A set of bytes of one slot, as sorted ranges that neither overlap nor touch.
///
/// It may grow to cover more than was inserted (see [`MAX_RANGES`]), never less.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSet {
    ranges: Vec<DirtyRange>,
}

impl RangeSet {
    /// Returns the empty set, with room for all it may ever hold: no later call allocates.
    #[must_use]
    pub fn new() -> Self {
        Self { ranges: Vec::with_capacity(MAX_RANGES + 1) }
    }

    /// Adds the bytes `start..end`; nothing when that is empty.
    pub fn insert(&mut self, start: u32, end: u32) {
        if start >= end {
            return;
        }
        let first = self.ranges.partition_point(|r| r.end < start);
        let after = self.ranges.partition_point(|r| r.start <= end);
        if first == after {
            self.ranges.insert(first, DirtyRange { start, end });
            self.bound();
        } else {
            let merged = DirtyRange {
                start: start.min(self.ranges[first].start),
                end: end.max(self.ranges[after - 1].end),
            };
            self.ranges[first] = merged;
            self.ranges.drain(first + 1..after);
        }
    }

    /// Makes the set empty. Keeps its memory.
    pub fn clear(&mut self) {
        self.ranges.clear();
    }

    /// Makes the set `0..end`.
    pub fn set_all(&mut self, end: u32) {
        self.clear();
        self.insert(0, end);
    }

    /// Returns the ranges, ascending.
    pub fn iter(&self) -> impl Iterator<Item = DirtyRange> {
        self.ranges.iter().copied()
    }

    /// Appends the ranges to `out`, ascending, without the bytes from `end` on.
    pub fn clipped_into(&self, end: u32, out: &mut Vec<DirtyRange>) {
        out.extend(
            self.iter()
                .take_while(|r| r.start < end)
                .map(|r| DirtyRange { start: r.start, end: r.end.min(end) }),
        );
    }

    fn bound(&mut self) {
        if self.ranges.len() <= MAX_RANGES {
            return;
        }
        let gap = |w: &[DirtyRange]| w[1].start - w[0].end;
        let nearest = (0..self.ranges.len() - 1)
            .min_by_key(|&i| gap(&self.ranges[i..i + 2]))
            .expect("there are more than MAX_RANGES");
        self.ranges[nearest].end = self.ranges[nearest + 1].end;
        self.ranges.remove(nearest + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn covers(s: &RangeSet, start: u32, end: u32) -> bool {
        s.iter().any(|r| r.start <= start && end <= r.end)
    }

    fn pairs(s: &RangeSet) -> Vec<(u32, u32)> {
        s.iter().map(|r| (r.start, r.end)).collect()
    }

    #[test]
    fn ranges_that_touch_become_one() {
        let mut s = RangeSet::new();
        s.insert(8, 12);
        s.insert(0, 4);
        s.insert(5, 5);
        assert_eq!(pairs(&s), [(0, 4), (8, 12)]);
        s.insert(4, 8);
        assert_eq!(pairs(&s), [(0, 12)]);
        let mut out = Vec::new();
        s.clipped_into(6, &mut out);
        assert_eq!(out, [DirtyRange { start: 0, end: 6 }]);
    }

    #[test]
    fn beyond_the_bound_the_nearest_two_merge() {
        let mut s = RangeSet::new();
        for i in 0..MAX_RANGES as u32 {
            s.insert(i * 10, i * 10 + 1);
        }
        s.insert(5000, 5001);
        assert_eq!(s.iter().count(), MAX_RANGES);
        assert!(covers(&s, 0, 11) && covers(&s, 5000, 5001) && !covers(&s, 4000, 4001));
    }

    proptest! {
        #[test]
        fn a_set_has_every_inserted_byte_sorted_and_apart(
            inserts in prop::collection::vec((0u32..400, 0u32..12), 0..40),
        ) {
            let mut s = RangeSet::new();
            let mut model = [false; 512];
            for (start, len) in inserts {
                s.insert(start, start + len);
                model[start as usize..(start + len) as usize].fill(true);
            }
            let mut seen = [false; 512];
            let mut last_end = None;
            for r in s.iter() {
                prop_assert!(r.start < r.end && last_end.is_none_or(|e| e < r.start));
                last_end = Some(r.end);
                seen[r.start as usize..r.end as usize].fill(true);
            }
            // 40 inserts stay below the bound, so the set is exact.
            prop_assert_eq!(seen, model);
        }

        #[test]
        fn beyond_the_bound_no_byte_is_lost(
            starts in prop::collection::vec(0u32..100_000, 100..200),
        ) {
            let mut s = RangeSet::new();
            for &a in &starts {
                s.insert(a, a + 3);
            }
            prop_assert!(s.iter().count() <= MAX_RANGES);
            prop_assert!(starts.iter().all(|&a| covers(&s, a, a + 3)));
        }
    }
}
