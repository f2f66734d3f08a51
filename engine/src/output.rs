//! Files that a run leaves behind: tried before it starts, written at its end.
use anyhow::{Context as _, bail};
use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::Path,
};

/// Tries whether `path` can be written, so that a long run does not end without its picture. Makes its folder.
pub(crate) fn check(what: &str, path: &Path) -> anyhow::Result<()> {
    if path.is_dir() {
        bail!("{what} {} cannot be written: it is a folder; name a file in it", path.display());
    }
    if is_special(path) {
        return Ok(());
    }
    let Some(name) = path.file_name() else {
        bail!("{what} {} cannot be written: the path names no file", path.display());
    };
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{what} {} cannot be written: its folder cannot be made", path.display()))?;
    let mut probe = std::ffi::OsString::from(".");
    probe.push(name);
    probe.push(format!(".{}.probe", std::process::id()));
    let probe = folder.join(probe);
    File::create_new(&probe)
        .and_then(|_| std::fs::remove_file(&probe))
        .with_context(|| format!("{what} {} cannot be written: its folder takes no files", path.display()))
}

/// Writes a file that [`check`] found good. It appears whole or not at all; a device or pipe gets the bytes.
pub(crate) fn write(what: &str, path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let written = if is_special(path) {
        OpenOptions::new().write(true).open(path).and_then(|mut f| f.write_all(bytes))
    } else {
        engine_sys::write_atomically(path, bytes)
    };
    written.with_context(|| {
        format!("{what} {} cannot be written; free some space or choose another place", path.display())
    })
}

/// Returns whether something is there that must not be replaced by a file.
fn is_special(path: &Path) -> bool {
    path.metadata().is_ok_and(|m| !m.is_file() && !m.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &Path) -> String {
        format!("{:#}", check("the picture", path).unwrap_err())
    }

    #[test]
    fn a_path_that_cannot_be_written_is_refused_before_the_run() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert!(refused(dir.path()).contains("it is a folder"));
        assert!(refused(&dir.path().join("file/a.png")).contains("file/a.png"), "a file is no folder");
        // Nobody can make files there, not even root.
        assert!(refused(Path::new("/proc/a.png")).contains("takes no files"));
        check("the picture", &dir.path().join("new/folder/a.png")).unwrap();
        assert!(dir.path().join("new/folder").read_dir().unwrap().next().is_none(), "nothing is left behind");
    }

    #[test]
    fn a_full_disk_is_an_error_and_a_device_stays_one() {
        let full = Path::new("/dev/full");
        check("the picture", full).unwrap();
        let error = format!("{:#}", write("the picture", full, b"x").unwrap_err());
        assert!(error.contains("/dev/full") && error.contains("free some space"), "{error}");
        assert!(is_special(full), "it was not replaced");
        write("the picture", Path::new("/dev/null"), b"x").unwrap();
        assert!(is_special(Path::new("/dev/null")));
    }

    #[test]
    fn what_was_there_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        std::fs::write(&path, "old").unwrap();
        check("the picture", &path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"old", "trying changes nothing");
        write("the picture", &path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }
}
