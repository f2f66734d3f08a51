//! The two system call filters: lists of what is allowed; everything else traps.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads,
};

use super::{FIRST_FREE_FD, calls};
use crate::fds::CONTROL_FD;

/// How far the child has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The library and its constructors: files can be opened for reading and mapped as code.
    Loading,
    /// The cell: no opening, no new code.
    Running,
}

/// Why a filter is not in force.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilterError {
    #[error("the filter cannot be built: {0}")]
    Build(#[from] BackendError),
    #[error(transparent)]
    Install(#[from] seccompiler::Error),
}

/// Puts all threads of this process under the filter of `stage`, for ever. Filters add up; the strictest answer wins.
pub(super) fn install(stage: Stage) -> Result<(), FilterError> {
    if stage == Stage::Loading {
        apply_filter_all_threads(&without_clone3()?)?;
    }
    Ok(apply_filter_all_threads(&program(stage)?)?)
}

/// One condition on an argument. Comparisons of a whole register are 64 bits wide, those of an `int` 32.
fn arg(index: u8, len: Len, op: Op, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(index, len, op, value)
}

/// The bits of `mask` in an argument are `value`.
fn bits(index: u8, mask: i32, value: i32) -> Result<SeccompCondition, BackendError> {
    let (mask, value) = (mask.cast_unsigned(), value.cast_unsigned());
    arg(index, Len::Dword, Op::MaskedEq(mask.into()), value.into())
}

/// An `int` argument is `value`.
fn is(index: u8, value: i32) -> Result<SeccompCondition, BackendError> {
    arg(index, Len::Dword, Op::Eq, value.cast_unsigned().into())
}

struct Rules(BTreeMap<c_long, Vec<SeccompRule>>);

impl Rules {
    /// Allows a call when all of `conditions` hold, besides what was allowed before.
    fn allow<const N: usize>(
        &mut self,
        call: c_long,
        conditions: [Result<SeccompCondition, BackendError>; N],
    ) -> Result<(), BackendError> {
        let all = conditions.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.0.entry(call).or_default().push(SeccompRule::new(all)?);
        Ok(())
    }
}

fn program(stage: Stage) -> Result<BpfProgram, BackendError> {
    let mut rules = Rules(calls::FREE.iter().map(|(n, _)| (*n, Vec::new())).collect());
    memory(&mut rules, stage)?;
    threads_and_signals(&mut rules)?;
    descriptors(&mut rules)?;
    if stage == Stage::Loading {
        rules.0.extend(calls::LOADING.iter().map(|(n, _)| (*n, Vec::new())));
        let writes = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC;
        rules.allow(libc::SYS_open, [bits(1, writes, libc::O_RDONLY)])?;
        rules.allow(libc::SYS_openat, [bits(2, writes, libc::O_RDONLY)])?;
        // The second filter has to go in. Filters only ever take away.
        rules.allow(libc::SYS_prctl, [is(0, libc::PR_SET_NO_NEW_PRIVS)])?;
        let tsync = arg(1, Len::Qword, Op::Eq, libc::SECCOMP_FILTER_FLAG_TSYNC)?;
        let set = arg(0, Len::Dword, Op::Eq, libc::SECCOMP_SET_MODE_FILTER.into())?;
        rules.allow(libc::SYS_seccomp, [Ok(set), Ok(tsync)])?;
    } else {
        // `fstat` of today's libc. With an empty root there is no path that could be named instead.
        rules.allow(libc::SYS_newfstatat, [is(3, libc::AT_EMPTY_PATH)])?;
        rules.allow(libc::SYS_statx, [is(2, libc::AT_EMPTY_PATH)])?;
    }
    compile(rules.0, SeccompAction::Trap, SeccompAction::Allow)
}

/// Memory that is never code, unless it is being loaded from a file; shared memory only from the engine.
fn memory(rules: &mut Rules, stage: Stage) -> Result<(), BackendError> {
    let (prot, flags) = (2, 3);
    let kind = libc::MAP_TYPE | libc::MAP_ANONYMOUS;
    let no_code = || bits(prot, libc::PROT_EXEC, 0);
    rules.allow(libc::SYS_mmap, [no_code(), bits(flags, kind, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS)])?;
    rules.allow(libc::SYS_mmap, [no_code(), bits(flags, libc::MAP_ANONYMOUS, 0)])?;
    rules.allow(libc::SYS_mprotect, [no_code()])?;
    if stage == Stage::Loading {
        let code = libc::PROT_EXEC | libc::PROT_WRITE;
        rules.allow(
            libc::SYS_mmap,
            [bits(prot, code, libc::PROT_EXEC), bits(flags, kind, libc::MAP_PRIVATE)],
        )?;
    }
    Ok(())
}

fn threads_and_signals(rules: &mut Rules) -> Result<(), BackendError> {
    // A thread shares all of these and lives in no new namespace.
    let thread =
        libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_SIGHAND | libc::CLONE_THREAD;
    let new = libc::CLONE_NEWNS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET;
    rules.allow(libc::SYS_clone, [bits(0, thread | new, thread)])?;
    let own = std::process::id().cast_signed();
    rules.allow(libc::SYS_tgkill, [is(0, own)])?;
    rules.allow(libc::SYS_kill, [is(0, own)])?;
    // The handler by which forbidden calls are reported stays.
    rules.allow(libc::SYS_rt_sigaction, [arg(0, Len::Dword, Op::Ne, libc::SIGSYS as u64)])?;
    // Only asking, and only about itself.
    rules.allow(libc::SYS_prlimit64, [is(0, 0), arg(2, Len::Qword, Op::Eq, 0)])?;
    for what in [libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_SET_VMA] {
        rules.allow(libc::SYS_prctl, [is(0, what)])?;
    }
    // A thread may step back for others; its own number is 0.
    rules.allow(libc::SYS_setpriority, [is(0, libc::PRIO_PROCESS.cast_signed()), is(1, 0)])
}

/// What may be done with open descriptors. The first five stay as they are.
fn descriptors(rules: &mut Rules) -> Result<(), BackendError> {
    let own = |index| arg(index, Len::Dword, Op::Ge, FIRST_FREE_FD.into());
    rules.allow(libc::SYS_close, [own(0)])?;
    rules.allow(libc::SYS_close, [is(0, CONTROL_FD)])?;
    rules.allow(libc::SYS_close_range, [own(0)])?;
    rules.allow(libc::SYS_dup2, [own(1)])?;
    rules.allow(libc::SYS_dup3, [own(1)])?;
    for what in [
        libc::F_DUPFD,
        libc::F_DUPFD_CLOEXEC,
        libc::F_GETFD,
        libc::F_SETFD,
        libc::F_GETFL,
        libc::F_SETFL,
        libc::F_GET_SEALS,
    ] {
        rules.allow(libc::SYS_fcntl, [is(1, what)])?;
    }
    for what in [libc::TCGETS, libc::FIONREAD, libc::FIONBIO, libc::FIOCLEX] {
        rules.allow(libc::SYS_ioctl, [arg(1, Len::Dword, Op::Eq, what)])?;
    }
    Ok(())
}

/// `clone3` takes its flags from memory, where no filter can look: callers are sent to `clone`.
fn without_clone3() -> Result<BpfProgram, BackendError> {
    let rules = [(libc::SYS_clone3, Vec::new())].into();
    compile(rules, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS.cast_unsigned()))
}

fn compile(
    rules: BTreeMap<c_long, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    let here = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, otherwise, matched, here)?.try_into()
}
