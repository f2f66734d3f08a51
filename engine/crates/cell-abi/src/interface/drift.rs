//! Comparing one fact with its lock in `const` evaluation: macros know the lock, but what an element holds or a size
//! is only the compiler knows.
use crate::{Fingerprint, out::Out, ports::Text};

const ROOM: usize = 1024;
/// The longest text whose fingerprint is told.
const WHOLE: usize = 1 << 16;

/// What a macro has read in a lock.
#[derive(Clone, Copy, Debug)]
pub struct Locked {
    /// The contract's name.
    pub contract: &'static str,
    /// The lock's fingerprint as people read it, `0x8a37f2c491b37204`.
    pub fingerprint: &'static str,
}

/// A sentence about a fact that is not as its lock says; empty when it is.
#[derive(Clone, Copy, Debug)]
pub struct Drift {
    bytes: [u8; ROOM],
    len: usize,
}

impl Drift {
    /// Returns the sentence.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        let (said, _) = self.bytes.split_at(self.len);
        match core::str::from_utf8(said) {
            Ok(said) => said,
            Err(cut) => match core::str::from_utf8(said.split_at(cut.valid_up_to()).0) {
                Ok(said) => said,
                Err(_) => "",
            },
        }
    }
}

/// Compares the lines about `name` in the lock with those here; either is empty where it is not there. `whole` is the
/// text of the whole interface here.
#[must_use]
pub const fn drift(lock: &Locked, name: &str, locked: &str, here: &[Text], whole: &[Text]) -> Drift {
    let mut drift = Drift { bytes: [0; ROOM], len: 0 };
    let mut mine = [0; WHOLE];
    let written = Text::write(here, &mut mine);
    let (here, _) = mine.split_at(if written < WHOLE { written } else { WHOLE });
    let locked = locked.as_bytes();
    let (start, end) = common(locked, here);
    if start == locked.len() && start == here.len() {
        return drift;
    }
    let mut out = Out::new(&mut drift.bytes);
    out.str("C0003: `");
    out.str(lock.contract);
    out.str("` is not what its lock says. `");
    out.str(name);
    out.str("`: ");
    say(&mut out, locked, start, end, " in the lock, ");
    say(&mut out, here, start, end, " here");
    out.str(". The lock has ");
    out.str(lock.fingerprint);
    let mut all = [0; WHOLE];
    let written = Text::write(whole, &mut all);
    if written <= WHOLE {
        let (text, _) = all.split_at(written);
        out.str(", this is 0x");
        let digits = Fingerprint::of(text).hex_digits();
        // As people read it: the first eight bytes as one number, whose lowest comes first.
        let mut n = 8;
        while n > 0 {
            n -= 1;
            out.bytes(&[digits[2 * n], digits[2 * n + 1]]);
        }
    }
    out.str(". If the change is meant: `engine lock accept ");
    out.str(lock.contract);
    out.str("`; see docs/errors/C0003.md");
    drift.len = if out.len() < ROOM { out.len() } else { ROOM };
    drift
}

/// Returns how many bytes in front and at the end belong to parts that are the same on both sides.
const fn common(a: &[u8], b: &[u8]) -> (usize, usize) {
    let least = if a.len() < b.len() { a.len() } else { b.len() };
    let (mut front, mut start, mut in_head) = (0, 0, true);
    while front < least && a[front] == b[front] {
        front += 1;
        let (last, before) = (a[front - 1], if front > 1 { a[front - 2] } else { 0 });
        // Parts end with a comma or a line, the first one with the name's colon.
        let ends = last == b'\n' || last == b' ' && (before == b',' || in_head && before == b':');
        in_head = in_head && !(last == b' ' && before == b':');
        if ends {
            start = front;
        }
    }
    if front == a.len() && front == b.len() {
        return (front, 0);
    }
    let (mut back, mut end) = (0, 0);
    while back < least - start && a[a.len() - 1 - back] == b[b.len() - 1 - back] {
        back += 1;
        if a[a.len() - back] == b'\n' || a[a.len() - back] == b',' {
            end = back;
        }
    }
    (start, end)
}

/// Says what lies between the common parts, in one line.
const fn say(out: &mut Out<'_>, text: &[u8], start: usize, end: usize, place: &str) {
    if text.is_empty() {
        out.str("not there");
    } else if start + end >= text.len() {
        out.str("nothing more");
    }
    let (mut n, stop) = (start, text.len().saturating_sub(end));
    // From the first letter of a part.
    while n < stop && (text[n] == b',' || text[n] == b' ') {
        n += 1;
    }
    while n < stop {
        if text[n] != b'\n' {
            out.bytes(&[text[n]]);
        } else if n + 1 < stop {
            // Fields are moved in; here they stand behind one another.
            out.str("; ");
            while text[n + 1] == b' ' {
                n += 1;
            }
        }
        n += 1;
    }
    out.str(place);
}

