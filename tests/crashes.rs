//! A crash leaves a file with the cell's last turns, and a report; `engine replay` runs them again and dies as it did.
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_host::kept::{Terms, read_records, write_records};
use engine_tests::{Engine, Live, Ran, scratch_project};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const EXE: &str = env!("CARGO_BIN_EXE_engine");

/// Runs a scene for 40 frames in lockstep; returns the run and the crash files that it left, by frame.
fn crash(engine: &Engine, cells: &str) -> (Ran, Vec<PathBuf>) {
    let folder = engine.out().join("crashes");
    // What an earlier run of the test left.
    let _ = fs::remove_dir_all(&folder);
    let scene = engine.scene("crash.ron", &format!("World(name: \"crash\", cells: [{cells}])"));
    let ran = engine.raw(&[
        "--scene",
        &scene,
        "--headless",
        "--lockstep",
        "--frames",
        "40",
        "--size",
        "16x16",
        "--backend",
        "noop",
        "--crashes",
        folder.to_str().unwrap(),
    ]);
    let mut files: Vec<_> = match fs::read_dir(&folder) {
        Ok(entries) => entries.map(|e| e.unwrap().path()).collect(),
        Err(_) => Vec::new(),
    };
    files.retain(|f| f.extension().is_some_and(|e| e == "crash"));
    files.sort_by_key(|f| frame_of(f));
    (ran, files)
}

fn frame_of(file: &Path) -> u64 {
    file.file_stem().unwrap().to_str().unwrap().rsplit_once('-').unwrap().1.parse().unwrap()
}

fn replay(engine: &Engine, file: &Path, args: &[&str]) -> Ran {
    let mut all = vec!["replay", file.to_str().unwrap()];
    all.extend(args);
    engine.raw(&all)
}

/// Returns what the log says of the cell's end: the first line with `words`, from there on.
fn line<'a>(log: &'a str, words: &str) -> &'a str {
    let line = log.lines().find_map(|l| l.find(words).map(|at| &l[at..]));
    line.unwrap_or_else(|| panic!("no `{words}` in\n{log}"))
}

#[test]
fn a_panic_is_run_again_whatever_its_reason_is() {
    let engine = Engine::new(EXE);
    let camera = "(cell: \"camera\", with: (orbit_speed: 60, fly: (at: (0, 0, 9), look: (0, 0, 0))))";
    let sender = "(cell: \"faulty\", name: \"sender\", with: (send_to: \"faulty\"))";
    for at in ["Thread", "Process"] {
        for (reason, limit, neighbour) in [("state", 17, ""), ("camera", 11, camera), ("mail", 9, sender)] {
            let with = format!("limit_of: \"{reason}\", limit: {limit}");
            let cells = format!("(cell: \"faulty\", at: {at}, with: ({with})), {neighbour}");
            let (ran, files) = crash(&engine, &cells);
            let first = files.first().unwrap_or_else(|| panic!("no crash file:\n{}", ran.log));
            let why = line(&ran.log, "panicked in `tick`").split("; it starts again").next().unwrap();
            assert!(why.ends_with(&format!("{reason} is {limit}, which is too much")), "{why}");
            assert!(ran.log.contains(&format!("engine replay {}", first.display())), "{}", ran.log);

            let again = replay(&engine, first, &[]).ok();
            let frame = frame_of(first);
            assert!(frame > 5, "{frame}: there were ticks before it");
            let ended = format!("error [faulty] the tick of frame {frame}: {why}");
            let _ = again.says(&[&ended, "it ended as it did then", "rust-gdb", "from its making"]);
        }
    }
}

#[test]
fn the_report_beside_it_says_what_is_known() {
    let engine = Engine::new(EXE);
    let (_, files) = crash(&engine, "(cell: \"faulty\", with: (panic_in: \"tick\", at_frame: 7))");
    let report = fs::read_to_string(files[0].with_extension("txt")).unwrap();
    for words in [
        "The cell `faulty` ended in frame 7:",
        "panicked in `tick` at cells/faulty/src/lib.rs:",
        "the scene asked for a panic in tick",
        "run it again     engine replay ",
        "from its making, frames 0 to 7",
        "info the scene asks for `panic` in tick",
        "engine           0.",
        "Backtrace:",
        "misbehave",
    ] {
        assert!(report.contains(words), "no `{words}` in\n{report}");
    }
    assert!(!report.contains("engine_host::thread_cell"), "it ends where the engine begins:\n{report}");
}

