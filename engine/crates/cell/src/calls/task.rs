//! What waits for answers: async handlers and spawned tasks, polled in their cell's own turns.
#![expect(unsafe_code, reason = "the state is lent to the tasks that are polled in its turn")]
use super::{
    Service, Synapse,
    exchange::{Exchange, lock},
};
use crate::{FrameIndex, host::Host};
use core::{
    any::{Any, TypeId, type_name},
    cell::Cell,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    ptr,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    task::{Context, Waker},
};
use std::{
    sync::{Arc, Mutex},
    task::Wake,
};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What an async handler or a spawned task sees of its cell. It may be kept and cloned; the state is reached through
/// [`TaskCx::state`] only, so nothing is borrowed while the task waits and the cell goes on. A task that yields (it wakes
/// itself and waits) goes on in its cell's next turn.
///
/// ```no_run
/// use cell::prelude::*;
///
/// signal_receptor! { name: clock_v1, output: Hands { hours: Uniform<f32> } }
///
/// #[derive(Default)]
/// struct Clock { hours: f32 }
///
/// impl Cell for Clock {
///     fn tick(&mut self, cx: &mut Cx<clock_v1>) {
///         if cx.frame().0 == 0 {
///             cx.spawn(async |cx: TaskCx<Self>| cx.state(|clock| clock.hours += 12.0));
///         }
///         cx.hours().set(&self.hours);
///     }
/// }
///
/// cell::export!(Clock);
/// # fn main() {}
/// ```
pub struct TaskCx<T> {
    exchange: Arc<Exchange>,
    state: PhantomData<fn(T)>,
}

impl<T: Any> TaskCx<T> {
    pub(super) fn new(exchange: &Arc<Exchange>) -> Self {
        Self { exchange: Arc::clone(exchange), state: PhantomData }
    }

    /// Calls `f` with the cell's state and returns what it returns.
    ///
    /// # Panics
    /// Inside another `state`, on a thread that is not the turn's own, and when `T` is not the cell.
    #[track_caller]
    pub fn state<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let lent = Lent::take();
        assert!(
            lent.0.instance == self.exchange.instance(),
            "the state of a cell is reached in its own tasks, on their thread, and by one `state` at a time"
        );
        assert!(lent.0.is == Some(TypeId::of::<T>()), "`{}` is not the cell of this task", type_name::<T>());
        // SAFETY: `Tasks::run` put the address of a `T` there (the type is compared), which nobody else uses while it
        // polls; and it was taken out, so that this is the only reference until `lent` puts it back.
        f(unsafe { &mut *lent.0.state.cast::<T>() })
    }

    pub(super) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Returns the frame of the cell's newest turn.
    #[must_use]
    pub fn frame(&self) -> FrameIndex {
        FrameIndex(self.exchange.frame())
    }

    /// Connects to the cell called `cell` in the scene; see [`crate::Cx::synapse`].
    #[must_use]
    pub fn synapse<S: Service>(&self, cell: &str) -> S {
        S::over(Synapse::grow(&self.exchange, cell))
    }

    /// Starts another task; see [`crate::Cx::spawn`].
    ///
    /// # Panics
    /// In the body of a [`crate::Cx::par_for`], where the order of tasks would be another each time.
    #[track_caller]
    pub fn spawn<F>(&self, task: impl FnOnce(Self) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        assert!(!Host::is_in_loop(), "tasks are started outside of `par_for`, where they have one order");
        self.exchange.ready.spawn(Box::pin(task(self.clone())));
    }
}

impl<T> Clone for TaskCx<T> {
    fn clone(&self) -> Self {
        Self { exchange: Arc::clone(&self.exchange), state: PhantomData }
    }
}

/// Whose state the current thread may reach, and where it is.
#[derive(Clone, Copy)]
struct Reach {
    instance: usize,
    is: Option<TypeId>,
    state: *mut (),
}

impl Reach {
    const NONE: Self = Self { instance: 0, is: None, state: ptr::null_mut() };
}

