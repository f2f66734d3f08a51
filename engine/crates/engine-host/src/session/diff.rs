//! Compares two sessions: the first frame, cell, resource and byte in which they differ.
use super::{
    hash::FrameHash,
    read::{Frame, Seen, SessionError, Sessions},
};
use std::{io::Read, path::Path};

/// Why two files cannot be compared.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct DiffError {
    path: String,
    source: SessionError,
}

/// What came of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Frames that are the same.
    pub frames: u64,
    /// The hash of the last of them, which all of them are in.
    pub hash: FrameHash,
    /// The first difference, as a sentence; `None` when there is none.
    pub difference: Option<String>,
    /// What is worth knowing besides: other scenes, files that are cut off.
    pub notes: Vec<String>,
}

/// Compares the sessions at two paths.
///
/// # Errors
/// [`DiffError`] when one of them cannot be read.
pub fn compare(a: &Path, b: &Path) -> Result<Comparison, DiffError> {
    let names = [a, b].map(|path| path.display().to_string());
    let open = |path: &Path, name: &str| Sessions::open(path).map_err(|source| fault(name, source));
    let both = [open(a, &names[0])?, open(b, &names[1])?];
    compare_both([&names[0], &names[1]], both)
}

/// Compares two sessions that are called so and read from these, each of which holds at most `most` bytes of resources at
/// a time.
///
/// # Errors
/// [`DiffError`] when one of them cannot be read.
pub fn compare_readers<R: Read>(
    names: [&str; 2],
    [a, b]: [R; 2],
    most: u64,
) -> Result<Comparison, DiffError> {
    let open = |from, name| Sessions::new(from, most).map_err(|source| fault(name, source));
    let both = [open(a, names[0])?, open(b, names[1])?];
    compare_both(names, both)
}

fn fault(name: &str, source: SessionError) -> DiffError {
    DiffError { path: name.to_owned(), source }
}

fn compare_both<R: Read>(
    [a_name, b_name]: [&str; 2],
    [mut one, mut other]: [Sessions<R>; 2],
) -> Result<Comparison, DiffError> {
    let mut notes = Vec::new();
    if one.about != other.about {
        notes.push(format!("{a_name} is of {}, {b_name} of {}", one.about, other.about));
    }
    let (mut frames, mut hash) = (0, [0; 16]);
    let difference = loop {
        let first = one.next().map_err(|e| fault(a_name, e))?;
        let second = other.next().map_err(|e| fault(b_name, e))?;
        match (first, second) {
            (None, None) => break None,
            (Some(f), None) => {
                break Some(format!("{b_name} ends before frame {}, {a_name} goes on", f.number));
            }
            (None, Some(f)) => {
                break Some(format!("{a_name} ends before frame {}, {b_name} goes on", f.number));
            }
            (Some(f), Some(g)) => match differs(&f, &g, [a_name, b_name]) {
                Some(what) => break Some(what),
                None => (frames, hash) = (frames + 1, f.hash),
            },
        }
    };
    for (name, is_whole) in [(a_name, one.ended), (b_name, other.ended)] {
        if difference.is_none() && !is_whole {
            notes.push(format!("{name} is cut off: its run did not end by itself"));
        }
    }
    Ok(Comparison { frames, hash, difference, notes })
}

fn differs(a: &Frame, b: &Frame, names: [&str; 2]) -> Option<String> {
    if a.number != b.number {
        return Some(format!(
            "{} has frame {} where {} has frame {}",
            names[0], a.number, names[1], b.number
        ));
    }
    let key = |s: &Seen| (s.cell.clone(), s.resource.clone());
    let frame = a.number;
    for n in 0..a.items.len().max(b.items.len()) {
        let only = |seen: &Seen, name: &str| {
            format!("frame {frame}: only in {name} the cell `{}` made {}", seen.cell, of(&seen.resource))
        };
        match (a.items.get(n), b.items.get(n)) {
            (Some(one), Some(other)) if key(one) == key(other) => {
                if one.hash != other.hash || one.len != other.len {
                    return Some(bytes_differ(frame, one, other));
                }
                if one.tick != other.tick {
                    return Some(format!(
                        "frame {frame}: {} of the cell `{}` is of its tick of frame {} in one, of frame {} in the other",
                        of(&one.resource),
                        one.cell,
                        one.tick,
                        other.tick
                    ));
                }
            }
            (Some(one), Some(other)) => {
                let is_missing = !b.items.iter().any(|s| key(s) == key(one));
                return Some(if is_missing { only(one, names[0]) } else { only(other, names[1]) });
            }
            (Some(one), None) => return Some(only(one, names[0])),
            (None, Some(other)) => return Some(only(other, names[1])),
            (None, None) => break,
        }
    }
    None
}

/// Returns a resource's name as a part of a sentence.
fn of(resource: &str) -> String {
    if resource.starts_with("its ") { resource.to_owned() } else { format!("`{resource}`") }
}

fn bytes_differ(frame: u64, a: &Seen, b: &Seen) -> String {
    let what = format!("frame {frame}: the cell `{}` differs in {}", a.cell, of(&a.resource));
    let (Some(one), Some(other)) = (&a.bytes, &b.bytes) else {
        return format!(
            "{what}; in which byte is not known, for there are only hashes of it in a file so long"
        );
    };
    match one.iter().zip(other).position(|(x, y)| x != y) {
        Some(at) => format!("{what} at byte {at}: {:#04x} and {:#04x}", one[at], other[at]),
        None => format!("{what}: it has {} bytes and {}, the same as far as both go", a.len, b.len),
    }
}
