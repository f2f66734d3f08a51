//! What the shader reads: element types of buffers.

/// A corner of a triangle.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, cell::Gpu)]
pub(crate) struct Vertex {
    /// In the space of its instance or joints, in metres.
    pub(crate) position: [f32; 3],
    /// Of length 1.
    pub(crate) normal: [f32; 3],
    /// The first texture coordinates as in the file; metres on walls.
    pub(crate) uv: [f32; 2],
    /// Index into the materials.
    pub(crate) material: u32,
}

/// What corners have besides, where a material with maps needs it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, cell::Gpu)]
pub(crate) struct Detail {
    /// Where the normal map's u grows, of length 1; w is the side of v: 1 or -1.
    pub(crate) tangent: [f32; 4],
    /// Multiplied to the material's colour; linear.
    pub(crate) color: [f32; 4],
    /// The second texture coordinates.
    pub(crate) uv1: [f32; 2],
}

/// Which poses a corner follows.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, cell::Gpu)]
pub(crate) struct Bones {
    /// Indices into the poses.
    pub(crate) joints: [u32; 4],
    /// How much it follows each; their sum is 1.
    pub(crate) weights: [f32; 4],
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

/// Where what moves is in this frame: the rows of an affine matrix.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, cell::Gpu)]
pub(crate) struct Pose {
    /// Row of x.
    pub(crate) x: [f32; 4],
    /// Row of y.
    pub(crate) y: [f32; 4],
    /// Row of z.
    pub(crate) z: [f32; 4],
}

/// How a surface looks.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, cell::Gpu)]
pub(crate) struct Material {
    /// Linear colour and opacity; the texture is multiplied to it.
    pub(crate) base_color: [f32; 4],
    /// Texture u is the dot product of the first three with (u, v, 1); the fourth is the [`crate::maps::Wrap`].
    pub(crate) uv_u: [f32; 4],
    /// Texture v is the dot product of the first three with (u, v, 1).
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

/// Where a material's other maps lie on it, and how strong they are; rows as [`Material::uv_u`] and `uv_v`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, cell::Gpu)]
pub(crate) struct Maps {
    /// Row of the emission's u.
    pub(crate) emission_u: [f32; 4],
    /// Row of the emission's v.
    pub(crate) emission_v: [f32; 4],
    /// Row of the normal map's u.
    pub(crate) normal_u: [f32; 4],
    /// Row of the normal map's v.
    pub(crate) normal_v: [f32; 4],
    /// Row of the u of roughness (green) and metal (blue).
    pub(crate) surface_u: [f32; 4],
    /// Row of the v of roughness and metal.
    pub(crate) surface_v: [f32; 4],
    /// Row of the occlusion's u.
    pub(crate) occlusion_u: [f32; 4],
    /// Row of the occlusion's v.
    pub(crate) occlusion_v: [f32; 4],
    /// Factor of the normal map's x and y.
    pub(crate) normal_scale: f32,
    /// 0 is none, 1 all of the occlusion.
    pub(crate) occlusion_strength: f32,
    /// How much a non-metal mirrors when seen straight on.
    pub(crate) reflectance: f32,
    /// Zero.
    pub(crate) reserved: f32,
}

/// Bits of [`Material::kind`].
pub(crate) mod kind {
    /// A facade: its texture coordinates are metres and it has windows.
    pub(crate) const WALL: u32 = 1;
    /// The ground: it throws no shadow.
    pub(crate) const GROUND: u32 = 2;
    /// Its emission has a texture.
    pub(crate) const EMISSION_MAP: u32 = 4;
    /// It has a normal map.
    pub(crate) const NORMAL_MAP: u32 = 8;
    /// Its roughness and metal have a texture.
    pub(crate) const SURFACE_MAP: u32 = 16;
    /// Its occlusion has a texture.
    pub(crate) const OCCLUSION_MAP: u32 = 32;
    /// It shows its colour, whatever the light.
    pub(crate) const UNLIT: u32 = 64;
    /// Its back is drawn too.
    pub(crate) const DOUBLE_SIDED: u32 = 128;
}

/// The sun and its shadow map, and how many other lights there are.
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
    /// How many of the file's own lights there are, then zeros.
    pub(crate) lights: [u32; 4],
}

/// A light of the file: a point, a spot or a direction.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, cell::Gpu)]
pub(crate) struct Light {
    /// Where it is, in metres.
    pub(crate) position: [f32; 3],
    /// How far it reaches in metres; 0: without end; below 0: it comes from everywhere along `direction`.
    pub(crate) range: f32,
    /// Intensity (irradiance at one metre), or irradiance if it is a direction.
    pub(crate) color: [f32; 3],
    /// The cone: the cosine to the axis times this plus `cone_offset`, from 0 to 1, squared.
    pub(crate) cone_scale: f32,
    /// Where it shines to, of length 1.
    pub(crate) direction: [f32; 3],
    /// See `cone_scale`.
    pub(crate) cone_offset: f32,
}
