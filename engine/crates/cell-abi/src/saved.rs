//! Saved state: what a cell gives to be kept over a restart, a swap or a move.
//!
//! It explains itself, so that it can be judged without the build that wrote it: the canonical text of its shape and
//! the fingerprint stand before the payload (rkyv bytes), and a checksum finds damage. Little endian:
//!
//! | at | bytes | |
//! | --- | --- | --- |
//! | 0 | 8 | `CELLSAVE` |
//! | 8 | 4 | the form of this header: 1 |
//! | 12 | 4 | length of the text |
//! | 16 | 32 | fingerprint |
//! | 48 | 8 | length of the payload |
//! | 56 | 8 | checksum of all other bytes |
//! | 64 | | the text, then zeros up to a multiple of 16 |
//! | then | | the payload, to the end |
use crate::{
    Fingerprint,
    shape::{Shape, StateShape, difference},
};
use core::fmt;

const MAGIC: &[u8; 8] = b"CELLSAVE";
const FORM: u32 = 1;
const HEAD: usize = 64;
const CHECKSUM: usize = 56;

/// Saved state, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved<'a> {
    /// The fingerprint of its shape.
    pub fingerprint: Fingerprint,
    /// The canonical text of its shape.
    pub text: &'a str,
    /// The state as rkyv bytes; they are checked by who reads them.
    pub payload: &'a [u8],
}

impl<'a> Saved<'a> {
    /// Returns the bytes of a state of this shape.
    #[must_use]
    pub fn write(shape: &StateShape, payload: &[u8]) -> Vec<u8> {
        let text = shape.text.as_bytes();
        let mut out = Vec::with_capacity(HEAD + text.len().next_multiple_of(16) + payload.len());
        out.extend(MAGIC);
        out.extend(FORM.to_le_bytes());
        out.extend((text.len() as u32).to_le_bytes());
        out.extend(shape.fingerprint.as_bytes());
        out.extend((payload.len() as u64).to_le_bytes());
        out.extend([0; HEAD - CHECKSUM]);
        out.extend(text);
        out.resize(HEAD + text.len().next_multiple_of(16), 0);
        out.extend(payload);
        let sum = checksum(&out);
        out[CHECKSUM..HEAD].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// Takes saved state apart; every byte but the payload's meaning is checked.
    ///
    /// # Errors
    /// [`SavedError`] when the bytes are no saved state, are cut, or were changed.
    pub fn read(bytes: &'a [u8]) -> Result<Self, SavedError> {
        let head = bytes.first_chunk::<HEAD>().ok_or(SavedError::NotSaved)?;
        if !head.starts_with(MAGIC) {
            return Err(SavedError::NotSaved);
        }
        let form = u32_at(head, 8);
        if form != FORM {
            return Err(SavedError::Form { found: form });
        }
        let text_len = u32_at(head, 12) as usize;
        let expected = (HEAD + text_len.next_multiple_of(16))
            .saturating_add(u64_at(head, 48).try_into().unwrap_or(usize::MAX));
        if bytes.len() != expected {
            return Err(SavedError::Length { expected, found: bytes.len() });
        }
        let (text, payload) = bytes[HEAD..].split_at(text_len.next_multiple_of(16));
        let (text, padding) = text.split_at(text_len);
        let sound = checksum(bytes) == u64_at(head, CHECKSUM) && padding.iter().all(|b| *b == 0);
        let text = core::str::from_utf8(text).ok().filter(|_| sound).ok_or(SavedError::Damaged)?;
        let fingerprint = head[16..48].try_into().expect("a range of 32 bytes");
        Ok(Self { fingerprint: Fingerprint::from_bytes(fingerprint), text, payload })
    }

    /// Returns a sentence on how the shape of this state became `now`; `None` when both are the same.
    #[must_use]
    pub fn difference(&self, now: &str) -> Option<String> {
        match (Shape::parse(self.text), Shape::parse(now)) {
            _ if self.text == now => None,
            (Ok(old), Ok(new)) => difference(&old, &new),
            (Err(e), _) | (_, Err(e)) => Some(format!("what it was cannot be told ({e})")),
        }
    }
}

fn u32_at(head: &[u8; HEAD], at: usize) -> u32 {
    u32::from_le_bytes(head[at..at + 4].try_into().expect("a range of 4 bytes"))
}

fn u64_at(head: &[u8; HEAD], at: usize) -> u64 {
    u64::from_le_bytes(head[at..at + 8].try_into().expect("a range of 8 bytes"))
}

/// Returns the checksum of all bytes but its own place. Whatever happens within one word of eight bytes changes it,
/// because each step can be undone; other damage changes it all but surely. Four lanes keep it faster than memory.
fn checksum(bytes: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let (mut lanes, mut lane) = ([1u64, 2, 3, 4], 0);
    let mut add = |word: u64| {
        lanes[lane] = (lanes[lane] ^ word).wrapping_mul(ODD).rotate_left(29);
        lane = (lane + 1) % 4;
    };
    for part in [&bytes[..CHECKSUM], &bytes[HEAD..]] {
        let (words, rest) = part.as_chunks::<8>();
        words.iter().for_each(|w| add(u64::from_le_bytes(*w)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        add(u64::from_le_bytes(last));
    }
    lanes.into_iter().fold(bytes.len() as u64, |sum, lane| (sum ^ lane).wrapping_mul(ODD).rotate_left(31))
}

/// Why bytes are no saved state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SavedError {
    /// They do not begin as saved state does.
    NotSaved,
    /// Another version of the engine wrote them.
    Form {
        /// The number of their form.
        found: u32,
    },
    /// Some are missing, or there are more than the header says.
    Length {
        /// Bytes that the header says.
        expected: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// They were changed after they were written.
    Damaged,
}

impl fmt::Display for SavedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSaved => f.write_str("the bytes do not begin as saved state does"),
            Self::Form { found } => write!(f, "it is in form {found}, and this build reads form {FORM} only"),
            Self::Length { expected, found } if found < expected => {
                write!(f, "it is cut: {found} of {expected} bytes are there")
            }
            Self::Length { expected, found } => {
                write!(f, "it has {found} bytes, more than the {expected} that it says")
            }
            Self::Damaged => f.write_str("its bytes were changed: the checksum is another"),
        }
    }
}

