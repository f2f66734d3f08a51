//! Saved files while a world runs: the picture follows, and what is broken changes nothing.
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Engine, Live, scratch_project, scratch_workspace};
use std::{fs, path::Path, process::Command};

const EXE: &str = env!("CARGO_BIN_EXE_engine");
/// Real time, until it is ended.
const RUN: [&str; 5] = ["--headless", "--frames", "1000000", "--size", "32x18"];

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
    // An empty file, and an editor that saves by renaming.
    fs::write(&shader, "").unwrap();
    live.until("warn [tonemap] the shader shaders/tonemap/tonemap.wgsl is empty; the last good one stays");
    fs::write(shader.with_extension("tmp"), format!("{good}\n// mended")).unwrap();
    fs::rename(shader.with_extension("tmp"), &shader).unwrap();
    live.until("[tonemap] its shader is ready");
    fs::remove_file(&shader).unwrap();
    live.until("warn [tonemap] the shader shaders/tonemap/tonemap.wgsl cannot be read");
    assert!(live.seen.last().unwrap().contains("the last good one stays"));
    // A folder that was moved away and comes back brings its files along.
    let folder = project.path().join("shaders/tonemap");
    fs::rename(&folder, project.path().join("away")).unwrap();
    fs::write(project.path().join("away/tonemap.wgsl"), format!("{good}\n// back")).unwrap();
    fs::rename(project.path().join("away"), &folder).unwrap();
    live.until("[tonemap] its shader is ready");
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
    fs::remove_file(&asset).unwrap();
    live.until("boxes.gltf cannot be read");
    assert!(live.seen.last().unwrap().contains("the last content stays"));
    assert!(live.child.try_wait().unwrap().is_none(), "the engine runs on");
}

#[test]
fn a_file_that_a_load_missed_wakes_the_cell_when_it_is_there() {
    let project = tempfile::tempdir().unwrap();
    scratch_project(project.path());
    let engine = Engine::new(EXE).at(project.path());
    // The scene lies beside the project's other folders, and names a model whose second file is missing.
    let scene = project.path().join("late.ron");
    let line = "(cell: \"scene\", with: (gltf: \"late/model.gltf\"))";
    fs::write(&scene, format!("World(cells: [(cell: \"camera\"), {line}, (cell: \"tonemap\")])")).unwrap();
    let late = project.path().join("assets/late");
    fs::create_dir(&late).unwrap();
    let model = r#"{"asset": {"version": "2.0"}, "buffers": [{"uri": "late.bin", "byteLength": 4}]}"#;
    fs::write(late.join("model.gltf"), model).unwrap();
    let mut live = Live::start(&engine, &[&["--scene", "late.ron"], &RUN[..]].concat());
    live.until_all(&["late.bin", "[tonemap] its shader is ready"]);
    fs::write(late.join("late.bin"), [0; 4]).unwrap();
    live.until("[scene] loads late/late.bin, which is there now");
    // The scene itself is watched where it lies.
    fs::write(&scene, "World(").unwrap();
    live.until("the last good scene");
    live.assert_running();
}

#[test]
fn a_cell_that_does_not_compile_costs_itself_until_its_code_is_mended_and_saved() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    scratch_workspace(dir.path());
    let _built = Engine::new(EXE);
    let engine = |args: &[&str]| {
        let mut command = Command::new(EXE);
        command.args(args).arg("--root").arg(dir.path()).current_dir(dir.path());
        command
    };
    assert!(engine(&["new", "late-wave"]).status().unwrap().success());
    let source = dir.path().join("cells/late-wave/src/lib.rs");
    let good = fs::read_to_string(&source).unwrap();
    fs::write(&source, format!("{good}\nconst ODD: u32 = \"no number\";")).unwrap();
    let scene = dir.path().join("assets/scenes/wave.ron");
    let cells = "World(cells: [\n(cell: \"camera\"),\n(cell: \"late-wave\"),\n(cell: \"tonemap\"),\n])";
    fs::write(&scene, cells).unwrap();

    let mut live = Live::spawn(engine(&[&["--scene", "wave.ron"], &RUN[..]].concat()));
    live.until("error[E0308]: mismatched types");
    live.until("cells/late-wave/src/lib.rs");
    live.until("the cell `late-wave` does not compile");
    live.until_all(&["assets/scenes/wave.ron:3", "[tonemap] its shader is ready"]);
    fs::write(&source, &good).unwrap();
    live.until("[late-wave] its shader is ready");
    // One that runs is built too, and tried, and takes over, with what it says of itself.
    fs::write(&source, good.replace("radius: f32 = 0.3", "radius: f32 = 0.4")).unwrap();
    live.until(" is tried in a shadow; the old one runs on");
    assert!(live.seen.last().unwrap().contains("[late-wave] the build of "));
    live.until_all(&[" took over after frame ", "[late-wave] its shader is ready"]);
    // One that does not compile changes nothing.
    fs::write(&source, good.replace("radius: f32 = 0.3", "radius: f32 = wide")).unwrap();
    live.until("the cell `late-wave` does not compile");
    fs::write(&source, &good).unwrap();
    live.until(" took over after frame ");
    fs::write(&scene, cells.replace("(cell: \"late-wave\"),", "")).unwrap();
    live.until("[late-wave] it left the scene");
    fs::write(&scene, cells).unwrap();
    live.until("[late-wave] its shader is ready");
    live.assert_running();
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