#[test]
fn a_segfault_in_a_process_is_a_segfault_when_it_is_run_again() {
    let engine = Engine::new(EXE);
    let cells = "(cell: \"faulty\", at: Process, with: (crash_in: \"tick\", crash: \"segv\", at_frame: 12))";
    let (ran, files) = crash(&engine, cells);
    assert!(ran.log.contains("SIGSEGV"), "{}", ran.log);
    assert_eq!(frame_of(&files[0]), 12);
    let again = replay(&engine, &files[0], &[]).ok();
    let again = again.says(&["in a process of its own", "it ended as it did then", "replay --here "]);
    let told = "next is its last turn, the tick of frame 12; then it ended: ";
    assert!(again.log.contains(told) && again.log.contains("SIGSEGV"), "{}", again.log);
    // In this process, for a debugger.
    let here = replay(&engine, &files[0], &["--here"]);
    assert_eq!(here.code, None, "a signal ends it:\n{}", here.log);
    let _ = here.says(&["in this process", told]);

    // And before it does, it can be stopped.
    let stopped = replay(&engine, &files[0], &["--until", "11"]).ok();
    let stopped = stopped.says(&["stopped after frame 11, as asked for"]);
    assert!(!stopped.log.contains("next is its last turn"), "{}", stopped.log);
}

#[test]
fn a_tick_that_never_returns_is_kept_too() {
    let engine = Engine::new(EXE);
    let scene = engine
        .scene("hang.ron", "World(cells: [(cell: \"faulty\", with: (hang_in: \"tick\", at_frame: 5))])");
    let folder = engine.out().join("hung");
    let ran = engine.raw(&[
        "--scene",
        &scene,
        "--headless",
        "--lockstep",
        "--frames",
        "9",
        "--size",
        "16x16",
        "--backend",
        "noop",
        // Its load counts too, on a machine that does something else.
        "--tick-limit-ms",
        "2000",
        "--crashes",
        folder.to_str().unwrap(),
    ]);
    assert_eq!(ran.code, Some(1), "{}", ran.log);
    let file = folder.join("faulty-5.crash");
    let _ = replay(&engine, &file, &["--until", "4"]).ok().says(&["stopped after frame 4"]);

    // In real time the instance is replaced, and the run goes on.
    let folder = engine.out().join("replaced");
    let mut live = Live::start(
        &engine,
        &[
            "--scene",
            &scene,
            "--headless",
            "--frames",
            "3600",
            "--size",
            "16x16",
            "--crashes",
            folder.to_str().unwrap(),
        ],
    );
    live.until("hung for 2 s and was replaced");
    live.until("run them again with `engine replay ");
    // Of whichever instance it is that has hung: in real time it may be another one's frame.
    let said = live.seen.last().unwrap().split_once("`engine replay ").unwrap().1;
    let file = PathBuf::from(said.trim_end_matches('`'));
    let before = (frame_of(&file) - 1).to_string();
    // It may have been late in that one; in lockstep, above, it is not.
    let _ = replay(&engine, &file, &["--until", &before]).ok().says(&["stopped after frame "]);
}

#[test]
fn a_cell_that_crashes_as_it_loads_is_run_again_too() {
    let engine = Engine::new(EXE);
    let (ran, files) = crash(&engine, "(cell: \"faulty\", with: (panic_in: \"load\"))");
    let first = files.first().unwrap_or_else(|| panic!("no crash file:\n{}", ran.log));
    let again = replay(&engine, first, &[]).ok();
    let _ = again.says(&["its load: panicked in `load`", "it ended as it did then"]);
}

#[test]
fn a_state_and_not_the_making_is_where_a_restarted_cell_goes_on_from() {
    let engine = Engine::new(EXE);
    let (ran, files) =
        crash(&engine, "(cell: \"probe\", checkpoint: 0.1, with: (does: \"keep\", panics_in: 20))");
    assert_eq!(files.len(), 1, "{}", ran.log);
    let again = replay(&engine, &files[0], &[]).ok();
    let _ = again.says(&["in frame 19 it has counted 20", "it ended as it did then"]);
}

/// Returns the lines of the log that a stranger's attempt to write a file left.
fn writes(log: &str) -> Vec<&str> {
    log.lines().filter(|l| l.contains("write was ")).collect()
}

