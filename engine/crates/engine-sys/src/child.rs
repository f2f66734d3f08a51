//! Child processes: the engine's own executable run again, held by a pidfd, ended with their holder.
//!
//! A child is executed, never a plain fork: nothing of the engine's memory is left in it. It inherits standard output and error, the environment
//! it is given, and one socket.

#![expect(unsafe_code, reason = "steps between fork and exec")]

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::io::{Errno, fcntl_dupfd_cloexec, retry_on_intr};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getpid, getppid, getpriority_process, pidfd_open,
    pidfd_send_signal, set_parent_process_death_signal, setpriority_process, waitid,
};
use thiserror::Error;

use crate::fds::{CONTROL_FD, ControlSocket, wait_any_readable, wait_readable};
use crate::limits::Reason;

/// How many descriptors a child may have open at once: its streams, its socket, what a packet brings
/// ([`MAX_FDS`](crate::MAX_FDS)), and the files of libraries while they are loaded. What it maps needs none.
pub const CHILD_OPEN_FILES: u64 = 256;

/// Runs the running executable again with `args`, only the variables of `env`, and `control` (the child's end) at [`CONTROL_FD`].
/// No other descriptor of this process reaches it, whether opened with close-on-exec or not, and it may have [`CHILD_OPEN_FILES`] open.
///
/// The child should call [`bind_to_parent`] first. The kernel then ends it with the *thread* that called this, so call it from one that lives as
/// long as the child should.
///
/// # Errors
/// [`SpawnError`] with the kernel's reason.
pub fn spawn_self<A: AsRef<OsStr>>(
    args: &[A],
    env: &[(OsString, OsString)],
    control: ControlSocket,
) -> Result<ChildProcess, SpawnError> {
    // The lowest free number from 3 on: afterwards 3 is open in any case, so that the pipe by which `Command` reports a failed exec lies elsewhere.
    let control =
        fcntl_dupfd_cloexec(control.as_fd(), CONTROL_FD).map_err(|e| SpawnError::Descriptor(e.into()))?;
    let at = control.as_raw_fd();
    let mut command = Command::new("/proc/self/exe");
    if let Some(name) = std::env::args_os().next() {
        command.arg0(name);
    }
    command.args(args).env_clear().envs(env.iter().map(|(k, v)| (k, v))).stdin(Stdio::null());
    // SAFETY: only syscalls, no allocation and no locks, as is required between fork and exec of a process with threads. The numbers are open.
    unsafe {
        command.pre_exec(move || {
            let kept =
                if at == CONTROL_FD { libc::fcntl(at, libc::F_SETFD, 0) } else { libc::dup2(at, CONTROL_FD) };
            let rest = (CONTROL_FD + 1).unsigned_abs();
            let flags = libc::CLOSE_RANGE_CLOEXEC.cast_signed();
            let few = libc::rlimit { rlim_cur: CHILD_OPEN_FILES, rlim_max: CHILD_OPEN_FILES };
            if kept < 0
                || libc::close_range(rest, u32::MAX, flags) < 0
                || libc::setrlimit(libc::RLIMIT_NOFILE, &raw const few) < 0
            {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
    let child = command.spawn().map_err(SpawnError::Exec)?;
    let pid = Pid::from_child(&child);
    // The child cannot have been reaped by anyone else, so the number still means it.
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => Ok(ChildProcess { pidfd, pid, is_first: false, ended: None }),
        Err(error) => {
            let mut child = child;
            let _ = child.kill();
            let _ = child.wait();
            Err(SpawnError::Descriptor(error.into()))
        }
    }
}

/// Has the kernel end (`SIGTERM`) what `command` starts when the *thread* that starts it ends, and so with this process: a tool whose result
/// nobody waits for any more.
pub fn end_with_parent(command: &mut Command) {
    let parent = getpid();
    // SAFETY: between fork and exec the closure makes two system calls and touches no memory but its own copy of a number.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(Signal::TERM))?;
            // Asked after the request: a parent that dies from here on takes it along.
            if getppid() == Some(parent) { Ok(()) } else { Err(Errno::SRCH.into()) }
        });
    }
}

/// In the child: asks the kernel to kill this process when the thread that spawned it ends, and makes sure that it has not ended already.
/// `expected_parent` is the engine's process id, passed as an argument. To be called from the main thread, first.
///
/// # Errors
/// [`ParentGone`]: the parent is another process already; the child should exit.
pub fn bind_to_parent(expected_parent: u32) -> Result<(), ParentGone> {
    let bound = set_parent_process_death_signal(Some(Signal::KILL));
    let found = getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
    // Asked after the request: a parent that dies from here on takes us along.
    if bound.is_err() || found != expected_parent {
        return Err(ParentGone { expected: expected_parent, found });
    }
    Ok(())
}

/// Waits until one of `children` has ended, for at most `timeout`. Returns whether one has.
///
/// # Errors
/// The kernel's answer, if there are more of them than this process may have descriptors.
pub fn wait_for_any<'a>(
    children: impl IntoIterator<Item = &'a ChildProcess>,
    timeout: Duration,
) -> io::Result<bool> {
    let mut fds = Vec::new();
    for child in children {
        if child.ended.is_some() {
            return Ok(true);
        }
        fds.push(child.as_fd());
    }
    Ok(wait_any_readable(&fds, Some(timeout))?)
}

/// A running child. Dropping it kills it and waits for its end.
#[derive(Debug)]
pub struct ChildProcess {
    pidfd: OwnedFd,
    pid: Pid,
    /// The first process of its pid namespace cannot end by a signal of its own; it says `abort` by its exit code.
    is_first: bool,
    ended: Option<ExitCause>,
}

