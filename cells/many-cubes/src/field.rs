//! The field and the mesh, as plain functions.
use crate::{Cube, Vertex};

/// The edge of the block that the cubes fill, in metres.
const BLOCK: f32 = 60.0;

/// Where cubes stand: a cubic grid that holds `count` of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    side: u32,
    step: f32,
}

impl Field {
    /// Returns the smallest grid for `count` cubes.
    pub(crate) fn new(count: u32) -> Self {
        let mut side = 1;
        while side * side * side < count {
            side += 1;
        }
        Self { side, step: BLOCK / side as f32 }
    }

    /// Returns cube `i` at `seconds`, turning by `spin` radians per second. Every fourth one glows.
    pub(crate) fn cube(self, i: u32, spin: f32, seconds: f32) -> Cube {
        let place = |k: u32| (k as f32 + 0.5) * self.step - BLOCK * 0.5;
        let (x, y, z) = (i % self.side, i / self.side % self.side, i / self.side / self.side);
        let hue = (i.wrapping_mul(0x9e37_79b9) >> 8) as f32 / (1 << 24) as f32;
        let strength = if i % 4 == 3 { 9.0 } else { 0.7 };
        let channel = |shift: f32| 0.35 + 0.3 * (std::f32::consts::TAU * (hue + shift)).cos();
        Cube {
            position: [place(x), place(y), place(z)],
            size: self.step * 0.45,
            color: [0.0, 0.33, 0.67].map(|s| strength * channel(s)),
            turn: spin * seconds * (0.5 + hue) + if spin == 0.0 { 0.0 } else { hue * 6.0 },
        }
    }
}

/// Returns the corners and triangles of a cube with edge 1, counter-clockwise seen from outside.
pub(crate) fn cube_mesh() -> (Vec<Vertex>, Vec<u32>) {
    let (mut vertices, mut indices) = (Vec::with_capacity(24), Vec::with_capacity(36));
    for axis in 0..3 {
        for sign in [1.0, -1.0] {
            let first = vertices.len() as u32;
            let mut normal = [0.0; 3];
            normal[axis] = sign;
            for (a, b) in [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)] {
                let mut position = [0.0; 3];
                position[axis] = 0.5 * sign;
                position[(axis + 1) % 3] = a;
                position[(axis + 2) % 3] = b * sign;
                vertices.push(Vertex { position, normal });
            }
            indices.extend([0, 1, 2, 0, 2, 3].map(|i| first + i));
        }
    }
    (vertices, indices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::Vec3;

    #[test]
    fn faces_look_outwards() {
        let (vertices, indices) = cube_mesh();
        assert_eq!((vertices.len(), indices.len()), (24, 36));
        for t in indices.chunks(3) {
            let [a, b, c] = [t[0], t[1], t[2]].map(|i| Vec3::from(vertices[i as usize].position));
            let wound = (b - a).cross(c - a).normalize();
            assert!(wound.distance(Vec3::from(vertices[t[0] as usize].normal)) < 1e-5);
            assert!(wound.dot(a) > 0.0, "outwards");
        }
    }

    #[test]
    fn every_count_fits_its_grid_and_no_two_cubes_share_a_place() {
        for count in [0, 1, 2, 27, 28, 1000] {
            let field = Field::new(count);
            let mut places: Vec<_> =
                (0..count).map(|i| field.cube(i, 0.0, 0.0).position.map(f32::to_bits)).collect();
            places.sort_unstable();
            places.dedup();
            assert_eq!(places.len(), count as usize);
        }
        let last = Field::new(crate::MAX_CUBES).cube(crate::MAX_CUBES - 1, 0.0, 0.0);
        assert!(last.position.iter().all(|x| x.abs() <= BLOCK * 0.5), "{last:?}");
    }

    #[test]
    fn still_cubes_do_not_depend_on_time_and_a_fourth_glows() {
        let field = Field::new(100);
        for i in 0..100 {
            assert_eq!(field.cube(i, 0.0, 1.0), field.cube(i, 0.0, 9.0));
            let glows = field.cube(i, 0.0, 0.0).color.iter().any(|c| *c > 1.0);
            assert_eq!(glows, i % 4 == 3, "cube {i}");
        }
        assert_ne!(field.cube(5, 1.0, 1.0), field.cube(5, 1.0, 9.0));
    }
}
