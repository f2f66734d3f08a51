//! Files of the assets folder, mapped read-only and sealed. Cells never open a file themselves.
use engine_sys::{Memfd, SealedMap};
use std::{
    collections::HashMap,
    path::{Component, Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
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
        Ok(Self { memory: Arc::new(SealedMemory { memfd, map }), len, version })
    }
}

/// All opened assets, shared by all cells.
#[derive(Debug)]
pub struct AssetStore {
    root: PathBuf,
    open: Mutex<HashMap<String, (blake3::Hash, Asset)>>,
}

impl AssetStore {
    /// Returns a store over the folder `root`.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root, open: Mutex::default() }
    }

    /// Returns the folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the file that the asset path `path` names.
    ///
    /// # Errors
    /// [`AssetError::Outside`] for absolute paths and ones with `..`.
    pub fn resolve(&self, path: &str) -> Result<PathBuf, AssetError> {
        let inside = Path::new(path).components().all(|c| matches!(c, Component::Normal(_)));
        if path.is_empty() || !inside {
            return Err(AssetError::Outside(path.to_owned()));
        }
        Ok(self.root.join(path))
    }

    /// Opens an asset; one that is open already is read again only after [`AssetStore::refresh`].
    ///
    /// # Errors
    /// [`AssetError`].
    pub fn open(&self, path: &str) -> Result<Asset, AssetError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, asset)) = open.get(path) {
            return Ok(asset.clone());
        }
        let (hash, memory, len) = self.read(path)?;
        let asset = Asset { memory: Arc::new(memory), len, version: 1 };
        open.insert(path.to_owned(), (hash, asset.clone()));
        Ok(asset)
    }

    /// Reads an open asset again. Returns whether its content changed.
    ///
    /// # Errors
    /// [`AssetError`]; the old content stays then.
    pub fn refresh(&self, path: &str) -> Result<bool, AssetError> {
        let (hash, memory, len) = self.read(path)?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(path) {
            Some((old, asset)) if *old != hash => {
                *old = hash;
                *asset = Asset { memory: Arc::new(memory), len, version: asset.version + 1 };
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn read(&self, path: &str) -> Result<(blake3::Hash, SealedMemory, usize), AssetError> {
        let file = self.resolve(path)?;
        let read = |source| AssetError::Read { path: file.clone(), source };
        let bytes = std::fs::metadata(&file).map_err(read)?.len();
        if bytes > MAX_BYTES {
            return Err(AssetError::TooLarge { path: file, bytes });
        }
        let bytes = std::fs::read(&file).map_err(read)?;
        let memory = seal(path, &[&bytes]).map_err(|what| AssetError::Memory { path: file, what })?;
        Ok((blake3::hash(&bytes), memory, bytes.len()))
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
mod tests {
    use super::*;

    #[test]
    fn assets_are_opened_once_and_refreshed_when_their_content_changes() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.txt"), "one").unwrap();
        let store = AssetStore::new(dir.path().to_owned());
        let a = store.open("a.txt").unwrap();
        assert_eq!(a.bytes(), b"one");
        assert!(!store.refresh("a.txt").unwrap(), "the same content is no change");
        std::fs::write(dir.path().join("a.txt"), "two").unwrap();
        assert!(store.refresh("a.txt").unwrap());
        let b = store.open("a.txt").unwrap();
        assert_eq!((b.bytes(), b.version), (&b"two"[..], 2));
        assert_eq!(a.bytes(), b"one", "a holder keeps the old bytes");
    }

    #[test]
    fn paths_stay_inside_the_folder() {
        let store = AssetStore::new(PathBuf::from("assets"));
        for bad in ["../secret", "/etc/passwd", "a/../../b", ""] {
            assert!(matches!(store.resolve(bad), Err(AssetError::Outside(_))), "{bad}");
        }
    }
}
