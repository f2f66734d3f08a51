//! The socket between the engine and a child: packets, and file descriptors that travel with them.

#![expect(unsafe_code, reason = "taking over the descriptor number a child is born with")]

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::cmsg_space;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, FdFlags, fcntl_setfd, retry_on_intr};
use rustix::net::sockopt::{socket_domain, socket_type};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use thiserror::Error;

use crate::limits::Reason;

/// The descriptor number at which a child finds its control socket.
pub const CONTROL_FD: RawFd = 3;

/// The most descriptors that travel with one packet.
pub const MAX_FDS: usize = 64;

/// One end of a connected pair that keeps packets apart (`SOCK_SEQPACKET`).
#[derive(Debug)]
pub struct ControlSocket {
    fd: OwnedFd,
}

impl ControlSocket {
    /// Returns the two ends of a new connection.
    ///
    /// # Errors
    /// [`ControlError::Io`] if no descriptors are left.
    pub fn pair() -> Result<(Self, Self), ControlError> {
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self { fd: a }, Self { fd: b }))
    }

    /// Takes the socket this process was born with, at [`CONTROL_FD`]. To be called first in a child's `main`, before anything else can
    /// open a descriptor.
    ///
    /// # Errors
    /// [`ControlError::NotInherited`] if there is no such socket, or if it was taken before.
    pub fn take_inherited() -> Result<Self, ControlError> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        // SAFETY: the number is only asked what it is; if nothing is open there, the kernel says so.
        let probe = unsafe { BorrowedFd::borrow_raw(CONTROL_FD) };
        let is_ours = socket_domain(probe) == Ok(AddressFamily::UNIX)
            && socket_type(probe) == Ok(SocketType::SEQPACKET);
        // Relaxed: only who comes first matters.
        if !is_ours || TAKEN.swap(true, Ordering::Relaxed) {
            return Err(ControlError::NotInherited);
        }
        // SAFETY: it is open, it is the kind of socket `spawn_self` leaves there and nothing else in the engine uses, and it is taken once.
        let fd = unsafe { OwnedFd::from_raw_fd(CONTROL_FD) };
        fcntl_setfd(&fd, FdFlags::CLOEXEC)?;
        Ok(Self { fd })
    }

    /// Returns the descriptor, for waiting on several.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Sends one packet with copies of `fds`. Never waits: who does not take its packets must not hold up the sender.
    ///
    /// # Errors
    /// [`ControlError::Closed`] if the peer is gone, [`ControlError::Full`] if it has not taken what was sent before; [`ControlError::Empty`] and [`ControlError::TooManyFds`] for what cannot be sent.
    pub fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), ControlError> {
        if bytes.is_empty() {
            return Err(ControlError::Empty);
        }
        if fds.len() > MAX_FDS {
            return Err(ControlError::TooManyFds);
        }
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_FDS))];
        retry_on_intr(|| {
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !fds.is_empty() {
                let pushed = control.push(SendAncillaryMessage::ScmRights(fds));
                assert!(pushed, "the space is for MAX_FDS");
            }
            let iov = [IoSlice::new(bytes)];
            sendmsg(&self.fd, &iov, &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
        })?;
        Ok(())
    }

    /// Receives one packet of at most `max` bytes: its bytes replace the content of `out`, its descriptors are returned (closed on exec).
    /// Waits for at most `timeout`, or for ever without one.
    ///
    /// # Errors
    /// [`ControlError::Closed`] at the end of the connection, [`ControlError::TimedOut`]; [`ControlError::TooLong`] and
    /// [`ControlError::TooManyFds`] for a packet that is dropped, its descriptors closed.
    pub fn recv(
        &self,
        out: &mut Vec<u8>,
        max: usize,
        timeout: Option<Duration>,
    ) -> Result<Vec<OwnedFd>, ControlError> {
        out.clear();
        if !wait_readable(self.fd.as_fd(), timeout)? {
            return Err(ControlError::TimedOut);
        }
        out.resize(max, 0);
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = retry_on_intr(|| {
            let mut iov = [IoSliceMut::new(out)];
            recvmsg(&self.fd, &mut iov, &mut control, RecvFlags::CMSG_CLOEXEC)
        });
        let (bytes, flags) = match received {
            Ok(received) => (received.bytes, received.flags),
            Err(error) => {
                out.clear();
                return Err(error.into());
            }
        };
        out.truncate(bytes);
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                fds.extend(received);
            }
        }
        if flags.contains(ReturnFlags::TRUNC) {
            return Err(ControlError::TooLong { max });
        }
        if flags.contains(ReturnFlags::CTRUNC) {
            return Err(ControlError::TooManyFds);
        }
        if bytes == 0 {
            return Err(ControlError::Closed);
        }
        Ok(fds)
    }
}

