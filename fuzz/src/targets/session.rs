//! Recorded sessions.
use super::Target;
use engine_host::session::compare_readers;

pub(super) const TARGET: Target = Target { name: "session", run: session, seeds: session_seeds, words: &[] };

/// The first digits of BLAKE3 of nothing, and of `abc`.
const NOTHING: &[u8] = b"\xaf\x13\x49\xb9\xf5\xf9\xa1\xa6\xa0\x40\x4d\xea\x36\xdc\xc9\x49";
const ABC: &[u8] = b"\x64\x37\xb3\xac\x38\x46\x51\x33\xff\xb6\x3b\x75\x27\x3a\x8d\xb5";
/// Those of the frames of the good inputs: of all that was made up to each.
const FIRST: &[u8] = b"\x9f\x4c\x37\x95\xdc\x10\x7a\x08\xd0\xc8\x61\x50\x3c\x6e\x5b\x0d";
const SECOND: &[u8] = b"\x55\x27\xdd\x53\x6a\x10\x23\x1b\x92\x9b\xf1\x14\xe5\xda\xa0\x92";
const OTHER: &[u8] = b"\x11\x06\x48\x04\xc6\xca\x28\xbc\xbc\x6f\x44\x6b\x1b\x7b\x02\x15";
/// Bytes of resources that are held while a session is read.
const MOST: u64 = 1 << 20;

fn session_seeds() -> Vec<Vec<u8>> {
    let word = u32::to_le_bytes;
    let text = |text: &str| [&word(text.len() as u32)[..], text.as_bytes()].concat();
    let name = |n: u32, name: &str| [&[1][..], &word(n), &text(name)].concat();
    let item = |resource: u32, bytes: &[u8], hash: &[u8], kind: u8| {
        let mut all =
            [&[2][..], &word(0), &word(resource), &[9; 8], &word(bytes.len() as u32), hash, &[kind]].concat();
        if kind > 0 {
            let run = if bytes.is_empty() {
                Vec::new()
            } else {
                [&word(0)[..], &word(bytes.len() as u32), bytes].concat()
            };
            all.extend([&word(u32::from(!run.is_empty()))[..], &run].concat());
        }
        all
    };
    let frame = |n: u8, hash: &[u8]| [&[3, n][..], &[0; 7], hash].concat();
    let head = [&b"CELLSESS\x03\0\0\0"[..], &text("a test"), &name(0, "a"), &name(1, "its passes")].concat();
    let whole = [
        &head[..],
        &item(1, b"abc", ABC, 1),
        &frame(0, FIRST),
        &item(1, b"", NOTHING, 1),
        &item(1, b"abc", ABC, 2),
        &frame(1, SECOND),
        &[4],
    ]
    .concat();
    let hashes = [
        &head[..],
        &item(1, b"abc", ABC, 0),
        &frame(0, FIRST),
        &item(1, b"", NOTHING, 0),
        &frame(7, OTHER),
        &[4],
    ]
    .concat();
    vec![whole, hashes]
}

/// Compares a session with itself and with a good one.
fn session(bytes: &[u8]) -> bool {
    for good in session_seeds() {
        if let Ok(compared) = compare_readers(["a", "b"], [bytes, &good[..]], MOST) {
            assert!(compared.difference.is_none_or(|d| d.contains("frame")));
        }
    }
    let Ok(compared) = compare_readers(["a", "a"], [bytes, bytes], MOST) else { return false };
    assert_eq!(compared.difference, None, "it is as itself");
    true
}
