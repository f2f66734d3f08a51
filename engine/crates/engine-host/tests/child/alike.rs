//! A cell does the same in a process as on a thread, and takes its state along when it moves.
use crate::{
    CUBES, heard,
    rig::{Rig, run},
    whole::{open, open_with},
};
use cell_abi::{InputFrame, Status};
use engine_host::{
    cx::{InstanceCx, TurnKind},
    kept::{Player, Sums},
    library::Libraries,
    process_cell::{ProcessCell, Start},
    thread_cell::ThreadCell,
    turn::{Maker, Placed},
};
use engine_scene::{
    Placement::{self, Process, Thread},
    Scene,
};
use std::{sync::Arc, time::Instant};

pub(crate) fn same_bytes(rig: &Rig) {
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

pub(crate) fn assets(rig: &Rig) {
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

pub(crate) fn missing_asset(rig: &Rig) {
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

pub(crate) fn moves(rig: &Rig) {
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

pub(crate) fn state_moves(rig: &Rig) {
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

pub(crate) fn replayed(rig: &Rig) {
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
