//! A cell: a field of cubes, for benchmarks and as an example of filling a large buffer in parallel.
//!
//! `count` cubes (at most 200,000) fill a block of 60 metres around the origin. With `spin: 0` they are written
//! once and only drawn from then on; else each turns by itself and all are written in every tick.
mod field;

use camera_api::CameraView;
use cell::prelude::*;
use field::Field;

/// The most cubes; as many as `cubes` holds.
const MAX_CUBES: u32 = 200_000;
/// Cubes per chunk of work.
const GRAIN: usize = 1024;

/// A cube in the field.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, cell::Gpu)]
struct Cube {
    /// Its middle, in metres.
    position: [f32; 3],
    /// Its edge, in metres.
    size: f32,
    /// Linear colour; above 1 it glows.
    color: [f32; 3],
    /// Radians about y.
    turn: f32,
}

/// A corner of one of the six faces of a cube with edge 1.
#[repr(C)]
#[derive(Clone, Copy, Debug, cell::Gpu)]
struct Vertex {
    position: [f32; 3],
    normal: [f32; 3],
}

signal_receptor! {
    name: many_cubes_v1, shader: "many-cubes.wgsl",
    params: { count: u32 = 20000, spin: f32 = 0.0 },
    input:  CubesSee { camera: now Uniform<CameraView> },
    own:    CubesOwn { mesh: SealedVertices<Vertex>, tris: SealedIndices, cubes: Instances<Cube, 200000> },
    output: CubesMake { scene_color: Screen<Rgba16Float, 1, 1>, scene_depth: Screen<Depth32Float, 1, 1> },
}

#[derive(Default)]
struct ManyCubes {
    mesh: Option<(Sealed<SealedVertices<Vertex>>, Sealed<SealedIndices>)>,
    /// The field was last written without spin.
    is_still: bool,
}

impl Cell for ManyCubes {
    fn load(&mut self, cx: &mut Load<many_cubes_v1>) -> Result<(), LoadError> {
        let (vertices, indices) = field::cube_mesh();
        self.mesh = Some((cx.seal_vertices(&vertices)?, cx.seal_indices(&indices)?));
        Ok(())
    }

    fn tick(&mut self, cx: &mut Cx<many_cubes_v1>) {
        let (spin, seconds) = (cx.params().spin, cx.time());
        let count = cx.params().count.min(MAX_CUBES);
        if cx.params_changed() && cx.params().count > MAX_CUBES {
            warn!("`count` is {}, but at most {MAX_CUBES} cubes are drawn", cx.params().count);
        }
        let is_still = spin == 0.0;
        if is_still && self.is_still && cx.cubes().last().len() == count as usize {
            return;
        }
        self.is_still = is_still;
        let field = Field::new(count);
        cx.cubes().write_with(count as usize, |all| {
            cx.par_for(all, GRAIN, |i, cube| *cube = field.cube(i as u32, spin, seconds));
        });
    }

    fn passes(&self, p: &mut Passes<many_cubes_v1>) {
        let Some((vertices, indices)) = &self.mesh else { return };
        p.draw("vs", "fs")
            .label("cubes")
            .read(camera)
            .vertices(mesh)
            .instances(cubes)
            .indices(tris)
            .write(scene_color)
            .depth(scene_depth)
            .cull(Cull::Back)
            .mesh(vertices, indices);
    }
}

cell::export!(ManyCubes);
