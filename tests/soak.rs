//! Kills, stops, swaps, moves and restarts at random, for as long as one likes: the engine never ends by itself, nobody sees torn
//! data, and nothing is left behind. `just soak` does 10,000 of them.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../fuzz/src/random.rs"]
mod random;

use engine_tests::{Engine, Live};
use random::Random;
use serde_json::Value;
use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const EXE: &str = env!("CARGO_BIN_EXE_engine");
/// How many things are done to the cells, unless `SOAK_ACTIONS` says otherwise.
const ACTIONS: u32 = 60;
/// After how many of them everybody must be well again.
const ROUND: u32 = 12;
/// How often a long one says how far it has come.
const TOLD: u32 = 500;
/// How many builds the twin has.
const BUILDS: u8 = 4;
/// Ends a wait that hangs. A watchdog, not a measure.
const WATCHDOG: Duration = Duration::from_secs(120);
/// By how much the engine may grow: what it keeps of each cell has bounds, of which the records of all have 64 MiB.
const GROWTH_KIB: u64 = 128 << 10;

/// The probe and its twin check in each tick that what they read is whole; the others are there to be killed.
const SCENE: &str = r#"World(name: "Soak", cells: [
    (cell: "probe", at: Process, with: (does: "carry")),
    (cell: "twin.so", trust: Own, at: Process, with: (does: "carry")),
    (cell: "camera"),
    (cell: "many-cubes", at: Process, with: (count: 50)),
    (cell: "bench-empty", name: "a", at: Process, with: (passes: 1)),
    (cell: "bench-empty", name: "b"),
    (cell: "bloom", at: Process),
    (cell: "tonemap"),
])"#;

/// Those of them that have nothing to do in a frame.
const WITHOUT_TICKS: [&str; 2] = ["bloom", "tonemap"];

/// Returns one of `from`.
fn pick<'a, T>(random: &mut Random, from: &'a [T]) -> Option<&'a T> {
    from.get(random.below(from.len()))
}

struct Soak<'a> {
    live: Live,
    runtime: &'a Path,
    /// The library that is built anew, and what it was at first.
    library: PathBuf,
    built: Vec<u8>,
    names: Vec<String>,
    done: BTreeMap<&'static str, u32>,
    /// What was done last, and how it was answered.
    last: VecDeque<String>,
}

