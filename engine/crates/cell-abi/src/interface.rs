//! Interfaces: what others rely on of a contract, as canonical text.
//!
//! A cell's [`PortTable`](crate::ports::PortTable) says everything that its host needs; its interface says only what
//! another crate, another cell or a scene can see of it. That is what a lock keeps ([`LockFile`]):
//!
//! ```text
//! cell-interface 1
//! contract bloom_v1
//! input camera: buffer, 144 bytes each
//!   view_proj: mat4x4f at 0
//!   eye: vec3f at 64
//! input scene_color: texture, rgba16float, screen 1/1, mips 1
//! output bloom_result: texture, rgba16float, screen 1/1, mips 1, clear 0 0 0 1
//! param gltf: asset, required
//! param threshold: f32
//! ```
//!
//! Each line is a fact: a kind, a name, and what it is, in parts. The fields of what it is made of follow, moved in.
//! Lines stand in alphabetical order, so that moving a declaration changes nothing.
//!
//! - *Counted*: the names of inputs, outputs and parameters; formats, sizes, levels and start values of textures; size
//!   and fields of a buffer's elements, and how many its owner may write; types of parameters, and which ones a scene
//!   has to give.
//! - *Left out*, because nobody else can tell: own ports, shaders, the rate, the order of declarations, defaults, how
//!   a cell binds a buffer (`uniform`, `instances`), `now` and `history`, how many elements a reader expects, and what
//!   types are called in Rust.
//!
//! What else is called by others can be told in the same lines, under kinds of its own.
mod difference;
mod drift;
mod lock;
mod table;

pub use difference::{Difference, differences, in_short};
pub use drift::{Drift, Locked, drift, lowest};
pub use lock::{LockError, LockFile, LockMode};

use crate::Fingerprint;
use core::fmt::{self, Write as _};

/// The first line of each text.
const TAG: &str = "cell-interface 1";
const MAX_LINES: usize = 16_384;
const MAX_LINE: usize = 4096;

/// What others rely on of a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The contract's name, `bloom_v1`.
    pub contract: String,
    /// Its facts, in order.
    entries: Vec<Entry>,
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// What it is about: `input`, `output`, `param`, `group`.
    pub kind: String,
    /// Its name, `fly.at`.
    pub name: String,
    /// What it is, in parts that are compared one by one: `texture, rgba16float, screen 1/2, mips 1`.
    pub what: String,
    /// Its fields, in order: their names and what they are.
    pub fields: Vec<(String, String)>,
}

/// What is wrong with the text of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceError {
    /// The line, from 1.
    pub line: usize,
    /// A sentence.
    pub what: String,
}

impl fmt::Display for InterfaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the interface: {}", self.line, self.what)
    }
}

impl core::error::Error for InterfaceError {}

impl Interface {
    /// Puts an interface together from its facts, in any order.
    #[must_use]
    pub fn new(contract: impl Into<String>, mut entries: Vec<Entry>) -> Self {
        entries.sort_unstable();
        Self { contract: contract.into(), entries }
    }