impl ChildProcess {
    /// Takes over a process that was started elsewhere in this crate.
    pub(crate) fn jailed(pid: Pid, pidfd: OwnedFd, is_first: bool) -> Self {
        Self { pidfd, pid, is_first, ended: None }
    }

    /// Returns the process id, for messages.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Returns the pidfd, readable once the child has ended; for waiting on several.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Returns how the child ended, or none while it runs.
    ///
    /// # Errors
    /// The kernel's answer, if somebody else reaps this process's children.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitCause>> {
        self.reap(WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
    }

    /// Waits for the child's end for at most `timeout`. Returns none if it still runs then.
    ///
    /// # Errors
    /// As [`try_wait`](Self::try_wait).
    pub fn wait_timeout(&mut self, timeout: Duration) -> io::Result<Option<ExitCause>> {
        if self.ended.is_none() && !wait_readable(self.pidfd.as_fd(), Some(timeout))? {
            return Ok(None);
        }
        self.try_wait()
    }

    /// Kills the child (SIGKILL); fine if it has ended already. Its end still has to be waited for.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn kill(&self) -> io::Result<()> {
        match pidfd_send_signal(&self.pidfd, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Lowers the priority of one thread of the child, for as long as that thread lives: its nice value becomes `by` more than that of the
    /// child's first thread. `thread` is the number by which the child knows it.
    ///
    /// # Errors
    /// `NotFound` when the child has no such thread, or the kernel's answer.
    pub fn lower(&self, thread: u32, by: i32) -> io::Result<()> {
        if self.ended.is_some() {
            // Its number may be another's by now.
            return Err(io::ErrorKind::NotFound.into());
        }
        let thread = self.find_thread(thread)?;
        let nice = getpriority_process(Some(self.pid))?.saturating_add(by).min(19);
        Ok(setpriority_process(Some(thread), nice)?)
    }

    /// Returns the number by which this process knows a thread of the child. In a pid namespace the child counts for itself. Only threads of the
    /// child are found: the number came from it and must not reach the threads of others.
    fn find_thread(&self, thread: u32) -> io::Result<Pid> {
        let wanted = thread.to_string();
        for task in std::fs::read_dir(format!("/proc/{}/task", self.pid()))? {
            let task = task?;
            // It may have ended since.
            let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
            let numbers = status.lines().find_map(|l| l.strip_prefix("NSpid:")).unwrap_or_default();
            // From the outermost namespace to the child's own.
            if numbers.split_whitespace().next_back() == Some(&*wanted) {
                let outside = task.file_name().to_str().and_then(|n| n.parse().ok()).and_then(Pid::from_raw);
                return outside.ok_or_else(|| io::ErrorKind::NotFound.into());
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }

    fn reap(&mut self, options: WaitIdOptions) -> io::Result<Option<ExitCause>> {
        if self.ended.is_none() {
            let status = retry_on_intr(|| waitid(WaitId::PidFd(self.pidfd.as_fd()), options))?;
            self.ended = status.and_then(|status| {
                let code = status.exit_status().map(|code| match code {
                    crate::jail::ABORTED if self.is_first => ExitCause::Signal(Signal::ABORT.as_raw()),
                    code => ExitCause::Code(code),
                });
                code.or_else(|| status.terminating_signal().map(ExitCause::Signal))
            });
        }
        Ok(self.ended)
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        if self.ended.is_none() {
            // Nothing is left to be done about a failure: it means that the child is gone already.
            let _ = self.kill();
            let _ = self.reap(WaitIdOptions::EXITED);
        }
    }
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCause {
    /// It returned this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl fmt::Display for ExitCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, name) = match *self {
            Self::Code(code) => return write!(f, "exited with code {code}"),
            Self::Signal(number) => (number, Signal::from_named_raw(number)),
        };
        match name {
            Some(Signal::SEGV) => write!(f, "crashed with SIGSEGV (bad memory access)"),
            Some(Signal::BUS) => write!(f, "crashed with SIGBUS (memory that is not there)"),
            Some(Signal::ILL) => write!(f, "crashed with SIGILL (illegal instruction)"),
            Some(Signal::FPE) => write!(f, "crashed with SIGFPE (arithmetic fault)"),
            Some(Signal::ABORT) => write!(f, "aborted (SIGABRT)"),
            Some(Signal::SYS) => write!(f, "killed by SIGSYS (forbidden system call)"),
            Some(Signal::KILL) => write!(f, "killed by SIGKILL"),
            Some(Signal::TERM) => write!(f, "ended by SIGTERM"),
            Some(Signal::XCPU) => write!(f, "killed by SIGXCPU (processor time limit)"),
            _ => write!(f, "killed by signal {number}"),
        }
    }
}

/// Why a child could not be started.
#[derive(Debug, Error)]
pub enum SpawnError {
    /// No descriptor for its socket or its pidfd.
    #[error("cannot start a cell's process: {}", Reason(.0))]
    Descriptor(io::Error),
    /// Fork or exec failed.
    #[error("cannot start a cell's process from the engine's own executable: {}", Reason(.0))]
    Exec(io::Error),
}

/// The process that started this one has ended.
#[derive(Debug, Error)]
#[error("the engine (process {expected}) that started this process has ended; the parent is now {found}")]
pub struct ParentGone {
    /// The parent's process id as given.
    pub expected: u32,
    /// The parent's process id as found (0: unknown).
    pub found: u32,
}

#[cfg(all(test, not(loom)))]
#[path = "child_tests.rs"]
mod tests;
