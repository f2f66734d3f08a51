//! The buffers of an owner that is switched off: nobody reads them, and their names may be somebody else's. Its instance goes
//! on one day where it was, and finds what it had published.
use super::{DeclaredBuffer, Entry, same};
use crate::memory::{BufferMemory, MemoryTable, Region};
use engine_frame::{plan::BufferId, slots::SlotTable};
use std::sync::Arc;

/// The buffers of one owner. See the module's text.
pub(super) struct Resting {
    region: Arc<Region>,
    memory: MemoryTable,
    entries: Vec<Entry>,
}

impl Resting {
    /// Puts an owner's buffers aside; `entries` are in the order in which they were declared.
    pub(super) fn new(region: Arc<Region>, entries: Vec<Entry>) -> Self {
        let mut memory = MemoryTable::default();
        memory.insert(&region);
        Self { region, memory, entries }
    }

    /// Returns a table that a turn of the owner still counts on.
    pub(super) fn table(&mut self, buffer: BufferId, generation: u32) -> Option<&mut SlotTable> {
        let is = |e: &&mut Entry| (e.declared.buffer, e.generation) == (buffer, generation);
        self.entries.iter_mut().find(is).map(|e| &mut e.table)
    }

    /// Returns the memory of a buffer.
    pub(super) fn memory(&self, buffer: BufferId) -> Option<&BufferMemory> {
        self.memory.get(buffer)
    }

    /// Returns what was put aside.
    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// Returns the buffers if the owner declares the same ones again. The GPU has lost them.
    pub(super) fn wake(mut self, declared: &[DeclaredBuffer]) -> Option<(Arc<Region>, Vec<Entry>)> {
        if !same(self.entries.iter().map(|e| &e.declared), declared) {
            return None;
        }
        for (e, now) in self.entries.iter_mut().zip(declared) {
            e.table.gpu_lost();
            e.table.set_history(now.history);
            e.declared = now.clone();
        }
        Some((self.region, self.entries))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        SlotBook,
        tests::{buffer, publish},
    };
    use cell_abi::DirtyRange;
    use engine_frame::plan::BufferId;

    const A: BufferId = BufferId(0);

    #[test]
    fn who_was_switched_off_finds_what_it_had_published_and_nobody_else_saw_it_meanwhile() {
        let mut book = SlotBook::default();
        let all = [buffer(0, "a", 64), buffer(1, "b", 64)];
        let off = |owner: &str| owner == "a";
        book.declare(&all, off).unwrap();
        publish(&mut book, 0, 5);
        book.take_gpu_behind_into(A, &mut Vec::new());
        // A reader and a late turn still count on it.
        let (generation, held) = book.hold_latest(A).unwrap();
        let (_, grant, _) = book.grant(A, 6, &mut Vec::new()).unwrap();
        let header = book.memory().get(A).unwrap().clone();
        book.declare(&all[1..], off).unwrap();
        assert!(book.latest(A).is_none() && book.memory().get(A).is_none());
        header.header(grant.slot).publish(grant.stamp, 6, 12, &[]);
        let late = book.publication(A, &grant).unwrap();
        book.settle(A, generation, &grant, Some(&late)).unwrap().unwrap();
        book.release(A, generation, held.slot);

        book.declare(&all, off).unwrap();
        assert_eq!(book.latest(A).map(|l| (l.frame, l.len)), Some((6, 12)));
        let mut behind = Vec::new();
        book.take_gpu_behind_into(A, &mut behind);
        assert_eq!(behind, [DirtyRange { start: 0, end: 12 }], "the GPU gets all of it again");
        // All slots are free again but the newest: one frame after the other finds one.
        for frame in 7..20 {
            publish(&mut book, 0, frame);
        }
        assert_eq!(book.counters().next().unwrap().1.scratch, 0);
    }

    #[test]
    fn another_instance_another_size_and_an_owner_that_left_the_scene_start_anew() {
        let off = |owner: &str| owner == "a";
        for case in 0..3 {
            let mut book = SlotBook::default();
            book.declare(&[buffer(0, "a", 64)], off).unwrap();
            publish(&mut book, 0, 5);
            book.declare(&[], off).unwrap();
            match case {
                0 => drop(book.replace_instance("a", engine_scene::Placement::Thread)),
                1 => book.declare(&[], |_| false).unwrap(),
                _ => {}
            }
            let size = if case == 2 { 128 } else { 64 };
            book.declare(&[buffer(0, "a", size)], off).unwrap();
            assert!(book.latest(A).is_none(), "case {case}");
        }
    }

    #[test]
    fn somebody_else_may_have_the_name_meanwhile() {
        let mut book = SlotBook::default();
        let off = |owner: &str| owner == "a";
        book.declare(&[buffer(0, "a", 64)], off).unwrap();
        publish(&mut book, 0, 5);
        book.declare(&[buffer(0, "b", 64)], off).unwrap();
        assert!(book.latest(A).is_none());
        publish(&mut book, 0, 9);
        book.declare(&[buffer(0, "a", 64)], off).unwrap();
        assert_eq!(book.latest(A).map(|l| l.frame), Some(5));
    }
}
