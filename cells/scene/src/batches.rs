//! From meshes and where they stand to few draws: what stands still is merged, what stands often is instanced, what
//! moves or lets through is a draw of its own.
use crate::{
    bounds::Bounds,
    document::Document,
    error::SceneError,
    geometry::{Geometry, part_bounds},
    gpu::{Bones, Instance},
    material::{Coverage, Look, Program},
    mesh::Triangles,
    poses::PoseBook,
};
use bevy_ecs::entity::Entity;
use glam::{Mat4, Vec3};
use std::{collections::BTreeMap, ops::Range};

/// From how many places on a mesh is instanced.
pub(crate) const INSTANCED_FROM: usize = 8;
/// The edge of the squares by which merged batches are cut, so that those out of view can be left out.
const SQUARE: f32 = 256.0;
/// The most squares along one axis.
const SQUARES: f32 = 16.0;

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

/// A node that shows a mesh.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The mesh.
    pub(crate) mesh: usize,
    /// Where it stands in the world.
    pub(crate) matrix: Mat4,
    /// The node.
    pub(crate) node: Entity,
    /// The skin that moves it.
    pub(crate) skin: Option<usize>,
    /// Whether a clip moves it.
    pub(crate) moves: bool,
}

impl Place {
    /// Returns whether a part of the mesh follows poses here.
    fn is_posed(&self, part: &Part) -> bool {
        self.moves || self.skin.is_some() || part.look.coverage == Coverage::Blended
    }
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
    /// Its first instance; 0, which stands at the origin, if it is not instanced.
    pub(crate) first_instance: u32,
    /// Its number of instances.
    pub(crate) instances: u32,
    /// Where all of it is.
    pub(crate) bounds: Bounds,
    /// What of it follows which pose: boxes in the space of the mesh.
    pub(crate) reach: BTreeMap<u32, Bounds>,
}

impl Batch {
    /// Returns whether it is drawn once for each of many places.
    pub(crate) fn is_instanced(&self) -> bool {
        self.first_instance > 0
    }

    /// Returns whether its shadow is drawn together with those of all others of its kind.
    pub(crate) fn shadow_is_merged(&self) -> bool {
        self.look.shadow
            && self.look.coverage == Coverage::Opaque
            && self.look.program != Program::Posed
            && !self.is_instanced()
    }
}

/// All draws, and the buffers they draw from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batches {
    /// Corners and triangles; corners of merged batches are in the world's space.
    pub(crate) geometry: Geometry,
    /// The first is the identity.
    pub(crate) instances: Vec<Instance>,
    /// The draws.
    pub(crate) list: Vec<Batch>,
}

impl Batches {
    /// Builds the batches of `meshes`, each standing where `places` says; those that follow poses get them from
    /// `poses`.
    ///
    /// # Errors
    /// [`SceneError`] when there would be too many vertices or poses, or a skin is broken.
    pub(crate) fn build(
        doc: &Document,
        meshes: &[Vec<Part>],
        places: &[Place],
        poses: &mut PoseBook<'_>,
    ) -> Result<Self, SceneError> {
        let mut uses = vec![0; meshes.len()];
        for place in places.iter().filter(|p| !p.moves && p.skin.is_none()) {
            uses[place.mesh] += 1;
        }
        let is_merged = |p: &Place| uses[p.mesh] < INSTANCED_FROM || p.matrix.determinant() < 0.0;
        let mut out = Self { instances: vec![instance(Mat4::IDENTITY)], ..Self::default() };
        let bounds: Vec<Vec<Bounds>> =
            meshes.iter().map(|parts| parts.iter().map(|p| part_bounds(&p.triangles)).collect()).collect();

        // The corners that have bones come first, then those that have details, then all others: so the buffers of
        // bones and details need to be only as long as they are.
        for place in places {
            for part in &meshes[place.mesh] {
                if place.is_posed(part) && !part.triangles.indices.is_empty() {
                    out.pose(doc, place, part, poses)?;
                }
            }
        }
        let standing: Vec<&Place> = places.iter().filter(|p| !p.moves && p.skin.is_none()).collect();
        let merged: Vec<&Place> = standing.iter().copied().filter(|p| is_merged(p)).collect();
        let instanced: Vec<&Place> = standing.into_iter().filter(|p| !is_merged(p)).collect();
        out.instance_all(doc, meshes, &bounds, &instanced, Program::Detailed)?;
        out.merge_all(doc, meshes, &bounds, &merged)?;
        out.instance_all(doc, meshes, &bounds, &instanced, Program::Plain)?;
        Ok(out)
    }

    /// Returns the indices of the merged batches that throw solid shadows; they adjoin.
    pub(crate) fn merged_shadow(&self) -> Range<u32> {
        let mut these = self.list.iter().filter(|b| b.shadow_is_merged());
        let Some(first) = these.next() else { return 0..0 };
        these.fold(first.first..first.first + first.count, |all, b| all.start..b.first + b.count)
    }

    /// Returns the box around everything that throws a shadow.
    pub(crate) fn shadow_bounds(&self) -> Bounds {
        self.list.iter().filter(|b| b.look.shadow).fold(Bounds::EMPTY, |all, b| all.union(b.bounds))
    }

