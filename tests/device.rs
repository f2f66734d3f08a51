//! A GPU that is lost while a world runs. No driver here can be made to lose it on demand, so this drives the whole
//! stack below the binary itself: real cells, host and renderer.
#![allow(clippy::unwrap_used, reason = "tests")]

use cell_abi::InputFrame;
use engine_host::{
    Project, World, WorldOptions, assets::AssetStore, cx::Services, par::ParPool, process_cell::Start,
    sealed::SealedStore,
};
use engine_render::{Image, RenderConfig, Renderer};
use engine_scene::Scene;
use engine_tests::{Engine, scratch_project, swapped};
use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

const EXE: &str = env!("CARGO_BIN_EXE_engine");
const SIZE: [u32; 2] = [64, 36];

/// Runs `frames` frames of a scene in lockstep, loses the GPU before each of the frames `lost`, and returns the last
/// picture.
fn run(root: &Path, scene: &str, frames: u64, lost: &[u64]) -> Image {
    let project = Project::find(root, Path::new(EXE)).unwrap();
    let scene = Scene::parse("device.ron", scene.as_bytes()).unwrap();
    let services = Arc::new(Services {
        pool: ParPool::new(2).unwrap(),
        assets: AssetStore::new(root.join("assets")),
        sealed: SealedStore::default(),
    });
    let config = RenderConfig { wait_ready: true, ..RenderConfig::headless() };
    let options = WorldOptions {
        lockstep: true,
        chaos: None,
        seed: None,
        placement: None,
        threads: 2,
        tick_limit: Duration::from_secs(60),
        screen_px: SIZE,
        processes: Start::default(),
        records: false,
        crashes: std::path::PathBuf::new(),
    };
    let mut world = World::open(project, scene, services, Renderer::start(config).unwrap(), options).unwrap();
    for frame in 0..frames {
        if lost.contains(&frame) {
            world.renderer().simulate_device_loss().unwrap();
        }
        let deadline = Instant::now() + Duration::from_millis(16);
        world.frame(&InputFrame::default(), 16_666_667, deadline, frame + 1 == frames).unwrap();
    }
    world.drain().unwrap();
    assert_eq!(world.down_cells(), [], "a lost GPU is no fault of a cell");
    let (frame, image) = world.take_capture().unwrap();
    assert_eq!(frame, frames - 1);
    world.close();
    image
}

fn project() -> tempfile::TempDir {
    let project = tempfile::tempdir().unwrap();
    scratch_project(project.path());
    // Builds the cells.
    let engine = Engine::new(EXE);
    let twin = |t: &str| swapped(&swapped(t, "tally", "heard"), "says", "told");
    engine.library("probe").with_ports(twin).save(&project.path().join("twin.so"));
    let shader = fs::read_to_string(project.path().join("shaders/probe/probe.wgsl")).unwrap();
    fs::create_dir(project.path().join("shaders/twin")).unwrap();
    fs::write(project.path().join("shaders/twin/probe.wgsl"), twin(&shader)).unwrap();
    project
}

#[test]
fn after_a_loss_everything_on_the_gpu_is_there_again() {
    let project = project();
    // Sealed meshes, large buffers, depth, bloom, parameters: at once.
    let scene = "World(cells: [
        (cell: \"camera\", with: (orbit_speed: 12, fly: (at: (0, 6, 30), look: (0, 0, 0)))),
        (cell: \"many-cubes\", with: (count: 216)),
        (cell: \"bloom\"),
        (cell: \"tonemap\"),
    ])";
    let whole = run(project.path(), scene, 6, &[]);
    assert!(whole.rgba8.chunks(4).any(|p| p != &whole.rgba8[..4]), "the picture is not flat");
    for lost in [&[3][..], &[5], &[0, 2, 4]] {
        assert!(run(project.path(), scene, 6, lost) == whole, "lost before {lost:?}: another picture");
    }
    // The mirror of the sky and the shadows, which are drawn only now and then: after some frames.
    let scene = "World(cells: [
        (cell: \"camera\", with: (orbit_speed: 12, fly: (at: (0, 6, 30), look: (0, 0, 0)))),
        (cell: \"sky\", with: (hdr: \"hdr/sunset.exr\")),
        (cell: \"scene\", with: (gltf: \"test/boxes.gltf\")),
        (cell: \"tonemap\"),
    ])";
    let whole = run(project.path(), scene, 16, &[]);
    for lost in [&[3][..], &[2, 5]] {
        assert!(run(project.path(), scene, 16, lost) == whole, "lost before {lost:?}: another picture");
    }
}

#[test]
fn after_a_loss_buffers_that_change_a_little_at_a_time_are_whole() {
    let project = project();
    let scene = "World(cells: [
        (cell: \"probe\", with: (does: \"carry\")), (cell: \"twin.so\", trust: Own, with: (does: \"carry\")),
    ])";
    for lost in [&[][..], &[20], &[40, 41, 79]] {
        let image = run(project.path(), scene, 80, lost);
        // Each adds green when what the GPU has is whole, and red when it is not.
        assert_eq!(image.pixel(32, 18)[..3], [0, 255, 0], "lost before {lost:?}");
    }
}

#[test]
fn after_a_loss_history_begins_anew_with_zeros() {
    let project = project();
    let scene = "World(cells: [(cell: \"probe\", with: (does: \"trail\"))])";
    // Green: unbroken. Blue: the bits of the frame in which it began.
    let began = |lost: &[u64]| {
        let image = run(project.path(), scene, 6, lost);
        let columns = [8, 24, 40].map(|x| image.pixel(x, 18));
        assert!(columns.iter().all(|c| c[..2] == [0, 255]), "lost before {lost:?}: {columns:?}");
        columns.iter().rev().fold(0, |number, c| number * 2 + u64::from(c[2] > 128))
    };
    assert_eq!([began(&[]), began(&[3]), began(&[2, 5])], [0, 3, 5]);
}
