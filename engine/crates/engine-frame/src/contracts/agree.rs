//! When two declarations of one name agree.
use cell_abi::ports::{BufferDesc, BufferUsage, PortTable, StartValue, TargetDesc, TargetSize, TypeLayout};

/// What differs, here, and there.
pub(super) type Difference = (&'static str, String, String);

/// Returns whether a start value is the default, which says nothing.
pub(super) fn is_silent(start: StartValue) -> bool {
    start == StartValue::Clear([0.0; 4])
}

pub(super) fn start_text(start: StartValue) -> String {
    match start {
        StartValue::Keep => "keep".to_owned(),
        StartValue::Clear([r, g, b, a]) => format!("clear({r}, {g}, {b}, {a})"),
    }
}

pub(super) fn target_difference(here: &TargetDesc, there: &TargetDesc) -> Option<Difference> {
    let size = |s: TargetSize| match s {
        TargetSize::Screen { num: 1, den: 1 } => "the screen's".to_owned(),
        TargetSize::Screen { num, den } => format!("{num}/{den} of the screen"),
        TargetSize::Fixed { width, height } => format!("{width}x{height}"),
    };
    let same_size = match (here.size, there.size) {
        // 2/4 of the screen is 1/2 of it.
        (TargetSize::Screen { num: a, den: b }, TargetSize::Screen { num: c, den: d }) => {
            u64::from(a) * u64::from(d) == u64::from(c) * u64::from(b)
        }
        (a, b) => a == b,
    };
    if here.format != there.format {
        Some(("format", here.format.name().to_owned(), there.format.name().to_owned()))
    } else if !same_size {
        Some(("size", size(here.size), size(there.size)))
    } else if here.mips != there.mips {
        Some(("number of mip levels", here.mips.to_string(), there.mips.to_string()))
    } else {
        None
    }
}

/// Returns the layout of a buffer's elements; indices and counts are plain `u32`.
pub(super) fn element_of(desc: &BufferDesc, table: &PortTable) -> TypeLayout {
    let word = || TypeLayout { name: "u32".to_owned(), size: 4, fields: Vec::new() };
    match desc.usage {
        BufferUsage::Indices | BufferUsage::Counts => word(),
        _ => table.layout(&desc.element).cloned().unwrap_or_else(word),
    }
}

/// Returns whether two layouts mean the same bytes. The types' names may differ unless they are all there is.
pub(super) fn same_elements(a: &TypeLayout, b: &TypeLayout) -> bool {
    a.size == b.size && a.fields == b.fields && (a.name == b.name || !a.fields.is_empty())
}

pub(super) fn buffer_difference(here: &TypeLayout, there: &TypeLayout) -> Option<Difference> {
    if same_elements(here, there) {
        return None;
    }
    let field = |t: &TypeLayout, n: usize| match t.fields.get(n) {
        Some(f) => format!("{}: {} at byte {}", f.name, f.kind.name(), f.offset),
        None => format!("{}, which ends there", t.name),
    };
    let n = here.fields.iter().zip(&there.fields).take_while(|(a, b)| a == b).count();
    if n < here.fields.len().max(there.fields.len()) {
        return Some(("element", field(here, n), field(there, n)));
    }
    let whole = |t: &TypeLayout| format!("{} of {} bytes", t.name, t.size);
    Some(("element", whole(here), whole(there)))
}
