//! Which batches are drawn: entities with bounds, and a system that compares them with the view.
use crate::{
    batches::Batch,
    bounds::{Bounds, Frustum},
};
use bevy_ecs::prelude::*;

/// An entity that stands for a batch.
#[derive(Component, Clone, Copy, Debug)]
pub(crate) struct Drawn {
    /// Its number among the batches.
    batch: usize,
    /// Where it is.
    bounds: Bounds,
}

/// What the camera sees; `None` before there is one: then everything is drawn.
#[derive(Resource, Clone, Copy, Debug, Default)]
pub(crate) struct View(pub(crate) Option<Frustum>);

/// For each batch, whether the camera may see it.
#[derive(Resource, Clone, Debug, Default)]
pub(crate) struct Seen(pub(crate) Vec<bool>);

/// Spawns an entity for each batch.
pub(crate) fn spawn(world: &mut World, batches: &[Batch]) {
    world.insert_resource(View::default());
    world.insert_resource(Seen(vec![true; batches.len()]));
    for (batch, b) in batches.iter().enumerate() {
        world.spawn(Drawn { batch, bounds: b.bounds });
    }
}

/// System: decides for each batch whether it can be seen.
pub(crate) fn cull(view: Res<View>, mut seen: ResMut<Seen>, drawn: Query<&Drawn>) {
    for d in &drawn {
        seen.0[d.batch] = view.0.is_none_or(|v| v.may_see(&d.bounds));
    }
}
