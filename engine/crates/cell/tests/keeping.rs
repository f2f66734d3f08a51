//! A cell that keeps state, driven through its C table, as a host swaps, moves and restarts it.
#![allow(clippy::unwrap_used, reason = "tests")]
use cell::{
    prelude::*,
    testing::{TestCell, TurnError},
};
use cell_abi::{saved::Saved, shape::ShapeSection};

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

use counter::{CELL_SHAPE_V1, CELL_TABLE_V1, Counter, counted, saved_in_the_past};

fn cell() -> TestCell<Counter> {
    TestCell::new().unwrap()
}

/// Ticks once and returns (ticks, scale, lines of the log).
fn tick(cell: &mut TestCell<Counter>) -> [f32; 3] {
    cell.tick().unwrap();
    cell.published(counted).try_into().unwrap()
}

#[test]
fn a_new_instance_goes_on_where_the_old_one_was_and_rebuilds_what_was_left_out() {
    let mut old = cell();
    old.load().unwrap();
    assert_eq!(tick(&mut old), [1.0, 0.5, 1.0]);
    assert_eq!(tick(&mut old), [2.0, 2.0, 2.0]);
    let saved = old.save().unwrap();
    assert_eq!(tick(&mut old), [3.0, 2.0, 3.0], "saving changes nothing");

    let mut new = cell();
    new.restore(&saved).unwrap();
    new.load().unwrap();
    assert_eq!(tick(&mut new), [3.0, 0.5, 3.0], "the scale is as the cell's `Default` makes it");
}

#[test]
fn export_finds_by_itself_that_the_cell_keeps_state() {
    assert!(CELL_TABLE_V1.save.is_some() && CELL_TABLE_V1.restore.is_some());
}

#[test]
fn the_section_names_the_shape_of_what_is_saved() {
    let section = ShapeSection::parse(&CELL_SHAPE_V1).unwrap().unwrap();
    let mut d = cell();
    let bytes = d.save().unwrap();
    let saved = Saved::read(&bytes).unwrap();
    assert_eq!((saved.fingerprint, saved.text), (section.fingerprint, section.text.as_str()));
    assert!(section.text.ends_with("struct Counter\n  ticks u32\n  log Vec<(u64, String)>\n"));
    assert_eq!(saved.difference(&section.text), None);
    assert_eq!(section.reads.len(), 1);
    assert!(section.restores(Saved::read(&saved_in_the_past(1)).unwrap().fingerprint));
}

#[test]
fn an_older_state_is_converted_and_a_panic_in_that_ends_at_the_border() {
    let mut d = cell();
    d.restore(&saved_in_the_past(7)).unwrap();
    assert_eq!(tick(&mut d), [8.0, 0.5, 1.0]);

    let mut d = cell();
    let e = d.restore(&saved_in_the_past(255)).unwrap_err();
    assert!(matches!(&e, TurnError::Panicked(p) if p.to_string().contains("too many to count")), "{e}");
}

#[test]
fn what_cannot_be_restored_is_told_and_changes_nothing() {
    #[derive(Default, Save)]
    struct Other {
        ticks: f32,
    }
    let mut d = cell();
    tick(&mut d);
    let good = d.save().unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (bytes, says) in [
        (Other { ticks: 1.0 }.save(), "`Other` became `Counter`"),
        (flipped, "its bytes were changed"),
        (good[..good.len() - 1].to_vec(), "it is cut"),
        (vec![], "do not begin as saved state does"),
    ] {
        let told = d.restore(&bytes).unwrap_err().to_string();
        assert!(told.contains(says), "{told}");
    }
    assert_eq!(tick(&mut d), [2.0, 2.0, 2.0]);
    assert_eq!(Counter::default().save(), cell().save().unwrap());
}
