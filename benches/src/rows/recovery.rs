//! A killed process of a cell: from the kill to its next tick.
use crate::{
    Bench,
    harness::{Row, Unit, median},
    world::{self, Engine},
};
use anyhow::{Context as _, ensure};
use engine_render::Backend;
use engine_scene::Scene;
use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// Cells whose frames must have no gap, whatever happens to the others.
const NEIGHBOURS: [&str; 2] = ["thread", "process"];
/// From frame to frame.
const PERIOD: Duration = Duration::from_nanos(1_000_000_000 / 60);
/// How long a start may take before the row gives up.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a restart may take beyond a start.
const BEYOND_START: f64 = 100e6;

/// Measures the row.
pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let mut run = Run {
        engine: Engine::open(&bench.project, &scene(None), world::config(Backend::Noop))?,
        next: Instant::now(),
        longest: Duration::ZERO,
        missed: 0,
    };
    let (mut starts, mut restarts) = (Vec::new(), Vec::new());
    for n in 0..bench.effort.rounds(11) {
        let name = format!("killed-{n}");
        let begun = Instant::now();
        run.apply(&scene(Some(&name)))?;
        starts.push(run.until_it_ticks(&name, 0, begun)?);
        let ticks = run.ticks(&name)?;
        let pid = child(&name)?.with_context(|| format!("`{name}` has no process"))?;
        let begun = Instant::now();
        ensure!(
            Command::new("kill").args(["-9", &pid]).status()?.success(),
            "process {pid} cannot be killed"
        );
        restarts.push(run.until_it_ticks(&name, ticks, begun)?);
        ensure!(child(&name)?.is_some_and(|new| new != pid), "`{name}` ticks in the process that was killed");
        run.apply(&scene(None))?;
    }
    let start = median(&mut starts);
    let recovery = Row {
        name: "recovery",
        what: "an empty cell in a process is killed: from the kill to its next tick, at 60 frames a second",
        unit: Unit::Ns,
        ours: median(&mut restarts),
        beside: Some(("its first start", start)),
        limit: start + BEYOND_START,
        target: "its start + 100 ms",
        notes: Vec::new(),
    };
    let gaps = Row {
        name: "recovery-gaps",
        what: "ticks that two other cells, one of them in a process, missed meanwhile",
        unit: Unit::Count,
        ours: run.missed as f64,
        beside: None,
        limit: 0.0,
        target: "none",
        notes: vec![format!("the longest frame took {}", Unit::Ns.show(run.longest.as_nanos() as f64))],
    };
    Ok(vec![recovery, gaps])
}

fn scene(killed: Option<&str>) -> String {
    let [thread, process] = NEIGHBOURS;
    let killed = killed.map(|name| format!(r#"(cell: "bench-empty", name: "{name}", at: Process),"#));
    format!(
        r#"World(cells: [(cell: "bench-empty", name: "{thread}"), (cell: "bench-empty", name: "{process}", at: Process),
            {}])"#,
        killed.unwrap_or_default()
    )
}

struct Run {
    engine: Engine,
    next: Instant,
    longest: Duration,
    /// Ticks that a neighbour did not have in their frame.
    missed: u64,
}

impl Run {
    fn apply(&mut self, scene: &str) -> anyhow::Result<()> {
        let scene = Scene::parse("bench", scene).map_err(|f| anyhow::anyhow!("{}", f[0]))?;
        Ok(self.engine.world.apply_scene(scene)?)
    }

    fn ticks(&self, name: &str) -> anyhow::Result<u64> {
        let cells = self.engine.world.report().cells;
        let cell =
            cells.iter().find(|c| c.metrics.name == name).with_context(|| format!("no cell `{name}`"))?;
        Ok(cell.metrics.ticks)
    }

    /// Runs frames until the cell has had more than `ticks`; returns the nanoseconds since `begun`.
    fn until_it_ticks(&mut self, name: &str, ticks: u64, begun: Instant) -> anyhow::Result<f64> {
        while self.ticks(name)? <= ticks {
            ensure!(begun.elapsed() < PATIENCE, "`{name}` does not tick after {} s", PATIENCE.as_secs());
            let before = NEIGHBOURS.map(|n| self.ticks(n).unwrap_or(0));
            // A frame in real time: it starts when it is due.
            std::thread::sleep(self.next.saturating_duration_since(Instant::now()));
            let now = Instant::now();
            self.next = (self.next + PERIOD).max(now);
            self.engine.frame_until(now + PERIOD)?;
            self.longest = self.longest.max(now.elapsed());
            for (neighbour, before) in NEIGHBOURS.iter().zip(before) {
                self.missed += (before + 1).saturating_sub(self.ticks(neighbour)?);
            }
        }
        Ok(begun.elapsed().as_nanos() as f64)
    }
}

/// Returns the process of the cell `name`.
fn child(name: &str) -> anyhow::Result<Option<String>> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let children = std::fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        for pid in children.split_whitespace() {
            let line = std::fs::read(Path::new("/proc").join(pid).join("cmdline")).unwrap_or_default();
            if line.split(|b| *b == 0).any(|argument| argument == name.as_bytes()) {
                return Ok(Some(pid.to_owned()));
            }
        }
    }
    Ok(None)
}
