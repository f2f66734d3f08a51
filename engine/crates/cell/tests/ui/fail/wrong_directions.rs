use cell::prelude::*;

signal_receptor! {
    name: demo_v1,
    input: Reads { scene_color: Screen<Rgba16Float, 1, 1>, scene_depth: Screen<Depth32Float, 1, 1> },
    own: Mine { shadow: TextureRef<Depth32Float, 64, 64> },
    output: Writes { picture: Backbuffer },
}

#[derive(Default)]
struct Demo;

impl Cell for Demo {
    fn passes(&self, p: &mut Passes<demo_v1>) {
        p.full("a").write(scene_color);
        p.full("b").read(picture);
        p.full("c").write(shadow);
        p.full("d").depth(scene_depth);
        p.full("e").depth(picture);
    }
}

fn main() {}
