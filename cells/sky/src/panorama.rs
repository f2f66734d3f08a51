//! An equirectangular picture: decoding, halving, bytes for the GPU.
use crate::half;
use image::{ImageFormat, ImageReader, Limits};
use std::io::Cursor;

/// The largest width and height in pixels.
const MAX_SIDE: u32 = 16384;
/// The most bytes the decoder may take.
const MAX_BYTES: u64 = 2 << 30;

/// Why a file is no sky.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SkyError {
    /// Neither of the formats.
    #[error("{file}: this is neither an OpenEXR nor a Radiance HDR picture; export the sky as .exr or .hdr")]
    Format {
        /// The asset.
        file: String,
    },
    /// The decoder gave up.
    #[error("{file}: the picture cannot be read ({cause}); is the file complete?")]
    Decode {
        /// The asset.
        file: String,
        /// What the decoder says.
        cause: String,
    },
}

/// A picture of the whole sphere around the eye: row 0 at the top, column 0 looks north.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Panorama {
    /// Pixels in a row, at least 1.
    pub(crate) width: u32,
    /// Rows, at least 1.
    pub(crate) height: u32,
    /// Linear radiance, all finite and at least 0.
    pub(crate) pixels: Vec<[f32; 3]>,
}

impl Panorama {
    /// Decodes `bytes` of the asset `file`.
    ///
    /// # Errors
    /// [`SkyError`] when the bytes are no OpenEXR or Radiance picture, or not a whole one.
    pub(crate) fn decode(file: &str, bytes: &[u8]) -> Result<Self, SkyError> {
        let format = match image::guess_format(bytes) {
            Ok(f @ (ImageFormat::OpenExr | ImageFormat::Hdr)) => f,
            _ => return Err(SkyError::Format { file: file.into() }),
        };
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        let mut limits = Limits::default();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        limits.max_alloc = Some(MAX_BYTES);
        reader.limits(limits);
        let picture = reader
            .decode()
            .map_err(|e| SkyError::Decode { file: file.into(), cause: e.to_string() })?
            .into_rgb32f();
        let (width, height) = picture.dimensions();
        if width == 0 || height == 0 {
            return Err(SkyError::Decode { file: file.into(), cause: "it has no pixels".into() });
        }
        let clean = |v: f32| if v.is_finite() { v.max(0.0) } else { 0.0 };
        let pixels = picture.pixels().map(|p| p.0.map(clean)).collect();
        Ok(Self { width, height, pixels })
    }

    /// Returns the picture at half the size, each pixel the mean of those it covers.
    pub(crate) fn halved(&self) -> Self {
        let (width, height) = ((self.width / 2).max(1), (self.height / 2).max(1));
        let mut pixels = Vec::with_capacity((width * height) as usize);
        for y in 0..height {
            let rows = [(2 * y).min(self.height - 1), (2 * y + 1).min(self.height - 1)];
            for x in 0..width {
                let columns = [(2 * x).min(self.width - 1), (2 * x + 1).min(self.width - 1)];
                let mut sum = [0.0; 3];
                for row in rows {
                    for column in columns {
                        let p = self.pixels[(row * self.width + column) as usize];
                        for (s, v) in sum.iter_mut().zip(p) {
                            *s += 0.25 * v;
                        }
                    }
                }
                pixels.push(sum);
            }
        }
        Self { width, height, pixels }
    }

    /// Returns the bytes of an `Rgba16Float` texture with all its mip levels, and their number.
    pub(crate) fn to_texture(&self) -> (Vec<u8>, u32) {
        let mut bytes = Vec::with_capacity(self.pixels.len() * 11);
        let one = half::from_f32(1.0).to_le_bytes();
        let mut level = self.clone();
        let mut mips = 0;
        loop {
            for p in &level.pixels {
                for v in p {
                    bytes.extend(half::from_f32(*v).to_le_bytes());
                }
                bytes.extend(one);
            }
            mips += 1;
            if level.width == 1 && level.height == 1 {
                return (bytes, mips);
            }
            level = level.halved();
        }
    }
}

#[cfg(test)]
#[path = "../../../fuzz/src/mutate.rs"]
mod mutate;

#[cfg(test)]
mod tests {
    use super::*;
    use mutate::{Random, mutate};

    fn radiance_file() -> Vec<u8> {
        let mut bytes = Vec::new();
        let pixels: Vec<_> = (0..32).map(|i| image::Rgb([i as f32, 0.5, 100.0])).collect();
        image::codecs::hdr::HdrEncoder::new(&mut bytes).encode(&pixels, 8, 4).expect("writes to memory");
        bytes
    }

    #[test]
    fn a_radiance_picture_is_read_and_each_cut_of_it_is_an_error_with_its_name() {
        let bytes = radiance_file();
        let p = Panorama::decode("a.hdr", &bytes).expect("whole");
        assert_eq!((p.width, p.height, p.pixels.len()), (8, 4, 32));
        assert!((p.pixels[9][0] - 9.0).abs() < 0.1 && (p.pixels[9][2] - 100.0).abs() < 1.0);
        for cut in 0..bytes.len() {
            let e = Panorama::decode("a.hdr", &bytes[..cut]).expect_err("cut").to_string();
            assert!(e.starts_with("a.hdr: "), "{e}");
        }
    }

    fn openexr_file() -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let picture = image::Rgb32FImage::from_fn(8, 4, |x, y| image::Rgb([x as f32, y as f32, 100.0]));
        picture.write_to(&mut bytes, ImageFormat::OpenExr).expect("writes to memory");
        bytes.into_inner()
    }

    /// As the targets of `fuzz/`, which know no cells.
    #[test]
    fn a_changed_picture_is_read_whole_or_refused_by_name() {
        let seeds = [radiance_file(), openexr_file()];
        let words: [&[u8]; 4] = [b"-Y 1 +X ", b"\n\n", b"compression\0", b"dataWindow\0"];
        let (mut random, mut read) = (Random::new(9), 0);
        for _ in 0..6000 {
            match Panorama::decode("a.hdr", &mutate(&seeds, &words, &mut random)) {
                Ok(p) => {
                    assert_eq!(p.pixels.len(), p.width as usize * p.height as usize);
                    assert!(p.pixels.iter().flatten().all(|v| v.is_finite() && *v >= 0.0));
                    read += 1;
                }
                Err(e) => assert!(e.to_string().starts_with("a.hdr: "), "{e}"),
            }
        }
        assert!(read > 100, "{read}");
    }

    #[test]
    fn garbage_is_an_error() {
        for bytes in [
            &b""[..],
            b"PNG",
            &[0x76, 0x2f, 0x31, 0x01, 2, 0, 0, 0, 9, 9],
            b"#?RADIANCE\n\n-Y 9999999 +X 9999999\n",
        ] {
            assert!(Panorama::decode("x", bytes).is_err());
        }
    }

    #[test]
    fn mips_end_at_one_pixel_that_is_the_mean() {
        let p = Panorama { width: 4, height: 2, pixels: (0..8).map(|i| [i as f32; 3]).collect() };
        let (bytes, mips) = p.to_texture();
        assert_eq!((mips, bytes.len()), (3, (8 + 2 + 1) * 8));
        assert_eq!(p.halved().halved().pixels, [[3.5; 3]]);
        assert_eq!(bytes[bytes.len() - 8..bytes.len() - 6], half::from_f32(3.5).to_le_bytes());
    }
}
