//! Reading accessors: every offset, count and type is checked, nothing is trusted.
use crate::{document::Document, error::SceneError, extensions};
use gltf::{
    accessor::{Accessor, DataType, Dimensions, sparse::IndexType},
    buffer::View,
};
use std::borrow::Cow;

/// The most elements one accessor may have.
const MAX_COUNT: usize = 64 << 20;
/// The most elements of one that has no bytes of its own, only a few that differ from zero.
const MAX_ZEROS: usize = 4 << 20;

/// Returns the vectors of an accessor as floats; normalised integers become 0 to 1 or -1 to 1, other integers
/// stay what they are.
///
/// # Errors
/// [`SceneError`] when it is no accessor of `N` floats or normalised integers (of other integers only if the file
/// says that it is quantised), or reaches beyond its buffer.
pub(crate) fn floats<const N: usize>(doc: &Document, a: &Accessor<'_>) -> Result<Vec<[f32; N]>, SceneError> {
    if a.dimensions().multiplicity() != N || matches!(a.dimensions(), Dimensions::Mat2) {
        return Err(wrong(doc, a, &format!("has {:?} elements where {N} floats belong", a.dimensions())));
    }
    let kind = a.data_type();
    let normalized = a.normalized();
    if kind != DataType::F32 && !normalized && !doc.uses(extensions::QUANTIZATION) {
        return Err(wrong(doc, a, &format!("has {kind:?} numbers where floats belong")));
    }
    let size = kind.size();
    let scaled = |v: f32, most: f32| if normalized { (v / most).max(-1.0) } else { v };
    let number = |b: &[u8]| match kind {
        DataType::F32 => f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
        DataType::U8 => scaled(f32::from(b[0]), 255.0),
        DataType::I8 => scaled(f32::from(b[0] as i8), 127.0),
        DataType::U16 => scaled(f32::from(u16::from_le_bytes([b[0], b[1]])), 65535.0),
        DataType::I16 => scaled(f32::from(i16::from_le_bytes([b[0], b[1]])), 32767.0),
        DataType::U32 => scaled(u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f32, u32::MAX as f32),
    };
    let read = |element: &[u8]| {
        let mut out = [0.0; N];
        for (to, bytes) in out.iter_mut().zip(element.chunks_exact(size)) {
            *to = number(bytes);
        }
        out
    };
    Ok(elements(doc, a, size * N)?.iter().map(read).collect())
}

/// Returns the indices of an accessor.
///
/// # Errors
/// [`SceneError`] when it is no accessor of unsigned integers, or reaches beyond its buffer.
pub(crate) fn indices(doc: &Document, a: &Accessor<'_>) -> Result<Vec<u32>, SceneError> {
    let kind = a.data_type();
    if a.dimensions() != Dimensions::Scalar {
        return Err(wrong(doc, a, "has vectors where indices belong"));
    }
    let read =
        unsigned(kind).ok_or_else(|| wrong(doc, a, &format!("has {kind:?} numbers where indices belong")))?;
    Ok(elements(doc, a, kind.size())?.iter().map(read).collect())
}

/// Returns the numbers of four joints for each element.
///
/// # Errors
/// [`SceneError`] when it is no accessor of four unsigned integers, or reaches beyond its buffer.
pub(crate) fn joints(doc: &Document, a: &Accessor<'_>) -> Result<Vec<[u32; 4]>, SceneError> {
    let kind = a.data_type();
    let read = unsigned(kind).filter(|_| a.dimensions() == Dimensions::Vec4).ok_or_else(|| {
        wrong(doc, a, &format!("has {:?} of {kind:?} where four joints belong", a.dimensions()))
    })?;
    let size = kind.size();
    let four = |b: &[u8]| std::array::from_fn(|i| read(&b[i * size..(i + 1) * size]));
    Ok(elements(doc, a, size * 4)?.iter().map(four).collect())
}

fn unsigned(kind: DataType) -> Option<fn(&[u8]) -> u32> {
    Some(match kind {
        DataType::U8 => |b| u32::from(b[0]),
        DataType::U16 => |b| u32::from(u16::from_le_bytes([b[0], b[1]])),
        DataType::U32 => |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]),
        _ => return None,
    })
}

/// Elements of `size` bytes each, every `stride` bytes.
struct Elements<'a> {
    bytes: Cow<'a, [u8]>,
    size: usize,
    stride: usize,
    count: usize,
}

impl Elements<'_> {
    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.count).map(|i| &self.bytes[i * self.stride..i * self.stride + self.size])
    }
}

/// Returns the elements of `size` bytes each, with those of its sparse part in their places.
fn elements<'a>(doc: &'a Document, a: &Accessor<'_>, size: usize) -> Result<Elements<'a>, SceneError> {
    let count = a.count();
    let most = if a.view().is_some() { MAX_COUNT } else { MAX_ZEROS };
    if count > most {
        return Err(wrong(doc, a, &format!("has {count} elements; at most {most} are read")));
    }
    let base = match a.view() {
        Some(view) => Some(packed(doc, a, &view, a.offset(), size, count)?),
        None => None,
    };
    let Some(sparse) = a.sparse() else {
        return base.ok_or_else(|| wrong(doc, a, "has no buffer view"));
    };
    let mut bytes = match base {
        Some(base) => base.iter().flatten().copied().collect(),
        None => vec![0; count * size],
    };
    let (places, values) = (sparse.indices(), sparse.values());
    let kind = match places.index_type() {
        IndexType::U8 => DataType::U8,
        IndexType::U16 => DataType::U16,
        IndexType::U32 => DataType::U32,
    };
    let read = unsigned(kind).expect("the three kinds are unsigned");
    let changed = sparse.count();
    let at = packed(doc, a, &places.view(), places.offset(), kind.size(), changed)?;
    let new = packed(doc, a, &values.view(), values.offset(), size, changed)?;
    for (at, new) in at.iter().map(read).zip(new.iter()) {
        let at = at as usize;
        if at >= count {
            let cause = format!("has {count} elements, but its sparse part changes number {at}");
            return Err(wrong(doc, a, &cause));
        }
        bytes[at * size..(at + 1) * size].copy_from_slice(new);
    }
    Ok(Elements { bytes: Cow::Owned(bytes), size, stride: size, count })
}

fn packed<'a>(
    doc: &'a Document,
    a: &Accessor<'_>,
    view: &View<'_>,
    offset: usize,
    size: usize,
    count: usize,
) -> Result<Elements<'a>, SceneError> {
    let stride = view.stride().unwrap_or(size);
    if stride < size {
        return Err(wrong(doc, a, &format!("has elements of {size} bytes every {stride}")));
    }
    let bytes = doc.view(view)?;
    let length = if count == 0 { Some(0) } else { (count - 1).checked_mul(stride).map(|l| l + size) };
    let range = length.and_then(|l| offset.checked_add(l)).and_then(|end| bytes.get(offset..end));
    let bytes = range.ok_or_else(|| {
        let needs = length.unwrap_or(usize::MAX);
        wrong(doc, a, &format!("needs {needs} bytes from {offset} on, but its view has {}", bytes.len()))
    })?;
    Ok(Elements { bytes: Cow::Borrowed(bytes), size, stride, count })
}

fn wrong(doc: &Document, a: &Accessor<'_>, cause: &str) -> SceneError {
    doc.blame().broken(format_args!("accessor {}", a.index()), cause)
}
