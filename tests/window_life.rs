//! What happens to a window while a world runs in it: it is resized, hidden, or closed while cells are built.
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Display, Engine, Live, read_picture, root, scratch_project};
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

const EXE: &str = env!("CARGO_BIN_EXE_engine");

/// Waits until `good`. The limit is a watchdog.
fn until(what: &str, mut good: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !good() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// Returns the frame in which the history on the screen began; `None` when there is none.
fn began(screen: &image::RgbImage) -> Option<u64> {
    let columns: Vec<[bool; 3]> =
        (0..20).map(|n| screen.get_pixel(8 + n * 16, 90).0.map(|c| c > 128)).collect();
    // Red is a break, or history that did not begin with zeros.
    assert!(columns.iter().all(|c| !c[0]), "history broke: {columns:?}");
    let is_there = columns.iter().all(|c| c[1]);
    is_there.then(|| columns.iter().rev().fold(0, |number, c| number * 2 + u64::from(c[2])))
}

#[test]
fn history_goes_on_from_frame_to_frame_and_begins_anew_with_zeros_after_a_resize() {
    let display = Display::open();
    let engine = Engine::new(EXE);
    let shot = engine.out().join("screen.png");
    let scene = engine
        .scene("trail.ron", "World(name: \"Trail\", cells: [(cell: \"probe\", with: (does: \"trail\"))])");
    let mut command = engine.command(&["--scene", &scene, "--size", "320x180"]);
    command.env("DISPLAY", display.name());
    let mut live = Live::spawn(command);
    let window = display.window("Trail");
    display.until(&shot, "history", |s| began(s).is_some());
    let first = began(&display.screenshot(&shot));
    assert_eq!(began(&display.screenshot(&shot)), first, "it goes on");
    display.tool("xdotool", &["windowsize", &window, "640", "400"]);
    display
        .until(&shot, "history since the resize", |s| s.get_pixel(600, 350).0[1] > 128 && began(s) > first);
    let second = began(&display.screenshot(&shot));
    assert_eq!(began(&display.screenshot(&shot)), second, "it goes on from there");
    // Hidden, and shown again: the picture is back, and its history was not lost.
    display.tool("xdotool", &["windowunmap", "--sync", &window]);
    display.until(&shot, "nothing, while it is hidden", |s| began(s).is_none());
    live.assert_running();
    display.tool("xdotool", &["windowmap", "--sync", &window]);
    display.until(&shot, "the picture again", |s| began(s) == second);
    live.assert_running();
}

#[test]
fn a_covered_window_runs_those_frames_that_somebody_waits_for_and_no_others() {
    let (display, engine) = (Display::open(), Engine::new(EXE));
    let runtime = tempfile::tempdir().unwrap();
    let scene =
        engine.scene("bare.ron", "World(name: \"Bare\", cells: [(cell: \"camera\"), (cell: \"tonemap\")])");
    let mut command = engine.command(&["--scene", &scene, "--size", "160x90"]);
    command.env("DISPLAY", display.name()).env("XDG_RUNTIME_DIR", runtime.path());
    let mut live = Live::spawn(command);
    live.until("first picture");
    let ctl = |args: &[&str]| {
        let mut command = Command::new(EXE);
        let out = command.arg("ctl").args(args).env("XDG_RUNTIME_DIR", runtime.path()).output().unwrap();
        let said = [out.stdout, out.stderr].map(|o| String::from_utf8_lossy(&o).into_owned()).concat();
        assert!(out.status.success(), "{args:?}: {said}");
        said
    };
    let frame = || {
        let top: serde_json::Value = serde_json::from_str(&ctl(&["top", "--json"])).unwrap();
        top["frame"].as_u64().unwrap()
    };
    let cover = display.cover();
    until("it stands still", || {
        let before = frame();
        std::thread::park_timeout(Duration::from_millis(200));
        frame() == before
    });
    let picture = engine.out().join("covered.png");
    assert!(ctl(&["capture", picture.to_str().unwrap()]).contains("wrote frame"));
    assert_eq!(read_picture(&picture).dimensions(), (160, 90));
    assert!(ctl(&["pause"]).contains("paused before frame"));
    let before = frame();
    assert!(ctl(&["step", "3"]).contains("ran 3 frame(s)"));
    assert_eq!(frame(), before + 3, "they were run");
    ctl(&["resume"]);
    drop(cover);
    until("frames, when it is seen again", || frame() > before + 4);
    live.assert_running();
}

/// Makes a project whose cells are those of the real one, as built, and `slow`, which was never built.
fn project_with_an_unbuilt_cell(to: &Path) {
    scratch_project(to);
    fs::remove_file(to.join("cells")).unwrap();
    fs::create_dir(to.join("cells")).unwrap();
    for cell in fs::read_dir(root().join("cells")).unwrap() {
        let cell = cell.unwrap();
        symlink(cell.path(), to.join("cells").join(cell.file_name())).unwrap();
    }
    for file in ["Cargo.toml", "Cargo.lock"] {
        let real = root().join(file);
        fs::copy(&real, to.join(file)).unwrap();
        let modified = fs::metadata(&real).unwrap().modified().unwrap();
        fs::File::options().append(true).open(to.join(file)).unwrap().set_modified(modified).unwrap();
    }
    fs::create_dir_all(to.join("cells/slow/src")).unwrap();
    fs::write(
        to.join("cells/slow/Cargo.toml"),
        "[package]\nname = \"slow\"\n[lib]\ncrate-type = [\"cdylib\"]\n",
    )
    .unwrap();
    fs::write(to.join("cells/slow/src/lib.rs"), "").unwrap();
}

#[test]
fn a_window_that_is_closed_during_a_build_ends_the_run_and_the_build() {
    let display = Display::open();
    let project = tempfile::tempdir().unwrap();
    project_with_an_unbuilt_cell(project.path());
    let engine = Engine::new(EXE).at(project.path());
    // A cargo that takes long and says who it is.
    let (bin, pid) = (project.path().join("bin"), project.path().join("cargo.pid"));
    fs::create_dir(&bin).unwrap();
    let cargo = bin.join("cargo");
    fs::write(&cargo, format!("#!/bin/sh\necho $$ > '{}'\nexec sleep 600\n", pid.display())).unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());

    let scene = project.path().join("assets/scenes/minimal.ron");
    let report = engine.out().join("report.json");
    let mut command = Command::new(EXE);
    command.args(["--scene", "minimal.ron", "--size", "160x90", "--report"]).arg(&report);
    command.arg("--root").arg(project.path()).current_dir(engine.out());
    command.env("DISPLAY", display.name()).env("PATH", path).env_remove("WAYLAND_DISPLAY");
    let mut live = Live::spawn(command);
    live.until("first picture");
    assert!(!pid.exists(), "what is built is not built again:\n{}", live.seen.join("\n"));
    let window = display.window("Minimal");
    let text = fs::read_to_string(&scene).unwrap();
    fs::write(&scene, text.replace("(cell: \"tonemap\")", "(cell: \"slow\"), (cell: \"tonemap\")")).unwrap();
    live.until("the world goes on meanwhile");
    until("a build", || fs::read_to_string(&pid).is_ok_and(|t| t.ends_with('\n')));
    // It does go on: the title tells the frames of each second.
    let _ = display.window("frames/s");
    display.close(&window);
    let status = live.end();
    let log = live.seen.join("\n");
    assert!(status.success(), "{status}:\n{log}");
    assert!(!log.contains("panicked"), "{log}");
    let report: serde_json::Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    assert_eq!(report["ended"], "the window was closed", "nothing is lost: the report is written");
    let cargo = fs::read_to_string(&pid).unwrap();
    until("the build has ended too", || {
        let status = fs::read_to_string(format!("/proc/{}/status", cargo.trim())).unwrap_or_default();
        !status.contains("State:") || status.contains("State:\tZ")
    });
}
