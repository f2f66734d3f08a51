//! The pages in docs/: every block marked `<!-- test: NAME -->` is built, checked or run, as a reader would.
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Engine, Live, Ran, luminance, root, scratch_workspace};
use image::RgbImage;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Command, Stdio},
};

const EXE: &str = env!("CARGO_BIN_EXE_engine");

/// The marked blocks of the pages. Each must be asked for by some test here.
struct Blocks {
    texts: BTreeMap<String, String>,
    used: RefCell<BTreeSet<String>>,
}

impl Blocks {
    fn read() -> Self {
        let mut texts = BTreeMap::new();
        for page in pages() {
            let text = fs::read_to_string(&page).unwrap();
            for (n, line) in text.lines().enumerate() {
                let Some(name) = line.trim().strip_prefix("<!-- test: ").and_then(|l| l.strip_suffix(" -->"))
                else {
                    continue;
                };
                let indent = line.len() - line.trim_start().len();
                let mut below = text.lines().skip(n + 1).map(|l| l.get(indent..).unwrap_or(""));
                let fence = below.next().unwrap_or("");
                assert!(
                    fence.starts_with("```"),
                    "{}:{}: no code block below the mark",
                    page.display(),
                    n + 2
                );
                let block: String = below.take_while(|l| *l != "```").flat_map(|l| [l, "\n"]).collect();
                assert!(texts.insert(name.to_owned(), block).is_none(), "two blocks are named {name}");
            }
        }
        Self { texts, used: RefCell::default() }
    }

    fn get(&self, name: &str) -> &str {
        self.used.borrow_mut().insert(name.to_owned());
        self.texts.get(name).unwrap_or_else(|| panic!("no page has a block `{name}`"))
    }
}

fn pages() -> Vec<std::path::PathBuf> {
    let mut pages: Vec<_> = fs::read_dir(root().join("docs")).unwrap().map(|e| e.unwrap().path()).collect();
    pages.retain(|p| p.extension().is_some_and(|e| e == "md"));
    pages.sort();
    pages
}

/// A workspace of its own for the cells of the pages.
struct Scratch {
    dir: tempfile::TempDir,
    engine: Engine,
}

