//! Starts children from one thread that lives as long as the process: the kernel ends a child with the thread that
//! started it.
use crossbeam::channel::{Sender, bounded};
use engine_sys::{
    ControlSocket,
    jail::{Jail, JailSpawnError, Jailed},
};
use std::{ffi::OsString, sync::OnceLock};

/// The argument by which a process of this executable learns that it is a child.
pub(crate) const CHILD_ARGUMENT: &str = "--cell-child";
/// Variables that reach a child: where libraries are found, and what a panic prints.
const KEPT_VARIABLES: [&str; 2] = ["LD_LIBRARY_PATH", "RUST_BACKTRACE"];

struct Job {
    name: String,
    jail: Jail,
    control: ControlSocket,
    answer: Sender<Result<Jailed, JailSpawnError>>,
}

/// Makes sure that the thread that starts children is there. A new thread has the priority of the one that starts it, and
/// its children have its own for ever: to be called on the host's thread, because a tick thread may have been lowered.
pub(crate) fn prepare() {
    let _ = thread();
}

fn thread() -> Option<&'static Sender<Job>> {
    static SPAWNER: OnceLock<Option<Sender<Job>>> = OnceLock::new();
    SPAWNER.get_or_init(start).as_ref()
}

/// Starts a child in `jail` for the cell called `name`; `control` is its end of the socket.
pub(crate) fn spawn(name: &str, jail: &Jail, control: ControlSocket) -> Result<Jailed, String> {
    let gone = || "the thread that starts processes cannot be started".to_owned();
    let spawner = thread().ok_or_else(gone)?;
    let (answer, answered) = bounded(1);
    spawner.send(Job { name: name.to_owned(), jail: jail.clone(), control, answer }).map_err(|_| gone())?;
    answered.recv().map_err(|_| gone())?.map_err(|e| e.to_string())
}

fn start() -> Option<Sender<Job>> {
    // With more jobs than this, the tick threads wait for room.
    let (jobs, jobs_in) = bounded::<Job>(64);
    std::thread::Builder::new()
        .name("spawner".to_owned())
        .spawn(move || {
            for Job { name, jail, control, answer } in jobs_in {
                let child = jail.spawn(&arguments(&name), &environment(), control);
                // Nobody waits any more: dropping the child ends it.
                let _ = answer.send(child);
            }
        })
        .ok()?;
    Some(jobs)
}

/// Returns what `ps` shows of a child: whose it is, and for which cell.
fn arguments(name: &str) -> [String; 3] {
    [CHILD_ARGUMENT.to_owned(), std::process::id().to_string(), name.to_owned()]
}

fn environment() -> Vec<(OsString, OsString)> {
    KEPT_VARIABLES.iter().filter_map(|k| Some((OsString::from(k), std::env::var_os(k)?))).collect()
}
