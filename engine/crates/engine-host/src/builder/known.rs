//! What this process knows of the builds: which cells did not compile, and which libraries it has read already.
use super::BuiltCell;
use std::{
    collections::{BTreeSet, HashMap},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Shared by all clones of a [`super::Project`].
#[derive(Debug, Default)]
pub struct KnownBuilds(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Cells whose last build in this process failed, by their folders.
    failed: BTreeSet<PathBuf>,
    /// Libraries by where cargo puts them.
    staged: HashMap<PathBuf, (FileStamp, BuiltCell)>,
    /// The copies that cells of this process were or are started from.
    copies: BTreeSet<PathBuf>,
    /// How often a library was read and hashed.
    #[cfg(test)]
    pub(super) reads: usize,
}

/// Tells one content of a file from the next without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileStamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileStamp {
    pub(super) fn of(path: &Path) -> Option<Self> {
        let m = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        Some(Self {
            inode: m.ino(),
            size: m.size(),
            modified: (m.mtime(), m.mtime_nsec()),
            changed: (m.ctime(), m.ctime_nsec()),
        })
    }
}

impl KnownBuilds {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a build of the cells in `all`: those in `failed` did not compile.
    pub(super) fn built(&self, all: impl Iterator<Item = PathBuf>, failed: impl Iterator<Item = PathBuf>) {
        let mut known = self.lock();
        for folder in all {
            known.failed.remove(&folder);
        }
        known.failed.extend(failed);
    }

    pub(super) fn has_failed(&self, folder: &Path) -> bool {
        self.lock().failed.contains(folder)
    }

    /// Returns the library as it was staged, if it is still the same.
    pub(super) fn staged(&self, library: &Path, stamp: FileStamp) -> Option<BuiltCell> {
        let known = self.lock();
        let (_, built) = known.staged.get(library).filter(|(s, b)| *s == stamp && b.path.is_file())?;
        Some(built.clone())
    }

    pub(super) fn stage(&self, library: PathBuf, stamp: FileStamp, built: BuiltCell) {
        let mut known = self.lock();
        #[cfg(test)]
        {
            known.reads += 1;
        }
        known.copies.insert(built.path.clone());
        known.staged.insert(library, (stamp, built));
    }

    /// Returns whether this process has staged this copy: a cell may be started from it again.
    pub(super) fn names(&self, copy: &Path) -> bool {
        self.lock().copies.contains(copy)
    }

    #[cfg(test)]
    pub(super) fn reads(&self) -> usize {
        self.lock().reads
    }
}