impl Scratch {
    fn new() -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        scratch_workspace(dir.path());
        let engine = Engine::new(EXE).at(dir.path());
        Self { dir, engine }
    }

    /// Runs a command of the engine that may call cargo; returns its exit code and log.
    fn run(&self, args: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(EXE)
            .args(args)
            .arg("--root")
            .arg(self.dir.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.dir.path().join(file), text).unwrap();
    }

    /// Makes a cell with `engine new`.
    fn new_cell(&self, name: &str) {
        let (code, log) = self.run(&["new", name]);
        assert_eq!(code, Some(0), "{log}");
    }

    /// Makes a cell with `engine new` and puts these files in the place of the template's.
    fn cell(&self, name: &str, lib: &str, wgsl: &str) {
        self.new_cell(name);
        self.write(&format!("cells/{name}/src/lib.rs"), lib);
        self.write(&format!("shaders/{name}/{}.wgsl", name.replace('-', "_")), wgsl);
    }

    /// Runs the engine's commands of a block; the last one ends with `code`. Returns what it left.
    fn runs(&self, block: &str, code: i32) -> Ran {
        let (mut last, commands) = (None, block.lines().count());
        for (n, line) in block.lines().enumerate() {
            let args: Vec<&str> = line.strip_prefix("engine ").expect(line).split(' ').collect();
            let mut command = self.engine.command(&args);
            if args[0] == "diff" {
                command = Command::new(EXE);
                command.args(&args).current_dir(self.engine.out());
            }
            let output = command.output().unwrap();
            let log = String::from_utf8_lossy(&output.stderr).into_owned();
            let expected = if n + 1 == commands { code } else { 0 };
            assert_eq!(output.status.code(), Some(expected), "{line}:\n{log}");
            last = Some(Ran { code: Some(code), log, report: serde_json::Value::Null, picture: None });
        }
        last.unwrap()
    }

    /// Writes a scene and returns its name.
    fn scene(&self, name: &str, text: &str) -> String {
        let file = format!("{name}.ron");
        self.write(&format!("assets/scenes/{file}"), text);
        file
    }

    /// Builds what the scene needs and checks it.
    fn check(&self, scene: &str) {
        let (code, log) = self.run(&["check", scene]);
        assert_eq!(code, Some(0), "{scene}:\n{log}");
        assert!(log.contains("no fault") && !log.contains("warning"), "{scene}:\n{log}");
    }

    /// Starts the project as the page says, tells the running world everything that the page shows, and cleans up.
    fn operate(&self, blocks: &Blocks) {
        let runtime = tempfile::tempdir().unwrap();
        let bin = Path::new(EXE).parent().unwrap().to_str().unwrap();
        let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
        let shell = |script: &str| {
            let mut sh = Command::new("sh");
            sh.args(["-ec", script]).env("PATH", &path).env("XDG_RUNTIME_DIR", runtime.path());
            sh.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").stdin(Stdio::null());
            sh.current_dir(self.dir.path());
            sh
        };
        let start = blocks.get("operate-start").trim();
        let mut live = Live::spawn(shell(&format!("exec {start} --headless --frames 1000000 --size 32x18")));
        live.until_all(&["[bloom] its shader is ready", "[tonemap] its shader is ready"]);
        for block in ["operate-ctl", "operate-quit"] {
            for line in blocks.get(block).lines() {
                let ran = shell(line).output().unwrap();
                let said =
                    [ran.stdout, ran.stderr].map(|o| String::from_utf8_lossy(&o).into_owned()).concat();
                assert!(ran.status.success(), "{line}: {said}");
            }
        }
        assert!(live.end().success(), "{:?}", live.seen);
        assert!(self.dir.path().join("now.png").is_file());
        assert!(fs::read_to_string(self.dir.path().join("world.dot")).unwrap().starts_with("digraph"));
        // In a target folder of its own: not what people and other tests have there is to go.
        let target = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let _apart = Engine::new(EXE).apart(target.path(), &[]);
        let bin = target.path().join("debug");
        let left = bin.join("crashes/sparks-5.crash");
        fs::create_dir(bin.join("crashes")).unwrap();
        fs::write(&left, "").unwrap();
        let path = format!("{}:{path}", bin.display());
        let cleaned = shell(blocks.get("operate-clean")).env("PATH", path).output().unwrap();
        assert!(cleaned.status.success(), "{}", String::from_utf8_lossy(&cleaned.stderr));
        assert!(!left.exists(), "{}", String::from_utf8_lossy(&cleaned.stdout));
    }

    /// Runs the unit tests of a cell; there is at least one.
    fn passes_its_tests(&self, cell: &str) {
        let inherited = std::env::vars_os().map(|(name, _)| name);
        let inherited =
            inherited.filter(|n| n.to_string_lossy().starts_with("CARGO_") || n == "LD_LIBRARY_PATH");
        let mut cargo = Command::new("cargo");
        inherited.for_each(|name| _ = cargo.env_remove(name));
        let cargo = cargo.args(["test", "--offline", "-p", cell]).current_dir(self.dir.path());
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let ran = cargo.env("CARGO_TARGET_DIR", target).stdin(Stdio::null()).output().unwrap();
        let said = [ran.stdout, ran.stderr].map(|out| String::from_utf8_lossy(&out).into_owned()).concat();
        assert!(ran.status.success() && said.contains("1 passed"), "{cell}:\n{said}");
    }

    /// Draws a checked scene, with no complaint in the log.
    fn draw(&self, scene: &str) -> RgbImage {
        let ran = self.engine.lockstep(scene, &["--frames", "30", "--size", "320x180"]).ok();
        // The engine's own lines; the driver may complain about its surroundings as `error:`.
        let complaint = ran.log.lines().find(|l| l.starts_with("error ") || l.starts_with("warn "));
        assert_eq!(complaint, None, "{scene}:\n{}", ran.log);
        let picture = ran.picture.unwrap_or_else(|| panic!("{scene}: no picture:\n{}", ran.log));
        let first = picture.get_pixel(0, 0);
        assert!(picture.pixels().any(|p| p != first), "{scene}: the picture is flat");
        assert!(luminance(&picture) > 0.5, "{scene}: the picture is black");
        picture
    }
}

