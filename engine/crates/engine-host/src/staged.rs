//! The file of a built cell, opened for a child that is to load it.
//!
//! The child gets the descriptor and never the name: what it loads is what was looked at here, though the file be
//! replaced meanwhile.
use crate::library::{LibraryError, ports_of};
use std::{
    collections::HashMap,
    fs::File,
    io::{Read as _, Seek as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

/// How many digits of its content's hash are in a staged file's name.
pub(crate) const HASH_DIGITS: usize = 16;

/// What tells that a file is still the one that was read: any change of its content changes the last two.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp([u64; 3], [i64; 2]);

impl Stamp {
    fn of(file: &File) -> std::io::Result<Self> {
        let m = file.metadata()?;
        Ok(Self([m.dev(), m.ino(), m.size()], [m.ctime(), m.ctime_nsec()]))
    }
}

/// Opens the staged library at `path` and makes sure that it is a cell and has the content that its name says. A file
/// is read once as long as it stays the same.
///
/// # Errors
/// [`LibraryError`]: it cannot be read, is no cell of a fitting ABI, or was changed.
pub(crate) fn open(path: &Path) -> Result<File, LibraryError> {
    static SEEN: OnceLock<Mutex<HashMap<PathBuf, Stamp>>> = OnceLock::new();
    let io = |source| LibraryError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(io)?;
    // Before it is read: a change while it is read is seen the next time. (Another engine, which marks the file as used, changes the stamp too.)
    let stamp = Stamp::of(&file).map_err(io)?;
    let seen = || SEEN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if seen().get(path) == Some(&stamp) {
        return Ok(file);
    }
    let mut elf = Vec::new();
    file.read_to_end(&mut elf).map_err(io)?;
    ports_of(&elf, path)?;
    let hash = blake3::hash(&elf).to_hex();
    let name = path.file_stem().and_then(|n| n.to_str()).unwrap_or_default();
    if name.rsplit_once('-').is_none_or(|(_, digits)| digits != &hash[..HASH_DIGITS]) {
        return Err(LibraryError::Changed { path: path.to_owned() });
    }
    // The child shares the descriptor's place.
    file.rewind().map_err(io)?;
    seen().insert(path.to_owned(), stamp);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_cell_or_cannot_be_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes-0123456789abcdef.so");
        assert!(matches!(open(&path), Err(LibraryError::Read { .. })));
        std::fs::write(&path, "hello").unwrap();
        assert!(matches!(open(&path), Err(LibraryError::NotElf { .. })));
    }
}
