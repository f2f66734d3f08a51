//! Reading back what the GPU drew.
use crate::{FrameIndex, ports::Format, raw};
use cell_abi::{PortView, ports::TextureFormat};
use core::{fmt, marker::PhantomData};

/// What a `readback` port held at the frame's start: the newest pixels of its texture that have come back from the GPU.
///
/// They are those of a frame some frames ago: two in lockstep, otherwise as many as the GPU is behind. Nothing waits
/// for them; until newer ones are there, a tick sees the old ones, and before the first it sees none.
///
/// ```no_run
/// use cell::prelude::*;
///
/// signal_receptor! {
///     name: iris_v1, shader: "iris.wgsl",
///     input:  IrisReads { scene_color: Screen<Rgba16Float, 1, 1> },
///     own:    IrisOwns { brightness: readback TextureRef<R32Float, 1, 1> },
///     output: IrisWrites { exposure: Uniform<f32> },
/// }
///
/// #[derive(Default)]
/// struct Iris { open: f32 }
///
/// impl Cell for Iris {
///     fn passes(&self, p: &mut Passes<iris_v1>) {
///         p.full("average").read(scene_color).write(brightness);
///     }
///     fn tick(&mut self, cx: &mut Cx<iris_v1>) {
///         let seen = cx.brightness();
///         if seen.has_arrived() {
///             self.open += (0.18 / seen.at(0, 0)[0].max(1e-3) - self.open) * 2.0 * cx.dt();
///         }
///         cx.exposure().set(&self.open);
///     }
/// }
/// # fn main() {}
/// ```
pub struct Pixels<'r, F> {
    bytes: &'r [u8],
    size_px: [u32; 2],
    frame: Option<FrameIndex>,
    format: PhantomData<fn() -> F>,
}

impl<'r, F: Format> Pixels<'r, F> {
    pub(crate) fn new(port: &'r PortView, size_px: [u32; 2]) -> Self {
        let bytes = raw::slot_bytes(&port.read);
        let whole = size_px[0] as usize * size_px[1] as usize * F::FORMAT.bytes() as usize;
        // All or nothing, so that nobody looks for a pixel that is not there.
        let (bytes, frame) = match bytes.get(..whole) {
            Some(bytes) => (bytes, Some(FrameIndex(port.read.frame))),
            None => (&[][..], None),
        };
        Self { bytes, size_px, frame, format: PhantomData }
    }

    /// Returns whether any pixels have come back yet.
    #[must_use]
    pub fn has_arrived(&self) -> bool {
        self.frame.is_some()
    }

    /// Returns the frame in which they were drawn.
    #[must_use]
    pub fn frame(&self) -> Option<FrameIndex> {
        self.frame
    }

    /// Returns the texture's size, `[width, height]`.
    #[must_use]
    pub fn size_px(&self) -> [u32; 2] {
        self.size_px
    }

    /// Returns the pixels in the form in which they lie in memory, row by row from the top, without gaps; none before
    /// the first have come back. A half float is its bits in a `u16`.
    #[must_use]
    pub fn texels(&self) -> &'r [F::Texel] {
        raw::texels(self.bytes)
    }

    /// Returns the pixel in column `x` of row `y`, counted from the top left, as a shader would load it: red, green, blue,
    /// alpha, with 0, 0, 1 in the place of channels that the format does not have. Integers beyond 2^24 are rounded: take
    /// them from [`Pixels::texels`]. Before the first have come back it is all zeros.
    ///
    /// # Panics
    /// Outside of the texture.
    #[must_use]
    pub fn at(&self, x: u32, y: u32) -> [f32; 4] {
        let [width, height] = self.size_px;
        assert!(x < width && y < height, "({x}, {y}) is outside of a texture of {width}x{height}");
        let bytes = F::FORMAT.bytes() as usize;
        let at = (y as usize * width as usize + x as usize) * bytes;
        self.bytes.get(at..at + bytes).map_or([0.0; 4], |texel| channels(F::FORMAT, texel))
    }
}

impl<F: Format> Clone for Pixels<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F: Format> Copy for Pixels<'_, F> {}

impl<F: Format> fmt::Debug for Pixels<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pixels")
            .field("format", &F::FORMAT)
            .field("size_px", &self.size_px)
            .field("frame", &self.frame)
            .finish_non_exhaustive()
    }
}

