//! What ticks read of other cells: each publication once, the oldest forgotten first.
use super::CONTENT_BYTES;
use crate::{memory::MemoryTable, record::SlotRead};
use engine_frame::packet::SlotMemory as _;
use engine_sys::CopyMemory;
use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// How many publications are kept, however small they are.
const MOST: usize = 1 << 15;

/// Publications that ticks have read. Shared by all cells of a world.
///
/// The lock guards where they lie, not their bytes: a place is taken under it, filled without it, and then said to be
/// whole. So one that is long delays none of the other tick threads.
#[derive(Debug)]
pub struct Contents {
    ring: Mutex<Ring>,
    /// Made at first use; `None` when the system gave none.
    memory: OnceLock<Option<CopyMemory>>,
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
    /// Its bytes are there; until then a thread is copying them.
    is_whole: bool,
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
            head: 0,
            touched: 0,
            written: 0,
            first: 0,
            places: VecDeque::new(),
            newest: Vec::new(),
        };
        Self {
            ring: Mutex::new(ring),
            memory: OnceLock::new(),
            first: AtomicU64::new(0),
            written: AtomicU64::new(0),
            bytes,
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn memory(&self) -> Option<&CopyMemory> {
        self.memory.get_or_init(|| CopyMemory::new(self.bytes).ok()).as_ref()
    }

    /// Keeps a publication, if it is not kept yet, and says where; `None` when it is too long or not there. The caller
    /// holds its slot until this returns, so that nobody writes it meanwhile.
    pub(super) fn keep(&self, memory: &MemoryTable, read: &SlotRead) -> Option<Held> {
        let mut ring = self.ring();
        if let Some(known) = ring.find(read) {
            // Who kept it first may still be copying it.
            return Some(known);
        }
        let len = memory.get(read.buffer).map_or(0, |m| read.len.min(m.part.capacity));
        let bytes = memory.bytes(read.buffer, read.slot, 0, len as u64)?;
        let to = self.begin(&mut ring, bytes.len())?;
        ring.note(read, to.held);
        drop(ring);
        self.finish(to, bytes);
        Some(to.held)
    }

    /// Takes a place for `len` bytes, which [`Contents::finish`] fills.
    fn begin(&self, ring: &mut Ring, len: usize) -> Option<Room> {
        self.memory()?;
        let room = ring.take(len);
        // Relaxed: they are compared with numbers that were true once, and tell nothing of other memory.
        self.first.store(ring.first, Ordering::Relaxed);
        self.written.store(ring.written, Ordering::Relaxed);
        room
    }

    /// Fills a place. Without the lock: the place is nobody else's until it is whole.
    fn finish(&self, to: Room, bytes: &[u8]) {
        let filled = self.memory().is_some_and(|m| m.copy_in(bytes, to.at).is_ok());
        debug_assert!(filled, "a place is within the memory");
        self.ring().set_whole(to.held.id);
    }

    /// Keeps what nobody reads, as other cells do.
    #[cfg(test)]
    pub(super) fn fill(&self, bytes: &[u8]) {
        let room = self.begin(&mut self.ring(), bytes.len());
        self.finish(room.unwrap(), bytes);
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

    /// Returns a copy of a publication; `None` when it is forgotten. Waits for who is still copying it.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<Vec<u8>> {
        loop {
            let ring = self.ring();
            let place = ring.places.get(usize::try_from(id.checked_sub(ring.first)?).ok()?)?;
            if place.is_whole {
                let mut bytes = vec![0; place.len];
                // Under the lock: nothing else takes the place meanwhile.
                self.memory()?.copy_out(place.at, &mut bytes).ok()?;
                return Some(bytes);
            }
            drop(ring);
            std::thread::yield_now();
        }
    }
}

/// A place that is to be filled.
#[derive(Clone, Copy, Debug)]
struct Room {
    held: Held,
    at: usize,
}

impl Ring {
    /// Returns where a publication is kept.
    fn find(&self, read: &SlotRead) -> Option<Held> {
        let both = self.newest.get(read.buffer.0 as usize)?;
        let known = both.iter().flatten().find(|n| n.frame == read.frame && n.stamp == read.stamp)?;
        Some(known.held).filter(|held| held.id >= self.first)
    }

    /// Lets it be found.
    fn note(&mut self, read: &SlotRead, held: Held) {
        let at = read.buffer.0 as usize;
        if self.newest.len() <= at {
            self.newest.resize(at + 1, [None; 2]);
        }
        let new = Newest { frame: read.frame, stamp: read.stamp, held };
        let both = &mut self.newest[at];
        if both[0].is_some_and(|n| n.frame > read.frame) {
            both[1] = Some(new);
        } else {
            *both = [Some(new), both[0]];
        }
    }

