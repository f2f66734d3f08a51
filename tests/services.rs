//! Calls between cells: their answers, and why there is none, with both cells on threads and in processes.
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Engine, Ran};

const EXE: &str = env!("CARGO_BIN_EXE_engine");
const PLACES: [(&str, &str); 4] =
    [("Thread", "Thread"), ("Thread", "Process"), ("Process", "Thread"), ("Process", "Process")];

/// Runs a panel and a button in lockstep.
fn run(engine: &Engine, (panel, button): (&str, &str), does: &str, rate: &str, frames: &str) -> Ran {
    let text = format!(
        "World(rate: 60, cells: [(cell: \"panel\", at: {panel}, with: (does: \"{does}\")), \
         (cell: \"button\", at: {button}{rate})])"
    );
    let scene = engine.scene("services.ron", &text);
    engine.lockstep(&scene, &["--size", "32x18", "--frames", frames]).ok()
}

/// Returns the lines that the panel logged.
fn said(ran: &Ran) -> Vec<&str> {
    ran.log.lines().filter_map(|l| l.split_once("[panel] ").map(|(_, said)| said)).collect()
}

#[test]
fn calls_read_like_functions_and_cells_never_learn_where_they_run() {
    let engine = Engine::new(EXE);
    let expected = [
        "in frame 3 it was pressed 1 times",
        "in frame 5 it was pressed 2 times",
        "in frame 7 it was pressed 3 times",
        "in frame 11 it was pressed 4 times",
        "in frame 13 it is ButtonState { id: \"start\", count: 4 }",
        "in frame 15 it ends: the call returned an error: NoSuchButton { id: \"stop\" }",
    ];
    for at in PLACES {
        let ran = run(&engine, at, "presses", "", "20");
        assert_eq!(said(&ran), expected, "{at:?}:\n{}", ran.log);
    }
}

#[test]
fn every_message_is_the_same_wherever_they_run_and_however_their_turns_fall() {
    let engine = Engine::new(EXE);
    let text =
        "World(cells: [(cell: \"panel\", with: (does: \"presses\", listens: true)), (cell: \"button\")])";
    let scene = engine.scene("services.ron", text);
    let record = |name: &str, args: &[&str]| {
        let path = engine.out().join(name).to_str().unwrap().to_owned();
        let run = ["--scene", &scene, "--headless", "--lockstep", "--frames", "20", "--size", "16x16"];
        let _ = engine.raw(&[&run[..], &["--backend", "noop", "--record", &path], args].concat()).ok();
        path
    };
    let one = record("one", &[]);
    for (name, args) in [("chaos", &["--chaos", "7"][..]), ("processes", &["--placement", "process"])] {
        let other = record(name, args);
        let output = std::process::Command::new(EXE).args(["diff", &one, &other]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("no difference in 20 frames"), "{name}: {said}");
    }
}

#[test]
fn a_tick_starts_a_call_and_looks_at_its_answer_later() {
    let engine = Engine::new(EXE);
    for at in PLACES {
        let ran = run(&engine, at, "asks in ticks", "", "8");
        let answer =
            |frame| format!("in frame {frame} the answer is Ok(ButtonState {{ id: \"start\", count: 0 }})");
        // The next call goes out with the tick after the answer.
        assert_eq!(said(&ran), [answer(2), answer(5)], "{at:?}:\n{}", ran.log);
    }
}

#[test]
fn a_call_that_nobody_answers_ends_after_its_frames() {
    let engine = Engine::new(EXE);
    for at in PLACES {
        let ran = run(&engine, at, "waits", "", "20");
        assert_eq!(
            said(&ran),
            ["in frame 6: the call of `wait` of `button` was not answered in time"],
            "{at:?}"
        );
    }
}

