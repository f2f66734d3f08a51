//! From the engine to the child's `main`: a process in namespaces of its own, its user, its five descriptors, and the executable once more.
#![expect(unsafe_code, reason = "steps between clone and exec")]

use std::ffi::{CString, c_char, c_int, c_long};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::null;
use std::time::Duration;

use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, WaitIdStatus, getpid, pidfd_open, waitid};

use super::{FIRST_FREE_FD, Layer};
use crate::fds::wait_readable;
use crate::{ControlError, ControlSocket};

/// How long a new process may take to execute the program: one that somebody has stopped is not waited for for ever.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a trial is repeated whose process somebody kills.
const TRIALS: u32 = 3;

/// The namespaces of the jail, by the layer that each is.
pub(super) const NAMESPACES: [(Layer, c_int); 6] = [
    (Layer::UserNamespace, libc::CLONE_NEWUSER),
    (Layer::MountNamespace, libc::CLONE_NEWNS),
    (Layer::PidNamespace, libc::CLONE_NEWPID),
    (Layer::NetNamespace, libc::CLONE_NEWNET),
    (Layer::IpcNamespace, libc::CLONE_NEWIPC),
    (Layer::UtsNamespace, libc::CLONE_NEWUTS),
];

/// What a child is started with.
pub(super) struct Launch {
    /// `argv`, the name first.
    pub(super) arguments: Vec<CString>,
    /// `NAME=value` each.
    pub(super) environment: Vec<CString>,
    /// What it finds at 0 and on: null, output, output, control, reports.
    pub(super) descriptors: [OwnedFd; FIRST_FREE_FD as usize],
    /// Which namespaces it gets (`CLONE_NEW*`).
    pub(super) namespaces: c_int,
    /// Who it is outside of its user namespace.
    pub(super) outside: (u32, u32),
}

/// A started process, which is executing this program again.
pub(super) struct Launched {
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
}

/// Where a start failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum LaunchError {
    /// These namespaces are not to be had: fewer may do.
    #[error("{0}")]
    Namespaces(io::Error),
    /// Anything else. With fewer namespaces it would be no better, and the cell less safe.
    #[error("{0}")]
    Exec(io::Error),
}

impl LaunchError {
    pub(super) fn of(error: io::Error) -> Self {
        // Refused, turned off, unknown to this kernel, or more than the machine allows.
        let refusals = [libc::EPERM, libc::EACCES, libc::EINVAL, libc::ENOSYS, libc::ENOSPC, libc::EUSERS];
        if error.raw_os_error().is_some_and(|e| refusals.contains(&e)) {
            Self::Namespaces(error)
        } else {
            Self::Exec(error)
        }
    }
}

/// Starts the child. Returns when it executes the program.
pub(super) fn launch(launch: &Launch) -> Result<Launched, LaunchError> {
    let (launched, gate) = fork(launch)?;
    let_go(launched, launch, &gate)
}

/// Makes the new process, which waits to be let go. Returns it with our end of its gate.
fn fork(launch: &Launch) -> Result<(Launched, ControlSocket), LaunchError> {
    let pointers = |strings: &[CString]| -> Vec<*const c_char> {
        strings.iter().map(|s| s.as_ptr()).chain([null()]).collect()
    };
    let (argv, envp) = (pointers(&launch.arguments), pointers(&launch.environment));
    let own = |e: rustix::io::Errno| LaunchError::Exec(e.into());
    // What the child needs while it moves its descriptors must not lie where they go.
    let engine = high(pidfd_open(getpid(), PidfdFlags::empty()).map_err(own)?).map_err(LaunchError::Exec)?;
    let (ours, theirs) = ControlSocket::pair().map_err(|e| LaunchError::Exec(io::Error::other(e)))?;
    let gate = high(theirs.as_fd()).map_err(LaunchError::Exec)?;
    drop(theirs);
    let child = Child {
        argv: argv.as_ptr(),
        envp: envp.as_ptr(),
        descriptors: launch.descriptors.each_ref().map(AsRawFd::as_raw_fd),
        engine: engine.as_raw_fd(),
        gate: gate.as_raw_fd(),
        far_gate: ours.as_fd().as_raw_fd(),
        becomes_root_inside: launch.namespaces & libc::CLONE_NEWUSER != 0,
    };
    // SAFETY: the child runs `Child::run` only, which makes system calls on what was prepared above and never returns.
    let launched = match unsafe { clone(launch.namespaces) }.map_err(LaunchError::of)? {
        // SAFETY: this is the new process.
        None => unsafe { child.run() },
        Some(launched) => launched,
    };
    Ok((launched, ours))
}

/// Lets the new process go. One that does not come to execute the program is ended.
fn let_go(launched: Launched, launch: &Launch, gate: &ControlSocket) -> Result<Launched, LaunchError> {
    let begun = begin(&launched, launch, gate);
    if begun.is_err() {
        reap(&launched);
    }
    begun.map(|()| launched)
}

