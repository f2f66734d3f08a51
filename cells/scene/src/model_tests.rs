//! Whole files: made ones, the repository's, and broken ones.
use crate::{
    batches::INSTANCED_FROM,
    bounds::Bounds,
    gpu::kind,
    material::{Coverage, Program},
    model::Model,
    passes::far_first,
    poses::Poses,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bevy_ecs::prelude::World;
use glam::Vec3;
use mutate::{Random, mutate};

#[path = "../../../fuzz/src/mutate.rs"]
mod mutate;

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
    read_into(&mut World::new(), name, bytes)
}

fn read_into(world: &mut World, name: &str, bytes: &[u8]) -> Result<Model, String> {
    let mut none = |_: &str| Err("there is no such file".to_owned());
    Model::read(name, bytes, &mut none, world).map_err(|e| e.to_string())
}

fn notes(m: &Model) -> Vec<&str> {
    m.notes.iter().collect()
}

const SAMPLES: [&str; 7] = ["metals", "maps", "coverage", "textures", "lights", "packed", "moving"];

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
    assert_eq!(m.batches.geometry.vertices[1].position, [12.0, 0.0, 0.0]);
    assert_eq!(m.batches.geometry.vertices[0].normal, [0.0, 0.0, 1.0], "made for a mesh without normals");
    assert_eq!(m.materials[0].kind, kind::WALL);
}

#[test]
fn a_mirrored_node_still_shows_its_front() {
    let nodes = r#"{"scale":[-1,1,1],"mesh":0}"#;
    let m = read(&file(nodes, "0", &triangle_bytes(2))).expect("sound");
    let [a, b, c] = [0, 1, 2]
        .map(|i| Vec3::from(m.batches.geometry.vertices[m.batches.geometry.indices[i] as usize].position));
    assert!((b - a).cross(c - a).z > 0.0, "still counter-clockwise from +z");
}

