//! The hierarchy of a file as entities: who stands where in the world.
use crate::{document::Document, error::SceneError};
use bevy_ecs::prelude::*;
use glam::Mat4;

/// Where an entity stands in its parent's space.
#[derive(Component, Clone, Copy, Debug)]
pub(crate) struct Local(pub(crate) Mat4);

/// Where an entity stands in the world.
#[derive(Component, Clone, Copy, Debug)]
pub(crate) struct Global(pub(crate) Mat4);

/// What an entity shows.
#[derive(Component, Clone, Copy, Debug)]
pub(crate) struct Shows {
    /// The mesh of the file.
    pub(crate) mesh: usize,
    /// The skin of the file that moves it.
    pub(crate) skin: Option<usize>,
}

/// An entity's place in the file: what it is called in messages, and the order of everything.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeIndex(pub(crate) usize);

/// The entities of the hierarchy, parents before their children.
#[derive(Resource, Clone, Debug, Default)]
pub(crate) struct TopDown(Vec<Entity>);

/// The entity of each node of the file; `None` for nodes that the scene does not show.
#[derive(Resource, Clone, Debug, Default)]
pub(crate) struct ByIndex(pub(crate) Vec<Option<Entity>>);

/// Spawns the nodes of the file's scene into `world`: the default scene, else the first, else all roots.
///
/// # Errors
/// [`SceneError`] when a node is below itself or has two parents, or its matrix is not finite.
pub(crate) fn spawn(doc: &Document, world: &mut World) -> Result<(), SceneError> {
    let scene = doc.json.default_scene().or_else(|| doc.json.scenes().next());
    let roots: Vec<usize> = match scene {
        Some(s) => s.nodes().map(|n| n.index()).collect(),
        None => all_roots(doc),
    };
    let nodes: Vec<_> = doc.json.nodes().collect();
    let mut seen = vec![false; nodes.len()];
    let mut todo: Vec<(usize, Option<Entity>)> = roots.into_iter().rev().map(|n| (n, None)).collect();
    let mut order = Vec::with_capacity(nodes.len());
    let mut by_index = vec![None; nodes.len()];
    while let Some((index, parent)) = todo.pop() {
        let what = format_args!("node {index}");
        if std::mem::replace(&mut seen[index], true) {
            return Err(doc.blame().broken(what, "has two parents or is below itself"));
        }
        let node = &nodes[index];
        let local = Mat4::from_cols_array_2d(&node.transform().matrix());
        if !local.is_finite() {
            return Err(doc.blame().broken(what, "has a transform with numbers that are none"));
        }
        let mut entity = world.spawn((NodeIndex(index), Local(local), Global(local)));
        if let Some(mesh) = node.mesh() {
            entity.insert(Shows { mesh: mesh.index(), skin: node.skin().map(|s| s.index()) });
        }
        if let Some(parent) = parent {
            entity.insert(ChildOf(parent));
        }
        let id = entity.id();
        order.push(id);
        by_index[index] = Some(id);
        let children: Vec<_> = node.children().map(|c| (c.index(), Some(id))).collect();
        todo.extend(children.into_iter().rev());
    }
    world.insert_resource(TopDown(order));
    world.insert_resource(ByIndex(by_index));
    Ok(())
}

/// System: brings every [`Global`] up to date with the [`Local`]s above it.
pub(crate) fn propagate(
    order: Res<TopDown>,
    locals: Query<(&Local, Option<&ChildOf>)>,
    mut globals: Query<&mut Global>,
) {
    for &entity in &order.0 {
        let Ok((local, parent)) = locals.get(entity) else { continue };
        let above = parent.and_then(|p| globals.get(p.parent()).ok()).map_or(Mat4::IDENTITY, |g| g.0);
        if let Ok(mut global) = globals.get_mut(entity) {
            global.0 = above * local.0;
        }
    }
}

/// Returns for each node of the file whether it or one above it is among `roots`.
pub(crate) fn below(doc: &Document, roots: impl Iterator<Item = usize>) -> Vec<bool> {
    let nodes: Vec<_> = doc.json.nodes().collect();
    let mut out = vec![false; nodes.len()];
    let mut todo: Vec<usize> = roots.collect();
    while let Some(n) = todo.pop() {
        if !std::mem::replace(&mut out[n], true) {
            todo.extend(nodes[n].children().map(|c| c.index()));
        }
    }
    out
}

/// Returns the nodes that are nobody's child.
fn all_roots(doc: &Document) -> Vec<usize> {
    let mut is_child = vec![false; doc.json.nodes().len()];
    for child in doc.json.nodes().flat_map(|n| n.children().map(|c| c.index()).collect::<Vec<_>>()) {
        is_child[child] = true;
    }
    (0..is_child.len()).filter(|n| !is_child[*n]).collect()
}
