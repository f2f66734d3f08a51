//! A cell that keeps state, driven through its C table, as a host swaps, moves and restarts it.
#![allow(clippy::unwrap_used, reason = "tests")]
mod host;

use cell::prelude::*;
use cell_abi::{Status, saved::Saved, shape::ShapeSection};
use host::{Driver, as_floats};

/// The cell, under the lints of the workspace and more.
mod counter {
    #![deny(warnings, missing_docs, unreachable_pub, unsafe_code, dead_code)]
    #![deny(
        clippy::all,
        clippy::pedantic,
        clippy::undocumented_unsafe_blocks,
        clippy::allow_attributes_without_reason
    )]
    use cell::prelude::*;

    signal_receptor! {
        name: counter_v1,
        output: Writes { counted: Buffer<f32, 4> },
    }

    /// The state as an older build kept it.
    mod past {
        #[derive(Default, cell::Save)]
        pub(super) struct Counter {
            pub(super) ticks: u8,
        }
    }

    /// The state.
    #[derive(Save)]
    #[save(from = past::Counter)]
    pub(super) struct Counter {
        ticks: u32,
        log: Vec<(u64, String)>,
        #[save(skip)]
        scale: f32,
    }

    impl Default for Counter {
        fn default() -> Self {
            Self { ticks: 0, log: Vec::new(), scale: 0.5 }
        }
    }

    impl From<past::Counter> for Counter {
        fn from(old: past::Counter) -> Self {
            assert!(old.ticks < 200, "too many to count");
            Self { ticks: old.ticks.into(), ..Self::default() }
        }
    }

    impl Cell for Counter {
        fn tick(&mut self, cx: &mut Cx<counter_v1>) {
            self.ticks += 1;
            self.log.push((cx.frame().0, format!("tick {}", self.ticks)));
            let all = [
                f32::from(u16::try_from(self.ticks).unwrap_or(0)),
                self.scale,
                f32::from(u8::try_from(self.log.len()).unwrap_or(0)),
            ];
            self.scale = 2.0;
            cx.counted().write(&all);
        }
    }

    cell::export!(Counter);

    /// Returns what an older build saved after this many ticks.
    pub(super) fn saved_in_the_past(ticks: u8) -> Vec<u8> {
        past::Counter { ticks }.save()
    }
}

use counter::{CELL_SHAPE_V1, CELL_TABLE_V1, Counter, counter_v1, saved_in_the_past};

fn driver() -> Driver {
    let mut d = Driver::new(&CELL_TABLE_V1, counter_v1::PORTS.len(), vec![]).map_err(|e| e.0).unwrap();
    d.own(counter_v1::COUNTED.index(), 16);
    d
}

/// Ticks once and returns (ticks, scale, lines of the log).
fn tick(d: &mut Driver) -> [f32; 3] {
    assert!(d.tick().is_ok());
    as_floats(&d.latest(counter_v1::COUNTED.index()).unwrap()).try_into().unwrap()
}

#[test]
fn a_new_instance_goes_on_where_the_old_one_was_and_rebuilds_what_was_left_out() {
    let mut old = driver();
    assert!(old.load().is_ok());
    assert_eq!(tick(&mut old), [1.0, 0.5, 1.0]);
    assert_eq!(tick(&mut old), [2.0, 2.0, 2.0]);
    let saved = old.save().unwrap().unwrap();
    assert_eq!(tick(&mut old), [3.0, 2.0, 3.0], "saving changes nothing");

    let mut new = driver();
    assert_eq!(new.restore(&saved), Some(Status::OK));
    assert!(new.load().is_ok());
    assert_eq!(tick(&mut new), [3.0, 0.5, 3.0], "the scale is as the cell's `Default` makes it");
}

#[test]
fn the_section_names_the_shape_of_what_is_saved() {
    let section = ShapeSection::parse(&CELL_SHAPE_V1).unwrap().unwrap();
    let mut d = driver();
    let bytes = d.save().unwrap().unwrap();
    let saved = Saved::read(&bytes).unwrap();
    assert_eq!((saved.fingerprint, saved.text), (section.fingerprint, section.text.as_str()));
    assert!(section.text.ends_with("struct Counter\n  ticks u32\n  log Vec<(u64, String)>\n"));
    assert_eq!(saved.difference(&section.text), None);
    assert_eq!(section.reads.len(), 1);
    assert!(section.restores(Saved::read(&saved_in_the_past(1)).unwrap().fingerprint));
}

#[test]
fn an_older_state_is_converted_and_a_panic_in_that_ends_at_the_border() {
    let mut d = driver();
    assert_eq!(d.restore(&saved_in_the_past(7)), Some(Status::OK));
    assert_eq!(tick(&mut d), [8.0, 0.5, 1.0]);

    let mut d = driver();
    assert_eq!(d.restore(&saved_in_the_past(255)), Some(Status::PANICKED));
    assert!(d.told(|t| t.panics[0].0.contains("too many to count")));
}

#[test]
fn what_cannot_be_restored_is_told_and_changes_nothing() {
    #[derive(Default, Save)]
    struct Other {
        ticks: f32,
    }
    let mut d = driver();
    tick(&mut d);
    let good = d.save().unwrap().unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (bytes, says) in [
        (Other { ticks: 1.0 }.save(), "`Other` became `Counter`"),
        (flipped, "its bytes were changed"),
        (good[..good.len() - 1].to_vec(), "it is cut"),
        (vec![], "do not begin as saved state does"),
    ] {
        assert_eq!(d.restore(&bytes), Some(Status::FAILED));
        let told = d.told(|t| t.fails.pop().unwrap());
        assert!(told.contains(says), "{told}");
    }
    assert_eq!(tick(&mut d), [2.0, 2.0, 2.0]);
    assert_eq!(Counter::default().save(), driver().save().unwrap().unwrap());
}