/// Returns the channels of a pixel as a shader loads them.
fn channels(format: TextureFormat, texel: &[u8]) -> [f32; 4] {
    use TextureFormat as F;
    let unorm = |n: usize| f32::from(texel[n]) / 255.0;
    let half = |n: usize| from_half(u16::from_le_bytes([texel[n * 2], texel[n * 2 + 1]]));
    let word = |n: usize| u32::from_le_bytes([texel[n], texel[n + 1], texel[n + 2], texel[n + 3]]);
    let float = |n: usize| f32::from_bits(word(n * 4));
    match format {
        F::Rgba8Unorm => [unorm(0), unorm(1), unorm(2), unorm(3)],
        F::Rgba8UnormSrgb => {
            let [r, g, b] = [unorm(0), unorm(1), unorm(2)].map(from_srgb);
            [r, g, b, unorm(3)]
        }
        F::R8Unorm => [unorm(0), 0.0, 0.0, 1.0],
        F::Rg8Unorm => [unorm(0), unorm(1), 0.0, 1.0],
        F::Rgba16Float => [half(0), half(1), half(2), half(3)],
        F::Rg16Float => [half(0), half(1), 0.0, 1.0],
        F::R16Float => [half(0), 0.0, 0.0, 1.0],
        F::Rgba32Float => [float(0), float(1), float(2), float(3)],
        F::R32Float | F::Depth32Float => [float(0), 0.0, 0.0, 1.0],
        F::R32Uint => [word(0) as f32, 0.0, 0.0, 1.0],
        // Half floats without a sign and with fewer bits behind the point.
        F::Rg11b10Ufloat => {
            let bits = word(0);
            let red_green = |at: u32| from_half(((bits >> at) & 0x7ff) as u16 * 16);
            [red_green(0), red_green(11), from_half((bits >> 22) as u16 * 32), 1.0]
        }
    }
}

/// Returns what a half float holds (IEEE 754 binary16).
fn from_half(bits: u16) -> f32 {
    let (exponent, fraction) = ((bits >> 10) & 0x1f, f32::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction * 2.0_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2.0_f32.powi(i32::from(exponent) - 25),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}

/// Returns the linear value of an sRGB channel (IEC 61966-2-1).
fn from_srgb(c: f32) -> f32 {
    if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_floats_are_what_ieee_says() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x0400, 6.103_515_6e-5),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(from_half(bits), value, "{bits:#06x}");
        }
        assert!(from_half(0x8000).is_sign_negative() && from_half(0x7e00).is_nan());
        let all = (0..0x7c00).map(from_half);
        assert!(all.clone().zip(all.skip(1)).all(|(a, b)| a < b), "each step is up");
    }

    #[test]
    fn channels_are_those_that_a_shader_loads() {
        use TextureFormat as F;
        assert_eq!(channels(F::Rgba8Unorm, &[255, 0, 51, 102]), [1.0, 0.0, 0.2, 0.4]);
        let srgb = channels(F::Rgba8UnormSrgb, &[188, 255, 0, 51]);
        assert!((srgb[0] - 0.5029).abs() < 1e-3 && srgb[1..] == [1.0, 0.0, 0.2], "{srgb:?}");
        assert_eq!(channels(F::R8Unorm, &[255]), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(channels(F::Rg16Float, &[0, 0x3c, 0, 0xc0]), [1.0, -2.0, 0.0, 1.0]);
        assert_eq!(channels(F::Depth32Float, &0.75_f32.to_le_bytes()), [0.75, 0.0, 0.0, 1.0]);
        assert_eq!(channels(F::R32Uint, &7_u32.to_le_bytes()), [7.0, 0.0, 0.0, 1.0]);
        // 1, 2 and 0.5: exponents 15, 16 and 14 over 6, 6 and 5 bits.
        let packed = 15 << 6 | (16 << 6) << 11 | (14_u32 << 5) << 22;
        assert_eq!(channels(F::Rg11b10Ufloat, &packed.to_le_bytes()), [1.0, 2.0, 0.5, 1.0]);
        for format in F::ALL {
            assert!(channels(*format, &[0; 16])[0] == 0.0, "{format:?}");
        }
    }
}
