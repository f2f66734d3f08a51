//! Textures whose pixels come back into slots.
use crate::kit::{Kit, plan, target};
use cell_abi::ports::{StartValue, TextureFormat as F};
use engine_frame::{
    packet::Readback,
    plan::{BufferId, Plan, TargetId},
};
use engine_render::RenderEvent;
use std::sync::Arc;

/// Sizes of which no row is as long as the GPU copies rows.
const SIZES: [[u32; 2]; 3] = [[1, 1], [5, 3], [70, 2]];

fn wanted(target: u32, slot: u8, len: usize) -> Readback {
    Readback {
        target: TargetId(target),
        buffer: BufferId(100 + target),
        slot,
        len: len as u64,
        arrived: false,
    }
}

/// Returns targets of every format in every size that hold what they start with, and the bytes of a pixel of each.
fn all() -> (Plan, Vec<Vec<u8>>) {
    let half = |values: [u16; 4]| values.into_iter().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let float = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let starts = [1.0, 0.0, 0.5, 2.0];
    let texel = |format| match format {
        F::Rgba8Unorm => vec![255, 0, 128, 255],
        F::Rgba8UnormSrgb => vec![255, 0, 188, 255],
        F::R8Unorm => vec![255],
        F::Rg8Unorm => vec![255, 0],
        F::Rgba16Float => half([0x3c00, 0, 0x3800, 0x4000]),
        F::Rg16Float => half([0x3c00, 0, 0, 0])[..4].to_vec(),
        F::R16Float => half([0x3c00, 0, 0, 0])[..2].to_vec(),
        F::Rgba32Float => float(&starts),
        F::R32Float | F::Depth32Float => float(&starts[..1]),
        F::R32Uint => 1_u32.to_le_bytes().to_vec(),
        // 1 is exponent 15 over 6 bits; 0.5 is exponent 14 over 5 bits.
        F::Rg11b10Ufloat => (15 << 6 | (14_u32 << 5) << 22).to_le_bytes().to_vec(),
    };
    let mut out = (plan(1, [64, 36], Vec::new()), Vec::new());
    for (n, (format, size)) in (0..).zip(F::ALL.iter().flat_map(|f| SIZES.map(|s| (*f, s)))) {
        let start = StartValue::Clear(starts);
        out.0.targets.push(target(n, &format!("{format:?} {size:?}"), format, size, start));
        out.1.push(texel(format));
    }
    out
}

#[test]
fn pixels_of_every_format_come_back_row_by_row_without_gaps() {
    let mut kit = Kit::vulkan();
    let (plan, texels) = all();
    let len = |n: u32| {
        let [width, height] = plan.targets[n as usize].size_px;
        texels[n as usize].len() * (width * height) as usize
    };
    kit.readbacks = (0..plan.targets.len() as u32).map(|n| wanted(n, 3, len(n))).collect();
    let plan = Arc::new(plan);
    // The second time in buffers that were used before.
    for _ in 0..2 {
        let report = kit.run(&plan, false);
        assert_eq!(report.submits, 1);
        for (n, (target, texel)) in (0..).zip(plan.targets.iter().zip(&texels)) {
            assert!(report.packet.readbacks[n as usize].arrived, "{}", target.name);
            let [width, height] = target.size_px;
            let expected = texel.repeat((width * height) as usize);
            assert_eq!(kit.memory.take_filled(100 + n, 3), expected, "{}", target.name);
        }
    }
}

#[test]
fn what_is_not_there_does_not_come_back_and_costs_nobody_else_anything() {
    let mut kit = Kit::vulkan();
    let start = StartValue::Clear([1.0, 0.0, 0.0, 0.0]);
    let mut only = plan(1, [64, 36], Vec::new());
    only.targets.push(target(7, "seen", F::R32Float, [1, 1], start));
    let only = Arc::new(only);
    // One that is not there, one that is, one whose slot is for another size.
    kit.readbacks = vec![wanted(6, 0, 4), wanted(7, 1, 4), Readback { slot: 2, ..wanted(7, 1, 8) }];
    let report = kit.run(&only, false);
    assert_eq!(report.packet.readbacks.iter().map(|r| r.arrived).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(kit.memory.take_filled(107, 1), 1.0_f32.to_le_bytes());

    kit.renderer.simulate_device_loss().unwrap();
    // Frames come back with or without pixels, and those after the loss with them again.
    let mut came = false;
    for _ in 0..100 {
        came = kit.run(&only, false).packet.readbacks[1].arrived;
        if came && kit.events.iter().any(|e| matches!(e, RenderEvent::DeviceRebuilt)) {
            break;
        }
    }
    assert!(came, "pixels come back from the new device");
    assert!(kit.events.iter().any(|e| matches!(e, RenderEvent::DeviceRebuilt)));
    assert_eq!(kit.memory.take_filled(107, 1), 1.0_f32.to_le_bytes());
}

#[test]
fn without_a_gpu_pixels_come_back_too() {
    let mut kit = Kit::noop();
    let mut only = plan(1, [64, 36], Vec::new());
    only.targets.push(target(0, "seen", F::Rgba8Unorm, [3, 2], StartValue::Keep));
    kit.readbacks = vec![wanted(0, 2, 24)];
    let report = kit.run(&Arc::new(only), false);
    assert!(report.packet.readbacks[0].arrived);
    assert_eq!(kit.memory.take_filled(100, 2).len(), 24);
}
