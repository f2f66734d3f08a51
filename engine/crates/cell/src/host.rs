//! The host's table, called safely; and which instance the current thread works for.
#![expect(unsafe_code, reason = "calls the host's functions")]
use cell_abi::{AssetView, Bytes, HostCx, HostTable, LogLevel, Request, SealDesc, Status, table::ParBody};
use core::{cell::Cell, ffi::c_void, ptr};

/// The host as one instance sees it.
#[derive(Clone, Copy)]
pub(crate) struct Host {
    table: &'static HostTable,
    cx: *const HostCx,
}

// SAFETY: `cx` is opaque here, and the host takes it from any thread where its table says so.
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

thread_local! {
    static CURRENT: Cell<*const Host> = const { Cell::new(ptr::null()) };
    static IN_LOOP: Cell<bool> = const { Cell::new(false) };
}

impl Host {
    /// Takes what the host handed to `create`.
    ///
    /// # Safety
    /// `table` outlives the process and is one of this ABI, `cx` outlives the instance.
    pub(crate) unsafe fn new(table: *const HostTable, cx: *const HostCx) -> Self {
        // SAFETY: the caller's promise.
        Self { table: unsafe { &*table }, cx }
    }

    /// Returns a number that tells the instance from all others that live.
    pub(crate) fn instance(&self) -> usize {
        self.cx.addr()
    }

    /// Runs `f` with this as the current thread's instance; it must not unwind.
    #[inline]
    pub(crate) fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        let current: *const Cell<*const Self> = CURRENT.with(|current| &raw const *current);
        // SAFETY: the thread's own slot, which lives as long as the thread, hence longer than this call.
        let current = unsafe { &*current };
        let before = current.replace(self);
        let out = f();
        current.set(before);
        out
    }

    /// Runs `f` as a part of a parallel loop; it must not unwind.
    pub(crate) fn in_loop<R>(f: impl FnOnce() -> R) -> R {
        let before = IN_LOOP.replace(true);
        let out = f();
        IN_LOOP.set(before);
        out
    }

    /// Returns whether this thread runs a part of a parallel loop, whose order against the others is not fixed.
    pub(crate) fn is_in_loop() -> bool {
        IN_LOOP.try_with(Cell::get).unwrap_or(false)
    }

    /// Calls `f` with the current thread's instance; `None` outside of one.
    pub(crate) fn with_current<R>(f: impl FnOnce(&Self) -> R) -> Option<R> {
        let current = CURRENT.try_with(Cell::get).unwrap_or(ptr::null());
        // SAFETY: `enter` sets it to a host that lives until `enter` returns, on this thread.
        unsafe { current.as_ref() }.map(f)
    }

    pub(crate) fn log_level(&self) -> LogLevel {
        // SAFETY: the table is one of this ABI and `cx` its instance; so in every call below. `Bytes` are borrowed
        // for the call.
        unsafe { (self.table.log_level)(self.cx) }
    }

    pub(crate) fn log(&self, level: LogLevel, target: &str, message: &str, file: &str, line: u32) {
        // SAFETY: as in `log_level`.
        unsafe { (self.table.log)(self.cx, level, text(target), text(message), text(file), line) }
    }

    pub(crate) fn panic_report(&self, message: &str, file: &str, line: u32) {
        // SAFETY: as in `log_level`.
        unsafe { (self.table.panic_report)(self.cx, text(message), text(file), line) }
    }

    pub(crate) fn fail(&self, reason: &str) {
        // SAFETY: as in `log_level`.
        unsafe { (self.table.fail)(self.cx, text(reason)) }
    }

    /// # Safety
    /// `body` may be called with `context` from any threads until this returns.
    pub(crate) unsafe fn par_for(
        &self,
        n: usize,
        grain: usize,
        body: ParBody,
        context: *mut c_void,
    ) -> Status {
        // SAFETY: as in `log_level`; the caller answers for `body` and `context`.
        unsafe { (self.table.par_for)(self.cx, n, grain, body, context) }
    }

    pub(crate) fn send(&self, to: &str, payload: &[u8]) -> Status {
        // SAFETY: as in `log_level`.
        unsafe { (self.table.send)(self.cx, text(to), Bytes::of(payload)) }
    }

    pub(crate) fn submit_passes(&self, list: &[u8]) -> Status {
        // SAFETY: as in `log_level`.
        unsafe { (self.table.submit_passes)(self.cx, Bytes::of(list)) }
    }

    pub(crate) fn seal(&self, desc: &SealDesc, bytes: &[u8]) -> Result<u64, Status> {
        let mut id = 0;
        // SAFETY: as in `log_level`; `desc` and `id` live during the call.
        let status = unsafe { (self.table.seal)(self.cx, desc, Bytes::of(bytes), &mut id) };
        if status.is_ok() { Ok(id) } else { Err(status) }
    }

    pub(crate) fn asset(&self, path: &str) -> Result<AssetView, Status> {
        let mut view = AssetView { bytes: Bytes::EMPTY, version: 0 };
        // SAFETY: as in `log_level`; `view` lives during the call.
        let status = unsafe { (self.table.asset)(self.cx, text(path), &mut view) };
        if status.is_ok() { Ok(view) } else { Err(status) }
    }

    pub(crate) fn request(&self, request: Request) {
        // SAFETY: as in `log_level`. The only errors are of a cancelled instance, for which nothing counts.
        let _ = unsafe { (self.table.request)(self.cx, request) };
    }
}

fn text(s: &str) -> Bytes {
    Bytes::of(s.as_bytes())
}