thread_local! {
    static REACH: Cell<Reach> = const { Cell::new(Reach::NONE) };
}

/// What was taken out of [`REACH`], and is put back however this ends.
struct Lent(Reach);

impl Lent {
    fn take() -> Self {
        Self(REACH.replace(Reach::NONE))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        REACH.set(self.0);
    }
}

/// The tasks of an instance.
#[derive(Default)]
pub(crate) struct Tasks {
    all: Vec<Option<(Task, Waker)>>,
    free: Vec<usize>,
}

/// What is to be polled next.
#[derive(Default)]
pub(super) struct Ready {
    any: AtomicBool,
    /// Something waits for the next turn.
    later: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    spawned: Vec<Task>,
    woken: Vec<usize>,
    /// Which task is being polled.
    polled: Option<usize>,
    /// Tasks that woke themselves while they were polled: those would never let a turn end.
    later: Vec<usize>,
}

impl Ready {
    pub(super) fn spawn(&self, task: Task) {
        lock(&self.queue).spawned.push(task);
        self.any.store(true, Relaxed);
    }

    /// Begins a turn: what yielded in the one before goes on.
    pub(super) fn begin(&self) {
        if self.later.swap(false, Relaxed) {
            let mut queue = lock(&self.queue);
            let later = core::mem::take(&mut queue.later);
            queue.woken.extend(later);
            self.any.store(true, Relaxed);
        }
    }

    /// Takes what is to be polled.
    fn take(&self) -> (Vec<Task>, Vec<usize>) {
        let mut queue = lock(&self.queue);
        (core::mem::take(&mut queue.spawned), core::mem::take(&mut queue.woken))
    }

    fn wake(&self, task: usize) {
        let mut queue = lock(&self.queue);
        if queue.polled == Some(task) {
            if !queue.later.contains(&task) {
                queue.later.push(task);
            }
            self.later.store(true, Relaxed);
            return;
        }
        if !queue.woken.contains(&task) {
            queue.woken.push(task);
        }
        self.any.store(true, Relaxed);
    }
}

struct WakesTask {
    ready: Arc<Ready>,
    task: usize,
}

impl Wake for WakesTask {
    fn wake(self: Arc<Self>) {
        self.ready.wake(self.task);
    }
}

impl Tasks {
    /// Polls what was spawned or woken, in that order, until nothing is left to do. `state` is the cell.
    pub(crate) fn run<T: Any>(&mut self, exchange: &Exchange, state: &mut T) {
        let ready = &exchange.ready;
        // Only this thread spawns and wakes in a turn, but for threads of the author's own: what those wake may wait.
        if !ready.any.load(Relaxed) {
            return;
        }
        let reach = Reach {
            instance: exchange.instance(),
            is: Some(TypeId::of::<T>()),
            state: ptr::from_mut(state).cast(),
        };
        let _outer = Lent::take();
        while ready.any.swap(false, Relaxed) {
            let (spawned, woken) = ready.take();
            let spawned = spawned.into_iter().map(|task| self.place(task, ready));
            let spawned: Vec<usize> = spawned.collect();
            for at in woken.into_iter().chain(spawned) {
                REACH.set(reach);
                lock(&ready.queue).polled = Some(at);
                self.poll(at);
                lock(&ready.queue).polled = None;
            }
        }
    }

    fn place(&mut self, task: Task, ready: &Arc<Ready>) -> usize {
        let at = self.free.pop().unwrap_or(self.all.len());
        let waker = Waker::from(Arc::new(WakesTask { ready: Arc::clone(ready), task: at }));
        if at == self.all.len() {
            self.all.push(None);
        }
        self.all[at] = Some((task, waker));
        at
    }

    fn poll(&mut self, at: usize) {
        // A waker may outlive its task, and its place be another's: that one is polled once too often.
        let Some((task, waker)) = self.all.get_mut(at).and_then(Option::as_mut) else { return };
        if task.as_mut().poll(&mut Context::from_waker(waker)).is_ready() {
            self.all[at] = None;
            self.free.push(at);
        }
    }
}