#[test]
fn whoever_waits_is_told_that_the_cell_was_restarted_and_the_next_call_finds_it() {
    let engine = Engine::new(EXE);
    let lost = |route| {
        format!(
            "in frame 3: the call of `{route}` of `button` was not answered, because the cell was restarted or has \
             left the scene"
        )
    };
    let expected = [
        lost("wait"),
        lost("fail"),
        "in frame 122 the answer is ButtonState { id: \"start\", count: 0 }".to_owned(),
    ];
    for (panel, button, does) in [
        ("Thread", "Thread", "lets it panic"),
        ("Thread", "Process", "lets it panic"),
        ("Thread", "Process", "lets it abort"),
        ("Process", "Process", "lets it abort"),
    ] {
        let ran = run(&engine, (panel, button), does, "", "130");
        assert_eq!(said(&ran), expected, "{panel} and {button}, {does}:\n{}", ran.log);
    }
}

#[test]
fn a_full_mailbox_answers_for_itself() {
    let engine = Engine::new(EXE);
    for at in PLACES {
        // The button looks at its mail every third frame, so what came in the frame before is still there.
        let ran = run(&engine, at, "fills its mailbox", ", rate: 20", "10");
        let full = "in frame 2: the call of `get_state` of `button` found a full mailbox: ask less often, or for more at once";
        assert_eq!(said(&ran), [full], "{at:?}:\n{}", ran.log);
    }
}

#[test]
fn what_is_too_much_for_one_turn_is_not_sent_and_the_rest_is_answered() {
    let engine = Engine::new(EXE);
    for at in PLACES {
        let ran = run(&engine, at, "fills its outbox", "", "10");
        let full = "in frame 1: the call of `get_state` of `button` was not sent, because the outbox is full: send \
                    less in one turn";
        let answer = "in frame 3 the answer is ButtonState { id: \"start\", count: 0 }";
        assert_eq!(said(&ran), [full, full, answer], "{at:?}:\n{}", ran.log);
    }
}

#[test]
fn a_cell_that_is_not_there_is_told_at_once() {
    let engine = Engine::new(EXE);
    let text =
        "World(cells: [(cell: \"panel\", with: (does: \"waits\", calls: \"buton\")), (cell: \"button\")])";
    let scene = engine.scene("nobody.ron", text);
    let ran = engine.lockstep(&scene, &["--size", "32x18", "--frames", "5"]).ok();
    let said = said(&ran);
    assert_eq!(said.len(), 2, "{}", ran.log);
    assert!(said.iter().any(|s| s.contains("did you mean `button`?")), "{said:?}");
    assert!(said.iter().any(|s| s.contains("in frame 2") && s.contains("no such cell")), "{said:?}");
}

#[test]
fn signals_reach_whoever_wants_them_in_the_next_frame() {
    let engine = Engine::new(EXE);
    for at in PLACES {
        let ran = run(&engine, at, "presses\", listens: true, calls: \"button", "", "20");
        let heard = said(&ran).into_iter().filter(|l| l.contains("hears"));
        let expected = [(3, 1), (5, 2), (7, 3), (10, 4)].map(|(frame, count)| {
            format!("in frame {frame} it hears Pressed {{ id: \"start\", count: {count} }}")
        });
        assert_eq!(heard.collect::<Vec<_>>(), expected, "{at:?}:\n{}", ran.log);
    }
}

#[test]
fn the_page_shows_what_the_cells_are() {
    let read = |file: &str| std::fs::read_to_string(engine_tests::root().join(file)).unwrap();
    let sources = ["button-api", "button", "panel"].map(|c| read(&format!("cells/{c}/src/lib.rs")));
    let page = read("docs/calling-cells.md");
    let blocks: Vec<&str> = page.split("```rust\n").skip(1).filter_map(|b| b.split("```").next()).collect();
    assert_eq!(blocks.len(), sources.len());
    for (block, source) in blocks.iter().zip(&sources) {
        let lines = |text: &str| -> Vec<String> {
            text.lines().map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()).collect()
        };
        let (source, mut from) = (lines(source), 0);
        // Between two `// ..` the page shows all lines.
        for part in lines(block).split(|l| l == "// ..").filter(|part| !part.is_empty()) {
            let found = source[from..].windows(part.len()).position(|w| w == part);
            from += found.unwrap_or_else(|| panic!("the cell has no\n{}", part.join("\n"))) + part.len();
        }
    }
}
