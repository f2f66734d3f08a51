//! `engine mitosis` and `engine clean`: a whole project is built, runs, follows what is saved, and leaves nothing.
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Engine, Live, scratch_workspace};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

const EXE: &str = env!("CARGO_BIN_EXE_engine");
const CELL: &str = env!("CARGO_BIN_EXE_cell");
/// Ends a wait that hangs. A watchdog, not a measure.
const WATCHDOG: Duration = Duration::from_secs(120);

/// Waits until `done` says so.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < WATCHDOG, "it never came so far: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A workspace of a user's own, and their place for sockets.
struct User {
    dir: tempfile::TempDir,
    runtime: tempfile::TempDir,
}

impl User {
    fn new() -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        scratch_workspace(dir.path());
        Self { dir, runtime: tempfile::tempdir().unwrap() }
    }

    fn command(&self, exe: &str, args: &[&str]) -> Command {
        let mut command = Command::new(exe);
        command.args(args).env("XDG_RUNTIME_DIR", self.runtime.path()).stdin(Stdio::null());
        command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").current_dir("/");
        command
    }

    fn run(&self, exe: &str, args: &[&str]) -> (Option<i32>, String) {
        let Output { status, stdout, stderr } = self.command(exe, args).output().unwrap();
        (status.code(), [stdout, stderr].map(|o| String::from_utf8_lossy(&o).into_owned()).concat())
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn root(&self) -> &str {
        self.dir.path().to_str().unwrap()
    }

    /// Returns what `engine ctl top` says of a cell.
    fn cell(&self, name: &str) -> serde_json::Value {
        let (_, text) = self.run(EXE, &["ctl", "top", "--json"]);
        let top: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        let cells = top["cells"].as_array().unwrap();
        cells.iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("no {name}: {text}")).clone()
    }
}

/// Returns the copies of the cell's builds: also those of a run of this test that was killed.
fn quick_waves() -> BTreeSet<String> {
    let copies = Path::new(EXE).parent().unwrap().join("cells");
    let names = fs::read_dir(copies).unwrap().flatten().map(|e| e.file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("quick-wave-")).collect()
}

#[test]
fn a_project_is_built_verified_and_started_and_follows_what_is_saved() {
    let (user, _built) = (User::new(), Engine::new(EXE));
    let left_by_others = quick_waves();
    let root = user.root().to_owned();
    assert_eq!(user.run(EXE, &["new", "quick-wave", "--root", &root]).0, Some(0));
    assert_eq!(user.run(EXE, &["new", "idle-wave", "--root", &root]).0, Some(0));
    let source = user.path("cells/quick-wave/src/lib.rs");
    let good = fs::read_to_string(&source).unwrap();
    let cells = "World(cells: [(cell: \"camera\"), (cell: \"quick-wave\"), (cell: \"tonemap\")])";
    fs::write(user.path("assets/scenes/wave.ron"), cells).unwrap();

    let run = ["--scene", "wave.ron", "--headless", "--frames", "1000000", "--size", "32x18"];
    // The short name, the project's folder as an argument, from elsewhere.
    let mut live = Live::spawn(user.command(CELL, &[&["mitosis", &root, "--watch"], &run[..]].concat()));
    live.until("[idle-wave] build ");
    assert!(
        live.seen.last().unwrap().contains("1 port(s)"),
        "also one that the scene does not use: {:?}",
        live.seen
    );
    live.until(" cells are verified");
    live.until("[quick-wave] its shader is ready");
    let first = user.cell("quick-wave");

    // Saved code runs, without a word of the user's; here with other ports. What was told to a cell holds.
    assert_eq!(user.run(EXE, &["ctl", "disable", "tonemap"]).0, Some(0));
    let other = good.replacen("radius: f32 = 0.3", "radius: f32 = 0.25", 1);
    assert_ne!(good, other);
    fs::write(&source, other).unwrap();
    live.until("[quick-wave] the build of ");
    live.until(" took over after frame ");
    let second = user.cell("quick-wave");
    assert_ne!(first["build"], second["build"]);
    assert_eq!(user.cell("tonemap")["state"], "disabled", "its line says nothing else than before");
    assert_eq!(user.run(EXE, &["ctl", "enable", "tonemap"]).0, Some(0));
    // Broken code is told in the terminal, and what runs runs on.
    fs::write(&source, format!("{good}\nconst ODD: u32 = \"no number\";")).unwrap();
    live.until("error[E0308]: mismatched types");
    live.until("cells/quick-wave/src/lib.rs");
    live.until("[quick-wave] the cell `quick-wave` does not compile");
    assert!(live.seen.last().unwrap().contains("it runs on as it was built"));
    let still = user.cell("quick-wave");
    assert_eq!((&still["build"], &still["restarts"]), (&second["build"], &second["restarts"]));
    // Mended, again and again: old builds do not pile up.
    for n in 2..5 {
        let ends =
            format!("impl Drop for QuickWave {{ fn drop(&mut self) {{ info!(\"build {n} ends\"); }} }}");
        fs::write(&source, format!("{good}\n{ends}\n")).unwrap();
        live.until("[quick-wave] the build of ");
        live.until(" took over after frame ");
    }
    live.until("[quick-wave] build 3 ends");
    until("old builds go", || (1..=3).contains(&quick_waves().difference(&left_by_others).count()));
    // What it shares with others too, wherever in the project that lies.
    let shared = user.path("shared");
    fs::create_dir(&shared).unwrap();
    fs::write(shared.join("pace.rs"), "pub const PACE: u8 = 1;").unwrap();
    let reads = "#[path = \"../../../shared/pace.rs\"]\nmod pace;\n";
    let ends = "impl Drop for QuickWave { fn drop(&mut self) { info!(\"pace {} ends\", pace::PACE); } }";
    fs::write(&source, format!("{good}\n{reads}{ends}\n")).unwrap();
    live.until(" took over after frame ");
    fs::write(shared.join("pace.rs"), "pub const PACE: u8 = 2;").unwrap();
    live.until(" took over after frame ");
    live.until("[quick-wave] pace 1 ends");
    // Shaders too.
    let shader = user.path("shaders/quick-wave/quick_wave.wgsl");
    let text = fs::read_to_string(&shader).unwrap();
    fs::write(&shader, format!("{text}\n// saved")).unwrap();
    live.until("[quick-wave] its shader is ready");
    live.assert_running();
    assert!(!live.seen.iter().any(|l| l.contains("panicked") || l.contains("crashed")), "{:?}", live.seen);
    assert!(!live.seen.join("").contains('\u{1b}'), "lines, where there is no terminal");
    assert_eq!(user.run(CELL, &["ctl", "quit"]).0, Some(0));
    assert!(live.end().success());
}

