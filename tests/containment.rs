//! What a cell does wrong costs that cell only: panics in each entry, hangs, bad passes, failed loads.
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Engine, Ran};

const EXE: &str = env!("CARGO_BIN_EXE_engine");

/// A scene of a counting neighbour, the faulty cell with `with`, and the tone map.
fn scene(with: &str, at: &str) -> String {
    format!(
        r#"World(name: "containment", cells: [
            (cell: "camera", name: "neighbour", with: (fly: (at: (0, 0, 9), look: (0, 0, 0)))),
            (cell: "faulty", at: {at}, with: ({with})),
            (cell: "tonemap"),
        ])"#
    )
}

fn lockstep(engine: &Engine, with: &str, at: &str, frames: &str) -> Ran {
    engine.lockstep(&engine.scene("c.ron", &scene(with, at)), &["--frames", frames, "--size", "32x18"])
}

fn is_green(ran: &Ran) -> bool {
    let p = ran.picture.as_ref().unwrap_or_else(|| panic!("no picture:\n{}", ran.log)).get_pixel(16, 9).0;
    p[1] > 100 && p[0] < 90
}

#[test]
fn a_now_port_shows_what_its_owner_wrote_in_the_same_frame() {
    let engine = Engine::new(EXE);
    for at in ["Thread", "Process"] {
        // The reader stands above its owner: only `now` makes it wait.
        let text = format!(
            r#"World(cells: [
                (cell: "faulty", at: {at}, with: (tell_camera: true)),
                (cell: "camera", at: {at}, with: (orbit_speed: 90)),
            ])"#
        );
        for seed in ["1", "2"] {
            let _ = engine
                .lockstep(
                    &engine.scene("now.ron", &text),
                    &["--frames", "4", "--size", "16x16", "--chaos", seed],
                )
                .ok()
                .says(&[
                    "in frame 0 it sees the camera of frame 0",
                    "in frame 3 it sees the camera of frame 3",
                ]);
        }
    }
}

#[test]
fn mail_of_a_frame_is_handled_in_the_next_and_a_cell_on_mail_ticks_only_then() {
    let engine = Engine::new(EXE);
    for at in ["Thread", "Process"] {
        let text = format!(
            r#"World(cells: [
                (cell: "faulty", name: "sender", at: {at}, with: (send_to: "box")),
                (cell: "faulty", name: "box", at: {at}, rate: OnMail),
                (cell: "faulty", name: "idle", rate: OnMail),
            ])"#
        );
        let ran = engine
            .lockstep(&engine.scene("mail.ron", &text), &["--frames", "5", "--size", "16x16"])
            .ok()
            .says(&["[box]", "4 bytes from sender"]);
        assert_eq!(ran.cell("sender")["ticks"], 5);
        assert_eq!(ran.cell("box")["ticks"], 4, "{at}: mail of frame 0 to 3 is handled in frame 1 to 4");
        assert_eq!(ran.cell("idle")["ticks"], 0, "{at}: without mail no tick");
    }
}

#[test]
fn a_tick_that_panics_has_sent_nothing() {
    let engine = Engine::new(EXE);
    for at in ["Thread", "Process"] {
        let text = format!(
            r#"World(cells: [
                (cell: "faulty", name: "sender", at: {at}, with: (send_to: "box", panic_in: "tick", at_frame: 3)),
                (cell: "faulty", name: "box", rate: OnMail),
            ])"#
        );
        let args = ["--frames", "6", "--size", "16x16"];
        let ran = engine.lockstep(&engine.scene("mail.ron", &text), &args);
        let ran = ran.says(&["[sender]", "panicked in `tick`"]);
        assert_eq!(ran.cell("box")["ticks"], 3, "{at}: what frames 0 to 2 sent");
    }
}

#[test]
fn a_good_cell_draws_green() {
    let ran = lockstep(&Engine::new(EXE), "", "Thread", "3").ok();
    assert!(is_green(&ran));
    assert_eq!(ran.cell("faulty")["ticks"], 3);
}

#[test]
fn a_panic_in_each_entry_names_cell_entry_and_place_and_the_rest_goes_on() {
    let engine = Engine::new(EXE);
    for at in ["Thread", "Process"] {
        for entry in ["load", "tick", "passes"] {
            let ran = lockstep(&engine, &format!("panic_in: \"{entry}\""), at, "4").says(&[
                "[faulty]",
                &format!("panicked in `{entry}`"),
                "lib.rs",
                "the scene asked for a panic",
            ]);
            assert_eq!(ran.cell("neighbour")["ticks"], 4, "{at} {entry}: its neighbour ticks in every frame");
        }
    }
}

