//! Cells in child processes: the same bytes as on a thread, and what a crash costs.
//!
//! This executable is its own child (`/proc/self/exe` run again), so it has its own `main`. The cells are the
//! project's, built by the engine's builder.
#![allow(clippy::print_stdout, reason = "a test runner reports")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "child/badly.rs"]
mod badly;
#[path = "child/heard.rs"]
mod heard;
#[path = "child/rig.rs"]
mod rig;
#[path = "child/syscalls.rs"]
mod syscalls;

use cell_abi::{InputFrame, Status};
use engine_host::{
    WorldOptions,
    closer::Closer,
    cx::{InstanceCx, TurnKind},
    kept::{Player, Sums},
    library::Libraries,
    process_cell::{ProcessCell, Start, run_if_child},
    thread_cell::ThreadCell,
    turn::{Maker, Placed},
    turns::LONG_TURN,
};
use engine_render::{Backend, RenderConfig, Renderer};
use engine_scene::{
    Placement::{self, Process, Thread},
    Scene,
};
use rig::{Rig, Seen, World};
use std::{
    process::{Command, ExitCode},
    sync::Arc,
    time::{Duration, Instant},
};

const CUBES: &str = r#"World(name: "test", cells: [
    (cell: "camera", with: (orbit_speed: 20.0)),
    (cell: "many-cubes", with: (count: 5000, spin: 1.5)),
])"#;

