//! The border between host and cell: a call, a write with its publication.
//!
//! These are a few nanoseconds, less than what a neighbour on the machine takes away. So the figure is the fastest of
//! many short samples, spread over the row's time and taken in turn with a bare call; the ratio is that of the
//! fastest samples too, and the note says what the middle ones were.
use crate::{
    Bench,
    direct::{self, Direct},
    harness::{Row, Unit, median, per_call},
    slot_cell,
};
use anyhow::ensure;
use cell_abi::table::TurnFn;
use std::hint::black_box;

/// Calls of one sample: short, so that neighbours on the machine spoil few samples.
const CALLS: usize = 10_000;
/// Samples.
const ROUNDS: usize = 2001;

/// The samples of one thing, in nanoseconds per call.
struct Samples(Vec<f64>);

impl Samples {
    fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::MAX, f64::min)
    }

    fn median(&self) -> f64 {
        median(&mut self.0.clone())
    }
}

/// Calls each of `runs` in turn, sample by sample.
fn in_turn<const N: usize>(bench: &Bench, mut runs: [&mut dyn FnMut(u32) -> f64; N]) -> [Samples; N] {
    let calls = bench.effort.rounds(CALLS) as u32;
    let mut samples = [const { Samples(Vec::new()) }; N];
    for _ in 0..bench.effort.rounds(ROUNDS) {
        for (samples, run) in samples.iter_mut().zip(&mut runs) {
            samples.0.push(run(calls));
        }
    }
    samples
}

/// A tick that sets a number and publishes it, less one that does nothing; beside a whole call of a plain C function
/// that stores the same by hand. (Less an empty call, the stores by hand are too little to be measured: the processor
/// does them while the call returns.)
pub(crate) fn slot(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let (mut writes, mut silent) = (slot_cell::instance(1)?, slot_cell::instance(0)?);
    let by_hand = slot_cell::instance(0)?;
    let stores = black_box(direct::stores as TurnFn);
    let [with, without, stored] = in_turn(
        bench,
        [
            &mut |calls| per_call(calls, || _ = black_box(writes.tick())),
            &mut |calls| per_call(calls, || _ = black_box(silent.tick())),
            &mut |calls| per_call(calls, || _ = black_box(by_hand.call_plain(black_box(stores)))),
        ],
    );
    ensure!(
        writes.published() == Some(1.0) && silent.published().is_none() && by_hand.published() == Some(1.0),
        "the ticks did not do their work"
    );
    Ok(vec![Row {
        name: "slot",
        what: "writing a number to a port and publishing it, in the cell: a tick that does, less one that does not",
        unit: Unit::Ns,
        ours: (with.least() - without.least()).max(0.0),
        beside: Some(("a C call with such stores", stored.least())),
        limit: 10.0,
        target: "10 ns",
        notes: vec![format!(
            "ticks of {} and {}, {:.1} and {:.1} times that call; the middle samples differ by {}",
            Unit::Ns.show(with.least()),
            Unit::Ns.show(without.least()),
            with.least() / stored.least(),
            without.least() / stored.least(),
            Unit::Ns.show(with.median() - without.median())
        )],
    }])
}

/// An empty tick of a loaded library; beside a plain C function that does nothing.
pub(crate) fn guarded_call(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let built = bench.project.stage("bench-empty")?;
    let mut cell = Direct::load(&built.path, &0_u32.to_le_bytes())?;
    let bare = slot_cell::instance(0)?;
    let nothing = black_box(direct::nothing as TurnFn);
    let [ours, beside] = in_turn(
        bench,
        [&mut |calls| per_call(calls, || _ = black_box(cell.tick())), &mut |calls| {
            per_call(calls, || _ = black_box(bare.call_plain(black_box(nothing))))
        }],
    );
    Ok(vec![Row {
        name: "guarded-call",
        what: "an empty tick of a loaded library: catching panics, parameters looked at, nothing published",
        unit: Unit::Ns,
        ours: ours.least(),
        beside: Some(("plain C function", beside.least())),
        limit: 6.0,
        target: "6 ns",
        notes: vec![format!(
            "the middle samples: {} beside {}",
            Unit::Ns.show(ours.median()),
            Unit::Ns.show(beside.median())
        )],
    }])
}