#[test]
fn what_mitosis_cannot_do_is_said() {
    let user = User::new();
    for (args, says) in [
        (&["mitosis", "--no-build"][..], "`engine mitosis` builds the cells"),
        (&["mitosis", "/proc"], "hold no project"),
        (&["mitosis", "/no/such/folder"], "the project /no/such/folder is not there"),
        (&["mitosis", "--watch", "--lockstep"], "cannot be used with"),
        (&["mitosis", user.root(), "--scene", "wrold.ron"], "did you mean `world.ron`?"),
    ] {
        let (code, said) = user.run(EXE, args);
        assert!(code != Some(0) && said.contains(says), "{args:?}: {said}");
    }
}

#[test]
fn what_engines_left_behind_goes_and_what_a_running_one_uses_stays() {
    let user = User::new();
    // Not the target folder in which people and other tests work.
    let target = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let engine = Engine::new(EXE).apart(target.path(), &["camera"]);
    let (exe, built) = (engine.exe(), target.path().join("debug"));
    let (exe, copies, crashes) = (exe.to_str().unwrap(), built.join("cells"), built.join("crashes"));
    let scene = engine.scene("camera.ron", r#"World(cells: [(cell: "camera", at: Process)])"#);
    let run = ["--headless", "--frames", "1000000", "--size", "16x16", "--backend", "noop"];
    let mut command = engine.command(&[&["--scene", &scene], &run[..]].concat());
    command.env("XDG_RUNTIME_DIR", user.runtime.path());
    let mut live = Live::spawn(command);
    let sockets = user.runtime.path().join("cell");
    let own = sockets.join(format!("{}.sock", live.child.id()));
    until("its socket appears", || {
        live.assert_running();
        own.exists()
    });
    let camera = user.cell("camera");
    let used = copies.join(format!("camera-{}.so", camera["build"].as_str().unwrap()));
    assert!(used.is_file());
    // What others left: a build, a half-written one, a crash file, a socket.
    fs::create_dir_all(&crashes).unwrap();
    let planted = [
        copies.join("camera-0123456789abcdef.so"),
        copies.join(".camera-0123456789abcdef.so.4194305-0.tmp"),
        crashes.join("clean-test.crash"),
    ];
    for file in &planted {
        fs::write(file, [0; 2000]).unwrap();
    }
    // What somebody who runs is about to write.
    let coming = crashes.join(format!(".clean-test.crash.{}-0.tmp", live.child.id()));
    fs::write(&coming, "").unwrap();
    drop(UnixListener::bind(sockets.join("4194305.sock")).unwrap());
    let all: Vec<PathBuf> = planted.iter().cloned().chain([sockets.join("4194305.sock")]).collect();
    let (code, said) = user.run(exe, &["clean", "--dry-run", "--root", user.root()]);
    assert_eq!(code, Some(0), "{said}");
    for file in &all {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(said.lines().any(|l| l.starts_with("would remove") && l.contains(name)), "{name}: {said}");
        assert!(file.exists(), "{name}: nothing goes yet");
    }
    assert!(said.contains("(2000 B)") && said.contains("leftover(s)"), "{said}");
    let (code, said) = user.run(exe, &["clean", "--root", user.root()]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.lines().last().unwrap().starts_with("removed "), "{said}");
    for file in &all {
        assert!(!file.exists(), "{}", file.display());
    }
    assert!(used.is_file() && own.exists() && coming.is_file(), "a running engine uses them");
    // The engine still starts its cell from there.
    assert_eq!(user.run(EXE, &["ctl", "restart", "camera"]).0, Some(0));
    let pid = camera["pid"].as_u64();
    until("it runs again", || {
        live.assert_running();
        let camera = user.cell("camera");
        camera["state"] == "running" && camera["pid"].as_u64() != pid
    });
    live.child.kill().unwrap();
    live.child.wait().unwrap();
    let (_, said) = user.run(exe, &["clean", "--root", user.root()]);
    assert!(said.contains(own.file_name().unwrap().to_str().unwrap()) && !own.exists(), "{said}");
}
