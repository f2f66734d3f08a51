//! `engine check`: what would go wrong is found without running it, each fault with the scene's line.
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Engine, Library, Ran, scratch_project};
use std::{fs, path::PathBuf};

const EXE: &str = env!("CARGO_BIN_EXE_engine");

struct Project {
    engine: Engine,
    dir: tempfile::TempDir,
}

impl Project {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        scratch_project(dir.path());
        Self { engine: Engine::new(EXE).at(dir.path()), dir }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Saves a library as a cell, with the shaders of the cell that it was made of.
    fn add(&self, library: &Library, name: &str, of: &str) {
        library.save(&self.path(&format!("{name}.so")));
        let folder = self.path(&format!("shaders/{name}"));
        fs::create_dir_all(&folder).unwrap();
        for file in fs::read_dir(self.path(&format!("shaders/{of}"))).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), folder.join(file.file_name())).unwrap();
        }
    }

    /// Checks a scene whose third line and those after it are `lines`.
    fn check(&self, lines: &str) -> Ran {
        let text = format!(
            "World(name: \"check\", cells: [\n(cell: \"camera\"),\n{lines}\n(cell: \"tonemap\"),\n])"
        );
        let scene = self.path("check.ron");
        fs::write(&scene, text).unwrap();
        self.engine.raw(&["check", scene.to_str().unwrap()])
    }

    /// Asserts that exactly one fault is found, with `words` and the scene's third line.
    fn finds(&self, lines: &str, words: &[&str]) {
        let ran = self.check(lines).says(words).says(&["check.ron:3:", "check.ron: 1 fault(s)"]);
        assert_eq!(ran.code, Some(1), "{lines}:\n{}", ran.log);
        assert!(!ran.log.contains("panicked at"), "{lines}:\n{}", ran.log);
    }
}

#[test]
fn a_good_scene_has_no_fault_and_the_names_that_nobody_writes_are_told() {
    let project = Project::new();
    let ran = project.check("(cell: \"many-cubes\", with: (count: 9)),").ok();
    let ran = ran.says(&["info nobody writes `bloom_result`, which `tonemap` reads", "3 cells, no fault"]);
    assert!(!ran.log.contains("error") && !ran.log.contains("warn"), "{}", ran.log);
    let typo = project.engine.library("faulty").with_ports(|t| t.replacen("scene_color", "scene_colon", 1));
    project.add(&typo, "typo", "faulty");
    let _ = project
        .check("(cell: \"typo.so\", trust: Own),")
        .ok()
        .says(&["warn nobody writes `scene_color`", "did you mean `scene_colon`?"]);
}

#[test]
fn passes_that_cannot_be_are_found_without_running() {
    let project = Project::new();
    for (does, words) in [
        (
            "a draw out of range",
            &["pass 0 (`fill`), draw 0", "draws instances 0 to 9, but `dots` holds 8"][..],
        ),
        ("too many passes", &["the list has 300 passes; a cell may have 256"]),
        ("a level that is not there", &["pass 0 (`fill`)", "level 3 of `given` is not there; it has 1"]),
        ("blended numbers", &["pass 0 (`fill`)", "`ids` is r32uint, which cannot be blended"]),
        ("colour for numbers", &["pass `fill`", "shaders/probe/probe.wgsl:", "Uint32"]),
        ("a read before the write", &["pass 0 (`show`)", "reads `probe/trail` before anything wrote it"]),
    ] {
        project.finds(&format!("(cell: \"probe\", with: (does: \"{does}\")),"), words);
    }
}

#[test]
fn an_entry_point_that_a_shader_lacks_is_found_also_behind_a_key() {
    let project = Project::new();
    let shader = project.path("shaders/bloom/bloom.wgsl");
    let good = fs::read_to_string(&shader).unwrap();
    fs::write(&shader, good.replacen("fn threshold(", "fn treshold(", 1)).unwrap();
    let words = ["wants the @fragment function `threshold`", "did you mean `treshold`?", "bloom/bloom.wgsl"];
    project.finds("(cell: \"bloom\"),", &words);
    project.finds("(cell: \"bloom\", on: \"F1\"),", &words);
    let off = project.check("(cell: \"bloom\", enabled: false),");
    assert_eq!(off.code, Some(0), "what is off for good does no harm:\n{}", off.log);
    fs::write(&shader, "").unwrap();
    project.finds("(cell: \"bloom\"),", &["shaders/bloom/bloom.wgsl", "the file is empty"]);
    fs::remove_file(&shader).unwrap();
    project.finds("(cell: \"bloom\"),", &["the shader shaders/bloom/bloom.wgsl cannot be read"]);
}

