//! From meshes and where they stand to few draws: what stands still is merged, what stands often is instanced.
use crate::{
    bounds::Bounds,
    document::Document,
    error::SceneError,
    gpu::{Instance, Vertex},
    material::Look,
    mesh::Triangles,
};
use glam::{Mat3, Mat4};
use std::collections::BTreeMap;

/// From how many places on a mesh is instanced.
pub(crate) const INSTANCED_FROM: usize = 8;
/// The edge of the squares by which merged batches are cut, so that those out of view can be left out.
const SQUARE: f32 = 256.0;
/// The most squares along one axis.
const SQUARES: f32 = 16.0;
/// The most vertices and indices of all batches together.
const MAX_VERTICES: usize = 64 << 20;
const MAX_INDICES: usize = 256 << 20;

/// A primitive of a mesh.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Its index among the materials.
    pub(crate) material: u32,
    /// What batches must have in common.
    pub(crate) look: Look,
    /// Its triangles.
    pub(crate) triangles: Triangles,
}

/// One draw.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Batch {
    /// How it is drawn.
    pub(crate) look: Look,
    /// Its first index.
    pub(crate) first: u32,
    /// Its number of indices.
    pub(crate) count: u32,
    /// Its first instance.
    pub(crate) first_instance: u32,
    /// Its number of instances: 1 for merged ones, whose instance 0 stands at the origin.
    pub(crate) instances: u32,
    /// Where all of it is.
    pub(crate) bounds: Bounds,
}

/// All draws, and the buffers they draw from. Merged batches that throw shadows come first and adjoin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batches {
    /// Corners; those of merged batches are in the world's space.
    pub(crate) vertices: Vec<Vertex>,
    /// Into `vertices`.
    pub(crate) indices: Vec<u32>,
    /// The first is the identity.
    pub(crate) instances: Vec<Instance>,
    /// The draws.
    pub(crate) list: Vec<Batch>,
}

impl Batches {
    /// Builds the batches of `meshes`, each standing where `places` says: (mesh, matrix).
    ///
    /// # Errors
    /// [`SceneError::Unsupported`] when there would be too many vertices.
    pub(crate) fn build(
        doc: &Document,
        meshes: &[Vec<Part>],
        places: &[(usize, Mat4)],
    ) -> Result<Self, SceneError> {
        let mut uses = vec![0; meshes.len()];
        for (mesh, _) in places {
            uses[*mesh] += 1;
        }
        let mut out = Self { instances: vec![instance(Mat4::IDENTITY)], ..Self::default() };
        let is_merged = |mesh: usize, m: &Mat4| uses[mesh] < INSTANCED_FROM || m.determinant() < 0.0;

        let bounds: Vec<Vec<Bounds>> = meshes
            .iter()
            .map(|parts| parts.iter().map(|p| Bounds::of(p.triangles.positions.iter().copied())).collect())
            .collect();
        let (mut vertices, mut indices, mut middles) = (0, 0, Bounds::EMPTY);
        for (mesh, m) in places.iter().filter(|(mesh, m)| is_merged(*mesh, m)) {
            for (part, b) in meshes[*mesh].iter().zip(&bounds[*mesh]) {
                vertices += part.triangles.positions.len();
                indices += part.triangles.indices.len();
                if !b.is_empty() {
                    middles = middles.union(Bounds::of([b.transformed(*m).middle()]));
                }
            }
        }
        if vertices > MAX_VERTICES || indices > MAX_INDICES {
            let cause = format!(
                "has {vertices} vertices once all its nodes are merged; at most {MAX_VERTICES} are drawn"
            );
            return Err(doc.blame().unsupported("the scene", cause));
        }

        let square = ((middles.max - middles.min).max_element() / SQUARES).max(SQUARE);
        let mut merged: BTreeMap<_, Vec<(usize, usize, Mat4)>> = BTreeMap::new();
        for (mesh, m) in places.iter().filter(|(mesh, m)| is_merged(*mesh, m)) {
            for (n, (part, b)) in meshes[*mesh].iter().zip(&bounds[*mesh]).enumerate() {
                if b.is_empty() || part.triangles.indices.is_empty() {
                    continue;
                }
                let at = b.transformed(*m).middle() / square;
                let key = (!part.look.shadow, part.look, at.x.floor() as i32, at.z.floor() as i32);
                merged.entry(key).or_default().push((*mesh, n, *m));
            }
        }
        out.vertices.reserve(vertices);
        out.indices.reserve(indices);
        for ((_, look, ..), parts) in &merged {
            let first = out.indices.len() as u32;
            let mut around = Bounds::EMPTY;
            for (mesh, n, m) in parts {
                out.append(&meshes[*mesh][*n], *m);
                around = around.union(bounds[*mesh][*n].transformed(*m));
            }
            let count = out.indices.len() as u32 - first;
            out.list.push(Batch {
                look: *look,
                first,
                count,
                first_instance: 0,
                instances: 1,
                bounds: around,
            });
        }

        for (mesh, parts) in meshes.iter().enumerate().filter(|(mesh, _)| uses[*mesh] >= INSTANCED_FROM) {
            let first_instance = out.instances.len() as u32;
            let stand: Vec<Mat4> =
                places.iter().filter(|(n, m)| *n == mesh && !is_merged(mesh, m)).map(|(_, m)| *m).collect();
            out.instances.extend(stand.iter().map(|m| instance(*m)));
            for (part, b) in parts.iter().zip(&bounds[mesh]) {
                if b.is_empty() || part.triangles.indices.is_empty() || stand.is_empty() {
                    continue;
                }
                let first = out.indices.len() as u32;
                out.append(part, Mat4::IDENTITY);
                out.list.push(Batch {
                    look: part.look,
                    first,
                    count: out.indices.len() as u32 - first,
                    first_instance,
                    instances: stand.len() as u32,
                    bounds: stand.iter().fold(Bounds::EMPTY, |all, m| all.union(b.transformed(*m))),
                });
            }
        }
        Ok(out)
    }

    /// Returns how many of the first indices belong to merged batches that throw shadows.
    pub(crate) fn merged_shadow_indices(&self) -> u32 {
        self.list.iter().take_while(|b| b.look.shadow && b.first_instance == 0).map(|b| b.count).sum()
    }

    /// Returns the box around everything that throws a shadow.
    pub(crate) fn shadow_bounds(&self) -> Bounds {
        self.list.iter().filter(|b| b.look.shadow).fold(Bounds::EMPTY, |all, b| all.union(b.bounds))
    }

    fn append(&mut self, part: &Part, m: Mat4) {
        let base = self.vertices.len() as u32;
        let t = &part.triangles;
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
        let mirrored = m.determinant() < 0.0;
        for corner in t.indices.chunks_exact(3) {
            let [a, b, c] = [base + corner[0], base + corner[1], base + corner[2]];
            self.indices.extend(if mirrored { [a, c, b] } else { [a, b, c] });
        }
    }
}

fn instance(m: Mat4) -> Instance {
    Instance { row0: m.row(0).to_array(), row1: m.row(1).to_array(), row2: m.row(2).to_array() }
}
