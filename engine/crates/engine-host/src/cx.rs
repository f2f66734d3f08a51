//! The host's side of one instance, and the host functions that a thread cell calls.
#![expect(unsafe_code, reason = "the C border: host functions get raw pointers from a cell")]

use crate::spares::Spares;
use crate::{
    assets::{Asset, AssetStore},
    child_link::ChildLink,
    last_lines::LastLines,
    par::ParPool,
    sealed::{Sealed, SealedStore},
    trust::Rights,
};
use cell_abi::{
    AssetView, Bytes, HostCalls, HostCx, HostTable, LogLevel, Request, SealDesc, Status, table::ParBody,
};
use core::ffi::c_void;
use engine_frame::plain::plain;
use std::backtrace::Backtrace;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

mod wishes;

/// The most verbose level that anybody wants, for all cells of the process.
static LOG_LEVEL: AtomicU32 = AtomicU32::new(LogLevel::INFO.0);

/// The most bytes of messages that one turn may send; how many there may be is in its [`Rights`].
pub const OUTBOX_BYTES: usize = 1 << 20;

/// The longest name of a receiver of messages, in bytes.
pub(crate) const LONGEST_NAME: usize = 1024;

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
    /// `save`.
    Save,
    /// `restore`.
    Restore,
}

impl TurnKind {
    /// Returns the name of the cell's entry.
    #[must_use]
    pub fn entry(self) -> &'static str {
        match self {
            Self::None => "create",
            Self::Load => "load",
            Self::Tick => "tick",
            Self::Passes => "passes",
            Self::Save => "save",
            Self::Restore => "restore",
        }
    }
}

