//! A cell's instance is replaced while the world runs: by a new build, elsewhere, or by a fresh one. One that fails is
//! taken back, and the old one goes on from where it was.
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Engine, Library, Live, Ran, scratch_project};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

const EXE: &str = env!("CARGO_BIN_EXE_engine");
/// What a copy of the faulty cell's library says of itself. Other words are another build.
const WELL: &str = "was built to: do well....";
/// Real time, until it is ended.
const RUN: [&str; 5] = ["--headless", "--frames", "100000", "--size", "16x16"];

/// An engine over a project with a faulty cell whose library can be replaced.
struct Rig {
    engine: Engine,
    project: tempfile::TempDir,
    trust: &'static str,
    /// What else its line says.
    line: &'static str,
}

impl Rig {
    fn new() -> Self {
        let project = tempfile::tempdir().unwrap();
        scratch_project(project.path());
        let shaders = project.path().join("shaders");
        fs::create_dir(shaders.join("twin")).unwrap();
        fs::copy(shaders.join("faulty/faulty.wgsl"), shaders.join("twin/faulty.wgsl")).unwrap();
        let rig = Self { engine: Engine::new(EXE).at(project.path()), project, trust: "Own", line: "" };
        rig.build("do well");
        rig
    }

    fn library(&self) -> PathBuf {
        self.project.path().join("assets/twin.so")
    }

    /// Makes a build that fails in this way.
    fn build(&self, how: &str) {
        self.save(&self.made(how));
    }

    fn made(&self, how: &str) -> Library {
        let text = format!("was built to: {how:.<11}");
        self.engine.library("faulty").with_bytes(WELL.as_bytes(), text.as_bytes())
    }

    fn save(&self, library: &Library) {
        let next = self.library().with_extension("next");
        library.save(&next);
        fs::rename(next, self.library()).unwrap();
    }

    /// A scene with a neighbour, the cell and the tone map.
    fn scene(&self, with: &str, at: &str) -> String {
        let (trust, line) = (self.trust, self.line);
        let text = format!(
            r#"World(rate: 60, cells: [
                (cell: "camera", name: "neighbour", with: (fly: (at: (0, 0, 9), look: (0, 0, 0)))),
                (cell: "assets/twin.so", trust: {trust}, name: "faulty", at: {at}, {line} with: (tell_ticks: true, {with})),
                (cell: "tonemap"),
            ])"#
        );
        self.engine.scene("swap.ron", &text)
    }

    fn live(&self, at: &str) -> Live {
        let mut live = Live::start(&self.engine, &[&["--scene", &self.scene("", at)], &RUN[..]].concat());
        live.until("it has ticked 5");
        live
    }

    fn lockstep(&self, with: &str, at: &str, frames: &str, acts: &[&str]) -> Ran {
        let acts = acts.iter().flat_map(|a| ["--act", a]);
        let args: Vec<&str> = ["--frames", frames, "--size", "32x18"].into_iter().chain(acts).collect();
        self.engine.lockstep(&self.scene(with, at), &args)
    }
}

/// Returns the frames of the cell's ticks and how many it had counted, as far as these lines tell.
fn ticks<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(u64, u64)> {
    let told = lines.filter_map(|l| l.split_once("[faulty] in frame ")?.1.split_once(" it has ticked "));
    told.map(|(frame, count)| (frame.parse().unwrap(), count.parse().unwrap())).collect()
}

/// Asserts that each tick is the one after the one before it, from the state that that one left.
fn assert_counts_on(ticks: &[(u64, u64)], what: &str) {
    for pair in ticks.windows(2) {
        assert!(pair[0].0 < pair[1].0 && pair[0].1 + 1 == pair[1].1, "{what}: {ticks:?}");
    }
}

fn is_green(ran: &Ran) -> bool {
    let p = ran.picture.as_ref().unwrap_or_else(|| panic!("no picture:\n{}", ran.log)).get_pixel(16, 9).0;
    p[1] > 100 && p[0] < 90
}

