//! The child's side: going into the jail in two stages.
#![expect(
    unsafe_code,
    reason = "changing the environment, loading system libraries, opening what the library is loaded from"
)]

use std::ffi::{CStr, c_int};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Gid, Signal, Uid, geteuid, set_parent_process_death_signal};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};
use thiserror::Error;

use super::filter::{self, Stage};
use super::layer::listed;
use super::limits::Threads;
use super::spawn::{NOBODY, VARIABLE};
use super::{FIRST_FREE_FD, Layer, Missing, Quotas, REPORT_FD, landlock, limits, report, root, trap};
use crate::fds::CONTROL_FD;

/// The only variable that stays: it changes what a panic prints.
const KEPT_VARIABLE: &str = "RUST_BACKTRACE";
/// What libraries of cells usually need besides what the engine itself has loaded. There is no file to load them from in the jail.
const SYSTEM_LIBRARIES: [&CStr; 5] =
    [c"libm.so.6", c"libgcc_s.so.1", c"libdl.so.2", c"libpthread.so.0", c"librt.so.1"];

/// A child that knows what jail it is for, and is still outside.
#[derive(Debug)]
pub struct Inmate {
    quotas: Quotas,
    is_full: bool,
    namespaces: c_int,
    missing: Vec<Missing>,
}

impl Inmate {
    /// Returns what the engine wants of this process, or none if it was started without a jail. To be called first in `main`, in place of
    /// [`bind_to_parent`](crate::bind_to_parent).
    ///
    /// # Errors
    /// [`JailError::Policy`] if it cannot be read.
    pub fn inherited() -> Result<Option<Self>, JailError> {
        let Some(text) = std::env::var_os(VARIABLE) else {
            return Ok(None);
        };
        let inmate = text.to_str().and_then(Self::decode);
        inmate.map(Some).ok_or(JailError::Policy)
    }

    fn decode(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let quotas = Quotas::decode(lines.next()?)?;
        let (full, namespaces) = lines.next()?.split_once(' ')?;
        let missing = lines.map(Missing::decode).collect::<Option<_>>()?;
        Some(Self { quotas, is_full: full == "1", namespaces: namespaces.parse().ok()?, missing })
    }

    /// Stage 1: goes into the jail with `library`, the cell's file, opened for reading: a file that nobody else changes, whose memory all cells of
    /// one build share; or sealed memory, which nobody can change. Keeps the descriptors of `keep` open besides the standard streams and the control socket. Afterwards the library can be loaded from
    /// [`Entered::library`], with no dependency that this process has not loaded already, and the usual system libraries.
    ///
    /// This stage is what holds a hostile library: its constructors, or the dynamic linker misled by its tables, run code from here on and need
    /// not return. Stage 2 keeps a cell that was honest when it was loaded from being turned into something else.
    ///
    /// To be called before there is a second thread. On an error the process must end.
    ///
    /// # Errors
    /// [`JailError`]: the engine is gone, something is wrong with this process, or (if a full jail is required) layers are missing.
    pub fn enter(self, library: OwnedFd, keep: &[BorrowedFd<'_>]) -> Result<Entered, JailError> {
        let Self { quotas, is_full, namespaces, mut missing } = self;
        let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
        if threads != 1 {
            return Err(JailError::Threads(threads));
        }
        for name in SYSTEM_LIBRARIES {
            // SAFETY: system libraries, whose constructors are trusted as those of the engine's own dependencies. One that is not there
            // stays away.
            unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        }
        let mut note = |layer, result: io::Result<()>| {
            result.map_err(|error| missing.push(Missing::new(layer, error))).is_ok()
        };
        note(Layer::NoNewPrivileges, set_no_new_privs(true).map_err(Into::into));
        let has_user = namespaces & libc::CLONE_NEWUSER != 0;
        let has_root = namespaces & libc::CLONE_NEWNS != 0;
        let has_root = has_root && note(Layer::EmptyRoot, root::enter(library.as_fd()));
        if !has_user && geteuid().is_root() {
            note(Layer::OwnUser, become_nobody());
        }
        note(Layer::NoCapabilities, drop_capabilities());
        // Again: a change of user or capabilities forgets it.
        note(Layer::DeathSignal, set_parent_process_death_signal(Some(Signal::KILL)).map_err(Into::into));
        if engine_is_gone() {
            return Err(JailError::EngineGone);
        }
        if namespaces & libc::CLONE_NEWNS == 0 {
            missing.push(Missing::new(Layer::EmptyRoot, "no mount namespace"));
        }
        let (path, library) = if has_root {
            drop(library);
            let copy = File::open(root::CELL_FILE).map_err(JailError::Library)?;
            (PathBuf::from(root::CELL_FILE), OwnedFd::from(copy))
        } else {
            (PathBuf::from(format!("/proc/self/fd/{}", library.as_raw_fd())), library)
        };
        let mut kept: Vec<RawFd> = keep.iter().map(AsRawFd::as_raw_fd).collect();
        kept.push(library.as_raw_fd());
        if let Err(error) = close_others(kept) {
            missing.push(Missing::new(Layer::ClosedDescriptors, error));
        }
        clear_environment();
        landlock::apply(library.as_fd(), &mut missing);
        let counted = if has_user { Threads::Own } else { Threads::OfTheUser };
        limits::apply(&quotas, counted, &mut missing);
        trap::install(namespaces & libc::CLONE_NEWPID != 0, &path, library).map_err(JailError::Handler)?;
        if let Err(error) = filter::install(Stage::Loading) {
            missing.push(Missing::new(Layer::LoadFilter, error));
        }
        let entered = Entered { path, is_full, missing };
        entered.check()?;
        tell(&entered.missing);
        Ok(entered)
    }
}

/// A process in stage 1: it may load the library and nothing else.
#[derive(Debug)]
pub struct Entered {
    path: PathBuf,
    is_full: bool,
    missing: Vec<Missing>,
}

impl Entered {
    /// Returns where the library is to be loaded from.
    #[must_use]
    pub fn library(&self) -> &Path {
        &self.path
    }

