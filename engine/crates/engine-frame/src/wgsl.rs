//! What stands in front of every shader: the declarations of a cell's contract, and the numbers behind them.
//!
//! | group | binding | what |
//! |---|---|---|
//! | 0 | 0 | `frame: Frame`, uniform, [`FRAME_BYTES`] |
//! | 0 | 1 | `params: Params`, uniform, see [`pack_params`] |
//! | 0 | 2 to 5 | the samplers `linear_clamp`, `nearest_clamp`, `linear_repeat`, `shadow_compare` |
//! | 1 | port | `NAME`: a texture, uniform or storage buffer that the pass reads |
//! | 1 | [`PREVIOUS`] + port | `NAME_prev`: the texture as of the last submitted frame |
//! | 1 | [`OUT`] + port | `NAME_out`: the texture that a compute pass stores to |
//! | 2 | port | sealed textures and storage, filled per draw |
//!
//! A type that a vertices or instances port uses gets a `@location` on each field, numbered on through the
//! table in port order; a matrix or array field of such a type becomes one `vec4f` per column: `model_0`,
//! `model_1` and so on. See [`vertex_attributes`].
mod check;
mod params;
mod words;

pub use check::{HeaderFault, check};
pub use params::{ParamField, pack_params, params_bytes, params_layout};

use cell_abi::ports::{
    BufferUsage, Direction, FieldKind, Port, PortKind, PortTable, SealedPort, TextureFormat, TypeLayout,
};
use std::fmt::Write as _;

/// The group of what every pass sees.
pub const GROUP_ENGINE: u32 = 0;
/// The group of a pass's reads and stores.
pub const GROUP_PORTS: u32 = 1;
/// The group of sealed resources.
pub const GROUP_SEALED: u32 = 2;
/// Group 0: `frame`.
pub const FRAME: u32 = 0;
/// Group 0: `params`.
pub const PARAMS: u32 = 1;
/// Group 0: filters, clamps to the edge.
pub const LINEAR_CLAMP: u32 = 2;
/// Group 0: takes the nearest texel, clamps to the edge.
pub const NEAREST_CLAMP: u32 = 3;
/// Group 0: filters between mip levels too, repeats.
pub const LINEAR_REPEAT: u32 = 4;
/// Group 0: compares depth (`GreaterEqual`, reverse Z), filters the result, clamps to the edge.
pub const SHADOW_COMPARE: u32 = 5;
/// Group 1: added to a port's index for its `NAME_prev`.
pub const PREVIOUS: u32 = 64;
/// Group 1: added to a port's index for its `NAME_out`.
pub const OUT: u32 = 128;
/// The most ports a cell with a shader can have.
pub const MAX_PORTS: usize = 64;
/// Bytes of the `frame` block.
pub const FRAME_BYTES: u32 = 32;
/// The vertex entry of the triangle that covers a target.
pub const FULL_ENTRY: &str = "engine_full";

const ENGINE: &str = "\
struct Frame { screen: vec2f, time: f32, dt: f32, index: u32, history_valid: u32, pad0: u32, pad1: u32 }
struct Full { @builtin(position) position: vec4f, @location(0) uv: vec2f }
@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var linear_clamp: sampler;
@group(0) @binding(3) var nearest_clamp: sampler;
@group(0) @binding(4) var linear_repeat: sampler;
@group(0) @binding(5) var shadow_compare: sampler_comparison;
@vertex fn engine_full(@builtin(vertex_index) i: u32) -> Full {
    let uv = vec2f(f32(i & 2u), f32((i << 1u) & 2u));
    return Full(vec4f(uv.x * 2.0 - 1.0, 1.0 - uv.y * 2.0, 0.0, 1.0), uv);
}
";

/// Returns the declarations of a contract, to be put in front of the cell's shader file. Whole lines.
///
/// The table is one that [`check`] accepts.
#[must_use]
pub fn header(table: &PortTable) -> String {
    let mut out = String::with_capacity(2048);
    out.push_str("struct Params {");
    for f in params_layout(table) {
        put(&mut out, format_args!(" {}: {},", f.name, f.wgsl));
    }
    if params_layout(table).is_empty() {
        out.push_str(" unused: vec4f,");
    }
    out.push_str(" }\n");
    out.push_str(ENGINE);
    for layout in visible_types(table) {
        put_struct(&mut out, table, layout);
    }
    for (n, port) in table.ports.iter().enumerate() {
        put_port(&mut out, n, port);
    }
    out
}

/// Returns the attributes of an element type that a vertices or instances port uses, as
/// `(shader location, type, offset in bytes)`; `None` when no such port uses it.
#[must_use]
pub fn vertex_attributes(table: &PortTable, element: &str) -> Option<Vec<(u32, FieldKind, u32)>> {
    let mut next = 0;
    for ty in vertex_types(table) {
        let columns = columns(ty);
        let count = columns.len() as u32;
        if ty.name == element {
            return Some((next..).zip(columns).map(|(l, c)| (l, c.kind, c.offset)).collect());
        }
        next += count;
    }
    None
}

/// Returns the WGSL type of a sampled texture.
#[must_use]
pub fn texture_type(format: TextureFormat) -> &'static str {
    match format {
        TextureFormat::Depth32Float => "texture_depth_2d",
        TextureFormat::R32Uint => "texture_2d<u32>",
        _ => "texture_2d<f32>",
    }
}

