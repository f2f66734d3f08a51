//! What glTF materials, lights and clips look like: one small file for each thing, in pictures.
//!
//! `assets/tools/samples.py` makes the files. With `UPDATE_PICTURES=1` the pictures are written anew: look at each.
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::{Engine, Ran, assert_picture, luminance};

const EXE: &str = env!("CARGO_BIN_EXE_engine");

/// Where a sample is seen from, and how it is lit.
struct Shot<'a> {
    at: &'a str,
    look: &'a str,
    scene: &'a str,
    frames: &'a str,
}

const FRONT: Shot<'_> =
    Shot { at: "(0, 0, 8)", look: "(0, 0, 0)", scene: "sun: (azimuth: 200, height: 40)", frames: "3" };

fn run(gltf: &str, shot: &Shot<'_>) -> Ran {
    let engine = Engine::new(EXE);
    let text = format!(
        r#"World(name: "sample", rate: 60, cells: [
            (cell: "camera", with: (fov: 40, fly: (at: {}, look: {}))),
            (cell: "sky", with: (hdr: "hdr/sunset.exr", rotation: 30)),
            (cell: "scene", with: (gltf: "{gltf}", fog: (density: 0), {})),
            (cell: "tonemap", with: (vignette: 0)),
        ])"#,
        shot.at, shot.look, shot.scene
    );
    let scene = engine.scene("sample.ron", &text);
    let ran = engine.lockstep(&scene, &["--frames", shot.frames, "--size", "160x90"]).ok();
    assert!(!ran.log.contains("warn"), "a sample asks for nothing that is left out:\n{}", ran.log);
    ran
}

/// Compares the picture of a sample with the stored one of the same name.
fn check(name: &str, shot: &Shot<'_>) -> Ran {
    let ran = run(&format!("test/{name}.gltf"), shot);
    assert_picture(&format!("gltf-{name}"), ran.picture.as_ref().unwrap(), 0.5, 0.004);
    ran
}

#[test]
fn metals_mirror_the_sky_from_sharp_to_rough_and_plastic_shines() {
    let shot = Shot { at: "(0, 0, 9)", scene: "sun: (azimuth: 150, height: 40)", ..FRONT };
    let ran = check("metals", &shot);
    // The upper left ball is polished gold: without a sky to mirror it would be black.
    let picture = ran.picture.unwrap();
    let ball = image_part(&picture, [28, 20], [20, 20]);
    assert!(luminance(&ball) > 60.0, "gold is as dark as {:.0}", luminance(&ball));
}

#[test]
fn bumps_metal_roughness_occlusion_emission_and_vertex_colours_show() {
    check("maps", &Shot { at: "(0, 0, 7)", scene: "sun: (azimuth: 220, height: 35)", ..FRONT });
}

#[test]
fn holes_have_holes_in_their_shadow_and_panes_lie_farthest_first() {
    check("coverage", &Shot { at: "(0, 1, 7)", look: "(0, -0.2, 0)", ..FRONT });
}

#[test]
fn textures_repeat_stop_and_mirror_turn_and_follow_the_second_coordinates() {
    check("textures", &FRONT);
}

#[test]
fn a_point_a_spot_and_a_direction_shine_without_a_sun() {
    let scene = "sun: (strength: 0), ambient: 0.05";
    check("lights", &Shot { at: "(0, 3, 8)", look: "(0, 0.6, 0)", scene, ..FRONT });
}

#[test]
fn sparse_quantised_and_instanced_domes_are_the_dome() {
    let scene = "sun: (azimuth: 230, height: 40)";
    check("packed", &Shot { at: "(0, 4, 7)", scene, ..FRONT });
}

#[test]
fn a_clip_moves_nodes_what_hangs_on_them_and_skins_with_their_shadows() {
    check("moving", &Shot { look: "(0, -0.2, 0)", frames: "31", ..FRONT });
}

#[test]
fn the_fox_runs() {
    let scene = |clip: &str| format!("sun: (azimuth: 120, height: 40), animation: (clip: \"{clip}\")");
    let shot = |scene| Shot { at: "(190, 90, 110)", look: "(0, 35, 0)", scene, frames: "20" };
    let run_scene = scene("Run");
    let running = run("fox/Fox.gltf", &shot(&run_scene));
    assert_picture("gltf-fox", running.picture.as_ref().unwrap(), 0.5, 0.004);
    let walk_scene = scene("Walk");
    let walking = run("fox/Fox.gltf", &shot(&walk_scene));
    assert_ne!(running.hash(), walking.hash(), "another clip is another picture");
}

#[test]
fn what_a_file_asks_for_and_does_not_get_is_told_once_with_its_name() {
    let engine = Engine::new(EXE);
    let project = tempfile::tempdir().unwrap();
    engine_tests::scratch_project(project.path());
    let sample = project.path().join("assets/test/moving.gltf");
    let text = std::fs::read_to_string(&sample).unwrap();
    let odd = text.replacen("\"scene\":0", "\"scene\":0,\"extensionsUsed\":[\"KHR_materials_clearcoat\"]", 1);
    assert_ne!(text, odd);
    std::fs::write(&sample, odd).unwrap();
    let engine = engine.at(project.path());
    let scene = r#"World(name: "s", cells: [(cell: "camera"), (cell: "scene", with: (gltf: "test/moving.gltf",
        animation: (clip: "Jump"))), (cell: "tonemap")])"#;
    let ran = engine.lockstep(&engine.scene("s.ron", scene), &["--frames", "3", "--size", "32x18"]).ok();
    for says in [
        "test/moving.gltf: the extension KHR_materials_clearcoat is not read",
        "test/moving.gltf: there is no clip \"Jump\"; it has [\"turn\"]",
    ] {
        assert_eq!(ran.log.matches(says).count(), 1, "{says}\n{}", ran.log);
    }
    let draco = text.replacen(
        "\"scene\":0",
        "\"scene\":0,\"extensionsRequired\":[\"KHR_draco_mesh_compression\"]",
        1,
    );
    std::fs::write(&sample, draco).unwrap();
    let ran = engine.lockstep(&engine.scene("s.ron", scene), &["--frames", "3", "--size", "32x18"]);
    assert!(
        ran.log.contains("test/moving.gltf: the file requires KHR_draco_mesh_compression"),
        "{}",
        ran.log
    );
}

/// Returns a rectangle of a picture.
fn image_part(picture: &image::RgbImage, at: [u32; 2], size: [u32; 2]) -> image::RgbImage {
    image::imageops::crop_imm(picture, at[0], at[1], size[0], size[1]).to_image()
}
