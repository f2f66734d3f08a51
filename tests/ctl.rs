//! `engine ctl`: each command against a running engine, which engine is meant, and clients that mean no good.
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Engine, Live, read_picture};
use serde_json::Value;
use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

const EXE: &str = env!("CARGO_BIN_EXE_engine");
/// Real time, until it is ended.
const RUN: [&str; 5] = ["--headless", "--frames", "1000000", "--size", "32x18"];
/// Ends a wait that hangs. A watchdog, not a measure.
const WATCHDOG: Duration = Duration::from_secs(120);
/// Tells [`a_stranger_s_side`] which socket to try, and [`a_stranger_s_engine`] where to open one.
const STRANGER: &str = "CTL_TEST_SOCKET";

/// A user's place for sockets, and what they do.
struct Desk {
    runtime: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { runtime: tempfile::tempdir().unwrap() }
    }

    /// Starts an engine; it is there for clients when its scene's last cell is ready.
    fn start(&self, engine: &Engine, scene: &str) -> Live {
        let mut command = engine.command(&[&["--scene", scene], &RUN[..]].concat());
        command.env("XDG_RUNTIME_DIR", self.runtime.path());
        let live = Live::spawn(command);
        let socket = self.socket(&live);
        self.until("its socket appears", || socket.exists());
        live
    }

    fn socket(&self, live: &Live) -> PathBuf {
        self.runtime.path().join(format!("cell/{}.sock", live.child.id()))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(EXE);
        command.arg("ctl").args(args).env("XDG_RUNTIME_DIR", self.runtime.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Returns what a command prints that goes well.
    fn says(&self, args: &[&str]) -> String {
        let out = self.run(args);
        let said = String::from_utf8(out.stdout).unwrap();
        assert_eq!(out.status.code(), Some(0), "{args:?}: {said}{}", String::from_utf8_lossy(&out.stderr));
        said
    }

    /// Returns why a command is refused.
    fn refuses(&self, args: &[&str]) -> String {
        let out = self.run(args);
        let why = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(1), "{args:?}: {why}");
        why
    }

    fn top(&self) -> Value {
        serde_json::from_str(&self.says(&["top", "--json"])).unwrap()
    }

    fn cell(&self, name: &str) -> Value {
        let top = self.top();
        let cells = top["cells"].as_array().unwrap();
        cells.iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("no {name}: {top}")).clone()
    }

    /// Waits until a cell is as `is` says.
    fn until_cell(&self, name: &str, is: impl Fn(&Value) -> bool) -> Value {
        let mut cell = Value::Null;
        self.until(name, || {
            cell = self.cell(name);
            is(&cell)
        });
        cell
    }

    fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !done() {
            assert!(begun.elapsed() < WATCHDOG, "it never came so far: {what}");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

/// Two cells that draw, and one in a process of its own.
const SCENE: &str = r#"World(name: "Bench", cells: [
    (cell: "camera"),
    (cell: "many-cubes", with: (count: 1)),
    (cell: "faulty", name: "worker", at: Process),
    (cell: "bloom"),
    (cell: "tonemap"),
])"#;

