//! The host's side of a child: what it was granted, what it holds, and its end of the messages.
use crate::{
    child::{ARGUMENT, Order, RING},
    random::Random,
};
use engine_frame::{plan::BufferId, slots::Grant};
use engine_host::{
    book::SlotBook,
    child_wire::{Answer, Packet, ToChild, ToHost, WirePort, WireRead, WireTurn, WireWrite},
    cx::TurnKind,
    memory::{MemoryTable, Region},
};
use engine_scene::Placement;
use engine_sys::{ChildProcess, ControlSocket, RingConsumer, RingProducer, create_ring, spawn_self};
use std::{
    os::fd::BorrowedFd,
    sync::{Arc, Weak},
    time::Duration,
};

/// A watchdog, not a limit that is tested.
const PATIENCE: Duration = Duration::from_secs(60);

/// A child and the way to it.
struct Peer {
    child: ChildProcess,
    control: ControlSocket,
    outbox: RingProducer,
    inbox: RingConsumer,
    known: Vec<(u32, Weak<Region>)>,
    turn: WireTurn,
    bytes: Vec<u8>,
    looks: u32,
}

impl Peer {
    fn start(order: Order) -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static SEED: AtomicU64 = AtomicU64::new(1);
        let (control, theirs) = ControlSocket::pair().unwrap();
        let seed = SEED.fetch_add(1, Ordering::Relaxed);
        let order = if order == Order::Right { "right" } else { "wrong" };
        let args = [ARGUMENT, &std::process::id().to_string(), order, &seed.to_string()];
        let child = spawn_self(&args, &[], theirs).unwrap();
        let rings = ["to", "from"].map(|name| create_ring(name, RING - 256).unwrap());
        let fds: Vec<BorrowedFd<'_>> = rings.iter().map(|r| r.as_fd()).collect();
        control.send(b"rings", &fds).unwrap();
        let (outbox, inbox) =
            (RingProducer::attach(&rings[0]).unwrap(), RingConsumer::attach(&rings[1]).unwrap());
        let (known, turn, bytes) = (Vec::new(), WireTurn::default(), Vec::new());
        Self { child, control, outbox, inbox, known, turn, bytes, looks: 0 }
    }

    fn send(&mut self, message: &ToChild) {
        message.encode(&self.turn, &mut self.bytes);
        self.outbox.try_push(&[&self.bytes]).unwrap();
        self.outbox.wake();
    }

    /// Returns the next message, if there is one.
    fn take(&mut self) -> Option<ToHost> {
        if self.inbox.try_pop(&mut self.bytes).unwrap() {
            return Some(ToHost::decode(&self.bytes).unwrap());
        }
        self.looks = self.looks.wrapping_add(1);
        if self.looks.is_multiple_of(1 << 12) {
            assert_eq!(self.child.try_wait().unwrap(), None, "a child has ended by itself");
        }
        None
    }

    fn wait(&mut self) -> ToHost {
        loop {
            if let Some(message) = self.take() {
                return message;
            }
            self.inbox.wait(Some(PATIENCE), 0);
            assert_eq!(self.child.try_wait().unwrap(), None, "a child has ended by itself");
        }
    }

    /// Lets the child map a region for reading, once.
    fn offer(&mut self, region: &Arc<Region>) {
        if !self.known.iter().any(|(id, _)| *id == region.id) {
            let packet = Packet::Region { region: region.id, data: region.data.len() as u64, headers: 0 };
            self.control.send(&packet.encode(), &[region.data.as_fd()]).unwrap();
            self.known.push((region.id, Arc::downgrade(region)));
        }
    }

    /// Lets the child map its region for writing, and seals it.
    fn claim(&mut self, region: &Arc<Region>) {
        assert!(region.begin_claim());
        let (data, headers) = (region.data.len() as u64, region.headers.len() as u64);
        let packet = Packet::Region { region: region.id, data, headers };
        self.control.send(&packet.encode(), &[region.data.as_fd(), region.headers.as_fd()]).unwrap();
        self.known.push((region.id, Arc::downgrade(region)));
        self.send(&ToChild::Claim(region.id));
        assert!(matches!(self.wait(), ToHost::Mapped(id) if id == region.id));
        region.finish_claim().unwrap();
    }

    fn begin(&mut self, frame: u64) {
        self.turn.kind = TurnKind::Tick;
        self.turn.frame = frame;
        let forget = &mut self.turn.forget;
        forget.clear();
        self.known.retain(|(id, region)| {
            let lives = region.strong_count() > 0;
            if !lives {
                forget.push(*id);
            }
            lives
        });
        self.turn.ports.clear();
        self.turn.behind.clear();
    }
}

