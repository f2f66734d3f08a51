//! Builds, loads, places, ticks and supervises cells, and makes a packet for the renderer from each frame.
//!
//! [`World`] is what the engine's binary drives: one call of [`World::frame`] per frame. Around it:
//! [`builder`] (cargo and file names), [`library`] (port table and loading), [`cx`] (host functions),
//! [`turns`] (tick threads), [`memory`] and [`book`] (shared slots), [`watch`] (saved files), [`trust`] and [`quotas`]
//! (what a cell may).
//!
//! Neighbours: `engine-frame` decides (who is due, which slot, what order), this crate acts; `engine-render`
//! takes the packets. This crate knows no wgpu, no window and no network.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod apply;
pub mod assets;
pub mod book;
pub mod builder;
pub mod cells;
mod child;
mod child_link;
pub mod child_ring;
pub mod child_wire;
pub mod closer;
pub mod command;
mod crashes;
pub mod cx;
mod destroyer;
pub mod frame;
pub mod graph;
pub mod kept;
mod last_lines;
pub mod library;
pub mod locks;
pub mod memory;
pub mod metrics;
pub mod par;
pub mod process_cell;
pub mod quotas;
pub mod record;
pub mod renewal;
pub mod report;
mod saved;
pub mod sealed;
pub mod session;
pub mod snapshot;
mod spares;
mod spawner;
mod staged;
mod succession;
pub mod swap;
pub mod thread_cell;
pub mod trust;
pub mod turn;
pub mod turns;
pub mod watch;
mod world;

pub use builder::{BuildError, BuildEvent, Project};
pub use command::{CellCommand, CommandError};
pub use frame::{Finding, FrameSummary};
pub use metrics::{CellMetrics, CellState, Load};
pub use report::WorldReport;
pub use swap::{Act, Standing, SwapReport};
pub use world::{World, WorldError, WorldOptions};
