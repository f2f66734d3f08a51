//! The kit of these tests: machines, children, and what is outside.

use std::{
    ffi::OsString,
    fs::File,
    net::TcpListener,
    os::fd::{AsFd, OwnedFd},
    os::unix::net::UnixListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use engine_sys::{
    ControlSocket, ExitCause, MapRw, Memfd,
    jail::{Jail, Jailed, Layer, Offer},
    spawn_self,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

use crate::inmate;

/// A watchdog against hangs, not a limit that is tested.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// The argument of the process that is an engine for one test.
pub(crate) const ENGINE_ARGUMENT: &str = "--engine-that-waits";
/// Says which machine this run is on.
const MACHINE: &str = "JAIL_TEST_MACHINE";
/// The folder of the libraries that were built once for all runs.
const LIBRARIES: &str = "JAIL_TEST_LIBRARIES";
const NOBODY: u32 = 65534;

/// What the tests run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    /// This one.
    AsItIs,
    /// This one, as an ordinary user.
    AsNobody,
    /// One that refuses namespaces.
    WithoutNamespaces,
    /// One that refuses namespaces, as an ordinary user.
    AsNobodyWithoutNamespaces,
}

impl Machine {
    pub(crate) const ALL: [Self; 4] =
        [Self::AsItIs, Self::AsNobody, Self::WithoutNamespaces, Self::AsNobodyWithoutNamespaces];

    /// Returns the machine of this run, or none in the run that starts the others.
    pub(crate) fn here() -> Option<Self> {
        let name = std::env::var(MACHINE).ok()?;
        Self::ALL.into_iter().find(|m| format!("{m:?}") == name)
    }

    /// Returns whether it gives all namespaces, and lets their mounts be changed.
    pub(crate) fn has_namespaces(self) -> bool {
        let titles = [
            Layer::UserNamespace,
            Layer::MountNamespace,
            Layer::PidNamespace,
            Layer::NetNamespace,
            Layer::IpcNamespace,
            Layer::UtsNamespace,
            Layer::EmptyRoot,
        ];
        titles.into_iter().all(offers)
    }

    pub(crate) fn has_landlock(self) -> bool {
        offers(Layer::Landlock)
    }

    fn is_nobody(self) -> bool {
        matches!(self, Self::AsNobody | Self::AsNobodyWithoutNamespaces)
    }

    /// Returns why these tests cannot run here.
    pub(crate) fn cannot(self) -> Option<&'static str> {
        let is_root = rustix::process::geteuid().is_root();
        (self.is_nobody() && !is_root)
            .then_some("only root can become nobody; it is an ordinary user already")
    }

    /// Runs all tests on it.
    pub(crate) fn run(self, arguments: &[String], libraries: &Path) -> bool {
        let mut command = Command::new("/proc/self/exe");
        command.args(arguments).env(MACHINE, format!("{self:?}")).env(LIBRARIES, libraries);
        if self.is_nobody() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.status().is_ok_and(|s| s.success())
    }

    /// Makes it true.
    fn pretend(self) {
        if matches!(self, Self::WithoutNamespaces | Self::AsNobodyWithoutNamespaces) {
            let new = [
                libc::CLONE_NEWNS,
                libc::CLONE_NEWUTS,
                libc::CLONE_NEWIPC,
                libc::CLONE_NEWUSER,
                libc::CLONE_NEWPID,
                libc::CLONE_NEWNET,
            ];
            let rule = |flag: i32| {
                let flag = flag.cast_unsigned().into();
                let set = SeccompCmpOp::MaskedEq(flag);
                let condition = SeccompCondition::new(0, SeccompCmpArgLen::Dword, set, flag).unwrap();
                SeccompRule::new(vec![condition]).unwrap()
            };
            let rules = [(libc::SYS_clone, new.map(rule).to_vec())].into();
            let errno = SeccompAction::Errno(libc::EPERM.cast_unsigned());
            let filter = SeccompFilter::new(rules, SeccompAction::Allow, errno, TargetArch::x86_64).unwrap();
            let program: BpfProgram = filter.try_into().unwrap();
            seccompiler::apply_filter(&program).unwrap();
        }
    }
}

