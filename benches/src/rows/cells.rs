//! What one more cell costs: idle, ticking, drawing.
use crate::{
    Bench,
    bare::Dots,
    harness::{Row, Unit, median},
    world::{self, Engine, FrameCost},
};
use anyhow::bail;
use engine_render::{Backend, RenderConfig};
use std::fmt::Write as _;

const COUNTS: [u32; 4] = [1, 10, 100, 1000];
/// Frames of one sample.
const BATCH: u32 = 20;

/// Worlds of growing size, measured in turn.
struct Sizes {
    worlds: Vec<(u32, Engine, Vec<FrameCost>)>,
}

impl Sizes {
    fn open(bench: &Bench, config: &RenderConfig, scene: impl Fn(u32) -> String) -> anyhow::Result<Self> {
        let open = |n: u32| {
            let engine = Engine::open(&bench.project, &scene(n), config.clone())?;
            Ok((n, engine, Vec::new()))
        };
        Ok(Self { worlds: COUNTS.into_iter().map(open).collect::<anyhow::Result<_>>()? })
    }

    fn measure(&mut self, bench: &Bench) -> anyhow::Result<()> {
        for _ in 0..bench.effort.rounds(25) {
            for (_, engine, costs) in &mut self.worlds {
                costs.push(engine.cost(BATCH)?);
            }
        }
        Ok(())
    }

    /// Returns the median of `of` for `n`.
    fn at(&self, n: u32, of: fn(&FrameCost) -> f64) -> f64 {
        let costs = self.worlds.iter().find(|w| w.0 == n).map(|w| &w.2);
        median(&mut costs.into_iter().flatten().map(of).collect::<Vec<_>>())
    }

    /// Returns what each one between `from` and `to` adds.
    fn each(&self, from: u32, to: u32, of: fn(&FrameCost) -> f64) -> f64 {
        (self.at(to, of) - self.at(from, of)) / f64::from(to - from)
    }

    fn note(&self, of: fn(&FrameCost) -> f64) -> String {
        let mut out = "a frame of".to_owned();
        for n in COUNTS {
            let _ = write!(out, " {n}: {};", Unit::Ns.show(self.at(n, of)));
        }
        out.pop();
        out
    }

    fn plans(&self) -> u64 {
        self.worlds.iter().map(|w| w.1.world.report().plans).sum()
    }
}

fn scene(n: u32, line: impl Fn(u32) -> String) -> String {
    let lines: String =
        (0..n).map(|i| format!("(cell: \"bench-empty\", name: \"e{i}\"{}),\n", line(i))).collect();
    format!("World(cells: [{lines}])")
}

/// Measures the rows.
pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let config = world::config(Backend::Noop);
    let mut rows = Vec::new();
    let mut idle = Sizes::open(bench, &config, |n| scene(n, |_| ", rate: OnMail".into()))?;
    idle.measure(bench)?;
    rows.push(Row {
        name: "cells-idle",
        what: "an instance that waits for mail; CPU of all our threads, per instance and frame, from 10 to 1,000",
        unit: Unit::Ns,
        ours: idle.each(10, 1000, |c| c.total),
        beside: None,
        limit: 50.0,
        target: "50 ns",
        notes: vec![idle.note(|c| c.total)],
    });
    drop(idle);

    let mut ticking = Sizes::open(bench, &config, |n| scene(n, |_| String::new()))?;
    ticking.measure(bench)?;
    rows.push(Row {
        name: "cells-ticking",
        what: "an instance with an empty tick; CPU of all our threads, per instance and frame, from 10 to 1,000",
        unit: Unit::Ns,
        ours: ticking.each(10, 1000, |c| c.total),
        beside: None,
        limit: 1000.0,
        target: "1 us",
        notes: vec![
            ticking.note(|c| c.total),
            format!(
                "of it: main thread {}, tick threads {}",
                Unit::Ns.show(ticking.each(10, 1000, |c| c.main)),
                Unit::Ns.show(ticking.each(10, 1000, |c| c.cells))
            ),
        ],
    });
    drop(ticking);

    rows.extend(passes(
        bench,
        "cells-passes",
        "passes of idle cells with up to 250 each; CPU per pass from 100 to 1,000",
        |n| {
            let cells = n.div_ceil(250);
            scene(cells, |_| format!(", rate: OnMail, with: (passes: {})", n / cells))
        },
        |n| n.div_ceil(250),
    )?);
    rows.extend(passes(
        bench,
        "cells-passes-each",
        "one pass each of up to 1,000 idle cells; CPU per cell from 100 to 1,000",
        |n| scene(n, |_| ", rate: OnMail, with: (passes: 1)".into()),
        |n| n,
    )?);
    Ok(rows)
}

