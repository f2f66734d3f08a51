use cell::prelude::*;

signal_receptor! {
    name: demo,
    inptu: Reads { scene_color: Screen<Rgba16Float, 1, 1> },
    output: Writes { picture: Backbuffer, mail: Backbuffer },
    params: { strength: f23 = 1.0, title: Text = 3 },
}

fn main() {}
