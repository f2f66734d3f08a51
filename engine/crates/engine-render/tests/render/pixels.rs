//! What is drawn: pixels on the software driver.
use crate::kit::*;
use cell_abi::ports::{FieldKind, StartValue, TextureFormat};
use cell_wire::Blend;
use engine_frame::plan::*;
use engine_render::{SealedData, SealedShape, UploadTier};
use std::sync::Arc;

const BLACK: [u8; 4] = [0, 0, 0, 255];
const RED_PX: [u8; 4] = [255, 0, 0, 255];
const GREEN_PX: [u8; 4] = [0, 255, 0, 255];
const HALF: TextureFormat = TextureFormat::Rgba16Float;
const ZERO: StartValue = StartValue::Clear([0.0; 4]);
const SHOW: &str = "
    @fragment fn show(in: Full) -> @location(0) vec4f { return textureSample(scene, nearest_clamp, in.uv); }";

in_each_tier!(
    a_triangle_reaches_the_picture,
    the_covering_triangle_has_its_origin_in_the_upper_left,
    colours_are_linear_in_shaders_and_srgb_in_the_picture,
    vertices_instances_and_indices_come_from_slots,
    meshes_and_textures_can_be_sealed,
    start_values_load_and_blend_follow_the_order,
    an_unfed_target_holds_its_start_value_again,
    previous_is_the_last_submitted_frame,
    depth_is_tested_and_sampled,
    compute_stores_to_levels_and_uniforms_params_and_storage_are_seen,
    the_picture_follows_the_plans_size,
);

/// Compares with a tolerance of one step: drivers round differently.
fn near(found: [u8; 4], expected: [u8; 4]) -> bool {
    found.iter().zip(expected).all(|(f, e)| f.abs_diff(e) <= 1)
}

fn a_triangle_reaches_the_picture(mut kit: Kit) {
    kit.shader(
        0,
        "@vertex fn vs(@builtin(vertex_index) i: u32) -> @builtin(position) vec4f {
            return vec4f(f32(i & 1u) * 2.0 - 1.0, f32(i >> 1u) * 2.0 - 1.0, 0.5, 1.0);
        }
        @fragment fn fs() -> @location(0) vec4f { return vec4f(1.0, 0.0, 0.0, 1.0); }",
    );
    let pass = full("fs").raster(|r| r.vertex = Some("vs".into()));
    // 70 pixels are 280 bytes a row: the copy is padded to 512.
    let plan = Arc::new(plan(1, [70, 50], vec![run(0, vec![pass])]));
    let report = kit.run(&plan, true);
    let image = report.capture.unwrap();
    assert_eq!((image.width, image.height, image.rgba8.len()), (70, 50, 70 * 50 * 4));
    assert_eq!(image.pixel(2, 47), RED_PX, "the lower left is covered");
    assert_eq!(image.pixel(67, 2), BLACK, "the upper right keeps the start value");
    assert_eq!((report.submits, report.presented, report.skipped.len()), (1, false, 0));
    assert_eq!(kit.verdict(0), Ok(()));
    assert_eq!(kit.faults(), vec![]);
}

fn the_covering_triangle_has_its_origin_in_the_upper_left(mut kit: Kit) {
    kit.shader(0, "@fragment fn uv(in: Full) -> @location(0) vec4f { return vec4f(step(vec2f(0.5), in.uv), 0.0, 1.0); }");
    let plan = Arc::new(plan(1, [8, 8], vec![run(0, vec![full("uv")])]));
    let image = kit.picture(&plan);
    assert_eq!([image.pixel(0, 0), image.pixel(7, 0)], [BLACK, RED_PX]);
    assert_eq!([image.pixel(0, 7), image.pixel(7, 7)], [GREEN_PX, [255, 255, 0, 255]]);
}

fn colours_are_linear_in_shaders_and_srgb_in_the_picture(mut kit: Kit) {
    kit.shader(0, "@fragment fn grey(in: Full) -> @location(0) vec4f { return vec4f(0.5, 0.5, 0.5, 1.0); }");
    let plan = Arc::new(plan(1, [4, 4], vec![run(0, vec![full("grey")])]));
    assert!(near(kit.picture(&plan).pixel(1, 1), [188, 188, 188, 255]));
}

const QUADS: &str = "
    struct Out { @builtin(position) position: vec4f, @location(0) color: vec4f }
    @vertex fn vs(v: Vertex, i: Instance) -> Out { return Out(vec4f(v.pos + i.at, 0.5, 1.0), i.color); }
    @fragment fn fs(in: Out) -> @location(0) vec4f { return in.color; }";

