//! Materials: glTF's description as the shader's.
use crate::gpu::{Material, kind};
use glam::Vec2;
use gltf::{material::AlphaMode, texture::TextureTransform};

/// How a material's triangles are drawn; the order is the order of drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Coverage {
    /// It covers what is behind it.
    Opaque,
    /// It has holes.
    Masked,
    /// It lets through.
    Blended,
}

/// What a batch of triangles must have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Look {
    /// How it is drawn.
    pub(crate) coverage: Coverage,
    /// Whether its back is drawn too.
    pub(crate) double_sided: bool,
    /// Whether it throws a shadow.
    pub(crate) shadow: bool,
    /// The image of its colour.
    pub(crate) albedo: Option<usize>,
    /// The image of its emission.
    pub(crate) emission: Option<usize>,
}

/// Returns the material with number `index` as the shader sees it, and how it is drawn.
pub(crate) fn read(index: usize, m: &gltf::Material<'_>) -> (Material, Look) {
    let pbr = m.pbr_metallic_roughness();
    let name = m.name().unwrap_or_default();
    let (albedo, emission) = (pbr.base_color_texture(), m.emissive_texture());
    let strength = m.emissive_strength().unwrap_or(1.0);
    let mut bits = 0;
    if name.starts_with("wall") {
        bits |= kind::WALL;
    }
    if name.starts_with("ground") {
        bits |= kind::GROUND;
    }
    if emission.is_some() {
        bits |= kind::EMISSION_MAP;
    }
    // One set of coordinates serves both textures; where they differ, colour wins.
    let info = albedo.as_ref().or(emission.as_ref());
    let (uv_u, uv_v) = rows(info.and_then(gltf::texture::Info::texture_transform).as_ref());
    let material = Material {
        base_color: pbr.base_color_factor(),
        uv_u,
        uv_v,
        emissive: m.emissive_factor().map(|c| c * strength),
        roughness: pbr.roughness_factor(),
        metallic: pbr.metallic_factor(),
        cutoff: m.alpha_cutoff().unwrap_or(0.5),
        kind: bits,
        seed: index as u32,
    };
    let coverage = match m.alpha_mode() {
        AlphaMode::Opaque => Coverage::Opaque,
        AlphaMode::Mask => Coverage::Masked,
        AlphaMode::Blend => Coverage::Blended,
    };
    let image = |info: gltf::texture::Info<'_>| info.texture().source().index();
    let look = Look {
        coverage,
        double_sided: m.double_sided(),
        shadow: coverage != Coverage::Blended && bits & kind::GROUND == 0,
        albedo: albedo.map(image),
        emission: emission.map(image),
    };
    (material, look)
}

/// Returns the rows of KHR_texture_transform's matrix: offset times rotation times scale.
fn rows(t: Option<&TextureTransform>) -> ([f32; 4], [f32; 4]) {
    let (scale, rotation, offset) =
        t.map_or((Vec2::ONE, 0.0, Vec2::ZERO), |t| (t.scale().into(), t.rotation(), t.offset().into()));
    let (sin, cos) = rotation.sin_cos();
    ([cos * scale.x, sin * scale.y, offset.x, 0.0], [-sin * scale.x, cos * scale.y, offset.y, 0.0])
}
