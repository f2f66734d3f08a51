//! The light of a picture of the sky.
//!
//! Irradiance as nine spherical harmonics: Ravi Ramamoorthi and Pat Hanrahan, "An Efficient Representation for
//! Irradiance Environment Maps", SIGGRAPH 2001 (the factors of the cosine lobe are its equation 8: π, 2π/3, π/4).
use crate::panorama::Panorama;
use glam::Vec3;
use sky_api::SkyLight;
use std::f32::consts::{FRAC_PI_4, PI, TAU};

/// Radiance above this many times the mean belongs to the sun.
const SUN_ABOVE: f32 = 12.0;
/// Widest picture that the sums run over; larger ones are halved first.
const SUMMED_WIDTH: u32 = 128;
/// The band above the horizon whose mean is [`SkyLight::horizon`], in degrees.
const BAND: (f32, f32) = (2.0, 12.0);

/// The squares of the constants of the nine basis functions, times the factor of the cosine lobe of their band.
const FOLDED: [f32; 9] = [
    0.282_095 * 0.282_095 * PI,
    0.488_603 * 0.488_603 * TAU / 3.0,
    0.488_603 * 0.488_603 * TAU / 3.0,
    0.488_603 * 0.488_603 * TAU / 3.0,
    1.092_548 * 1.092_548 * FRAC_PI_4,
    1.092_548 * 1.092_548 * FRAC_PI_4,
    0.315_392 * 0.315_392 * FRAC_PI_4,
    1.092_548 * 1.092_548 * FRAC_PI_4,
    0.546_274 * 0.546_274 * FRAC_PI_4,
];

/// The nine basis functions without their constants.
fn basis(d: Vec3) -> [f32; 9] {
    let Vec3 { x, y, z } = d;
    [1.0, y, z, x, x * y, y * z, 3.0 * z * z - 1.0, x * z, x * x - y * y]
}

/// A small picture of the sky, split into its sun and the rest: enough for all sums.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// Where a pixel is: azimuth in radians from the picture's left edge and height in radians; how much of the
    /// sphere it covers; its radiance without the sun.
    rest: Vec<(f32, f32, f32, Vec3)>,
    /// Luminance above which light is the sun's.
    limit: f32,
    sun_azimuth: f32,
    sun_height: f32,
    sun_color: Vec3,
}

impl Environment {
    /// Measures a picture.
    pub(crate) fn new(picture: &Panorama) -> Self {
        let mut small = picture.clone();
        while small.width > SUMMED_WIDTH {
            small = small.halved();
        }
        let (w, h) = (small.width as f32, small.height as f32);
        let pixel = |i: usize| {
            let (x, y) = (i as u32 % small.width, i as u32 / small.width);
            let (azimuth, height) = ((x as f32 + 0.5) / w * TAU, PI * (0.5 - (y as f32 + 0.5) / h));
            (azimuth, height, TAU / w * PI / h * height.cos(), Vec3::from(small.pixels[i]))
        };
        let all: Vec<_> = (0..small.pixels.len()).map(pixel).collect();
        let mean = all.iter().map(|(.., solid, c)| solid * luminance(*c)).sum::<f32>() / (2.0 * TAU);
        let limit = (SUN_ABOVE * mean).max(1e-6);

        let mut env = Self { limit, ..Self::default() };
        let mut towards = Vec3::ZERO;
        for (azimuth, height, solid, color) in all {
            let keep = without_sun(color, limit);
            let excess = (color - keep) * solid;
            env.sun_color += excess;
            towards += direction(azimuth, height) * luminance(excess);
            env.rest.push((azimuth, height, solid, keep));
        }
        let towards = towards.try_normalize().unwrap_or_else(|| brightest(&env.rest));
        env.sun_azimuth = towards.x.atan2(-towards.z).rem_euclid(TAU);
        env.sun_height = towards.y.clamp(-1.0, 1.0).asin();
        env
    }

    /// Returns the picture without the sun, at most `width` pixels wide: what surfaces mirror.
    pub(crate) fn calm(&self, picture: &Panorama, width: u32) -> Panorama {
        let mut small = picture.clone();
        while small.width > width {
            small = small.halved();
        }
        for p in &mut small.pixels {
            *p = without_sun(Vec3::from(*p), self.limit).to_array();
        }
        small
    }

    /// Returns the azimuth and the height of the sun at rotation 0, in degrees.
    pub(crate) fn sun_degrees(&self) -> (f32, f32) {
        (self.sun_azimuth.to_degrees(), self.sun_height.to_degrees())
    }

    /// Returns the light with the picture turned by `rotation` degrees and scaled by `intensity`.
    pub(crate) fn light(&self, rotation: f32, intensity: f32) -> SkyLight {
        let turn = rotation.to_radians();
        let mut sh = [Vec3::ZERO; 9];
        let mut horizon = [(Vec3::ZERO, 0.0); 8];
        for &(azimuth, height, solid, color) in &self.rest {
            let azimuth = azimuth + turn;
            let light = color * solid;
            for (sum, b) in sh.iter_mut().zip(basis(direction(azimuth, height))) {
                *sum += light * b;
            }
            if (BAND.0..BAND.1).contains(&height.to_degrees()) {
                let at = (azimuth / FRAC_PI_4).rem_euclid(8.0);
                let (low, part) = (at as usize % 8, at.fract());
                for (bin, weight) in [(low, 1.0 - part), ((low + 1) % 8, part)] {
                    horizon[bin].0 += light * weight;
                    horizon[bin].1 += solid * weight;
                }
            }
        }
        let mean = |(sum, solid): (Vec3, f32)| (sum / solid.max(1e-9) * intensity).extend(0.0).to_array();
        SkyLight {
            irradiance: std::array::from_fn(|i| (sh[i] * FOLDED[i] * intensity).extend(0.0).to_array()),
            horizon: std::array::from_fn(|i| mean(horizon[i % 8])),
            sun_direction: direction(self.sun_azimuth + turn, self.sun_height).to_array(),
            reserved: 0.0,
            sun_color: (self.sun_color * intensity).to_array(),
            intensity,
        }
    }
}