/// Returns whether compute passes can store to textures of this format on every GPU.
#[must_use]
pub fn is_storable(format: TextureFormat) -> bool {
    use TextureFormat as F;
    matches!(format, F::Rgba8Unorm | F::Rgba16Float | F::Rgba32Float | F::R32Float | F::R32Uint)
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a String takes everything");
}

/// The element type a port names, and whether it is a vertex type.
fn element(port: &Port) -> Option<(&str, bool)> {
    match &port.kind {
        PortKind::Buffer(b) => match b.usage {
            BufferUsage::Uniform | BufferUsage::Storage => Some((&b.element, false)),
            BufferUsage::Vertices | BufferUsage::Instances => Some((&b.element, true)),
            BufferUsage::Indices | BufferUsage::Counts => None,
        },
        PortKind::Sealed(SealedPort::Vertices(e) | SealedPort::Instances(e)) => Some((e, true)),
        PortKind::Sealed(SealedPort::Storage(e)) => Some((e, false)),
        _ => None,
    }
}

/// The layouts that shaders see, each once, in the order of the ports that name them first.
fn visible_types(table: &PortTable) -> Vec<&TypeLayout> {
    distinct(table, |_| true)
}

/// The layouts that vertices and instances ports name, each once, in port order.
fn vertex_types(table: &PortTable) -> Vec<&TypeLayout> {
    distinct(table, |vertex| vertex)
}

fn distinct(table: &PortTable, wanted: impl Fn(bool) -> bool) -> Vec<&TypeLayout> {
    let mut out: Vec<&TypeLayout> = Vec::new();
    for port in &table.ports {
        if let Some(layout) = element(port).filter(|e| wanted(e.1)).and_then(|e| table.layout(e.0))
            && !out.iter().any(|o| o.name == layout.name)
        {
            out.push(layout);
        }
    }
    out
}

/// The scalar or vector type that an element type is, if it is no struct: `Buffer<f32, 100>`.
fn plain(ty: &TypeLayout) -> Option<FieldKind> {
    FieldKind::from_name(&ty.name)
}

struct Column {
    name: String,
    kind: FieldKind,
    offset: u32,
}

/// The fields of a vertex type with matrices and arrays taken apart.
fn columns(ty: &TypeLayout) -> Vec<Column> {
    if let Some(kind) = plain(ty) {
        return vec![Column { name: ty.name.clone(), kind, offset: 0 }];
    }
    let mut out = Vec::new();
    for f in &ty.fields {
        let n = match f.kind {
            FieldKind::Mat4 => 4,
            FieldKind::Vec4x9 => 9,
            _ => {
                out.push(Column { name: f.name.clone(), kind: f.kind, offset: f.offset });
                continue;
            }
        };
        for i in 0..n {
            let name = format!("{}_{i}", f.name);
            out.push(Column { name, kind: FieldKind::Vec4, offset: f.offset + 16 * i });
        }
    }
    out
}

fn wgsl_type(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Unorm8x4 => "vec4f",
        FieldKind::Vec4x9 => "array<vec4f, 9>",
        other => other.name(),
    }
}

fn put_struct(out: &mut String, table: &PortTable, ty: &TypeLayout) {
    if plain(ty).is_some() {
        return;
    }
    put(out, format_args!("struct {} {{", ty.name));
    match vertex_attributes(table, &ty.name) {
        Some(attributes) => {
            for (c, (location, ..)) in columns(ty).iter().zip(attributes) {
                put(out, format_args!(" @location({location}) {}: {},", c.name, wgsl_type(c.kind)));
            }
        }
        None => {
            for f in &ty.fields {
                put(out, format_args!(" {}: {},", f.name, wgsl_type(f.kind)));
            }
        }
    }
    out.push_str(" }\n");
}

fn put_port(out: &mut String, n: usize, port: &Port) {
    let name = &port.name;
    let n = n as u32;
    match &port.kind {
        PortKind::Texture(t) => {
            let ty = texture_type(t.format);
            put(out, format_args!("@group(1) @binding({n}) var {name}: {ty};\n"));
            put(out, format_args!("@group(1) @binding({}) var {name}_prev: {ty};\n", PREVIOUS + n));
            if port.direction != Direction::Input && is_storable(t.format) {
                let (b, f) = (OUT + n, t.format.name());
                put(
                    out,
                    format_args!("@group(1) @binding({b}) var {name}_out: texture_storage_2d<{f}, write>;\n"),
                );
            }
        }
        PortKind::Buffer(b) => match b.usage {
            BufferUsage::Uniform => {
                put(out, format_args!("@group(1) @binding({n}) var<uniform> {name}: {};\n", b.element));
            }
            BufferUsage::Storage => {
                put(
                    out,
                    format_args!(
                        "@group(1) @binding({n}) var<storage, read> {name}: array<{}>;\n",
                        b.element
                    ),
                );
            }
            _ => {}
        },
        PortKind::Sealed(SealedPort::Texture2d) => {
            put(out, format_args!("@group(2) @binding({n}) var {name}: texture_2d<f32>;\n"));
        }
        PortKind::Sealed(SealedPort::Storage(e)) => {
            put(out, format_args!("@group(2) @binding({n}) var<storage, read> {name}: array<{e}>;\n"));
        }
        _ => {}
    }
}

#[cfg(test)]
#[path = "wgsl_tests.rs"]
mod tests;
