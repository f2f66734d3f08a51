//! The host's side of one instance, and the host functions that a thread cell calls.
#![expect(unsafe_code, reason = "the C border: host functions get raw pointers from a cell")]

use crate::{
    assets::{Asset, AssetStore},
    child_link::ChildLink,
    par::ParPool,
    sealed::{MAX_BYTES_PER_CELL, SealError, Sealed, SealedStore},
};
use cell_abi::{
    ABI_MAJOR, ABI_MINOR, AssetView, Bytes, HostCx, HostTable, LogLevel, Request, SealDesc, Status,
    table::ParBody,
};
use core::ffi::c_void;
use engine_sys::Memfd;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

/// The most verbose level that anybody wants, for all cells of the process.
static LOG_LEVEL: AtomicU32 = AtomicU32::new(LogLevel::INFO.0);

/// The most messages that one turn may send, and their bytes.
pub const OUTBOX_MESSAGES: usize = 1024;
/// The most bytes that one turn may send.
pub const OUTBOX_BYTES: usize = 1 << 20;

/// Sets the most verbose level that cells hand over.
pub fn set_log_level(level: LogLevel) {
    LOG_LEVEL.store(level.0, Ordering::Relaxed);
}

/// Returns the most verbose level that cells hand over.
#[must_use]
pub fn log_level() -> LogLevel {
    LogLevel(LOG_LEVEL.load(Ordering::Relaxed))
}

/// What a turn is for; some host functions belong to one kind only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TurnKind {
    /// No turn is running.
    #[default]
    None,
    /// `load`.
    Load,
    /// `tick`.
    Tick,
    /// `passes`.
    Passes,
}

/// A message on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The receiver's name.
    pub to: Box<str>,
    /// The bytes.
    pub payload: Vec<u8>,
}

/// What a turn handed to the host; drained when it has returned.
#[derive(Debug, Default)]
pub struct TurnIo {
    /// The turn that is running.
    pub kind: TurnKind,
    /// Messages, in the order they were sent.
    pub outbox: Vec<Outgoing>,
    outbox_bytes: usize,
    /// A new pass list, as bytes.
    pub passes: Option<Vec<u8>>,
    /// [`Request`]s, one bit each.
    pub requests: u32,
    /// The reason for a [`Status::FAILED`].
    pub failure: Option<String>,
    /// The panic that was caught: message, file, line.
    pub panic: Option<(String, String, u32)>,
    /// How the instance's process was lost: the instance is over.
    pub lost: Option<String>,
    /// What the instance has sealed in its current load.
    pub sealed: Vec<Arc<Sealed>>,
    /// What it had sealed before, until the current load has ended well.
    pub sealed_before: Vec<Arc<Sealed>>,
    /// The assets that it has opened: path and content. They stay mapped as long as the instance.
    pub assets: Vec<(Box<str>, Asset)>,
}

/// What all instances of a process share.
#[derive(Debug)]
pub struct Services {
    /// For parallel loops.
    pub pool: ParPool,
    /// For assets.
    pub assets: AssetStore,
    /// For sealed resources.
    pub sealed: SealedStore,
}

/// The host's side of one instance.
#[derive(Debug)]
pub struct InstanceCx {
    /// The cell's name in the scene.
    pub name: Arc<str>,
    /// Set when the instance was replaced: nothing it does counts any more.
    cancelled: AtomicBool,
    /// Whether `io` holds anything to drain.
    touched: AtomicBool,
    io: Mutex<TurnIo>,
    services: ServedBy,
}

/// Who answers the cell's calls.
#[derive(Debug)]
enum ServedBy {
    /// This process, the engine.
    Engine(Arc<Services>),
    /// The engine, from this child process.
    Link(Arc<ChildLink>),
}

impl InstanceCx {
    /// Returns the host's side of a new instance of the cell called `name`.
    #[must_use]
    pub fn new(name: Arc<str>, services: Arc<Services>) -> Arc<Self> {
        Self::served_by(name, ServedBy::Engine(services))
    }

