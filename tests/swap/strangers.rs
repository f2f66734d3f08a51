//! New builds of untrusted cells, which have no shadow: their probation counts.
use crate::rig::{Rig, assert_counts_on, ticks};

#[test]
fn a_build_of_an_untrusted_cell_takes_over_at_once_and_its_probation_counts() {
    // As much GPU time as there is: how long its passes take is not what this is about.
    let trust = r#"Untrusted(read: ["camera"], write: ["scene_color"], gpu_ms: 1000)"#;
    let rig = Rig { trust, ..Rig::new() };
    let mut live = rig.live("Process");
    rig.build("do fine");
    live.until("[faulty] it goes on with its state of frame");
    live.until(" took over after frame ");
    live.until(" stays: it returned from ");
    assert_counts_on(&ticks(live.seen.iter().map(String::as_str)), "it takes over");
    for (how, says) in [
        ("load panic", "panicked in `load`"),
        ("tick panic", "panicked in `tick`"),
        ("late segv", "crashed with SIGSEGV"),
    ] {
        rig.build(how);
        live.until("the old one is back, as it was after frame ");
        assert!(live.seen.last().unwrap().contains(says), "{how}: {}", live.seen.last().unwrap());
        let before = live.seen.len();
        for _ in 0..20 {
            live.until("it has ticked");
        }
        assert_counts_on(&ticks(live.seen[before..].iter().map(String::as_str)), how);
        live.assert_running();
    }
    assert!(!live.seen.iter().any(|l| l.contains("shadow")), "{}", live.seen.join("\n"));
    let ran = rig.lockstep("", "Process", "12", &["10:move:faulty:Thread"]);
    assert_eq!(ran.code, Some(1));
    let _ = ran.says(&["`faulty` is untrusted and runs in a process of its own only"]);
}

#[test]
fn a_build_of_an_untrusted_cell_that_takes_too_much_gpu_time_is_taken_back() {
    // It ticks slowly, so that its probation lasts for many frames.
    let trust = r#"Untrusted(read: ["camera"], write: ["scene_color"], gpu_ms: 0.001), rate: 5"#;
    let rig = Rig { trust, ..Rig::new() };
    let ran = rig.lockstep("", "Process", "12", &[]);
    if ran.cell("faulty")["gpu"].as_object().is_none_or(serde_json::Map::is_empty) {
        return println!("SKIP: this adapter measures no GPU time");
    }
    rig.build("draw none");
    let mut live = rig.live("Process");
    rig.build("do fine");
    live.until(" took over after frame ");
    live.until("the old one is back, as it was after frame ");
    let told = live.seen.last().unwrap().clone();
    assert!(told.contains("its passes take") && told.contains("may take 0.001 (`gpu_ms`"), "{told}");
    let frame: u64 = told.rsplit(' ').next().unwrap().parse().unwrap();
    let counted = ticks(live.seen.iter().map(String::as_str));
    let known = counted.iter().find(|t| t.0 == frame).unwrap_or_else(|| panic!("{told}")).1;
    let before = live.seen.len();
    // More frames than end a cell: the new one's passes are not laid to the old one.
    for _ in 0..10 {
        live.until("it has ticked");
    }
    let after = ticks(live.seen[before..].iter().map(String::as_str));
    assert_eq!(after[0].1, known + 1, "from where it was frozen");
    assert_counts_on(&after, &told);
    live.assert_running();
}
