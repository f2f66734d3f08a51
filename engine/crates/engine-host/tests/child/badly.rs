//! A child that speaks badly: whatever it says over the rings and sockets, the engine ends it and goes on.
#![expect(unsafe_code, reason = "the child takes the descriptor that its jail left it")]

use crate::{
    heard,
    rig::{Rig, World},
};
use cell_abi::{LogLevel, SealDesc, SealKind, Status};
use engine_host::{
    child_wire::{Answer, MAX_PACKET, Packet, ToHost},
    cx::{Outgoing, TurnKind},
};
use engine_scene::Placement::Process;
use engine_sys::{ControlSocket, MapRw, Memfd, RingConsumer, RingProducer, Seals};
use std::{
    os::{
        fd::{FromRawFd as _, OwnedFd},
        unix::net::UnixDatagram,
    },
    process::ExitCode,
};

/// What one child does, and what is said of it.
struct Case {
    name: &'static str,
    does: fn(&mut Bad),
    says: &'static str,
}

/// Each costs the child its process, before its instance is made or in its first turn.
const CASES: &[Case] = &[
    Case { name: "stillborn", does: |_| unreachable!("it never begins"), says: "exited with code 5" },
    Case { name: "leaves", does: |_| std::process::exit(4), says: "its process is over: exited with code 4" },
    Case { name: "tag", does: |bad| bad.push(&[99, 1]), says: "the unknown tag 99" },
    Case { name: "empty", does: |bad| bad.push(&[]), says: "a piece of a message" },
    Case { name: "piece", does: |bad| (0..9).for_each(|_| bad.push(&[0])), says: "a piece of a message" },
    Case { name: "endless", does: endless, says: "longer than" },
    Case { name: "tail", does: |bad| bad.scribble(&[(TAIL, u64::MAX)]), says: "no longer understood" },
    Case {
        name: "record",
        does: |bad| bad.scribble(&[(FIRST_RECORD, 1 << 31), (TAIL, 64)]),
        says: "no longer understood",
    },
    Case { name: "early", does: |bad| bad.say(&answer()), says: "answered before it was asked" },
    Case { name: "claim", does: |bad| bad.in_turn(&ToHost::Mapped(7)), says: "gave no answer to a turn" },
    Case { name: "filled", does: |bad| bad.in_turn(&ToHost::Filled), says: "filled memory it was not given" },
    Case {
        name: "outbox",
        does: |bad| bad.in_turn(&sent(vec![Outgoing::default(); 2000])),
        says: "it sent 2000 messages",
    },
    Case {
        name: "many",
        does: |bad| bad.in_turn(&sent(vec![Outgoing::default(); 70_000])),
        says: "70000 entries",
    },
    Case {
        name: "name",
        does: |bad| bad.in_turn(&sent(vec![Outgoing { to: "a".repeat(2000), payload: vec![] }])),
        says: "a name of 2000 bytes",
    },
    Case { name: "dies", does: dies, says: "its process is over: exited with code 3" },
    Case { name: "refuses", does: refuses, says: "no\u{fffd}[2J\n    error [camera] it is broken" },
];

/// Where the ring's memory has the position of its writing end, and its first record.
const TAIL: usize = 64;
const FIRST_RECORD: usize = 256;
/// Where a jailed process has the socket of its reports.
const REPORTS: i32 = 4;

/// The child's side.
struct Bad {
    control: ControlSocket,
    to_engine: RingProducer,
    memory: MapRw,
    from_engine: RingConsumer,
}

/// Runs the child side when this process was started as one that speaks badly.
pub(crate) fn run_if_bad() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.nth(2)?;
    let case = name.strip_prefix("bad-")?;
    if case == "stillborn" {
        // Before it takes what every child is given first.
        return Some(ExitCode::from(5));
    }
    let mut bad = Bad::start();
    match case {
        "floods" => floods(&mut bad),
        "hostile" => hostile(&mut bad),
        "writes" => writes(&mut bad),
        "seals" => seals(&mut bad),
        _ => (CASES.iter().find(|c| c.name == case)?.does)(&mut bad),
    }
    loop {
        // The engine ends it.
        std::thread::park();
    }
}

