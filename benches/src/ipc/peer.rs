//! The process that answers.
use super::{
    RING_BYTES, SLOT_BYTES, Way,
    link::{self, Grant, Order, Words, pin},
};
use anyhow::{Context as _, ensure};
use cell_abi::BufHeader;
use engine_sys::{
    ControlError, ControlSocket, MapRo, MapRw, Memfd, RingConsumer, RingProducer, Seals, bind_to_parent,
};
use std::{
    hint::spin_loop,
    os::fd::OwnedFd,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

/// How long a cell's process sleeps at most before it looks whether the engine is still there.
const LOOK: Duration = Duration::from_secs(5);

struct Peer {
    words: Words,
    inbox: RingConsumer,
    outbox: RingProducer,
    /// The slots that this process owns.
    data: MapRw,
    headers: MapRw,
    /// Those of the other process.
    read: MapRo,
    read_headers: MapRw,
    round: u64,
    bytes: Vec<u8>,
}

/// Answers until the other process has had enough.
pub(crate) fn serve(parent: u32) -> anyhow::Result<()> {
    bind_to_parent(parent)?;
    let control = ControlSocket::take_inherited()?;
    let mut bytes = Vec::new();
    let files = control.recv(&mut bytes, 16, None)?;
    let files: [OwnedFd; 7] = files.try_into().ok().context("seven files were due")?;
    let lens = [4096, RING_BYTES + 256, RING_BYTES + 256, 4096, 4096, 4096, 4096];
    let [page, to, from, data, headers, read, read_headers] = {
        let mut all =
            files.into_iter().zip(lens).map(|(fd, len)| Memfd::from_received(fd, len, Seals::empty()));
        std::array::from_fn(|_| all.next().expect("seven"))
    };
    let mut peer = Peer {
        words: Words::new(MapRw::new(&page?)?),
        inbox: RingConsumer::attach(&to?)?,
        outbox: RingProducer::attach(&from?)?,
        data: MapRw::new(&data?)?,
        headers: MapRw::new(&headers?)?,
        read: MapRo::new(&read?)?,
        read_headers: MapRw::new(&read_headers?)?,
        round: 0,
        bytes: Vec::new(),
    };
    control.send(b"mapped", &[])?;
    loop {
        match control.recv(&mut bytes, 16, None) {
            Ok(_) => {}
            Err(ControlError::Closed) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let order = Order::from_bytes(&bytes)?;
        pin(order.core)?;
        control.send(b"ready", &[])?;
        for _ in 0..order.rounds {
            peer.round += 1;
            peer.answer(order.way)?;
        }
        control.send(b"done", &[])?;
    }
}

impl Peer {
    fn answer(&mut self, way: Way) -> anyhow::Result<()> {
        let round = self.round;
        match way {
            Way::BareSpin => {
                while self.words.ours.load(Ordering::Acquire) != round {
                    spin_loop();
                }
                self.words.theirs.store(round, Ordering::Release);
                Ok(())
            }
            Way::BytesSpin => {
                let [asked, answer] = self.words.flags();
                while !asked.is(round) {
                    spin_loop();
                }
                ensure!(asked.holds(round), "the bytes are another round's");
                answer.say(round);
                Ok(())
            }
            Way::BareSleep => {
                self.words.sleep_answer(round as u32);
                Ok(())
            }
            Way::SlotSpin => self.answer_slot(),
            Way::TurnSpin => {
                while !self.inbox.try_pop(&mut self.bytes)? {
                    spin_loop();
                }
                self.take_turn()
            }
            Way::TurnSleep => {
                let deadline = Instant::now() + super::PATIENCE;
                while !self.inbox.try_pop(&mut self.bytes)? {
                    self.inbox.wait(Some(LOOK), 0);
                    ensure!(Instant::now() < deadline, "nobody asks any more");
                }
                self.take_turn()
            }
        }
    }

    /// The other's slot was published: reads it, and publishes one.
    fn answer_slot(&mut self) -> anyhow::Result<()> {
        let slot = usize::from(link::slot_of(self.round));
        let theirs = header(&self.read_headers, slot * size_of::<BufHeader>())?;
        while theirs.published(self.round as u32).is_none() {
            spin_loop();
        }
        let at = slot * 256;
        // SAFETY: the slot was published, and its owner writes it again only three rounds later.
        let bytes = unsafe { self.read.bytes(at..at + SLOT_BYTES) }?;
        ensure!(link::holds(bytes, self.round), "the slot holds another round's bytes");
        let grant = Grant {
            frame: self.round,
            offset: at as u64,
            header: (slot * size_of::<BufHeader>()) as u64,
            stamp: self.round as u32,
        };
        self.publish(&grant)
    }

    /// A grant came over the ring: fills and publishes the slot, and says so.
    fn take_turn(&mut self) -> anyhow::Result<()> {
        let grant = Grant::from_bytes(&self.bytes)?;
        self.publish(&grant)?;
        self.outbox.try_push(&[&[0; 16]])?;
        self.outbox.wake();
        Ok(())
    }

    fn publish(&self, grant: &Grant) -> anyhow::Result<()> {
        let at = grant.offset as usize;
        ensure!(at.is_multiple_of(256) && at + SLOT_BYTES <= self.data.len(), "a slot that is not there");
        // SAFETY: inside the mapping, as was just checked; the slot belongs to this turn, and who reads it waits for
        // the publication.
        unsafe { link::write_slot(self.data.as_ptr().add(at), grant.frame) };
        header(&self.headers, grant.header as usize)?.publish(
            grant.stamp,
            grant.frame,
            SLOT_BYTES as u64,
            &[],
        );
        Ok(())
    }
}

fn header(map: &MapRw, at: usize) -> anyhow::Result<&BufHeader> {
    let size = size_of::<BufHeader>();
    ensure!(at.is_multiple_of(size) && at + size <= map.len(), "a header that is not there");
    // SAFETY: inside the mapping and aligned to 64, as was just checked; all its fields are atomics, and any bytes are
    // a header.
    Ok(unsafe { &*map.as_ptr().add(at).cast::<BufHeader>() })
}
