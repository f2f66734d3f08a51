//! A cell: a glow around what is bright. It reads `scene_color` and makes `bloom_result`, which the tone
//! mapper adds; it has no tick and costs no CPU per frame.
use cell::prelude::*;

/// Mip levels of the chain.
const LEVELS: u32 = 6;

signal_receptor! {
    name: bloom_v1, shader: "bloom.wgsl",
    params: { threshold: f32 = 1.0, knee: f32 = 0.5, strength: f32 = 0.08 },
    input:  BloomDraw { scene_color: Screen<Rgba16Float, 1, 1> },
    own:    Chain { mips: ScreenMips<Rgba16Float, 1, 2, 6> },
    output: BloomResult { bloom_result: Screen<Rgba16Float, 1, 1> },
}

#[derive(Default)]
struct Bloom;

impl Cell for Bloom {
    fn passes(&self, p: &mut Passes<bloom_v1>) {
        p.full("threshold").read(scene_color).write(mips.level(0));
        for i in 1..LEVELS {
            p.full("down").read(mips.level(i - 1)).write(mips.level(i));
        }
        for i in (0..LEVELS - 1).rev() {
            p.full("up").read(mips.level(i + 1)).add(mips.level(i));
        }
        p.full("composite").read(mips.level(0)).write(bloom_result);
    }
}

cell::export!(Bloom);
