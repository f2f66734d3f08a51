//! The shape of a cell's state: as a text, as a section of a library, and in front of what was saved.
use super::{Target, assert_shown, texts};
use cell_abi::{
    saved::Saved,
    shape::{Shape, ShapeSection, StateShape, difference},
};

pub(super) const SHAPES: Target =
    Target { name: "shape", run: shape, seeds: shape_seeds, words: SHAPE_WORDS };
pub(super) const SAVED: Target = Target { name: "saved", run: saved, seeds: saved_seeds, words: SHAPE_WORDS };

const SHAPE: &str = "rkyv-0.8 le aligned ptr32\nshape Ship\nstruct Ship\n  hull f32\n  crew Vec<Crew>\n\
    enum Crew\n  Nobody\n  Named\n    0 String\n    age u8\n";
const OLD: StateShape = StateShape::of(SHAPE_BYTES, None);
const SHAPE_BYTES: &[u8] = SHAPE.as_bytes();
pub(super) const SHAPE_WORDS: &[&[u8]] = &[
    b"\n",
    b"  ",
    b"    ",
    b"struct ",
    b"enum ",
    b"shape ",
    b"f32",
    b"Vec<",
    b"Option<",
    b"[f32; 3]",
    b">",
    b"#2",
    b"(",
    b")",
    b"HashMap<String, ",
    b"[[[[[[[[",
    b"<<<<<<<<",
    b"end\n",
    b"reads ",
    b"fingerprint ",
    b"Box<Ship>",
];

fn shape_seeds() -> Vec<Vec<u8>> {
    texts(&[SHAPE, &section()])
}

/// Returns the section of a library whose cell keeps such a state.
pub(super) fn section() -> String {
    format!("cell-shape 1\nfingerprint {}\n{SHAPE}end\n", OLD.fingerprint.to_hex())
}

fn shape(bytes: &[u8]) -> bool {
    if let Ok(Some(section)) = ShapeSection::parse(bytes) {
        assert_eq!(section.shape.to_text(), section.text);
        return true;
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(new) = Shape::parse(text) else { return false };
    assert_eq!(new.to_text(), text, "a shape that is read has one text");
    let old = Shape::parse(SHAPE).expect("a good shape");
    for (a, b) in [(&old, &new), (&new, &old)] {
        let told = difference(a, b);
        assert!(told.is_some() || a == b, "what differs is told");
        told.iter().for_each(|told| assert_shown(told));
    }
    assert_eq!(difference(&new, &new), None);
    true
}

fn saved_seeds() -> Vec<Vec<u8>> {
    vec![Saved::write(&OLD, &[]), Saved::write(&OLD, &[7; 50])]
}

fn saved(bytes: &[u8]) -> bool {
    let read = Saved::read(bytes);
    match &read {
        Ok(saved) => {
            let told = saved.difference(SHAPE);
            assert_eq!(told.is_none(), saved.text == SHAPE, "{told:?}");
        }
        Err(error) => assert_shown(&error.to_string()),
    }
    // Past the checksum, which hardly any input passes.
    if let Ok(text) = std::str::from_utf8(bytes) {
        let told = Saved { fingerprint: OLD.fingerprint, text, payload: &[] }.difference(SHAPE);
        told.iter().for_each(|told| assert_shown(told));
    }
    read.is_ok()
}