    /// Stage 2: no opening, no new code, for all threads of the process, those included that the library's constructors have started.
    /// Returns the layers that are missing.
    ///
    /// # Errors
    /// [`JailError::NotFull`] if a full jail is required and the kernel refuses the filter. [`JailError::Filter`] if the library's constructors
    /// have left a thread that cannot be put under it. The process must end then.
    pub fn lock(mut self) -> Result<Vec<Missing>, JailError> {
        if let Err(error) = filter::install(Stage::Running) {
            // The first went in, so this one would as well, had nobody meddled.
            if self.missing.iter().all(|m| m.layer != Layer::LoadFilter) {
                return Err(JailError::Filter(error.to_string()));
            }
            self.missing.push(Missing::new(Layer::RunFilter, error));
        }
        self.check()?;
        Ok(self.missing)
    }

    fn check(&self) -> Result<(), JailError> {
        let is_short = self.is_full && self.missing.iter().any(|m| m.layer.is_wall());
        if is_short { Err(JailError::NotFull(self.missing.clone())) } else { Ok(()) }
    }
}

/// Root without a user namespace: becomes a user to whom nothing belongs.
fn become_nobody() -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    Ok(set_thread_res_uid(uid, uid, uid)?)
}

fn drop_capabilities() -> io::Result<()> {
    // Dropping from the bounding set needs a capability itself, which only some have here; without executing anything it is empty air anyway.
    for n in 0..64 {
        // SAFETY: a number to the kernel; it refuses those it does not know.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, n) };
    }
    let none = CapabilitySet::empty();
    Ok(set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?)
}

/// Returns whether the other end of the control socket is closed. Its number as a parent says nothing from within a pid namespace.
fn engine_is_gone() -> bool {
    // SAFETY: the number is only asked about; if nothing is open there, the kernel says so.
    let control = unsafe { BorrowedFd::borrow_raw(CONTROL_FD) };
    let mut fds = [PollFd::from_borrowed_fd(control, PollFlags::IN)];
    let asked = poll(&mut fds, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }));
    asked.is_err() || fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
}

/// Closes all descriptors but the first five and `kept`.
fn close_others(mut kept: Vec<RawFd>) -> io::Result<()> {
    kept.sort_unstable();
    let mut from = FIRST_FREE_FD;
    let ends = kept.iter().map(|fd| fd.cast_unsigned()).filter(|fd| *fd >= FIRST_FREE_FD);
    for end in ends.map(Some).chain([None]) {
        let last = end.map_or(u32::MAX, |e| e - 1);
        // SAFETY: whoever owns one of these in this process was to name it in `keep`; their numbers are used by nobody else afterwards.
        if from <= last && unsafe { libc::close_range(from, last, 0) } < 0 {
            return Err(io::Error::last_os_error());
        }
        from = end.map_or(u32::MAX, |e| e + 1);
    }
    Ok(())
}

fn clear_environment() {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name != KEPT_VARIABLE) {
        // SAFETY: there is no other thread, as `enter` has checked.
        unsafe { std::env::remove_var(name) };
    }
}

/// Tells the engine what is missing. If it does not listen, it is told less.
fn tell(missing: &[Missing]) {
    // SAFETY: it is open for as long as this process lives, unless the engine did not open it; then the kernel says so.
    let reports = unsafe { BorrowedFd::borrow_raw(REPORT_FD) };
    let _ = rustix::io::write(reports, &report::entered(missing));
}

/// Why a process is not in its jail. It must end.
#[derive(Debug, Error)]
pub enum JailError {
    /// The environment does not hold a jail's description.
    #[error(
        "the description of the sandbox cannot be read; a cell's process is started by the engine, not by hand"
    )]
    Policy,
    /// There are more threads than one.
    #[error("the sandbox must be entered before there are threads; there are {0}")]
    Threads(usize),
    /// The engine has ended.
    #[error("the engine that started this process has ended")]
    EngineGone,
    /// The library's copy cannot be read.
    #[error("the cell's library cannot be opened in the sandbox: {0}")]
    Library(io::Error),
    /// A signal handler was refused.
    #[error("cannot install the sandbox's signal handlers: {0}")]
    Handler(io::Error),
    /// The second filter was refused.
    #[error("the cell's constructors have left a thread that cannot be put under the call filter: {0}")]
    Filter(String),
    /// A full jail was required.
    #[error("a full sandbox is required and this machine does not give it: {}", listed(.0))]
    NotFull(Vec<Missing>),
}