/// How passes grow, and what a plan that stays costs the host.
fn passes(
    bench: &Bench,
    name: &'static str,
    what: &'static str,
    scene: impl Fn(u32) -> String,
    textures: fn(u32) -> u32,
) -> anyhow::Result<Vec<Row>> {
    let config = world::config(Backend::Noop);
    let mut untimed = Sizes::open(bench, &RenderConfig { gpu_times: false, ..config.clone() }, &scene)?;
    untimed.measure(bench)?;
    let mut sizes = Sizes::open(bench, &config, scene)?;
    let plans = sizes.plans();
    sizes.measure(bench)?;
    let replanned = sizes.plans() - plans;
    let ours = sizes.each(100, 1000, |c| c.total);
    let beside = sizes.each(10, 100, |c| c.total);
    let (small, large) = bare_passes(bench, textures)?;
    let linear = Row {
        name,
        what,
        unit: Unit::Ns,
        ours,
        beside: Some(("from 10 to 100", beside)),
        // A pass of wgpu's own takes longer the more there are, and the more textures there are.
        limit: 1.25 * beside * (large / small).max(1.0),
        target: "linear: 1.25 x bare's growth",
        notes: vec![
            sizes.note(|c| c.total),
            format!(
                "without GPU times per pass (`gpu_times: false`): {} from 100 to 1,000, {} from 10 to 100",
                Unit::Ns.show(untimed.each(100, 1000, |c| c.total)),
                Unit::Ns.show(untimed.each(10, 100, |c| c.total))
            ),
            format!(
                "the bare program with as many textures: {} from 100 to 1,000, {} from 10 to 100",
                Unit::Ns.show(large),
                Unit::Ns.show(small)
            ),
        ],
    };
    if name != "cells-passes" {
        return Ok(vec![linear]);
    }
    let plan = Row {
        name: "cells-plan",
        what: "an unchanged plan: CPU of the host's thread per retained pass and frame, from 100 to 1,000",
        unit: Unit::Ns,
        ours: sizes.each(100, 1000, |c| c.main).max(0.0) + replanned as f64 * 1e9,
        beside: None,
        limit: 5.0,
        target: "nothing (5 ns)",
        notes: vec![
            format!("{replanned} new plans while measured; {}", sizes.note(|c| c.main)),
            format!("without GPU times: {}", Unit::Ns.show(untimed.each(100, 1000, |c| c.main))),
        ],
    };
    Ok(vec![linear, plan])
}

/// Returns what a pass of the bare program takes: from 10 to 100, and from 100 to 1,000.
fn bare_passes(bench: &Bench, textures: fn(u32) -> u32) -> anyhow::Result<(f64, f64)> {
    let programs = [10, 100, 1000].map(|n| Dots::open(&bench.project, n, textures(n)));
    let mut samples = [const { Vec::new() }; 3];
    for _ in 0..bench.effort.rounds(25 * BATCH as usize) {
        for (program, samples) in programs.iter().zip(&mut samples) {
            match program {
                Ok(program) => samples.push(program.frame()?),
                Err(error) => bail!("{error:#}"),
            }
        }
    }
    let [ten, hundred, thousand] = samples.map(|mut s| median(&mut s));
    Ok(((hundred - ten) / 90.0, (thousand - hundred) / 900.0))
}
