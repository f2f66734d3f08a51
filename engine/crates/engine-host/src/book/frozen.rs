//! What an owner had published when another instance took its place, kept until it is known that the other one stays.
use super::{DeclaredBuffer, Entry, SlotBook, is_same, same, sum};
use crate::memory::{MemoryTable, Region};
use engine_frame::{
    plan::BufferId,
    slots::{Published, SlotTable},
};
use std::sync::Arc;

/// The publications of one owner. See the module's text.
pub(super) struct Frozen {
    pub(super) region: Arc<Region>,
    declared: Vec<DeclaredBuffer>,
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

    /// Returns what it had published of a buffer that is declared alike: before the newest, and the newest.
    pub(super) fn published(&self, of: &DeclaredBuffer) -> (Option<Published>, Option<Published>) {
        let is_alike = self.declared.iter().any(|b| is_same(b, of));
        let frozen = self.buffers.iter().find(|b| is_alike && b.buffer == of.buffer);
        frozen.map_or((None, None), |b| (b.previous, b.latest))
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
        let (declared, region) = (declared.clone(), Arc::clone(region));
        let mut buffers = Vec::new();
        for buffer in declared.iter().map(|b| b.buffer) {
            let Some(e) = self.entry(buffer) else { continue };
            let (latest, previous) = (e.table.latest(), e.table.previous());
            let frozen = FrozenBuffer { buffer, generation: e.generation, latest, previous, table: None };
            for slot in frozen.held() {
                e.table.hold(slot);
            }
            buffers.push(frozen);
        }
        self.frozen.insert(Arc::clone(owner), Frozen { region, declared, buffers });
    }

    /// Goes back to what `owner` had published when it was frozen. If its buffers are declared otherwise by now, or it
    /// is switched off, that is lost.
    pub fn thaw(&mut self, owner: &str) {
        let Some(Frozen { region, declared, buffers }) = self.frozen.remove(owner) else { return };
        // Those that rest may lie in memory of the other instance.
        let rests = self.resting.remove(owner).is_some();
        let now = self.regions.get(owner).filter(|(now, _)| same(declared.iter(), now));
        if rests || now.is_none() {
            return;
        }
        let mut moved = false;
        for mut b in buffers {
            let Some(e) = self.entry(b.buffer) else { continue };
            if e.generation != b.generation {
                let Some(table) = b.table.take() else { continue };
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

    /// Keeps tables of `owner` that are in use no more, as far as an instance that waits may come back to them.
    pub(super) fn keep_frozen(&mut self, owner: &str, entries: Vec<Entry>) {
        let Some(frozen) = self.frozen.get_mut(owner) else { return };
        for e in entries {
            frozen.keep(e.declared.buffer, e.generation, e.table);
        }
    }

    /// Forgets what was kept of `owner`: the other instance stays.
    pub fn discard(&mut self, owner: &str) {
        for b in self.frozen.remove(owner).into_iter().flat_map(|f| f.buffers) {
            // Its owner may be switched off meanwhile: then its table rests.
            for slot in b.held() {
                self.release(b.buffer, b.generation, slot);
            }
        }
    }
}

#[cfg(test)]
mod tests;