/// Two quads, 8 floats an instance: one in the upper left, one in the lower right, each a quarter of the
/// picture.
fn quads(vertices: BufferSource, indices: BufferSource, instances: PlannedCount) -> PlannedPass {
    full("fs").raster(|r| {
        r.vertex = Some("vs".into());
        r.indexed = true;
        r.vertex_slots = vec![
            VertexSlot { stride: 8, per_instance: false, attributes: vec![(0, FieldKind::Vec2, 0)] },
            VertexSlot {
                stride: 24,
                per_instance: true,
                attributes: vec![(1, FieldKind::Vec2, 0), (2, FieldKind::Vec4, 8)],
            },
        ];
        r.draws[0].count = PlannedCount::Fixed(6);
        r.draws[0].instances = instances;
        r.draws[0].vertex_buffers = vec![vertices, BufferSource::Slots(BufferId(7))];
        r.draws[0].index_buffer = Some(indices);
    })
}

const CORNERS: [f32; 8] = [0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0];
const TRIANGLES: [u32; 6] = [0, 1, 2, 0, 2, 3];
const TWO: [f32; 12] = [-1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.0, 1.0, 0.0, 1.0];

fn vertices_instances_and_indices_come_from_slots(mut kit: Kit) {
    kit.shader(0, QUADS);
    kit.memory.put_floats(5, &CORNERS);
    kit.memory.put_words(6, &TRIANGLES);
    kit.memory.put_floats(7, &TWO);
    let [vertices, indices] = [5, 6].map(|n| BufferSource::Slots(BufferId(n)));
    let mut plan = plan(1, [8, 8], vec![run(0, vec![quads(vertices, indices, PlannedCount::Dynamic(0))])]);
    plan.buffers = vec![buffer(7, 240, 24), buffer(5, 64, 8), index_buffer(6, 64)];
    plan.dynamic_counts = vec![DynamicCount {
        source: CountSource::Published { buffer: BufferId(7), element_size: 24 },
        max: 10,
    }];
    let plan = Arc::new(plan);
    // Nothing is marked dirty: a copy that never got anything takes it all.
    (5..8).for_each(|b| kit.publish(b, &[]));
    kit.counts = vec![2];
    let report = kit.run(&plan, true);
    // Indices are copied in every tier.
    let in_place = kit.tier == UploadTier::InPlace;
    assert_eq!(report.uploaded_bytes, if in_place { 24 } else { 32 + 24 + 48 });
    let image = report.capture.unwrap();
    assert_eq!([image.pixel(1, 1), image.pixel(6, 6)], [RED_PX, GREEN_PX]);
    assert_eq!([image.pixel(6, 1), image.pixel(1, 6)], [BLACK, BLACK]);

    // A count of one draws the first only; what is not dirty is not copied.
    kit.counts = vec![1];
    let report = kit.run(&plan, true);
    assert_eq!(report.uploaded_bytes, 0);
    assert_eq!(report.capture.unwrap().pixel(6, 6), BLACK);

    // Only the first instance's colour is dirty: a copy keeps what it has of the second.
    let second = if in_place { TWO[6..].to_vec() } else { vec![9.0; 6] };
    kit.memory.put_floats(7, &[&[-1.0, 0.0, 0.0, 0.0, 1.0, 1.0][..], &second].concat());
    kit.publish(7, &[(8, 24)]);
    kit.counts = vec![2];
    let report = kit.run(&plan, true);
    assert_eq!(report.uploaded_bytes, if in_place { 0 } else { 16 });
    let image = report.capture.unwrap();
    assert_eq!([image.pixel(1, 1), image.pixel(6, 6)], [[0, 0, 255, 255], GREEN_PX]);
    assert_eq!(kit.faults(), vec![]);
}

