//! Primitives of meshes as indexed triangles.
use crate::{
    accessor, document::Document, error::SceneError, gpu::Bones, material::Finish, notes::Notes, tangents,
};
use glam::{Vec2, Vec3, Vec4};
use gltf::{
    accessor::Dimensions,
    mesh::{Mode, Primitive, Semantic},
};

/// Indexed triangles in the space of their mesh. All indices are below the number of vertices.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Triangles {
    /// Positions in metres.
    pub(crate) positions: Vec<Vec3>,
    /// One per position, of length 1.
    pub(crate) normals: Vec<Vec3>,
    /// One per position: the file's first texture coordinates.
    pub(crate) uvs: Vec<Vec2>,
    /// None, or one per position: the second texture coordinates.
    pub(crate) uvs1: Vec<Vec2>,
    /// None, or one per position: the tangent and, in w, its side.
    pub(crate) tangents: Vec<[f32; 4]>,
    /// None, or one per position: linear colour and opacity.
    pub(crate) colors: Vec<[f32; 4]>,
    /// None, or one per position: joints of the skin and how much they pull.
    pub(crate) bones: Vec<Bones>,
    /// Three per triangle, counter-clockwise seen from outside.
    pub(crate) indices: Vec<u32>,
}

/// Reads a primitive; `None` when it consists of points or lines.
///
/// # Errors
/// [`SceneError`] when an accessor is broken, counts differ, or an index is out of range.
pub(crate) fn read(
    doc: &Document,
    mesh: usize,
    p: &Primitive<'_>,
    finish: &Finish,
    notes: &mut Notes,
) -> Result<Option<Triangles>, SceneError> {
    let what = format!("mesh {mesh} primitive {}", p.index());
    if matches!(p.mode(), Mode::Points | Mode::Lines | Mode::LineLoop | Mode::LineStrip) {
        notes.add("points and lines are not drawn");
        return Ok(None);
    }
    let mut found = attributes(doc, &what, p)?;
    left_out(p, &what, notes);
    let count = found.positions.len();
    let list = match p.indices() {
        Some(a) => accessor::indices(doc, &a)?,
        None => (0..count as u32).collect(),
    };
    if let Some(i) = list.iter().position(|i| *i as usize >= count) {
        let cause = format!("has {count} vertices, but index {i} is {}", list[i]);
        return Err(doc.blame().broken(what, cause));
    }
    found.indices = triangles(p.mode(), &list);
    if found.normals.is_empty() {
        found = found.with_flat_normals();
    }
    let sets = 1 + u32::from(!found.uvs1.is_empty());
    if finish.highest_set >= sets && found.uvs1.is_empty() {
        notes.add(format!(
            "{what} has no TEXCOORD_1, which a texture of its material follows; it takes (0, 0)"
        ));
        found.uvs1 = vec![Vec2::ZERO; found.positions.len()];
    }
    if let Some(set) = finish.normal_set.filter(|_| found.tangents.is_empty()) {
        tangents::add(&mut found, set);
    }
    Ok(Some(found))
}

fn attributes(doc: &Document, what: &str, p: &Primitive<'_>) -> Result<Triangles, SceneError> {
    let blame = doc.blame();
    let Some(at) = p.get(&Semantic::Positions) else {
        return Err(blame.broken(what, "has no POSITION"));
    };
    let positions: Vec<Vec3> = accessor::floats::<3>(doc, &at)?.into_iter().map(Vec3::from).collect();
    if let Some(i) = positions.iter().position(|p| !p.is_finite()) {
        return Err(blame.broken(what, format_args!("has a position that is no number, vertex {i}")));
    }
    let count = positions.len();
    let mut out = Triangles { positions, ..Triangles::default() };
    if let Some(a) = p.get(&Semantic::Normals) {
        out.normals = accessor::floats::<3>(doc, &a)?.into_iter().map(unit).collect();
    }
    out.uvs = match p.get(&Semantic::TexCoords(0)) {
        Some(a) => accessor::floats::<2>(doc, &a)?.into_iter().map(Vec2::from).collect(),
        None => vec![Vec2::ZERO; count],
    };
    if let Some(a) = p.get(&Semantic::TexCoords(1)) {
        out.uvs1 = accessor::floats::<2>(doc, &a)?.into_iter().map(Vec2::from).collect();
    }
    if let Some(a) = p.get(&Semantic::Tangents).filter(|_| !out.normals.is_empty()) {
        out.tangents = accessor::floats::<4>(doc, &a)?;
    }
    if let Some(a) = p.get(&Semantic::Colors(0)) {
        out.colors = match a.dimensions() {
            Dimensions::Vec3 => {
                accessor::floats::<3>(doc, &a)?.into_iter().map(|[r, g, b]| [r, g, b, 1.0]).collect()
            }
            _ => accessor::floats::<4>(doc, &a)?,
        };
    }
    if let (Some(j), Some(w)) = (p.get(&Semantic::Joints(0)), p.get(&Semantic::Weights(0))) {
        let (joints, weights) = (accessor::joints(doc, &j)?, accessor::floats::<4>(doc, &w)?);
        if joints.len() != weights.len() {
            let cause = format!("has {} of JOINTS_0 but {} of WEIGHTS_0", joints.len(), weights.len());
            return Err(blame.broken(what, cause));
        }
        out.bones =
            joints.into_iter().zip(weights).map(|(joints, w)| Bones { joints, weights: whole(w) }).collect();
    }
    let optional = |n: usize| if n == 0 { count } else { n };
    for (name, n) in [
        ("NORMAL", optional(out.normals.len())),
        ("TEXCOORD_0", out.uvs.len()),
        ("TEXCOORD_1", optional(out.uvs1.len())),
        ("TANGENT", optional(out.tangents.len())),
        ("COLOR_0", optional(out.colors.len())),
        ("JOINTS_0", optional(out.bones.len())),
    ] {
        if n != count {
            return Err(blame.broken(what, format_args!("has {count} positions but {n} of {name}")));
        }
    }
    Ok(out)
}

