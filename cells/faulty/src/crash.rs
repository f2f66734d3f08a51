//! Ways to fail that no entry can catch, which end the process that the cell runs in; and what a sandbox refuses.
#![expect(
    unsafe_code,
    reason = "real faults, and calls that a sandbox must refuse, are what tests are about"
)]

use cell::prelude::*;
use std::{
    ffi::{c_int, c_long},
    os::fd::AsFd as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
};

/// How to fail in `create`, which gets no parameters: after the colon. A test changes these bytes in a copy of the
/// library.
static IN_CREATE: [u8; 40] = *b"the faulty one fails in create: ........";

/// Fails in the way that the library's bytes ask for.
pub(crate) fn fail_in_create() {
    let text = std::str::from_utf8(std::hint::black_box(&IN_CREATE)).expect("it is text");
    fail(text.rsplit(' ').next().unwrap_or_default().trim_end_matches('.'));
}

/// In which entry this build fails, and how. A test changes these bytes in a copy of the library, which is another build.
static BUILT_TO: [u8; 40] = *b"the faulty one was built to: do well....";

fn built_to() -> &'static str {
    let text = std::str::from_utf8(std::hint::black_box(&BUILT_TO)).expect("it is text");
    text.rsplit(": ").next().unwrap_or_default().trim_end_matches('.')
}

/// Returns whether the library's bytes ask for `what`.
pub(crate) fn is_built_to(what: &str) -> bool {
    built_to() == what
}

/// Fails in the way that the library's bytes ask for in this entry.
pub(crate) fn fail_as_built(entry: &str) {
    if let Some((_, how)) = built_to().split_once(' ').filter(|(at, _)| *at == entry) {
        fail(how);
    }
}

/// Fails in the way called `how`; an empty name is none.
pub(crate) fn fail(how: &str) {
    match how {
        "" => {}
        "panic" => panic!("the scene asked for a panic"),
        "hang" => loop {
            std::hint::spin_loop();
        },
        "segv" => bad_write(),
        "leak" => leak(),
        "abort" => std::process::abort(),
        "overflow" => drop(std::hint::black_box(deep(0))),
        "exit" => std::process::exit(0),
        "open" => tell(how, std::fs::File::open("/etc/passwd").map(drop)),
        "write" => tell(how, std::fs::write("faulty-was-here", "a file of the cell")),
        "connect" => tell(how, std::net::TcpStream::connect(("127.0.0.1", 9)).map(drop)),
        "fork" => tell(how, fork_once()),
        "run" => tell(how, std::process::Command::new("/bin/true").status().map(drop)),
        "greedy" => tell(how, Vec::<u8>::new().try_reserve_exact(10 << 30).map_err(std::io::Error::other)),
        "spy" => tell(how, trace_the_first_process()),
        "hoard" => hoard(),
        "threads" => threads(),
        "files" => files(),
        // Done where the slot is: see `scribble`.
        "scribble" => {}
        "print" => write_to_stderr(),
        "memory" => drop(std::hint::black_box(Vec::<u8>::with_capacity(1 << 60))),
        other => panic!("there is no way to fail called `{other}`"),
    }
}

/// Says what came of something that a cell must not do. It goes on.
fn tell(what: &str, result: std::io::Result<()>) {
    match result {
        Ok(()) => error!("{what} was allowed"),
        Err(error) => info!("{what} was denied: {error}"),
    }
}

/// Takes and uses memory until there is no more.
fn hoard() {
    let mut held: Vec<Vec<u8>> = Vec::new();
    let refused = loop {
        let mut block = Vec::new();
        match block.try_reserve_exact(1 << 20) {
            Ok(()) => block.resize(1 << 20, 1),
            Err(error) => break error,
        }
        held.push(block);
    };
    let count = held.len();
    drop(held);
    info!("it holds {count} MiB, then: {refused}");
}

/// Starts threads until there are no more.
fn threads() {
    let (stop, stopped) = (AtomicBool::new(false), &AtomicU32::new(0));
    let wait = || {
        while !stop.load(Relaxed) {
            std::thread::yield_now();
        }
        stopped.fetch_add(1, Relaxed);
    };
    let (count, refused) = std::thread::scope(|scope| {
        let mut count = 0;
        let refused = loop {
            match std::thread::Builder::new().stack_size(64 << 10).spawn_scoped(scope, wait) {
                Ok(_) => count += 1,
                Err(error) => break error,
            }
        };
        stop.store(true, Relaxed);
        (count, refused)
    });
    info!("it has {count} more threads, then: {refused}");
}

/// Opens what it has open once more, until it may not.
fn files() {
    let mut held = Vec::new();
    let refused = loop {
        match std::io::stdout().as_fd().try_clone_to_owned() {
            Ok(fd) => held.push(fd),
            Err(error) => break error,
        }
    };
    info!("it has {} more files, then: {refused}", held.len());
}

/// From now on writes to this slot at any time, published or not.
pub(crate) fn scribble(slot: &mut [f32]) {
    static SLOTS: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());
    let mut slots = SLOTS.lock().unwrap_or_else(PoisonError::into_inner);
    let place = (slot.as_mut_ptr().expose_provenance(), slot.len());
    if slots.contains(&place) {
        return;
    }
    slots.push(place);
    if slots.len() > 1 {
        return;
    }
    std::thread::spawn(|| {
        let mut n = 0.0;
        loop {
            for (at, len) in SLOTS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                for element in 0..*len {
                    let to = std::ptr::with_exposed_provenance_mut::<f32>(*at).wrapping_add(element);
                    // SAFETY: the slot is mapped for writing as long as its region lives; that others read it meanwhile
                    // is what the test is about.
                    unsafe { to.write_volatile(n) };
                }
            }
            n -= 1.0;
        }
    });
}

unsafe extern "C" {
    fn fork() -> c_int;
    fn ptrace(request: c_int, ...) -> c_long;
}

/// Makes a second process, which ends at once.
fn fork_once() -> std::io::Result<()> {
    // SAFETY: the new process runs nothing of the cell. In a sandbox there is none.
    match unsafe { fork() } {
        0 => std::process::abort(),
        ..0 => Err(std::io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Asks for what only an attacker needs.
fn trace_the_first_process() -> std::io::Result<()> {
    const ATTACH: c_int = 16;
    const FIRST: c_int = 1;
    // SAFETY: attaching to a process touches no memory of this one. In a sandbox the call is refused.
    let answer = unsafe { ptrace(ATTACH, FIRST, 0_usize, 0_usize) };
    if answer < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// Writes past the log, a line that could change a terminal.
fn write_to_stderr() {
    // A pipe that is full loses it.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), b"past the log \x1b[2J\n");
}

/// Writes where nothing is mapped.
fn bad_write() {
    // SAFETY: there is none; the kernel ends the process, and nothing after this runs.
    unsafe { std::ptr::without_provenance_mut::<u64>(8).write_volatile(1) };
}

/// Takes memory until there is none.
fn leak() {
    loop {
        let bytes = std::hint::black_box(vec![1_u8; 16 << 20]);
        std::mem::forget(bytes);
    }
}

/// Needs more stack than there is.
fn deep(n: u64) -> u64 {
    let frame = std::hint::black_box([n; 512]);
    if n == u64::MAX { 0 } else { deep(n + 1).wrapping_add(frame[1]) }
}