fn meshes_and_textures_can_be_sealed(mut kit: Kit) {
    kit.shader(
        0,
        &QUADS.replace(
            "return in.color",
            "return in.color * textureSampleLevel(albedo, nearest_clamp, vec2f(0.2, 0.2), 1.0)",
        ),
    );
    let bytes = |floats: &[f32]| floats.iter().flat_map(|f| f.to_le_bytes()).collect::<Vec<u8>>();
    let seal = |id, kind, bytes: Vec<u8>| SealedData { id, kind, bytes: Arc::new(bytes) };
    kit.renderer.seal(seal(1, SealedShape::Buffer, bytes(&CORNERS))).unwrap();
    let words = TRIANGLES.iter().flat_map(|w| w.to_le_bytes()).collect();
    kit.renderer.seal(seal(2, SealedShape::Buffer, words)).unwrap();
    // Level 0 is black, level 1 (2x1, upper left pixel) is white.
    let format = TextureFormat::Rgba8Unorm;
    let mut texels = vec![0; 4 * 2 * 4];
    texels.extend([255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0]);
    let shape = SealedShape::Texture { format, size_px: [4, 2], mips: 3 };
    let wrong = kit.renderer.seal(seal(3, shape, texels[1..].to_vec())).unwrap_err();
    assert_eq!(wrong.to_string(), "a rgba8unorm texture of 4x2 with 3 mip level(s) has 44 bytes, not 43");
    kit.renderer.seal(seal(3, shape, texels)).unwrap();
    let too_many = SealedShape::Texture { format, size_px: [4, 2], mips: 4 };
    assert!(kit.renderer.seal(seal(4, too_many, vec![0; 48])).is_err(), "4x2 has three levels");

    let mut pass = quads(BufferSource::Sealed(1), BufferSource::Sealed(2), PlannedCount::Fixed(2));
    pass.sealed = vec![SealedSlot { binding: 4, kind: SealedKind::Texture2d }];
    let pass = pass.raster(|r| r.draws[0].sealed = vec![3]);
    let mut plan = plan(1, [8, 8], vec![run(0, vec![pass])]);
    plan.buffers = vec![buffer(7, 240, 24)];
    kit.memory.put_floats(7, &TWO);
    kit.publish(7, &[]);
    let plan = Arc::new(plan);
    let image = kit.picture(&plan);
    assert_eq!([image.pixel(1, 1), image.pixel(6, 6)], [RED_PX, GREEN_PX]);
    // What a prepared plan draws stays until the plan changes.
    kit.renderer.unseal(1).unwrap();
    assert_eq!(kit.picture(&plan).pixel(1, 1), RED_PX);
    assert_eq!(kit.faults(), vec![]);
}

fn start_values_load_and_blend_follow_the_order(mut kit: Kit) {
    kit.shader(
        0,
        "@fragment fn a(in: Full) -> @location(0) vec4f { return vec4f(0.25, 0.0, 0.0, 0.5); }
        @fragment fn b(in: Full) -> @location(0) vec4f { return vec4f(0.25, 1.0, 0.0, 0.5); }",
    );
    kit.shader(1, SHOW);
    let write = |entry: &str, load, blend| {
        full(entry).raster(|r| r.color = vec![PlannedColor { blend, ..color(0, load) }])
    };
    let cases = [
        // (start of the first, blend of the second, expected picture in linear colour)
        (Load::Clear([9.0; 4]), Blend::Replace, [0.25, 1.0, 0.0, 0.5]),
        (Load::Clear([9.0; 4]), Blend::Add, [0.5, 1.0, 0.0, 1.0]),
        (Load::Clear([9.0; 4]), Blend::Alpha, [0.25, 0.5, 0.0, 0.75]),
        (Load::Clear([9.0; 4]), Blend::Premultiplied, [0.375, 1.0, 0.0, 0.75]),
        (Load::Clear([9.0; 4]), Blend::Multiply, [0.0625, 0.0, 0.0, 0.25]),
    ];
    for (n, (first, blend, expected)) in (1..).zip(cases) {
        let passes = vec![write("a", first, Blend::Replace), write("b", Load::Keep, blend)];
        let show = full("show").reads(texture(0, 0, TextureView::Whole));
        let mut plan = plan(n, [4, 4], vec![run(0, passes), run(1, vec![show])]);
        plan.targets = vec![target(0, "scene", HALF, [4, 4], ZERO)];
        let found = kit.picture(&Arc::new(plan)).pixel(2, 2);
        let srgb = |v: f32| {
            let v = if v <= 0.003_130_8 { v * 12.92 } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
            (v * 255.0).round() as u8
        };
        let [r, g, b, a] = expected;
        assert!(
            near(found, [srgb(r), srgb(g), srgb(b), (a * 255.0_f32).round() as u8]),
            "{blend:?}: {found:?}"
        );
    }
    assert_eq!(kit.faults(), vec![]);
}

