//! The way back from the tick threads: turns that have ended, for the host to take over.
use super::MAX_TURNS;
use crate::turn::Turn;
use crossbeam::queue::ArrayQueue;
use std::{
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering, fence},
    },
    time::{Duration, Instant},
};

/// Turns that have ended.
///
/// The host is not woken for each: waking it costs more than a short tick does. It says how many it waits for.
pub(super) struct Ended {
    turns: ArrayQueue<Box<Turn>>,
    /// The host sleeps until so many are there; 0 when it does not sleep.
    wanted: AtomicUsize,
    sleep: Mutex<()>,
    wake: Condvar,
}

impl Default for Ended {
    fn default() -> Self {
        Self {
            turns: ArrayQueue::new(MAX_TURNS),
            wanted: AtomicUsize::new(0),
            sleep: Mutex::new(()),
            wake: Condvar::new(),
        }
    }
}

impl Ended {
    /// Gives a turn back.
    ///
    /// # Panics
    /// Never: a cell has one turn, or two while a hung one is replaced, and a scene has far fewer cells than [`MAX_TURNS`].
    pub(super) fn push(&self, turn: Box<Turn>) {
        let awaited = turn.is_awaited();
        assert!(self.turns.push(turn).is_ok(), "fewer turns than places");
        // SYNC: with the fence in `wait`: either the host finds the turn, or this thread finds that it sleeps.
        fence(Ordering::SeqCst);
        let wanted = self.wanted.load(Ordering::Relaxed);
        if wanted > 0 && (awaited || self.turns.len() >= wanted) {
            let sleep = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
            self.wanted.store(0, Ordering::Relaxed);
            drop(sleep);
            self.wake.notify_one();
        }
    }

    /// Takes a turn, if there is one.
    pub(super) fn pop(&self) -> Option<Box<Turn>> {
        self.turns.pop()
    }

    /// Returns whether the host sleeps.
    #[cfg(test)]
    pub(super) fn is_waited_for(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) > 0
    }

    /// Waits, when there is no turn, until there are `wanted`, or one that something else waits for, or the time is
    /// up. Returns whether it was.
    pub(super) fn wait(&self, wanted: usize, timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        let mut sleep = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
        self.wanted.store(wanted.max(1), Ordering::Relaxed);
        // SYNC: see `push`.
        fence(Ordering::SeqCst);
        let mut late = false;
        while self.turns.is_empty() && self.wanted.load(Ordering::Relaxed) > 0 && !late {
            let left = until.saturating_duration_since(Instant::now());
            sleep = self.wake.wait_timeout(sleep, left).unwrap_or_else(PoisonError::into_inner).0;
            late = self.wanted.load(Ordering::Relaxed) > 0 && Instant::now() >= until;
        }
        self.wanted.store(0, Ordering::Relaxed);
        late
    }
}