impl Soak<'_> {
    /// Tells the engine something, whatever it answers.
    fn tell(&mut self, args: &[&str]) {
        let said = self.ctl(args);
        self.note(format!("{}: {}", args.join(" "), said.trim()));
    }

    fn note(&mut self, what: String) {
        self.last.push_back(what);
        if self.last.len() > 30 {
            self.last.pop_front();
        }
    }

    /// Returns what was done and said last, for a failure.
    fn story(&self) -> String {
        let said = &self.live.seen[self.live.seen.len().saturating_sub(60)..];
        let done: Vec<&str> = self.last.iter().map(String::as_str).collect();
        format!("done last:\n{}\nsaid last:\n{}", done.join("\n"), said.join("\n"))
    }

    fn ctl(&self, args: &[&str]) -> String {
        let mut command = Command::new(EXE);
        command.arg("ctl").args(args).env("XDG_RUNTIME_DIR", self.runtime).stdin(Stdio::null());
        let out = command.output().unwrap();
        String::from_utf8(out.stdout).unwrap() + &String::from_utf8_lossy(&out.stderr)
    }

    fn cells(&self) -> Vec<Value> {
        let said = self.ctl(&["top", "--json"]);
        let top: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"));
        top["cells"].as_array().unwrap().clone()
    }

    /// Sends a signal to some child. It may have ended by itself meanwhile.
    fn signal(&mut self, random: &mut Random, signal: &str) {
        if let Some(pid) = pick(random, &self.live.children()).copied() {
            self.note(format!("kill {signal} {pid}"));
            let _ = Command::new("kill").args([signal, &pid.to_string()]).stderr(Stdio::null()).status();
        }
    }

    /// Makes the twin's library another build, as cargo does: what stands behind its end changes nothing. There are few,
    /// because each has a copy and stays loaded.
    fn build(&mut self, mark: u8) {
        let new = self.library.with_extension("new");
        fs::write(&new, [&self.built[..], &[mark]].concat()).unwrap();
        fs::rename(&new, &self.library).unwrap();
    }

    /// Does something to some cell.
    fn act(&mut self, random: &mut Random) {
        let name = pick(random, &self.names).unwrap().clone();
        let what = match random.below(9) {
            0 | 1 => {
                self.signal(random, "-9");
                "kill"
            }
            2 => {
                self.signal(random, "-STOP");
                "stop"
            }
            3 => {
                self.signal(random, "-SEGV");
                "crash"
            }
            4 => {
                self.tell(&["restart", &name]);
                "restart"
            }
            5 | 6 => {
                let to = if random.below(2) == 0 { "thread" } else { "process" };
                self.tell(&["move", &name, to]);
                "move"
            }
            7 => {
                self.build(random.below(BUILDS.into()) as u8);
                self.tell(&["swap", "twin"]);
                "swap"
            }
            _ => {
                self.tell(&["disable", &name]);
                self.tell(&["enable", &name]);
                "switch"
            }
        };
        *self.done.entry(what).or_default() += 1;
    }

    /// Waits until every cell runs and ticks again; those that were given up are started anew.
    fn until_well(&mut self) {
        let begun = Instant::now();
        let mut before: BTreeMap<String, u64> = BTreeMap::new();
        loop {
            let cells = self.cells();
            let mut well = true;
            for c in &cells {
                let name = c["name"].as_str().unwrap();
                if c["state"] == "down" {
                    self.tell(&["restart", name]);
                }
                let ticks = c["ticks"].as_u64().unwrap();
                let goes_on = WITHOUT_TICKS.contains(&name) || before.get(name).is_some_and(|b| ticks > *b);
                // While an old instance waits, it holds what it has.
                let settled = !matches!(c["swap"]["standing"].as_str(), Some("preparing" | "probation"));
                well &= c["state"] == "running" && goes_on && settled;
            }
            self.judge();
            if well {
                return;
            }
            assert!(
                begun.elapsed() < WATCHDOG,
                "they never recovered: {cells:#?}\n{}",
                self.live.seen.join("\n")
            );
            before = cells
                .iter()
                .map(|c| (c["name"].as_str().unwrap().to_owned(), c["ticks"].as_u64().unwrap()))
                .collect();
        }
    }

    /// Looks at what the engine has said.
    fn judge(&mut self) {
        self.live.listen();
        self.live.assert_running();
        for line in &self.live.seen {
            assert!(!line.contains("lost something"), "torn data: {line}\n{}", self.story());
            assert!(!line.contains("panicked"), "{line}");
        }
        let long_ago = self.live.seen.len().saturating_sub(200);
        self.live.seen.drain(..long_ago);
    }

    /// Puts everybody back where the scene has them, and waits until the engine holds what it held: descriptors, children.
    fn until_as(&mut self, places: &[(String, String)], held: (usize, usize)) {
        for (name, place) in places {
            self.ctl(&["move", name, place]);
        }
        self.until_well();
        let begun = Instant::now();
        // Less is no leak: a buffer's memory lives for as long as some packet names it.
        let is_more = |now: (usize, usize)| now.0 > held.0 || now.1 > held.1;
        while is_more(self.holds()) {
            let now = self.holds();
            assert!(
                begun.elapsed() < WATCHDOG,
                "{held:?} descriptors and children before, {now:?} now: {:#?}",
                self.descriptors()
            );
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Returns how many descriptors the engine has of each thing.
    fn descriptors(&self) -> BTreeMap<String, u32> {
        let mut found = BTreeMap::new();
        for fd in fs::read_dir(format!("/proc/{}/fd", self.live.child.id())).unwrap().flatten() {
            let target = fs::read_link(fd.path()).unwrap_or_default();
            // `socket:[123]` and `pipe:[123]` differ by their numbers only.
            let what = target.to_string_lossy().split(':').take(2).collect::<Vec<_>>().join(":");
            *found.entry(what.split('[').next().unwrap_or_default().to_owned()).or_default() += 1;
        }
        found
    }

    fn holds(&self) -> (usize, usize) {
        let fds = fs::read_dir(format!("/proc/{}/fd", self.live.child.id())).unwrap().count();
        (fds, self.live.children().len())
    }

    /// Returns what the engine holds when it has ended what it had to end: the same a hundred times in a row.
    fn holds_at_rest(&self) -> (usize, usize) {
        let (begun, mut held, mut same) = (Instant::now(), self.holds(), 0);
        while same < 100 {
            assert!(begun.elapsed() < WATCHDOG, "what it holds changes on and on: {held:?}");
            std::thread::park_timeout(Duration::from_millis(20));
            let now = self.holds();
            same = if now == held { same + 1 } else { 0 };
            held = now;
        }
        held
    }

    fn memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.live.child.id())).unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable)
        .map_or(otherwise, |text| text.parse().unwrap_or_else(|e| panic!("{variable}: {e}")))
}

