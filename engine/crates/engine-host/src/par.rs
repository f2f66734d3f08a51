//! `par_for`: chunks of one loop on the host's one rayon pool, with the caller taking part.
//!
//! Chunk edges depend on `(n, grain)` alone, so results do not depend on how many threads there are. The caller
//! takes chunks from a counter like every helper, and at the end waits only for chunks that have begun: a
//! helper that comes too late finds the counter exhausted and touches nothing of the caller's.
#![expect(unsafe_code, reason = "runs a cell's C callback, whose context pointer the caller keeps alive")]

use cell_abi::{Status, table::ParBody};
use core::ffi::c_void;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// The host's pool for parallel loops. Ticks never run on it.
#[derive(Debug)]
pub struct ParPool {
    pool: Option<rayon::ThreadPool>,
    helpers: usize,
}

/// Why the pool cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the threads of the parallel loops cannot be started: {0}")]
pub struct ParPoolError(#[from] rayon::ThreadPoolBuildError);

struct Loop {
    body: ParBody,
    context: *mut c_void,
    n: usize,
    grain: usize,
    chunks: usize,
    next: AtomicUsize,
    done: AtomicUsize,
    failed: AtomicBool,
    caller: std::thread::Thread,
}

// SAFETY: `context` is only passed to `body`, which by the contract of `HostTable::par_for` may be called from
// several threads at once; it is not touched after the last begun chunk has ended (see `work`).
unsafe impl Send for Loop {}
// SAFETY: as above; everything else is atomic or immutable.
unsafe impl Sync for Loop {}

impl Loop {
    /// Takes chunks until there are none left.
    fn work(&self) {
        loop {
            let chunk = self.next.fetch_add(1, Ordering::Relaxed);
            if chunk >= self.chunks {
                return;
            }
            let begin = chunk * self.grain;
            let end = (begin + self.grain).min(self.n);
            // SAFETY: the chunk was taken before the counter ran out, so the caller of `run` waits for
            // `done` to cover it and `context` is alive; edges are within 0..n.
            let status = unsafe { (self.body)(self.context, begin, end) };
            if !status.is_ok() {
                self.failed.store(true, Ordering::Relaxed);
            }
            // SYNC: pairs with the acquire load in `ParPool::run`.
            if self.done.fetch_add(1, Ordering::Release) + 1 == self.chunks {
                self.caller.unpark();
            }
        }
    }
}

impl ParPool {
    /// Starts a pool with `threads` threads.
    ///
    /// # Errors
    /// [`ParPoolError`] when the system gives no threads.
    pub fn new(threads: usize) -> Result<Self, ParPoolError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|n| format!("par-{n}"))
            .build()?;
        Ok(Self { pool: Some(pool), helpers: threads })
    }

    /// Returns a pool without threads: the caller runs every chunk.
    #[must_use]
    pub fn without_threads() -> Self {
        Self { pool: None, helpers: 0 }
    }

    /// Runs `body` over `0..n` in chunks of `grain`.
    ///
    /// # Safety
    /// `body` may be called with `context` from any thread, several at once, until this returns; chunks do
    /// not overlap.
    pub unsafe fn run(&self, n: usize, grain: usize, body: ParBody, context: *mut c_void) -> Status {
        let grain = grain.max(1);
        let chunks = n.div_ceil(grain);
        if chunks <= 1 {
            // SAFETY: the caller's promise; a single chunk is the whole range.
            return if n == 0 { Status::OK } else { unsafe { body(context, 0, n) } };
        }
        let shared = Arc::new(Loop {
            body,
            context,
            n,
            grain,
            chunks,
            next: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            caller: std::thread::current(),
        });
        if let Some(pool) = &self.pool {
            for _ in 0..self.helpers.min(chunks - 1) {
                let shared = Arc::clone(&shared);
                pool.spawn(move || shared.work());
            }
        }
        shared.work();
        let mut spins = 0_u32;
        // SYNC: pairs with the release add in `Loop::work`.
        while shared.done.load(Ordering::Acquire) < chunks {
            if spins < 200 {
                spins += 1;
                std::hint::spin_loop();
            } else {
                std::thread::park();
            }
        }
        if shared.failed.load(Ordering::Relaxed) { Status::PANICKED } else { Status::OK }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" fn add_one(context: *mut c_void, begin: usize, end: usize) -> Status {
        // SAFETY: the tests pass a slice of at least `end` counters that outlives the loop.
        let all = unsafe { std::slice::from_raw_parts(context.cast::<AtomicUsize>(), end) };
        for x in &all[begin..end] {
            x.fetch_add(1, Ordering::Relaxed);
        }
        if begin == 70 { Status::PANICKED } else { Status::OK }
    }

    #[test]
    fn every_index_runs_exactly_once_also_when_nested_in_pool_threads() {
        let pool = ParPool::new(3).unwrap();
        for n in [0, 1, 9, 10, 11, 65] {
            let counters: Vec<AtomicUsize> = (0..n).map(|_| AtomicUsize::new(0)).collect();
            // SAFETY: the counters outlive the call and are atomics.
            let status = unsafe { pool.run(n, 10, add_one, counters.as_ptr().cast_mut().cast()) };
            assert_eq!(status, Status::OK);
            assert!(counters.iter().all(|c| c.load(Ordering::Relaxed) == 1), "n = {n}");
        }
    }

    #[test]
    fn a_failed_chunk_is_reported_and_the_others_finish() {
        let pool = ParPool::new(2).unwrap();
        let counters: Vec<AtomicUsize> = (0..100).map(|_| AtomicUsize::new(0)).collect();
        // SAFETY: as above.
        let status = unsafe { pool.run(100, 10, add_one, counters.as_ptr().cast_mut().cast()) };
        assert_eq!(status, Status::PANICKED);
        assert!(counters.iter().all(|c| c.load(Ordering::Relaxed) == 1));
    }
}
