//! From pass lists to a plan: every port resolved, everything checked, all passes in order.
//!
//! [`plan`] is a pure function. It is called when a list, a size, a shader or a line of the scene changed, not
//! per frame. A list with a fault is left out as a whole; the caller goes back to the cell's last good one
//! (see [`crate::lists`]).
mod assemble;
mod fault;
mod loads;
mod resolve;

pub use fault::{PassFault, PassPlace, PassProblem};

use crate::{
    contracts::Contracts,
    limits::Limits,
    order::{Access, Cycle, Order, PassUse, order},
    plan::{CellLine, Plan, ShaderId, TargetId},
};
use cell_abi::ports::{TargetDesc, TextureFormat};
use cell_wire::PassList;
use resolve::{Draft, ResolvedCell};
use std::{collections::BTreeSet, sync::Arc};

/// A sealed resource as the planner needs to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedInfo {
    /// Bytes, for vertex, index or storage buffers.
    Buffer {
        /// How many.
        bytes: u64,
    },
    /// A 2-D texture.
    Texture2d {
        /// Its format.
        format: TextureFormat,
    },
}

/// The passes of one cell.
#[derive(Clone, Debug)]
pub struct CellPasses {
    /// The cell's line in the scene.
    pub line: CellLine,
    /// Its shader.
    pub shader: ShaderId,
    /// Its passes.
    pub list: Arc<PassList>,
}

/// What a plan is made from.
#[derive(Clone, Copy)]
pub struct PlanInput<'a> {
    /// The version the plan gets; the caller counts.
    pub version: u64,
    /// The world's names.
    pub contracts: &'a Contracts,
    /// The lists, in any order; those of cells that are not in `contracts` are ignored.
    pub lists: &'a [CellPasses],
    /// What a cell sealed under an id; `None` when it did not.
    pub sealed: &'a dyn Fn(CellLine, u64) -> Option<SealedInfo>,
    /// What each cell may ask for.
    pub limits: &'a dyn Fn(CellLine) -> Limits,
    /// The output size in pixels.
    pub screen_px: [u32; 2],
}

/// A plan, and what was left out of it.
#[derive(Debug, Default)]
pub struct PlanOutcome {
    /// The plan of all lists without fault.
    pub plan: Plan,
    /// All faults, by place. The lists of their cells are not in the plan.
    pub faults: Vec<PassFault>,
}

impl PlanOutcome {
    /// Returns the cells whose lists were left out, in scene order.
    #[must_use]
    pub fn left_out(&self) -> Vec<CellLine> {
        let lines: BTreeSet<CellLine> = self.faults.iter().map(|f| f.line).collect();
        lines.into_iter().collect()
    }
}

/// The number that stands for the backbuffer among the names of targets.
const BACKBUFFER: u32 = u32::MAX;

/// Returns the size in pixels of level 0 of a target; see
/// [`PlannedTarget::size_px`](crate::plan::PlannedTarget::size_px).
#[must_use]
pub fn target_size_px(desc: &TargetDesc, screen_px: [u32; 2]) -> [u32; 2] {
    let [w, h] = desc.size.resolve(screen_px);
    let least = 1_u32 << (desc.mips.clamp(1, 16) - 1);
    // Enlarging the longer side is enough for the levels to exist.
    if w.max(h) >= least {
        [w, h]
    } else if w >= h {
        [least, h]
    } else {
        [w, least]
    }
}

/// Returns the size in pixels of a mip level.
fn level_size_px(size_px: [u32; 2], level: u32) -> [u32; 2] {
    size_px.map(|s| (s >> level.min(31)).max(1))
}

/// Makes a plan. See the module's text.
#[must_use]
pub fn plan(input: &PlanInput<'_>) -> PlanOutcome {
    let mut faults = Vec::new();
    let mut lists: Vec<&CellPasses> = input.lists.iter().collect();
    lists.sort_by_key(|l| l.line);
    let mut cells: Vec<ResolvedCell> =
        lists.into_iter().filter_map(|list| resolve::resolve(input, list, &mut faults)).collect();
    let mut drafts: Vec<(usize, Draft)> = Vec::new();
    for (n, cell) in cells.iter_mut().enumerate() {
        drafts.extend(cell.drafts.drain(..).map(|d| (n, d)));
    }
    // Each further round leaves out at least one cell's list, so this ends.
    let (order, loads, written) = loop {
        let uses: Vec<PassUse> = drafts.iter().map(|(n, d)| pass_use(cells[*n].line, d)).collect();
        let Order { passes: order, cycles } = order(&uses);
        faults.extend(cycles.iter().filter_map(|c| cycle_fault(input.contracts, c)));
        let mut frame = loads::FrameLoads::new(input.contracts, order.iter().map(|&i| &drafts[i].1));
        let mut lost: BTreeSet<usize> = BTreeSet::new();
        let mut loads = Vec::with_capacity(order.len());
        for &i in &order {
            let (n, draft) = &drafts[i];
            match frame.next(draft) {
                Ok(l) => loads.push(l),
                Err(problem) => {
                    faults.push(cells[*n].fault(draft, problem));
                    lost.insert(*n);
                }
            }
        }
        if lost.is_empty() {
            break (order, loads, frame.into_written());
        }
        let out_of_cycles: BTreeSet<CellLine> = cycles.iter().map(|c| c.left_out).collect();
        drafts.retain(|(n, _)| !lost.contains(n) && !out_of_cycles.contains(&cells[*n].line));
    };
    faults.sort_by_key(|f| (f.line, f.pass.as_ref().map(|p| (p.index, p.draw))));
    let mut slots: Vec<Option<(usize, Draft)>> = drafts.into_iter().map(Some).collect();
    let mut out = assemble::Assembly::new(input, &written);
    for (i, load) in order.into_iter().zip(loads) {
        let (n, draft) = slots[i].take().expect("an order names each pass once");
        out.push(&cells[n], draft, load);
    }
    PlanOutcome { plan: out.finish(), faults }
}

fn pass_use(line: CellLine, draft: &Draft) -> PassUse {
    let uses = draft.touches.iter().map(|t| {
        let access = if t.kind.writes() { Access::Write } else { Access::Read };
        (t.target.map_or(BACKBUFFER, |t| t.0), access)
    });
    PassUse { line, index: draft.pass.index, uses: uses.collect() }
}

fn cycle_fault(contracts: &Contracts, cycle: &Cycle) -> Option<PassFault> {
    let quoted = |names: Vec<&str>| {
        let names: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
        match names.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
            _ => names.join(""),
        }
    };
    let cells = cycle.cells.iter().filter_map(|l| contracts.cell(*l)).map(|c| &*c.name).collect();
    let names = cycle.names.iter().filter_map(|n| contracts.target(TargetId(*n))).map(|t| &*t.name).collect();
    let problem = PassProblem::Cycle { cells: quoted(cells), names: quoted(names) };
    let cell = contracts.cell(cycle.left_out)?;
    Some(PassFault { line: cell.line, cell: cell.name.clone(), pass: None, problem })
}

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
#[path = "planner_tests.rs"]
mod tests;