#[test]
fn what_ends_a_process_costs_its_cell_only_and_the_cause_is_named() {
    let engine = Engine::new(EXE);
    let segv = "crashed with SIGSEGV (bad memory access)";
    for (how, entry, cause) in [
        ("segv", "load", segv),
        ("segv", "tick", segv),
        ("segv", "passes", segv),
        ("abort", "tick", "aborted (SIGABRT)"),
        ("overflow", "tick", "aborted (SIGABRT)"),
        ("memory", "tick", "aborted (SIGABRT)"),
        ("exit", "tick", "exited with code 0"),
    ] {
        let with = format!("crash_in: \"{entry}\", crash: \"{how}\", at_frame: 2");
        let ran = lockstep(&engine, &with, "Process", "5")
            .says(&["error [faulty]", &format!("its process is over: {cause}; it starts again in 10 ms")]);
        let neighbour = ran.cell("neighbour");
        assert_eq!((&neighbour["ticks"], &neighbour["late"]), (&5.into(), &0.into()), "{how} in {entry}");
        assert!(ran.cell("faulty")["restarts"].as_u64().unwrap() >= 1, "{how} in {entry}: it comes back");
        // What crashes before its first passes has never drawn.
        assert_eq!(is_green(&ran), entry == "tick", "{how} in {entry}: its last picture stays:\n{}", ran.log);
    }
}

