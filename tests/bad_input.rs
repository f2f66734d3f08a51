//! Bad input that a scene file alone cannot hold: libraries, contracts, lists, shaders and assets. Each is a clear
//! error with the file, the cell and the fix, and the rest goes on: the neighbour ticks in every frame, and its
//! green is on the picture. (What is wrong within a scene is in faults.rs, what a cell does wrong in containment.rs.)
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Engine, Library, Live, Ran, scratch_project, swapped};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const EXE: &str = env!("CARGO_BIN_EXE_engine");
const FRAMES: u64 = 3;

/// A project of its own, with the engine that runs it.
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

    /// Saves a library as a cell of the project, with the shaders of the cell that it was made of.
    fn add(&self, library: &Library, name: &str, of: &str) {
        library.save(&self.path(&format!("{name}.so")));
        let folder = self.path(&format!("shaders/{name}"));
        fs::create_dir_all(&folder).unwrap();
        for file in fs::read_dir(self.path(&format!("shaders/{of}"))).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), folder.join(file.file_name())).unwrap();
        }
    }

    /// Runs a scene of the neighbour, whose green the tone map shows, and `lines`, which start at line 3 of it.
    fn run(&self, lines: &str) -> Ran {
        let text = format!(
            "World(name: \"bad input\", cells: [\n(cell: \"faulty\", name: \"neighbour\"),\n{lines}\n(cell: \"tonemap\"),\n])"
        );
        let scene = self.engine.scene("bad.ron", &text);
        self.engine.lockstep(&scene, &["--frames", &FRAMES.to_string(), "--size", "32x18"])
    }

    /// Runs a scene with a line whose cell must end down, with `words` in the log, while the rest goes on.
    fn refuses(&self, line: &str, words: &[&str]) -> Ran {
        let ran = self.run(line).says(words);
        assert_eq!(ran.code, Some(3), "{line}: a run with a cell that is down says so:\n{}", ran.log);
        assert_goes_on(&ran, line);
        ran
    }
}

/// Asserts that nothing of a run but its bad cell was touched.
fn assert_goes_on(ran: &Ran, what: &str) {
    let log = &ran.log;
    let p = ran.picture.as_ref().unwrap_or_else(|| panic!("{what}: no picture:\n{log}")).get_pixel(16, 9).0;
    assert!(p[1] > 100 && p[0] < 90 && p[2] < 90, "{what}: the neighbour draws, not {p:?}:\n{log}");
    assert_eq!(ran.cell("neighbour")["ticks"], FRAMES, "{what}: the neighbour ticks:\n{log}");
    assert_eq!(ran.cell("neighbour")["restarts"], 0, "{what}");
    assert_eq!(ran.cell("tonemap")["state"], "running", "{what}");
    assert!(!log.contains("panicked"), "{what}: bad input is an error, no panic:\n{log}");
}

