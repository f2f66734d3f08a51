//! Runs kept turns again, in an instance of their own: the same entries with the same records, and nothing else.
//!
//! What other cells published comes from the records. What the cell itself published lies where it wrote it: it is
//! granted the same slots again. Where the instance runs is the maker's affair, as in a world.

use super::{Content, KeptPort, KeptRead, KeptTurn, entries::mail_sum, sum};
use crate::{
    cx::InstanceCx,
    memory::{BufferSize, MemoryTable, Prefill, Region, RegionError, SLOTS},
    record::{PortSlots, SlotRead, SlotWrite},
    turn::{Ending, Legacy, Maker, Turn, Work},
};
use engine_frame::{packet::SlotMemory as _, plan::BufferId};
use engine_scene::Placement;
use std::{collections::BTreeMap, sync::Arc};

/// What is different from what was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The instance goes on where it ended, or ends where it went on.
    Ending,
    /// A port is published that was not, or the other way round.
    Published {
        /// The port's number in the cell's table.
        port: u32,
    },
    /// A port has another length.
    Length {
        /// The port.
        port: u32,
        /// Bytes that were published.
        then: u64,
        /// Bytes that are published now.
        now: u64,
    },
    /// A port has other bytes.
    Bytes {
        /// The port.
        port: u32,
    },
    /// It sends other messages.
    Mail,
}

/// What came of a turn that was run again.
#[derive(Debug)]
pub struct Step {
    /// How it ended.
    pub ending: Ending,
    /// Whether a tick returned well.
    pub ticked: bool,
    /// The first difference from what was kept.
    pub difference: Option<Difference>,
}

/// Runs kept turns. See the module's text.
pub struct Player {
    turn: Turn,
    placement: Placement,
    maker: Option<Maker>,
    legacy: Option<Legacy>,
    memory: MemoryTable,
    /// Bytes of a slot, by buffer.
    capacity: BTreeMap<BufferId, usize>,
    /// The content that the two slots of a buffer that is read hold.
    holds: BTreeMap<BufferId, [Option<u64>; 2]>,
    /// What was published in the newest turn: port, buffer, slot, length.
    published: Vec<(u32, BufferId, u8, usize)>,
}

/// Returns the buffer in which the port finds what others, or the cell before the kept turns, published.
fn given(port: usize) -> BufferId {
    BufferId(port as u32 * 2)
}

/// Returns the buffer that the cell writes through the port.
fn own(port: usize) -> BufferId {
    BufferId(port as u32 * 2 + 1)
}

impl Player {
    /// Returns a player for the cell whose host's side is `cx`. Its first turn lets `maker` make the instance, which
    /// runs at `placement` and starts from `legacy` ([`super::Run::legacy`]).
    #[must_use]
    pub fn new(cx: &Arc<InstanceCx>, maker: Maker, placement: Placement, legacy: Option<Legacy>) -> Self {
        Self {
            turn: Turn::new(0, 0, cx),
            placement,
            maker: Some(maker),
            legacy,
            memory: MemoryTable::default(),
            capacity: BTreeMap::new(),
            holds: BTreeMap::new(),
            published: Vec::new(),
        }
    }

    /// Runs a turn. `contents` has what it reads, by the numbers in it.
    ///
    /// # Errors
    /// [`RegionError`] when the system gives no memory.
    pub fn play(
        &mut self,
        kept: &KeptTurn,
        contents: &BTreeMap<u64, Arc<[u8]>>,
    ) -> Result<Step, RegionError> {
        self.fill(kept, contents)?;
        let turn = &mut self.turn;
        turn.work = kept.work;
        // A state is saved for who goes on after it; nobody does here. But the save may be what ended the instance.
        turn.work.save &= kept.end.as_ref().is_none_or(|e| !e.went_on);
        if let Some(maker) = self.maker.take() {
            turn.maker = Some(maker);
        }
        if kept.work != Work::default() {
            // One that takes over is only made at first, and is given its state in its next turn.
            turn.legacy = self.legacy.take();
        }
        turn.run();
        self.note_published();
        let outcome = &mut self.turn.outcome;
        let (ending, ticked) = (std::mem::take(&mut outcome.ending), outcome.ticked);
        let mail = mail_sum(&outcome.outbox);
        outcome.outbox.clear();
        let difference = self.difference(kept, &ending, mail);
        Ok(Step { ending, ticked, difference })
    }

    /// Returns what the newest turn published: the port's number in the cell's table, and the bytes.
    pub fn published(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.published.iter().filter_map(|(port, buffer, slot, len)| {
            Some((*port, self.memory.bytes(*buffer, *slot, 0, *len as u64)?))
        })
    }

    /// Makes the turn's record of a kept one.
    fn fill(&mut self, kept: &KeptTurn, contents: &BTreeMap<u64, Arc<[u8]>>) -> Result<(), RegionError> {
        let mut ports = Vec::with_capacity(kept.ports.len());
        for (n, port) in kept.ports.iter().enumerate() {
            ports.push(self.port(n, port, contents)?);
        }
        let r = &mut self.turn.record;
        kept.give(r);
        r.ports = ports;
        r.behind.clone_from(&kept.behind);
        r.memory = Arc::new(self.memory.clone());
        Ok(())
    }

