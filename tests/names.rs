//! Names: what cells draw meets by name alone, in the scene's order, whoever made it, and costs memory while it is
//! used; a saved scene changes who takes part.
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Engine, Library, Live, Ran, luminance, read_picture, scratch_project};
use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

const EXE: &str = env!("CARGO_BIN_EXE_engine");
const MIB: u64 = 1 << 20;
/// What the probe's `large` takes on the GPU, which here is the engine's own memory.
const LARGE: u64 = 64 * MIB;

const GREEN: &str = "(cell: \"faulty\", name: \"green\"),";
const RED: &str = "(cell: \"faulty\", name: \"red\", with: (colour: (1, 0, 0))),";

fn world(lines: &[&str]) -> String {
    format!("World(name: \"Names\", cells: [\n{}\n(cell: \"tonemap\"),\n])", lines.join("\n"))
}

fn lockstep(engine: &Engine, lines: &[&str], args: &[&str]) -> Ran {
    let scene = engine.scene("names.ron", &world(lines));
    let frames = if args.contains(&"--frames") { &[][..] } else { &["--frames", "4"] };
    engine.lockstep(&scene, &[frames, &["--size", "32x18"], args].concat())
}

fn colour(ran: &Ran) -> &'static str {
    name_of(ran.picture.as_ref().unwrap_or_else(|| panic!("no picture:\n{}", ran.log)).get_pixel(16, 9).0)
}

fn name_of([r, g, _]: [u8; 3]) -> &'static str {
    match (r > 100, g > 100) {
        (true, false) => "red",
        (false, true) => "green",
        (false, false) => "black",
        (true, true) => "bright",
    }
}

#[test]
fn the_scene_s_order_is_the_layer_stack_whatever_the_order_of_arrival() {
    let engine = Engine::new(EXE);
    for seed in ["1", "2", "3"] {
        assert_eq!(colour(&lockstep(&engine, &[GREEN, RED], &["--chaos", seed]).ok()), "red");
        assert_eq!(colour(&lockstep(&engine, &[RED, GREEN], &["--chaos", seed]).ok()), "green");
    }
}

#[test]
fn bloom_never_knows_who_makes_the_scene() {
    let engine = Engine::new(EXE);
    let built = fs::metadata(PathBuf::from(EXE).with_file_name("libbloom.so")).unwrap().modified().unwrap();
    let bloom = "(cell: \"bloom\", with: (threshold: 0.1, strength: 0.5)),";
    let camera = "(cell: \"camera\", with: (fly: (at: (0, 30, 80), look: (0, 0, 0)))),";
    for makers in [
        &["(cell: \"faulty\", with: (colour: (0.3, 0.3, 0.3))),"][..],
        &["(cell: \"template\", with: (color: (0.5, 0.5, 0.5))),"],
        &[camera, "(cell: \"many-cubes\", with: (count: 216)),"],
    ] {
        // The bloom may even stand before what it reads.
        let before = lockstep(&engine, &[&[bloom], makers].concat(), &[]).ok();
        let with = lockstep(&engine, &[makers, &[bloom]].concat(), &[]).ok();
        let without = lockstep(&engine, makers, &[]).ok();
        let [a, b, c] = [&before, &with, &without].map(|r| luminance(r.picture.as_ref().unwrap()));
        assert!(b > c + 1.0, "{makers:?}: {b:.2} with bloom, {c:.2} without");
        assert_eq!(before.hash(), with.hash(), "{makers:?}: {a:.2} and {b:.2}");
    }
    let now = fs::metadata(PathBuf::from(EXE).with_file_name("libbloom.so")).unwrap().modified().unwrap();
    assert_eq!(now, built, "bloom was not built anew");
}

