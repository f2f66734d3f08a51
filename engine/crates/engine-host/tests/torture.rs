//! Many processes write and read slots by the rules of shared memory, and no read is ever torn.
//!
//! Writers fill slots whose content adds up, or bring them up to date and change a part, and publish them; readers and
//! this process check what they are given, in place. The engine's own book, regions, headers, rings and messages stand
//! between them. A publication counts as soon as its header shows it, so that the header alone orders the bytes; now
//! and then a child is killed in the middle of a turn, and its successor goes on in a region of a new generation.
//!
//! `TORTURE_PUBLICATIONS` says how many (`just torture`: 10 million). This executable is its own child, so it has its
//! own `main`.
#![allow(clippy::print_stdout, reason = "a test runner reports")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "torture/child.rs"]
mod child;
#[path = "torture/peer.rs"]
mod peer;
#[path = "../../../../fuzz/src/random.rs"]
mod random;
#[path = "torture/slot.rs"]
mod slot;

use child::Order;
use engine_frame::{packet::SlotMemory as _, plan::BufferId, slots::Published};
use engine_host::{
    book::{DeclaredBuffer, SlotBook},
    memory::MemoryTable,
};
use engine_scene::Placement;
use peer::{Reader, Writer};
use random::Random;
use slot::LINE;
use std::{collections::VecDeque, process::ExitCode, sync::Arc, time::Instant};

const WRITERS: usize = 3;
const READERS: usize = 3;
/// Lines of a slot of each of a writer's buffers. The last one lies on 64 KiB, as large ones do.
const LINES: [u32; 8] = [2, 3, 4, 7, 16, 33, 64, 1024];
/// Turns of a writer between two kills, and of a reader.
const WRITER_LIFE: usize = 4000;
const READER_LIFE: usize = 9000;
/// How many of the last publications readers are given at once.
const FRESH: usize = 16;
/// Publications that the host holds at most.
const PACKETS: usize = 40;

/// A publication that the host holds.
struct Packet {
    buffer: BufferId,
    generation: u32,
    held: Published,
    memory: Arc<MemoryTable>,
}

impl Packet {
    /// Says what is wrong with the bytes that it names.
    fn fault(&self) -> Option<String> {
        let bytes = self.memory.bytes(self.buffer, self.held.slot, 0, self.held.len.into());
        let fault = bytes.map_or(Some("it is not mapped".to_owned()), |b| slot::fault(b, self.held.frame));
        fault.map(|fault| format!("in the host, buffer {}: {fault}", self.buffer.0))
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|a| a == child::ARGUMENT) {
        child::serve(&args[1..]);
        return ExitCode::SUCCESS;
    }
    slot::check_the_check();
    let wanted =
        std::env::var("TORTURE_PUBLICATIONS").map_or(400_000, |n| n.replace('_', "").parse().unwrap());
    let begun = Instant::now();
    let mut world = World::new(Order::Right);
    let fault = world.run(wanted);
    println!("{world} in {:.1?}", begun.elapsed());
    assert_eq!(fault, None);
    world.check_the_counts(wanted);
    println!("test no_read_is_torn ... ok");
    // The same with writers that publish before they fill: if that is not seen, the above says nothing.
    let mut world = World::new(Order::Wrong);
    let fault = world.run(100_000_000).expect("publishing too early tears reads");
    println!("{world}, published too early: {fault}");
    println!("test publishing_before_filling_is_seen ... ok");
    ExitCode::SUCCESS
}

/// All that the host keeps.
struct World {
    book: SlotBook,
    writers: Vec<Writer>,
    readers: Vec<Reader>,
    random: Random,
    frame: u64,
    /// Of which buffers something new was published a moment ago, the newest last.
    fresh: Vec<BufferId>,
    /// What unfinished packets name.
    packets: VecDeque<Packet>,
    published: u64,
    reads: u64,
    scratch: u64,
    kills: u64,
}

impl std::fmt::Display for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} publications of {WRITERS} writers, {} reads of {READERS} readers and the host, {} to scratch, {} kills",
            self.published, self.reads, self.scratch, self.kills
        )
    }
}

