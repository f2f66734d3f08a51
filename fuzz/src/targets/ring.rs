//! Rings in shared memory, and messages in pieces over them. The bytes are steps: send, receive, and what a hostile peer
//! does to the memory meanwhile.
use super::Target;
use engine_host::child_ring::{Inlet, Outlet};
use engine_sys::{MapRw, Memfd, RingConsumer, RingProducer, create_ring};
use std::collections::VecDeque;

pub(super) const WHOLE: Target =
    Target { name: "ring", run: play::<(RingProducer, RingConsumer)>, seeds, words: &[] };
pub(super) const PIECES: Target = Target { name: "inlet", run: play::<(Outlet, Inlet)>, seeds, words: &[] };

/// Bytes of the ring that is scribbled on, and of the header before them.
const RING: usize = 256;
const RING_HEADER: usize = 256;
/// A ring that nobody writes comes to an end after so many messages: a record takes 16 bytes, and there may be as many
/// behind those that were known of.
const MOST: usize = 2 * RING / 16;
/// More steps show no more.
const STEPS: usize = 64;

/// Both ends of a ring.
trait Road {
    fn over(memory: &Memfd) -> Self;

    /// Sends a message. Returns whether it went out whole; `None` when a part of it may lie there for ever.
    fn send(&mut self, message: &[u8]) -> Option<bool>;

    /// Receives a message, if there is one.
    fn receive(&mut self, out: &mut Vec<u8>) -> Result<bool, String>;
}

impl Road for (RingProducer, RingConsumer) {
    fn over(memory: &Memfd) -> Self {
        (RingProducer::attach(memory).expect("the first"), RingConsumer::attach(memory).expect("the first"))
    }

    fn send(&mut self, message: &[u8]) -> Option<bool> {
        Some(self.0.try_push(&[message]).is_ok())
    }

    fn receive(&mut self, out: &mut Vec<u8>) -> Result<bool, String> {
        let is_there = self.1.try_pop(out).map_err(|e| e.to_string())?;
        assert!(out.len() <= RING, "a message is no longer than the ring");
        Ok(is_there)
    }
}

impl Road for (Outlet, Inlet) {
    fn over(memory: &Memfd) -> Self {
        (Outlet::attach(memory).expect("the first"), Inlet::attach(memory).expect("the first"))
    }

    fn send(&mut self, message: &[u8]) -> Option<bool> {
        self.0.send(message, || Err("full".to_owned())).is_ok().then_some(true)
    }

    fn receive(&mut self, out: &mut Vec<u8>) -> Result<bool, String> {
        self.1.try_recv(out).map_err(|e| e.to_string())
    }
}

fn seeds() -> Vec<Vec<u8>> {
    // Send, receive; scribble over the tail, receive; over a length, receive; over the head, send; receive all.
    vec![
        vec![0, 20, 1, 0, 0, 100, 1, 0],
        vec![0, 5, 2, 64, 2, 8, 16, 1, 0, 1, 0],
        vec![0, 30, 3, 0, 0, 255, 1, 0, 0, 9, 1, 0],
        vec![0, 40, 0, 40, 2, 128, 1, 255, 0, 90, 0, 90, 1, 1],
    ]
}

fn play<R: Road>(bytes: &[u8]) -> bool {
    let memory = create_ring("fuzz", RING).expect("a small ring");
    let hostile = MapRw::new(&memory).expect("its mapping");
    let mut world = Honesty { road: R::over(&memory), honest: true, sent: VecDeque::new(), out: Vec::new() };
    let mut steps = bytes.iter().copied();
    for _ in 0..STEPS {
        let (Some(what), Some(arg)) = (steps.next(), steps.next()) else { break };
        match what % 4 {
            0 => world.send(arg),
            1 => world.receive(if arg % 2 == 0 { 1 } else { MOST + 1 }),
            // A word of the header.
            2 => {
                let word = [steps.next().unwrap_or(0), steps.next().unwrap_or(0), 0, 0, 0, 0, 0, 0];
                hostile.copy_in(&word, usize::from(arg) / 8 * 8 % RING_HEADER).expect("inside");
                world.honest = false;
            }
            // A length, or a part of a message.
            _ => {
                let word = [steps.next().unwrap_or(0); 4];
                hostile.copy_in(&word, RING_HEADER + usize::from(arg) / 4 * 4 % RING).expect("inside");
                world.honest = false;
            }
        }
    }
    world.receive(MOST + 1);
    true
}

/// A ring, and what an honest one must give.
struct Honesty<R> {
    road: R,
    /// Nobody has scribbled on it.
    honest: bool,
    sent: VecDeque<Vec<u8>>,
    out: Vec<u8>,
}

impl<R: Road> Honesty<R> {
    fn send(&mut self, arg: u8) {
        let message = vec![arg; usize::from(arg)];
        match self.road.send(&message) {
            Some(true) => self.sent.push_back(message),
            Some(false) => {}
            None => self.honest = false,
        }
    }

    /// Receives at most `count` messages. All that there are must be fewer than can lie there.
    fn receive(&mut self, count: usize) {
        for _ in 0..count {
            match self.road.receive(&mut self.out) {
                Ok(true) => {
                    let expected = self.sent.pop_front();
                    assert!(
                        !self.honest || expected.as_ref() == Some(&self.out),
                        "what was sent, whole and in order"
                    );
                }
                Ok(false) => {
                    assert!(!self.honest || self.sent.is_empty(), "nothing is lost");
                    return;
                }
                Err(error) => {
                    assert!(!self.honest, "an honest sender is understood: {error}");
                    return;
                }
            }
        }
        assert!(count <= MOST, "it gives messages without end");
    }
}
