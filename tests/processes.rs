//! The processes of an engine: however it ends, none is left; and what it says when the system gives it too little.
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Engine, Live};
use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const EXE: &str = env!("CARGO_BIN_EXE_engine");
/// Ends a wait that hangs. A watchdog, not a measure.
const WATCHDOG: Duration = Duration::from_secs(60);

/// A scene of `count` cells in processes, of which the first does `with`.
fn processes(count: usize, with: &str) -> String {
    let line = |n| {
        let with = if n == 0 { with } else { "" };
        format!(r#"(cell: "faulty", name: "p{n}", at: Process, with: ({with})),"#)
    };
    format!(r#"World(name: "processes", cells: [{}])"#, (0..count).map(line).collect::<String>())
}

/// Returns the processes that the engine with this id has started and that run, wherever they hang in the tree now.
fn children_of(engine: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else { continue };
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = words.split(|b| *b == 0).collect();
        // One that has ended and that nobody has asked about yet has no words.
        if words.get(1) == Some(&&b"--cell-child"[..]) && words[2] == engine.to_string().as_bytes() {
            found.push(pid);
        }
    }
    found
}

/// Waits until `done` says so.
fn wait_until(what: &str, mut done: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < WATCHDOG, "{what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    begun.elapsed()
}

#[test]
fn children_end_with_an_engine_that_is_killed() {
    let engine = Engine::new(EXE);
    // One is in an endless tick, so that it does not read what the engine says.
    let scene = engine.scene("p.ron", &processes(20, "hang_in: \"tick\", at_frame: 1"));
    let args =
        ["--scene", &scene, "--headless", "--backend", "noop", "--frames", "100000", "--size", "16x16"];
    let mut live = Live::start(&engine, &args);
    let pid = live.child.id();
    // By now all have loaded.
    live.until("the scene asks for `hang`");
    wait_until("20 children run", || children_of(pid).len() >= 20);
    // One more that cannot do anything at all.
    let stopped = children_of(pid)[7].to_string();
    assert!(Command::new("kill").args(["-STOP", &stopped]).status().unwrap().success());
    live.child.kill().unwrap();
    live.child.wait().unwrap();
    let took = wait_until("the children end with the engine", || children_of(pid).is_empty());
    assert!(took < Duration::from_secs(20), "the kernel ends them, nobody has to notice: {took:?}");
}

#[test]
fn no_child_is_left_when_a_run_ends() {
    let engine = Engine::new(EXE);
    for (with, code, says) in [
        ("", 0, ""),
        ("hang_in: \"destroy\"", 0, "did not end in time and was killed"),
        ("crash_in: \"destroy\"", 0, "crashed with SIGSEGV (bad memory access) at its end"),
        ("crash_in: \"tick\", at_frame: 4", 0, "its process is over: crashed with SIGSEGV"),
        // A run that ends with an error.
        ("hang_in: \"tick\", at_frame: 3", 1, "`p0` did not return from frame 3"),
    ] {
        let scene = engine.scene("p.ron", &processes(10, with));
        let args = [
            "--scene",
            &scene,
            "--headless",
            "--backend",
            "noop",
            "--lockstep",
            "--frames",
            "5",
            "--size",
            "16x16",
            "--tick-limit-ms",
            "500",
        ];
        let mut live = Live::start(&engine, &args);
        let pid = live.child.id();
        wait_until("the run ends", || live.child.try_wait().unwrap().is_some());
        let left = children_of(pid);
        let status = live.end();
        let log = live.seen.join("\n");
        assert_eq!(left, [0; 0], "{with}: {log}");
        assert_eq!(status.code(), Some(code), "{with}: {log}");
        assert!(log.contains(says), "{with}: the log does not say `{says}`:\n{log}");
        let deaths =
            live.seen.iter().filter(|l| l.contains("was killed") || l.contains("at its end")).count();
        assert!(deaths <= 1, "{with}: the others end by themselves:\n{log}");
    }
}

#[test]
fn too_few_descriptors_are_an_error_that_names_the_limit() {
    let engine = Engine::new(EXE);
    for (limit, at) in
        [("ulimit -n 100", "Thread"), ("ulimit -n 60", "Process"), ("ulimit -S -n 60", "Process")]
    {
        let lines = (0..60).map(|n| format!(r#"(cell: "faulty", name: "f{n}", at: {at}),"#));
        let scene = engine.scene("l.ron", &format!("World(cells: [{}])", lines.collect::<String>()));
        let args = ["--scene", &scene, "--headless", "--backend", "noop", "--frames", "2", "--size", "16x16"];
        let plain = engine.command(&args);
        let mut limited = Command::new("sh");
        limited.args(["-c", &format!("{limit} && exec \"$@\""), "sh"]).arg(plain.get_program());
        limited.args(plain.get_args()).current_dir(engine.out()).stdin(Stdio::null());
        limited.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
        let mut live = Live::spawn(limited);
        let status = live.end();
        let log = live.seen.join("\n");
        if limit.contains("-S") {
            assert_eq!(status.code(), Some(0), "the soft limit is raised:\n{log}");
            assert!(!log.contains("descriptors"), "{log}");
        } else {
            let words = limit.replace("ulimit -n", "this process may have") + " descriptors open";
            assert!(log.contains(&words) && log.contains("`ulimit -Hn`"), "{at}: {words}\n{log}");
            assert!(
                log.lines().any(|l| l.contains("descriptors") && l.contains("[f")),
                "{at}: a cell is named:\n{log}"
            );
            assert_eq!(status.code(), Some(3), "{at}: cells are down:\n{log}");
        }
    }
}
