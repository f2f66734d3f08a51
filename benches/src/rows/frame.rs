//! CPU time of a frame, from record to submit, against the bare program with the same passes.
use crate::{
    Bench,
    bare::{Bare, Content, Driver, Shape},
    harness::{Row, Unit, interleave, median},
    threads::{self, CpuClocks},
    world::{self, Engine, FrameCost, SIZE},
};
use anyhow::bail;
use engine_render::{Backend, RenderConfig};

/// Frames of one sample.
const BATCH: u32 = 20;

/// The scene with cubes that stand still.
const STILL: &str = r#"World(cells: [(cell: "camera"), (cell: "many-cubes", with: (count: 20000, spin: 0)),
    (cell: "bloom"), (cell: "tonemap")])"#;

/// On `noop`, where all CPU time is ours and wgpu's: the scene as it is, with moving cubes.
pub(crate) fn noop(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let what =
        "20,000 cubes computed and written in each frame (640 KB), bloom, tone mapping; CPU of all threads";
    Ok(vec![against_bare(bench, "frame-noop", what, &bench.scene("many-cubes.ron")?)?])
}

/// The same with cubes that were written once: what is left is the frame itself.
pub(crate) fn still(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let what = "frame-noop with cubes written once: what is left is the frame itself; CPU of all threads";
    Ok(vec![against_bare(bench, "frame-still", what, STILL)?])
}

fn against_bare(bench: &Bench, name: &'static str, what: &'static str, scene: &str) -> anyhow::Result<Row> {
    let content = Content::read(&bench.project, scene)?;
    let mut engine = Engine::open(&bench.project, scene, world::config(Backend::Noop))?;
    let untimed = RenderConfig { gpu_times: false, ..world::config(Backend::Noop) };
    let mut untimed = Engine::open(&bench.project, scene, untimed)?;
    let mut bare = Bare::open(Driver::Noop, content.clone(), SIZE, Shape::Plain)?;
    let mut guarded = Bare::open(Driver::Noop, content, SIZE, Shape::Guarded)?;
    let mut costs: Vec<FrameCost> = Vec::new();
    let mut without_times = Vec::new();
    let mut of_guarded = Vec::new();
    let (ours, beside) = interleave(
        bench.effort.rounds(60),
        || {
            costs.push(engine.cost(BATCH)?);
            without_times.push(untimed.cost(BATCH)?.total);
            anyhow::Ok(costs.last().map_or(0.0, |c| c.total))
        },
        || {
            of_guarded.push(batch(&mut guarded)?);
            batch(&mut bare)
        },
    )?;
    let mut notes = vec![
        parts(&costs),
        format!(
            "without GPU times per pass (`gpu_times: false`): {}",
            Unit::Ns.show(median(&mut without_times))
        ),
        format!(
            "the bare program with error scopes and labels, as the engine has them: {}",
            Unit::Ns.show(median(&mut of_guarded))
        ),
    ];
    notes.extend(uploads(&engine));
    Ok(Row {
        name,
        what,
        unit: Unit::Ns,
        ours,
        beside: Some(("bare program", beside)),
        limit: 1.25 * beside + 50e3,
        target: "1.25 x + 50 us",
        notes,
    })
}

/// Returns the medians by thread.
fn parts(costs: &[FrameCost]) -> String {
    let part =
        |of: fn(&FrameCost) -> f64| Unit::Ns.show(median(&mut costs.iter().map(of).collect::<Vec<_>>()));
    let (main, cells, render) = (part(|c| c.main), part(|c| c.cells), part(|c| c.render));
    format!("main thread {main}, tick threads and parallel loops {cells}, render thread {render}")
}

fn uploads(engine: &Engine) -> Option<String> {
    let report = engine.world.report();
    let per_frame = report.uploaded_bytes.checked_div(report.frames)?;
    Some(format!("{per_frame} bytes uploaded a frame, submits a frame {:?}", report.submits_per_frame?))
}

/// Returns the CPU time of one frame of the bare program, over a batch: its thread and its parallel loops.
fn batch(bare: &mut Bare) -> anyhow::Result<f64> {
    let helpers = CpuClocks::read_bare();
    let mut total = 0.0;
    for _ in 0..BATCH {
        total += bare.frame()?;
    }
    threads::settle();
    Ok((total + CpuClocks::read_bare().since(&helpers)) / f64::from(BATCH))
}

/// On the Vulkan driver (lavapipe) at 64x36 with an idle queue.
pub(crate) fn lavapipe(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let scene = bench.scene("many-cubes.ron")?;
    let content = Content::read(&bench.project, &scene)?;
    let mut engine = Engine::open(&bench.project, &scene, world::config(Backend::Vulkan))?;
    let mut bare = Bare::open(Driver::Vulkan, content, SIZE, Shape::Plain)?;
    bare.frame()?;
    let (differ, worst) = same_picture(bench)?;
    let mut costs = Vec::new();
    let (ours, beside) = interleave(
        bench.effort.rounds(12),
        || {
            let cost = engine.cost(BATCH)?;
            costs.push(cost);
            anyhow::Ok(cost.total)
        },
        || batch(&mut bare),
    )?;
    Ok(vec![Row {
        name: "frame-lavapipe",
        what: "frame-noop on the Vulkan driver at 64x36; CPU of all threads but the driver's",
        unit: Unit::Ns,
        ours,
        beside: Some(("bare program", beside)),
        limit: 1.3 * beside,
        target: "1.3 x",
        notes: vec![
            parts(&costs),
            format!("the same picture: {differ} of {} pixels differ, by at most {worst}", SIZE[0] * SIZE[1]),
        ],
    }])
}

/// Draws still cubes with both, and returns how many pixels differ and by how much.
fn same_picture(bench: &Bench) -> anyhow::Result<(u32, u8)> {
    let mut engine = Engine::open(&bench.project, STILL, world::config(Backend::Vulkan))?;
    let content = Content::read(&bench.project, STILL)?;
    let mut bare = Bare::open(Driver::Vulkan, content, SIZE, Shape::Plain)?;
    bare.frame()?;
    let (theirs, drawn) = (bare.read_picture()?, engine.picture()?.rgba8);
    let (differ, worst) = difference(&drawn, &theirs);
    if differ * 50 > SIZE[0] * SIZE[1] {
        let folder = bench.project.output();
        for (name, pixels) in [("bench-engine.png", &drawn), ("bench-bare.png", &theirs)] {
            image::save_buffer(folder.join(name), pixels, SIZE[0], SIZE[1], image::ColorType::Rgba8)?;
        }
        bail!(
            "the bare program draws another picture, so it is no measure: {differ} of {} pixels differ by up to \
             {worst}; see bench-engine.png and bench-bare.png in {}, and whether bare/content.rs still does what the \
             cells do",
            SIZE[0] * SIZE[1],
            folder.display()
        );
    }
    Ok((differ, worst))
}

/// Returns how many pixels differ by more than 2, and the largest difference.
fn difference(a: &[u8], b: &[u8]) -> (u32, u8) {
    let mut differ = 0;
    let mut worst = 0;
    for (a, b) in a.chunks(4).zip(b.chunks(4)) {
        let by = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
        differ += u32::from(by > 2);
        worst = worst.max(by);
    }
    (differ, worst)
}
