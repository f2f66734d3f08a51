//! The engine in a window, under a display without a monitor (Xvfb, which `./setup.sh` installs).
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Display, Engine};
use std::{
    process::Stdio,
    time::{Duration, Instant},
};

const EXE: &str = env!("CARGO_BIN_EXE_engine");

fn lit(screen: &image::RgbImage, x: std::ops::Range<u32>, y: std::ops::Range<u32>) -> usize {
    x.flat_map(|x| y.clone().map(move |y| (x, y)))
        .filter(|(x, y)| screen.get_pixel(*x, *y).0.iter().any(|c| *c > 40))
        .count()
}

#[test]
fn a_window_shows_the_picture_follows_its_size_takes_a_screenshot_and_ends_when_closed() {
    let display = Display::open();
    let engine = Engine::new(EXE);
    let shot = engine.out().join("screen.png");
    let mut command = engine.command(&["--scene", "bloom.ron", "--size", "320x180"]);
    let mut running = command.env("DISPLAY", display.name()).stderr(Stdio::piped()).spawn().unwrap();
    let window = display.window("Bloom");
    display.until(&shot, "the cubes", |s| lit(s, 0..320, 0..180) > 500);
    display.tool("xdotool", &["windowsize", &window, "640", "400"]);
    display.until(&shot, "the larger picture", |s| lit(s, 330..640, 0..400) > 500);
    display.tool("xdotool", &["windowfocus", &window]);
    let begun = Instant::now();
    while !engine.out().join("screenshot-0001.png").exists() {
        display.tool("xdotool", &["key", "F12"]);
        assert!(begun.elapsed() < Duration::from_secs(60), "F12 never wrote a screenshot");
    }
    display.close(&window);
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = running.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the engine goes on without its window");
        std::thread::yield_now();
    };
    assert!(status.success(), "{status}");
    let picture = image::open(engine.out().join("screenshot-0001.png")).unwrap().to_rgb8();
    assert_eq!(picture.dimensions(), (640, 400));
}
