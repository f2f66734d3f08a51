//! Drops cells of this process on a thread of its own: a cell's `destroy` is its code, and may take long or hang.
//!
//! One after another, on one thread. When one takes longer than [`LONG`], the next get another thread, and the
//! first is left alone with what it does.
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long one may take before the others no longer wait for it.
const LONG: Duration = Duration::from_secs(1);

/// Drops things, each under the name of its cell.
#[derive(Default)]
pub(crate) struct Destroyer {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(Arc<str>, Box<dyn Send>)>,
    running: Vec<Running>,
    /// Threads that wait for work, or are about to.
    waiting: usize,
    /// How many have been dropped.
    done: u64,
    /// How many have been begun.
    begun: u64,
    finish: bool,
}

struct Running {
    number: u64,
    name: Arc<str>,
    since: Instant,
    told: bool,
}

impl Destroyer {
    /// Drops `what` soon, on another thread.
    pub(crate) fn hand_over(self: &Arc<Self>, name: Arc<str>, what: Box<dyn Send>) {
        let mut state = self.lock();
        state.queue.push_back((name, what));
        self.see_to_a_thread(&mut state);
        self.changed.notify_all();
    }

    /// Gets those in the queue another thread if what was begun hangs. To be called now and then.
    pub(crate) fn look(self: &Arc<Self>) {
        self.see_to_a_thread(&mut self.lock());
    }

    /// Waits until everything is dropped, but for what takes longer than [`LONG`]: it is left behind, by name.
    pub(crate) fn finish(self: &Arc<Self>) {
        let mut state = self.lock();
        state.finish = true;
        self.changed.notify_all();
        while !(state.queue.is_empty() && state.running.is_empty()) {
            let done = state.done;
            let busy = |s: &mut State| s.done == done && !(s.queue.is_empty() && s.running.is_empty());
            let waited = self.changed.wait_timeout_while(state, LONG, busy);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.done == done {
                self.see_to_a_thread(&mut state);
            }
            if state.waiting == 0 && state.running.iter().all(|r| r.told) {
                break;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes sure that a thread takes the next in the queue, also when others hang.
    fn see_to_a_thread(self: &Arc<Self>, state: &mut State) {
        let mut all_hang = true;
        for r in &mut state.running {
            let hangs = r.since.elapsed() >= LONG;
            all_hang &= hangs;
            if hangs && !std::mem::replace(&mut r.told, true) {
                tracing::warn!(target: "cell", cell = &*r.name, "its `destroy` hangs; its thread is left behind");
            }
        }
        if state.queue.is_empty() || state.waiting > 0 || !all_hang {
            return;
        }
        let this = Arc::clone(self);
        let thread = std::thread::Builder::new().name("destroyer".to_owned()).spawn(move || this.work());
        match thread {
            Ok(_) => state.waiting += 1,
            Err(error) => tracing::error!(%error, "no thread could be started to drop cells on"),
        }
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some((name, what)) = state.queue.pop_front() {
                let number = state.begun;
                state.begun += 1;
                state.waiting -= 1;
                state.running.push(Running { number, name, since: Instant::now(), told: false });
                drop(state);
                drop(what);
                state = self.lock();
                state.running.retain(|r| r.number != number);
                state.done += 1;
                state.waiting += 1;
                self.changed.notify_all();
            } else if state.finish {
                state.waiting -= 1;
                return;
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam::channel::{Receiver, Sender, bounded};

    /// Says that it is being dropped, then waits until it may end.
    struct Slow(Sender<std::thread::ThreadId>, Receiver<()>);

    impl Drop for Slow {
        fn drop(&mut self) {
            self.0.send(std::thread::current().id()).unwrap();
            // It ends when the other side is gone.
            let _ = self.1.recv();
        }
    }

    #[test]
    fn the_host_does_not_wait_and_one_that_hangs_holds_up_nobody() {
        let destroyer = Arc::new(Destroyer::default());
        let (seen, dropped) = bounded(8);
        let (hang, hangs) = bounded::<()>(0);
        destroyer.hand_over("hangs".into(), Box::new(Slow(seen.clone(), hangs)));
        let first = dropped.recv().unwrap();
        assert_ne!(first, std::thread::current().id());
        for _ in 0..3 {
            destroyer.hand_over("quick".into(), Box::new(Slow(seen.clone(), bounded(0).1)));
        }
        assert!(dropped.is_empty(), "they wait for the one before them");
        // The first takes too long: the others get a thread.
        destroyer.finish();
        let others: Vec<_> = dropped.try_iter().collect();
        assert_eq!(others.len(), 3);
        assert!(others.iter().all(|t| *t == others[0] && *t != first));
        drop(hang);
    }

    #[test]
    fn the_end_waits_for_those_that_are_left() {
        let destroyer = Arc::new(Destroyer::default());
        let (seen, dropped) = bounded(100);
        for _ in 0..100 {
            destroyer.hand_over("quick".into(), Box::new(Slow(seen.clone(), bounded(0).1)));
        }
        destroyer.finish();
        assert_eq!(dropped.len(), 100);
    }
}