#[test]
fn words_loads_and_declarations_are_checked_each_with_its_line() {
    let project = Project::new();
    let whole = fs::read(project.path("assets/test/boxes.gltf")).unwrap();
    fs::write(project.path("assets/cut.gltf"), &whole[..whole.len() / 2]).unwrap();
    let format = project
        .engine
        .library("tonemap")
        .with_ports(|t| t.replacen("scene_color texture rgba16float", "scene_color texture rgba32float", 1));
    project.add(&format, "format", "tonemap");
    for (line, words) in [
        ("(cell: \"blom\"),", &["there is no cell `blom`", "did you mean `bloom`?"][..]),
        ("(cell: \"bloom\", with: (treshold: 1)),", &["did you mean `threshold`?"]),
        ("(cell: \"sky\", with: (hdr: \"none.exr\")),", &["`none.exr`", "does not exist"]),
        ("(cell: \"scene\", with: (gltf: \"cut.gltf\")),", &["`load` failed", "cut.gltf"]),
        ("(cell: \"faulty\", with: (fail_in: \"load\")),", &["the scene asked for a failure"]),
        ("(cell: \"faulty\", with: (panic_in: \"load\")),", &["panicked in `load`", "faulty/src/lib.rs"]),
        ("(cell: \"faulty\", with: (panic_in: \"passes\")),", &["panicked in `passes`"]),
        (
            "(cell: \"format.so\", trust: Own), (cell: \"many-cubes\"),",
            &[
                "disagree on `scene_color`",
                "change `format`, because `many-cubes` writes it",
                "help: `many-cubes` stands at check.ron:3",
            ],
        ),
    ] {
        project.finds(line, words);
    }
    let two = project.check("(cell: \"probe\", name: \"one\"),\n(cell: \"probe\", name: \"two\"),").says(&[
        "`two` and `one` both write the buffer `tally`",
        "`two` and `one` both write the buffer `says`",
        "check.ron:4:",
        "help: `one` stands at check.ron:3",
        "2 fault(s)",
    ]);
    assert_eq!(two.code, Some(1));
    let ran = project.check("(cell: \"faulty\", with: (panic_in: \"tick\")),");
    assert_eq!(ran.code, Some(0), "no cell ticks:\n{}", ran.log);
    let many = project
        .check("(cell: \"bloom\", with: (knee: \"soft\")),\n(cell: \"sky\", with: (hdr: \"none.exr\")),")
        .says(&["check.ron:3:", "check.ron:4:", "2 fault(s)"]);
    assert_eq!(many.code, Some(1));
}

#[test]
fn a_picture_or_report_that_cannot_be_written_is_told_before_the_run_and_a_full_disk_after_it() {
    let project = Project::new();
    let run = |args: &[&str]| {
        let all = ["--scene", "minimal.ron", "--headless", "--frames", "1", "--size", "16x16"];
        project.engine.raw(&[&all[..], args].concat())
    };
    let folder = project.dir.path().to_str().unwrap();
    for (option, path, words) in [
        ("--capture", "/proc/a.png", "its folder takes no files"),
        ("--report", "/proc/a.json", "its folder takes no files"),
        ("--capture", "/dev/null/a.png", "its folder cannot be made"),
        ("--capture", folder, "it is a folder; name a file in it"),
    ] {
        let ran = run(&[option, path]).says(&[path, words]);
        assert_eq!(ran.code, Some(1), "{option} {path}");
        assert!(!ran.log.contains("is ready"), "{option} {path}: nothing runs:\n{}", ran.log);
    }
    let report = project.path("report.json");
    let record = project.path("run.record");
    let [at, there] = [&report, &record].map(|path| path.to_str().unwrap());
    let ran = run(&["--capture", "/dev/full", "--report", at, "--record", there]);
    assert_eq!(ran.code, Some(1), "{}", ran.log);
    let ran = ran.says(&["the picture /dev/full cannot be written", "free some space"]);
    assert!(
        report.is_file() && ran.log.contains(&format!("wrote {there}")),
        "the others are written all the same"
    );
    let ran = run(&["--report", "/dev/full", "--record", there]);
    assert_eq!(ran.code, Some(1), "{}", ran.log);
    let _ = ran.says(&["the report /dev/full cannot be written", &format!("wrote {there}")]);
}
