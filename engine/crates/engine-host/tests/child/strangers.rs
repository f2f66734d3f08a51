//! Untrusted cells: what they write while somebody reads, their restart, and a lost GPU.
use crate::{
    rig::{Rig, run},
    system::signal,
    whole::open,
};
use cell_abi::{InputFrame, Status};
use engine_host::cx::TurnKind;
use engine_scene::{Placement::Process, Scene};
use std::time::Instant;

const TRUSTS: [&str; 2] = ["Own", "Untrusted(read: [\"camera\"], write: [\"scene_color\"])"];

pub(crate) fn scribbles(rig: &Rig) {
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

pub(crate) fn untrusted_restart(rig: &Rig) {
    let scene = |trust: &str| {
        format!(
            r#"World(name: "test", cells: [(cell: "probe", at: Process, trust: {trust}, with: (does: "carry"))])"#
        )
    };
    let grants = r#"Untrusted(read: ["camera", "heard", "told", "taken"], write: ["tally", "says", "given", "large", "echo", "Backbuffer"])"#;
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

pub(crate) fn lost_gpu(rig: &Rig) {
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