fn read_of(memory: &MemoryTable, buffer: BufferId, slot: u8, len: u32, frame: u64) -> WireRead {
    let m = memory.get(buffer).unwrap();
    WireRead { region: m.region.id, offset: m.offset(Some(slot)) as u64, len: len.into(), frame }
}

/// The right to write one slot.
struct Granted {
    buffer: BufferId,
    generation: u32,
    grant: Grant,
    /// What the record holds besides: the owner's last publication.
    held: Option<(u32, u8)>,
    is_over: bool,
}

/// A child that owns buffers.
pub(crate) struct Writer {
    name: String,
    buffers: Vec<BufferId>,
    order: Order,
    peer: Peer,
    granted: Vec<Granted>,
    answer: Option<Answer>,
    is_idle: bool,
}

impl Writer {
    pub(crate) fn new(book: &mut SlotBook, name: String, buffers: Vec<BufferId>, order: Order) -> Self {
        let mut peer = Peer::start(order);
        let region = Arc::clone(&book.memory().get(buffers[0]).unwrap().region);
        peer.claim(&region);
        Self { name, buffers, order, peer, granted: Vec::new(), answer: None, is_idle: true }
    }

    /// Returns whether its turn is over, or none has begun.
    pub(crate) fn has_answered(&mut self) -> bool {
        if let Some(ToHost::Answer(answer)) = self.peer.take() {
            assert!(answer.status.is_ok(), "{:?}", answer.failure);
            self.answer = Some(answer);
        }
        self.is_idle || self.answer.is_some()
    }

    /// Publishes what the headers of a running turn show, and appends the buffers of which something new is there.
    pub(crate) fn settle_published(&mut self, book: &mut SlotBook, fresh: &mut Vec<BufferId>) {
        for g in self.granted.iter_mut().filter(|g| !g.is_over && g.grant.slot.is_some()) {
            if let Some(publication) = book.publication(g.buffer, &g.grant) {
                let published = book.settle(g.buffer, g.generation, &g.grant, Some(&publication)).unwrap();
                fresh.extend(published.map(|_| g.buffer));
                g.is_over = true;
            }
        }
    }

    /// Takes back what the turn was given, after what it has published.
    pub(crate) fn end_turn(&mut self, book: &mut SlotBook, fresh: &mut Vec<BufferId>) {
        self.settle_published(book, fresh);
        let was_told = self.answer.take().is_some();
        for g in self.granted.drain(..) {
            // A turn that returned has published all it was granted, scratch memory aside.
            assert!(g.is_over || g.grant.slot.is_none() || !was_told, "a publication does not show");
            if !g.is_over {
                book.settle(g.buffer, g.generation, &g.grant, None).unwrap();
            }
            if let Some((generation, slot)) = g.held {
                book.release(g.buffer, generation, slot);
            }
        }
        self.is_idle = true;
    }

    /// Gives it a slot of each of its buffers. Returns how many are scratch memory.
    pub(crate) fn begin_turn(&mut self, book: &mut SlotBook, frame: u64) -> u64 {
        let peer = &mut self.peer;
        peer.begin(frame);
        let mut scratch = 0;
        for buffer in self.buffers.iter().copied() {
            let held = book.hold_latest(buffer);
            let first = peer.turn.behind.len() as u32;
            let (generation, grant, count) = book.grant(buffer, frame, &mut peer.turn.behind).unwrap();
            scratch += u64::from(grant.slot.is_none());
            let memory = book.memory().get(buffer).unwrap();
            let write = WireWrite {
                region: memory.region.id,
                offset: memory.offset(grant.slot) as u64,
                capacity: memory.part.capacity as u64,
                header: memory.header_offset(grant.slot) as u64,
                stamp: grant.stamp,
                behind: (first, count),
            };
            let read = held.map(|(_, p)| read_of(book.memory(), buffer, p.slot, p.len, p.frame));
            peer.turn.ports.push(WirePort { read, previous: None, blend: 1.0, write: Some(write) });
            let held = held.map(|(generation, p)| (generation, p.slot));
            self.granted.push(Granted { buffer, generation, grant, held, is_over: false });
        }
        peer.turn.steps = 1;
        peer.send(&ToChild::Turn);
        self.is_idle = false;
        scratch
    }

