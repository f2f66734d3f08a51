//! What the host and a child say to each other: plain little-endian bytes, checked on arrival.
//!
//! | way | by | messages |
//! |---|---|---|
//! | host to child | ring | [`ToChild`]: a turn, save, restore, a claim of a region, another thread, stop |
//! | host to child | socket, with descriptors | [`Packet`]: hello, regions, answers about assets and sealed bytes |
//! | child to host | ring | [`ToHost`]: made, its thread, mapped, answers of turns, log lines, wishes for assets and sealed bytes |
//!
//! A turn's record is compact: parameters and input travel only when they changed, slots as (region, offset).
use crate::cx::Outgoing;
use cell_abi::{LogLevel, SealDesc, SealKind, Status};
use std::sync::Arc;

#[path = "child_codec.rs"]
pub(crate) mod codec;
#[path = "child_record.rs"]
mod record;

pub use codec::WireError;
use codec::{Reader, Writer};
pub use record::{WirePort, WireRead, WireTurn, WireWrite};

/// The most bytes of a message on the socket.
pub const MAX_PACKET: usize = 64 << 10;

/// The most messages of an outbox, whatever a scene allows.
const MAX_OUTBOX: u32 = 65_536;

/// What a message on the ring to the child is. A turn's record is in the [`WireTurn`] it was read into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToChild {
    /// Run a turn.
    Turn,
    /// Save the state. Answered by [`ToHost::Answer`], with it.
    Save,
    /// Restore this state. Answered by [`ToHost::Answer`].
    Restore(Arc<[u8]>),
    /// Map the region with this number for writing; its descriptors are on the socket. Answered by [`ToHost::Mapped`].
    Claim(u32),
    /// The thread that runs the turns was lowered in priority, and nobody may rise again: the next turns get another.
    NewThread,
    /// End the instance and the process.
    Stop,
}

/// A packet on the socket to the child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// The first packet, with the two rings (to the child, to the host) and the library, opened for reading.
    Hello {
        /// The library's name, for messages.
        path: String,
        /// The cell's name in the scene.
        name: String,
        /// The most verbose level that is wanted.
        log_level: LogLevel,
        /// The most messages that one turn may send.
        mail: u32,
        /// Length of each ring's memory in bytes: to the child, to the host.
        rings: [u64; 2],
    },
    /// A region, with its data and, for the owner, its headers.
    Region {
        /// Its number.
        region: u32,
        /// Length of the data in bytes.
        data: u64,
        /// Length of the headers in bytes; 0 for a reader.
        headers: u64,
    },
    /// An asset, with its sealed memory.
    Asset {
        /// Bytes that count.
        len: u64,
        /// Its version.
        version: u64,
    },
    /// Memory to fill with what is to be sealed.
    SealMemory {
        /// Its length in bytes.
        len: u64,
    },
    /// It is sealed.
    Sealed {
        /// Its id.
        id: u64,
    },
    /// The wish was refused.
    Refused {
        /// Why, for the cell.
        status: Status,
        /// Why, in words; may be empty.
        why: String,
    },
}

/// A message on the ring to the host.
#[derive(Clone, Debug)]
pub enum ToHost {
    /// The instance is made, or not: why.
    Made(Result<(), String>),
    /// The region is mapped for writing.
    Mapped(u32),
    /// The turns run on this thread from now on (the kernel's number).
    Thread(u32),
    /// A turn has ended.
    Answer(Answer),
    /// A line for the log.
    Log {
        /// Level.
        level: LogLevel,
        /// Module.
        target: String,
        /// The line.
        message: String,
        /// Source file.
        file: String,
        /// Source line.
        line: u32,
    },
    /// Open this asset. Answered by [`Packet::Asset`] or [`Packet::Refused`].
    Asset(String),
    /// Give memory for this. Answered by [`Packet::SealMemory`] or [`Packet::Refused`].
    Seal {
        /// What it becomes.
        desc: SealDesc,
        /// Bytes.
        len: u64,
    },
    /// The memory is filled and no longer mapped. Answered by [`Packet::Sealed`] or [`Packet::Refused`].
    Filled,
}

/// What came of a turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The entry's.
    pub status: Status,
    /// Request bits.
    pub requests: u32,
    /// Messages.
    pub outbox: Vec<Outgoing>,
    /// A new pass list.
    pub passes: Option<Vec<u8>>,
    /// The reason for a failure.
    pub failure: Option<String>,
    /// The panic that was caught: message, file, line.
    pub panic: Option<(String, String, u32)>,
    /// The state, after a save.
    pub saved: Option<Vec<u8>>,
}

impl ToChild {
    /// Replaces the content of `out` by the message; a turn's record is `turn`.
    pub fn encode(&self, turn: &WireTurn, out: &mut Vec<u8>) {
        let mut w = Writer::new(out);
        match self {
            Self::Turn => {
                w.u8(0);
                turn.write(&mut w);
            }
            Self::Claim(region) => {
                w.u8(1);
                w.u32(*region);
            }
            Self::Stop => w.u8(2),
            Self::Save => w.u8(3),
            Self::Restore(state) => {
                w.u8(4);
                w.bytes(state);
            }
            Self::NewThread => w.u8(5),
        }
    }

    /// Reads a message; a turn's record goes to `turn`.
    ///
    /// # Errors
    /// [`WireError`] for anything but exactly one message.
    pub fn decode(bytes: &[u8], turn: &mut WireTurn) -> Result<Self, WireError> {
        let mut r = Reader::new(bytes);
        let message = match r.u8()? {
            0 => {
                turn.read(&mut r)?;
                Self::Turn
            }
            1 => Self::Claim(r.u32()?),
            2 => Self::Stop,
            3 => Self::Save,
            4 => Self::Restore(r.bytes()?.into()),
            5 => Self::NewThread,
            other => return Err(WireError::Tag(other)),
        };
        r.end(message)
    }
}

