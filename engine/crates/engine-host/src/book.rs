//! All buffers: their slot tables and their memory, kept together through coming and going of owners.
mod frozen;
mod resting;

use crate::{
    memory::{BufferSize, MemoryTable, Region, RegionError},
    renewal::Renewal,
};
use cell_abi::{DirtyRange, header::Publication};
use engine_frame::{
    plan::BufferId,
    slots::{Grant, PublicationFault, Published, SlotCounters, SlotTable},
};
use engine_scene::Placement;
use std::{collections::BTreeMap, sync::Arc};

/// A buffer as the contracts declare it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredBuffer {
    /// Its id.
    pub buffer: BufferId,
    /// Its owner's name.
    pub owner: Arc<str>,
    /// Bytes of a slot.
    pub capacity: u32,
    /// Bytes of an element.
    pub element_size: u32,
    /// Whether some reader wants the publication before the newest too.
    pub history: bool,
    /// Where the owner runs: who writes the region.
    pub placement: Placement,
}

struct Entry {
    table: SlotTable,
    /// Tells one life of the id from the next: what belongs to an earlier one is ignored.
    generation: u32,
    declared: DeclaredBuffer,
    /// What earlier tables of the buffer counted.
    past: SlotCounters,
}

/// All buffers.
#[derive(Default)]
pub struct SlotBook {
    entries: Vec<Option<Entry>>,
    generation: u32,
    memory: Arc<MemoryTable>,
    regions: BTreeMap<Arc<str>, (Vec<DeclaredBuffer>, Arc<Region>)>,
    /// What was published by owners that wait while others take their places.
    frozen: BTreeMap<Arc<str>, frozen::Frozen>,
    /// The buffers of owners that are switched off: nobody sees them until they are on again.
    resting: BTreeMap<Arc<str>, resting::Resting>,
}

impl SlotBook {
    /// Takes the buffers that the contracts declare now. A buffer that stays the same keeps its slots and its
    /// content; one that is gone or changed loses them as soon as no turn or packet names them. Those of an owner for
    /// whom `rests` is true are put aside instead, until it declares them again.
    ///
    /// # Errors
    /// A [`RegionError`] for each owner that got no memory; the buffers of the others are there.
    pub fn declare(
        &mut self,
        buffers: &[DeclaredBuffer],
        rests: impl Fn(&str) -> bool,
    ) -> Result<(), Vec<RegionError>> {
        let mut by_owner: BTreeMap<Arc<str>, Vec<DeclaredBuffer>> = BTreeMap::new();
        for b in buffers {
            by_owner.entry(Arc::clone(&b.owner)).or_default().push(b.clone());
        }
        let gone: Vec<Arc<str>> = self
            .regions
            .iter()
            .filter(|(owner, (old, _))| by_owner.get(*owner).is_none_or(|new| !same(old.iter(), new)))
            .map(|(owner, _)| Arc::clone(owner))
            .collect();
        let mut memory = MemoryTable::clone(&self.memory);
        self.resting.retain(|owner, _| by_owner.contains_key(owner) || rests(owner));
        for owner in gone {
            let Some((old, region)) = self.regions.remove(&owner) else { continue };
            let rests = !by_owner.contains_key(&owner) && rests(&owner);
            let mut entries = Vec::new();
            for b in old {
                memory.remove(b.buffer);
                entries.extend(self.entries[b.buffer.0 as usize].take());
            }
            if rests {
                self.resting.insert(owner, resting::Resting::new(region, entries));
            } else {
                // Another build declares others; the one that waits may come back to these.
                self.keep_frozen(&owner, entries);
            }
        }
        let mut failed = Vec::new();
        for (owner, declared) in by_owner {
            if let Some((_, region)) = self.regions.get(&owner) {
                // Unchanged: only who wants history may differ.
                for b in &declared {
                    if let Some(e) = self.entries[b.buffer.0 as usize].as_mut() {
                        e.table.set_history(b.history);
                        e.declared = b.clone();
                    }
                }
                let region = Arc::clone(region);
                self.regions.insert(owner, (declared, region));
                continue;
            }
            if let Some(rested) = self.resting.remove(&owner).and_then(|r| r.wake(&declared)) {
                memory.insert(&rested.0);
                for e in rested.1 {
                    let at = e.declared.buffer.0 as usize;
                    self.entries.resize_with(self.entries.len().max(at + 1), || None);
                    self.entries[at] = Some(e);
                }
                self.regions.insert(owner, (declared, rested.0));
                continue;
            }
            let placement = declared.first().map_or(Placement::Thread, |b| b.placement);
            match Region::new(&owner, &sizes(&declared), placement, &[]) {
                Err(e) => failed.push(e),
                Ok(region) => {
                    memory.insert(&region);
                    for b in &declared {
                        self.generation += 1;
                        let at = b.buffer.0 as usize;
                        if self.entries.len() <= at {
                            self.entries.resize_with(at + 1, || None);
                        }
                        self.entries[at] = Some(Entry {
                            table: SlotTable::new(b.capacity, b.element_size, b.history),
                            generation: self.generation,
                            declared: b.clone(),
                            past: SlotCounters::default(),
                        });
                    }
                    self.regions.insert(owner, (declared, region));
                }
            }
        }
        self.memory = Arc::new(memory);
        if failed.is_empty() { Ok(()) } else { Err(failed) }
    }

