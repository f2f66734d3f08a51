//! Messages of any length over the rings between the host and a child: long ones go in pieces.
use crate::turn::MAX_SAVED_BYTES;
use engine_sys::{Memfd, PushError, RingAttachError, RingConsumer, RingCorrupt, RingProducer, WaitOutcome};
use std::time::Duration;

/// Bytes of a ring.
pub(crate) const RING_BYTES: usize = 256 << 10;
/// The longest message; beyond it the peer is broken.
const MAX_MESSAGE: usize = 64 << 20;
const _: () =
    assert!(MAX_SAVED_BYTES + (2 << 20) <= MAX_MESSAGE, "a saved state fits with what goes with it");
/// How long the sender of a long message waits for room before it looks again.
const ROOM: Duration = Duration::from_micros(50);

/// Why a message did not go out.
#[derive(Debug, thiserror::Error)]
pub enum OutletError {
    /// No message is as long as this.
    #[error("a message of {0} bytes is too long")]
    TooLong(usize),
    /// The ring is broken.
    #[error(transparent)]
    Ring(#[from] PushError),
    /// Who was asked whether to go on waiting says why not.
    #[error("{0}")]
    Given(String),
}

/// Why no message came in.
#[derive(Debug, thiserror::Error)]
pub enum InletError {
    /// Its pieces come to more than a message may have.
    #[error("a message is longer than {MAX_MESSAGE} bytes")]
    TooLong,
    /// A piece that no sender makes.
    #[error("a piece of a message has no end, or is not full though others follow")]
    Piece,
    /// The ring is broken.
    #[error(transparent)]
    Ring(#[from] RingCorrupt),
}

/// The sending end.
pub struct Outlet {
    ring: RingProducer,
}

impl Outlet {
    /// Takes the sending end of a ring.
    ///
    /// # Errors
    /// [`RingAttachError`], as for the ring.
    pub fn attach(memory: &Memfd) -> Result<Self, RingAttachError> {
        RingProducer::attach(memory).map(|ring| Self { ring })
    }

    /// Sends `message` and wakes the peer. While there is no room it asks `stalled` whether to go on waiting.
    ///
    /// # Errors
    /// [`OutletError`]; a part of the message may have gone out then.
    pub fn send(
        &mut self,
        message: &[u8],
        mut stalled: impl FnMut() -> Result<(), String>,
    ) -> Result<(), OutletError> {
        if message.len() > MAX_MESSAGE {
            return Err(OutletError::TooLong(message.len()));
        }
        // The last byte of a piece says whether it is the last piece.
        let mut left = message;
        loop {
            let (piece, rest) = left.split_at(left.len().min(self.ring.max_message() - 1));
            let last = [u8::from(rest.is_empty())];
            loop {
                match self.ring.try_push(&[piece, &last]) {
                    Ok(()) => break,
                    Err(PushError::Full) => {
                        self.ring.wake();
                        stalled().map_err(OutletError::Given)?;
                        std::thread::sleep(ROOM);
                    }
                    Err(other) => return Err(other.into()),
                }
            }
            left = rest;
            if left.is_empty() {
                self.ring.wake();
                return Ok(());
            }
        }
    }

    /// Sends a short message if there is room for it. Returns whether there was.
    pub fn try_send(&mut self, message: &[u8]) -> bool {
        let sent = self.ring.try_push(&[message, &[1]]).is_ok();
        self.ring.wake();
        sent
    }
}

/// The receiving end.
pub struct Inlet {
    ring: RingConsumer,
    pieces: Vec<u8>,
}

impl Inlet {
    /// Takes the receiving end of a ring.
    ///
    /// # Errors
    /// [`RingAttachError`], as for the ring.
    pub fn attach(memory: &Memfd) -> Result<Self, RingAttachError> {
        RingConsumer::attach(memory).map(|ring| Self { ring, pieces: Vec::new() })
    }

    /// Replaces the content of `out` by the next message, if there is a whole one.
    ///
    /// # Errors
    /// [`InletError`] for what no [`Outlet`] sends: the connection is of no more use.
    pub fn try_recv(&mut self, out: &mut Vec<u8>) -> Result<bool, InletError> {
        while self.ring.try_pop(out)? {
            let last = out.pop().ok_or(InletError::Piece)?;
            if last != 0 && self.pieces.is_empty() {
                return Ok(true);
            }
            // Each piece but the last is full, so that a message ends: of empty ones a ring gives without end to who asks.
            if last == 0 && out.len() + 1 != self.ring.max_message() {
                return Err(InletError::Piece);
            }
            if self.pieces.len() + out.len() > MAX_MESSAGE {
                return Err(InletError::TooLong);
            }
            self.pieces.append(out);
            if last != 0 {
                *out = std::mem::take(&mut self.pieces);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Sleeps until something came or `timeout` has passed; looks `spins` times first.
    pub fn wait(&mut self, timeout: Duration, spins: u32) -> WaitOutcome {
        self.ring.wait(Some(timeout), spins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_all_lengths_arrive_whole_and_in_order() {
        let memory = engine_sys::create_ring("test", 1024).unwrap();
        let (mut outlet, mut inlet) = (Outlet::attach(&memory).unwrap(), Inlet::attach(&memory).unwrap());
        let lengths = [0, 1, 100, 494, 495, 496, 497, 5000, 3, 40_000];
        let sender = std::thread::spawn(move || {
            for len in lengths {
                let message: Vec<u8> = (0..len).map(|i| (i * 7 + len) as u8).collect();
                outlet.send(&message, || Ok(())).unwrap();
            }
        });
        let mut out = Vec::new();
        for len in lengths {
            while !inlet.try_recv(&mut out).unwrap() {
                inlet.wait(Duration::from_secs(10), 0);
            }
            assert_eq!(out.len(), len);
            assert!(out.iter().enumerate().all(|(i, b)| *b == (i * 7 + len) as u8), "{len}");
        }
        sender.join().unwrap();
        assert!(!inlet.try_recv(&mut out).unwrap());
    }

    #[test]
    fn a_sender_without_room_may_give_up() {
        let memory = engine_sys::create_ring("test", 1024).unwrap();
        let mut outlet = Outlet::attach(&memory).unwrap();
        let error = outlet.send(&[0; 4000], || Err("gone".to_owned())).unwrap_err();
        assert_eq!(error.to_string(), "gone");
        assert!(!outlet.try_send(&[0; 600]), "longer than a piece");
    }

    #[test]
    fn a_piece_that_is_not_full_is_refused_and_a_message_without_end_is_too_long() {
        let pushes = |piece: &[u8]| {
            let memory = engine_sys::create_ring("test", 1 << 20).unwrap();
            let mut ring = RingProducer::attach(&memory).unwrap();
            let (mut inlet, mut out) = (Inlet::attach(&memory).unwrap(), Vec::new());
            // More than enough: an endless message is found out long before.
            for _ in 0..1000 {
                ring.try_push(&[piece]).unwrap();
                match inlet.try_recv(&mut out) {
                    Ok(is_whole) => assert!(!is_whole),
                    Err(error) => return error,
                }
            }
            panic!("it is taken for ever");
        };
        assert!(matches!(pushes(&[]), InletError::Piece), "a piece says whether it is the last");
        assert!(matches!(pushes(&[0]), InletError::Piece), "an empty one adds nothing");
        let full = vec![0; (1 << 19) - 16];
        assert!(matches!(pushes(&full[1..]), InletError::Piece));
        assert!(matches!(pushes(&full), InletError::TooLong));
    }
}