fn an_unfed_target_holds_its_start_value_again(mut kit: Kit) {
    kit.shader(0, &RED.replace("red", "fill"));
    kit.shader(1, SHOW);
    let fill = full("fill").raster(|r| r.color = vec![color(0, Load::Keep)]);
    let show = || run(1, vec![full("show").reads(texture(0, 0, TextureView::Whole))]);
    let green = StartValue::Clear([0.0, 1.0, 0.0, 1.0]);
    let mut fed = plan(1, [4, 4], vec![run(0, vec![fill]), show()]);
    fed.targets = vec![target(0, "scene", HALF, [4, 4], green)];
    let mut unfed = plan(2, [4, 4], vec![show()]);
    unfed.targets = vec![PlannedTarget { unfed: true, ..fed.targets[0].clone() }];
    let fed = Arc::new(fed);
    assert_eq!(kit.picture(&Arc::new(unfed.clone_as(3))).pixel(1, 1), GREEN_PX, "before anybody wrote it");
    assert_eq!(kit.picture(&fed).pixel(1, 1), RED_PX);
    assert_eq!(kit.picture(&Arc::new(unfed)).pixel(1, 1), GREEN_PX, "after its writer went away");
}

fn previous_is_the_last_submitted_frame(mut kit: Kit) {
    // Red in frame 0, then green; the picture shows the frame before, or blue without history.
    kit.shader(
        0,
        "@fragment fn fill(in: Full) -> @location(0) vec4f {
            return select(vec4f(0.0, 1.0, 0.0, 1.0), vec4f(1.0, 0.0, 0.0, 1.0), frame.index == 0u);
        }
        @fragment fn show(in: Full) -> @location(0) vec4f {
            return select(vec4f(0.0, 0.0, 1.0, 1.0), textureLoad(scene_prev, vec2i(in.position.xy), 0), frame.history_valid == 1u);
        }",
    );
    let passes = vec![
        full("fill").raster(|r| r.color = vec![color(0, Load::Clear([0.0; 4]))]),
        full("show").reads(texture(64, 0, TextureView::Previous)),
    ];
    let build = |version, size| {
        let mut plan = plan(version, [size; 2], vec![run(0, passes.clone())]);
        plan.targets = vec![PlannedTarget { previous: true, ..target(0, "scene", HALF, [size; 2], ZERO) }];
        Arc::new(plan)
    };
    let (small, large) = (build(1, 4), build(2, 6));
    let blue = [0, 0, 255, 255];
    let shown = |kit: &mut Kit, plan| kit.picture(plan).pixel(1, 1);
    assert_eq!(shown(&mut kit, &small), blue, "no history in the first frame");
    assert_eq!(shown(&mut kit, &small), RED_PX);
    assert_eq!(shown(&mut kit, &small), GREEN_PX);
    assert_eq!(shown(&mut kit, &large), blue, "a resize ends history");
    assert_eq!(shown(&mut kit, &large), GREEN_PX);
    kit.renderer.simulate_device_loss().unwrap();
    assert_eq!(shown(&mut kit, &large), blue, "a lost device ends history");
    assert_eq!(shown(&mut kit, &large), GREEN_PX);
}

fn depth_is_tested_and_sampled(mut kit: Kit) {
    kit.shader(
        0,
        "struct Out { @builtin(position) position: vec4f, @location(0) near: f32 }
        @vertex fn vs(@builtin(vertex_index) i: u32, @builtin(instance_index) n: u32) -> Out {
            // Instance 0 covers all, far away; instance 1 the left half, nearer, drawn first by the order.
            let x = select(f32(i & 1u) * 4.0 - 1.0, f32(i & 1u) - 1.0, n == 0u);
            return Out(vec4f(x, f32(i >> 1u) * 8.0 - 1.0, select(0.25, 0.75, n == 0u), 1.0), f32(n));
        }
        @fragment fn fs(in: Out) -> @location(0) vec4f { return vec4f(1.0 - in.near, in.near, 0.0, 1.0); }
        @fragment fn show(in: Full) -> @location(0) vec4f {
            let d = textureLoad(depth, vec2i(in.position.xy), 0);
            let lit = textureSampleCompareLevel(depth, shadow_compare, in.uv, 0.5);
            return vec4f(d, lit, 0.0, 1.0);
        }",
    );
    let mesh = full("fs").raster(|r| {
        r.vertex = Some("vs".into());
        r.depth = Some(depth(1, Load::Clear([0.0; 4])));
        r.draws = vec![draw(3, 2)];
    });
    let mut first = plan(1, [8, 8], vec![run(0, vec![mesh.clone()])]);
    first.targets = vec![target(1, "scene_depth", TextureFormat::Depth32Float, [8, 8], ZERO)];
    let image = kit.picture(&Arc::new(first));
    assert_eq!([image.pixel(0, 7), image.pixel(6, 7)], [RED_PX, GREEN_PX], "near wins though drawn before");
    let show = full("show").reads(PlannedBinding {
        binding: 1,
        what: Bound::Texture {
            target: TargetId(1),
            view: TextureView::Whole,
            format: TextureFormat::Depth32Float,
        },
    });
    let mut second = plan(2, [8, 8], vec![run(0, vec![mesh, show])]);
    second.targets = vec![target(1, "scene_depth", TextureFormat::Depth32Float, [8, 8], ZERO)];
    let image = kit.picture(&Arc::new(second));
    // 0.5 >= 0.75 is shadow, 0.5 >= 0.25 is light; the picture is sRGB.
    assert!(near(image.pixel(0, 7), [225, 0, 0, 255]), "{:?}", image.pixel(0, 7));
    assert!(near(image.pixel(6, 7), [137, 255, 0, 255]), "{:?}", image.pixel(6, 7));
    assert_eq!(kit.faults(), vec![]);
}

