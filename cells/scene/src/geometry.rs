//! The buffers of corners and triangles that all draws share.
use crate::{
    batches::Part,
    bounds::Bounds,
    document::Document,
    error::SceneError,
    gpu::{Bones, Detail, Vertex},
    material::Program,
    mesh::Triangles,
};
use glam::{Mat3, Mat4, Vec3};

/// The most vertices and indices of all batches together.
const MAX_VERTICES: usize = 64 << 20;
const MAX_INDICES: usize = 256 << 20;

/// Corners and triangles. Bones and details belong to the first corners, as many as there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Geometry {
    /// Corners.
    pub(crate) vertices: Vec<Vertex>,
    /// Of the first corners: what the shader of all of glTF needs.
    pub(crate) details: Vec<Detail>,
    /// Of the first corners: which poses they follow.
    pub(crate) bones: Vec<Bones>,
    /// Into `vertices`.
    pub(crate) indices: Vec<u32>,
}

/// Returns the box around triangles; empty if there are none.
pub(crate) fn part_bounds(t: &Triangles) -> Bounds {
    if t.indices.is_empty() { Bounds::EMPTY } else { Bounds::of(t.positions.iter().copied()) }
}

impl Geometry {
    /// Appends a part that stands where `m` says, and returns its first index and how many it has.
    ///
    /// # Errors
    /// [`SceneError::Unsupported`] when there would be too many vertices.
    pub(crate) fn append(&mut self, doc: &Document, part: &Part, m: Mat4) -> Result<(u32, u32), SceneError> {
        if part.look.program != Program::Plain {
            debug_assert_eq!(self.details.len(), self.vertices.len(), "details belong to the first corners");
            self.details.extend(details(&part.triangles, m));
        }
        self.corners(doc, part, m, m.determinant() < 0.0)
    }

    /// Appends a part whose corners follow `bones`, and returns its first index and how many it has.
    ///
    /// # Errors
    /// [`SceneError::Unsupported`] when there would be too many vertices.
    pub(crate) fn append_posed(
        &mut self,
        doc: &Document,
        part: &Part,
        bones: &[Bones],
        inside_out: bool,
    ) -> Result<(u32, u32), SceneError> {
        debug_assert_eq!(self.bones.len(), self.vertices.len(), "bones belong to the first corners");
        self.bones.extend_from_slice(bones);
        self.details.extend(details(&part.triangles, Mat4::IDENTITY));
        self.corners(doc, part, Mat4::IDENTITY, inside_out)
    }

    fn corners(
        &mut self,
        doc: &Document,
        part: &Part,
        m: Mat4,
        inside_out: bool,
    ) -> Result<(u32, u32), SceneError> {
        let t = &part.triangles;
        let vertices = self.vertices.len() + t.positions.len();
        if vertices > MAX_VERTICES || self.indices.len() + t.indices.len() > MAX_INDICES {
            let cause = format!(
                "has more than {MAX_VERTICES} vertices or {MAX_INDICES} indices once all its nodes are merged"
            );
            return Err(doc.blame().unsupported("the scene", cause));
        }
        let (base, first) = (self.vertices.len() as u32, self.indices.len() as u32);
        let normals = Mat3::from_mat4(m).inverse().transpose();
        let normals = if normals.is_finite() { normals } else { Mat3::IDENTITY };
        for ((position, normal), uv) in t.positions.iter().zip(&t.normals).zip(&t.uvs) {
            self.vertices.push(Vertex {
                position: m.transform_point3(*position).to_array(),
                normal: (normals * *normal).try_normalize().unwrap_or(*normal).to_array(),
                uv: uv.to_array(),
                material: part.material,
            });
        }
        // A mirror turns triangles inside out: turn them back.
        for corner in t.indices.chunks_exact(3) {
            let [a, b, c] = [base + corner[0], base + corner[1], base + corner[2]];
            self.indices.extend(if inside_out { [a, c, b] } else { [a, b, c] });
        }
        Ok((first, self.indices.len() as u32 - first))
    }
}

/// Returns the details of a part that stands where `m` says, one for each corner.
fn details(t: &Triangles, m: Mat4) -> impl Iterator<Item = Detail> {
    let side = if m.determinant() < 0.0 { -1.0 } else { 1.0 };
    (0..t.positions.len()).map(move |i| {
        let [x, y, z, w] = t.tangents.get(i).copied().unwrap_or([1.0, 0.0, 0.0, 1.0]);
        let along = m.transform_vector3(Vec3::new(x, y, z)).try_normalize().unwrap_or(Vec3::X);
        Detail {
            tangent: along.extend(w * side).to_array(),
            color: t.colors.get(i).copied().unwrap_or([1.0; 4]),
            uv1: t.uvs1.get(i).map_or([0.0; 2], |uv| uv.to_array()),
        }
    })
}
