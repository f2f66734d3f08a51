//! What a jailed child says about itself, as packets: which layers are missing (once), which calls were refused.
//!
//! After the library is loaded anything may come from the other end: a packet is bytes of a stranger, bounded and checked.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use libc::c_long;

use super::{Missing, calls};
use crate::{ControlError, ControlSocket};
use std::time::Duration;

/// The longest path that a report carries, in bytes.
pub(super) const MAX_PATH: usize = 120;
/// The longest packet.
const MAX_PACKET: usize = 4096;
/// How many packets are read at once: a flood must not keep the engine busy.
const AT_ONCE: usize = 256;
/// The numbers that calls have; Linux has some 470.
const KNOWN_CALLS: Range<i64> = 0..1024;
/// Added to a number, it asks for the call with short pointers.
const X32: i64 = 0x4000_0000;
/// What stands for all other numbers.
const NO_CALL: i64 = -1;
const ENTERED: u8 = 1;
const REFUSED: u8 = 2;

/// A call that the jail refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offence {
    /// The call's number on this machine.
    pub number: i64,
    /// The path it named, if it names one. From the cell's memory: it may be anything.
    pub path: Option<String>,
    /// How often it was made since the last look.
    pub count: u32,
}

impl Offence {
    /// Returns whether only code that looks for a way out makes this call. A cell that makes it should be ended.
    #[must_use]
    pub fn is_hostile(&self) -> bool {
        calls::is_hostile(self.number)
    }
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match calls::name(self.number) {
            Some(name) => write!(f, "{name}")?,
            None => write!(f, "system call {}", self.number)?,
        }
        if let Some(path) = &self.path {
            write!(f, " {path:?}")?;
        }
        if self.count > 1 {
            write!(f, " ({} times)", self.count)?;
        }
        Ok(())
    }
}

/// What came from a jailed child since the last look.
#[derive(Debug, Default)]
pub struct Report {
    /// Set once: it has entered its jail, without these layers.
    pub entered: Option<Vec<Missing>>,
    /// Calls that were refused.
    pub offences: Vec<Offence>,
}

/// Returns the start of a report about `call`.
pub(super) fn head(call: c_long) -> [u8; 8] {
    let [a, b, c, d, ..] = call.to_le_bytes();
    [REFUSED, 0, 0, 0, a, b, c, d]
}

/// Returns the packet that says that the jail is entered.
pub(super) fn entered(missing: &[Missing]) -> Vec<u8> {
    let lines: Vec<String> = missing.iter().map(Missing::encode).collect();
    let mut packet = vec![ENTERED];
    packet.extend(lines.join("\n").bytes().take(MAX_PACKET - 1));
    packet
}

/// The engine's end.
#[derive(Debug)]
pub(super) struct Reports {
    socket: ControlSocket,
    has_entered: bool,
}

impl Reports {
    pub(super) fn new(socket: ControlSocket) -> Self {
        Self { socket, has_entered: false }
    }

    /// Takes what has come, without waiting.
    pub(super) fn take(&mut self) -> Report {
        let (mut bytes, mut report) = (Vec::new(), Report::default());
        let mut counts = BTreeMap::<(i64, Option<String>), u32>::new();
        for _ in 0..AT_ONCE {
            match self.socket.recv(&mut bytes, MAX_PACKET, Some(Duration::ZERO)) {
                Ok(_) => {}
                // A packet of a stranger: dropped.
                Err(ControlError::TooLong { .. } | ControlError::TooManyFds) => continue,
                Err(_) => break,
            }
            match bytes.as_slice() {
                // Only the first is from before any code of the cell.
                [ENTERED, lines @ ..] if !self.has_entered => {
                    self.has_entered = true;
                    let lines = String::from_utf8_lossy(lines);
                    report.entered = Some(lines.lines().filter_map(Missing::decode).collect());
                }
                [REFUSED, _, _, _, a, b, c, d, path @ ..] => {
                    let number = i64::from(i32::from_le_bytes([*a, *b, *c, *d]));
                    // What is no call at all is one kind, or there would be no end of kinds.
                    let number = if KNOWN_CALLS.contains(&(number & !X32)) { number } else { NO_CALL };
                    *counts.entry((number, readable(path))).or_default() += 1;
                }
                _ => {}
            }
        }
        report.offences =
            counts.into_iter().map(|((number, path), count)| Offence { number, path, count }).collect();
        report
    }
}

