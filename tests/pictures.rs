//! The main job: scenes become pictures, the same ones whatever the threads and placements do.
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Engine, assert_picture, luminance};

const EXE: &str = env!("CARGO_BIN_EXE_engine");
const SMALL: [&str; 4] = ["--frames", "4", "--size", "64x36"];

fn small<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SMALL.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn bloom_is_the_stored_picture_with_one_submit_a_frame() {
    let ran = Engine::new(EXE).lockstep("bloom.ron", &["--frames", "8", "--size", "320x180"]).ok();
    assert_picture("bloom", ran.picture.as_ref().unwrap(), 1.5, 0.01);
    assert_eq!(ran.report["submits_per_frame"], serde_json::json!([1, 1]), "S5: one submit a frame");
    assert_eq!(ran.report["incomplete_frames"], 0, "lockstep draws no frame without its shaders");
    assert_eq!(ran.report["frames"], 8);
}

#[test]
fn the_same_scene_gives_the_same_pixels_whatever_the_threads_do() {
    let engine = Engine::new(EXE);
    let calm = engine.lockstep("bloom.ron", &small(&[])).ok();
    // A hundred runs are `just chaos`; CI takes a handful.
    for seed in ["1", "2", "3", "4", "5", "6"] {
        let wild = engine.lockstep("bloom.ron", &small(&["--chaos", seed])).ok();
        assert_eq!(wild.hash(), calm.hash(), "chaos {seed} changed the picture");
    }
}

#[test]
fn a_process_draws_the_same_pixels_as_a_thread() {
    let engine = Engine::new(EXE);
    let thread = engine.lockstep("bloom.ron", &small(&["--placement", "Thread"])).ok();
    let process = engine.lockstep("bloom.ron", &small(&["--placement", "Process"])).ok();
    assert_eq!(thread.hash(), process.hash());
}

#[test]
fn the_city_is_the_stored_picture() {
    let ran = Engine::new(EXE).lockstep("world.ron", &["--frames", "3", "--size", "320x180"]).ok();
    let picture = ran.picture.as_ref().unwrap();
    assert_picture("world", picture, 2.0, 0.02);
    // Windows, sky and glow: some of it bright, most of it dark, as a city at dusk is.
    let bright = picture.pixels().filter(|p| p.0.iter().any(|c| *c > 200)).count();
    assert!(bright > 100, "only {bright} bright pixels: no lit windows?");
}

#[test]
fn bloom_adds_light_around_what_is_bright_and_nothing_else_changes() {
    let engine = Engine::new(EXE);
    let on = engine.lockstep("bloom.ron", &small(&[])).ok();
    let text = std::fs::read_to_string(engine_tests::root().join("assets/scenes/bloom.ron")).unwrap();
    let off = text.replacen("(cell: \"bloom\"", "(cell: \"bloom\", enabled: false", 1);
    assert_ne!(text, off, "the scene has a bloom cell");
    let off = engine.lockstep(&engine.scene("off.ron", &off), &small(&[])).ok();
    let (with, without) = (luminance(on.picture.as_ref().unwrap()), luminance(off.picture.as_ref().unwrap()));
    assert!(with > without + 0.5, "bloom on {with:.2}, off {without:.2}");
    assert_eq!(off.cell("bloom")["state"], "disabled");
}

#[test]
fn input_reaches_the_picture_in_its_own_frame() {
    let engine = Engine::new(EXE);
    let large = ["--frames", "6", "--size", "640x360"];
    let still = engine.lockstep("minimal.ron", &large).ok();
    // The key goes down in the very frame that is captured: the camera ticks before those that read it.
    let moved = engine.lockstep("minimal.ron", &[&large[..], &["--press", "5:W"]].concat()).ok();
    assert_ne!(still.hash(), moved.hash(), "N9: a key of frame 5 is seen in frame 5");
    let later = engine.lockstep("minimal.ron", &[&large[..], &["--press", "6:W"]].concat()).ok();
    assert_eq!(still.hash(), later.hash(), "a key of frame 6 is not");
}

#[test]
fn without_a_driver_everything_but_pixels_works() {
    let ran = Engine::new(EXE).lockstep("many-cubes.ron", &["--frames", "3", "--backend", "noop"]).ok();
    assert_eq!(ran.report["submits_per_frame"], serde_json::json!([1, 1]));
    assert!(ran.cell("camera")["ticks"].as_u64().unwrap() >= 3);
}

#[test]
fn cells_tick_at_their_own_rate() {
    let engine = Engine::new(EXE);
    let scene = engine.scene(
        "rates.ron",
        r#"World(name: "rates", rate: 60, cells: [
            (cell: "camera", name: "slow", rate: 30, with: (fly: (at: (0, 0, 9), look: (0, 0, 0)))),
            (cell: "tonemap"),
        ])"#,
    );
    let ran = engine.lockstep(&scene, &["--frames", "12", "--size", "16x16"]).ok();
    assert_eq!(ran.cell("slow")["ticks"], 6, "30 Hz in a world of 60: every other frame");
}