    /// Returns the child's side of an instance: what it needs of the engine goes over `link`.
    pub(crate) fn in_child(name: Arc<str>, link: Arc<ChildLink>) -> Arc<Self> {
        Self::served_by(name, ServedBy::Link(link))
    }

    fn served_by(name: Arc<str>, services: ServedBy) -> Arc<Self> {
        Arc::new(Self {
            name,
            cancelled: AtomicBool::new(false),
            touched: AtomicBool::new(false),
            io: Mutex::default(),
            services,
        })
    }

    /// From now on every host call of this instance returns [`Status::CANCELLED`].
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Returns whether the instance was replaced.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Returns whether the turn handed over anything, and forgets it: [`InstanceCx::io`] need not be locked
    /// when it did not.
    pub fn take_touched(&self) -> bool {
        self.touched.swap(false, Ordering::Relaxed)
    }

    /// Locks what the turn hands over.
    pub fn io(&self) -> MutexGuard<'_, TurnIo> {
        self.io.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks it to hand something over.
    pub(crate) fn hand_over(&self) -> MutexGuard<'_, TurnIo> {
        self.touched.store(true, Ordering::Relaxed);
        self.io()
    }

    /// Writes a line to the log under the cell's name.
    pub fn log(&self, level: LogLevel, target: &str, message: &str, file: &str, line: u32) {
        if let ServedBy::Link(link) = &self.services {
            return link.log(level, target, message, file, line);
        }
        let cell: &str = &self.name;
        match level {
            LogLevel::ERROR => {
                tracing::error!(target: "cell", cell, module = target, file, line, "{message}")
            }
            LogLevel::WARN => tracing::warn!(target: "cell", cell, module = target, file, line, "{message}"),
            LogLevel::INFO => tracing::info!(target: "cell", cell, module = target, file, line, "{message}"),
            LogLevel::DEBUG => {
                tracing::debug!(target: "cell", cell, module = target, file, line, "{message}")
            }
            _ => tracing::trace!(target: "cell", cell, module = target, file, line, "{message}"),
        }
    }

    /// Notes a panic that the cell's entry is about to catch.
    pub fn panicked(&self, message: &str, file: &str, line: u32) {
        self.hand_over().panic = Some((message.to_owned(), file.to_owned(), line));
    }

    /// Notes why the turn is about to fail.
    pub fn failed(&self, reason: &str) {
        self.hand_over().failure = Some(reason.to_owned());
    }

    /// Queues a message.
    pub fn send(&self, to: &str, payload: &[u8]) -> Status {
        let mut io = self.hand_over();
        if io.kind != TurnKind::Tick {
            return Status::NOT_NOW;
        }
        if io.outbox.len() >= OUTBOX_MESSAGES || io.outbox_bytes + payload.len() > OUTBOX_BYTES {
            return Status::OUTBOX_FULL;
        }
        io.outbox_bytes += payload.len();
        io.outbox.push(Outgoing { to: to.into(), payload: payload.to_vec() });
        Status::OK
    }

    /// Takes a pass list.
    pub fn submit_passes(&self, list: &[u8]) -> Status {
        let mut io = self.hand_over();
        if io.kind != TurnKind::Passes {
            return Status::NOT_NOW;
        }
        io.passes = Some(list.to_vec());
        Status::OK
    }

    /// Seals bytes for the instance's passes.
    pub fn seal(&self, desc: SealDesc, bytes: &[u8]) -> Result<u64, Status> {
        if self.io().kind != TurnKind::Load {
            return Err(Status::NOT_NOW);
        }
        let sealed = match &self.services {
            ServedBy::Link(link) => return link.seal(desc, bytes).map_err(|refused| self.refused(refused)),
            ServedBy::Engine(services) => services.sealed.seal(desc, bytes),
        };
        self.keep_sealed(sealed)
    }

    /// Seals the first `len` bytes of memory that the instance's process has filled.
    pub(crate) fn seal_memfd(&self, desc: SealDesc, memfd: &Memfd, len: usize) -> Result<u64, Status> {
        match &self.services {
            ServedBy::Link(_) => Err(Status::NOT_NOW),
            ServedBy::Engine(services) => self.keep_sealed(services.sealed.seal_memfd(desc, memfd, len)),
        }
    }

    fn keep_sealed(&self, sealed: Result<Arc<Sealed>, SealError>) -> Result<u64, Status> {
        let sealed = sealed.map_err(|e| {
            self.failed(&e.to_string());
            Status::INVALID
        })?;
        let mut io = self.hand_over();
        let id = sealed.id;
        if !io.sealed.iter().any(|s| s.id == id) {
            let used: u64 = io.sealed.iter().map(|s| s.len as u64).sum();
            if used + sealed.len as u64 > MAX_BYTES_PER_CELL {
                return Err(Status::QUOTA);
            }
            io.sealed.push(sealed);
        }
        Ok(id)
    }

    /// Notes why the engine refused something.
    fn refused(&self, (status, why): (Status, String)) -> Status {
        if !why.is_empty() {
            self.failed(&why);
        }
        status
    }

    /// Opens an asset for the instance's load.
    pub fn asset(&self, path: &str) -> Result<Asset, Status> {
        if self.io().kind != TurnKind::Load {
            return Err(Status::NOT_NOW);
        }
        let opened = match &self.services {
            ServedBy::Link(link) => Ok(link.asset(path).map_err(|refused| self.refused(refused))?),
            ServedBy::Engine(services) => services.assets.open(path),
        };
        match opened {
            Ok(asset) => {
                let mut io = self.hand_over();
                if !io.assets.iter().any(|(p, a)| **p == *path && a.version == asset.version) {
                    io.assets.push((path.into(), asset.clone()));
                }
                Ok(asset)
            }
            Err(e) => {
                self.failed(&e.to_string());
                Err(Status::NOT_FOUND)
            }
        }
    }

    /// Notes a wish for after the turn.
    pub fn request(&self, request: Request) -> Status {
        if request.0 >= 32 {
            return Status::INVALID;
        }
        self.hand_over().requests |= 1 << request.0;
        Status::OK
    }

    /// Runs a parallel loop.
    ///
    /// # Safety
    /// As for [`ParPool::run`].
    pub unsafe fn par_for(&self, n: usize, grain: usize, body: ParBody, context: *mut c_void) -> Status {
        let pool = match &self.services {
            ServedBy::Engine(services) => &services.pool,
            ServedBy::Link(link) => link.pool(),
        };
        // SAFETY: passed on from the caller.
        unsafe { pool.run(n, grain, body, context) }
    }

    /// Returns the pointer by which the cell names this instance. Valid while the `Arc` lives.
    #[must_use]
    pub fn as_host_cx(self: &Arc<Self>) -> *const HostCx {
        Arc::as_ptr(self).cast()
    }
}

