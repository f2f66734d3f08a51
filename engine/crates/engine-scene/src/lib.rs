//! A scene file (RON) becomes checked types, or a list of faults with file, line, column and caret. Pure: text in,
//! types or faults out; nothing here opens a file.
//!
//! - [`Scene::parse`] reads the text and collects its faults; [`Scene::check_cells`] finds cells that do not exist.
//! - [`check_params`] checks what a cell was given in `with: (..)` against the port table of its library, and encodes
//!   it as [`cell_abi::ports::ParamKind`] describes.
//! - [`Quotas`] is the table of what a cell may take, [`Grants`] what a stranger's cell may use.
//! - [`diff`] says what changed between two readings of a watched scene, by the cells' names.
//! - [`SceneFault`] is one fault; printed, it looks like a compiler's message. A host makes more of them for what only
//!   it can know (a missing file) with [`SceneCell::fault`].
//!
//! ```
//! let text = r#"World(name: "Glow", cells: [
//!     (cell: "many-cubes", with: (count: 500)),
//!     (cell: "bloom", at: Process, with: (threshold: 1.2)),
//!     (cell: "tonemap"),
//! ])"#;
//! let scene = engine_scene::Scene::parse("glow.ron", text).expect("a good scene");
//! assert_eq!((scene.rate, scene.cells.len()), (60, 3));
//!
//! let faults = engine_scene::Scene::parse("glow.ron", "World(cells: [(cel: \"bloom\")])").expect_err("a typing slip");
//! assert_eq!(faults[0].help.as_deref(), Some("did you mean `cell`?"));
//! ```
//!
//! Neighbours: `cell-abi` below (port tables, keys); `engine-host` above reads the file, builds the cells and hands in
//! their tables. This crate must not know the file system, GPUs, time, or how a cell is built or run.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod brackets;
mod diff;
mod fault;
mod node;
mod params;
mod quotas;
mod read;
mod scene;
mod suggest;
mod token;
mod trust;

pub use diff::{SceneChanges, diff};
pub use fault::{MAX_FAULTS, SceneFault, Span};
pub use params::{AssetParam, CheckedParams, check_params};
pub use quotas::{Counts, Quota, Quotas};
pub use scene::{
    CellRef, MAX_BYTES, MAX_CELLS, MAX_CHECKPOINT_S, MAX_NESTING, Params, Placement, Scene, SceneCell,
};
pub use trust::{BACKBUFFER, Grants, Trust};