/// Returns how far the newest replacement of a run has come.
fn standing(ran: &Ran) -> &str {
    ran.report["swaps"].as_array().and_then(|s| s.last()).map_or("none", |s| s["standing"].as_str().unwrap())
}

#[test]
fn each_move_keeps_the_state_and_in_lockstep_leaves_no_tick_out() {
    let rig = Rig::new();
    let places = ["Thread", "Process"];
    for (from, to) in places.iter().flat_map(|a| places.iter().map(move |b| (*a, *b))) {
        let act = format!("10:move:faulty:{to}");
        let ran = rig.lockstep("", from, "100", &[&act]).ok();
        let ticks = ticks(ran.log.lines());
        let all: Vec<_> = (0..100).map(|n| (n, n + 1)).collect();
        assert_eq!(ticks, all, "{from} to {to}:\n{}", ran.log);
        assert!(is_green(&ran), "{from} to {to}");
        if from == to {
            assert_eq!(standing(&ran), "none", "{from} to {to}: there is nothing to do");
        } else {
            assert!(
                ran.log.contains(&format!("the instance at {to} took over after frame 9")),
                "{}",
                ran.log
            );
            assert_eq!(standing(&ran), "done", "{from} to {to}:\n{}", ran.log);
        }
        let neighbour = ran.cell("neighbour");
        assert_eq!((&neighbour["ticks"], &neighbour["late"]), (&100.into(), &0.into()));
    }
}

#[test]
fn a_restarted_cell_begins_anew_and_is_told_of_in_the_report() {
    let rig = Rig::new();
    for at in ["Thread", "Process"] {
        let ran = rig.lockstep("", at, "20", &["10:restart:faulty"]).ok();
        let expected: Vec<_> = (0..10).map(|n| (n, n + 1)).chain((10..20).map(|n| (n, n - 9))).collect();
        assert_eq!(ticks(ran.log.lines()), expected, "{at}:\n{}", ran.log);
        assert_eq!(standing(&ran), "probation", "{at}: 20 frames are not enough to stay");
        let report = &ran.report["swaps"][0];
        assert_eq!((&report["cell"], &report["act"]), (&"faulty".into(), &"restart".into()));
    }
}

#[test]
fn a_cell_is_switched_off_and_on_by_an_act_and_keeps_what_it_knows() {
    let rig = Rig::new();
    let ran = rig.lockstep("", "Thread", "20", &["5:disable:faulty", "10:enable:faulty"]).ok();
    let counted = ticks(ran.log.lines());
    assert_counts_on(&counted, &ran.log);
    assert!(
        !counted.iter().any(|t| (5..10).contains(&t.0)) && counted.last().unwrap().0 == 19,
        "{counted:?}"
    );
    let ran = rig.lockstep("", "Thread", "20", &["5:disable:faultyy"]);
    assert_eq!(ran.code, Some(1));
    let _ = ran.says(&["no cell `faultyy`", "did you mean `faulty`?"]);
}

#[test]
fn a_cell_that_is_switched_off_on_probation_goes_on_wherever_it_is_and_stays_or_is_taken_back() {
    let rig = Rig::new();
    for (from, to) in [("Thread", "Process"), ("Process", "Thread")] {
        let acts =
            |on| [format!("10:move:faulty:{to}"), "15:disable:faulty".into(), format!("{on}:enable:faulty")];
        // The time of the probation passes while it is off.
        let acts_of = acts(330);
        let ran = rig.lockstep("", from, "340", &acts_of.each_ref().map(String::as_str)).ok();
        let ran = ran.says(&[" stays: it returned from 5 ticks"]);
        assert_counts_on(&ticks(ran.log.lines()), &ran.log);
        assert_eq!(ticks(ran.log.lines()).last(), Some(&(339, 25)), "{from} to {to}");
        assert!(is_green(&ran), "{from} to {to}");

        let with = "panic_in: \"tick\", at_frame: 30";
        let acts_of = acts(20);
        let ran = rig.lockstep(with, from, "32", &acts_of.each_ref().map(String::as_str));
        let ran = ran
            .says(&["failed 15 ticks after it took over", "; the old one is back, as it was after frame 9"]);
        assert_eq!(ticks(ran.log.lines()).last(), Some(&(31, 11)), "{from} to {to}");
        assert_eq!(standing(&ran), "rolled_back", "{from} to {to}");
    }
}

