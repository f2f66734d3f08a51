use cell::prelude::*;

signal_receptor! {
    name: demo_v1,
    input: Reads { scene_color: Scren<Rgba16Float, 1, 1> },
    output: Writes { picture: Backbuffer },
}

fn main() {}