/// Asserts that a log contains the lines of a page, whatever blanks end them.
fn says_as_printed(ran: &Ran, block: &str) {
    let trim = |t: &str| t.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert!(trim(&ran.log).contains(&trim(block)), "the page says\n{block}\nbut the log\n{}", ran.log);
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "no `{from}` in\n{text}");
    text.replacen(from, to, 1)
}

/// A cell for the shader on the page for artists: it reads `scene_color` and has a parameter `strength`.
const WARM_EDGES: &str = r#"//! The cell around the page's shader.
use cell::prelude::*;

signal_receptor! {
    name: warm_edges_v1, shader: "warm_edges.wgsl",
    params: { strength: f32 = 1.0 },
    input: WarmReads { scene_color: Screen<Rgba16Float, 1, 1> },
    output: WarmWrites { picture: Backbuffer },
}

#[derive(Default)]
struct WarmEdges;

impl Cell for WarmEdges {
    fn passes(&self, p: &mut Passes<warm_edges_v1>) {
        p.full("warm_edges").read(scene_color).write(picture);
    }
}

cell::export!(WarmEdges);
"#;

/// A cell around the parts that the page shows alone.
const PARTS: &str = r#"//! The cell around the page's parts.
use camera_api::CameraView;
use cell::prelude::*;

signal_receptor! {
    name: my_cell_v1, shader: "my_cell.wgsl",
    params: { table: Asset },
    //INPUT
    output: MyWrites { picture: Backbuffer },
}

#[derive(Default)]
struct MyCell {
    numbers: Vec<f32>,
}

impl Cell for MyCell {
    //LOAD
    fn tick(&mut self, cx: &mut Cx<my_cell_v1>) {
        assert!(!self.numbers.is_empty() && cx.camera().near > 0.0);
    }

    fn passes(&self, p: &mut Passes<my_cell_v1>) {
        p.full("dim").read(scene_color).read(camera).write(picture);
    }
}

cell::export!(MyCell);
"#;

const PARTS_WGSL: &str = "@fragment fn dim(in: Full) -> @location(0) vec4f {
    return textureSample(scene_color, linear_clamp, in.uv) * min(1.0, camera.near + 0.5);
}
";