impl World {
    fn new(order: Order) -> Self {
        let mut book = SlotBook::default();
        let mut declared = Vec::new();
        for writer in 0..WRITERS {
            declared.extend((0..).zip(LINES).map(|(n, lines)| DeclaredBuffer {
                buffer: BufferId((writer * LINES.len()) as u32 + n),
                owner: format!("writer-{writer}").into(),
                capacity: lines * LINE as u32,
                element_size: LINE as u32,
                history: n % 2 == 0,
                placement: Placement::Process,
            }));
        }
        book.declare(&declared, |_| false).unwrap();
        let buffers =
            |n: usize| (n * LINES.len()..(n + 1) * LINES.len()).map(|id| BufferId(id as u32)).collect();
        let writers =
            (0..WRITERS).map(|n| Writer::new(&mut book, format!("writer-{n}"), buffers(n), order)).collect();
        let readers = (0..READERS).map(|_| Reader::new()).collect();
        Self {
            book,
            writers,
            readers,
            random: Random::new(99),
            frame: 0,
            fresh: Vec::new(),
            packets: VecDeque::new(),
            published: 0,
            reads: 0,
            scratch: 0,
            kills: 0,
        }
    }

    /// Goes on until there were `wanted` publications. Returns what was wrong, as soon as something is.
    fn run(&mut self, wanted: u64) -> Option<String> {
        while self.published < wanted {
            let mut busy = false;
            for n in 0..WRITERS {
                let writer = &mut self.writers[n];
                let before = self.fresh.len();
                writer.settle_published(&mut self.book, &mut self.fresh);
                if writer.has_answered() {
                    busy = true;
                    writer.end_turn(&mut self.book, &mut self.fresh);
                    self.frame += 1;
                    self.scratch += writer.begin_turn(&mut self.book, self.frame);
                    if self.random.below(WRITER_LIFE) == 0 {
                        // In the middle of a turn: it has just been told.
                        writer.replace(&mut self.book, &mut self.fresh);
                        self.kills += 1;
                    }
                }
                self.published += (self.fresh.len() - before) as u64;
            }
            for n in 0..READERS {
                let reader = &mut self.readers[n];
                if reader.has_answered() {
                    busy = true;
                    if let Some(fault) = reader.end_turn(&mut self.book) {
                        return Some(fault);
                    }
                    self.reads += reader.begin_turn(&mut self.book, &self.fresh, &mut self.random);
                    if self.random.below(READER_LIFE) == 0 {
                        reader.replace(&mut self.book);
                        self.kills += 1;
                    }
                }
            }
            if let Some(fault) = self.look() {
                return Some(fault);
            }
            self.fresh.drain(..self.fresh.len().saturating_sub(FRESH));
            if !busy {
                std::thread::yield_now();
            }
        }
        None
    }

    /// Reads the newest publication in this process, keeps it as a packet does that is not drawn yet, and reads it
    /// again when that ends.
    fn look(&mut self) -> Option<String> {
        let buffer = *self.fresh.last()?;
        let (generation, held) = self.book.hold_latest(buffer)?;
        let packet = Packet { buffer, generation, held, memory: Arc::clone(self.book.memory()) };
        let fault = packet.fault();
        self.packets.push_back(packet);
        self.reads += 1;
        // Most end soon; now and then many of one buffer stay, so that its owner finds no slot.
        let stay = if self.random.below(100) > 0 { PACKETS } else { 1 };
        while fault.is_none() && self.packets.len() > stay {
            let packet = self.packets.pop_front()?;
            let fault = packet.fault();
            self.book.release(packet.buffer, packet.generation, packet.held.slot);
            self.reads += 1;
            if fault.is_some() {
                return fault;
            }
        }
        fault
    }

    /// Shows that all was in use that is to be tortured.
    fn check_the_counts(&self, wanted: u64) {
        let mut counted = 0;
        for (buffer, counters) in self.book.counters() {
            assert!(
                wanted < 100_000 || counters.published > 0,
                "buffer {} was never published",
                buffer.buffer.0
            );
            assert_eq!(counters.refused, 0, "{}: no publication is refused", buffer.buffer.0);
            counted += counters.published;
        }
        // What is carried over into a new region counts as published there.
        assert!(counted >= self.published && self.published >= wanted);
        assert!(self.reads > 0 && (wanted < 100_000 || self.kills > 0 && self.scratch > 0), "{self}");
    }
}
