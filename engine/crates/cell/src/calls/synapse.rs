//! Connections to other cells.
use super::{
    Call, Called, Message, Route,
    call::{Read, read_plain, read_result},
    exchange::Exchange,
};
use cell_abi::{CallStatus, MessageHead, MessageKind};
use core::fmt;
use std::sync::Arc;

/// After how many frames an open call ends with [`super::CallError::Timeout`].
const FRAMES: u16 = 60;

/// The functions of a service as its caller sees them: the `Client` that `#[cell::service]` makes of an interface.
pub trait Service: Sized {
    /// The name of the interface.
    const NAME: &'static str;
    /// Calls over this connection.
    fn over(synapse: Synapse) -> Self;
}

/// A connection from this instance to a cell, which a client calls over. Nothing goes out when it is made: each call
/// is compared and answered by itself, also after that cell was restarted, swapped or moved.
#[doc(alias = "GapJunction")]
#[derive(Clone)]
pub struct Synapse {
    exchange: Arc<Exchange>,
    cell: Arc<str>,
    frames: u16,
}

impl Synapse {
    /// Connects to the cell called `cell` in the scene.
    pub(crate) fn grow(exchange: &Arc<Exchange>, cell: &str) -> Self {
        Self { exchange: Arc::clone(exchange), cell: cell.into(), frames: FRAMES }
    }

    /// Returns the same connection, whose calls end after this many frames without an answer; at least 1.
    #[must_use]
    pub fn within(self, frames: u16) -> Self {
        Self { frames: frames.max(1), ..self }
    }

    /// Returns the cell's name in the scene.
    #[must_use]
    pub fn cell(&self) -> &str {
        &self.cell
    }

    /// Calls a function that returns a `T`. What a client does.
    pub fn call<T: Message>(&self, route: &Route, args: &impl Message) -> Call<T> {
        self.send(route, args, read_plain::<T, _>)
    }

    /// Calls a function that returns a `Result`. What a client does.
    pub fn try_call<T: Message, E: Message>(&self, route: &Route, args: &impl Message) -> Call<T, E>
    where
        Result<T, E>: Message,
    {
        self.send(route, args, read_result::<T, E>)
    }

    fn send<T, E>(&self, route: &Route, args: &impl Message, read: Read<T, E>) -> Call<T, E> {
        let head = MessageHead {
            kind: MessageKind::CALL,
            status: CallStatus::DONE,
            frames: self.frames,
            id: 0,
            route: route.fingerprint.key(),
        };
        let mut message = cell_wire::encode_after(&head.to_bytes(), args);
        let sent = self.exchange.call(&self.cell, head, &mut message);
        let sent = sent.map(|(id, waiting)| (id, waiting, Arc::clone(&self.exchange)));
        Call::new(Called { cell: Arc::clone(&self.cell), route: *route }, sent, read)
    }
}

impl fmt::Debug for Synapse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Synapse")
            .field("cell", &self.cell)
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}
