//! A cell: an HDR sky and the light it casts.
//!
//! It draws an equirectangular picture (`hdr`: OpenEXR or Radiance) behind everything: it stands before the cells
//! that draw the world, so it needs no depth. It publishes `sky_light`, from which others light their surfaces.
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
    own:    SkyOwns { panorama: SealedTexture },
    output: SkyMakes { scene_color: Screen<Rgba16Float, 1, 1>, sky_light: Uniform<SkyLight> },
}

#[derive(Default)]
struct Sky {
    picture: Option<Sealed<SealedTexture>>,
    environment: Environment,
    /// The light at a rotation and intensity; `None` after a load.
    light: Option<(f32, f32, SkyLight)>,
}

impl Cell for Sky {
    fn load(&mut self, cx: &mut Load<sky_v1>) -> Result<(), LoadError> {
        let file = &cx.params().hdr;
        let picture = Panorama::decode(file, &cx.asset(file)?).map_err(LoadError::new)?;
        let (bytes, mips) = picture.to_texture();
        self.picture = Some(cx.seal_texture(
            TextureFormat::Rgba16Float,
            [picture.width, picture.height],
            mips,
            &bytes,
        )?);
        self.environment = Environment::new(&picture);
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
            _ => self.environment.light(rotation, intensity),
        };
        self.light = Some((rotation, intensity, light));
        if *cx.sky_light().last() != light {
            cx.sky_light().set(&light);
        }
    }

    fn passes(&self, p: &mut Passes<sky_v1>) {
        let Some(picture) = &self.picture else { return };
        p.full("sky").read(camera).read(sky_light).bind(panorama, picture).write(scene_color);
    }
}

cell::export!(Sky);
