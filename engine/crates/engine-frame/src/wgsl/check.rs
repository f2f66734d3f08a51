//! Whether a contract can be told in WGSL at all.
use super::{
    MAX_PORTS, columns, element, params_layout, plain, vertex_types, visible_types, words::is_taken,
};
use cell_abi::ports::{FieldKind, PortKind, PortTable, TypeLayout};
use std::collections::HashSet;

/// The most vertex attributes that every GPU takes.
const MAX_LOCATIONS: usize = 16;
/// The largest uniform that every GPU takes, in bytes.
const MAX_UNIFORM_BYTES: u32 = 64 << 10;

/// Why a contract cannot be told in WGSL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// More ports than binding numbers.
    #[error("it has {count} ports; a cell can have {MAX_PORTS}")]
    TooManyPorts {
        /// How many.
        count: usize,
    },
    /// A word that WGSL or the engine's declarations use already.
    #[error("{what} cannot be called `{name}`: shaders use that word already; rename it")]
    TakenName {
        /// `the port`, `the type`, `the field`, `the parameter`.
        what: &'static str,
        /// The word.
        name: String,
    },
    /// A layout that WGSL would read otherwise.
    #[error(
        "the field `{field}` of `{ty}` lies at byte {offset}, but shaders read it at byte {wanted}; reorder the \
         fields or put padding in front of it"
    )]
    Misplaced {
        /// The type.
        ty: String,
        /// The field.
        field: String,
        /// Its offset in bytes.
        offset: u32,
        /// Where WGSL has it.
        wanted: u32,
    },
    /// A size that WGSL would read otherwise.
    #[error("`{ty}` has {size} bytes, but shaders take {wanted}; add padding fields at its end")]
    WrongSize {
        /// The type.
        ty: String,
        /// Its size in bytes.
        size: u32,
        /// What WGSL takes.
        wanted: u32,
    },
    /// A type that only vertex buffers can have.
    #[error(
        "the field `{field}` of `{ty}` is a unorm8x4, which only vertices and instances can have; use a u32"
    )]
    VertexOnly {
        /// The type.
        ty: String,
        /// The field.
        field: String,
    },
    /// Too many fields of vertex types.
    #[error(
        "the vertex and instance types have {count} fields (a matrix counts as 4); a GPU takes {MAX_LOCATIONS}"
    )]
    TooManyLocations {
        /// How many.
        count: usize,
    },
    /// A uniform that is too large.
    #[error("the uniform `{port}` has {size} bytes; a GPU takes {MAX_UNIFORM_BYTES}; use a Buffer")]
    LargeUniform {
        /// The port.
        port: String,
        /// Bytes.
        size: u32,
    },
}

/// Checks that the declarations of `table` are WGSL and that WGSL lays out its types as Rust does.
///
/// # Errors
/// [`HeaderFault`], the first one found.
pub fn check(table: &PortTable) -> Result<(), HeaderFault> {
    if table.ports.len() > MAX_PORTS {
        return Err(HeaderFault::TooManyPorts { count: table.ports.len() });
    }
    check_names(table)?;
    let mut locations = 0;
    for ty in vertex_types(table) {
        locations += columns(ty).len();
        if !ty.size.is_multiple_of(4) || ty.size > 2048 {
            let wanted = ty.size.next_multiple_of(4).min(2048);
            return Err(HeaderFault::WrongSize { ty: ty.name.clone(), size: ty.size, wanted });
        }
        if let Some(f) = ty.fields.iter().find(|f| !f.offset.is_multiple_of(4)) {
            let (ty, field) = (ty.name.clone(), f.name.clone());
            let wanted = f.offset.next_multiple_of(4);
            return Err(HeaderFault::Misplaced { ty, field, offset: f.offset, wanted });
        }
    }
    if locations > MAX_LOCATIONS {
        return Err(HeaderFault::TooManyLocations { count: locations });
    }
    for port in &table.ports {
        if let Some((name, false)) = element(port)
            && let Some(ty) = table.layout(name)
        {
            check_layout(ty)?;
            if let PortKind::Buffer(b) = &port.kind
                && b.usage == cell_abi::ports::BufferUsage::Uniform
                && ty.size > MAX_UNIFORM_BYTES
            {
                return Err(HeaderFault::LargeUniform { port: port.name.clone(), size: ty.size });
            }
        }
    }
    Ok(())
}

fn check_names(table: &PortTable) -> Result<(), HeaderFault> {
    let taken = |what, name: &str| HeaderFault::TakenName { what, name: name.to_owned() };
    let mut seen: HashSet<String> = HashSet::new();
    for port in &table.ports {
        let mut names = vec![port.name.clone()];
        if matches!(port.kind, PortKind::Texture(_)) {
            names.extend([format!("{}_prev", port.name), format!("{}_out", port.name)]);
        }
        for name in names {
            if is_taken(&name) || !seen.insert(name.clone()) {
                return Err(taken("the port", &name));
            }
        }
    }
    for ty in visible_types(table).into_iter().filter(|t| plain(t).is_none()) {
        if is_taken(&ty.name) || !seen.insert(ty.name.clone()) {
            return Err(taken("the type", &ty.name));
        }
        let mut fields = HashSet::new();
        let expanded = columns(ty);
        for f in ty.fields.iter().map(|f| &f.name) {
            if is_taken_member(f) || !fields.insert(f) {
                return Err(taken("the field", f));
            }
        }
        let mut fields = HashSet::new();
        if let Some(c) = expanded.iter().find(|c| !fields.insert(&c.name)) {
            return Err(taken("the field", &c.name));
        }
    }
    let mut members = HashSet::new();
    for f in params_layout(table) {
        if is_taken_member(&f.name) || !members.insert(f.name.clone()) {
            return Err(taken("the parameter", &f.name));
        }
    }
    Ok(())
}

/// A member may be called like one of the engine's variables, but not like a word of the language.
fn is_taken_member(name: &str) -> bool {
    super::words::is_reserved(name)
}

/// Checks that WGSL puts the fields where Rust does.
fn check_layout(ty: &TypeLayout) -> Result<(), HeaderFault> {
    let name = || ty.name.clone();
    if let Some(kind) = plain(ty) {
        // Arrays of vec3f have a stride of 16 in WGSL; a unorm8x4 has no such type.
        let wanted = kind.size().next_multiple_of(kind.wgsl_align());
        if kind == FieldKind::Unorm8x4 {
            return Err(HeaderFault::VertexOnly { ty: name(), field: name() });
        }
        if ty.size != wanted {
            return Err(HeaderFault::WrongSize { ty: name(), size: ty.size, wanted });
        }
        return Ok(());
    }
    let (mut end, mut align) = (0_u32, 4_u32);
    for f in &ty.fields {
        if f.kind == FieldKind::Unorm8x4 {
            return Err(HeaderFault::VertexOnly { ty: name(), field: f.name.clone() });
        }
        align = align.max(f.kind.wgsl_align());
        let wanted = end.next_multiple_of(f.kind.wgsl_align());
        if f.offset != wanted {
            return Err(HeaderFault::Misplaced {
                ty: name(),
                field: f.name.clone(),
                offset: f.offset,
                wanted,
            });
        }
        end = wanted + f.kind.size();
    }
    let wanted = end.next_multiple_of(align).max(align);
    if ty.size != wanted {
        return Err(HeaderFault::WrongSize { ty: name(), size: ty.size, wanted });
    }
    Ok(())
}