/// Lets the new process go on, and waits until it executes the program.
fn begin(launched: &Launched, launch: &Launch, gate: &ControlSocket) -> Result<(), LaunchError> {
    if launch.namespaces & libc::CLONE_NEWUSER != 0
        && let Err(error) = map_user(launched.pid, launch.outside)
    {
        // What the kernel says of a process that was killed is no refusal of its namespaces.
        let is_over = is_readable(&launched.pidfd);
        return Err(if is_over { LaunchError::Exec(error) } else { LaunchError::of(error) });
    }
    let gone = |e: ControlError| LaunchError::Exec(io::Error::other(e));
    gate.send(b"go", &[]).map_err(gone)?;
    let mut answer = Vec::new();
    match gate.recv(&mut answer, 4, Some(PATIENCE)) {
        // Closed by exec.
        Err(ControlError::Closed) => Ok(()),
        Ok(_) => {
            let errno = answer.try_into().map_or(0, i32::from_le_bytes);
            Err(LaunchError::Exec(io::Error::from_raw_os_error(errno)))
        }
        Err(error) => Err(gone(error)),
    }
}

/// Asks whether a process can be made in `namespaces`, and with `also_mount` whether it may change its mounts then.
pub(super) fn try_namespaces(namespaces: c_int, also_mount: bool) -> io::Result<()> {
    // One that is killed has not answered.
    for _ in 0..TRIALS {
        match trial(namespaces, also_mount)? {
            Some(0) => return Ok(()),
            Some(errno) => return Err(io::Error::from_raw_os_error(errno)),
            None => {}
        }
    }
    Err(io::Error::other("each trial process was killed"))
}

/// Makes a process that tries. Returns its errno, none when it was killed.
fn trial(namespaces: c_int, also_mount: bool) -> io::Result<Option<i32>> {
    // SAFETY: the child makes two system calls and ends.
    let launched = match unsafe { clone(namespaces) }? {
        // SAFETY: this is the new process; the strings are constants.
        None => unsafe {
            let flags = libc::MS_PRIVATE | libc::MS_REC;
            let refused = also_mount && libc::mount(null(), c"/".as_ptr(), null(), flags, null()) < 0;
            let errno = if refused { *libc::__errno_location() } else { 0 };
            libc::_exit(errno)
        },
        Some(launched) => launched,
    };
    Ok(end_of(&launched)?.and_then(|s| s.exit_status()))
}

/// Waits for its end.
fn end_of(launched: &Launched) -> io::Result<Option<WaitIdStatus>> {
    Ok(retry_on_intr(|| waitid(WaitId::PidFd(launched.pidfd.as_fd()), WaitIdOptions::EXITED))?)
}

fn reap(launched: &Launched) {
    // Both fail only when it is gone already.
    let _ = rustix::process::pidfd_send_signal(&launched.pidfd, rustix::process::Signal::KILL);
    let _ = end_of(launched);
}

/// Forks into `namespaces`; none in the child. (`clone` and not `clone3`: containers refuse the latter.)
///
/// # Safety
/// As after a fork of a process with threads: until exec or exit the child may only make system calls; nothing that takes a lock or allocates.
unsafe fn clone(namespaces: c_int) -> io::Result<Option<Launched>> {
    let mut pidfd: c_int = -1;
    let flags = c_long::from(namespaces | libc::CLONE_PIDFD | libc::SIGCHLD);
    // SAFETY: without CLONE_VM it is a fork; no stack is given, the pidfd is written to our variable.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0usize, &raw mut pidfd, 0usize, 0usize) };
    match pid {
        ..0 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        _ => {
            let pid = Pid::from_raw(pid as i32).expect("a process id is above 0");
            // SAFETY: the kernel has just opened it for us.
            Ok(Some(Launched { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } }))
        }
    }
}

/// Makes the child's user 0 in its namespace the user `outside` of it.
fn map_user(pid: Pid, (uid, gid): (u32, u32)) -> io::Result<()> {
    let write =
        |file: &str, text: String| std::fs::write(format!("/proc/{}/{file}", pid.as_raw_nonzero()), text);
    if !rustix::process::geteuid().is_root() {
        // Without privileges the kernel asks for this first.
        write("setgroups", "deny".to_owned())?;
    }
    write("uid_map", format!("0 {uid} 1"))?;
    write("gid_map", format!("0 {gid} 1"))
}

/// What the new process needs until it is the program again: numbers and pointers, nothing that is dropped.
struct Child {
    argv: *const *const c_char,
    envp: *const *const c_char,
    descriptors: [RawFd; FIRST_FREE_FD as usize],
    engine: RawFd,
    gate: RawFd,
    far_gate: RawFd,
    becomes_root_inside: bool,
}

