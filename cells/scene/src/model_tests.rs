//! Whole files: made ones, the repository's, and broken ones.
use crate::{batches::INSTANCED_FROM, bounds::Bounds, gpu::kind, model::Model};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bevy_ecs::prelude::World;
use glam::Vec3;

/// One triangle in the plane z = 0, then its indices as `u16`.
fn triangle_bytes(last_index: u16) -> Vec<u8> {
    let corners = [[0.0f32, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
    let mut bytes: Vec<u8> = corners.iter().flatten().flat_map(|v| v.to_le_bytes()).collect();
    bytes.extend([0u16, 1, last_index].iter().flat_map(|i| i.to_le_bytes()));
    bytes
}

fn file(nodes: &str, roots: &str, bytes: &[u8]) -> String {
    format!(
        r#"{{"asset":{{"version":"2.0"}},"scene":0,"scenes":[{{"nodes":[{roots}]}}],"nodes":[{nodes}],
        "materials":[{{"name":"wall-a"}}],
        "meshes":[{{"primitives":[{{"attributes":{{"POSITION":0}},"indices":1,"material":0}}]}}],
        "accessors":[
          {{"bufferView":0,"componentType":5126,"count":3,"type":"VEC3","min":[0,0,0],"max":[1,1,0]}},
          {{"bufferView":1,"componentType":5123,"count":3,"type":"SCALAR"}}],
        "bufferViews":[{{"buffer":0,"byteLength":36}},{{"buffer":0,"byteOffset":36,"byteLength":6}}],
        "buffers":[{{"byteLength":42,"uri":"data:;base64,{}"}}]}}"#,
        STANDARD.encode(bytes)
    )
}

fn read(text: &str) -> Result<Model, String> {
    read_bytes("a.gltf", text.as_bytes())
}

fn read_bytes(name: &str, bytes: &[u8]) -> Result<Model, String> {
    let mut none = |_: &str| Err("there is no such file".to_owned());
    Model::read(name, bytes, &mut none, &mut World::new()).map_err(|e| e.to_string())
}

