//! What a turn in a child costs, in calls of the system and in time, and a long one's priority.
use crate::{
    CUBES,
    rig::{Rig, run},
    syscalls,
    system::{nice_values, signal},
};
use cell_abi::Status;
use engine_host::{cx::TurnKind, turns::LONG_TURN};
use engine_scene::Placement::{Process, Thread};
use std::time::{Duration, Instant};

pub(crate) fn long_turn(rig: &Rig) {
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

pub(crate) fn steady_frames(rig: &Rig) {
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

/// Prints how long a turn of a cell with nothing to do takes from the tick thread's view.
pub(crate) fn round_trip(rig: &Rig) {
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
