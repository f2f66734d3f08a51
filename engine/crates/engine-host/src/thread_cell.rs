//! A cell in this process: its entries are called directly, on a tick thread.
#![expect(unsafe_code, reason = "calls the C entries of a loaded cell")]

use crate::{
    cx::{HOST_TABLE, InstanceCx, TurnKind},
    library::CellLibrary,
    record::Record,
    renewal::Renewal,
    turn::{MAX_SAVED_BYTES, Placed},
};
use cell_abi::{Bytes, CellState, LogLevel, Status, TickRecord};
use core::ffi::c_void;
use std::sync::Arc;

/// An instance of a cell in this process.
pub struct ThreadCell {
    library: Arc<CellLibrary>,
    state: *mut CellState,
    // The cell holds a pointer to it; keep it as long as the state.
    cx: Arc<InstanceCx>,
    renewal: Option<Renewal>,
}

// SAFETY: a cell is an actor: its entries are called by one thread at a time, which may differ from call to
// call (the contract of `CellTable`), and its state is `Send` (the bound of the `Cell` trait).
unsafe impl Send for ThreadCell {}

impl ThreadCell {
    /// Makes an instance.
    ///
    /// # Errors
    /// Why the cell's `create` failed.
    pub fn create(library: &Arc<CellLibrary>, cx: &Arc<InstanceCx>) -> Result<Self, String> {
        let mut state = std::ptr::null_mut();
        // SAFETY: the library's table was checked when it was loaded; `HOST_TABLE` is a static, `cx` is kept
        // in the instance, `state` is valid for the call.
        let status =
            unsafe { (library.table.create)(&raw const HOST_TABLE, cx.as_host_cx(), &raw mut state) };
        if !status.is_ok() || state.is_null() {
            let mut io = cx.io();
            let why = match (io.panic.take(), io.failure.take()) {
                (Some((message, file, line)), _) => {
                    format!("panicked in `create` at {file}:{line}: {message}")
                }
                (None, Some(why)) => format!("`create` failed: {why}"),
                (None, None) => format!("`create` failed with status {}", status.0),
            };
            return Err(why);
        }
        Ok(Self { library: Arc::clone(library), state, cx: Arc::clone(cx), renewal: None })
    }
}

impl ThreadCell {
    /// Returns the cell's name.
    pub(crate) fn name(&self) -> Arc<str> {
        Arc::clone(&self.cx.name)
    }

    /// Calls an entry.
    ///
    /// # Safety
    /// All that `record` points to lives for the call, nobody else writes to it, and its write slots are this
    /// cell's alone.
    pub(crate) unsafe fn enter(&mut self, kind: TurnKind, record: &TickRecord) -> Status {
        let entry = match kind {
            TurnKind::Load => self.library.table.load,
            TurnKind::Tick => self.library.table.tick,
            TurnKind::Passes => self.library.table.passes,
            TurnKind::None | TurnKind::Save | TurnKind::Restore => return Status::INVALID,
        };
        // SAFETY: `state` came from this library's `create` and is not yet destroyed; the caller vouches for the
        // record.
        unsafe { entry(self.state, record) }
    }
}

impl Placed for ThreadCell {
    fn call(&mut self, kind: TurnKind, record: &mut Record) -> Status {
        // SAFETY: the record and all it points to live for the call: slots by the slot tables' holds and grants,
        // which keep writers apart, the rest by `record`.
        record.with_view(|view| unsafe { self.enter(kind, view) })
    }

    fn save(&mut self) -> Result<Vec<u8>, Status> {
        let failed = |why: &str| {
            self.cx.failed(why);
            Err(Status::FAILED)
        };
        let Some(save) = self.library.table.save else { return failed("its table has no `save`") };
        let mut taken = Taken::default();
        // SAFETY: as in `enter`; `take` gets what it expects, which lives for the call.
        let status = unsafe { save(self.state, take, (&raw mut taken).cast()) };
        match taken {
            Taken { too_long: Some(len), .. } => {
                failed(&format!("its state has {len} bytes; at most {MAX_SAVED_BYTES} are kept"))
            }
            _ if !status.is_ok() => Err(status),
            Taken { bytes: Some(bytes), .. } => Ok(bytes),
            Taken { bytes: None, .. } => failed("it gave no state"),
        }
    }

    fn restore(&mut self, state: &Arc<[u8]>) -> Status {
        let Some(restore) = self.library.table.restore else {
            self.cx.failed("its table has no `restore`");
            return Status::FAILED;
        };
        // SAFETY: as in `enter`; the bytes live for the call.
        unsafe { restore(self.state, Bytes::of(state)) }
    }

    fn renew(&mut self, mut renewal: Renewal) -> Result<(), String> {
        renewal.make().map_err(|e| e.to_string())?;
        self.renewal = Some(renewal);
        Ok(())
    }

    fn take_renewal(&mut self) -> Option<Renewal> {
        self.renewal.take()
    }
}

/// What a cell's `save` gave.
#[derive(Default)]
struct Taken {
    bytes: Option<Vec<u8>>,
    /// The length of what was too long to take.
    too_long: Option<usize>,
}

/// Takes a state: the sink of [`cell_abi::table::SaveFn`].
unsafe extern "C" fn take(context: *mut c_void, bytes: Bytes) -> Status {
    // SAFETY: the cell passes on what `ThreadCell::save` gave it, during that call and from its thread.
    let taken = unsafe { &mut *context.cast::<Taken>() };
    if bytes.len > MAX_SAVED_BYTES {
        taken.too_long = Some(bytes.len);
        return Status::QUOTA;
    }
    let copied = match bytes.len {
        0 => Vec::new(),
        // SAFETY: the bytes are borrowed for the call (the contract of the table).
        len => unsafe { std::slice::from_raw_parts(bytes.ptr, len) }.to_vec(),
    };
    match taken.bytes.replace(copied) {
        None => Status::OK,
        // Once is the contract.
        Some(_) => Status::INVALID,
    }
}

impl Drop for ThreadCell {
    fn drop(&mut self) {
        // SAFETY: `state` came from this library's `create` and is destroyed once, here.
        let status = unsafe { (self.library.table.destroy)(self.state) };
        if !status.is_ok() {
            let what = match self.cx.io().panic.take() {
                Some((message, file, line)) => format!("panicked in `destroy` at {file}:{line}: {message}"),
                None => format!("`destroy` failed with status {}", status.0),
            };
            // In a child, the line goes to the engine.
            self.cx.log(LogLevel::WARN, "engine", &format!("{what}; it had ended anyway"), "", 0);
        }
    }
}
