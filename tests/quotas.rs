//! Quotas of a scene: who takes more than its line allows is told so, and nobody else notices.
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_scene::{Counts, Quota, Quotas};
use engine_tests::{Engine, Live, Ran, root};
use std::fs;

const EXE: &str = env!("CARGO_BIN_EXE_engine");
const FRAMES: u64 = 6;

/// Runs the faulty cell with these quotas and parameters beside a neighbour, who must miss no tick.
fn run(engine: &Engine, at: &str, quotas: &str, with: &str) -> Ran {
    let text = format!(
        "World(name: \"quotas\", cells: [\n    (cell: \"camera\"),\n    (cell: \"faulty\", at: {at}, quotas: ({quotas}), with: ({with})),\n])"
    );
    let (scene, frames) = (engine.scene("q.ron", &text), FRAMES.to_string());
    let ran = engine.lockstep(&scene, &["--frames", &frames, "--size", "16x16", "--backend", "noop"]);
    let neighbour = ran.cell("camera");
    assert_eq!(
        (&neighbour["ticks"], &neighbour["late"]),
        (&FRAMES.into(), &0.into()),
        "{with}:\n{}",
        ran.log
    );
    ran
}

/// Returns the number in the first line that begins so.
fn number(ran: &Ran, start: &str) -> u64 {
    let line = ran.log.lines().find_map(|l| l.strip_prefix(start));
    let line = line.unwrap_or_else(|| panic!("no line `{start}`:\n{}", ran.log));
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_hoard_a_bomb_of_threads_and_a_flood_of_files_end_at_the_scenes_numbers() {
    let engine = Engine::new(EXE);
    let does = |how: &str| format!("crash_in: \"tick\", crash: \"{how}\", at_frame: 3");
    for mib in [64_u64, 128] {
        let ran = run(&engine, "Process", &format!("memory_mib: {mib}"), &does("hoard")).ok();
        let held = number(&ran, "info [faulty] it holds ");
        assert!(held > mib / 3 && held < mib, "{held} of {mib} MiB:\n{}", ran.log);
        assert_eq!(ran.cell("faulty")["ticks"], FRAMES, "it was told, and goes on");
    }
    for threads in [6_u64, 12] {
        let ran = run(&engine, "Process", &format!("threads: {threads}"), &does("threads")).ok();
        let more = number(&ran, "info [faulty] it has ");
        assert!(more > 0 && more < threads, "{more} of {threads}:\n{}", ran.log);
    }
    for files in [24_u64, 48] {
        let ran = run(&engine, "Process", &format!("files: {files}"), &does("files")).ok();
        let more = number(&ran, "info [faulty] it has ");
        assert!(more > 0 && more < files, "{more} of {files}:\n{}", ran.log);
    }
    // Who does not ask whether it got the memory ends, alone and with its cause.
    let ran = run(&engine, "Process", "memory_mib: 64", &does("memory"));
    let _ = ran.says(&["error [faulty]", "aborted (SIGABRT)"]);
}

#[test]
fn passes_draws_and_mail_end_at_the_scenes_numbers_wherever_the_cell_runs() {
    let engine = Engine::new(EXE);
    for at in ["Thread", "Process"] {
        let ran = run(&engine, at, "passes: 0", "");
        let _ = ran.says(&["[faulty]", "passes", "0"]);
        let ran = run(&engine, at, "draws: 0", "");
        let _ = ran.says(&["[faulty]", "draws and dispatches"]);
        let ran = run(&engine, at, "mail: 0", "send_to: \"camera\"");
        let ran = ran.ok().says(&["error [faulty]", "full"]);
        assert_eq!(ran.cell("faulty")["sent"], 0, "{at}");
        assert_eq!(
            run(&engine, at, "mail: 1", "send_to: \"camera\"").ok().cell("faulty")["sent"],
            FRAMES,
            "{at}"
        );
    }
}

#[test]
fn buffers_that_are_more_than_a_cell_may_share_keep_it_out() {
    let engine = Engine::new(EXE);
    let scene_of = |trust: &str, quotas: &str| {
        let cubes = format!("(cell: \"many-cubes\", at: Process, trust: {trust}, quotas: ({quotas}))");
        engine.scene("b.ron", &format!("World(cells: [(cell: \"camera\"),\n    {cubes},\n])"))
    };
    let scene = |quotas: &str| scene_of("Own", quotas);
    let args = ["--frames", "2", "--size", "16x16", "--backend", "noop"];
    let ran = engine.lockstep(&scene("shared_mib: 1"), &args);
    let words = [
        "error [many-cubes]",
        "MiB of shared memory with 3 slots each; it may have 1 (`shared_mib`",
        "b.ron:2:",
    ];
    let ran = ran.says(&words);
    assert_eq!((&ran.cell("camera")["ticks"], &ran.cell("many-cubes")["ticks"]), (&2.into(), &0.into()));
    assert_eq!(engine.lockstep(&scene(""), &args).ok().cell("many-cubes")["ticks"], 2);
    // A stranger's count with all that it can make of them: nine slots and as many copies, not three.
    let own: u64 =
        ran.log.split_once("its buffers take ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
    let exactly = format!("shared_mib: {own}");
    assert_eq!(engine.lockstep(&scene(&exactly), &args).ok().cell("many-cubes")["ticks"], 2);
    let theirs = r#"Untrusted(read: ["camera"], write: ["scene_color", "scene_depth"])"#;
    let ran = engine.lockstep(&scene_of(theirs, &exactly), &args);
    let _ = ran.says(&["error [many-cubes]", "with 9 slots each and a copy of each slot; it may have"]);
    let enough = format!("shared_mib: {}", own * 6);
    assert_eq!(engine.lockstep(&scene_of(theirs, &enough), &args).ok().cell("many-cubes")["ticks"], 2);
}

#[test]
fn a_quota_that_does_nothing_is_told() {
    let engine = Engine::new(EXE);
    let words = "`memory_mib`, `files` does nothing on a thread";
    let ran = run(&engine, "Thread", "memory_mib: 64, draws: 9, files: 32", "").ok().says(&[
        words,
        "q.ron:3:",
        "at: Process",
    ]);
    assert_eq!(ran.cell("faulty")["ticks"], FRAMES);
    assert!(!run(&engine, "Process", "memory_mib: 64, draws: 9", "").log.contains("does nothing"));
}

#[test]
fn changed_quotas_count_at_once_or_are_said_to_count_later() {
    let project = tempfile::tempdir().unwrap();
    engine_tests::scratch_project(project.path());
    let engine = Engine::new(EXE).at(project.path());
    let scene = project.path().join("assets/scenes/quotas.ron");
    let save = |quotas: &str| {
        let text = format!(
            "World(cells: [(cell: \"camera\"), (cell: \"faulty\", at: Process, quotas: ({quotas}))])"
        );
        fs::write(scene.with_extension("tmp"), text).unwrap();
        fs::rename(scene.with_extension("tmp"), &scene).unwrap();
    };
    save("");
    let args = [
        "--scene",
        "quotas.ron",
        "--headless",
        "--frames",
        "1000000",
        "--size",
        "16x16",
        "--backend",
        "noop",
    ];
    let mut live = Live::start(&engine, &args);
    live.until("[faulty] its shader is ready");
    save("passes: 0, threads: 8");
    live.until("its new `passes` counts from now on");
    live.until("its new `threads` counts from its next start on");
    live.until("the list has 1 passes; a cell may have 0");
}

#[test]
fn the_artists_page_shows_the_table() {
    let page = fs::read_to_string(root().join("docs/artists.md")).unwrap();
    let shown = |n: f64| if n.is_finite() { n.to_string() } else { "any".to_owned() };
    for quota in Quota::ALL {
        let counts = match quota.counts() {
            Counts::AtOnce => "at once",
            Counts::NextStart => "with its next start",
            Counts::NextProcess => "with its next process",
        };
        let [own, untrusted] = [Quotas::own(), Quotas::untrusted()].map(|q| shown(q.get(quota)));
        let (start, end) = (format!("| `{}` |", quota.name()), format!("| {own} | {untrusted} | {counts} |"));
        let row = page.lines().find(|l| l.starts_with(&start));
        assert!(
            row.is_some_and(|r| r.ends_with(&end)),
            "`{}`: {row:?} does not end with `{end}`",
            quota.name()
        );
    }
}
