//! Saved files while a world runs: the picture follows, and what is broken changes nothing.
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Engine, scratch_project};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    time::Duration,
};

const EXE: &str = env!("CARGO_BIN_EXE_engine");

/// A running engine whose log is read line by line.
struct Live {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Live {
    fn start(engine: &Engine, args: &[&str]) -> Self {
        let mut command = engine.command(args);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let (send, lines) = sync_channel(10_000);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    /// Waits until a line says `words`. The limit is a watchdog.
    fn until(&mut self, words: &str) {
        loop {
            match self.lines.recv_timeout(Duration::from_secs(60)) {
                Ok(line) => {
                    let found = line.contains(words);
                    self.seen.push(line);
                    if found {
                        return;
                    }
                }
                Err(_) => panic!("the log never said `{words}`:\n{}", self.seen.join("\n")),
            }
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn edit(path: &Path, change: impl Fn(&str) -> String) {
    let text = fs::read_to_string(path).unwrap();
    let changed = change(&text);
    assert_ne!(text, changed, "{}: the edit changes something", path.display());
    fs::write(path, changed).unwrap();
}

#[test]
fn a_saved_shader_is_taken_a_broken_one_is_refused_with_its_line_and_a_mended_one_is_taken_again() {
    let project = tempfile::tempdir().unwrap();
    scratch_project(project.path());
    let engine = Engine::new(EXE).at(project.path());
    let shader = project.path().join("shaders/tonemap/tonemap.wgsl");
    let good = fs::read_to_string(&shader).unwrap();
    let mut live = Live::start(
        &engine,
        &["--scene", "minimal.ron", "--headless", "--frames", "1000000", "--size", "32x18"],
    );
    live.until("[tonemap] its shader is ready");
    fs::write(&shader, format!("{good}\n// saved")).unwrap();
    live.until("[tonemap] its shader is ready");
    fs::write(&shader, format!("{good}\nfn broken( {{")).unwrap();
    live.until("error [tonemap]");
    live.until("tonemap.wgsl");
    live.until("^");
    // An editor that saves through an empty file, and one that saves by renaming.
    fs::write(&shader, "").unwrap();
    fs::write(shader.with_extension("tmp"), format!("{good}\n// mended")).unwrap();
    fs::rename(shader.with_extension("tmp"), &shader).unwrap();
    live.until("[tonemap] its shader is ready");
    fs::remove_file(&shader).unwrap();
    live.until("the last good one stays");
    assert!(live.child.try_wait().unwrap().is_none(), "the engine runs on");
}

#[test]
fn a_saved_scene_adds_switches_and_changes_cells_and_a_broken_one_changes_nothing() {
    let project = tempfile::tempdir().unwrap();
    scratch_project(project.path());
    let engine = Engine::new(EXE).at(project.path());
    let scene = project.path().join("assets/scenes/minimal.ron");
    let mut live = Live::start(
        &engine,
        &["--scene", "minimal.ron", "--headless", "--frames", "1000000", "--size", "32x18"],
    );
    live.until("[tonemap] its shader is ready");
    edit(&scene, |t| t.replacen("(cell: \"tonemap\"", "(cell: \"bloom\"),\n(cell: \"tonemap\"", 1));
    live.until("[bloom] its shader is ready");
    edit(&scene, |t| t.replacen("(cell: \"bloom\")", "(cell: \"bloom\", with: (threshold: 0.5))", 1));
    live.until("[bloom] it has new parameters");
    edit(&scene, |t| t.replacen("threshold: 0.5", "treshold: 0.5", 1));
    live.until("did you mean `threshold`?");
    live.until("goes on with the parameters it had");
    fs::write(&scene, "World(cells: [").unwrap();
    live.until("the last good scene");
    assert!(live.child.try_wait().unwrap().is_none(), "the engine runs on");
}

#[test]
fn a_saved_asset_is_loaded_again_and_a_truncated_one_keeps_the_last() {
    let project = tempfile::tempdir().unwrap();
    scratch_project(project.path());
    let engine = Engine::new(EXE).at(project.path());
    let scene = project.path().join("assets/scenes/boxes.ron");
    fs::write(
        &scene,
        "World(cells: [(cell: \"camera\"), (cell: \"scene\", with: (gltf: \"test/boxes.gltf\")), (cell: \"tonemap\")])",
    )
    .unwrap();
    let asset = project.path().join("assets/test/boxes.gltf");
    let good = fs::read_to_string(&asset).unwrap();
    let mut live = Live::start(
        &engine,
        &["--scene", "boxes.ron", "--headless", "--frames", "1000000", "--size", "32x18"],
    );
    live.until("[scene] its shader is ready");
    fs::write(&asset, format!("{good}\n")).unwrap();
    live.until("[scene] loads test/boxes.gltf again");
    fs::write(&asset, &good[..good.len() / 2]).unwrap();
    live.until("`load` failed");
    fs::write(&asset, &good).unwrap();
    live.until("[scene] loads test/boxes.gltf again");
    assert!(live.child.try_wait().unwrap().is_none(), "the engine runs on");
}

#[test]
fn a_killed_process_cell_comes_back_and_the_rest_never_stops() {
    let engine = Engine::new(EXE);
    let scene = engine.scene(
        "kill.ron",
        r#"World(cells: [
            (cell: "camera", name: "neighbour"),
            (cell: "faulty", at: Process),
            (cell: "tonemap"),
        ])"#,
    );
    let mut live =
        Live::start(&engine, &["--scene", &scene, "--headless", "--frames", "1000000", "--size", "16x16"]);
    live.until("[faulty] its shader is ready");
    let mut all = String::new();
    for task in fs::read_dir(format!("/proc/{}/task", live.child.id())).unwrap().flatten() {
        all += &fs::read_to_string(task.path().join("children")).unwrap_or_default();
    }
    let pid = all.split_whitespace().next().unwrap_or_else(|| panic!("no child: {all}")).to_owned();
    assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    live.until("SIGKILL; it starts again");
    assert!(live.child.try_wait().unwrap().is_none(), "the engine runs on");
}
