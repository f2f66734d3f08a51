//! What each attachment holds before its pass, derived from the order.
use super::{
    PassProblem,
    resolve::{Draft, Touch, TouchKind},
};
use crate::{
    contracts::Contracts,
    plan::{Load, TargetId},
};
use cell_abi::ports::StartValue;
use std::collections::HashSet;

/// What the attachments of one pass hold before it.
pub(super) struct PassLoads {
    /// One per colour target.
    pub(super) color: Vec<Load>,
    pub(super) depth: Option<Load>,
}

/// Goes through the passes in order and notes what was written.
pub(super) struct FrameLoads<'a> {
    contracts: &'a Contracts,
    /// Levels that some pass of the frame writes; the backbuffer is `None`.
    ever: HashSet<(Option<TargetId>, u32)>,
    /// Those that an earlier pass wrote or cleared.
    so_far: HashSet<(Option<TargetId>, u32)>,
}

impl<'a> FrameLoads<'a> {
    pub(super) fn new<'d>(contracts: &'a Contracts, drafts: impl Iterator<Item = &'d Draft>) -> Self {
        let written = drafts.flat_map(|d| &d.touches).filter(|t| t.kind.writes());
        let ever = written.map(|t| (t.target, t.level)).collect();
        Self { contracts, ever, so_far: HashSet::new() }
    }

    /// Returns the targets that some pass writes.
    pub(super) fn into_written(self) -> HashSet<TargetId> {
        self.ever.into_iter().filter_map(|(t, _)| t).collect()
    }

    /// Returns what the attachments of the next pass hold.
    pub(super) fn next(&mut self, draft: &Draft) -> Result<PassLoads, PassProblem> {
        let stale = draft.touches.iter().find_map(|t| self.stale(t));
        let mut out = PassLoads { color: Vec::new(), depth: None };
        for t in &draft.touches {
            match t.kind {
                TouchKind::Color => out.color.push(self.attach(t)),
                TouchKind::DepthWritten => out.depth = Some(self.attach(t)),
                TouchKind::DepthTested => out.depth = Some(self.test(draft, t)),
                TouchKind::Stored => {
                    self.so_far.insert((t.target, t.level));
                }
                TouchKind::Sampled => {}
            }
        }
        stale.map_or(Ok(out), Err)
    }

    /// Returns the fault when a pass reads a level that still holds what the last frame wrote.
    fn stale(&self, t: &Touch) -> Option<PassProblem> {
        let contract =
            t.target.filter(|_| t.kind == TouchKind::Sampled).and_then(|t| self.contracts.target(t))?;
        let stale = (t.level..t.level + t.levels)
            .map(|level| (t.target, level))
            .any(|at| self.ever.contains(&at) && !self.so_far.contains(&at));
        (stale && contract.desc.start != StartValue::Keep)
            .then(|| PassProblem::ReadBeforeWrite { name: contract.name.clone() })
    }

    fn attach(&mut self, t: &Touch) -> Load {
        let first = self.so_far.insert((t.target, t.level));
        match t.target {
            _ if !first => Load::Keep,
            None => Load::Clear([0.0, 0.0, 0.0, 1.0]),
            Some(id) => self.contracts.target(id).map_or(Load::Keep, |c| c.desc.start.into()),
        }
    }

    /// Depth that is tested before its first writer of the frame is cleared then; depth that nobody writes
    /// holds its start value since it was made.
    fn test(&mut self, draft: &Draft, t: &Touch) -> Load {
        let sampled = draft.touches.iter().any(|o| o.kind == TouchKind::Sampled && o.target == t.target);
        if self.ever.contains(&(t.target, t.level)) && !sampled { self.attach(t) } else { Load::Keep }
    }
}
