//! What a cell sees through the seam, on a thread and in a process alike: changes that are carried forward, two
//! publications and a blend, the frame before, rates, parallel loops, input.
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Engine, Ran};
use std::collections::BTreeSet;

const EXE: &str = env!("CARGO_BIN_EXE_engine");

fn lockstep(engine: &Engine, lines: &str, args: &[&str]) -> Ran {
    let scene = engine.scene("seam.ron", &format!("World(rate: 60, cells: [{lines}])"));
    engine.lockstep(&scene, &[&["--size", "32x18"], args].concat())
}

/// Returns the lines that the cell `name` logged.
fn lines<'a>(ran: &'a Ran, name: &str) -> Vec<&'a str> {
    let prefix = format!("[{name}] ");
    let said = ran.log.lines().filter_map(|l| l.split_once(&prefix).map(|(_, said)| said));
    said.filter(|s| !s.starts_with("its shader is ready")).collect()
}

/// Returns the numbers in a line.
fn numbers(line: &str) -> Vec<f64> {
    let words = line.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'));
    words.filter_map(|w| w.trim_end_matches('.').parse().ok()).collect()
}

fn pixel(ran: &Ran) -> [u8; 3] {
    ran.picture.as_ref().unwrap_or_else(|| panic!("no picture:\n{}", ran.log)).get_pixel(16, 9).0
}

#[test]
fn changes_are_carried_forward_to_the_owner_to_readers_and_to_the_gpu() {
    let (engine, _project) = Engine::with_twin(EXE);
    // Each writes, hears the other, and draws what it hears; the twin ticks at another rate.
    for (first, second) in
        [("Thread", "Thread"), ("Thread", "Process"), ("Process", "Thread"), ("Process", "Process")]
    {
        for rate in [60, 20] {
            let text = format!(
                "(cell: \"probe\", at: {first}, with: (does: \"carry\")), \
                 (cell: \"twin.so\", trust: Own, at: {second}, rate: {rate}, with: (does: \"carry\")),"
            );
            let ran = lockstep(&engine, &text, &["--frames", "100", "--chaos", "5"]).ok();
            let what = format!("{first} and {second}, {rate} Hz");
            assert!(!ran.log.contains("lost something"), "{what}:\n{}", ran.log);
            // Of n ticks the first clears, and each 8th changes nothing; they are heard in a later frame.
            let [probe, twin] = ["probe", "twin"].map(|name| lines(&ran, name).last().copied());
            let expected = if rate == 60 { [86, 86] } else { [28, 86] };
            let expected = expected.map(|n| format!("heard {n} changes"));
            assert_eq!([probe, twin], [Some(&*expected[0]), Some(&*expected[1])], "{what}");
            // Both add green when what the GPU has is whole, and red when it is not.
            let [r, g, _] = pixel(&ran);
            assert!(r == 0 && g == 255, "{what}: the GPU has all of both buffers, not {r} {g}");
        }
    }
}

#[test]
fn a_cell_of_30_hz_is_seen_to_move_smoothly_at_60() {
    let engine = Engine::new(EXE);
    for at in ["Thread", "Process"] {
        let text = format!(
            "(cell: \"camera\", rate: 30, at: {at}, with: (orbit_speed: 90, fly: (at: (0, 0, 9), look: (0, 0, 0)))), \
             (cell: \"probe\", at: {at}, with: (does: \"smooth\")),"
        );
        let ran = lockstep(&engine, &text, &["--frames", "20"]).ok();
        let seen: Vec<[f64; 3]> =
            lines(&ran, "probe").iter().map(|l| numbers(l).try_into().unwrap()).collect();
        assert_eq!(seen.len(), 20, "{at}:\n{}", ran.log);
        // 90 degrees a second are 3 in a tick of 30 Hz: the newest jumps, and every other frame only.
        let newest: Vec<f64> = seen.iter().map(|s| s[1]).collect();
        assert!(
            newest[5..].windows(2).all(|w| w[0] == w[1] || (w[1] - w[0] - 3.0).abs() < 1e-3),
            "{at}: {newest:?}"
        );
        // What is between the two publications moves by 1.5 in each frame.
        let smooth: Vec<f64> = seen.iter().map(|[old, new, blend]| old + blend * (new - old)).collect();
        for w in smooth[4..].windows(2) {
            assert!((w[1] - w[0] - 1.5).abs() < 2e-3, "{at}: {smooth:?}");
        }
    }
}

