//! The port table and the typed constants; parameters as they come in; what the border refuses.
use super::*;
use cell_abi::{interface::Interface, ports::PortTable};

const TABLE: &str = "cell-ports 1
abi 1.1
name probe_v1
rate 30
shader probe.wgsl
param text mode = \"\"
param f32 gain = 1
param asset file = \"a.bin\"
param f32 sun.azimuth = 230
param u32 sun.count = 3
param bool sun.on = true
param i32 sun.turn = -1
param vec3f fly.at = 0 30 80
group? fly
port input scene_color texture rgba16float screen 1/1 mips 1 clear 0 0 0 0
port input camera uniform Cam 1 now
port input poses instances Pose 8 history
port input levels storage f32 16
port own mips texture rgba16float screen 1/2 mips 6 keep
port own albedo sealed texture_2d
port own mesh sealed vertices Pose
port own tris sealed indices
port own cubes instances Pose 8
port own counts counts - 2
port output heard storage f32 64
port output view uniform Cam 1
port output scene_depth texture depth32float screen 1/1 mips 1 clear 0 0 0 0
port output shadow texture depth32float fixed 512x256 mips 1 clear 1 0 0 0
port output history_px texture rgba8unorm fixed 4x4 mips 1 clear 0 0.25 0.5 1
port output picture backbuffer
type Cam 80
field Cam view_proj mat4x4f 0
field Cam eye vec3f 64
field Cam near f32 76
type Pose 16
field Pose at vec3f 0
field Pose scale f32 12
type f32 4
field f32 value f32 0
end
";

#[test]
fn the_section_text_is_the_canonical_table() {
    let found = core::str::from_utf8(&CELL_PORTS_V1).unwrap();
    assert_eq!(found, TABLE);
    assert_eq!(PortTable::parse(found).unwrap().to_text(), TABLE);
}

#[test]
fn the_macro_and_the_engine_write_the_same_interface() {
    const N: usize = cell::__private::Text::total(probe_v1::INTERFACE);
    let mine: [u8; N] = cell::__private::const_text(probe_v1::INTERFACE);
    let table = PortTable::parse(TABLE).unwrap();
    assert_eq!(core::str::from_utf8(&mine).unwrap(), Interface::of(&table).to_text());
}

#[test]
fn port_groups_know_their_names_and_bindings() {
    assert_eq!(Reads::PORTS, ["scene_color", "camera", "poses", "levels"]);
    let numbers = |l: &[cell::Binding]| l.iter().map(|b| (b.name, b.group, b.binding)).collect::<Vec<_>>();
    assert_eq!(numbers(Reads::LAYOUT), [("scene_color", 1, 0), ("camera", 1, 1), ("levels", 1, 3)]);
    assert_eq!(numbers(Mine::LAYOUT), [("mips", 1, 4), ("albedo", 2, 5)]);
    assert_eq!((probe_v1::ALBEDO.index(), probe_v1::NAME), (5, "probe_v1"));
}

#[test]
fn parameters_are_decoded_once_per_version_and_checked() {
    let mut cell = probe("params");
    cell.tick().unwrap();
    assert_eq!(cell.published(heard), [120.0, 9.0, 0.0, -5.0, -1.0, 1.0]);
    cell.tick().unwrap();
    assert_eq!(cell.published(heard)[5], 0.0, "not changed since");
    cell.give("fly");
    cell.passes().unwrap();
    cell.tick().unwrap();
    assert_eq!(cell.published(heard)[4..], [80.0, 1.0], "changed, though `passes` saw it first");
    cell.set("fly.at", [1.0, 2.0, 3.0]);
    cell.tick().unwrap();
    assert_eq!(cell.published(heard)[4..], [3.0, 1.0]);
    cell.set_encoded(vec![1, 2, 3]);
    let failed = cell.tick().unwrap_err().to_string();
    assert!(failed.contains("do not fit this build's port table"), "{failed}");
}

#[test]
fn a_host_of_another_abi_is_refused_and_null_is_no_state() {
    #![expect(unsafe_code, reason = "calls entries with null")]
    let mut state = core::ptr::null_mut();
    // SAFETY: the entries check for null.
    unsafe {
        assert_eq!((CELL_TABLE_V1.create)(core::ptr::null(), core::ptr::null(), &mut state), Status::INVALID);
        assert_eq!((CELL_TABLE_V1.tick)(core::ptr::null_mut(), core::ptr::null()), Status::INVALID);
        assert_eq!((CELL_TABLE_V1.destroy)(core::ptr::null_mut()), Status::INVALID);
    }
}