#[test]
fn an_instance_that_fails_on_probation_is_taken_back_and_the_old_one_goes_on() {
    let rig = Rig::new();
    // The scene's parameters are the same for both: the new one fails because of its place, or not at all.
    for (from, to) in [("Thread", "Process"), ("Process", "Thread")] {
        let (move_to, with) = (format!("10:move:faulty:{to}"), "panic_in: \"tick\", at_frame: 30");
        let ran = rig.lockstep(with, from, "33", &[&move_to]).says(&[
            "[faulty] the instance at",
            "failed 20 ticks after it took over: panicked in `tick`",
            "the old one is back, as it was after frame 9",
        ]);
        let counted = ticks(ran.log.lines());
        assert_counts_on(&counted[..30], &ran.log);
        // It ticks in frame 31 as the one that was frozen after frame 9, and panics in the same way.
        assert_eq!(counted[29..], [(29, 30), (30, 31), (31, 11)], "{from} to {to}:\n{}", ran.log);
        assert_eq!(standing(&ran), "rolled_back", "{from} to {to}");
        assert_eq!(ran.cell("neighbour")["ticks"], 33);
    }
}

/// Returns the crash files in a folder.
fn crash_files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|e| e.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".crash"));
    names.sort();
    names
}

/// Asserts that a crash file tells `report` of an instance, which ends again as it did, from `origin` on.
fn ends_again(rig: &Rig, file: &Path, report: &str, origin: &str) {
    let told = fs::read_to_string(file.with_extension("txt")).unwrap();
    assert!(told.contains(report), "no `{report}` in\n{told}");
    let again = rig.engine.raw(&["replay", file.to_str().unwrap()]).ok();
    let again = again.says(&[origin, "it ended as it did then"]);
    assert!(!again.log.contains(" than then"), "each tick makes what it made:\n{}", again.log);
}

#[test]
fn each_instance_that_fails_around_a_takeover_leaves_its_own_last_turns() {
    let rig = Rig::new();
    for (from, to) in [("Thread", "Process"), ("Process", "Thread")] {
        let folder = rig.engine.out().join(format!("from-{from}"));
        let scene = rig.scene("panic_in: \"tick\", at_frame: 30", from);
        let act = format!("10:move:faulty:{to}");
        let crashes = ["--crashes", folder.to_str().unwrap()];
        let args = [&["--frames", "32", "--size", "16x16", "--act", &act], &crashes[..]].concat();
        let ran = rig.engine.lockstep(&scene, &args);
        assert_eq!(crash_files(&folder), ["faulty-30.crash", "faulty-31.crash"], "{}", ran.log);
        // The new one begins with the state that it took over, and says that another one waited.
        let waited = "It failed 20 ticks after it took over from an instance that waited.";
        ends_again(
            &rig,
            &folder.join("faulty-30.crash"),
            waited,
            "frames 10 to 30, from its state of frame 9",
        );
        // The old one is back and fails in its turn: its records go on where they were.
        let whole = "it can be run again from its making, frames 0 to 31";
        ends_again(&rig, &folder.join("faulty-31.crash"), whole, "frames 0 to 31, from its making");
    }

    // A build that comes through a shadow, whose turns are not kept.
    let folder = rig.engine.out().join("swapped");
    let scene = rig.scene("", "Thread");
    let args = [&["--scene", &scene, "--crashes", folder.to_str().unwrap()], &RUN[..]].concat();
    let mut live = Live::start(&rig.engine, &args);
    live.until("it has ticked 5");
    rig.build("tick panic");
    live.until(" does not take over: ");
    rig.build("late panic");
    live.until("run them again with `engine replay ");
    live.assert_running();
    drop(live);
    let files = crash_files(&folder);
    assert_eq!(files.len(), 1, "{files:?}");
    ends_again(
        &rig,
        &folder.join(&files[0]),
        " ticks after it took over from an",
        "from its state of frame ",
    );
}

