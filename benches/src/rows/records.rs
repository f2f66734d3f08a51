//! What it costs to keep records of all cells all the time.
use crate::{
    Bench,
    harness::{Row, Unit, interleave},
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
    let (mut with, mut without) = (open(true)?, open(false)?);
    let (ours, beside) = interleave(
        bench.effort.rounds(120),
        || with.cost(BATCH).map(|c| c.total),
        || without.cost(BATCH).map(|c| c.total),
    )?;
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
