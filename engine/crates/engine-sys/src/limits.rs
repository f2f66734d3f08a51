//! The limits that the system sets to this process.

use std::os::fd::{AsRawFd, OwnedFd};
use std::{fmt, io};

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many descriptors this process may have open at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFiles {
    /// The limit that counts (`ulimit -n`); `None` without one.
    pub soft: Option<u64>,
    /// What a process may raise it to by itself (`ulimit -Hn`); `None` without an end.
    pub hard: Option<u64>,
}

impl OpenFiles {
    /// Returns the limits as they are now.
    pub fn now() -> Self {
        let limit = getrlimit(Resource::Nofile);
        Self { soft: limit.current, hard: limit.maximum }
    }

    /// Raises the soft limit of this process to the hard one and returns the limits as they are then. Shared memory needs two descriptors for
    /// each owner, and a child a few more: the usual 1,024 end at some hundred cells.
    ///
    /// # Errors
    /// The kernel's answer; the limit stays what it was.
    pub fn raise() -> io::Result<Self> {
        let limit = getrlimit(Resource::Nofile);
        if limit.current != limit.maximum {
            setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
        }
        Ok(Self::now())
    }
}

impl fmt::Display for OpenFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |n: Option<u64>| n.map_or_else(|| "any number of".to_owned(), |n| n.to_string());
        write!(f, "this process may have {} descriptors open", number(self.soft))?;
        if self.soft == self.hard {
            return write!(
                f,
                ", and its hard limit is the same: raise it (`ulimit -Hn`) where the engine is started"
            );
        }
        write!(f, ": raise the limit (`ulimit -n`, at most {})", number(self.hard))
    }
}

/// How many descriptors shared memory leaves for everything else: files that are read, sockets, libraries.
const RESERVE: u64 = 24;

/// Returns an error when `new`, the descriptor that was made last, is one of the last that this process may have. The kernel gives the lowest
/// number that is free. So a scene with too many cells is told at the cell that is too many, and not where a file cannot be opened later.
pub(crate) fn check_reserve(new: &OwnedFd) -> io::Result<()> {
    let Some(most) = OpenFiles::now().soft else { return Ok(()) };
    if u64::from(new.as_raw_fd().unsigned_abs()) >= most - RESERVE.min(most / 4) {
        return Err(Errno::MFILE.into());
    }
    Ok(())
}

/// Shows an error of the system; where it means that no descriptors are left, with the limit and what to do about it.
pub(crate) struct Reason<'a>(pub(crate) &'a io::Error);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        if Errno::from_io_error(self.0) == Some(Errno::MFILE) {
            write!(f, "; {}", OpenFiles::now())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_descriptors_names_the_limit_and_other_errors_do_not() {
        let text = Reason(&Errno::MFILE.into()).to_string();
        assert!(text.contains("os error 24") && text.contains("descriptors open"), "{text}");
        assert!(!Reason(&Errno::NOENT.into()).to_string().contains("descriptors"));
        let limits = OpenFiles { soft: Some(64), hard: Some(4096) }.to_string();
        assert!(
            limits.contains("64 descriptors") && limits.contains("`ulimit -n`, at most 4096"),
            "{limits}"
        );
        let limits = OpenFiles { soft: Some(64), hard: Some(64) }.to_string();
        assert!(limits.contains("`ulimit -Hn`"), "{limits}");
    }
}
