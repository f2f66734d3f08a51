//! Copies of a cell's library in which some bytes differ: cells that no compiler here would make.
use crate::Engine;
use std::path::Path;

/// The first and the last words of a port table.
const TABLE: (&str, &str) = ("cell-ports 1\n", "\nend\n");

/// A cell's library, to be changed and saved under another name.
#[derive(Clone, Debug)]
pub struct Library {
    bytes: Vec<u8>,
}

impl Engine {
    /// Returns the library of the cell `name` as it is built.
    #[must_use]
    pub fn library(&self, name: &str) -> Library {
        let file = format!("lib{}.so", name.replace('-', "_"));
        let path = self.exe.parent().expect("the binary lies in a folder").join(file);
        Library { bytes: std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())) }
    }
}

impl Library {
    /// Returns it with another port table: `change` gets the text and returns one of the same length.
    #[must_use]
    pub fn with_ports(mut self, change: impl FnOnce(&str) -> String) -> Self {
        let start = self.only_place_of(TABLE.0.as_bytes());
        let end = find(&self.bytes[start..], TABLE.1.as_bytes()).expect("a table ends") + TABLE.1.len();
        let old = std::str::from_utf8(&self.bytes[start..start + end]).expect("a table is text");
        let new = change(old);
        assert_ne!(old, new, "the change changes something");
        assert_eq!(old.len(), new.len(), "the table keeps its length: it lies between other sections");
        self.bytes[start..start + end].copy_from_slice(new.as_bytes());
        self
    }

    /// Returns it with these bytes replaced by others, wherever it has them.
    #[must_use]
    pub fn with_bytes(mut self, from: &[u8], to: &[u8]) -> Self {
        assert_eq!(from.len(), to.len(), "the bytes around them stay where they are");
        let mut at = find(&self.bytes, from);
        assert!(at.is_some(), "no {:?} in the library", String::from_utf8_lossy(from));
        while let Some(place) = at {
            self.bytes[place..place + to.len()].copy_from_slice(to);
            at = find(&self.bytes[place + 1..], from).map(|next| place + 1 + next);
        }
        self
    }

    /// Returns the first `len` bytes of it.
    #[must_use]
    pub fn cut(mut self, len: usize) -> Self {
        self.bytes.truncate(len);
        self
    }

    /// Writes it to `path`.
    pub fn save(&self, path: &Path) {
        std::fs::write(path, &self.bytes).expect("the library can be written");
    }

    fn only_place_of(&self, what: &[u8]) -> usize {
        let at = find(&self.bytes, what);
        let at = at.unwrap_or_else(|| panic!("no {:?} in the library", String::from_utf8_lossy(what)));
        assert_eq!(find(&self.bytes[at + 1..], what), None, "it has {what:?} twice");
        at
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|w| w == what)
}

/// Returns `text` with `a` and `b`, which have the same length, in one another's places.
#[must_use]
pub fn swapped(text: &str, a: &str, b: &str) -> String {
    let parts: Vec<String> = text.split(a).map(|part| part.replace(b, a)).collect();
    parts.join(b)
}
