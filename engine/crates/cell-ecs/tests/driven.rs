//! A cell with a `bevy_ecs` world, driven through its C table.
#![allow(clippy::unwrap_used, reason = "tests")]

use bevy_ecs::prelude::*;
use cell::{prelude::*, testing::TestCell};
use cell_ecs::{Ecs, EcsFrame, EcsInput};

signal_receptor! {
    name: flock_v1,
    params: { act: u32 = 0 },
    output: Writes { poses: Instances<Pose, 6>, sizes: Buffer<f32, 6>, seen: Buffer<f32, 4> },
}

#[derive(Clone, Copy, Component, Gpu)]
#[repr(C)]
struct Pose {
    at: f32,
}

/// A component of another table, so that entities with it are stored apart.
#[derive(Component)]
struct Heavy;

#[derive(Resource, Default)]
struct Seen(Vec<f32>);

struct Flock {
    ecs: Ecs,
    birds: Vec<Entity>,
}

impl Default for Flock {
    fn default() -> Self {
        let mut ecs = Ecs::default();
        ecs.world.init_resource::<Seen>();
        ecs.schedule.add_systems(see);
        // Spawned in turns into two tables, which a query visits one after the other.
        let birds = (0..4)
            .map(|n| {
                let pose = Pose { at: n as f32 };
                if n % 2 == 0 { ecs.world.spawn((pose, Heavy)).id() } else { ecs.world.spawn(pose).id() }
            })
            .collect();
        Self { ecs, birds }
    }
}

fn see(frame: Res<EcsFrame>, input: Res<EcsInput>, mut seen: ResMut<Seen>) {
    seen.0.extend([frame.time, f32::from(u8::from(input.0.pressed(Key::Space)))]);
}

impl Cell for Flock {
    fn tick(&mut self, cx: &mut Cx<flock_v1>) {
        self.ecs.world.resource_mut::<Seen>().0.clear();
        self.ecs.run(cx);
        cx.seen().write(&self.ecs.world.resource::<Seen>().0);
        let world = &mut self.ecs.world;
        match cx.params().act {
            1 => world.get_mut::<Pose>(self.birds[2]).unwrap().at = 20.0,
            2 => drop(world.despawn(self.birds[0])),
            3 => drop(world.spawn(Pose { at: 9.0 })),
            4 => {
                world.despawn(self.birds[1]);
                world.spawn(Pose { at: 10.0 });
            }
            5 => {
                world.spawn_batch((0..9).map(|_| Pose { at: 0.0 }));
            }
            _ => {}
        }
        let n = self.ecs.publish(cx.poses());
        assert_eq!(n, self.ecs.publish_as(cx.sizes(), |p: &Pose| p.at * 0.5));
    }
}

cell::export!(Flock);

fn flock() -> TestCell<Flock> {
    TestCell::new().unwrap()
}

/// Ticks and returns what was published in this tick, if anything.
fn act(cell: &mut TestCell<Flock>, what: u32) -> Option<Vec<f32>> {
    cell.set("act", what);
    cell.tick().unwrap();
    cell.publication(poses).map(|_| cell.published(poses).iter().map(|p| p.at).collect())
}

#[test]
fn columns_are_published_by_entity_and_only_when_something_changed() {
    let mut cell = flock();
    assert_eq!(act(&mut cell, 0), Some(vec![0.0, 1.0, 2.0, 3.0]), "the order of spawning, across tables");
    assert_eq!(act(&mut cell, 0), None);
    assert_eq!(act(&mut cell, 1), Some(vec![0.0, 1.0, 20.0, 3.0]));
    assert_eq!(act(&mut cell, 0), None);
    assert_eq!(act(&mut cell, 2), Some(vec![1.0, 20.0, 3.0]), "a removal alone is a change");
    assert_eq!(act(&mut cell, 3).unwrap().len(), 4);
    let replaced = act(&mut cell, 4).unwrap();
    assert!(
        replaced.contains(&10.0) && !replaced.contains(&1.0),
        "as many as before, but others: {replaced:?}"
    );
    assert_eq!(act(&mut cell, 0), None);
    let halves: Vec<f32> = cell.published(poses).iter().map(|p| p.at * 0.5).collect();
    assert_eq!(cell.published(sizes), halves, "the second column follows the first");
}

#[test]
fn each_step_of_a_tick_runs_the_schedule_and_a_key_is_pressed_once() {
    let mut cell = flock();
    (cell.frame, cell.steps, cell.rate) = (10, 2, 50);
    cell.input.press(Key::Space);
    cell.tick().unwrap();
    assert_eq!(cell.published(seen), [0.18, 1.0, 0.2, 0.0]);
}

#[test]
fn more_entities_than_the_port_holds_end_the_tick_with_a_sentence() {
    let mut cell = flock();
    cell.set("act", 5);
    let ended = cell.tick().unwrap_err().to_string();
    assert!(ended.contains("`poses` holds 6 elements, but 13 were written"), "{ended}");
}