#[test]
fn previous_is_the_picture_of_the_frame_before() {
    let engine = Engine::new(EXE);
    for at in ["Thread", "Process"] {
        for frames in ["1", "2", "9"] {
            let text = format!("(cell: \"probe\", at: {at}, with: (does: \"trail\")),");
            let ran = lockstep(&engine, &text, &["--frames", frames]).ok();
            // Not red: unbroken, and zero at first. Not blue: from the first frame on.
            assert_eq!(pixel(&ran), [0, 255, 0], "{at}, {frames} frames");
        }
    }
}

#[test]
fn frames_steps_time_and_seed_are_what_the_rate_makes_them() {
    let engine = Engine::new(EXE);
    for at in ["Thread", "Process"] {
        for (rate, ticks, steps, dt) in
            [(60, 12, 1.0, 0.01667), (30, 6, 1.0, 0.03333), (120, 12, 2.0, 0.00833)]
        {
            let text = format!("(cell: \"probe\", at: {at}, rate: {rate}, with: (does: \"count\")),");
            let run = |args: &[&str]| lockstep(&engine, &text, &[&["--frames", "12"], args].concat()).ok();
            let ran = run(&["--chaos", "3"]);
            let said = lines(&ran, "probe");
            let seen: Vec<Vec<f64>> = said.iter().map(|l| numbers(l)).collect();
            let what = format!("{at}, {rate} Hz: {said:?}");
            assert_eq!(ran.cell("probe")["ticks"], ticks, "{what}");
            assert_eq!(ran.cell("probe")["dropped_steps"], 0, "{what}");
            assert_eq!(seen.len(), ticks, "{what}");
            let stride = 12.0 / ticks as f64;
            for (n, line) in seen.iter().enumerate() {
                let [frame, s, d, time] = line[..4] else { panic!("{what}") };
                assert_eq!(frame, n as f64 * stride, "{what}: every frame, one after the other");
                assert_eq!((s, d), (steps, dt), "{what}");
                assert!((time - frame / 60.0).abs() < 0.02, "{what}: whole steps, no clock");
            }
            // The seed is another one in each frame, and the same in each run of one scene and seed.
            let seeds = |ran: &Ran| -> Vec<String> {
                lines(ran, "probe").iter().map(|l| l.rsplit(' ').next().unwrap().to_owned()).collect()
            };
            let first = seeds(&ran);
            assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), ticks, "{what}");
            assert_eq!(seeds(&run(&["--chaos", "4"])), first, "{what}");
            assert_ne!(seeds(&run(&["--seed", "77"])), first, "{what}");
        }
    }
}

#[test]
fn frames_of_a_run_in_real_time_only_ever_rise() {
    let engine = Engine::new(EXE);
    let scene = engine.scene("rise.ron", "World(cells: [(cell: \"probe\", with: (does: \"count\"))])");
    let ran = engine.headless(&scene, &["--frames", "120", "--size", "16x16"]).ok();
    let frames: Vec<f64> = lines(&ran, "probe").iter().map(|l| numbers(l)[0]).collect();
    assert!(frames.len() > 60, "{frames:?}");
    assert!(frames.windows(2).all(|w| w[0] < w[1]), "{frames:?}");
    assert_eq!(ran.report["frames"], 120);
    assert_eq!(ran.report["submits_per_frame"], serde_json::json!([1, 1]));
}

#[test]
fn a_parallel_loop_reaches_each_item_once() {
    let engine = Engine::new(EXE);
    for at in ["Thread", "Process"] {
        let text = format!("(cell: \"probe\", at: {at}, with: (does: \"sum\")),");
        let ran = lockstep(&engine, &text, &["--frames", "3"]).ok();
        assert_eq!(lines(&ran, "probe"), ["the squares below 1000 are 332833500 together"; 3], "{at}");
    }
}

#[test]
fn input_reaches_the_picture_in_its_own_frame_through_processes_too() {
    let engine = Engine::new(EXE);
    let run = |press: &[&str]| {
        let args = ["--frames", "6", "--size", "320x180", "--placement", "Process"];
        engine.lockstep("minimal.ron", &[&args[..], press].concat()).ok()
    };
    let still = run(&[]);
    assert_ne!(still.hash(), run(&["--press", "5:W"]).hash(), "N9: a key of frame 5 is seen in frame 5");
    assert_eq!(still.hash(), run(&["--press", "6:W"]).hash(), "a key of frame 6 is not");
}

