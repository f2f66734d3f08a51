//! What can be wrong with declarations.
use super::{CellDecl, MAX_BUFFER_BYTES, MAX_READBACK_BYTES, agree, wgsl};
use crate::{plan::CellLine, wgsl::HeaderFault};
use cell_abi::ports::PortKind;
use std::sync::Arc;

/// Why a cell is left out of the world.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContractFault {
    /// Two cells write one buffer.
    #[error(
        "`{cell}` and `{}` both write the buffer `{name}`; only one cell can, and `{}` {}: rename it in `{cell}`, or \
         take one of the two out",
        .other.cell, .other.cell, place(*.line, .other)
    )]
    TwoOwners {
        /// The cell at fault: the later one.
        line: CellLine,
        /// Its name.
        cell: Arc<str>,
        /// The name in the world.
        name: Arc<str>,
        /// The cell that has it.
        other: Declarer,
    },
    /// Two cells mean different things by one name.
    #[error(
        "`{cell}` and `{}` disagree on `{name}`: its {property} is {here} in `{cell}`, {there} in `{}`; change \
         `{cell}`, because {}",
        .other.cell, .other.cell, reason(*.line, *.writes, .other)
    )]
    Disagree {
        /// The cell at fault: the later one, or the one that reads.
        line: CellLine,
        /// Its name.
        cell: Arc<str>,
        /// It writes the name, or reads it.
        writes: bool,
        /// The name in the world.
        name: Arc<str>,
        /// The cell whose declaration counts.
        other: Declarer,
        /// What differs.
        property: &'static str,
        /// What it is in the cell at fault.
        here: String,
        /// What it is in the other.
        there: String,
    },
    /// The contract cannot be told in WGSL.
    #[error("`{cell}`: {fault}")]
    Shader {
        /// The cell at fault.
        line: CellLine,
        /// Its name.
        cell: Arc<str>,
        /// Why.
        fault: HeaderFault,
    },
    /// A buffer that nothing can hold.
    #[error("the buffer `{port}` of `{cell}` would have {bytes} bytes; the most is {MAX_BUFFER_BYTES}")]
    LargeBuffer {
        /// The cell at fault.
        line: CellLine,
        /// Its name.
        cell: Arc<str>,
        /// The port.
        port: Arc<str>,
        /// What it asks for.
        bytes: u64,
    },
    /// A texture that is too large to be read back in each frame.
    #[error(
        "`{cell}` reads back `{port}`, which has {bytes} bytes; the most is {MAX_READBACK_BYTES}: draw what it needs of it \
         into a smaller texture, and read that back"
    )]
    LargeReadback {
        /// The cell at fault.
        line: CellLine,
        /// Its name.
        cell: Arc<str>,
        /// The port.
        port: Arc<str>,
        /// What it asks for.
        bytes: u64,
    },
    /// Elements that do not fit into words of 4 bytes, in which GPUs copy.
    #[error("the elements of `{port}` of `{cell}` have {bytes} bytes; add padding up to a multiple of 4")]
    OddElement {
        /// The cell at fault.
        line: CellLine,
        /// Its name.
        cell: Arc<str>,
        /// The port.
        port: Arc<str>,
        /// The element's size.
        bytes: u32,
    },
}

/// A cell that declared a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declarer {
    /// Its line.
    pub line: CellLine,
    /// Its name.
    pub cell: Arc<str>,
    /// It writes the name, or reads it.
    pub writes: bool,
}

/// Returns where the cell stands whose declaration counts.
fn place(line: CellLine, other: &Declarer) -> &'static str {
    if other.line < line { "stands above" } else { "is trusted" }
}

/// Returns why the other cell's declaration counts.
fn reason(line: CellLine, writes: bool, other: &Declarer) -> String {
    match (other.writes, writes) {
        // Only what untrusted cells say comes after what stands below them, or after what reads.
        _ if other.line > line && writes == other.writes => {
            format!("`{}` is trusted and it is not", other.cell)
        }
        (false, true) => format!("`{}` is trusted and it is not", other.cell),
        (true, false) => format!("`{}` writes it and so says what it is", other.cell),
        (_, true) => format!("`{}` writes it too and stands above", other.cell),
        (false, false) => format!("nobody writes it and `{}` stands above", other.cell),
    }
}

impl ContractFault {
    /// Returns the line of the other cell that it is about.
    #[must_use]
    pub fn other(&self) -> Option<CellLine> {
        match self {
            Self::TwoOwners { other, .. } | Self::Disagree { other, .. } => Some(other.line),
            Self::Shader { .. }
            | Self::LargeBuffer { .. }
            | Self::LargeReadback { .. }
            | Self::OddElement { .. } => None,
        }
    }

    /// Returns the line of the cell at fault, which is left out.
    #[must_use]
    pub fn line(&self) -> CellLine {
        match self {
            Self::TwoOwners { line, .. }
            | Self::Disagree { line, .. }
            | Self::Shader { line, .. }
            | Self::LargeBuffer { line, .. }
            | Self::LargeReadback { line, .. }
            | Self::OddElement { line, .. } => *line,
        }
    }
}

/// A name that somebody reads and nobody writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfed {
    /// The name.
    pub name: Arc<str>,
    /// The cells that read it, in scene order.
    pub readers: Vec<Arc<str>>,
    /// A name that somebody writes and that looks alike.
    pub did_you_mean: Option<Arc<str>>,
}

impl std::fmt::Display for Unfed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let read = if self.readers.len() == 1 { "reads" } else { "read" };
        write!(f, "nobody writes `{}`, which `{}` {read}", self.name, self.readers.join("`, `"))?;
        match &self.did_you_mean {
            Some(n) => write!(f, "; did you mean `{n}`?"),
            None => Ok(()),
        }
    }
}

/// Returns what is wrong with a cell's declarations whatever the others say.
pub(super) fn alone(c: &CellDecl) -> Vec<ContractFault> {
    let (line, cell) = (c.line, || c.name.clone());
    let mut out = Vec::new();
    if c.table.shader.is_some()
        && let Err(fault) = wgsl::check(&c.table)
    {
        out.push(ContractFault::Shader { line, cell: cell(), fault });
    }
    for p in &c.table.ports {
        let port = || p.name.as_str().into();
        if let (PortKind::Texture(t), true) = (&p.kind, p.readback) {
            let [width, height] = t.size.resolve([1, 1]).map(u64::from);
            let bytes = width * height * u64::from(t.format.bytes());
            if bytes > MAX_READBACK_BYTES {
                out.push(ContractFault::LargeReadback { line, cell: cell(), port: port(), bytes });
            }
        }
        let PortKind::Buffer(b) = &p.kind else { continue };
        let size = agree::element_of(b, &c.table).size;
        let bytes = u64::from(size) * u64::from(b.max_count);
        if !size.is_multiple_of(4) || size == 0 {
            out.push(ContractFault::OddElement { line, cell: cell(), port: port(), bytes: size });
        }
        if bytes > MAX_BUFFER_BYTES {
            out.push(ContractFault::LargeBuffer { line, cell: cell(), port: port(), bytes });
        }
    }
    out
}
