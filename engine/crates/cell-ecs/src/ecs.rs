//! A world with its schedule.
use crate::{EcsFrame, EcsInput, publish::Columns};
use bevy_ecs::{
    component::Component,
    schedule::{Schedule, SingleThreadedExecutor},
    world::World,
};
use cell::{Contract, Cx, Gpu, Writer};

/// A world and the schedule that a tick runs.
pub struct Ecs {
    /// The entities.
    pub world: World,
    /// The systems, run once per step by [`Ecs::run`].
    pub schedule: Schedule,
    columns: Columns,
}

impl Default for Ecs {
    fn default() -> Self {
        let mut schedule = Schedule::default();
        schedule.set_executor(SingleThreadedExecutor::new());
        Self { world: World::new(), schedule, columns: Columns::default() }
    }
}

impl Ecs {
    /// Runs the schedule once for each step of the tick, with [`EcsFrame`] and [`EcsInput`] set.
    ///
    /// # Panics
    /// When a system does.
    pub fn run<C: Contract>(&mut self, cx: &Cx<'_, C>) {
        let (mut frame, mut input) = (EcsFrame::of(cx), *cx.input());
        let steps = cx.steps();
        // The record's time is the tick's: its last step ends there.
        frame.time -= frame.dt * steps.saturating_sub(1) as f32;
        for _ in 0..steps {
            self.world.insert_resource(frame);
            self.world.insert_resource(EcsInput(input));
            self.schedule.run(&mut self.world);
            self.world.clear_trackers();
            frame.time += frame.dt;
            input.end_frame();
        }
    }

    /// Writes the component `T` of all entities that have one into a buffer port, ordered by entity index, and
    /// returns how many they are. When nothing changed since the last call for `T`, nothing is written and the last
    /// publication stays.
    ///
    /// # Panics
    /// When there are more than the port holds.
    pub fn publish<T: Component + Gpu>(&mut self, to: Writer<'_, T>) -> usize {
        self.columns.publish(&mut self.world, &to, |component: &T| *component)
    }

    /// As [`Ecs::publish`], with the element made of a component `T`.
    ///
    /// # Panics
    /// When there are more than the port holds.
    pub fn publish_as<T: Component, E: Gpu>(
        &mut self,
        to: Writer<'_, E>,
        element: impl Fn(&T) -> E,
    ) -> usize {
        self.columns.publish(&mut self.world, &to, element)
    }
}
