//! Bad input: a clear error with the file, the cell and the fix; the rest goes on.
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Engine, Ran, scratch_project};
use std::fs;

const EXE: &str = env!("CARGO_BIN_EXE_engine");
const CAMERA: &str = r#"(cell: "camera", with: (fly: (at: (0, 0, 9), look: (0, 0, 0)))),"#;

/// Runs a scene of the camera, `line` and the tone map.
fn with_line(engine: &Engine, line: &str) -> Ran {
    let text = format!("World(name: \"fault\", cells: [\n{CAMERA}\n{line}\n(cell: \"tonemap\"),\n])");
    engine.lockstep(&engine.scene("fault.ron", &text), &["--frames", "2", "--size", "32x18"])
}

#[test]
fn faults_of_a_line_name_the_place_and_the_fix_and_cost_that_line_only() {
    let engine = Engine::new(EXE);
    for (line, words) in [
        (r#"(cell: "blom"),"#, &["fault.ron:3", "blom", "did you mean `bloom`"][..]),
        (
            r#"(cell: "bloom", with: (treshold: 1.0)),"#,
            &["fault.ron:3", "treshold", "did you mean `threshold`"],
        ),
        (r#"(cell: "bloom", with: (threshold: "high")),"#, &["fault.ron:3", "threshold"]),
        (
            r#"(cell: "scene", with: (gltf: "city/none.glb")),"#,
            &["fault.ron:3", "city/none.glb", "does not exist"],
        ),
        (r#"(cell: "scene"),"#, &["fault.ron:3", "gltf"]),
        (r#"(cell: "none.so", trust: Own),"#, &["fault.ron:3", "none.so", "missing"]),
    ] {
        let ran = with_line(&engine, line).says(words);
        assert_eq!(ran.code, Some(3), "{line}: a run with a cell that is down says so:\n{}", ran.log);
        assert!(ran.picture.is_some(), "{line}: the rest goes on");
        assert_eq!(ran.cell("tonemap")["state"], "running");
    }
}

#[test]
fn a_scene_that_cannot_be_read_ends_the_run_with_its_place() {
    let engine = Engine::new(EXE);
    for (text, words) in [
        ("", &["bad.ron:1"][..]),
        ("World(name: \"x\", cells: [", &["bad.ron"]),
        ("World(name: \"x\", cels: [])", &["bad.ron:1", "cels", "did you mean `cells`"]),
        ("World(cells: [(cell: \"tonemap\"), (cell: \"tonemap\")])", &["bad.ron:1", "tonemap", "name"]),
    ] {
        let scene = engine.scene("bad.ron", text);
        let ran = engine.raw(&["--scene", &scene, "--headless", "--frames", "1"]).says(words);
        assert_eq!(ran.code, Some(1), "{text}");
    }
    let ran =
        engine.raw(&["--scene", "wrld.ron", "--headless"]).says(&["no scene", "did you mean `world.ron`"]);
    assert_eq!(ran.code, Some(1));
}

#[test]
fn check_finds_the_same_faults_without_running() {
    let engine = Engine::new(EXE);
    let good = engine.raw(&["check", "bloom.ron"]);
    assert_eq!(good.code, Some(0), "{}", good.log);
    let scene = engine
        .scene("c.ron", "World(cells: [(cell: \"bloom\", with: (strenght: 1.0)), (cell: \"tonemap\")])");
    let bad = engine.raw(&["check", &scene]).says(&["c.ron:1", "did you mean `strength`"]);
    assert_eq!(bad.code, Some(1));
}

#[test]
fn files_that_are_no_cells_are_refused_by_name() {
    let engine = Engine::new(EXE);
    let project = tempfile::tempdir().unwrap();
    scratch_project(project.path());
    fs::write(project.path().join("text.so"), "hello").unwrap();
    fs::copy(EXE, project.path().join("engine.so")).unwrap();
    let engine = engine.at(project.path());
    let _ = with_line(&engine, r#"(cell: "text.so", trust: Own),"#).says(&["text.so", "no shared library"]);
    let _ = with_line(&engine, r#"(cell: "engine.so", trust: Own),"#).says(&["engine.so", "is no cell"]);
}

#[test]
fn truncated_assets_fail_their_cell_with_the_file_and_the_rest_goes_on() {
    let engine = Engine::new(EXE);
    let project = tempfile::tempdir().unwrap();
    scratch_project(project.path());
    let cut = |from: &str, to: &str| {
        let bytes = fs::read(project.path().join("assets").join(from)).unwrap();
        fs::write(project.path().join("assets").join(to), &bytes[..bytes.len() / 2]).unwrap();
    };
    cut("odbl/munich.glb", "cut.glb");
    cut("hdr/sunset.exr", "cut.exr");
    fs::write(project.path().join("assets/junk.gltf"), "{ not json").unwrap();
    let engine = engine.at(project.path());
    for (line, file) in [
        (r#"(cell: "scene", with: (gltf: "cut.glb")),"#, "cut.glb"),
        (r#"(cell: "scene", with: (gltf: "junk.gltf")),"#, "junk.gltf"),
        (r#"(cell: "sky", with: (hdr: "cut.exr")),"#, "cut.exr"),
    ] {
        let ran = with_line(&engine, line).says(&[file]);
        assert!(ran.picture.is_some(), "{line}: the rest goes on:\n{}", ran.log);
        assert!(!ran.log.contains("panicked"), "{line}: a bad file is an error, no panic:\n{}", ran.log);
    }
}

#[test]
fn bad_shaders_are_refused_with_their_line_and_the_rest_goes_on() {
    let engine = Engine::new(EXE);
    let project = tempfile::tempdir().unwrap();
    scratch_project(project.path());
    let shader = project.path().join("shaders/bloom/bloom.wgsl");
    let good = fs::read_to_string(&shader).unwrap();
    let engine = engine.at(project.path());
    let sum = "x+".repeat(5000);
    let deep = format!("{}1.0{}", "(".repeat(5000), ")".repeat(5000));
    for (text, words) in [
        (good.replacen("fn ", "fnn ", 1), &["bloom.wgsl"][..]),
        (format!("{good}\nfn huge() -> f32 {{ let x = 1.0; return {sum}x; }}"), &["bloom.wgsl", "tokens"]),
        (format!("{good}\nfn deep() -> f32 {{ return {deep}; }}"), &["bloom.wgsl", "nest"]),
        (String::new(), &["bloom"]),
    ] {
        fs::write(&shader, text).unwrap();
        let ran = engine.lockstep("bloom.ron", &["--frames", "2", "--size", "32x18"]).says(words);
        assert!(ran.picture.is_some(), "the rest goes on:\n{}", ran.log);
    }
    fs::remove_file(&shader).unwrap();
    let ran = engine
        .lockstep("bloom.ron", &["--frames", "2", "--size", "32x18"])
        .says(&["bloom.wgsl", "cannot be read"]);
    assert!(ran.picture.is_some(), "{}", ran.log);
}

#[test]
fn a_full_disk_during_a_capture_is_an_error_with_the_file() {
    let engine = Engine::new(EXE);
    let ran = engine
        .raw(&[
            "--scene",
            "minimal.ron",
            "--headless",
            "--frames",
            "1",
            "--size",
            "16x16",
            "--capture",
            "/dev/full/a.png",
        ])
        .says(&["/dev/full"]);
    assert_eq!(ran.code, Some(1));
}

#[test]
fn no_display_says_so_and_runs_headless() {
    let engine = Engine::new(EXE);
    let ran = engine
        .raw(&["--scene", "minimal.ron", "--frames", "1", "--size", "16x16"])
        .says(&["no display", "headless"]);
    assert_eq!(ran.code, Some(0), "{}", ran.log);
}

#[test]
fn no_driver_names_the_setup() {
    let engine = Engine::new(EXE);
    let output = engine
        .command(&["--scene", "minimal.ron", "--headless", "--frames", "1"])
        .env("VK_ICD_FILENAMES", "/nonexistent.json")
        .env("VK_DRIVER_FILES", "/nonexistent.json")
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("./setup.sh"), "{log}");
    assert_eq!(output.status.code(), Some(1));
}