    /// Returns where the slots are. A record or packet keeps its own `Arc`: memory lives as long as it is named.
    #[must_use]
    pub fn memory(&self) -> &Arc<MemoryTable> {
        &self.memory
    }

    fn entry(&mut self, buffer: BufferId) -> Option<&mut Entry> {
        self.entries.get_mut(buffer.0 as usize)?.as_mut()
    }

    fn current(&mut self, buffer: BufferId, generation: u32) -> Option<&mut SlotTable> {
        let entry = self.entries.get_mut(buffer.0 as usize).and_then(Option::as_mut);
        match entry.filter(|e| e.generation == generation) {
            Some(e) => Some(&mut e.table),
            None => {
                let rested = self.resting.values_mut().find_map(|r| r.table(buffer, generation));
                rested.or_else(|| self.frozen.values_mut().find_map(|f| f.table(buffer, generation)))
            }
        }
    }

    /// Holds the newest publication. Returns its generation and itself.
    pub fn hold_latest(&mut self, buffer: BufferId) -> Option<(u32, Published)> {
        let e = self.entry(buffer)?;
        let latest = e.table.latest()?;
        e.table.hold(latest.slot);
        Some((e.generation, latest))
    }

    /// Holds the publication before the newest.
    pub fn hold_previous(&mut self, buffer: BufferId) -> Option<(u32, Published)> {
        let e = self.entry(buffer)?;
        let previous = e.table.previous()?;
        e.table.hold(previous.slot);
        Some((e.generation, previous))
    }

    /// Holds a slot that was granted, for a reader of what will be published in it. Returns the bytes of an element.
    pub fn hold_granted(&mut self, buffer: BufferId, generation: u32, slot: u8) -> Option<u32> {
        let e = self.entry(buffer).filter(|e| e.generation == generation)?;
        e.table.hold(slot);
        Some(e.declared.element_size)
    }

    /// Ends a hold.
    pub fn release(&mut self, buffer: BufferId, generation: u32, slot: u8) {
        if let Some(t) = self.current(buffer, generation) {
            t.release(slot);
        }
    }

    /// Grants a slot, and appends what it is behind. Returns the generation, the grant, and the number of
    /// ranges appended.
    pub fn grant(
        &mut self,
        buffer: BufferId,
        frame: u64,
        behind: &mut Vec<DirtyRange>,
    ) -> Option<(u32, Grant, u32)> {
        let e = self.entry(buffer)?;
        let grant = e.table.grant(frame);
        let before = behind.len();
        e.table.behind_into(&grant, behind);
        Some((e.generation, grant, (behind.len() - before) as u32))
    }

    /// Ends a grant with what its header says, or with nothing.
    ///
    /// # Errors
    /// [`PublicationFault`]; the newest content stays what it was.
    pub fn settle(
        &mut self,
        buffer: BufferId,
        generation: u32,
        grant: &Grant,
        publication: Option<&Publication>,
    ) -> Result<Option<Published>, PublicationFault> {
        let Some(table) = self.current(buffer, generation) else { return Ok(None) };
        match publication {
            Some(p) => table.publish(grant, p).map(Some),
            None => {
                table.abort(grant);
                Ok(None)
            }
        }
    }

    /// Returns what the header of a granted slot says, copied out once.
    #[must_use]
    pub fn publication(&self, buffer: BufferId, grant: &Grant) -> Option<Publication> {
        let rested = || self.resting.values().find_map(|r| r.memory(buffer));
        self.memory.get(buffer).or_else(rested)?.header(grant.slot).published(grant.stamp)
    }

