//! Checking one cell's list and resolving its ports.
mod draws;
mod ports;
mod raster;

use super::{CellPasses, PassFault, PassPlace, PassProblem, PlanInput, SealedInfo, target_size_px};
use crate::{
    contracts::{DeclaredCell, Resource},
    limits::{Limits, MAX_GROUPS_PER_SIDE},
    plain::plain_name,
    plan::{
        Bound, CellLine, DynamicCount, PlannedBinding, PlannedPass, PlannedWork, ShaderId, TargetId,
        TextureView,
    },
    wgsl,
};
use cell_abi::ports::{BufferUsage, Direction, PortKind};
use cell_wire::{Compute, Pass, Read, ViewOf, Work};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// Faults of one list that are told one by one.
const MAX_FAULTS: usize = 20;

/// How a pass touches a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TouchKind {
    Sampled,
    Color,
    DepthTested,
    DepthWritten,
    Stored,
}

impl TouchKind {
    pub(super) fn writes(self) -> bool {
        matches!(self, Self::Color | Self::DepthWritten | Self::Stored)
    }
}

/// A target that a pass touches in this frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch {
    /// `None` is the backbuffer.
    pub(super) target: Option<TargetId>,
    pub(super) level: u32,
    /// How many levels from `level` on.
    pub(super) levels: u32,
    pub(super) kind: TouchKind,
    /// For messages.
    port: u16,
}

/// A pass with resolved ports, but without loads; dynamic counts are numbered per cell.
pub(super) struct Draft {
    pub(super) pass: PlannedPass,
    pub(super) touches: Vec<Touch>,
}

/// A cell whose list holds by itself.
pub(super) struct ResolvedCell {
    pub(super) line: CellLine,
    pub(super) name: Arc<str>,
    pub(super) shader: ShaderId,
    pub(super) drafts: Vec<Draft>,
    pub(super) counts: Vec<DynamicCount>,
}

impl ResolvedCell {
    pub(super) fn fault(&self, draft: &Draft, problem: PassProblem) -> PassFault {
        let place = PassPlace { index: draft.pass.index, label: draft.pass.label.clone(), draw: None };
        PassFault { line: self.line, cell: self.name.clone(), pass: Some(place), problem }
    }
}

/// Resolves a list; `None` when its cell is not in the world, or when it has faults, which are appended.
pub(super) fn resolve(
    input: &PlanInput<'_>,
    passes: &CellPasses,
    faults: &mut Vec<PassFault>,
) -> Option<ResolvedCell> {
    let cell = input.contracts.cell(passes.line)?;
    let mut r = Resolver {
        input,
        cell,
        limits: (input.limits)(passes.line),
        place: None,
        faults: Vec::new(),
        touches: Vec::new(),
        counts: Vec::new(),
        count_numbers: HashMap::new(),
        vertices: 0,
        targets: HashSet::new(),
    };
    let list = &passes.list.passes;
    let mut drafts = Vec::with_capacity(list.len());
    if r.quotas(list) {
        for (index, pass) in (0_u32..).zip(list) {
            r.place = Some(PassPlace { index, label: plain_name(&pass.label).into(), draw: None });
            drafts.push(r.pass(index, pass));
        }
        r.place = None;
        r.totals();
    }
    let Resolver { counts, faults: own, .. } = r;
    if own.is_empty() {
        let (name, shader) = (cell.name.clone(), passes.shader);
        return Some(ResolvedCell { line: passes.line, name, shader, drafts, counts });
    }
    faults.extend(own);
    None
}

/// Checks one list. Faults do not stop it: all are collected.
struct Resolver<'a> {
    input: &'a PlanInput<'a>,
    cell: &'a DeclaredCell,
    limits: Limits,
    place: Option<PassPlace>,
    faults: Vec<PassFault>,
    /// Of the current pass.
    touches: Vec<Touch>,
    counts: Vec<DynamicCount>,
    count_numbers: HashMap<DynamicCount, u32>,
    /// Vertices times instances so far.
    vertices: u64,
    /// Written targets.
    targets: HashSet<TargetId>,
}