#[test]
fn a_running_world_is_asked_and_told() {
    let (engine, desk) = (Engine::new(EXE), Desk::new());
    let scene = engine.scene("bench.ron", SCENE);
    let mut live = desk.start(&engine, &scene);
    desk.until_cell("worker", |c| c["state"] == "running" && c["ticks"].as_u64() > Some(10));

    // What there is, and what it costs.
    let list = desk.says(&["list"]);
    let pid = desk.cell("worker")["pid"].as_u64().unwrap();
    for words in ["`Bench`", "tonemap", "many-cubes", "thread", &format!("process {pid}"), "running"] {
        assert!(list.contains(words), "{words}:\n{list}");
    }
    let top = desk.top();
    assert_eq!(top["engine"]["pid"], live.child.id());
    assert!(top["rss_bytes"].as_u64() > Some(1 << 20), "{top}");
    let worker = desk.cell("worker");
    assert_eq!((&worker["cell"], &worker["placement"]), (&"faulty".into(), &"process".into()));
    assert!(worker["rss_bytes"].as_u64() > Some(100_000), "{worker}");
    assert_eq!(worker["build"].as_str().unwrap().len(), 16);
    let camera = desk.cell("camera");
    assert!(camera["tick_us"]["max_us"].as_f64() >= camera["tick_us"]["mean_us"].as_f64(), "{camera}");
    assert!(
        camera["tick_us"]["mean_us"].as_f64() > Some(0.0) && camera["shared_bytes"].as_u64() > Some(0),
        "{camera}"
    );
    assert!(camera["rss_bytes"].is_null(), "a thread has none of its own: {camera}");
    let table = desk.says(&["top", "--once"]);
    assert!(table.contains("TICK us") && table.lines().count() == 2 + 5, "{table}");

    desk.until_cell("tonemap", |c| c["gpu_us"]["mean_us"].as_f64() > Some(0.0));

    // Who writes what.
    let graph = desk.says(&["graph"]);
    for words in ["5  tonemap  (running)", "scene_color", "camera > ", "(the picture)", "\"threshold\" draws"]
    {
        assert!(graph.contains(words), "{words}:\n{graph}");
    }
    let dot = desk.says(&["graph", "--dot"]);
    assert!(dot.starts_with("digraph world {") && dot.contains("\"cell camera\" -> \"camera\";"), "{dot}");

    // Time stands still, goes on by steps, and goes on.
    assert!(desk.refuses(&["step"]).contains("is not paused"));
    assert!(desk.says(&["pause"]).contains("paused before frame"));
    let before = desk.top();
    assert_eq!((&before["paused"], desk.top()["frame"].as_u64()), (&true.into(), before["frame"].as_u64()));
    let ticks = desk.cell("worker")["ticks"].as_u64().unwrap();
    let said = desk.says(&["step", "7"]);
    let frame = before["frame"].as_u64().unwrap() + 7;
    assert_eq!(said, format!("ran 7 frame(s); the next one is {frame}\n"));
    assert_eq!(desk.top()["frame"], frame);
    // A late tick is counted when it returns, which no frame waits for: one of before, or none of these yet.
    let worker = desk.cell("worker")["ticks"].as_u64().unwrap();
    assert!((ticks..=ticks + 8).contains(&worker), "no more than it was there for: {ticks}, {worker}");
    assert!(desk.refuses(&["step", "0"]).contains("is no number of frames"));
    let (still, again) = (engine.out().join("still.png"), engine.out().join("again.png"));
    for file in [&still, &again] {
        assert!(desk.says(&["capture", file.to_str().unwrap()]).contains("(32x18)"));
    }
    assert_eq!(desk.top()["frame"], frame, "a picture of a world that stands still is no frame");
    let picture = read_picture(&still);
    assert_eq!(picture, read_picture(&again));
    assert!(picture.pixels().any(|p| p.0[1] > 50), "something is drawn");
    assert!(desk.says(&["resume"]).contains("goes on"));
    desk.until("frames come", || desk.top()["frame"].as_u64() > Some(frame + 3));
    desk.until_cell("worker", |c| c["ticks"].as_u64() > Some(worker));
    steps_end_when_somebody_else_decides(&desk);
    let moving = engine.out().join("moving.png");
    assert!(desk.says(&["capture", moving.to_str().unwrap()]).contains("wrote frame"));
    assert_eq!(read_picture(&moving).dimensions(), (32, 18));
    assert!(desk.refuses(&["capture", "/proc/none/a.png"]).contains("/proc/none/a.png cannot be written"));

    // One cell at a time; the others never stop.
    assert!(desk.says(&["disable", "bloom"]).contains("`bloom` is off"));
    assert_eq!(desk.cell("bloom")["state"], "disabled");
    assert!(desk.refuses(&["restart", "bloom"]).contains("enable it first"));
    assert!(desk.says(&["enable", "bloom"]).contains("`bloom` is on"));
    desk.until_cell("bloom", |c| c["state"] == "running");
    assert!(desk.says(&["restart", "worker"]).contains("`worker` starts again"));
    let back =
        desk.until_cell("worker", |c| c["state"] == "running" && c["pid"] != pid && !c["pid"].is_null());
    assert_eq!(back["restarts"], 1);
    assert_eq!(back["swap"]["act"], "restart", "what came of it is told: {}", back["swap"]);
    // The old one waits until the new one has shown that it works.
    desk.until("the old process ends", || !Path::new(&format!("/proc/{pid}")).exists() || is_zombie(pid));
    assert!(desk.says(&["move", "worker", "thread"]).contains("on a thread of the engine"));
    desk.until_cell("worker", |c| {
        c["state"] == "running" && c["placement"] == "thread" && c["pid"].is_null()
    });
    assert!(desk.says(&["move", "worker", "thread"]).contains("already"));
    // Nothing is moved while time stands still: what counts is where it goes.
    desk.says(&["pause"]);
    assert!(desk.says(&["move", "camera", "process"]).contains("moves: from now on it runs in a process"));
    assert!(
        desk.says(&["move", "camera", "process"]).contains("is about to run in a process of its own already")
    );
    assert!(desk.says(&["move", "camera", "thread"]).contains("moves: from now on it runs on a thread"));
    desk.says(&["resume"]);
    let camera = desk.until_cell("camera", |c| c["swap"]["standing"] == "done");
    assert_eq!(
        (&camera["placement"], &camera["swap"]["act"]),
        (&"thread".into(), &"move".into()),
        "{camera}"
    );
    assert!(desk.says(&["move", "camera", "Process"]).contains("in a process of its own"));
    desk.until_cell("camera", |c| c["state"] == "running" && c["pid"].as_u64().is_some());
    assert!(desk.says(&["swap", "tonemap"]).contains("runs its newest build already"));

    // Slips are answered with what was probably meant.
    for args in [
        &["restart", "tonmap"][..],
        &["disable", "tonmap"],
        &["move", "tonmap", "thread"],
        &["swap", "tonmap"],
    ] {
        assert!(desk.refuses(args).contains("no cell `tonmap`; did you mean `tonemap`?"), "{args:?}");
    }
    assert!(desk.refuses(&["log", "tonmap"]).contains("did you mean `tonemap`?"));
    assert!(desk.refuses(&["restart", "elephant"]).contains("there is `camera`"));

    // The log, and what comes.
    let log = desk.says(&["log", "bloom"]);
    assert!(log.contains("[bloom] switched off") && !log.contains("[worker]"), "{log}");
    let seen = engine.out().join("followed.txt");
    let file = fs::File::create(&seen).unwrap();
    let mut follow = desk.command(&["log", "worker", "--follow"]).stdout(file).spawn().unwrap();
    desk.says(&["restart", "worker"]);
    desk.until("it follows on", || {
        assert_eq!(follow.try_wait().unwrap(), None, "it follows on");
        fs::read_to_string(&seen).unwrap().matches("starts again").count() == 2
    });
    assert!(desk.says(&["quit"]).contains("the engine ends"));
    assert!(live.end().success(), "{:?}", live.seen);
    assert!(follow.wait().unwrap().success(), "who follows ends with it");
    assert!(!desk.socket(&live).exists(), "nothing is left behind");
    assert!(desk.refuses(&["list"]).contains("no engine runs here for you; start one"));
}

