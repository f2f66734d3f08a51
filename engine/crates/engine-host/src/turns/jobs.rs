//! The way to the tick threads: turns that are to run, and spare threads that are to take a place.
use super::MAX_TURNS;
use crate::turn::Turn;
use crossbeam::queue::ArrayQueue;
use std::sync::{
    Condvar, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering, fence},
};

/// How often a thread looks for another turn before it sleeps: about a microsecond.
const SPINS: u32 = 30;

/// What the tick threads wait for.
pub(super) struct Jobs {
    turns: ArrayQueue<Box<Turn>>,
    /// Threads that sleep until there is a turn, and were not woken yet. Changed under the lock.
    asleep: AtomicUsize,
    state: Mutex<State>,
    /// A turn is to run.
    work: Condvar,
    /// A spare thread is to take a place.
    places: Condvar,
}

#[derive(Default)]
struct State {
    /// Threads that were woken for a turn and have not noticed yet.
    woken: usize,
    /// Threads without a place, and how many of them have been called to take one.
    spare: usize,
    called: usize,
    closed: bool,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            turns: ArrayQueue::new(MAX_TURNS),
            asleep: AtomicUsize::new(0),
            state: Mutex::default(),
            work: Condvar::new(),
            places: Condvar::new(),
        }
    }
}

impl Jobs {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a turn, for the next thread that looks; [`Jobs::call`] wakes them.
    ///
    /// # Panics
    /// Never: a cell has one turn, or two while a hung one is replaced, and a scene has far fewer cells than [`MAX_TURNS`].
    pub(super) fn push(&self, turn: Box<Turn>) {
        assert!(self.turns.push(turn).is_ok(), "fewer turns than places");
    }

    /// Wakes threads that sleep, for `turns` that were added.
    pub(super) fn call(&self, turns: usize) {
        // SYNC: with the fence in `take`: either that thread finds the turns, or this one finds it asleep.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut s = self.state();
        for _ in 0..turns.min(self.asleep.load(Ordering::Relaxed)) {
            self.asleep.fetch_sub(1, Ordering::Relaxed);
            s.woken += 1;
            self.work.notify_one();
        }
    }

    /// Waits for a turn; `None` when the pool is gone.
    pub(super) fn take(&self) -> Option<Box<Turn>> {
        for _ in 0..SPINS {
            if let Some(turn) = self.turns.pop() {
                return Some(turn);
            }
            std::hint::spin_loop();
        }
        let mut s = self.state();
        while !s.closed {
            self.asleep.fetch_add(1, Ordering::Relaxed);
            // SYNC: see `call`.
            fence(Ordering::SeqCst);
            if let Some(turn) = self.turns.pop() {
                self.asleep.fetch_sub(1, Ordering::Relaxed);
                return Some(turn);
            }
            s = self.work.wait(s).unwrap_or_else(PoisonError::into_inner);
            if s.woken > 0 {
                s.woken -= 1;
            } else {
                // Nobody has woken it.
                self.asleep.fetch_sub(1, Ordering::Relaxed);
            }
        }
        None
    }

    /// Waits for a place; false when the pool is gone.
    pub(super) fn wait_for_place(&self) -> bool {
        let mut s = self.state();
        s.spare += 1;
        while s.called == 0 && !s.closed {
            s = self.places.wait(s).unwrap_or_else(PoisonError::into_inner);
        }
        s.spare -= 1;
        s.called = s.called.saturating_sub(1);
        !s.closed
    }

    /// Gives a place to a spare thread; false when there is none.
    pub(super) fn call_spare(&self) -> bool {
        let mut s = self.state();
        let there_is = s.spare > s.called;
        if there_is {
            s.called += 1;
            self.places.notify_one();
        }
        there_is
    }

    /// Returns whether a spare thread waits for a place.
    #[cfg(test)]
    pub(super) fn has_spare(&self) -> bool {
        let s = self.state();
        s.spare > s.called
    }

    /// Ends all threads that wait.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.work.notify_all();
        self.places.notify_all();
        while let Some(turn) = self.turns.pop() {
            drop(turn);
        }
    }
}