#[test]
fn the_pages_can_be_followed_word_by_word() {
    let blocks = Blocks::read();
    let project = Scratch::new();

    // What `engine new` makes, as it is; and the cells of the pages. One call of cargo builds them all.
    project.new_cell("rain-drops");
    project.cell("stripes", blocks.get("stripes-lib"), blocks.get("stripes-wgsl"));
    let tested = format!("{}\n{}", blocks.get("sparks-lib"), blocks.get("sparks-test"));
    project.cell("sparks", &tested, blocks.get("sparks-wgsl"));
    project.cell("warm-edges", WARM_EDGES, blocks.get("artists-wgsl"));
    let parts = replaced(PARTS, "//INPUT", blocks.get("reads-ports"));
    project.cell("my-cell", &replaced(&parts, "//LOAD", blocks.get("loads-file")), PARTS_WGSL);
    let manifest = project.dir.path().join("cells/my-cell/Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(
        &manifest,
        replaced(&text, "[dependencies]\n", "[dependencies]\ncamera-api.workspace = true\n"),
    )
    .unwrap();

    let new = project.scene("new", r#"World(cells: [(cell: "rain-drops"), (cell: "tonemap")])"#);
    let stripes = project.scene("stripes", blocks.get("stripes-scene"));
    let sparks = project.scene("sparks", blocks.get("sparks-scene"));
    let seen = |last: &str| format!(r#"World(cells: [(cell: "camera"), (cell: "many-cubes"), {last}])"#);
    let warm = project.scene("warm", &seen(r#"(cell: "warm-edges")"#));
    let parts = project.scene("parts", &seen(r#"(cell: "my-cell", with: (table: "LICENSES.md"))"#));
    let glow = project.scene("glow", blocks.get("artists-scene"));
    let parameters = project.scene("parameters", blocks.get("artists-parameters"));
    let model = project.scene("model", blocks.get("artists-model"));
    for scene in [&new, &stripes, &sparks, &warm, &parts, &glow, &parameters, &model] {
        project.check(scene);
    }
    project.passes_its_tests("sparks");
    let stripes = project.draw(&stripes);
    assert!(stripes.pixels().any(|p| p.0[2] > 150 && p.0[2] > p.0[0]), "the scene's stripes are blue");
    assert!(stripes.pixels().any(|p| p.0[2] < 20), "and there is night between them");
    for scene in [&new, &sparks, &warm, &parts, &glow] {
        let _ = project.draw(scene);
    }

    // The mistakes that the pages show, with the words that they show.
    project.scene("glow", &replaced(blocks.get("artists-scene"), "threshold", "treshold"));
    says_as_printed(&project.engine.raw(&["check", "glow.ron"]), blocks.get("artists-fault"));
    let broken = replaced(blocks.get("artists-wgsl"), "params.strength", "params.strenght");
    project.write("shaders/warm-edges/warm_edges.wgsl", &broken);
    let ran = project.engine.lockstep(&warm, &["--frames", "2", "--size", "32x18"]);
    says_as_printed(&ran, blocks.get("artists-wgsl-fault"));
    let panics = "if cx.frame().0 == 5 { panic!(\"oh no\"); }\n        let (time, speed)";
    project
        .write("cells/sparks/src/lib.rs", &replaced(blocks.get("sparks-lib"), "let (time, speed)", panics));
    project.check(&sparks);
    let folder = ["--crashes", "crashes"];
    let ran =
        project.engine.lockstep(&sparks, &[&["--frames", "12", "--size", "32x18"], &folder[..]].concat());
    says_as_printed(&ran, blocks.get("panic"));
    let replayed = project.runs(blocks.get("crash-replay"), 0);
    says_as_printed(&replayed, blocks.get("crash-replayed"));

    // Mended, it survives, and is as it was wherever it runs.
    project.write("cells/sparks/src/lib.rs", blocks.get("sparks-lib"));
    project.check(&sparks);
    let mended = project.runs(blocks.get("crash-mended"), 1);
    assert!(mended.log.contains("it went on past its last turn"), "{}", mended.log);
    let same = project.runs(blocks.get("crash-diff"), 0);
    assert!(same.log.contains("no difference in 30 frames"), "{}", same.log);

    project.operate(&blocks);
    let all: BTreeSet<String> = blocks.texts.keys().cloned().collect();
    assert_eq!(blocks.used.into_inner(), all, "every marked block is tested");
}

#[test]
fn every_link_of_the_pages_leads_to_a_file() {
    let mut all = pages();
    all.push(root().join("README.md"));
    for page in all {
        let text = fs::read_to_string(&page).unwrap();
        for target in text.split("](").skip(1).filter_map(|t| t.split(')').next()) {
            let file = target.split('#').next().unwrap_or("");
            if !target.contains("://") && !file.is_empty() {
                let path = page.parent().unwrap_or(Path::new("")).join(file);
                assert!(path.exists(), "{}: {target} leads nowhere", page.display());
            }
        }
    }
}
