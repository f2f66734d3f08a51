//! Passes as data.
use rkyv::{Archive, Deserialize, Serialize};

/// All passes of one cell, in its order. Replaces the cell's list when submitted.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct PassList {
    /// The passes.
    pub passes: Vec<Pass>,
}

/// One render or compute pass. Ports are indices into the cell's port table.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Pass {
    /// Shown in messages and reports.
    pub label: String,
    /// What it does.
    pub work: Work,
    /// Ports that the shader reads (textures, uniform and storage buffers).
    pub reads: Vec<Read>,
    /// Sealed resources for all draws of the pass; a draw may override one.
    pub sealed: Vec<SealedBind>,
}

/// A port read by a pass.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// The port.
    pub port: u16,
    /// Which view of it.
    pub view: ViewOf,
}

/// Which view of a port a pass reads.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewOf {
    /// All of it: a buffer, or a texture with all its mip levels.
    Whole,
    /// One mip level.
    Level(u8),
    /// The texture as of the last submitted frame; bound to the shader's `NAME_prev`.
    Previous,
}

/// Binds a sealed resource to a sealed port.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedBind {
    /// The sealed port.
    pub port: u16,
    /// The id that sealing returned.
    pub id: u64,
}

/// What a pass does.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub enum Work {
    /// Draws.
    Raster(Raster),
    /// Dispatches.
    Compute(Compute),
}

/// A render pass.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Raster {
    /// The vertex entry point; `None` is the engine's triangle that covers the target, whose fragment stage
    /// gets `@location(0) uv: vec2f` with (0, 0) in the upper left corner.
    pub vertex: Option<String>,
    /// The fragment entry point; `None` for depth only.
    pub fragment: Option<String>,
    /// Colour targets, in `@location` order. At most 4.
    pub color: Vec<ColorTarget>,
    /// The depth target.
    pub depth: Option<DepthTarget>,
    /// Vertex and instance buffer ports (`Vertices`, `Instances`, sealed or not), in the order of their slots.
    pub vertex_ports: Vec<u16>,
    /// The index port (`Indices`, sealed or not); `None` draws unindexed.
    pub index_port: Option<u16>,
    /// Which faces are dropped; front faces are counter-clockwise.
    pub cull: Cull,
    /// What vertices form.
    pub topology: Topology,
    /// The draws, at least one.
    pub draws: Vec<Draw>,
}

/// A colour target of a render pass.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColorTarget {
    /// A texture port of direction output or own, or the backbuffer.
    pub port: u16,
    /// The mip level.
    pub level: u8,
    /// How the result meets what is there.
    pub blend: Blend,
}

/// How a fragment's result meets what the target holds.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Blend {
    /// Replaces it. For the first pass that writes a target, what was there counts as its start value.
    #[default]
    Replace,
    /// Adds to it.
    Add,
    /// Covers it by the result's alpha (not premultiplied).
    Alpha,
    /// Covers it by the result's alpha (premultiplied).
    Premultiplied,
    /// Multiplies it.
    Multiply,
}

/// The depth target of a render pass.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct DepthTarget {
    /// A depth texture port. Direction input may be tested but not written.
    pub port: u16,
    /// Whether depth is written.
    pub write: bool,
    /// The test; depth is reversed: 1 is near, 0 is far.
    pub compare: Compare,
    /// Constant depth bias.
    pub bias: i32,
    /// Slope-scaled depth bias.
    pub slope_bias: f32,
}

/// A depth test.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compare {
    /// No test.
    Always,
    /// Nearer passes (reverse Z).
    Greater,
    /// Nearer or equal passes (reverse Z).
    GreaterEqual,
    /// Equal passes.
    Equal,
}

/// Which faces are dropped.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cull {
    /// None.
    #[default]
    None,
    /// Back faces.
    Back,
    /// Front faces.
    Front,
}

/// What vertices form.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Topology {
    /// Each three a triangle.
    #[default]
    Triangles,
    /// Each two a line.
    Lines,
    /// Each a point.
    Points,
}

/// A number that a draw needs.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// This many.
    Fixed(u32),
    /// As many elements as the buffer port has published.
    Published {
        /// A buffer port.
        port: u16,
    },
    /// The `index`-th `u32` of a `Counts` port, clamped to what the bound buffers hold.
    FromBuffer {
        /// A `Counts` port.
        port: u16,
        /// Which number of it.
        index: u32,
    },
}

/// A draw.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Draw {
    /// The first vertex, or the first index when indexed.
    pub first: u32,
    /// How many vertices, or indices when indexed.
    pub count: Count,
    /// Added to each index; 0 when not indexed.
    pub base_vertex: i32,
    /// The first instance.
    pub first_instance: u32,
    /// How many instances.
    pub instances: Count,
    /// Sealed resources of this draw, over those of the pass.
    pub sealed: Vec<SealedBind>,
}

impl Draw {
    /// Returns the draw of a pass that covers its target: three vertices, one instance.
    #[must_use]
    pub const fn triangle() -> Self {
        Self {
            first: 0,
            count: Count::Fixed(3),
            base_vertex: 0,
            first_instance: 0,
            instances: Count::Fixed(1),
            sealed: Vec::new(),
        }
    }
}

/// A compute pass.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Compute {
    /// The entry point.
    pub entry: String,
    /// Workgroups in x, y, z.
    pub groups: [u32; 3],
    /// Textures that the shader stores to, as `NAME_out`: ports of direction output or own.
    pub stores: Vec<Store>,
}

/// A texture that a compute pass stores to.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store {
    /// The port.
    pub port: u16,
    /// The mip level.
    pub level: u8,
}