#[test]
fn cells_that_are_listed_in_reverse_start_without_a_retry() {
    let engine = Engine::new(EXE);
    let reversed = [
        "(cell: \"bloom\"),",
        "(cell: \"probe\", with: (does: \"smooth\")),",
        "(cell: \"many-cubes\", with: (count: 8)),",
        "(cell: \"camera\", with: (fly: (at: (0, 30, 80), look: (0, 0, 0)))),",
    ];
    for at in ["Thread", "Process"] {
        let ran = lockstep(&engine, &reversed, &["--placement", at]).ok();
        for cell in ["bloom", "probe", "many-cubes", "camera", "tonemap"] {
            assert_eq!(ran.cell(cell)["restarts"], 0, "{at}: {cell}");
            assert_eq!(ran.cell(cell)["state"], "running", "{at}: {cell}");
        }
        let complaint = ran.log.lines().find(|l| l.starts_with("error ") || l.starts_with("warn "));
        assert_eq!(complaint, None, "{at}: {}", ran.log);
    }
}

#[test]
fn a_key_switches_a_cell_on_and_off_again() {
    let engine = Engine::new(EXE);
    let red = RED.replace("name: \"red\"", "name: \"red\", on: \"F1\"");
    let run = |presses: &[&str]| {
        let args: Vec<&str> = presses.iter().flat_map(|p| ["--press", *p]).collect();
        colour(&lockstep(&engine, &[GREEN, &red], &[&["--frames", "9"], &args[..]].concat()).ok())
    };
    assert_eq!(run(&[]), "green", "a cell with a key is off until it is pressed");
    assert_eq!(run(&["3:F1:4"]), "red", "switched on in frame 3");
    assert_eq!(run(&["3:F1:4", "5:F1:6"]), "green", "and off again in frame 5");
    assert_eq!(run(&["3:F1:4", "5:F1:6", "7:F1:8"]), "red", "and on in frame 7");
}

/// A world that runs while its scene is saved.
struct Edited {
    live: Live,
    engine: Engine,
    scene: PathBuf,
    picture: PathBuf,
    _project: tempfile::TempDir,
}

impl Edited {
    fn start(lines: &[&str]) -> Self {
        let project = tempfile::tempdir().unwrap();
        scratch_project(project.path());
        let engine = Engine::new(EXE).at(project.path());
        let scene = project.path().join("assets/scenes/edited.ron");
        fs::write(&scene, world(lines)).unwrap();
        let picture = engine.out().join("edited.png");
        let path = picture.to_str().unwrap();
        let args =
            ["--scene", "edited.ron", "--headless", "--frames", "150", "--size", "32x18", "--capture", path];
        let mut live = Live::start(&engine, &args);
        live.until("[tonemap] its shader is ready");
        Self { live, engine, scene, picture, _project: project }
    }

    fn save(&self, lines: &[&str]) {
        // As many editors do: whole or not at all.
        let temporary = self.scene.with_extension("tmp");
        fs::write(&temporary, world(lines)).unwrap();
        fs::rename(&temporary, &self.scene).unwrap();
    }

    /// Waits for the end of the run and returns the colour of its last picture and its log.
    fn end(mut self) -> (&'static str, String) {
        let status = self.live.end();
        let log = self.live.seen.join("\n");
        assert!(status.success(), "{status}:\n{log}");
        let _ = &self.engine;
        (name_of(read_picture(&self.picture).get_pixel(16, 9).0), log)
    }
}

#[test]
fn a_saved_scene_removes_disables_reorders_and_moves_cells_while_it_runs() {
    let off = RED.replace("name: \"red\"", "name: \"red\", enabled: false");
    let moved = GREEN.replace("name: \"green\"", "name: \"green\", at: Process");
    for (what, before, after, expected, words) in [
        ("removed", &[GREEN, RED][..], &[GREEN][..], "green", Some("[red] it left the scene")),
        ("disabled", &[GREEN, RED], &[GREEN, &off], "green", None),
        ("reordered", &[GREEN, RED], &[RED, GREEN], "green", None),
        ("added", &[GREEN], &[GREEN, RED], "red", Some("[red] its shader is ready")),
        ("enabled", &[GREEN, &off], &[GREEN, RED], "red", None),
        ("moved", &[RED, GREEN], &[RED, &moved], "green", None),
    ] {
        let run = Edited::start(before);
        run.save(after);
        let (colour, log) = run.end();
        assert_eq!(colour, expected, "{what}:\n{log}");
        assert!(words.is_none_or(|w| log.contains(w)), "{what}:\n{log}");
    }
}