/// Notes what a primitive has that is not drawn.
fn left_out(p: &Primitive<'_>, what: &str, notes: &mut Notes) {
    for (semantic, _) in p.attributes() {
        match semantic {
            Semantic::Colors(1..) => {
                notes.add(format!("{what} has more than one set of colours; the first is used"))
            }
            Semantic::Joints(1..) => {
                notes.add(format!("{what} has more than four joints a vertex; the first four are used"));
            }
            _ => {}
        }
    }
    if p.morph_targets().next().is_some() {
        notes.add(format!("{what} has morph targets, which are not moved; it keeps its base shape"));
    }
}

fn unit(n: [f32; 3]) -> Vec3 {
    Vec3::from(n).try_normalize().unwrap_or(Vec3::Y)
}

/// Returns weights whose sum is 1.
fn whole(weights: [f32; 4]) -> [f32; 4] {
    let w = Vec4::from(weights).max(Vec4::ZERO);
    let sum = w.element_sum();
    if sum.is_finite() && sum > 0.0 { (w / sum).to_array() } else { [1.0, 0.0, 0.0, 0.0] }
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
    /// Makes the vertices those of the old numbers `from`. The indices are left to the caller.
    pub(crate) fn pick(&mut self, from: &[usize]) {
        fn picked<T: Copy>(all: &mut Vec<T>, from: &[usize]) {
            if !all.is_empty() {
                *all = from.iter().map(|i| all[*i]).collect();
            }
        }
        picked(&mut self.positions, from);
        picked(&mut self.normals, from);
        picked(&mut self.uvs, from);
        picked(&mut self.uvs1, from);
        picked(&mut self.tangents, from);
        picked(&mut self.colors, from);
        picked(&mut self.bones, from);
    }

    /// Gives each triangle vertices of its own with the triangle's normal, as glTF asks where there is none.
    fn with_flat_normals(mut self) -> Self {
        let from: Vec<usize> = self.indices.iter().map(|i| *i as usize).collect();
        self.pick(&from);
        self.indices = (0..from.len() as u32).collect();
        let normal = |t: &[Vec3]| (t[1] - t[0]).cross(t[2] - t[0]).try_normalize().unwrap_or(Vec3::Y);
        self.normals = self.positions.chunks_exact(3).flat_map(|t| [normal(t); 3]).collect();
        self
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
            uvs: vec![Vec2::ZERO; 4],
            indices: vec![0, 1, 2, 0, 2, 3],
            ..Triangles::default()
        }
        .with_flat_normals();
        assert_eq!(t.indices, [0, 1, 2, 3, 4, 5]);
        assert_eq!((t.normals[0], t.normals[3]), (Vec3::Z, Vec3::X));
    }

    #[test]
    fn weights_are_made_whole() {
        assert_eq!(whole([2.0, 1.0, 1.0, 0.0]), [0.5, 0.25, 0.25, 0.0]);
        assert_eq!(whole([0.0; 4]), [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(whole([f32::NAN, f32::INFINITY, 0.0, 0.0]), [1.0, 0.0, 0.0, 0.0]);
    }
}
