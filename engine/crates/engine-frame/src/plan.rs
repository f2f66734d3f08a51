//! A plan: the checked, ordered passes of all cells, with every name resolved.
//!
//! Made by [`crate::planner`], run by `engine-render` frame after frame until a list, a size, a shader or a
//! scene line changes.
use cell_abi::ports::{StartValue, TargetDesc, TextureFormat};
use cell_wire::{Blend, Cull, DepthTarget, Topology};
use std::sync::Arc;

/// A cell's line in the scene, from 0: its place in the layer stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellLine(pub u32);

/// A render target. Its number belongs to its name for the whole run: find it with [`Plan::target`] (the number
/// is no index into [`Plan::targets`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub u32);

/// A buffer in slots. A new one gets a new number, never one that was used before in this run; it is stable
/// while its owner lives and keeps its layout and capacity. Find it with [`Plan::buffer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BufferId(pub u32);

/// A cell's shader file; stable while the cell's line lives. Its text is given to the renderer separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShaderId(pub u32);

/// The checked, ordered passes of all cells.
#[derive(Debug, Default)]
pub struct Plan {
    /// Differs from plan to plan.
    pub version: u64,
    /// The output size in pixels.
    pub screen_px: [u32; 2],
    /// Every target that a pass reads or writes, ascending by id.
    pub targets: Vec<PlannedTarget>,
    /// Every buffer that a pass binds, ascending by id. (Counts come to the renderer as numbers.)
    pub buffers: Vec<PlannedBuffer>,
    /// The passes in their order, split where the cell changes.
    pub runs: Vec<Run>,
    /// The counts that change from frame to frame; the packet brings one number for each.
    pub dynamic_counts: Vec<DynamicCount>,
}

impl Plan {
    /// Returns the target with this id.
    #[must_use]
    pub fn target(&self, id: TargetId) -> Option<&PlannedTarget> {
        self.targets.binary_search_by_key(&id, |t| t.id).ok().map(|n| &self.targets[n])
    }

    /// Returns the buffer with this id.
    #[must_use]
    pub fn buffer(&self, id: BufferId) -> Option<&PlannedBuffer> {
        self.buffers.binary_search_by_key(&id, |b| b.id).ok().map(|n| &self.buffers[n])
    }
}

/// A target of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedTarget {
    /// Its id.
    pub id: TargetId,
    /// The name as users know it: `scene_color`, or `bloom/mips` for an own one.
    pub name: Arc<str>,
    /// Format, size rule, mips, start value.
    pub desc: TargetDesc,
    /// Size in pixels of level 0. Never so small that a declared mip level would not exist: at a tiny output
    /// a chain of 6 levels is at least 32 pixels wide or high.
    pub size_px: [u32; 2],
    /// A shader samples it.
    pub sampled: bool,
    /// A render pass draws to it (levels that nobody wrote yet are cleared to its start value at creation).
    pub rendered: bool,
    /// A compute pass stores to it.
    pub stored: bool,
    /// Some pass reads its `previous`: the renderer keeps the last submitted frame's content.
    pub previous: bool,
    /// No pass of the plan writes it: it holds its start value (bloom switched off is black).
    pub unfed: bool,
}

/// A buffer of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedBuffer {
    /// Its id.
    pub id: BufferId,
    /// The name as users know it.
    pub name: Arc<str>,
    /// Bytes of one slot: the most it can hold.
    pub capacity: u64,
    /// Bytes of one element.
    pub element_size: u32,
    /// Bound as uniform.
    pub uniform: bool,
    /// Bound as storage.
    pub storage: bool,
    /// Used as a vertex buffer.
    pub vertex: bool,
    /// Used as an index buffer.
    pub index: bool,
}

/// Consecutive passes of one cell: one command encoder and one error scope.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The cell.
    pub cell: CellLine,
    /// Its name in the scene.
    pub cell_name: Arc<str>,
    /// The cell's shader.
    pub shader: ShaderId,
    /// Its passes, in order.
    pub passes: Vec<PlannedPass>,
}

/// A pass with every port resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedPass {
    /// Its index in the cell's list.
    pub index: u32,
    /// Its label.
    pub label: Arc<str>,
    /// What it does.
    pub work: PlannedWork,
    /// Bindings of group 1, ascending by number.
    pub bindings: Vec<PlannedBinding>,
    /// Bindings of group 2 that every draw fills with a sealed resource, ascending by number.
    pub sealed: Vec<SealedSlot>,
}

/// A binding of group 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlannedBinding {
    /// The number, see [`crate::wgsl`].
    pub binding: u32,
    /// What is bound.
    pub what: Bound,
}

