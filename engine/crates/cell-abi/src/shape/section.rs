//! The section of a library that says what state its cell keeps, read before any of its code runs.
//!
//! ```text
//! cell-shape 1
//! fingerprint 04b7...64 digits
//! reads 5c11...64 digits, one line for each older shape that the cell converts from
//! rkyv-0.8 le aligned ptr32
//! shape Physics
//! struct Physics
//!   ...
//! end
//! ```
use super::{Shape, ShapeError, parse::fail};
use crate::{Fingerprint, out::Out};

/// The shape of a cell's kept state as a constant, with the older ones that it converts from.
#[derive(Clone, Copy, Debug)]
pub struct StateShape {
    /// The canonical text.
    pub text: &'static str,
    /// The text's fingerprint.
    pub fingerprint: Fingerprint,
    /// The shape before this one, if the cell converts from it.
    pub past: Option<&'static StateShape>,
}

impl StateShape {
    /// Names a canonical text; in `const` evaluation.
    ///
    /// # Panics
    /// When the bytes are no UTF-8.
    #[must_use]
    pub const fn of(text: &'static [u8], past: Option<&'static Self>) -> Self {
        let Ok(utf8) = core::str::from_utf8(text) else { panic!("a canonical text is UTF-8") };
        Self { text: utf8, fingerprint: Fingerprint::of(text), past }
    }
}

/// Returns the length in bytes of the section of `state`: 0 without one.
#[must_use]
pub const fn section_len(state: Option<&StateShape>) -> usize {
    write(state, &mut [])
}

/// Returns the section of `state`. `N` is [`section_len`] of it.
///
/// # Panics
/// When `N` is another number; in `const` evaluation that is a compile error.
#[must_use]
pub const fn section<const N: usize>(state: Option<&StateShape>) -> [u8; N] {
    let mut out = [0; N];
    let len = write(state, &mut out);
    assert!(len == N, "the length of a section is `section_len` of it");
    out
}

const fn write(state: Option<&StateShape>, out: &mut [u8]) -> usize {
    let Some(state) = state else { return 0 };
    let mut out = Out::new(out);
    out.str("cell-shape 1\nfingerprint ");
    out.bytes(&state.fingerprint.hex_digits());
    let mut past = state.past;
    while let Some(older) = past {
        out.str("\nreads ");
        out.bytes(&older.fingerprint.hex_digits());
        past = older.past;
    }
    out.str("\n");
    out.str(state.text);
    out.str("end\n");
    out.len()
}

/// What a library says about its cell's saved state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeSection {
    /// The fingerprint of what it saves.
    pub fingerprint: Fingerprint,
    /// The fingerprints of older shapes that it restores too, newest first.
    pub reads: Vec<Fingerprint>,
    /// The canonical text of what it saves.
    pub text: String,
    /// The text, read.
    pub shape: Shape,
}

impl ShapeSection {
    /// Reads the section [`crate::SHAPE_SECTION`]; `None` when it is empty: the cell keeps no state.
    ///
    /// # Errors
    /// [`ShapeError`] with the line and what is wrong with it; also when the text is not the fingerprint's.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, ShapeError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let text = core::str::from_utf8(bytes).map_err(|e| fail(1, e.to_string()))?;
        let mut rest = text
            .strip_prefix("cell-shape 1\n")
            .ok_or_else(|| fail(1, "the first line is not `cell-shape 1`".into()))?;
        let mut fingerprints = Vec::new();
        let mut line = 2;
        while let Some((head, tail)) = rest.split_once('\n')
            && let Some(hex) = head.strip_prefix(if line == 2 { "fingerprint " } else { "reads " })
        {
            let one = Fingerprint::from_hex(hex);
            fingerprints.push(one.ok_or_else(|| fail(line, "a fingerprint is not 64 digits".into()))?);
            (rest, line) = (tail, line + 1);
        }
        let mut fingerprints = fingerprints.into_iter();
        let fingerprint = fingerprints.next().ok_or_else(|| fail(2, "the fingerprint is missing".into()))?;
        let body = rest
            .strip_suffix("end\n")
            .ok_or_else(|| fail(text.lines().count(), "the section is cut: it has no `end`".into()))?;
        let shape = Shape::parse(body).map_err(|e| fail(e.line + line - 1, e.what))?;
        if Fingerprint::of(body.as_bytes()) != fingerprint {
            return Err(fail(2, "the fingerprint is not this text's".into()));
        }
        Ok(Some(Self { fingerprint, reads: fingerprints.collect(), text: body.to_owned(), shape }))
    }

    /// Returns whether the cell restores what was saved as the shape `saved`.
    #[must_use]
    pub fn restores(&self, saved: Fingerprint) -> bool {
        self.fingerprint == saved || self.reads.contains(&saved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLDEST: &[u8] = b"rkyv-0.8 le aligned ptr32\nshape Ship\nstruct Ship\n";
    const OLD: &[u8] = b"rkyv-0.8 le aligned ptr32\nshape Ship\nstruct Ship\n  hull f32\n";
    const NEW: &[u8] = b"rkyv-0.8 le aligned ptr32\nshape Ship\nstruct Ship\n  hull f64\n";
    const NOW: StateShape =
        StateShape::of(NEW, Some(&StateShape::of(OLD, Some(&StateShape::of(OLDEST, None)))));
    static SECTION: [u8; section_len(Some(&NOW))] = section(Some(&NOW));

    #[test]
    fn a_section_says_what_is_saved_and_what_else_is_read() {
        let found = ShapeSection::parse(&SECTION).expect("a good section").expect("a state");
        assert_eq!(found.text.as_bytes(), NEW);
        assert_eq!(found.fingerprint, Fingerprint::of(NEW));
        assert_eq!(found.reads, [OLD, OLDEST].map(Fingerprint::of), "newest first");
        assert!([NEW, OLD, OLDEST].into_iter().all(|text| found.restores(Fingerprint::of(text))));
        assert!(!found.restores(Fingerprint::of(b"")));
        assert_eq!(ShapeSection::parse(&[]), Ok(None));
        assert_eq!(section_len(None), 0);
    }

    #[test]
    fn broken_sections_are_errors_and_never_panics() {
        let good = core::str::from_utf8(&SECTION).expect("text");
        for n in 1..good.len() {
            assert!(ShapeSection::parse(&SECTION[..n]).is_err(), "cut after {n} bytes");
            let mut bytes = SECTION;
            bytes[n] ^= 4;
            let other_past = (PAST_LINE..TEXT_LINE).contains(&good[..n].lines().count());
            assert!(other_past || ShapeSection::parse(&bytes).is_err(), "flipped at byte {n}");
        }
        for (from, to, line, says) in [
            ("cell-shape 1", "cell-shape 2", 1, "first line"),
            ("\nfingerprint ", "\nreads ", 2, "missing"),
            ("hull f64", "hull f32", 2, "not this text's"),
            ("  hull", "hull", 8, "no type, no variant"),
            ("end\n", "", 8, "cut"),
        ] {
            let e = ShapeSection::parse(good.replacen(from, to, 1).as_bytes()).expect_err(from);
            assert_eq!((e.line, e.what.contains(says)), (line, true), "{from}: {e}");
        }
    }

    /// The lines between which a flipped digit makes another, equally good section.
    const PAST_LINE: usize = 3;
    const TEXT_LINE: usize = 5;
}
