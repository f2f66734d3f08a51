//! Ctrl-C ends a run as closing its window does: nothing that it was to write is lost.
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Display, Engine, Live};
use std::{fs, os::unix::process::CommandExt as _, process::Command};

const EXE: &str = env!("CARGO_BIN_EXE_engine");

/// Sends `signal` to all processes of the engine's group, as a terminal does.
fn send(signal: &str, live: &Live) {
    let group = format!("-{}", live.child.id());
    assert!(Command::new("kill").args(["-s", signal, "--", &group]).status().unwrap().success());
}

/// Returns the session of a process: who has the same terminal.
fn session(pid: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.split_whitespace().nth(3).unwrap().to_owned()
}

#[test]
fn an_interrupted_run_writes_its_picture_and_its_report_and_its_cells_end_in_peace() {
    let display = Display::open();
    let engine = Engine::new(EXE);
    let scene = engine.scene(
        "counts.ron",
        "World(name: \"Counts\", cells: [(cell: \"probe\", with: (does: \"keep\"), at: Process)])",
    );
    for (signal, code, place) in [("INT", 130, "--headless"), ("TERM", 143, "--headless"), ("INT", 130, "")] {
        let [picture, report] = ["run.png", "run.json"].map(|name| engine.out().join(name));
        let _ = (fs::remove_file(&picture), fs::remove_file(&report));
        let mut command = engine.command(&["--scene", &scene, "--size", "32x18", "--frames", "1000000"]);
        command.arg("--capture").arg(&picture).arg("--report").arg(&report).process_group(0);
        command.env("DISPLAY", display.name()).args(Some(place).filter(|p| !p.is_empty()));
        let mut live = Live::spawn(command);
        live.until("it has counted 3");
        // Where it has no process numbers of its own, the signal would reach it too.
        assert_ne!(session(live.children()[0]), session(live.child.id()), "the terminal is not its own");
        send(signal, &live);
        let status = live.end();
        let log = live.seen.join("\n");
        assert_eq!(status.code(), Some(code), "{log}");
        assert_eq!(image::open(&picture).unwrap().to_rgb8().dimensions(), (32, 18));
        let report: serde_json::Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
        assert_eq!(report["ended"], "it was interrupted", "{log}");
        assert_eq!(
            report["cells"][0]["restarts"], 0,
            "a signal to the terminal is none to its cells:\n{log}"
        );
        // The engine's own lines; the driver may complain about its surroundings as `error:`. The probe looks for a file,
        // which its sandbox refuses.
        let complains = |l: &&str| l.starts_with("warn ") || l.starts_with("error ");
        let is_new = |l: &&str| complains(l) && !l.contains("sandbox refused");
        assert_eq!(log.lines().find(is_new), None, "{log}");
    }
}

#[test]
fn a_second_interrupt_ends_a_run_that_does_not_end() {
    let engine = Engine::new(EXE);
    // The run waits for its stuck cell: in lockstep there is no cut-off.
    let scene = engine
        .scene("stuck.ron", "World(cells: [(cell: \"faulty\", with: (hang_in: \"tick\", at_frame: 3))])");
    let args =
        ["--scene", &scene, "--headless", "--lockstep", "--tick-limit-ms", "600000", "--size", "16x16"];
    let mut command = engine.command(&args);
    command.process_group(0);
    let mut live = Live::spawn(command);
    live.until("the scene asks for `hang`");
    // Two that come before the first was looked at are one.
    while live.child.try_wait().unwrap().is_none() {
        send("INT", &live);
    }
    assert_eq!(live.end().code(), Some(130), "{}", live.seen.join("\n"));
}