impl Child {
    /// # Safety
    /// To be called in the new process only, once.
    unsafe fn run(&self) -> ! {
        // SAFETY: plain system calls on descriptors and strings that were prepared before the fork and live in this copy. The raw calls for
        // users stand where libc would stop the threads of the old process, which are not here.
        unsafe {
            libc::close(self.far_gate);
            let mut go = [0u8; 2];
            if libc::recv(self.gate, go.as_mut_ptr().cast(), 2, 0) != 2 {
                libc::_exit(1);
            }
            if !self.prepare() || libc::execve(c"/proc/self/exe".as_ptr(), self.argv, self.envp) < 0 {
                let errno = (*libc::__errno_location()).to_le_bytes();
                libc::send(self.gate, errno.as_ptr().cast(), errno.len(), libc::MSG_NOSIGNAL);
            }
            libc::_exit(1)
        }
    }

    /// # Safety
    /// As [`run`](Self::run).
    unsafe fn prepare(&self) -> bool {
        // SAFETY: as in `run`.
        unsafe {
            if self.becomes_root_inside {
                // Refused where groups were given up already.
                libc::syscall(libc::SYS_setgroups, 0usize, 0usize);
                if libc::syscall(libc::SYS_setresgid, 0, 0, 0) < 0
                    || libc::syscall(libc::SYS_setresuid, 0, 0, 0) < 0
                {
                    return false;
                }
            }
            // A session of its own: no terminal, and none of the signals that one sends to all who sit at it.
            if libc::setsid() < 0 || libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) < 0 {
                return false;
            }
            // Asked after the request: an engine that dies from here on takes us along.
            let mut engine = libc::pollfd { fd: self.engine, events: libc::POLLIN, revents: 0 };
            if libc::poll(&raw mut engine, 1, 0) != 0 {
                libc::_exit(1);
            }
            for (at, fd) in self.descriptors.iter().enumerate() {
                if libc::dup2(*fd, at as c_int) < 0 {
                    return false;
                }
            }
            let cloexec = libc::CLOSE_RANGE_CLOEXEC.cast_signed();
            if libc::close_range(FIRST_FREE_FD, u32::MAX, cloexec) < 0 {
                return false;
            }
            let none = 0u64;
            libc::syscall(
                libc::SYS_rt_sigprocmask,
                libc::SIG_SETMASK,
                &raw const none,
                0usize,
                size_of::<u64>(),
            ) == 0
        }
    }
}

/// Moves a descriptor out of the way of those that the child is given.
pub(super) fn high(fd: impl AsFd) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(fd, FIRST_FREE_FD.cast_signed() * 4)?)
}

/// Returns whether there is something to read, now.
pub(super) fn is_readable(fd: impl AsFd) -> bool {
    wait_readable(fd.as_fd(), Some(Duration::ZERO)).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Signal, pidfd_send_signal};

    #[test]
    fn only_a_refusal_lets_a_cell_start_with_fewer_namespaces() {
        let of = |errno| LaunchError::of(io::Error::from_raw_os_error(errno));
        for errno in [libc::EPERM, libc::ENOSPC, libc::EINVAL] {
            assert!(matches!(of(errno), LaunchError::Namespaces(_)), "{errno}");
        }
        for errno in [libc::EAGAIN, libc::ENOMEM, libc::ENOENT, libc::ESRCH] {
            assert!(matches!(of(errno), LaunchError::Exec(_)), "{errno}");
        }
    }

    /// The children of a thread of this process, those that nobody has waited for included.
    fn children_of(thread: rustix::thread::Pid) -> Vec<i32> {
        let path = format!("/proc/self/task/{}/children", thread.as_raw_nonzero());
        let text = std::fs::read_to_string(path).unwrap();
        text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    #[test]
    fn a_child_that_is_killed_while_it_starts_leaves_nothing_behind() {
        let thread = rustix::thread::gettid();
        let null = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let failed = (0..20).filter(|_| {
            let descriptors = std::array::from_fn(|_| high(null()).unwrap());
            let arguments = vec![c"test".to_owned(), c"--list".to_owned()];
            let plan = Launch { arguments, environment: vec![], descriptors, namespaces: 0, outside: (0, 0) };
            let (launched, gate) = fork(&plan).unwrap();
            pidfd_send_signal(&launched.pidfd, Signal::KILL).unwrap();
            assert!(wait_readable(launched.pidfd.as_fd(), None).unwrap(), "it has ended");
            let begun = let_go(launched, &plan, &gate);
            if let Ok(launched) = &begun {
                reap(launched);
            }
            begun.is_err()
        });
        // A child that another test starts at that moment may hold the other end of the gate for a while.
        assert!(failed.count() > 0, "one that was killed before it was let go");
        assert_eq!(children_of(thread), []);
    }

    #[test]
    fn a_trial_says_what_the_kernel_says() {
        assert!(try_namespaces(0, false).is_ok());
        let both = libc::CLONE_THREAD;
        let error = try_namespaces(both, false).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "a thread without shared memory");
    }
}
