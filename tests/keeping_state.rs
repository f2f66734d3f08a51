//! What a cell knows outlives its instance: over moves, and over crashes since its last checkpoint.
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Engine, Live, Ran, scratch_project};
use std::{fs, process::Command};

const EXE: &str = env!("CARGO_BIN_EXE_engine");

/// Returns what the probe has counted, with the frame, as far as these lines tell.
fn counts<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(u64, u64)> {
    let counted = lines.filter_map(|l| l.split_once("[probe] in frame ")?.1.split_once(" it has counted "));
    counted.map(|(frame, count)| (frame.parse().unwrap(), count.parse().unwrap())).collect()
}

/// Sends a signal to the process of the one cell `at: Process`.
fn signal_child(signal: &str, live: &Live) {
    let pid = live.children().first().expect("a child").to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
}

/// Runs the probe for 40 frames in lockstep; it panics in frame 20.
fn panicked(engine: &Engine, line: &str) -> Ran {
    let scene =
        format!("World(rate: 60, cells: [(cell: \"probe\", with: (does: \"keep\", panics_in: 20){line})])");
    let scene = engine.scene("keeping.ron", &scene);
    engine.lockstep(&scene, &["--frames", "40", "--size", "32x18"]).ok()
}

#[test]
fn a_panic_starts_again_from_the_last_checkpoint_in_the_same_frames_everywhere() {
    let engine = Engine::new(EXE);
    let mut all = Vec::new();
    for at in ["Thread", "Process"] {
        // A checkpoint each six frames: in frames 6, 12 and 18.
        let ran = panicked(&engine, &format!(", at: {at}, checkpoint: 0.1"))
            .says(&[
                "the scene asked for a panic",
                " with its state of frame 18, its last picture and data stay",
            ])
            .says(&["[probe] it goes on with its state of frame 18"]);
        let counts = counts(ran.log.lines());
        let before: Vec<_> = (0..=20).map(|n| (n, n + 1)).collect();
        assert_eq!(counts[..21], before, "{at}:\n{}", ran.log);
        // 19 ticks are in the checkpoint; the two after it are lost with the instance.
        let (first, _) = counts[21];
        assert!(first > 20 && first < 30, "{at}: {counts:?}");
        let after: Vec<_> = (first..40).zip(20..).collect();
        assert_eq!(counts[21..], after, "{at}:\n{}", ran.log);
        all.push(counts);
    }
    assert_eq!(all[0], all[1]);
}

#[test]
fn without_a_checkpoint_a_panic_costs_what_the_cell_knew() {
    let engine = Engine::new(EXE);
    for at in ["Thread", "Process"] {
        let ran = panicked(&engine, &format!(", at: {at}"));
        let counts = counts(ran.log.lines());
        assert_eq!((counts[20], counts[21].1), ((20, 21), 1), "{at}:\n{}", ran.log);
        assert!(!ran.log.contains("its state"), "{at}:\n{}", ran.log);
    }
}

#[test]
fn a_checkpoint_of_a_cell_that_keeps_nothing_is_warned_of() {
    let engine = Engine::new(EXE);
    let scene = engine.scene("nothing.ron", "World(cells: [\n(cell: \"camera\", checkpoint: 1)\n])");
    let _ = engine
        .lockstep(&scene, &["--frames", "2", "--size", "16x16"])
        .ok()
        .says(&["nothing.ron:2", "`checkpoint` does nothing: the cell keeps no state"]);
}

#[test]
fn a_cell_that_moves_while_the_engine_runs_counts_on() {
    let engine = Engine::new(EXE);
    let scene = |at: &str| {
        let line = format!("(cell: \"probe\", with: (does: \"keep much\"), at: {at})");
        engine.scene("moves.ron", &format!("World(cells: [{line}])"))
    };
    let path = scene("Thread");
    let mut live =
        Live::start(&engine, &["--scene", &path, "--headless", "--frames", "100000", "--size", "16x16"]);
    for at in ["Process", "Thread", "Process"] {
        live.until("it has counted");
        scene(at);
        live.until("[probe] it goes on with its state");
        live.until("it has counted");
    }
    live.assert_running();
    let counts: Vec<u64> = counts(live.seen.iter().map(String::as_str)).iter().map(|c| c.1).collect();
    assert_eq!(counts, (1..=counts.len() as u64).collect::<Vec<_>>(), "each tick once, in order");
}

