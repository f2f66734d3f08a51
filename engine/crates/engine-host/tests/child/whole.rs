//! Whole worlds, with a renderer that draws nothing.
use crate::rig::Rig;
use engine_host::{WorldOptions, process_cell::Start};
use engine_render::{Backend, RenderConfig, Renderer};
use engine_scene::{Placement, Scene};
use std::time::Duration;

/// Returns a scene of `count` cells that have a buffer and passes of their own.
pub(crate) fn many_faulty(count: usize, with: &str) -> String {
    let lines = (0..count).map(|n| format!(r#"(cell: "faulty", name: "f{n}", with: ({with})),"#));
    format!(r#"World(name: "many", cells: [{}])"#, lines.collect::<String>())
}

/// Opens a whole world in lockstep.
pub(crate) fn open(rig: &Rig, scene: &str, placement: Option<Placement>) -> engine_host::World {
    open_with(rig, scene, placement, false)
}

/// The same, with or without records.
pub(crate) fn open_with(
    rig: &Rig,
    scene: &str,
    placement: Option<Placement>,
    records: bool,
) -> engine_host::World {
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