#[test]
fn a_now_port_waits_for_its_owner_and_a_circle_of_them_is_cut_at_one_port() {
    let (engine, _project) = Engine::with_twin(EXE);
    for (first, second) in [("Thread", "Process"), ("Process", "Thread")] {
        let text = format!(
            "(cell: \"probe\", at: {first}, with: (does: \"tell\")), \
             (cell: \"twin.so\", trust: Own, at: {second}, with: (does: \"tell\")),"
        );
        let ran = lockstep(&engine, &text, &["--frames", "5", "--chaos", "2"]).ok();
        // The twin waits for the probe. The probe, which would have to wait for the twin, is told of the frame before.
        assert!(lines(&ran, "twin").contains(&"in frame 4 it is told 4"), "{}", ran.log);
        assert!(lines(&ran, "probe").contains(&"in frame 4 it is told 3"), "{}", ran.log);
        let _ = ran.says(&["read one another `now`", "Take `now` away"]);
    }
}

#[test]
fn pixels_come_back_to_all_that_read_them_two_frames_after_they_were_drawn() {
    for tier in ["inplace", "staging"] {
        let (engine, _project) = Engine::with_twin(EXE);
        let engine = engine.env("RENDER_UPLOAD", tier);
        for (first, second) in [("Thread", "Process"), ("Process", "Thread")] {
            let text = format!(
                "(cell: \"twin.so\", trust: Own, at: {first}, with: (does: \"watch\")), \
                 (cell: \"probe\", at: {second}, with: (does: \"echo\")),"
            );
            let ran = lockstep(&engine, &text, &["--frames", "30", "--chaos", "3"]).ok();
            let expected = |f: u64| match f.checked_sub(2) {
                None => format!("in frame {f} nothing has come back"),
                Some(drawn) => format!("in frame {f} frame {drawn} has come back"),
            };
            for cell in ["probe", "twin"] {
                // The last frame is drawn once more for the picture; that is none that cells see.
                let expected: Vec<String> = (0..30).map(expected).collect();
                assert_eq!(
                    lines(&ran, cell),
                    expected,
                    "`{cell}`, {first} and {second}, {tier}:\n{}",
                    ran.log
                );
            }
        }
    }
}

/// G2: what a cell writes into its shared buffer is what the GPU has of it.
#[test]
fn share_buffer_roundtrip() {
    for tier in ["inplace", "snapshot", "staging"] {
        let engine = Engine::new(EXE).env("RENDER_UPLOAD", tier);
        for at in ["Thread", "Process"] {
            let text = format!("(cell: \"probe\", at: {at}, with: (does: \"round trip\")),");
            let ran = lockstep(&engine, &text, &["--frames", "12"]).ok();
            // The probe compares what came back, and panics when a word is another.
            let said = lines(&ran, "probe");
            assert_eq!(said.last(), Some(&"in frame 11 frame 9 has come back"), "{at}, {tier}:\n{}", ran.log);
            assert_eq!(ran.cell("probe")["restarts"], 0, "{at}, {tier}:\n{}", ran.log);
        }
    }
}

#[test]
fn nobody_waits_for_pixels_to_come_back() {
    let engine = Engine::new(EXE);
    let scene =
        engine.scene("echo.ron", "World(cells: [(cell: \"probe\", with: (does: \"echo and look\"))])");
    // The probe itself looks whether its thread waits for anything while it looks at them.
    let ran = engine.headless(&scene, &["--size", "32x18", "--frames", "120"]).ok();
    let came =
        lines(&ran, "probe").into_iter().filter(|l| l.ends_with("has come back") && !l.contains("nothing"));
    let came: Vec<[f64; 2]> = came.map(|l| numbers(l).try_into().unwrap()).collect();
    assert!(!came.is_empty(), "something comes back:\n{}", ran.log);
    assert!(came.iter().all(|[now, drawn]| drawn < now), "none of a frame that is not drawn yet: {came:?}");
    assert!(came.windows(2).all(|c| c[0][1] <= c[1][1]), "what came does not go back: {came:?}");
}
