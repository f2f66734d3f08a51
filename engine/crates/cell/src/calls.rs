//! Calls between cells, as plain functions: the messages, who waits for them, and what serves them.
//!
//! `exchange` is an instance's side of all its calls and signals, `call` one that is under way, `serve` what happens
//! to one that comes in, `task` what waits. The author's code sees [`Call`], [`Synapse`] and [`TaskCx`] only. The host's
//! part, which knows what is open between all cells, is `engine-frame::calls`.
mod call;
mod error;
mod exchange;
mod message;
mod serve;
mod signals;
mod synapse;
mod task;

pub use call::Call;
pub use error::{CallError, Called, Drift};
pub use message::{Message, Route};
pub use serve::{Answer, Reply, Served, Server, Serves, ServesNothing, arguments};
pub use signals::Signals;
pub use synapse::{Service, Synapse};
pub use task::TaskCx;

pub(crate) use exchange::Exchange;
pub(crate) use serve::take_mail;
pub(crate) use task::Tasks;
