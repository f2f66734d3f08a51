//! What may lie in a buffer that shaders, other cells and other processes read.
use cell_abi::ports::{FieldKind, Text};

/// A type that may be an element of a buffer port: plain numbers, the same bytes in Rust and in WGSL.
///
/// Derive it on a `#[repr(C)]` struct that is `Clone + Copy`. Fields may be `f32`, `u32`, `i32`, `[f32; 2]`,
/// `[f32; 3]`, `[f32; 4]`, `[u32; 2]`, `[u32; 4]`, `[[f32; 4]; 4]` (columns), `[[f32; 4]; 9]` and `[u8; 4]`
/// (0 to 255 as 0 to 1; vertex buffers only). A type used in `Uniform` or `Buffer` must also have WGSL's
/// alignment (`vec3f` and `vec4f` start at multiples of 16); if not, the compiler names the field and the fix.
///
/// ```
/// #[derive(Clone, Copy, cell::Gpu)]
/// #[repr(C)]
/// struct Lamp {
///     position: [f32; 3],
///     watts: f32, // fills what WGSL would leave empty after a vec3f
///     color: [f32; 4],
/// }
/// ```
///
/// # Safety
/// The type is `repr(C)` or a primitive, is aligned to at most 16, has no padding, is valid for every bit pattern,
/// and `TEXT` and `FIELDS` tell its layout truly.
#[expect(unsafe_code, reason = "what lies in shared memory is an unsafe promise; the derive checks it")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an element of a buffer port",
    note = "add `#[derive(Clone, Copy, cell::Gpu)]` and `#[repr(C)]` to it"
)]
pub unsafe trait Gpu: Copy + Send + Sync + 'static {
    /// Its name in shaders and messages.
    const NAME: &'static str;
    /// Its lines in the port table.
    const TEXT: &'static [Text];
    /// Its fields' lines in the interface of a contract.
    const FIELDS: &'static [Text];
    /// Why it cannot be used in `Uniform` and `Buffer` ports, or nothing.
    const LAYOUT_FAULT: &'static str;
    /// The value whose bytes are all zero.
    const ZEROED: &'static Self;
}

/// A type that a field of a [`Gpu`] struct can have.
///
/// # Safety
/// The type has the size of `KIND`, no padding, and is valid for every bit pattern.
#[expect(unsafe_code, reason = "what lies in shared memory is an unsafe promise")]
#[diagnostic::on_unimplemented(
    message = "a field of a `cell::Gpu` struct cannot be `{Self}`",
    note = "fields are f32, u32, i32, [f32; 2], [f32; 3], [f32; 4], [u32; 2], [u32; 4], [[f32; 4]; 4], \
            [[f32; 4]; 9] or [u8; 4]"
)]
pub unsafe trait GpuField: Copy + Send + Sync + 'static {
    /// Its name on the border.
    const KIND: FieldKind;
    /// Zero.
    const ZERO: Self;
}

/// What a pixel is in memory: numbers of which all bytes are meant.
///
/// # Safety
/// The type is aligned to at most 16, has no padding, and is valid for every bit pattern.
#[expect(unsafe_code, reason = "what lies in shared memory is an unsafe promise")]
pub unsafe trait Texel: Copy + Send + Sync + 'static {}

macro_rules! texels {
    ($($ty:ty),*) => {$(
        // SAFETY: numbers and arrays of numbers have no padding and no invalid values.
        #[expect(unsafe_code, reason = "numbers and arrays of numbers")]
        unsafe impl Texel for $ty {}
    )*};
}

texels!(u8, [u8; 2], [u8; 4], u16, [u16; 2], [u16; 4], u32, f32, [f32; 4]);

macro_rules! fields {
    ($($ty:ty = $kind:ident, $zero:expr;)*) => {$(
        // SAFETY: numbers and arrays of numbers have no padding and no invalid values; the size is asserted.
        #[expect(unsafe_code, reason = "numbers and arrays of numbers")]
        unsafe impl GpuField for $ty {
            const KIND: FieldKind = FieldKind::$kind;
            const ZERO: Self = $zero;
        }
        const _: () = assert!(size_of::<$ty>() == FieldKind::$kind.size() as usize);
    )*};
}