#[test]
fn an_instance_that_is_ended_leaves_no_crash_file() {
    let rig = Rig::new();
    for at in ["Thread", "Process"] {
        let folder = rig.engine.out().join("none");
        let acts = ["5:restart:faulty", "70:move:faulty:Process", "80:disable:faulty", "90:enable:faulty"];
        let acts = acts.iter().flat_map(|a| ["--act", a]);
        let args = ["--frames", "100", "--size", "16x16", "--crashes", folder.to_str().unwrap()];
        let args: Vec<&str> = args.into_iter().chain(acts).collect();
        let ran = rig.engine.lockstep(&rig.scene("", at), &args).ok();
        assert!(ticks(ran.log.lines()).iter().any(|t| t.0 == 99), "{at}:\n{}", ran.log);
        assert!(!folder.exists(), "{at}:\n{}", ran.log);
    }
}

#[test]
fn a_saved_build_takes_over_with_the_state_and_stays() {
    let rig = Rig::new();
    for at in ["Thread", "Process"] {
        rig.build("do well");
        let mut live = rig.live(at);
        rig.build("do fine");
        live.until(": 30 ticks in its shadow: what it makes is equal");
        live.until("[faulty] it goes on with its state of frame");
        live.until(" took over after frame ");
        assert!(live.seen.last().unwrap().contains("[faulty] the build of "));
        live.until(" stays: it returned from ");
        live.assert_running();
        let counted = ticks(live.seen.iter().map(String::as_str));
        assert_counts_on(&counted, at);
    }
}

#[test]
fn a_build_that_fails_in_its_shadow_never_takes_over_and_the_old_one_misses_nothing() {
    let rig = Rig::new();
    let of_tick = "in tick 12 of its shadow it failed: ";
    for (at, how, says) in [
        ("Thread", "tick panic", [of_tick, "panicked in `tick`"]),
        ("Thread", "tick segv", [of_tick, "crashed with SIGSEGV"]),
        ("Process", "tick exit", [of_tick, "exited with code 0"]),
        ("Thread", "tick hang", ["does not take over: it hung for 8 s", "the old one goes on"]),
        // As fast as it gets memory, until it gets no more or has taken too long.
        ("Thread", "tick leak", [" does not take over: ", "; the old one goes on"]),
        ("Process", "load panic", ["in its shadow it failed: ", "panicked in `load`"]),
        ("Thread", "load segv", ["in its shadow it failed: ", "crashed with SIGSEGV"]),
    ] {
        let what = format!("{at}, {how}");
        rig.build("do well");
        let mut live = rig.live(at);
        rig.build(how);
        live.until("is tried in a shadow; the old one runs on");
        live.until(" does not take over: ");
        let told = live.seen.last().unwrap();
        assert!(says.iter().all(|s| told.contains(s)), "{what}: {told}");
        // It is not tried again, and the next good one is.
        live.until("it has ticked");
        rig.build("do right");
        live.until(" took over after frame ");
        live.until("it has ticked");
        live.assert_running();
        let counted = ticks(live.seen.iter().map(String::as_str));
        assert_counts_on(&counted, &what);
        let shadows = live.seen.iter().filter(|l| l.contains("is tried in a shadow")).count();
        assert_eq!(shadows, 2, "{what}");
    }
}

#[test]
fn a_build_that_ticks_takes_over_from_one_that_wanted_no_ticks() {
    let rig = Rig::new();
    for at in ["Thread", "Process"] {
        rig.build("rest");
        let mut live = Live::start(&rig.engine, &[&["--scene", &rig.scene("", at)], &RUN[..]].concat());
        live.until("it has ticked 1");
        rig.build("do well");
        live.until(": it loaded in its shadow: what it makes is equal");
        live.until(" took over after frame ");
        live.until("it has ticked 5");
        assert_counts_on(&ticks(live.seen.iter().map(String::as_str)), at);
    }
}

