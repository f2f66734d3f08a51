//! The one seam between a cell and whatever runs it.
//!
//! A cell is a `cdylib` that exports one [`CellTable`] (symbol [`CELL_TABLE_SYMBOL`]) and carries its
//! [`ports::PortTable`] as text in an ELF section ([`PORTS_SECTION`]), so that a host can read what the cell
//! wants before any of its code runs. A cell that keeps state over a restart, a swap or a move says in a second
//! section ([`SHAPE_SECTION`]) what [`shape`] that state has. What others rely on of all that is its [`interface`],
//! which locks keep. The host hands it a [`HostTable`] once and a
//! [`TickRecord`] per turn. Both sides of the border are `repr(C)`; structures only grow at their end, and each
//! starts with its size, so that a plugin built for ABI 1.0 loads in every 1.x.
//!
//! Neighbours: `cell` wraps this for plugin authors, `engine-host` implements the host side for threads and
//! children. This crate has no dependencies and knows no allocation policy, no GPU, no syscall.

mod fingerprint;
pub mod header;
pub mod host;
pub mod input;
pub mod interface;
pub mod message;
mod out;
pub mod ports;
pub mod record;
pub mod saved;
pub mod shape;
pub mod table;

pub use fingerprint::Fingerprint;
pub use header::{BufHeader, DirtyRange};
pub use host::HostCalls;
pub use input::{InputFrame, Key, MouseButton};
pub use message::{CallStatus, MessageHead, MessageKind};
pub use record::{MailView, PortView, SlotView, TickRecord};
pub use table::{
    AssetView, Bytes, CellState, CellTable, HostCx, HostTable, LogLevel, Request, SealDesc, SealKind, Status,
};

/// Major ABI version: a host refuses a cell whose major version differs.
pub const ABI_MAJOR: u16 = 1;
/// Minor ABI version: grows when a table or record gains fields at its end.
pub const ABI_MINOR: u16 = 1;
/// The symbol of a cell's exported [`CellTable`] (a static).
pub const CELL_TABLE_SYMBOL: &str = "CELL_TABLE_V1";
/// The ELF section that holds a cell's port table as text.
pub const PORTS_SECTION: &str = ".cell.ports";
/// The ELF section that holds the shape of a cell's saved state as text ([`shape::ShapeSection`]); absent or empty when
/// the cell keeps none.
pub const SHAPE_SECTION: &str = ".cell.shape";

/// The index of a frame: 0 is the first frame of a run; each frame is exactly one more than the one before.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameIndex(pub u64);

impl FrameIndex {
    /// Returns the frame after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl core::fmt::Display for FrameIndex {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", self.0)
    }
}
