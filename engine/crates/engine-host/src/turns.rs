//! The tick threads: ours, not rayon's, so that a cell that waits steals no other cell's tick.
//!
//! A turn that runs longer than 4 ms loses its place: its thread is taken out of the pool at lower priority, and a
//! spare thread takes over. So long, blocking and hung turns are one case, and no cell starves the rest on two cores.
//! After such a turn its thread is a spare one itself; where the system does not give it back its priority, it ends.
mod ended;
mod jobs;

use crate::turn::Turn;
use ended::Ended;
use engine_frame::supervise::LONG_TICK_NS;
use engine_sys::thread::{ThreadId, read_nice, set_nice};
use jobs::Jobs;
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The most turns in flight; far more than a scene has cells ([`engine_scene::MAX_CELLS`]).
const MAX_TURNS: usize = 32_768;
const _: () = assert!(MAX_TURNS >= 3 * engine_scene::MAX_CELLS, "a replaced cell has two turns for a while");
/// After this long a turn loses its place.
pub const LONG_TURN: Duration = Duration::from_nanos(LONG_TICK_NS);
/// How much lower than the engine's the priority of a long turn is.
pub(crate) const LONG_NICE: i32 = 10;

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

/// What the tick threads and their pool share.
struct Shared {
    start: Instant,
    /// The priority of a tick thread.
    nice: i32,
    jobs: Jobs,
    ended: Ended,
}

/// The tick threads.
pub struct TurnPool {
    shared: Arc<Shared>,
    workers: Vec<Arc<Worker>>,
    spawned: usize,
}

impl TurnPool {
    /// Starts `threads` tick threads.
    ///
    /// # Errors
    /// The system's, when it gives no threads.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        let nice = read_nice(ThreadId::current()).unwrap_or(0);
        let shared = Shared { start: Instant::now(), nice, jobs: Jobs::default(), ended: Ended::default() };
        let mut pool = Self { shared: Arc::new(shared), workers: Vec::new(), spawned: 0 };
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
        let (w, shared) = (Arc::clone(&worker), Arc::clone(&self.shared));
        std::thread::Builder::new()
            .name(format!("tick-{}", self.spawned))
            .stack_size(8 << 20)
            .spawn(move || work(&w, &shared))?;
        self.spawned += 1;
        self.workers.push(worker);
        Ok(())
    }

    /// Hands a turn to the next free thread.
    pub fn start(&self, turn: Box<Turn>) {
        self.add(turn);
        self.call(1);
    }

    /// Adds one of many turns; they start for sure only at the next [`TurnPool::call`].
    pub fn add(&self, turn: Box<Turn>) {
        self.shared.jobs.push(turn);
    }

    /// Starts the turns that were added, at most `turns` of them.
    pub fn call(&self, turns: usize) {
        self.shared.jobs.call(turns);
    }

    /// Returns a turn that has ended, if there is one.
    #[must_use]
    pub fn try_finished(&self) -> Option<Box<Turn>> {
        self.shared.ended.pop()
    }

    /// Returns a turn that has ended. If there is none, waits until there are `wanted`, or one that something else
    /// waits for ([`Turn::is_awaited`]), at most `timeout`; meanwhile takes long turns out of the way.
    pub fn finished_within(&mut self, timeout: Duration, wanted: usize) -> Option<Box<Turn>> {
        let mut deadline = None;
        loop {
            if let Some(turn) = self.shared.ended.pop() {
                return Some(turn);
            }
            let now = Instant::now();
            let left = deadline.get_or_insert(now + timeout).saturating_duration_since(now);
            if left.is_zero() {
                return None;
            }
            if self.shared.ended.wait(wanted, left.min(LONG_TURN)) {
                self.retire_long();
            }
        }
    }

    /// Takes threads whose turn runs longer than [`LONG_TURN`] out of the pool and starts spare ones.
    pub fn retire_long(&mut self) {
        let now = self.shared.start.elapsed().as_nanos() as u64;
        let mut spares = 0;
        for w in &self.workers {
            let since = w.busy_since_ns.load(Ordering::Relaxed);
            let long = since != 0 && now.saturating_sub(since) > LONG_TURN.as_nanos() as u64;
            if long && !w.retired.swap(true, Ordering::Relaxed) {
                spares += 1;
                if let Some(thread) = w.thread.get()
                    && let Err(error) = set_nice(*thread, (self.shared.nice + LONG_NICE).min(19))
                {
                    tracing::debug!(%error, "a long turn keeps its priority");
                }
            }
        }
        // A retired worker stays listed as long as its thread lives (the thread holds the other count).
        self.workers.retain(|w| !w.retired.load(Ordering::Relaxed) || Arc::strong_count(w) > 1);
        for _ in 0..spares {
            if !self.shared.jobs.call_spare()
                && let Err(error) = self.spawn()
            {
                tracing::error!(%error, "no spare tick thread could be started; cells may be late");
            }
        }
    }

    /// Appends the turns that have been running for longer than [`LONG_TURN`].
    pub fn long_turns_into(&self, out: &mut Vec<LongTurn>) {
        let now = self.shared.start.elapsed().as_nanos() as u64;
        for w in &self.workers {
            let since = w.busy_since_ns.load(Ordering::Acquire);
            let for_ns = now.saturating_sub(since);
            if since != 0 && for_ns > LONG_TURN.as_nanos() as u64 {
                let (cell, epoch) = (w.cell.load(Ordering::Acquire), w.epoch.load(Ordering::Acquire));
                // Otherwise that turn has ended meanwhile, and these may be of the next.
                if w.busy_since_ns.load(Ordering::Relaxed) == since {
                    out.push(LongTurn { cell, epoch, for_ns });
                }
            }
        }
    }
}

/// What a tick thread does.
fn work(worker: &Worker, shared: &Shared) {
    let _ = worker.thread.set(ThreadId::current());
    let mut followers = Vec::new();
    let mut next = None;
    while let Some(mut turn) = next.take().or_else(|| shared.jobs.take()) {
        // Who reads these two sees that the turn before has ended; who reads the time sees these two.
        worker.cell.store(turn.cell, Ordering::Release);
        worker.epoch.store(turn.epoch, Ordering::Release);
        let now = shared.start.elapsed().as_nanos() as u64;
        worker.busy_since_ns.store(now.max(1), Ordering::Release);
        turn.run();
        worker.busy_since_ns.store(0, Ordering::Relaxed);
        turn.followers.take_into(&mut followers);
        for follower in &mut followers {
            follower.follow(&turn);
        }
        // First this one, so that the host has it before those that follow.
        shared.ended.push(turn);
        let retired = worker.retired.load(Ordering::Relaxed);
        if !retired {
            next = followers.pop();
        }
        if !followers.is_empty() {
            let others = followers.len();
            followers.drain(..).for_each(|turn| shared.jobs.push(turn));
            shared.jobs.call(others);
        }
        if retired && !rest(worker, shared) {
            return;
        }
    }
}

/// Waits until a place is free for a thread that has lost its own; false when it is to end.
fn rest(worker: &Worker, shared: &Shared) -> bool {
    let back = || set_nice(ThreadId::current(), shared.nice).is_ok();
    // The priority may be taken only now, by who found the turn long; when a place is free that is over.
    let there_is_a_place = back() && shared.jobs.wait_for_place() && back();
    worker.retired.store(!there_is_a_place, Ordering::Relaxed);
    there_is_a_place
}

impl Drop for TurnPool {
    fn drop(&mut self) {
        // Threads end when there is nothing to wait for; a hung one ends with the process.
        self.shared.jobs.close();
    }
}

#[cfg(test)]
mod tests;