#[test]
fn a_build_that_makes_something_else_is_told_of_and_takes_over() {
    let rig = Rig::new();
    let mut live = rig.live("Process");
    rig.build("differ");
    live.until(" ticks in its shadow: it differs in `numbers` at tick 1 (frame ");
    live.until(" took over after frame ");
    live.assert_running();
}

#[test]
fn a_swap_in_lockstep_falls_between_the_same_two_frames_in_each_run() {
    let rig = Rig::new();
    // The cell waits in its first tick until its library was replaced.
    let run = || {
        rig.build("do well");
        let scene = rig.scene("waits: true", "Thread");
        let report = rig.engine.out().join("lockstep.json");
        let args = ["--scene", &scene, "--lockstep", "--headless", "--frames", "120", "--size", "16x16"];
        let waits = rig.engine.out().join("faulty-waits");
        fs::write(&waits, "").unwrap();
        let args = [&args[..], &["--act", "10:swap:faulty", "--report", report.to_str().unwrap()]].concat();
        let mut live = Live::start(&rig.engine, &args);
        live.until("[faulty] it waits");
        rig.build("do right");
        fs::remove_file(&waits).unwrap();
        assert!(live.end().success(), "{}", live.seen.join("\n"));
        let took_over = live.seen.iter().find(|l| l.contains(" took over after frame ")).cloned();
        let at = took_over.and_then(|l| Some(l.rsplit_once(' ')?.1.to_owned()));
        (at, ticks(live.seen.iter().map(String::as_str)))
    };
    let (at, counted) = run();
    assert_eq!(counted, (0..120).map(|n| (n, n + 1)).collect::<Vec<_>>(), "no tick is left out");
    assert_eq!(at.as_deref(), Some("40"), "after the tick with its state and 30 more");
    assert_eq!((at, counted), run());
}

#[test]
fn a_build_that_fails_late_is_taken_back_and_not_tried_again() {
    let rig = Rig::new();
    for (at, how, says) in [
        ("Thread", "late panic", "panicked in `tick`"),
        ("Process", "late panic", "panicked in `tick`"),
        ("Process", "late segv", "crashed with SIGSEGV"),
        ("Process", "late hang", "hung for 2 s"),
        ("Thread", "late hang", "hung for 2 s"),
    ] {
        let what = format!("{at}, {how}");
        rig.build("do well");
        let mut live = rig.live(at);
        rig.build(how);
        live.until("[faulty] it goes on with its state of frame");
        live.until("ticks after it took over: ");
        let told = live.seen.last().unwrap().clone();
        assert!(told.contains("the build of ") && told.contains(says), "{what}: {told}");
        let frame: u64 = told.rsplit(' ').next().unwrap().parse().unwrap();
        let counted = ticks(live.seen.iter().map(String::as_str));
        let known = counted.iter().find(|t| t.0 == frame).unwrap_or_else(|| panic!("{what}: {told}"));
        let before = live.seen.len();
        live.until("it has ticked");
        live.until("it has ticked");
        let after = ticks(live.seen[before..].iter().map(String::as_str));
        assert_eq!(after[0].1, known.1 + 1, "{what}: from where it was frozen");
        assert_counts_on(&after, &what);
        live.assert_running();
    }
}

#[test]
fn a_build_of_an_untrusted_cell_takes_over_at_once_and_its_probation_counts() {
    // As much GPU time as there is: how long its passes take is not what this is about.
    let trust = r#"Untrusted(read: ["camera"], write: ["scene_color"], gpu_ms: 1000)"#;
    let rig = Rig { trust, ..Rig::new() };
    let mut live = rig.live("Process");
    rig.build("do fine");
    live.until("[faulty] it goes on with its state of frame");
    live.until(" took over after frame ");
    live.until(" stays: it returned from ");
    assert_counts_on(&ticks(live.seen.iter().map(String::as_str)), "it takes over");
    for (how, says) in [
        ("load panic", "panicked in `load`"),
        ("tick panic", "panicked in `tick`"),
        ("late segv", "crashed with SIGSEGV"),
    ] {
        rig.build(how);
        live.until("the old one is back, as it was after frame ");
        assert!(live.seen.last().unwrap().contains(says), "{how}: {}", live.seen.last().unwrap());
        let before = live.seen.len();
        for _ in 0..20 {
            live.until("it has ticked");
        }
        assert_counts_on(&ticks(live.seen[before..].iter().map(String::as_str)), how);
        live.assert_running();
    }
    assert!(!live.seen.iter().any(|l| l.contains("shadow")), "{}", live.seen.join("\n"));
    let ran = rig.lockstep("", "Process", "12", &["10:move:faulty:Thread"]);
    assert_eq!(ran.code, Some(1));
    let _ = ran.says(&["`faulty` is untrusted and runs in a process of its own only"]);
}

