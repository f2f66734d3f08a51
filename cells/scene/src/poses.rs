//! Where everything that moves is in this frame: one matrix for each joint of a skin and each moving node.
use crate::{
    accessor,
    bounds::Bounds,
    document::Document,
    error::SceneError,
    gpu::Pose,
    nodes::{ByIndex, Global},
};
use bevy_ecs::prelude::*;
use glam::Mat4;
use std::collections::BTreeMap;

/// The most poses of a file: as many as the port holds.
pub(crate) const MAX_POSES: usize = 16_384;

/// The poses of a file.
#[derive(Resource, Clone, Debug, Default)]
pub(crate) struct Poses {
    /// Whom each follows, and from where in its space.
    slots: Vec<(Entity, Mat4)>,
    /// Where each is.
    pub(crate) now: Vec<Mat4>,
}

/// Hands out poses while a file is read.
pub(crate) struct PoseBook<'a> {
    doc: &'a Document,
    nodes: &'a ByIndex,
    slots: Vec<(Entity, Mat4)>,
    of_node: BTreeMap<Entity, u32>,
    /// First pose and number of joints.
    of_skin: BTreeMap<usize, (u32, u32)>,
}

impl<'a> PoseBook<'a> {
    pub(crate) fn new(doc: &'a Document, nodes: &'a ByIndex) -> Self {
        Self { doc, nodes, slots: Vec::new(), of_node: BTreeMap::new(), of_skin: BTreeMap::new() }
    }

    pub(crate) fn into_poses(self) -> Poses {
        Poses { now: vec![Mat4::IDENTITY; self.slots.len()], slots: self.slots }
    }

    /// Returns the pose of a node.
    ///
    /// # Errors
    /// [`SceneError::Unsupported`] when there are too many.
    pub(crate) fn node(&mut self, node: Entity) -> Result<u32, SceneError> {
        if let Some(slot) = self.of_node.get(&node) {
            return Ok(*slot);
        }
        let slot = self.push(node, Mat4::IDENTITY)?;
        self.of_node.insert(node, slot);
        Ok(slot)
    }

    /// Returns the first pose of a skin's joints, which follow each other, and how many there are.
    ///
    /// # Errors
    /// [`SceneError`] when the skin is broken or there are too many poses.
    pub(crate) fn skin(&mut self, index: usize) -> Result<(u32, u32), SceneError> {
        if let Some(known) = self.of_skin.get(&index) {
            return Ok(*known);
        }
        let blame = self.doc.blame();
        let what = format!("skin {index}");
        let skin = self.doc.json.skins().nth(index).expect("the parser checked all indices");
        let joints: Vec<_> = skin.joints().collect();
        let binds = match skin.inverse_bind_matrices() {
            Some(a) => accessor::floats::<16>(self.doc, &a)?.iter().map(Mat4::from_cols_array).collect(),
            None => vec![Mat4::IDENTITY; joints.len()],
        };
        if binds.len() < joints.len() {
            let cause = format!("has {} joints, but {} inverse bind matrices", joints.len(), binds.len());
            return Err(blame.broken(what, cause));
        }
        let first = self.slots.len() as u32;
        for (joint, bind) in joints.iter().zip(binds) {
            let Some(entity) = self.nodes.0[joint.index()] else {
                let cause = format!("has the joint {}, which is not in the scene", joint.index());
                return Err(blame.broken(what, cause));
            };
            if !bind.is_finite() {
                return Err(blame.broken(what, "has an inverse bind matrix with numbers that are none"));
            }
            self.push(entity, bind)?;
        }
        let found = (first, joints.len() as u32);
        self.of_skin.insert(index, found);
        Ok(found)
    }

    fn push(&mut self, entity: Entity, bind: Mat4) -> Result<u32, SceneError> {
        if self.slots.len() == MAX_POSES {
            let cause = format!("has more than {MAX_POSES} joints, moving nodes and see-through parts");
            return Err(self.doc.blame().unsupported("the scene", cause));
        }
        self.slots.push((entity, bind));
        Ok(self.slots.len() as u32 - 1)
    }
}

impl Poses {
    /// Writes the poses as the shader reads them.
    pub(crate) fn write(&self, out: &mut Vec<Pose>) {
        out.clear();
        out.extend(self.now.iter().map(|m| Pose {
            x: m.row(0).to_array(),
            y: m.row(1).to_array(),
            z: m.row(2).to_array(),
        }));
    }

    /// Returns the box around what follows poses: each of `reach` is a box that follows one.
    pub(crate) fn around(&self, reach: &BTreeMap<u32, Bounds>) -> Bounds {
        reach.iter().fold(Bounds::EMPTY, |all, (pose, b)| all.union(b.transformed(self.now[*pose as usize])))
    }
}

/// System: brings the poses up to date with the nodes that they follow.
pub(crate) fn follow(mut poses: ResMut<Poses>, globals: Query<&Global>) {
    let Poses { slots, now } = &mut *poses;
    for ((entity, bind), to) in slots.iter().zip(now) {
        if let Ok(global) = globals.get(*entity) {
            *to = global.0 * *bind;
        }
    }
}
