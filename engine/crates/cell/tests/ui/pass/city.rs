//! A cell crate under the workspace's lints, all of them denied.
#![deny(warnings, missing_docs, unreachable_pub, unsafe_code, unsafe_op_in_unsafe_fn)]
use cell::prelude::*;

signal_receptor! {
    name: city_v1, shader: "city.wgsl",
    params: { gltf: Asset = "city.glb", sun: { azimuth: f32 = 230.0 }, fly?: { at: Vec3 = [0.0, 1.0, 2.0] } },
    input:  CityReads { camera: now Uniform<Cam>, poses: history Instances<Pose, 3000> },
    own:    CityOwn { mesh: SealedVertices<Pose>, tris: SealedIndices, albedo: SealedTexture, counts: Counts<4> },
    output: CityWrites {
        scene_color: Screen<Rgba16Float, 1, 1>,
        scene_depth: Screen<Depth32Float, 1, 1>,
        lamps: Instances<Pose, { 2 * 1000 }>,
    },
}

/// The camera.
#[derive(Clone, Copy, Gpu)]
#[repr(C)]
pub struct Cam {
    /// World to clip.
    pub view_proj: [[f32; 4]; 4],
}

/// A place.
#[derive(Clone, Copy, Gpu)]
#[repr(C)]
struct Pose {
    at: [f32; 3],
    scale: f32,
}

/// The cell; public, which an author may want.
#[derive(Default)]
pub struct City {
    mesh: Option<(Sealed<SealedVertices<Pose>>, Sealed<SealedIndices>)>,
}

impl Cell for City {
    fn load(&mut self, cx: &mut Load<city_v1>) -> Result<(), LoadError> {
        let file = cx.asset(&cx.params().gltf)?;
        let pose = Pose { at: [f32::from(file[0]); 3], scale: cx.params().sun.azimuth };
        self.mesh = Some((cx.seal_vertices(&[pose])?, cx.seal_indices(&[0])?));
        Ok(())
    }

    fn tick(&mut self, cx: &mut Cx<city_v1>) {
        let (camera, poses) = (cx.camera(), cx.poses());
        let x = camera.view_proj[0][0] + cx.params().fly.as_ref().map_or(0.0, |f| f.at[0]);
        cx.lamps().write_with(poses.len(), |lamps| {
            cx.par_for(lamps, 64, |i, lamp| *lamp = Pose { at: [x; 3], scale: poses[i].scale });
        });
        cx.counts().write(&[1]);
    }

    fn passes(&self, p: &mut Passes<city_v1>) {
        if let Some((v, i)) = &self.mesh {
            p.draw("vs", "fs").vertices(mesh).indices(tris).read(camera).write(scene_color).depth(scene_depth).mesh(v, i);
            p.draw("vs", "fs").vertices(city_v1::MESH).instances(lamps).write(city_v1::SCENE_COLOR).draw(
                DrawCall::vertices(0, counted(counts, 0)).instances(published(lamps)).bind(mesh, v),
            );
        }
    }
}

cell::export!(City);

fn main() {}
