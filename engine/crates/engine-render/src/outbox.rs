//! Events on their way to the host. The render thread never waits for the host to read them.
use crate::event::RenderEvent;
use crossbeam::channel::{self, Receiver, Sender, TrySendError};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Events that wait in the channel; allocated once.
const WAITING: usize = 64;
/// How soon events that found the channel full are tried again.
const RETRY: Duration = Duration::from_millis(2);

pub(crate) struct Outbox {
    channel: Sender<RenderEvent>,
    /// Events that found the channel full, oldest first.
    backlog: VecDeque<RenderEvent>,
    never: Receiver<Instant>,
}

impl Outbox {
    pub(crate) fn new() -> (Self, Receiver<RenderEvent>) {
        let (channel, events) = channel::bounded(WAITING);
        (Self { channel, backlog: VecDeque::new(), never: channel::never() }, events)
    }

    pub(crate) fn send(&mut self, event: RenderEvent) {
        self.backlog.push_back(event);
        self.flush();
    }

    /// Moves what fits from the backlog into the channel.
    pub(crate) fn flush(&mut self) {
        while let Some(event) = self.backlog.pop_front() {
            match self.channel.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => return self.backlog.push_front(event),
                // The handle is gone; so is the thread in a moment.
                Err(TrySendError::Disconnected(_)) => return,
            }
        }
    }

    /// Returns a channel that wakes the thread when [`Self::flush`] is due again.
    pub(crate) fn retry(&self) -> Receiver<Instant> {
        if self.backlog.is_empty() { self.never.clone() } else { channel::after(RETRY) }
    }
}
