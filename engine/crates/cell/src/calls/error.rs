//! Why a call has no answer.
use super::Route;
use cell_abi::{CallStatus, Fingerprint, Status};
use core::{convert::Infallible, fmt};
use std::sync::Arc;

/// Why a call has no answer; [`CallError::Handler`] is the error that the called function itself returned.
///
/// ```
/// use cell::CallError;
///
/// fn shown(answer: Result<u32, CallError<String>>) -> String {
///     match answer {
///         Ok(count) => format!("pressed {count} times"),
///         Err(CallError::Handler(why)) => why,
///         Err(CallError::Timeout(_) | CallError::CellRestarted(_)) => "asking again".into(),
///         Err(other) => other.to_string(),
///     }
/// }
/// # assert_eq!(shown(Err(CallError::Handler("no such button".into()))), "no such button");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError<E = Infallible> {
    /// Nobody answered within the call's time: 60 frames, or what `within` says.
    #[error("{0} was not answered in time")]
    Timeout(Called),
    /// The mailbox of the cell that was asked is full: ask less often, or for more at once. Or the answers that came
    /// at once were too long for the caller's.
    #[error("{0} found a full mailbox: ask less often, or for more at once")]
    MailboxFull(Called),
    /// This cell sent too much in one turn, or has more than a thousand open calls. Nothing was sent.
    #[error("{0} was not sent, because the outbox is full: send less in one turn")]
    OutboxFull(Called),
    /// The instance that was asked is over: it crashed, was replaced or left the scene before it answered.
    #[error("{0} was not answered, because the cell was restarted or has left the scene")]
    CellRestarted(Called),
    /// No cell of the scene has that name, or none that this one may send to.
    #[error("{0} was not sent: the scene has no such cell, or none that may be asked")]
    NoSuchCell(Called),
    /// This instance was replaced; nothing it does counts any more.
    #[error("{0} was not sent: this instance of the cell was replaced")]
    Cancelled(Called),
    /// The cell that was asked has another form of this function, or none.
    #[error("{0}")]
    Drift(Drift),
    /// What came is no message of the type that both sides agree on: the other side did not say the truth.
    #[error("{0} could not be read, though both sides know the same types")]
    Unreadable(Called),
    /// The answer is too large for a message.
    #[error("{0} has an answer that is too large for a message; put large data into a port")]
    AnswerTooLarge(Called),
    /// Calls go out in ticks, handlers and tasks of the cell that the connection was made in, and of no parallel loop.
    #[error(
        "{0} was not sent: calls go out in the ticks, handlers and tasks of one cell only, not in `par_for`"
    )]
    NotInATurn(Called),
    /// The function's own error.
    #[error("the call returned an error: {0:?}")]
    Handler(E),
}

impl<E> CallError<E> {
    /// Returns why a call was not sent.
    pub(super) fn of_sending(status: Status, called: Called) -> Self {
        match status {
            Status::NOT_NOW => Self::NotInATurn(called),
            Status::CANCELLED => Self::Cancelled(called),
            Status::NOT_FOUND => Self::NoSuchCell(called),
            _ => Self::OutboxFull(called),
        }
    }

    /// Returns what an answer without a content says.
    pub(super) fn of_status(status: CallStatus, called: Called) -> Self {
        match status {
            CallStatus::TIMEOUT => Self::Timeout(called),
            CallStatus::MAILBOX_FULL => Self::MailboxFull(called),
            CallStatus::CELL_RESTARTED => Self::CellRestarted(called),
            CallStatus::NO_SUCH_CELL => Self::NoSuchCell(called),
            CallStatus::TOO_MANY => Self::OutboxFull(called),
            CallStatus::ANSWER_TOO_LARGE => Self::AnswerTooLarge(called),
            _ => Self::Unreadable(called),
        }
    }
}

/// Which function of which cell was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// The cell's name in the scene.
    pub cell: Arc<str>,
    /// The function.
    pub route: Route,
}

impl fmt::Display for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the call of `{}` of `{}`", self.route.name, self.cell)
    }
}

/// Caller and cell were built against different forms of a function. Nothing was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// What was called, as the caller knows it.
    pub called: Called,
    /// The fingerprint of the function of that name in the cell that was asked; `None` when it has none.
    pub served: Option<Fingerprint>,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Called { cell, route } = &self.called;
        match self.served {
            Some(served) => write!(
                f,
                "`{}` of `{cell}` has drifted: it is {} here and {served} there; build both against the same interface",
                route.name, route.fingerprint
            ),
            None => write!(f, "`{cell}` serves no `{}`: it is {} here", route.name, route.fingerprint),
        }
    }
}
