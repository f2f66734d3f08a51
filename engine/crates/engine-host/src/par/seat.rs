//! A seat: where a running loop is seen by helpers. Used again and again by whoever runs a loop.
use cell_abi::{Status, table::ParBody};
use core::{cell::UnsafeCell, ffi::c_void};
use std::sync::{
    Condvar, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

/// How often a caller looks for the end of the last chunks before it sleeps.
const SPINS: u32 = 200;

/// A loop: a body over `0..n` in chunks.
#[derive(Clone, Copy)]
pub(super) struct Job {
    body: ParBody,
    context: *mut c_void,
    n: usize,
    grain: usize,
}

impl Job {
    pub(super) fn new(n: usize, grain: usize, body: ParBody, context: *mut c_void) -> Self {
        // A grain that gives more chunks than can be counted is too small to make sense.
        let least = n.div_ceil(u32::MAX as usize);
        Self { body, context, n, grain: grain.max(least).max(1) }
    }

    /// Returns how many chunks there are.
    pub(super) fn chunks(&self) -> u32 {
        u32::try_from(self.n.div_ceil(self.grain)).expect("`new` chose the grain so")
    }

    /// Runs a chunk; returns whether it went well.
    ///
    /// # Safety
    /// `body` may be called with `context` now, and nobody else runs this chunk.
    pub(super) unsafe fn run(&self, chunk: u32) -> bool {
        let begin = chunk as usize * self.grain;
        let end = (begin + self.grain).min(self.n);
        // SAFETY: the caller's promise; edges are within 0..n.
        unsafe { (self.body)(self.context, begin, end) }.is_ok()
    }
}

/// Whether a chunk was the last of its loop to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Others still run, or have not begun.
    NotLast,
    /// All chunks of the loop have ended.
    Last,
}

/// See the module's text. Aligned so that two loops do not share a cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Seat {
    taken: AtomicBool,
    /// Chunks that have not begun. Whoever counts it down by one has the chunk.
    left: AtomicU32,
    /// Chunks that have ended.
    done: AtomicU32,
    failed: AtomicBool,
    /// Written while `left` is 0 and no chunk runs.
    job: UnsafeCell<Option<Job>>,
    over: Mutex<()>,
    wake: Condvar,
}

// SAFETY: `job` is written only by the one who has taken the seat, while nobody has a chunk (see `open`), and read
// only by those who have one (see `work`). Its `context` is only passed to `body`, which by the contract of
// `HostTable::par_for` may be called from several threads at once.
unsafe impl Sync for Seat {}
// SAFETY: as above; the pointer in `job` is used by no one when no chunk runs.
unsafe impl Send for Seat {}

impl Seat {
    /// Takes the seat if it is free.
    pub(super) fn take(&self) -> bool {
        // SYNC: pairs with the release store in `leave`.
        !self.taken.load(Ordering::Relaxed) && !self.taken.swap(true, Ordering::Acquire)
    }

    /// Gives the seat back.
    pub(super) fn leave(&self) {
        self.taken.store(false, Ordering::Release);
    }

    /// Returns whether there is a chunk to take.
    pub(super) fn is_open(&self) -> bool {
        self.left.load(Ordering::Relaxed) > 0
    }

    /// Offers a loop's chunks to all who look.
    ///
    /// # Safety
    /// The seat was taken by the caller, its last loop was waited for, and `job`'s body may be called with its
    /// context until [`Seat::wait`] has returned.
    pub(super) unsafe fn open(&self, job: Job) {
        // SAFETY: no chunk is left of the last loop and all that had begun have ended: nobody reads.
        unsafe { *self.job.get() = Some(job) };
        self.done.store(0, Ordering::Relaxed);
        self.failed.store(false, Ordering::Relaxed);
        // SYNC: pairs with the acquire in `work`: who has a chunk sees the job.
        self.left.store(job.chunks(), Ordering::Release);
    }

    /// Takes a chunk and runs it. Returns `None` when there is none left.
    ///
    /// A helper that comes too late finds none, or one of the next loop on this seat, which is as good.
    pub(super) fn work(&self) -> Option<Ended> {
        let take = |left: u32| left.checked_sub(1);
        // SYNC: pairs with the release store in `open`; the counting in between is part of its release sequence.
        let left = self.left.fetch_update(Ordering::Acquire, Ordering::Relaxed, take).ok()?;
        // SAFETY: this thread has a chunk, so that the caller waits in `wait` and the seat's job stays.
        let job = unsafe { (*self.job.get()).expect("chunks are left only of an opened loop") };
        let chunks = job.chunks();
        // SAFETY: the chunk was counted down once, by this thread; by `open`'s contract the body may be called.
        if !unsafe { job.run(chunks - left) } {
            self.failed.store(true, Ordering::Relaxed);
        }
        // SYNC: pairs with the acquire loads in `wait`. From here on the job is not ours to read.
        let last = self.done.fetch_add(1, Ordering::Release) + 1 == chunks;
        Some(if last { Ended::Last } else { Ended::NotLast })
    }

    /// Runs chunks until there are none left, as a helper. Returns whether there was one.
    pub(super) fn help(&self) -> bool {
        let mut helped = false;
        while let Some(ended) = self.work() {
            helped = true;
            if ended == Ended::Last {
                // The caller checks under the lock, so that it cannot miss this.
                drop(self.over.lock().unwrap_or_else(PoisonError::into_inner));
                self.wake.notify_one();
            }
        }
        helped
    }

    /// Waits until all of `chunks` have ended, when none is left to begin.
    pub(super) fn wait(&self, chunks: u32) -> Status {
        // SYNC: pairs with the release adds in `work`.
        let over = || self.done.load(Ordering::Acquire) == chunks;
        let mut spins = 0;
        while !over() && spins < SPINS {
            spins += 1;
            std::hint::spin_loop();
        }
        if spins == SPINS {
            let mut guard = self.over.lock().unwrap_or_else(PoisonError::into_inner);
            while !over() {
                guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
            }
        }
        if self.failed.load(Ordering::Relaxed) { Status::PANICKED } else { Status::OK }
    }
}