    fn port(
        &mut self,
        n: usize,
        port: &KeptPort,
        contents: &BTreeMap<u64, Arc<[u8]>>,
    ) -> Result<PortSlots, RegionError> {
        let content = |r: &KeptRead| match r.content {
            Content::Kept(id) => contents.get(&id).map(|bytes| (id, &**bytes)),
            Content::Own | Content::Lost => None,
        };
        let before = port.read.as_ref().and_then(content);
        let write = match port.write {
            None => None,
            Some(w) => {
                // What its slots held before the kept turns is what was published then: `behind` says of what was
                // published since in which bytes each is older.
                let bytes = before.map(|(_, bytes)| bytes);
                self.own_region(n, w.capacity as usize, bytes)?;
                Some(SlotWrite { buffer: own(n), slot: w.slot, stamp: w.stamp, behind: w.behind })
            }
        };
        let both = [port.read, port.previous];
        let longest = both.iter().flatten().filter_map(content).map(|(_, bytes)| bytes.len()).max();
        if let Some(longest) = longest {
            self.given_region(n, longest)?;
        }
        let mut slots = PortSlots { blend: port.blend, write, ..PortSlots::default() };
        for (which, read) in both.into_iter().enumerate() {
            let Some(r) = read else { continue };
            let (buffer, slot) = match (r.content, content(&r)) {
                (Content::Own, _) => (own(n), r.slot),
                (_, Some((id, bytes))) => (given(n), self.give(n, which, id, bytes)),
                // It is not there: the cell sees nothing.
                (_, None) => continue,
            };
            let read = SlotRead { buffer, slot, len: r.len as usize, frame: r.frame, stamp: 0 };
            *(if which == 0 { &mut slots.read } else { &mut slots.previous }) = Some(read);
        }
        if let (None, Some(write)) = (slots.read, &mut slots.write) {
            // There is nothing to carry forward from.
            write.behind = (0, 0);
        }
        Ok(slots)
    }

    /// Makes the region that the cell writes through port `n`, when there is none or when its slots are to begin with
    /// `bytes`.
    fn own_region(&mut self, n: usize, capacity: usize, bytes: Option<&[u8]>) -> Result<(), RegionError> {
        let is_there = self.capacity.get(&own(n)) == Some(&capacity);
        if is_there && bytes.is_none() {
            return Ok(());
        }
        let bytes = bytes.unwrap_or_default();
        let slots = 0..if bytes.is_empty() { 0 } else { SLOTS as u8 };
        let prefill: Vec<_> = slots.map(|slot| Prefill { buffer: own(n), slot, bytes }).collect();
        let size = BufferSize { buffer: own(n), capacity };
        self.memory.insert(&Region::new(&self.turn.cx.name, &[size], self.placement, &prefill)?);
        self.capacity.insert(own(n), capacity);
        Ok(())
    }

    /// Makes the region of what port `n` reads, when there is none with room for `longest` bytes.
    fn given_region(&mut self, n: usize, longest: usize) -> Result<(), RegionError> {
        let buffer = given(n);
        if self.capacity.get(&buffer).is_some_and(|c| *c >= longest) {
            return Ok(());
        }
        let capacity = longest.next_power_of_two();
        let size = BufferSize { buffer, capacity };
        self.memory.insert(&Region::new("records", &[size], Placement::Thread, &[])?);
        self.capacity.insert(buffer, capacity);
        self.holds.remove(&buffer);
        Ok(())
    }

    /// Puts what port `n` reads into its region, the newest (0) or the one before (1), and returns its slot.
    fn give(&mut self, n: usize, which: usize, id: u64, bytes: &[u8]) -> u8 {
        let (buffer, slot) = (given(n), which as u8);
        let held = &mut self.holds.entry(buffer).or_default()[which];
        if *held != Some(id) {
            *held = Some(id);
            let memory = self.memory.get(buffer).expect("its region was just made");
            // No turn runs: nobody reads it.
            let fits = memory.fill(slot, 0, bytes);
            debug_assert!(fits, "the region has room for both");
        }
        slot
    }

    fn note_published(&mut self) {
        self.published.clear();
        if !self.turn.outcome.ticked {
            return;
        }
        for (n, p) in self.turn.record.ports.iter().enumerate() {
            let Some(write) = p.write else { continue };
            let (Some(slot), Some(memory)) = (write.slot, self.memory.get(write.buffer)) else { continue };
            if let Some(p) = memory.header(Some(slot)).published(write.stamp) {
                let len = (p.len_bytes as usize).min(memory.part.capacity);
                self.published.push((n as u32, write.buffer, slot, len));
            }
        }
    }

    fn difference(&self, kept: &KeptTurn, ending: &Ending, mail: u64) -> Option<Difference> {
        let end = kept.end.as_ref();
        let went_on = !matches!(ending, Ending::Over(_));
        // A turn that never returned ended the instance.
        if end.is_some_and(|e| e.went_on) != went_on {
            return Some(Difference::Ending);
        }
        let end = end?;
        let mut now = self.published();
        for then in &end.publications {
            match now.next() {
                Some((port, bytes)) if port == then.port => {
                    if bytes.len() as u64 != then.len {
                        let now = bytes.len() as u64;
                        return Some(Difference::Length { port, then: then.len, now });
                    }
                    if then.sum.is_some_and(|s| s != sum(bytes)) {
                        return Some(Difference::Bytes { port });
                    }
                }
                Some((port, _)) => return Some(Difference::Published { port: port.min(then.port) }),
                None => return Some(Difference::Published { port: then.port }),
            }
        }
        let more = now.next().map(|(port, _)| Difference::Published { port });
        more.or_else(|| (mail != end.mail).then_some(Difference::Mail))
    }
}
