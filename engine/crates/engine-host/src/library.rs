//! A built cell: its port table and the shape of its state, read from the file before any of its code runs, and its
//! loaded library.
#![expect(unsafe_code, reason = "loading a library runs foreign code and reads its exported table")]

use cell_abi::{
    ABI_MAJOR, CELL_TABLE_SYMBOL, CellTable, PORTS_SECTION, SHAPE_SECTION, ports::PortTable,
    shape::ShapeSection, table::FLAG_UNWIND,
};
use engine_frame::plain::plain;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use object::{Object, ObjectSection, ObjectSymbol};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// Why a file is no cell that can run here.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is no shared library.
    #[error("{path} is no shared library ({what}); build the cell with `crate-type = [\"cdylib\"]`")]
    NotElf {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        what: String,
    },
    /// It has no port table.
    #[error(
        "C0007: {path} is no cell: it has no section {PORTS_SECTION}; declare its ports with `signal_receptor!` \
         and end with `cell::export!`; see docs/errors/C0007.md"
    )]
    NoPorts {
        /// The file.
        path: PathBuf,
    },
    /// Its port table is broken.
    #[error(
        "C0007: {path} has a broken port table: {what}; rebuild it with this engine's `cell` crate; see \
         docs/errors/C0007.md"
    )]
    BadPorts {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The shape of its saved state is broken.
    #[error(
        "C0007: {path} has a broken section {SHAPE_SECTION}: {what}; rebuild it with this engine's `cell` crate; see \
         docs/errors/C0007.md"
    )]
    BadShape {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// It was built for another ABI.
    #[error(
        "{path} was built for cell ABI {major}.{minor}, this engine speaks {}.x; rebuild it with this engine's \
         `cell` crate",
        ABI_MAJOR
    )]
    Abi {
        /// The file.
        path: PathBuf,
        /// Its major version.
        major: u16,
        /// Its minor version.
        minor: u16,
    },
    /// The dynamic linker refused it.
    #[error("{path} cannot be loaded: {source}")]
    Load {
        /// The file.
        path: PathBuf,
        /// The linker's words.
        source: libloading::Error,
    },
    /// It has no exported table.
    #[error("{path} exports no {CELL_TABLE_SYMBOL}; end the cell with `cell::export!(Type);`")]
    NoTable {
        /// The file.
        path: PathBuf,
    },
    /// Its content is not what its name says.
    #[error(
        "{path} was changed since it was built: its content does not fit its name; delete the file, the engine makes it \
         anew from the build"
    )]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// It aborts on panic, so that a panic in it would end the engine.
    #[error("{path} was built with `panic = \"abort\"`; cells need `panic = \"unwind\"`")]
    Abort {
        /// The file.
        path: PathBuf,
    },
}

/// Reads the port table of the library at `path` without running any of its code.
///
/// # Errors
/// [`LibraryError`] when it is no cell of a fitting ABI.
pub fn read_ports(path: &Path) -> Result<PortTable, LibraryError> {
    let bytes = std::fs::read(path).map_err(|source| LibraryError::Read { path: path.to_owned(), source })?;
    ports_of(&bytes, path)
}

/// Reads what the library at `path` says of itself, without running any of its code: its port table, and the shape of the
/// state that it keeps.
///
/// # Errors
/// [`LibraryError`] when it is no cell of a fitting ABI, or says it in a way that cannot be read.
pub fn read_record(path: &Path) -> Result<(PortTable, Option<ShapeSection>), LibraryError> {
    let bytes = std::fs::read(path).map_err(|source| LibraryError::Read { path: path.to_owned(), source })?;
    Ok((ports_of(&bytes, path)?, shape_of(&bytes, path)?))
}

/// Reads the port table out of the content `elf` of the library at `path`.
///
/// # Errors
/// [`LibraryError`] when it is no cell of a fitting ABI.
pub fn ports_of(elf: &[u8], path: &Path) -> Result<PortTable, LibraryError> {
    let path = || path.to_owned();
    let file = object::File::parse(elf).map_err(|e| LibraryError::NotElf { path: path(), what: said(&e) })?;
    let section =
        file.section_by_name(PORTS_SECTION).ok_or_else(|| LibraryError::NoPorts { path: path() })?;
    let data = section.data().map_err(|e| LibraryError::BadPorts { path: path(), what: said(&e) })?;
    let text =
        std::str::from_utf8(data).map_err(|e| LibraryError::BadPorts { path: path(), what: said(&e) })?;
    let table =
        PortTable::parse(text).map_err(|e| LibraryError::BadPorts { path: path(), what: said(&e) })?;
    if table.abi.0 != ABI_MAJOR {
        return Err(LibraryError::Abi { path: path(), major: table.abi.0, minor: table.abi.1 });
    }
    let is_exported = |s: object::Symbol<'_, '_>| s.name_bytes() == Ok(CELL_TABLE_SYMBOL.as_bytes());
    if !file.dynamic_symbols().any(is_exported) {
        return Err(LibraryError::NoTable { path: path() });
    }
    Ok(table)
}

