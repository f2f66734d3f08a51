//! Who writes and reads what, and which passes run in what order, for people to look at.
use crate::{cells::PortUse, metrics::CellState, world::World};
use cell_abi::ports::Direction;
use engine_frame::{
    contracts::Resource,
    plan::{Bound, BufferId, BufferSource, CellLine, PlannedPass, PlannedWork, TargetId, TextureView},
};
use serde::{Deserialize, Serialize};

/// The name of the picture, in lists of names.
pub const PICTURE: &str = "(the picture)";
/// The name of the renderer, which writes the pixels that cells read back, in lists of cells.
pub const RENDERER: &str = "(the renderer)";

/// A world's cells, names and passes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorldGraph {
    /// The cells, in scene order.
    pub cells: Vec<GraphCell>,
    /// The names that they share, textures first.
    pub names: Vec<GraphName>,
    /// The passes, in the order in which the GPU runs them.
    pub passes: Vec<GraphPass>,
}

/// A cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphCell {
    /// Its name in the scene.
    pub name: String,
    /// What it is doing.
    pub state: CellState,
}

/// A name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphName {
    /// The name; an own one is `cell/name`.
    pub name: String,
    /// What it is.
    pub kind: NameKind,
    /// The cells that write it.
    pub writers: Vec<String>,
    /// The cells that read it.
    pub readers: Vec<String>,
    /// Those of them that see what was written in the same frame.
    pub now: Vec<String>,
}

/// What a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameKind {
    /// A texture on the GPU.
    Texture,
    /// A buffer in shared memory.
    Buffer,
    /// The finished picture.
    Picture,
}

/// A pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphPass {
    /// Its cell.
    pub cell: String,
    /// Its label.
    pub label: String,
    /// It computes; else it draws.
    pub computes: bool,
    /// The names that it reads.
    pub reads: Vec<String>,
    /// The names that it writes.
    pub writes: Vec<String>,
}

impl World {
    /// Returns the cells, the names between them and the passes of the newest plan.
    #[must_use]
    pub fn graph(&self) -> WorldGraph {
        let state =
            |c: &crate::cells::CellEntry| GraphCell { name: c.name.to_string(), state: c.state(self.frame) };
        let mut names: Vec<GraphName> = Vec::new();
        for t in self.contracts.targets() {
            let readers = self.users(|d, r| d != Direction::Output && r == Resource::Target(t.id));
            let writers = t.writers.iter().map(|l| self.cell_name(*l)).collect();
            let (name, kind) = (t.name.to_string(), NameKind::Texture);
            names.push(GraphName { name, kind, writers, readers, now: Vec::new() });
        }
        let writers = self.users(|_, r| r == Resource::Backbuffer);
        if !writers.is_empty() {
            let (name, kind) = (PICTURE.to_owned(), NameKind::Picture);
            names.push(GraphName { name, kind, writers, readers: Vec::new(), now: Vec::new() });
        }
        for b in self.contracts.buffers() {
            let is_now = |(line, port): &&(CellLine, u16)| {
                let port = self.cells.get(line.0 as usize).and_then(|c| c.ports.get(usize::from(*port)));
                matches!(port, Some(PortUse::Reads { now: true, .. }))
            };
            names.push(GraphName {
                name: b.name.to_string(),
                kind: NameKind::Buffer,
                writers: match b.pixels_of {
                    Some(_) => vec![RENDERER.to_owned()],
                    None => b.owner.iter().map(|(line, _)| self.cell_name(*line)).collect(),
                },
                readers: b.readers.iter().map(|(line, _)| self.cell_name(*line)).collect(),
                now: b.readers.iter().filter(is_now).map(|(line, _)| self.cell_name(*line)).collect(),
            });
        }
        let runs = self.plan.runs.iter();
        let passes = runs.flat_map(|run| run.passes.iter().map(|pass| self.graph_pass(&run.cell_name, pass)));
        WorldGraph { cells: self.cells.iter().map(state).collect(), names, passes: passes.collect() }
    }

    fn cell_name(&self, line: CellLine) -> String {
        self.cells.get(line.0 as usize).map_or_else(String::new, |c| c.name.to_string())
    }

    /// Returns the cells with a port of this kind, in scene order.
    fn users(&self, is_meant: impl Fn(Direction, Resource) -> bool) -> Vec<String> {
        let uses = |c: &&engine_frame::contracts::DeclaredCell| {
            c.table.ports.iter().zip(&c.resources).any(|(port, what)| is_meant(port.direction, *what))
        };
        self.contracts.cells().iter().filter(uses).map(|c| c.name.to_string()).collect()
    }

    fn target_name(&self, id: TargetId) -> String {
        self.contracts.target(id).map_or_else(String::new, |t| t.name.to_string())
    }

    fn buffer_name(&self, id: BufferId) -> String {
        self.contracts.buffer(id).map_or_else(String::new, |b| b.name.to_string())
    }

    fn graph_pass(&self, cell: &str, pass: &PlannedPass) -> GraphPass {
        let (mut reads, mut writes) = (Vec::new(), Vec::new());
        for binding in &pass.bindings {
            match binding.what {
                Bound::Texture { target, view: TextureView::Previous, .. } => {
                    reads.push(format!("previous({})", self.target_name(target)));
                }
                Bound::Texture { target, .. } => reads.push(self.target_name(target)),
                Bound::StorageTexture { target, .. } => writes.push(self.target_name(target)),
                Bound::Uniform { buffer, .. } | Bound::Storage { buffer, .. } => {
                    reads.push(self.buffer_name(buffer));
                }
            }
        }
        let computes = matches!(pass.work, PlannedWork::Compute { .. });
        if let PlannedWork::Raster(raster) = &pass.work {
            writes.extend(
                raster
                    .color
                    .iter()
                    .map(|c| c.target.map_or_else(|| PICTURE.to_owned(), |t| self.target_name(t))),
            );
            if let Some(depth) = &raster.depth {
                let side = if depth.state.write { &mut writes } else { &mut reads };
                side.push(self.target_name(depth.target));
            }
            let vertices = raster.draws.iter().flat_map(|d| d.vertex_buffers.iter().chain(&d.index_buffer));
            for source in vertices {
                if let BufferSource::Slots(buffer) = source {
                    reads.push(self.buffer_name(*buffer));
                }
            }
        }
        for names in [&mut reads, &mut writes] {
            let mut seen = std::collections::BTreeSet::new();
            names.retain(|n| seen.insert(n.clone()));
        }
        GraphPass { cell: cell.to_owned(), label: pass.label.to_string(), computes, reads, writes }
    }
}
