//! `--record` and `engine diff`: where two runs part.
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Engine, Ran};
use std::path::PathBuf;

const EXE: &str = env!("CARGO_BIN_EXE_engine");

/// Runs a scene for 20 frames in lockstep, on record.
fn record(engine: &Engine, name: &str, cells: &str, args: &[&str]) -> PathBuf {
    let scene = engine.scene("session.ron", &format!("World(name: \"session\", cells: [{cells}])"));
    let path = engine.out().join(name);
    let mut all = vec!["--scene", &scene, "--headless", "--lockstep", "--frames", "20", "--size", "16x16"];
    all.extend(["--backend", "noop", "--record", path.to_str().unwrap()]);
    all.extend(args);
    let _ = engine
        .raw(&all)
        .ok()
        .says(&["the hash of its frames is ", "compare it with another run's: engine diff "]);
    path
}

/// `diff` takes no folder of a project, so the kit's arguments stay away.
fn diff(a: &PathBuf, b: &PathBuf) -> Ran {
    let output = std::process::Command::new(EXE).arg("diff").arg(a).arg(b).output().unwrap();
    Ran {
        code: output.status.code(),
        log: String::from_utf8_lossy(&output.stderr).into_owned(),
        report: serde_json::Value::Null,
        picture: None,
    }
}

const CELLS: &str = "(cell: \"camera\", with: (orbit_speed: 90)), (cell: \"many-cubes\", with: (count: 300)), \
    (cell: \"faulty\", name: \"sender\", with: (send_to: \"faulty\")), (cell: \"faulty\")";

#[test]
fn equal_runs_have_no_difference_wherever_their_cells_run() {
    let engine = Engine::new(EXE);
    let one = record(&engine, "one", CELLS, &[]);
    for (name, args) in [("again", &["--chaos", "5"][..]), ("processes", &["--placement", "process"][..])] {
        let other = record(&engine, name, CELLS, args);
        let compared = diff(&one, &other).ok().says(&["no difference in 20 frames, their hash is "]);
        assert!(!compared.log.contains("warn"), "{}", compared.log);
    }
}

#[test]
fn a_cell_that_reads_the_clock_is_found_with_frame_resource_and_byte() {
    let engine = Engine::new(EXE);
    let clock = CELLS.replace("(cell: \"faulty\")", "(cell: \"faulty\", with: (tells_time: true))");
    let (one, other) = (record(&engine, "one", &clock, &[]), record(&engine, "other", &clock, &[]));
    let compared = diff(&one, &other);
    assert_eq!(compared.code, Some(1), "{}", compared.log);
    // The third number of the buffer; the first bytes of two times may be the same.
    let found = [8, 9, 10, 11].iter().any(|byte| {
        compared.log.contains(&format!("frame 0: the cell `faulty` differs in `numbers` at byte {byte}: 0x"))
    });
    assert!(found, "{}", compared.log);
}

#[test]
fn another_seed_or_scene_is_told_and_what_is_no_record_is_refused() {
    let engine = Engine::new(EXE);
    let one = record(&engine, "one", CELLS, &[]);
    let slower = CELLS.replace("orbit_speed: 90", "orbit_speed: 45");
    let other = record(&engine, "other", &slower, &["--seed", "5"]);
    let compared = diff(&one, &other);
    assert_eq!(compared.code, Some(1), "{}", compared.log);
    let _ = compared.says(&["with seed 5", "the cell `camera` differs in `camera` at byte "]);

    let notes = engine.out().join("notes");
    std::fs::write(&notes, "nothing").unwrap();
    let refused = diff(&one, &notes);
    assert_eq!(refused.code, Some(2), "{}", refused.log);
    let _ = refused.says(&["notes: it is no session", "--record FILE"]);
    let bytes = std::fs::read(&one).unwrap();
    std::fs::write(&notes, &bytes[..bytes.len() / 2]).unwrap();
    let cut = diff(&one, &notes);
    assert_eq!(cut.code, Some(1), "{}", cut.log);
    let _ = cut.says(&["notes ends before frame "]);
}

#[test]
fn a_record_that_cannot_be_written_ends_the_run_with_its_name() {
    let engine = Engine::new(EXE);
    let scene = engine.scene("session.ron", "World(cells: [(cell: \"camera\")])");
    let mut all = vec!["--scene", &scene, "--headless", "--lockstep", "--frames", "3", "--size", "16x16"];
    all.extend(["--backend", "noop", "--record", "/dev/full"]);
    let ran = engine.raw(&all);
    assert_eq!(ran.code, Some(1), "{}", ran.log);
    let _ = ran.says(&["the record /dev/full could not be written whole", "free some space"]);
}