/// Returns the path up to its end, or none without one.
fn readable(bytes: &[u8]) -> Option<String> {
    let path = &bytes[..bytes.len().min(MAX_PATH)];
    let end = path.iter().position(|b| *b == 0).unwrap_or(path.len());
    (end > 0).then(|| String::from_utf8_lossy(&path[..end]).into_owned())
}

#[cfg(test)]
#[path = "../../../../../fuzz/src/mutate.rs"]
mod mutate;

#[cfg(test)]
mod tests {
    use super::super::Layer;
    use super::mutate::{Random, mutate};
    use super::*;

    /// As the targets of `fuzz/`, which cannot reach it.
    #[test]
    fn whatever_comes_is_bounded_and_can_be_shown() {
        let (ours, theirs) = ControlSocket::pair().unwrap();
        let mut reports = Reports::new(ours);
        let path = [&head(libc::SYS_openat)[..], b"/etc/passwd\0more"].concat();
        let seeds =
            [entered(&[Missing::new(Layer::Landlock, "too old")]), path, head(libc::SYS_ptrace).to_vec()];
        let (mut random, mut seen) = (Random::new(5), 0);
        for _ in 0..30_000 {
            let packet = mutate(&seeds, &[b"\x1b[2J", b"\n", b"\0"], &mut random);
            if theirs.send(&packet[..packet.len().min(MAX_PACKET + 1)], &[]).is_err() {
                // An empty one is none.
                continue;
            }
            for offence in reports.take().offences {
                let shown = offence.to_string();
                assert!(shown.len() < 1000 && !shown.contains(char::is_control), "{shown:?}");
                seen += offence.count;
            }
        }
        assert!(seen > 1000, "{seen}");
    }

    #[test]
    fn packets_of_strangers_are_bounded_counted_and_never_believed_twice() {
        let (ours, theirs) = ControlSocket::pair().unwrap();
        let mut reports = Reports::new(ours);
        let missing = [Missing::new(Layer::Landlock, "too old")];
        theirs.send(&entered(&missing), &[]).unwrap();
        theirs.send(&entered(&[]), &[]).unwrap();
        let open = [&head(libc::SYS_openat)[..], b"/etc/\x1b[2J\0rest of the page"].concat();
        theirs.send(&open, &[]).unwrap();
        theirs.send(&open, &[]).unwrap();
        theirs.send(&head(libc::SYS_ptrace), &[]).unwrap();
        theirs.send(&head(c_long::from(u32::MAX)), &[]).unwrap();
        theirs.send(&head(1024), &[]).unwrap();
        theirs.send(&head(X32 + libc::SYS_getpid), &[]).unwrap();
        theirs.send(&[REFUSED, 1], &[]).unwrap();
        theirs.send(&[7; MAX_PACKET + 1], &[theirs.as_fd()]).unwrap();
        theirs.send(&[9], &[]).unwrap();
        let report = reports.take();
        assert_eq!(report.entered.as_deref(), Some(&missing[..]));
        let shown: Vec<String> = report.offences.iter().map(Offence::to_string).collect();
        let expected = [
            "system call -1 (2 times)",
            "ptrace",
            "openat \"/etc/\\u{1b}[2J\" (2 times)",
            "system call 1073741863",
        ];
        assert_eq!(shown, expected);
        let hostile: Vec<bool> = report.offences.iter().map(Offence::is_hostile).collect();
        assert_eq!(hostile, [false, true, false, false]);
        let again = reports.take();
        assert!(again.entered.is_none() && again.offences.is_empty());
    }

    #[test]
    fn a_flood_is_taken_in_pieces() {
        let (ours, theirs) = ControlSocket::pair().unwrap();
        let flood = std::thread::spawn(move || {
            for _ in 0..AT_ONCE + 1 {
                // As full as the machine's sockets are.
                while let Err(ControlError::Full) = theirs.send(&head(libc::SYS_fork), &[]) {
                    std::thread::yield_now();
                }
            }
        });
        let mut reports = Reports::new(ours);
        let mut seen = 0;
        while seen < AT_ONCE as u32 + 1 {
            let now: u32 = reports.take().offences.iter().map(|o| o.count).sum();
            assert!(now <= AT_ONCE as u32);
            seen += now;
            std::thread::yield_now();
        }
        flood.join().unwrap();
    }
}
