//! What an untrusted cell reads: copies of the buffers that it was granted, in memory of its own.
//!
//! The buffers of one owner lie in one region, which a process maps as a whole. A stranger that mapped it would see those
//! that it was not granted too. So it maps copies: each publication that a turn reads is copied when a turn first sees
//! it, on the thread that waits for the turn anyway. The child does not run meanwhile.
//!
//! A trusted cell reads the region itself, and nothing is copied.
use super::{Lost, lost};
use crate::{
    child_wire::WireRead,
    memory::{BufferMemory, BufferSize, MemoryTable, Region},
    record::{PortSlots, Record, SlotRead},
};
use engine_frame::plan::BufferId;
use engine_scene::Placement;
use std::sync::Arc;

/// A publication and the one before: no turn reads more of a buffer.
const COPIES: usize = 2;

/// The copies of a buffer.
struct Copied {
    buffer: BufferId,
    memory: BufferMemory,
    /// The publication in each slot.
    holds: [Option<Name>; COPIES],
}

/// The copies of all buffers that a child reads.
#[derive(Default)]
pub(super) struct Copies(Vec<Copied>);

/// Names a publication: its frame, its stamp, and the region that it lies in.
type Name = (u64, u32, u32);

fn name(memory: &BufferMemory, read: SlotRead) -> Name {
    (read.frame, read.stamp, memory.region.id)
}

fn reads(port: &PortSlots) -> impl Iterator<Item = SlotRead> {
    [port.read, port.previous].into_iter().flatten()
}

fn ready(memory: &MemoryTable, read: SlotRead) -> Option<&BufferMemory> {
    memory.get(read.buffer).filter(|m| m.region.is_ready())
}

impl Copies {
    /// Copies what the turn of `record` reads and is not there yet, for the cell `reader`; drops the copies of what it does
    /// not read.
    pub(super) fn take(&mut self, reader: &str, record: &Record) -> Result<(), Lost> {
        self.0.retain(|c| record.ports.iter().flat_map(reads).any(|r| r.buffer == c.buffer));
        for port in &record.ports {
            let both = || reads(port).filter_map(|r| Some((r, ready(&record.memory, r)?)));
            for (read, from) in both() {
                let at = self.of(reader, read.buffer, from)?;
                let copied = &mut self.0[at];
                if copied.holds.contains(&Some(name(from, read))) {
                    continue;
                }
                // The other one of the port may be in one of the two already.
                let stays = |hold: Name| both().any(|(r, m)| name(m, r) == hold);
                let slot = copied.holds.iter().position(|h| h.is_none_or(|h| !stays(h)));
                let slot = slot.expect("one of two that is not there is in neither of two places");
                let len = read.len.min(from.part.capacity);
                copied.holds[slot] = None;
                copied.memory.copy_slot(slot as u8, (from, read.slot), 0..len).map_err(lost)?;
                copied.holds[slot] = Some(name(from, read));
            }
        }
        Ok(())
    }

    /// Returns the place of a buffer's copies; they are made when it is first read.
    fn of(&mut self, reader: &str, buffer: BufferId, from: &BufferMemory) -> Result<usize, Lost> {
        let capacity = from.part.capacity;
        if let Some(at) = self.0.iter().position(|c| c.buffer == buffer) {
            if self.0[at].memory.part.capacity == capacity {
                return Ok(at);
            }
            self.0.swap_remove(at);
        }
        let sizes = [BufferSize { buffer, capacity }];
        let region = Region::new(&format!("what {reader} reads"), &sizes, Placement::Thread, &[])
            .map_err(|e| Lost(e.to_string()))?;
        let memory = BufferMemory { part: region.parts()[0], region };
        self.0.push(Copied { buffer, memory, holds: [None; COPIES] });
        Ok(self.0.len() - 1)
    }

    /// Returns the regions that the child maps for them.
    pub(super) fn regions(&self) -> impl Iterator<Item = &Arc<Region>> {
        self.0.iter().map(|c| &c.memory.region)
    }