impl Resolver<'_> {
    fn fault(&mut self, problem: PassProblem) {
        let problem = match self.faults.len() {
            n if n < MAX_FAULTS => problem,
            MAX_FAULTS => PassProblem::AndMore,
            _ => return,
        };
        let (line, cell, pass) = (self.cell.line, self.cell.name.clone(), self.place.clone());
        self.faults.push(PassFault { line, cell, pass, problem });
    }

    /// Notes the problem of a result.
    fn ok<T>(&mut self, result: Result<T, PassProblem>) -> Option<T> {
        result.map_err(|p| self.fault(p)).ok()
    }

    /// Checks what must hold before anything is looked at one by one.
    fn quotas(&mut self, list: &[Pass]) -> bool {
        let draws = list.iter().map(|p| match &p.work {
            Work::Raster(r) => r.draws.len(),
            Work::Compute(_) => 1,
        });
        let quotas = [
            ("passes", list.len(), self.limits.passes),
            ("draws and dispatches", draws.sum(), self.limits.draws),
        ];
        for (what, count, max) in quotas {
            if count > max {
                self.fault(PassProblem::TooMany { what, count, max });
            }
        }
        self.faults.is_empty()
    }

    /// Checks sums over the list.
    fn totals(&mut self) {
        if self.vertices > self.limits.vertices_per_frame {
            let (count, max) = (self.vertices, self.limits.vertices_per_frame);
            self.fault(PassProblem::TooMuchWork { count, max, whole: " in a frame" });
        }
        let bytes = self.targets.iter().filter_map(|id| self.input.contracts.target(*id)).map(|t| {
            let [w, h] = target_size_px(&t.desc, self.input.screen_px);
            let level0 = u64::from(w) * u64::from(h) * u64::from(t.desc.format.bytes());
            // A chain of levels takes a third more.
            if t.desc.mips > 1 { level0 + level0 / 3 } else { level0 }
        });
        let bytes: u64 = bytes.sum();
        if bytes > self.limits.target_bytes {
            self.fault(PassProblem::TargetBytes { bytes, max: self.limits.target_bytes });
        }
    }

    fn pass(&mut self, index: u32, pass: &Pass) -> Draft {
        self.touches.clear();
        let mut bindings = Vec::with_capacity(pass.reads.len());
        for read in &pass.reads {
            let bound = self.read(*read);
            if let Some(b) = self.ok(bound)
                && !bindings.contains(&b)
            {
                if bindings.iter().any(|o: &PlannedBinding| o.binding == b.binding) {
                    let port = self.port_name(read.port);
                    self.fault(PassProblem::ReadTwice { port });
                }
                bindings.push(b);
            }
        }
        let (work, sealed) = match &pass.work {
            Work::Raster(r) => {
                let (raster, sealed) = self.raster(pass, r);
                (PlannedWork::Raster(raster), sealed)
            }
            Work::Compute(c) => (self.compute(pass, c, &mut bindings), Vec::new()),
        };
        bindings.sort_by_key(|b| b.binding);
        self.feedback();
        let label = self.place.as_ref().map_or_else(|| "".into(), |p| p.label.clone());
        Draft { pass: PlannedPass { index, label, work, bindings, sealed }, touches: self.touches.clone() }
    }

    fn read(&mut self, read: Read) -> Result<PlannedBinding, PassProblem> {
        let port = self.port(read.port)?;
        let binding = u32::from(read.port);
        match (&port.kind, self.cell.resources[usize::from(read.port)]) {
            (PortKind::Texture(_), Resource::Target(target)) => {
                let desc = self.target(target).desc;
                self.target_size(read.port, target)?;
                let (binding, view) = match read.view {
                    ViewOf::Previous => (wgsl::PREVIOUS + binding, TextureView::Previous),
                    ViewOf::Whole => {
                        self.touch(read.port, Some(target), 0, desc.mips, TouchKind::Sampled);
                        (binding, TextureView::Whole)
                    }
                    ViewOf::Level(level) => {
                        let level = self.level(read.port, target, level)?;
                        self.touch(read.port, Some(target), level, 1, TouchKind::Sampled);
                        (binding, TextureView::Level(level))
                    }
                };
                Ok(PlannedBinding { binding, what: Bound::Texture { target, view, format: desc.format } })
            }
            (PortKind::Buffer(b), Resource::Buffer(buffer)) => {
                if read.view != ViewOf::Whole {
                    return Err(PassProblem::NoSuchView { port: port.name.clone() });
                }
                let contract = self.buffer(buffer);
                let size = contract.element.size;
                let what = match b.usage {
                    BufferUsage::Uniform => Bound::Uniform { buffer, size },
                    BufferUsage::Storage => {
                        let (bytes, max) = (u64::from(contract.capacity()), self.limits.storage_bytes);
                        if bytes > max {
                            return Err(PassProblem::LargeStorage { port: port.name.clone(), bytes, max });
                        }
                        Bound::Storage { buffer, element_size: size }
                    }
                    _ => return Err(self.wrong_kind(read.port, "a texture, Uniform or Buffer")),
                };
                Ok(PlannedBinding { binding, what })
            }
            _ => Err(self.wrong_kind(read.port, "a texture, Uniform or Buffer")),
        }
    }

    fn compute(&mut self, pass: &Pass, c: &Compute, bindings: &mut Vec<PlannedBinding>) -> PlannedWork {
        if c.entry.is_empty() {
            self.fault(PassProblem::NoEntry { stage: "compute" });
        }
        let all = c.groups.iter().map(|g| u64::from(*g)).fold(1, u64::saturating_mul);
        let max = self.limits.groups_per_dispatch;
        if all > max || c.groups.iter().any(|g| *g > MAX_GROUPS_PER_SIDE) {
            self.fault(PassProblem::Groups { groups: c.groups, max });
        }
        for bind in &pass.sealed {
            let port = self.port_name(bind.port);
            self.fault(PassProblem::SealedInCompute { port });
        }
        for store in &c.stores {
            let bound = self.store(store.port, store.level);
            bindings.extend(self.ok(bound));
        }
        PlannedWork::Compute { entry: c.entry.as_str().into(), groups: c.groups }
    }

    fn store(&mut self, n: u16, level: u8) -> Result<PlannedBinding, PassProblem> {
        let target = self.writable(n)?.ok_or_else(|| self.wrong_kind(n, "a texture"))?;
        let format = self.target(target).desc.format;
        if !wgsl::is_storable(format) {
            let port = self.port_name(n);
            return Err(PassProblem::Format {
                port,
                format: format.name(),
                used: "stored to by compute passes",
            });
        }
        let level = self.level(n, target, level)?;
        self.target_size(n, target)?;
        self.attach(n, Some(target), level, TouchKind::Stored)?;
        let binding = wgsl::OUT + u32::from(n);
        Ok(PlannedBinding { binding, what: Bound::StorageTexture { target, level, format } })
    }

    /// Checks that no level is read and written at once. Depth that is only tested may be read.
    fn feedback(&mut self) {
        let touches = std::mem::take(&mut self.touches);
        for w in touches.iter().filter(|t| t.kind.writes()) {
            let reads = |t: &&Touch| {
                t.kind == TouchKind::Sampled
                    && t.target == w.target
                    && (t.level..t.level + t.levels).contains(&w.level)
            };
            if touches.iter().any(|t| reads(&t)) {
                let port = self.port_name(w.port);
                self.fault(PassProblem::Feedback { port, level: w.level });
            }
        }
        self.touches = touches;
    }

    fn touch(&mut self, port: u16, target: Option<TargetId>, level: u32, levels: u32, kind: TouchKind) {
        self.touches.push(Touch { target, level, levels, kind, port });
    }

    /// Notes that the pass writes or tests a level.
    fn attach(
        &mut self,
        port: u16,
        target: Option<TargetId>,
        level: u32,
        kind: TouchKind,
    ) -> Result<(), PassProblem> {
        let twice = |t: &Touch| t.kind != TouchKind::Sampled && (t.target, t.level) == (target, level);
        if self.touches.iter().any(twice) {
            return Err(PassProblem::WrittenTwice { port: self.port_name(port), level });
        }
        self.touch(port, target, level, 1, kind);
        if kind.writes() {
            self.targets.extend(target);
        }
        Ok(())
    }

    /// Returns what a cell sealed, as far as it is of a kind.
    fn sealed(&self, port: u16, id: u64) -> Result<SealedInfo, PassProblem> {
        (self.input.sealed)(self.cell.line, id)
            .ok_or_else(|| PassProblem::SealedUnknown { port: self.port_name(port), id })
    }

    /// Returns whether a port may be written in principle.
    fn is_input(&self, port: u16) -> bool {
        self.cell.table.ports[usize::from(port)].direction == Direction::Input
    }
}
