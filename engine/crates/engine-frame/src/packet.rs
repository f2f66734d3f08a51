//! A packet: all that the render thread needs for one frame.
use crate::plan::{BufferId, CellLine, Plan, TargetId};
use cell_abi::DirtyRange;
use std::{any::Any, ops::Range, sync::Arc};

/// All that the render thread needs for one frame. The slots it names are held until its frame is done: until the GPU
/// reads none of them any more.
pub struct Packet {
    /// The frame.
    pub frame: u64,
    /// Time since the run's start in nanoseconds, simulated.
    pub time_ns: u64,
    /// The length of this frame's step in nanoseconds.
    pub dt_ns: u64,
    /// The passes.
    pub plan: Arc<Plan>,
    /// One entry per buffer of the plan that has a publication.
    pub slots: Vec<SlotUse>,
    /// Where the bytes of the slots are.
    pub memory: Arc<dyn SlotMemory>,
    /// One number per [`Plan::dynamic_counts`], clamped.
    pub counts: Vec<u32>,
    /// Parameter blocks (group 0, binding 1) of cells whose parameters changed, and of all after a device loss.
    pub params: Vec<(CellLine, Arc<[u8]>)>,
    /// The textures whose pixels are wanted as of the end of this frame.
    pub readbacks: Vec<Readback>,
    /// Read the picture back when it is done.
    pub capture: bool,
}

/// A texture whose pixels are wanted, and the slot for them. The slot is granted to the renderer until the packet comes
/// back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readback {
    /// The texture: a target of the plan, of a fixed size with one mip level.
    pub target: TargetId,
    /// The buffer that takes its pixels, row by row from the top, without gaps.
    pub buffer: BufferId,
    /// The slot to write.
    pub slot: u8,
    /// Bytes of all its pixels.
    pub len: u64,
    /// The renderer has written all of them.
    pub arrived: bool,
}

/// The slot of a buffer that a frame draws with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotUse {
    /// The buffer.
    pub buffer: BufferId,
    /// The slot's number.
    pub slot: u8,
    /// Published bytes.
    pub len: u64,
    /// The byte ranges in which the GPU's copy is behind; empty when it is up to date.
    pub dirty: Vec<DirtyRange>,
}

/// Gives the bytes of held slots. Implemented by the host over its read-only maps.
pub trait SlotMemory: Send + Sync {
    /// Returns `len` bytes at `offset` of a slot, or `None` when the range is not within the slot.
    ///
    /// The slot is one that the packet holds, so nobody writes it meanwhile.
    fn bytes(&self, buffer: BufferId, slot: u8, offset: u64, len: u64) -> Option<&[u8]>;

    /// Returns where a slot lies in shared memory, for a GPU that reads it itself; `None` when it lies in no read-only
    /// mapping.
    fn place(&self, buffer: BufferId, slot: u8) -> Option<SlotPlace>;

    /// Copies `bytes` to `offset` of a slot that the packet grants the renderer ([`Packet::readbacks`]). Returns false when
    /// they do not fit, or nothing can be granted in this memory.
    fn fill(&self, buffer: BufferId, slot: u8, offset: u64, bytes: &[u8]) -> bool {
        let _ = (buffer, slot, offset, bytes);
        false
    }
}

/// Where a slot lies in shared memory.
#[derive(Clone)]
pub struct SlotPlace {
    /// The read-only mapping, as whoever maps memory knows it (an `engine_sys::MapRo`; this crate maps none). The
    /// same one for as long as the memory is the same. It stays mapped while this is held.
    pub mapping: Arc<dyn Any + Send + Sync>,
    /// The bytes of the mapping that a GPU takes together: whole pages. Chunks of a mapping are the same or apart. A
    /// large slot is one of its own, so that slots which nobody uses cost no memory on the GPU's side either.
    pub chunk: Range<u64>,
    /// Byte of the mapping at which the slot starts, a multiple of 256.
    pub start: u64,
    /// Bytes of the slot.
    pub len: u64,
}
