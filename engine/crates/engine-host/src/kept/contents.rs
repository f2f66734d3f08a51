//! What ticks read of other cells: each publication once, the oldest forgotten first.
use super::CONTENT_BYTES;
use crate::{memory::MemoryTable, record::SlotRead};
use engine_frame::packet::SlotMemory as _;
use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// How many publications are kept, however small they are.
const MOST: usize = 1 << 15;

/// Publications that ticks have read. Shared by all cells of a world.
#[derive(Debug)]
pub struct Contents {
    ring: Mutex<Ring>,
    /// Of the ring, to be seen without its lock: a moment old at most.
    first: AtomicU64,
    written: AtomicU64,
    bytes: usize,
}

/// A publication that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Its number.
    pub(super) id: u64,
    /// How much of the ring was used before it, all told: what is written after it makes it older.
    pub(super) at: u64,
}

impl Default for Contents {
    fn default() -> Self {
        Self::with_bytes(CONTENT_BYTES)
    }
}

#[derive(Debug)]
struct Ring {
    bytes: usize,
    /// Made at first use.
    memory: Vec<u8>,
    /// Where the next one goes.
    head: usize,
    /// The most that was in use: the rest was never touched.
    touched: usize,
    /// Bytes that were used since the beginning, those left empty at the end of the memory included. Each publication
    /// counts as one place at least, of which there are [`MOST`].
    written: u64,
    /// The number of the oldest.
    first: u64,
    places: VecDeque<Place>,
    /// By buffer: the two newest, for ports with history.
    newest: Vec<[Option<Newest>; 2]>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    at: usize,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
struct Newest {
    frame: u64,
    stamp: u32,
    held: Held,
}

impl Contents {
    /// Returns room for `bytes` bytes.
    #[must_use]
    pub fn with_bytes(bytes: usize) -> Self {
        let ring = Ring {
            bytes,
            memory: Vec::new(),
            head: 0,
            touched: 0,
            written: 0,
            first: 0,
            places: VecDeque::new(),
            newest: Vec::new(),
        };
        Self { ring: Mutex::new(ring), first: AtomicU64::new(0), written: AtomicU64::new(0), bytes }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a publication that is held, if it is not kept yet, and says where; `None` when it is too long or not there.
    pub(super) fn keep(&self, memory: &MemoryTable, read: &SlotRead) -> Option<Held> {
        let mut ring = self.ring();
        let known = ring.newest.get(read.buffer.0 as usize);
        let same = |n: &&Newest| n.frame == read.frame && n.stamp == read.stamp;
        if let Some(known) = known.and_then(|n| n.iter().flatten().find(same))
            && known.held.id >= ring.first
        {
            return Some(known.held);
        }
        let len = memory.get(read.buffer).map_or(0, |m| read.len.min(m.part.capacity));
        let bytes = memory.bytes(read.buffer, read.slot, 0, len as u64)?;
        let held = self.push(&mut ring, bytes)?;
        let at = read.buffer.0 as usize;
        if ring.newest.len() <= at {
            ring.newest.resize(at + 1, [None; 2]);
        }
        let new = Newest { frame: read.frame, stamp: read.stamp, held };
        let both = &mut ring.newest[at];
        if both[0].is_some_and(|n| n.frame > read.frame) {
            both[1] = Some(new);
        } else {
            *both = [Some(new), both[0]];
        }
        Some(held)
    }

    fn push(&self, ring: &mut Ring, bytes: &[u8]) -> Option<Held> {
        let held = ring.push(bytes)?;
        // Relaxed: they are compared with numbers that were true once, and tell nothing of other memory.
        self.first.store(ring.first, Ordering::Relaxed);
        self.written.store(ring.written, Ordering::Relaxed);
        Some(held)
    }

    /// Keeps what nobody reads, as other cells do.
    #[cfg(test)]
    pub(super) fn fill(&self, bytes: &[u8]) {
        let _ = self.push(&mut self.ring(), bytes);
    }

    /// Returns whether a publication is still there, as far as is known without waiting.
    pub(super) fn has(&self, held: Held) -> bool {
        held.id >= self.first.load(Ordering::Relaxed)
    }

    /// Returns whether half of the memory was used since `at`: in as long again, what was kept there is forgotten.
    pub(super) fn is_aging(&self, at: u64) -> bool {
        self.written.load(Ordering::Relaxed).saturating_sub(at) > self.bytes as u64 / 2
    }

    /// Returns how many bytes they take.
    pub(super) fn bytes(&self) -> usize {
        let ring = self.ring();
        let places = ring.places.capacity() * size_of::<Place>();
        ring.touched + places + ring.newest.capacity() * size_of::<[Option<Newest>; 2]>()
    }

    /// Returns a copy of a publication; `None` when it is forgotten.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<Vec<u8>> {
        let ring = self.ring();
        let place = ring.places.get(usize::try_from(id.checked_sub(ring.first)?).ok()?)?;
        Some(ring.memory[place.at..place.at + place.len].to_vec())
    }
}

impl Ring {
    fn push(&mut self, bytes: &[u8]) -> Option<Held> {
        if bytes.len() > self.bytes / 4 {
            return None;
        }
        if self.memory.is_empty() {
            // Zeroed memory is not touched before it is used.
            self.memory = vec![0; self.bytes];
            self.places.reserve_exact(MOST);
        }
        if self.head + bytes.len() > self.bytes {
            // The rest of the memory is too short: what lies there goes, and it begins anew.
            while self.places.front().is_some_and(|p| p.at >= self.head) {
                self.forget();
            }
            self.written += (self.bytes - self.head) as u64;
            self.head = 0;
        }
        let end = self.head + bytes.len();
        while self.places.front().is_some_and(|p| p.at >= self.head && p.at < end)
            || self.places.len() >= MOST
        {
            self.forget();
        }
        self.memory[self.head..end].copy_from_slice(bytes);
        self.places.push_back(Place { at: self.head, len: bytes.len() });
        self.head = end;
        self.touched = self.touched.max(end);
        let held = Held { id: self.first + self.places.len() as u64 - 1, at: self.written };
        self.written += bytes.len().max(self.bytes / MOST) as u64;
        Some(held)
    }

    fn forget(&mut self) {
        self.places.pop_front();
        self.first += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_first_and_the_others_stay_whole() {
        let contents = Contents::with_bytes(1000);
        let mut kept = Vec::new();
        for n in 0..500_usize {
            let bytes = vec![n as u8; n * 7 % 240];
            let id = contents.ring().push(&bytes).unwrap().id;
            kept.push((id, bytes));
            let there: Vec<bool> = kept.iter().map(|(id, _)| contents.get(*id).is_some()).collect();
            assert!(there.is_sorted(), "the newest stay: {there:?}");
            for (id, bytes) in kept.iter().rev().take_while(|(id, _)| contents.get(*id).is_some()) {
                assert_eq!(contents.get(*id).as_ref(), Some(bytes), "{n}");
            }
            let bytes: usize = kept.iter().filter_map(|(id, _)| contents.get(*id)).map(|b| b.len()).sum();
            assert!(bytes <= 1000 && (n < 20 || bytes >= 500), "{n}: {bytes} bytes are kept");
        }
        assert_eq!(contents.ring().push(&[0; 251]), None, "one that would push out all others is not kept");
    }
}
