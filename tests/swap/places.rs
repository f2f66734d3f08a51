//! Moves, restarts and switches: the same build, elsewhere or anew.
use crate::{
    EXE,
    rig::{Rig, assert_counts_on, is_green, standing, ticks},
};
use engine_tests::Engine;

#[test]
fn each_move_keeps_the_state_and_in_lockstep_leaves_no_tick_out() {
    let rig = Rig::new();
    let places = ["Thread", "Process"];
    for (from, to) in places.iter().flat_map(|a| places.iter().map(move |b| (*a, *b))) {
        let act = format!("10:move:faulty:{to}");
        let ran = rig.lockstep("", from, "100", &[&act]).ok();
        let ticks = ticks(ran.log.lines());
        let all: Vec<_> = (0..100).map(|n| (n, n + 1)).collect();
        assert_eq!(ticks, all, "{from} to {to}:\n{}", ran.log);
        assert!(is_green(&ran), "{from} to {to}");
        if from == to {
            assert_eq!(standing(&ran), "none", "{from} to {to}: there is nothing to do");
        } else {
            assert!(
                ran.log.contains(&format!("the instance at {to} took over after frame 9")),
                "{}",
                ran.log
            );
            assert_eq!(standing(&ran), "done", "{from} to {to}:\n{}", ran.log);
        }
        let neighbour = ran.cell("neighbour");
        assert_eq!((&neighbour["ticks"], &neighbour["late"]), (&100.into(), &0.into()));
    }
}

#[test]
fn a_restarted_cell_begins_anew_and_is_told_of_in_the_report() {
    let rig = Rig::new();
    for at in ["Thread", "Process"] {
        let ran = rig.lockstep("", at, "20", &["10:restart:faulty"]).ok();
        let expected: Vec<_> = (0..10).map(|n| (n, n + 1)).chain((10..20).map(|n| (n, n - 9))).collect();
        assert_eq!(ticks(ran.log.lines()), expected, "{at}:\n{}", ran.log);
        assert_eq!(standing(&ran), "probation", "{at}: 20 frames are not enough to stay");
        let report = &ran.report["swaps"][0];
        assert_eq!((&report["cell"], &report["act"]), (&"faulty".into(), &"restart".into()));
    }
}

#[test]
fn who_asks_for_a_restart_again_and_again_gets_the_one_that_is_being_prepared() {
    let rig = Rig::new();
    for at in ["Thread", "Process"] {
        let ran = rig.lockstep("", at, "20", &["10:restart:faulty"; 3]).ok();
        let expected: Vec<_> = (0..10).map(|n| (n, n + 1)).chain((10..20).map(|n| (n, n - 9))).collect();
        assert_eq!(ticks(ran.log.lines()), expected, "{at}:\n{}", ran.log);
        assert_eq!(ran.report["swaps"].as_array().unwrap().len(), 1, "{at}: {}", ran.report["swaps"]);
    }
}

#[test]
fn a_cell_is_switched_off_and_on_by_an_act_and_keeps_what_it_knows() {
    let rig = Rig::new();
    let ran = rig.lockstep("", "Thread", "20", &["5:disable:faulty", "10:enable:faulty"]).ok();
    let counted = ticks(ran.log.lines());
    assert_counts_on(&counted, &ran.log);
    assert!(
        !counted.iter().any(|t| (5..10).contains(&t.0)) && counted.last().unwrap().0 == 19,
        "{counted:?}"
    );
    let ran = rig.lockstep("", "Thread", "20", &["5:disable:faultyy"]);
    assert_eq!(ran.code, Some(1));
    let _ = ran.says(&["no cell `faultyy`", "did you mean `faulty`?"]);
}

#[test]
fn a_cell_that_is_switched_off_on_probation_goes_on_wherever_it_is_and_stays_or_is_taken_back() {
    let rig = Rig::new();
    for (from, to) in [("Thread", "Process"), ("Process", "Thread")] {
        let acts =
            |on| [format!("10:move:faulty:{to}"), "15:disable:faulty".into(), format!("{on}:enable:faulty")];
        // The time of the probation passes while it is off.
        let acts_of = acts(330);
        let ran = rig.lockstep("", from, "340", &acts_of.each_ref().map(String::as_str)).ok();
        let ran = ran.says(&[" stays: it returned from 5 ticks"]);
        assert_counts_on(&ticks(ran.log.lines()), &ran.log);
        assert_eq!(ticks(ran.log.lines()).last(), Some(&(339, 25)), "{from} to {to}");
        assert!(is_green(&ran), "{from} to {to}");

        let with = "panic_in: \"tick\", at_frame: 30";
        let acts_of = acts(20);
        let ran = rig.lockstep(with, from, "32", &acts_of.each_ref().map(String::as_str));
        let ran = ran
            .says(&["failed 15 ticks after it took over", "; the old one is back, as it was after frame 9"]);
        assert_eq!(ticks(ran.log.lines()).last(), Some(&(31, 11)), "{from} to {to}");
        assert_eq!(standing(&ran), "rolled_back", "{from} to {to}");
    }
}

#[test]
fn an_instance_that_fails_on_probation_is_taken_back_and_the_old_one_goes_on() {
    let rig = Rig::new();
    // The scene's parameters are the same for both: the new one fails because of its place, or not at all.
    for (from, to) in [("Thread", "Process"), ("Process", "Thread")] {
        let (move_to, with) = (format!("10:move:faulty:{to}"), "panic_in: \"tick\", at_frame: 30");
        let ran = rig.lockstep(with, from, "33", &[&move_to]).says(&[
            "[faulty] the instance at",
            "failed 20 ticks after it took over: panicked in `tick`",
            "the old one is back, as it was after frame 9",
        ]);
        let counted = ticks(ran.log.lines());
        assert_counts_on(&counted[..30], &ran.log);
        // It ticks in frame 31 as the one that was frozen after frame 9, and panics in the same way.
        assert_eq!(counted[29..], [(29, 30), (30, 31), (31, 11)], "{from} to {to}:\n{}", ran.log);
        assert_eq!(standing(&ran), "rolled_back", "{from} to {to}");
        assert_eq!(ran.cell("neighbour")["ticks"], 33);
    }
}

#[test]
fn every_cell_of_the_world_moves_while_it_runs_and_changes_no_pixel() {
    let engine = Engine::new(EXE);
    let cells = ["camera", "sky", "scene", "bloom", "tonemap"];
    let run = |from: &str, to: Option<&str>| {
        let acts: Vec<String> = cells
            .iter()
            .enumerate()
            .filter_map(|(n, cell)| Some(format!("{}:move:{cell}:{}", 1 + n % 3, to?)))
            .collect();
        let args = ["--frames", "6", "--size", "64x36", "--placement", from];
        let acts = acts.iter().flat_map(|a| ["--act", a.as_str()]);
        engine.lockstep("world.ron", &args.into_iter().chain(acts).collect::<Vec<_>>()).ok()
    };
    let still = run("Thread", None);
    for (from, to) in [("Thread", "Process"), ("Process", "Thread")] {
        let moved = run(from, Some(to));
        let told = moved.log.lines().filter(|l| l.contains(" took over after frame ")).count();
        assert_eq!(told, cells.len(), "{from} to {to}:\n{}", moved.log);
        assert_eq!(moved.hash(), still.hash(), "{from} to {to}");
    }
}
