//! Files that are replaced whole or not at all.

use std::fs::{File, OpenOptions, remove_file, rename};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Writes `bytes` to `path` so that, whatever happens, the path holds either all of the old content or all of the new: a temporary file in
/// the same folder, synced, then renamed over it. With a full disk the old file stays and the temporary one is removed.
///
/// # Errors
/// The operating system's answer, such as `StorageFull`.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, 0o666, |file| file.write_all(bytes))
}

/// Does the same with a file that only its owner may read or write.
///
/// # Errors
/// The operating system's answer.
pub fn write_privately(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, 0o600, |file| file.write_all(bytes))
}

fn replace(path: &Path, mode: u32, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let temp = temp_path(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temp)?;
    let written = fill(&mut file).and_then(|()| file.sync_all()).and_then(|()| rename(&temp, path));
    if written.is_err() {
        // The first error is the one worth telling.
        let _ = remove_file(&temp);
        return written;
    }
    // Makes the rename itself last. The new content is in place already, so a folder that cannot be synced is no failure.
    if let Ok(folder) = File::open(folder_of(path)) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// Returns a path beside `path` that nobody else uses: hidden, with our process id and a running number.
fn temp_path(path: &Path) -> io::Result<PathBuf> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{} has no file name", path.display()),
        ));
    };
    let mut temp = std::ffi::OsString::from(".");
    temp.push(name);
    // Relaxed: only the uniqueness of the number matters.
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    temp.push(format!(".{}-{number}.tmp", std::process::id()));
    Ok(path.with_file_name(temp))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn content_is_replaced_and_nothing_is_left_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("capture.png");
        write_atomically(&path, b"old").unwrap();
        write_atomically(&path, b"new and longer").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new and longer");
        assert_eq!(names(folder.path()), ["capture.png"]);
    }

    #[test]
    fn with_a_full_disk_the_old_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("capture.png");
        write_atomically(&path, b"old").unwrap();
        let error = replace(&path, 0o666, |file| {
            file.write_all(b"half of")?;
            // The kernel's own answer to a write on a full disk.
            OpenOptions::new().write(true).open("/dev/full")?.write_all(b"the rest")
        })
        .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["capture.png"]);
    }

    #[test]
    fn a_path_that_cannot_be_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write_atomically(&folder.path().join("no/such/folder.png"), b"x").is_err());
        assert!(write_atomically(Path::new("/"), b"x").is_err());
        let taken = folder.path().join("folder");
        std::fs::create_dir(&taken).unwrap();
        assert!(write_atomically(&taken, b"x").is_err());
        assert_eq!(names(folder.path()), ["folder"]);
    }
}
