//! From parameters to what the shader knows of sun and lamps.
use crate::{
    Params,
    bounds::Bounds,
    gpu::SunLight,
    sun::{self, ShadowFit},
};
use glam::Vec3;

/// The most lamps along one axis.
const MAX_LAMPS: f32 = 128.0;
/// The least distance of two lamps in metres.
const MIN_SPACING: f32 = 2.0;

/// Returns the sun of the parameters with a shadow map for a camera at `eye`, the field of lamps, and how many
/// lights the file has.
pub(crate) fn sun_light(params: &Params, casters: Bounds, eye: Vec3, lights: usize) -> SunLight {
    let sun = &params.sun;
    let direction = sun::direction(sun.azimuth, sun.height);
    let fit = ShadowFit::new(direction, casters, eye, params.shadow_distance);
    SunLight {
        shadow_proj: fit.proj.to_cols_array_2d(),
        direction: direction.to_array(),
        dusk: sun::dusk(sun.height),
        color: (sun::color(sun.height) * sun.strength * Vec3::from(sun.tint)).to_array(),
        texel: fit.texel,
        lamps_at: if casters.is_empty() { [0.0; 2] } else { [casters.min.x, casters.min.z] },
        lamps: lamp_counts(params.lamps.spacing, casters),
        lights: [lights as u32, 0, 0, 0],
    }
}

/// Returns how many lamps stand along x and z.
pub(crate) fn lamp_counts(spacing: f32, casters: Bounds) -> [u32; 2] {
    if casters.is_empty() || spacing.is_nan() || spacing < MIN_SPACING {
        return [0; 2];
    }
    let size = casters.max - casters.min;
    [size.x, size.z].map(|s| (s / spacing).ceil().clamp(1.0, MAX_LAMPS) as u32)
}
