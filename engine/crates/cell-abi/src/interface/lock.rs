//! The file that keeps an interface: what it holds, and how it is read.
//!
//! ```text
//! cell-lock 1
//! # What others rely on of `bloom_v1`. ...
//! hash 1f0c...64 digits
//! participant bloom
//! elsewhere bloom-mod
//! cell-interface 1
//! contract bloom_v1
//! ...
//! ```
use super::{Interface, InterfaceError};
use crate::Fingerprint;
use core::fmt;
use std::collections::BTreeSet;

const TAG: &str = "cell-lock 1";

/// What a lock says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockFile {
    /// The interface.
    pub interface: Interface,
    /// The crates of the lock's own workspace that serve, call or bind the contract, by their names.
    pub participants: BTreeSet<String>,
    /// Those of other workspaces, which are not built together with these.
    pub elsewhere: BTreeSet<String>,
}

/// What is wrong with the text of a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockError {
    /// The first line is not `cell-lock 1`.
    Unknown,
    /// It is cut or was changed: its hash is missing, or another one.
    Changed,
    /// A line is not what a lock has.
    Line(usize, String),
    /// The interface cannot be read, though the hash is its own.
    Interface(InterfaceError),
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => write!(f, "its first line is not `{TAG}`: it is no lock, or of a newer engine"),
            Self::Changed => f.write_str(
                "its hash is not that of its text: it was edited by hand, or written or merged only in part",
            ),
            Self::Line(line, what) => write!(f, "line {line}: {what}"),
            Self::Interface(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for LockError {}

impl LockFile {
    /// Returns the text of the file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let (interface, name) = (self.interface.to_text(), &self.interface.contract);
        let hash = Fingerprint::of(interface.as_bytes()).to_hex();
        let participants: String = self
            .participants
            .iter()
            .map(|name| format!("participant {name}\n"))
            .chain(self.elsewhere.iter().map(|name| format!("elsewhere {name}\n")))
            .collect();
        format!(
            "{TAG}\n# What others rely on of `{name}`. The engine writes it after a good build; do not edit it, see \
             docs/contract-locks.md.\nhash {hash}\n{participants}{interface}"
        )
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`LockError`], also when the hash is not that of the text.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        let mut rest = text.strip_prefix(TAG).and_then(|r| r.strip_prefix('\n')).ok_or(LockError::Unknown)?;
        let (mut hash, mut line) = (None, 2);
        let (mut participants, mut elsewhere) = (BTreeSet::new(), BTreeSet::new());
        while let Some((head, tail)) = rest.split_once('\n')
            && !head.starts_with("cell-interface ")
        {
            if let Some(digits) = head.strip_prefix("hash ") {
                hash = Some(Fingerprint::from_hex(digits).ok_or(LockError::Changed)?);
            } else if let Some(name) = head.strip_prefix("participant ").filter(|n| super::is_name(n)) {
                participants.insert(name.to_owned());
            } else if let Some(name) = head.strip_prefix("elsewhere ").filter(|n| super::is_name(n)) {
                elsewhere.insert(name.to_owned());
            } else if !head.starts_with('#') {
                return Err(LockError::Line(line, format!("`{head}` is nothing that a lock says")));
            }
            (rest, line) = (tail, line + 1);
        }
        if hash != Some(Fingerprint::of(rest.as_bytes())) {
            return Err(LockError::Changed);
        }
        let shifted = |e: InterfaceError| InterfaceError { line: e.line + line - 1, ..e };
        let interface = Interface::parse(rest).map_err(|e| LockError::Interface(shifted(e)))?;
        Ok(Self { interface, participants, elsewhere })
    }
}

/// What a build does about a change of a contract: the value of `CELL_LOCK`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LockMode {
    /// A change that reaches every participant moves the lock, and is reported.
    #[default]
    Normal,
    /// Every change moves the lock.
    Accept,
    /// Locks are never written, and what differs from them fails.
    Frozen,
}

impl LockMode {
    /// The name of the environment variable.
    pub const VARIABLE: &'static str = "CELL_LOCK";

    /// Reads the variable's value; nothing and an empty value are [`LockMode::Normal`].
    ///
    /// # Errors
    /// A sentence when it is another word.
    pub fn from_value(value: &str) -> Result<Self, String> {
        match value {
            "" => Ok(Self::Normal),
            "accept" => Ok(Self::Accept),
            "frozen" => Ok(Self::Frozen),
            other => Err(format!(
                "{} is `{other}`; it can be `accept` (take every change of a contract) or `frozen` (take none), or be \
                 left out",
                Self::VARIABLE
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> LockFile {
        let text = "cell-interface 1\ncontract bloom_v1\nparam knee: f32\nparam threshold: f32\n";
        LockFile {
            interface: Interface::parse(text).expect("a good text"),
            participants: ["bloom", "bloom-cheap"].map(str::to_owned).into(),
            elsewhere: ["bloom-mod".to_owned()].into(),
        }
    }

    #[test]
    fn a_lock_is_read_and_written_back() {
        let text = lock().to_text();
        assert_eq!(LockFile::parse(&text), Ok(lock()));
        assert!(
            text.contains("\nparticipant bloom\nparticipant bloom-cheap\nelsewhere bloom-mod\n"),
            "{text}"
        );
        assert!(text.lines().all(|l| l.len() < 200));
    }

    #[test]
    fn a_lock_that_is_cut_or_edited_is_an_error_and_never_a_panic() {
        let text = lock().to_text();
        for end in 0..text.len() {
            assert!(LockFile::parse(&text[..end]).is_err(), "cut after {end} bytes");
        }
        for (from, to, error) in [
            ("cell-lock 1", "cell-lock 2", LockError::Unknown),
            ("knee: f32", "knee: u32", LockError::Changed),
            ("param threshold: f32\n", "", LockError::Changed),
            ("hash ", "# hash ", LockError::Changed),
            ("hash ", "hash 0", LockError::Changed),
            (
                "participant bloom\n",
                "<<<<<<< HEAD\n",
                LockError::Line(4, "`<<<<<<< HEAD` is nothing that a lock says".to_owned()),
            ),
        ] {
            assert_eq!(LockFile::parse(&text.replacen(from, to, 1)), Err(error), "{from} -> {to}");
        }
        let strange = "cell-interface 1\ncontract bloom_v1\nnonsense\n";
        let hash = Fingerprint::of(strange.as_bytes()).to_hex();
        let e = LockFile::parse(&format!("{TAG}\nhash {hash}\n{strange}")).expect_err("no fact");
        assert!(matches!(&e, LockError::Interface(InterfaceError { line: 5, .. })), "{e}");
    }

    #[test]
    fn the_modes_have_names() {
        assert_eq!(LockMode::from_value(""), Ok(LockMode::Normal));
        assert_eq!(LockMode::from_value("accept"), Ok(LockMode::Accept));
        assert_eq!(LockMode::from_value("frozen"), Ok(LockMode::Frozen));
        assert!(LockMode::from_value("Frozen").expect_err("another word").contains("`accept`"));
    }
}
