//! Shared memory without a name in the file system, and the seals that say what may still happen to it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create};
use rustix::io::Errno;
use thiserror::Error;

use crate::limits::{Reason, check_reserve};

/// The seals of a memfd (`F_SEAL_*`).
pub use rustix::fs::SealFlags as Seals;

/// How long a writable map may still be somewhere when memory is sealed against writing, and how often is looked.
const PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(1);

/// Shared memory of a fixed length, as a file descriptor that can be mapped here and sent to another process.
///
/// Dropping it closes the descriptor; mappings made from it live on.
#[derive(Debug)]
pub struct Memfd {
    fd: OwnedFd,
    len: usize,
}

impl Memfd {
    /// Creates zeroed shared memory of `len` bytes that can be sealed, and that no process can execute as a program where the kernel has
    /// `MFD_NOEXEC_SEAL`. `name` shows up in `/proc/PID/maps` only.
    ///
    /// # Errors
    /// [`MemfdError::Create`] if the kernel refuses (no descriptors or no memory left), if only the last few descriptors are left, or if `len` is 0.
    pub fn create(name: &str, len: usize) -> Result<Self, MemfdError> {
        let make = || -> io::Result<OwnedFd> {
            if len == 0 {
                return Err(Errno::INVAL.into());
            }
            let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
            let fd = match memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
                // A kernel before 6.3.
                Err(Errno::INVAL) => memfd_create(name, flags),
                made => made,
            }?;
            check_reserve(&fd)?;
            ftruncate(&fd, len as u64)?;
            Ok(fd)
        };
        match make() {
            Ok(fd) => Ok(Self { fd, len }),
            Err(source) => Err(MemfdError::Create { name: name.to_owned(), len, source }),
        }
    }

    /// Takes over a descriptor that came from another process, after checking that it is a memfd of exactly `expected_len` bytes that
    /// carries at least `required` seals. Require [`Seals::SHRINK`] for anything that gets mapped: without it the sender can cut the
    /// memory off under the reader (SIGBUS).
    ///
    /// # Errors
    /// [`ForeignMemfdError`] says what does not fit.
    pub fn from_received(
        fd: OwnedFd,
        expected_len: usize,
        required: Seals,
    ) -> Result<Self, ForeignMemfdError> {
        let found = fcntl_get_seals(&fd).map_err(|e| ForeignMemfdError::NotAMemfd(e.into()))?;
        // The seals first: only a size that can no longer change is worth comparing.
        if !found.contains(required) {
            return Err(ForeignMemfdError::MissingSeals { missing: required - found, found });
        }
        let size = fstat(&fd).map_err(|e| ForeignMemfdError::NotAMemfd(e.into()))?.st_size;
        if expected_len == 0 || usize::try_from(size) != Ok(expected_len) {
            return Err(ForeignMemfdError::WrongLength { expected: expected_len, found: size });
        }
        Ok(Self { fd, len: expected_len })
    }

    /// Returns the length in bytes, fixed at creation.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns the descriptor, for sending it.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Fixes the size (`SHRINK | GROW`). Further seals may follow. For memory that both sides write, such as a ring.
    ///
    /// # Errors
    /// [`MemfdError::Seal`] if seals were closed before.
    pub fn seal_size(&self) -> Result<(), MemfdError> {
        self.add(Seals::SHRINK | Seals::GROW)
    }

    /// Lets nobody map it writable from now on, while the writable maps that exist stay (`FUTURE_WRITE | SHRINK | GROW | SEAL`).
    /// To be called after the owner has mapped it and before any reader gets the descriptor.
    ///
    /// # Errors
    /// [`MemfdError::Seal`] if seals were closed before.
    pub fn seal_future_write(&self) -> Result<(), MemfdError> {
        self.add(Seals::FUTURE_WRITE | Seals::SHRINK | Seals::GROW | Seals::SEAL)
    }

    /// Makes it immutable for everyone, for ever (`WRITE | SHRINK | GROW | SEAL`): what a [`SealedMap`](crate::SealedMap) needs.
    ///
    /// # Errors
    /// [`MemfdError::Seal`] with `EBUSY` when a writable map exists anywhere for some time longer, or if seals were closed before.
    pub fn seal_write(&self) -> Result<(), MemfdError> {
        let begun = Instant::now();
        loop {
            match self.add(Seals::WRITE | Seals::SHRINK | Seals::GROW | Seals::SEAL) {
                // A process that another thread has just begun may have been forked while the map was made, before it could be kept from
                // it; it lets go of it when it executes its program.
                Err(MemfdError::Seal { source, .. })
                    if source.raw_os_error() == Some(Errno::BUSY.raw_os_error())
                        && begun.elapsed() < PATIENCE =>
                {
                    std::thread::sleep(PAUSE);
                }
                ended => return ended,
            }
        }
    }

    /// Returns the seals it carries now.
    ///
    /// # Errors
    /// Whatever the kernel says; a live memfd does not fail.
    pub fn seals(&self) -> io::Result<Seals> {
        Ok(fcntl_get_seals(&self.fd)?)
    }

    fn add(&self, seals: Seals) -> Result<(), MemfdError> {
        fcntl_add_seals(&self.fd, seals).map_err(|source| MemfdError::Seal { seals, source: source.into() })
    }
}

