//! The kit of the end-to-end tests: runs the engine binary and reads what it left behind.
//!
//! The tests themselves are declared in `engine/Cargo.toml` by path, because cargo builds a binary only for
//! tests of its own package; they hand the binary's path to [`Engine::new`].
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]
#![allow(clippy::missing_panics_doc, reason = "a test kit panics with the reason; that is its way to fail")]

mod apart;
mod display;
mod library;
mod live;
mod twin;
mod workspace;

pub use display::Display;
pub use library::{Library, swapped};
pub use live::Live;
pub use workspace::scratch_workspace;

use image::RgbImage;
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Once,
    time::{Duration, Instant},
};

/// Ends a run that hangs. A watchdog, not a measure.
const WATCHDOG: Duration = Duration::from_secs(300);

/// The project's folder.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the project").to_owned()
}

/// An engine to run.
#[derive(Debug)]
pub struct Engine {
    exe: PathBuf,
    root: PathBuf,
    out: tempfile::TempDir,
    env: Vec<(String, String)>,
}

/// What a run left behind.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// The log.
    pub log: String,
    /// The report, when there is one.
    pub report: serde_json::Value,
    /// The captured picture, when there is one.
    pub picture: Option<RgbImage>,
}

impl Ran {
    /// Returns the hash of the captured picture.
    #[must_use]
    pub fn hash(&self) -> &str {
        self.report["picture_blake3"]
            .as_str()
            .unwrap_or_else(|| panic!("no picture in the report:\n{}", self.log))
    }

    /// Returns a cell's part of the report.
    #[must_use]
    pub fn cell(&self, name: &str) -> &serde_json::Value {
        let cells = self.report["cells"].as_array().unwrap_or_else(|| panic!("no report:\n{}", self.log));
        cells.iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("no cell `{name}` in the report"))
    }

    /// Asserts that the run ended well.
    #[must_use]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "the run failed:\n{}", self.log);
        self
    }

    /// Asserts that the log contains each of `words`.
    #[must_use]
    pub fn says(self, words: &[&str]) -> Self {
        for w in words {
            assert!(self.log.contains(w), "the log does not say `{w}`:\n{}", self.log);
        }
        self
    }
}

impl Engine {
    /// Returns the engine `exe` (`env!("CARGO_BIN_EXE_engine")`), with all cells of the project built.
    #[must_use]
    pub fn new(exe: &str) -> Self {
        let out = tempfile::tempdir().expect("a temporary folder");
        let engine = Self { exe: exe.into(), root: root(), out, env: Vec::new() };
        engine.build_once();
        engine
    }

    /// Returns an engine over the project at `root` instead (see [`scratch_project`]).
    #[must_use]
    pub fn at(mut self, root: &Path) -> Self {
        root.clone_into(&mut self.root);
        self
    }

    /// Returns an engine that runs with an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Returns the folder for what runs leave behind.
    #[must_use]
    pub fn out(&self) -> &Path {
        self.out.path()
    }

    /// Builds the cells once for all test processes: they take turns on a lock file.
    fn build_once(&self) {
        static BUILT: Once = Once::new();
        BUILT.call_once(|| {
            let folder = self.exe.parent().expect("the binary lies in a folder");
            let lock = File::create(folder.join(".cells-test-lock")).expect("the lock file can be made");
            lock.lock().expect("the lock can be taken");
            let built = Command::new(&self.exe)
                .arg("check")
                .arg(root().join("tests/all-cells.ron"))
                .arg("--root")
                .arg(&self.root)
                .stdin(Stdio::null())
                .output()
                .expect("the engine starts");
            assert!(
                built.status.success(),
                "the cells cannot be built, or all-cells.ron has faults:\n{}",
                String::from_utf8_lossy(&built.stderr)
            );
        });
    }

    /// Starts the engine with `args` and the project's folder; `--no-build` is given.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut c = Command::new(&self.exe);
        c.args(args).arg("--no-build").arg("--root").arg(&self.root).current_dir(self.out.path());
        c.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").stdin(Stdio::null());
        c.envs(self.env.iter().map(|(name, value)| (name, value)));
        c
    }

    /// Runs the engine with `args` to its end.
    #[must_use]
    pub fn raw(&self, args: &[&str]) -> Ran {
        let output = watched(self.command(args));
        Ran {
            code: output.status.code(),
            log: String::from_utf8_lossy(&output.stderr).into_owned(),
            report: serde_json::Value::Null,
            picture: None,
        }
    }

    /// Runs `scene` headless in lockstep with `args`, with a picture of the last frame and a report.
    #[must_use]
    pub fn lockstep(&self, scene: &str, args: &[&str]) -> Ran {
        let mut all = vec!["--lockstep"];
        all.extend(args);
        self.headless(scene, &all)
    }

    /// Runs `scene` headless with `args`, with a picture of the last frame and a report.
    #[must_use]
    pub fn headless(&self, scene: &str, args: &[&str]) -> Ran {
        let (picture, report) = (self.out.path().join("run.png"), self.out.path().join("run.json"));
        // What an earlier run left must not be taken for this one's.
        let _ = (std::fs::remove_file(&picture), std::fs::remove_file(&report));
        let mut command = self.command(&["--scene", scene, "--headless"]);
        command.args(args).arg("--capture").arg(&picture).arg("--report").arg(&report);
        let output = watched(command);
        Ran {
            code: output.status.code(),
            log: String::from_utf8_lossy(&output.stderr).into_owned(),
            report: std::fs::read(&report)
                .ok()
                .and_then(|b| serde_json::from_slice(&b).ok())
                .unwrap_or(serde_json::Value::Null),
            picture: image::open(&picture).ok().map(|i| i.to_rgb8()),
        }
    }

    /// Writes `text` as a scene and returns its path.
    #[must_use]
    pub fn scene(&self, name: &str, text: &str) -> String {
        let path = self.out.path().join(name);
        std::fs::write(&path, text).expect("the scene can be written");
        path.to_str().expect("temporary paths are text").to_owned()
    }
}