/// Whoever waits for steps is told when they are not run, and never that the engine has ended.
fn steps_end_when_somebody_else_decides(desk: &Desk) {
    assert!(desk.refuses(&["step"]).contains("is not paused"));
    for (other, says, why) in [
        ("pause", "the steps that were left are not run", "it was paused before all steps were run"),
        ("resume", "goes on with frame", "the world was resumed before all steps were run"),
    ] {
        desk.says(&["pause"]);
        assert!(desk.refuses(&["step", "10001"]).contains("take 1 to 10000"));
        let frame = desk.top()["frame"].as_u64();
        let mut steps = desk.command(&["step", "10000"]);
        let steps = steps.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        desk.until("steps", || desk.top()["frame"].as_u64() > frame);
        assert!(desk.says(&[other]).contains(says), "{other}");
        let out = steps.wait_with_output().unwrap();
        let said = String::from_utf8(out.stderr).unwrap();
        assert!(out.status.code() == Some(1) && said.contains(why), "{other}: {said}");
        assert_eq!(desk.top()["paused"], other == "pause");
    }
}

/// Returns whether a process has ended and nobody has asked about it yet.
fn is_zombie(pid: u64) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| s.contains(") Z "))
}

#[test]
fn what_each_cell_is_doing_and_what_it_sends_is_told() {
    let (engine, desk) = (Engine::new(EXE), Desk::new());
    let scene = r#"World(cells: [
        (cell: "camera"),
        (cell: "faulty", name: "talks", with: (send_to: "hears")),
        (cell: "faulty", name: "hears"),
        (cell: "faulty", name: "hangs", with: (hang_in: "tick", at_frame: 30)),
        (cell: "faulty", name: "breaks", with: (panic_in: "load")),
    ])"#;
    let mut live = desk.start(&engine, &engine.scene("states.ron", scene));
    let broken = desk.until_cell("breaks", |c| c["state"] == "down");
    assert!(broken["why"].as_str().unwrap().contains("the scene asked for a panic in load"), "{broken}");
    assert_eq!(broken["restarts"], 4);
    assert!(desk.says(&["list"]).contains("breaks (down): panicked in `load`"), "and people are told too");
    let talks = desk.until_cell("talks", |c| c["sent"].as_u64() > Some(10));
    // They come a frame later.
    let hears = desk.until_cell("hears", |c| c["received"].as_u64() >= talks["sent"].as_u64());
    assert_eq!(hears["sent"], 0, "{hears}");
    assert_eq!((&talks["received"], &talks["dropped"]), (&0.into(), &0.into()), "{talks}");
    let hung = desk.until_cell("hangs", |c| c["zombies"].as_u64() > Some(0));
    assert!(hung["late"].as_u64() > Some(0), "{hung}");
    live.assert_running();
}

