//! What a turn of a cell sees: the record. A tick is a function of (state, record).
use crate::{BufHeader, DirtyRange, InputFrame, table::Bytes};

/// Everything a turn may see of the outside, frozen at the start of its frame. Borrowed for the turn.
#[repr(C)]
pub struct TickRecord {
    /// `size_of::<TickRecord>()` of the host; fields beyond it are absent.
    pub size: u32,
    /// How many steps of `dt_ns` this tick covers: 1 usually, 2 to 4 for a cell faster than the frame rate,
    /// 0 for a turn that is no tick (load, passes).
    pub steps: u32,
    /// The frame.
    pub frame: u64,
    /// The length of one step in nanoseconds: 1e9 / rate.
    pub dt_ns: u64,
    /// Time since the run's start in nanoseconds: a whole number of steps, never a clock.
    pub time_ns: u64,
    /// The seed of this cell and frame: from the scene's seed, the cell's name and the frame.
    pub seed: u64,
    /// The output size in pixels, `[width, height]`.
    pub screen_px: [u32; 2],
    /// The frame's input.
    pub input: *const InputFrame,
    /// One view per port, in the order of the cell's port table. Texture and sealed ports have empty views.
    pub ports: *const PortView,
    /// Length of `ports`.
    pub port_count: usize,
    /// Mail handed in this turn, ordered by (sender's line, sequence).
    pub mail: *const MailView,
    /// Length of `mail`.
    pub mail_count: usize,
    /// The parameters, encoded in the order of the port table (see [`crate::ports::ParamKind`]).
    pub params: Bytes,
    /// Rises by one when the parameters change; decode again only then.
    pub params_version: u64,
}

/// A readable slot: bytes as some owner published them. Immutable while the turn runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SlotView {
    /// First byte, aligned to 256; null when nothing was published yet.
    pub ptr: *const u8,
    /// Published bytes: a multiple of the port's element size.
    pub len: usize,
    /// The frame of the tick that published them.
    pub frame: u64,
}

impl SlotView {
    /// A view of nothing.
    pub const EMPTY: Self = Self { ptr: core::ptr::null(), len: 0, frame: 0 };
}

/// The view of one buffer port in one turn.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PortView {
    /// The newest publication as of the frame's start (of this frame, for `now` ports). For an owner: its own.
    pub read: SlotView,
    /// For `history` ports: the publication before `read`.
    pub previous: SlotView,
    /// For `history` ports: where between `previous` (0) and `read` (1) this frame lies.
    pub blend: f32,
    /// The stamp under which `header` is to be published.
    pub stamp: u32,
    /// For an owner: the slot to write; null for a reader.
    pub write: *mut u8,
    /// Bytes that fit into `write`.
    pub capacity: usize,
    /// For an owner: the header of the write slot; null for a reader.
    pub header: *const BufHeader,
    /// Byte ranges in which `write` is behind `read`; copy them before changing a part.
    pub behind: *const DirtyRange,
    /// Length of `behind`.
    pub behind_count: usize,
}

impl PortView {
    /// A view of nothing: neither readable nor writable.
    pub const EMPTY: Self = Self {
        read: SlotView::EMPTY,
        previous: SlotView::EMPTY,
        blend: 1.0,
        stamp: 0,
        write: core::ptr::null_mut(),
        capacity: 0,
        header: core::ptr::null(),
        behind: core::ptr::null(),
        behind_count: 0,
    };
}

/// One message in a mailbox. Borrowed for the turn; `payload` is aligned to 16.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct MailView {
    /// The sender's name in the scene.
    pub from: Bytes,
    /// The sender's count of messages so far.
    pub sequence: u64,
    /// The bytes as sent.
    pub payload: Bytes,
}
