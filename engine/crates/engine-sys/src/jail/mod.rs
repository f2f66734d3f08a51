//! The jail: what a cell's process may still do, taken away in two stages.
//!
//! | when | where | what |
//! |---|---|---|
//! | start | engine, [`Jail::spawn`] | a process in namespaces of its own (user, mount, pid, net, ipc, uts), five descriptors, a control group |
//! | stage 1 | child, [`Inmate::enter`] | an empty root with the cell's file only, no capabilities, Landlock, limits, a first system call filter |
//! | | child | loads the library: its constructors are inside already |
//! | stage 2 | child, [`Entered::lock`] | a second filter: no opening, no new code, on all threads |
//!
//! **A forbidden call is refused with `EPERM` and reported**: the kernel stops it (`SECCOMP_RET_TRAP`), a handler in the child sends its name
//! to the engine ([`Jailed::take_reports`]). The handler is a courtesy; if the cell silences it the call is refused all the same.
//!
//! **What the machine refuses is left out and named** ([`Missing`]), unless the jail was made with [`Jail::require_full`]. [`probe()`] tells beforehand.

//!
//! The engine:
//! ```no_run
//! # use engine_sys::{ControlSocket, jail::{Jail, Quotas}};
//! # fn engine(library: std::os::fd::BorrowedFd<'_>) -> Result<(), Box<dyn std::error::Error>> {
//! let (control, theirs) = ControlSocket::pair()?;
//! let mut child = Jail::new(Quotas::default()).spawn(&["--cell-child"], &[], theirs)?;
//! control.send(b"hello", &[library])?;
//! for offence in child.take_reports().offences {
//!     eprintln!("refused: {offence}");
//! }
//! # Ok(()) }
//! ```
//! The child, first in `main`:
//! ```no_run
//! # use engine_sys::{ControlSocket, jail::Inmate};
//! # fn load(path: &std::path::Path) {}
//! # fn child() -> Result<(), Box<dyn std::error::Error>> {
//! let inmate = Inmate::inherited()?.ok_or("started without a jail")?;
//! let control = ControlSocket::take_inherited()?;
//! let library = control.recv(&mut Vec::new(), 64, None)?.remove(0);
//! let entered = inmate.enter(library, &[])?;
//! load(entered.library());
//! let missing = entered.lock()?;
//! # Ok(()) }
//! ```

mod calls;
mod enter;
mod filter;
mod group;
mod landlock;
mod launch;
mod layer;
mod limits;
mod probe;
mod quotas;
mod report;
mod root;
mod spawn;
mod trap;

pub use enter::{Entered, Inmate, JailError};
pub use group::{dead_groups, remove_dead_groups};
pub use layer::{Layer, Missing};
pub use probe::{Finding, Offer, Probe, probe};
pub use quotas::Quotas;
pub use report::{Offence, Report};
pub(crate) use trap::ABORTED;

pub use spawn::{Jail, JailSpawnError, Jailed};

/// The descriptor number at which a jailed child sends reports of forbidden calls.
const REPORT_FD: std::os::fd::RawFd = 4;
/// The first number that is free in a jailed child: standard streams, control socket and reports lie below.
const FIRST_FREE_FD: u32 = 5;
