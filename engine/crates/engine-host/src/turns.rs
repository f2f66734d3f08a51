//! The tick threads: ours, not rayon's, so that a cell that waits steals no other cell's tick.
//!
//! A turn that runs longer than 4 ms loses its place: its thread is taken out of the pool at lower priority
//! and ends after the turn, and a spare thread takes over. So long, blocking and hung turns are one case, and
//! no cell starves the rest on two cores.
use crate::turn::Turn;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use engine_frame::supervise::LONG_TICK_NS;
use engine_sys::thread::{ThreadId, set_nice};
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// After this long a turn loses its place.
pub const LONG_TURN: Duration = Duration::from_nanos(LONG_TICK_NS);
/// The most turns in flight: one per cell.
pub const MAX_TURNS: usize = 16_384;
/// How much lower than the engine's the priority of a long turn is.
const LONG_NICE: i32 = 10;

struct Worker {
    /// Nanoseconds since the pool's start at which its turn began; 0 when idle.
    busy_since_ns: AtomicU64,
    /// The cell whose turn it runs, and the epoch of its instance.
    cell: AtomicU32,
    epoch: AtomicU64,
    /// Set when it lost its place.
    retired: AtomicBool,
    thread: OnceLock<ThreadId>,
}

/// A turn that runs for a long time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongTurn {
    /// The cell.
    pub cell: u32,
    /// The epoch of its instance.
    pub epoch: u64,
    /// For how long its turn has been running.
    pub for_ns: u64,
}

/// The tick threads.
pub struct TurnPool {
    start: Instant,
    jobs: Sender<Box<Turn>>,
    jobs_in: Receiver<Box<Turn>>,
    done: Sender<Box<Turn>>,
    done_in: Receiver<Box<Turn>>,
    workers: Vec<Arc<Worker>>,
    spawned: usize,
}

impl TurnPool {
    /// Starts `threads` tick threads.
    ///
    /// # Errors
    /// The system's, when it gives no threads.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        let (jobs, jobs_in) = bounded(MAX_TURNS);
        let (done, done_in) = bounded(MAX_TURNS);
        let mut pool =
            Self { start: Instant::now(), jobs, jobs_in, done, done_in, workers: Vec::new(), spawned: 0 };
        for _ in 0..threads.max(1) {
            pool.spawn()?;
        }
        Ok(pool)
    }

    fn spawn(&mut self) -> std::io::Result<()> {
        let worker = Arc::new(Worker {
            busy_since_ns: AtomicU64::new(0),
            cell: AtomicU32::new(0),
            epoch: AtomicU64::new(0),
            retired: AtomicBool::new(false),
            thread: OnceLock::new(),
        });
        let (w, jobs, done, start) =
            (Arc::clone(&worker), self.jobs_in.clone(), self.done.clone(), self.start);
        std::thread::Builder::new()
            .name(format!("tick-{}", self.spawned))
            .stack_size(8 << 20)
            .spawn(move || work(&w, &jobs, &done, start))?;
        self.spawned += 1;
        self.workers.push(worker);
        Ok(())
    }

    /// Hands a turn to the next free thread.
    ///
    /// # Panics
    /// Never: there is at most one turn per cell, and never more cells than [`MAX_TURNS`].
    pub fn start(&self, turn: Box<Turn>) {
        self.jobs.try_send(turn).expect("one turn per cell, and the pool keeps a receiver");
    }

    /// Returns a turn that has ended, if there is one.
    #[must_use]
    pub fn try_finished(&self) -> Option<Box<Turn>> {
        self.done_in.try_recv().ok()
    }

    /// Waits for a turn to end, at most `timeout`; meanwhile takes long turns out of the way.
    pub fn finished_within(&mut self, timeout: Duration) -> Option<Box<Turn>> {
        if let Ok(turn) = self.done_in.try_recv() {
            return Some(turn);
        }
        let deadline = Instant::now() + timeout;
        loop {
            let now = Instant::now();
            let left = deadline.saturating_duration_since(now);
            match self.done_in.recv_timeout(left.min(LONG_TURN)) {
                Ok(turn) => return Some(turn),
                Err(RecvTimeoutError::Timeout) => self.retire_long(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
            if left.is_zero() {
                return None;
            }
        }
    }

    /// Takes threads whose turn runs longer than [`LONG_TURN`] out of the pool and starts spare ones.
    pub fn retire_long(&mut self) {
        let now = self.start.elapsed().as_nanos() as u64;
        let mut spares = 0;
        for w in &self.workers {
            let since = w.busy_since_ns.load(Ordering::Relaxed);
            let long = since != 0 && now.saturating_sub(since) > LONG_TURN.as_nanos() as u64;
            if long && !w.retired.swap(true, Ordering::Relaxed) {
                spares += 1;
                if let Some(thread) = w.thread.get()
                    && let Err(error) = set_nice(*thread, LONG_NICE)
                {
                    tracing::debug!(%error, "a long turn keeps its priority");
                }
            }
        }
        // A retired worker stays listed as long as its thread lives (the thread holds the other count).
        self.workers.retain(|w| !w.retired.load(Ordering::Relaxed) || Arc::strong_count(w) > 1);
        for _ in 0..spares {
            if let Err(error) = self.spawn() {
                tracing::error!(%error, "no spare tick thread could be started; cells may be late");
            }
        }
    }

    /// Appends the turns that have been running for longer than [`LONG_TURN`].
    pub fn long_turns_into(&self, out: &mut Vec<LongTurn>) {
        let now = self.start.elapsed().as_nanos() as u64;
        for w in &self.workers {
            let since = w.busy_since_ns.load(Ordering::Relaxed);
            let for_ns = now.saturating_sub(since);
            if since != 0 && for_ns > LONG_TURN.as_nanos() as u64 {
                let (cell, epoch) = (w.cell.load(Ordering::Relaxed), w.epoch.load(Ordering::Relaxed));
                out.push(LongTurn { cell, epoch, for_ns });
            }
        }
    }
}

fn work(worker: &Worker, jobs: &Receiver<Box<Turn>>, done: &Sender<Box<Turn>>, start: Instant) {
    let _ = worker.thread.set(ThreadId::current());
    while let Ok(mut turn) = jobs.recv() {
        worker.cell.store(turn.cell, Ordering::Relaxed);
        worker.epoch.store(turn.epoch, Ordering::Relaxed);
        worker.busy_since_ns.store((start.elapsed().as_nanos() as u64).max(1), Ordering::Relaxed);
        turn.run();
        worker.busy_since_ns.store(0, Ordering::Relaxed);
        if done.send(turn).is_err() || worker.retired.load(Ordering::Relaxed) {
            return;
        }
    }
}

impl Drop for TurnPool {
    fn drop(&mut self) {
        // Threads end when the jobs' sender is gone; a hung one ends with the process.
        let (closed, _) = bounded(0);
        self.jobs = closed;
    }
}
