//! Sealed resources: written once, immutable, shared.
use core::{fmt, marker::PhantomData};

/// A sealed resource that fits ports of kind `K`, for example `Sealed<SealedTexture>`.
///
/// Made in `load` by [`crate::Load`]; bound in passes by `.bind(port, &sealed)`. It stays valid until the next
/// `load`; keep it in the cell's state.
pub struct Sealed<K> {
    pub(crate) id: u64,
    pub(crate) count: u32,
    kind: PhantomData<fn() -> K>,
}

impl<K> Sealed<K> {
    pub(crate) fn new(id: u64, count: u32) -> Self {
        Self { id, count, kind: PhantomData }
    }

    /// Returns the number of elements; 1 for a texture.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }
}

impl<K> Clone for Sealed<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Sealed<K> {}

impl<K> PartialEq for Sealed<K> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl<K> Eq for Sealed<K> {}

impl<K> fmt::Debug for Sealed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").field("id", &self.id).field("count", &self.count).finish()
    }
}
