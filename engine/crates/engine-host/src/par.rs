//! `par_for`: chunks of one loop on the host's helper threads, with the caller taking part.
//!
//! Chunk edges depend on `(n, grain)` alone, so results do not depend on how many threads there are. The caller
//! takes chunks from a counter like every helper, and at the end waits only for chunks that have begun. Helpers run
//! chunks and nothing else: no cell that waits for its loop steals another cell's tick.
//!
//! A loop allocates nothing: it sits down on one of the pool's seats, which helpers look through. The helpers are the
//! workers of a rayon pool, each held by one job as long as the pool lives; a job per loop would be boxed each time.
#![expect(unsafe_code, reason = "runs a cell's C callback, whose context pointer the caller keeps alive")]

mod seat;

use cell_abi::{Status, table::ParBody};
use core::ffi::c_void;
use seat::{Job, Seat};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The most loops that helpers see at a time; a caller beyond them runs its loop alone.
const SEATS: usize = 32;

/// The host's helpers for parallel loops. Ticks never run on them.
#[derive(Debug)]
pub struct ParPool {
    team: Option<Team>,
}

#[derive(Debug)]
struct Team {
    helpers: Arc<Helpers>,
    /// Its workers run `Helpers::help` until the team closes.
    _workers: rayon::ThreadPool,
}

/// Why the pool cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the threads of the parallel loops cannot be started: {0}")]
pub struct ParPoolError(#[from] rayon::ThreadPoolBuildError);

#[derive(Debug, Default)]
struct Helpers {
    seats: [Seat; SEATS],
    rest: Mutex<Rest>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Rest {
    /// How many helpers sleep.
    sleeping: usize,
    /// The pool is gone: they end.
    closed: bool,
}

impl ParPool {
    /// Starts a pool with `threads` threads, at least one.
    ///
    /// # Errors
    /// [`ParPoolError`] when the system gives no threads.
    pub fn new(threads: usize) -> Result<Self, ParPoolError> {
        let workers = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.max(1))
            .thread_name(|n| format!("par-{n}"))
            .build()?;
        let helpers = Arc::new(Helpers::default());
        let held = Arc::clone(&helpers);
        workers.spawn_broadcast(move |_| held.help());
        Ok(Self { team: Some(Team { helpers, _workers: workers }) })
    }

    /// Returns a pool without threads: the caller runs every chunk.
    #[must_use]
    pub fn without_threads() -> Self {
        Self { team: None }
    }

    /// Runs `body` over `0..n` in chunks of `grain`.
    ///
    /// # Safety
    /// `body` may be called with `context` from any thread, several at once, until this returns; chunks do
    /// not overlap.
    pub unsafe fn run(&self, n: usize, grain: usize, body: ParBody, context: *mut c_void) -> Status {
        let job = Job::new(n, grain, body, context);
        let chunks = job.chunks();
        let helpers = self.team.as_ref().filter(|_| chunks > 1).map(|t| &t.helpers);
        let seated = helpers.and_then(|h| Some((h, h.free_seat()?)));
        let Some((helpers, seat)) = seated else {
            let mut all = Status::OK;
            for chunk in 0..chunks {
                // SAFETY: the caller's promise; each chunk is run once.
                if !unsafe { job.run(chunk) } {
                    all = Status::PANICKED;
                }
            }
            return all;
        };
        // SAFETY: `free_seat` took the seat for this loop, the one before left it when it had waited, and the
        // caller's promise about `body` and `context` holds until `wait` below has returned.
        unsafe { seat.open(job) };
        helpers.call(chunks as usize - 1);
        while seat.work().is_some() {}
        let status = seat.wait(chunks);
        seat.leave();
        status
    }
}

impl Drop for ParPool {
    fn drop(&mut self) {
        // Not waited for: a chunk that hangs must not hold up the end.
        if let Some(Team { helpers, .. }) = &self.team {
            helpers.rest().closed = true;
            helpers.wake.notify_all();
        }
    }
}

impl Helpers {
    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn free_seat(&self) -> Option<&Seat> {
        self.seats.iter().find(|s| s.take())
    }

    /// Wakes up to `wanted` helpers, after a loop was opened.
    fn call(&self, wanted: usize) {
        // A helper falls asleep under the lock after a last look, so that none can miss an opened loop.
        let sleeping = self.rest().sleeping;
        for _ in 0..sleeping.min(wanted) {
            self.wake.notify_one();
        }
    }

    /// What a helper does until the pool is gone.
    fn help(&self) {
        let mut rest = self.rest();
        while !rest.closed {
            if self.seats.iter().any(Seat::is_open) {
                drop(rest);
                while self.seats.iter().any(Seat::help) {}
                rest = self.rest();
            } else {
                rest.sleeping += 1;
                rest = self.wake.wait(rest).unwrap_or_else(PoisonError::into_inner);
                rest.sleeping -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests;
