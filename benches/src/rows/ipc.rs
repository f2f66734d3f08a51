//! Two processes: how long a slot takes there and back.
use crate::{
    Bench,
    harness::{Row, Unit, median},
    iceoryx2::Iceoryx2,
    ipc::{Pair, Way, with_pair},
};

/// Round trips of one sample: shorter than a time slice, so that neighbours on the machine spoil few samples.
const SPINS: usize = 1000;
const SLEEPS: usize = 200;
/// Samples of each way.
const ROUNDS: usize = 301;

/// Runs the ways in turn and returns the median of each.
fn in_turn<const N: usize>(
    bench: &Bench,
    pair: &mut Pair,
    ways: [Way; N],
    batch: usize,
) -> anyhow::Result<[f64; N]> {
    let batch = bench.effort.rounds(batch);
    let mut samples = [const { Vec::new() }; N];
    for _ in 0..bench.effort.rounds(ROUNDS) {
        for (samples, way) in samples.iter_mut().zip(ways) {
            samples.push(pair.run(way, batch)?);
        }
    }
    Ok(samples.map(|mut s| median(&mut s)))
}

/// Both processes spin.
pub(crate) fn awake(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let ways = [Way::BareSpin, Way::BytesSpin, Way::SlotSpin, Way::TurnSpin];
    let [bare, bytes, slot, turn] = with_pair(|pair| in_turn(bench, pair, ways, SPINS))?;
    let beside = Some(("flags in a memfd", bare));
    let row = |name, what, ours| Row {
        name,
        what,
        unit: Unit::Ns,
        ours,
        beside,
        limit: 1.3 * bare,
        target: "1.3 x flags",
        notes: vec![format!(
            "a flag and 64 bytes each way in plain code: {}; ratio to that {:.2}",
            Unit::Ns.show(bytes),
            ours / bytes
        )],
    };
    Ok(vec![
        row(
            "ipc-awake-slot",
            "64 bytes there and back between two processes that spin: a slot and its header each way",
            slot,
        ),
        row(
            "ipc-awake-turn",
            "the same as a cell's turn: a record over a ring; a slot, its header and an answer over a ring",
            turn,
        ),
    ])
}

/// One process wakes the other, which answers; both on one core.
pub(crate) fn asleep(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let [bare, turn] = with_pair(|pair| in_turn(bench, pair, [Way::BareSleep, Way::TurnSleep], SLEEPS))?;
    Ok(vec![Row {
        name: "ipc-asleep",
        what: "a sleeping process is woken with a record, publishes a slot and answers; both on one core",
        unit: Unit::Ns,
        ours: turn,
        beside: Some(("futex calls alone", bare)),
        limit: 1.25 * bare,
        target: "1.25 x futex",
        notes: Vec::new(),
    }])
}

/// Beside iceoryx2's publish-subscribe, both spinning. Builds a program of its own, so it runs only when asked for.
pub(crate) fn iceoryx2(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let mut peer = Iceoryx2::start(&bench.project)?;
    let (rounds, batch) = (bench.effort.rounds(ROUNDS), bench.effort.rounds(SPINS));
    let [theirs, slot, turn] = with_pair(|pair| {
        let mut samples = [const { Vec::new() }; 3];
        for _ in 0..rounds {
            samples[0].push(peer.run(batch)?);
            samples[1].push(pair.run(Way::SlotSpin, batch)?);
            samples[2].push(pair.run(Way::TurnSpin, batch)?);
        }
        Ok(samples.map(|mut s| median(&mut s)))
    })?;
    Ok(vec![Row {
        name: "iceoryx2",
        what: "64 bytes there and back between two processes that spin, as a cell's turn; beside publish-subscribe",
        unit: Unit::Ns,
        ours: turn,
        beside: Some(("iceoryx2 0.10, loaned", theirs)),
        limit: theirs / 3.0,
        target: "a third of iceoryx2",
        notes: vec![
            format!("a slot and its header each way, without rings: {}", Unit::Ns.show(slot)),
            "iceoryx2 also serves many subscribers, finds services by name and cleans up after a crash"
                .to_owned(),
        ],
    }])
}
