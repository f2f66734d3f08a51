//! The host's side of a cell under test: it does what it can at once and keeps what the cell said.
use super::TurnError;
use cell_abi::{AssetView, Bytes, HostCalls, LogLevel, Request, SealDesc, Status, table::ParBody};
use core::{ffi::c_void, fmt};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a cell told its host, oldest first.
#[derive(Debug, Default)]
pub struct Told {
    /// The events that it logged.
    pub log: Vec<Logged>,
    /// The messages that it sent: to whom, and the bytes.
    pub sent: Vec<(String, Vec<u8>)>,
    /// The resources that it sealed: what they are, and the bytes.
    pub sealed: Vec<(SealDesc, Vec<u8>)>,
    /// What it asked for: another `load`, an end of the run and so on.
    pub requests: Vec<Request>,
    /// Its panics. One in a `drop` while another unwinds is one more.
    pub panics: Vec<Panicked>,
    /// The reason for the failure that the turn is about to end with.
    failure: Option<String>,
    /// The list that the turn submitted, encoded.
    pub(super) passes: Option<Vec<u8>>,
}

/// A log event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// How important it is.
    pub level: tracing::Level,
    /// The module it comes from.
    pub target: String,
    /// The message, then ` name=value` for each field.
    pub message: String,
}

/// A panic that was caught at the border.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Panicked {
    /// What it said.
    pub message: String,
    /// The source file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.message, self.file, self.line)
    }
}

/// What the test decides.
pub(super) struct Settings {
    /// Path and content, never taken out; the last of a path counts.
    pub(super) assets: Vec<(String, Arc<[u8]>)>,
    pub(super) log_level: LogLevel,
    pub(super) refuse: Option<Status>,
}

/// The host's side of one instance.
pub(super) struct TestHost {
    told: Mutex<Told>,
    settings: Mutex<Settings>,
}

impl Default for TestHost {
    fn default() -> Self {
        let settings = Settings { assets: Vec::new(), log_level: LogLevel::DEBUG, refuse: None };
        Self { told: Mutex::default(), settings: Mutex::new(settings) }
    }
}

impl TestHost {
    pub(super) fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how a turn ended.
    pub(super) fn end_turn(&self, status: Status) -> Result<(), TurnError> {
        let mut told = self.told();
        let reason = told.failure.take();
        match status {
            s if s.is_ok() => Ok(()),
            Status::PANICKED => Err(TurnError::Panicked(told.panics.last().cloned().unwrap_or_default())),
            Status::FAILED => Err(TurnError::Failed { reason: reason.unwrap_or_default() }),
            status => Err(TurnError::Ended { status }),
        }
    }
}

/// Lets a parallel loop's context go to another thread.
struct Context(*mut c_void);
// SAFETY: `par_for`'s contract: the context may be used from any thread.
unsafe impl Sync for Context {}

// SAFETY: `par_for` cuts `0..n` into chunks and waits for both threads; assets are kept as long as the host.
unsafe impl HostCalls for TestHost {
    fn log_level(&self) -> LogLevel {
        self.settings().log_level
    }

    fn log(&self, level: LogLevel, target: &str, message: &str, _: &str, _: u32) {
        let level = match level {
            LogLevel::ERROR => tracing::Level::ERROR,
            LogLevel::WARN => tracing::Level::WARN,
            LogLevel::INFO => tracing::Level::INFO,
            LogLevel::DEBUG => tracing::Level::DEBUG,
            _ => tracing::Level::TRACE,
        };
        self.told().log.push(Logged { level, target: target.to_owned(), message: message.to_owned() });
    }

    fn panic_report(&self, message: &str, file: &str, line: u32) {
        self.told().panics.push(Panicked { message: message.to_owned(), file: file.to_owned(), line });
    }

    fn fail(&self, reason: &str) {
        self.told().failure = Some(reason.to_owned());
    }

    /// Runs every second chunk on another thread, on every machine.
    unsafe fn par_for(&self, n: usize, grain: usize, body: ParBody, context: *mut c_void) -> Status {
        if let Some(status) = self.settings().refuse {
            return status;
        }
        let context = &Context(context);
        let run = |parity: usize| {
            (0..n.div_ceil(grain)).filter(|c| c % 2 == parity).fold(Status::OK, |worst, c| {
                // SAFETY: chunks do not overlap, and `scope` waits for all of them.
                let status = unsafe { body(context.0, c * grain, ((c + 1) * grain).min(n)) };
                if status.is_ok() { worst } else { status }
            })
        };
        std::thread::scope(|s| {
            let helper = s.spawn(|| run(1));
            let own = run(0);
            let helped = helper.join().unwrap_or(Status::PANICKED);
            if own.is_ok() { helped } else { own }
        })
    }

    fn send(&self, to: &str, payload: &[u8]) -> Status {
        if let Some(status) = self.settings().refuse {
            return status;
        }
        self.told().sent.push((to.to_owned(), payload.to_vec()));
        Status::OK
    }

    fn submit_passes(&self, list: &[u8]) -> Status {
        self.told().passes = Some(list.to_vec());
        Status::OK
    }

    fn seal(&self, desc: &SealDesc, bytes: &[u8]) -> Result<u64, Status> {
        let mut told = self.told();
        told.sealed.push((*desc, bytes.to_vec()));
        Ok(told.sealed.len() as u64)
    }

    fn asset(&self, path: &str) -> Result<AssetView, Status> {
        let settings = self.settings();
        let found = settings.assets.iter().enumerate().rev().find(|(_, (p, _))| p == path);
        let (n, (_, content)) = found.ok_or(Status::NOT_FOUND)?;
        Ok(AssetView { bytes: Bytes::of(content), version: n as u64 + 1 })
    }

    fn request(&self, request: Request) -> Status {
        self.told().requests.push(request);
        Status::OK
    }
}
