//! Parameters: their types and how they are encoded.

/// A parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// `threshold`, or `fly.at`.
    pub name: String,
    /// Its type.
    pub kind: ParamKind,
    /// The value when the scene is silent; `None` makes it required.
    pub default: Option<ParamValue>,
}

/// The type of a parameter, and how it is encoded for [`crate::TickRecord::params`]:
/// 4-byte little-endian words in the table's order; a group of `optional_groups` is preceded (before its first
/// member) by a word that is 1 when the scene gave it, else 0 (its members then hold their defaults);
/// text is a word of length in bytes, then the bytes, padded with zeros to 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// One `f32`.
    F32,
    /// One `u32`.
    U32,
    /// One `i32`.
    I32,
    /// A word: 0 or 1.
    Bool,
    /// Two `f32`.
    Vec2,
    /// Three `f32`.
    Vec3,
    /// Four `f32`.
    Vec4,
    /// Text.
    Text,
    /// Text that names a file of the assets folder; the host checks that it exists.
    Asset,
}

impl ParamKind {
    /// All kinds with their name in the text and in messages.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::F32, "f32"),
        (Self::U32, "u32"),
        (Self::I32, "i32"),
        (Self::Bool, "bool"),
        (Self::Vec2, "vec2f"),
        (Self::Vec3, "vec3f"),
        (Self::Vec4, "vec4f"),
        (Self::Text, "text"),
        (Self::Asset, "asset"),
    ];

    /// Returns its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(k, _)| *k == self).map_or("", |(_, n)| n)
    }

    /// Returns the number of `f32` for the float kinds, else 0.
    #[must_use]
    pub const fn floats(self) -> usize {
        match self {
            Self::F32 => 1,
            Self::Vec2 => 2,
            Self::Vec3 => 3,
            Self::Vec4 => 4,
            _ => 0,
        }
    }

    /// Returns whether shaders see it in `params` (text is for the CPU only).
    #[must_use]
    pub const fn in_shader(self) -> bool {
        !matches!(self, Self::Text | Self::Asset)
    }
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum ParamValue {
    /// For the float kinds, as many as [`ParamKind::floats`].
    Floats(Vec<f32>),
    /// For [`ParamKind::U32`].
    U32(u32),
    /// For [`ParamKind::I32`].
    I32(i32),
    /// For [`ParamKind::Bool`].
    Bool(bool),
    /// For [`ParamKind::Text`] and [`ParamKind::Asset`].
    Text(String),
}

impl ParamValue {
    /// Returns zero, false or an empty text: for members without default of a group that is not there.
    #[must_use]
    pub fn zero(kind: ParamKind) -> Self {
        match kind {
            ParamKind::U32 => Self::U32(0),
            ParamKind::I32 => Self::I32(0),
            ParamKind::Bool => Self::Bool(false),
            ParamKind::Text | ParamKind::Asset => Self::Text(String::new()),
            floats => Self::Floats(vec![0.0; floats.floats()]),
        }
    }

    /// Appends the value's words (see [`ParamKind`]).
    ///
    /// # Panics
    /// When a text is longer than a `u32` can say.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Floats(v) => v.iter().for_each(|x| out.extend(x.to_le_bytes())),
            Self::U32(v) => out.extend(v.to_le_bytes()),
            Self::I32(v) => out.extend(v.to_le_bytes()),
            Self::Bool(v) => out.extend(u32::from(*v).to_le_bytes()),
            Self::Text(v) => {
                let len = u32::try_from(v.len()).expect("a text of a scene is shorter than 4 GiB");
                out.extend(len.to_le_bytes());
                out.extend(v.as_bytes());
                out.resize(out.len().next_multiple_of(4), 0);
            }
        }
    }
}