impl core::error::Error for SavedError {}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: StateShape =
        StateShape::of(b"rkyv-0.8 le aligned ptr32\nshape Ship\nstruct Ship\n  hull f32\n", None);

    #[test]
    fn what_was_written_is_read_and_the_payload_is_aligned() {
        for len in [0, 1, 7, 8, 9, 63, 1000] {
            let payload: Vec<u8> = (0..len).map(|n| n as u8).collect();
            let bytes = Saved::write(&SHAPE, &payload);
            assert_eq!((bytes.len() - payload.len()) % 16, 0);
            let found = Saved::read(&bytes).expect("own bytes");
            assert_eq!((found.text, found.fingerprint), (SHAPE.text, SHAPE.fingerprint));
            assert_eq!(found.payload, payload);
        }
    }

    #[test]
    fn each_flipped_bit_and_each_cut_is_found() {
        let good = Saved::write(&SHAPE, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        for n in 0..good.len() {
            let cut = Saved::read(&good[..n]);
            match n {
                0..HEAD => assert_eq!(cut, Err(SavedError::NotSaved)),
                found => assert_eq!(cut, Err(SavedError::Length { expected: good.len(), found })),
            }
            for bit in 0..8 {
                let mut bytes = good.clone();
                bytes[n] ^= 1 << bit;
                let e = Saved::read(&bytes).expect_err("a flipped bit");
                match n {
                    0..8 => assert_eq!(e, SavedError::NotSaved),
                    8..12 => assert!(matches!(e, SavedError::Form { .. })),
                    12..16 | 48..56 => {
                        assert!(matches!(e, SavedError::Length { .. } | SavedError::Damaged));
                    }
                    _ => assert_eq!(e, SavedError::Damaged, "byte {n}, bit {bit}"),
                }
            }
        }
        let longer = [good.as_slice(), &[0]].concat();
        assert_eq!(
            Saved::read(&longer).map_err(|e| e.to_string()),
            Err(format!("it has {} bytes, more than the {} that it says", good.len() + 1, good.len()))
        );
    }

    #[test]
    fn swapped_words_and_swapped_lanes_are_damage() {
        let payload: Vec<u8> = (0..64).collect();
        let good = Saved::write(&SHAPE, &payload);
        let start = good.len() - 64;
        for (a, b) in [(0, 8), (0, 32), (8, 40)] {
            let mut bytes = good.clone();
            for n in 0..8 {
                bytes.swap(start + a + n, start + b + n);
            }
            assert_eq!(Saved::read(&bytes), Err(SavedError::Damaged));
        }
    }

    #[test]
    fn the_difference_is_a_sentence_whatever_the_text_is() {
        let now = SHAPE.text.replace("f32", "f64");
        let bytes = Saved::write(&SHAPE, &[]);
        let saved = Saved::read(&bytes).expect("own bytes");
        assert_eq!(saved.difference(SHAPE.text), None);
        assert_eq!(saved.difference(&now).as_deref(), Some("`Ship.hull: f32` became `f64`"));
        let strange = Saved { text: "\u{1b}[2J", ..saved };
        let told = strange.difference(&now).expect("they differ");
        assert!(told.starts_with("what it was cannot be told (line 1"), "{told}");
    }
}
