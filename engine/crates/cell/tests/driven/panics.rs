//! Panics end at the border.
use super::*;

/// Returns the one panic of a turn that ended with it.
fn one_panic<R: core::fmt::Debug>(cell: &TestCell<Probe>, ended: Result<R, TurnError>, says: &str) {
    let Err(TurnError::Panicked(panic)) = ended else { panic!("{ended:?}") };
    assert!(panic.message.contains(says) && panic.file.ends_with("driven/main.rs"), "{panic}");
    assert!(panic.line > 0);
    assert_eq!(cell.told().panics, [panic], "reported once");
}

#[test]
fn a_panic_in_each_entry_is_caught_and_reported_once() {
    let mut cell = probe("panic in load");
    let ended = cell.load();
    one_panic(&cell, ended, "no load today");
    let mut cell = probe("panic in tick");
    cell.frame = 9;
    let ended = cell.tick();
    one_panic(&cell, ended, "no tick today: 9");
    let mut cell = probe("panic in passes");
    let ended = cell.passes();
    one_panic(&cell, ended, "no passes today");
    let mut cell = probe("drop");
    cell.tick().unwrap();
    let ended = cell.end().unwrap_err().to_string();
    assert!(ended.contains("no end today"), "{ended}");
    DEFAULT_PANICS.set(true);
    let made = TestCell::<Probe>::new().map(|_| ());
    DEFAULT_PANICS.set(false);
    let Err(TurnError::Panicked(panic)) = made else { panic!("{made:?}") };
    assert_eq!(panic.message, "no default today");
}

#[test]
fn a_payload_that_panics_when_dropped_is_caught_too() {
    let mut cell = probe("bomb");
    assert!(matches!(cell.tick(), Err(TurnError::Panicked(_))));
    assert_eq!(
        cell.told().panics.iter().map(|p| p.message.clone()).collect::<Vec<_>>(),
        ["a panic without a text", "the payload panics too"]
    );
}

#[test]
fn a_panicking_tick_publishes_nothing() {
    let mut cell = probe("panic after write");
    cell.tick().unwrap_err();
    assert!(cell.publication(heard).is_none() && cell.published(heard).is_empty());
}

#[test]
fn a_panic_in_a_chunk_is_reported_once_and_ends_the_tick() {
    let mut cell = probe("panic in par");
    let ended = cell.tick();
    one_panic(&cell, ended, "no four today");
    cell.refuse(Some(Status::CANCELLED));
    let ended = cell.tick();
    assert_eq!(
        ended,
        Err(TurnError::Ended { status: Status::CANCELLED }),
        "a replaced instance stops at its next host call"
    );
    assert_eq!(cell.told().panics.len(), 1);
}
