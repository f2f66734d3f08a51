//! The two C tables: what a host offers a cell, what a cell offers a host.
//!
//! All functions are `unsafe extern "C"`, return a [`Status`] and never unwind. `Bytes` are borrowed for the
//! call. Memory is freed by the side that made it.
use crate::record::TickRecord;
use core::ffi::c_void;

/// A borrowed byte string; valid for the call (or turn) it is passed in.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    /// First byte; may dangle when `len` is 0.
    pub ptr: *const u8,
    /// Length in bytes.
    pub len: usize,
}

impl Bytes {
    /// No bytes.
    pub const EMPTY: Self = Self { ptr: core::ptr::null(), len: 0 };

    /// Borrows `bytes` without tracking the borrow.
    #[must_use]
    pub const fn of(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), len: bytes.len() }
    }
}

/// The answer of every function on the border. Negative values are errors.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub i32);

impl Status {
    /// Done.
    pub const OK: Self = Self(0);
    /// The cell's code panicked; the panic was caught and reported. The instance is over.
    pub const PANICKED: Self = Self(-1);
    /// The cell says it cannot do this; the reason was given through `fail`.
    pub const FAILED: Self = Self(-2);
    /// The instance was replaced; nothing it does counts any more.
    pub const CANCELLED: Self = Self(-3);
    /// The outbox is full: nothing was sent.
    pub const OUTBOX_FULL: Self = Self(-4);
    /// No such cell, file or id.
    pub const NOT_FOUND: Self = Self(-5);
    /// Not allowed in this turn (assets and sealing belong to `load`).
    pub const NOT_NOW: Self = Self(-6);
    /// An argument is out of range.
    pub const INVALID: Self = Self(-7);
    /// A limit of the cell is reached (memory, count).
    pub const QUOTA: Self = Self(-8);

    /// Returns whether this is no error.
    #[must_use]
    pub const fn is_ok(self) -> bool {
        self.0 >= 0
    }
}

/// A log level on the border.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogLevel(pub u32);

impl LogLevel {
    /// Something is wrong.
    pub const ERROR: Self = Self(1);
    /// Something looks wrong.
    pub const WARN: Self = Self(2);
    /// Worth knowing.
    pub const INFO: Self = Self(3);
    /// For the author.
    pub const DEBUG: Self = Self(4);
    /// Everything.
    pub const TRACE: Self = Self(5);
}

/// What a sealed resource is. Sealed means: written once, named by its content, immutable and shared.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealKind(pub u32);

impl SealKind {
    /// Bytes bound as vertex, index or storage buffer.
    pub const BUFFER: Self = Self(0);
    /// A 2-D texture, rows tightly packed, all mip levels one after the other, largest first.
    pub const TEXTURE_2D: Self = Self(1);
}

/// Describes bytes to be sealed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SealDesc {
    /// `size_of::<SealDesc>()`.
    pub size: u32,
    /// What it becomes.
    pub kind: SealKind,
    /// Textures: the format's number in [`crate::ports::TextureFormat`].
    pub format: u32,
    /// Textures: width in pixels.
    pub width: u32,
    /// Textures: height in pixels.
    pub height: u32,
    /// Textures: number of mip levels, at least 1.
    pub mips: u32,
}

/// A file of the assets folder, mapped read-only and sealed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct AssetView {
    /// The content. Valid until the cell's instance ends.
    pub bytes: Bytes,
    /// Rises when the file's content changed.
    pub version: u64,
}

/// What a cell may ask of its host by [`HostTable::request`].
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request(pub u32);

impl Request {
    /// Call `passes` again after this turn.
    pub const PASSES: Self = Self(1);
    /// Call `load` again after this turn.
    pub const LOAD: Self = Self(2);
    /// End the run after this frame (a game's own "quit").
    pub const QUIT: Self = Self(3);
    /// Make no further tick turns: the cell has no `tick` of its own.
    pub const NO_TICKS: Self = Self(4);
}

/// The host's side of one instance. Opaque to the cell.
#[repr(C)]
pub struct HostCx {
    _private: [u8; 0],
}

/// The cell's state of one instance. Opaque to the host.
#[repr(C)]
pub struct CellState {
    _private: [u8; 0],
}

