//! What the children of these tests do: one role each.
#![allow(unsafe_code, reason = "makes the calls that a hostile cell would make")]

use std::{
    ffi::{CStr, CString, c_void},
    io::Write,
    net::TcpStream,
    os::fd::{AsFd, OwnedFd},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use engine_sys::{ControlSocket, MapRo, Memfd, Seals, jail::Inmate};

/// The argument before the role.
pub(crate) const ARGUMENT: &str = "--inmate";
/// A Unix socket on which the test listens, a port likewise, and the process id of the test: sent with the hello.
pub(crate) struct Outside<'a> {
    pub(crate) engine: usize,
    pub(crate) socket: &'a str,
    pub(crate) port: u16,
}

/// A raw system call: the result, or the negative error number.
pub(crate) fn call(number: i64, a: [usize; 6]) -> i64 {
    // SAFETY: the calls of these tests pass pointers to what lives for the call, or nothing.
    let result = unsafe { libc::syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]) };
    if result < 0 { -i64::from(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)) } else { result }
}

fn at<T: ?Sized>(what: &T) -> usize {
    std::ptr::from_ref(what).cast::<()>().expose_provenance()
}

const PAGE: usize = 4096;
const RW: usize = (libc::PROT_READ | libc::PROT_WRITE) as usize;
const EXEC: usize = libc::PROT_EXEC as usize;
const ANON: usize = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize;

/// The forbidden calls, each as a hostile cell would make it: name of the row, name in the report.
pub(crate) const FORBIDDEN: &[(&str, &str)] = &[
    ("open", "openat \"/etc/passwd\""),
    ("open_over_a_page", "openat \"/etc/hostname\""),
    ("open_at_the_end", "openat \"/etc/shadow\""),
    ("open_for_writing", "openat \"/cell.so\""),
    ("old_open", "open \"/proc/self/mem\""),
    ("unix_socket", "socket"),
    ("tcp", "socket"),
    ("connect_the_control_socket", "connect"),
    ("socketpair", "socketpair"),
    ("fork", "clone"),
    ("vfork", "vfork"),
    ("new_namespace", "clone"),
    ("unshare", "unshare"),
    ("execve", "execve \"/bin/sh\""),
    ("execveat", "execveat \"/bin/sh\""),
    ("ptrace", "ptrace"),
    ("process_vm_readv", "process_vm_readv"),
    ("process_vm_writev", "process_vm_writev"),
    ("kill", "kill"),
    ("kill_all", "kill"),
    ("tgkill", "tgkill"),
    ("sigqueue", "rt_sigqueueinfo"),
    ("pidfd", "pidfd_open"),
    ("userfaultfd", "userfaultfd"),
    ("io_uring", "io_uring_setup"),
    ("memfd", "memfd_create \"code\""),
    ("bpf", "bpf"),
    ("perf", "perf_event_open"),
    ("keyctl", "keyctl"),
    ("mmap_exec", "mmap"),
    ("mprotect_exec", "mprotect"),
    ("shared_memory", "mmap"),
    ("system_v_memory", "shmget"),
    ("personality", "personality"),
    ("prctl", "prctl"),
    ("renice_the_engine", "setpriority"),
    ("raise_limits", "prlimit64"),
    ("own_filter", "seccomp"),
    ("own_trap_handler", "rt_sigaction"),
    ("close_reports", "close"),
    ("close_all", "close_range"),
    ("over_reports", "dup2"),
    ("terminal", "ioctl"),
    ("mount", "mount"),
    ("truncate", "ftruncate"),
    ("own_the_signal", "fcntl"),
    ("x32", "system call 1073741863"),
];

