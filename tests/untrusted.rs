//! A library of a stranger: what it was granted it uses, what it was not is refused with a reason, and nothing that it
//! does costs anybody else.
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Engine, Live, Ran, root, scratch_project};
use std::{fs, process::Command};

const EXE: &str = env!("CARGO_BIN_EXE_engine");
const GRANTED: &str = r#"read: ["camera"], write: ["scene_color"]"#;
const FRAMES: u64 = 6;

/// A project with a built library in `mods/` and its shader.
struct Project {
    folder: tempfile::TempDir,
    engine: Engine,
}

impl Project {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        scratch_project(folder.path());
        let engine = Engine::new(EXE).at(folder.path());
        fs::create_dir(folder.path().join("mods")).unwrap();
        engine.library("faulty").save(&folder.path().join("mods/fireworks.so"));
        fs::create_dir(folder.path().join("shaders/fireworks")).unwrap();
        let project = Self { folder, engine };
        project.shader("");
        project
    }

    /// Writes its shader, with this in front of what it draws.
    fn shader(&self, before: &str) {
        let text = format!(
            "@fragment\nfn fill(in: Full) -> @location(0) vec4f {{\n{before}\n    return vec4f(params.colour, 1.0);\n}}\n"
        );
        fs::write(self.folder.path().join("shaders/fireworks/faulty.wgsl"), text).unwrap();
    }

    /// Writes a scene with this line among others.
    fn scene(&self, line: &str) -> String {
        let text = format!(
            "World(name: \"mods\", cells: [\n    (cell: \"camera\"),\n    {line},\n    (cell: \"tonemap\"),\n])"
        );
        self.engine.scene("m.ron", &text)
    }

    fn run(&self, line: &str) -> Ran {
        let frames = FRAMES.to_string();
        let ran = self.engine.lockstep(&self.scene(line), &["--frames", &frames, "--size", "32x18"]);
        assert_eq!(ran.cell("camera")["ticks"], FRAMES, "the rest goes on:\n{}", ran.log);
        ran
    }
}

fn untrusted(grants: &str, with: &str) -> String {
    format!("(cell: \"mods/fireworks.so\", trust: Untrusted({grants}), with: ({with}))")
}

/// Returns whether its colour fills the picture.
fn is_green(ran: &Ran) -> bool {
    let picture = ran.picture.as_ref().unwrap_or_else(|| panic!("no picture:\n{}", ran.log));
    picture.pixels().all(|p| p.0[1] > 150 && p.0[0] < 60)
}

#[test]
fn with_its_grants_a_given_library_draws_as_one_of_our_own() {
    let project = Project::new();
    let own = project.run("(cell: \"mods/fireworks.so\", trust: Own)").ok();
    let ran = project.run(&untrusted(GRANTED, "")).ok();
    assert!(is_green(&own) && is_green(&ran), "{}", ran.log);
    assert_eq!(own.hash(), ran.hash());
    assert_eq!(ran.cell("fireworks")["ticks"], FRAMES, "{}", ran.log);
    // Nobody puts it on a thread, whatever is asked for.
    let args = ["--frames", "3", "--size", "32x18", "--placement", "thread"];
    let crash = untrusted(GRANTED, "crash_in: \"tick\", crash: \"open\"");
    let _ = project
        .engine
        .lockstep(&project.scene(&crash), &args)
        .ok()
        .says(&["info [fireworks] open was denied"]);
}

#[test]
fn the_scene_of_the_page_about_untrusted_cells_runs() {
    let project = Project::new();
    let page = fs::read_to_string(root().join("docs/untrusted.md")).unwrap();
    let scene = page.split_once("```ron\n").unwrap().1.split_once("```").unwrap().0;
    let scene = project.engine.scene("page.ron", scene);
    let ran = project.engine.lockstep(&scene, &["--frames", "3", "--size", "32x18"]).ok();
    assert_eq!(ran.cell("fireworks")["ticks"], 3, "{}", ran.log);
    let warns = |l: &str| l.starts_with("warn ") && !l.contains("measures no GPU time");
    assert!(is_green(&ran) && !ran.log.lines().any(warns), "{}", ran.log);
}