fn compute_stores_to_levels_and_uniforms_params_and_storage_are_seen(mut kit: Kit) {
    kit.shader(
        0,
        "@compute @workgroup_size(4, 4) fn cs(@builtin(global_invocation_id) id: vec3u) {
            textureStore(scene_out, id.xy, params.tint + view.offset + colors[1]);
        }
        @fragment fn show(in: Full) -> @location(0) vec4f {
            return vec4f(textureLoad(scene, vec2i(0), 0).rgb, f32(arrayLength(&colors)) / 255.0);
        }",
    );
    let storage =
        PlannedBinding { binding: 3, what: Bound::Storage { buffer: BufferId(3), element_size: 16 } };
    let compute = PlannedPass {
        index: 0,
        label: "cs".into(),
        work: PlannedWork::Compute { entry: "cs".into(), groups: [1, 1, 1] },
        bindings: vec![
            PlannedBinding { binding: 2, what: Bound::Uniform { buffer: BufferId(2), size: 16 } },
            storage,
            PlannedBinding {
                binding: 128,
                what: Bound::StorageTexture { target: TargetId(0), level: 1, format: HALF },
            },
        ],
        sealed: Vec::new(),
    };
    let show = full("show").reads(texture(0, 0, TextureView::Level(1))).reads(storage);
    let mut plan = plan(1, [4, 4], vec![run(0, vec![compute, show])]);
    let mut scene = PlannedTarget { stored: true, ..target(0, "scene", HALF, [8, 8], ZERO) };
    scene.desc.mips = 3;
    plan.targets = vec![scene];
    plan.buffers = vec![buffer(2, 16, 16), buffer(3, 160, 16)];
    let plan = Arc::new(plan);
    kit.memory.put_floats(2, &[0.0, 1.0, 0.0, 0.0]);
    kit.memory.put_floats(3, &[9.0, 9.0, 9.0, 9.0, 0.0, 0.0, 1.0, 0.0]);
    let tint = |r: f32| Arc::from([r, 0.0, 0.0, 0.0].map(f32::to_le_bytes).as_flattened());
    kit.params = vec![(CellLine(0), tint(1.0))];
    (2..4).for_each(|b| kit.publish(b, &[]));
    assert_eq!(kit.picture(&plan).pixel(1, 1), [255, 255, 255, 2], "two elements are published");
    // Params stay until others come; storage grows with the publication.
    kit.memory.put_floats(3, &[0.0; 20]);
    kit.publish(3, &[(0, 80)]);
    assert_eq!(kit.picture(&plan).pixel(1, 1), [255, 255, 0, 5]);
    kit.params = vec![(CellLine(0), tint(0.0))];
    assert_eq!(kit.picture(&plan).pixel(1, 1), [0, 255, 0, 5]);
    assert_eq!(kit.faults(), vec![]);
}

fn the_picture_follows_the_plans_size(mut kit: Kit) {
    kit.shader(0, RED);
    for (version, size) in [(1, [16, 9]), (2, [33, 7]), (3, [1, 1])] {
        let plan = Arc::new(plan(version, size, vec![run(0, vec![full("red")])]));
        let image = kit.picture(&plan);
        assert_eq!([image.width, image.height], size);
        assert!(image.rgba8.chunks(4).all(|p| p == RED_PX));
    }
}

/// The same plan under another version.
trait CloneAs {
    fn clone_as(&self, version: u64) -> Plan;
}

impl CloneAs for Plan {
    fn clone_as(&self, version: u64) -> Plan {
        Plan {
            version,
            screen_px: self.screen_px,
            targets: self.targets.clone(),
            buffers: self.buffers.clone(),
            runs: self.runs.clone(),
            dynamic_counts: self.dynamic_counts.clone(),
        }
    }
}
