//! Ctrl-C and SIGTERM: the first asks a run to end, so that its picture and report are still written; the second ends it at once.
use anyhow::Context as _;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};
use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// What a process is said to end with when a signal ends it, without the signal's number.
const BY_SIGNAL: u8 = 128;

/// Whether a run was asked from outside to end.
#[derive(Debug)]
pub(crate) struct Interrupt {
    /// The number of the last signal; 0 before one came.
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Listens from now on. Before, a signal ends the process as usual: also the builds, which it has started, get Ctrl-C.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let signal = Arc::new(AtomicUsize::new(0));
        let again = Arc::new(AtomicBool::new(false));
        for number in [SIGINT, SIGTERM] {
            // In this order: the first signal finds `again` unset and sets it.
            flag::register_conditional_shutdown(number, i32::from(BY_SIGNAL) + number, Arc::clone(&again))
                .and_then(|_| flag::register(number, Arc::clone(&again)))
                .and_then(|_| {
                    flag::register_usize(number, Arc::clone(&signal), number.unsigned_abs() as usize)
                })
                .context("signals cannot be listened to")?;
        }
        Ok(Self { signal })
    }

    /// Returns the exit code to end with, once a signal came.
    pub(crate) fn asked(&self) -> Option<ExitCode> {
        match self.signal.load(Ordering::Relaxed) {
            0 => None,
            number => Some(ExitCode::from(BY_SIGNAL + number as u8)),
        }
    }
}
