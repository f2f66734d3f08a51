//! Calls a cell's C table directly, with a host that does nothing: what the border alone costs.
#![expect(unsafe_code, reason = "calls the C entries of a cell")]

use anyhow::{Context as _, ensure};
use cell_abi::{
    ABI_MAJOR, AssetView, BufHeader, Bytes, CELL_TABLE_SYMBOL, CellState, CellTable, HostCalls, HostTable,
    InputFrame, LogLevel, PortView, Request, SealDesc, SlotView, Status, TickRecord,
    table::{ParBody, TurnFn},
};
use core::ffi::c_void;
use engine_sys::{MapRw, Memfd};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use std::path::Path;

/// The stamp under which the cell publishes.
const STAMP: u32 = 1;
/// Bytes of a slot that holds a number.
const SMALL: usize = 256;

/// A slot in shared memory, with its header and all that a record points to.
struct Memory {
    slot: MapRw,
    header: BufHeader,
    input: InputFrame,
    params: Vec<u8>,
    port: PortView,
}

/// An instance of a cell with at most one buffer port.
pub(crate) struct Direct {
    table: CellTable,
    state: *mut CellState,
    record: TickRecord,
    // The record points into it.
    memory: Box<Memory>,
}

impl Direct {
    /// Makes an instance of the cell with this table, and a slot for a number.
    pub(crate) fn new(table: CellTable, params: &[u8]) -> anyhow::Result<Self> {
        Self::with_slot(table, params, SMALL)
    }

    /// Makes an instance with a slot of `capacity` bytes.
    fn with_slot(table: CellTable, params: &[u8], capacity: usize) -> anyhow::Result<Self> {
        let mut memory = Box::new(Memory {
            slot: MapRw::new(&Memfd::create("bench-slot", capacity)?)?,
            header: BufHeader::default(),
            input: InputFrame::default(),
            params: params.to_vec(),
            port: PortView::EMPTY,
        });
        memory.port.stamp = STAMP;
        memory.port.write = memory.slot.as_ptr();
        memory.port.capacity = memory.slot.len();
        memory.port.header = &raw const memory.header;
        let record = TickRecord {
            size: size_of::<TickRecord>() as u32,
            steps: 1,
            frame: 1,
            dt_ns: 1_000_000_000 / 60,
            time_ns: 0,
            seed: 0,
            screen_px: [64, 36],
            input: &raw const memory.input,
            ports: &raw const memory.port,
            port_count: 1,
            mail: std::ptr::null(),
            mail_count: 0,
            params: Bytes::of(&memory.params),
            params_version: 1,
        };
        let mut state = std::ptr::null_mut();
        // SAFETY: the table is a cell's of this ABI; `HOST` and `NOBODY` are statics; `state`
        // lives during the call.
        let status = unsafe { (table.create)(&raw const HOST, (&raw const NOBODY).cast(), &raw mut state) };
        ensure!(status.is_ok() && !state.is_null(), "the cell's `create` failed with status {}", status.0);
        Ok(Self { table, state, record, memory })
    }

    /// Loads the cell's library and makes an instance with a slot for a number.
    pub(crate) fn load(path: &Path, params: &[u8]) -> anyhow::Result<Self> {
        Self::load_with_slot(path, params, SMALL)
    }

    /// Loads the cell's library and makes an instance with a slot of `capacity` bytes.
    pub(crate) fn load_with_slot(path: &Path, params: &[u8], capacity: usize) -> anyhow::Result<Self> {
        // SAFETY: the library is a cell of this workspace, whose constructors do nothing; it is never closed.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }
            .with_context(|| path.display().to_string())?;
        // SAFETY: the symbol of a cell is a static `CellTable`; the size and version are checked before it is used.
        let table = unsafe { **library.get::<*const CellTable>(CELL_TABLE_SYMBOL.as_bytes())? };
        std::mem::forget(library);
        ensure!(table.abi_major == ABI_MAJOR, "{} speaks another ABI", path.display());
        Self::with_slot(table, params, capacity)
    }