/// A chunk of a parallel loop: `body(context, begin, end)`.
pub type ParBody = unsafe extern "C" fn(context: *mut c_void, begin: usize, end: usize) -> Status;

/// What a host offers a cell. One per process; `cx` names the instance.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HostTable {
    /// `size_of::<HostTable>()` of the host.
    pub size: u32,
    /// [`crate::ABI_MAJOR`] of the host.
    pub abi_major: u16,
    /// [`crate::ABI_MINOR`] of the host.
    pub abi_minor: u16,
    /// Returns the most verbose level that is wanted. Any thread.
    pub log_level: unsafe extern "C" fn(cx: *const HostCx) -> LogLevel,
    /// Writes a line to the engine's log under the cell's name. Any thread.
    pub log: unsafe extern "C" fn(
        cx: *const HostCx,
        level: LogLevel,
        target: Bytes,
        message: Bytes,
        file: Bytes,
        line: u32,
    ),
    /// Reports a panic that is about to be caught. Any thread.
    pub panic_report: unsafe extern "C" fn(cx: *const HostCx, message: Bytes, file: Bytes, line: u32),
    /// Gives the reason for a [`Status::FAILED`] about to be returned.
    pub fail: unsafe extern "C" fn(cx: *const HostCx, reason: Bytes),
    /// Runs `body` over `0..n` in chunks of `grain`, whose edges depend on (n, grain) alone. The caller takes
    /// part; returns when all chunks have ended. [`Status::PANICKED`] if a chunk panicked.
    pub par_for: unsafe extern "C" fn(
        cx: *const HostCx,
        n: usize,
        grain: usize,
        body: ParBody,
        context: *mut c_void,
    ) -> Status,
    /// Queues a message for the cell called `to`; it is handed over in the next frame. Ticks only.
    pub send: unsafe extern "C" fn(cx: *const HostCx, to: Bytes, payload: Bytes) -> Status,
    /// Replaces the instance's pass list (`cell-wire`, rkyv bytes). `passes` turns only.
    pub submit_passes: unsafe extern "C" fn(cx: *const HostCx, list: Bytes) -> Status,
    /// Seals bytes; the id may be bound in passes. `load` turns only.
    pub seal: unsafe extern "C" fn(
        cx: *const HostCx,
        desc: *const SealDesc,
        bytes: Bytes,
        out_id: *mut u64,
    ) -> Status,
    /// Opens a file of the assets folder. `load` turns only; the file is watched from then on.
    pub asset: unsafe extern "C" fn(cx: *const HostCx, path: Bytes, out: *mut AssetView) -> Status,
    /// Asks for something after this turn.
    pub request: unsafe extern "C" fn(cx: *const HostCx, request: Request) -> Status,
}

// SAFETY: the table holds function pointers and numbers only, all callable from any thread by contract.
#[expect(unsafe_code, reason = "a table of function pointers is shared between threads")]
unsafe impl Sync for HostTable {}

/// A turn of a cell.
pub type TurnFn = unsafe extern "C" fn(state: *mut CellState, record: *const TickRecord) -> Status;

/// Takes bytes that are borrowed for the call.
pub type SinkFn = unsafe extern "C" fn(context: *mut c_void, bytes: Bytes) -> Status;

/// Saves a cell's state: calls `sink` once, with `context`, and returns what it answers.
pub type SaveFn = unsafe extern "C" fn(state: *mut CellState, sink: SinkFn, context: *mut c_void) -> Status;

/// Restores a cell's state from bytes that [`SaveFn`] gave.
pub type RestoreFn = unsafe extern "C" fn(state: *mut CellState, bytes: Bytes) -> Status;