impl Packet {
    /// Returns the packet's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out);
        match self {
            Self::Hello { path, name, log_level, mail, rings } => {
                w.u8(0);
                w.text(path);
                w.text(name);
                w.u32(log_level.0);
                w.u32(*mail);
                w.u64(rings[0]);
                w.u64(rings[1]);
            }
            Self::Region { region, data, headers } => {
                w.u8(1);
                w.u32(*region);
                w.u64(*data);
                w.u64(*headers);
            }
            Self::Asset { len, version } => {
                w.u8(2);
                w.u64(*len);
                w.u64(*version);
            }
            Self::SealMemory { len } => {
                w.u8(3);
                w.u64(*len);
            }
            Self::Sealed { id } => {
                w.u8(4);
                w.u64(*id);
            }
            Self::Refused { status, why } => {
                w.u8(5);
                w.u32(status.0.cast_unsigned());
                w.text(why);
            }
        }
        out
    }

    /// Reads a packet.
    ///
    /// # Errors
    /// [`WireError`] for anything but exactly one packet.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut r = Reader::new(bytes);
        let packet = match r.u8()? {
            0 => Self::Hello {
                path: r.text()?.to_owned(),
                name: r.text()?.to_owned(),
                log_level: LogLevel(r.u32()?),
                mail: r.u32()?,
                rings: [r.u64()?, r.u64()?],
            },
            1 => Self::Region { region: r.u32()?, data: r.u64()?, headers: r.u64()? },
            2 => Self::Asset { len: r.u64()?, version: r.u64()? },
            3 => Self::SealMemory { len: r.u64()? },
            4 => Self::Sealed { id: r.u64()? },
            5 => Self::Refused { status: Status(r.u32()?.cast_signed()), why: r.text()?.to_owned() },
            other => return Err(WireError::Tag(other)),
        };
        r.end(packet)
    }
}

impl ToHost {
    /// Replaces the content of `out` by the message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut w = Writer::new(out);
        match self {
            Self::Made(result) => {
                w.u8(0);
                w.option(result.as_ref().err(), |w, why| w.text(why));
            }
            Self::Mapped(region) => {
                w.u8(1);
                w.u32(*region);
            }
            Self::Answer(a) => {
                w.u8(2);
                w.u32(a.status.0.cast_unsigned());
                w.u32(a.requests);
                w.list(&a.outbox, |w, o| {
                    w.text(&o.to);
                    w.bytes(&o.payload);
                });
                w.option(a.passes.as_ref(), |w, p| w.bytes(p));
                w.option(a.failure.as_ref(), |w, f| w.text(f));
                w.option(a.panic.as_ref(), |w, (message, file, line)| {
                    w.text(message);
                    w.text(file);
                    w.u32(*line);
                });
                w.option(a.saved.as_ref(), |w, s| w.bytes(s));
            }
            Self::Log { level, target, message, file, line } => {
                w.u8(3);
                w.u32(level.0);
                for t in [target, message, file] {
                    w.text(t);
                }
                w.u32(*line);
            }
            Self::Asset(path) => {
                w.u8(4);
                w.text(path);
            }
            Self::Seal { desc, len } => {
                w.u8(5);
                for v in [desc.kind.0, desc.format, desc.width, desc.height, desc.mips] {
                    w.u32(v);
                }
                w.u64(*len);
            }
            Self::Filled => w.u8(6),
            Self::Thread(number) => {
                w.u8(7);
                w.u32(*number);
            }
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`WireError`] for anything but exactly one message.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut r = Reader::new(bytes);
        let text = |r: &mut Reader<'_>| Ok(r.text()?.to_owned());
        let message = match r.u8()? {
            0 => Self::Made(r.option(text)?.map_or(Ok(()), Err)),
            1 => Self::Mapped(r.u32()?),
            2 => {
                let (status, requests) = (Status(r.u32()?.cast_signed()), r.u32()?);
                let mut outbox = Vec::new();
                r.short_list(&mut outbox, MAX_OUTBOX, |r| {
                    Ok(Outgoing { to: r.text()?.into(), payload: r.bytes()?.to_vec() })
                })?;
                let passes = r.option(|r| Ok(r.bytes()?.to_vec()))?;
                let failure = r.option(text)?;
                let panic = r.option(|r| Ok((text(r)?, text(r)?, r.u32()?)))?;
                let saved = r.option(|r| Ok(r.bytes()?.to_vec()))?;
                Self::Answer(Answer { status, requests, outbox, passes, failure, panic, saved })
            }
            3 => Self::Log {
                level: LogLevel(r.u32()?),
                target: text(&mut r)?,
                message: text(&mut r)?,
                file: text(&mut r)?,
                line: r.u32()?,
            },
            4 => Self::Asset(text(&mut r)?),
            5 => {
                let desc = SealDesc {
                    size: size_of::<SealDesc>() as u32,
                    kind: SealKind(r.u32()?),
                    format: r.u32()?,
                    width: r.u32()?,
                    height: r.u32()?,
                    mips: r.u32()?,
                };
                Self::Seal { desc, len: r.u64()? }
            }
            6 => Self::Filled,
            7 => Self::Thread(r.u32()?),
            other => return Err(WireError::Tag(other)),
        };
        r.end(message)
    }
}

#[cfg(test)]
#[path = "child_wire_tests.rs"]
mod tests;