#[test]
fn a_strangers_cell_is_run_again_in_the_sandbox_whatever_the_file_says_of_it() {
    let engine = Engine::new(EXE);
    let dir = tempfile::tempdir().unwrap();
    scratch_project(dir.path());
    let engine = engine.at(dir.path());
    let evil = engine.library("faulty").with_bytes(b"create: ........", b"create: write...");
    evil.save(&dir.path().join("evil.so"));
    let trust = "trust: Untrusted(read: [\"camera\"], write: [\"scene_color\"])";
    let line =
        format!("(cell: \"evil.so\", {trust}, with: (panic_in: \"tick\", at_frame: 3)), (cell: \"camera\")");
    let (ran, files) = crash(&engine, &line);
    let first = files.first().unwrap_or_else(|| panic!("no crash file:\n{}", ran.log));
    let report = fs::read_to_string(first.with_extension("txt")).unwrap();
    assert!(!report.contains("debugger  "), "nobody is told to run it in the engine's process:\n{report}");
    let stays_out = |ran: &Ran| {
        assert!(ran.log.contains("write was denied"), "{}", ran.log);
        assert!(!ran.log.contains("write was allowed"), "{:?}", writes(&ran.log));
        assert!(!engine.out().join("faulty-was-here").exists(), "its file is there:\n{}", ran.log);
    };
    let again = replay(&engine, first, &[]).ok();
    stays_out(&again);
    let _ = again.says(&["in a sandbox of its own", "it ended as it did then"]);
    let here = replay(&engine, first, &["--here"]);
    assert_eq!((here.code, writes(&here.log).len()), (Some(1), 0), "{}", here.log);

    // A file that calls it our own does not make it that, in this build or a newer one.
    let (mut head, records) = read_records(&fs::read(first).unwrap()).unwrap();
    (head.terms, head.placement) = (Terms::default(), "Thread".to_owned());
    let forged = engine.out().join("forged.crash");
    fs::write(&forged, write_records(&head, &records)).unwrap();
    for args in [&[][..], &["--any-build"]] {
        let ran = replay(&engine, &forged, args);
        stays_out(&ran);
        let _ = ran.says(&["it is run as a stranger's", "in a sandbox of its own"]);
    }
}

