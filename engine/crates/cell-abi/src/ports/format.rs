//! The types of fields and of pixels.

macro_rules! numbered {
    ($(#[$m:meta])* $vis:vis enum $name:ident { $($(#[$vm:meta])* $var:ident = $text:literal),* $(,)? }) => {
        $(#[$m])*
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        $vis enum $name { $($(#[$vm])* $var),* }
        impl $name {
            /// All values, in the order of their numbers.
            pub const ALL: &'static [$name] = &[$($name::$var),*];
            /// Returns the name in the text.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $($name::$var => $text),* } }
            /// Returns the value with this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|v| v.name() == name)
            }
            /// Returns the value with this number.
            #[must_use]
            pub fn from_number(number: u32) -> Option<Self> { Self::ALL.get(number as usize).copied() }
        }
    };
}

numbered! {
    /// A field's type: what WGSL and Rust both have, named as WGSL names it.
    pub enum FieldKind {
        /// `f32`.
        F32 = "f32",
        /// `u32`.
        U32 = "u32",
        /// `i32`.
        I32 = "i32",
        /// `[f32; 2]`.
        Vec2 = "vec2f",
        /// `[f32; 3]`.
        Vec3 = "vec3f",
        /// `[f32; 4]`.
        Vec4 = "vec4f",
        /// `[u32; 2]`.
        UVec2 = "vec2u",
        /// `[u32; 4]`.
        UVec4 = "vec4u",
        /// `[[f32; 4]; 4]`, columns.
        Mat4 = "mat4x4f",
        /// `[[f32; 4]; 9]`: spherical harmonics and the like.
        Vec4x9 = "array<vec4f,9>",
        /// `[u8; 4]`, 0 to 255 read as 0 to 1; vertex buffers only.
        Unorm8x4 = "unorm8x4",
    }
}

numbered! {
    /// A pixel format, named as WebGPU names it.
    pub enum TextureFormat {
        /// 8-bit linear.
        Rgba8Unorm = "rgba8unorm",
        /// 8-bit sRGB.
        Rgba8UnormSrgb = "rgba8unorm-srgb",
        /// One 8-bit channel.
        R8Unorm = "r8unorm",
        /// Two 8-bit channels.
        Rg8Unorm = "rg8unorm",
        /// Half floats.
        Rgba16Float = "rgba16float",
        /// Two half floats.
        Rg16Float = "rg16float",
        /// One half float.
        R16Float = "r16float",
        /// Floats.
        Rgba32Float = "rgba32float",
        /// One float.
        R32Float = "r32float",
        /// One unsigned integer.
        R32Uint = "r32uint",
        /// Packed unsigned floats.
        Rg11b10Ufloat = "rg11b10ufloat",
        /// Depth, reverse Z.
        Depth32Float = "depth32float",
    }
}

impl FieldKind {
    /// Returns the size in bytes.
    #[must_use]
    pub const fn size(self) -> u32 {
        match self {
            Self::F32 | Self::U32 | Self::I32 | Self::Unorm8x4 => 4,
            Self::Vec2 | Self::UVec2 => 8,
            Self::Vec3 => 12,
            Self::Vec4 | Self::UVec4 => 16,
            Self::Mat4 => 64,
            Self::Vec4x9 => 144,
        }
    }

    /// Returns the alignment that WGSL asks for in uniform and storage buffers.
    #[must_use]
    pub const fn wgsl_align(self) -> u32 {
        match self {
            Self::F32 | Self::U32 | Self::I32 | Self::Unorm8x4 => 4,
            Self::Vec2 | Self::UVec2 => 8,
            _ => 16,
        }
    }
}

impl TextureFormat {
    /// Returns the bytes per pixel.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        match self {
            Self::R8Unorm => 1,
            Self::Rg8Unorm | Self::R16Float => 2,
            Self::Rgba16Float => 8,
            Self::Rgba32Float => 16,
            _ => 4,
        }
    }

    /// Returns whether it is a depth format.
    #[must_use]
    pub const fn is_depth(self) -> bool {
        matches!(self, Self::Depth32Float)
    }
}