    /// Takes a place; `None` when there is none so long, or when another is still being filled where it would be.
    fn take(&mut self, len: usize) -> Option<Room> {
        if len > self.bytes / 4 {
            return None;
        }
        if self.places.capacity() == 0 {
            // Memory that is not used yet costs nothing.
            self.places.reserve_exact(MOST);
        }
        // One without bytes takes one all the same: where two begin at one place, the second pushes out the first.
        let room = len.max(1);
        if self.head + room > self.bytes {
            // The rest of the memory is too short: what lies there goes, and it begins anew.
            while self.places.front().is_some_and(|p| p.at >= self.head) {
                self.forget()?;
            }
            self.written += (self.bytes - self.head) as u64;
            self.head = 0;
        }
        let (at, end) = (self.head, self.head + room);
        while self.places.front().is_some_and(|p| p.at >= at && p.at < end) || self.places.len() >= MOST {
            self.forget()?;
        }
        self.places.push_back(Place { at, len, is_whole: false });
        self.head = end;
        self.touched = self.touched.max(end);
        let held = Held { id: self.first + self.places.len() as u64 - 1, at: self.written };
        self.written += room.max(self.bytes / MOST) as u64;
        Some(Room { held, at })
    }

    /// Says that a place is filled.
    fn set_whole(&mut self, id: u64) {
        // It is there: what is not whole is not forgotten.
        if let Some(place) = self.places.get_mut((id - self.first) as usize) {
            place.is_whole = true;
        }
    }

    /// Forgets the oldest, unless it is still being copied.
    fn forget(&mut self) -> Option<()> {
        self.places.pop_front_if(|p| p.is_whole)?;
        self.first += 1;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Contents {
        fn put(&self, bytes: &[u8]) -> Option<u64> {
            let room = self.begin(&mut self.ring(), bytes.len())?;
            self.finish(room, bytes);
            Some(room.held.id)
        }
    }

    #[test]
    fn the_oldest_are_forgotten_first_and_the_others_stay_whole() {
        let contents = Contents::with_bytes(1000);
        let mut kept = Vec::new();
        for n in 0..500_usize {
            let bytes = vec![n as u8; n * 7 % 240];
            let id = contents.put(&bytes).unwrap();
            kept.push((id, bytes));
            let there: Vec<bool> = kept.iter().map(|(id, _)| contents.get(*id).is_some()).collect();
            assert!(there.is_sorted(), "the newest stay: {there:?}");
            for (id, bytes) in kept.iter().rev().take_while(|(id, _)| contents.get(*id).is_some()) {
                assert_eq!(contents.get(*id).as_ref(), Some(bytes), "{n}");
            }
            let bytes: usize = kept.iter().filter_map(|(id, _)| contents.get(*id)).map(|b| b.len()).sum();
            assert!(bytes <= 1000 && (n < 20 || bytes >= 500), "{n}: {bytes} bytes are kept");
        }
        assert_eq!(contents.put(&[0; 251]), None, "one that would push out all others is not kept");
    }

    #[test]
    fn one_without_bytes_stays_when_the_next_comes() {
        let contents = Contents::with_bytes(1000);
        let [empty, long] = [&[][..], &[1; 10]].map(|bytes| contents.put(bytes).unwrap());
        assert_eq!(contents.get(empty), Some(Vec::new()));
        assert_eq!(contents.get(long), Some(vec![1; 10]));
    }

    #[test]
    fn one_that_is_being_copied_holds_no_lock_and_is_neither_seen_nor_overwritten() {
        let contents = Contents::with_bytes(400);
        let bytes = [7; 100];
        let room = contents.begin(&mut contents.ring(), bytes.len()).unwrap();
        // Others come and go meanwhile, until its own place would be next.
        let others: Vec<u64> = (0..3).map(|n| contents.put(&[n; 100]).unwrap()).collect();
        assert!(others.iter().zip(0..).all(|(id, n)| contents.get(*id) == Some(vec![n; 100])));
        assert_eq!(contents.put(&[9; 100]), None, "the rest is not kept until it is whole");
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| contents.get(room.held.id));
            contents.finish(room, &bytes);
            assert_eq!(reader.join().unwrap(), Some(bytes.to_vec()), "who asks gets all of it");
        });
        assert!(contents.put(&[9; 100]).is_some());
        assert_eq!(contents.get(room.held.id), None, "now it is the oldest");
    }

    #[test]
    fn what_many_threads_keep_at_once_stays_whole() {
        let contents = Contents::with_bytes(16 << 10);
        std::thread::scope(|scope| {
            for thread in 0..4_u8 {
                let contents = &contents;
                scope.spawn(move || {
                    for n in 0..2000_usize {
                        let bytes = vec![thread + 1; 1 + n * 37 % 2000];
                        let Some(id) = contents.put(&bytes) else { continue };
                        if let Some(kept) = contents.get(id) {
                            assert!(kept == bytes, "round {n} of thread {thread}");
                        }
                    }
                });
            }
        });
    }
}
