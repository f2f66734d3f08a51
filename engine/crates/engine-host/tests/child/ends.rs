//! How a child ends, at each step of its life, and that whoever lets it go does not wait.
use crate::{
    CUBES,
    rig::{Rig, World, run},
    system::{children, exists, signal},
    whole::many_faulty,
};
use cell_abi::Status;
use engine_host::{closer::Closer, cx::TurnKind, process_cell::Start};
use engine_scene::Placement::Process;
use std::time::{Duration, Instant};

pub(crate) fn killed(rig: &Rig) {
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

pub(crate) fn ended_between_turns(rig: &Rig) {
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

pub(crate) fn replaced(rig: &Rig) {
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

pub(crate) fn no_cell(rig: &Rig) {
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

pub(crate) fn killed_in_claim(rig: &Rig) {
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

pub(crate) fn replaced_in_create(rig: &Rig) {
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

pub(crate) fn replaced_while_asking(rig: &Rig) {
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

pub(crate) fn end_in_background(rig: &Rig) {
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

pub(crate) fn killed_together(rig: &Rig) {
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

pub(crate) fn fails_at_end(rig: &Rig) {
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