/// Runs a command to its end, or kills it when the watchdog's time is over.
fn watched(mut command: Command) -> Output {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the engine starts");
    let mut stderr = child.stderr.take().expect("it was asked for");
    let reader = std::thread::spawn(move || {
        let mut log = Vec::new();
        // A log that cannot be read shows in the assertions on it.
        let _ = std::io::Read::read_to_end(&mut stderr, &mut log);
        log
    });
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            break status;
        }
        if begun.elapsed() > WATCHDOG {
            child.kill().expect("a child can be killed");
            let log = child.wait().map(|_| reader.join().unwrap_or_default());
            panic!("the engine hung:\n{}", String::from_utf8_lossy(&log.unwrap_or_default()));
        }
        std::thread::park_timeout(Duration::from_millis(5));
    };
    Output { status, stdout: Vec::new(), stderr: reader.join().expect("the reader ends with the child") }
}

/// Makes a project in `to` that shares cells and builds with the real one, but has shaders, assets and scenes
/// of its own that a test may change. Large assets are linked, not copied.
pub fn scratch_project(to: &Path) {
    let real = root();
    std::fs::write(to.join("Cargo.toml"), "").expect("the manifest can be written");
    // The engine's own sources make it a project that shares the engine's target folder.
    for folder in ["cells", "engine"] {
        std::os::unix::fs::symlink(real.join(folder), to.join(folder)).expect("a folder can be linked");
    }
    for folder in ["shaders", "assets"] {
        copy_folder(&real.join(folder), &to.join(folder));
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("a folder can be read") {
        let path = entry.expect("an entry can be read").path();
        let target = to.join(path.file_name().expect("entries have names"));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a file can be copied");
        }
    }
}

/// Compares a picture with the stored one `tests/pictures/NAME.png`: the mean difference of a channel is at most
/// `mean` and no more than `share` of the pixels differ by more than 24 in some channel. Else the difference is
/// saved beside it as `NAME.diff.png`. With the variable `UPDATE_PICTURES` set, the stored one is replaced.
pub fn assert_picture(name: &str, picture: &RgbImage, mean: f64, share: f64) {
    let path = root().join("tests/pictures").join(format!("{name}.png"));
    if std::env::var_os("UPDATE_PICTURES").is_some() {
        std::fs::create_dir_all(path.parent().expect("a file lies in a folder"))
            .expect("the folder can be made");
        picture.save(&path).expect("the picture can be written");
        return;
    }
    let stored = image::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).to_rgb8();
    assert_eq!(stored.dimensions(), picture.dimensions(), "{name}: other size than the stored picture");
    let mut difference = RgbImage::new(picture.width(), picture.height());
    let (mut sum, mut far) = (0_u64, 0_u64);
    for ((a, b), d) in stored.pixels().zip(picture.pixels()).zip(difference.pixels_mut()) {
        let mut most = 0;
        for c in 0..3 {
            let one = a.0[c].abs_diff(b.0[c]);
            sum += u64::from(one);
            most = most.max(one);
            d.0[c] = one.saturating_mul(4);
        }
        far += u64::from(most > 24);
    }
    let pixels = f64::from(picture.width()) * f64::from(picture.height());
    let (found_mean, found_share) = (sum as f64 / 3.0 / pixels, far as f64 / pixels);
    if found_mean > mean || found_share > share {
        let diff = root().join("target").join(format!("{name}.diff.png"));
        difference.save(&diff).expect("the difference can be written");
        panic!(
            "{name}: mean difference {found_mean:.3} (at most {mean}), {:.2} % of the pixels far off (at most {:.2} %); \
             the difference is in {}; to accept it, run the test with UPDATE_PICTURES=1 and look at the picture",
            found_share * 100.0,
            share * 100.0,
            diff.display()
        );
    }
}

/// Reads a picture.
#[must_use]
pub fn read_picture(path: &Path) -> RgbImage {
    image::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).to_rgb8()
}

/// Returns the mean luminance of a picture, 0 to 255.
#[must_use]
pub fn luminance(picture: &RgbImage) -> f64 {
    let sum: f64 = picture
        .pixels()
        .map(|p| 0.2126 * f64::from(p.0[0]) + 0.7152 * f64::from(p.0[1]) + 0.0722 * f64::from(p.0[2]))
        .sum();
    sum / f64::from(picture.width() * picture.height())
}
