//! What this machine offers to the jail, for `engine doctor`.

use std::ffi::c_long;
use std::fmt;
use std::io;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use super::Layer;
use super::group::{Place, places};
use super::launch::{NAMESPACES, try_namespaces};

/// Whether something is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// Yes, and what is worth knowing about it (or nothing).
    Yes(String),
    /// No, and what the machine said.
    No(String),
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked for.
    pub what: &'static str,
    /// Whether it is there.
    pub offer: Offer,
    /// What its absence means for the user.
    pub without: &'static str,
    /// How to get it.
    pub how: &'static str,
    /// The full jail needs it.
    pub is_needed: bool,
}

/// What this machine offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// All lines, the outermost layer first.
    pub findings: Vec<Finding>,
}

impl Probe {
    /// Returns whether the full jail is to be had (`--require-sandbox`).
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.lacks().is_empty()
    }

    /// Returns what is missing of the full jail, each with the machine's words; empty when it is to be had.
    #[must_use]
    pub fn lacks(&self) -> String {
        let lack = |f: &Finding| match &f.offer {
            Offer::No(why) if f.is_needed => Some(format!("{} ({why})", f.what)),
            _ => None,
        };
        let all: Vec<String> = self.findings.iter().filter_map(lack).collect();
        all.join(", ")
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let Finding { what, offer, without, how, is_needed } = finding;
            match offer {
                Offer::Yes(detail) if detail.is_empty() => writeln!(f, "  yes  {what}")?,
                Offer::Yes(detail) => writeln!(f, "  yes  {what}: {detail}")?,
                Offer::No(why) => {
                    let mark = if *is_needed { "NO " } else { "no " };
                    writeln!(
                        f,
                        "  {mark}  {what} ({why})\n         without it {without}\n         to get it: {how}"
                    )?;
                }
            }
        }
        let sentence = if self.is_full() {
            "Cells in processes run in the full sandbox."
        } else {
            "Cells in processes run in what there is of the sandbox; --require-sandbox refuses to."
        };
        writeln!(f, "{sentence}")
    }
}

/// Looks at the machine. Starts a few processes that end at once, and changes nothing.
#[must_use]
pub fn probe() -> Probe {
    let mut findings = Vec::new();
    let mut add = |what, offer: io::Result<String>, layer: Layer| {
        let offer = offer.map_or_else(|e| Offer::No(e.to_string()), Offer::Yes);
        let (without, how) = (layer.without(), layer.how());
        findings.push(Finding { what, offer, without, how, is_needed: layer.is_wall() });
    };
    let plain = |r: io::Result<()>| r.map(|()| String::new());
    let user = libc::CLONE_NEWUSER;
    let base = if try_namespaces(user, false).is_ok() { user } else { 0 };
    for (layer, flag) in NAMESPACES {
        add(layer.title(), plain(try_namespaces(base | flag, false)), layer);
    }
    add(Layer::EmptyRoot.title(), plain(try_namespaces(base | libc::CLONE_NEWNS, true)), Layer::EmptyRoot);
    add(Layer::Landlock.title(), landlock_version(), Layer::Landlock);
    add("seccomp with traps", plain(traps()), Layer::RunFilter);
    add(
        "close_range with CLOSE_RANGE_CLOEXEC",
        // As the jail asks it, of descriptors that are not there.
        call(libc::SYS_close_range, [u32::MAX.into(), u32::MAX.into(), libc::CLOSE_RANGE_CLOEXEC.into()])
            .map(|_| String::new()),
        Layer::ClosedDescriptors,
    );
    for (layer, place) in places() {
        let place = place.as_ref().map(describe).map_err(|why| io::Error::other(why.clone()));
        add(layer.title(), place, *layer);
    }
    findings.extend([pidfd(), sealed_memory(), clone3()]);
    Probe { findings }
}

fn describe(place: &Place) -> String {
    match place {
        Place::Old(dir) => format!("version 1, below {}", dir.display()),
        Place::Unified(dir) => format!("version 2, below {}", dir.display()),
    }
}

fn pidfd() -> Finding {
    let offer = match pidfd_open(getpid(), PidfdFlags::empty()) {
        Ok(_) => Offer::Yes(String::new()),
        Err(error) => Offer::No(error.to_string()),
    };
    Finding {
        what: "pidfd",
        offer,
        without: "no cell can run in a process of its own",
        how: "a Linux kernel from 5.4 on",
        is_needed: true,
    }
}

fn sealed_memory() -> Finding {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL;
    Finding {
        what: "shared memory that is no program (MFD_NOEXEC_SEAL)",
        offer: match memfd_create("probe", flags) {
            Ok(_) => Offer::Yes(String::new()),
            Err(error) => Offer::No(error.to_string()),
        },
        without: "only the call filter keeps a cell from executing shared memory as a program",
        how: "a Linux kernel from 6.3 on",
        is_needed: false,
    }
}

fn clone3() -> Finding {
    Finding {
        what: "clone3",
        offer: match known(libc::SYS_clone3, [0, 0, 0]) {
            Ok(()) => Offer::Yes("answered ENOSYS inside the sandbox".to_owned()),
            Err(error) => Offer::No(error.to_string()),
        },
        without: "nothing changes: threads are started by clone",
        how: "a Linux kernel from 5.3 on",
        is_needed: false,
    }
}

fn landlock_version() -> io::Result<String> {
    const ONLY_THE_VERSION: c_long = 1;
    let version = call(libc::SYS_landlock_create_ruleset, [0, 0, ONLY_THE_VERSION])?;
    Ok(format!("version {version}"))
}

fn traps() -> io::Result<()> {
    let wanted = libc::SECCOMP_RET_TRAP;
    let pointer = (&raw const wanted).expose_provenance() as c_long;
    call(libc::SYS_seccomp, [libc::SECCOMP_GET_ACTION_AVAIL.into(), 0, pointer]).map(drop)
}

/// Whether the kernel knows a call, asked with arguments that it must refuse or that do nothing.
fn known(number: c_long, arguments: [c_long; 3]) -> io::Result<()> {
    match call(number, arguments) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => Err(error),
        _ => Ok(()),
    }
}

#[expect(unsafe_code, reason = "system calls that have no wrapper")]
fn call(number: c_long, [a, b, c]: [c_long; 3]) -> io::Result<c_long> {
    // SAFETY: only called above, with calls that read at most what their arguments point to, which lives for the call.
    match unsafe { libc::syscall(number, a, b, c) } {
        ..0 => Err(io::Error::last_os_error()),
        n => Ok(n),
    }
}
