//! The engine's side: a policy, and a child in its jail.

use std::ffi::{CString, OsStr, OsString, c_int};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use thiserror::Error;

use super::group::Group;
use super::launch::{Launch, LaunchError, NAMESPACES, high, is_readable, launch, try_namespaces};
use super::layer::listed;
use super::report::{Report, Reports};
use super::{Layer, Missing, Quotas};
use crate::limits::Reason;
use crate::{ChildProcess, ControlSocket};

/// The variable by which a child learns what jail it is for. It is taken out of the environment when the jail is entered.
pub(super) const VARIABLE: &str = "ENGINE_JAIL";
/// The user that a cell of root's engine runs as: `nobody`.
pub(super) const NOBODY: u32 = 65534;
/// The most that is read of a child's output at once, in bytes.
const OUTPUT_AT_ONCE: usize = 64 << 10;

/// What a cell's process may have and do.
#[derive(Debug, Clone, Default)]
pub struct Jail {
    quotas: Quotas,
    is_full: bool,
}

impl Jail {
    /// Returns the jail with these quotas, which leaves out what the machine refuses.
    #[must_use]
    pub fn new(quotas: Quotas) -> Self {
        Self { quotas, is_full: false }
    }

    /// Returns it with other quotas.
    #[must_use]
    pub fn with_quotas(mut self, quotas: Quotas) -> Self {
        self.quotas = quotas;
        self
    }

    /// Refuses to start or go on where a layer is missing that has no stand-in (`--require-sandbox`).
    #[must_use]
    pub fn require_full(mut self) -> Self {
        self.is_full = true;
        self
    }

    /// Runs the running executable again with `args`, only the variables of `env`, `control` (the child's end) at
    /// [`CONTROL_FD`](crate::CONTROL_FD), and nothing else of this process: no descriptor, no terminal, no user, none of its namespaces.
    ///
    /// The child must call [`Inmate::inherited`](super::Inmate::inherited) and go through the stages. The kernel ends it with the *thread* that
    /// called this, so call it from one that lives as long as the child should.
    ///
    /// # Errors
    /// [`JailSpawnError`] with the kernel's reason, or what is missing of a full jail.
    pub fn spawn<A: AsRef<OsStr>>(
        &self,
        args: &[A],
        env: &[(OsString, OsString)],
        control: ControlSocket,
    ) -> Result<Jailed, JailSpawnError> {
        let own = |e: io::Error| JailSpawnError::Descriptor(e);
        let (reports, their_reports) = ControlSocket::pair().map_err(|e| own(io::Error::other(e)))?;
        // The child's end does not wait: what nobody reads is lost, and the cell goes on.
        let (output, their_output) =
            pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(|e| own(e.into()))?;
        rustix::io::ioctl_fionbio(their_reports.as_fd(), true).map_err(|e| own(e.into()))?;
        let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, rustix::fs::Mode::empty());
        let null = null.map_err(|e| own(e.into()))?;
        let high_output = || high(&their_output).map_err(own);
        let mut plan = Launch {
            arguments: std::iter::once(Ok(own_name()))
                .chain(args.iter().map(|a| CString::new(a.as_ref().as_bytes())))
                .collect::<Result<_, _>>()
                .map_err(|e| JailSpawnError::Exec(e.into()))?,
            environment: Vec::new(),
            descriptors: [
                high(&null).map_err(own)?,
                high_output()?,
                high_output()?,
                high(control.as_fd()).map_err(own)?,
                high(their_reports.as_fd()).map_err(own)?,
            ],
            namespaces: 0,
            outside: outside(),
        };
        drop((control, their_reports, their_output, null));

        let mut first_refusal = None;
        for attempt in [all_namespaces, usable_namespaces, no_namespaces] {
            let namespaces = attempt();
            if first_refusal.is_some() && namespaces == plan.namespaces {
                continue;
            }
            plan.namespaces = namespaces;
            let missing = self.missing(&plan, first_refusal.as_ref());
            if self.is_full && missing.iter().any(|m| m.layer.is_wall()) {
                return Err(JailSpawnError::NotFull(missing));
            }
            plan.environment =
                self.environment(env, &plan, &missing).map_err(|e| JailSpawnError::Exec(e.into()))?;
            match launch(&plan) {
                Ok(launched) => {
                    let is_first = namespaces & libc::CLONE_NEWPID != 0;
                    let child = ChildProcess::jailed(launched.pid, launched.pidfd, is_first);
                    let (group, refused) = Group::around(&child, &self.quotas);
                    return Ok(Jailed {
                        child,
                        group,
                        reports: Reports::new(reports),
                        output,
                        outside: refused,
                    });
                }
                Err(LaunchError::Exec(error)) => return Err(JailSpawnError::Exec(error)),
                Err(LaunchError::Namespaces(error)) => {
                    first_refusal.get_or_insert(error);
                }
            }
        }
        Err(JailSpawnError::Exec(first_refusal.unwrap_or_else(|| io::Error::other("no attempt was made"))))
    }

    /// Returns what is missing before the child runs.
    fn missing(&self, plan: &Launch, refusal: Option<&io::Error>) -> Vec<Missing> {
        let why = refusal.map_or_else(|| "not tried".to_owned(), io::Error::to_string);
        let lost = NAMESPACES.iter().filter(|(_, flag)| plan.namespaces & flag == 0);
        let mut missing: Vec<Missing> = lost.map(|(layer, _)| Missing::new(*layer, &why)).collect();
        if plan.namespaces & libc::CLONE_NEWUSER != 0 && plan.outside.0 == 0 {
            missing.push(Missing::new(Layer::OwnUser, "only root may execute the engine's executable"));
        }
        missing
    }

    fn environment(
        &self,
        env: &[(OsString, OsString)],
        plan: &Launch,
        missing: &[Missing],
    ) -> Result<Vec<CString>, std::ffi::NulError> {
        let mut policy =
            format!("{VARIABLE}={}\n{} {}", self.quotas.encode(), u8::from(self.is_full), plan.namespaces);
        for m in missing {
            policy.push('\n');
            policy.push_str(&m.encode());
        }
        let given = env.iter().map(|(k, v)| [k.as_bytes(), b"=", v.as_bytes()].concat());
        given.chain([policy.into_bytes()]).map(CString::new).collect()
    }
}

