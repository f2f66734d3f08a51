//! What is left when children have ended: nothing.
use crate::{
    CUBES,
    rig::{Rig, run},
    system::{children, open_fds, shared_maps},
    whole::{many_faulty, open},
};
use cell_abi::InputFrame;
use engine_scene::Placement::Process;
use std::time::Instant;

pub(crate) fn leaks(rig: &Rig) {
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

pub(crate) fn two_hundred(rig: &Rig) {
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
