//! No text makes the reader panic, and every fault points into its text.
use engine_scene::{Scene, check_params, diff};
use proptest::prelude::*;

const GOOD: &str = r##"World( // comment
    name: "Munich", rate: 60, seed: 7, /* block */
    cells: [
        (cell: "camera", with: (fly: (at: (0, 30, 80), look: [0, 1e1, 0x1F]))),
        (cell: "a.so", at: Process, on: "F1", rate: OnMail, enabled: true, with: (t: r#"raw"#, c: 'x', n: -1.5, m: None)),
        (cell: "scene", with: (gltf: "city/munich.glb", sun: (azimuth: 230, height: 12))),
    ],
)"##;

fn read(text: &[u8]) {
    let table = cell_abi::ports::PortTable::parse(
        "cell-ports 1\nabi 1.0\nname d_v1\nrate 60\nparam f32 n = 1\nparam vec3f fly.at = 0 0 0\ngroup? fly\nend\n",
    )
    .expect("a good table");
    match Scene::parse("s.ron", text) {
        Ok(scene) => {
            for cell in &scene.cells {
                let checked = check_params(cell, &table);
                assert!(checked.is_ok_and(|c| c.encoded.len() == 20) || cell.name != "nothing");
            }
            assert!(diff(&scene, &scene.clone()).is_empty());
            assert!(scene.check_cells(&["camera"]).len() <= scene.cells.len());
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            for f in faults {
                let lines = 1 + String::from_utf8_lossy(text).matches('\n').count();
                assert!(f.line >= 1 && f.line as usize <= lines && f.column >= 1, "{f}");
                assert!(f.to_string().len() < 2000);
            }
        }
    }
}

#[test]
fn the_whole_text_is_a_scene_and_each_beginning_of_it_has_faults() {
    assert!(Scene::parse("s.ron", GOOD).is_ok());
    for end in 0..GOOD.len() {
        read(&GOOD.as_bytes()[..end]);
        assert!(Scene::parse("s.ron", &GOOD[..end]).is_err(), "cut after byte {end}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(text in prop::collection::vec(any::<u8>(), 0..200)) {
        read(&text);
    }

    #[test]
    fn any_text(text in "\\PC{0,100}") {
        read(text.as_bytes());
    }

    /// Words and marks of RON in any order come nearer to its corners than letters do.
    #[test]
    fn any_tokens(tokens in prop::collection::vec(prop::sample::select(vec![
        "World", "(", ")", "[", "]", "{", "}", ":", ",", "cells", "cell", "\"a\"", "with", "name", "rate", "1", "-", "1.5",
        "..", "..=", "'", "'('", "\"", "r#\"", "\"#", "r#x", "b\"x\"", "//", "/*", "*/", "\n", " ", "Some", "None", "inf",
        "NaN", "true", "()", "\\", "#![enable(implicit_some)]", "#", "\u{85}", "\u{200e}", "e9", "_", "0x", "\u{feff}",
    ]), 0..40)) {
        read(tokens.concat().as_bytes());
        read(format!("World(cells: [(cell: \"a\", with: {})])", tokens.concat()).as_bytes());
    }

    /// One place of a good scene changed.
    #[test]
    fn any_slip(at in 0..GOOD.len(), len in 0..9usize, with in "\\PC{0,3}") {
        let end = (at + len).min(GOOD.len());
        let text = [&GOOD.as_bytes()[..at], with.as_bytes(), &GOOD.as_bytes()[end..]].concat();
        read(&text);
    }
}
