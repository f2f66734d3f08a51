//! What is kept of a turn.
use crate::{
    record::{Letter, PortSlots, Record, SlotRead},
    turn::{SavedState, Work},
};
use cell_abi::{DirtyRange, InputFrame};
use std::sync::Arc;

/// What kept turns start from.
#[derive(Clone, Debug)]
pub enum Starts {
    /// The instance is made by their first turn, from nothing or from this state.
    Made(Option<SavedState>),
    /// It is made by their first turn and takes over from an instance that waits, with this state: when the state does
    /// not fit, it is over.
    TakenOver(SavedState),
    /// It goes on from a state that it saved itself.
    Saved(SavedState),
    /// What was before them is forgotten.
    Cut(Lack),
}

/// Why what was before the turns is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lack {
    /// The cell saves nothing, or what it saved could not be had.
    #[error("it saves no state to start from")]
    NoState,
    /// Its state is not kept.
    #[error("its state is larger than what is kept of one (a part of 6 MiB, which all cells share)")]
    StateTooLarge,
    /// Its load is not kept a second time.
    #[error("its parameters and assets take more than a quarter of what is kept of its turns")]
    LoadTooLarge,
    /// A half was full before the state had come.
    #[error("it was given more than is kept of its turns before it saved its state")]
    TooMuch,
    /// A publication was too long.
    #[error("it read a publication that was too long: they are kept up to 4 MiB")]
    ReadTooLong,
    /// A publication is forgotten.
    #[error("what it read then is forgotten: 16 MiB are kept of all that cells read")]
    ReadForgotten,
}

impl Lack {
    /// All that cut the turns off, by their numbers in a file.
    pub(super) const CUTS: [Self; 4] =
        [Self::NoState, Self::StateTooLarge, Self::LoadTooLarge, Self::TooMuch];
}

impl Starts {
    /// Returns the state.
    #[must_use]
    pub fn state(&self) -> Option<&SavedState> {
        match self {
            Self::Made(state) => state.as_ref(),
            Self::TakenOver(state) | Self::Saved(state) => Some(state),
            Self::Cut(_) => None,
        }
    }
}

impl PartialEq for Starts {
    fn eq(&self, other: &Self) -> bool {
        let state = |s: &Self| s.state().map(|s| (s.frame, Arc::clone(&s.bytes)));
        let cut = |s: &Self| match s {
            Self::Cut(lack) => Some(*lack),
            _ => None,
        };
        std::mem::discriminant(self) == std::mem::discriminant(other)
            && (cut(self), state(self)) == (cut(other), state(other))
    }
}

/// Where the bytes of a publication are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// The cell wrote them in an earlier turn.
    Own,
    /// They are kept under this number.
    Kept(u64),
    /// They were too long to be kept.
    Lost,
}

/// A publication that a turn could read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptRead {
    /// Its slot.
    pub slot: u8,
    /// Bytes.
    pub len: u32,
    /// The frame of the tick that published it.
    pub frame: u64,
    /// Its bytes.
    pub content: Content,
}

/// A slot that a turn could write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptWrite {
    /// The slot; `None` is scratch memory.
    pub slot: Option<u8>,
    /// The stamp to publish under.
    pub stamp: u32,
    /// Bytes that fit.
    pub capacity: u32,
    /// The part of [`KeptTurn::behind`] that belongs to it: first entry and number.
    pub behind: (u32, u32),
}

/// A port of a kept turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeptPort {
    /// The newest publication.
    pub read: Option<KeptRead>,
    /// The one before.
    pub previous: Option<KeptRead>,
    /// Between the two, where the frame lies.
    pub blend: f32,
    /// The slot to write.
    pub write: Option<KeptWrite>,
}

/// Bit by bit: -0.0 equals 0.0 and is another blend.
impl PartialEq for KeptPort {
    fn eq(&self, other: &Self) -> bool {
        (self.read, self.previous, self.write) == (other.read, other.previous, other.write)
            && self.blend.to_bits() == other.blend.to_bits()
    }
}