/// Why shared memory could not be made, sealed or mapped.
#[derive(Debug, Error)]
pub enum MemfdError {
    /// `memfd_create` or `ftruncate` failed.
    #[error("cannot create shared memory {name:?} of {len} bytes: {}", Reason(.source))]
    Create {
        /// The name given to it.
        name: String,
        /// The length asked for, in bytes.
        len: usize,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A seal was refused.
    #[error(
        "cannot seal shared memory with {seals:?}: {source} (EBUSY: somebody still maps it writable; EPERM: its seals are closed)"
    )]
    Seal {
        /// The seals that were to be added.
        seals: Seals,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A mapping was refused.
    #[error(
        "cannot map {len} bytes of shared memory for {access}: {source} (EPERM: it is sealed against writing)"
    )]
    Map {
        /// "reading" or "writing".
        access: &'static str,
        /// The length in bytes.
        len: usize,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A [`SealedMap`](crate::SealedMap) was asked of memory that may still change.
    #[error(
        "shared memory is not sealed against writing and resizing, only with {found:?}; seal it with `seal_write` first"
    )]
    NotSealed {
        /// The seals it carries.
        found: Seals,
    },
}

/// Why a received descriptor was not accepted as shared memory.
#[derive(Debug, Error)]
pub enum ForeignMemfdError {
    /// It has no seals at all: a file, a pipe, a socket.
    #[error("the received descriptor is not sealable shared memory: {0}")]
    NotAMemfd(io::Error),
    /// Its size is not the one agreed on.
    #[error("the received shared memory has {found} bytes, expected {expected}")]
    WrongLength {
        /// Bytes agreed on.
        expected: usize,
        /// Bytes it has.
        found: i64,
    },
    /// The sender could still change what must be fixed.
    #[error("the received shared memory lacks the seals {missing:?}; it carries {found:?}")]
    MissingSeals {
        /// Seals that are required and absent.
        missing: Seals,
        /// Seals it carries.
        found: Seals,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_received_memfd_must_be_one_of_the_right_length_and_seals() {
        let size = Seals::SHRINK | Seals::GROW;
        let copy = |m: &Memfd| m.as_fd().try_clone_to_owned().unwrap();
        let m = Memfd::create("t", 5000).unwrap();
        assert!(matches!(
            Memfd::from_received(copy(&m), 5000, size),
            Err(ForeignMemfdError::MissingSeals { missing, .. }) if missing == size
        ));
        m.seal_size().unwrap();
        assert_eq!(Memfd::from_received(copy(&m), 5000, size).unwrap().len(), 5000);
        assert!(matches!(
            Memfd::from_received(copy(&m), 8192, size),
            Err(ForeignMemfdError::WrongLength { expected: 8192, found: 5000 })
        ));
        let (reader, _writer) = rustix::pipe::pipe().unwrap();
        assert!(matches!(Memfd::from_received(reader, 5000, size), Err(ForeignMemfdError::NotAMemfd(_))));
        assert!(Memfd::create("t", 0).is_err());
    }

    #[test]
    fn it_is_no_program() {
        let mode = |fd: BorrowedFd<'_>| fstat(fd).unwrap().st_mode & 0o111;
        let m = Memfd::create("t", 4096).unwrap();
        let is_known = memfd_create("t", MemfdFlags::NOEXEC_SEAL).is_ok();
        assert_eq!(mode(m.as_fd()) == 0, is_known);
        if is_known {
            assert_eq!(rustix::fs::fchmod(m.as_fd(), 0o777.into()), Err(Errno::PERM), "nor becomes one");
        }
    }

    #[test]
    fn sealed_sizes_stay() {
        let m = Memfd::create("t", 4096).unwrap();
        m.seal_size().unwrap();
        assert_eq!(ftruncate(m.as_fd(), 0), Err(rustix::io::Errno::PERM), "shrink");
        assert_eq!(ftruncate(m.as_fd(), 8192), Err(rustix::io::Errno::PERM), "grow");
    }
}
