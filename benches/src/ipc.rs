//! Two processes that answer each other: the engine's way, and a bare one beside it.
//!
//! The child is this program again. It sleeps on its socket between batches, so that only what is measured spins.
#![expect(unsafe_code, reason = "words and slots in memory that two processes share")]

mod link;
pub(crate) mod peer;

use anyhow::{Context as _, ensure};
use engine_frame::{packet::SlotMemory as _, plan::BufferId};
use engine_host::memory::{BufferSize, MemoryTable, Region};
use engine_scene::Placement;
use engine_sys::{
    ChildProcess, ControlSocket, MapRw, Memfd, RingConsumer, RingProducer, create_ring, spawn_self,
};
pub(crate) use link::pin;
use link::{GRANT_BYTES, Grant, Words};
use std::time::{Duration, Instant};

/// The argument by which this program becomes the answering process.
pub(crate) const PEER_ARGUMENT: &str = "--ipc-peer";
/// Bytes of a publication.
const SLOT_BYTES: usize = 64;
/// Bytes of a ring, as between the engine and a cell's process.
const RING_BYTES: usize = 256 << 10;
/// The buffer that the peer owns, and the one that this process owns.
const THEIRS: BufferId = BufferId(0);
const OURS: BufferId = BufferId(1);
/// How long a batch may take before the row gives up.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the engine's tick thread sleeps at most before it looks after a child.
const LOOK: Duration = Duration::from_millis(4);

/// A way to and fro.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A word each, both spin.
    BareSpin,
    /// A word and 64 bytes each, in plain code, both spin: what a slot and its header cannot beat.
    BytesSpin,
    /// A word each and the futex calls, both sleep.
    BareSleep,
    /// A slot and its header each, both spin.
    SlotSpin,
    /// As the engine gives a turn: a record over a ring; a slot, its header and an answer over a ring. Both spin.
    TurnSpin,
    /// The same, both sleep.
    TurnSleep,
}

impl Way {
    const ALL: [Self; 6] =
        [Self::BareSpin, Self::BytesSpin, Self::BareSleep, Self::SlotSpin, Self::TurnSpin, Self::TurnSleep];

    /// Returns whether one core suffices: each side sleeps while the other has its turn.
    fn sleeps(self) -> bool {
        matches!(self, Self::BareSleep | Self::TurnSleep)
    }
}

/// This process's end, with the process that answers.
pub(crate) struct Pair {
    child: ChildProcess,
    control: ControlSocket,
    words: Words,
    outbox: RingProducer,
    inbox: RingConsumer,
    memory: MemoryTable,
    /// The next round; the peer counts with us.
    round: u64,
    bytes: Vec<u8>,
    /// The cores that the two run on: this process, the peer.
    cores: [usize; 2],
}

