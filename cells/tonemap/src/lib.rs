//! A cell: linear HDR to the picture. It reads `scene_color` and `bloom_result` (black when nobody makes it)
//! and writes the backbuffer.
use cell::prelude::*;

signal_receptor! {
    name: tonemap_v1, shader: "tonemap.wgsl",
    params: { exposure: f32 = 1.0, contrast: f32 = 1.25, saturation: f32 = 1.25, vignette: f32 = 0.12 },
    input:  TonemapDraw { scene_color: Screen<Rgba16Float, 1, 1>, bloom_result: Screen<Rgba16Float, 1, 1> },
    output: Picture { picture: Backbuffer },
}

#[derive(Default)]
struct Tonemap;

impl Cell for Tonemap {
    fn passes(&self, p: &mut Passes<tonemap_v1>) {
        p.full("tonemap").read(scene_color).read(bloom_result).write(picture);
    }
}

cell::export!(Tonemap);