    /// Returns the facts, in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the fact of this kind about this name.
    #[must_use]
    pub fn entry(&self, kind: &str, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.kind == kind && e.name == name)
    }

    /// Returns the canonical text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = format!("{TAG}\ncontract {}\n", self.contract);
        for entry in &self.entries {
            write!(out, "{entry}").expect("writing to a string cannot fail");
        }
        out
    }

    /// Returns the fingerprint of the text.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.to_text().as_bytes())
    }

    /// Reads a canonical text. It may come from a stranger's file.
    ///
    /// # Errors
    /// [`InterfaceError`] with the line and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, InterfaceError> {
        let fail = |line: usize, what: &str| InterfaceError { line, what: what.to_owned() };
        let mut lines = text.lines().enumerate().map(|(n, line)| (n + 1, line));
        if lines.next().is_none_or(|(_, line)| line != TAG) {
            return Err(fail(1, &format!("the first line is not `{TAG}`")));
        }
        let contract = lines.next().and_then(|(_, line)| line.strip_prefix("contract "));
        let contract = contract.filter(|name| is_name(name));
        let contract = contract.ok_or_else(|| fail(2, "the second line is not `contract` and a name"))?;
        let mut entries: Vec<Entry> = Vec::new();
        for (n, line) in lines {
            if n > MAX_LINES || line.len() > MAX_LINE {
                return Err(fail(
                    n,
                    &format!("more than {MAX_LINES} lines, or than {MAX_LINE} bytes in one"),
                ));
            }
            let fact = line.split_once(": ").filter(|(_, what)| is_plain(what));
            let (head, what) = fact.ok_or_else(|| fail(n, "a line is `kind name: what it is`"))?;
            if let Some(name) = head.strip_prefix("  ") {
                let of = entries.last_mut().ok_or_else(|| fail(n, "a field of nothing"))?;
                if !is_name(name) || of.fields.iter().any(|(other, _)| other == name) {
                    return Err(fail(n, "a field has no name, or the same as another one"));
                }
                of.fields.push((name.to_owned(), what.to_owned()));
                continue;
            }
            let named = head.split_once(' ').filter(|(kind, name)| is_name(kind) && is_name(name));
            let (kind, name) = named.ok_or_else(|| fail(n, "a line is `kind name: what it is`"))?;
            if entries.last().is_some_and(|last| (&*last.kind, &*last.name) >= (kind, name)) {
                return Err(fail(n, "the lines are not in alphabetical order, or two are of one name"));
            }
            entries.push(Entry {
                kind: kind.to_owned(),
                name: name.to_owned(),
                what: what.to_owned(),
                fields: Vec::new(),
            });
        }
        let out = Self { contract: contract.to_owned(), entries };
        if out.to_text() != text {
            return Err(fail(text.lines().count(), "the text does not end with a line's end"));
        }
        Ok(out)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}: {}", self.kind, self.name, self.what)?;
        self.fields.iter().try_for_each(|(name, what)| writeln!(f, "  {name}: {what}"))
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-#".contains(&b))
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "cell-interface 1
contract bloom_v1
input camera: buffer, 80 bytes each
  view_proj: mat4x4f at 0
  eye: vec3f at 64
output bloom_result: texture, rgba16float, screen 1/1, mips 1
param threshold: f32
";

    #[test]
    fn a_text_is_read_and_written_back() {
        let found = Interface::parse(TEXT).expect("a good text");
        assert_eq!(found.to_text(), TEXT);
        assert_eq!(found.entry("input", "camera").map(|e| e.fields.len()), Some(2));
        assert_eq!(found.entry("output", "camera"), None);
        assert_eq!(found.fingerprint(), Fingerprint::of(TEXT.as_bytes()));
        let backwards = found.entries().iter().rev().cloned().collect();
        assert_eq!(Interface::new("bloom_v1", backwards), found, "the order of declarations is nothing");
    }

    #[test]
    fn broken_texts_are_errors_with_their_line() {
        for (from, to, line) in [
            ("interface 1", "interface 2", 1),
            ("contract bloom_v1", "contract bloom v1", 2),
            ("contract bloom_v1\n", "", 2),
            ("input camera: buffer", "input camera buffer", 3),
            ("input camera: ", "input camera:  ", 3),
            ("input camera", "camera", 3),
            ("input camera: buffer, 80 bytes each\n", "", 3),
            ("  eye", "  view_proj", 5),
            ("  eye", " eye", 5),
            ("output bloom_result", "input a", 6),
            ("param threshold", "output bloom_result", 7),
            ("f32\n", "f32", 7),
            ("f32\n", "f32\u{7}\n", 7),
            ("f32\n", "f32\n\n", 8),
        ] {
            assert!(TEXT.contains(from), "{from}");
            let e = Interface::parse(&TEXT.replacen(from, to, 1)).expect_err(to);
            assert_eq!(e.line, line, "{from} -> {to}: {e}");
        }
        for end in 0..TEXT.len() {
            let _ = Interface::parse(&TEXT[..end]);
        }
    }
}
