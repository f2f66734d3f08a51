//! Materials: glTF's description as the shader's.
use crate::{
    gpu::{Maps, Material, kind},
    maps::{self, Map},
    notes::Notes,
};
use gltf::{json::extensions::texture::TextureTransform, material::AlphaMode, texture};

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

/// Which shader draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Program {
    /// What moves or lets through: all of glTF, and each corner follows poses.
    Posed,
    /// All of glTF.
    Detailed,
    /// Rough, no metal, opaque, at most a repeated texture for colour and one for emission: the quick one.
    Plain,
}

/// What a texture's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Content {
    /// Colours, sRGB.
    Color,
    /// Plain numbers.
    Data,
}

/// The textures of a material.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Images {
    /// Colour and opacity.
    pub(crate) albedo: Option<usize>,
    /// Emission.
    pub(crate) emission: Option<usize>,
    /// Normals.
    pub(crate) normal: Option<usize>,
    /// Roughness and metal.
    pub(crate) surface: Option<usize>,
    /// Occlusion.
    pub(crate) occlusion: Option<usize>,
}

impl Images {
    /// Returns those there are, with what they hold.
    pub(crate) fn all(&self) -> impl Iterator<Item = (usize, Content)> {
        let color = [self.albedo, self.emission].into_iter().flatten().map(|n| (n, Content::Color));
        let data = [self.normal, self.surface, self.occlusion].into_iter().flatten();
        color.chain(data.map(|n| (n, Content::Data)))
    }
}

/// What a batch of triangles must have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Look {
    /// How it is drawn.
    pub(crate) coverage: Coverage,
    /// Which shader draws it.
    pub(crate) program: Program,
    /// Whether its back is drawn too.
    pub(crate) double_sided: bool,
    /// Whether it throws a shadow.
    pub(crate) shadow: bool,
    /// Its textures.
    pub(crate) images: Images,
}

/// A material of a file.
#[derive(Clone, Debug)]
pub(crate) struct Finish {
    /// What the shader knows of it.
    pub(crate) material: Material,
    /// What the shader of all of glTF knows of it besides.
    pub(crate) maps: Maps,
    /// How it is drawn.
    pub(crate) look: Look,
    /// The set of texture coordinates that its normal map follows, if it has one.
    pub(crate) normal_set: Option<u32>,
    /// The highest set of texture coordinates that it follows.
    pub(crate) highest_set: u32,
}

/// Roughness from which on a surface mirrors so little that the plain shader's sky is good enough.
const ROUGH: f32 = 0.5;
/// How much most non-metals mirror: glTF's default, an index of refraction of 1.5.
const REFLECTANCE: f32 = 0.04;