#[test]
fn a_cell_goes_over_to_its_newest_build() {
    let (engine, desk) = (Engine::new(EXE), Desk::new());
    let project = tempfile::tempdir().unwrap();
    engine_tests::scratch_project(project.path());
    let (probe, library) = (engine.library("probe"), project.path().join("odd.so"));
    fs::create_dir(project.path().join("shaders/odd")).unwrap();
    fs::copy(project.path().join("shaders/probe/probe.wgsl"), project.path().join("shaders/odd/probe.wgsl"))
        .unwrap();
    probe.save(&library);
    let scene = r#"World(cells: [(cell: "odd.so", trust: Own, name: "odd"), (cell: "tonemap")])"#;
    let scene = engine.scene("odd.ron", scene);
    let engine = engine.at(project.path());
    let mut live = desk.start(&engine, &scene);
    let before = desk.until_cell("odd", |c| c["state"] == "running");
    // Another content at the end of the file: another build of the same code.
    let mut bytes = fs::read(&library).unwrap();
    bytes.extend(b"another build");
    fs::write(project.path().join("odd.tmp"), bytes).unwrap();
    fs::rename(project.path().join("odd.tmp"), &library).unwrap();
    assert!(desk.says(&["swap", "odd"]).contains("goes over to build"));
    let after = desk.until_cell("odd", |c| c["state"] == "running" && c["build"] != before["build"]);
    assert_eq!(after["restarts"], 1);
    // One that is no cell changes nothing.
    fs::write(project.path().join("odd.tmp"), "no library").unwrap();
    fs::rename(project.path().join("odd.tmp"), &library).unwrap();
    assert!(desk.refuses(&["swap", "odd"]).contains("is no shared library"));
    assert_eq!(desk.cell("odd")["build"], after["build"]);
    assert_eq!(desk.cell("odd")["state"], "running");
    live.assert_running();
}

