//! Limits of the process itself (`setrlimit`) and its nice value.

use rustix::process::{Resource, Rlimit, getpriority_process, getrlimit, setpriority_process, setrlimit};

use super::{Layer, Missing, Quotas};

/// Whose threads the kernel counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    /// This process's alone: it has a user namespace of its own.
    Own,
    /// All of this user's, which a limit for one cell must not be compared with.
    OfTheUser,
}

/// Sets all limits of the calling process, for ever: they can be lowered further, never raised.
pub(super) fn apply(quotas: &Quotas, counted: Threads, missing: &mut Vec<Missing>) {
    let threads = match counted {
        Threads::Own => u64::from(quotas.threads),
        Threads::OfTheUser => u64::MAX,
    };
    let table = [
        // What is really used: private memory that can be written. Reserved addresses do not count here.
        (Resource::Data, quotas.memory_bytes),
        (Resource::As, quotas.address_space()),
        (Resource::Nproc, threads),
        (Resource::Nofile, u64::from(quotas.descriptors)),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Memlock, 0),
        (Resource::Msgqueue, 0),
    ];
    for (resource, wanted) in table {
        // Never above what this process has: raising needs a privilege.
        let limit = getrlimit(resource).maximum.map_or(wanted, |m| m.min(wanted));
        if let Err(error) = setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) }) {
            missing.push(Missing::new(Layer::Limits, format_args!("{resource:?}: {error}")));
        }
    }
    // Above what the engine has, which may itself have been started with `nice`: nobody goes below without a privilege.
    let nice = quotas.nice();
    let lowered = getpriority_process(None).and_then(|own| setpriority_process(None, (own + nice).min(19)));
    if let Err(error) = lowered
        && nice > 0
    {
        missing.push(Missing::new(Layer::Limits, format_args!("nice {nice}: {error}")));
    }
}
