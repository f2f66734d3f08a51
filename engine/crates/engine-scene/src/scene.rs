//! A scene, checked.
use crate::fault::{Faults, SceneFault, Source, Span, quoted};
use crate::node::Node;
use crate::quotas::Quotas;
use crate::suggest;
use crate::trust::Trust;
use cell_abi::input::Key;
use cell_abi::ports::Rate;
use std::sync::Arc;

/// The largest scene file in bytes.
pub const MAX_BYTES: usize = 4 << 20;
/// The most cells of a scene.
pub const MAX_CELLS: usize = 10_000;
/// How deep brackets may be nested.
pub const MAX_NESTING: usize = 32;

/// The longest time between two checkpoints of a cell in seconds.
pub const MAX_CHECKPOINT_S: f64 = 3600.0;

/// A world: its settings and its cells, back to front.
#[derive(Clone, Debug)]
pub struct Scene {
    /// What the window is called; the file's name without its ending when the scene is silent.
    pub name: String,
    /// Frames per second of simulated time, 1 to 1000; 60 when the scene is silent.
    pub rate: u32,
    /// What chance is made of; 0 when the scene is silent.
    pub seed: u64,
    /// The cells, top to bottom as in the file: back to front.
    pub cells: Vec<SceneCell>,
}

/// One line of a scene: an instance of a cell.
#[derive(Clone, Debug)]
pub struct SceneCell {
    /// Its name in this scene, unique; the crate's name when the scene is silent.
    pub name: String,
    /// Which cell.
    pub cell: CellRef,
    /// Where it runs.
    pub at: Placement,
    /// How often it ticks; `None`: as its library says.
    pub rate: Option<Rate>,
    /// The key that switches it on and off.
    pub on: Option<Key>,
    /// Whether it is on at the start: `enabled: ..`, else on unless it waits for a key.
    pub enabled: bool,
    /// After how many seconds of the world's time its state is saved again, for a restart after a crash; above 0, at
    /// most [`MAX_CHECKPOINT_S`]. `None`: never.
    pub checkpoint: Option<f64>,
    /// Whose code it is, and what it may use. A library that was not built here is untrusted when the scene is silent.
    pub trust: Trust,
    /// What it may take.
    pub quotas: Quotas,
    /// What stands in `with: (..)`, not yet checked: see [`crate::check_params`].
    pub with: Params,
    pub(crate) source: Arc<Source>,
    pub(crate) cell_span: Span,
    /// Where `trust` stands, or else `cell`.
    pub(crate) trust_span: Span,
}

/// Which cell a line names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CellRef {
    /// A crate in `cells/`.
    Crate(String),
    /// A built library: a path that ends in `.so`.
    Library(String),
}

/// Where a cell runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// On a thread of the engine.
    #[default]
    Thread,
    /// In a child process.
    Process,
}

/// The parameters as written. Two are equal when they say the same, wherever they stand in the file.
#[derive(Clone, Debug, Default)]
pub struct Params {
    pub(crate) node: Option<Node>,
}

impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        match (&self.node, &other.node) {
            (None, None) => true,
            (Some(a), Some(b)) => a.value.same(&b.value),
            _ => false,
        }
    }
}

impl CellRef {
    /// Returns what the scene wrote.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Crate(s) | Self::Library(s) => s,
        }
    }
}

impl Scene {
    /// Reads a scene. `path` is for messages (and the name of a nameless scene); the text may be any bytes.
    ///
    /// # Errors
    /// Every fault found, in the order of the file, never an empty list: broken syntax (its first fault only), or wrong,
    /// unknown, missing, doubled and not yet supported fields. Parameters are checked later, by [`crate::check_params`].
    pub fn parse(path: &str, text: impl AsRef<[u8]>) -> Result<Self, Vec<SceneFault>> {
        crate::read::scene(path, text.as_ref())
    }

    /// Returns a fault for each cell that is none of the crates `known` (libraries are not looked at).
    #[must_use]
    pub fn check_cells(&self, known: &[impl AsRef<str>]) -> Vec<SceneFault> {
        let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
        let unknown = |c: &&SceneCell| matches!(&c.cell, CellRef::Crate(n) if !known.contains(&n.as_str()));
        let fault = |c: &SceneCell| {
            let name = c.cell.as_str();
            let what = format!("there is no cell {} in `cells/`", quoted(name));
            let help = suggest::help(name, &known)
                .unwrap_or_else(|| format!("`engine new {name}` makes it from the template"));
            c.fault_at(c.cell_span, what, Some(help))
        };
        self.cells.iter().filter(unknown).map(fault).collect()
    }

    /// Returns the cell called `name`.
    #[must_use]
    pub fn cell(&self, name: &str) -> Option<&SceneCell> {
        self.cells.iter().find(|c| c.name == name)
    }
}

impl SceneCell {
    /// Returns after how many frames of a world of `rate` frames per second the state is saved again: one at least.
    #[must_use]
    pub fn checkpoint_frames(&self, rate: u32) -> Option<u64> {
        self.checkpoint.map(|seconds| ((seconds * f64::from(rate)).round() as u64).max(1))
    }

    /// Returns whether `other` is the same code under the same trust: an instance of the one can go on as the other.
    #[must_use]
    pub fn is_same_code(&self, other: &Self) -> bool {
        (&self.cell, &self.trust) == (&other.cell, &other.trust)
    }

    /// Returns a fault of this cell that points at its `trust`.
    #[must_use]
    pub fn trust_fault(&self, what: impl Into<String>, help: Option<String>) -> SceneFault {
        self.fault_at(self.trust_span, what, help)
    }

    /// Returns a fault of this cell that points at its `cell: ".."`: for what only a host can find out.
    #[must_use]
    pub fn fault(&self, what: impl Into<String>, help: Option<String>) -> SceneFault {
        self.fault_at(self.cell_span, what, help)
    }

    /// Returns a fault of this cell that is also about `other`, whose place is told.
    #[must_use]
    pub fn fault_with(&self, what: impl Into<String>, other: &Self) -> SceneFault {
        let line = other.source.line_of(other.cell_span.start);
        self.fault(what, Some(format!("`{}` stands at {}:{line}", other.name, other.source.path())))
    }

    /// Returns a fault of this cell that points at `span`, for example that of a [`crate::AssetParam`].
    #[must_use]
    pub fn fault_at(&self, span: Span, what: impl Into<String>, help: Option<String>) -> SceneFault {
        self.source.fault(span, what.into(), help, Some(&self.name))
    }

    pub(crate) fn faults(&self) -> Faults<'_> {
        let mut faults = Faults::new(&self.source);
        faults.in_cell(Some(&self.name));
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_counted_in_frames_of_the_world() {
        let text = r#"World(rate: 30, cells: [(cell: "a", checkpoint: 0.5), (cell: "b", checkpoint: 0.001), (cell: "c")])"#;
        let scene = Scene::parse("s.ron", text).unwrap();
        let frames: Vec<_> = scene.cells.iter().map(|c| c.checkpoint_frames(scene.rate)).collect();
        assert_eq!(frames, [Some(15), Some(1), None]);
    }
}
