//! A cell without a tick of its own, declared in a module and under strict lints.
#![allow(clippy::unwrap_used, reason = "tests")]
use cell::testing::{Request, TestCell};

/// The cell.
mod idle {
    #![deny(warnings, missing_docs, unreachable_pub, unsafe_code, dead_code)]
    #![deny(
        clippy::all,
        clippy::pedantic,
        clippy::undocumented_unsafe_blocks,
        clippy::allow_attributes_without_reason
    )]
    use cell::prelude::*;

    signal_receptor! {
        name: idle_v1,
        params: { sun: { height: f32 = 1.0 }, fly?: { at: Vec3 = [0.0, 1.0, 2.0] }, title: Text },
        input: Reads { light: Uniform<Light>, lamps: history Instances<Light, 10>, glow: Screen<R16Float, 1, 4> },
        own: Mine { mesh: SealedVertices<Light>, work: Buffer<[f32; 4], 10> },
        output: Writes { picture: Backbuffer },
    }

    #[derive(Clone, Copy, Gpu)]
    #[repr(C)]
    struct Light {
        color: [f32; 3],
        power: f32,
    }

    #[derive(Default)]
    pub(super) struct Idle;

    impl Cell for Idle {}

    cell::export!(Idle, rate: OnMail);
}

#[test]
fn a_cell_without_a_tick_says_so_once_and_submits_an_empty_list() {
    let mut cell = TestCell::<idle::Idle>::new().unwrap();
    cell.set("title", "dusk");
    cell.load().unwrap();
    assert!(cell.passes().unwrap().passes.is_empty());
    cell.tick().unwrap();
    assert_eq!(cell.told().requests, [Request::NO_TICKS]);
}

#[test]
fn the_rate_of_a_cell_on_mail_is_in_its_table() {
    let text = core::str::from_utf8(&idle::CELL_PORTS_V1).unwrap();
    let table = cell_abi::ports::PortTable::parse(text).unwrap();
    assert_eq!(table.rate, cell_abi::ports::Rate::OnMail);
    assert_eq!(table.to_text().matches("type ").count(), 2, "each element type once");
}

#[test]
fn a_cell_without_save_has_no_shape_and_no_entries_for_it() {
    assert!(idle::CELL_SHAPE_V1.is_empty());
    assert!(idle::CELL_TABLE_V1.save.is_none() && idle::CELL_TABLE_V1.restore.is_none());
}
