//! The children: writers and readers that speak the engine's messages.
#![expect(unsafe_code, reason = "slots in memory that other processes read and write")]

use crate::{
    random::Random,
    slot::{self, LINE},
};
use cell_abi::{BufHeader, DirtyRange, Status};
use engine_host::child_wire::{Answer, MAX_PACKET, Packet, ToChild, ToHost, WireRead, WireTurn, WireWrite};
use engine_sys::{
    ControlSocket, MapRo, MapRw, Memfd, RingConsumer, RingProducer, Seals, WaitOutcome, bind_to_parent,
};
use std::{collections::BTreeMap, time::Duration};

/// The argument by which this executable becomes a child; the parent's number, the order and a seed follow.
pub(crate) const ARGUMENT: &str = "--torture-child";
/// Bytes of the rings' memory.
pub(crate) const RING: usize = (256 << 10) + 256;
/// How long a child sleeps before it looks again.
const LOOK: Duration = Duration::from_secs(5);

/// In which order a writer does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Fill, then publish.
    Right,
    /// Publish, then fill: what the torture must notice.
    Wrong,
}

/// A region, with its headers if it is this child's own.
struct Region {
    own: Option<(MapRw, MapRw)>,
    read: Option<MapRo>,
}

struct Child {
    control: ControlSocket,
    regions: BTreeMap<u32, Region>,
    order: Order,
    random: Random,
    /// What each port's newest publication should hold, with its frame.
    models: Vec<(u64, Vec<u8>)>,
}

/// Runs the child until the engine ends it.
pub(crate) fn serve(args: &[String]) {
    let [parent, order, seed] = args else { panic!("a parent, an order and a seed") };
    bind_to_parent(parent.parse().unwrap()).unwrap();
    let control = ControlSocket::take_inherited().unwrap();
    let mut bytes = Vec::new();
    let mut fds = control.recv(&mut bytes, 16, None).unwrap().into_iter();
    let mut ring = || Memfd::from_received(fds.next().unwrap(), RING, Seals::SHRINK).unwrap();
    let mut inbox = RingConsumer::attach(&ring()).unwrap();
    let mut outbox = RingProducer::attach(&ring()).unwrap();
    let order = if order == "wrong" { Order::Wrong } else { Order::Right };
    let random = Random::new(seed.parse().unwrap());
    let mut child = Child { control, regions: BTreeMap::new(), order, random, models: Vec::new() };
    let (mut turn, mut out) = (WireTurn::default(), Vec::new());
    loop {
        if !inbox.try_pop(&mut bytes).unwrap() {
            let _: WaitOutcome = inbox.wait(Some(LOOK), 0);
            continue;
        }
        let answer = match ToChild::decode(&bytes, &mut turn).unwrap() {
            ToChild::Claim(region) => {
                child.wait_for(region);
                ToHost::Mapped(region)
            }
            ToChild::Turn => {
                let failure = child.turn(&turn);
                ToHost::Answer(Answer {
                    status: if failure.is_none() { Status::OK } else { Status::FAILED },
                    requests: 0,
                    outbox: Vec::new(),
                    passes: None,
                    failure,
                    panic: None,
                    saved: None,
                })
            }
            other => panic!("{other:?} was not to come"),
        };
        answer.encode(&mut out);
        outbox.try_push(&[&out]).unwrap();
        outbox.wake();
    }
}

impl Child {
    /// Maps what the engine sends until `id` is there.
    fn wait_for(&mut self, id: u32) {
        let mut bytes = Vec::new();
        while !self.regions.contains_key(&id) {
            let mut fds = self.control.recv(&mut bytes, MAX_PACKET, None).unwrap().into_iter();
            let Packet::Region { region, data, headers } = Packet::decode(&bytes).unwrap() else {
                panic!("a region was due");
            };
            let mut memfd =
                |len: u64, seals| Memfd::from_received(fds.next().unwrap(), len as usize, seals).unwrap();
            let mapped = if headers == 0 {
                let closed = Seals::FUTURE_WRITE | Seals::SHRINK | Seals::GROW | Seals::SEAL;
                Region { own: None, read: Some(MapRo::new(&memfd(data, closed)).unwrap()) }
            } else {
                let data = MapRw::new(&memfd(data, Seals::empty())).unwrap();
                let headers = MapRw::new(&memfd(headers, Seals::SHRINK | Seals::GROW)).unwrap();
                Region { own: Some((data, headers)), read: None }
            };
            self.regions.insert(region, mapped);
        }
    }

