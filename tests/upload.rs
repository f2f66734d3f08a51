//! Upload tiers in the whole engine: the same pixels in each, and a forced tier that cannot be is a clear error.
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Engine, Ran};

const EXE: &str = env!("CARGO_BIN_EXE_engine");
const TIERS: [&str; 3] = ["inplace", "snapshot", "staging"];

fn forced(word: &str) -> Engine {
    Engine::new(EXE).env("RENDER_UPLOAD", word)
}

/// Runs a scene in the tier that is taken by itself and in each tier by force, and returns the forced runs.
fn same_in_each_tier(scene: &str, args: &[&str]) -> Vec<Ran> {
    let unforced = Engine::new(EXE).lockstep(scene, args).ok();
    let software = unforced.report["adapter"].as_str().unwrap().contains("llvmpipe");
    let mut runs = Vec::new();
    for tier in TIERS {
        let ran = forced(tier).lockstep(scene, args);
        if ran.code != Some(0) && !software && ran.log.contains("cannot take the upload tier") {
            eprintln!("NOT RUN in the tier `{tier}`:\n{}", ran.log);
            continue;
        }
        let ran = ran.ok().says(&[&format!("upload tier `{tier}` on ")]);
        assert_eq!(ran.report["upload"]["tier"], tier);
        assert_eq!(ran.report["submits_per_frame"], serde_json::json!([1, 1]), "{tier}");
        assert_eq!(ran.hash(), unforced.hash(), "{scene} in the tier `{tier}`: another picture");
        runs.push(ran);
    }
    let taken = unforced.report["upload"]["tier"].as_str().unwrap();
    assert_eq!(taken, if software { "inplace" } else { taken });
    assert!(!runs.is_empty() && (runs.len() == TIERS.len() || !software));
    runs
}

fn copied(ran: &Ran) -> u64 {
    ran.report["uploaded_bytes"].as_u64().unwrap()
}

#[test]
fn moving_instances_and_bloom_are_the_same_pixels_in_each_tier() {
    let runs = same_in_each_tier("bloom.ron", &["--frames", "6", "--size", "160x90"]);
    if let [in_place, snapshot, staging] = &runs[..] {
        assert_eq!(copied(snapshot), copied(staging), "the same bytes, copied by others");
        assert!(copied(in_place) < copied(staging) / 10, "{} of {}", copied(in_place), copied(staging));
    }
}

#[test]
fn textures_and_a_walking_fox_are_the_same_pixels_in_each_tier() {
    same_in_each_tier("fox.ron", &["--frames", "3", "--size", "96x54"]);
}

#[test]
fn cells_in_processes_are_the_same_pixels_in_each_tier() {
    same_in_each_tier("bloom.ron", &["--frames", "6", "--size", "160x90", "--placement", "Process"]);
}

#[test]
fn a_word_that_is_no_tier_is_told_with_those_there_are() {
    let ran = forced("in-place").lockstep("minimal.ron", &["--frames", "1"]);
    assert_eq!(ran.code, Some(1));
    let _ = ran.says(&["RENDER_UPLOAD", "`in-place` is no upload tier", "did you mean `inplace`?"]);
}

#[test]
fn a_tier_that_cannot_be_is_told_with_the_way_out() {
    for tier in ["inplace", "snapshot"] {
        let ran = forced(tier).lockstep("minimal.ron", &["--frames", "1", "--backend", "noop"]);
        assert_eq!(ran.code, Some(1), "{tier}");
        let _ = ran.says(&["cannot take the upload tier", tier, "RENDER_UPLOAD=staging"]);
    }
    let ran = forced("staging").lockstep("minimal.ron", &["--frames", "1", "--backend", "noop"]).ok();
    assert_eq!(ran.report["upload"]["tier"], "staging");
}
