//! The `params` block: numbers of the scene as shaders see them.
use cell_abi::ports::{Param, ParamKind, PortTable};

/// A member of `struct Params`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamField {
    /// `threshold`; `fly_at` for `fly.at`; `fly` for whether the optional group `fly` is there.
    pub name: String,
    /// The WGSL type.
    pub wgsl: &'static str,
    /// Offset in bytes.
    pub offset: u32,
    /// Size in bytes.
    pub size: u32,
}

enum Item<'a> {
    /// Whether an optional group is there.
    Presence(&'a str),
    Param(&'a Param),
}

/// Walks the parameters in the order of their encoding.
fn items(table: &PortTable) -> Vec<Item<'_>> {
    let mut out = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for p in &table.params {
        if let Some((group, _)) = p.name.split_once('.')
            && table.optional_groups.iter().any(|g| g == group)
            && !seen.contains(&group)
        {
            seen.push(group);
            out.push(Item::Presence(group));
        }
        out.push(Item::Param(p));
    }
    out
}

/// Returns the WGSL type, size and alignment of a kind that shaders see.
fn shape(kind: ParamKind) -> Option<(&'static str, u32, u32)> {
    Some(match kind {
        ParamKind::F32 => ("f32", 4, 4),
        ParamKind::U32 | ParamKind::Bool => ("u32", 4, 4),
        ParamKind::I32 => ("i32", 4, 4),
        ParamKind::Vec2 => ("vec2f", 8, 8),
        ParamKind::Vec3 => ("vec3f", 12, 16),
        ParamKind::Vec4 => ("vec4f", 16, 16),
        ParamKind::Text | ParamKind::Asset => return None,
    })
}

/// Returns the members of `struct Params` by the rules of WGSL's uniform layout; empty when the cell has no
/// numbers (the struct then has one unused `vec4f`).
#[must_use]
pub fn params_layout(table: &PortTable) -> Vec<ParamField> {
    let mut out = Vec::new();
    let mut end = 0_u32;
    for item in items(table) {
        let (name, (wgsl, size, align)) = match item {
            Item::Presence(group) => (group.to_owned(), ("u32", 4, 4)),
            Item::Param(p) => match shape(p.kind) {
                Some(s) => (p.name.replace('.', "_"), s),
                None => continue,
            },
        };
        let offset = end.next_multiple_of(align);
        end = offset + size;
        out.push(ParamField { name, wgsl, offset, size });
    }
    out
}

/// Returns the size of the `params` block in bytes: a multiple of 16, at least 16.
#[must_use]
pub fn params_bytes(table: &PortTable) -> u32 {
    params_layout(table).last().map_or(16, |f| (f.offset + f.size).next_multiple_of(16))
}

/// Returns the `params` block from the parameters as a record encodes them ([`ParamKind`] tells how).
///
/// Words that `encoded` lacks are zero.
#[must_use]
pub fn pack_params(table: &PortTable, encoded: &[u8]) -> Vec<u8> {
    let mut out = vec![0; params_bytes(table) as usize];
    let fields = params_layout(table);
    let mut fields = fields.iter();
    let mut at = 0_usize;
    for item in items(table) {
        let size = match item {
            Item::Presence(_) => 4,
            Item::Param(p) => match shape(p.kind) {
                Some((_, size, _)) => size as usize,
                None => {
                    at = at.saturating_add(4 + text_bytes(encoded, at).next_multiple_of(4));
                    continue;
                }
            },
        };
        let field = fields.next().expect("the layout has one member per number");
        let from = encoded.get(at..).unwrap_or_default();
        let n = from.len().min(size);
        out[field.offset as usize..][..n].copy_from_slice(&from[..n]);
        at = at.saturating_add(size);
    }
    out
}

/// The length of the text at `at`, no more than `encoded` can hold.
fn text_bytes(encoded: &[u8], at: usize) -> usize {
    let word = encoded.get(at..).and_then(|e| e.first_chunk::<4>());
    word.map_or(0, |w| u32::from_le_bytes(*w) as usize).min(encoded.len())
}