#[test]
fn a_library_that_is_no_cell_is_refused_by_name_wherever_it_would_run() {
    let project = Project::new();
    let probe = project.engine.library("probe");
    let plain = project.path("plain.so");
    let mut rustc = Command::new("rustc")
        .args(["--crate-type", "cdylib", "--crate-name", "plain", "-o"])
        .arg(&plain)
        .arg("-")
        .current_dir(project.engine.out())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let source = b"#[unsafe(no_mangle)] pub extern \"C\" fn plain() -> i32 { 7 }";
    std::io::Write::write_all(&mut rustc.stdin.take().unwrap(), source).unwrap();
    assert!(rustc.wait().unwrap().success());

    fs::write(project.path("text.so"), "This is no library.\n").unwrap();
    fs::write(project.path("empty.so"), "").unwrap();
    fs::create_dir(project.path("folder.so")).unwrap();
    let add = |library: Library, name: &str| project.add(&library, name, "probe");
    add(probe.clone().cut(100_000), "cut");
    add(probe.clone().with_bytes(b".cell.ports\0", b".cell.harbor"), "portless");
    add(probe.clone().with_bytes(b"CELL_TABLE_V1\0", b"CELL_TABLE_V0\0"), "tableless");
    add(probe.clone().with_ports(|t| t.replacen("abi 1.1", "abi 2.0", 1)), "newer");
    add(probe.clone().with_ports(|t| t.replacen("port own", "prot own", 1)), "garbled");
    add(probe.clone().with_ports(|t| t.replacen("\nend\n", "\n\n\n\n\n", 1)), "endless");
    add(probe.with_ports(|t| t.replacen("probe.wgsl", "../../Ca.l", 1)), "leaving");

    for (file, words) in [
        ("missing.so", &["missing.so", "missing"][..]),
        ("text.so", &["text.so", "is no shared library", "cdylib"]),
        ("empty.so", &["empty.so", "is no shared library"]),
        ("folder.so", &["folder.so"]),
        ("cut.so", &["cut.so"]),
        ("plain.so", &["plain.so", "is no cell", "signal_receptor!", "cell::export!"]),
        ("portless.so", &["portless.so", "is no cell", "signal_receptor!"]),
        ("tableless.so", &["tableless.so", "exports no CELL_TABLE_V1", "cell::export!"]),
        ("newer.so", &["newer.so", "built for cell ABI 2.0", "this engine speaks 1.x", "rebuild it"]),
        ("garbled.so", &["garbled.so", "broken port table", "line", "rebuild it"]),
        ("endless.so", &["endless.so", "broken port table", "rebuild it"]),
        ("leaving.so", &["leaving.so", "broken port table", "is not below the cell's folder of shaders"]),
    ] {
        for at in ["Thread", "Process"] {
            let ran =
                project.refuses(&format!("(cell: \"{file}\", trust: Own, name: \"odd\", at: {at}),"), words);
            let state = ran.cell("odd")["state"].as_str().unwrap();
            assert!(state.starts_with("down"), "{file} at {at}: {state}");
            // Found before anything of it ran: with the scene's line, under the cell's name, and never tried again.
            let ran = ran.says(&["[odd]", "bad.ron:3", "in the cell `odd`"]);
            assert_eq!(ran.cell("odd")["restarts"], 0, "{file} at {at}");
        }
    }
}

#[test]
fn a_panic_where_no_parameter_reaches_is_contained_too() {
    let project = Project::new();
    for (name, bytes, words) in [
        ("create", b"panics when: created--", &["[create]", "panicked in `create`", "lib.rs"][..]),
        ("destroy", b"panics when: destroyed", &[]),
    ] {
        let library = project.engine.library("probe").with_bytes(b"panics when: never----", bytes);
        project.add(&library, name, "probe");
        for at in ["Thread", "Process"] {
            let ran = project.run(&format!("(cell: \"{name}.so\", trust: Own, at: {at}),")).says(words);
            assert!(ran.code.is_some(), "{name} at {at}: the engine ends by itself");
            if name == "destroy" && at == "Thread" {
                assert!(ran.log.contains("[destroy] panicked in `destroy`"), "{}", ran.log);
            }
            let others = Ran { log: ran.log.replace("panicked", ""), ..ran };
            assert_goes_on(&others, name);
        }
    }
}

#[test]
fn contracts_that_disagree_name_both_cells_the_difference_and_the_line() {
    let project = Project::new();
    let (faulty, probe) = (project.engine.library("faulty"), project.engine.library("probe"));
    let colour = "scene_color texture rgba16float screen 1/1 mips 1 clear 0 0 0 0";
    let buffer = "scene_color storage f32 16";
    let longer = format!("name faulty{}_v1", "y".repeat(colour.len() - buffer.len()));
    let kind = |t: &str| t.replacen(colour, buffer, 1).replacen("name faulty_v1", &longer, 1);
    for (name, changed) in [
        ("format", faulty.clone().with_ports(|t| t.replacen(colour, &colour.replace("16", "32"), 1))),
        ("size", faulty.clone().with_ports(|t| t.replacen(colour, &colour.replace("1/1", "1/2"), 1))),
        ("levels", faulty.clone().with_ports(|t| t.replacen(colour, &colour.replace("mips 1", "mips 4"), 1))),
        ("kind", faulty.with_ports(kind)),
    ] {
        project.add(&changed, name, "faulty");
    }
    for (name, words) in [
        (
            "format",
            &["`format`", "`neighbour`", "disagree on `scene_color`", "rgba32float", "rgba16float"][..],
        ),
        (
            "size",
            &["`size`", "`neighbour`", "disagree on `scene_color`", "1/2 of the screen", "the screen's"],
        ),
        ("levels", &["`levels`", "`neighbour`", "disagree on `scene_color`", "number of mip levels is 4"]),
        ("kind", &["`kind`", "`neighbour`", "disagree on `scene_color`", "buffer", "texture"]),
    ] {
        let ran = project.refuses(&format!("(cell: \"{name}.so\", trust: Own),"), words).says(&["bad.ron:3"]);
        assert_eq!(ran.cell(name)["ticks"], 0, "{name}: it does not run");
    }
    // One buffer, two owners: the later line is out.
    let two = "(cell: \"probe\", name: \"first\"), (cell: \"probe\", name: \"second\"),";
    let ran =
        project.refuses(two, &["bad.ron:3", "`second` and `first` both write the buffer `tally`", "rename"]);
    assert_eq!(ran.cell("first")["ticks"], FRAMES);
    // More than any GPU holds.
    let vast = probe.with_ports(|t| {
        t.replacen("name probe_v1", "name p_v1", 1).replacen(
            "output tally storage u32 64",
            "output t storage u32 4000000000",
            1,
        )
    });
    project.add(&vast, "vast", "probe");
    project.refuses(
        "(cell: \"vast.so\", trust: Own),",
        &["bad.ron:3", "`t` of `vast` would have 16000000000 bytes; the most is"],
    );
}