fields! {
    f32 = F32, 0.0;
    u32 = U32, 0;
    i32 = I32, 0;
    [f32; 2] = Vec2, [0.0; 2];
    [f32; 3] = Vec3, [0.0; 3];
    [f32; 4] = Vec4, [0.0; 4];
    [u32; 2] = UVec2, [0; 2];
    [u32; 4] = UVec4, [0; 4];
    [[f32; 4]; 4] = Mat4, [[0.0; 4]; 4];
    [[f32; 4]; 9] = Vec4x9, [[0.0; 4]; 9];
    [u8; 4] = Unorm8x4, [0; 4];
}

macro_rules! elements {
    ($($ty:ty = $name:literal;)*) => {$(
        // SAFETY: as for its `GpuField`; the text tells one field at offset 0.
        #[expect(unsafe_code, reason = "numbers and arrays of numbers")]
        unsafe impl Gpu for $ty {
            const NAME: &'static str = $name;
            const TEXT: &'static [Text] = &[
                Text::Str(concat!("type ", $name, " ")),
                Text::U32(size_of::<$ty>() as u32),
                Text::Str(concat!("\nfield ", $name, " value ", $name, " 0\n")),
            ];
            const FIELDS: &'static [Text] = &[Text::Str(concat!("  value: ", $name, " at 0\n"))];
            const LAYOUT_FAULT: &'static str = "";
            const ZEROED: &'static Self = &<$ty as GpuField>::ZERO;
        }
    )*};
}

// Buffers of plain numbers. `[f32; 3]` is missing: WGSL strides it by 16.
elements! {
    f32 = "f32";
    u32 = "u32";
    i32 = "i32";
    [f32; 2] = "vec2f";
    [f32; 4] = "vec4f";
    [u32; 2] = "vec2u";
    [u32; 4] = "vec4u";
    [[f32; 4]; 4] = "mat4x4f";
}

/// What the derive knows of a field when it checks the layout.
#[derive(Clone, Copy, Debug)]
pub struct FieldCheck {
    /// Its type.
    pub kind: FieldKind,
    /// Where Rust puts it.
    pub offset: usize,
    /// What to say when WGSL puts it elsewhere.
    pub misplaced: &'static str,
    /// What to say when uniform and storage buffers cannot hold its type.
    pub vertex_only: &'static str,
}

/// Returns why a struct's layout is not WGSL's, or nothing.
#[must_use]
pub const fn layout_fault(fields: &[FieldCheck], size: usize, too_short: &'static str) -> &'static str {
    let (mut i, mut end, mut align) = (0, 0, 4);
    while i < fields.len() {
        let f = fields[i];
        if matches!(f.kind, FieldKind::Unorm8x4) {
            return f.vertex_only;
        }
        let a = f.kind.wgsl_align() as usize;
        if a > align {
            align = a;
        }
        if f.offset != usize::next_multiple_of(end, a) {
            return f.misplaced;
        }
        end = f.offset + f.kind.size() as usize;
        i += 1;
    }
    if size != end.next_multiple_of(align) { too_short } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn field(kind: FieldKind, offset: usize) -> FieldCheck {
        FieldCheck { kind, offset, misplaced: "misplaced", vertex_only: "vertex only" }
    }

    #[test]
    fn the_layout_check_knows_wgsl() {
        use FieldKind::{F32, Mat4, Unorm8x4, Vec3};
        assert_eq!(layout_fault(&[field(Vec3, 0), field(F32, 12)], 16, "short"), "");
        assert_eq!(layout_fault(&[field(F32, 0), field(Vec3, 4)], 16, "short"), "misplaced");
        assert_eq!(layout_fault(&[field(Vec3, 0)], 12, "short"), "short");
        assert_eq!(layout_fault(&[field(Mat4, 0), field(F32, 64)], 68, "short"), "short");
        assert_eq!(layout_fault(&[field(Unorm8x4, 0)], 4, "short"), "vertex only");
    }
}
