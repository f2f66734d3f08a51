//! What this process knows of the builds: which cells did not compile, and which libraries it has read already.
use super::{
    BuiltCell,
    leases::{Lease, Turn},
};
use crate::locks::LockFault;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
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
    /// Cells that were built and are not what their lock says, by their folders.
    refused: BTreeMap<PathBuf, LockFault>,
    /// Libraries by where cargo puts them.
    staged: HashMap<PathBuf, (FileStamp, BuiltCell)>,
    /// The copies that cells of this process may be started from, in the order in which they were made.
    copies: Vec<PathBuf>,
    /// This process's claim on them.
    lease: Option<Lease>,
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

    /// Notes a build of the cells in `all`: those in `failed` did not compile, those in `refused` are not what their
    /// lock says.
    pub(super) fn built(
        &self,
        all: impl Iterator<Item = PathBuf>,
        failed: impl Iterator<Item = PathBuf>,
        refused: impl Iterator<Item = (PathBuf, LockFault)>,
    ) {
        let mut known = self.lock();
        for folder in all {
            known.failed.remove(&folder);
            known.refused.remove(&folder);
        }
        known.failed.extend(failed);
        known.refused.extend(refused);
    }

    /// Returns why the last build of a cell may not run though it compiled.
    pub(super) fn refused(&self, folder: &Path) -> Option<LockFault> {
        self.lock().refused.get(folder).cloned()
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
        known.staged.insert(library, (stamp, built));
    }

    /// Claims a copy in `folder` before it is made or used.
    pub(super) fn claim(&self, folder: &Path, copy: &Path, turn: &Turn) -> io::Result<()> {
        let mut known = self.lock();
        if known.copies.iter().any(|c| c == copy) {
            return Ok(());
        }
        if known.lease.is_none() {
            known.lease = Some(Lease::new(folder, turn)?);
        }
        let name = copy.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if let Some(lease) = &mut known.lease {
            lease.claim(name, turn)?;
        }
        known.copies.push(copy.to_owned());
        Ok(())
    }

    /// Forgets the copies that `which` picks, and returns them.
    pub(super) fn give_up(&self, which: impl FnOnce(&[PathBuf]) -> BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
        let mut known = self.lock();
        let given_up = which(&known.copies);
        known.copies.retain(|c| !given_up.contains(c));
        given_up
    }

    /// Returns the copies that this process has claimed.
    pub(super) fn copies(&self) -> Vec<PathBuf> {
        self.lock().copies.clone()
    }

    /// Changes this process's claim, if it has one. What fails is claimed still.
    pub(super) fn with_lease(&self, change: impl FnOnce(&mut Lease) -> io::Result<()>) {
        if let Some(lease) = &mut self.lock().lease
            && let Err(error) = change(lease)
        {
            tracing::debug!("old builds stay claimed: {error}");
        }
    }

    #[cfg(test)]
    pub(super) fn reads(&self) -> usize {
        self.lock().reads
    }
}
