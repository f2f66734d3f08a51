//! Reading accessors: every offset, count and type is checked, nothing is trusted.
use crate::{document::Document, error::SceneError};
use gltf::accessor::{Accessor, DataType, Dimensions};

/// The most elements one accessor may have.
const MAX_COUNT: usize = 64 << 20;

/// Returns the vectors of an accessor as floats; normalised integers become 0 to 1 or -1 to 1.
///
/// # Errors
/// [`SceneError`] when it is no accessor of `N` floats or normalised integers, is sparse, or reaches beyond its
/// buffer.
pub(crate) fn floats<const N: usize>(doc: &Document, a: &Accessor<'_>) -> Result<Vec<[f32; N]>, SceneError> {
    if a.dimensions().multiplicity() != N || matches!(a.dimensions(), Dimensions::Mat2) {
        return Err(wrong(doc, a, &format!("has {:?} elements where {N} floats belong", a.dimensions())));
    }
    let kind = a.data_type();
    if kind != DataType::F32 && !a.normalized() {
        return Err(wrong(doc, a, &format!("has {kind:?} numbers where floats belong")));
    }
    let size = kind.size();
    let number = |b: &[u8]| match kind {
        DataType::F32 => f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
        DataType::U8 => f32::from(b[0]) / 255.0,
        DataType::I8 => (f32::from(b[0] as i8) / 127.0).max(-1.0),
        DataType::U16 => f32::from(u16::from_le_bytes([b[0], b[1]])) / 65535.0,
        DataType::I16 => (f32::from(i16::from_le_bytes([b[0], b[1]])) / 32767.0).max(-1.0),
        DataType::U32 => u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f32 / u32::MAX as f32,
    };
    let read = |element: &[u8]| {
        let mut out = [0.0; N];
        for (to, bytes) in out.iter_mut().zip(element.chunks_exact(size)) {
            *to = number(bytes);
        }
        out
    };
    Ok(elements(doc, a, size * N)?.map(read).collect())
}

/// Returns the indices of an accessor.
///
/// # Errors
/// [`SceneError`] when it is no accessor of unsigned integers, is sparse, or reaches beyond its buffer.
pub(crate) fn indices(doc: &Document, a: &Accessor<'_>) -> Result<Vec<u32>, SceneError> {
    let kind = a.data_type();
    if a.dimensions() != Dimensions::Scalar {
        return Err(wrong(doc, a, "has vectors where indices belong"));
    }
    let read: fn(&[u8]) -> u32 = match kind {
        DataType::U8 => |b| u32::from(b[0]),
        DataType::U16 => |b| u32::from(u16::from_le_bytes([b[0], b[1]])),
        DataType::U32 => |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]),
        _ => return Err(wrong(doc, a, &format!("has {kind:?} numbers where indices belong"))),
    };
    Ok(elements(doc, a, kind.size())?.map(read).collect())
}

/// Returns the elements of `size` bytes each.
fn elements<'a>(
    doc: &'a Document,
    a: &Accessor<'_>,
    size: usize,
) -> Result<impl Iterator<Item = &'a [u8]> + use<'a>, SceneError> {
    if a.sparse().is_some() {
        let what = format!("accessor {}", a.index());
        return Err(doc.blame().unsupported(what, "is sparse; export without sparse accessors"));
    }
    let view = a.view().ok_or_else(|| wrong(doc, a, "has no buffer view"))?;
    let (count, stride) = (a.count(), view.stride().unwrap_or(size));
    if stride < size {
        return Err(wrong(doc, a, &format!("has elements of {size} bytes every {stride}")));
    }
    if count > MAX_COUNT {
        return Err(wrong(doc, a, &format!("has {count} elements; at most {MAX_COUNT} are read")));
    }
    let bytes = doc.view(&view)?;
    let length = if count == 0 { 0 } else { (count - 1) * stride + size };
    let range = a.offset().checked_add(length).and_then(|end| bytes.get(a.offset()..end));
    let bytes = range.ok_or_else(|| {
        let cause = format!("needs {length} bytes from {} on, but its view has {}", a.offset(), bytes.len());
        wrong(doc, a, &cause)
    })?;
    Ok((0..count).map(move |i| &bytes[i * stride..i * stride + size]))
}

fn wrong(doc: &Document, a: &Accessor<'_>, cause: &str) -> SceneError {
    doc.blame().broken(format_args!("accessor {}", a.index()), cause)
}
