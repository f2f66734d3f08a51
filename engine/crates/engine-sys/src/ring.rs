//! A ring of byte messages with one producer and one consumer, in shared memory.
//!
//! A record is 16 bytes of prefix (its length in the first 4) and the message, padded to 16 bytes; it never wraps: where it would, a wrap marker
//! sends the consumer to the start. Each end keeps its own position privately and takes nothing but the other's position from shared memory,
//! which it checks. A hostile peer can therefore send nonsense or stop, and no more; the answer to nonsense is [`RingCorrupt`], never a panic.
//!
//! Pushing makes no syscall. [`RingProducer::wake`] makes one only if the consumer sleeps: call it once after a batch.

use std::time::{Duration, Instant};

#[cfg(not(loom))]
use crate::map::MapRw;
#[cfg(not(loom))]
use crate::memfd::{Memfd, Seals};
use crate::ring_error::{PushError, RingAttachError, RingCorrupt, WaitOutcome};
#[cfg(not(loom))]
use crate::ring_memory::HEADER_LEN;
use crate::ring_memory::{GRAIN, RingMemory};
use crate::sync::{AtomicU32, Ordering, fence, spin_loop};

/// The length that means "go on at the start".
const WRAP: u32 = u32::MAX;
const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;

/// Creates the memory of a ring with `capacity` bytes (a power of two from 64 to 2^30), its size sealed. Each side attaches one end to it.
///
/// # Errors
/// [`RingAttachError::BadSize`] or [`RingAttachError::Memory`].
#[cfg(not(loom))]
pub fn create_ring(name: &str, capacity: usize) -> Result<Memfd, RingAttachError> {
    let len = capacity.saturating_add(HEADER_LEN);
    if !RingMemory::fits(len) {
        return Err(RingAttachError::BadSize { len });
    }
    let memfd = Memfd::create(name, len)?;
    memfd.seal_size()?;
    Ok(memfd)
}

/// The writing end.
pub struct RingProducer {
    memory: RingMemory,
    tail: u64,
    /// The consumer's position when last looked at; it may be further by now.
    head: u64,
}

impl RingProducer {
    /// Maps `memfd` and takes the writing end. To be done before a peer that is not trusted gets the descriptor.
    ///
    /// # Errors
    /// [`RingAttachError`]: the memory has no ring's size, can still shrink, or its writing end was taken before.
    #[cfg(not(loom))]
    pub fn attach(memfd: &Memfd) -> Result<Self, RingAttachError> {
        Self::claim(map_ring(memfd)?)
    }

    pub(crate) fn claim(memory: RingMemory) -> Result<Self, RingAttachError> {
        claim(&memory.header().claims.0.producer, "writing")?;
        Ok(Self { memory, tail: 0, head: 0 })
    }

    /// Returns the length of the longest message, in bytes: it fits whenever the ring is empty.
    pub fn max_message(&self) -> usize {
        self.memory.capacity() / 2 - GRAIN
    }

    /// Appends one message, gathered from `parts`. The consumer sees all of it or nothing.
    ///
    /// # Errors
    /// [`PushError`]; the ring is unchanged then.
    pub fn try_push(&mut self, parts: &[&[u8]]) -> Result<(), PushError> {
        let len = parts.iter().map(|part| part.len()).sum();
        if len > self.max_message() {
            return Err(PushError::TooLarge { len, max: self.max_message() });
        }
        let capacity = self.memory.capacity();
        let record = record_len(len);
        let mut at = offset(self.tail, capacity);
        let skip = if record > capacity - at { capacity - at } else { 0 };
        self.reserve(skip + record)?;
        if skip > 0 {
            self.memory.write_len(at, WRAP);
            at = 0;
        }
        self.memory.write_len(at, len as u32);
        at += GRAIN;
        for part in parts {
            self.memory.write(at, part);
            at += part.len();
        }
        self.tail += (skip + record) as u64;
        // SYNC: pairs with the acquire load in RingConsumer::available. Hands over the record's bytes.
        let header = self.memory.header();
        header.tail.0.store(self.tail, Ordering::Release);
        Ok(())
    }

    /// Wakes the consumer if it sleeps. Without a sleeper this is a fence and a load, no syscall.
    pub fn wake(&self) {
        let word = &self.memory.header().sleeping.0;
        // SYNC: pairs with the fence in RingConsumer::wait. Of the two, one sees the other: either the consumer sees what was pushed before,
        // or this sees that it is about to sleep.
        fence(Ordering::SeqCst);
        if word.0.load(Ordering::Relaxed) == ASLEEP {
            // Between its last look and the kernel the consumer is stopped by the changed word, after that by the wake.
            word.0.store(AWAKE, Ordering::Relaxed);
            word.wake();
        }
    }

    /// Makes sure that `need` bytes are free.
    fn reserve(&mut self, need: usize) -> Result<(), PushError> {
        let capacity = self.memory.capacity() as u64;
        let used = self.tail - self.head;
        if capacity - used >= need as u64 {
            return Ok(());
        }
        // SYNC: pairs with the release store in RingConsumer::try_pop. The consumer has copied what lies before `head`.
        let head = self.memory.header().head.0.load(Ordering::Acquire);
        let now_used = self.tail.wrapping_sub(head);
        if now_used > used || !now_used.is_multiple_of(GRAIN as u64) {
            return Err(PushError::Corrupt(RingCorrupt::Position { own: self.tail, peer: head }));
        }
        self.head = head;
        if capacity - now_used >= need as u64 { Ok(()) } else { Err(PushError::Full) }
    }
}

/// The reading end.
pub struct RingConsumer {
    memory: RingMemory,
    head: u64,
    /// The producer's position when last looked at; it may be further by now.
    tail: u64,
}

