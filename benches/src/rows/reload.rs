//! A saved shader: from the save to the picture.
use crate::{
    Bench,
    bare::{Bare, Content, Driver, Shape},
    harness::{Row, Unit, interleave, median, wall},
    world::{self, Engine, SIZE},
};
use anyhow::{Context as _, ensure};
use engine_host::{
    Project,
    watch::{Depth, FileWatch},
};
use engine_render::Backend;
use std::{
    os::unix::fs::symlink,
    path::Path,
    sync::LazyLock,
    time::{Duration, Instant, SystemTime},
};

/// As `bloom.ron`, but nothing moves: the picture changes when the shader does.
const STILL: &str = r#"World(cells: [(cell: "camera"), (cell: "many-cubes", with: (count: 200, spin: 0)),
    (cell: "bloom"), (cell: "tonemap")])"#;
/// How long a save may take before the row gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Measures the row.
pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    // A project with shaders of its own, so that saving touches nobody's files.
    let dir = tempfile::tempdir()?;
    let root = dir.path().canonicalize()?;
    copy_folder(&bench.project.root.join("shaders"), &root.join("shaders"))?;
    symlink(bench.project.root.join("assets"), root.join("assets"))?;
    symlink(bench.project.root.join("cells"), root.join("cells"))?;
    let project = Project { root: root.clone(), ..bench.project.clone() };
    let file = root.join("shaders/tonemap/tonemap.wgsl");
    let text = std::fs::read_to_string(&file)?;

    // As in a window: frames go on while a shader compiles.
    let config = engine_render::RenderConfig { wait_ready: false, ..world::config(Backend::Vulkan) };
    let mut engine = Engine::open(&project, STILL, config)?;
    let mut watch = FileWatch::new()?;
    watch.watch(&root.join("shaders"), Depth::Deep)?;
    let mut content = Content::read(&project, STILL)?;
    let mut bare = Bare::open(Driver::Vulkan, content.clone(), SIZE, Shape::Plain)?;
    bare.frame()?;
    let header =
        content.tonemap.text.strip_suffix(&text).context("the shader has its contract in front")?.to_owned();

    let mut frames = Vec::new();
    let (mut ours_saved, mut bare_saved) = (0, 500);
    let (ours, beside) = interleave(
        bench.effort.rounds(15),
        || {
            ours_saved += 1;
            frames.push(wall(|| engine.frame()).0);
            save_and_wait(&mut engine, &watch, &file, &changed(&text, ours_saved))
        },
        || {
            bare_saved += 1;
            let before = bare.read_picture()?;
            content.tonemap.text = header.clone() + &changed(&text, bare_saved);
            let (ns, done) = wall(|| {
                bare.chain.replace_tonemap(&bare.gpu, &content.tonemap);
                bare.frame()
            });
            done?;
            ensure!(bare.read_picture()? != before, "the changed shader does not show");
            anyhow::Ok(ns)
        },
    )?;
    let frame = median(&mut frames);
    Ok(vec![Row {
        name: "reload",
        what: "tonemap.wgsl saved while 200 cubes with bloom are drawn at 64x36: from the write to the finished frame that shows it",
        unit: Unit::Ns,
        ours,
        beside: Some(("driver's compile and a frame", beside)),
        limit: 20e6 + frame + beside,
        target: "compile + frame + 20 ms",
        notes: vec![format!("one frame takes {}", Unit::Ns.show(frame))],
    }])
}

/// Returns the shader with another colour in each variant, and other numbers in each run: drivers keep what they
/// compiled on disk.
fn changed(text: &str, variant: u32) -> String {
    static RUN: LazyLock<f64> = LazyLock::new(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        f64::from(now.subsec_micros()) * 1e-8
    });
    let (red, green) = (0.2 + 0.07 * f64::from(variant % 11) + *RUN, 1.0 - 1e-3 * f64::from(variant));
    let last = "return vec4f(pow(";
    text.replacen(last, &format!("return vec4f({red:.9}, {green:.4}, 0.5, 1.0) * vec4f(pow("), 1)
}

fn save_and_wait(engine: &mut Engine, watch: &FileWatch, file: &Path, text: &str) -> anyhow::Result<f64> {
    let before = engine.picture()?.rgba8;
    ensure!(engine.picture()?.rgba8 == before, "the picture changes by itself");
    let start = Instant::now();
    std::fs::write(file, text)?;
    loop {
        let changes = watch.take();
        if !changes.paths.is_empty() {
            engine.world.take_changes(&changes, Path::new(""))?;
        }
        if engine.picture()?.rgba8 != before {
            return Ok(start.elapsed().as_nanos() as f64);
        }
        ensure!(start.elapsed() < PATIENCE, "the saved shader does not show after {} s", PATIENCE.as_secs());
    }
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