fn offers(layer: Layer) -> bool {
    let probe = engine_sys::jail::probe();
    let finding = probe.findings.iter().find(|f| f.what == layer.title()).expect("every layer has a line");
    matches!(finding.offer, Offer::Yes(_))
}

/// Builds the libraries into `folder`, where there is a compiler.
pub(crate) fn build_libraries(folder: &Path) {
    for name in ["misbehaves", "ordinary"] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/jail/{name}.rs"));
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()));
        rustc.args(["--edition", "2024", "--crate-type", "cdylib", "-Cdebuginfo=line-tables-only", "-o"]);
        if name == "misbehaves" {
            rustc.arg(folder.join(name)).args(["-Cpanic=abort", "-Copt-level=1"]);
        } else {
            rustc.arg(folder.join(name));
        }
        match rustc.arg(source).status() {
            Ok(status) => assert!(status.success(), "{name} cannot be built"),
            Err(error) => println!("SKIP what needs {name}: no rustc ({error})"),
        }
    }
}

/// What lies outside of the jail.
pub(crate) struct Rig {
    pub(crate) machine: Machine,
    socket: UnixListener,
    socket_path: PathBuf,
    tcp: TcpListener,
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket_path);
    }
}

impl Rig {
    pub(crate) fn new(machine: Machine) -> Self {
        machine.pretend();
        let socket_path = std::env::temp_dir().join(format!("jail-test-{}.socket", std::process::id()));
        let socket = UnixListener::bind(&socket_path).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        tcp.set_nonblocking(true).unwrap();
        Self { machine, socket, socket_path, tcp }
    }

    /// Returns whether nobody has connected to the sockets outside.
    pub(crate) fn nobody_knocked(&self) -> bool {
        self.socket.accept().is_err() && self.tcp.accept().is_err()
    }

    /// Returns the library of this name, if there was a compiler for it.
    pub(crate) fn library(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(Self::library_path(name)?).ok()
    }

    pub(crate) fn library_path(name: &str) -> Option<PathBuf> {
        Some(Path::new(&std::env::var_os(LIBRARIES)?).join(name))
    }

    pub(crate) fn environment(&self) -> Vec<(OsString, OsString)> {
        [("RUST_BACKTRACE", "1"), ("SECRET", "hunter2")].map(|(k, v)| (k.into(), v.into())).into()
    }

    pub(crate) fn start(&self, role: &str) -> Child {
        self.begin(&Jail::default(), role, b"not loaded")
    }

    pub(crate) fn start_in(&self, jail: &Jail, role: &str) -> Child {
        self.begin(jail, role, b"not loaded")
    }

    pub(crate) fn start_with(&self, role: &str, library: Vec<u8>) -> Child {
        self.begin(&Jail::default(), role, &library)
    }

    /// Starts a child whose library is a file with a name.
    pub(crate) fn start_with_file(&self, role: &str, library: &Path) -> Child {
        let mut child = self.start(role);
        child.fds[0] = File::open(library).unwrap().into();
        child
    }

    fn begin(&self, jail: &Jail, role: &str, library: &[u8]) -> Child {
        let (control, theirs) = ControlSocket::pair().unwrap();
        let jailed = jail.spawn(&[inmate::ARGUMENT, role], &self.environment(), theirs).unwrap();
        let fill = |len: usize, bytes: &[u8]| {
            let memfd = Memfd::create("given", len).unwrap();
            MapRw::new(&memfd).unwrap().copy_in(bytes, 0).unwrap();
            memfd.seal_write().unwrap();
            memfd.as_fd().try_clone_to_owned().unwrap()
        };
        let port = self.tcp.local_addr().unwrap().port();
        let hello = format!("{} {} {port}", std::process::id(), self.socket_path.display());
        let fds = [fill(library.len(), library), fill(4096, b"given")];
        Child { jailed, control, hello, fds, words: Vec::new() }
    }