#[test]
fn a_name_that_nobody_declares_is_told_with_what_was_meant() {
    let project = Project::new();
    let typo = project.engine.library("faulty").with_ports(|t| t.replacen("scene_color", "scene_colon", 1));
    project.add(&typo, "typo", "faulty");
    let text = "World(cells: [(cell: \"typo.so\", trust: Own), (cell: \"tonemap\")])";
    let ran = project
        .engine
        .lockstep(&project.engine.scene("typo.ron", text), &["--frames", "2", "--size", "32x18"]);
    let _ = ran
        .ok()
        .says(&["warn", "nobody writes `scene_color`, which `tonemap` reads; did you mean `scene_colon`?"]);
    // In a shader.
    let shader = project.path("shaders/probe/probe.wgsl");
    let good = fs::read_to_string(&shader).unwrap();
    fs::write(&shader, good.replace("textureLoad(taken,", "textureLoad(takne,")).unwrap();
    let ran = project.run("(cell: \"probe\", with: (does: \"cycle\")),");
    assert_goes_on(&ran, "an undeclared name in a shader");
    let _ = ran.says(&["[probe]", "shaders/probe/probe.wgsl:11:", "takne", "^"]);
    // In a message.
    let ran = project.run("(cell: \"faulty\", name: \"sender\", with: (send_to: \"neighbor\")),");
    let _ = ran.says(&["warn [sender] it sends to `neighbor`, but no cell of the scene has that name; did you mean `neighbour`?"]);
}

#[test]
fn cells_that_wait_for_one_another_are_told_by_name_and_the_rest_is_drawn() {
    let project = Project::new();
    let twin = project.engine.library("probe").with_ports(twin);
    project.add(&twin, "twin", "probe");
    let shader = project.path("shaders/twin/probe.wgsl");
    let text = fs::read_to_string(&shader).unwrap();
    fs::write(&shader, twin_text(&text)).unwrap();
    let lines = "(cell: \"probe\", with: (does: \"cycle\")), (cell: \"twin.so\", trust: Own, with: (does: \"cycle\")),";
    let ran = project.run(lines).says(&[
        "[probe]",
        "`probe` and `twin` wait for one another over `given` and `taken`",
        "move it down, or let it read the previous frame",
        // Their `now` ports are a circle too.
        "the cells `probe`, `twin` read one another `now`",
        "`probe` gets `told` as of the frame's start instead",
        "Take `now` away",
    ]);
    assert_goes_on(&ran, "a cycle of passes");
    assert_eq!(ran.cell("probe")["lists"], serde_json::json!([1, 1]), "one list was taken, then refused");
    assert_eq!(ran.cell("twin")["lists"], serde_json::json!([1, 0]), "the other cell draws");
}

/// The port table of the probe's twin, which writes what the probe reads and reads what it writes.
fn twin(table: &str) -> String {
    twin_text(table)
}

fn twin_text(text: &str) -> String {
    [("tally", "heard"), ("says", "told"), ("given", "taken")]
        .iter()
        .fold(text.to_owned(), |t, (a, b)| swapped(&t, a, b))
}

