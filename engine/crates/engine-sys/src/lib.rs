//! Every syscall of the engine, behind safe types.
//!
//! | type | what it is |
//! |---|---|
//! | [`Memfd`] | shared memory of a fixed size, and its seals |
//! | [`MapRw`], [`MapRo`], [`SealedMap`] | mappings of it; only sealed memory is ever a `&[u8]` without `unsafe` |
//! | [`CopyMemory`] | memory of this process that several threads fill at once |
//! | [`RingProducer`], [`RingConsumer`] | a byte ring in shared memory, between threads or processes |
//! | [`ControlSocket`] | packets and file descriptors between the engine and a child |
//! | [`ChildProcess`] | the engine's own executable, run again, watched and ended by a pidfd |
//! | [`OpenFiles`] | how many descriptors the system allows |
//! | [`peer_user`], [`private_folder`], [`connect_now`] | sockets and folders of one user alone |
//! | [`process_use`] | memory and processor time of a process |
//! | [`jail`] | what such a child may still do: namespaces, empty root, Landlock, limits, call filters; what the machine offers of it |
//! | [`thread`], [`write_atomically`] | priorities and CPU clocks; files that are replaced whole or not at all |
//!
//! **The order that keeps one writer** (ARCHITECTURE.md, memory rule 1): [`Memfd::create`], the owner maps [`MapRw`] and acks, the host calls
//! [`Memfd::seal_future_write`], and only then is the descriptor handed to readers, who can map [`MapRo`] and nothing else.
//!
//! **Memory that another process can write never becomes a reference.** It is copied out ([`copy_out`]), lengths are read once, and the copy is checked.
//!
//! Neighbours: `engine-host` and `engine-render` stand above. This crate must not know frames, cells, scenes, messages or the GPU: it moves bytes,
//! descriptors and signals. `unsafe` lives here; each module that needs it says so at its top.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod atomic_file;
mod child;
mod clock;
mod copy;
mod fds;
pub mod jail;
mod limits;
mod map;
mod memfd;
mod process;
mod ring;
mod ring_error;
mod ring_memory;
mod sync;
pub mod thread;
mod user;

#[cfg(all(test, loom))]
mod loom_header;
#[cfg(all(test, loom))]
mod loom_ring;

pub use atomic_file::{write_atomically, write_privately};
pub use child::{
    CHILD_OPEN_FILES, ChildProcess, ExitCause, ParentGone, SpawnError, bind_to_parent, end_with_parent,
    spawn_self, wait_for_any,
};
pub use clock::local_time;
pub use copy::{copy_in, copy_out};
pub use fds::{CONTROL_FD, ControlError, ControlSocket, MAX_FDS};
pub use limits::OpenFiles;
pub use map::{CopyMemory, MapRo, MapRw, OutOfRange, SealedMap};
pub use memfd::{ForeignMemfdError, Memfd, MemfdError, Seals};
pub use process::{ProcessUse, process_use};
#[cfg(not(loom))]
pub use ring::create_ring;
pub use ring::{RingConsumer, RingProducer};
pub use ring_error::{PushError, RingAttachError, RingCorrupt, WaitOutcome};
pub use user::{connect_now, own_user, peer_user, private_folder};