fn own_name() -> CString {
    let name = std::env::args_os().next().unwrap_or_default();
    CString::new(name.as_bytes()).unwrap_or_default()
}

/// Returns who the child is outside of its user namespace: root's cells are nobody.
fn outside() -> (u32, u32) {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    let executable_by_all = || std::fs::metadata("/proc/self/exe").is_ok_and(|m| m.mode() & 0o001 != 0);
    if uid.is_root() && executable_by_all() { (NOBODY, NOBODY) } else { (uid.as_raw(), gid.as_raw()) }
}

fn all_namespaces() -> c_int {
    NAMESPACES.iter().fold(0, |all, (_, flag)| all | flag)
}

/// Returns those that this machine gives. Found out once, unless a trial ended without the kernel's word.
fn usable_namespaces() -> c_int {
    static USABLE: OnceLock<c_int> = OnceLock::new();
    if let Some(usable) = USABLE.get() {
        return *usable;
    }
    let (usable, is_certain) = usable_by(|namespaces| try_namespaces(namespaces, false));
    if is_certain { *USABLE.get_or_init(|| usable) } else { usable }
}

/// Returns those that `try_them` gives, and whether each answer is one that stays: no process, say, may be had later.
fn usable_by(try_them: impl Fn(c_int) -> io::Result<()>) -> (c_int, bool) {
    let mut is_certain = true;
    let mut gives = |namespaces| {
        try_them(namespaces)
            .map_err(|error| is_certain &= matches!(LaunchError::of(error), LaunchError::Namespaces(_)))
            .is_ok()
    };
    let user = libc::CLONE_NEWUSER;
    // Without a user namespace only root may have the others.
    let base = if gives(user) { user } else { 0 };
    let usable =
        NAMESPACES.iter().filter(|(_, flag)| gives(base | flag)).fold(base, |all, (_, flag)| all | flag);
    (usable, is_certain)
}

fn no_namespaces() -> c_int {
    0
}

/// A child in its jail. Dropping it kills it, waits for its end and removes its control group.
#[derive(Debug)]
pub struct Jailed {
    // Before the group, which can be removed when it is empty.
    child: ChildProcess,
    group: Group,
    reports: Reports,
    output: OwnedFd,
    outside: Vec<Missing>,
}

impl Jailed {
    /// Returns the process.
    #[must_use]
    pub fn process(&self) -> &ChildProcess {
        &self.child
    }

    /// Returns the process, to ask whether it has ended.
    pub fn process_mut(&mut self) -> &mut ChildProcess {
        &mut self.child
    }

    /// Takes what the child's jail has reported since the last call, without waiting. To be called often enough that the socket does not fill
    /// up (some 200 reports): what does not fit is lost.
    pub fn take_reports(&mut self) -> Report {
        let mut report = self.reports.take();
        if let Some(missing) = &mut report.entered {
            missing.append(&mut self.outside);
        }
        report
    }

    /// Appends to `out` what the child has written to its standard output and error, without waiting; at most 64 KiB. From the cell: any bytes.
    /// What nobody reads is lost when the pipe is full, so call it often.
    pub fn take_output(&mut self, out: &mut Vec<u8>) {
        let mut piece = [0; 4096];
        for _ in 0..OUTPUT_AT_ONCE / piece.len() {
            match rustix::io::read(&self.output, &mut piece) {
                Ok(n) if n > 0 => out.extend_from_slice(&piece[..n]),
                _ => break,
            }
        }
    }

    /// Returns the descriptor that is readable when there is output, for waiting on several.
    pub fn output_fd(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    /// Returns whether it was stopped for taking more memory than its control group may hold.
    #[must_use]
    pub fn ran_out_of_memory(&self) -> bool {
        self.group.ran_out_of_memory()
    }

    /// Returns whether [`take_output`](Self::take_output) would find something.
    #[must_use]
    pub fn has_output(&self) -> bool {
        is_readable(&self.output)
    }
}

/// Why a child was not started.
#[derive(Debug, Error)]
pub enum JailSpawnError {
    /// No descriptors for it.
    #[error("cannot start a cell's process: no file descriptors for it: {}", Reason(.0))]
    Descriptor(io::Error),
    /// It could not execute the engine.
    #[error("cannot start a cell's process from the engine's own executable: {}", Reason(.0))]
    Exec(io::Error),
    /// A full jail was required.
    #[error("a full sandbox is required and this machine does not give it: {}", listed(.0))]
    NotFull(Vec<Missing>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_kernel_refuses_is_known_for_good() {
        let refuses = |which: c_int, errno| {
            usable_by(
                move |asked| {
                    if asked & which == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(errno)) }
                },
            )
        };
        let but = |flag: c_int| all_namespaces() & !flag;
        assert_eq!(refuses(0, 0), (all_namespaces(), true));
        assert_eq!(refuses(libc::CLONE_NEWNET, libc::EPERM), (but(libc::CLONE_NEWNET), true));
        assert_eq!(refuses(libc::CLONE_NEWUSER, libc::ENOSPC), (but(libc::CLONE_NEWUSER), true));
        assert_eq!(refuses(libc::CLONE_NEWPID, libc::EAGAIN), (but(libc::CLONE_NEWPID), false));
    }
}
