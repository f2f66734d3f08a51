//! Starts children from one thread that lives as long as the process: the kernel ends a child with the thread that
//! started it.
use crossbeam::channel::{Sender, bounded};
use engine_sys::{ChildProcess, ControlSocket, SpawnError, spawn_self};
use std::{ffi::OsString, sync::OnceLock};

/// The argument by which a process of this executable learns that it is a child.
pub(crate) const CHILD_ARGUMENT: &str = "--cell-child";
/// Variables that reach a child: where libraries are found, and what developers' tools need.
const KEPT_VARIABLES: [&str; 3] = ["LD_LIBRARY_PATH", "RUST_BACKTRACE", "LLVM_PROFILE_FILE"];

struct Job {
    name: String,
    control: ControlSocket,
    answer: Sender<Result<ChildProcess, SpawnError>>,
}

/// Starts a child for the cell called `name`; `control` is its end of the socket.
pub(crate) fn spawn(name: &str, control: ControlSocket) -> Result<ChildProcess, String> {
    static SPAWNER: OnceLock<Option<Sender<Job>>> = OnceLock::new();
    let gone = || "the thread that starts processes cannot be started".to_owned();
    let spawner = SPAWNER.get_or_init(start).as_ref().ok_or_else(gone)?;
    let (answer, answered) = bounded(1);
    spawner.send(Job { name: name.to_owned(), control, answer }).map_err(|_| gone())?;
    answered.recv().map_err(|_| gone())?.map_err(|e| e.to_string())
}

fn start() -> Option<Sender<Job>> {
    // With more jobs than this, the tick threads wait for room.
    let (jobs, jobs_in) = bounded::<Job>(64);
    std::thread::Builder::new()
        .name("spawner".to_owned())
        .spawn(move || {
            for job in jobs_in {
                let child = spawn_self(&arguments(&job.name), &environment(), job.control);
                // Nobody waits any more: dropping the child ends it.
                let _ = job.answer.send(child);
            }
        })
        .ok()?;
    Some(jobs)
}

fn arguments(name: &str) -> [String; 3] {
    [CHILD_ARGUMENT.to_owned(), std::process::id().to_string(), name.to_owned()]
}

fn environment() -> Vec<(OsString, OsString)> {
    KEPT_VARIABLES.iter().filter_map(|k| Some((OsString::from(k), std::env::var_os(k)?))).collect()
}
