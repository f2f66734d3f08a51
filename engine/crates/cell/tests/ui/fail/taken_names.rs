use cell::prelude::*;

signal_receptor! {
    name: demo_v1,
    params: { loop: u32 = 1, in: f32 = 0.0, size: [f32; 2] = [1.0, 1.0], count: u32 = -1 },
    own: Mine { target: Screen<Rgba16Float, 1, 1>, glow: Screen<Rgba16Float, 1, 1>, glow_out: Counts<1> },
}

fn main() {}