impl TurnIo {
    /// Starts a turn: what an earlier one handed over has been drained.
    pub fn begin(&mut self, kind: TurnKind) {
        self.kind = kind;
        self.outbox_bytes = 0;
        if kind == TurnKind::Load {
            self.sealed_before = std::mem::take(&mut self.sealed);
        }
    }
}

/// The host functions for cells in this process.
pub static HOST_TABLE: HostTable = HostTable {
    size: size_of::<HostTable>() as u32,
    abi_major: ABI_MAJOR,
    abi_minor: ABI_MINOR,
    log_level: wanted_log_level,
    log,
    panic_report,
    fail,
    par_for,
    send,
    submit_passes,
    seal,
    asset,
    request,
};

/// # Safety
/// `cx` came from [`InstanceCx::as_host_cx`] and its `Arc` lives for the call: the host keeps it as long as the
/// instance, and a cell may use the pointer only while its instance lives.
unsafe fn cx_of<'a>(cx: *const HostCx) -> &'a InstanceCx {
    // SAFETY: the caller's promise.
    unsafe { &*cx.cast::<InstanceCx>() }
}

/// # Safety
/// `bytes` is a valid borrow for the call.
unsafe fn bytes_of<'a>(bytes: Bytes) -> &'a [u8] {
    if bytes.len == 0 {
        return &[];
    }
    // SAFETY: the caller's promise, and the pointer is not used for length 0.
    unsafe { std::slice::from_raw_parts(bytes.ptr, bytes.len) }
}