/// What is bound in group 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bound {
    /// A sampled texture.
    Texture {
        /// Which.
        target: TargetId,
        /// Which view of it.
        view: TextureView,
        /// Its format, for the layout (depth or filterable float or not).
        format: TextureFormat,
    },
    /// A texture stored to by compute.
    StorageTexture {
        /// Which.
        target: TargetId,
        /// Mip level.
        level: u32,
        /// Its format.
        format: TextureFormat,
    },
    /// The first element of a buffer as uniform.
    Uniform {
        /// Which.
        buffer: BufferId,
        /// Bytes of the element.
        size: u32,
    },
    /// A whole buffer as read-only storage.
    Storage {
        /// Which.
        buffer: BufferId,
        /// Bytes of one element.
        element_size: u32,
    },
}

/// Which view of a texture is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextureView {
    /// All mip levels.
    Whole,
    /// One mip level.
    Level(u32),
    /// All mip levels as of the last submitted frame.
    Previous,
}

/// A binding of group 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SealedSlot {
    /// The number: the port's index.
    pub binding: u32,
    /// What it takes.
    pub kind: SealedKind,
}

/// What a binding of group 2 takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SealedKind {
    /// A sampled, filterable 2-D texture.
    Texture2d,
    /// Read-only storage with elements of this size.
    Storage {
        /// Bytes of one element.
        element_size: u32,
    },
}

/// What a pass does.
#[derive(Clone, Debug, PartialEq)]
pub enum PlannedWork {
    /// Draws.
    Raster(PlannedRaster),
    /// Dispatches.
    Compute {
        /// The entry point.
        entry: Arc<str>,
        /// Workgroups in x, y, z.
        groups: [u32; 3],
    },
}

/// A render pass with every port resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedRaster {
    /// The vertex entry point; `None` is the engine's covering triangle.
    pub vertex: Option<Arc<str>>,
    /// The fragment entry point.
    pub fragment: Option<Arc<str>>,
    /// Colour targets in `@location` order.
    pub color: Vec<PlannedColor>,
    /// Depth target.
    pub depth: Option<PlannedDepth>,
    /// Vertex buffer layouts, in the order of their slots.
    pub vertex_slots: Vec<VertexSlot>,
    /// Whether draws are indexed (`u32`).
    pub indexed: bool,
    /// Dropped faces.
    pub cull: Cull,
    /// What vertices form.
    pub topology: Topology,
    /// The draws.
    pub draws: Vec<PlannedDraw>,
}

/// Where a render pass draws colour to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlannedColor {
    /// `None` is the backbuffer.
    pub target: Option<TargetId>,
    /// Mip level.
    pub level: u32,
    /// Blending.
    pub blend: Blend,
    /// What the attachment holds before the pass. Derived from the order: the first writer of a frame starts
    /// from the start value, later ones load.
    pub load: Load,
}

/// Where a render pass tests and writes depth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlannedDepth {
    /// The target.
    pub target: TargetId,
    /// Test, write and bias (its `port` has been resolved into `target`).
    pub state: DepthTarget,
    /// What the attachment holds before the pass.
    pub load: Load,
}

/// What an attachment holds before a pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// This value.
    Clear([f32; 4]),
    /// What is there.
    Keep,
}

impl From<StartValue> for Load {
    fn from(start: StartValue) -> Self {
        match start {
            StartValue::Clear(v) => Self::Clear(v),
            StartValue::Keep => Self::Keep,
        }
    }
}

/// The layout of a vertex buffer slot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VertexSlot {
    /// Bytes from element to element.
    pub stride: u32,
    /// One element per instance, else per vertex.
    pub per_instance: bool,
    /// `(shader location, type, offset in bytes)`.
    pub attributes: Vec<(u32, cell_abi::ports::FieldKind, u32)>,
}

/// A draw with every port resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedDraw {
    /// First vertex or index.
    pub first: u32,
    /// Vertices or indices.
    pub count: PlannedCount,
    /// Added to each index.
    pub base_vertex: i32,
    /// First instance.
    pub first_instance: u32,
    /// Instances.
    pub instances: PlannedCount,
    /// The buffer of each vertex slot.
    pub vertex_buffers: Vec<BufferSource>,
    /// The index buffer.
    pub index_buffer: Option<BufferSource>,
    /// The sealed id of each entry of [`PlannedPass::sealed`].
    pub sealed: Vec<u64>,
}

/// Where vertices or indices come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BufferSource {
    /// A buffer in slots.
    Slots(BufferId),
    /// A sealed buffer.
    Sealed(u64),
}

/// A number of a draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlannedCount {
    /// Known when planned.
    Fixed(u32),
    /// Index into [`Plan::dynamic_counts`] and `Packet::counts`.
    Dynamic(u32),
}

/// A number that the host reads anew for each packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DynamicCount {
    /// Where from.
    pub source: CountSource,
    /// It is clamped to this.
    pub max: u32,
}

/// Where a dynamic count comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CountSource {
    /// The number of published elements.
    Published {
        /// Of this buffer.
        buffer: BufferId,
        /// Whose elements have this size in bytes.
        element_size: u32,
    },
    /// A `u32` in a buffer.
    Word {
        /// The buffer.
        buffer: BufferId,
        /// Which word.
        index: u32,
    },
}
