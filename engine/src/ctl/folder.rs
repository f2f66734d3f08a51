//! Where control sockets lie: one file for each running engine, named by its process, in a folder that only this
//! user may enter.
use engine_sys::{connect_now, own_user, peer_user, private_folder};
use std::{
    io,
    os::unix::{
        fs::MetadataExt as _,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

/// Returns the folder of this user's sockets, which may not be there yet.
pub(crate) fn folder() -> PathBuf {
    folder_in(std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from))
}

/// Returns it, where `runtime` is said to be the folder for such things. After `sudo -E` that is another user's.
fn folder_in(runtime: Option<PathBuf>) -> PathBuf {
    let is_own = |d: &PathBuf| {
        d.is_absolute() && std::fs::metadata(d).is_ok_and(|m| m.is_dir() && m.uid() == own_user())
    };
    match runtime.filter(is_own) {
        Some(runtime) => runtime.join("cell"),
        None => PathBuf::from(format!("/tmp/cell-{}", own_user())),
    }
}

/// A socket file of an engine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SocketFile {
    /// The engine's process.
    pub(crate) pid: u32,
    /// The file.
    pub(crate) path: PathBuf,
}

/// Returns the sockets of `folder`, dead ones too, by process. A folder that is not this user's alone has none.
pub(crate) fn sockets(folder: &Path) -> io::Result<Vec<SocketFile>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    private_folder(folder)?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)?.flatten() {
        let name = entry.file_name();
        if let Some(pid) = name.to_str().and_then(|n| n.strip_suffix(".sock")?.parse().ok()) {
            found.push(SocketFile { pid, path: entry.path() });
        }
    }
    found.sort();
    Ok(found)
}

impl SocketFile {
    /// Connects to the engine; `None` when it has ended and left its socket behind.
    pub(crate) fn connect(&self) -> io::Result<Option<UnixStream>> {
        match connect_now(&self.path) {
            Ok(stream) if peer_user(&stream)? == own_user() => Ok(Some(stream)),
            Ok(_) => {
                let why = format!("{} belongs to an engine of somebody else", self.path.display());
                Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
            }
            // Its file appears only when somebody listens.
            Err(e) if matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {
                Ok(None)
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                Err(io::Error::new(e.kind(), "it takes no connections (is it stopped?)"))
            }
            Err(e) => Err(e),
        }
    }

    /// Removes the socket of an engine that has ended.
    pub(crate) fn remove(&self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

/// Opens this engine's socket in `folder`, and removes those of engines that have ended.
pub(super) fn listen(folder: &Path) -> io::Result<(UnixListener, PathBuf)> {
    private_folder(folder)?;
    for socket in sockets(folder)? {
        if matches!(socket.connect(), Ok(None)) {
            // Another engine may be faster.
            let _ = socket.remove();
        }
    }
    // Under its name there is always somebody who listens: a name without is dead.
    let pid = std::process::id();
    let (making, path) = (folder.join(format!(".{pid}.making")), folder.join(format!("{pid}.sock")));
    let _ = std::fs::remove_file(&making);
    let listener = UnixListener::bind(&making)?;
    std::fs::rename(&making, &path)?;
    Ok((listener, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_socket_is_told_from_one_that_is_listened_to_and_is_removed_by_the_next_engine() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("cell");
        assert_eq!(sockets(&folder).unwrap(), []);
        private_folder(&folder).unwrap();
        drop(UnixListener::bind(folder.join("7.sock")).unwrap());
        let alive = UnixListener::bind(folder.join("8.sock")).unwrap();
        std::fs::write(folder.join("notes"), "").unwrap();
        let found = sockets(&folder).unwrap();
        assert_eq!(found.iter().map(|s| s.pid).collect::<Vec<_>>(), [7, 8]);
        assert!(found[0].connect().unwrap().is_none() && found[1].connect().unwrap().is_some());
        let (_listener, path) = listen(&folder).unwrap();
        let left: Vec<u32> = sockets(&folder).unwrap().iter().map(|s| s.pid).collect();
        let mut expected = [8, std::process::id()];
        expected.sort_unstable();
        assert_eq!(left, expected);
        assert!(path.exists() && folder.join("notes").exists());
        drop(alive);
    }

    #[test]
    fn an_engine_that_takes_no_connections_holds_nobody_up_and_keeps_its_socket() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("cell");
        private_folder(&folder).unwrap();
        // As one that was stopped: it listens and accepts nothing.
        let _stopped = UnixListener::bind(folder.join("8.sock")).unwrap();
        let socket = sockets(&folder).unwrap().remove(0);
        // Those that have left wait all the same.
        let error = loop {
            match socket.connect() {
                Ok(stream) => assert!(stream.is_some(), "somebody listens"),
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("is it stopped?"), "{error}");
        listen(&folder).unwrap();
        assert!(socket.path.exists());
    }

    #[test]
    fn the_folder_of_another_user_is_none_of_ours() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(folder_in(Some(dir.path().to_owned())), dir.path().join("cell"));
        let other = PathBuf::from(format!("/tmp/cell-{}", own_user()));
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        for runtime in [None, Some(PathBuf::from("relative")), Some(file)] {
            assert_eq!(folder_in(runtime), other);
        }
        let theirs = if own_user() == 0 {
            std::os::unix::fs::chown(dir.path(), Some(65534), None).unwrap();
            dir.path().to_owned()
        } else {
            PathBuf::from("/")
        };
        assert_eq!(folder_in(Some(theirs)), other, "as after `sudo -E`");
    }
}