#[test]
fn what_stands_often_is_instanced_and_what_does_not_is_merged() {
    let at =
        |n: usize| (0..n).map(|i| format!(r#"{{"translation":[{i},0,0],"mesh":0}}"#)).collect::<Vec<_>>();
    let roots = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    let few = INSTANCED_FROM - 1;
    let m = read(&file(&at(few).join(","), &roots(few), &triangle_bytes(2))).expect("sound");
    assert_eq!((m.batches.geometry.indices.len(), m.batches.instances.len()), (3 * few, 1));
    assert_eq!(m.batches.merged_shadow().len(), 3 * few);
    let m = read(&file(&at(INSTANCED_FROM).join(","), &roots(INSTANCED_FROM), &triangle_bytes(2)))
        .expect("sound");
    assert_eq!((m.batches.geometry.indices.len(), m.batches.instances.len()), (3, 1 + INSTANCED_FROM));
    let [batch] = &m.batches.list[..] else { panic!("{:?}", m.batches.list) };
    assert_eq!((batch.first_instance, batch.instances), (1, INSTANCED_FROM as u32));
    assert_eq!(batch.bounds.max.x, INSTANCED_FROM as f32);
    assert_eq!(m.batches.instances[2].row0, [1.0, 0.0, 0.0, 1.0]);
    assert_eq!(m.batches.merged_shadow().len(), 0);
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
fn what_is_not_known_is_told_once_and_refused_if_it_is_required() {
    let one =
        |more: &str| file(r#"{"mesh":0}"#, "0", &triangle_bytes(2)).replacen('{', &format!("{{{more},"), 1);
    let m = read(&one(r#""extensionsUsed":["KHR_materials_clearcoat","KHR_materials_unlit"]"#))
        .expect("used only");
    assert_eq!(notes(&m), ["the extension KHR_materials_clearcoat is not read; what it adds is left out"]);
    let said =
        read(&one(r#""extensionsRequired":["KHR_draco_mesh_compression","X_y","KHR_texture_transform"]"#))
            .expect_err("required");
    let says = "a.gltf: the file requires KHR_draco_mesh_compression, X_y, which this engine does not read";
    assert!(said.starts_with(says), "{said}");
    let with_targets = file(r#"{"mesh":0}"#, "0", &triangle_bytes(2))
        .replace("\"indices\":1,", "\"indices\":1,\"targets\":[{\"POSITION\":0}],");
    let m = read(&with_targets).expect("the base shape");
    assert_eq!(
        notes(&m),
        ["mesh 0 primitive 0 has morph targets, which are not moved; it keeps its base shape"]
    );
}

#[test]
fn integers_are_positions_only_in_quantised_files() {
    let text = String::from_utf8(asset("test/packed.gltf")).expect("text");
    let m = read(&text).expect("quantised");
    let dome = |material: usize| {
        let of = |v: &&crate::gpu::Vertex| v.material == material as u32;
        m.batches.geometry.vertices.iter().filter(of).map(|v| Vec3::from(v.position)).collect::<Vec<_>>()
    };
    let (floats, sparse, integers) = (dome(0), dome(1), dome(2));
    assert_eq!((floats.len(), sparse.len(), integers.len()), (169, 169, 169));
    for ((a, b), c) in floats.iter().zip(&sparse).zip(&integers) {
        assert!(a.distance(*b - Vec3::X * 2.4) < 1e-4, "{a} {b}");
        assert!(a.distance(*c - Vec3::X * 4.8) < 2e-3, "{a} {c}");
    }
    let plain = text.replace("\"KHR_mesh_quantization\"", "\"KHR_materials_unlit\"");
    let said = read(&plain).expect_err("not quantised");
    assert!(said.contains("has I16 numbers where floats belong"), "{said}");
}

#[test]
fn a_sparse_part_that_reaches_beyond_is_an_error() {
    let text = String::from_utf8(asset("test/packed.gltf")).expect("text");
    let (before, after) = text.split_once("\"sparse\":{\"count\":109").expect("the sample has one");
    let said = read(&format!("{before}\"sparse\":{{\"count\":10900{after}")).expect_err("beyond its view");
    assert!(said.contains("needs 21800 bytes from 0 on, but its view has 218"), "{said}");
    let (start, rest) = before.rsplit_once("\"count\":169").expect("of the same accessor");
    let short = format!("{start}\"count\":20{rest}\"sparse\":{{\"count\":109{after}");
    let said = read(&short).expect_err("beyond its accessor");
    assert!(said.contains("has 20 elements, but its sparse part changes number 20"), "{said}");
}

#[test]
fn what_moves_follows_poses_and_what_stands_does_not() {
    let mut world = World::new();
    let m = read_into(&mut world, "moving.gltf", &asset("test/moving.gltf")).expect("sound");
    let posed = m.batches.list.iter().filter(|b| b.look.program == Program::Posed).count();
    assert_eq!((posed, m.batches.list.len()), (4, 5), "all but the ground");
    let poses = world.resource::<Poses>();
    assert_eq!(poses.now.len(), 5, "three nodes and two joints");
    let strip = m.batches.list.iter().find(|b| b.reach.len() == 2).expect("two joints move it");
    assert!(
        strip.bounds.max.x > 3.0 && strip.bounds.max.x < 4.5,
        "bent, and not at its node: {:?}",
        strip.bounds
    );
    assert!(strip.bounds.min.y > -1.2, "its lower end stays at its joint: {:?}", strip.bounds);
    assert_eq!(m.batches.geometry.bones.len() + 4, m.batches.geometry.vertices.len(), "but the ground's");

    let fox = read_bytes("Fox.gltf", &asset("fox/Fox.gltf")).expect("sound");
    let [batch] = &fox.batches.list[..] else { panic!("{:?}", fox.batches.list) };
    let size = batch.bounds.max - batch.bounds.min;
    assert!(batch.reach.len() > 10 && size.z > 100.0 && size.max_element() < 400.0, "{:?}", batch.bounds);
}

#[test]
fn joints_beyond_the_skin_and_clips_that_do_not_fit_are_errors() {
    let text = String::from_utf8(asset("test/moving.gltf")).expect("text");
    let cut = |from: &str, to: &str| {
        let bad = text.replacen(from, to, 1);
        assert_ne!(bad, text, "{from} is in the sample");
        read(&bad).expect_err(to)
    };
    let skin =
        text.split("\"skins\":[{\"joints\":[").nth(1).and_then(|s| s.split(']').next()).expect("a skin");
    let one = skin.split(',').next().expect("a joint");
    let said = cut(&format!("\"joints\":[{skin}]"), &format!("\"joints\":[{one}]"));
    assert!(said.contains("skin 0 has 1 joints, but mesh"), "{said}");
    let said = cut("\"interpolation\":\"CUBICSPLINE\"", "\"interpolation\":\"LINEAR\"");
    assert!(said.contains("animation 0 channel 1 has 3 times and 9 values"), "{said}");
}

#[test]
fn panes_are_draws_of_their_own_and_sorted_from_far_to_near() {
    let m = read_bytes("coverage.gltf", &asset("test/coverage.gltf")).expect("sound");
    let mut order: Vec<usize> =
        (0..m.batches.list.len()).filter(|n| m.batches.list[*n].look.coverage == Coverage::Blended).collect();
    assert_eq!(order.len(), 3);
    let z = |order: &[usize]| order.iter().map(|n| m.batches.list[*n].bounds.middle().z).collect::<Vec<_>>();
    assert!(far_first(&mut order, &m.batches.list, Vec3::Z * 9.0), "the file lists the nearest first");
    assert!(z(&order).is_sorted(), "{:?}", z(&order));
    assert!(!far_first(&mut order, &m.batches.list, Vec3::Z * 8.0), "the same order is no news");
    assert!(far_first(&mut order, &m.batches.list, Vec3::Z * -9.0), "seen from behind it turns round");
    assert!(z(&order).is_sorted_by(|a, b| a >= b), "{:?}", z(&order));
}

#[test]
fn the_city_is_few_draws_with_lit_walls() {
    let m = read_bytes("odbl/munich.glb", &asset("odbl/munich.glb")).expect("the repository's own file");
    let triangles = m.batches.geometry.indices.len() / 3;
    assert!(
        triangles > 30_000 && m.batches.list.len() < 250,
        "{triangles} in {} draws",
        m.batches.list.len()
    );
    assert!(m.materials.iter().any(|m| m.kind == kind::WALL) && m.notes.iter().next().is_none());
    assert!(m.pictures.len() >= 3);
    assert!(
        m.batches.list.iter().all(|b| b.look.program == Program::Plain),
        "the quick shader draws all of it"
    );
    assert!(m.batches.geometry.details.is_empty() && m.batches.geometry.bones.is_empty());
    let size = m.batches.shadow_bounds();
    assert!((size.max - size.min).max_element() < 4000.0, "the plain around it throws no shadow: {size:?}");
    let most = m.batches.geometry.indices.iter().max().copied().unwrap_or(0);
    assert!((most as usize) < m.batches.geometry.vertices.len());
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
fn what_the_parser_trusts_is_checked_here() {
    let good = file(r#"{"mesh":0}"#, "0", &triangle_bytes(2));
    let with = |more: &str| good.replacen('{', &format!("{{{more},"), 1);
    let animation = |channel: &str, samplers: &str| {
        with(&format!(r#""animations":[{{"channels":[{channel}],"samplers":[{samplers}]}}]"#))
    };
    let sampler = r#"{"input":0,"output":0}"#;
    for (text, says) in [
        (good.replace(r#""POSITION":0"#, r#""POSITION":65536"#), r#"attributes["POSITION"]: Index out"#),
        (animation(r#"{"sampler":0,"target":{"node":9,"path":"scale"}}"#, sampler), "target.node: Index out"),
        (animation(r#"{"sampler":3,"target":{"node":0,"path":"scale"}}"#, sampler), "sampler: Index out"),
        (animation(r#"{"sampler":0,"target":{"node":0,"path":"size"}}"#, sampler), "target.path: Invalid"),
        (with(r#""images":[{"bufferView":0}]"#), "images[0]: Missing data"),
    ] {
        let error = read(&text).expect_err(says);
        assert!(error.contains(says), "{error}");
    }
}

/// Numbers and words that a glTF file means something by, in place of others.
const WORDS: [&[u8]; 32] = [
    b"0", b"1", b"-1", b"3", b"255", b"65536", b"4294967295", b"4294967296", b"1e30", b"1e999", b"0.5", b"null", b"true",
    b"{}", b"[]", b"[0]", b"[0,0]", b",", b":", b"\"\"", b"\"SCALAR\"", b"\"MAT4\"", b"\"VEC3\"", b"5121", b"5123", b"5126",
    b"\"sparse\":{\"count\":1,\"indices\":{\"bufferView\":0,\"componentType\":5123},\"values\":{\"bufferView\":0}},",
    b"\"byteStride\":252,", b"\"mode\":5,", b"\"skin\":0,", b"\"STEP\"", b"\"CUBICSPLINE\"",
];

#[test]
fn a_file_with_other_numbers_and_words_is_read_or_refused_but_never_panics() {
    let seeds: Vec<Vec<u8>> = ["boxes", "coverage", "moving", "packed", "textures"]
        .map(|s| asset(&format!("test/{s}.gltf")))
        .into();
    let mut random = Random::new(3);
    let mut read = 0;
    for n in 0..8000 {
        if n % 4 == 0 {
            read += usize::from(read_bytes("a.gltf", &mutate(&seeds, &WORDS, &mut random)).is_ok());
            continue;
        }
        // A number of the JSON for another hits more often than any change of bytes.
        let mut file = seeds[random.below(seeds.len())].clone();
        for _ in 0..1 + random.below(2) {
            let start = |n: &usize| file[*n].is_ascii_digit() && !file[n - 1].is_ascii_alphanumeric();
            let numbers: Vec<usize> = (1..file.len()).filter(start).collect();
            let at = numbers[random.below(numbers.len())];
            let end = (at..file.len()).find(|n| !file[*n].is_ascii_digit()).unwrap_or(file.len());
            file.splice(at..end, WORDS[random.below(11)].iter().copied());
        }
        read += usize::from(read_bytes("a.gltf", &file).is_ok());
    }
    assert!(read > 100, "only {read} of the files could be read: the changes are too coarse");
}

#[test]
fn a_file_with_flipped_bytes_is_read_or_refused_but_never_panics() {
    let samples = SAMPLES.map(|s| format!("test/{s}.gltf"));
    for name in samples.iter().map(String::as_str).chain(["test/boxes.gltf", "fox/Fox.gltf"]) {
        let bytes = asset(name);
        let m = read_bytes(name, &bytes).expect(name);
        assert!(notes(&m).is_empty(), "{name}: {:?}", notes(&m));
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
