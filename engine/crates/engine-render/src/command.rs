//! What the host tells the renderer besides packets: shaders, sealed data, windows.
use crate::config::SurfaceSource;
use cell_abi::ports::TextureFormat;
use engine_frame::{packet::Packet, plan::ShaderId};
use std::sync::Arc;

/// A cell's shader.
#[derive(Clone, Debug)]
pub struct ShaderSource {
    /// The shader.
    pub id: ShaderId,
    /// The file as messages name it.
    pub path: String,
    /// The engine's declarations, put in front of the file (see `engine_frame::wgsl`).
    pub header: String,
    /// The file's text.
    pub body: String,
    /// Whose code it is.
    pub origin: ShaderOrigin,
}

/// Whose code a shader is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShaderOrigin {
    /// Our own: it is compiled as it is written.
    #[default]
    Own,
    /// A stranger's: its loops end, as [`FUEL`](crate::FUEL) says.
    Untrusted,
}

/// Bytes written once, bound as a texture or a buffer. The renderer keeps them for the day the device is lost.
#[derive(Clone)]
pub struct SealedData {
    /// The id that draws name.
    pub id: u64,
    /// What it becomes.
    pub kind: SealedShape,
    /// The bytes.
    pub bytes: Arc<dyn AsRef<[u8]> + Send + Sync>,
}

impl std::fmt::Debug for SealedData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let len = (*self.bytes).as_ref().len();
        f.debug_struct("SealedData")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("len", &len)
            .finish()
    }
}

/// What sealed bytes become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedShape {
    /// A 2-D texture: rows tightly packed, all mip levels one after the other, largest first.
    Texture {
        /// Pixel format.
        format: TextureFormat,
        /// Width and height of level 0.
        size_px: [u32; 2],
        /// Mip levels, at least 1.
        mips: u32,
    },
    /// A vertex, index or storage buffer.
    Buffer,
}

impl SealedShape {
    /// Returns how many bytes a texture of this shape has, or `None` for buffers, which have any number.
    #[must_use]
    pub fn expected_bytes(&self) -> Option<u64> {
        match *self {
            Self::Buffer => None,
            Self::Texture { format, size_px, mips } => {
                Some((0..mips).map(|level| level_bytes(format, size_px, level)).sum())
            }
        }
    }
}

/// Returns the size in pixels of a mip level.
pub(crate) fn level_px(size: [u32; 2], level: u32) -> [u32; 2] {
    size.map(|n| n.checked_shr(level).unwrap_or(0).max(1))
}

pub(crate) fn level_bytes(format: TextureFormat, size: [u32; 2], level: u32) -> u64 {
    let [w, h] = level_px(size, level);
    u64::from(w) * u64::from(h) * u64::from(format.bytes())
}

/// Why sealed data is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The number of bytes does not fit the shape.
    #[error("a {format} texture of {width}x{height} with {mips} mip level(s) has {expected} bytes, not {found}", format = format.name())]
    WrongLength {
        /// Pixel format.
        format: TextureFormat,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Mip levels.
        mips: u32,
        /// Bytes that it should have.
        expected: u64,
        /// Bytes that came.
        found: u64,
    },
    /// A size or number of mip levels that no texture has.
    #[error(
        "no texture has {width}x{height} pixels with {mips} mip level(s); this adapter takes 1 to {max} pixels a side"
    )]
    NoSuchTexture {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Mip levels.
        mips: u32,
        /// The most pixels a side.
        max: u32,
    },
    /// More bytes than the adapter puts in one buffer.
    #[error("a buffer of {found} bytes is more than this adapter's {max}")]
    TooLarge {
        /// Bytes that came.
        found: u64,
        /// The most.
        max: u64,
    },
    /// The render thread has ended.
    #[error(transparent)]
    Gone(#[from] RendererGone),
}

/// The render thread has ended; the reason is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the render thread has ended; its last words are in the log")]
pub struct RendererGone;

/// What goes to the render thread, in the order of the calls.
pub(crate) enum Command {
    Frame(Packet),
    Shader(ShaderSource),
    RemoveShader(ShaderId),
    Seal(SealedData),
    Unseal(u64),
    Surface(Option<SurfaceSource>),
    LoseDevice,
    Stop,
}