/// What a cell offers: exported as the static [`crate::CELL_TABLE_SYMBOL`].
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CellTable {
    /// `size_of::<CellTable>()` of the cell.
    pub size: u32,
    /// [`crate::ABI_MAJOR`] of the cell.
    pub abi_major: u16,
    /// [`crate::ABI_MINOR`] of the cell.
    pub abi_minor: u16,
    /// [`FLAG_UNWIND`] and others to come.
    pub flags: u64,
    /// Makes an instance. `host` outlives the process; `cx` outlives the instance.
    pub create:
        unsafe extern "C" fn(host: *const HostTable, cx: *const HostCx, out: *mut *mut CellState) -> Status,
    /// Reads assets and seals resources: at start, and again when an asset or a parameter of the load changed.
    pub load: TurnFn,
    /// One tick.
    pub tick: TurnFn,
    /// Submits the pass list: after a load, and when a size or a parameter changed.
    pub passes: TurnFn,
    /// Ends the instance and frees its state.
    pub destroy: unsafe extern "C" fn(state: *mut CellState) -> Status,
    /// Since 1.1. Gives the instance's state ([`crate::saved`]) to `sink`, in one call. A turn; never after a panic.
    /// Absent when the cell keeps no state: a new instance then starts from its defaults.
    pub save: Option<SaveFn>,
    /// Since 1.1. Replaces the instance's state by a saved one: after `create`, before the first `load`. On
    /// [`Status::FAILED`] the reason was given through `fail` and the state is as it was.
    pub restore: Option<RestoreFn>,
}

/// The size of a [`CellTable`] of ABI 1.0.
const SIZE_1_0: usize = core::mem::offset_of!(CellTable, save);

impl CellTable {
    /// Copies a cell's table, which may be of an older minor version: what it does not have is absent. `None` when
    /// its major version is another or it is too short.
    ///
    /// # Safety
    /// `table` points to a table of as many bytes as its first word says, at least eight.
    #[expect(unsafe_code, reason = "reads a table whose size only it knows")]
    #[must_use]
    pub unsafe fn copied(table: *const Self) -> Option<Self> {
        // SAFETY: the first eight bytes (size and ABI) are the same in every version.
        let (size, major) = unsafe { ((*table).size as usize, (*table).abi_major) };
        if major != crate::ABI_MAJOR || size < SIZE_1_0 {
            return None;
        }
        let mut copy = core::mem::MaybeUninit::<Self>::zeroed();
        // SAFETY: the table has `size` bytes (the caller's promise), and no more than fit are copied. All that was
        // there in 1.0 is copied; the rest may be zeros, which are `None`.
        unsafe {
            core::ptr::copy_nonoverlapping(
                table.cast::<u8>(),
                copy.as_mut_ptr().cast::<u8>(),
                size.min(size_of::<Self>()),
            );
            Some(copy.assume_init())
        }
    }
}

// SAFETY: as for `HostTable`.
#[expect(unsafe_code, reason = "a table of function pointers is exported as a static")]
unsafe impl Sync for CellTable {}

/// Flag of [`CellTable`]: panics unwind in this library, so that its entries can catch them.
pub const FLAG_UNWIND: u64 = 1;
/// Flag of [`CellTable`]: the cell may have a `tick` of its own; without it the host never makes a tick turn.
/// A cell that turns out to have none says so in its first tick ([`Request::NO_TICKS`]).
pub const FLAG_TICKS: u64 = 2;

#[cfg(test)]
#[expect(unsafe_code, reason = "the functions of a table, and reading tables of this test")]
mod tests {
    use super::*;

    unsafe extern "C" fn create(_: *const HostTable, _: *const HostCx, _: *mut *mut CellState) -> Status {
        Status::OK
    }
    unsafe extern "C" fn turn(_: *mut CellState, _: *const TickRecord) -> Status {
        Status::OK
    }
    unsafe extern "C" fn destroy(_: *mut CellState) -> Status {
        Status::OK
    }
    unsafe extern "C" fn save(_: *mut CellState, _: SinkFn, _: *mut c_void) -> Status {
        Status::OK
    }

    fn table(size: usize, abi_major: u16) -> CellTable {
        CellTable {
            size: size as u32,
            abi_major,
            abi_minor: 0,
            flags: 7,
            create,
            load: turn,
            tick: turn,
            passes: turn,
            destroy,
            save: Some(save),
            restore: None,
        }
    }

    #[test]
    fn tables_of_every_minor_version_are_read_as_far_as_they_go() {
        let full = size_of::<CellTable>();
        // SAFETY: the tables are this function's own and are not shorter than they say.
        let copied = |size, major| unsafe { CellTable::copied(&table(size, major)) };
        assert!(copied(full, 1).is_some_and(|t| t.save.is_some() && t.flags == 7));
        assert!(copied(SIZE_1_0, 1).is_some_and(|t| t.save.is_none() && t.restore.is_none()));
        assert!(copied(SIZE_1_0 - 1, 1).is_none() && copied(full, 2).is_none());
    }
}
