//! Where a texture lies on a material: coordinates, transform, what happens beyond its edge.
use crate::notes::Notes;
use glam::Vec2;
use gltf::{
    json::{self, extensions::texture::TextureTransform},
    texture::{MagFilter, Texture, WrappingMode},
};

/// How many sets of texture coordinates are read.
const SETS: u32 = 2;

/// Bits of [`Wrap`] and of the shader's `tap`.
const MIRROR: [u32; 2] = [2, 8];
const CLAMP: [u32; 2] = [1, 4];
const NEAREST: u32 = 16;
const SECOND_SET: u32 = 64;

/// What happens beyond a texture's edge and which coordinates it follows; the number is the shader's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wrap(pub(crate) u32);

/// A texture as a material uses it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Map {
    /// The image's number in the file; `None` for no texture.
    pub(crate) image: Option<usize>,
    /// Which set of texture coordinates it follows.
    pub(crate) set: u32,
    /// Row of u; the last number is the wrap.
    pub(crate) u: [f32; 4],
    /// Row of v.
    pub(crate) v: [f32; 4],
}

impl Map {
    /// No texture.
    pub(crate) const NONE: Self =
        Self { image: None, set: 0, u: [1.0, 0.0, 0.0, 0.0], v: [0.0, 1.0, 0.0, 0.0] };

    /// Reads a use of `texture`; `what` names it in notes.
    pub(crate) fn new(
        texture: &Texture<'_>,
        set: u32,
        transform: Option<&TextureTransform>,
        what: &str,
        notes: &mut Notes,
    ) -> Self {
        let mut set = transform.and_then(|t| t.tex_coord).unwrap_or(set);
        if set >= SETS {
            notes.add(format!(
                "{what} follows TEXCOORD_{set}, but only the first {SETS} are read; it follows TEXCOORD_0"
            ));
            set = 0;
        }
        let sampler = texture.sampler();
        let mut wrap = if set == 1 { SECOND_SET } else { 0 };
        for (axis, mode) in [sampler.wrap_s(), sampler.wrap_t()].into_iter().enumerate() {
            wrap |= match mode {
                WrappingMode::Repeat => 0,
                WrappingMode::ClampToEdge => CLAMP[axis],
                WrappingMode::MirroredRepeat => MIRROR[axis],
            };
        }
        if sampler.mag_filter() == Some(MagFilter::Nearest) {
            wrap |= NEAREST;
        }
        let (u, v) = rows(transform, Wrap(wrap));
        Self { image: Some(texture.source().index()), set, u, v }
    }

    /// Returns whether it repeats, is smooth, and follows the first coordinates: what the plain shader does.
    pub(crate) fn is_plain(&self) -> bool {
        self.u[3] == 0.0
    }
}

/// Returns the transform of a texture that the parser knows only as JSON.
pub(crate) fn transform_in(
    value: Option<&json::Value>,
    what: &str,
    notes: &mut Notes,
) -> Option<TextureTransform> {
    let read = json::deserialize::from_value(value?.clone());
    if read.is_err() {
        notes.add(format!("{what} has a KHR_texture_transform that cannot be read; it is left out"));
    }
    read.ok()
}

/// Returns the rows of KHR_texture_transform's matrix: offset times rotation times scale.
fn rows(t: Option<&TextureTransform>, wrap: Wrap) -> ([f32; 4], [f32; 4]) {
    let (scale, rotation, offset) =
        t.map_or((Vec2::ONE, 0.0, Vec2::ZERO), |t| (t.scale.0.into(), t.rotation.0, t.offset.0.into()));
    let (sin, cos) = rotation.sin_cos();
    ([cos * scale.x, sin * scale.y, offset.x, wrap.0 as f32], [-sin * scale.x, cos * scale.y, offset.y, 0.0])
}
