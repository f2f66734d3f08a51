//! What an owner had published when another instance took its place, kept until it is known that the other one stays.
use super::{DeclaredBuffer, SlotBook, sum};
use crate::memory::{MemoryTable, Region};
use engine_frame::{
    plan::BufferId,
    slots::{Published, SlotTable},
};
use std::sync::Arc;

/// The publications of one owner. See the module's text.
pub(super) struct Frozen {
    region: Arc<Region>,
    buffers: Vec<FrozenBuffer>,
}

struct FrozenBuffer {
    buffer: BufferId,
    /// The generation of the table in which its publications are held.
    generation: u32,
    latest: Option<Published>,
    previous: Option<Published>,
    /// That table, once the other instance has one of its own: its holders still count on it.
    table: Option<SlotTable>,
}

impl FrozenBuffer {
    fn held(&self) -> impl Iterator<Item = u8> {
        [self.latest, self.previous].into_iter().flatten().map(|p| p.slot)
    }
}

impl Frozen {
    /// Returns a table that the other instance has no use for.
    pub(super) fn table(&mut self, buffer: BufferId, generation: u32) -> Option<&mut SlotTable> {
        let is = |b: &&mut FrozenBuffer| (b.buffer, b.generation) == (buffer, generation);
        self.buffers.iter_mut().find(is)?.table.as_mut()
    }

    /// Keeps the table of a buffer that has another one from now on.
    pub(super) fn keep(&mut self, buffer: BufferId, generation: u32, table: SlotTable) {
        let is = |b: &&mut FrozenBuffer| (b.buffer, b.generation) == (buffer, generation);
        if let Some(b) = self.buffers.iter_mut().find(is) {
            b.table = Some(table);
        }
    }
}

impl SlotBook {
    /// Keeps what `owner` has published, while another instance takes its place: until [`SlotBook::thaw`] or
    /// [`SlotBook::discard`].
    pub fn freeze(&mut self, owner: &Arc<str>) {
        self.discard(owner);
        let Some((declared, region)) = self.regions.get(owner) else { return };
        let region = Arc::clone(region);
        let ids: Vec<BufferId> = declared.iter().map(|b| b.buffer).collect();
        let mut buffers = Vec::new();
        for buffer in ids {
            let Some(e) = self.entry(buffer) else { continue };
            let (latest, previous) = (e.table.latest(), e.table.previous());
            let frozen = FrozenBuffer { buffer, generation: e.generation, latest, previous, table: None };
            for slot in frozen.held() {
                e.table.hold(slot);
            }
            buffers.push(frozen);
        }
        self.frozen.insert(Arc::clone(owner), Frozen { region, buffers });
    }

    /// Goes back to what `owner` had published when it was frozen. What its buffers are no longer declared as is lost.
    pub fn thaw(&mut self, owner: &str) {
        let Some(Frozen { region, buffers }) = self.frozen.remove(owner) else { return };
        let mut moved = false;
        for mut b in buffers {
            let Some(e) = self.entry(b.buffer) else { continue };
            if e.generation != b.generation {
                let same = |t: &SlotTable, d: &DeclaredBuffer| t.capacity() == d.capacity;
                let Some(table) = b.table.take().filter(|t| same(t, &e.declared)) else { continue };
                let left = std::mem::replace(&mut e.table, table);
                // Its own count was added to the past when it was put aside.
                e.past = sum(e.past, left.counters());
                e.table.forget_counters();
                e.generation = b.generation;
                moved = true;
            }
            e.table.go_back(b.latest, b.previous);
            for slot in b.held() {
                e.table.release(slot);
            }
        }
        if moved && let Some(entry) = self.regions.get_mut(owner) {
            entry.1 = Arc::clone(&region);
            let mut memory = MemoryTable::clone(&self.memory);
            memory.insert(&region);
            self.memory = Arc::new(memory);
        }
    }

    /// Forgets what was kept of `owner`: the other instance stays.
    pub fn discard(&mut self, owner: &str) {
        for b in self.frozen.remove(owner).into_iter().flat_map(|f| f.buffers) {
            if let Some(e) = self.entry(b.buffer).filter(|e| e.generation == b.generation) {
                for slot in b.held() {
                    e.table.release(slot);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
