//! Files of the assets folder, mapped read-only and sealed. Cells never open a file themselves.
//!
//! A file is read on the thread of the cell that asks for it, or by a worker after it was saved; whoever asks for the
//! same file meanwhile waits, everybody else does not. A content is kept as long as an instance uses it.
mod reader;

pub use reader::Refreshed;

use engine_sys::{Memfd, SealedMap};
use reader::Refreshing;
use std::{
    collections::HashMap,
    path::{Component, Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// The largest file that a cell may open: 1 GiB.
const MAX_BYTES: u64 = 1 << 30;

/// Why an asset cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum AssetError {
    /// The path leaves the assets folder.
    #[error("the asset path `{0}` leaves the assets folder; name a file below assets/ without `..`")]
    Outside(String),
    /// The file cannot be read.
    #[error("the asset {path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A folder, a pipe, a device.
    #[error("the asset {path} is no file")]
    NoFile {
        /// The path.
        path: PathBuf,
    },
    /// The file is too large.
    #[error("the asset {path} has {bytes} bytes; the most is {MAX_BYTES}")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// No memory for it.
    #[error("no memory for the asset {path}: {what}")]
    Memory {
        /// The file.
        path: PathBuf,
        /// The cause.
        what: String,
    },
}

/// Sealed memory: its descriptor, for other processes, and this process's map.
#[derive(Debug)]
pub(crate) struct SealedMemory {
    pub(crate) memfd: Memfd,
    pub(crate) map: SealedMap,
}

/// An opened asset.
#[derive(Clone, Debug)]
pub struct Asset {
    memory: Arc<SealedMemory>,
    len: usize,
    /// Rises when the file's content changed.
    pub version: u64,
    /// The hash of its content, where this process has read the file.
    pub hash: Option<blake3::Hash>,
}

impl Asset {
    /// Returns its bytes. They are sealed: nobody can change them any more.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.memory.map[..self.len]
    }

    /// Returns the sealed memory that holds it, for another process.
    #[must_use]
    pub fn memfd(&self) -> &Memfd {
        &self.memory.memfd
    }

    /// Takes over an asset that another process sealed: the first `len` bytes of `memfd`.
    ///
    /// # Errors
    /// What the system says when it cannot be mapped, or that it is not sealed or too short.
    pub fn from_memfd(memfd: Memfd, len: usize, version: u64) -> Result<Self, String> {
        let map = SealedMap::new(&memfd).map_err(|e| e.to_string())?;
        if map.len() < len {
            return Err(format!("the asset has {} bytes, not {len}", map.len()));
        }
        Ok(Self { memory: Arc::new(SealedMemory { memfd, map }), len, version, hash: None })
    }
}

/// All opened assets, shared by all cells.
#[derive(Debug)]
pub struct AssetStore(Arc<Files>);

/// The files that were asked for.
#[derive(Debug)]
struct Files {
    root: PathBuf,
    /// Locked for a look only; reading happens under the lock of the one file.
    known: Mutex<HashMap<String, Arc<Mutex<Known>>>>,
    refreshing: Mutex<Refreshing>,
}

/// What is known of a file.
#[derive(Debug, Default)]
struct Known {
    /// The hash of the content that was read last.
    hash: Option<blake3::Hash>,
    version: u64,
    /// Its memory, while an instance uses it.
    memory: Weak<SealedMemory>,
    len: usize,
}