    /// Writes and reads what the record names. Returns what was wrong.
    fn turn(&mut self, turn: &WireTurn) -> Option<String> {
        for id in &turn.forget {
            self.regions.remove(id);
        }
        for port in &turn.ports {
            for id in [port.read.map(|r| r.region), port.write.map(|w| w.region)].into_iter().flatten() {
                self.wait_for(id);
            }
        }
        // More than once, so that slots stay held for longer than it takes to write them.
        for look in 0..turn.steps {
            for read in turn.ports.iter().filter(|p| p.write.is_none()).filter_map(|p| p.read) {
                if let Some(fault) = slot::fault(self.read(&read), read.frame) {
                    return Some(format!("region {}, byte {}: {fault}", read.region, read.offset));
                }
            }
            if look > 0 {
                std::thread::yield_now();
            }
        }
        self.models.resize(turn.ports.len(), (0, Vec::new()));
        for (n, port) in turn.ports.iter().enumerate() {
            if let Some(write) = port.write {
                let (first, count) = (write.behind.0 as usize, write.behind.1 as usize);
                let behind = &turn.behind[first..first + count];
                let (before, mut model) = std::mem::take(&mut self.models[n]);
                let read = port.read.filter(|r| r.frame == before && r.region == write.region);
                self.write(turn.frame, &write, read, behind, &mut model);
                self.models[n] = (turn.frame, model);
            }
        }
        None
    }

    /// Returns what was published, in place.
    fn read(&self, read: &WireRead) -> &[u8] {
        let region = &self.regions[&read.region];
        let range = read.offset as usize..(read.offset + read.len) as usize;
        // SAFETY: this is what the torture is about: the engine names only slots that nobody writes as long as this
        // turn lasts. If it did, the bytes would not add up. The range is checked by the mapping.
        unsafe { region.read.as_ref().unwrap().bytes(range) }.unwrap()
    }

    /// Fills a slot, or brings it up to date and changes a part, and publishes it. `read` is the newest publication if
    /// `model` is what it should hold; afterwards `model` is what the slot should hold.
    fn write(
        &mut self,
        frame: u64,
        write: &WireWrite,
        read: Option<WireRead>,
        behind: &[DirtyRange],
        model: &mut Vec<u8>,
    ) {
        let (data, headers) = self.regions[&write.region].own.as_ref().unwrap();
        let (at, capacity) = (write.offset as usize, write.capacity as usize);
        assert!(
            at + capacity <= data.len() && write.header as usize + size_of::<BufHeader>() <= headers.len()
        );
        // SAFETY: inside the mapping. The slot was granted to this turn, so that nobody else reads or writes it.
        let out = unsafe { std::slice::from_raw_parts_mut(data.as_ptr().add(at), capacity) };
        // SAFETY: inside the mapping, which starts on a page; headers are aligned to 64 and made of atomics.
        let header = unsafe { &*headers.as_ptr().add(write.header as usize).cast::<BufHeader>() };
        let random = &mut self.random;
        let changed;
        let mut dirty = Vec::new();
        let newest = read.filter(|_| random.below(2) == 0);
        if newest.is_some() {
            // A part: some lines, and the last one, which says what they add up to.
            let last = model.len() / LINE - 1;
            let first = random.below(last);
            changed = first * LINE..(first + 1 + random.below(3)).min(last) * LINE;
            let range = |from: usize, to: usize| DirtyRange { start: from as u32, end: to as u32 };
            dirty = vec![range(changed.start, changed.end), range(last * LINE, model.len())];
        } else {
            model.resize(LINE * (2 + random.below(capacity / LINE - 1)), 0);
            changed = 0..model.len() - LINE;
        }
        let len = model.len();
        if self.order == Order::Wrong {
            header.publish(write.stamp, frame, len as u64, &dirty);
        }
        model[changed.clone()].chunks_mut(LINE).for_each(|line| slot::scribble(line, random));
        slot::close(model, frame);
        if let Some(read) = newest {
            // SAFETY: the newest publication is another slot than the granted one, and this process alone writes both.
            let newest = unsafe { data.bytes(read.offset as usize..read.offset as usize + len) }.unwrap();
            for range in behind {
                let (start, end) = ((range.start as usize).min(len), (range.end as usize).min(len));
                out[start..end].copy_from_slice(&newest[start..end]);
            }
            out[changed.clone()].copy_from_slice(&model[changed]);
            out[len - LINE..len].copy_from_slice(&model[len - LINE..]);
        } else {
            out[..len].copy_from_slice(model);
        }
        if self.order == Order::Right {
            header.publish(write.stamp, frame, len as u64, &dirty);
        }
    }
}