    /// Returns how many seconds a child without a jail takes to be there.
    pub(crate) fn start_bare(&self) -> f64 {
        let began = Instant::now();
        let (ours, theirs) = ControlSocket::pair().unwrap();
        let _child = spawn_self(&[inmate::ARGUMENT, "bare"], &self.environment(), theirs).unwrap();
        ours.recv(&mut Vec::new(), 64, Some(PATIENCE)).unwrap();
        began.elapsed().as_secs_f64()
    }
}

/// A child in its jail, seen from the test.
pub(crate) struct Child {
    pub(crate) jailed: Jailed,
    pub(crate) control: ControlSocket,
    hello: String,
    fds: [OwnedFd; 2],
    words: Vec<u8>,
}

impl Child {
    /// Lets it begin.
    pub(crate) fn hello(&mut self) {
        let fds = self.fds.each_ref().map(OwnedFd::as_fd);
        self.control.send(self.hello.as_bytes(), &fds).unwrap();
    }

    /// Lets it begin, and returns its answer.
    pub(crate) fn ask(&mut self) -> String {
        self.hello();
        self.answer()
    }

    pub(crate) fn answer(&mut self) -> String {
        let mut bytes = Vec::new();
        match self.control.recv(&mut bytes, 1 << 16, Some(PATIENCE)) {
            Ok(_) => String::from_utf8(bytes).unwrap(),
            Err(error) => panic!(
                "no answer ({error}); it {:?}, and said: {}",
                self.jailed.process_mut().wait_timeout(PATIENCE),
                self.last_words()
            ),
        }
    }

    pub(crate) fn expect_end(&mut self, cause: ExitCause) {
        let found = self.jailed.process_mut().wait_timeout(PATIENCE).unwrap();
        assert_eq!(found, Some(cause), "{}", self.last_words());
    }

    /// Returns what it has written so far.
    pub(crate) fn last_words(&mut self) -> String {
        while self.jailed.has_output() {
            let before = self.words.len();
            self.jailed.take_output(&mut self.words);
            if self.words.len() == before {
                break;
            }
        }
        String::from_utf8_lossy(&self.words).into_owned()
    }
}

/// Is an engine with one child, whose pidfd goes to the test, until it is killed.
pub(crate) fn be_an_engine_that_waits() -> ! {
    let control = ControlSocket::take_inherited().unwrap();
    let rig = Rig::new(Machine::AsItIs);
    // It will not be there to do so at its end.
    std::fs::remove_file(&rig.socket_path).unwrap();
    let mut child = rig.start("deaf");
    assert_eq!(child.ask(), "ready");
    control.send(b"pidfd", &[child.jailed.process().as_fd()]).unwrap();
    loop {
        std::thread::park();
    }
}

/// Returns whether the process of this pidfd ends within `timeout`.
pub(crate) fn is_over(pidfd: &OwnedFd, timeout: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    let mut fds = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
    poll(&mut fds, Some(&timeout.try_into().unwrap())).unwrap() > 0
}

/// Returns the control groups that this process has made.
pub(crate) fn own_groups() -> Vec<PathBuf> {
    groups_of(std::process::id())
}

/// Returns the control groups that the process `engine` has made.
pub(crate) fn groups_of(engine: u32) -> Vec<PathBuf> {
    let prefix = format!("cell-{engine}-");
    let mut found = Vec::new();
    for tree in std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        for group in std::fs::read_dir(tree.path()).into_iter().flatten().flatten() {
            if group.file_name().to_string_lossy().starts_with(&prefix) {
                found.push(group.path());
            }
        }
    }
    found.sort();
    found
}

/// Returns how many children this process has, ended ones included.
pub(crate) fn own_children() -> usize {
    let path = format!("/proc/self/task/{}/children", std::process::id());
    std::fs::read_to_string(path).map_or(0, |t| t.split_whitespace().count())
}
