//! What instances that fail around a takeover leave behind.
use crate::rig::{RUN, Rig, ticks};
use engine_tests::Live;
use std::{fs, path::Path};

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
