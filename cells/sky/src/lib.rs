//! A cell: an HDR sky and the light it casts.
//!
//! It draws an equirectangular picture (`hdr`: OpenEXR or Radiance) behind everything: it stands before the cells
//! that draw the world, so it needs no depth. It publishes `sky_light`, from which others light their surfaces, and
//! draws `sky_mirror`, what surfaces of five roughnesses mirror: both without the sun, which is a light of its own.
//! The left edge of the picture looks north (-z) and its middle south; `rotation` turns it, in degrees, clockwise
//! seen from above. Below `haze` degrees it fades into its own mean colour at the horizon, which distant things of
//! other cells fade into as well.
mod half;
mod light;
mod panorama;

use camera_api::CameraView;
use cell::prelude::*;
use light::Environment;
use panorama::Panorama;
use sky_api::SkyLight;

signal_receptor! {
    name: sky_v1, shader: "sky.wgsl",
    params: { hdr: Asset, rotation: f32 = 0.0, intensity: f32 = 1.0, haze: f32 = 10.0, peak: f32 = 60.0 },
    input:  SkySees { camera: now Uniform<CameraView> },
    own:    SkyOwns { panorama: SealedTexture, calm: SealedTexture, due: Uniform<Due> },
    output: SkyMakes {
        scene_color: Screen<Rgba16Float, 1, 1>, sky_light: Uniform<SkyLight>,
        sky_mirror: TextureRef<Rgba16Float, 256, 256> = keep,
    },
}

/// Whether `sky_mirror` is drawn in this frame.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, cell::Gpu)]
struct Due {
    /// 1 if it is.
    mirror: u32,
}

/// After a change the mirror is drawn in so many frames, in case one of them is dropped.
const MIRROR_FRAMES: u32 = 2;
/// Pixels in a row of the picture that the mirror is made from.
const CALM_WIDTH: u32 = 256;

#[derive(Default)]
struct Sky {
    /// The picture, and a small one without the sun.
    pictures: Option<[Sealed<SealedTexture>; 2]>,
    environment: Environment,
    /// The light at a rotation and intensity; `None` after a load.
    light: Option<(f32, f32, SkyLight)>,
    /// In how many ticks to come the mirror is still drawn.
    mirror_due: u32,
}

impl Cell for Sky {
    fn load(&mut self, cx: &mut Load<sky_v1>) -> Result<(), LoadError> {
        let file = &cx.params().hdr;
        let picture = Panorama::decode(file, &cx.asset(file)?).map_err(LoadError::new)?;
        self.environment = Environment::new(&picture);
        let calm = self.environment.calm(&picture, CALM_WIDTH);
        let seal = |p: &Panorama| {
            let (bytes, mips) = p.to_texture();
            cx.seal_texture(TextureFormat::Rgba16Float, [p.width, p.height], mips, &bytes)
        };
        self.pictures = Some([seal(&picture)?, seal(&calm)?]);
        self.light = None;
        let (azimuth, height) = self.environment.sun_degrees();
        info!(
            "{file}: the brightest spot is at azimuth {azimuth:.1} plus `rotation`, height {height:.1} degrees"
        );
        Ok(())
    }

    fn tick(&mut self, cx: &mut Cx<sky_v1>) {
        let (rotation, intensity) = (cx.params().rotation, cx.params().intensity);
        let light = match self.light {
            Some((r, i, light)) if (r, i) == (rotation, intensity) => light,
            _ => {
                self.mirror_due = MIRROR_FRAMES;
                self.environment.light(rotation, intensity)
            }
        };
        self.light = Some((rotation, intensity, light));
        if *cx.sky_light().last() != light {
            cx.sky_light().set(&light);
        }
        let due = Due { mirror: self.mirror_due.min(1) };
        self.mirror_due = self.mirror_due.saturating_sub(1);
        if *cx.due().last() != due {
            cx.due().set(&due);
        }
    }

    fn passes(&self, p: &mut Passes<sky_v1>) {
        let Some([picture, small]) = &self.pictures else { return };
        p.full("sky").read(camera).read(sky_light).bind(panorama, picture).write(scene_color);
        p.draw("vs_mirror", "mirror")
            .read(due)
            .bind(calm, small)
            .write(sky_mirror)
            .draw(DrawCall::vertices(0, 3));
    }
}

cell::export!(Sky);