impl AssetStore {
    /// Returns a store over the folder `root`.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self(Arc::new(Files { root, known: Mutex::default(), refreshing: Mutex::default() }))
    }

    /// Returns the folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    /// Returns the file that the asset path `path` names.
    ///
    /// # Errors
    /// [`AssetError::Outside`] for absolute paths and ones with `..`.
    pub fn resolve(&self, path: &str) -> Result<PathBuf, AssetError> {
        self.0.resolve(path)
    }

    /// Returns the paths of the assets that are in use, also by an instance that was replaced.
    #[must_use]
    pub fn in_use(&self) -> Vec<String> {
        let all = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        // A locked one is being read.
        let used = |k: &Mutex<Known>| k.try_lock().map_or(true, |k| k.memory.strong_count() > 0);
        all.iter().filter(|(_, known)| used(known)).map(|(path, _)| path.clone()).collect()
    }

    /// Opens an asset. One that is in use already is the same; it is read again only by
    /// [`AssetStore::refresh_soon`].
    ///
    /// # Errors
    /// [`AssetError`].
    pub fn open(&self, path: &str) -> Result<Asset, AssetError> {
        self.0.resolve(path)?;
        let known = self.0.known(path)?;
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.in_use() {
            Some(asset) => Ok(asset),
            None => self.0.read(path, &mut known),
        }
    }
}

impl Known {
    fn in_use(&self) -> Option<Asset> {
        Some(Asset { memory: self.memory.upgrade()?, len: self.len, version: self.version, hash: self.hash })
    }
}

impl Files {
    fn resolve(&self, path: &str) -> Result<PathBuf, AssetError> {
        let inside = Path::new(path).components().all(|c| matches!(c, Component::Normal(_)));
        if path.is_empty() || !inside {
            return Err(AssetError::Outside(path.to_owned()));
        }
        Ok(self.root.join(path))
    }

    /// Returns the file at `path`, if it is one and not too large.
    fn find(&self, path: &str) -> Result<PathBuf, AssetError> {
        let path = self.resolve(path)?;
        match std::fs::metadata(&path) {
            Err(source) => Err(AssetError::Read { path, source }),
            Ok(metadata) if !metadata.is_file() => Err(AssetError::NoFile { path }),
            Ok(metadata) if metadata.len() > MAX_BYTES => {
                Err(AssetError::TooLarge { path, bytes: metadata.len() })
            }
            Ok(_) => Ok(path),
        }
    }

    /// Returns what is known of a file that is there or was there when somebody first asked for it: of the names of
    /// others nothing is kept.
    fn known(&self, path: &str) -> Result<Arc<Mutex<Known>>, AssetError> {
        let all = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all().get(path) {
            return Ok(Arc::clone(known));
        }
        self.find(path)?;
        Ok(Arc::clone(all().entry(path.to_owned()).or_default()))
    }

    /// Reads a file and takes it as its newest content; the memory stays the same when the content does.
    fn read(&self, path: &str, known: &mut Known) -> Result<Asset, AssetError> {
        let file = self.find(path)?;
        let bytes = std::fs::read(&file).map_err(|source| AssetError::Read { path: file.clone(), source })?;
        let hash = blake3::hash(&bytes);
        let same = known.hash == Some(hash);
        if let Some(asset) = known.in_use().filter(|_| same) {
            return Ok(asset);
        }
        let memory = seal(path, &[&bytes]).map_err(|what| AssetError::Memory { path: file, what })?;
        let memory = Arc::new(memory);
        *known = Known {
            hash: Some(hash),
            version: known.version + u64::from(!same),
            memory: Arc::downgrade(&memory),
            len: bytes.len(),
        };
        Ok(Asset { memory, len: bytes.len(), version: known.version, hash: Some(hash) })
    }
}

/// Copies `parts`, one after the other, into a new memfd and seals it for good.
pub(crate) fn seal(name: &str, parts: &[&[u8]]) -> Result<SealedMemory, String> {
    let len: usize = parts.iter().map(|p| p.len()).sum();
    // A mapping has at least one byte; the sealed length is what counts.
    let memfd = Memfd::create(name, len.max(1)).map_err(|e| e.to_string())?;
    {
        let map = engine_sys::MapRw::new(&memfd).map_err(|e| e.to_string())?;
        let mut at = 0;
        for part in parts {
            map.copy_in(part, at).map_err(|e| e.to_string())?;
            at += part.len();
        }
    }
    memfd.seal_write().map_err(|e| e.to_string())?;
    let map = SealedMap::new(&memfd).map_err(|e| e.to_string())?;
    Ok(SealedMemory { memfd, map })
}

#[cfg(test)]
mod tests;
