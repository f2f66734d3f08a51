//! Where control sockets lie: one file for each running engine, named by its process, in a folder that only this
//! user may enter.
use engine_sys::{own_user, peer_user, private_folder};
use std::{
    io,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
};

/// Returns the folder of this user's sockets, which may not be there yet.
pub(crate) fn folder() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|d| d.is_absolute() && d.is_dir()) {
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
        match UnixStream::connect(&self.path) {
            Ok(stream) if peer_user(&stream)? == own_user() => Ok(Some(stream)),
            Ok(_) => {
                let why = format!("{} belongs to an engine of somebody else", self.path.display());
                Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
            }
            // Its file appears only when somebody listens.
            Err(e) if matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {
                Ok(None)
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
}