#[test]
fn a_build_of_an_untrusted_cell_that_takes_too_much_gpu_time_is_taken_back() {
    // It ticks slowly, so that its probation lasts for many frames.
    let trust = r#"Untrusted(read: ["camera"], write: ["scene_color"], gpu_ms: 0.001), rate: 5"#;
    let rig = Rig { trust, ..Rig::new() };
    let ran = rig.lockstep("", "Process", "12", &[]);
    if ran.cell("faulty")["gpu"].as_object().is_none_or(serde_json::Map::is_empty) {
        return println!("SKIP: this adapter measures no GPU time");
    }
    rig.build("draw none");
    let mut live = rig.live("Process");
    rig.build("do fine");
    live.until(" took over after frame ");
    live.until("the old one is back, as it was after frame ");
    let told = live.seen.last().unwrap().clone();
    assert!(told.contains("its passes take") && told.contains("may take 0.001 (`gpu_ms`"), "{told}");
    let frame: u64 = told.rsplit(' ').next().unwrap().parse().unwrap();
    let counted = ticks(live.seen.iter().map(String::as_str));
    let known = counted.iter().find(|t| t.0 == frame).unwrap_or_else(|| panic!("{told}")).1;
    let before = live.seen.len();
    // More frames than end a cell: the new one's passes are not laid to the old one.
    for _ in 0..10 {
        live.until("it has ticked");
    }
    let after = ticks(live.seen[before..].iter().map(String::as_str));
    assert_eq!(after[0].1, known + 1, "from where it was frozen");
    assert_counts_on(&after, &told);
    live.assert_running();
}

#[test]
fn a_swap_during_a_probation_waits_for_its_end_and_a_removed_cell_takes_all_of_it_along() {
    let rig = Rig::new();
    let mut live = rig.live("Process");
    rig.build("do fine");
    live.until(" took over after frame ");
    rig.build("do right");
    live.until(" stays: it returned from ");
    live.until(" took over after frame ");
    let scene = rig.engine.out().join("swap.ron");
    let text = fs::read_to_string(&scene).unwrap();
    let without: Vec<&str> = text.lines().filter(|l| !l.contains("twin.so")).collect();
    fs::write(&scene, without.join("\n")).unwrap();
    live.until("[faulty] it left the scene");
    fs::write(&scene, &text).unwrap();
    live.until("it has ticked 3");
    live.assert_running();
    let swaps: Vec<_> = live.seen.iter().filter(|l| l.contains(" took over after frame ")).collect();
    assert_eq!(swaps.len(), 2, "{swaps:?}");
}

#[test]
fn a_build_that_declares_other_names_takes_over_and_is_taken_back() {
    let rig = Rig::new();
    for at in ["Thread", "Process"] {
        rig.build("do well");
        let mut live = rig.live(at);
        rig.save(&rig.made("late panic").with_ports(|text| text.replace("numbers", "numerus")));
        live.until(": it loaded in its shadow: what it makes is equal");
        live.until(" took over after frame ");
        live.until(" ticks after it took over: ");
        assert!(live.seen.last().unwrap().contains("panicked in `tick`"), "{:?}", live.seen.last());
        let before = live.seen.len();
        live.until("it has ticked");
        live.until("it has ticked");
        assert_counts_on(&ticks(live.seen[before..].iter().map(String::as_str)), at);
        // Names that do not fit the others' are refused before anything runs.
        rig.save(&rig.made("do both").with_ports(|text| text.replace("rgba16float", "rgba32float")));
        live.until("[faulty] the build of ");
        assert!(live.seen.last().unwrap().contains("does not take over: the names would not fit"));
        live.assert_running();
    }
}

