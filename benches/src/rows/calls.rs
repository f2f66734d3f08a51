//! The border between host and cell: a call, a write with its publication.
use crate::{
    Bench,
    direct::{self, Direct},
    harness::{Row, Unit, interleave, keeping_least, per_call},
    slot_cell,
};
use anyhow::ensure;
use std::hint::black_box;

/// Calls of one sample: short, so that neighbours on the machine spoil few samples.
const CALLS: usize = 20_000;

/// A tick that sets a number and publishes it, less one that does nothing.
pub(crate) fn slot(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let calls = bench.effort.rounds(CALLS) as u32;
    let (mut writes, mut silent) = (slot_cell::instance(1)?, slot_cell::instance(0)?);
    let (mut least_with, mut least_without) = (f64::MAX, f64::MAX);
    let (with, without) = interleave::<anyhow::Error>(
        bench.effort.rounds(501),
        keeping_least(&mut least_with, || Ok(per_call(calls, || _ = black_box(writes.tick())))),
        keeping_least(&mut least_without, || Ok(per_call(calls, || _ = black_box(silent.tick())))),
    )?;
    ensure!(
        writes.published() == Some(1.0) && silent.published().is_none(),
        "the ticks did not do their work"
    );
    Ok(vec![Row {
        name: "slot",
        what: "writing a number to a port and publishing it, in the cell: a tick that does, less one that does not",
        unit: Unit::Ns,
        ours: (with - without).max(0.0),
        beside: None,
        limit: 10.0,
        target: "10 ns",
        notes: vec![format!(
            "ticks of {} and {}; the fastest samples differ by {}",
            Unit::Ns.show(with),
            Unit::Ns.show(without),
            Unit::Ns.show(least_with - least_without)
        )],
    }])
}

/// An empty tick of a loaded library.
pub(crate) fn guarded_call(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let calls = bench.effort.rounds(CALLS) as u32;
    let built = bench.project.stage("bench-empty")?;
    let mut cell = Direct::load(&built.path, &0_u32.to_le_bytes())?;
    let plain = black_box(direct::nothing as cell_abi::table::TurnFn);
    let mut least = f64::MAX;
    let (ours, beside) = interleave::<anyhow::Error>(
        bench.effort.rounds(501),
        keeping_least(&mut least, || Ok(per_call(calls, || _ = black_box(cell.tick())))),
        || Ok(per_call(calls, || _ = black_box(direct::call_nothing(black_box(plain))))),
    )?;
    Ok(vec![Row {
        name: "guarded-call",
        what: "an empty tick of a loaded library: catching panics, parameters looked at, nothing published",
        unit: Unit::Ns,
        ours,
        beside: Some(("plain C function", beside)),
        limit: 6.0,
        target: "6 ns",
        notes: vec![format!("the fastest sample: {}", Unit::Ns.show(least))],
    }])
}