/// Returns the memory of the process `id` in bytes.
fn resident(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Waits until `good` holds of the engine's memory. The limit is a watchdog.
fn until_resident(live: &mut Live, what: &str, mut good: impl FnMut(u64) -> bool) {
    let begun = Instant::now();
    while !good(resident(live.child.id())) {
        live.assert_running();
        let found = resident(live.child.id()) / MIB;
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}: the engine has {found} MiB");
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

#[test]
fn a_named_texture_is_made_once_for_all_its_users_and_freed_when_nobody_uses_it() {
    let project = tempfile::tempdir().unwrap();
    scratch_project(project.path());
    let engine = Engine::new(EXE).at(project.path());
    // Libraries with other buffers: one that writes the same texture, and one that writes another of the same size.
    let buffers = |t: &str, tally: &str, says: &str| t.replacen("tally", tally, 1).replacen("says", says, 1);
    let probe = engine.library("probe");
    let add = |library: Library, name: &str| {
        library.save(&project.path().join(format!("{name}.so")));
        fs::create_dir(project.path().join("shaders").join(name)).unwrap();
        let shader = |cell: &str| project.path().join("shaders").join(cell).join("probe.wgsl");
        fs::copy(shader("probe"), shader(name)).unwrap();
    };
    add(probe.clone().with_ports(|t| buffers(t, "count", "tell")), "second");
    add(probe.with_ports(|t| buffers(t, "score", "yell").replacen("large", "other", 1)), "other");
    let scene = project.path().join("assets/scenes/large.ron");
    let save = |on: [bool; 3]| {
        let line = |cell: &str, on: bool| {
            format!("(cell: \"{cell}\", trust: Own, enabled: {on}, with: (does: \"large\")),")
        };
        let lines = [line("probe", on[0]), line("second.so", on[1]), line("other.so", on[2])];
        fs::write(scene.with_extension("tmp"), world(&["(cell: \"faulty\"),", &lines.concat()])).unwrap();
        fs::rename(scene.with_extension("tmp"), &scene).unwrap();
    };
    save([false; 3]);
    let args = ["--scene", "large.ron", "--headless", "--frames", "1000000", "--size", "32x18"];
    let mut live = Live::start(&engine, &args);
    let id = live.child.id();
    live.until("[tonemap] its shader is ready");
    // What starts up still grows: wait until it has been calm for a while.
    let mut base = 0;
    until_resident(&mut live, "calm", |found| found <= std::mem::replace(&mut base, found) + MIB / 4);
    save([true, false, false]);
    live.until("[probe] its shader is ready");
    until_resident(&mut live, "made at its first use", |found| found > base + LARGE * 3 / 4);
    save([true, true, false]);
    live.until("[second] its shader is ready");
    for (what, on) in [("both use it", [true, true, false]), ("one is left", [false, true, false])] {
        save(on);
        std::thread::park_timeout(Duration::from_millis(500));
        let more = resident(id).saturating_sub(base);
        assert!(
            (LARGE * 3 / 4..LARGE * 3 / 2).contains(&more),
            "{what}: {} MiB more, not one texture",
            more / MIB
        );
    }
    // The driver's allocator keeps freed memory for the next texture. So the other texture costs nothing more once
    // the first is freed, which takes some frames: tried until it is so.
    until_resident(&mut live, "freed when nobody uses it", |_| {
        save([false; 3]);
        std::thread::park_timeout(Duration::from_millis(3000));
        save([false, false, true]);
        std::thread::park_timeout(Duration::from_millis(500));
        resident(id) < base + LARGE * 3 / 2
    });
}
