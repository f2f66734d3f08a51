//! Counts the calls that a child makes of the kernel, by tracing it.
#![expect(unsafe_code, reason = "ptrace")]

use std::{
    collections::BTreeMap,
    io::Error,
    sync::atomic::{AtomicU8, Ordering},
};

/// What a child asked of the kernel.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Sleeps on a futex.
    pub(crate) waits: u64,
    /// Wakes of whoever sleeps on a futex.
    pub(crate) wakes: u64,
    /// All other calls, by their numbers.
    pub(crate) others: BTreeMap<u64, u64>,
}

/// `PTRACE_EVENT_STOP`, which the crate `libc` does not name for this C library.
const EVENT_STOP: i32 = 128;

const START: u8 = 0;
const COUNT: u8 = 1;
const END: u8 = 2;

/// Returns the calls that all threads of the child `pid` make while `run` runs.
pub(crate) fn count(pid: u32, run: impl FnOnce()) -> Counts {
    /// Ends the tracing, also when `run` panics.
    struct End<'a>(&'a AtomicU8, u32);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(END, Ordering::Release);
            // It does nothing but wake the tracer, which sees each signal first.
            crate::system::signal(self.1, "CONT");
        }
    }
    let state = AtomicU8::new(START);
    std::thread::scope(|scope| {
        let end = End(&state, pid);
        let tracer = scope.spawn(|| trace(pid, &state));
        while state.load(Ordering::Acquire) == START && !tracer.is_finished() {
            std::thread::yield_now();
        }
        if !tracer.is_finished() {
            run();
        }
        drop(end);
        tracer.join().unwrap()
    })
}

/// The tracing is that thread's which begins it, so all of it happens here. The kernel lets the child's threads go on
/// untraced when this one ends.
fn trace(pid: u32, state: &AtomicU8) -> Counts {
    let mut threads = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let thread: i32 = task.unwrap().file_name().to_str().unwrap().parse().unwrap();
        let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE;
        ptrace(libc::PTRACE_SEIZE, thread, 0, options as usize).unwrap();
        ptrace(libc::PTRACE_INTERRUPT, thread, 0, 0).unwrap();
        threads += 1;
    }
    let mut counts = Counts::default();
    // All threads must have stopped once before the count begins.
    let mut stopped = 0;
    while let Some((thread, status)) = next_event() {
        if state.load(Ordering::Acquire) == END {
            break;
        }
        if !libc::WIFSTOPPED(status) {
            // That thread has ended.
            continue;
        }
        let signal = libc::WSTOPSIG(status);
        let mut pass_on = 0;
        if signal == libc::SIGTRAP | 0x80 {
            if state.load(Ordering::Relaxed) == COUNT {
                note(thread, &mut counts);
            }
        } else if status >> 16 == EVENT_STOP {
            stopped += 1;
            if stopped == threads {
                state.store(COUNT, Ordering::Release);
            }
        } else if status >> 16 == 0 {
            pass_on = signal;
        }
        ptrace(libc::PTRACE_SYSCALL, thread, 0, pass_on as usize).unwrap();
    }
    counts
}

/// Counts the call that a thread is about to make.
fn note(thread: i32, counts: &mut Counts) {
    // SAFETY: plain numbers, for which zeros are fine.
    let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
    ptrace(libc::PTRACE_GET_SYSCALL_INFO, thread, size_of_val(&info), std::ptr::from_mut(&mut info).addr())
        .unwrap();
    if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return;
    }
    // SAFETY: `op` says which of the union's fields was filled.
    let entry = unsafe { info.u.entry };
    if entry.nr == libc::SYS_restart_syscall.cast_unsigned() {
        // The kernel's own: the sleep that was interrupted at the start goes on.
        return;
    }
    let futex = entry.nr == libc::SYS_futex.cast_unsigned();
    match entry.args[1] as i32 & libc::FUTEX_CMD_MASK {
        libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET if futex => counts.waits += 1,
        libc::FUTEX_WAKE if futex => counts.wakes += 1,
        _ => *counts.others.entry(entry.nr).or_default() += 1,
    }
}

/// Waits until one of the threads has stopped or ended; none is left to wait for at the child's end.
fn next_event() -> Option<(i32, i32)> {
    let mut status = 0;
    // Of this thread's tracees only: other children are others' to wait for.
    let flags = libc::__WALL | libc::__WNOTHREAD;
    // SAFETY: `status` is ours.
    let thread = unsafe { libc::waitpid(-1, &raw mut status, flags) };
    (thread > 0).then_some((thread, status))
}

fn ptrace(request: libc::c_uint, thread: i32, address: usize, data: usize) -> Result<(), Error> {
    // SAFETY: the requests used here write nothing into this process but the system call's description, into the
    // structure whose size and address are given.
    let done = unsafe { libc::ptrace(request, thread, address, data) };
    if done < 0 { Err(Error::last_os_error()) } else { Ok(()) }
}
