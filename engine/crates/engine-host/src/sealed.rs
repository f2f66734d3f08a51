//! Sealed resources: written once, named by their content, shared by all cells and the renderer.
use crate::assets::seal;
use cell_abi::{SealDesc, SealKind, ports::TextureFormat};
use engine_sys::{Memfd, SealedMap};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

/// The most bytes that one cell may seal: 1 GiB.
pub const MAX_BYTES_PER_CELL: u64 = 1 << 30;

/// A sealed resource.
#[derive(Debug)]
pub struct Sealed {
    /// Its id: the first eight bytes of the BLAKE3 hash of its description and content.
    pub id: u64,
    /// The whole hash.
    pub hash: blake3::Hash,
    /// What it is.
    pub desc: SealDesc,
    /// Its bytes.
    pub map: SealedMap,
    /// How many of the mapped bytes count.
    pub len: usize,
}

impl AsRef<[u8]> for Sealed {
    fn as_ref(&self) -> &[u8] {
        &self.map[..self.len]
    }
}

/// Why something cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The description makes no sense.
    #[error("a sealed texture cannot be {width}x{height} with {mips} mip levels of format number {format}")]
    Texture {
        /// Width.
        width: u32,
        /// Height.
        height: u32,
        /// Mip levels.
        mips: u32,
        /// Format number.
        format: u32,
    },
    /// The bytes do not fit the description.
    #[error("a sealed texture of this size has {expected} bytes, not {found}")]
    Length {
        /// Bytes that the description asks for.
        expected: u64,
        /// Bytes given.
        found: u64,
    },
    /// An unknown kind.
    #[error("{0} is no kind of sealed resource that this engine knows")]
    Kind(u32),
    /// No memory.
    #[error("no memory to seal {0} bytes: {1}")]
    Memory(usize, String),
}

/// All sealed resources in use.
#[derive(Debug, Default)]
pub struct SealedStore {
    /// With whether the renderer has it.
    items: Mutex<HashMap<u64, (Arc<Sealed>, bool)>>,
}

impl SealedStore {
    /// Seals `bytes`; equal content is stored once.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal(&self, desc: SealDesc, bytes: &[u8]) -> Result<Arc<Sealed>, SealError> {
        check(&desc, bytes.len() as u64)?;
        self.keep(desc, bytes, || seal("sealed", &[bytes]).map(|s| s.map))
    }

    /// Seals the first `len` bytes of `memfd`, which another process has filled and no longer maps.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal_memfd(&self, desc: SealDesc, memfd: &Memfd, len: usize) -> Result<Arc<Sealed>, SealError> {
        check(&desc, len as u64)?;
        let memory = |e: String| SealError::Memory(len, e);
        memfd.seal_write().map_err(|e| memory(e.to_string()))?;
        let map = SealedMap::new(memfd).map_err(|e| memory(e.to_string()))?;
        let bytes = map.get(..len).ok_or_else(|| memory(format!("there are only {}", map.len())))?;
        // Mapped a second time, because the first map is borrowed; it costs no memory.
        self.keep(desc, bytes, || SealedMap::new(memfd).map_err(|e| e.to_string()))
    }

    fn keep(
        &self,
        desc: SealDesc,
        bytes: &[u8],
        map: impl FnOnce() -> Result<SealedMap, String>,
    ) -> Result<Arc<Sealed>, SealError> {
        let mut hasher = blake3::Hasher::new();
        for word in [desc.kind.0, desc.format, desc.width, desc.height, desc.mips] {
            hasher.update(&word.to_le_bytes());
        }
        hasher.update(bytes);
        let hash = hasher.finalize();
        let id = u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("a hash has 32 bytes"));
        if let Some(same) = self.get(id).filter(|s| s.hash == hash) {
            return Ok(same);
        }
        let map = map().map_err(|e| SealError::Memory(bytes.len(), e))?;
        let item = Arc::new(Sealed { id, hash, desc, map, len: bytes.len() });
        self.lock().insert(id, (Arc::clone(&item), false));
        Ok(item)
    }

    /// Returns the resource with this id.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<Arc<Sealed>> {
        self.lock().get(&id).map(|(s, _)| Arc::clone(s))
    }

    /// Notes that the renderer gets the resource now. Returns whether it did not have it.
    pub fn mark_sent(&self, id: u64) -> bool {
        self.lock().get_mut(&id).is_some_and(|entry| !std::mem::replace(&mut entry.1, true))
    }

    /// Drops everything but `live`, and returns the ids that the renderer has.
    pub fn collect_unused(&self, live: &BTreeSet<u64>) -> Vec<u64> {
        let mut sent = Vec::new();
        self.lock().retain(|id, (_, was_sent)| {
            let keep = live.contains(id);
            if !keep && *was_sent {
                sent.push(*id);
            }
            keep
        });
        sent.sort_unstable();
        sent
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, (Arc<Sealed>, bool)>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn check(desc: &SealDesc, found: u64) -> Result<(), SealError> {
    match desc.kind {
        SealKind::BUFFER => Ok(()),
        SealKind::TEXTURE_2D => {
            let SealDesc { format, width, height, mips, .. } = *desc;
            let bad = || SealError::Texture { width, height, mips, format };
            let f = TextureFormat::from_number(format).ok_or_else(bad)?;
            let range = 1..=8192;
            let most = 32 - width.max(height).leading_zeros();
            if !range.contains(&width) || !range.contains(&height) || !(1..=most).contains(&mips) {
                return Err(bad());
            }
            let expected = (0..mips)
                .map(|m| {
                    u64::from((width >> m).max(1)) * u64::from((height >> m).max(1)) * u64::from(f.bytes())
                })
                .sum();
            if expected == found { Ok(()) } else { Err(SealError::Length { expected, found }) }
        }
        SealKind(other) => Err(SealError::Kind(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texture(width: u32, height: u32, mips: u32) -> SealDesc {
        let format = TextureFormat::Rgba8Unorm as u32;
        SealDesc { size: 24, kind: SealKind::TEXTURE_2D, format, width, height, mips }
    }

    #[test]
    fn equal_content_is_stored_once_and_dropped_when_unused() {
        let store = SealedStore::default();
        let a = store.seal(texture(2, 1, 1), &[7; 8]).unwrap();
        let b = store.seal(texture(2, 1, 1), &[7; 8]).unwrap();
        let c = store.seal(texture(1, 2, 1), &[7; 8]).unwrap();
        assert!(Arc::ptr_eq(&a, &b));
        assert_ne!(a.id, c.id, "the description is part of the name");
        assert!(store.mark_sent(a.id) && !store.mark_sent(a.id), "sent once");
        let live = BTreeSet::from([c.id]);
        assert_eq!(store.collect_unused(&live), [a.id], "the renderer is told of what it has");
        assert!(store.get(c.id).is_some());
    }

    #[test]
    fn wrong_sizes_are_refused() {
        let store = SealedStore::default();
        assert!(matches!(
            store.seal(texture(2, 2, 2), &[0; 16]),
            Err(SealError::Length { expected: 20, .. })
        ));
        assert!(matches!(store.seal(texture(0, 2, 1), &[]), Err(SealError::Texture { .. })));
        assert!(matches!(store.seal(texture(4, 4, 4), &[0; 84]), Err(SealError::Texture { .. })));
    }
}