#[test]
fn a_file_of_another_build_is_refused_or_run_with_a_word() {
    let engine = Engine::new(EXE);
    let dir = tempfile::tempdir().unwrap();
    scratch_project(dir.path());
    let engine = engine.at(dir.path());
    let library = engine.library("faulty");
    let path = dir.path().join("strange.so");
    library.save(&path);
    let (ran, files) =
        crash(&engine, "(cell: \"strange.so\", trust: Own, with: (limit_of: \"state\", limit: 9))");
    let file = files.first().unwrap_or_else(|| panic!("no crash file:\n{}", ran.log)).clone();
    let again = replay(&engine, &file, &[]).ok();
    let _ = again.says(&["state is 9, which is too much", "it ended as it did then"]);

    // The author mends it, and the copy of the old build is gone.
    let builds = Path::new(EXE).parent().unwrap().join("cells");
    let is_copy = |name: &str| name.starts_with("strange-");
    for entry in fs::read_dir(&builds).unwrap().map(|e| e.unwrap()) {
        if is_copy(entry.file_name().to_str().unwrap()) {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    library.clone().with_bytes(b"which is too much", b"more than we like").save(&path);
    let refused = replay(&engine, &file, &[]);
    assert_eq!(refused.code, Some(1), "{}", refused.log);
    let _ = refused.says(&["the turns are of build ", "which is not in ", "add --any-build"]);
    let other = replay(&engine, &file, &["--any-build"]);
    assert_eq!(other.code, Some(1), "{}", other.log);
    let _ = other.says(&[
        "another build runs than the one that the turns are of",
        "state is 9, more than we like",
        "it ended otherwise than then",
    ]);

    // With other ports the turns mean nothing to it.
    library.with_ports(|table| table.replacen("numbers", "members", 1)).save(&path);
    let refused = replay(&engine, &file, &["--any-build"]);
    assert_eq!(refused.code, Some(1), "{}", refused.log);
    let _ = refused.says(&["has other ports or parameters now"]);
}

#[test]
fn what_is_no_crash_file_or_a_part_of_one_is_refused_by_name() {
    let engine = Engine::new(EXE);
    let (_, files) = crash(&engine, "(cell: \"faulty\", with: (panic_in: \"tick\", at_frame: 7))");
    let bytes = fs::read(&files[0]).unwrap();
    let mut changed = bytes.clone();
    changed[bytes.len() / 2] ^= 1;
    for (name, content, says) in [
        ("cut.crash", &bytes[..bytes.len() - 1], "cut off or was changed"),
        ("changed.crash", &changed[..], "cut off or was changed"),
        ("notes.crash", &b"my notes"[..], "it is no file of records"),
        ("empty.crash", &b""[..], "it is no file of records"),
    ] {
        let path = engine.out().join(name);
        fs::write(&path, content).unwrap();
        let ran = replay(&engine, &path, &[]);
        assert_eq!(ran.code, Some(1), "{name}:\n{}", ran.log);
        let _ = ran.says(&[name, says]);
    }
    for path in ["/dev/null", "/proc", "none.crash"] {
        let ran = replay(&engine, Path::new(path), &[]);
        assert_eq!(ran.code, Some(1), "{path}:\n{}", ran.log);
        let _ = ran.says(&[path]);
    }
}

/// Asserts that a run, whose crash file could not be written, went on, and said so once.
fn went_on_without(code: Option<i32>, log: &str, why: &str) {
    assert_eq!(code, Some(0), "the world goes on:\n{log}");
    let lines: Vec<_> = log.lines().filter(|l| l.contains("crash file") || l.contains("replay")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].starts_with("error [probe] its crash file cannot be written to "), "{}", lines[0]);
    assert!(lines[0].contains(why) && lines[0].ends_with("; the world goes on without it"), "{}", lines[0]);
    assert!(log.contains("it has counted 12"), "it was started again:\n{log}");
}

const PANICS_ONCE: &str = "World(cells: [(cell: \"probe\", with: (does: \"keep\", panics_in: 7))])";

#[test]
fn a_folder_that_takes_no_files_costs_the_file_and_one_line() {
    let engine = Engine::new(EXE);
    let scene = engine.scene("full.ron", PANICS_ONCE);
    // Nobody can make files there, not even root.
    let mut args = vec!["--scene", &scene, "--headless", "--lockstep", "--frames", "40", "--size", "16x16"];
    args.extend(["--backend", "noop", "--crashes", "/proc/crashes"]);
    let ran = engine.raw(&args);
    went_on_without(ran.code, &ran.log, "/proc/crashes");
}

#[test]
fn a_full_disk_costs_the_file_and_one_line() {
    let engine = Engine::new(EXE);
    let disk = engine.out().join("disk");
    fs::create_dir(&disk).unwrap();
    let scene = engine.scene("full.ron", PANICS_ONCE);
    let mut args = vec!["--scene", &scene, "--headless", "--lockstep", "--frames", "40", "--size", "16x16"];
    args.extend(["--backend", "noop", "--crashes", disk.to_str().unwrap()]);
    let command = engine.command(&args);
    let unshare = |script: &str| {
        let mut c = Command::new("timeout");
        c.args(["120", "unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]);
        c.current_dir(engine.out()).env("DISK", &disk).stdin(Stdio::null());
        c
    };
    if !unshare("true").output().is_ok_and(|o| o.status.success()) {
        println!("NOT TESTED: this machine gives nobody a namespace, in which to mount a small disk");
        return;
    }
    // A disk of one page.
    let mount = "mount -t tmpfs -o size=4k none \"$DISK\"";
    let tried = unshare(mount).output().unwrap();
    assert!(tried.status.success(), "it can be mounted: {}", String::from_utf8_lossy(&tried.stderr));
    // Which is taken.
    let script = format!(
        "{mount} && head -c 4096 /dev/zero > \"$DISK/taken\"
        \"$0\" \"$@\"; code=$?
        echo left: $(ls -A \"$DISK\") >&2
        exit $code"
    );
    let mut limited = unshare(&script);
    limited.arg(command.get_program()).args(command.get_args());
    limited.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
    let output = limited.output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    went_on_without(output.status.code(), &log, "No space left on device");
    assert!(log.trim_end().ends_with("left: taken"), "nothing half is left behind:\n{log}");
}
