//! Pictures of materials: decoding and mip levels.
use crate::{
    error::{Blame, SceneError},
    material::Content,
};
use image::{ImageFormat, ImageReader, Limits};
use std::io::Cursor;

/// The largest width and height in pixels.
const MAX_SIDE: u32 = 8192;

/// A picture with all its mip levels, four bytes a pixel, largest level first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Picture {
    /// Width in pixels.
    pub(crate) width: u32,
    /// Height in pixels.
    pub(crate) height: u32,
    /// Number of levels.
    pub(crate) mips: u32,
    /// All levels.
    pub(crate) bytes: Vec<u8>,
    /// sRGB with linear opacity, or plain numbers.
    pub(crate) content: Content,
}

impl Picture {
    /// Returns one pixel.
    pub(crate) fn plain(rgba: [u8; 4]) -> Self {
        Self { width: 1, height: 1, mips: 1, bytes: rgba.to_vec(), content: Content::Color }
    }

    /// Decodes a PNG or JPEG; `what` names it in messages.
    ///
    /// # Errors
    /// [`SceneError`] when it is neither, or not a whole one.
    pub(crate) fn decode(
        blame: Blame<'_>,
        what: &str,
        bytes: &[u8],
        content: Content,
    ) -> Result<Self, SceneError> {
        let format = match image::guess_format(bytes) {
            Ok(f @ (ImageFormat::Png | ImageFormat::Jpeg)) => f,
            _ => return Err(blame.unsupported(what, "is neither PNG nor JPEG; convert it to one of them")),
        };
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        let mut limits = Limits::default();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        reader.limits(limits);
        let cause = |e: image::ImageError| blame.broken(what, format_args!("cannot be read ({e})"));
        let rgba = reader.decode().map_err(cause)?.into_rgba8();
        let (width, height) = rgba.dimensions();
        if width == 0 || height == 0 {
            return Err(blame.broken(what, "has no pixels"));
        }
        Ok(Self::with_mips(width, height, rgba.into_raw(), content))
    }

    fn with_mips(width: u32, height: u32, level: Vec<u8>, content: Content) -> Self {
        let curve = Curve::new();
        let mut bytes = Vec::with_capacity(level.len() / 3 * 4 + 4);
        let (mut w, mut h, mut level, mut mips) = (width, height, level, 0);
        loop {
            bytes.extend_from_slice(&level);
            mips += 1;
            if w == 1 && h == 1 {
                return Self { width, height, mips, bytes, content };
            }
            level = match content {
                Content::Color => curve.halve(w, h, &level),
                Content::Data => halve(w, h, &level),
            };
            (w, h) = ((w / 2).max(1), (h / 2).max(1));
        }
    }
}

/// Returns the level below one of `w` by `h` pixels: each pixel is the mean of those it covers.
fn halve(w: u32, h: u32, level: &[u8]) -> Vec<u8> {
    let (half_w, half_h) = ((w / 2).max(1), (h / 2).max(1));
    let mut out = Vec::with_capacity((half_w * half_h * 4) as usize);
    for y in 0..half_h {
        for x in 0..half_w {
            let at = |dx: u32, dy: u32| ((2 * y + dy).min(h - 1) * w + (2 * x + dx).min(w - 1)) as usize * 4;
            let four = [at(0, 0), at(1, 0), at(0, 1), at(1, 1)];
            out.extend(
                (0..4)
                    .map(|c| (four.iter().map(|i| u32::from(level[i + c])).sum::<u32>() + 2) / 4)
                    .map(|v| v as u8),
            );
        }
    }
    out
}

/// The sRGB curve as tables: colours are averaged as light, not as numbers.
struct Curve {
    to_linear: [f32; 256],
    /// Indexed by linear light times 4095.
    to_srgb: Vec<u8>,
}

impl Curve {
    fn new() -> Self {
        let linear = |v: f32| if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) };
        let srgb = |v: f32| if v <= 0.003_130_8 { v * 12.92 } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
        Self {
            to_linear: std::array::from_fn(|i| linear(i as f32 / 255.0)),
            to_srgb: (0..4096).map(|i| (srgb(i as f32 / 4095.0) * 255.0).round() as u8).collect(),
        }
    }

    /// Returns the level below one of `w` by `h` pixels: each pixel is the mean of those it covers.
    fn halve(&self, w: u32, h: u32, level: &[u8]) -> Vec<u8> {
        let (half_w, half_h) = ((w / 2).max(1), (h / 2).max(1));
        let mut out = Vec::with_capacity((half_w * half_h * 4) as usize);
        for y in 0..half_h {
            for x in 0..half_w {
                let (mut light, mut opacity) = ([0.0; 3], 0u32);
                for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                    let at = (2 * y + dy).min(h - 1) * w + (2 * x + dx).min(w - 1);
                    let p = &level[at as usize * 4..at as usize * 4 + 4];
                    for (sum, v) in light.iter_mut().zip(p) {
                        *sum += 0.25 * self.to_linear[usize::from(*v)];
                    }
                    opacity += u32::from(p[3]);
                }
                out.extend(light.map(|v| self.to_srgb[(v * 4095.0).round().min(4095.0) as usize]));
                out.push((opacity / 4) as u8);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLAME: Blame<'_> = Blame { file: "a.glb" };

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        let pixels = image::RgbaImage::from_fn(width, height, |x, y| image::Rgba([x as u8, y as u8, 7, 255]));
        pixels.write_to(&mut out, ImageFormat::Png).expect("writes to memory");
        out.into_inner()
    }

    #[test]
    fn a_png_gets_levels_down_to_one_pixel() {
        let p = Picture::decode(BLAME, "image 0", &png(6, 3), Content::Color).expect("a PNG");
        assert_eq!((p.width, p.height, p.mips), (6, 3, 3));
        assert_eq!(p.bytes.len(), (18 + 3 + 1) * 4);
    }

    #[test]
    fn black_and_white_average_to_half_the_light_and_numbers_to_their_mean() {
        let level = vec![0, 0, 0, 255, 255, 255, 255, 255];
        let p = Picture::with_mips(2, 1, level.clone(), Content::Color);
        assert_eq!(p.bytes[8..], [188, 188, 188, 255]);
        let p = Picture::with_mips(2, 1, level, Content::Data);
        assert_eq!(p.bytes[8..], [128, 128, 128, 255]);
    }

    #[test]
    fn equal_colours_stay_what_they_are() {
        for v in 0..=255u8 {
            let p = Picture::with_mips(2, 2, [v, v, v, v].repeat(4), Content::Color);
            let tolerance = 13 / u8::max(v, 1);
            assert!(p.bytes[16].abs_diff(v) <= tolerance, "{v} became {}", p.bytes[16]);
            assert_eq!(p.bytes[19], v);
        }
    }

    #[test]
    fn cut_and_strange_pictures_are_errors_that_name_the_image() {
        let bytes = png(9, 9);
        for cut in 0..bytes.len() - 12 {
            let e =
                Picture::decode(BLAME, "image 4", &bytes[..cut], Content::Data).expect_err("cut").to_string();
            assert!(e.starts_with("a.glb: image 4 "), "{e}");
        }
        assert!(Picture::decode(BLAME, "image 4", b"GIF89a", Content::Color).is_err());
    }
}