#[test]
fn random_kills_stops_swaps_moves_and_restarts_cost_nobody_but_the_cell_and_leave_nothing_behind() {
    let actions = number("SOAK_ACTIONS", ACTIONS.into()) as u32;
    let seed = number("SOAK_SEED", 1);
    let (engine, project) = Engine::with_twin(EXE);
    let (runtime, library) = (tempfile::tempdir().unwrap(), project.path().join("twin.so"));
    let scene = engine.scene("soak.ron", SCENE);
    let args = ["--scene", &scene, "--headless", "--frames", "100000000", "--size", "32x18", "--log", "warn"];
    let mut command = engine.command(&args);
    command.env("XDG_RUNTIME_DIR", runtime.path());
    let live = Live::spawn(command);
    let socket = runtime.path().join(format!("cell/{}.sock", live.child.id()));
    let begun = Instant::now();
    while !socket.exists() {
        assert!(begun.elapsed() < WATCHDOG, "its socket never appeared");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let mut soak = Soak {
        live,
        runtime: runtime.path(),
        built: fs::read(&library).unwrap(),
        library,
        names: Vec::new(),
        done: BTreeMap::new(),
        last: VecDeque::new(),
    };
    soak.until_well();
    let cells = soak.cells();
    let text = |c: &Value, key: &str| c[key].as_str().unwrap().to_lowercase();
    let places: Vec<_> = cells.iter().map(|c| (text(c, "name"), text(c, "placement"))).collect();
    soak.names = places.iter().map(|(name, _)| name.clone()).collect();

    // Each placement and each build once, so that what is loaded or mapped for good is there before it is counted.
    for place in ["process", "thread"] {
        soak.names.iter().for_each(|name| drop(soak.ctl(&["move", name, place])));
        soak.until_well();
    }
    for mark in 0..BUILDS {
        soak.build(mark);
        soak.tell(&["swap", "twin"]);
        soak.until_well();
    }
    places.iter().for_each(|(name, place)| drop(soak.ctl(&["move", name, place])));
    soak.until_well();
    let (held, memory) = (soak.holds_at_rest(), soak.memory_kib());

    let mut random = Random::new(seed);
    for n in 1..=actions {
        soak.act(&mut random);
        if n % ROUND == 0 || n == actions {
            soak.until_well();
        }
        if n % TOLD == 0 {
            eprintln!("{n} of {actions}: {:?}", soak.done);
        }
    }
    soak.until_as(&places, held);
    let grown = soak.memory_kib().saturating_sub(memory);
    eprintln!("{:?} by seed {seed}; the engine has grown by {grown} KiB", soak.done);
    assert!(grown < GROWTH_KIB, "the engine has grown by {grown} KiB in {actions} actions");
    soak.ctl(&["quit"]);
    let status = soak.live.end();
    assert!(status.success(), "{status}:\n{}", soak.live.seen.join("\n"));
}
