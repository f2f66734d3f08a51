//! The sandbox of cells in processes, from end to end: what a cell is refused, what the log says of it, and what the
//! engine says of a machine that gives less.
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Engine, Ran};
use std::process::{Command, Stdio};

const EXE: &str = env!("CARGO_BIN_EXE_engine");
const FRAMES: u64 = 6;

/// Returns a scene of a counting neighbour and the faulty cell, which does `how` in each tick from frame 2 on.
fn scene(engine: &Engine, how: &str) -> String {
    let text = format!(
        r#"World(name: "sandbox", cells: [
            (cell: "camera", name: "neighbour"),
            (cell: "faulty", at: Process, with: (crash_in: "tick", crash: "{how}", at_frame: 2)),
        ])"#
    );
    engine.scene("s.ron", &text)
}

/// Runs the scene for some frames, in which the neighbour must miss no tick.
fn run(engine: &Engine, how: &str) -> Ran {
    let frames = FRAMES.to_string();
    let args = ["--frames", &frames, "--size", "16x16", "--backend", "noop"];
    let ran = engine.lockstep(&scene(engine, how), &args);
    let neighbour = ran.cell("neighbour");
    assert_eq!((&neighbour["ticks"], &neighbour["late"]), (&FRAMES.into(), &0.into()), "{how}:\n{}", ran.log);
    ran
}

/// Runs the scene for a second, in which the engine looks after the cell again and again.
fn run_for_a_second(engine: &Engine, how: &str) -> Ran {
    engine.headless(&scene(engine, how), &["--frames", "60", "--size", "16x16", "--backend", "noop"])
}

/// Returns how many lines begin so.
fn lines(ran: &Ran, start: &str) -> usize {
    ran.log.lines().filter(|l| l.starts_with(start)).count()
}

#[test]
fn what_a_cell_must_not_do_is_refused_and_told_once_under_its_name() {
    let engine = Engine::new(EXE);
    for (how, call) in [("open", "openat \"/etc/passwd\""), ("connect", "socket"), ("fork", "clone")] {
        let ran = run(&engine, how).ok().says(&[&format!("info [faulty] {how} was denied")]);
        assert_eq!(ran.cell("faulty")["ticks"], FRAMES, "{how}: it goes on:\n{}", ran.log);
        let first = format!("warn [faulty] its sandbox refused the call {call}");
        assert_eq!(lines(&ran, &first), 1, "{how}: once:\n{}", ran.log);
        assert!(!ran.log.contains("was allowed"), "{how}:\n{}", ran.log);
        assert!(ran.log.contains("4 times"), "{how}: how often in all:\n{}", ran.log);
    }
}

#[test]
fn a_program_that_is_started_ends_the_cell_with_its_cause() {
    // The C library blocks all signals while it starts one, so that the refusal cannot be told from inside.
    let ran =
        run(&Engine::new(EXE), "run").says(&["error [faulty]", "killed by SIGSYS (forbidden system call)"]);
    assert!(!ran.log.contains("was allowed"), "{}", ran.log);
}

#[test]
fn a_cell_that_asks_for_ten_gibibytes_gets_none() {
    let ran = run(&Engine::new(EXE), "greedy").ok().says(&["info [faulty] greedy was denied"]);
    assert!(!ran.log.contains("was allowed"), "{}", ran.log);
    assert_eq!(ran.cell("faulty")["ticks"], FRAMES);
}

#[test]
fn a_call_that_is_refused_again_and_again_is_told_once_and_counted() {
    let ran = run_for_a_second(&Engine::new(EXE), "open").ok();
    assert_eq!(lines(&ran, "warn [faulty] its sandbox refused the call openat"), 1, "{}", ran.log);
    assert_eq!(
        lines(&ran, "warn [faulty] calls that its sandbox refused, in all: openat "),
        1,
        "{}",
        ran.log
    );
}

