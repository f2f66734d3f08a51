//! The child's handlers: a forbidden call is reported and answered `EPERM`; `abort` ends a process that has the number 1.
//!
//! One file can be opened still, though not by the kernel: whoever opens the cell's own library for reading gets a copy of the descriptor that
//! was opened in time. That is how a panic's backtrace finds its names and lines.
#![expect(unsafe_code, reason = "signal handlers and the registers they find")]

use std::ffi::{CString, c_char, c_int, c_long, c_void};
use std::io;
use std::mem::{MaybeUninit, offset_of};
use std::os::fd::{IntoRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

use super::{REPORT_FD, calls, report};

/// The exit code that means `abort`: the kernel ignores signals which the first process of a pid namespace sends itself.
pub(crate) const ABORTED: i32 = 128 + libc::SIGABRT;

/// What the kernel tells a SIGSYS handler (`siginfo_t`, `_sigsys`).
#[repr(C)]
struct SysInfo {
    signal: c_int,
    errno: c_int,
    code: c_int,
    padding: c_int,
    address: *mut c_void,
    call: c_int,
    arch: u32,
}

/// The registers that hold a call's arguments.
const ARGUMENTS: [c_int; 3] = [libc::REG_RDI, libc::REG_RSI, libc::REG_RDX];

const _: () =
    assert!(offset_of!(SysInfo, call) == 24 && size_of::<SysInfo>() <= size_of::<libc::siginfo_t>());

/// The cell's library: where it is loaded from, and its descriptor.
static LIBRARY: OnceLock<(CString, RawFd)> = OnceLock::new();

/// Installs the handlers. `is_first`: this process is the first of its pid namespace. `path` stays readable, as `library`.
pub(super) fn install(is_first: bool, path: &Path, library: OwnedFd) -> io::Result<()> {
    LIBRARY.get_or_init(|| {
        (CString::new(path.as_os_str().as_bytes()).unwrap_or_default(), library.into_raw_fd())
    });
    let on_forbidden: extern "C" fn(c_int, *mut SysInfo, *mut c_void) = on_forbidden;
    handle(libc::SIGSYS, on_forbidden as usize, libc::SA_SIGINFO)?;
    // A file that may not grow is an error to whoever writes it, not the end.
    handle(libc::SIGXFSZ, libc::SIG_IGN, 0)?;
    if is_first {
        let on_abort: extern "C" fn(c_int) = on_abort;
        handle(libc::SIGABRT, on_abort as usize, 0)?;
    }
    Ok(())
}

fn handle(signal: c_int, action: usize, flags: c_int) -> io::Result<()> {
    // SAFETY: all-zero is a valid `sigaction` (no flags, nothing masked).
    let mut new: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    new.sa_sigaction = action;
    new.sa_flags = flags;
    // SAFETY: the handlers make system calls only and touch nothing that they might have interrupted.
    if unsafe { libc::sigaction(signal, &raw const new, std::ptr::null_mut()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

extern "C" fn on_abort(_: c_int) {
    // SAFETY: ends the process without running anything of it.
    unsafe { libc::_exit(ABORTED) }
}

extern "C" fn on_forbidden(_: c_int, info: *mut SysInfo, context: *mut c_void) {
    // SAFETY: the kernel passes a `siginfo_t` of SIGSYS and a `ucontext_t` that are this handler's for its duration. A cell that sends itself
    // such a signal gets them likewise; what is in them is only reported.
    let (call, registers) = unsafe {
        let context = context.cast::<libc::ucontext_t>();
        (c_long::from((*info).call), &mut (*context).uc_mcontext.gregs)
    };
    let argument = |index: usize| registers[ARGUMENTS[index] as usize];
    let path = calls::path_argument(call).map_or(0, |index| argument(index).cast_unsigned());
    let flags = match call {
        libc::SYS_open => Some(argument(1)),
        libc::SYS_openat => Some(argument(2)),
        _ => None,
    };
    let writes = i64::from(libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC);
    let reads = flags.is_some_and(|f| f & writes == 0);
    // SAFETY: the path is what the cell passed as one. If it leads nowhere, it is the cell's fault and ends the cell.
    let copy = if reads { unsafe { open_library(path as *const c_char) } } else { None };
    if copy.is_none() {
        send(call, path);
    }
    registers[libc::REG_RAX as usize] = copy.map_or(-i64::from(libc::EPERM), i64::from);
}

/// Returns a new descriptor of the library if `path` is its path.
///
/// # Safety
/// `path` must be null or a string that ends.
unsafe fn open_library(path: *const c_char) -> Option<RawFd> {
    let (own, fd) = LIBRARY.get()?;
    if path.is_null() {
        return None;
    }
    for (at, byte) in own.as_bytes_with_nul().iter().enumerate() {
        // SAFETY: all bytes before were those of `own`, none of them the end.
        if unsafe { path.add(at).read_volatile() }.cast_unsigned() != *byte {
            return None;
        }
    }
    // SAFETY: plain calls; `errno` is put back, as the interrupted code may be about to read it.
    let copy = unsafe {
        let before = *libc::__errno_location();
        let copy = libc::fcntl(*fd, libc::F_DUPFD_CLOEXEC, 0);
        *libc::__errno_location() = before;
        copy
    };
    (copy >= 0).then_some(copy)
}

/// Sends a report. A pointer that leads nowhere is the kernel's to find out (`EFAULT`): then the report goes with what lies on the
/// path's first page, which is all of it unless it crosses into the next, or without a path.
fn send(call: c_long, path: u64) {
    let head = report::head(call);
    let on_its_page = report::MAX_PATH.min(4096 - (path as usize & 4095));
    let lengths: &[usize] = if path == 0 { &[0] } else { &[report::MAX_PATH, on_its_page, 0] };
    let part = |base: *const c_void, len| libc::iovec { iov_base: base.cast_mut(), iov_len: len };
    // SAFETY: the head is readable; the path is only looked at by the kernel, which checks it. `errno` is not touched: raw calls keep the result.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        for len in lengths {
            let both = [part(head.as_ptr().cast(), head.len()), part(path as *const c_void, *len)];
            if libc::writev(REPORT_FD, both.as_ptr(), 2) >= 0 || *errno != libc::EFAULT {
                break;
            }
        }
        *errno = before;
    }
}