#[test]
fn lists_that_cannot_be_drawn_cost_their_cell_with_the_pass_and_the_numbers() {
    let project = Project::new();
    for (does, words) in [
        (
            "a draw out of range",
            &["pass 0 (`fill`), draw 0", "draws instances 0 to 9, but `dots` holds 8"][..],
        ),
        ("too many groups", &["pass 0 (`paint`)", "70000x1x1 workgroups are too many; the most is"]),
        ("too many passes", &["the list has 300 passes; a cell may have 256"]),
        ("a level that is not there", &["pass 0 (`fill`)", "level 3 of `given` is not there; it has 1"]),
        ("blended numbers", &["pass 0 (`fill`)", "`ids` is r32uint, which cannot be blended"]),
        ("colour for numbers", &["pass `fill`", "shaders/probe/probe.wgsl:6:", "Uint32", "Float32x4", "^"]),
        (
            "a read before the write",
            &["pass 0 (`show`)", "reads `probe/trail` before anything wrote it", "move the pass"],
        ),
    ] {
        for at in ["Thread", "Process"] {
            let ran = project.run(&format!("(cell: \"probe\", at: {at}, with: (does: \"{does}\")),"));
            let ran = ran.says(&["error [probe]"]).says(words);
            assert_goes_on(&ran, does);
            assert_eq!(ran.report["submits_per_frame"], serde_json::json!([1, 1]), "{does}");
            assert_eq!(ran.cell("probe")["ticks"], FRAMES, "{does}: the cell itself ticks on");
        }
    }
    let wide = project.engine.library("probe").with_ports(|t| t.replacen("4096x1024", "9999x1024", 1));
    project.add(&wide, "wide", "probe");
    let ran = project.run("(cell: \"wide.so\", trust: Own, with: (does: \"large\")),");
    assert_goes_on(&ran, "a target that no GPU can make");
    let _ = ran.says(&["error [wide]", "broken port table", "out of range", "1 to 8192 pixels"]);
}

#[test]
fn what_one_instance_sealed_no_other_can_draw() {
    let project = Project::new();
    // A probe whose buffers are its own, so that there can be two of it.
    let own =
        |t: &str| t.replacen("output tally", "own tallyyyy", 1).replacen("output says", "own sayssss", 1);
    project.add(&project.engine.library("probe").with_ports(own), "shy", "probe");
    let lines = "(cell: \"shy.so\", trust: Own, name: \"owner\", with: (does: \"lends a mesh\")),";
    let ran = project.run(lines);
    let p = ran.picture.as_ref().unwrap().get_pixel(16, 9).0;
    assert!(p[1] > 150 && p[0] < 50, "its owner draws it: {p:?}\n{}", ran.log);
    let _ = ran.ok();
    // On threads, instances of one library share its statics: so the handle goes from one to the other.
    let lines = "(cell: \"shy.so\", trust: Own, name: \"owner\", with: (does: \"lends a mesh\")), \
                 (cell: \"shy.so\", trust: Own, name: \"thief\", with: (does: \"draws a lent mesh\")),";
    let ran = project.run(lines).says(&["error [thief]", "bound to `mesh` is not one that this cell sealed"]);
    assert_eq!(ran.cell("owner")["lists"], serde_json::json!([1, 0]), "the owner draws:\n{}", ran.log);
    assert_eq!(ran.cell("thief")["lists"], serde_json::json!([1, 1]), "the other does not:\n{}", ran.log);
}

