//! New builds that fail, in their shadow or after it, and processes that are killed at each step.
use crate::rig::{Rig, assert_counts_on, ticks};
use engine_tests::Live;
use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

#[test]
fn a_build_that_fails_in_its_shadow_never_takes_over_and_the_old_one_misses_nothing() {
    let rig = Rig::new();
    let of_tick = "in tick 12 of its shadow it failed: ";
    for (at, how, says) in [
        ("Thread", "tick panic", [of_tick, "panicked in `tick`"]),
        ("Thread", "tick segv", [of_tick, "crashed with SIGSEGV"]),
        ("Process", "tick exit", [of_tick, "exited with code 0"]),
        ("Thread", "tick hang", ["does not take over: it hung for 8 s", "the old one goes on"]),
        // As fast as it gets memory, until it gets no more or has taken too long.
        ("Thread", "tick leak", [" does not take over: ", "; the old one goes on"]),
        ("Process", "load panic", ["in its shadow it failed: ", "panicked in `load`"]),
        ("Thread", "load segv", ["in its shadow it failed: ", "crashed with SIGSEGV"]),
    ] {
        let what = format!("{at}, {how}");
        rig.build("do well");
        let mut live = rig.live(at);
        rig.build(how);
        live.until("is tried in a shadow; the old one runs on");
        live.until(" does not take over: ");
        let told = live.seen.last().unwrap();
        assert!(says.iter().all(|s| told.contains(s)), "{what}: {told}");
        // It is not tried again, and the next good one is.
        live.until("it has ticked");
        rig.build("do right");
        live.until(" took over after frame ");
        live.until("it has ticked");
        live.assert_running();
        let counted = ticks(live.seen.iter().map(String::as_str));
        assert_counts_on(&counted, &what);
        let shadows = live.seen.iter().filter(|l| l.contains("is tried in a shadow")).count();
        assert_eq!(shadows, 2, "{what}");
    }
}

#[test]
fn a_build_that_fails_late_is_taken_back_and_not_tried_again() {
    let rig = Rig::new();
    for (at, how, says) in [
        ("Thread", "late panic", "panicked in `tick`"),
        ("Process", "late panic", "panicked in `tick`"),
        ("Process", "late segv", "crashed with SIGSEGV"),
        ("Process", "late hang", "hung for 2 s"),
        ("Thread", "late hang", "hung for 2 s"),
    ] {
        let what = format!("{at}, {how}");
        rig.build("do well");
        let mut live = rig.live(at);
        rig.build(how);
        live.until("[faulty] it goes on with its state of frame");
        live.until("ticks after it took over: ");
        let told = live.seen.last().unwrap().clone();
        assert!(told.contains("the build of ") && told.contains(says), "{what}: {told}");
        let frame: u64 = told.rsplit(' ').next().unwrap().parse().unwrap();
        let counted = ticks(live.seen.iter().map(String::as_str));
        let known = counted.iter().find(|t| t.0 == frame).unwrap_or_else(|| panic!("{what}: {told}"));
        let before = live.seen.len();
        live.until("it has ticked");
        live.until("it has ticked");
        let after = ticks(live.seen[before..].iter().map(String::as_str));
        assert_eq!(after[0].1, known.1 + 1, "{what}: from where it was frozen");
        assert_counts_on(&after, &what);
        live.assert_running();
    }
}

/// Returns the cells' processes that run.
fn children(live: &Live) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{}/task", live.child.id())).unwrap().flatten();
    let listed = tasks.map(|t| fs::read_to_string(t.path().join("children")).unwrap_or_default());
    let mut all: Vec<u32> =
        listed.flat_map(|l| l.split_whitespace().map(|p| p.parse().unwrap()).collect::<Vec<_>>()).collect();
    // One that has ended and that nobody has asked about yet is no process any more.
    all.retain(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| !s.contains(") Z ")));
    all.sort_unstable();
    all
}

/// Kills the process that has come to these, as the system would; waits until there is one, and only one.
fn kill_newcomer(live: &Live, known: &[u32]) {
    let begun = Instant::now();
    loop {
        let new: Vec<u32> = children(live).into_iter().filter(|pid| !known.contains(pid)).collect();
        if let [one] = new[..] {
            return kill(one);
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "not one: {new:?}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

#[test]
fn a_process_that_is_killed_at_any_step_costs_its_build_only() {
    // Few ticks in a second: a probation is long.
    let rig = Rig { line: "rate: 10,", ..Rig::new() };
    let mut live = rig.live("Process");
    let old = children(&live)[0];
    // In its shadow, which does not end by itself for a long time.
    rig.build("load hang");
    live.until("is tried in a shadow");
    kill_newcomer(&live, &[old]);
    live.until(" does not take over: ");
    assert!(live.seen.last().unwrap().contains("SIGKILL"), "{:?}", live.seen.last());
    // On probation.
    rig.build("do right");
    live.until(" took over after frame ");
    kill_newcomer(&live, &[old]);
    live.until(" ticks after it took over: its process is over: ");
    let told = live.seen.last().unwrap();
    assert!(told.contains("SIGKILL") && told.contains("; the old one is back"), "{told}");
    let before = live.seen.len();
    live.until("it has ticked");
    live.until("it has ticked");
    assert_eq!(children(&live), [old], "the old one, in its process");
    assert_counts_on(&ticks(live.seen[before..].iter().map(String::as_str)), "as it was");
    // The one that waits, and then the one that runs: the cell starts again, and nothing else is hurt.
    rig.build("do both");
    live.until(" took over after frame ");
    kill(old);
    kill_newcomer(&live, &[old]);
    live.until("; the old one cannot go on, it is over too: ");
    live.until("SIGKILL; it starts again in 10 ms");
    live.until("it has ticked 3");
    live.assert_running();
}
