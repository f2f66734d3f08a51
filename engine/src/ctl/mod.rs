//! `engine ctl`: a running engine is asked and told things over a Unix socket that only its own user may open.
//!
//! | part | is |
//! |---|---|
//! | [`desk`] | the engine's main loop: serves what came, between two frames |
//! | [`server`] | the engine's threads around the socket: one that accepts, one for each connection |
//! | [`table`] | the live table of `engine mitosis` |
//! | [`client`] | the command |
//! | [`protocol`], [`wire`], [`folder`] | what both say, how it is framed, and where the sockets lie |
//!
//! **A client never delays a frame.** The main loop looks into a bounded queue; it answers with what it has at hand and
//! waits for nothing. Whatever takes time (the system's figures, pictures, sockets) is done by the connection's thread.
pub(crate) mod client;
mod desk;
pub(crate) mod folder;
pub(crate) mod protocol;
mod server;
pub(crate) mod show;
mod table;
mod wire;

pub(crate) use desk::{Desk, Next};