type Test = (&'static str, fn(&Rig));

fn main() -> ExitCode {
    if let Some(code) = badly::run_if_bad().or_else(run_if_child) {
        return code;
    }
    let rig = Rig::new();
    let tests: [Test; 27] = [
        ("a_child_publishes_the_same_bytes_as_a_thread", same_bytes),
        ("assets_and_sealed_bytes_cross_the_border", assets),
        ("a_missing_asset_is_told_in_the_same_words", missing_asset),
        ("a_killed_child_is_over_and_its_data_stays", killed),
        ("a_child_that_ends_between_turns_is_found", ended_between_turns),
        ("a_child_that_hangs_is_killed_when_it_is_replaced", replaced),
        ("a_cell_moves_between_thread_and_process_without_a_gap", moves),
        ("the_state_moves_with_its_cell_in_lockstep", state_moves),
        ("kept_turns_give_the_same_bytes_on_a_thread_and_in_a_process", replayed),
        ("a_library_that_is_no_cell_is_refused", no_cell),
        ("nothing_is_left_after_twenty_starts", leaks),
        ("a_child_that_dies_while_it_claims_its_region_is_over", killed_in_claim),
        ("a_child_that_hangs_in_create_is_killed_when_it_is_replaced", replaced_in_create),
        ("a_child_that_never_stops_asking_is_killed_when_it_is_replaced", replaced_while_asking),
        ("whoever_drops_an_instance_does_not_wait_for_its_end", end_in_background),
        ("children_that_do_not_end_are_killed_all_at_once", killed_together),
        ("a_child_that_fails_at_its_end_costs_nothing", fails_at_end),
        ("a_long_turn_yields_and_the_next_one_does_not", long_turn),
        ("what_an_untrusted_cell_scribbles_reaches_nobody", scribbles),
        ("an_untrusted_cell_goes_on_from_its_last_data_in_a_new_process", untrusted_restart),
        ("a_child_that_speaks_badly_is_ended", badly::ends_it),
        ("a_hostile_child_stays_hostile_and_is_ended", badly::stays_hostile),
        ("what_a_child_writes_is_shown_plainly", badly::shown_plainly),
        ("memory_that_a_child_was_given_counts", badly::memory_counts),
        ("an_untrusted_cell_that_drew_when_the_gpu_was_lost_is_ended_until_its_line_changes", lost_gpu),
        ("two_hundred_cells_run_and_leave_nothing_behind", two_hundred),
        ("a_steady_frame_makes_no_call_but_those_that_sleep_and_wake", steady_frames),
    ];
    let filter = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    let chosen: Vec<_> = tests.iter().filter(|t| t.0.contains(&filter)).collect();
    for (name, test) in &chosen {
        test(&rig);
        println!("test {name} ... ok");
    }
    if filter.is_empty() || filter == "round_trip" {
        round_trip(&rig);
    }
    println!("{} tests passed", chosen.len());
    ExitCode::SUCCESS
}

/// Runs both cells of a world for some frames and returns all that they published and handed over.
fn run(world: &mut World, frames: u64) -> Vec<Seen> {
    let mut seen = world.start();
    for frame in 0..frames {
        seen.extend(world.frame(frame));
    }
    seen
}

fn same_bytes(rig: &Rig) {
    let on_thread = run(&mut rig.world(CUBES, Thread), 12);
    let in_child = run(&mut rig.world(CUBES, Process), 12);
    assert!(
        on_thread.iter().any(|s| s.published.iter().any(|b| b.len() == 5000 * 32)),
        "cubes were published"
    );
    assert!(on_thread.iter().any(|s| s.passes.is_some()) && on_thread.iter().any(|s| !s.sealed.is_empty()));
    for (n, (a, b)) in on_thread.iter().zip(&in_child).enumerate() {
        assert!(a == b, "turn {n} differs: {a:?}\n{b:?}");
    }
    assert_eq!(on_thread.len(), in_child.len());
}

fn assets(rig: &Rig) {
    // Four by two pixels, of which one is bright.
    let mut picture = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 2 +X 4\n".to_vec();
    for n in 0..8_u8 {
        picture.extend([128 + n, 100, 90, if n == 2 { 140 } else { 128 }]);
    }
    std::fs::write(rig.assets().join("sky.hdr"), picture).unwrap();
    let scene = r#"World(name: "test", cells: [(cell: "sky", with: (hdr: "sky.hdr"))])"#;
    let on_thread = run(&mut rig.world(scene, Thread), 2);
    let mut world = rig.world(scene, Process);
    let in_child = run(&mut world, 2);
    assert!(on_thread.iter().any(|s| !s.sealed.is_empty()) && on_thread == in_child);
    assert_eq!(world.opened_assets(0), ["sky.hdr"], "the engine knows what to watch");
}

fn missing_asset(rig: &Rig) {
    let scene = r#"World(name: "test", cells: [(cell: "sky", with: (hdr: "none.hdr"))])"#;
    let mut failures = [Thread, Process].map(|at| {
        let mut world = rig.world(scene, at);
        world.make(0).unwrap();
        let (status, _) = world.turn(0, TurnKind::Load, 0);
        (status, world.failure(0).unwrap())
    });
    assert_eq!(failures[0], failures[1]);
    assert_eq!(failures[0].0, Status::FAILED);
    assert!(std::mem::take(&mut failures[0].1).contains("none.hdr"));
}

fn killed(rig: &Rig) {
    let mut world = rig.world(CUBES, Process);
    run(&mut world, 3);
    let before = world.newest(1);
    let region = world.region(1);
    // A stopped process takes the turn but never answers, so the kill meets it in the middle.
    signal(world.pid(1), "STOP");
    let pid = world.pid(1);
    let killer = std::thread::spawn(move || signal(pid, "KILL"));
    let (status, seen) = world.turn(1, TurnKind::Tick, 3);
    killer.join().unwrap();
    assert_eq!(status, Status::CANCELLED);
    assert!(seen.published.is_empty());
    assert_eq!(world.lost(1).unwrap(), "its process is over: killed by SIGKILL");
    assert_eq!(world.newest(1), before, "readers go on with its last data");

    world.make(1).unwrap();
    assert_ne!(world.region(1), region, "a new process gets a new region");
    assert_eq!(world.newest(1), before, "with the last data in it");
    assert_eq!(world.turn(1, TurnKind::Load, 3).0, Status::OK);
    assert_eq!(world.turn(1, TurnKind::Tick, 4).0, Status::OK);
    assert!(world.newest(1) != before, "and goes on from there");
}

fn ended_between_turns(rig: &Rig) {
    let mut world = rig.world(CUBES, Process);
    run(&mut world, 1);
    assert_eq!(world.ended(1), None);
    signal(world.pid(1), "ABRT");
    let why = loop {
        // The watchdog of the test runner ends this if the signal never comes through.
        if let Some(why) = world.ended(1) {
            break why;
        }
        std::thread::yield_now();
    };
    assert_eq!(why, "its process is over: aborted (SIGABRT)");
}

fn replaced(rig: &Rig) {
    let mut world = rig.world(CUBES, Process);
    run(&mut world, 1);
    signal(world.pid(1), "STOP");
    let cx = world.cx(1);
    let host = std::thread::spawn(move || cx.cancel());
    let (status, _) = world.turn(1, TurnKind::Tick, 1);
    host.join().unwrap();
    assert_eq!(status, Status::CANCELLED);
    let pid = world.pid(1);
    world.end(1);
    drop(world);
    assert!(!exists(pid), "it is gone, and reaped");
}

fn moves(rig: &Rig) {
    let mut all = rig.world(CUBES, Thread);
    let expected = run(&mut all, 9);
    let mut world = rig.world(CUBES, Thread);
    let mut seen = world.start();
    for frame in 0..9 {
        if frame % 3 == 0 && frame > 0 {
            // Only the cubes: they have no state of their own, so that a new instance goes on alike.
            let before = world.newest(1);
            world.place(1, if frame == 3 { Process } else { Thread });
            world.make(1).unwrap();
            assert_eq!(world.newest(1), before, "frame {frame}: readers see no gap");
            assert_eq!(world.turn(1, TurnKind::Load, frame).0, Status::OK);
        }
        seen.extend(world.frame(frame));
    }
    assert!(seen.iter().map(|s| &s.published).eq(expected.iter().map(|s| &s.published)));
}

fn no_cell(rig: &Rig) {
    let mut world = rig.world(CUBES, Process);
    let why = world.make_from(1, &std::env::current_exe().unwrap()).unwrap_err();
    assert!(why.contains("is no cell"), "{why}");
    let why = world.make_from(1, std::path::Path::new("/no/such/file.so")).unwrap_err();
    assert!(why.contains("cannot be read"), "{why}");
    let (staged, dir) = (rig.project().stage("camera").unwrap().path, tempfile::tempdir().unwrap());
    let other = dir.path().join("camera-0123456789abcdef.so");
    std::fs::copy(&staged, &other).unwrap();
    let why = world.make_from(1, &other).unwrap_err();
    assert!(why.contains("was changed since it was built"), "{why}");
    // Read anew after its times changed; what it is did not.
    let same = dir.path().join(staged.file_name().unwrap());
    std::fs::copy(&staged, &same).unwrap();
    for _ in 0..2 {
        world.make_from(1, &same).unwrap();
        std::fs::File::open(&same).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
    }
}

fn leaks(rig: &Rig) {
    let once = || {
        let mut world = rig.world(CUBES, Process);
        run(&mut world, 2);
    };
    once();
    let (fds, children) = (open_fds(), children());
    assert_eq!(children, 0, "children end with their world");
    for _ in 0..20 {
        once();
    }
    assert_eq!((open_fds(), self::children()), (fds, 0));
}

fn killed_in_claim(rig: &Rig) {
    let mut world = rig.world(CUBES, Process);
    world.start();
    // The first tick is the first turn that writes: the region is claimed before it.
    let pid = world.pid(1);
    signal(pid, "STOP");
    let killer = std::thread::spawn(move || signal(pid, "KILL"));
    let (status, _) = world.turn(1, TurnKind::Tick, 0);
    killer.join().unwrap();
    assert_eq!(status, Status::CANCELLED);
    assert_eq!(world.lost(1).unwrap(), "its process is over: killed by SIGKILL");

    world.make(1).unwrap();
    for kind in [TurnKind::Load, TurnKind::Passes, TurnKind::Tick] {
        assert_eq!(world.turn(1, kind, 1).0, Status::OK, "{kind:?} of the next one");
    }
}

fn replaced_in_create(rig: &Rig) {
    with_faulty_create(rig, "hang", |mut world| {
        world.start_with(Start { made_within: Duration::from_millis(50), ..Start::default() });
        let why = world.make(0).unwrap_err();
        assert!(why.contains("did not make the instance within 50 ms"), "{why}");
        assert_eq!(children(), 0);
        world.start_with(Start::default());
        let cx = world.new_cx(0);
        let host = std::thread::spawn(move || {
            while children() == 0 {
                std::thread::yield_now();
            }
            cx.cancel();
        });
        assert_eq!(world.make_now(0).unwrap_err(), "it was replaced, and its process ended");
        host.join().unwrap();
        assert_eq!(children(), 0);
    });
    for (how, cause) in [
        ("segv", "its process is over: crashed with SIGSEGV (bad memory access)"),
        ("exit", "its process is over: exited with code 0"),
    ] {
        with_faulty_create(rig, how, |mut world| assert_eq!(world.make(0).unwrap_err(), cause));
    }
    with_faulty_create(rig, "panic", |mut world| {
        let why = world.make(0).unwrap_err();
        assert!(why.contains("panicked in `create` at") && why.contains("crash.rs"), "{why}");
    });
}

/// Runs `test` with a cell that fails in `create`, in the way called `how`.
fn with_faulty_create(rig: &Rig, how: &str, test: impl FnOnce(World)) {
    // It gets no parameters there: the bytes that say so lie in the library.
    let (marker, dir) = (b"the faulty one fails in create: ", tempfile::tempdir().unwrap());
    let mut bytes = std::fs::read(rig.project().library("faulty")).unwrap();
    let places: Vec<usize> =
        bytes.windows(marker.len()).enumerate().filter(|w| w.1 == marker).map(|w| w.0).collect();
    assert!(!places.is_empty(), "the library holds the words");
    for place in places {
        let at = place + marker.len();
        bytes[at..at + how.len()].copy_from_slice(how.as_bytes());
    }
    let path = dir.path().join("libfaulty.so");
    std::fs::write(&path, bytes).unwrap();
    test(rig.world(
        &format!(r#"World(cells: [(cell: "{}", trust: Own, name: "faulty")])"#, path.display()),
        Process,
    ));
}

fn replaced_while_asking(rig: &Rig) {
    let mut world = rig.world(r#"World(cells: [(cell: "faulty", with: (hang_in: "asking"))])"#, Process);
    world.make(0).unwrap();
    let cx = world.cx(0);
    let host = std::thread::spawn(move || {
        while cx.io().failure.is_none() {
            std::thread::yield_now();
        }
        cx.cancel();
    });
    assert_eq!(world.turn(0, TurnKind::Load, 0).0, Status::CANCELLED);
    host.join().unwrap();
    assert_eq!(world.lost(0).unwrap(), "it was replaced, and its process ended");
}

fn end_in_background(rig: &Rig) {
    let mut world = rig.world_with(CUBES, Process, Closer::with_patience(Duration::from_secs(100)).unwrap());
    run(&mut world, 1);
    let pid = world.pid(1);
    signal(pid, "STOP");
    let begun = Instant::now();
    world.end(1);
    println!("an instance in a child that does not react was let go in {:?}", begun.elapsed());
    assert!(exists(pid), "it has not even read that it is to end");
    signal(pid, "CONT");
    let begun = Instant::now();
    drop(world);
    assert!(!exists(pid));
    assert!(begun.elapsed() < Duration::from_secs(50), "it ended by itself");
}

fn killed_together(rig: &Rig) {
    const MANY: usize = 30;
    let scene = many_faulty(MANY, "");
    let mut world = rig.world_with(&scene, Process, Closer::with_patience(Duration::from_secs(1)).unwrap());
    let pids: Vec<u32> = (0..MANY)
        .map(|n| {
            world.make(n).unwrap();
            signal(world.pid(n), "STOP");
            world.pid(n)
        })
        .collect();
    let begun = Instant::now();
    drop(world);
    let took = begun.elapsed();
    assert!(pids.iter().all(|pid| !exists(*pid)));
    assert!(took >= Duration::from_secs(1), "they get their time: {took:?}");
    assert!(took < Duration::from_secs(MANY as u64 / 2), "one after another it would be {MANY} s: {took:?}");
    println!("{MANY} children that do not end were gone {took:?} after they were told (1 s patience)");
}

fn fails_at_end(rig: &Rig) {
    for how in ["panic", "segv", "hang"] {
        let scene =
            format!(r#"World(cells: [(cell: "faulty", with: (crash_in: "destroy", crash: "{how}"))])"#);
        let mut world = rig.world(&scene, Process);
        run(&mut world, 2);
        let pid = world.pid(0);
        drop(world);
        assert!(!exists(pid), "{how}");
    }
}

fn long_turn(rig: &Rig) {
    let mut world = rig.world(CUBES, Process);
    run(&mut world, 2);
    let pid = world.pid(1);
    let usual = nice_values(pid)[0].1;
    let lowered = move || nice_values(pid).into_iter().find(|(_, nice)| *nice > usual);
    assert_eq!(lowered(), None, "its turns were short");
    // A stopped process takes long for its turn.
    signal(pid, "STOP");
    let waker = std::thread::spawn(move || {
        let slow = loop {
            // The watchdog of the test runner ends this if it is never lowered.
            match lowered() {
                Some((thread, _)) => break thread,
                None => std::thread::yield_now(),
            }
        };
        signal(pid, "CONT");
        slow
    });
    assert_eq!(world.turn(1, TurnKind::Tick, 2).0, Status::OK);
    let slow = waker.join().unwrap();
    assert_ne!(slow, pid, "the first thread keeps its priority, to start others");
    for frame in 3..6 {
        assert_eq!(world.turn(1, TurnKind::Tick, frame).0, Status::OK);
    }
    while lowered().is_some() {
        // It ends when it has handed over.
        std::thread::yield_now();
    }
    assert!(nice_values(pid).len() >= 2, "another thread has the turns");
}

/// Returns the threads of a process with their nice values, the first one first.
fn nice_values(pid: u32) -> Vec<(u32, i32)> {
    let nice = |(thread, stat): (u32, Vec<String>)| (thread, stat[16].parse().unwrap());
    threads(pid).into_iter().map(nice).collect()
}

/// Returns the threads of a process, the first one first, with the words that /proc has about each after its name.
fn threads(pid: u32) -> Vec<(u32, Vec<String>)> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let mut all: Vec<_> = threads
        .filter_map(|t| {
            let t = t.unwrap();
            // A thread may end meanwhile.
            let stat = std::fs::read_to_string(t.path().join("stat")).ok()?;
            let words = stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect();
            Some((t.file_name().to_str()?.parse().ok()?, words))
        })
        .collect();
    all.sort_unstable_by_key(|(thread, _)| (*thread != pid, *thread));
    all
}

/// Returns a scene of `count` cells that have a buffer and passes of their own.
fn many_faulty(count: usize, with: &str) -> String {
    let lines = (0..count).map(|n| format!(r#"(cell: "faulty", name: "f{n}", with: ({with})),"#));
    format!(r#"World(name: "many", cells: [{}])"#, lines.collect::<String>())
}

/// Opens a whole world in lockstep.
fn open(rig: &Rig, scene: &str, placement: Option<Placement>) -> engine_host::World {
    open_with(rig, scene, placement, false)
}

/// The same, with or without records.
fn open_with(rig: &Rig, scene: &str, placement: Option<Placement>, records: bool) -> engine_host::World {
    let scene = Scene::parse("test.ron", scene).unwrap();
    let config = RenderConfig { backend: Backend::Noop, wait_ready: true, ..RenderConfig::default() };
    let options = WorldOptions {
        lockstep: true,
        chaos: None,
        seed: None,
        placement,
        threads: 2,
        tick_limit: Duration::from_secs(60),
        screen_px: [16, 16],
        processes: Start::default(),
        records,
        crashes: std::path::PathBuf::new(),
    };
    let renderer = Renderer::start(config).unwrap();
    engine_host::World::open(rig.project().clone(), scene, rig.services(), renderer, options).unwrap()
}

fn state_moves(rig: &Rig) {
    const PLACES: [&str; 5] = ["Thread", "Process", "Process, rate: 30", "Thread", "Process"];
    for does in ["keep", "keep much"] {
        let scene = |at| format!(r#"World(cells: [(cell: "probe", with: (does: "{does}"), at: {at})])"#);
        let once = || {
            heard::listen();
            let mut world = open(rig, &scene(PLACES[0]), None);
            for at in PLACES {
                world.apply_scene(Scene::parse("test.ron", scene(at)).unwrap()).unwrap();
                // More than the ticks after which the instance before ends and the next may come.
                for _ in 0..70 {
                    world.frame(&InputFrame::default(), 0, Instant::now(), false).unwrap();
                }
            }
            world.close();
            heard::take()
        };
        let lines = once();
        let counts: Vec<&String> = lines.iter().filter(|l| l.contains("it has counted")).collect();
        let numbers: Vec<usize> =
            counts.iter().map(|l| l.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        // A move costs no frame, and seventy frames have 35 ticks of 30 Hz.
        assert_eq!(numbers, (1..=4 * 70 + 35).collect::<Vec<_>>(), "{does}: {lines:#?}");
        let moved: Vec<&String> = lines.iter().filter(|l| l.contains("goes on with its state")).collect();
        assert_eq!(moved.len(), 3, "{does}: {lines:#?}");
        let again = once();
        assert!(again.iter().filter(|l| l.contains("it has counted")).eq(counts), "{does}: the same frames");
    }
}

fn steady_frames(rig: &Rig) {
    const FRAMES: u64 = 20;
    const BATCHES: u64 = 10;
    // One chunk of cubes: a loop over more wakes threads of the child, which is the cell's own wish.
    let scene = r#"World(name: "test", cells: [(cell: "camera", with: (orbit_speed: 20.0)),
        (cell: "many-cubes", with: (count: 1000, spin: 1.5))])"#;
    let mut world = rig.world(scene, Process);
    run(&mut world, 8);
    let mut frame = 8;
    // The camera writes; the cubes read it and write.
    for cell in [0, 1] {
        let (mut slept, mut woke, mut batches) = (0, 0, 0);
        while batches < BATCHES {
            let mut longest = Duration::ZERO;
            let counts = syscalls::count(world.pid(cell), || {
                for _ in 0..FRAMES {
                    frame += 1;
                    // Both, so that each sees news of its neighbour in each frame.
                    for n in [0, 1] {
                        let begun = Instant::now();
                        let (status, seen) = world.turn(n, TurnKind::Tick, frame);
                        longest = longest.max(begun.elapsed());
                        assert!(status.is_ok() && seen.published.len() == 1);
                    }
                }
            });
            if longest >= LONG_TURN {
                // A turn that takes long costs the child its thread; with the next one that is over.
                frame += 1;
                world.turn(cell, TurnKind::Tick, frame);
                continue;
            }
            batches += 1;
            slept += counts.waits;
            woke += counts.wakes;
            assert!(counts.others.is_empty(), "cell {cell}: no other calls: {counts:?}");
        }
        // A sleep that the tracing interrupted is begun anew, and now and then a wake comes so late that it ends the
        // next sleep: a few more than one a frame.
        let most = FRAMES * BATCHES + FRAMES * BATCHES / 4;
        assert!(
            (1..=most).contains(&slept),
            "cell {cell} slept {slept} times in {BATCHES} x {FRAMES} frames"
        );
        assert!(woke <= FRAMES * BATCHES, "cell {cell} woke the engine {woke} times");
    }
    // A load seals meshes, which asks the engine over the socket: calls of another kind are seen too.
    let counts = syscalls::count(world.pid(1), || assert!(world.turn(1, TurnKind::Load, frame).0.is_ok()));
    assert!(!counts.others.is_empty(), "{counts:?}");
}

fn replayed(rig: &Rig) {
    const CELLS: [&str; 2] = ["many-cubes", "probe"];
    let scene = |at| {
        format!(
            r#"World(cells: [
                (cell: "camera", with: (orbit_speed: 20.0)),
                (cell: "many-cubes", at: {at}, with: (count: 5000, spin: 1.5)),
                (cell: "probe", at: {at}, with: (does: "carry")),
            ])"#
        )
    };
    // The instances that are kept took over from others: what those published is there when they begin.
    for (first, second) in [(Thread, Process), (Process, Thread)] {
        let mut world = open_with(rig, &scene(word(first)), None, true);
        let frames = |world: &mut engine_host::World, count| {
            (0..count).for_each(|_| {
                world.frame(&InputFrame::default(), 0, Instant::now(), false).unwrap();
            });
        };
        frames(&mut world, 10);
        world.apply_scene(Scene::parse("test.ron", scene(word(second))).unwrap()).unwrap();
        frames(&mut world, 2);
        let kept = CELLS.map(|cell| Arc::clone(world.kept(cell).unwrap()));
        // All of each publication is to be compared, from the next tick on.
        kept.iter().for_each(|k| k.set_sums(Sums::All));
        frames(&mut world, 30);
        world.close();
        for (cell, kept) in CELLS.iter().zip(kept) {
            let records = kept.records();
            let run = records.run();
            assert!(run.is_whole());
            let ticks = run.turns.iter().filter(|t| t.end.as_ref().is_some_and(|e| e.ticked));
            let sums =
                ticks.flat_map(|t| t.end.iter().flat_map(|e| &e.publications)).filter(|p| p.sum.is_some());
            assert!(sums.count() >= 25, "{cell}: there is enough to compare");
            let built = rig.project().stage(cell).unwrap();
            for placement in [Thread, Process] {
                let (path, shape) = (built.path.clone(), built.shape.clone());
                let maker: Maker = match placement {
                    Thread => Box::new(move |cx| {
                        let library = Libraries::default().load(&path).map_err(|e| e.to_string())?;
                        ThreadCell::create(&library, cx).map(|c| Box::new(c) as Box<dyn Placed>)
                    }),
                    Process => Box::new(move |cx| {
                        let made = ProcessCell::create(&path, cx, &Start::default());
                        made.map(|c| Box::new(c) as Box<dyn Placed>)
                    }),
                };
                let cx = InstanceCx::new((*cell).into(), rig.services());
                let mut player = Player::new(&cx, maker, placement, run.legacy(shape));
                for turn in &run.turns {
                    let step = player.play(turn, &records.contents).unwrap();
                    assert_eq!(step.difference, None, "{cell} in frame {} at {placement:?}", turn.frame);
                }
            }
        }
    }
}

fn word(placement: Placement) -> &'static str {
    match placement {
        Thread => "Thread",
        Process => "Process",
    }
}

fn two_hundred(rig: &Rig) {
    const FRAMES: u64 = 3;
    let once = |count: usize| {
        let begun = Instant::now();
        let mut world = open(rig, &many_faulty(count, ""), Some(Process));
        let opened = begun.elapsed();
        assert_eq!(children(), count, "each in a process of its own");
        for _ in 0..FRAMES {
            world.frame(&InputFrame::default(), 0, Instant::now(), false).unwrap();
        }
        world.drain().unwrap();
        let report = serde_json::to_value(world.report()).unwrap();
        let ticks = |c: &serde_json::Value| c["ticks"].as_u64().unwrap();
        assert!(report["cells"].as_array().unwrap().iter().all(|c| ticks(c) == FRAMES), "{report}");
        let begun = Instant::now();
        world.close();
        println!("{count} process cells: opened in {opened:?}, closed in {:?}", begun.elapsed());
    };
    once(2);
    let before = (open_fds(), shared_maps(), children());
    assert_eq!(before.2, 0);
    once(200);
    assert_eq!((open_fds(), shared_maps(), children()), before, "descriptors, maps of memfds, processes");
}

const TRUSTS: [&str; 2] = ["Own", "Untrusted(read: [\"camera\"], write: [\"scene_color\"])"];

fn scribbles(rig: &Rig) {
    let scene = |trust: &str| {
        format!(
            r#"World(name: "test", cells: [(cell: "faulty", at: Process, trust: {trust}, with: (crash_in: "tick", crash: "scribble"))])"#
        )
    };
    // Our own cell could do so: that is what the twin is for. The test runner's watchdog ends a wait in vain.
    let mut own = rig.world(&scene(TRUSTS[0]), Process);
    run(&mut own, 3);
    let first = own.newest(0);
    while own.newest(0) == first {
        std::thread::yield_now();
    }
    let mut world = rig.world(&scene(TRUSTS[1]), Process);
    run(&mut world, 3);
    let mut seen = 0;
    for frame in 3.. {
        let published = &world.frame(frame)[0].published;
        let number = f32::from_le_bytes(published[0][..4].try_into().unwrap());
        // Below 0: it was copied after the scribbler had met it, so the scribbler is at work.
        seen += u32::from(number < 0.0);
        for _ in 0..2000 {
            assert_eq!(world.newest(0).1, published[0], "frame {frame}");
        }
        if seen > 20 {
            break;
        }
    }
}

fn untrusted_restart(rig: &Rig) {
    let scene = |trust: &str| {
        format!(
            r#"World(name: "test", cells: [(cell: "probe", at: Process, trust: {trust}, with: (does: "carry"))])"#
        )
    };
    let grants = r#"Untrusted(read: ["camera", "heard", "told", "taken"], write: ["tally", "says", "given", "large", "Backbuffer"])"#;
    let all = [TRUSTS[0], grants].map(|trust| {
        let mut world = rig.world(&scene(trust), Process);
        // It changes two elements of 64 in most ticks: carried forward, and of that the twin gets what has changed.
        let mut seen = run(&mut world, 30);
        let (region, before) = (world.region(0), world.newest(0));
        signal(world.pid(0), "KILL");
        assert_eq!(world.turn(0, TurnKind::Tick, 30).0, Status::CANCELLED);
        world.make(0).unwrap();
        assert_eq!(world.newest(0), before, "its last data stays");
        assert_eq!(
            world.region(0) == region,
            trust == grants,
            "the engine's own memory does not change hands"
        );
        seen.push(world.turn(0, TurnKind::Load, 31).1);
        for frame in 31..60 {
            seen.extend(world.frame(frame));
        }
        seen.into_iter().map(|s| s.published).collect::<Vec<_>>()
    });
    assert!(
        all[0].iter().flatten().count() > 40 && all[0] == all[1],
        "the same bytes with a twin and without"
    );
}

fn lost_gpu(rig: &Rig) {
    let scene = |ours: f32, theirs: f32| {
        let line = |name: &str, trust: &str, colour: f32| {
            format!(
                r#"(cell: "faulty", name: "{name}", at: Process, trust: {trust}, with: (colour: ({colour}, 0, 0)))"#
            )
        };
        let lines = [line("ours", TRUSTS[0], ours), line("theirs", TRUSTS[1], theirs)].join(", ");
        format!(r#"World(cells: [(cell: "camera"), {lines}])"#)
    };
    let mut world = open(rig, &scene(0.0, 0.0), None);
    let run = |world: &mut engine_host::World| {
        for _ in 0..6 {
            world.frame(&InputFrame::default(), 0, Instant::now(), false).unwrap();
        }
        world.down_cells()
    };
    assert_eq!(run(&mut world), []);
    world.renderer().simulate_device_loss().unwrap();
    let down = run(&mut world);
    assert_eq!(down.len(), 1, "{down:?}");
    assert!(down[0].0 == "theirs" && down[0].1.contains("the GPU was lost while it drew"), "{down:?}");
    // What was saved is not its line.
    world.apply_scene(Scene::parse("test.ron", scene(1.0, 0.0)).unwrap()).unwrap();
    assert_eq!(run(&mut world), down);
    world.apply_scene(Scene::parse("test.ron", scene(1.0, 1.0)).unwrap()).unwrap();
    assert_eq!(run(&mut world), []);
    world.close();
}

/// Prints how long a turn of a cell with nothing to do takes from the tick thread's view.
fn round_trip(rig: &Rig) {
    let scene = r#"World(name: "test", cells: [(cell: "camera"), (cell: "many-cubes", with: (count: 100))])"#;
    for (at, name) in [(Thread, "thread"), (Process, "process")] {
        let mut world = rig.world(scene, at);
        let begun = Instant::now();
        world.make(1).unwrap();
        println!("a new instance, {name}: {:?}", begun.elapsed());
        run(&mut world, 20);
        for pause in [Duration::ZERO, Duration::from_millis(2)] {
            let mut times: Vec<Duration> = (0..1000)
                .map(|n| {
                    // The pause is what is measured: a child that has gone to sleep between turns.
                    std::thread::sleep(pause);
                    let begun = Instant::now();
                    world.turn(1, TurnKind::Tick, 20 + n);
                    begun.elapsed()
                })
                .collect();
            times.sort_unstable();
            println!("round trip, {name}, {pause:?} apart: median {:?}, p99 {:?}", times[500], times[990]);
        }
    }
}

fn signal(pid: u32, name: &str) {
    let done = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap();
    assert!(done.success());
    // It takes a moment until each thread has stopped.
    while name == "STOP" && threads(pid).iter().any(|(_, words)| words[0] != "T") {
        std::thread::yield_now();
    }
}

fn exists(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

fn shared_maps() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap().lines().filter(|l| l.contains("/memfd:")).count()
}

fn open_fds() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn children() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let of = |task: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default()
    };
    tasks.map(of).map(|list| list.split_whitespace().count()).sum()
}
