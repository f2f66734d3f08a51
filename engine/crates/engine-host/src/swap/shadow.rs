//! A new build is tried in a child of its own before it takes over, on copies of what the old one is given.
//!
//! The running instance's turns are copied as they end, on the threads that run them ([`Tap`]): what each was given, and
//! what it made. The new build begins in a jailed process with the state that the old one had, is given the same, and
//! what it makes is compared and dropped. One that panics, hangs or crashes there never takes over; one that makes
//! something else does, and it is told of. The shadow lags behind as long as it likes: nobody waits for it.
mod play;
mod tap;

pub(crate) use tap::Tap;

use crate::{
    builder::BuiltCell,
    closer::Ends,
    cx::{InstanceCx, Services},
    frame::LOAD_LIMIT,
    process_cell::Start,
    record::Record,
    trust::Rights,
};
use cell_wire::PassList;
use engine_frame::supervise::HUNG_TICK_NS;
use engine_sys::thread::{ThreadId, set_nice};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// So many ticks are tried.
pub const SHADOW_TICKS: u32 = 30;
/// After so long no more ticks are copied: the cell ticks seldom.
const CAPTURE: Duration = Duration::from_secs(5);
/// How long a shadow may lag behind afterwards; then what it has run is enough.
const LAG: Duration = Duration::from_secs(10);

/// After so long a tick of a shadow hangs: it runs at the lowest priority, beside the machine's builds.
const HUNG: Duration = Duration::from_nanos(4 * HUNG_TICK_NS);

/// What came of a shadow run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may take over.
    Passed {
        /// How what it made compares.
        words: String,
        /// How long it took to be made and to load.
        loaded_in: Duration,
    },
    /// It must not, and why.
    Rejected(String),
}

/// What a shadow is made of.
pub(super) struct Job {
    pub(super) name: Arc<str>,
    pub(super) built: BuiltCell,
    pub(super) services: Arc<Services>,
    pub(super) start: Start,
    pub(super) rights: Rights,
    pub(super) ends: Ends,
    /// The buffers of its ports, by port.
    pub(super) ports: Vec<play::ShadowPort>,
    /// What the first turn sees: parameters and size of the picture.
    pub(super) record: Record,
    /// The passes of the running instance.
    pub(super) list: Option<Arc<PassList>>,
    /// The running instance's load fails too.
    pub(super) load_fails: bool,
    /// Both builds keep a state, so that both can be compared from the first tick on.
    pub(super) keeps: bool,
}

pub(super) use play::ShadowPort;

/// What the host and the shadow's thread share.
#[derive(Default)]
pub(super) struct Progress {
    /// Milliseconds after the beginning at which its turn began; 0: it waits.
    busy_ms: AtomicU64,
    /// It ticks, so that little patience is due.
    ticks: AtomicBool,
    /// It is to end after this turn.
    enough: AtomicBool,
}

/// A shadow run.
pub(super) struct Shadow {
    thread: JoinHandle<Verdict>,
    pub(super) tap: Arc<Tap>,
    pub(super) cx: Arc<InstanceCx>,
    progress: Arc<Progress>,
    begun: Instant,
}

impl Shadow {
    /// Starts to try a build on `ticks` ticks to come.
    ///
    /// # Errors
    /// The system's, when it gives no thread.
    pub(super) fn start(mut job: Job, ticks: u32) -> std::io::Result<Self> {
        let (tap, captured) = Tap::new(ticks, job.keeps);
        let progress = Arc::<Progress>::default();
        let name: Arc<str> = format!("{} (shadow)", job.name).into();
        let cx = InstanceCx::with_rights(name, Arc::clone(&job.services), job.rights.clone());
        let begun = Instant::now();
        job.start.background = true;
        let (its_cx, its_progress) = (Arc::clone(&cx), Arc::clone(&progress));
        let thread =
            std::thread::Builder::new().name("shadow".to_owned()).stack_size(8 << 20).spawn(move || {
                // At its usual priority it runs too.
                let _ = set_nice(ThreadId::current(), 10);
                play::play(job, &its_cx, &captured, &its_progress, begun)
            })?;
        Ok(Self { thread, tap, cx, progress, begun })
    }

    /// Returns the verdict when there is one. In lockstep it is waited for, once all ticks have been copied.
    pub(super) fn poll(self, lockstep: bool) -> Result<Verdict, Self> {
        if lockstep && !self.tap.is_closed() {
            return Err(self);
        }
        while lockstep && !self.thread.is_finished() {
            if let Some(hung) = self.hung() {
                return Ok(hung);
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        if !self.thread.is_finished() {
            if let Some(hung) = self.hung() {
                return Ok(hung);
            }
            let ran = self.begun.elapsed();
            if ran > CAPTURE {
                self.tap.close();
            }
            if ran > CAPTURE + LAG {
                self.progress.enough.store(true, Ordering::Relaxed);
            }
            return Err(self);
        }
        let died = || Verdict::Rejected("the engine itself failed as it tried it".to_owned());
        Ok(self.thread.join().unwrap_or_else(|_| died()))
    }

    /// Returns the verdict on one that does not return. Its process is ended.
    fn hung(&self) -> Option<Verdict> {
        let since = Duration::from_millis(self.progress.busy_ms.load(Ordering::Relaxed));
        let ticks = self.progress.ticks.load(Ordering::Relaxed);
        let limit = if ticks { HUNG } else { LOAD_LIMIT };
        let ran = self.begun.elapsed().saturating_sub(since);
        if since.is_zero() || ran <= limit {
            return None;
        }
        self.stop();
        Some(Verdict::Rejected(format!("it hung for {} s", limit.as_secs())))
    }

    /// Has it judge by what was copied so far.
    pub(super) fn copy_no_more(&self) {
        self.tap.close();
    }

    /// Has it end without a verdict.
    pub(super) fn stop(&self) {
        self.tap.close();
        self.cx.cancel();
        self.progress.enough.store(true, Ordering::Relaxed);
    }
}
