use cell::prelude::*;

signal_receptor! {
    name: demo_v1,
    input: Reads { scene_color: Screen<Rgba16Flaot, 1, 1>, size: Screen<Rgba16Float, 0, 1>, few: Screen<R8Unorm> },
}

fn main() {}
