//! The port table: what a cell declares, as canonical text.
//!
//! `signal_receptor!` writes it (in `const` evaluation, through [`const_text`]), the ELF section
//! [`crate::PORTS_SECTION`] carries it, and a host reads it before loading the library. One line per fact:
//!
//! ```text
//! cell-ports 1
//! abi 1.0
//! name bloom_v1
//! rate 60
//! shader bloom.wgsl
//! param f32 threshold = 1
//! param vec3f fly.at = 0 30 80
//! group? fly
//! port input scene_color texture rgba16float screen 1/1 mips 1 clear 0 0 0 0
//! port own mips texture rgba16float screen 1/2 mips 6 keep
//! port own shadow texture depth32float fixed 2048x2048 mips 1 clear 0
//! port input mood texture r32float fixed 1x1 mips 1 clear 0 0 0 0 readback
//! port output backbuffer backbuffer
//! port input camera uniform CameraView 1 now history
//! port own cubes instances Cube 200000
//! port own albedo sealed texture_2d
//! port own mesh sealed vertices Vertex
//! type CameraView 144
//! field CameraView view_proj mat4x4f 0
//! end
//! ```
mod format;
mod param;
mod parse;
mod write;

pub use format::{FieldKind, TextureFormat};
pub use param::{Param, ParamKind, ParamValue};
pub use parse::PortTableError;
pub use write::{Text, const_text};

/// Everything a cell declares.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PortTable {
    /// ABI version the cell was built for.
    pub abi: (u16, u16),
    /// The contract's name, `bloom_v1`.
    pub name: String,
    /// Ticks per second, or on mail only.
    pub rate: Rate,
    /// The shader's file name in the cell's shader folder; `None` for a cell without passes.
    pub shader: Option<String>,
    /// Parameters in declaration order; a nested one is called `group.name`.
    pub params: Vec<Param>,
    /// Groups that may be left out of a scene as a whole.
    pub optional_groups: Vec<String>,
    /// Ports in declaration order; a port's index here is its id.
    pub ports: Vec<Port>,
    /// Layouts of the element types that ports name.
    pub types: Vec<TypeLayout>,
}

/// How often a cell ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Ticks per second of simulated time.
    Hz(u32),
    /// Only in frames in which it has mail.
    OnMail,
}

impl Default for Rate {
    fn default() -> Self {
        Self::Hz(60)
    }
}

/// A port: one named thing a cell reads or writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// Its name in the cell, and for `input` and `output` in the world.
    pub name: String,
    /// Who writes it.
    pub direction: Direction,
    /// What it is.
    pub kind: PortKind,
    /// Its ticks see the pixels of the texture, some frames after they were drawn. Only for textures of a fixed size
    /// with one mip level.
    pub readback: bool,
}

/// Who writes a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Others write it; this cell reads.
    Input,
    /// This cell writes it under its name in the world.
    Output,
    /// This cell alone writes and reads it; its name is private to the instance.
    Own,
}

/// What a port is.
#[derive(Clone, Debug, PartialEq)]
pub enum PortKind {
    /// A render target on the GPU; belongs to its contract.
    Texture(TargetDesc),
    /// The picture: the window's surface or the captured image. Write only.
    Backbuffer,
    /// Elements in shared slots, written by the CPU of one owner, read by CPUs and the GPU.
    Buffer(BufferDesc),
    /// A place in passes for a sealed resource; which one is said per pass or draw.
    Sealed(SealedPort),
}

/// A render target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TargetDesc {
    /// Pixel format.
    pub format: TextureFormat,
    /// Size.
    pub size: TargetSize,
    /// Mip levels, at least 1; level n has size `max(1, size >> n)`.
    pub mips: u32,
    /// What it holds before its first writer of a frame.
    pub start: StartValue,
}

/// The size of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetSize {
    /// The output size times `num / den`, rounded up, at least 1.
    Screen {
        /// Numerator.
        num: u32,
        /// Denominator, not 0.
        den: u32,
    },
    /// A fixed size in pixels.
    Fixed {
        /// Width.
        width: u32,
        /// Height.
        height: u32,
    },
}