/// # Safety
/// `bytes` is a valid borrow for the call.
unsafe fn text_of<'a>(bytes: Bytes) -> std::borrow::Cow<'a, str> {
    // SAFETY: passed on.
    String::from_utf8_lossy(unsafe { bytes_of(bytes) })
}

unsafe extern "C" fn wanted_log_level(_: *const HostCx) -> LogLevel {
    log_level()
}

unsafe extern "C" fn log(
    cx: *const HostCx,
    level: LogLevel,
    target: Bytes,
    message: Bytes,
    file: Bytes,
    line: u32,
) {
    // SAFETY: the contract of `HostTable::log`.
    let (cx, t, m, f) = unsafe { (cx_of(cx), text_of(target), text_of(message), text_of(file)) };
    cx.log(level, &t, &m, &f, line);
}

unsafe extern "C" fn panic_report(cx: *const HostCx, message: Bytes, file: Bytes, line: u32) {
    // SAFETY: the contract of `HostTable::panic_report`.
    let (cx, m, f) = unsafe { (cx_of(cx), text_of(message), text_of(file)) };
    cx.panicked(&m, &f, line);
}

unsafe extern "C" fn fail(cx: *const HostCx, reason: Bytes) {
    // SAFETY: the contract of `HostTable::fail`.
    let (cx, r) = unsafe { (cx_of(cx), text_of(reason)) };
    cx.failed(&r);
}

unsafe extern "C" fn par_for(
    cx: *const HostCx,
    n: usize,
    grain: usize,
    body: ParBody,
    context: *mut c_void,
) -> Status {
    // SAFETY: the contract of `HostTable::par_for`.
    let cx = unsafe { cx_of(cx) };
    if cx.is_cancelled() {
        return Status::CANCELLED;
    }
    // SAFETY: as above.
    unsafe { cx.par_for(n, grain, body, context) }
}

unsafe extern "C" fn send(cx: *const HostCx, to: Bytes, payload: Bytes) -> Status {
    // SAFETY: the contract of `HostTable::send`.
    let (cx, to, payload) = unsafe { (cx_of(cx), text_of(to), bytes_of(payload)) };
    if cx.is_cancelled() { Status::CANCELLED } else { cx.send(&to, payload) }
}

unsafe extern "C" fn submit_passes(cx: *const HostCx, list: Bytes) -> Status {
    // SAFETY: the contract of `HostTable::submit_passes`.
    let (cx, list) = unsafe { (cx_of(cx), bytes_of(list)) };
    if cx.is_cancelled() { Status::CANCELLED } else { cx.submit_passes(list) }
}

unsafe extern "C" fn seal(
    cx: *const HostCx,
    desc: *const SealDesc,
    bytes: Bytes,
    out_id: *mut u64,
) -> Status {
    // SAFETY: the contract of `HostTable::seal`: both pointers are valid for the call.
    let (cx, desc, bytes) = unsafe { (cx_of(cx), *desc, bytes_of(bytes)) };
    if cx.is_cancelled() {
        return Status::CANCELLED;
    }
    match cx.seal(desc, bytes) {
        Ok(id) => {
            // SAFETY: as above.
            unsafe { *out_id = id };
            Status::OK
        }
        Err(status) => status,
    }
}

unsafe extern "C" fn asset(cx: *const HostCx, path: Bytes, out: *mut AssetView) -> Status {
    // SAFETY: the contract of `HostTable::asset`.
    let (cx, path) = unsafe { (cx_of(cx), text_of(path)) };
    if cx.is_cancelled() {
        return Status::CANCELLED;
    }
    match cx.asset(&path) {
        Ok(asset) => {
            // The instance's io keeps the map alive until the instance ends.
            let view = AssetView { bytes: Bytes::of(asset.bytes()), version: asset.version };
            // SAFETY: as above.
            unsafe { *out = view };
            Status::OK
        }
        Err(status) => status,
    }
}

unsafe extern "C" fn request(cx: *const HostCx, request: Request) -> Status {
    // SAFETY: the contract of `HostTable::request`.
    unsafe { cx_of(cx) }.request(request)
}