impl Bad {
    fn start() -> Self {
        let control = ControlSocket::take_inherited().unwrap();
        let mut bytes = Vec::new();
        let fds = control.recv(&mut bytes, MAX_PACKET, None).unwrap();
        let Packet::Hello { rings, .. } = Packet::decode(&bytes).unwrap() else { panic!("no hello") };
        let [theirs, ours, _] = <[OwnedFd; 3]>::try_from(fds).unwrap();
        let ring = |fd, len: u64| Memfd::from_received(fd, len as usize, Seals::SHRINK).unwrap();
        let (theirs, ours) = (ring(theirs, rings[0]), ring(ours, rings[1]));
        Self {
            control,
            to_engine: RingProducer::attach(&ours).unwrap(),
            memory: MapRw::new(&ours).unwrap(),
            from_engine: RingConsumer::attach(&theirs).unwrap(),
        }
    }

    /// Sends a record as it is.
    fn push(&mut self, record: &[u8]) {
        while self.to_engine.try_push(&[record]).is_err() {
            std::thread::yield_now();
        }
        self.to_engine.wake();
    }

    /// Sends a message as it should be.
    fn say(&mut self, message: &ToHost) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        let most = self.to_engine.max_message() - 1;
        let pieces = bytes.chunks(most).count();
        for (n, piece) in bytes.chunks(most).enumerate() {
            self.push(&[piece, &[u8::from(n + 1 == pieces)]].concat());
        }
    }

    /// Writes words into the ring's memory.
    fn scribble(&mut self, words: &[(usize, u64)]) {
        for (at, word) in words {
            self.memory.copy_in(&word.to_le_bytes(), *at).unwrap();
        }
        self.to_engine.wake();
    }

    /// Says that its instance is made, and waits for the first turn.
    fn wait_for_turn(&mut self) {
        self.say(&ToHost::Made(Ok(())));
        while !self.from_engine.try_pop(&mut Vec::new()).unwrap() {
            self.from_engine.wait(None, 0);
        }
    }

    fn in_turn(&mut self, message: &ToHost) {
        self.wait_for_turn();
        self.say(message);
    }

    fn packet(&mut self) -> Packet {
        let mut bytes = Vec::new();
        self.control.recv(&mut bytes, MAX_PACKET, None).unwrap();
        Packet::decode(&bytes).unwrap()
    }
}

fn answer() -> ToHost {
    sent(vec![])
}

fn sent(outbox: Vec<Outgoing>) -> ToHost {
    let status = Status::OK;
    ToHost::Answer(Answer {
        status,
        requests: 0,
        outbox,
        passes: None,
        failure: None,
        panic: None,
        saved: None,
    })
}

fn failed(why: &str) -> ToHost {
    let ToHost::Answer(answer) = answer() else { unreachable!() };
    ToHost::Answer(Answer { status: Status::FAILED, failure: Some(why.to_owned()), ..answer })
}

/// Pieces of a message that never ends.
fn endless(bad: &mut Bad) {
    let piece = vec![0; bad.to_engine.max_message()];
    loop {
        bad.push(&piece);
    }
}

/// Asks for something and is gone before the answer: how it went says more than that it is gone.
fn dies(bad: &mut Bad) {
    bad.wait_for_turn();
    for _ in 0..100 {
        bad.say(&ToHost::Asset("none".to_owned()));
    }
    std::process::exit(3);
}

fn refuses(bad: &mut Bad) {
    bad.say(&ToHost::Made(Err("no\x1b[2J\nerror [camera] it is broken".to_owned())));
}

/// Reports a call that only an attack makes, as the filter of its jail would.
fn hostile(bad: &mut Bad) {
    bad.in_turn(&answer());
    // SAFETY: it is open, as its jail has left it, and nothing else here uses it.
    let reports = unsafe { UnixDatagram::from_raw_fd(REPORTS) };
    let call = (libc::SYS_ptrace as u32).to_le_bytes();
    reports.send(&[&[2, 0, 0, 0], &call[..]].concat()).unwrap();
    std::mem::forget(reports);
}

/// Writes what would pass for lines of somebody else.
fn writes(bad: &mut Bad) {
    let log = |message: String| ToHost::Log {
        level: LogLevel::INFO,
        target: "t\x1b".to_owned(),
        message,
        file: String::new(),
        line: 1,
    };
    bad.say(&log("a\x1b[2J\nerror [camera] it is broken".to_owned()));
    bad.say(&log("b".repeat(1 << 20)));
    bad.in_turn(&failed("c\x1b\nd"));
}

/// How many lines one that floods the log writes.
const FLOOD: u64 = 20_000;

fn floods(bad: &mut Bad) {
    bad.wait_for_turn();
    for n in 0..FLOOD {
        let (target, file) = (String::new(), String::new());
        bad.say(&ToHost::Log { level: LogLevel::INFO, target, message: format!("drop {n}"), file, line: 1 });
    }
    bad.say(&answer());
}