    /// Kills it, wherever it is, and starts its successor in a new region, with the last publications in it.
    pub(crate) fn replace(&mut self, book: &mut SlotBook, fresh: &mut Vec<BufferId>) {
        self.peer.child.kill().unwrap();
        assert!(self.peer.child.wait_timeout(PATIENCE).unwrap().is_some());
        self.answer = None;
        self.end_turn(book, fresh);
        let mut renewal = book.replace_instance(&self.name, Placement::Process).unwrap();
        self.peer = Peer::start(self.order);
        let region = renewal.make().unwrap();
        self.peer.claim(&region);
        assert!(book.adopt(renewal));
    }
}

/// A child that reads.
pub(crate) struct Reader {
    peer: Peer,
    held: Vec<(BufferId, u32, u8)>,
    /// Regions of slots that are held live.
    memory: Arc<MemoryTable>,
    answer: Option<Answer>,
    is_idle: bool,
}

impl Reader {
    pub(crate) fn new() -> Self {
        let memory = Arc::default();
        Self { peer: Peer::start(Order::Right), held: Vec::new(), memory, answer: None, is_idle: true }
    }

    pub(crate) fn has_answered(&mut self) -> bool {
        if let Some(ToHost::Answer(answer)) = self.peer.take() {
            self.answer = Some(answer);
        }
        self.is_idle || self.answer.is_some()
    }

    /// Ends its holds. Returns what it found wrong.
    pub(crate) fn end_turn(&mut self, book: &mut SlotBook) -> Option<String> {
        for (buffer, generation, slot) in self.held.drain(..) {
            book.release(buffer, generation, slot);
        }
        self.memory = Arc::default();
        self.is_idle = true;
        self.answer.take().and_then(|a| a.failure)
    }

    /// Kills it, wherever it is, and starts another.
    pub(crate) fn replace(&mut self, book: &mut SlotBook) {
        self.peer.child.kill().unwrap();
        assert!(self.peer.child.wait_timeout(PATIENCE).unwrap().is_some());
        self.answer = None;
        self.end_turn(book);
        self.peer = Peer::start(Order::Right);
    }

    /// Gives it publications to read: the `fresh` ones, and some others. Returns how many times it reads one.
    pub(crate) fn begin_turn(&mut self, book: &mut SlotBook, fresh: &[BufferId], random: &mut Random) -> u64 {
        self.memory = Arc::clone(book.memory());
        self.peer.begin(0);
        let buffers = crate::WRITERS * crate::LINES.len();
        let others = (0..random.below(4)).map(|_| BufferId(random.below(buffers) as u32));
        let chosen: Vec<BufferId> = fresh.iter().rev().take(8).copied().chain(others).collect();
        for buffer in chosen {
            let held =
                if random.below(4) == 0 { book.hold_previous(buffer) } else { book.hold_latest(buffer) };
            let Some((generation, p)) = held else { continue };
            self.held.push((buffer, generation, p.slot));
            let region = Arc::clone(&self.memory.get(buffer).unwrap().region);
            self.peer.offer(&region);
            let read = Some(read_of(&self.memory, buffer, p.slot, p.len, p.frame));
            self.peer.turn.ports.push(WirePort { read, previous: None, blend: 1.0, write: None });
        }
        // A slow one keeps its slots while their owner goes on: it needs more than the usual three.
        self.peer.turn.steps = if random.below(8) == 0 { 6 } else { 1 };
        self.peer.send(&ToChild::Turn);
        self.is_idle = false;
        self.held.len() as u64 * u64::from(self.peer.turn.steps)
    }
}
