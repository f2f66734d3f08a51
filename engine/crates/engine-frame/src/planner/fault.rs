//! What can be wrong with a pass.
use crate::{
    limits::{MAX_GROUPS_PER_SIDE, MAX_VERTEX_SLOTS},
    plan::CellLine,
};
use std::sync::Arc;

/// Why a cell's list of passes is left out, with the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassFault {
    /// The cell's line in the scene.
    pub line: CellLine,
    /// Its name.
    pub cell: Arc<str>,
    /// The pass; `None` when the list as a whole is at fault.
    pub pass: Option<PassPlace>,
    /// What is wrong.
    pub problem: PassProblem,
}

/// A place in a list of passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassPlace {
    /// The pass's index in the list.
    pub index: u32,
    /// Its label.
    pub label: Arc<str>,
    /// The draw's index in the pass.
    pub draw: Option<u32>,
}

impl std::fmt::Display for PassFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`", self.cell)?;
        if let Some(p) = &self.pass {
            write!(f, ", pass {} (`{}`)", p.index, p.label)?;
            if let Some(d) = p.draw {
                write!(f, ", draw {d}")?;
            }
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for PassFault {}

/// What is wrong with a pass. Ports are given by name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassProblem {
    /// A quota of the list.
    #[error("the list has {count} {what}; a cell may have {max}")]
    TooMany {
        /// Passes or draws.
        what: &'static str,
        /// How many.
        count: usize,
        /// The quota.
        max: usize,
    },
    /// More faults than are worth a line each.
    #[error("and more like these")]
    AndMore,
    /// A port index out of range.
    #[error("it names port {port}, but the cell has {count} ports")]
    NoSuchPort {
        /// The index.
        port: u16,
        /// How many there are.
        count: usize,
    },
    /// A port of another kind than the place takes.
    #[error("`{port}` is {is}; {wanted} is needed here")]
    WrongKind {
        /// The port.
        port: String,
        /// What it is.
        is: &'static str,
        /// What is needed.
        wanted: &'static str,
    },
    /// Writing what others own.
    #[error("`{port}` is an input and cannot be written; declare it as an output")]
    WritesInput {
        /// The port.
        port: String,
    },
    /// A mip level that is not there.
    #[error("level {level} of `{port}` is not there; it has {mips} (from 0)")]
    NoSuchLevel {
        /// The port.
        port: String,
        /// The level.
        level: u32,
        /// Levels it has.
        mips: u32,
    },
    /// A format that cannot be used so.
    #[error("`{port}` is {format}, which cannot be {used}")]
    Format {
        /// The port.
        port: String,
        /// Its format.
        format: &'static str,
        /// `drawn to as colour`, `blended`, `stored to`, ...
        used: &'static str,
    },
    /// A view that a port does not have.
    #[error("`{port}` is a buffer: it has no levels and no previous frame to read")]
    NoSuchView {
        /// The port.
        port: String,
    },
    /// One port bound as two things at once.
    #[error("`{port}` is read twice in different ways; one binding can only be one of them")]
    ReadTwice {
        /// The port.
        port: String,
    },
    /// Reading what is being written.
    #[error(
        "it reads level {level} of `{port}` while it writes it; read another level, or the previous frame"
    )]
    Feedback {
        /// The port.
        port: String,
        /// The level.
        level: u32,
    },
    /// Two attachments that are one.
    #[error("it writes level {level} of `{port}` twice")]
    WrittenTwice {
        /// The port.
        port: String,
        /// The level.
        level: u32,
    },
    /// Attachments of different sizes.
    #[error("its targets differ in size: `{first}` is {}x{}, `{second}` is {}x{}", .first_px[0], .first_px[1], .second_px[0], .second_px[1])]
    SizesDiffer {
        /// A port.
        first: String,
        /// Its size in pixels.
        first_px: [u32; 2],
        /// Another.
        second: String,
        /// Its size in pixels.
        second_px: [u32; 2],
    },
    /// Nothing to draw to.
    #[error("it draws to nothing; give it a target with `.write(..)` or `.depth(..)`")]
    NoTarget,
    /// Too many colour targets.
    #[error("it has {count} colour targets; a pass can have {max}")]
    ColorTargets {
        /// How many.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// Too many vertex buffers.
    #[error("it has {count} vertex buffers; a pass can have {MAX_VERTEX_SLOTS}")]
    VertexSlots {
        /// How many.
        count: usize,
    },
    /// An entry point without a name.
    #[error("its {stage} entry point has no name")]
    NoEntry {
        /// The stage.
        stage: &'static str,
    },
    /// Colour without a fragment stage.
    #[error("it writes colour but has no fragment entry point")]
    NoFragment,
    /// The engine's triangle with something of the cell's.
    #[error(
        "a full pass draws one triangle and takes no vertices, indices or draws of its own; use `.draw(..)` with a vertex entry point"
    )]
    FullPass,
    /// No draw.
    #[error("it has no draws; leave the pass out instead")]
    NoDraws,
    /// A bias that is no number.
    #[error("its depth bias is not finite")]
    Bias,
    /// More than a buffer holds.
    #[error("it draws {what} {first} to {end}, but `{port}` holds {holds}")]
    OutOfRange {
        /// `vertices`, `indices`, `instances`.
        what: &'static str,
        /// The first.
        first: u32,
        /// One past the last.
        end: u64,
        /// The port.
        port: String,
        /// Elements it can hold.
        holds: u64,
    },
    /// Too much work.
    #[error("it may draw {count} vertices (times instances); the most is {max}{whole}")]
    TooMuchWork {
        /// How many.
        count: u64,
        /// The quota.
        max: u64,
        /// Whether the list as a whole is meant.
        whole: &'static str,
    },
    /// Too large a dispatch.
    #[error("{}x{}x{} workgroups are too many; the most is {max} in all and {MAX_GROUPS_PER_SIDE} per side", .groups[0], .groups[1], .groups[2])]
    Groups {
        /// Workgroups.
        groups: [u32; 3],
        /// The quota.
        max: u64,
    },
    /// A sealed port without a resource.
    #[error("nothing is bound to the sealed port `{port}`; bind one in the pass or the draw")]
    SealedMissing {
        /// The port.
        port: String,
    },
    /// A sealed id that is not this cell's.
    #[error("the resource {id} bound to `{port}` is not one that this cell sealed")]
    SealedUnknown {
        /// The port.
        port: String,
        /// The id.
        id: u64,
    },
    /// A sealed resource of the wrong kind.
    #[error("the resource bound to `{port}` is {is}; {wanted} is needed")]
    SealedWrong {
        /// The port.
        port: String,
        /// What it is.
        is: String,
        /// What is needed.
        wanted: String,
    },
    /// Sealed resources have no draw to belong to.
    #[error("a compute pass cannot bind the sealed `{port}`")]
    SealedInCompute {
        /// The port.
        port: String,
    },
    /// A count that is not there.
    #[error("the count {index} of `{port}` is not there; it has {holds}")]
    NoSuchCount {
        /// The port.
        port: String,
        /// Which number.
        index: u32,
        /// How many it has.
        holds: u32,
    },
    /// A target that no GPU can make.
    #[error("`{port}` would be {}x{} pixels; the most is {max} a side", .size_px[0], .size_px[1])]
    LargeTarget {
        /// The port.
        port: String,
        /// Its size.
        size_px: [u32; 2],
        /// The limit.
        max: u32,
    },
    /// Too much memory.
    #[error("the targets it writes take {bytes} bytes; a cell may have {max}")]
    TargetBytes {
        /// Bytes.
        bytes: u64,
        /// The quota.
        max: u64,
    },
    /// A storage buffer that no GPU can bind.
    #[error("`{port}` has {bytes} bytes; the most a shader can read is {max}")]
    LargeStorage {
        /// The port.
        port: String,
        /// Bytes.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// Reading what is written later.
    #[error(
        "it reads `{name}` before anything wrote it in this frame; move the pass behind the one that writes it, read its previous frame, or declare it `= keep`"
    )]
    ReadBeforeWrite {
        /// The name.
        name: Arc<str>,
    },
    /// Cells that wait for one another.
    #[error(
        "{cells} wait for one another over {names}: it reads what cells further down the scene write, and they write over or read what it writes; move it down, or let it read the previous frame"
    )]
    Cycle {
        /// The cells, quoted.
        cells: String,
        /// The names, quoted.
        names: String,
    },
}
