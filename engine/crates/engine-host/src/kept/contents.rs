//! What ticks read of other cells: each publication once, the oldest forgotten first.
use super::CONTENT_BYTES;
use crate::{memory::MemoryTable, record::SlotRead};
use engine_frame::packet::SlotMemory as _;
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How many publications are kept, however small they are.
const MOST: usize = 1 << 15;

/// Publications that ticks have read. Shared by all cells of a world.
#[derive(Debug)]
pub struct Contents(Mutex<Ring>);

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
    id: u64,
}

impl Contents {
    /// Returns room for `bytes` bytes.
    #[must_use]
    pub fn with_bytes(bytes: usize) -> Self {
        Self(Mutex::new(Ring {
            bytes,
            memory: Vec::new(),
            head: 0,
            first: 0,
            places: VecDeque::new(),
            newest: Vec::new(),
        }))
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a publication that is held, if it is not kept yet, and returns its number; `None` when it is too long
    /// or not there.
    pub(super) fn keep(&self, memory: &MemoryTable, read: &SlotRead) -> Option<u64> {
        let mut ring = self.ring();
        let known = ring.newest.get(read.buffer.0 as usize);
        let same = |n: &&Newest| n.frame == read.frame && n.stamp == read.stamp;
        if let Some(known) = known.and_then(|n| n.iter().flatten().find(same))
            && known.id >= ring.first
        {
            return Some(known.id);
        }
        let len = memory.get(read.buffer).map_or(0, |m| read.len.min(m.part.capacity));
        let bytes = memory.bytes(read.buffer, read.slot, 0, len as u64)?;
        let id = ring.push(bytes)?;
        let at = read.buffer.0 as usize;
        if ring.newest.len() <= at {
            ring.newest.resize(at + 1, [None; 2]);
        }
        let new = Newest { frame: read.frame, stamp: read.stamp, id };
        let both = &mut ring.newest[at];
        if both[0].is_some_and(|n| n.frame > read.frame) {
            both[1] = Some(new);
        } else {
            *both = [Some(new), both[0]];
        }
        Some(id)
    }

    /// Returns whether publication `id` will be forgotten when as much is kept again as is there now after it.
    pub(super) fn is_aging(&self, id: u64) -> bool {
        let ring = self.ring();
        let older = usize::try_from(id.saturating_sub(ring.first)).unwrap_or(usize::MAX);
        // Nothing is forgotten before the memory, or the number of places, is used up.
        let is_full = ring.first > 0 || ring.head > ring.bytes / 2 || ring.places.len() > MOST / 2;
        is_full && older < ring.places.len() / 2
    }

    /// Returns how many bytes the publications take.
    pub(super) fn bytes(&self) -> usize {
        self.ring().places.iter().map(|p| p.len).sum()
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
    fn push(&mut self, bytes: &[u8]) -> Option<u64> {
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
        Some(self.first + self.places.len() as u64 - 1)
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
            let id = contents.ring().push(&bytes).unwrap();
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
