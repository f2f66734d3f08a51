//! Filling a large buffer through the API of cells.
use crate::{
    Bench,
    direct::Direct,
    fill,
    harness::{Row, Unit, interleave, per_call},
};
use anyhow::ensure;
use cell_abi::table::TurnFn;
use std::hint::black_box;

/// Ticks of one sample.
const CALLS: usize = 50;
/// Samples.
const ROUNDS: usize = 401;
/// The rows: what is done, `way` of `cells/bench-fill`, and the same by hand.
const WAYS: [(&str, &str, u32, TurnFn); 3] = [
    ("fill-write", "`write`: 3,000 transforms of 40 B that are ready", 0, fill::copies),
    ("fill-write-with", "`write_with`: 3,000 transforms of 40 B made in place", 1, fill::stores),
    (
        "fill-update",
        "`update`: 3,000 transforms of 40 B made in place, nothing to catch up with",
        2,
        fill::stores,
    ),
];

/// Measures the rows.
pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let built = bench.project.stage("bench-fill")?;
    let calls = bench.effort.rounds(CALLS) as u32;
    let mut rows = Vec::new();
    for (name, what, way, by_hand) in WAYS {
        // Both fill the same slot, so that neither has the better pages.
        let mut cell = Direct::load_with_slot(&built.path, &way.to_le_bytes(), fill::BYTES)?;
        if way == 2 {
            // There is something to update only when something was published.
            cell.call_plain(by_hand);
            cell.read_back();
        }
        let by_hand = black_box(by_hand);
        cell.call_plain(by_hand);
        let expected = cell.take_published()?;
        cell.tick();
        ensure!(expected.is_some() && cell.take_published()? == expected, "{name}: the bytes are others");
        let cell = std::cell::RefCell::new(cell);
        let (ours, beside) = interleave(
            bench.effort.rounds(ROUNDS),
            || Ok::<_, anyhow::Error>(per_call(calls, || _ = black_box(cell.borrow_mut().tick()))),
            || Ok(per_call(calls, || _ = black_box(cell.borrow().call_plain(by_hand)))),
        )?;
        rows.push(Row {
            name,
            what,
            unit: Unit::Ns,
            ours,
            beside: Some(("stores by hand", beside)),
            limit: 1.1 * beside,
            target: "1.1 x stores",
            notes: Vec::new(),
        });
    }
    Ok(rows)
}
