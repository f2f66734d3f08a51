//! A fault costs its cell, a lost device costs nothing but time.
use crate::kit::*;
use cell_abi::ports::{StartValue, TextureFormat};
use engine_frame::plan::*;
use engine_render::{
    Backend, OpenError, RenderConfig, RenderEvent, Renderer, SealedData, SealedShape, UploadTier,
};
use std::sync::Arc;

const RED_PX: [u8; 4] = [255, 0, 0, 255];
const HALF: TextureFormat = TextureFormat::Rgba16Float;
const ZERO: StartValue = StartValue::Clear([0.0; 4]);

/// Red over all by cell 0, the lower right quarter green by cell 2, and in between a pass of cell 1.
fn sandwich(version: u64, targets: Vec<PlannedTarget>, bad: PlannedPass) -> Arc<Plan> {
    let corner = full("corner").raster(|r| r.color = vec![picture(Load::Keep)]);
    let runs = vec![run(0, vec![full("red")]), run(1, vec![bad]), run(2, vec![corner])];
    Arc::new(Plan { targets, ..plan(version, [8, 8], runs) })
}

fn shaders(kit: &Kit) {
    kit.shader(0, RED);
    kit.shader(1, &RED.replace("red", "bad").replace("1.0, 0.0, 0.0", "0.0, 0.0, 1.0"));
    kit.shader(
        2,
        "@fragment fn corner(in: Full) -> @location(0) vec4f {
            if in.uv.x < 0.5 || in.uv.y < 0.5 { discard; }
            return vec4f(0.0, 1.0, 0.0, 1.0);
        }",
    );
}

/// Checks that cell 1 is refused once with `expected`, and that the others draw as if it were not there.
fn refused(kit: &mut Kit, plan: &Arc<Plan>, expected: &str) {
    for round in 0..2 {
        let report = kit.run(plan, true);
        assert_eq!((report.submits, report.skipped.len()), (1, 1), "{expected}");
        let image = report.capture.unwrap();
        assert_eq!([image.pixel(0, 0), image.pixel(7, 7)], [RED_PX, [0, 255, 0, 255]], "{expected}");
        let faults = kit.faults();
        if round == 0 {
            assert_eq!(faults.len(), 1, "{expected}: {faults:?}");
            assert_eq!(faults[0].0, 1);
            assert!(faults[0].1.contains(expected), "{:?} has {expected:?}", faults[0].1);
        } else {
            assert_eq!(faults, vec![], "said once for a plan");
        }
    }
}

#[test]
fn a_bad_run_is_dropped_and_the_others_pixels_stay() {
    let mut kit = Kit::vulkan();
    shaders(&kit);
    let scene = || vec![target(0, "scene", HALF, [8, 8], ZERO)];
    let small = || vec![target(0, "small", HALF, [4, 4], ZERO)];
    let to = |target: u32, level| {
        full("bad").raster(|r| r.color = vec![PlannedColor { level, ..color(target, Load::Clear([0.0; 4])) }])
    };
    // Our own checks.
    refused(&mut kit, &sandwich(1, scene(), to(0, 3)), "`scene` has 1 mip level(s), there is no level 3");
    refused(&mut kit, &sandwich(2, scene(), to(9, 0)), "names target 9 but does not describe it");
    let sealed = full("bad").raster(|r| {
        r.vertex_slots = vec![VertexSlot { stride: 8, per_instance: false, attributes: vec![] }];
        r.draws[0].vertex_buffers = vec![BufferSource::Sealed(5)];
    });
    refused(&mut kit, &sandwich(3, vec![], sealed), "there is no sealed resource 5");
    let huge = vec![target(0, "huge", HALF, [1 << 20, 4], ZERO)];
    refused(&mut kit, &sandwich(4, huge, to(0, 0)), "`huge` (rgba16float of 1048576x4) cannot be made");
    // The GPU's checks, at preparation: a depth format bound as colour.
    let depth = vec![target(0, "depth", TextureFormat::Depth32Float, [8, 8], ZERO)];
    let reads = full("bad").reads(texture(0, 0, TextureView::Whole));
    refused(&mut kit, &sandwich(5, depth, reads), "pass `bad`: In Device::create_bind_group");
    // And while recording: attachments of different sizes, a target read and written, a draw out of range.
    let two = full("bad").raster(|r| r.color.push(color(0, Load::Clear([0.0; 4]))));
    kit.shader(
        1,
        "struct Two { @location(0) a: vec4f, @location(1) b: vec4f }
        @fragment fn bad(in: Full) -> Two { return Two(vec4f(0.0, 0.0, 1.0, 1.0), vec4f()); }",
    );
    refused(&mut kit, &sandwich(6, small(), two), "In a CommandEncoder, label = 'cell1'");
    kit.shader(
        1,
        "@fragment fn bad(in: Full) -> @location(0) vec4f { return textureLoad(scene, vec2i(0), 0); }",
    );
    let both = to(0, 0).reads(texture(0, 0, TextureView::Whole));
    refused(&mut kit, &sandwich(7, scene(), both), "In a CommandEncoder, label = 'cell1'");
    let many = PlannedWork::Compute { entry: "cs".into(), groups: [70_000, 1, 1] };
    kit.shader(1, "@compute @workgroup_size(1) fn cs() {}");
    refused(&mut kit, &sandwich(8, vec![], PlannedPass { work: many, ..full("cs") }), "label = 'cell1'");
}

