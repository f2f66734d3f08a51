//! The sun: its colour at a height, and the matrix of its shadow map.
use crate::bounds::Bounds;
use glam::{Mat3, Mat4, Vec3, Vec4};

/// Pixels along an edge of the shadow map.
pub(crate) const MAP: f32 = 2048.0;
/// Around a moving middle the map reaches so much farther than it must, and moves in steps of that size.
const SLACK: f32 = 0.125;
/// How much clear air straight above takes away of red, green and blue (as an exponent).
const OPTICAL_DEPTH: Vec3 = Vec3::new(0.10, 0.16, 0.32);

/// Returns the direction towards a sun at an azimuth (from north over east) and a height, in degrees.
pub(crate) fn direction(azimuth: f32, height: f32) -> Vec3 {
    let (a, h) = (azimuth.to_radians(), height.clamp(-90.0, 90.0).to_radians());
    Vec3::new(a.sin() * h.cos(), h.sin(), -a.cos() * h.cos())
}

/// Returns the colour of a sun at `height` degrees: 1 at the zenith, red and weak at the horizon, 0 below it.
///
/// The way through the air is Kasten and Young, "Revised optical air mass tables", Applied Optics 28, 1989.
pub(crate) fn color(height: f32) -> Vec3 {
    let above = height.max(0.0);
    let air_mass = 1.0 / (above.to_radians().sin() + 0.50572 * (above + 6.07995).powf(-1.6364));
    (-OPTICAL_DEPTH * (air_mass - 1.0)).exp() * smooth(-1.0, 1.0, height)
}

/// Returns how dark the day is with a sun at `height` degrees: 0 in daylight, 1 at dusk.
pub(crate) fn dusk(height: f32) -> f32 {
    1.0 - smooth(6.0, 30.0, height)
}

fn smooth(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Where a shadow map looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ShadowFit {
    /// World to the map's clip space; depth 1 is nearest to the sun.
    pub(crate) proj: Mat4,
    /// The edge of a pixel in metres.
    pub(crate) texel: f32,
}

impl ShadowFit {
    /// Fits the map to all of `casters` if `distance` reaches that far, else to what lies within `distance` of
    /// `near`. The result changes in steps only: a small move of `near` gives the same fit.
    pub(crate) fn new(to_sun: Vec3, casters: Bounds, near: Vec3, distance: f32) -> Self {
        let casters = if casters.is_empty() { Bounds { min: near, max: near } } else { casters };
        let turn = light_space(to_sun);
        let all = Bounds::of(casters.corners().map(|c| turn * c));
        let half = (all.max - all.min) * 0.5 + 1.0;
        let distance = if distance.is_finite() { distance.max(1.0) } else { f32::MAX };
        let (middle, reach) = if half.x.max(half.y) <= distance {
            (all.middle(), half)
        } else {
            let step = distance * SLACK;
            (((turn * near) / step).round() * step, Vec3::splat(distance + step))
        };
        let depth = half.z * 2.0;
        let scale = Vec3::new(1.0 / reach.x, 1.0 / reach.y, 1.0 / depth);
        let shift = Vec3::new(-middle.x / reach.x, -middle.y / reach.y, (1.0 - all.min.z) / depth);
        let fit = Mat4::from_cols(
            Vec4::new(scale.x, 0.0, 0.0, 0.0),
            Vec4::new(0.0, scale.y, 0.0, 0.0),
            Vec4::new(0.0, 0.0, scale.z, 0.0),
            shift.extend(1.0),
        );
        Self { proj: fit * Mat4::from_mat3(turn), texel: 2.0 * reach.x.max(reach.y) / MAP }
    }
}

/// Returns the turn that brings the direction to the sun onto +z.
fn light_space(to_sun: Vec3) -> Mat3 {
    let up = if to_sun.y.abs() > 0.99 { Vec3::NEG_Z } else { Vec3::Y };
    let x = up.cross(to_sun).normalize();
    Mat3::from_cols(x, to_sun.cross(x), to_sun).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CITY: Bounds = Bounds { min: Vec3::new(-700.0, 0.0, -600.0), max: Vec3::new(700.0, 90.0, 600.0) };

    fn project(fit: &ShadowFit, at: Vec3) -> Vec3 {
        fit.proj.project_point3(at)
    }

    #[test]
    fn azimuth_runs_from_north_over_east() {
        assert!(direction(0.0, 0.0).distance(Vec3::NEG_Z) < 1e-6);
        assert!(direction(90.0, 0.0).distance(Vec3::X) < 1e-6);
        assert!(direction(0.0, 90.0).distance(Vec3::Y) < 1e-6);
    }

    #[test]
    fn the_sun_reddens_towards_the_horizon_and_is_gone_below_it() {
        let noon = color(90.0);
        assert!(noon.distance(Vec3::ONE) < 0.01, "{noon}");
        let low = color(5.0);
        assert!(low.x > 1.5 * low.y && low.y > 2.0 * low.z && low.x < 0.6, "{low}");
        assert_eq!(color(-5.0), Vec3::ZERO);
        assert!(color(-90.0).is_finite() && dusk(-90.0) == 1.0 && dusk(60.0) == 0.0);
    }

    #[test]
    fn a_far_reaching_map_holds_the_whole_city_wherever_the_camera_is() {
        for sun in [direction(230.0, 12.0), direction(10.0, 90.0), direction(120.0, 1.0)] {
            let fit = ShadowFit::new(sun, CITY, Vec3::new(50.0, 30.0, 80.0), 2000.0);
            assert_eq!(fit, ShadowFit::new(sun, CITY, Vec3::ZERO, 2000.0));
            for p in CITY.corners().map(|c| project(&fit, c)) {
                assert!(p.abs().max_element() <= 1.0 && p.z >= 0.0, "{p}");
            }
            let (near, far) = (project(&fit, Vec3::Y * 20.0), project(&fit, Vec3::Y * 20.0 - sun * 10.0));
            assert!(near.z > far.z && (near - far).truncate().length() < 1e-4, "{near} {far}");
        }
    }

    #[test]
    fn a_near_map_follows_in_steps_and_always_covers_its_distance() {
        let sun = direction(230.0, 30.0);
        let mut fits = Vec::new();
        for i in 0..400 {
            let eye = Vec3::new(i as f32 * 0.25, 20.0, 0.0);
            let fit = ShadowFit::new(sun, CITY, eye, 100.0);
            for side in [Vec3::X, Vec3::NEG_X, Vec3::Z, Vec3::NEG_Z] {
                let p = project(&fit, eye + side * 100.0);
                assert!(p.truncate().abs().max_element() <= 1.0, "{eye} {p}");
            }
            if fits.last() != Some(&fit) {
                fits.push(fit);
            }
        }
        assert!(fits.len() < 40, "100 metres gave {} fits", fits.len());
    }
}