/// A message on its way out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// The receiver's name.
    pub to: String,
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
    /// Messages that were delivered, for their memory.
    spare: Spares<Outgoing>,
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
    /// How many of them, the first ones, are of a load that ended well.
    sealed_well: usize,
    /// What it had sealed before, until the current load has ended well.
    sealed_before: Vec<Arc<Sealed>>,
    /// Bytes of memory that its process was given and that became nothing: it may have them still.
    wasted: u64,
    /// The assets that its newest load asked for: path and content, `None` when it could not be had. They stay mapped
    /// until a later load has ended, and are watched.
    pub assets: Vec<(Box<str>, Option<Asset>)>,
    /// What it had opened before, until the current load has ended.
    assets_before: Vec<(Box<str>, Option<Asset>)>,
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
    /// The process that the instance has for itself; 0 for none.
    pid: AtomicU32,
    io: Mutex<TurnIo>,
    lines: LastLines,
    /// Where the newest panic of a cell of this process was. What it means is looked up when it is shown.
    backtrace: Mutex<Option<Backtrace>>,
    rights: Rights,
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
    /// Returns the host's side of a new instance of the cell called `name`, one of our own with the usual quotas.
    #[must_use]
    pub fn new(name: Arc<str>, services: Arc<Services>) -> Arc<Self> {
        Self::with_rights(name, services, Rights::default())
    }

    /// Returns the host's side of a new instance that may do what `rights` say.
    #[must_use]
    pub fn with_rights(name: Arc<str>, services: Arc<Services>, rights: Rights) -> Arc<Self> {
        Self::served_by(name, rights, ServedBy::Engine(services))
    }

    /// Returns the child's side of an instance, each turn of which may send as many `messages`: what it needs of the
    /// engine goes over `link`. The engine looks after its rights; here the cell is told early.
    pub(crate) fn in_child(name: Arc<str>, link: Arc<ChildLink>, messages: usize) -> Arc<Self> {
        Self::served_by(name, Rights { messages, ..Rights::default() }, ServedBy::Link(link))
    }

    fn served_by(name: Arc<str>, rights: Rights, services: ServedBy) -> Arc<Self> {
        Arc::new(Self {
            name,
            cancelled: AtomicBool::new(false),
            touched: AtomicBool::new(false),
            pid: AtomicU32::new(0),
            io: Mutex::default(),
            lines: LastLines::default(),
            backtrace: Mutex::default(),
            rights,
            services,
        })
    }

    /// Returns what the instance may do.
    #[must_use]
    pub fn rights(&self) -> &Rights {
        &self.rights
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

    /// Notes the process that the instance has for itself.
    pub(crate) fn runs_in(&self, pid: u32) {
        self.pid.store(pid, Ordering::Relaxed);
    }

    /// Returns the process that the instance has for itself.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|pid| *pid > 0)
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
        let message = plain(message);
        self.lines.push(level, &message);
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

    /// Returns the last lines that it wrote.
    pub(crate) fn last_lines(&self) -> &LastLines {
        &self.lines
    }

    /// Notes a panic that the cell's entry is about to catch.
    pub fn panicked(&self, message: &str, file: &str, line: u32) {
        if let ServedBy::Engine(_) = &self.services {
            *self.backtrace.lock().unwrap_or_else(PoisonError::into_inner) = Some(Backtrace::force_capture());
        }
        self.hand_over().panic = Some((message.to_owned(), file.to_owned(), line));
    }

    /// Returns where the newest panic was, and forgets it.
    pub(crate) fn take_backtrace(&self) -> Option<Backtrace> {
        self.backtrace.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Notes why the turn is about to fail.
    pub fn failed(&self, reason: &str) {
        self.hand_over().failure = Some(reason.to_owned());
    }

    /// Returns why an entry failed, and forgets it.
    pub(crate) fn take_reason(&self, kind: TurnKind, status: Status) -> String {
        // What a thread of the cell hands over meanwhile belongs to its next turn.
        let mut io = self.io();
        let (lost, panic, failure) = (io.lost.take(), io.panic.take(), io.failure.take());
        let entry = kind.entry();
        match (lost, status, panic, failure) {
            (Some(why), ..) => why,
            (_, Status::PANICKED, Some((message, file, line)), _) => {
                format!("panicked in `{entry}` at {file}:{line}: {message}")
            }
            (_, Status::PANICKED, None, _) => format!("panicked in `{entry}`"),
            (_, _, _, Some(why)) => format!("`{entry}` failed: {why}"),
            (_, other, _, None) => format!("`{entry}` failed with status {}", other.0),
        }
    }

    /// Queues a message.
    pub fn send(&self, to: &str, payload: &[u8]) -> Status {
        let mut io = self.hand_over();
        if io.kind != TurnKind::Tick {
            return Status::NOT_NOW;
        }
        if to.len() > LONGEST_NAME {
            // No cell is called so.
            return Status::NOT_FOUND;
        }
        if io.outbox.len() >= self.rights.messages || io.outbox_bytes + payload.len() > OUTBOX_BYTES {
            return Status::OUTBOX_FULL;
        }
        io.outbox_bytes += payload.len();
        let mut out = io.spare.take().unwrap_or_default();
        out.to.push_str(to);
        out.payload.extend_from_slice(payload);
        io.outbox.push(out);
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

    /// Keeps the newest content of an asset for the instance's next load.
    pub fn expect_asset(&self, path: &str, asset: Asset) {
        // No turn handed it over: there is nothing to drain.
        self.io().keep_asset(path, Some(asset));
    }

    /// Notes a wish for after the turn.
    pub fn request(&self, request: Request) -> Status {
        if request.0 >= 32 {
            return Status::INVALID;
        }
        self.hand_over().requests |= 1 << request.0;
        Status::OK
    }

    /// Returns the pointer by which the cell names this instance. Valid while the `Arc` lives.
    #[must_use]
    pub fn as_host_cx(self: &Arc<Self>) -> *const HostCx {
        Arc::as_ptr(self).cast()
    }
}

impl TurnIo {
    /// Takes back messages that were delivered: the next ones are made of their memory.
    pub fn reuse(&mut self, sent: &mut Vec<Outgoing>) {
        for mut out in sent.drain(..) {
            out.to.clear();
            out.payload.clear();
            let bytes = size_of::<Outgoing>() + out.to.capacity() + out.payload.capacity();
            self.spare.give(out, bytes);
        }
    }

    /// Starts a turn: what an earlier one handed over has been drained.
    pub fn begin(&mut self, kind: TurnKind) {
        self.kind = kind;
        self.outbox_bytes = 0;
        if kind == TurnKind::Load {
            // Of loads that fail, one after the other, only the newest counts.
            self.sealed.truncate(self.sealed_well);
            self.sealed_before = std::mem::take(&mut self.sealed);
            self.assets_before = std::mem::take(&mut self.assets);
        }
    }

    /// Ends a load: what it no longer asked for is let go. After one that failed the instance goes on with what it
    /// had sealed, and whatever it asked for before is still watched.
    pub fn end_load(&mut self, status: Status) {
        let sealed = std::mem::take(&mut self.sealed_before);
        let assets = std::mem::take(&mut self.assets_before);
        if status.is_ok() {
            self.sealed_well = self.sealed.len();
            return;
        }
        self.sealed_well = sealed.len();
        self.sealed.splice(..0, sealed);
        let new: Vec<_> =
            assets.into_iter().filter(|(p, _)| self.assets.iter().all(|(q, _)| p != q)).collect();
        let room = wishes::MOST_ASSETS.saturating_sub(self.assets.len());
        self.assets.extend(new.into_iter().take(room));
    }

    fn keep_asset(&mut self, path: &str, asset: Option<Asset>) {
        let version = |a: &Option<Asset>| a.as_ref().map(|a| a.version);
        if !self.assets.iter().any(|(p, a)| **p == *path && version(a) == version(&asset)) {
            self.assets.push((path.into(), asset));
        }
    }
}

/// The host functions for cells in this process.
pub static HOST_TABLE: HostTable = HostTable::of::<InstanceCx>();

// SAFETY: `ParPool::run` keeps `par_for`'s promise; the instance's io keeps an asset mapped until the instance ends.
unsafe impl HostCalls for InstanceCx {
    fn log_level(&self) -> LogLevel {
        log_level()
    }

    fn log(&self, level: LogLevel, target: &str, message: &str, file: &str, line: u32) {
        self.log(level, target, message, file, line);
    }

    fn panic_report(&self, message: &str, file: &str, line: u32) {
        self.panicked(message, file, line);
    }

    fn fail(&self, reason: &str) {
        self.failed(reason);
    }

    unsafe fn par_for(&self, n: usize, grain: usize, body: ParBody, context: *mut c_void) -> Status {
        if self.is_cancelled() {
            return Status::CANCELLED;
        }
        let pool = match &self.services {
            ServedBy::Engine(services) => &services.pool,
            ServedBy::Link(link) => link.pool(),
        };
        // SAFETY: passed on from the caller.
        unsafe { pool.run(n, grain, body, context) }
    }

    fn send(&self, to: &str, payload: &[u8]) -> Status {
        if self.is_cancelled() { Status::CANCELLED } else { self.send(to, payload) }
    }

    fn submit_passes(&self, list: &[u8]) -> Status {
        if self.is_cancelled() { Status::CANCELLED } else { self.submit_passes(list) }
    }

    fn seal(&self, desc: &SealDesc, bytes: &[u8]) -> Result<u64, Status> {
        if self.is_cancelled() { Err(Status::CANCELLED) } else { self.seal(*desc, bytes) }
    }

    fn asset(&self, path: &str) -> Result<AssetView, Status> {
        if self.is_cancelled() {
            return Err(Status::CANCELLED);
        }
        let asset = self.asset(path)?;
        Ok(AssetView { bytes: Bytes::of(asset.bytes()), version: asset.version })
    }

    fn request(&self, request: Request) -> Status {
        self.request(request)
    }
}