#[test]
fn the_next_writer_takes_over_the_start_value_of_a_dropped_one() {
    let mut kit = Kit::vulkan();
    kit.shader(0, RED);
    kit.shader(1, &RED.replace("red", "half").replace("{ return", "{ if in.uv.x < 0.5 { discard; } return"));
    let broken = full("red").reads(texture(0, 3, TextureView::Whole));
    let half = full("half").raster(|r| r.color = vec![picture(Load::Keep)]);
    let runs = |first| vec![run(0, vec![first]), run(1, vec![half.clone()])];
    let good = Arc::new(plan(1, [4, 4], runs(full("red"))));
    assert_eq!(kit.picture(&good).pixel(0, 0), RED_PX);
    let bad = Arc::new(plan(2, [4, 4], runs(broken)));
    let image = kit.picture(&bad);
    assert_eq!(
        [image.pixel(0, 0), image.pixel(3, 0)],
        [[0, 0, 0, 255], RED_PX],
        "start value, then the second"
    );
}

#[test]
fn a_lost_device_comes_back_with_the_same_picture() {
    let tiers = UploadTier::ALL.into_iter().filter_map(Kit::in_tier);
    for mut kit in tiers.chain([Kit::noop()]) {
        shaders(&kit);
        kit.shader(
            1,
            "@fragment fn bad(in: Full) -> @location(0) vec4f {
                return view.offset * textureSample(albedo, linear_repeat, in.uv) + params.tint;
            }",
        );
        let bytes = Arc::new(vec![255_u8, 255, 0, 255]);
        let kind = SealedShape::Texture { format: TextureFormat::Rgba8Unorm, size_px: [1, 1], mips: 1 };
        kit.renderer.seal(SealedData { id: 5, kind, bytes }).unwrap();
        let mut pass = full("bad")
            .reads(PlannedBinding { binding: 2, what: Bound::Uniform { buffer: BufferId(2), size: 16 } });
        pass.sealed = vec![SealedSlot { binding: 4, kind: SealedKind::Texture2d }];
        let pass = pass.raster(|r| r.draws[0].sealed = vec![5]);
        let runs = vec![run(0, vec![full("red")]), run(1, vec![pass])];
        let mut plan = plan(1, [4, 4], runs);
        plan.buffers = vec![buffer(2, 16, 16)];
        let plan = Arc::new(plan);
        kit.memory.put_floats(2, &[0.0, 1.0, 1.0, 1.0]);
        kit.publish(2, &[]);
        kit.params =
            vec![(CellLine(1), Arc::from([0.0_f32, 0.0, 1.0, 0.0].map(f32::to_le_bytes).as_flattened()))];
        let before = kit.picture(&plan);
        for round in 0..3 {
            kit.renderer.simulate_device_loss().unwrap();
            // Neither slots nor parameters nor shaders nor sealed data are sent again.
            let report = kit.run(&plan, true);
            assert_eq!((report.submits, report.skipped.len()), (1, 0), "round {round}");
            assert_eq!(report.capture, Some(before.clone()), "round {round}");
            let told =
                |e: &RenderEvent| matches!(e, RenderEvent::DeviceLost { .. } | RenderEvent::DeviceRebuilt);
            assert_eq!(kit.events.iter().filter(|e| told(e)).count(), 2 * (round + 1));
        }
        if kit.renderer.adapter().name.contains("llvmpipe") {
            assert_eq!(before.pixel(1, 1), [0, 255, 255, 255]);
        }
        assert_eq!(kit.faults(), vec![]);
    }
}

#[test]
fn no_driver_names_the_way_out() {
    let message = OpenError::NoDriver { detail: "none".into() }.to_string();
    assert!(message.contains("./setup.sh"), "{message}");
    let renderer =
        Renderer::start(RenderConfig { backend: Backend::Noop, ..RenderConfig::default() }).unwrap();
    assert!(!renderer.adapter().name.is_empty());
}
