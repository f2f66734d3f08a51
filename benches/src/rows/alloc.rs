//! Allocations per frame in steady state.
use crate::{
    Bench,
    bare::{Bare, Content, Driver, Shape},
    counting::{self, Counts},
    harness::{Row, Unit, median},
    slot_cell, threads,
    world::{self, Engine, SIZE},
};
use engine_render::{Backend, RenderConfig};
use std::collections::BTreeMap;

/// Spans of frames over which is counted.
const SPANS: usize = 7;
/// Threads by what they are for.
const KINDS: [&str; 5] = ["main", "ticks", "parallel loops", "render", "others"];

/// Measures the rows.
pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let frames = bench.effort.rounds(100) as u32;
    let scene = bench.scene("many-cubes.ron")?;
    let content = Content::read(&bench.project, &scene)?;
    let mut engine = Engine::open(&bench.project, &scene, world::config(Backend::Noop))?;
    let ours = per_frame(&mut engine, frames)?;
    let untimed = RenderConfig { gpu_times: false, ..world::config(Backend::Noop) };
    let mut engine = Engine::open(&bench.project, &scene, untimed)?;
    let render = per_frame(&mut engine, frames)?.get("render").copied().unwrap_or(0.0);
    let bare = of_bare(content.clone(), frames, Shape::Plain)?;
    let guarded = of_bare(content, frames, Shape::Guarded)?;

    let host: f64 = ours.iter().filter(|(name, _)| **name != "render").map(|(_, n)| n).sum();
    let parts = ours.iter().map(|(name, n)| format!("{name} {n:.2}")).collect::<Vec<_>>().join(", ");
    let tick = slot_cell::allocations_per_tick(10_000)?;
    Ok(vec![
        Row {
            name: "alloc",
            what: "allocations per frame outside of the render thread (20,000 moving cubes, bloom, tone mapping)",
            unit: Unit::Count,
            ours: host,
            beside: None,
            limit: 0.0,
            target: "0",
            notes: vec![format!(
                "a frame, by thread: {parts} (libraries of cells have an allocator of their own)"
            )],
        },
        Row {
            name: "alloc-cell",
            what: "allocations per tick of a cell that writes a port, in the `cell` crate",
            unit: Unit::Count,
            ours: tick,
            beside: None,
            limit: 0.0,
            target: "0",
            notes: Vec::new(),
        },
        Row {
            name: "alloc-render",
            what: "allocations per frame of the render thread, wgpu's among them (GPU times off)",
            unit: Unit::Count,
            ours: render,
            beside: Some(("bare, with the same labels", guarded)),
            limit: guarded + 0.5,
            target: "none of ours",
            notes: vec![format!("the bare program without labels and error scopes: {bare:.1}")],
        },
    ])
}

/// Returns allocations per frame by thread (tick threads together, threads of parallel loops too): for each the
/// median of some spans, so that a spare thread that a busy machine brings does not count.
fn per_frame(engine: &mut Engine, frames: u32) -> anyhow::Result<BTreeMap<&'static str, f64>> {
    // Until everything that grows has grown.
    for _ in 0..200 {
        engine.frame()?;
    }
    let mut spans: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for _ in 0..SPANS {
        let before = Counts::read();
        for _ in 0..frames {
            engine.frame()?;
        }
        let after = Counts::read();
        let names = threads::names();
        let mut sums = KINDS.map(|kind| (kind, 0));
        for (thread, new) in after.since(&before) {
            let kind = kind(thread, names.get(&thread).map_or("", String::as_str));
            sums.iter_mut().filter(|s| s.0 == kind).for_each(|s| s.1 += new);
        }
        for (kind, sum) in sums {
            spans.entry(kind).or_default().push(sum as f64 / f64::from(frames));
        }
    }
    Ok(spans.into_iter().map(|(kind, mut span)| (kind, median(&mut span))).collect())
}

fn kind(thread: u32, name: &str) -> &'static str {
    match name {
        _ if thread == std::process::id() => "main",
        "render" => "render",
        n if n.starts_with("tick-") => "ticks",
        n if n.starts_with("par-") => "parallel loops",
        _ => "others",
    }
}

fn of_bare(content: Content, frames: u32, shape: Shape) -> anyhow::Result<f64> {
    let mut bare = Bare::open(Driver::Noop, content, SIZE, shape)?;
    for _ in 0..50 {
        bare.frame()?;
    }
    let before = counting::here();
    for _ in 0..frames {
        bare.frame()?;
    }
    Ok((counting::here() - before) as f64 / f64::from(frames))
}
