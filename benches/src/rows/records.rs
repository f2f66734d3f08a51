//! What it costs to keep records of all cells all the time.
use crate::{
    Bench,
    harness::{Row, Unit, median},
    world::{self, Engine},
};
use engine_render::Backend;

/// Frames of one sample.
const BATCH: u32 = 50;
const MIB: f64 = (1 << 20) as f64;

/// Measures the rows.
pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let scene = bench.scene("world.ron")?;
    let open = |records| {
        let config = world::config(Backend::Noop);
        if records {
            Engine::open(&bench.project, &scene, config)
        } else {
            Engine::open_without_records(&bench.project, &scene, config)
        }
    };
    // Which cores and memory its threads get differs from world to world by more than what is measured: two of each,
    // and none has the better place in the order.
    let mut worlds = [open(true)?, open(false)?, open(false)?, open(true)?];
    let mut samples = [Vec::new(), Vec::new()];
    for _ in 0..bench.effort.rounds(120) {
        for (n, world) in worlds.iter_mut().enumerate() {
            samples[usize::from(matches!(n, 1 | 2))].push(world.cost(BATCH)?.total);
        }
    }
    let [ours, beside] = samples.each_mut().map(|s| median(s));
    let [with, ..] = &worlds;
    let kept = with.world.records_bytes() as f64 / MIB;
    Ok(vec![
        Row {
            name: "records",
            what: "a frame of the demo world on a GPU that draws nothing, with records kept; CPU of all threads",
            unit: Unit::Ns,
            ours,
            beside: Some(("without records", beside)),
            limit: 1.02 * beside,
            target: "1.02 x",
            notes: Vec::new(),
        },
        Row {
            name: "records-mib",
            what: "MiB that records of the demo world have taken by the end of that measurement",
            unit: Unit::Count,
            ours: kept,
            beside: None,
            limit: 64.0,
            target: "64 MiB",
            notes: Vec::new(),
        },
    ])
}
