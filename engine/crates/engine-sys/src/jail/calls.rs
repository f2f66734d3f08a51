//! The system calls by name: what runs free, what is looked at, and what the refused ones are called.

use libc::c_long;

macro_rules! table {
    ($($name:ident)*) => { &[$((libc::$name, stringify!($name))),*] };
}

/// Calls that only concern this process and what it holds already. No path, no address, no other process.
pub(super) const FREE: &[(c_long, &str)] = table! {
    SYS_read SYS_readv SYS_pread64 SYS_write SYS_writev SYS_pwrite64 SYS_lseek SYS_fstat
    SYS_munmap SYS_mremap SYS_madvise SYS_brk SYS_msync SYS_mincore SYS_membarrier SYS_mlock SYS_munlock
    SYS_rt_sigprocmask SYS_rt_sigreturn SYS_rt_sigpending SYS_rt_sigtimedwait SYS_sigaltstack SYS_pause SYS_restart_syscall
    SYS_futex SYS_futex_waitv SYS_set_robust_list SYS_set_tid_address SYS_rseq
    SYS_sched_yield SYS_sched_getaffinity SYS_sched_getparam SYS_sched_getscheduler SYS_getpriority SYS_getcpu
    SYS_nanosleep SYS_clock_nanosleep SYS_clock_gettime SYS_clock_getres SYS_gettimeofday SYS_time SYS_times SYS_getrusage
    SYS_getpid SYS_gettid SYS_getppid SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_uname SYS_sysinfo SYS_getrandom
    SYS_exit SYS_exit_group
    SYS_poll SYS_ppoll SYS_select SYS_pselect6 SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_wait SYS_epoll_pwait SYS_epoll_pwait2
    SYS_eventfd2 SYS_pipe2 SYS_timerfd_create SYS_timerfd_settime SYS_timerfd_gettime SYS_dup
    SYS_sendmsg SYS_sendto SYS_recvmsg SYS_recvfrom SYS_getsockopt
    // Answered ENOSYS by a filter of their own, so that callers take the older call.
    SYS_clone3
};

/// Calls that the dynamic linker makes, besides opening and mapping: only until the library is loaded.
pub(super) const LOADING: &[(c_long, &str)] = table! {
    SYS_stat SYS_lstat SYS_newfstatat SYS_statx SYS_access SYS_faccessat SYS_faccessat2 SYS_readlink SYS_readlinkat SYS_getcwd SYS_getdents64
};

/// Calls with a path: the report shows it. The number is that of the argument.
const WITH_PATH: &[(c_long, usize)] = &[
    (libc::SYS_open, 0),
    (libc::SYS_creat, 0),
    (libc::SYS_openat, 1),
    (libc::SYS_openat2, 1),
    (libc::SYS_execve, 0),
    (libc::SYS_execveat, 1),
    (libc::SYS_stat, 0),
    (libc::SYS_lstat, 0),
    (libc::SYS_newfstatat, 1),
    (libc::SYS_statx, 1),
    (libc::SYS_access, 0),
    (libc::SYS_faccessat, 1),
    (libc::SYS_faccessat2, 1),
    (libc::SYS_readlink, 0),
    (libc::SYS_readlinkat, 1),
    (libc::SYS_unlink, 0),
    (libc::SYS_unlinkat, 1),
    (libc::SYS_rename, 0),
    (libc::SYS_mkdir, 0),
    (libc::SYS_mkdirat, 1),
    (libc::SYS_chdir, 0),
    (libc::SYS_chmod, 0),
    (libc::SYS_memfd_create, 0),
];

/// Names of calls that are refused always. What is in no table is refused too, and shown by its number.
const REFUSED: &[(c_long, &str)] = table! {
    SYS_open SYS_openat SYS_openat2 SYS_creat SYS_rename SYS_mkdir SYS_mkdirat SYS_unlink SYS_unlinkat SYS_chdir SYS_fchdir SYS_chroot SYS_chmod
    SYS_fchmod SYS_ftruncate SYS_truncate SYS_fallocate SYS_name_to_handle_at SYS_inotify_init1
    SYS_socket SYS_socketpair SYS_connect SYS_bind SYS_listen SYS_accept SYS_accept4 SYS_setsockopt SYS_shutdown
    SYS_execve SYS_fork SYS_vfork SYS_clone SYS_wait4 SYS_waitid SYS_setsid SYS_setpgid SYS_kill SYS_tkill SYS_tgkill
    SYS_rt_sigqueueinfo SYS_rt_tgsigqueueinfo SYS_pidfd_open SYS_pidfd_send_signal SYS_rt_sigaction
    SYS_mmap SYS_mprotect SYS_memfd_create SYS_remap_file_pages SYS_shmget SYS_shmat SYS_msgget SYS_semget SYS_mbind
    SYS_close SYS_close_range SYS_dup2 SYS_dup3 SYS_fcntl SYS_ioctl SYS_prctl SYS_arch_prctl SYS_prlimit64 SYS_setrlimit SYS_setpriority
    SYS_sched_setaffinity SYS_sched_setscheduler SYS_sched_setattr SYS_setuid SYS_setgid SYS_setresuid SYS_setresgid SYS_capset
    SYS_splice SYS_tee SYS_vmsplice SYS_sendfile SYS_copy_file_range
};

/// Refused calls that no honest library makes by accident.
const HOSTILE: &[(c_long, &str)] = table! {
    SYS_ptrace SYS_process_vm_readv SYS_process_vm_writev SYS_process_madvise SYS_pidfd_getfd SYS_kcmp
    SYS_userfaultfd SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register SYS_bpf SYS_perf_event_open SYS_seccomp SYS_personality
    SYS_keyctl SYS_add_key SYS_request_key SYS_execveat SYS_open_by_handle_at SYS_fanotify_init SYS_modify_ldt SYS_iopl SYS_ioperm
    SYS_mount SYS_umount2 SYS_pivot_root SYS_unshare SYS_setns SYS_fsopen SYS_open_tree SYS_move_mount SYS_mount_setattr
    SYS_init_module SYS_finit_module SYS_delete_module SYS_kexec_load SYS_kexec_file_load SYS_reboot SYS_swapon SYS_acct SYS_quotactl
    SYS_sethostname SYS_setdomainname SYS_settimeofday SYS_clock_settime SYS_adjtimex SYS_syslog
};

/// Returns the call's name without its prefix.
pub(super) fn name(number: c_long) -> Option<&'static str> {
    let all = [REFUSED, HOSTILE, LOADING, FREE];
    let found = all.iter().flat_map(|t| t.iter()).find(|(n, _)| *n == number)?;
    found.1.strip_prefix("SYS_")
}

/// Returns whether only code that looks for a way out makes this call.
pub(super) fn is_hostile(number: c_long) -> bool {
    HOSTILE.iter().any(|(n, _)| *n == number)
}

/// Returns which argument of the call is a path.
pub(super) fn path_argument(number: c_long) -> Option<usize> {
    WITH_PATH.iter().find(|(n, _)| *n == number).map(|(_, i)| *i)
}
