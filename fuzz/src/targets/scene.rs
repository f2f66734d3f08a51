//! Scene files, with the parameters that they give to a cell.
use super::{Target, ports::PORTS, texts};
use cell_abi::ports::PortTable;
use engine_scene::{Scene, check_params, diff};

pub(super) const TARGET: Target =
    Target { name: "scene", run: scene, seeds: || texts(&[SCENE]), words: SCENE_WORDS };

const SCENE: &str = r##"World( // comment
    name: "Munich", rate: 60, seed: 7, /* block */
    cells: [
        (cell: "camera", with: (fly: (at: (0, 30, 80), look: [0, 1e1, 0x1F]))),
        (cell: "a.so", at: Process, on: "F1", rate: OnMail, enabled: true, with: (t: r#"raw"#, c: 'x', n: -1.5, m: None)),
        (cell: "scene", checkpoint: 1.0, with: (gltf: "city/munich.glb", sun: (azimuth: 230, height: 12))),
    ],
)"##;

const SCENE_WORDS: &[&[u8]] = &[
    b"World(",
    b"cells: [",
    b"(cell: \"",
    b"name:",
    b"with: (",
    b"at: Process",
    b"rate: OnMail",
    b")",
    b"]",
    b"(",
    b"[",
    b"{",
    b"}",
    b",",
    b":",
    b"\"",
    b"r#\"",
    b"\"#",
    b"//",
    b"/*",
    b"*/",
    b"'",
    b"'('",
    b"\\u{",
    b"inf",
    b"NaN",
    b"Some(",
    b"None",
    b"1e999",
    b"0x",
    b"-",
    b"#![enable(implicit_some)]",
    b"\xc2\x85",
    b"\xe2\x80\x8e",
    b"\xef\xbb\xbf",
    b"((((((((",
];

fn scene(bytes: &[u8]) -> bool {
    let table = PortTable::parse(PORTS).expect("a good table");
    match Scene::parse("s.ron", bytes) {
        Ok(scene) => {
            for cell in &scene.cells {
                if let Ok(checked) = check_params(cell, &table) {
                    assert!(!checked.encoded.is_empty());
                }
            }
            assert!(diff(&scene, &scene.clone()).is_empty());
            true
        }
        Err(faults) => {
            let lines = 1 + bytes.iter().filter(|b| **b == b'\n').count();
            assert!(!faults.is_empty());
            for f in faults {
                assert!(f.line >= 1 && f.line as usize <= lines && f.column >= 1, "{f}");
                assert!(f.to_string().len() < 2000);
            }
            false
        }
    }
}
