//! An instance's side of its calls: what is asked, and what wakes who waits for the answer.
use super::{signals::Queue, task::Ready};
use cell_abi::{CallStatus, MessageHead, MessageKind, Status};
use core::task::Waker;
use rkyv::util::AlignedVec;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::host::Host;

/// How many numbers of calls belong to a frame.
const CALLS_PER_FRAME: u64 = 1 << 16;

/// What an instance has open. Its turns use it, one at a time; whatever waits holds it too.
pub(crate) struct Exchange {
    /// The host's side of the instance, to tell its own turns from those of others.
    instance: usize,
    frame: AtomicU64,
    open: Mutex<Open>,
    pub(super) ready: Arc<Ready>,
}

#[derive(Default)]
struct Open {
    last: u64,
    calls: BTreeMap<u64, Arc<Waiting>>,
    /// Who listens to a signal.
    signals: BTreeMap<[u8; 16], Vec<Weak<Queue>>>,
}

/// A call that is under way.
#[derive(Default)]
pub(super) struct Waiting(Mutex<Progress>);

#[derive(Default)]
struct Progress {
    answer: Option<(CallStatus, AlignedVec)>,
    waker: Option<Waker>,
}

impl Waiting {
    /// Takes the answer, or has `waker` woken when it is there.
    pub(super) fn take(&self, waker: Option<&Waker>) -> Option<(CallStatus, AlignedVec)> {
        let mut progress = lock(&self.0);
        let answer = progress.answer.take();
        if answer.is_none()
            && let Some(waker) = waker
        {
            progress.waker = Some(waker.clone());
        }
        answer
    }
}

impl Exchange {
    pub(crate) fn new(host: &Host) -> Arc<Self> {
        Arc::new(Self {
            instance: host.instance(),
            frame: AtomicU64::new(0),
            open: Mutex::default(),
            ready: Arc::default(),
        })
    }

    pub(super) fn instance(&self) -> usize {
        self.instance
    }

    /// Begins a turn in this frame.
    pub(crate) fn begin(&self, frame: u64) {
        self.frame.store(frame, Relaxed);
        self.ready.begin();
    }

    /// Returns the frame of the newest turn.
    pub(super) fn frame(&self) -> u64 {
        self.frame.load(Relaxed)
    }

    /// Calls `f` with the host if this thread is in a turn of the instance, and not in a parallel loop of it: what
    /// goes out there had another order each time.
    pub(super) fn in_turn<R>(&self, f: impl FnOnce(&Host) -> R) -> Option<R> {
        if Host::is_in_loop() {
            return None;
        }
        Host::with_current(|host| (host.instance() == self.instance).then(|| f(host))).flatten()
    }

    /// Sends a call, whose head is filled in here.
    pub(super) fn call(
        &self,
        to: &str,
        mut head: MessageHead,
        message: &mut AlignedVec,
    ) -> Result<(u64, Arc<Waiting>), Status> {
        let sent = self.in_turn(|host| {
            let mut open = lock(&self.open);
            // Of the record alone, so that two instances that see the same send the same; and never again what an
            // instance before has used, whose answers may still come.
            head.id = (open.last + 1).max(self.frame() * CALLS_PER_FRAME);
            message[..MessageHead::BYTES].copy_from_slice(&head.to_bytes());
            let status = host.send(to, message);
            if !status.is_ok() {
                return Err(status);
            }
            let waiting = Arc::<Waiting>::default();
            open.last = head.id;
            open.calls.insert(head.id, Arc::clone(&waiting));
            Ok((head.id, waiting))
        });
        sent.unwrap_or(Err(Status::NOT_NOW))
    }

    /// Forgets a call: nobody waits for it any more.
    pub(super) fn forget(&self, id: u64) {
        lock(&self.open).calls.remove(&id);
    }

    /// Puts the signals of a fingerprint into `queue` from now on.
    pub(super) fn listen(&self, signal: [u8; 16], queue: &Arc<Queue>) {
        lock(&self.open).signals.entry(signal).or_default().push(Arc::downgrade(queue));
    }

    /// Takes a message that is no call.
    pub(super) fn take(&self, head: &MessageHead, content: &[u8]) {
        match head.kind {
            MessageKind::ANSWER => self.take_answer(head, content),
            MessageKind::SIGNAL => {
                if let Some(queues) = lock(&self.open).signals.get_mut(&head.route) {
                    queues.retain(|queue| queue.upgrade().map(|queue| queue.push(content)).is_some());
                }
            }
            _ => {}
        }
    }

    /// Takes an answer; one that nobody waits for any more, or for an instance before, says nothing.
    fn take_answer(&self, head: &MessageHead, content: &[u8]) {
        let Some(waiting) = lock(&self.open).calls.remove(&head.id) else { return };
        let mut answer = AlignedVec::with_capacity(content.len());
        answer.extend_from_slice(content);
        let mut progress = lock(&waiting.0);
        progress.answer = Some((head.status, answer));
        if let Some(waker) = progress.waker.take() {
            waker.wake();
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
