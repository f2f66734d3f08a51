//! A host as a Rust trait, and the C table that is made of it.
#![expect(unsafe_code, reason = "the C border: host functions get raw pointers from a cell")]
use crate::{
    ABI_MAJOR, ABI_MINOR,
    table::{AssetView, Bytes, HostCx, HostTable, LogLevel, ParBody, Request, SealDesc, Status},
};
use core::ffi::c_void;
use std::borrow::Cow;

/// The host's side of one instance: what its cell may call. Each method is what the function of its name in
/// [`HostTable`] does, with text and bytes already borrowed; text that is no UTF-8 has its faults replaced.
///
/// A method must not panic: there is a C border around it, so the process would end.
///
/// # Safety
/// [`HostCalls::par_for`] calls `body` with `context` for ranges that do not overlap and lie within `0..n`, and
/// returns when all calls have. The bytes that [`HostCalls::asset`] hands out stay in place and unchanged until the
/// instance ends.
pub unsafe trait HostCalls: Sync {
    /// Returns the most verbose level that is wanted. Any thread.
    fn log_level(&self) -> LogLevel;
    /// Writes a line to the log under the cell's name. Any thread.
    fn log(&self, level: LogLevel, target: &str, message: &str, file: &str, line: u32);
    /// Takes the report of a panic that is about to be caught. Any thread.
    fn panic_report(&self, message: &str, file: &str, line: u32);
    /// Takes the reason for a [`Status::FAILED`] about to be returned.
    fn fail(&self, reason: &str);
    /// Runs `body` over `0..n` in chunks of `grain`.
    ///
    /// # Safety
    /// `body` may be called with `context` from any thread, for ranges within `0..n` that do not overlap, until this
    /// returns.
    unsafe fn par_for(&self, n: usize, grain: usize, body: ParBody, context: *mut c_void) -> Status;
    /// Queues a message for the cell called `to`.
    fn send(&self, to: &str, payload: &[u8]) -> Status;
    /// Replaces the instance's pass list.
    fn submit_passes(&self, list: &[u8]) -> Status;
    /// Seals bytes and returns their id.
    ///
    /// # Errors
    /// The status that the cell gets.
    fn seal(&self, desc: &SealDesc, bytes: &[u8]) -> Result<u64, Status>;
    /// Opens a file of the assets folder.
    ///
    /// # Errors
    /// The status that the cell gets.
    fn asset(&self, path: &str) -> Result<AssetView, Status>;
    /// Takes a wish for after the turn.
    fn request(&self, request: Request) -> Status;
}

impl HostTable {
    /// Returns the table whose functions call `H`.
    ///
    /// Who hands it to a cell's `create` hands a pointer to an `H` with it, which outlives the instance: every function
    /// takes its `cx` for that.
    #[must_use]
    pub const fn of<H: HostCalls>() -> Self {
        Self {
            size: size_of::<Self>() as u32,
            abi_major: ABI_MAJOR,
            abi_minor: ABI_MINOR,
            log_level: log_level::<H>,
            log: log::<H>,
            panic_report: panic_report::<H>,
            fail: fail::<H>,
            par_for: par_for::<H>,
            send: send::<H>,
            submit_passes: submit_passes::<H>,
            seal: seal::<H>,
            asset: asset::<H>,
            request: request::<H>,
        }
    }
}

/// # Safety
/// `cx` points to an `H` that lives for the call.
unsafe fn host<'a, H: HostCalls>(cx: *const HostCx) -> &'a H {
    // SAFETY: the caller's promise.
    unsafe { &*cx.cast::<H>() }
}

/// # Safety
/// `bytes` is a valid borrow for the call.
unsafe fn slice<'a>(bytes: Bytes) -> &'a [u8] {
    if bytes.len == 0 {
        return &[];
    }
    // SAFETY: the caller's promise; the pointer of no bytes is not used.
    unsafe { core::slice::from_raw_parts(bytes.ptr, bytes.len) }
}

/// # Safety
/// As for [`slice`].
unsafe fn text<'a>(bytes: Bytes) -> Cow<'a, str> {
    // SAFETY: passed on.
    String::from_utf8_lossy(unsafe { slice(bytes) })
}

unsafe extern "C" fn log_level<H: HostCalls>(cx: *const HostCx) -> LogLevel {
    // SAFETY: the contract of the table, as `of` states it; so in every function below.
    unsafe { host::<H>(cx) }.log_level()
}

unsafe extern "C" fn log<H: HostCalls>(
    cx: *const HostCx,
    level: LogLevel,
    target: Bytes,
    message: Bytes,
    file: Bytes,
    line: u32,
) {
    // SAFETY: as in `log_level`; the texts are borrowed for the call.
    let (host, target, message, file) = unsafe { (host::<H>(cx), text(target), text(message), text(file)) };
    host.log(level, &target, &message, &file, line);
}

unsafe extern "C" fn panic_report<H: HostCalls>(cx: *const HostCx, message: Bytes, file: Bytes, line: u32) {
    // SAFETY: as in `log`.
    let (host, message, file) = unsafe { (host::<H>(cx), text(message), text(file)) };
    host.panic_report(&message, &file, line);
}

unsafe extern "C" fn fail<H: HostCalls>(cx: *const HostCx, reason: Bytes) {
    // SAFETY: as in `log`.
    let (host, reason) = unsafe { (host::<H>(cx), text(reason)) };
    host.fail(&reason);
}

unsafe extern "C" fn par_for<H: HostCalls>(
    cx: *const HostCx,
    n: usize,
    grain: usize,
    body: ParBody,
    context: *mut c_void,
) -> Status {
    // SAFETY: as in `log_level`; the cell's promise for `body` and `context` is passed on.
    unsafe { host::<H>(cx).par_for(n, grain, body, context) }
}

unsafe extern "C" fn send<H: HostCalls>(cx: *const HostCx, to: Bytes, payload: Bytes) -> Status {
    // SAFETY: as in `log`.
    let (host, to, payload) = unsafe { (host::<H>(cx), text(to), slice(payload)) };
    host.send(&to, payload)
}

unsafe extern "C" fn submit_passes<H: HostCalls>(cx: *const HostCx, list: Bytes) -> Status {
    // SAFETY: as in `log`.
    let (host, list) = unsafe { (host::<H>(cx), slice(list)) };
    host.submit_passes(list)
}

unsafe extern "C" fn seal<H: HostCalls>(
    cx: *const HostCx,
    desc: *const SealDesc,
    bytes: Bytes,
    out_id: *mut u64,
) -> Status {
    // SAFETY: as in `log`; the description lives for the call.
    let (host, desc, bytes) = unsafe { (host::<H>(cx), *desc, slice(bytes)) };
    match host.seal(&desc, bytes) {
        Ok(id) => {
            // SAFETY: the cell's to be written, for the call.
            unsafe { *out_id = id };
            Status::OK
        }
        Err(status) => status,
    }
}

unsafe extern "C" fn asset<H: HostCalls>(cx: *const HostCx, path: Bytes, out: *mut AssetView) -> Status {
    // SAFETY: as in `log`.
    let (host, path) = unsafe { (host::<H>(cx), text(path)) };
    match host.asset(&path) {
        Ok(view) => {
            // SAFETY: the cell's to be written, for the call.
            unsafe { *out = view };
            Status::OK
        }
        Err(status) => status,
    }
}

unsafe extern "C" fn request<H: HostCalls>(cx: *const HostCx, request: Request) -> Status {
    // SAFETY: as in `log_level`.
    unsafe { host::<H>(cx) }.request(request)
}
