//! From our words to wgpu's: formats, blending, depth tests, faces.
use cell_abi::ports::{FieldKind, TextureFormat};
use cell_wire::{Blend, Compare, Cull, Topology};

/// The picture's format when there is no window: what a PNG holds.
pub(crate) const PICTURE: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8UnormSrgb;

pub(crate) fn texture(format: TextureFormat) -> wgpu::TextureFormat {
    use wgpu::TextureFormat as W;
    match format {
        TextureFormat::Rgba8Unorm => W::Rgba8Unorm,
        TextureFormat::Rgba8UnormSrgb => W::Rgba8UnormSrgb,
        TextureFormat::R8Unorm => W::R8Unorm,
        TextureFormat::Rg8Unorm => W::Rg8Unorm,
        TextureFormat::Rgba16Float => W::Rgba16Float,
        TextureFormat::Rg16Float => W::Rg16Float,
        TextureFormat::R16Float => W::R16Float,
        TextureFormat::Rgba32Float => W::Rgba32Float,
        TextureFormat::R32Float => W::R32Float,
        TextureFormat::R32Uint => W::R32Uint,
        TextureFormat::Rg11b10Ufloat => W::Rg11b10Ufloat,
        TextureFormat::Depth32Float => W::Depth32Float,
    }
}

/// How a shader sees a sampled texture of `format`.
pub(crate) fn sample_type(format: TextureFormat, features: wgpu::Features) -> wgpu::TextureSampleType {
    match format {
        TextureFormat::Depth32Float => wgpu::TextureSampleType::Depth,
        TextureFormat::R32Uint => wgpu::TextureSampleType::Uint,
        TextureFormat::R32Float | TextureFormat::Rgba32Float => wgpu::TextureSampleType::Float {
            filterable: features.contains(wgpu::Features::FLOAT32_FILTERABLE),
        },
        _ => wgpu::TextureSampleType::Float { filterable: true },
    }
}

/// Returns the vertex format of a field, or `None` for types that no vertex attribute can have.
pub(crate) fn vertex(kind: FieldKind) -> Option<wgpu::VertexFormat> {
    use wgpu::VertexFormat as V;
    Some(match kind {
        FieldKind::F32 => V::Float32,
        FieldKind::U32 => V::Uint32,
        FieldKind::I32 => V::Sint32,
        FieldKind::Vec2 => V::Float32x2,
        FieldKind::Vec3 => V::Float32x3,
        FieldKind::Vec4 => V::Float32x4,
        FieldKind::UVec2 => V::Uint32x2,
        FieldKind::UVec4 => V::Uint32x4,
        FieldKind::Unorm8x4 => V::Unorm8x4,
        FieldKind::Mat4 | FieldKind::Vec4x9 => return None,
    })
}

pub(crate) fn blend(blend: Blend) -> Option<wgpu::BlendState> {
    use wgpu::{BlendComponent, BlendFactor as F, BlendOperation, BlendState};
    let both = |src_factor, dst_factor| {
        let part = BlendComponent { src_factor, dst_factor, operation: BlendOperation::Add };
        BlendState { color: part, alpha: part }
    };
    match blend {
        Blend::Replace => None,
        Blend::Add => Some(both(F::One, F::One)),
        Blend::Alpha => Some(BlendState::ALPHA_BLENDING),
        Blend::Premultiplied => Some(BlendState::PREMULTIPLIED_ALPHA_BLENDING),
        Blend::Multiply => Some(both(F::Dst, F::Zero)),
    }
}

pub(crate) fn compare(compare: Compare) -> wgpu::CompareFunction {
    match compare {
        Compare::Always => wgpu::CompareFunction::Always,
        Compare::Greater => wgpu::CompareFunction::Greater,
        Compare::GreaterEqual => wgpu::CompareFunction::GreaterEqual,
        Compare::Equal => wgpu::CompareFunction::Equal,
    }
}

pub(crate) fn cull(cull: Cull) -> Option<wgpu::Face> {
    match cull {
        Cull::None => None,
        Cull::Back => Some(wgpu::Face::Back),
        Cull::Front => Some(wgpu::Face::Front),
    }
}

pub(crate) fn topology(topology: Topology) -> wgpu::PrimitiveTopology {
    match topology {
        Topology::Triangles => wgpu::PrimitiveTopology::TriangleList,
        Topology::Lines => wgpu::PrimitiveTopology::LineList,
        Topology::Points => wgpu::PrimitiveTopology::PointList,
    }
}

pub(crate) fn color([r, g, b, a]: [f32; 4]) -> wgpu::Color {
    wgpu::Color { r: r.into(), g: g.into(), b: b.into(), a: a.into() }
}
