//! A cell that is moved while the world runs: for how long it does not tick.
use crate::{
    Bench,
    harness::{Row, Unit, interleave, wall},
    world::{self, Engine},
};
use anyhow::{Context as _, ensure};
use engine_host::{CellCommand, Standing};
use engine_render::Backend;
use engine_scene::Placement;
use std::time::Instant;

/// The probe keeps 100,000 numbers of 8 bytes, and checks all of them in each tick.
const SCENE: &str = r#"World(cells: [(cell: "camera"), (cell: "probe", with: (does: "keep much"))])"#;
const STATE_BYTES: usize = 800_000;
/// A cell that has not moved after so many frames never will.
const MOST_FRAMES: u32 = 100_000;

/// Measures the row.
pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let mut engine = Engine::open(&bench.project, SCENE, world::config(Backend::Noop))?;
    let from = vec![7_u8; STATE_BYTES];
    let mut to = vec![0_u8; STATE_BYTES];
    let mut places = [Placement::Process, Placement::Thread].into_iter().cycle();
    let (ours, beside) = interleave(
        bench.effort.rounds(10),
        || take_over(&mut engine, places.next().unwrap_or_default()),
        // It is saved, sent and restored.
        || {
            Ok(wall(|| {
                for _ in 0..3 {
                    std::hint::black_box(&mut to).copy_from_slice(std::hint::black_box(&from));
                }
            })
            .0)
        },
    )?;
    Ok(vec![Row {
        name: "takeover",
        what: "a cell with 800 KB of state moved between thread and process: from the first frame without its tick to the end of the next with one",
        unit: Unit::Ns,
        ours,
        beside: Some(("copying its state three times", beside)),
        limit: 20e6 + beside,
        target: "copies + 20 ms",
        notes: Vec::new(),
    }])
}

/// Moves the probe and returns for how long it did not tick.
fn take_over(engine: &mut Engine, at: Placement) -> anyhow::Result<f64> {
    engine.world.command("probe", CellCommand::Move(at))?;
    let number = engine.world.swaps().last().map(|s| s.number);
    let (mut gap, mut taken) = (None, None);
    for _ in 0..MOST_FRAMES {
        let (before, begun) = (ticks(engine)?, Instant::now());
        engine.frame()?;
        let ticked = ticks(engine)? > before;
        if !ticked {
            gap.get_or_insert(begun);
        }
        let standing = engine.world.swaps().find(|s| Some(s.number) == number).map(|s| s.standing);
        match standing.context("the move is not told of")? {
            Standing::Preparing => gap = gap.filter(|_| !ticked),
            Standing::Probation if ticked && taken.is_none() => {
                taken = Some(gap.unwrap_or(begun).elapsed().as_nanos() as f64);
            }
            Standing::Probation => {}
            // The next move waits for the end of the probation.
            Standing::Done => return taken.context("it ended before it ticked"),
            other => ensure!(!other.is_final(), "the move came to {other:?}"),
        }
    }
    anyhow::bail!("the probe does not move")
}

fn ticks(engine: &Engine) -> anyhow::Result<u64> {
    let cells = engine.world.metrics();
    let probe = cells.iter().find(|c| c.name == "probe");
    probe.map(|c| c.ticks).context("the scene has a probe")
}