/// Returns what is wrong with a file, which may be a stranger's: words of it are in the sentence.
fn said(error: &impl std::fmt::Display) -> String {
    plain(&error.to_string()).into_owned()
}

/// Returns the text of a library's port table.
#[must_use]
pub fn ports_section(elf: &[u8]) -> Option<&[u8]> {
    object::File::parse(elf).ok()?.section_by_name(PORTS_SECTION)?.data().ok()
}

/// Reads the shape of the state that the cell keeps out of the content `elf` of the library at `path`; `None` when it
/// keeps none.
///
/// # Errors
/// [`LibraryError`] when it is no library, or its shape is broken.
pub fn shape_of(elf: &[u8], path: &Path) -> Result<Option<ShapeSection>, LibraryError> {
    let path = || path.to_owned();
    let file = object::File::parse(elf).map_err(|e| LibraryError::NotElf { path: path(), what: said(&e) })?;
    let Some(section) = file.section_by_name(SHAPE_SECTION) else { return Ok(None) };
    let data = section.data().map_err(|e| LibraryError::BadShape { path: path(), what: said(&e) })?;
    ShapeSection::parse(data).map_err(|e| LibraryError::BadShape { path: path(), what: said(&e) })
}

/// A loaded cell library. Never unloaded: its code may be referenced for as long as the process lives.
#[derive(Debug)]
pub struct CellLibrary {
    /// The file it was loaded from: one per content.
    pub path: PathBuf,
    /// What it declares.
    pub ports: Arc<PortTable>,
    /// Its functions.
    pub(crate) table: CellTable,
}

/// Loads each build once per process.
#[derive(Debug, Default)]
pub struct Libraries {
    loaded: Mutex<HashMap<PathBuf, Arc<CellLibrary>>>,
}

impl Libraries {
    /// Loads the cell at `path`, or returns it when this very file is loaded already. `path` must be named by
    /// its content (see [`crate::builder`]): the dynamic linker returns the old code for an old name.
    ///
    /// # Errors
    /// [`LibraryError`] when it is no cell of a fitting ABI, or cannot be loaded.
    pub fn load(&self, path: &Path) -> Result<Arc<CellLibrary>, LibraryError> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(l) = loaded.get(path) {
            return Ok(Arc::clone(l));
        }
        let elf =
            std::fs::read(path).map_err(|source| LibraryError::Read { path: path.to_owned(), source })?;
        let library = Arc::new(Declared::read(&elf, path)?.load(path, path)?);
        loaded.insert(path.to_owned(), Arc::clone(&library));
        Ok(library)
    }
}

/// What the file of a library says before any of its code runs.
#[derive(Debug)]
pub(crate) struct Declared {
    ports: Arc<PortTable>,
}

impl Declared {
    /// Reads it from the content of the library at `path`.
    pub(crate) fn read(elf: &[u8], path: &Path) -> Result<Self, LibraryError> {
        Ok(Self { ports: Arc::new(ports_of(elf, path)?) })
    }

    /// Loads the library at `path`, which this process finds at `here`.
    pub(crate) fn load(self, path: &Path, here: &Path) -> Result<CellLibrary, LibraryError> {
        let at = || path.to_owned();
        // SAFETY: constructors of the library run here. In the engine they are trusted code of this workspace
        // (design.md, section 9), in a child they are in its jail; the port table was read and its ABI checked first.
        // The library is never closed, so its code and statics stay valid.
        let library = unsafe { Library::open(Some(here), RTLD_NOW | RTLD_LOCAL) }
            .map_err(|source| LibraryError::Load { path: at(), source })?;
        // SAFETY: the symbol is a static `CellTable`; its first eight bytes (size and ABI) are the same in
        // every version, and are checked before the rest is read.
        let table = unsafe {
            let symbol = library
                .get::<*const CellTable>(CELL_TABLE_SYMBOL.as_bytes())
                .map_err(|_| LibraryError::NoTable { path: at() })?;
            let table: *const CellTable = *symbol;
            let Some(copied) = CellTable::copied(table) else {
                let (major, minor) = ((*table).abi_major, (*table).abi_minor);
                std::mem::forget(library);
                return Err(LibraryError::Abi { path: at(), major, minor });
            };
            copied
        };
        std::mem::forget(library);
        if table.flags & FLAG_UNWIND == 0 {
            return Err(LibraryError::Abort { path: at() });
        }
        Ok(CellLibrary { path: at(), ports: self.ports, table })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_cells_are_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let text = dir.path().join("notes.so");
        std::fs::write(&text, "hello").unwrap();
        assert!(matches!(read_ports(&text), Err(LibraryError::NotElf { .. })));
        let missing = dir.path().join("none.so");
        assert!(matches!(read_ports(&missing), Err(LibraryError::Read { .. })));
        let exe = std::env::current_exe().unwrap();
        assert!(matches!(read_ports(&exe), Err(LibraryError::NoPorts { .. })));
    }
}