#[test]
fn a_cell_that_looks_for_a_way_out_is_ended() {
    let ran = run_for_a_second(&Engine::new(EXE), "spy").says(&[
        "warn [faulty] its sandbox refused the call ptrace",
        "error [faulty] it made a call that only code makes that looks for a way out of its sandbox (`ptrace`)",
    ]);
    assert!(!ran.log.contains("was allowed"), "{}", ran.log);
}

#[test]
fn what_a_cell_writes_past_the_log_carries_its_name_and_cannot_change_the_terminal() {
    let ran = run(&Engine::new(EXE), "print").ok().says(&["info [faulty] past the log \u{fffd}[2J"]);
    assert!(!ran.log.contains('\u{1b}'), "{}", ran.log);
}

/// Runs the engine with `args` where no more user namespaces are to be had, or returns none where this machine does not
/// let us pretend so.
fn without_namespaces(engine: &Engine, args: &[&str]) -> Option<(Option<i32>, String)> {
    let poor = "echo 0 > /proc/sys/user/max_user_namespaces && echo 0 > /proc/sys/user/max_mnt_namespaces";
    let unshare = |script: &str| {
        let mut c = Command::new("unshare");
        c.args(["-Ur", "sh", "-c", script, "sh"]).current_dir(engine.out()).stdin(Stdio::null());
        c
    };
    if !unshare(poor).output().is_ok_and(|o| o.status.success()) {
        return None;
    }
    let run = unshare(&format!("{poor} && exec \"$@\"")).arg(EXE).args(args).output().unwrap();
    let text = [run.stdout, run.stderr].concat();
    Some((run.status.code(), String::from_utf8(text).unwrap()))
}

#[test]
fn the_doctor_says_what_this_machine_offers() {
    let engine = Engine::new(EXE);
    let run = Command::new(EXE).arg("doctor").output().unwrap();
    let text = String::from_utf8(run.stdout).unwrap();
    assert!(run.status.success());
    for what in ["user namespace", "Landlock", "seccomp", "memory control group"] {
        assert!(text.lines().any(|l| l.contains(what)), "no line about {what}:\n{text}");
    }
    let Some((code, poor)) = without_namespaces(&engine, &["doctor"]) else {
        return println!("SKIP: no user namespace to pretend a poorer machine in");
    };
    assert_eq!(code, Some(0));
    assert!(poor.contains("NO   user namespace (") && poor.contains("to get it: "), "{poor}");
}

#[test]
fn a_machine_that_gives_less_is_named_and_refused_when_the_sandbox_is_required() {
    let engine = Engine::new(EXE);
    let scene = engine.scene(
        "r.ron",
        r#"World(cells: [(cell: "faulty", at: Process), (cell: "faulty", name: "two", at: Process)])"#,
    );
    let root = engine_tests::root();
    let args = [
        "--scene",
        &scene,
        "--headless",
        "--backend",
        "noop",
        "--lockstep",
        "--frames",
        "2",
        "--no-build",
        "--root",
        root.to_str().unwrap(),
        "--size",
        "16x16",
    ];
    let Some((code, log)) = without_namespaces(&engine, &args) else {
        return println!("SKIP: no user namespace to pretend a poorer machine in");
    };
    assert_eq!(code, Some(0), "it runs with what there is:\n{log}");
    let said = "this machine refuses a part of the sandbox";
    assert_eq!(log.matches(said).count(), 1, "once for both cells:\n{log}");
    assert!(log.lines().any(|l| l.starts_with("warn ") && l.contains("user namespace (")), "{log}");
    let strict: Vec<&str> = args.iter().copied().chain(["--require-sandbox"]).collect();
    let (code, log) = without_namespaces(&engine, &strict).unwrap();
    assert_eq!(code, Some(1), "{log}");
    for words in ["--require-sandbox", "user namespace (", "`engine doctor`"] {
        assert!(log.contains(words), "no {words}:\n{log}");
    }
}
