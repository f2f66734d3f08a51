//! Signals: messages to whoever wants them.
use super::{
    Message,
    exchange::{Exchange, lock},
};
use crate::{Contract, Cx, Protein, SendError, TaskCx, cx::sent};
use cell_abi::{CallStatus, Fingerprint, MessageHead, MessageKind, shape};
use core::{
    any::Any,
    fmt,
    future::poll_fn,
    marker::PhantomData,
    task::{Poll, Waker},
};
use rkyv::util::AlignedVec;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

/// How many signals wait to be taken; of more, the oldest are dropped.
const MAX_WAITING: usize = 1024;

/// The signals of type `S` that cells emit, from [`Cx::subscribe`] on: those of a frame come in the next, in the order
/// of the scene.
pub struct Signals<S> {
    queue: Arc<Queue>,
    what: PhantomData<fn() -> S>,
}

#[derive(Default)]
pub(super) struct Queue(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    signals: VecDeque<AlignedVec>,
    waker: Option<Waker>,
}

impl Queue {
    pub(super) fn push(&self, content: &[u8]) {
        let mut signal = AlignedVec::with_capacity(content.len());
        signal.extend_from_slice(content);
        let mut waiting = lock(&self.0);
        if waiting.signals.len() == MAX_WAITING {
            waiting.signals.pop_front();
        }
        waiting.signals.push_back(signal);
        if let Some(waker) = waiting.waker.take() {
            waker.wake();
        }
    }
}

impl<S: Message> Signals<S> {
    /// Returns the oldest signal that was not taken yet. What a tick uses.
    pub fn take(&mut self) -> Option<S> {
        let mut waiting = lock(&self.queue.0);
        // What is none, though its sender says so, is passed over.
        while let Some(signal) = waiting.signals.pop_front() {
            if let Ok(signal) = cell_wire::decode(&signal) {
                return Some(signal);
            }
        }
        None
    }

    /// Waits for the next signal. What a task uses.
    pub async fn next(&mut self) -> S {
        poll_fn(|cx| match self.take() {
            Some(signal) => Poll::Ready(signal),
            None => {
                lock(&self.queue.0).waker = Some(cx.waker().clone());
                Poll::Pending
            }
        })
        .await
    }
}

impl<S> fmt::Debug for Signals<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals").finish_non_exhaustive()
    }
}

struct Of<S>(PhantomData<S>);

impl<S: Protein> Of<S> {
    #[allow(long_running_const_eval, reason = "a hash of the type")]
    const FINGERPRINT: Fingerprint = shape::fingerprint(S::SHAPE);
}

fn head<S: Protein>(kind: MessageKind) -> MessageHead {
    let route = Of::<S>::FINGERPRINT.key();
    MessageHead { kind, status: CallStatus::DONE, frames: 0, id: 0, route }
}

impl Exchange {
    fn emit<S: Message>(&self, signal: &S) -> Result<(), SendError> {
        let bytes = cell_wire::encode_after(&head::<S>(MessageKind::SIGNAL).to_bytes(), signal);
        self.to_host(&bytes)
    }

    fn subscribe<S: Message>(&self) -> Result<Signals<S>, SendError> {
        let head = head::<S>(MessageKind::SUBSCRIBE);
        self.to_host(&head.to_bytes())?;
        let queue = Arc::<Queue>::default();
        self.listen(head.route, &queue);
        Ok(Signals { queue, what: PhantomData })
    }

    /// Sends something that is the host's to hand on.
    fn to_host(&self, bytes: &[u8]) -> Result<(), SendError> {
        let status = self.in_turn(|host| host.send("", bytes)).ok_or(SendError::NotInATurn)?;
        sent(status, "", bytes.len())
    }
}

impl<C: Contract> Cx<'_, C> {
    /// Tells all cells that subscribe to signals of this type; they get it in the next frame.
    ///
    /// # Errors
    /// [`SendError`]; nobody is told then.
    pub fn emit<S: Message>(&self, signal: &S) -> Result<(), SendError> {
        self.exchange().emit(signal)
    }

    /// Gets the signals of this type that any cell emits from now on, as long as what is returned is kept.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn subscribe<S: Message>(&self) -> Result<Signals<S>, SendError> {
        self.exchange().subscribe()
    }
}

impl<T: Any> TaskCx<T> {
    /// Tells all cells that subscribe to signals of this type; see [`Cx::emit`].
    ///
    /// # Errors
    /// [`SendError`]; nobody is told then.
    pub fn emit<S: Message>(&self, signal: &S) -> Result<(), SendError> {
        self.exchange().emit(signal)
    }

    /// Gets the signals of this type that any cell emits from now on; see [`Cx::subscribe`].
    ///
    /// # Errors
    /// [`SendError`].
    pub fn subscribe<S: Message>(&self) -> Result<Signals<S>, SendError> {
        self.exchange().subscribe()
    }
}