impl Pair {
    /// Starts the answering process. Must be called, and used, on a thread of its own, which is pinned to a core.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let cores = link::two_cores()?;
        let (control, theirs) = ControlSocket::pair()?;
        let args = [PEER_ARGUMENT.to_owned(), std::process::id().to_string()];
        let child = spawn_self(&args, &[], theirs)?;
        let page = Memfd::create("ipc-words", 4096)?;
        page.seal_size()?;
        let (to, from) = (create_ring("ipc-to", RING_BYTES)?, create_ring("ipc-from", RING_BYTES)?);
        let sizes = |buffer| [BufferSize { buffer, capacity: SLOT_BYTES }];
        let theirs = Region::new("ipc-peer", &sizes(THEIRS), Placement::Process, &[])?;
        let ours = Region::new("ipc", &sizes(OURS), Placement::Thread, &[])?;
        ensure!(theirs.begin_claim(), "a new region was claimed by somebody");
        let files =
            [&page, &to, &from, &theirs.data, &theirs.headers, &ours.data, &ours.headers].map(Memfd::as_fd);
        control.send(b"files", &files)?;
        let mut bytes = Vec::new();
        control.recv(&mut bytes, 16, Some(PATIENCE)).context("the answering process did not come up")?;
        theirs.finish_claim()?;
        let mut memory = MemoryTable::default();
        for region in [&theirs, &ours] {
            memory.insert(region);
        }
        Ok(Self {
            child,
            control,
            words: Words::new(MapRw::new(&page)?),
            outbox: RingProducer::attach(&to)?,
            inbox: RingConsumer::attach(&from)?,
            memory,
            round: 0,
            bytes: Vec::new(),
            cores,
        })
    }

    /// Returns the nanoseconds of one round, over `rounds` of them.
    pub(crate) fn run(&mut self, way: Way, rounds: usize) -> anyhow::Result<f64> {
        let theirs = if way.sleeps() { self.cores[0] } else { self.cores[1] };
        pin(self.cores[0])?;
        let order = link::Order { way, core: theirs, rounds: rounds as u64 };
        self.control.send(&order.to_bytes(), &[])?;
        // It is there, on its core, and waits.
        self.control.recv(&mut self.bytes, 16, Some(PATIENCE))?;
        let begun = Instant::now();
        for _ in 0..rounds {
            self.round += 1;
            match way {
                Way::BareSpin => self.bare_spin()?,
                Way::BytesSpin => self.bytes_spin()?,
                Way::BareSleep => self.words.sleep_round(self.round as u32),
                Way::SlotSpin => self.slot_spin()?,
                Way::TurnSpin => self.turn(None)?,
                Way::TurnSleep => self.turn(Some(LOOK))?,
            }
        }
        let ns = begun.elapsed().as_nanos() as f64 / rounds as f64;
        self.control.recv(&mut self.bytes, 16, Some(PATIENCE))?;
        Ok(ns)
    }

    fn bare_spin(&mut self) -> anyhow::Result<()> {
        let (words, round) = (&self.words, self.round);
        words.ours.store(round, std::sync::atomic::Ordering::Release);
        spin(&mut self.child, || {
            (words.theirs.load(std::sync::atomic::Ordering::Acquire) == round).then_some(())
        })
    }

    fn bytes_spin(&mut self) -> anyhow::Result<()> {
        let ([ours, theirs], round) = (self.words.flags(), self.round);
        ours.say(round);
        spin(&mut self.child, || theirs.is(round).then_some(()))?;
        ensure!(theirs.holds(round), "the bytes are another round's");
        Ok(())
    }

    fn slot_spin(&mut self) -> anyhow::Result<()> {
        let (round, stamp) = (self.round, self.round as u32);
        let slot = link::slot_of(round);
        let ours = self.memory.get(OURS).expect("it was inserted");
        // SAFETY: the address is that of a slot of 64 bytes in memory that this process alone writes, and the peer
        // reads it only after the publication; it has answered the last round, so that it reads nothing now.
        unsafe { link::write_slot(ours.write_ptr(slot), round) };
        ours.header(Some(slot)).publish(stamp, round, SLOT_BYTES as u64, &[]);
        let theirs = self.memory.get(THEIRS).expect("it was inserted").header(Some(slot));
        let publication = spin(&mut self.child, || theirs.published(stamp))?;
        self.read(slot, publication.len_bytes)
    }

    fn turn(&mut self, sleep: Option<Duration>) -> anyhow::Result<()> {
        let (round, stamp) = (self.round, self.round as u32);
        let slot = link::slot_of(round);
        let theirs = self.memory.get(THEIRS).expect("it was inserted");
        let grant = Grant {
            frame: round,
            offset: theirs.offset(Some(slot)) as u64,
            header: theirs.header_offset(Some(slot)) as u64,
            stamp,
        };
        let record: [u8; GRANT_BYTES] = grant.to_bytes();
        self.outbox.try_push(&[&record])?;
        self.outbox.wake();
        let (inbox, bytes) = (&mut self.inbox, &mut self.bytes);
        match sleep {
            None => spin(&mut self.child, || inbox.try_pop(bytes).map(|got| got.then_some(())).transpose())??,
            Some(timeout) => {
                while !inbox.try_pop(bytes)? {
                    inbox.wait(Some(timeout), 0);
                    ensure!(self.child.try_wait()?.is_none(), "the answering process has ended");
                }
            }
        }
        let publication =
            theirs.header(Some(slot)).published(stamp).context("it answered without publishing")?;
        self.read(slot, publication.len_bytes)
    }

    /// Reads what the peer has published, in place.
    fn read(&self, slot: u8, len: u64) -> anyhow::Result<()> {
        let bytes = self.memory.bytes(THEIRS, slot, 0, len).context("a publication beyond its slot")?;
        ensure!(link::holds(bytes, self.round), "the slot holds another round's bytes");
        Ok(())
    }
}

/// Looks until `look` finds something; now and then, whether there is still somebody to wait for.
fn spin<T>(child: &mut ChildProcess, mut look: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
    loop {
        for _ in 0..1 << 20 {
            if let Some(found) = look() {
                return Ok(found);
            }
            std::hint::spin_loop();
        }
        ensure!(child.try_wait()?.is_none(), "the answering process has ended");
    }
}

/// Calls `measure` with a pair, on a thread of its own: it is pinned to a core, and the caller's threads are not.
pub(crate) fn with_pair<T: Send>(
    measure: impl FnOnce(&mut Pair) -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    std::thread::scope(|scope| {
        let run = scope.spawn(|| measure(&mut Pair::start()?));
        run.join().map_err(|_| anyhow::anyhow!("the measuring thread panicked"))?
    })
}
