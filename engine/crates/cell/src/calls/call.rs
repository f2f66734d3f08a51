//! A call that is under way.
use super::{
    CallError, Called, Drift, Message,
    exchange::{Exchange, Waiting},
};
use cell_abi::{CallStatus, Fingerprint, Status};
use cell_wire::DecodeError;
use core::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};
use rkyv::util::AlignedVec;
use std::sync::Arc;

/// A call of another cell's function, which is sent when it is made: await it in an async handler or a task, or keep
/// it and look at [`Call::answer`] in later ticks. Dropped, its answer is not waited for.
///
/// `T` is what the function returns; if that is a `Result<T, E>`, its error comes as [`CallError::Handler`].
#[must_use = "the answer comes when it is awaited, or from `answer` in a later tick; `let _ =` if none is wanted"]
pub struct Call<T, E = Infallible> {
    called: Called,
    progress: Progress,
    read: Read<T, E>,
}

/// Reads an answer, which may be the function's own error.
pub(super) type Read<T, E> = fn(&[u8]) -> Result<Result<T, E>, DecodeError>;

enum Progress {
    NotSent(Status),
    Sent { id: u64, waiting: Arc<Waiting>, exchange: Arc<Exchange> },
    Over,
}

impl<T, E> Call<T, E> {
    pub(super) fn new(
        called: Called,
        sent: Result<(u64, Arc<Waiting>, Arc<Exchange>), Status>,
        read: Read<T, E>,
    ) -> Self {
        let progress = match sent {
            Ok((id, waiting, exchange)) => Progress::Sent { id, waiting, exchange },
            Err(why) => Progress::NotSent(why),
        };
        Self { called, progress, read }
    }

    /// Returns the answer once it is there; `None` before, and after it was taken.
    ///
    /// ```no_run
    /// # use cell::{Call, CallError, prelude::*};
    /// # struct Panel { asked: Option<Call<u32>> }
    /// # impl Panel { fn tick(&mut self) {
    /// if let Some(answer) = self.asked.as_mut().and_then(Call::answer) {
    ///     self.asked = None;
    ///     info!("{answer:?}");
    /// }
    /// # } }
    /// ```
    pub fn answer(&mut self) -> Option<Result<T, CallError<E>>> {
        self.take(None)
    }

    fn take(&mut self, waker: Option<&Waker>) -> Option<Result<T, CallError<E>>> {
        let answer = match &self.progress {
            Progress::NotSent(status) => Err(CallError::of_sending(*status, self.called.clone())),
            Progress::Sent { waiting, .. } => {
                let (status, content) = waiting.take(waker)?;
                self.read(status, &content)
            }
            Progress::Over => return None,
        };
        self.progress = Progress::Over;
        Some(answer)
    }

    fn read(&self, status: CallStatus, content: &AlignedVec) -> Result<T, CallError<E>> {
        let called = self.called.clone();
        match status {
            CallStatus::DONE => match (self.read)(content) {
                Ok(answer) => answer.map_err(CallError::Handler),
                Err(_) => Err(CallError::Unreadable(called)),
            },
            CallStatus::DRIFT => {
                let served = cell_wire::decode::<Vec<(String, [u8; 32])>>(content).unwrap_or_default();
                let of_name = served.into_iter().find(|(name, _)| name == called.route.name);
                let served = of_name.map(|(_, hash)| Fingerprint::from_bytes(hash));
                Err(CallError::Drift(Drift { called, served }))
            }
            other => Err(CallError::of_status(other, called)),
        }
    }
}

/// Reads the answer of a function that returns no `Result`.
pub(super) fn read_plain<T: Message, E>(content: &[u8]) -> Result<Result<T, E>, DecodeError> {
    cell_wire::decode::<T>(content).map(Ok)
}

/// Reads the answer of one that does.
pub(super) fn read_result<T: Message, E: Message>(content: &[u8]) -> Result<Result<T, E>, DecodeError>
where
    Result<T, E>: Message,
{
    cell_wire::decode::<Result<T, E>>(content)
}

impl<T, E> Future for Call<T, E> {
    type Output = Result<T, CallError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let call = self.get_mut();
        assert!(!matches!(call.progress, Progress::Over), "a call is over once its answer was taken");
        call.take(Some(cx.waker())).map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T, E> Drop for Call<T, E> {
    fn drop(&mut self) {
        if let Progress::Sent { id, exchange, .. } = &self.progress {
            exchange.forget(*id);
        }
    }
}

impl<T, E> fmt::Debug for Call<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("called", &self.called).finish_non_exhaustive()
    }
}
