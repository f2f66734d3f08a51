use super::*;
use proptest::prelude::*;

use Access::{Read, Write};

fn pass(line: u32, index: u32, uses: &[(u32, Access)]) -> PassUse {
    PassUse { line: CellLine(line), index, uses: uses.to_vec() }
}

fn places(passes: &[PassUse]) -> Vec<(u32, u32)> {
    let o = order(passes);
    assert_eq!(o.cycles, []);
    o.passes.iter().map(|&i| (passes[i].line.0, passes[i].index)).collect()
}

#[test]
fn writers_come_first_whatever_line_the_reader_has() {
    let color = 1;
    let passes = [
        pass(0, 0, &[(color, Read)]),
        pass(1, 0, &[(color, Write)]),
        pass(2, 0, &[(color, Write)]),
        pass(3, 0, &[(color, Read)]),
    ];
    assert_eq!(places(&passes), [(1, 0), (2, 0), (0, 0), (3, 0)]);
}

#[test]
fn a_pass_that_reads_and_writes_a_name_takes_its_place_among_the_writers() {
    let (color, depth) = (1, 2);
    let passes = [
        pass(4, 0, &[(color, Read)]),
        pass(2, 0, &[(depth, Read), (color, Read), (color, Write)]),
        pass(1, 1, &[(color, Write)]),
        pass(1, 0, &[(depth, Write)]),
    ];
    assert_eq!(places(&passes), [(1, 0), (1, 1), (2, 0), (4, 0)]);
}

#[test]
fn the_design_s_chain_comes_out_in_order() {
    // sky, scene, crowd, bloom (threshold, down, up, composite), tonemap.
    let (color, depth, mips, result, picture) = (0, 1, 2, 3, 4);
    let passes = [
        pass(7, 0, &[(color, Read), (result, Read), (picture, Write)]),
        pass(6, 3, &[(mips, Read), (result, Write)]),
        pass(6, 2, &[(mips, Read), (mips, Write)]),
        pass(6, 1, &[(mips, Read), (mips, Write)]),
        pass(6, 0, &[(color, Read), (mips, Write)]),
        pass(3, 0, &[(color, Write), (depth, Write)]),
        pass(2, 0, &[(color, Write), (depth, Write)]),
        pass(1, 0, &[(color, Write), (depth, Read)]),
    ];
    // The sky only reads depth, so it must come after the scene for depth; the layers say it is below for
    // colour: that is a cycle, and the sky alone is to blame.
    let o = order(&passes);
    let cells = [1, 2, 3].map(CellLine).to_vec();
    assert_eq!(o.cycles, [Cycle { cells, names: vec![color, depth], left_out: CellLine(1) }]);
    let without_sky: Vec<PassUse> = passes.iter().filter(|p| p.line.0 != 1).cloned().collect();
    assert_eq!(places(&without_sky), [(2, 0), (3, 0), (6, 0), (6, 1), (6, 2), (6, 3), (7, 0)]);
}

#[test]
fn a_cycle_costs_the_cell_that_reads_from_below_only() {
    let passes = [
        pass(0, 0, &[(9, Write)]),
        pass(1, 0, &[(1, Read), (2, Write)]),
        pass(2, 0, &[(2, Read), (1, Write)]),
        pass(3, 0, &[(1, Read)]),
    ];
    let o = order(&passes);
    let cells = vec![CellLine(1), CellLine(2)];
    assert_eq!(o.cycles, [Cycle { cells, names: vec![1, 2], left_out: CellLine(1) }]);
    assert_eq!(o.passes, [0, 2, 3]);
}

#[test]
fn two_cycles_are_found_at_once() {
    let passes = [
        pass(0, 0, &[(1, Read), (2, Write)]),
        pass(1, 0, &[(2, Read), (1, Write)]),
        pass(2, 0, &[(3, Read), (4, Write)]),
        pass(3, 0, &[(4, Read), (3, Write)]),
    ];
    let lines: Vec<CellLine> = order(&passes).cycles.iter().map(|c| c.left_out).collect();
    assert_eq!(lines, [CellLine(0), CellLine(2)]);
}

#[test]
fn a_chain_of_many_thousand_passes_needs_no_deep_stack() {
    let n = 50_000;
    // Each cell writes one name and reads the one before; the first reads the last: one long cycle.
    let passes: Vec<PassUse> = (0..n).map(|i| pass(i, 0, &[((i + n - 1) % n, Read), (i, Write)])).collect();
    let o = order(&passes);
    assert_eq!(o.cycles.len(), 1);
    assert_eq!(o.cycles[0].cells.len(), n as usize);
    assert_eq!(o.passes.len(), n as usize - 1);
}

fn passes() -> impl Strategy<Value = Vec<PassUse>> {
    let access = prop_oneof![Just(Read), Just(Write)];
    prop::collection::vec((0u32..8, prop::collection::vec((0u32..6, access), 0..4)), 0..30).prop_map(|v| {
        let mut count = [0; 8];
        v.into_iter()
            .map(|(line, uses)| {
                count[line as usize] += 1;
                pass(line, count[line as usize] - 1, &uses)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn any_arrival_order_gives_the_same_order(passes in passes(), seed in any::<u64>()) {
        let mut shuffled = passes.clone();
        let mut s = seed;
        for i in (1..shuffled.len()).rev() {
            s = s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(i, (s >> 33) as usize % (i + 1));
        }
        let (a, b) = (order(&passes), order(&shuffled));
        prop_assert_eq!(&a.cycles, &b.cycles);
        let named = |o: &Order, of: &[PassUse]| o.passes.iter().map(|&i| of[i].clone()).collect::<Vec<_>>();
        prop_assert_eq!(named(&a, &passes), named(&b, &shuffled));
    }

    /// The rule itself, checked pair by pair.
    #[test]
    fn every_pair_that_shares_a_written_name_is_in_order(passes in passes()) {
        let o = order(&passes);
        let lost: Vec<CellLine> = o.cycles.iter().map(|c| c.left_out).collect();
        let kept: Vec<&PassUse> = o.passes.iter().map(|&i| &passes[i]).collect();
        prop_assert_eq!(kept.len(), passes.iter().filter(|p| !lost.contains(&p.line)).count());
        let writes = |line: CellLine, name: u32| {
            kept.iter().any(|p| p.line == line && p.uses.contains(&(name, Write)))
        };
        for (i, a) in kept.iter().enumerate() {
            for b in &kept[i + 1..] {
                for (name, _) in &a.uses {
                    if !b.uses.iter().any(|u| u.0 == *name) {
                        continue;
                    }
                    match (writes(a.line, *name), writes(b.line, *name)) {
                        (true, true) => prop_assert!((a.line, a.index) < (b.line, b.index)),
                        (false, true) => prop_assert!(false, "a mere reader runs before a writer"),
                        _ => {}
                    }
                }
            }
        }
    }
}
