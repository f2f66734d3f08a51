//! The hashes of a session: of an item, and of a frame with all before it.

/// The first half of an item's BLAKE3 hash.
pub(super) type ItemHash = [u8; 16];

/// The first half of the BLAKE3 hash of a frame's items and of the frame before's.
pub type FrameHash = [u8; 16];

pub(super) fn item_hash(bytes: &[u8]) -> ItemHash {
    half(&blake3::hash(bytes))
}

fn half(hash: &blake3::Hash) -> [u8; 16] {
    *hash.as_bytes().first_chunk().expect("a hash has 32 bytes")
}

/// Hashes a frame's items in their order.
pub(super) struct FrameHasher(blake3::Hasher);

impl FrameHasher {
    pub(super) fn after(before: &FrameHash) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(before);
        Self(hasher)
    }

    pub(super) fn add(&mut self, cell: &str, resource: &str, tick: u64, len: usize, hash: &ItemHash) {
        for text in [cell, resource] {
            self.0.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
        self.0.update(&tick.to_le_bytes()).update(&(len as u64).to_le_bytes()).update(hash);
    }

    pub(super) fn finish(self) -> FrameHash {
        half(&self.0.finalize())
    }
}
