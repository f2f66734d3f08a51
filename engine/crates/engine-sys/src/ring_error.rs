//! What the ends of a ring answer, besides messages.

use thiserror::Error;

use crate::memfd::MemfdError;

/// How a [`RingConsumer::wait`](crate::RingConsumer::wait) ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitOutcome {
    /// There is something to pop.
    Ready,
    /// There is still nothing.
    TimedOut,
}

/// Why a message was not pushed.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PushError {
    /// The consumer is behind.
    #[error("the ring is full; the reader has not kept up")]
    Full,
    /// It would not even fit into the empty ring.
    #[error("a message of {len} bytes does not fit; this ring takes up to {max}")]
    TooLarge {
        /// Its length in bytes.
        len: usize,
        /// The longest there can be.
        max: usize,
    },
    /// The consumer's position is impossible.
    #[error(transparent)]
    Corrupt(#[from] RingCorrupt),
}

/// The peer wrote something that no peer of this code writes: it is broken or hostile, and the connection is to be closed.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RingCorrupt {
    /// Its position is behind itself, beyond the ring, or between records.
    #[error("the ring's peer claims position {peer}, impossible with ours at {own}")]
    Position {
        /// Our position in bytes.
        own: u64,
        /// The peer's.
        peer: u64,
    },
    /// A record is longer than what lies there.
    #[error("the ring holds a message of {len} bytes at {position}, but only {available} bytes are there")]
    Length {
        /// The length it claims.
        len: u32,
        /// Its position in bytes since the start.
        position: u64,
        /// Bytes that are ready, prefix included.
        available: usize,
    },
    /// A wrap marker leads nowhere.
    #[error("the ring holds a wrap marker at {position} with nothing behind it")]
    WrapMarker {
        /// Its position in bytes since the start.
        position: u64,
    },
}

/// Why an end of a ring could not be made.
#[derive(Debug, Error)]
pub enum RingAttachError {
    /// Not a header and a power of two.
    #[error("{len} bytes are no ring: it takes 256 and a power of two from 64 to 2^30")]
    BadSize {
        /// The length in bytes.
        len: usize,
    },
    /// The memory can be cut off under us.
    #[error("the ring's memory is not sealed against shrinking; seal its size first")]
    SizeNotSealed,
    /// Somebody has this end.
    #[error("the {end} end of the ring was taken before; a new connection needs a new ring")]
    Taken {
        /// "reading" or "writing".
        end: &'static str,
    },
    /// The memory could not be made or mapped.
    #[error(transparent)]
    Memory(#[from] MemfdError),
}