/// Asks for memory twice and fills none of it.
fn seals(bad: &mut Bad) {
    let desc = SealDesc {
        size: size_of::<SealDesc>() as u32,
        kind: SealKind::BUFFER,
        format: 0,
        width: 0,
        height: 0,
        mips: 0,
    };
    bad.wait_for_turn();
    let answers: Vec<String> = (0..2)
        .map(|_| {
            bad.say(&ToHost::Seal { desc, len: 600 << 10 });
            match bad.packet() {
                Packet::SealMemory { len } => format!("{len} bytes"),
                Packet::Refused { status, .. } => format!("status {}", status.0),
                other => format!("{other:?}"),
            }
        })
        .collect();
    bad.say(&failed(&answers.join(", ")));
}

fn world<'a>(rig: &'a Rig, case: &str) -> World<'a> {
    world_of(rig, case, "quotas: (shared_mib: 1)")
}

fn world_of<'a>(rig: &'a Rig, case: &str, more: &str) -> World<'a> {
    let line = format!(r#"(cell: "faulty", name: "bad-{case}", {more})"#);
    rig.world(&format!("World(cells: [{line}])"), Process)
}

pub(crate) fn ends_it(rig: &Rig) {
    for case in CASES {
        let mut world = world(rig, case.name);
        let why = world.make(0).err().or_else(|| {
            assert_eq!(world.turn(0, TurnKind::Load, 0).0, Status::CANCELLED, "{}", case.name);
            world.lost(0)
        });
        let why = why.unwrap_or_default();
        assert!(why.contains(case.says), "{}: {why}", case.name);
    }
}

pub(crate) fn stays_hostile(rig: &Rig) {
    let mut world = world(rig, "hostile");
    world.make(0).unwrap();
    // On a slow machine it is found out in this turn already.
    world.turn(0, TurnKind::Load, 0);
    let why = loop {
        // The watchdog of the test runner ends this if it is never told.
        match world.ended(0) {
            Some(why) => break why,
            None => std::thread::yield_now(),
        }
    };
    assert!(why.contains("a way out of its sandbox (`ptrace`)"), "{why}");
    assert_eq!(world.ended(0).as_ref(), Some(&why), "whoever asks again is told the same");
    let stat = format!("/proc/{}/stat", world.pid(0));
    while !std::fs::read_to_string(&stat).unwrap().rsplit_once(')').unwrap().1.starts_with(" Z") {
        // It would wait for ever.
        std::thread::yield_now();
    }
}

pub(crate) fn shown_plainly(rig: &Rig) {
    heard::listen();
    let mut world = world(rig, "writes");
    world.make(0).unwrap();
    assert_eq!(world.turn(0, TurnKind::Load, 0).0, Status::FAILED);
    assert_eq!(world.failure(0).unwrap(), "c\u{fffd}\n    d");
    let lines = heard::take();
    let long = "b".repeat(4000) + " ...";
    for expected in ["a\u{fffd}[2J\n    error [camera] it is broken", &long] {
        assert!(lines.iter().any(|l| l == expected), "{lines:?}");
    }
}

pub(crate) fn memory_counts(rig: &Rig) {
    let mut world = world(rig, "seals");
    world.make(0).unwrap();
    assert_eq!(world.turn(0, TurnKind::Load, 0).0, Status::FAILED);
    assert_eq!(world.failure(0).unwrap(), format!("614400 bytes, status {}", Status::QUOTA.0));
}

pub(crate) fn floods_no_log(rig: &Rig) {
    for (trust, all) in [("Own", true), (r#"Untrusted(read: ["camera"], write: ["scene_color"])"#, false)] {
        heard::listen();
        let mut world = world_of(rig, "floods", &format!("at: Process, trust: {trust}"));
        world.make(0).unwrap();
        assert_eq!(world.turn(0, TurnKind::Load, 0).0, Status::OK);
        // What is left to be said is said at its end.
        drop(world);
        let lines = heard::take();
        let shown = lines.iter().filter(|l| l.starts_with("drop ")).count() as u64;
        let left = |l: &String| l.strip_suffix(" more lines of it are left out")?.parse::<u64>().ok();
        let left: u64 = lines.iter().filter_map(left).sum();
        assert_eq!(shown + left, FLOOD, "{trust}: each line is shown or counted");
        // A hundred in a second; on a machine that takes long there are more seconds.
        assert!(if all { left == 0 } else { shown < FLOOD / 4 }, "{trust}: {shown} lines are shown");
    }
}