    /// Runs one tick.
    #[inline]
    pub(crate) fn tick(&mut self) -> Status {
        // SAFETY: `state` came from this table's `create`; the record and what it points to live in `self`; one
        // thread at a time, as `&mut self` shows.
        unsafe { (self.table.tick)(self.state, &raw const self.record) }
    }

    /// Calls a plain function, one of those that rows compare a tick with, as a tick is called.
    #[inline]
    pub(crate) fn call_plain(&self, f: TurnFn) -> Status {
        // SAFETY: they take any state, and the record and what it points to live in `self`.
        unsafe { f(self.state, &raw const self.record) }
    }

    /// Returns the number that the cell published, if it published one.
    pub(crate) fn published(&self) -> Option<f32> {
        let publication = self.memory.header.published(STAMP)?;
        // SAFETY: the slot is this instance's, no tick runs, and an `f32` fits it at any value.
        (publication.len_bytes == 4)
            .then(|| unsafe { self.memory.slot.as_ptr().cast::<f32>().read_volatile() })
    }

    /// Shows the slot to the following ticks as what was published last, with nothing to catch up with.
    pub(crate) fn read_back(&mut self) {
        self.memory.port.read = SlotView {
            ptr: self.memory.slot.as_ptr(),
            len: self.memory.slot.len(),
            frame: self.record.frame,
        };
    }

    /// Returns what the cell published, if it published something, and forgets that.
    pub(crate) fn take_published(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(publication) = self.memory.header.published(STAMP) else { return Ok(None) };
        self.memory.header = BufHeader::default();
        ensure!(publication.len_bytes <= self.memory.slot.len() as u64, "it published more than fits");
        let mut bytes = vec![0; publication.len_bytes as usize];
        self.memory.slot.copy_out(0, &mut bytes)?;
        Ok(Some(bytes))
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        // SAFETY: `state` came from this table's `create` and is destroyed once, here.
        unsafe { (self.table.destroy)(self.state) };
    }
}

/// What a guarded call is compared with: a C function that does nothing.
pub(crate) unsafe extern "C" fn nothing(_: *mut CellState, _: *const TickRecord) -> Status {
    Status::OK
}

/// What a slot is compared with: a C function that stores a number and what the header says of it, and nothing else.
pub(crate) unsafe extern "C" fn stores(_: *mut CellState, record: *const TickRecord) -> Status {
    // SAFETY: called by `call_plain`: the record and its one port are there, the slot holds a number, and the header
    // is the slot's.
    unsafe {
        let (record, port) = (&*record, &*(*record).ports);
        port.write.cast::<f32>().write(1.0);
        (*port.header).publish(port.stamp, record.frame, 4, &[]);
    }
    Status::OK
}

static HOST: HostTable = HostTable::of::<Nobody>();

static NOBODY: Nobody = Nobody;

/// A host that does nothing.
struct Nobody;

// SAFETY: one chunk is the whole range; no asset is handed out.
unsafe impl HostCalls for Nobody {
    fn log_level(&self) -> LogLevel {
        LogLevel::ERROR
    }
    fn log(&self, _: LogLevel, _: &str, _: &str, _: &str, _: u32) {}
    fn panic_report(&self, _: &str, _: &str, _: u32) {}
    fn fail(&self, _: &str) {}
    unsafe fn par_for(&self, n: usize, _: usize, body: ParBody, context: *mut c_void) -> Status {
        // SAFETY: the caller's promise.
        unsafe { body(context, 0, n) }
    }
    fn send(&self, _: &str, _: &[u8]) -> Status {
        Status::NOT_FOUND
    }
    fn submit_passes(&self, _: &[u8]) -> Status {
        Status::OK
    }
    fn seal(&self, _: &SealDesc, _: &[u8]) -> Result<u64, Status> {
        Err(Status::NOT_NOW)
    }
    fn asset(&self, _: &str) -> Result<AssetView, Status> {
        Err(Status::NOT_NOW)
    }
    fn request(&self, _: Request) -> Status {
        Status::OK
    }
}
