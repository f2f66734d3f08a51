//! A cell without a tick of its own, declared in a module and under strict lints.
#![allow(clippy::unwrap_used, reason = "tests")]
mod host;

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
    struct Idle;

    impl Cell for Idle {}

    cell::export!(Idle, rate: OnMail);
}

#[test]
fn a_cell_without_a_tick_says_so_once_and_submits_an_empty_list() {
    let mut params = host::floats(&[1.0]);
    params.extend(host::words([0]));
    params.extend(host::floats(&[0.0, 1.0, 2.0]));
    params.extend(host::text("dusk"));
    let mut d = host::Driver::new(&idle::CELL_TABLE_V1, 6, params).map_err(|e| e.0).unwrap();
    assert!(d.load().is_ok() && d.passes().is_ok() && d.tick().is_ok());
    assert_eq!(d.told(|t| t.requests.clone()), [cell_abi::Request::NO_TICKS]);
    let list: cell_wire::PassList = cell_wire::decode(&d.told(|t| t.passes[0].clone())).unwrap();
    assert!(list.passes.is_empty());
}

#[test]
fn the_rate_of_a_cell_on_mail_is_in_its_table() {
    let text = core::str::from_utf8(&idle::CELL_PORTS_V1).unwrap();
    let table = cell_abi::ports::PortTable::parse(text).unwrap();
    assert_eq!(table.rate, cell_abi::ports::Rate::OnMail);
    assert_eq!(table.to_text().matches("type ").count(), 2, "each element type once");
}
