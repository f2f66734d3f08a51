//! Primitives of meshes as indexed triangles.
use crate::{accessor, document::Document, error::SceneError};
use glam::{Vec2, Vec3};
use gltf::mesh::{Mode, Primitive, Semantic};

/// Indexed triangles in the space of their mesh. All indices are below the number of vertices.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Triangles {
    /// Positions in metres.
    pub(crate) positions: Vec<Vec3>,
    /// One per position, of length 1.
    pub(crate) normals: Vec<Vec3>,
    /// One per position: the file's first texture coordinates.
    pub(crate) uvs: Vec<Vec2>,
    /// Three per triangle, counter-clockwise seen from outside.
    pub(crate) indices: Vec<u32>,
}

/// Reads a primitive; `None` when it consists of points or lines.
///
/// # Errors
/// [`SceneError`] when an accessor is broken, counts differ, or an index is out of range.
pub(crate) fn read(doc: &Document, mesh: usize, p: &Primitive<'_>) -> Result<Option<Triangles>, SceneError> {
    let blame = doc.blame();
    let what = format!("mesh {mesh} primitive {}", p.index());
    if matches!(p.mode(), Mode::Points | Mode::Lines | Mode::LineLoop | Mode::LineStrip) {
        return Ok(None);
    }
    let Some(at) = p.get(&Semantic::Positions) else {
        return Err(blame.broken(what, "has no POSITION"));
    };
    let positions: Vec<Vec3> = accessor::floats::<3>(doc, &at)?.into_iter().map(Vec3::from).collect();
    if let Some(i) = positions.iter().position(|p| !p.is_finite()) {
        return Err(blame.broken(what, format_args!("has a position that is no number, vertex {i}")));
    }
    let count = positions.len();
    let normals = match p.get(&Semantic::Normals) {
        Some(a) => Some(accessor::floats::<3>(doc, &a)?),
        None => None,
    };
    let uvs = match p.get(&Semantic::TexCoords(0)) {
        Some(a) => accessor::floats::<2>(doc, &a)?,
        None => vec![[0.0; 2]; count],
    };
    for (name, n) in [("NORMAL", normals.as_ref().map_or(count, Vec::len)), ("TEXCOORD_0", uvs.len())] {
        if n != count {
            return Err(blame.broken(what, format_args!("has {count} positions but {n} of {name}")));
        }
    }
    let list = match p.indices() {
        Some(a) => accessor::indices(doc, &a)?,
        None => (0..count as u32).collect(),
    };
    if let Some(i) = list.iter().position(|i| *i as usize >= count) {
        let cause = format!("has {count} vertices, but index {i} is {}", list[i]);
        return Err(blame.broken(what, cause));
    }
    let indices = triangles(p.mode(), &list);
    let uvs = uvs.into_iter().map(Vec2::from).collect();
    let found = Triangles { positions, normals: Vec::new(), uvs, indices };
    Ok(Some(match normals {
        Some(n) => Triangles { normals: n.into_iter().map(unit).collect(), ..found },
        None => found.with_flat_normals(),
    }))
}

fn unit(n: [f32; 3]) -> Vec3 {
    Vec3::from(n).try_normalize().unwrap_or(Vec3::Y)
}

/// Returns the triangles of a list, strip or fan as a list.
fn triangles(mode: Mode, list: &[u32]) -> Vec<u32> {
    match mode {
        Mode::TriangleStrip => {
            let turned =
                |(i, t): (usize, &[u32])| if i % 2 == 0 { [t[0], t[1], t[2]] } else { [t[1], t[0], t[2]] };
            list.windows(3).enumerate().flat_map(turned).collect()
        }
        Mode::TriangleFan => match list {
            [middle, rest @ ..] => rest.windows(2).flat_map(|t| [*middle, t[0], t[1]]).collect(),
            [] => Vec::new(),
        },
        _ => list[..list.len() / 3 * 3].to_vec(),
    }
}

impl Triangles {
    /// Gives each triangle vertices of its own with the triangle's normal, as glTF asks where there is none.
    fn with_flat_normals(self) -> Self {
        let mut out = Self::default();
        for t in self.indices.chunks_exact(3) {
            let [a, b, c] = [t[0], t[1], t[2]].map(|i| self.positions[i as usize]);
            let normal = (b - a).cross(c - a).try_normalize().unwrap_or(Vec3::Y);
            for i in t {
                out.indices.push(out.positions.len() as u32);
                out.positions.push(self.positions[*i as usize]);
                out.normals.push(normal);
                out.uvs.push(self.uvs[*i as usize]);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_and_fans_become_lists_of_the_same_winding() {
        assert_eq!(triangles(Mode::TriangleStrip, &[0, 1, 2, 3]), [0, 1, 2, 2, 1, 3]);
        assert_eq!(triangles(Mode::TriangleFan, &[7, 1, 2, 3]), [7, 1, 2, 7, 2, 3]);
        assert_eq!(triangles(Mode::Triangles, &[0, 1, 2, 3]), [0, 1, 2]);
        assert!(triangles(Mode::TriangleFan, &[]).is_empty());
    }

    #[test]
    fn without_normals_each_triangle_gets_its_own() {
        let t = Triangles {
            positions: vec![Vec3::ZERO, Vec3::X, Vec3::Y, Vec3::Z],
            normals: Vec::new(),
            uvs: vec![Vec2::ZERO; 4],
            indices: vec![0, 1, 2, 0, 2, 3],
        }
        .with_flat_normals();
        assert_eq!(t.indices, [0, 1, 2, 3, 4, 5]);
        assert_eq!((t.normals[0], t.normals[3]), (Vec3::Z, Vec3::X));
    }
}