#[test]
fn shaders_that_break_compilers_are_messages_with_file_line_and_caret() {
    let project = Project::new();
    let shader = project.path("shaders/probe/probe.wgsl");
    let good = fs::read_to_string(&shader).unwrap();
    let body = |code: &str| format!("{good}\nfn more(x: f32) -> f32 {{ {code} }}\n").into_bytes();
    let many = |n: usize, text: &str| text.repeat(n);
    let file = "shaders/probe/probe.wgsl";
    for (what, text, words) in [
        ("broken syntax", body("return x +;"), &["^", "probe.wgsl:"][..]),
        ("a wrong type", body("return vec2f(x);"), &["^", "probe.wgsl:"]),
        ("an entry that is gone", good.replace("fn relay(", "fn relai(").into_bytes(), &["relay", "relai"]),
        (
            "another stage",
            good.replace("@fragment fn relay(in: Full) ->", "fn relay(in: Full) ->").into_bytes(),
            &["relay"],
        ),
        ("nothing", Vec::new(), &["empty"]),
        ("only comments", b"// one\n/* two */".to_vec(), &["empty"]),
        ("a comment without an end", b"/* one".to_vec(), &["never closed"]),
        ("not UTF-8", b"\xff\xfe\x00f\x00n".to_vec(), &["cannot be read"]),
        ("zeros", vec![0; 4096], &[]),
        ("a megabyte", body(&many(100_000, "_ = x + 1;")), &["KiB", "at most 256"]),
        ("x+x of 10 KB", body(&format!("return {}x;", many(5_000, "x+"))), &["^", "tokens", "split it"]),
        ("x+x of 200 KB", body(&format!("return {}x;", many(100_000, "x+"))), &["^", "tokens", "split it"]),
        ("x+x over lines", body(&format!("return {}x;", many(20_000, "x\n+ "))), &["tokens", "split it"]),
        ("minus", body(&format!("return {}x;", many(20_000, "-"))), &["tokens"]),
        (
            "calls in calls",
            body(&format!("return {}x{};", many(5_000, "abs("), many(5_000, ")"))),
            &["^", "nest"],
        ),
        ("parentheses", body(&format!("return {}x{};", many(5_000, "("), many(5_000, ")"))), &["^", "nest"]),
        ("blocks", body(&format!("{}{} return x;", many(5_000, "{"), many(5_000, "}"))), &["^", "nest"]),
        ("brackets left open", body(&many(5_000, "(")), &["nest"]),
        (
            "else if",
            body(&format!("if x > 0.0 {{ }} {} return x;", many(5_000, "else if x > 1.0 { } "))),
            &["else if", "switch"],
        ),
        (
            "arrays of arrays",
            body(&format!("var a: {}f32{}; return x;", many(500, "array<"), many(500, ", 1>"))),
            &[],
        ),
    ] {
        fs::write(&shader, text).unwrap();
        let ran = project.run("(cell: \"probe\", with: (does: \"cycle\")),");
        assert_goes_on(&ran, what);
        let ran = ran.says(&["error [probe]", file]).says(words);
        assert_eq!(ran.report["submits_per_frame"], serde_json::json!([1, 1]), "{what}");
    }
    // Just within the limits: compiled, not refused, and no stack breaks.
    let within = format!(
        "var y = x; {} return {}x + {}x{};",
        many(3_000, "y += x; "),
        many(900, "x+"),
        many(50, "("),
        many(50, ")")
    );
    fs::write(&shader, body(&within)).unwrap();
    let ran = project.run("(cell: \"probe\", with: (does: \"cycle\")),").ok();
    assert!(!ran.log.contains("error [probe]"), "{}", ran.log);
    fs::remove_file(&shader).unwrap();
    let ran = project.run("(cell: \"probe\", with: (does: \"cycle\")),");
    assert_goes_on(&ran, "no file");
    let _ = ran.says(&["error [probe]", file, "cannot be read", "its passes draw nothing"]);
}

#[test]
fn a_shader_that_is_broken_emptied_or_removed_while_it_runs_keeps_the_last_good_picture() {
    let project = Project::new();
    let shader = project.path("shaders/faulty/faulty.wgsl");
    let good = fs::read_to_string(&shader).unwrap();
    let scene = project.engine.scene("live.ron", "World(cells: [(cell: \"faulty\"), (cell: \"tonemap\")])");
    let picture = project.engine.out().join("live.png");
    let mut live = Live::start(
        &project.engine,
        &[
            "--scene",
            &scene,
            "--headless",
            "--frames",
            "240",
            "--size",
            "32x18",
            "--capture",
            picture.to_str().unwrap(),
        ],
    );
    live.until("[faulty] its shader is ready");
    // What is drawn from now on is red.
    fs::write(&shader, good.replace("params.colour", "vec3f(1.0, 0.0, 0.0)")).unwrap();
    live.until("[faulty] its shader is ready");
    for (text, words) in [
        (good.replace("params.colour", "params.color"), "invalid field accessor `color`"),
        (format!("{good} fn f(x: f32) -> f32 {{ return {}x; }}", "x+".repeat(5_000)), "tokens"),
        (format!("{good} {}", "// more\n".repeat(50_000)), "KiB"),
    ] {
        fs::write(&shader, text).unwrap();
        live.until(words);
    }
    fs::write(&shader, "").unwrap();
    fs::remove_file(&shader).unwrap();
    live.until("the last good one stays");
    live.assert_running();
    let status = live.end();
    assert!(status.success(), "{status}:\n{}", live.seen.join("\n"));
    let p = image(&picture);
    assert!(p[0] > 100 && p[1] < 90, "the last good shader draws on: {p:?}");
}

