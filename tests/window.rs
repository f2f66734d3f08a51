//! The engine in a window, under a display without a monitor (Xvfb, which `./setup.sh` installs).
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::Engine;
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const EXE: &str = env!("CARGO_BIN_EXE_engine");

struct Display {
    server: Child,
    name: String,
}

impl Display {
    fn open() -> Self {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "800x600x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb starts; ./setup.sh installs it");
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
        Self { server, name: format!(":{}", number.trim()) }
    }

    fn tool(&self, program: &str, args: &[&str]) -> std::process::Output {
        Command::new(program)
            .args(args)
            .env("DISPLAY", &self.name)
            .output()
            .expect("./setup.sh installs the tool")
    }

    /// Waits for the window called `title` and returns its number. The limit is a watchdog.
    fn window(&self, title: &str) -> String {
        let begun = Instant::now();
        loop {
            let found = self.tool("xdotool", &["search", "--name", title]);
            if let Some(id) = String::from_utf8_lossy(&found.stdout).lines().next() {
                return id.to_owned();
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "no window `{title}` appeared");
        }
    }

    fn screenshot(&self, path: &Path) -> image::RgbImage {
        let shot = self.tool("import", &["-window", "root", path.to_str().unwrap()]);
        assert!(shot.status.success(), "{}", String::from_utf8_lossy(&shot.stderr));
        image::open(path).unwrap().to_rgb8()
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Waits until `good` holds of the screen. The limit is a watchdog.
fn until(display: &Display, path: &Path, what: &str, good: impl Fn(&image::RgbImage) -> bool) {
    let begun = Instant::now();
    while !good(&display.screenshot(path)) {
        assert!(begun.elapsed() < Duration::from_secs(60), "never seen on the screen: {what}");
    }
}

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
    let mut running = command.env("DISPLAY", &display.name).stderr(Stdio::piped()).spawn().unwrap();
    let window = display.window("Bloom");
    until(&display, &shot, "the cubes", |s| lit(s, 0..320, 0..180) > 500);
    display.tool("xdotool", &["windowsize", &window, "640", "400"]);
    until(&display, &shot, "the larger picture", |s| lit(s, 330..640, 0..400) > 500);
    display.tool("xdotool", &["windowfocus", &window]);
    let begun = Instant::now();
    while !engine.out().join("screenshot-0001.png").exists() {
        display.tool("xdotool", &["key", "F12"]);
        assert!(begun.elapsed() < Duration::from_secs(60), "F12 never wrote a screenshot");
    }
    display.tool("xdotool", &["windowclose", &window]);
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