/// Returns the direction at an azimuth (from north, clockwise) and a height, in radians.
fn direction(azimuth: f32, height: f32) -> Vec3 {
    Vec3::new(azimuth.sin() * height.cos(), height.sin(), -azimuth.cos() * height.cos())
}

fn without_sun(color: Vec3, limit: f32) -> Vec3 {
    color * (limit / luminance(color).max(limit))
}

fn brightest(pixels: &[(f32, f32, f32, Vec3)]) -> Vec3 {
    let most = pixels.iter().max_by(|a, b| luminance(a.3).total_cmp(&luminance(b.3)));
    most.map_or(Vec3::Y, |p| direction(p.0, p.1))
}

fn luminance(c: Vec3) -> f32 {
    c.dot(Vec3::new(0.2126, 0.7152, 0.0722))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, f: impl Fn(f32, f32) -> f32) -> Panorama {
        let height = width / 2;
        let pixels = (0..width * height)
            .map(|i| {
                let (x, y) = (i % width, i / width);
                let at = |k: u32, n: u32| (k as f32 + 0.5) / n as f32;
                [f(at(x, width) * 360.0, 90.0 - at(y, height) * 180.0); 3]
            })
            .collect();
        Panorama { width, height, pixels }
    }

    fn irradiance(light: &SkyLight, normal: Vec3) -> f32 {
        basis(normal).iter().zip(light.irradiance).map(|(b, c)| b * c[0]).sum()
    }

    #[test]
    fn an_even_sky_of_one_casts_pi_everywhere() {
        let light = Environment::new(&picture(64, |_, _| 1.0)).light(0.0, 1.0);
        for n in [Vec3::X, Vec3::Y, Vec3::NEG_Z, Vec3::ONE.normalize()] {
            assert!((irradiance(&light, n) - PI).abs() < 0.02, "{n}: {}", irradiance(&light, n));
        }
        assert!(light.horizon.iter().all(|c| (c[0] - 1.0).abs() < 1e-3), "{:?}", light.horizon);
        assert_eq!(light.sun_color, [0.0; 3]);
    }

    #[test]
    fn a_bright_upper_half_lights_what_looks_up() {
        let light = Environment::new(&picture(64, |_, height| f32::from(height > 0.0))).light(0.0, 2.0);
        assert!((irradiance(&light, Vec3::Y) - 2.0 * PI).abs() < 0.1);
        assert!((irradiance(&light, Vec3::X) - PI).abs() < 0.1);
        assert!(irradiance(&light, Vec3::NEG_Y).abs() < 0.1);
    }

    #[test]
    fn the_sun_is_found_taken_out_and_turned() {
        let sky = |azimuth: f32, height: f32| {
            if (azimuth - 90.0).abs() < 3.0 && (height - 20.0).abs() < 3.0 { 5000.0 } else { 1.0 }
        };
        let env = Environment::new(&picture(256, sky));
        let (azimuth, height) = env.sun_degrees();
        assert!((azimuth - 90.0).abs() < 1.5 && (height - 20.0).abs() < 1.5, "{azimuth} {height}");
        let east = Vec3::from(env.light(0.0, 1.0).sun_direction);
        assert!(east.x > 0.9, "{east}");
        let turned = env.light(90.0, 1.0);
        assert!(turned.sun_direction[2] > 0.9, "east turned clockwise is south: {:?}", turned.sun_direction);
        // 6 x 6 degrees of 5000, less what stays in the sky.
        let expected = 5000.0 * 6f32.to_radians().powi(2) * 20f32.to_radians().cos();
        assert!((turned.sun_color[0] / expected - 1.0).abs() < 0.2, "{} {expected}", turned.sun_color[0]);
    }

    #[test]
    fn what_surfaces_mirror_has_no_sun() {
        let sun = |azimuth: f32, height: f32| {
            if (azimuth - 90.0).abs() < 3.0 && (height - 20.0).abs() < 3.0 { 5000.0 } else { 1.0 }
        };
        let picture = picture(256, sun);
        let calm = Environment::new(&picture).calm(&picture, 128);
        assert_eq!((calm.width, calm.height), (128, 64));
        let most = calm.pixels.iter().map(|p| p[0]).fold(0.0, f32::max);
        assert!(most > 1.0 && most < 200.0, "{most}");
        assert!((calm.pixels[0][0] - 1.0).abs() < 1e-3, "the rest stays");
    }

    #[test]
    fn the_horizon_follows_the_rotation() {
        let env = Environment::new(&picture(128, |azimuth, _| f32::from((80.0..100.0).contains(&azimuth))));
        let brightest = |rotation| {
            let h = env.light(rotation, 1.0).horizon;
            (0..8).max_by(|a, b| h[*a][0].total_cmp(&h[*b][0]))
        };
        assert_eq!((brightest(0.0), brightest(45.0)), (Some(2), Some(3)));
    }
}