#[test]
fn what_it_was_not_granted_keeps_it_out_with_both_names() {
    let project = Project::new();
    for (grants, words) in [
        ("", &["`fireworks` is untrusted and reads `camera`", "writes `scene_color`", "m.ron:3:"][..]),
        (
            "read: [\"camera\"]",
            &["writes `scene_color`, which it was not granted", "write: [\"scene_color\"]"],
        ),
        (
            "read: [\"camera\"], write: [\"scene_colour\"]",
            &["`scene_colour` was granted", "did you mean `scene_color`?"],
        ),
    ] {
        let ran = project.run(&untrusted(grants, "")).says(words);
        assert!(ran.cell("fireworks")["state"].as_str().unwrap().starts_with("down"), "{grants}");
        assert_eq!(ran.cell("fireworks")["ticks"], 0);
        assert!(!is_green(&ran), "{grants}");
        assert!(!ran.log.contains("thread '"), "{}", ran.log);
    }
    let checked = project.engine.raw(&["check", &project.scene(&untrusted("", ""))]);
    assert_eq!(checked.code, Some(1));
    let _ = checked.says(&["writes `scene_color`, which it was not granted", "m.ron:3:"]);
    // Silence grants nothing, and a thread is no place for it.
    let ran = project
        .run("(cell: \"mods/fireworks.so\")")
        .says(&["writes `scene_color`, which it was not granted"]);
    assert!(!is_green(&ran));
    let scene = project.scene("(cell: \"mods/fireworks.so\", at: Thread)");
    let refused = project.engine.raw(&["--scene", &scene, "--headless", "--frames", "1"]);
    assert_eq!(refused.code, Some(1));
    let _ =
        refused.says(&["not built here is untrusted", "write `at: Process, trust: Untrusted(", "m.ron:3:"]);
}

#[test]
fn it_sends_mail_and_opens_assets_only_where_it_was_granted() {
    let project = Project::new();
    let with = "send_to: \"camera\"";
    let ran = project
        .run(&untrusted(GRANTED, with))
        .ok()
        .says(&["warn [fireworks] it sends to `camera`, which was not granted"]);
    assert_eq!(ran.log.matches("which was not granted").count(), 1, "once:\n{}", ran.log);
    let granted = format!("{GRANTED}, send: [\"camera\"]");
    let ran = project.run(&untrusted(&granted, with)).ok();
    assert!(!ran.log.contains("not granted"), "{}", ran.log);

    let sky = |assets: &str| {
        format!(
            "(cell: \"sky\", trust: Untrusted(read: [\"camera\"], write: [\"scene_color\", \"sky_light\", \
             \"sky_mirror\"], assets: [{assets}]), with: (hdr: \"hdr/sunset.exr\"))"
        )
    };
    let ran = project.run(&sky("\"fox\""));
    let _ = ran.says(&[
        "`sky` is untrusted and was not granted the asset `hdr/sunset.exr`",
        "assets: [\"hdr/sunset.exr\"]",
    ]);
    let log = project.run(&sky("\"hdr\"")).log;
    assert!(!log.contains("granted the asset"), "{log}");
}

#[test]
fn a_shader_that_never_ends_leaves_the_picture_to_the_others() {
    let project = Project::new();
    // With all its fuel used up it draws on; nobody else's passes wait for it.
    project.shader("    var n = 0.0;\n    loop { n += 1.0; if n < 0.0 { break; } }\n    if n != 16384.0 { return vec4f(1.0, 0.0, 0.0, 1.0); }");
    let ran = project.run(&untrusted(GRANTED, "")).ok();
    assert!(is_green(&ran), "{}", ran.log);
    project.shader("    var a: array<f32, 40000>;\n    a[u32(in.uv.x)] = 1.0;");
    let ran = project.run(&untrusted(GRANTED, ""));
    assert!(ran.log.contains("160000 bytes") && ran.log.contains("faulty.wgsl"), "{}", ran.log);
    assert!(!is_green(&ran));
}

