//! From the start of the program to its first frame.
use crate::{
    Bench,
    bare::{Bare, Content, Driver, Shape},
    harness::{Row, Unit, interleave, median, wall},
};
use anyhow::{Context as _, ensure};
use engine_host::Project;
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

/// The size at which both sides draw: the engine's default where the CPU draws.
const SIZE: [u32; 2] = [640, 360];

/// Measures the rows.
pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let engine = engine_binary(&bench.project)?;
    let run = |scene: &str, backend: &str, cache| started(bench, &engine, scene, backend, cache);
    let rounds = bench.effort.rounds(11);

    let (mut first, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let start = run("minimal.ron", "noop", Cache::Off)?;
        first.push(start.first_frame);
        whole.push(start.process);
    }
    let noop = Row {
        name: "start-noop",
        what: "minimal.ron on noop, everything built: start to first frame",
        unit: Unit::Ns,
        ours: median(&mut first),
        beside: None,
        limit: 300e6,
        target: "300 ms",
        notes: vec![format!("the whole process, from spawn to exit: {}", Unit::Ns.show(median(&mut whole)))],
    };

    let scene = bench.project.root.join("assets/scenes/bloom.ron");
    let bloom = |cache| {
        interleave(
            rounds.min(7),
            || Ok(run("bloom.ron", "vulkan", cache)?.first_frame),
            || bare_process(&scene, cache),
        )
    };
    let (ours, beside) = bloom(Cache::Off)?;
    let (warm, warm_bare) = bloom(Cache::On)?;
    let bloom = Row {
        name: "start-bloom",
        what: "bloom.ron on the Vulkan driver at 640x360, its shader cache off: start to first frame",
        unit: Unit::Ns,
        ours,
        beside: Some(("bare program", beside)),
        limit: beside + 300e6,
        target: "bare + 0.3 s",
        notes: vec![with_cache(warm, Some(warm_bare))],
    };

    let world = |cache| -> anyhow::Result<f64> {
        let mut first = Vec::new();
        for _ in 0..bench.effort.rounds(3) {
            first.push(run("world.ron", "vulkan", cache)?.first_frame);
        }
        Ok(median(&mut first))
    };
    let world = Row {
        name: "start-world",
        what: "world.ron on the Vulkan driver at 640x360, its shader cache off: start to first frame",
        unit: Unit::Ns,
        ours: world(Cache::Off)?,
        beside: None,
        limit: 3.5e9,
        target: "3.5 s",
        notes: vec![with_cache(world(Cache::On)?, None)],
    };
    Ok(vec![noop, bloom, world])
}

fn with_cache(ours: f64, bare: Option<f64>) -> String {
    let bare = bare.map(|b| format!(", the bare program {}", Unit::Ns.show(b))).unwrap_or_default();
    format!("with the driver's shader cache: {}{bare}", Unit::Ns.show(ours))
}

/// What Mesa keeps on disk of shaders it has compiled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cache {
    /// Used, as in a second start.
    On,
    /// Not used, as in a first start.
    Off,
}

impl Cache {
    fn apply(self, command: &mut Command) {
        if self == Self::Off {
            command.env("MESA_SHADER_CACHE_DISABLE", "true");
        }
    }
}

struct Started {
    first_frame: f64,
    process: f64,
}

fn engine_binary(project: &Project) -> anyhow::Result<PathBuf> {
    let path = project.output().join("engine");
    let flag = match project.profile.as_str() {
        "dev" => String::new(),
        "release" => " --release".to_owned(),
        other => format!(" --profile {other}"),
    };
    ensure!(path.is_file(), "{} is missing: run `cargo build{flag} -p engine` first", path.display());
    Ok(path)
}

/// Runs the engine for one frame, headless, without building.
fn started(
    bench: &Bench,
    engine: &Path,
    scene: &str,
    backend: &str,
    cache: Cache,
) -> anyhow::Result<Started> {
    let dir = tempfile::tempdir()?;
    let report = dir.path().join("report.json");
    let mut command = Command::new(engine);
    command
        .current_dir(&bench.project.root)
        .args(["--scene", scene, "--backend", backend, "--headless", "--frames", "1", "--no-build"])
        .args(["--size", &format!("{}x{}", SIZE[0], SIZE[1]), "--log", "error", "--report"])
        .arg(&report)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    cache.apply(&mut command);
    let (process, output) = wall(|| command.stderr(Stdio::piped()).output());
    let output = output.with_context(|| engine.display().to_string())?;
    ensure!(
        output.status.success(),
        "the engine ended with {} on {scene}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&report)?)?;
    let first =
        report["first_frame_ms"].as_f64().context("the report does not tell the first frame's time")?;
    Ok(Started { first_frame: first * 1e6, process })
}

/// Starts the bare program in a process of its own, so that its driver is as cold as the engine's.
fn bare_process(scene: &Path, cache: Cache) -> anyhow::Result<f64> {
    let mut command = Command::new(std::env::current_exe()?);
    cache.apply(&mut command);
    let output = command.arg("--bare-start").arg(scene).output()?;
    ensure!(output.status.success(), "the bare program failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().with_context(|| format!("the bare program said `{text}`"))
}

/// The bare program's start: device, pipelines, first frame. Prints its nanoseconds.
pub(crate) fn bare_start(project: &Project, scene: &Path) -> anyhow::Result<()> {
    let start = Instant::now();
    let text = std::fs::read_to_string(scene)?;
    let content = Content::read(project, &text)?;
    let mut bare = Bare::open(Driver::Vulkan, content, SIZE, Shape::Plain)?;
    bare.frame()?;
    crate::harness::print_number(start.elapsed().as_nanos() as f64);
    Ok(())
}