/// Returns the cells' processes that run.
fn children(live: &Live) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{}/task", live.child.id())).unwrap().flatten();
    let listed = tasks.map(|t| fs::read_to_string(t.path().join("children")).unwrap_or_default());
    let mut all: Vec<u32> =
        listed.flat_map(|l| l.split_whitespace().map(|p| p.parse().unwrap()).collect::<Vec<_>>()).collect();
    // One that has ended and that nobody has asked about yet is no process any more.
    all.retain(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| !s.contains(") Z ")));
    all.sort_unstable();
    all
}

/// Kills the process that has come to these, as the system would; waits until there is one, and only one.
fn kill_newcomer(live: &Live, known: &[u32]) {
    let begun = Instant::now();
    loop {
        let new: Vec<u32> = children(live).into_iter().filter(|pid| !known.contains(pid)).collect();
        if let [one] = new[..] {
            return kill(one);
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "not one: {new:?}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

#[test]
fn a_process_that_is_killed_at_any_step_costs_its_build_only() {
    // Few ticks in a second: a probation is long.
    let rig = Rig { line: "rate: 10,", ..Rig::new() };
    let mut live = rig.live("Process");
    let old = children(&live)[0];
    // In its shadow, which does not end by itself for a long time.
    rig.build("load hang");
    live.until("is tried in a shadow");
    kill_newcomer(&live, &[old]);
    live.until(" does not take over: ");
    assert!(live.seen.last().unwrap().contains("SIGKILL"), "{:?}", live.seen.last());
    // On probation.
    rig.build("do right");
    live.until(" took over after frame ");
    kill_newcomer(&live, &[old]);
    live.until(" ticks after it took over: its process is over: ");
    let told = live.seen.last().unwrap();
    assert!(told.contains("SIGKILL") && told.contains("; the old one is back"), "{told}");
    let before = live.seen.len();
    live.until("it has ticked");
    live.until("it has ticked");
    assert_eq!(children(&live), [old], "the old one, in its process");
    assert_counts_on(&ticks(live.seen[before..].iter().map(String::as_str)), "as it was");
    // The one that waits, and then the one that runs: the cell starts again, and nothing else is hurt.
    rig.build("do both");
    live.until(" took over after frame ");
    kill(old);
    kill_newcomer(&live, &[old]);
    live.until("; the old one cannot go on, it is over too: ");
    live.until("SIGKILL; it starts again in 10 ms");
    live.until("it has ticked 3");
    live.assert_running();
}

#[test]
fn every_cell_of_the_world_moves_while_it_runs_and_changes_no_pixel() {
    let engine = Engine::new(EXE);
    let cells = ["camera", "sky", "scene", "bloom", "tonemap"];
    let run = |from: &str, to: Option<&str>| {
        let acts: Vec<String> = cells
            .iter()
            .enumerate()
            .filter_map(|(n, cell)| Some(format!("{}:move:{cell}:{}", 1 + n % 3, to?)))
            .collect();
        let args = ["--frames", "6", "--size", "64x36", "--placement", from];
        let acts = acts.iter().flat_map(|a| ["--act", a.as_str()]);
        engine.lockstep("world.ron", &args.into_iter().chain(acts).collect::<Vec<_>>()).ok()
    };
    let still = run("Thread", None);
    for (from, to) in [("Thread", "Process"), ("Process", "Thread")] {
        let moved = run(from, Some(to));
        let told = moved.log.lines().filter(|l| l.contains(" took over after frame ")).count();
        assert_eq!(told, cells.len(), "{from} to {to}:\n{}", moved.log);
        assert_eq!(moved.hash(), still.hash(), "{from} to {to}");
    }
}