#[test]
fn a_cell_that_takes_more_gpu_time_than_it_may_is_ended_until_its_line_changes() {
    let project = Project::new();
    let own = project.run("(cell: \"faulty\")").ok();
    if own.cell("tonemap")["gpu"].as_object().is_none_or(serde_json::Map::is_empty) {
        return println!("SKIP: this adapter measures no GPU time");
    }
    assert!(is_green(&own) && !own.log.contains("gpu_ms"), "without a limit nobody looks:\n{}", own.log);
    let path = project.folder.path().join("assets/scenes/gpu.ron");
    let save = |other: &str, gpu_ms: &str| {
        let line = untrusted(&format!("{GRANTED}, gpu_ms: {gpu_ms}"), "tell_ticks: true");
        let clock = format!("(cell: \"faulty\", name: \"clock\", with: (tell_ticks: true{other}))");
        let text = format!("World(cells: [(cell: \"camera\"), {clock}, {line}, (cell: \"tonemap\")])");
        let next = path.with_extension("next");
        fs::write(&next, text).unwrap();
        fs::rename(next, &path).unwrap();
    };
    save("", "0.001");
    let run = ["--scene", "gpu.ron", "--headless", "--frames", "1000000", "--size", "64x36"];
    let mut live = Live::start(&project.engine, &run);
    live.until("error [fireworks] its passes take");
    for words in
        ["may take 0.001 (`gpu_ms` in its scene line)", "draws nothing until its scene line or its build"]
    {
        assert!(live.seen.last().unwrap().contains(words), "{}", live.seen.join("\n"));
    }
    // The rest goes on, and saving the scene for something else does not bring it back.
    let ended = live.seen.len();
    save(", colour: (1, 0, 0)", "0.001");
    live.until("[clock] it has new parameters");
    for _ in 0..60 {
        live.until("[clock] in frame");
    }
    let came_back = |l: &String| l.contains("[fireworks] in frame") || l.contains("[fireworks] its shader");
    assert!(!live.seen[ended..].iter().any(came_back), "{}", live.seen[ended..].join("\n"));
    // Its own line does.
    save(", colour: (1, 0, 0)", "1000");
    for _ in 0..60 {
        live.until("[fireworks] in frame");
    }
    live.assert_running();
}

#[test]
fn where_the_sandbox_is_not_whole_it_is_refused_and_the_rest_goes_on() {
    let project = Project::new();
    let scene = project.scene(&untrusted(GRANTED, ""));
    let poor = "echo 0 > /proc/sys/user/max_user_namespaces";
    let unshare = |script: &str| {
        let mut c = Command::new("unshare");
        c.args(["-Ur", "sh", "-c", script, "sh"]).current_dir(project.folder.path());
        c
    };
    if !unshare(poor).output().is_ok_and(|o| o.status.success()) {
        return println!("SKIP: no user namespace to pretend a poorer machine in");
    }
    let root = project.folder.path().to_str().unwrap();
    let args = [
        "--scene",
        &scene,
        "--headless",
        "--backend",
        "noop",
        "--lockstep",
        "--frames",
        "3",
        "--no-build",
        "--root",
        root,
    ];
    let run = unshare(&format!("{poor} && exec \"$@\"")).arg(EXE).args(args).output().unwrap();
    let log = String::from_utf8(run.stderr).unwrap();
    for words in [
        "error [fireworks]",
        "needs the whole sandbox, which this machine does not give; missing: user namespace (",
        "`engine doctor`",
        "m.ron:3:",
    ] {
        assert!(log.contains(words), "no {words}:\n{log}");
    }
    assert!(log.contains("info [tonemap] its shader is ready"), "the rest goes on:\n{log}");
    assert!(!log.contains("error [camera]") && !log.contains("error [tonemap]"), "{log}");
}
