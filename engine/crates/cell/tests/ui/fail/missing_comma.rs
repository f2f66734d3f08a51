use cell::prelude::*;

signal_receptor! {
    name: demo_v1,
    output: Writes { picture: Backbuffer scene_color: Screen<Rgba16Float, 1, 1> },
}

fn main() {}
