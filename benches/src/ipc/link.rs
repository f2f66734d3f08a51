//! What both processes know of each other: the words of the bare program, records, and the bytes of a slot.
use super::{SLOT_BYTES, Way};
use anyhow::{Context as _, ensure};
use engine_sys::MapRw;
use rustix::thread::{CpuSet, futex, sched_getaffinity, sched_setaffinity};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Bytes of a [`Grant`].
pub(super) const GRANT_BYTES: usize = 28;

/// Pins this thread to a core.
pub(crate) fn pin(core: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("this thread cannot be kept on core {core}"))
}

/// Returns two cores that this thread may use.
pub(super) fn two_cores() -> anyhow::Result<[usize; 2]> {
    let set = sched_getaffinity(None)?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core));
    let two = [cores.next(), cores.next()];
    ensure!(two[1].is_some(), "two processes that spin need two cores");
    Ok(two.map(|core| core.expect("just looked")))
}

/// What the peer is to do.
#[derive(Clone, Copy)]
pub(super) struct Order {
    pub(super) way: Way,
    pub(super) core: usize,
    pub(super) rounds: u64,
}

impl Order {
    pub(super) fn to_bytes(self) -> [u8; 10] {
        let mut bytes = [self.way as u8, self.core as u8, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes[2..].copy_from_slice(&self.rounds.to_le_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> anyhow::Result<Self> {
        let bytes: [u8; 10] = bytes.try_into().context("no order")?;
        let (way, rounds) = (Way::ALL.get(usize::from(bytes[0])), bytes[2..].try_into()?);
        Ok(Self {
            way: *way.context("no such way")?,
            core: bytes[1].into(),
            rounds: u64::from_le_bytes(rounds),
        })
    }
}

/// The right to publish one slot, as it goes over the ring.
#[derive(Clone, Copy)]
pub(super) struct Grant {
    pub(super) frame: u64,
    pub(super) offset: u64,
    pub(super) header: u64,
    pub(super) stamp: u32,
}

impl Grant {
    pub(super) fn to_bytes(self) -> [u8; GRANT_BYTES] {
        let mut bytes = [0; GRANT_BYTES];
        for (to, from) in bytes.chunks_mut(8).zip([self.frame, self.offset, self.header]) {
            to.copy_from_slice(&from.to_le_bytes());
        }
        bytes[24..].copy_from_slice(&self.stamp.to_le_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> anyhow::Result<Self> {
        let bytes: &[u8; GRANT_BYTES] = bytes.try_into().context("no grant")?;
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let stamp = u32::from_le_bytes(bytes[24..].try_into().expect("four bytes"));
        Ok(Self { frame: number(0), offset: number(8), header: number(16), stamp })
    }
}

/// Returns the slot of a round: three in turn, as of a buffer that nobody is late with.
pub(super) fn slot_of(round: u64) -> u8 {
    (round % 3) as u8
}

/// Fills a slot with the bytes of a round.
///
/// # Safety
/// `slot` must be writable for [`SLOT_BYTES`], aligned to 8, and nobody may read it meanwhile.
pub(super) unsafe fn write_slot(slot: *mut u8, round: u64) {
    for word in 0..SLOT_BYTES / 8 {
        // SAFETY: the caller's promise.
        unsafe { slot.cast::<u64>().add(word).write(round + word as u64) };
    }
}

/// Returns whether `bytes` are all those of a round.
pub(super) fn holds(bytes: &[u8], round: u64) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    rest.is_empty()
        && words.len() == SLOT_BYTES / 8
        && (round..).zip(words).all(|(expected, word)| u64::from_le_bytes(*word) == expected)
}

/// A word alone on its cache line.
#[repr(C, align(128))]
pub(super) struct Line<T>(T);

impl<T> std::ops::Deref for Line<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// The shared page of the bare program.
#[repr(C)]
pub(super) struct Page {
    /// Written by the process that measures.
    pub(super) ours: Line<AtomicU64>,
    /// Written by the one that answers.
    pub(super) theirs: Line<AtomicU64>,
    asks: Line<AtomicU32>,
    answers: Line<AtomicU32>,
    /// Payloads beside the two flags: three in turn, as slots are.
    ours_bytes: [Line<Payload>; 3],
    theirs_bytes: [Line<Payload>; 3],
}

/// 64 bytes that go with a flag.
#[repr(transparent)]
struct Payload([AtomicU64; SLOT_BYTES / 8]);

impl Payload {
    fn write(&self, round: u64) {
        for (word, value) in self.0.iter().zip(round..) {
            word.store(value, Ordering::Relaxed);
        }
    }

    fn holds(&self, round: u64) -> bool {
        self.0.iter().zip(round..).all(|(word, value)| word.load(Ordering::Relaxed) == value)
    }
}

/// One side of the bare program with a payload.
pub(super) struct Flag<'a> {
    word: &'a AtomicU64,
    bytes: &'a [Line<Payload>; 3],
}

impl Flag<'_> {
    /// Says `round`, with its bytes.
    pub(super) fn say(&self, round: u64) {
        self.bytes[usize::from(slot_of(round))].write(round);
        self.word.store(round, Ordering::Release);
    }

    /// Returns whether `round` was said.
    pub(super) fn is(&self, round: u64) -> bool {
        self.word.load(Ordering::Acquire) == round
    }

    /// Returns whether its bytes are all there.
    pub(super) fn holds(&self, round: u64) -> bool {
        self.bytes[usize::from(slot_of(round))].holds(round)
    }
}

/// Its mapping.
pub(super) struct Words(MapRw);

impl std::ops::Deref for Words {
    type Target = Page;
    fn deref(&self) -> &Page {
        // SAFETY: a mapping of a page, zeroed at first, page-aligned, alive as long as `self`; atomics only.
        unsafe { &*self.0.as_ptr().cast::<Page>() }
    }
}

impl Words {
    pub(super) fn new(map: MapRw) -> Self {
        Self(map)
    }

    /// Returns the flag and the bytes of the process that measures, and those of the one that answers.
    pub(super) fn flags(&self) -> [Flag<'_>; 2] {
        let (ours, theirs) = (&self.ours_bytes, &self.theirs_bytes);
        [Flag { word: &self.ours, bytes: ours }, Flag { word: &self.theirs, bytes: theirs }]
    }

    /// Asks with a word and sleeps until it is answered: two futex calls.
    pub(super) fn sleep_round(&self, round: u32) {
        say(&self.asks, round);
        sleep_until(&self.answers, round);
    }

    /// Sleeps until the word asks for `round`, and answers.
    pub(super) fn sleep_answer(&self, round: u32) {
        sleep_until(&self.asks, round);
        say(&self.answers, round);
    }
}

fn say(word: &AtomicU32, round: u32) {
    word.store(round, Ordering::Release);
    // Fails only for an address that is not mapped.
    let _ = futex::wake(word, futex::Flags::empty(), 1);
}

fn sleep_until(word: &AtomicU32, round: u32) {
    loop {
        let seen = word.load(Ordering::Acquire);
        if seen == round {
            return;
        }
        // Changed meanwhile, a signal: look again.
        let _ = futex::wait(word, futex::Flags::empty(), seen, None);
    }
}
