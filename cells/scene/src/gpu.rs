//! What the shader reads: element types of buffers.

/// A corner of a triangle.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, cell::Gpu)]
pub(crate) struct Vertex {
    /// In the space of its instance, in metres.
    pub(crate) position: [f32; 3],
    /// Of length 1.
    pub(crate) normal: [f32; 3],
    /// Texture coordinates as in the file; metres on walls.
    pub(crate) uv: [f32; 2],
    /// Index into the materials.
    pub(crate) material: u32,
}

/// Where a mesh stands: the rows of an affine matrix.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, cell::Gpu)]
pub(crate) struct Instance {
    /// Row of x.
    pub(crate) row0: [f32; 4],
    /// Row of y.
    pub(crate) row1: [f32; 4],
    /// Row of z.
    pub(crate) row2: [f32; 4],
}

/// How a surface looks.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, cell::Gpu)]
pub(crate) struct Material {
    /// Linear colour and opacity; the texture is multiplied to it.
    pub(crate) base_color: [f32; 4],
    /// Texture u is the dot product with (u, v, 1).
    pub(crate) uv_u: [f32; 4],
    /// Texture v is the dot product with (u, v, 1).
    pub(crate) uv_v: [f32; 4],
    /// Radiance that it sends out by itself.
    pub(crate) emissive: [f32; 3],
    /// 0 is a mirror.
    pub(crate) roughness: f32,
    /// 0 or 1, usually.
    pub(crate) metallic: f32,
    /// Below this opacity it is not there (masked materials only).
    pub(crate) cutoff: f32,
    /// Bits of [`kind`].
    pub(crate) kind: u32,
    /// Differs from material to material.
    pub(crate) seed: u32,
}

/// Bits of [`Material::kind`].
pub(crate) mod kind {
    /// A facade: its texture coordinates are metres and it has windows.
    pub(crate) const WALL: u32 = 1;
    /// The ground: it throws no shadow.
    pub(crate) const GROUND: u32 = 2;
    /// Its emission has a texture.
    pub(crate) const EMISSION_MAP: u32 = 4;
}

/// The sun and its shadow map.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, cell::Gpu)]
pub(crate) struct SunLight {
    /// World to the shadow map's clip space, columns; depth 1 is nearest to the sun.
    pub(crate) shadow_proj: [[f32; 4]; 4],
    /// Towards the sun, of length 1.
    pub(crate) direction: [f32; 3],
    /// How dark the day is: 0 at noon, 1 at dusk.
    pub(crate) dusk: f32,
    /// Irradiance on a surface that faces the sun.
    pub(crate) color: [f32; 3],
    /// The edge of a pixel of the shadow map in metres.
    pub(crate) texel: f32,
    /// The corner (x, z) of the field of street lamps.
    pub(crate) lamps_at: [f32; 2],
    /// How many lamps stand along x and z.
    pub(crate) lamps: [u32; 2],
}