fn asset(path: &str) -> Vec<u8> {
    let path = format!("{}/../../assets/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn nodes_move_what_they_show_and_all_below_them() {
    let nodes = r#"{"translation":[10,0,0],"children":[1]},{"scale":[2,2,2],"mesh":0}"#;
    let m = read(&file(nodes, "0", &triangle_bytes(2))).expect("sound");
    let [batch] = &m.batches.list[..] else { panic!("{:?}", m.batches.list) };
    assert_eq!((batch.first, batch.count, batch.first_instance, batch.instances), (0, 3, 0, 1));
    assert_eq!(batch.bounds, Bounds { min: Vec3::X * 10.0, max: Vec3::new(12.0, 2.0, 0.0) });
    assert_eq!(m.batches.vertices[1].position, [12.0, 0.0, 0.0]);
    assert_eq!(m.batches.vertices[0].normal, [0.0, 0.0, 1.0], "made for a mesh without normals");
    assert_eq!(m.materials[0].kind, kind::WALL);
}

#[test]
fn a_mirrored_node_still_shows_its_front() {
    let nodes = r#"{"scale":[-1,1,1],"mesh":0}"#;
    let m = read(&file(nodes, "0", &triangle_bytes(2))).expect("sound");
    let [a, b, c] = [0, 1, 2].map(|i| Vec3::from(m.batches.vertices[m.batches.indices[i] as usize].position));
    assert!((b - a).cross(c - a).z > 0.0, "still counter-clockwise from +z");
}

#[test]
fn what_stands_often_is_instanced_and_what_does_not_is_merged() {
    let at =
        |n: usize| (0..n).map(|i| format!(r#"{{"translation":[{i},0,0],"mesh":0}}"#)).collect::<Vec<_>>();
    let roots = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    let few = INSTANCED_FROM - 1;
    let m = read(&file(&at(few).join(","), &roots(few), &triangle_bytes(2))).expect("sound");
    assert_eq!((m.batches.indices.len(), m.batches.instances.len()), (3 * few, 1));
    assert_eq!(m.batches.merged_shadow_indices() as usize, 3 * few);
    let m = read(&file(&at(INSTANCED_FROM).join(","), &roots(INSTANCED_FROM), &triangle_bytes(2)))
        .expect("sound");
    assert_eq!((m.batches.indices.len(), m.batches.instances.len()), (3, 1 + INSTANCED_FROM));
    let [batch] = &m.batches.list[..] else { panic!("{:?}", m.batches.list) };
    assert_eq!((batch.first_instance, batch.instances), (1, INSTANCED_FROM as u32));
    assert_eq!(batch.bounds.max.x, INSTANCED_FROM as f32);
    assert_eq!(m.batches.instances[2].row0, [1.0, 0.0, 0.0, 1.0]);
    assert_eq!(m.batches.merged_shadow_indices(), 0);
}

#[test]
fn inconsistent_files_are_sentences_with_file_place_and_cause() {
    let one = r#"{"mesh":0}"#;
    let good = file(one, "0", &triangle_bytes(2));
    assert!(read(&good).is_ok());
    for (text, says) in [
        (file(one, "0", &triangle_bytes(3)), "a.gltf: mesh 0 primitive 0 has 3 vertices, but index 2 is 3"),
        (file(one, "0", &triangle_bytes(2)[..40]), "a.gltf: buffer 0 has 40 bytes, but 42 are announced"),
        (
            good.replace("\"count\":3,\"type\":\"VEC3\"", "\"count\":9,\"type\":\"VEC3\""),
            "a.gltf: accessor 0 needs 108",
        ),
        (good.replace("\"byteOffset\":36,", "\"byteOffset\":40,"), "a.gltf: buffer view 1 takes bytes 40"),
        (good.replace("5123", "5126"), "a.gltf: accessor 1 has F32 numbers where indices belong"),
        (good.replace("\"type\":\"VEC3\"", "\"type\":\"VEC2\""), "a.gltf: "),
        (good.replace("\"nodes\":[0]", "\"nodes\":[7]"), "a.gltf: this is no whole glTF"),
        (
            file(r#"{"children":[0],"mesh":0}"#, "0", &triangle_bytes(2)),
            "node 0 has two parents or is below itself",
        ),
        (
            file(
                r#"{"mesh":0,"scale":[1e38,1,1],"children":[1]},{"scale":[1e38,1,1],"mesh":0}"#,
                "0",
                &triangle_bytes(2),
            ),
            "no number",
        ),
        (good.replace("\"version\":\"2.0\"", "\"version\":\"9.0\""), "it says version 9.0"),
        ("{}".into(), "a.gltf: this is no whole glTF"),
        (String::new(), "a.gltf: this is no whole glTF"),
    ] {
        let said = read(&text).expect_err(says);
        assert!(said.starts_with("a.gltf: ") && said.contains(says), "{said}\nexpected: {says}");
    }
}

#[test]
fn the_city_is_few_draws_with_lit_walls() {
    let m = read_bytes("odbl/munich.glb", &asset("odbl/munich.glb")).expect("the repository's own file");
    let triangles = m.batches.indices.len() / 3;
    assert!(
        triangles > 30_000 && m.batches.list.len() < 250,
        "{triangles} in {} draws",
        m.batches.list.len()
    );
    assert!(m.materials.iter().any(|m| m.kind == kind::WALL) && m.skipped == 0);
    assert!(m.pictures.len() >= 3);
    let size = m.batches.shadow_bounds();
    assert!((size.max - size.min).max_element() < 4000.0, "the plain around it throws no shadow: {size:?}");
    let most = m.batches.indices.iter().max().copied().unwrap_or(0);
    assert!((most as usize) < m.batches.vertices.len());
}

#[test]
fn no_cut_of_the_city_is_taken_for_a_whole_one() {
    let bytes = asset("odbl/munich.glb");
    for cut in (0..bytes.len()).step_by(bytes.len() / 97) {
        let said = read_bytes("munich.glb", &bytes[..cut]).expect_err("cut");
        assert!(said.starts_with("munich.glb: "), "{said}");
    }
}

#[test]
fn a_file_with_flipped_bytes_is_read_or_refused_but_never_panics() {
    for name in ["test/boxes.gltf", "fox/Fox.gltf"] {
        let bytes = asset(name);
        assert!(read_bytes(name, &bytes).is_ok(), "{name}");
        let mut seed = 12345u32;
        for _ in 0..60 {
            let mut bad = bytes.clone();
            for _ in 0..3 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = seed as usize % bad.len();
                bad[at] = (seed >> 24) as u8;
            }
            drop(read_bytes(name, &bad));
        }
    }
}