fn image(path: &Path) -> [u8; 3] {
    engine_tests::read_picture(path).get_pixel(16, 9).0
}

#[test]
fn assets_cut_anywhere_fail_their_cell_with_the_file_and_the_place_in_the_scene() {
    let project = Project::new();
    let put = |name: &str, bytes: &[u8]| fs::write(project.path("assets").join(name), bytes).unwrap();
    for (from, cell, param, extension) in [
        ("odbl/munich.glb", "scene", "gltf", "glb"),
        ("hdr/sunset.exr", "sky", "hdr", "exr"),
        ("test/boxes.gltf", "scene", "gltf", "gltf"),
    ] {
        let whole = fs::read(project.path("assets").join(from)).unwrap();
        for (n, len) in [0, 3, 11, 30, 400, whole.len() / 3, whole.len() - 100].into_iter().enumerate() {
            let name = format!("cut{n}.{extension}");
            put(&name, &whole[..len]);
            let ran = project.refuses(
                &format!("(cell: \"{cell}\", with: ({param}: \"{name}\")),"),
                &[&format!("[{cell}]"), "`load` failed", &name],
            );
            assert!(ran.cell(cell)["why"].as_str().unwrap().contains(&name), "{name}: the report says why");
        }
    }
    // Other content than the name says.
    put("text.exr", b"This is no picture.");
    put("text.glb", b"This is no model.");
    let missing = r#"{"asset": {"version": "2.0"}, "buffers": [{"uri": "none.bin", "byteLength": 4}]}"#;
    put("missing.gltf", missing.as_bytes());
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    put("nested.gltf", nested.as_bytes());
    for (line, name) in [
        ("(cell: \"sky\", with: (hdr: \"text.exr\")),", "text.exr"),
        ("(cell: \"scene\", with: (gltf: \"text.glb\")),", "text.glb"),
        ("(cell: \"scene\", with: (gltf: \"missing.gltf\")),", "none.bin"),
        ("(cell: \"scene\", at: Process, with: (gltf: \"nested.gltf\")),", "nested.gltf"),
        ("(cell: \"scene\", with: (gltf: \"hdr\")),", "hdr"),
        ("(cell: \"scene\", with: (gltf: \"../Cargo.toml\")),", "../Cargo.toml"),
        ("(cell: \"scene\", with: (gltf: \"none.glb\")),", "put the file at"),
    ] {
        project.refuses(line, &[name]);
    }
}

#[test]
fn a_disk_that_is_full_during_a_capture_keeps_the_old_picture_and_names_the_new_one() {
    let project = Project::new();
    // Noise: a picture that no encoder makes small.
    let shader = project.path("shaders/faulty/faulty.wgsl");
    let noise = "@fragment fn fill(in: Full) -> @location(0) vec4f {
        let n = dot(in.position.xy, vec2f(12.9898, 78.233));
        return vec4f(fract(sin(n) * 43758.5), fract(sin(n + 1.0) * 43758.5), fract(sin(n + 2.0) * 43758.5), 1.0);
    }";
    fs::write(&shader, noise).unwrap();
    let engine = &project.engine;
    let scene = engine.scene("noise.ron", "World(cells: [(cell: \"faulty\"), (cell: \"tonemap\")])");
    let picture = engine.out().join("noise.png");
    fs::write(&picture, "the old picture").unwrap();
    let run = engine.command(&[
        "--scene",
        &scene,
        "--headless",
        "--lockstep",
        "--frames",
        "2",
        "--size",
        "640x360",
        "--capture",
        picture.to_str().unwrap(),
    ]);
    // As a full disk does, the kernel refuses to write beyond 256 KiB (512 blocks of 512 bytes), and says so in
    // an error rather than with a signal.
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 512; exec \"$0\" \"$@\""])
        .arg(run.get_program())
        .args(run.get_args());
    limited.current_dir(engine.out()).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
    let mut live = Live::spawn(limited);
    let status = live.end();
    let log = live.seen.join("\n");
    assert_eq!(status.code(), Some(1), "{log}");
    for words in ["noise.png cannot be written", "free some space or choose another place", "File too large"]
    {
        assert!(log.contains(words), "`{words}` in:\n{log}");
    }
    assert_eq!(fs::read_to_string(&picture).unwrap(), "the old picture", "nothing is lost");
    let left: Vec<_> = fs::read_dir(engine.out()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "nothing is left over: {left:?}");
}
