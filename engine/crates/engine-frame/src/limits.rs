//! What one cell may ask for in a frame.

/// What one cell may ask for in a frame. Checked before anything reaches the GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Passes in a list.
    pub passes: usize,
    /// Draws in a list.
    pub draws: usize,
    /// Vertices times instances of one draw.
    pub vertices_per_draw: u64,
    /// Vertices times instances of all draws of a list.
    pub vertices_per_frame: u64,
    /// Workgroups of one dispatch.
    pub groups_per_dispatch: u64,
    /// Colour targets of one pass.
    pub color_targets: usize,
    /// Width and height of a target in pixels.
    pub target_edge_px: u32,
    /// Bytes of all targets that the cell writes.
    pub target_bytes: u64,
    /// Bytes of a buffer that is bound as storage.
    pub storage_bytes: u64,
}

impl Limits {
    /// For cells that were built here: mistakes are caught, not large scenes.
    pub const OWN: Self = Self {
        passes: 256,
        draws: 65_536,
        vertices_per_draw: 1 << 32,
        vertices_per_frame: 1 << 40,
        groups_per_dispatch: 1 << 24,
        color_targets: 4,
        target_edge_px: 8192,
        target_bytes: 4 << 30,
        storage_bytes: 128 << 20,
    };

    /// For cells of strangers. 262,144 groups of at most 256 invocations are 64 M invocations.
    pub const UNTRUSTED: Self = Self {
        passes: 64,
        draws: 1024,
        vertices_per_draw: 64 << 20,
        vertices_per_frame: 256 << 20,
        groups_per_dispatch: 1 << 18,
        color_targets: 4,
        target_edge_px: 8192,
        target_bytes: 512 << 20,
        storage_bytes: 128 << 20,
    };
}

/// Workgroups in one direction: WebGPU's limit on every GPU.
pub const MAX_GROUPS_PER_SIDE: u32 = 65_535;
/// Vertex buffers of one pass: WebGPU's limit on every GPU.
pub const MAX_VERTEX_SLOTS: usize = 8;
