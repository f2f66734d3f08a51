//! New builds that do what they should: shadow, takeover, probation.
use crate::rig::{RUN, Rig, assert_counts_on, ticks};
use engine_tests::Live;
use std::fs;

#[test]
fn a_saved_build_takes_over_with_the_state_and_stays() {
    let rig = Rig::new();
    for at in ["Thread", "Process"] {
        rig.build("do well");
        let mut live = rig.live(at);
        rig.build("do fine");
        live.until(": 30 ticks in its shadow: what it makes is equal");
        live.until("[faulty] it goes on with its state of frame");
        live.until(" took over after frame ");
        assert!(live.seen.last().unwrap().contains("[faulty] the build of "));
        live.until(" stays: it returned from ");
        live.assert_running();
        let counted = ticks(live.seen.iter().map(String::as_str));
        assert_counts_on(&counted, at);
    }
}

#[test]
fn a_build_that_ticks_takes_over_from_one_that_wanted_no_ticks() {
    let rig = Rig::new();
    for at in ["Thread", "Process"] {
        rig.build("rest");
        let mut live = Live::start(&rig.engine, &[&["--scene", &rig.scene("", at)], &RUN[..]].concat());
        live.until("it has ticked 1");
        rig.build("do well");
        live.until(": it loaded in its shadow: what it makes is equal");
        live.until(" took over after frame ");
        live.until("it has ticked 5");
        assert_counts_on(&ticks(live.seen.iter().map(String::as_str)), at);
    }
}

#[test]
fn a_build_that_makes_something_else_is_told_of_and_takes_over() {
    let rig = Rig::new();
    let mut live = rig.live("Process");
    rig.build("differ");
    live.until(" ticks in its shadow: it differs in `numbers` at tick 1 (frame ");
    live.until(" took over after frame ");
    live.assert_running();
}

/// Runs the cell in lockstep, with another build from its first tick on and these acts.
fn lockstep_swap(rig: &Rig, frames: &str, acts: &[&str]) -> Live {
    rig.build("do well");
    let scene = rig.scene("waits: true", "Thread");
    let report = rig.engine.out().join("lockstep.json");
    let args = ["--scene", &scene, "--lockstep", "--headless", "--frames", frames, "--size", "16x16"];
    let waits = rig.engine.out().join("faulty-waits");
    fs::write(&waits, "").unwrap();
    let acts: Vec<&str> = acts.iter().flat_map(|a| ["--act", a]).collect();
    let args = [&args[..], &acts, &["--report", report.to_str().unwrap()]].concat();
    let mut live = Live::start(&rig.engine, &args);
    // The cell waits in its first tick until its library was replaced.
    live.until("[faulty] it waits");
    rig.build("do right");
    fs::remove_file(&waits).unwrap();
    assert!(live.end().success(), "{}", live.seen.join("\n"));
    live
}

#[test]
fn a_swap_in_lockstep_falls_between_the_same_two_frames_in_each_run() {
    let rig = Rig::new();
    let run = || {
        let live = lockstep_swap(&rig, "120", &["10:swap:faulty"]);
        let took_over = live.seen.iter().find(|l| l.contains(" took over after frame ")).cloned();
        let at = took_over.and_then(|l| Some(l.rsplit_once(' ')?.1.to_owned()));
        (at, ticks(live.seen.iter().map(String::as_str)))
    };
    let (at, counted) = run();
    assert_eq!(counted, (0..120).map(|n| (n, n + 1)).collect::<Vec<_>>(), "no tick is left out");
    assert_eq!(at.as_deref(), Some("40"), "after the tick with its state and 30 more");
    assert_eq!((at, counted), run());
}

#[test]
fn in_lockstep_the_shadow_of_a_cell_that_is_switched_off_ends_with_the_ticks_it_has() {
    let rig = Rig::new();
    let live = lockstep_swap(&rig, "60", &["10:swap:faulty", "15:disable:faulty", "30:enable:faulty"]);
    let told = live.seen.join("\n");
    assert!(told.contains(": 4 ticks in its shadow: what it makes is equal"), "{told}");
    let counted = ticks(live.seen.iter().map(String::as_str));
    assert_counts_on(&counted, &told);
    let off = counted.iter().filter(|t| (15..30).contains(&t.0)).count();
    assert_eq!((off, counted.last().unwrap().0), (0, 59), "{counted:?}");
}

#[test]
fn a_swap_during_a_probation_waits_for_its_end_and_a_removed_cell_takes_all_of_it_along() {
    let rig = Rig::new();
    let mut live = rig.live("Process");
    rig.build("do fine");
    live.until(" took over after frame ");
    rig.build("do right");
    live.until(" stays: it returned from ");
    live.until(" took over after frame ");
    let scene = rig.engine.out().join("swap.ron");
    let text = fs::read_to_string(&scene).unwrap();
    let without: Vec<&str> = text.lines().filter(|l| !l.contains("twin.so")).collect();
    fs::write(&scene, without.join("\n")).unwrap();
    live.until("[faulty] it left the scene");
    fs::write(&scene, &text).unwrap();
    live.until("it has ticked 3");
    live.assert_running();
    let swaps: Vec<_> = live.seen.iter().filter(|l| l.contains(" took over after frame ")).collect();
    assert_eq!(swaps.len(), 2, "{swaps:?}");
}

#[test]
fn a_build_that_declares_other_names_takes_over_and_is_taken_back() {
    let rig = Rig::new();
    for at in ["Thread", "Process"] {
        rig.build("do well");
        let mut live = rig.live(at);
        rig.save(&rig.made("late panic").with_ports(|text| text.replace("numbers", "numerus")));
        live.until(": it loaded in its shadow: what it makes is equal");
        live.until(" took over after frame ");
        live.until(" ticks after it took over: ");
        assert!(live.seen.last().unwrap().contains("panicked in `tick`"), "{:?}", live.seen.last());
        let before = live.seen.len();
        live.until("it has ticked");
        live.until("it has ticked");
        assert_counts_on(&ticks(live.seen[before..].iter().map(String::as_str)), at);
        // Names that do not fit the others' are refused before anything runs.
        rig.save(&rig.made("do both").with_ports(|text| text.replace("rgba16float", "rgba32float")));
        live.until("[faulty] the build of ");
        assert!(live.seen.last().unwrap().contains("does not take over: the names would not fit"));
        live.assert_running();
    }
}
