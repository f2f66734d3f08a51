//! The port table of a cell, and what is made of it before a cell runs: declarations of its shader, contracts.
use super::{Target, assert_shown, texts};
use cell_abi::{
    interface::{Interface, differences},
    ports::{PortKind, PortTable},
};
use engine_frame::{
    contracts::{CellDecl, Contracts, Standing},
    plan::CellLine,
    wgsl,
};
use std::sync::Arc;

pub(super) const TARGET: Target =
    Target { name: "ports", run: ports, seeds: || texts(&[PORTS]), words: PORT_WORDS };

/// A table with something of everything.
pub(super) const PORTS: &str = "cell-ports 1\nabi 1.0\nname city_v1\nrate on_mail\nshader city.wgsl\n\
    param f32 sun.azimuth = 230\nparam vec3f fly.at = 0 1.5 -2e1\nparam text s = \"a = \u{e4}\"\nparam asset gltf\n\
    param bool on = true\nparam u32 n = 7\nparam i32 m = -7\ngroup? fly\n\
    port input camera uniform Camera 1 now\nport input crowd storage Ghost 100 history\n\
    port own mesh sealed vertices Ghost\nport own maps sealed texture_2d\nport own n counts - 8\n\
    port own shadow texture depth32float fixed 1024x512 mips 1 clear 0 0 0 0\n\
    port input mood texture r32float fixed 2x1 mips 1 clear 0 0 0 0 readback\n\
    port output chain texture rgba16float screen 1/2 mips 6 keep\nport output picture backbuffer\n\
    type Camera 80\nfield Camera view mat4x4f 0\nfield Camera eye vec3f 64\nfield Camera far f32 76\n\
    type Ghost 16\nfield Ghost at vec3f 0\nfield Ghost tint u32 12\nend\n";

pub(super) const PORT_WORDS: &[&[u8]] = &[
    b"\n",
    b" ",
    b"port ",
    b"param ",
    b"type ",
    b"field ",
    b"group? ",
    b"end\n",
    b"input ",
    b"output ",
    b"own ",
    b" now",
    b" history",
    b"texture ",
    b"uniform ",
    b"storage ",
    b"sealed ",
    b"screen 0/0",
    b"fixed 99999999999x1",
    b" mips 99",
    b" clear nan inf 0 0",
    b" keep",
    b" readback",
    b"mat4f",
    b"vec3f",
    b"4294967295",
    b"-",
    b"= ",
    b"\"\\",
    b"backbuffer",
    b"rate 0\n",
];

fn ports(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(table) = PortTable::parse(text) else { return false };
    let canonical = table.to_text();
    let again = PortTable::parse(&canonical).expect("the canonical text of a table is one");
    assert_eq!(again.to_text(), canonical, "and stays what it is");
    for port in &table.ports {
        if let PortKind::Buffer(buffer) = &port.kind {
            let _ = buffer.element_size(&table);
        }
    }
    let _ = wgsl::header(&table);
    let seen = Interface::of(&table);
    assert_eq!(seen, Interface::of(&again), "others see the same of the same");
    assert_eq!(differences(&seen, &seen), [], "and nothing differs from itself");
    let decl = |line, name: &str, table: PortTable| CellDecl {
        line: CellLine(line),
        name: name.into(),
        table: Arc::new(table),
        standing: if line == 0 { Standing::Own } else { Standing::Untrusted },
    };
    let mut contracts = Contracts::default();
    let faults = contracts.declare(&[decl(0, "a", table), decl(1, "b", again)]);
    for fault in faults {
        assert_shown(&fault.to_string());
    }
    true
}