#[test]
fn of_several_engines_one_must_be_named_and_the_dead_are_swept_away() {
    let (engine, desk) = (Engine::new(EXE), Desk::new());
    let world = |name: &str| format!(r#"World(name: "{name}", cells: [(cell: "camera")])"#);
    let (dawn, dusk) = (engine.scene("one.ron", &world("Dawn")), engine.scene("two.ron", &world("Dusk")));
    let (mut first, second) = (desk.start(&engine, &dawn), desk.start(&engine, &dusk));
    let (a, b) = (first.child.id().to_string(), second.child.id().to_string());
    let why = desk.refuses(&["list"]);
    for words in ["2 engines run", "--engine", &a, &b, "`Dawn`", "two.ron"] {
        assert!(why.contains(words), "{words}: {why}");
    }
    for (wanted, meant) in [(&*a, "Dawn"), (&b, "Dusk"), ("dusk", "Dusk"), ("one", "Dawn")] {
        assert!(desk.says(&["--engine", wanted, "list"]).contains(&format!("`{meant}`")), "{wanted}");
        assert!(desk.says(&["list", "--engine", wanted]).contains(&format!("`{meant}`")), "{wanted}");
    }
    let why = desk.refuses(&["list", "--engine", "Dask"]);
    assert!(why.contains("no engine is called `Dask`; did you mean") && why.contains(&a), "{why}");
    // One that is killed leaves its socket; who comes next takes it away.
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    let socket = desk.socket(&first);
    assert!(socket.exists(), "it had no time to clean up");
    assert!(desk.says(&["list"]).contains("`Dusk`"), "one is left, and nothing need be said");
    assert!(!socket.exists());
    assert!(desk.says(&["quit"]).contains("the engine ends"));
}

/// Says bytes to a socket and returns what comes back until the other end closes.
fn answer_to(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    // It may have been refused by now.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn frame(body: &str) -> Vec<u8> {
    [b"ctl\x01", &(body.len() as u32).to_le_bytes()[..], body.as_bytes()].concat()
}

#[test]
fn clients_that_mean_no_good_cost_themselves_and_no_frame() {
    let (engine, desk) = (Engine::new(EXE), Desk::new());
    let scene = engine.scene("camera.ron", r#"World(cells: [(cell: "camera")])"#);
    let mut live = desk.start(&engine, &scene);
    let socket = desk.socket(&live);
    for (bytes, says) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "does not begin with `ctl`"),
        (b"ctl\x09\0\0\0\0", "version 9"),
        (b"ctl\x01\xff\xff\xff\xff", "4294967295 bytes is too long; at most 65536"),
        (b"ctl\x01\x01\0\x01\0", "65537 bytes is too long"),
        (&frame("\"dance\""), "unknown variant `dance`"),
        (&frame("{\"step\": -1}"), "not understood"),
        (&frame("[[[["), "not understood"),
        (&frame(&"[".repeat(60_000)), "not understood"),
        (
            &frame("{\"cell\": {\"name\": \"camera\", \"command\": {\"move\": \"moon\"}}}"),
            "unknown variant `moon`",
        ),
    ] {
        let answer = answer_to(&socket, bytes);
        assert!(answer.contains(says) && answer.contains("the connection is closed"), "{says}: {answer}");
    }
    let before = desk.cell("camera");
    // One that asks and asks and never reads: its answers fill the socket, and it is given up.
    let mut deaf = UnixStream::connect(&socket).unwrap();
    deaf.set_write_timeout(Some(WATCHDOG)).unwrap();
    let asks = frame("\"graph\"").repeat(1000);
    let given_up = std::thread::spawn(move || while deaf.write_all(&asks).is_ok() {});
    // Ones that connect and say nothing, or half of something, take all the places.
    let mut silent: Vec<UnixStream> = Vec::new();
    for n in 0..40 {
        let mut stream = UnixStream::connect(&socket).unwrap();
        // One that was refused may be closed already.
        let _ = stream.write_all(&frame("\"metrics\"")[..n % 12]);
        silent.push(stream);
    }
    let why = answer_to(&socket, b"");
    assert!(why.contains("connections are open already") && why.contains("try again later"), "{why}");
    given_up.join().unwrap();
    // Those that say nothing are given up too, one by one, with a reason; then there are places again.
    desk.until("a good client is served", || desk.run(&["list"]).status.success());
    let mut reason = String::new();
    let _ = silent[1].read_to_string(&mut reason);
    assert!(reason.contains("nothing came for") || reason.contains("open already"), "{reason}");
    let camera = desk.cell("camera");
    // They are gone; while they were there it went on as well.
    assert!(camera["ticks"].as_u64() > before["ticks"].as_u64(), "the world went on meanwhile: {camera}");
    drop(silent);
    assert!(desk.says(&["quit"]).contains("the engine ends"));
    assert!(live.end().success());
}