/// Returns the material with number `index`.
pub(crate) fn read(index: usize, m: &gltf::Material<'_>, notes: &mut Notes) -> Finish {
    let pbr = m.pbr_metallic_roughness();
    let name = m.name().unwrap_or_default();
    let of = |what: &str| format!("the {what} texture of material {index} {name:?}");
    let map = |info: Option<texture::Info<'_>>, what: &str, notes: &mut Notes| {
        info.map_or(Map::NONE, |i| {
            let transform = i.texture_transform().map(|t| owned(&t));
            Map::new(&i.texture(), i.tex_coord(), transform.as_ref(), &of(what), notes)
        })
    };
    let albedo = map(pbr.base_color_texture(), "base colour", notes);
    let emission = map(m.emissive_texture(), "emissive", notes);
    let surface = map(pbr.metallic_roughness_texture(), "metallic-roughness", notes);
    let transform = "KHR_texture_transform";
    let normal = m.normal_texture().map_or(Map::NONE, |t| {
        let turn = maps::transform_in(t.extension_value(transform), &of("normal"), notes);
        Map::new(&t.texture(), t.tex_coord(), turn.as_ref(), &of("normal"), notes)
    });
    let occlusion = m.occlusion_texture().map_or(Map::NONE, |t| {
        let turn = maps::transform_in(t.extension_value(transform), &of("occlusion"), notes);
        Map::new(&t.texture(), t.tex_coord(), turn.as_ref(), &of("occlusion"), notes)
    });

    let mut bits = 0;
    for (is, bit) in [
        (name.starts_with("wall"), kind::WALL),
        (name.starts_with("ground"), kind::GROUND),
        (emission.image.is_some(), kind::EMISSION_MAP),
        (normal.image.is_some(), kind::NORMAL_MAP),
        (surface.image.is_some(), kind::SURFACE_MAP),
        (occlusion.image.is_some(), kind::OCCLUSION_MAP),
        (m.unlit(), kind::UNLIT),
        (m.double_sided(), kind::DOUBLE_SIDED),
    ] {
        bits |= if is { bit } else { 0 };
    }
    let strength = m.emissive_strength().unwrap_or(1.0);
    let reflectance = m.ior().map_or(REFLECTANCE, |n| ((n - 1.0) / (n + 1.0)).powi(2));
    let material = Material {
        base_color: pbr.base_color_factor(),
        uv_u: albedo.u,
        uv_v: albedo.v,
        emissive: m.emissive_factor().map(|c| c * strength),
        roughness: pbr.roughness_factor(),
        metallic: pbr.metallic_factor(),
        cutoff: m.alpha_cutoff().unwrap_or(0.5),
        kind: bits,
        seed: index as u32,
    };
    let maps = Maps {
        emission_u: emission.u,
        emission_v: emission.v,
        normal_u: normal.u,
        normal_v: normal.v,
        surface_u: surface.u,
        surface_v: surface.v,
        occlusion_u: occlusion.u,
        occlusion_v: occlusion.v,
        normal_scale: m.normal_texture().map_or(1.0, |t| t.scale()),
        occlusion_strength: m.occlusion_texture().map_or(1.0, |t| t.strength()),
        reflectance,
        reserved: 0.0,
    };
    let coverage = match m.alpha_mode() {
        AlphaMode::Opaque => Coverage::Opaque,
        AlphaMode::Mask => Coverage::Masked,
        AlphaMode::Blend => Coverage::Blended,
    };
    let extra = kind::NORMAL_MAP | kind::SURFACE_MAP | kind::OCCLUSION_MAP | kind::UNLIT;
    // The plain shader follows the colour's coordinates for the emission too.
    let one_place = emission.image.is_none() || (emission.u, emission.v) == (albedo.u, albedo.v);
    let is_plain = coverage == Coverage::Opaque
        && bits & extra == 0
        && material.metallic <= 0.0
        && material.roughness >= ROUGH
        && reflectance == REFLECTANCE
        && albedo.is_plain()
        && emission.is_plain()
        && one_place;
    let look = Look {
        coverage,
        program: if is_plain { Program::Plain } else { Program::Detailed },
        double_sided: m.double_sided(),
        shadow: coverage != Coverage::Blended && bits & kind::GROUND == 0,
        images: Images {
            albedo: albedo.image,
            emission: emission.image,
            normal: normal.image,
            surface: surface.image,
            occlusion: occlusion.image,
        },
    };
    Finish {
        material,
        maps,
        look,
        normal_set: normal.image.map(|_| normal.set),
        highest_set: [albedo, emission, normal, surface, occlusion].iter().map(|m| m.set).max().unwrap_or(0),
    }
}

/// Returns the parser's view of a transform as the JSON's.
fn owned(t: &texture::TextureTransform<'_>) -> TextureTransform {
    use gltf::json::extensions::texture as t1;
    TextureTransform {
        offset: t1::TextureTransformOffset(t.offset()),
        rotation: t1::TextureTransformRotation(t.rotation()),
        scale: t1::TextureTransformScale(t.scale()),
        tex_coord: t.tex_coord(),
        extras: Default::default(),
    }
}