/// A publication that came of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptPublication {
    /// The port.
    pub port: u32,
    /// Bytes.
    pub len: u64,
    /// The [`super::sum()`] of its bytes, where it is kept.
    pub sum: Option<u64>,
}

/// An asset that a load asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAsset {
    /// Its path below the assets folder.
    pub path: String,
    /// The BLAKE3 hash of its content; `None` when it could not be had.
    pub hash: Option<[u8; 32]>,
}

/// What came of a turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptEnd {
    /// Whether a tick returned well.
    pub ticked: bool,
    /// Whether the instance went on.
    pub went_on: bool,
    /// What was published.
    pub publications: Vec<KeptPublication>,
    /// The sum of all messages that were sent; 0 of none.
    pub mail: u64,
    /// What a load asked for.
    pub assets: Vec<KeptAsset>,
}

/// A turn with all that it was given.
#[derive(Clone, Debug, Default)]
pub struct KeptTurn {
    /// What it did.
    pub work: Work,
    /// It made the instance.
    pub makes: bool,
    /// It is the load before the part, kept again at its beginning.
    pub again: bool,
    /// The frame.
    pub frame: u64,
    /// Steps; 0 when it is no tick.
    pub steps: u32,
    /// Length of a step in nanoseconds.
    pub dt_ns: u64,
    /// Simulated time in nanoseconds.
    pub time_ns: u64,
    /// Seed.
    pub seed: u64,
    /// Output size in pixels.
    pub screen_px: [u32; 2],
    /// Input.
    pub input: InputFrame,
    /// Parameters.
    pub params: Arc<[u8]>,
    /// Rises when they change.
    pub params_version: u64,
    /// One entry per port.
    pub ports: Vec<KeptPort>,
    /// What write slots are behind.
    pub behind: Vec<DirtyRange>,
    /// Mail.
    pub mail: Vec<Letter>,
    /// What came of it; `None` when it never returned.
    pub end: Option<KeptEnd>,
}

impl KeptPort {
    /// Returns how a port of a record is kept; `content` says where what it reads is.
    pub(super) fn of(
        record: &Record,
        port: &PortSlots,
        mut content: impl FnMut(&SlotRead) -> Content,
    ) -> Self {
        let mut read = |r: &SlotRead| KeptRead {
            slot: r.slot,
            len: u32::try_from(r.len).unwrap_or(u32::MAX),
            frame: r.frame,
            content: content(r),
        };
        let write = port.write.map(|s| KeptWrite {
            slot: s.slot,
            stamp: s.stamp,
            capacity: record.memory.get(s.buffer).map_or(0, |m| m.part.capacity as u32),
            behind: s.behind,
        });
        let (newest, previous) = (port.read.as_ref().map(&mut read), port.previous.as_ref().map(&mut read));
        Self { read: newest, previous, blend: port.blend, write }
    }
}

impl KeptTurn {
    /// Returns a copy of what a turn is given; `content` keeps what it reads and says where.
    pub(crate) fn copy(record: &Record, work: Work, mut content: impl FnMut(&SlotRead) -> Content) -> Self {
        let r = record;
        Self {
            work,
            frame: r.frame,
            steps: r.steps,
            dt_ns: r.dt_ns,
            time_ns: r.time_ns,
            seed: r.seed,
            screen_px: r.screen_px,
            input: r.input,
            params: Arc::clone(&r.params),
            params_version: r.params_version,
            ports: r.ports.iter().map(|p| KeptPort::of(record, p, &mut content)).collect(),
            behind: r.behind.clone(),
            mail: r.mail.clone(),
            ..Self::default()
        }
    }

    /// Gives it to a turn that runs again, but for its ports and what they are behind: they depend on where the slots
    /// are then.
    pub(crate) fn give(&self, record: &mut Record) {
        let r = record;
        (r.frame, r.steps, r.dt_ns, r.time_ns) = (self.frame, self.steps, self.dt_ns, self.time_ns);
        (r.seed, r.screen_px, r.input) = (self.seed, self.screen_px, self.input);
        (r.params, r.params_version) = (Arc::clone(&self.params), self.params_version);
        r.mail.clone_from(&self.mail);
    }
}
