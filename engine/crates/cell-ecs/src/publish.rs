//! Writing component columns into buffer ports.
use bevy_ecs::{
    change_detection::{DetectChanges as _, Ref, Tick},
    component::Component,
    entity::Entity,
    query::QueryState,
    world::World,
};
use cell::{Gpu, Writer};
use std::{
    any::{Any, TypeId},
    collections::HashMap,
};

/// What is kept between publications, by (component, element).
#[derive(Default)]
pub(crate) struct Columns(HashMap<(TypeId, TypeId), Box<dyn Any + Send + Sync>>);

struct Column<T: Component, E> {
    query: QueryState<(Entity, Ref<'static, T>)>,
    /// Kept for its memory.
    rows: Vec<(u32, E)>,
    published: Option<Published>,
}

#[derive(Clone, Copy)]
struct Published {
    at: Tick,
    count: usize,
}

impl Columns {
    pub(crate) fn publish<T: Component, E: Gpu>(
        &mut self,
        world: &mut World,
        to: &Writer<'_, E>,
        element: impl Fn(&T) -> E,
    ) -> usize {
        self.0
            .entry((TypeId::of::<T>(), TypeId::of::<E>()))
            .or_insert_with(|| {
                Box::new(Column::<T, E> { query: world.query(), rows: Vec::new(), published: None })
            })
            .downcast_mut::<Column<T, E>>()
            .expect("the key names both types")
            .publish(world, to, element)
    }
}

impl<T: Component, E: Gpu> Column<T, E> {
    fn publish(&mut self, world: &mut World, to: &Writer<'_, E>, element: impl Fn(&T) -> E) -> usize {
        let before = world.increment_change_tick();
        let now = world.change_tick();
        let (mut count, mut changed) = (0, false);
        for (_, component) in self.query.iter(world) {
            count += 1;
            changed |= self.published.is_none_or(|p| component.last_changed().is_newer_than(p.at, now));
        }
        // Added and replaced components are changed ones; only a removed one shows in the count alone.
        if changed || self.published.is_none_or(|p| p.count != count) {
            self.rows.clear();
            self.rows.extend(self.query.iter(world).map(|(e, c)| (e.index_u32(), element(&c))));
            self.rows.sort_unstable_by_key(|(index, _)| *index);
            to.write_with(count, |slot| {
                for (to, (_, from)) in slot.iter_mut().zip(&self.rows) {
                    *to = *from;
                }
            });
        }
        self.published = Some(Published { at: before, count });
        count
    }
}
