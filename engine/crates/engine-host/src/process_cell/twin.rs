//! What an untrusted cell writes, and the twin of it that everybody else sees.
//!
//! The regions of the book are the engine's own then: no other process maps them for writing. The child of an untrusted
//! cell gets a region of the same layout to write. When its tick has returned, its headers are copied out once and
//! checked, the bytes that they name are copied into the twin, and only the twin is published: with the copied header, in
//! memory that the child never had. So nothing that anybody reads changes by code of a stranger.
//!
//! A trusted cell has no twin, and nothing is copied.
use super::Lost;
use crate::{
    memory::{BufferMemory, BufferSize, Region, SLOTS},
    record::{PortSlots, Record, SlotWrite},
};
use cell_abi::{DirtyRange, header::Publication};
use engine_frame::slots::content_len;
use engine_scene::Placement;
use std::sync::{Arc, Weak};

/// A region that the child writes.
struct Pair {
    /// Its twin, the book's.
    twin: Weak<Region>,
    twin_id: u32,
    written: Arc<Region>,
    /// By header: whether the child was granted the slot before, so that it holds what was published from it.
    used: Vec<bool>,
}

/// The regions of a child of an untrusted cell.
#[derive(Default)]
pub(super) struct Twins(Vec<Pair>);

impl Twins {
    /// Returns the region that the child writes in place of `twin`; made when it is asked for first.
    pub(super) fn written(&mut self, twin: &Arc<Region>) -> Result<Arc<Region>, Lost> {
        self.0.retain(|p| p.twin.strong_count() > 0);
        if let Some(pair) = self.0.iter().find(|p| p.twin_id == twin.id) {
            return Ok(Arc::clone(&pair.written));
        }
        let sizes: Vec<BufferSize> =
            twin.parts().iter().map(|p| BufferSize { buffer: p.buffer, capacity: p.capacity }).collect();
        let written =
            Region::new(twin.owner(), &sizes, Placement::Process, &[]).map_err(|e| Lost(e.to_string()))?;
        let used = vec![false; sizes.len() * (SLOTS + 1)];
        let (weak, twin_id) = (Arc::downgrade(twin), twin.id);
        self.0.push(Pair { twin: weak, twin_id, written: Arc::clone(&written), used });
        Ok(written)
    }

    /// Before a tick: a slot that this child never wrote has nothing of what the book thinks is in it, so it is behind
    /// with everything.
    pub(super) fn begin(&mut self, record: &mut Record) -> Result<(), Lost> {
        for port in &mut record.ports {
            let Some(write) = &mut port.write else { continue };
            let Some(memory) = record.memory.get(write.buffer) else { continue };
            self.written(&memory.region)?;
            let Some(pair) = self.0.iter_mut().find(|p| p.twin_id == memory.region.id) else { continue };
            let at = memory.part.header + write.slot.map_or(SLOTS, usize::from);
            if !std::mem::replace(&mut pair.used[at], true) {
                let end = port.read.map_or(0, |r| r.len as u32);
                write.behind = (record.behind.len() as u32, u32::from(end > 0));
                record.behind.extend((end > 0).then_some(DirtyRange { start: 0, end }));
            }
        }
        Ok(())
    }

    /// After a tick: what the child published is copied into the twins and published there.
    pub(super) fn publish(&self, record: &Record) -> Result<(), Lost> {
        for port in &record.ports {
            let Some(write) = port.write else { continue };
            let Some(twin) = record.memory.get(write.buffer) else { continue };
            let Some(pair) = self.0.iter().find(|p| p.twin_id == twin.region.id) else { continue };
            let written = BufferMemory { region: Arc::clone(&pair.written), part: twin.part };
            // The one look at what the child wrote; from here on it is a copy.
            let Some(said) = written.header(write.slot).published(write.stamp) else { continue };
            copy(twin, &written, port, &write, &said, &record.behind)?;
            let dirty = &said.dirty[..said.dirty_count as usize];
            twin.header(write.slot).publish(write.stamp, said.frame, said.len_bytes, dirty);
        }
        Ok(())
    }
}

/// Copies what a publication changed, and before that what its slot was behind with, which is in the twin already. One
/// that names bytes outside of the slot is not copied: the book refuses it.
fn copy(
    twin: &BufferMemory,
    written: &BufferMemory,
    port: &PortSlots,
    write: &SlotWrite,
    said: &Publication,
    behind: &[DirtyRange],
) -> Result<(), Lost> {
    let Some(slot) = write.slot else { return Ok(()) };
    let capacity = u32::try_from(twin.part.capacity).unwrap_or(u32::MAX);
    let Ok(len) = content_len(said, capacity, 1) else { return Ok(()) };
    let range = |from: (&BufferMemory, u8), start: u32, end: u32| {
        let (start, end) = (start.min(len) as usize, end.min(len) as usize);
        twin.copy_slot(slot, from, start..end.max(start)).map_err(super::lost)
    };
    let theirs = (written, slot);
    let dirty = &said.dirty[..said.dirty_count as usize];
    let Some(newest) = port.read.filter(|_| !dirty.is_empty()) else { return range(theirs, 0, len) };
    let (first, count) = (write.behind.0 as usize, write.behind.1 as usize);
    for r in behind.iter().skip(first).take(count) {
        range((twin, newest.slot), r.start, r.end)?;
    }
    for r in dirty {
        range(theirs, r.start, r.end)?;
    }
    // What came at the end counts as changed, whatever the header says.
    range(theirs, newest.len as u32, len)
}

#[cfg(test)]
#[path = "twin_tests.rs"]
mod tests;