#[test]
fn somebody_else_is_refused_whatever_the_file_s_rights_say() {
    let (engine, desk) = (Engine::new(EXE), Desk::new());
    let scene = engine.scene("camera.ron", r#"World(cells: [(cell: "camera")])"#);
    let mut live = desk.start(&engine, &scene);
    let socket = desk.socket(&live);
    let folder = socket.parent().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder), 0o700, "nobody else can even see it");
    // As if somebody had opened everything: who connects counts all the same.
    for path in [desk.runtime.path(), folder] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(
        desk.refuses(&["list"]).contains("no folder that only you may use"),
        "and a client does not trust it"
    );
    if is_root() {
        let out = stranger("a_stranger_s_side", &socket).output().unwrap();
        let said = [out.stdout, out.stderr].map(|o| String::from_utf8_lossy(&o).into_owned()).concat();
        assert!(out.status.success() && said.contains("not user 65534"), "{said}");
        live.until("only user 0 may use this engine's socket, not user 65534");
    } else {
        eprintln!("not run as root: no process of another user can be made");
    }
    live.assert_running();
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}

/// Runs the other side of a test as another user.
fn stranger(test: &str, socket: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", test, "--nocapture"]).env(STRANGER, socket);
    command.uid(65534).gid(65534).current_dir("/");
    command
}

#[test]
fn an_engine_of_somebody_else_is_told_nothing_wherever_its_socket_lies() {
    if !is_root() {
        return eprintln!("not run as root: no process of another user can be made");
    }
    let (desk, open) = (Desk::new(), tempfile::tempdir().unwrap());
    fs::set_permissions(open.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let theirs = open.path().join("theirs.sock");
    let mut engine = stranger("a_stranger_s_engine", &theirs).stdout(Stdio::null()).spawn().unwrap();
    desk.until("the stranger listens", || theirs.exists());
    // As if they had found a way into the folder.
    let folder = desk.runtime.path().join("cell");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    fs::rename(&theirs, folder.join("4194305.sock")).unwrap();
    for args in [&["list"][..], &["quit"], &["list", "--engine", "4194305"]] {
        let why = desk.refuses(args);
        assert!(why.contains("the engine 4194305 does not answer"), "{args:?}: {why}");
        assert!(why.contains("belongs to an engine of somebody else"), "{args:?}: {why}");
    }
    assert!(folder.join("4194305.sock").exists(), "it is not taken for a dead one");
    assert!(engine.wait().unwrap().success(), "three came and said nothing");
}

/// Run by the test above as another user: an engine that writes down what it is told.
#[test]
#[ignore = "the other side of another test"]
fn a_stranger_s_engine() {
    let path = PathBuf::from(std::env::var_os(STRANGER).unwrap());
    // Under its name there is always somebody who listens.
    let making = path.with_extension("making");
    let listener = UnixListener::bind(&making).unwrap();
    fs::rename(&making, &path).unwrap();
    for _ in 0..3 {
        let mut told = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut told).unwrap();
        assert_eq!(String::from_utf8_lossy(&told), "");
    }
}

/// Run by the test before that as another user.
#[test]
#[ignore = "the other side of another test"]
fn a_stranger_s_side() {
    let answer = answer_to(Path::new(&std::env::var_os(STRANGER).unwrap()), &frame("\"quit\""));
    eprintln!("{answer}");
    assert!(answer.contains("only user 0 may use this engine's socket"), "{answer}");
}