impl TargetSize {
    /// Returns the size in pixels for an output of `screen_px`.
    #[must_use]
    pub const fn resolve(self, screen_px: [u32; 2]) -> [u32; 2] {
        match self {
            Self::Fixed { width, height } => [width, height],
            Self::Screen { num, den } => {
                let [w, h] = [
                    (screen_px[0] as u64 * num as u64).div_ceil(den as u64),
                    (screen_px[1] as u64 * num as u64).div_ceil(den as u64),
                ];
                [if w == 0 { 1 } else { w as u32 }, if h == 0 { 1 } else { h as u32 }]
            }
        }
    }
}

/// What a target holds at the start of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StartValue {
    /// This value (depth: the first number).
    Clear([f32; 4]),
    /// What the last frame left.
    Keep,
}

/// A buffer in slots.
#[derive(Clone, Debug, PartialEq)]
pub struct BufferDesc {
    /// How shaders see it.
    pub usage: BufferUsage,
    /// The element's type; its layout is in [`PortTable::types`].
    pub element: String,
    /// The most elements it can hold.
    pub max_count: u32,
    /// For inputs: the reader starts after the owner's tick of the same frame.
    pub now: bool,
    /// For inputs: the reader gets the two newest publications and a blend factor.
    pub history: bool,
}

/// How shaders see a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BufferUsage {
    /// One element, `var<uniform>`.
    Uniform,
    /// `var<storage, read>` of an array.
    Storage,
    /// A vertex buffer, one element per vertex.
    Vertices,
    /// A vertex buffer, one element per instance.
    Instances,
    /// `u32` indices.
    Indices,
    /// Counts of draws (`u32`) that the host reads and clamps; not visible to shaders.
    Counts,
}

impl BufferUsage {
    /// All usages with their names in the text.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Uniform, "uniform"),
        (Self::Storage, "storage"),
        (Self::Vertices, "vertices"),
        (Self::Instances, "instances"),
        (Self::Indices, "indices"),
        (Self::Counts, "counts"),
    ];
}

/// What a sealed port takes.
#[derive(Clone, Debug, PartialEq)]
pub enum SealedPort {
    /// A sampled 2-D texture.
    Texture2d,
    /// A vertex buffer of this element type, per vertex.
    Vertices(String),
    /// A vertex buffer of this element type, per instance.
    Instances(String),
    /// `u32` indices.
    Indices,
    /// `var<storage, read>` of an array of this element type.
    Storage(String),
}

/// The layout of an element type: a `repr(C)` struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeLayout {
    /// The Rust (and WGSL) name.
    pub name: String,
    /// Size in bytes.
    pub size: u32,
    /// Fields in order.
    pub fields: Vec<Field>,
}

/// A field of an element type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name.
    pub name: String,
    /// Type.
    pub kind: FieldKind,
    /// Offset in bytes.
    pub offset: u32,
}

impl PortTable {
    /// Parses the text of a port table.
    ///
    /// # Errors
    /// [`PortTableError`] with the line and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PortTableError> {
        parse::parse(text)
    }

    /// Returns the layout of the type called `name`.
    #[must_use]
    pub fn layout(&self, name: &str) -> Option<&TypeLayout> {
        self.types.iter().find(|t| t.name == name)
    }

    /// Returns the index and the port called `name`.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<(u16, &Port)> {
        self.ports.iter().enumerate().find(|(_, p)| p.name == name).map(|(n, p)| (n as u16, p))
    }

    /// Returns the canonical text: what [`PortTable::parse`] reads.
    #[must_use]
    pub fn to_text(&self) -> String {
        write::to_text(self)
    }
}

impl BufferDesc {
    /// Returns the size of one element: from the table's types, or 4 for indices and counts.
    #[must_use]
    pub fn element_size(&self, table: &PortTable) -> u32 {
        match self.usage {
            BufferUsage::Indices | BufferUsage::Counts => 4,
            _ => table.layout(&self.element).map_or(0, |t| t.size),
        }
    }
}