    /// Adds a draw of what moves or lets through.
    fn pose(
        &mut self,
        doc: &Document,
        place: &Place,
        part: &Part,
        poses: &mut PoseBook<'_>,
    ) -> Result<(), SceneError> {
        let t = &part.triangles;
        let skin = if t.bones.is_empty() { None } else { place.skin };
        let bones: Vec<Bones> = match skin {
            Some(skin) => {
                let (first, joints) = poses.skin(skin)?;
                let used = |b: &Bones| (0..4).filter(|i| b.weights[*i] > 0.0).map(|i| b.joints[i]).max();
                if let Some(joint) = t.bones.iter().filter_map(used).max().filter(|j| *j >= joints) {
                    let cause =
                        format!("has {joints} joints, but mesh {} follows number {joint}", place.mesh);
                    return Err(doc.blame().broken(format_args!("skin {skin}"), cause));
                }
                let shifted =
                    |b: &Bones| Bones { joints: b.joints.map(|j| first + j.min(joints.max(1) - 1)), ..*b };
                t.bones.iter().map(shifted).collect()
            }
            None => {
                let slot = poses.node(place.node)?;
                vec![Bones { joints: [slot; 4], weights: [1.0, 0.0, 0.0, 0.0] }; t.positions.len()]
            }
        };
        let mut reach: BTreeMap<u32, Bounds> = BTreeMap::new();
        for (at, b) in t.positions.iter().zip(&bones) {
            for (joint, _) in b.joints.iter().zip(b.weights).filter(|(_, w)| *w > 0.0) {
                let around = reach.entry(*joint).or_insert(Bounds::EMPTY);
                *around = around.union(Bounds { min: *at, max: *at });
            }
        }
        let inside_out = skin.is_none() && place.matrix.determinant() < 0.0;
        let (first, count) = self.geometry.append_posed(doc, part, &bones, inside_out)?;
        let look = Look { program: Program::Posed, ..part.look };
        let bounds = Bounds::EMPTY;
        self.list.push(Batch { look, first, count, first_instance: 0, instances: 1, bounds, reach });
        Ok(())
    }

    /// Adds one draw for each part of the meshes that stand often and are drawn by `program`.
    fn instance_all(
        &mut self,
        doc: &Document,
        meshes: &[Vec<Part>],
        bounds: &[Vec<Bounds>],
        places: &[&Place],
        program: Program,
    ) -> Result<(), SceneError> {
        let mut of_mesh: BTreeMap<usize, Vec<Mat4>> = BTreeMap::new();
        for place in places {
            of_mesh.entry(place.mesh).or_default().push(place.matrix);
        }
        for (mesh, stand) in of_mesh {
            let parts: Vec<_> = meshes[mesh]
                .iter()
                .zip(&bounds[mesh])
                .filter(|(p, b)| {
                    p.look.program == program && p.look.coverage != Coverage::Blended && !b.is_empty()
                })
                .collect();
            if parts.is_empty() {
                continue;
            }
            let first_instance = self.instances.len() as u32;
            self.instances.extend(stand.iter().map(|m| instance(*m)));
            for (part, b) in parts {
                let (first, count) = self.geometry.append(doc, part, Mat4::IDENTITY)?;
                self.list.push(Batch {
                    look: part.look,
                    first,
                    count,
                    first_instance,
                    instances: stand.len() as u32,
                    bounds: stand.iter().fold(Bounds::EMPTY, |all, m| all.union(b.transformed(*m))),
                    reach: BTreeMap::new(),
                });
            }
        }
        Ok(())
    }

    /// Adds a draw for all parts of one look in one square.
    fn merge_all(
        &mut self,
        doc: &Document,
        meshes: &[Vec<Part>],
        bounds: &[Vec<Bounds>],
        places: &[&Place],
    ) -> Result<(), SceneError> {
        let parts = |p: &Place| {
            let mesh = p.mesh;
            meshes[mesh]
                .iter()
                .zip(&bounds[mesh])
                .filter(|(part, b)| part.look.coverage != Coverage::Blended && !b.is_empty())
        };
        let mut middles = Bounds::EMPTY;
        for place in places {
            for (_, b) in parts(place) {
                middles = middles.union(Bounds::of([b.transformed(place.matrix).middle()]));
            }
        }
        let square = ((middles.max - middles.min).max_element() / SQUARES).max(SQUARE);
        let mut merged: BTreeMap<_, Vec<(&Part, Bounds, Mat4)>> = BTreeMap::new();
        for place in places {
            for (part, b) in parts(place) {
                let around = b.transformed(place.matrix);
                let at: Vec3 = around.middle() / square;
                let is_plain = part.look.program == Program::Plain;
                let is_solid = part.look.shadow && part.look.coverage == Coverage::Opaque;
                // Details before none; between them, those that throw solid shadows adjoin.
                let key =
                    (is_plain, is_plain != is_solid, part.look, at.x.floor() as i32, at.z.floor() as i32);
                merged.entry(key).or_default().push((part, around, place.matrix));
            }
        }
        for ((_, _, look, ..), parts) in &merged {
            let first = self.geometry.indices.len() as u32;
            let (mut count, mut around) = (0, Bounds::EMPTY);
            for (part, b, m) in parts {
                count += self.geometry.append(doc, part, *m)?.1;
                around = around.union(*b);
            }
            self.list.push(Batch {
                look: *look,
                first,
                count,
                first_instance: 0,
                instances: 1,
                bounds: around,
                reach: BTreeMap::new(),
            });
        }
        Ok(())
    }
}

fn instance(m: Mat4) -> Instance {
    Instance { row0: m.row(0).to_array(), row1: m.row(1).to_array(), row2: m.row(2).to_array() }
}
