//! Tangents for normal maps where a file has none, as Mikkelsen's algorithm makes them: the one that tools bake
//! normal maps with, and that glTF asks for (Morten S. Mikkelsen, "Simulation of Wrinkled Surfaces Revisited",
//! 2008).
use crate::mesh::Triangles;
use bevy_mikktspace::{Geometry, TangentSpace, generate_tangents};
use glam::Vec2;
use std::collections::HashMap;

/// A mesh without shared corners.
struct Faces<'a> {
    mesh: &'a Triangles,
    uvs: &'a [Vec2],
    /// One per index.
    tangents: Vec<[f32; 4]>,
}

impl Faces<'_> {
    fn corner(&self, face: usize, vert: usize) -> usize {
        self.mesh.indices[face * 3 + vert] as usize
    }
}

impl Geometry for Faces<'_> {
    fn num_faces(&self) -> usize {
        self.mesh.indices.len() / 3
    }

    fn num_vertices_of_face(&self, _face: usize) -> usize {
        3
    }

    fn position(&self, face: usize, vert: usize) -> [f32; 3] {
        self.mesh.positions[self.corner(face, vert)].to_array()
    }

    fn normal(&self, face: usize, vert: usize) -> [f32; 3] {
        self.mesh.normals[self.corner(face, vert)].to_array()
    }

    fn tex_coord(&self, face: usize, vert: usize) -> [f32; 2] {
        self.uvs[self.corner(face, vert)].to_array()
    }

    fn set_tangent(&mut self, space: Option<TangentSpace>, face: usize, vert: usize) {
        // glTF's v points down in the picture, the algorithm's points up: the side is the other one.
        let [x, y, z, side] = space.unwrap_or_default().tangent_encoded();
        self.tangents[face * 3 + vert] = [x, y, z, -side];
    }
}

/// Gives `mesh` tangents along `u` of the texture coordinates in `set`. Corners where triangles disagree are split.
pub(crate) fn add(mesh: &mut Triangles, set: u32) {
    let uvs = if set == 1 { &mesh.uvs1 } else { &mesh.uvs };
    let mut faces = Faces { mesh, uvs, tangents: vec![[1.0, 0.0, 0.0, 1.0]; mesh.indices.len()] };
    generate_tangents(&mut faces).expect("today's version knows no error");
    let tangents = faces.tangents;
    let mut known: HashMap<(u32, [u32; 4]), u32> = HashMap::new();
    let mut from = Vec::with_capacity(mesh.positions.len());
    let mut of_corner = Vec::with_capacity(mesh.positions.len());
    let mut indices = Vec::with_capacity(mesh.indices.len());
    for (index, tangent) in mesh.indices.iter().zip(tangents) {
        let new = *known.entry((*index, tangent.map(f32::to_bits))).or_insert_with(|| {
            from.push(*index as usize);
            of_corner.push(tangent);
            from.len() as u32 - 1
        });
        indices.push(new);
    }
    mesh.pick(&from);
    mesh.tangents = of_corner;
    mesh.indices = indices;
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::Vec3;

    /// A square in the plane z = 0 whose texture lies on it as it would on a wall: u to the right, v down.
    fn square(mirrored: bool) -> Triangles {
        let at = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)];
        let u = |x: f32| if mirrored { 1.0 - x } else { x };
        Triangles {
            positions: at.iter().map(|(x, y)| Vec3::new(*x, *y, 0.0)).collect(),
            normals: vec![Vec3::Z; 4],
            uvs: at.iter().map(|(x, y)| Vec2::new(u(*x), 1.0 - y)).collect(),
            indices: vec![0, 1, 2, 0, 2, 3],
            ..Triangles::default()
        }
    }

    #[test]
    fn tangents_follow_u_and_their_side_is_that_of_an_upright_picture() {
        let mut t = square(false);
        add(&mut t, 0);
        assert_eq!(
            t.tangents,
            vec![[1.0, 0.0, 0.0, 1.0]; 4],
            "cross(normal, tangent) * w is up, as green is"
        );
        let mut t = square(true);
        add(&mut t, 0);
        assert_eq!(t.tangents, vec![[-1.0, 0.0, 0.0, -1.0]; 4]);
    }

    #[test]
    fn corners_where_the_texture_turns_are_split_and_the_others_are_not() {
        // Two squares that share an edge, the second with a mirrored texture.
        let at = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (2.0, 0.0), (2.0, 1.0)];
        let u = |x: f32| 1.0 - (x - 1.0).abs();
        let mut t = Triangles {
            positions: at.iter().map(|(x, y)| Vec3::new(*x, *y, 0.0)).collect(),
            normals: vec![Vec3::Z; 6],
            uvs: at.iter().map(|(x, y)| Vec2::new(u(*x), 1.0 - y)).collect(),
            indices: vec![0, 1, 2, 0, 2, 3, 1, 4, 5, 1, 5, 2],
            ..Triangles::default()
        };
        add(&mut t, 0);
        assert_eq!((t.positions.len(), t.tangents.len(), t.indices.len()), (8, 8, 12));
        for (at, tangent) in t.positions.iter().zip(&t.tangents) {
            assert!(at.x == 1.0 || (tangent[0] > 0.0) == (at.x < 1.0), "{at} {tangent:?}");
        }
    }
}
