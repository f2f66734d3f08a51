//! Which user this is: a folder and sockets that only they may use; connecting without waiting.

use std::fs::{DirBuilder, symlink_metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::geteuid;

/// Returns the number of the user that this process acts for.
pub fn own_user() -> u32 {
    geteuid().as_raw()
}

/// Returns the number of the user at the other end of a Unix socket, as the kernel noted it when the connection was made.
///
/// # Errors
/// The kernel's answer: it is no such socket.
pub fn peer_user(socket: impl AsFd) -> io::Result<u32> {
    Ok(socket_peercred(socket)?.uid.as_raw())
}

/// Connects to the Unix socket at `path`, now or not at all: `UnixStream::connect` waits for somebody who does not take
/// connections.
///
/// # Errors
/// The kernel's answer; `WouldBlock` when too many wait there already.
pub fn connect_now(path: &Path) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Makes the folder `path` for this user alone (mode 0700), or makes sure that it is one: somebody else may have been first where everybody may
/// make folders.
///
/// # Errors
/// The system's answer; `PermissionDenied` for a folder, link or file that is not only this user's.
pub fn private_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    let m = symlink_metadata(path)?;
    if m.is_dir() && m.uid() == own_user() && m.mode() & 0o077 == 0 {
        return Ok(());
    }
    let why = format!("{} is no folder that only you may use (mode 0700)", path.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    #[test]
    fn both_ends_know_each_other() {
        let (a, b) = UnixStream::pair().unwrap();
        assert_eq!((peer_user(&a).unwrap(), peer_user(&b).unwrap()), (own_user(), own_user()));
        assert!(peer_user(fs::File::open("/dev/null").unwrap()).is_err());
    }

    #[test]
    fn who_takes_no_connections_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        assert_eq!(connect_now(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        let listener = UnixListener::bind(&path).unwrap();
        let first = connect_now(&path).unwrap();
        assert_eq!(peer_user(&first).unwrap(), own_user());
        // Those that have left wait all the same.
        let full = loop {
            if let Err(error) = connect_now(&path) {
                break error;
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        // A stream as any other: reading waits.
        let (mut accepted, _) = listener.accept().unwrap();
        let echo = std::thread::spawn(move || io::copy(&mut &first, &mut Vec::new()));
        io::Write::write_all(&mut accepted, b"late").unwrap();
        drop(accepted);
        assert_eq!(echo.join().unwrap().unwrap(), 4);
        drop(listener);
        // A child that another test has just begun may still have it open, until it runs a program.
        let gone = loop {
            match connect_now(&path) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => break error,
                _ => std::thread::yield_now(),
            }
        };
        assert_eq!(gone.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_folder_that_others_may_enter_a_link_and_a_file_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        private_folder(&path("own")).unwrap();
        private_folder(&path("own")).unwrap();
        assert_eq!(fs::metadata(path("own")).unwrap().permissions().mode() & 0o777, 0o700);
        symlink(path("own"), path("link")).unwrap();
        fs::write(path("file"), "").unwrap();
        fs::create_dir(path("open")).unwrap();
        fs::set_permissions(path("open"), fs::Permissions::from_mode(0o710)).unwrap();
        for name in ["link", "file", "open"] {
            let error = private_folder(&path(name)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{name}");
            assert!(error.to_string().contains("only you may use"), "{name}: {error}");
        }
        assert_eq!(private_folder(&path("no/such")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
