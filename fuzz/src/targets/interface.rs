//! What others rely on of a contract, and its lock.
use super::{Target, texts};
use cell_abi::interface::{Interface, LockFile, differences};

pub(super) const TARGET: Target =
    Target { name: "interface", run: interface, seeds: || texts(&[INTERFACE]), words: WORDS };

const INTERFACE: &str = "cell-interface 1\ncontract city_v1\ngroup fly: optional\n\
    input camera: buffer, 80 bytes each\n  view: mat4x4f at 0\n  eye: vec3f at 64\n\
    output chain: texture, rgba16float, screen 1/2, mips 6, keep\nparam gltf: asset, required\n";

const WORDS: &[&[u8]] = &[
    b"\n",
    b": ",
    b", ",
    b"  ",
    b"input ",
    b"output ",
    b"param ",
    b"chain",
    b"cell-interface 1\n",
    b"contract ",
];

fn interface(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let _ = LockFile::parse(text);
    let Ok(interface) = Interface::parse(text) else { return false };
    assert_eq!(interface.to_text(), text, "there is one text for one interface");
    let good = Interface::parse(INTERFACE).expect("a good text");
    let differs = differences(&good, &interface);
    assert_eq!(differs.is_empty(), interface == good, "what differs is told");
    let lock = LockFile {
        participants: ["city".to_owned()].into(),
        elsewhere: ["town".to_owned()].into(),
        interface,
    };
    assert_eq!(LockFile::parse(&lock.to_text()), Ok(lock));
    true
}
