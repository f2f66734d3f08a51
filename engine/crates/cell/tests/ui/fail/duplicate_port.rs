use cell::prelude::*;

signal_receptor! {
    name: demo_v1,
    input: Reads { scene_color: Screen<Rgba16Float, 1, 1> },
    output: Writes { scene_color: Screen<Rgba16Float, 1, 1> },
}

fn main() {}