/// Puts a string `bytes` before the end of a page, in memory of so many pages, and returns where it is.
fn before(bytes: usize, text: &CStr, pages: usize) -> usize {
    const PAGE: usize = 4096;
    let (rw, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: new memory of two pages, of which the second goes again if it is not wanted; the string fits into what stays.
    unsafe {
        let memory = libc::mmap(std::ptr::null_mut(), 2 * PAGE, rw, kind, -1, 0);
        assert!(memory != libc::MAP_FAILED && (pages == 2 || libc::munmap(memory.byte_add(PAGE), PAGE) == 0));
        let place = memory.byte_add(PAGE - bytes);
        place.copy_from(text.as_ptr().cast(), text.count_bytes() + 1);
        place.expose_provenance()
    }
}

/// Makes the forbidden call `row`.
fn forbidden(row: &str, out: &Outside<'_>) -> i64 {
    let c = |s: &CStr| s.as_ptr().expose_provenance();
    let here = usize::cast_signed(0) as usize;
    let cwd = libc::AT_FDCWD as usize;
    let iov = [here; 2];
    let engine = out.engine;
    match row {
        "open" => call(libc::SYS_openat, [cwd, c(c"/etc/passwd"), 0, 0, 0, 0]),
        "open_over_a_page" => call(libc::SYS_openat, [cwd, before(4, c"/etc/hostname", 2), 0, 0, 0, 0]),
        "open_at_the_end" => call(libc::SYS_openat, [cwd, before(12, c"/etc/shadow", 1), 0, 0, 0, 0]),
        "open_for_writing" => call(libc::SYS_openat, [cwd, c(c"/cell.so"), libc::O_RDWR as usize, 0, 0, 0]),
        "old_open" => call(libc::SYS_open, [c(c"/proc/self/mem"), 0, 0, 0, 0, 0]),
        "unix_socket" => refused(UnixStream::connect(out.socket).map(drop)),
        "tcp" => refused(TcpStream::connect(("127.0.0.1", out.port)).map(drop)),
        "connect_the_control_socket" => call(libc::SYS_connect, [3, at(&[1u8, 0, b'x']), 3, 0, 0, 0]),
        "socketpair" => call(libc::SYS_socketpair, [1, 2, 0, at(&[0u64; 1]), 0, 0]),
        // SAFETY: if it were to succeed, the new process would end at once.
        "fork" => unsafe {
            match libc::fork() {
                0 => libc::_exit(0),
                ..0 => refused(Err(std::io::Error::last_os_error())),
                n => n.into(),
            }
        },
        "vfork" => call(libc::SYS_vfork, [0; 6]),
        "new_namespace" => {
            call(libc::SYS_clone, [(libc::CLONE_NEWUSER | libc::SIGCHLD) as usize, 0, 0, 0, 0, 0])
        }
        "unshare" => call(libc::SYS_unshare, [libc::CLONE_NEWUSER as usize, 0, 0, 0, 0, 0]),
        "execve" => call(libc::SYS_execve, [c(c"/bin/sh"), at(&[0u64; 1]), at(&[0u64; 1]), 0, 0, 0]),
        "execveat" => call(libc::SYS_execveat, [cwd, c(c"/bin/sh"), at(&[0u64; 1]), at(&[0u64; 1]), 0, 0]),
        "ptrace" => call(libc::SYS_ptrace, [libc::PTRACE_ATTACH as usize, engine, 0, 0, 0, 0]),
        "process_vm_readv" => call(libc::SYS_process_vm_readv, [engine, at(&iov), 1, at(&iov), 1, 0]),
        "process_vm_writev" => call(libc::SYS_process_vm_writev, [engine, at(&iov), 1, at(&iov), 1, 0]),
        "kill" => call(libc::SYS_kill, [engine, 0, 0, 0, 0, 0]),
        "kill_all" => call(libc::SYS_kill, [usize::MAX, libc::SIGTERM as usize, 0, 0, 0, 0]),
        "tgkill" => call(libc::SYS_tgkill, [engine, engine, 0, 0, 0, 0]),
        "sigqueue" => call(libc::SYS_rt_sigqueueinfo, [engine, 0, at(&[0u64; 16]), 0, 0, 0]),
        "pidfd" => call(libc::SYS_pidfd_open, [engine, 0, 0, 0, 0, 0]),
        "userfaultfd" => call(libc::SYS_userfaultfd, [libc::O_CLOEXEC as usize, 0, 0, 0, 0, 0]),
        "io_uring" => call(libc::SYS_io_uring_setup, [4, at(&[0u64; 15]), 0, 0, 0, 0]),
        "memfd" => call(libc::SYS_memfd_create, [c(c"code"), 0, 0, 0, 0, 0]),
        "bpf" => call(libc::SYS_bpf, [5, at(&[0u64; 16]), 128, 0, 0, 0]),
        "perf" => call(libc::SYS_perf_event_open, [at(&[0u64; 16]), 0, usize::MAX, usize::MAX, 0, 0]),
        "keyctl" => call(libc::SYS_keyctl, [0, 0, 0, 0, 0, 0]),
        "mmap_exec" => call(libc::SYS_mmap, [0, PAGE, RW | EXEC, ANON, usize::MAX, 0]),
        "mprotect_exec" => {
            let page = call(libc::SYS_mmap, [0, PAGE, RW, ANON, usize::MAX, 0]);
            assert!(page > 0, "ordinary memory is there: {page}");
            call(libc::SYS_mprotect, [page as usize, PAGE, EXEC | 1, 0, 0, 0])
        }
        "shared_memory" => {
            let shared = (libc::MAP_SHARED | libc::MAP_ANONYMOUS) as usize;
            call(libc::SYS_mmap, [0, PAGE, RW, shared, usize::MAX, 0])
        }
        "system_v_memory" => call(libc::SYS_shmget, [0, PAGE, 0o1600, 0, 0, 0]),
        "personality" => call(libc::SYS_personality, [libc::READ_IMPLIES_EXEC as usize, 0, 0, 0, 0, 0]),
        "prctl" => call(libc::SYS_prctl, [libc::PR_SET_PDEATHSIG as usize, 0, 0, 0, 0, 0]),
        "renice_the_engine" => call(libc::SYS_setpriority, [0, engine, 19, 0, 0, 0]),
        "raise_limits" => {
            call(libc::SYS_prlimit64, [0, libc::RLIMIT_DATA as usize, at(&[u64::MAX; 2]), 0, 0, 0])
        }
        "own_filter" => call(libc::SYS_seccomp, [1, 0, at(&[0u64; 2]), 0, 0, 0]),
        "own_trap_handler" => {
            call(libc::SYS_rt_sigaction, [libc::SIGSYS as usize, at(&[0u64; 4]), 0, 8, 0, 0])
        }
        "close_reports" => call(libc::SYS_close, [4, 0, 0, 0, 0, 0]),
        "close_all" => call(libc::SYS_close_range, [0, 10, 0, 0, 0, 0]),
        "over_reports" => call(libc::SYS_dup2, [3, 4, 0, 0, 0, 0]),
        "terminal" => call(libc::SYS_ioctl, [0, libc::TIOCSTI as usize, at(b"x"), 0, 0, 0]),
        "mount" => call(libc::SYS_mount, [c(c"x"), c(c"/"), c(c"tmpfs"), 0, 0, 0]),
        "truncate" => call(libc::SYS_ftruncate, [3, 0, 0, 0, 0, 0]),
        "own_the_signal" => call(libc::SYS_fcntl, [3, libc::F_SETOWN as usize, engine, 0, 0, 0]),
        "x32" => call(libc::SYS_getpid | 0x4000_0000, [0; 6]),
        other => panic!("no such row: {other}"),
    }
}

fn refused(result: std::io::Result<()>) -> i64 {
    result.map_or_else(|e| -i64::from(e.raw_os_error().unwrap_or(0)), |()| 0)
}

/// Runs the child's side.
pub(crate) fn run(role: &str) -> Result<(), Box<dyn std::error::Error>> {
    let inmate = Inmate::inherited()?;
    let control = ControlSocket::take_inherited()?;
    if role == "bare" {
        return Ok(control.send(b"here", &[])?);
    }
    let inmate = inmate.ok_or("no jail")?;
    if role == "too_late" {
        let (stop, stopped) = std::sync::mpsc::sync_channel::<()>(0);
        let thread = std::thread::spawn(move || stopped.recv());
        let library = Memfd::create("library", PAGE)?.as_fd().try_clone_to_owned()?;
        let why = inmate.enter(library, &[]).unwrap_err().to_string();
        control.send(why.as_bytes(), &[])?;
        drop(stop);
        let _ = thread.join();
        return Ok(());
    }
    let mut hello = Vec::new();
    let mut fds = control.recv(&mut hello, 4096, None)?.into_iter();
    let hello = String::from_utf8(hello)?;
    let words: Vec<&str> = hello.split(' ').collect();
    let [engine, socket, port] = words[..] else { return Err("no hello".into()) };
    let out = Outside { engine: engine.parse()?, socket, port: port.parse()? };
    let library = fds.next().ok_or("no library")?;
    let memory = fds.next().ok_or("no memory")?;
    // A stranger that the caller did not name, to be closed.
    let stranger = std::fs::File::open("/proc/self/exe")?;
    let stranger_fd = std::os::fd::IntoRawFd::into_raw_fd(stranger);
    let began = Instant::now();
    let entered = inmate.enter(library, &[memory.as_fd()])?;
    let stage1 = began.elapsed();
    if role == "between" {
        control.send(between(stranger_fd).as_bytes(), &[])?;
    }
    if let Some(row) = role.strip_prefix("early ") {
        control.send(forbidden(row, &out).to_string().as_bytes(), &[])?;
        return Ok(());
    }
    let real = (role == "real").then(|| symbol(entered.library(), c"work"));
    let constructed = (role == "constructor").then(|| Constructed::load(entered.library()));
    let began = Instant::now();
    entered.lock()?;
    let stage2 = began.elapsed();
    let answer = match role {
        "times" => format!("{} {}", stage1.as_nanos(), stage2.as_nanos()),
        "constructor" => constructed.ok_or("not loaded")?.report(),
        "real" => {
            let work = real.ok_or("not loaded")?;
            // SAFETY: the library is the one that the test has built, with a function of this type.
            let work: extern "C" fn() -> i32 = unsafe { std::mem::transmute(work) };
            work().to_string()
        }
        "ordinary" => ordinary(&control, memory)?,
        "allocate" => allocate(),
        "threads" => threads(),
        "overhead" => overhead().to_string(),
        "write_read_only" => {
            let map = MapRo::new(&Memfd::from_received(memory, PAGE, Seals::SHRINK)?)?;
            control.send(b"now", &[])?;
            // SAFETY: not sound at all: the test is that the kernel ends this process.
            unsafe { map.as_ptr().cast_mut().write_volatile(1) };
            "written".to_owned()
        }
        "abort" => std::process::abort(),
        "use_too_much" => vec![1u8; 10 << 30].len().to_string(),
        "share_too_much" => share_too_much(),
        "spawn" => format!("{:?}", std::process::Command::new("/bin/true").status()),
        "flood" => flood(),
        "deaf" => {
            control.send(b"ready", &[])?;
            loop {
                std::thread::park();
            }
        }
        "wait" | "between" => {
            control.send(b"ready", &[])?;
            let _ = control.recv(&mut Vec::new(), 8, None);
            String::new()
        }
        row => forbidden(row, &out).to_string(),
    };
    control.send(answer.as_bytes(), &[])?;
    Ok(())
}

/// What a process in stage 1 can still see.
fn between(stranger: i32) -> String {
    let mut lines = Vec::new();
    let names: Vec<_> = std::env::vars().map(|(name, _)| name).collect();
    lines.push(format!("env {}", names.join(",")));
    let root: Vec<_> = std::fs::read_dir("/").map_or_else(
        |e| vec![e.to_string()],
        |d| d.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect(),
    );
    lines.push(format!("root {}", root.join(",")));
    lines.push(format!("passwd {:?}", std::fs::read("/etc/passwd").map(|b| b.len()).map_err(|e| e.kind())));
    lines
        .push(format!("up {:?}", std::fs::metadata("/../etc/passwd").map(|m| m.len()).map_err(|e| e.kind())));
    lines.push(format!("pid {}", std::process::id()));
    lines.push(format!(
        "stranger {}",
        call(libc::SYS_fcntl, [stranger as usize, libc::F_GETFD as usize, 0, 0, 0, 0])
    ));
    lines.join("\n")
}

/// All that an ordinary cell does.
fn ordinary(control: &ControlSocket, memory: OwnedFd) -> Result<String, Box<dyn std::error::Error>> {
    // Allocations of all sizes, also big ones.
    let mut blocks: Vec<Vec<u8>> = (0..24).map(|n| vec![1; 1 << n]).collect();
    blocks.iter_mut().step_by(2).for_each(|b| b.shrink_to(0));
    blocks[23].extend_from_slice(&[7; 1 << 20]);
    // Threads, names, locks, channels, scopes; glibc asks for clone3 first.
    let clone3 = call(libc::SYS_clone3, [0; 6]);
    let (send, got) = std::sync::mpsc::sync_channel(0);
    let thread = std::thread::Builder::new().name("helper".into()).spawn(move || {
        send.send(std::thread::current().name().map(str::to_owned)).unwrap();
        vec![3u8; 1 << 20].len()
    })?;
    let name = got.recv()?;
    assert_eq!((name.as_deref(), thread.join().unwrap()), (Some("helper"), 1 << 20));
    let sum = std::sync::Mutex::new(0);
    std::thread::scope(|s| {
        for n in 0..8 {
            let sum = &sum;
            s.spawn(move || *sum.lock().unwrap() += n);
        }
    });
    // Clocks, sleep, randomness (the keys of a map), processors.
    let began = Instant::now();
    std::thread::sleep(Duration::from_millis(2));
    assert!(began.elapsed() >= Duration::from_millis(2));
    assert!(std::time::SystemTime::now() > std::time::UNIX_EPOCH);
    let map: std::collections::HashMap<u32, u32> = (0..100).map(|n| (n, n)).collect();
    let cores = std::thread::available_parallelism()?.get();
    // Memory of the engine: given before the jail and in it, read-only and its own.
    let mut seen = [0; 5];
    MapRo::new(&Memfd::from_received(memory, PAGE, Seals::SHRINK)?)?.copy_out(0, &mut seen)?;
    control.send(b"more", &[])?;
    let mut bytes = Vec::new();
    let fd = control.recv(&mut bytes, 8, None)?.into_iter().next().ok_or("no memory")?;
    let own = Memfd::from_received(fd, PAGE, Seals::empty())?;
    let own = engine_sys::MapRw::new(&own)?;
    own.copy_in(b"from the jail", 0)?;
    // Output and a panic that is caught.
    writeln!(std::io::stdout(), "hello from inside")?;
    let caught = std::panic::catch_unwind(|| panic!("caught")).is_err();
    Ok(format!(
        "{} {} {clone3} {} {} {} {caught}",
        String::from_utf8_lossy(&seen),
        blocks[23].len() == (1 << 23) + (1 << 20),
        sum.into_inner()?,
        map.len(),
        cores > 0
    ))
}

/// Asks for 10 GiB in one piece, and in pieces until it is refused.
fn allocate() -> String {
    let at_once = Vec::<u8>::new().try_reserve_exact(10 << 30).is_err();
    let mut held = 0usize;
    // Through the kernel, not the allocator; never touched.
    while held < 10 << 30 && call(libc::SYS_mmap, [0, 16 << 20, RW, ANON, usize::MAX, 0]) > 0 {
        held += 16 << 20;
    }
    format!("{at_once} {held}")
}

/// Uses 512 MiB of shared memory.
fn share_too_much() -> String {
    const BYTES: usize = 512 << 20;
    let shared = (libc::MAP_SHARED | libc::MAP_ANONYMOUS) as usize;
    let at = call(libc::SYS_mmap, [0, BYTES, RW, shared, usize::MAX, 0]);
    let Ok(at @ 1..) = usize::try_from(at) else { return format!("refused: {at}") };
    for offset in (0..BYTES).step_by(PAGE) {
        // SAFETY: within the mapping that was just made, which nobody else knows.
        unsafe { std::ptr::with_exposed_provenance_mut::<u8>(at + offset).write_volatile(1) };
    }
    "used".to_owned()
}

/// Starts threads until it is refused.
fn threads() -> String {
    let (hold, held) = std::sync::mpsc::sync_channel::<()>(0);
    let held = std::sync::Arc::new(std::sync::Mutex::new(held));
    let mut started = Vec::new();
    let why = loop {
        let held = std::sync::Arc::clone(&held);
        let wait = move || drop(held.lock().map(|h| h.recv()));
        match std::thread::Builder::new().stack_size(64 << 10).spawn(wait) {
            Ok(_) if started.len() == 5000 => break "5,000 threads were allowed".to_owned(),
            Ok(thread) => started.push(thread),
            Err(error) => break format!("{:?}", error.kind()),
        }
    };
    drop(hold);
    format!("{} {why}", started.len())
}

/// More reports and more output than anybody takes.
fn flood() -> String {
    for _ in 0..20_000 {
        let refused = call(libc::SYS_fork, [0; 6]);
        assert_eq!(refused, i64::from(-libc::EPERM));
    }
    let line = [b'x'; 4096];
    for _ in 0..100 {
        // Refused when the pipe is full.
        let _ = std::io::stdout().write_all(&line);
    }
    "flooded".to_owned()
}

/// Nanoseconds of the cheapest system call.
pub(crate) fn overhead() -> u128 {
    let mut best = u128::MAX;
    for _ in 0..50 {
        let began = Instant::now();
        for _ in 0..2000 {
            call(libc::SYS_getppid, [0; 6]);
        }
        best = best.min(began.elapsed().as_nanos() / 2000);
    }
    best
}

/// The library `misbehaves.rs`: its constructor has done things when `load` returns.
struct Constructed {
    results: *const [i64; 8],
}

impl Constructed {
    fn load(path: &std::path::Path) -> Self {
        Self { results: symbol(path, c"RESULTS").cast() }
    }

    fn report(&self) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            // SAFETY: a static of the loaded library, whose thread writes whole words.
            let results = unsafe { self.results.read_volatile() };
            // The constructor's thread goes on until it has tried to open a file after stage 2.
            if results[7] == i64::from(-libc::EPERM) || Instant::now() > deadline {
                return format!("{results:?}");
            }
            std::thread::yield_now();
        }
    }
}

/// Loads the library and returns what it calls `name`.
fn symbol(path: &std::path::Path, name: &CStr) -> *const c_void {
    let path = CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: the library is one that the test has built; it is never closed.
    unsafe {
        let library = libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
        assert!(!library.is_null(), "{:?}", CStr::from_ptr(libc::dlerror()));
        libc::dlsym(library, name.as_ptr())
    }
}