/// Why a packet was not sent or received.
#[derive(Debug, Error)]
pub enum ControlError {
    /// The peer has closed its end or died.
    #[error("the other side of the control socket is gone")]
    Closed,
    /// The peer has not taken what was sent before.
    #[error("the other side of the control socket does not take its packets")]
    Full,
    /// Nothing came in time.
    #[error("nothing came over the control socket in time")]
    TimedOut,
    /// An empty packet cannot be told from the end of the connection.
    #[error("an empty packet cannot be sent; it would read as the end of the connection")]
    Empty,
    /// The packet is longer than the receiver allows.
    #[error("a control packet was longer than the {max} bytes allowed")]
    TooLong {
        /// The limit in bytes.
        max: usize,
    },
    /// More descriptors than [`MAX_FDS`], or more than this process may open.
    #[error(
        "a control packet carried too many descriptors (at most {MAX_FDS}, and the process's own limit, `ulimit -n`)"
    )]
    TooManyFds,
    /// The process was not started by [`spawn_self`](crate::spawn_self).
    #[error(
        "there is no control socket at descriptor {CONTROL_FD}; a cell's process is started by the engine, not by hand"
    )]
    NotInherited,
    /// The kernel's answer to anything else.
    #[error("control socket: {}", Reason(.0))]
    Io(std::io::Error),
}

impl From<Errno> for ControlError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::PIPE | Errno::CONNRESET => Self::Closed,
            Errno::AGAIN => Self::Full,
            Errno::TOOMANYREFS => Self::TooManyFds,
            other => Self::Io(other.into()),
        }
    }
}

/// Waits until `fd` has something to read, has ended or failed. Returns false if `timeout` passed first.
pub(crate) fn wait_readable(fd: BorrowedFd<'_>, timeout: Option<Duration>) -> rustix::io::Result<bool> {
    wait_any_readable(&[fd], timeout)
}

/// Waits until one of `fds` has something to read, has ended or failed. Returns false if `timeout` passed first.
pub(crate) fn wait_any_readable(
    fds: &[BorrowedFd<'_>],
    timeout: Option<Duration>,
) -> rustix::io::Result<bool> {
    let deadline = timeout.and_then(|t| Instant::now().checked_add(t));
    let mut polled: Vec<PollFd<'_>> =
        fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    loop {
        let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
        let limit = left.and_then(|t| t.try_into().ok());
        match poll(&mut polled, limit.as_ref()) {
            Ok(0) if left == Some(Duration::ZERO) => return Ok(false),
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MapRo, MapRw, Memfd};

    #[test]
    fn memory_travels_with_a_packet() {
        let (a, b) = ControlSocket::pair().unwrap();
        let memfd = Memfd::create("travels", 4096).unwrap();
        MapRw::new(&memfd).unwrap().copy_in(b"hello", 0).unwrap();
        memfd.seal_size().unwrap();
        a.send(b"one", &[memfd.as_fd()]).unwrap();
        a.send(b"two", &[]).unwrap();

        let mut bytes = Vec::new();
        let fds = b.recv(&mut bytes, 100, None).unwrap();
        assert_eq!((bytes.as_slice(), fds.len()), (&b"one"[..], 1));
        for fd in fds {
            assert_eq!(rustix::io::fcntl_getfd(&fd), Ok(FdFlags::CLOEXEC));
            let received = Memfd::from_received(fd, 4096, crate::Seals::SHRINK).unwrap();
            let mut seen = [0; 5];
            let map = MapRo::new(&received).unwrap();
            map.copy_out(0, &mut seen).unwrap();
            assert_eq!(&seen, b"hello");
        }
        assert!(b.recv(&mut bytes, 100, None).unwrap().is_empty());
        assert_eq!(bytes, b"two");
    }

    #[test]
    fn end_time_out_and_size_are_typed() {
        let (a, b) = ControlSocket::pair().unwrap();
        let mut bytes = Vec::new();
        let soon = Some(Duration::from_millis(5));
        assert!(matches!(b.recv(&mut bytes, 8, soon), Err(ControlError::TimedOut)));
        assert!(matches!(a.send(b"", &[]), Err(ControlError::Empty)));
        a.send(b"far too long", &[a.as_fd()]).unwrap();
        assert!(matches!(b.recv(&mut bytes, 8, None), Err(ControlError::TooLong { max: 8 })));
        let many = [a.as_fd(); MAX_FDS + 1];
        assert!(matches!(a.send(b"x", &many), Err(ControlError::TooManyFds)));
        a.send(b"x", &many[..MAX_FDS]).unwrap();
        assert_eq!(b.recv(&mut bytes, 8, None).unwrap().len(), MAX_FDS);
        let full = (0..100_000).find_map(|_| a.send(b"x", &[]).err());
        assert!(matches!(full, Some(ControlError::Full)), "a peer that takes nothing: {full:?}");
        while b.recv(&mut bytes, 8, Some(Duration::ZERO)).is_ok() {}
        drop(a);
        assert!(matches!(b.recv(&mut bytes, 8, None), Err(ControlError::Closed)));
        assert!(matches!(b.send(b"x", &[]), Err(ControlError::Closed)));
    }
}
