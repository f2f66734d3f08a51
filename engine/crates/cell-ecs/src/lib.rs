//! A `bevy_ecs` [`World`](bevy_ecs::world::World) and [`Schedule`](bevy_ecs::schedule::Schedule) inside a cell.
//!
//! [`Ecs`] holds both. [`Ecs::run`] makes the turn's record visible to systems ([`EcsFrame`], [`EcsInput`]) and
//! runs the schedule; [`Ecs::publish`] writes a component column into a buffer port, in a stable order, only when
//! something changed.
//!
//! ```no_run
//! use bevy_ecs::prelude::*;
//! use cell::prelude::*;
//! use cell_ecs::{Ecs, EcsFrame};
//!
//! signal_receptor! { name: flock_v1, output: FlockWrites { poses: Instances<Pose, 3000> } }
//!
//! #[derive(Clone, Copy, Component, Gpu)]
//! #[repr(C)]
//! struct Pose { at: [f32; 3], turn: f32 }
//!
//! struct Flock { ecs: Ecs }
//!
//! impl Default for Flock {
//!     fn default() -> Self {
//!         let mut ecs = Ecs::default();
//!         ecs.schedule.add_systems(turn);
//!         ecs.world.spawn(Pose { at: [0.0; 3], turn: 0.0 });
//!         Self { ecs }
//!     }
//! }
//!
//! fn turn(frame: Res<EcsFrame>, mut poses: Query<&mut Pose>) {
//!     for mut pose in &mut poses {
//!         pose.turn += frame.dt;
//!     }
//! }
//!
//! impl Cell for Flock {
//!     fn tick(&mut self, cx: &mut Cx<flock_v1>) {
//!         self.ecs.run(cx);
//!         self.ecs.publish(cx.poses());
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! Systems run one after the other on the tick's thread: threads belong to the host, and a parallel loop over data
//! is [`cell::Cx::par_for`]. The order of systems without an edge between them follows `bevy_ecs`; say `.chain()`,
//! `.before` or `.after` where it matters, since a tick is to be the same in every run.
//!
//! Neighbours: `cell` below; cells with many entities above. This crate must not know what the entities are.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod ecs;
mod frame;
mod publish;

pub use ecs::Ecs;
pub use frame::{EcsFrame, EcsInput};
