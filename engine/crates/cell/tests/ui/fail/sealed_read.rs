use cell::prelude::*;

signal_receptor! {
    name: demo_v1,
    own: Mine { albedo: SealedTexture, mesh: SealedVertices<f32>, cubes: Instances<f32, 4> },
    output: Writes { picture: Backbuffer },
}

#[derive(Default)]
struct Demo {
    mesh: Option<Sealed<SealedVertices<f32>>>,
}

impl Cell for Demo {
    fn passes(&self, p: &mut Passes<demo_v1>) {
        p.full("a").read(albedo).write(picture);
        p.full("b").read(cubes).write(picture);
        p.full("c").read("albedo").write(picture);
        p.full("d").bind(albedo, self.mesh.as_ref().unwrap()).write(picture);
    }
}

fn main() {}