impl RingConsumer {
    /// Maps `memfd` and takes the reading end. To be done before a peer that is not trusted gets the descriptor.
    ///
    /// # Errors
    /// [`RingAttachError`]: the memory has no ring's size, can still shrink, or its reading end was taken before.
    #[cfg(not(loom))]
    pub fn attach(memfd: &Memfd) -> Result<Self, RingAttachError> {
        Self::claim(map_ring(memfd)?)
    }

    pub(crate) fn claim(memory: RingMemory) -> Result<Self, RingAttachError> {
        claim(&memory.header().claims.0.consumer, "reading")?;
        Ok(Self { memory, head: 0, tail: 0 })
    }

    /// Returns the length of the longest message that the other end can push, in bytes.
    pub fn max_message(&self) -> usize {
        self.memory.capacity() / 2 - GRAIN
    }

    /// Takes the oldest message: its bytes replace the content of `out` (which grows only if it must). Returns false, with `out` untouched,
    /// if there is none.
    ///
    /// # Errors
    /// [`RingCorrupt`] if the producer wrote what no producer writes. The connection is of no more use: close it.
    pub fn try_pop(&mut self, out: &mut Vec<u8>) -> Result<bool, RingCorrupt> {
        let mut available = self.available()?;
        if available == 0 {
            return Ok(false);
        }
        let capacity = self.memory.capacity();
        let (mut head, mut at) = (self.head, offset(self.head, capacity));
        let mut len = self.memory.read_len(at);
        if len == WRAP {
            let skip = capacity - at;
            // A marker is published together with the record behind it. This also refuses one at the start, whose skip is the whole ring.
            if available <= skip {
                return Err(RingCorrupt::WrapMarker { position: head });
            }
            (head, at, available) = (head + skip as u64, 0, available - skip);
            len = self.memory.read_len(at);
        }
        let max = self.max_message();
        let record = record_len(len as usize);
        // The first test bounds `len`, a second marker included, so that the sums above and below cannot overflow.
        if len as usize > max || record > available || record > capacity - at {
            return Err(RingCorrupt::Length { len, position: head, available });
        }
        self.memory.read(at + GRAIN, len as usize, out);
        self.head = head + record as u64;
        // SYNC: pairs with the acquire load in RingProducer::reserve. The bytes are copied and may be overwritten.
        let header = self.memory.header();
        header.head.0.store(self.head, Ordering::Release);
        Ok(true)
    }

    /// Sleeps until there is something to pop or `timeout` (none: for ever) has passed. Looks `spins` times first: worth it only if the
    /// answer is expected within microseconds and a core is free.
    pub fn wait(&mut self, timeout: Option<Duration>, spins: u32) -> WaitOutcome {
        for _ in 0..spins {
            if self.has_news() {
                return WaitOutcome::Ready;
            }
            spin_loop();
        }
        let deadline = timeout.and_then(|t| Instant::now().checked_add(t));
        loop {
            let word = &self.memory.header().sleeping.0;
            word.0.store(ASLEEP, Ordering::Relaxed);
            // SYNC: pairs with the fence in RingProducer::wake.
            fence(Ordering::SeqCst);
            let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
            let outcome = if self.has_news() {
                Some(WaitOutcome::Ready)
            } else if left == Some(Duration::ZERO) {
                Some(WaitOutcome::TimedOut)
            } else {
                None
            };
            if let Some(outcome) = outcome {
                word.0.store(AWAKE, Ordering::Relaxed);
                return outcome;
            }
            word.sleep(ASLEEP, left);
        }
    }

    /// Returns whether the producer's position differs from ours. `try_pop` judges whether it makes sense.
    fn has_news(&self) -> bool {
        self.tail != self.head || self.memory.header().tail.0.load(Ordering::Acquire) != self.head
    }

    /// Returns the bytes that are ready, looking at the producer's position only if none are known of.
    fn available(&mut self) -> Result<usize, RingCorrupt> {
        if self.tail == self.head {
            // SYNC: pairs with the release store in RingProducer::try_push.
            let tail = self.memory.header().tail.0.load(Ordering::Acquire);
            let ready = tail.wrapping_sub(self.head);
            if ready > self.memory.capacity() as u64 || !ready.is_multiple_of(GRAIN as u64) {
                return Err(RingCorrupt::Position { own: self.head, peer: tail });
            }
            self.tail = tail;
        }
        Ok((self.tail - self.head) as usize)
    }
}

fn claim(word: &AtomicU32, end: &'static str) -> Result<(), RingAttachError> {
    // Relaxed: the claim orders nothing; the ends meet at head and tail.
    match word.swap(1, Ordering::Relaxed) {
        0 => Ok(()),
        _ => Err(RingAttachError::Taken { end }),
    }
}

#[cfg(not(loom))]
fn map_ring(memfd: &Memfd) -> Result<RingMemory, RingAttachError> {
    let seals = memfd.seals().unwrap_or(Seals::empty());
    if !seals.contains(Seals::SHRINK) {
        return Err(RingAttachError::SizeNotSealed);
    }
    let len = memfd.len();
    RingMemory::over(MapRw::new(memfd)?).ok_or(RingAttachError::BadSize { len })
}

/// Returns where in the payload a position lies.
fn offset(position: u64, capacity: usize) -> usize {
    position as usize & (capacity - 1)
}

/// Returns the bytes a message of `len` bytes takes.
fn record_len(len: usize) -> usize {
    GRAIN + len.next_multiple_of(GRAIN)
}

#[cfg(all(test, not(loom)))]
#[path = "ring_tests.rs"]
mod tests;