/// Returns the fraction in its lowest terms: 2/4 of the screen is 1/2 of it.
#[must_use]
pub const fn lowest(num: u32, den: u32) -> [u32; 2] {
    let (mut a, mut b) = (num, den);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    match (num.checked_div(a), den.checked_div(a)) {
        (Some(num), Some(den)) => [num, den],
        _ => [num, den],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: Locked = Locked { contract: "bloom_v1", fingerprint: "0x8a37f2c491b37204" };
    const CAMERA: &str =
        "input camera: buffer, 80 bytes each\n  view_proj: mat4x4f at 0\n  eye: vec3f at 64\n";
    const WHOLE_TEXT: &[Text] = &[Text::Str("cell-interface 1\ncontract bloom_v1\n")];

    fn said(name: &str, locked: &str, here: &'static str) -> String {
        let pieces: &[Text] = if here.is_empty() { &[] } else { &[Text::Str(here)] };
        drift(&LOCK, name, locked, pieces, WHOLE_TEXT).as_str().to_owned()
    }

    #[test]
    fn what_is_the_same_says_nothing() {
        const HERE: &[Text] =
            &[Text::Str("input a: texture, r8unorm, screen "), Text::U32(1), Text::Str("/2\n")];
        const SAME: Drift = drift(&LOCK, "a", "input a: texture, r8unorm, screen 1/2\n", HERE, WHOLE_TEXT);
        assert_eq!(SAME.as_str(), "");
        assert_eq!(said("camera", CAMERA, CAMERA), "");
    }

    #[test]
    fn what_differs_is_said_with_both_fingerprints() {
        const HERE: &[Text] =
            &[Text::Str("input a: texture, r8unorm, screen "), Text::U32(1), Text::Str("/4\n")];
        const OTHER: Drift = drift(&LOCK, "a", "input a: texture, r8unorm, screen 1/2\n", HERE, WHOLE_TEXT);
        let shown = Fingerprint::of(b"cell-interface 1\ncontract bloom_v1\n");
        assert_eq!(
            OTHER.as_str(),
            format!(
                "C0003: `bloom_v1` is not what its lock says. `a`: screen 1/2 in the lock, screen 1/4 here. The lock has \
                 0x8a37f2c491b37204, this is {shown}. If the change is meant: `engine lock accept bloom_v1`; see \
                 docs/errors/C0003.md"
            )
        );
        for (locked, here, says) in [
            (
                CAMERA,
                "input camera: buffer, 80 bytes each\n  view_proj: mat4x4f at 0\n  eye: vec4f at 64\n",
                "`camera`: eye: vec3f at 64 in the lock, eye: vec4f at 64 here.",
            ),
            (
                CAMERA,
                "input camera: buffer, 64 bytes each\n  view_proj: mat4x4f at 0\n",
                "`camera`: 80 bytes each; view_proj: mat4x4f at 0; eye: vec3f at 64 in the lock, 64 bytes each; view_proj: mat4x4f at 0 here.",
            ),
            ("param a: f32\n", "param a: u32\n", "`camera`: f32 in the lock, u32 here."),
            ("param a: f32\n", "param a: f32, required\n", "`camera`: f32 in the lock, f32, required here."),
            (
                "input a: backbuffer\n",
                "output a: backbuffer\n",
                "`camera`: input a: backbuffer in the lock, output a: backbuffer here.",
            ),
            ("param a: f32\n", "", "`camera`: param a: f32 in the lock, not there here."),
            ("", "param a: f32\n", "`camera`: not there in the lock, param a: f32 here."),
        ] {
            let s = said("camera", locked, here);
            assert!(s.contains(says), "{s}");
        }
    }

    #[test]
    fn long_sentences_are_cut_between_letters() {
        let locked = format!("param a: {}\n", "ä".repeat(ROOM));
        let s = said("a", &locked, "param a: f32\n");
        assert!(s.len() <= ROOM && s.contains("ää"), "{s}");
    }

    #[test]
    fn fractions_are_compared_in_lowest_terms() {
        assert_eq!(lowest(2, 4), [1, 2]);
        assert_eq!(lowest(3, 2), [3, 2]);
        assert_eq!(lowest(0, 0), [0, 0]);
    }
}
