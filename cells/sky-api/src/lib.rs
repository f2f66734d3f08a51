//! What the `sky` cell shares with the cells that are lit by it: a sky's light in a few numbers.
//!
//! A cell that wants light from the sky reads `sky_light: Uniform<SkyLight>`. Without a sky in the scene it
//! reads zeros. This crate holds the layout only.
//!
//! What surfaces mirror is a texture of the same cell, `sky_mirror: TextureRef<Rgba16Float, 256, 256>` with the start
//! value `keep`. Its upper half is the sky as a mirror shows it, 256 x 128; the lower half are four blurred ones of
//! 128 x 64, for roughness 0.25 and 0.5 above 0.75 and 1. In each, columns go from north over east to north again
//! and rows from straight up to straight down; the first and the last of both are the same directions, so that
//! nothing bleeds over an edge. The sun is not in it: it is `sun_direction` and `sun_color`.

/// The light of a sky: linear colours, directions with y up, north at -z and east at +x.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, cell::Gpu)]
pub struct SkyLight {
    /// Irradiance as 9 spherical harmonics (r, g, b, 0), the cosine lobe and the basis' constants folded in.
    /// For a surface with normal (x, y, z) the irradiance is the sum of these times
    /// 1, y, z, x, xy, yz, 3z²-1, xz, x²-y², in this order.
    pub irradiance: [[f32; 4]; 9],
    /// Mean radiance just above the horizon (r, g, b, 0), every 45 degrees of azimuth from north over east;
    /// the last is the first again.
    pub horizon: [[f32; 4]; 9],
    /// Towards the brightest spot, of length 1.
    pub sun_direction: [f32; 3],
    /// Zero.
    pub reserved: f32,
    /// Irradiance that the brightest spot casts on a surface that faces it; not part of `irradiance`.
    pub sun_color: [f32; 3],
    /// The factor that scales all of these.
    pub intensity: f32,
}