    /// Says that the owner called `owner` gets a new instance at `placement`: what the old one still publishes
    /// counts no more. A region has one writing process in its life, so that a new process gets a new region: the
    /// returned renewal makes it, on the thread that begins the instance, and [`SlotBook::adopt`] goes over to it.
    pub fn replace_instance(&mut self, owner: &str, placement: Placement) -> Option<Renewal> {
        // Another instance never saw what the one before it had published when it was switched off.
        self.resting.remove(owner);
        let (declared, region) = self.regions.get(owner)?;
        let (declared, region) = (declared.clone(), Arc::clone(region));
        for b in &declared {
            if let Some(e) = self.entry(b.buffer) {
                e.table.replace_instance();
            }
        }
        let frozen = self.frozen.get(owner);
        // Of buffers that the build before declared alike, what it had published lies in its own region.
        let of = |e: &Entry| match e.table.latest() {
            None => frozen.map_or((None, None), |f| f.published(&e.declared)),
            latest => (e.table.previous(), latest),
        };
        let entries = || declared.iter().filter_map(|b| self.entries.get(b.buffer.0 as usize)?.as_ref());
        let inherits = entries().any(|e| e.table.latest().is_none() && of(e).1.is_some());
        let kept = match placement {
            Placement::Thread => region.is_of_thread() && !inherits,
            // The new process claims it at its first tick; one that waits beside it may do so too.
            Placement::Process => region.is_unclaimed() && frozen.is_none(),
        };
        if kept {
            return None;
        }
        let mut memory = MemoryTable::default();
        memory.insert(&region);
        if let Some(frozen) = frozen.filter(|_| inherits) {
            memory.insert(&frozen.region);
        }
        let state = entries().map(|e| {
            let (previous, latest) = of(e);
            (e.declared.clone(), e.generation, previous, latest)
        });
        Some(Renewal::new(Arc::from(owner), placement, state, Arc::new(memory)))
    }

    /// Goes over to the region of a renewal that was made. Returns false, and changes nothing, when the owner's
    /// buffers have changed since.
    pub fn adopt(&mut self, renewal: Renewal) -> bool {
        let Some((owner, region, tables)) = renewal.finish() else { return false };
        let current = |b: &crate::renewal::Renewed| {
            self.entries
                .get(b.buffer.0 as usize)
                .and_then(Option::as_ref)
                .is_some_and(|e| e.generation == b.replaces)
        };
        if !tables.iter().all(current) {
            // If they rest, the instance has no way to them any more; one that waits has.
            if let Some(rested) = self.resting.remove(&owner) {
                self.keep_frozen(&owner, rested.into_entries());
            }
            return false;
        }
        let Some(entry) = self.regions.get_mut(&owner) else { return false };
        entry.1 = Arc::clone(&region);
        let mut memory = MemoryTable::clone(&self.memory);
        memory.insert(&region);
        self.memory = Arc::new(memory);
        for new in tables {
            self.generation += 1;
            let generation = self.generation;
            if let Some(e) = self.entry(new.buffer) {
                e.past = sum(e.past, e.table.counters());
                let old = std::mem::replace(&mut e.table, new.table);
                e.generation = generation;
                if let Some(frozen) = self.frozen.get_mut(&owner) {
                    frozen.keep(new.buffer, new.replaces, old);
                }
            }
        }
        true
    }

    /// Appends the bytes that the GPU's copy lacks, and counts them as sent.
    pub fn take_gpu_behind_into(&mut self, buffer: BufferId, out: &mut Vec<DirtyRange>) {
        if let Some(e) = self.entry(buffer) {
            e.table.take_gpu_behind_into(out);
        }
    }

    /// Returns the newest publication, without holding it.
    #[must_use]
    pub fn latest(&self, buffer: BufferId) -> Option<Published> {
        self.entries.get(buffer.0 as usize)?.as_ref()?.table.latest()
    }

    /// Returns the counters of each buffer with its owner.
    pub fn counters(&self) -> impl Iterator<Item = (&DeclaredBuffer, SlotCounters)> {
        self.entries.iter().flatten().map(|e| (&e.declared, sum(e.past, e.table.counters())))
    }
}

/// Returns whether an owner declares the same buffers.
fn same<'a>(old: impl ExactSizeIterator<Item = &'a DeclaredBuffer>, new: &[DeclaredBuffer]) -> bool {
    old.len() == new.len() && old.zip(new).all(|(a, b)| is_same(a, b))
}

fn is_same(a: &DeclaredBuffer, b: &DeclaredBuffer) -> bool {
    (a.buffer, a.capacity, a.element_size) == (b.buffer, b.capacity, b.element_size)
}

fn sum(a: SlotCounters, b: SlotCounters) -> SlotCounters {
    SlotCounters {
        published: a.published + b.published,
        scratch: a.scratch + b.scratch,
        refused: a.refused + b.refused,
    }
}

fn sizes(declared: &[DeclaredBuffer]) -> Vec<BufferSize> {
    declared.iter().map(|b| BufferSize { buffer: b.buffer, capacity: b.capacity as usize }).collect()
}

#[cfg(test)]
mod tests;
