//! What happens to a call that comes in: it is handed to the handler of its fingerprint, or to none.
use super::{Message, Route, TaskCx, exchange::Exchange};
use crate::{Cx, contract::Plugin, host::Host, raw};
use cell_abi::{CallStatus, MessageHead, MessageKind, Status, TickRecord};
use cell_wire::DecodeError;
use core::{future::Future, marker::PhantomData, pin::Pin};
use rkyv::util::AlignedVec;
use std::sync::Arc;

/// A cell that serves an interface. Made by `#[cell::service]` on its handlers.
#[doc(hidden)]
pub trait Server: Plugin {
    /// What it serves.
    const ROUTES: &'static [Served<Self>];
}

/// A route and what it leads to.
#[doc(hidden)]
pub struct Served<T: Plugin> {
    /// The route.
    pub route: Route,
    /// Reads the arguments and calls the handler.
    pub run: Run<T, <T as Plugin>::Contract>,
}

type Run<T, C> = fn(&mut T, &mut Cx<'_, C>, &[u8]) -> Result<Reply, DecodeError>;

/// What a handler returns, now or later.
#[doc(hidden)]
pub enum Answer<R> {
    /// It was sync.
    Now(R),
    /// It is async.
    Later(Pin<Box<dyn Future<Output = R> + Send>>),
}

/// The same as a message, with room for its head.
#[doc(hidden)]
pub enum Reply {
    /// It was sync.
    Now(AlignedVec),
    /// It is async.
    Later(Pin<Box<dyn Future<Output = AlignedVec> + Send>>),
}

impl Reply {
    /// Encodes what a handler returns.
    pub fn of<R: Message + 'static>(answer: Answer<R>) -> Self {
        match answer {
            Answer::Now(value) => Self::Now(with_room(&value)),
            Answer::Later(value) => Self::Later(Box::pin(async move { with_room(&value.await) })),
        }
    }
}

/// Reads the arguments of a call.
#[doc(hidden)]
pub fn arguments<A: Message>(content: &[u8]) -> Result<A, DecodeError> {
    cell_wire::decode(content)
}

fn with_room<R: Message>(content: &R) -> AlignedVec {
    cell_wire::encode_after(&[0; MessageHead::BYTES], content)
}

/// Answers what `T` serves: its own constant is there only if it serves something, and hides that of
/// [`ServesNothing`].
#[doc(hidden)]
pub struct Serves<T>(PhantomData<T>);

impl<T: Server> Serves<T> {
    /// What it serves.
    pub const ROUTES: &'static [Served<T>] = <T as Server>::ROUTES;
}

/// See [`Serves`].
#[doc(hidden)]
pub trait ServesNothing<T: Plugin> {
    /// Nothing.
    const ROUTES: &'static [Served<T>] = &[];
}

impl<T: Plugin> ServesNothing<T> for Serves<T> {}

/// Takes the mail of the turn that belongs to calls and signals, in its order: answers go to who waits for them, calls
/// to their handlers.
pub(crate) fn take_mail<T: Plugin>(
    record: &TickRecord,
    host: &Host,
    cell: &mut T,
    cx: &mut Cx<'_, T::Contract>,
    exchange: &Arc<Exchange>,
) {
    for mail in raw::mail(record) {
        let Some((head, content)) = MessageHead::read(raw::mail_bytes(mail.payload, mail)) else { continue };
        if head.kind != MessageKind::CALL {
            exchange.take(&head, content);
            continue;
        }
        let from = core::str::from_utf8(raw::mail_bytes(mail.from, mail)).unwrap_or_default();
        let Some(served) = T::ROUTES.iter().find(|s| s.route.fingerprint.key() == head.route) else {
            let all = T::ROUTES.iter().map(|s| (s.route.name.to_owned(), *s.route.fingerprint.as_bytes()));
            respond(host, from, &head, CallStatus::DRIFT, with_room(&all.collect::<Vec<_>>()));
            continue;
        };
        match (served.run)(cell, cx, content) {
            Ok(Reply::Now(answer)) => respond(host, from, &head, CallStatus::DONE, answer),
            Ok(Reply::Later(answer)) => {
                let (from, own) = (from.to_owned(), Arc::clone(exchange));
                exchange.ready.spawn(Box::pin(async move {
                    let answer = answer.await;
                    own.in_turn(|host| respond(host, &from, &head, CallStatus::DONE, answer));
                }));
            }
            Err(_) => respond(host, from, &head, CallStatus::UNREADABLE, no_content()),
        }
    }
}

fn no_content() -> AlignedVec {
    let mut room = AlignedVec::new();
    room.extend_from_slice(&[0; MessageHead::BYTES]);
    room
}

/// Sends an answer. One that does not fit becomes a short one; if that does not either, the host ends the call in time.
fn respond(host: &Host, to: &str, call: &MessageHead, status: CallStatus, mut answer: AlignedVec) {
    let head = MessageHead { kind: MessageKind::ANSWER, status, frames: 0, ..*call };
    answer[..MessageHead::BYTES].copy_from_slice(&head.to_bytes());
    if host.send(to, &answer) == Status::OUTBOX_FULL {
        let head = MessageHead { status: CallStatus::ANSWER_TOO_LARGE, ..head };
        host.send(to, &head.to_bytes());
    }
}

impl<C: crate::Contract> Cx<'_, C> {
    /// What an async handler has in place of this.
    #[doc(hidden)]
    #[must_use]
    pub fn task<T: Plugin<Contract = C>>(&self) -> TaskCx<T> {
        TaskCx::new(self.exchange())
    }
}