#[test]
fn a_crash_before_there_is_an_instance_costs_that_cell_only() {
    let engine = Engine::new(EXE);
    for (how, at, words) in [
        ("panic", "Thread", &["panicked in `create` at", "crash.rs"][..]),
        ("panic", "Process", &["panicked in `create` at", "crash.rs"]),
        ("segv", "Process", &["its process is over: crashed with SIGSEGV"]),
        ("abort", "Process", &["its process is over: aborted (SIGABRT)"]),
        ("exit", "Process", &["its process is over: exited with code 0"]),
    ] {
        // `create` gets no parameters: the bytes that say so lie in the library.
        let (none, asked) = ("the faulty one fails in create: ........", format!("{how:.<8}"));
        let library = engine.library("faulty");
        let path = engine.out().join("libfaulty.so");
        library.with_bytes(none.as_bytes(), none.replace("........", &asked).as_bytes()).save(&path);
        let cell = format!(r#"(cell: "{}", trust: Own, name: "faulty","#, path.display());
        let text = scene("", at).replace(r#"(cell: "faulty","#, &cell);
        let ran = engine
            .lockstep(&engine.scene("c.ron", &text), &["--frames", "4", "--size", "32x18"])
            .says(&["error [faulty]", "starts again in"])
            .says(words);
        assert_eq!(ran.cell("neighbour")["ticks"], 4, "{how} at {at}");
        assert_eq!(ran.cell("faulty")["ticks"], 0, "{how} at {at}");
    }
}

#[test]
fn a_fault_in_destroy_is_told_and_costs_nothing() {
    let engine = Engine::new(EXE);
    for (with, at, words) in [
        ("panic_in: \"destroy\"", "Thread", "panicked in `destroy` at"),
        ("panic_in: \"destroy\"", "Process", "panicked in `destroy` at"),
        ("hang_in: \"destroy\"", "Thread", "its `destroy` hangs"),
        ("hang_in: \"destroy\"", "Process", "its process did not end in time and was killed"),
    ] {
        let ran = lockstep(&engine, with, at, "3").ok().says(&["warn [faulty]", words]);
        assert!(is_green(&ran));
        assert_eq!(ran.cell("faulty")["ticks"], 3, "{with} at {at}");
    }
}

#[test]
fn a_panic_keeps_the_last_picture_and_the_cell_comes_back() {
    let engine = Engine::new(EXE);
    for at in ["Thread", "Process"] {
        let ran = lockstep(&engine, "panic_in: \"tick\", at_frame: 3", at, "8");
        assert!(is_green(&ran), "{at}: its passes are drawn on:\n{}", ran.log);
        assert!(ran.cell("faulty")["restarts"].as_u64().unwrap() >= 1, "{at}: it starts again");
        assert!(ran.cell("faulty")["ticks"].as_u64().unwrap() >= 3);
    }
}

#[test]
fn a_cell_that_crashes_five_times_in_a_row_stays_down_and_the_run_says_so() {
    let engine = Engine::new(EXE);
    for (with, at, cause) in [
        ("panic_in: \"tick\"", "Thread", "panicked in `tick`"),
        ("crash_in: \"tick\"", "Process", "its process is over: crashed with SIGSEGV"),
    ] {
        let ran = lockstep(&engine, with, at, "200").says(&["it crashed too often (5 times"]);
        assert_eq!(ran.code, Some(3));
        assert!(ran.cell("faulty")["state"].as_str().unwrap().starts_with("down"));
        assert_eq!(ran.cell("neighbour")["ticks"], 200);
        assert_eq!(ran.cell("faulty")["restarts"], 4, "{at}");
        for pause in ["10 ms", "20 ms", "40 ms", "80 ms"] {
            let words = format!("starts again in {pause}");
            assert_eq!(ran.log.matches(&words).count(), 1, "{at}: the pause doubles:\n{}", ran.log);
        }
        let (_, last) = ran.log.split_once("too often").unwrap();
        assert!(ran.log.contains(cause), "{at}: {}", ran.log);
        assert!(
            last.contains("its last lines were\n  info the scene asks for"),
            "{at}: what it said before:\n{}",
            ran.log
        );
    }
}

#[test]
fn writing_more_than_a_port_holds_is_a_panic_that_names_the_port() {
    let _ = lockstep(&Engine::new(EXE), "panic_in: \"write\", at_frame: 1", "Thread", "3")
        .says(&["[faulty]", "numbers"]);
}

#[test]
fn a_failed_load_gives_its_reason_and_the_rest_goes_on() {
    let ran = lockstep(&Engine::new(EXE), "fail_in: \"load\"", "Thread", "3").says(&[
        "[faulty]",
        "`load` failed",
        "the scene asked for a failure",
    ]);
    assert_eq!(ran.cell("neighbour")["ticks"], 3);
}

#[test]
fn an_endless_tick_in_lockstep_ends_the_run_with_the_cells_name() {
    let engine = Engine::new(EXE);
    let scene = engine.scene("h.ron", &scene("hang_in: \"tick\", at_frame: 2", "Thread"));
    let ran = engine
        .raw(&[
            "--scene",
            &scene,
            "--headless",
            "--lockstep",
            "--frames",
            "9",
            "--size",
            "16x16",
            "--tick-limit-ms",
            "300",
        ])
        .says(&["`faulty`", "frame 2", "300 ms"]);
    assert_eq!(ran.code, Some(1));
}

#[test]
fn an_endless_tick_in_real_time_is_replaced_and_nobody_else_is_late() {
    let engine = Engine::new(EXE);
    for at in ["Thread", "Process"] {
        let scene = engine.scene("h.ron", &scene("hang_in: \"tick\", at_frame: 5", at));
        let ran =
            engine.headless(&scene, &["--frames", "170", "--size", "16x16"]).says(&["[faulty]", "hung"]);
        assert!(ran.cell("faulty")["zombies"].as_u64().unwrap() >= 1, "{at}: it was replaced");
        let neighbour = ran.cell("neighbour");
        // A busy machine may make it late now and then; a starved one would have a handful of ticks.
        assert!(neighbour["ticks"].as_u64().unwrap() >= 85, "{at}: its neighbour goes on: {neighbour}");
    }
}

#[test]
fn bad_passes_are_refused_with_a_sentence_and_the_rest_is_drawn() {
    let engine = Engine::new(EXE);
    for (bad, words) in [
        ("no_entry", &["[faulty]", "nothing"][..]),
        ("counts", &["[faulty]"]),
        ("feedback", &["[faulty]", "scene_color"]),
    ] {
        let ran = lockstep(&engine, &format!("bad_pass: \"{bad}\""), "Thread", "3").says(words);
        assert!(!is_green(&ran), "{bad}: the faulty pass draws nothing");
        assert_eq!(ran.cell("tonemap")["state"], "running");
        assert_eq!(ran.report["submits_per_frame"], serde_json::json!([1, 1]));
    }
}