    /// Returns where the child finds a publication that was taken.
    pub(super) fn wire(&self, memory: &MemoryTable, read: Option<SlotRead>) -> Option<WireRead> {
        let read = read?;
        let from = ready(memory, read)?;
        let copied = self.0.iter().find(|c| c.buffer == read.buffer)?;
        let slot = copied.holds.iter().position(|h| *h == Some(name(from, read)))?;
        Some(WireRead::of(&copied.memory, SlotRead { slot: slot as u8, ..read }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_frame::packet::SlotMemory as _;

    /// An owner with two buffers, of which a stranger reads the first.
    struct Stage {
        owner: Arc<MemoryTable>,
        copies: Copies,
    }

    fn read(slot: u8, frame: u64, len: usize) -> SlotRead {
        SlotRead { buffer: BufferId(0), slot, len, frame, stamp: frame as u32 + 1 }
    }

    impl Stage {
        fn new() -> Self {
            let sizes = [0, 1].map(|n| BufferSize { buffer: BufferId(n), capacity: 64 });
            let mut owner = MemoryTable::default();
            owner.insert(&Region::new("owner", &sizes, Placement::Thread, &[]).unwrap());
            Self { owner: Arc::new(owner), copies: Copies::default() }
        }

        fn publish(&self, slot: u8, byte: u8) {
            assert!(self.owner.get(BufferId(0)).unwrap().fill(slot, 0, &[byte; 64]));
        }

        /// Returns what a turn sees that reads these two.
        fn seen(&mut self, read: SlotRead, previous: Option<SlotRead>) -> [Option<Vec<u8>>; 2] {
            let ports = vec![PortSlots { read: Some(read), previous, ..PortSlots::default() }];
            let mut record = Record::default();
            (record.ports, record.memory) = (ports, Arc::clone(&self.owner));
            self.copies.take("stranger", &record).unwrap();
            [Some(read), previous].map(|read| {
                let wire = self.copies.wire(&record.memory, read)?;
                let region = self.copies.regions().find(|r| r.id == wire.region).unwrap();
                let mut table = MemoryTable::default();
                table.insert(region);
                let slot = (wire.offset / 256) as u8;
                Some(table.bytes(BufferId(0), slot, 0, wire.len).unwrap().to_vec())
            })
        }
    }

    #[test]
    fn a_stranger_maps_what_it_reads_and_nothing_beside_it() {
        let mut stage = Stage::new();
        stage.publish(3, 7);
        assert_eq!(stage.seen(read(3, 0, 5), None), [Some(vec![7; 5]), None]);
        let regions: Vec<_> = stage.copies.regions().collect();
        let buffers: Vec<_> = regions.iter().flat_map(|r| r.parts()).map(|p| p.buffer).collect();
        assert_eq!(buffers, [BufferId(0)], "the neighbour is not there");
        assert_ne!(regions[0].id, stage.owner.get(BufferId(0)).unwrap().region.id);
    }

    #[test]
    fn each_publication_is_copied_once_and_the_one_before_stays_with_it() {
        let mut stage = Stage::new();
        stage.publish(0, 1);
        assert_eq!(stage.seen(read(0, 0, 64), None)[0], Some(vec![1; 64]));
        stage.publish(1, 2);
        let whole = |now, before| [Some(vec![now; 64]), Some(vec![before; 64])];
        for _ in 0..3 {
            assert_eq!(stage.seen(read(1, 1, 64), Some(read(0, 0, 64))), whole(2, 1));
        }
        // What the owner does with the slots later is none of a copy's business.
        stage.publish(0, 9);
        stage.publish(1, 9);
        assert_eq!(stage.seen(read(1, 1, 64), Some(read(0, 0, 64))), whole(2, 1));
        stage.publish(2, 3);
        assert_eq!(stage.seen(read(2, 2, 64), Some(read(1, 1, 64))), whole(3, 2));
        // The same frame and stamp in another life of the memory is another publication.
        let other = Stage::new();
        other.publish(2, 4);
        stage.owner = other.owner;
        assert_eq!(stage.seen(read(2, 2, 10), None), [Some(vec![4; 10]), None]);
    }

    #[test]
    fn copies_of_what_is_not_read_any_more_are_dropped() {
        let mut stage = Stage::new();
        stage.publish(0, 1);
        let _ = stage.seen(read(0, 0, 64), None);
        let region = Arc::downgrade(stage.copies.regions().next().unwrap());
        stage.copies.take("stranger", &Record::default()).unwrap();
        assert_eq!(region.strong_count(), 0);
    }
}