#[test]
fn a_turn_that_is_under_way_is_waited_for_but_not_for_ever() {
    let engine = Engine::new(EXE);
    let scene = |at: &str| {
        let line = format!("(cell: \"probe\", with: (does: \"keep\"), at: {at})");
        engine.scene("busy.ron", &format!("World(cells: [{line}])"))
    };
    let (path, waits) = (scene("Thread"), engine.out().join("probe-waits"));
    let mut live =
        Live::start(&engine, &["--scene", &path, "--headless", "--frames", "100000", "--size", "16x16"]);
    live.until("it has counted 5");
    fs::write(&waits, "").unwrap();
    live.until("[probe] it waits");
    scene("Process");
    live.until("[probe] it moves to Process");
    fs::remove_file(&waits).unwrap();
    live.until("[probe] it goes on with its state");
    live.until("it has counted");
    let all: Vec<u64> = counts(live.seen.iter().map(String::as_str)).iter().map(|c| c.1).collect();
    assert_eq!(all, (1..=all.len() as u64).collect::<Vec<_>>(), "the long tick counts");
    // Until then the old one would come back.
    live.until(" stays: it returned from 60 ticks");
    // The next one does not end: its process stands still. (In its sandbox it finds no file that tells it to wait.)
    signal_child("-STOP", &live);
    scene("Thread");
    live.until("[probe] it moves to Thread");
    live.until("hung for 2 s and was replaced");
    let before = live.seen.len();
    live.until("it has counted");
    live.until("it has counted");
    let after = counts(live.seen[before..].iter().map(String::as_str));
    assert!(after.iter().any(|c| c.1 == 1), "it starts from its defaults: {after:?}");
    live.assert_running();
}

#[test]
fn a_killed_child_starts_again_from_its_checkpoint() {
    let engine = Engine::new(EXE);
    let line = "(cell: \"probe\", with: (does: \"keep\"), at: Process, checkpoint: 0.05)";
    let scene = engine.scene("killed.ron", &format!("World(cells: [{line}])"));
    let mut live =
        Live::start(&engine, &["--scene", &scene, "--headless", "--frames", "100000", "--size", "16x16"]);
    // More than the three frames of a checkpoint.
    live.until("it has counted 30");
    signal_child("-9", &live);
    live.until("SIGKILL; it starts again in 10 ms with its state of frame ");
    let told = live.seen.last().unwrap();
    let frame: u64 =
        told.split_once("state of frame ").unwrap().1.split_once(',').unwrap().0.parse().unwrap();
    let before = counts(live.seen.iter().map(String::as_str));
    live.until("it goes on with its state of frame");
    live.until("it has counted");
    let after = counts(live.seen.iter().map(String::as_str))[before.len()..].to_vec();
    let known = before.iter().find(|c| c.0 == frame).unwrap_or_else(|| panic!("{frame}: {before:?}"));
    assert_eq!(after.first().map(|c| c.1), Some(known.1 + 1), "the tick after the checkpoint's");
    live.assert_running();
}

#[test]
fn a_mended_build_takes_over_what_the_one_at_fault_knew() {
    let project = tempfile::tempdir().unwrap();
    scratch_project(project.path());
    let engine = Engine::new(EXE).at(project.path());
    let shader = fs::read_to_string(project.path().join("shaders/probe/probe.wgsl")).unwrap();
    fs::create_dir(project.path().join("shaders/twin")).unwrap();
    fs::write(project.path().join("shaders/twin/probe.wgsl"), shader).unwrap();
    let library = project.path().join("twin.so");
    engine.library("probe").save(&library);
    let line = "(cell: \"twin.so\", trust: Own, name: \"probe\", with: (does: \"keep without a load\"))";
    let scene = |comment: &str| engine.scene("mended.ron", &format!("World(cells: [{line}]) {comment}"));
    let path = scene("");
    let mut live =
        Live::start(&engine, &["--scene", &path, "--headless", "--frames", "100000", "--size", "16x16"]);
    live.until("`load` failed: the scene asked for a failure");
    live.until("it has counted 5");
    // Other bytes are another build.
    engine.library("probe").with_bytes(b"when: never----", b"when: nevermore").save(&library);
    scene("// saved");
    live.until("[probe] it goes on with its state");
    live.until("`load` failed: the scene asked for a failure");
    live.until("it has counted");
    live.assert_running();
    let counts: Vec<u64> = counts(live.seen.iter().map(String::as_str)).iter().map(|c| c.1).collect();
    assert_eq!(counts, (1..=counts.len() as u64).collect::<Vec<_>>(), "each tick once, in order");
}
