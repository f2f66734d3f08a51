//! Putting checked passes together.
use super::{
    PlanInput,
    loads::PassLoads,
    resolve::{Draft, ResolvedCell},
    target_size_px,
};
use crate::plan::{
    Bound, BufferId, BufferSource, DynamicCount, Plan, PlannedBuffer, PlannedCount, PlannedTarget,
    PlannedWork, Run, TargetId, TextureView,
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A plan in the making.
pub(super) struct Assembly<'a> {
    input: &'a PlanInput<'a>,
    written: &'a HashSet<TargetId>,
    plan: Plan,
    targets: BTreeMap<TargetId, PlannedTarget>,
    buffers: BTreeMap<BufferId, PlannedBuffer>,
    counts: HashMap<DynamicCount, u32>,
}

impl<'a> Assembly<'a> {
    pub(super) fn new(input: &'a PlanInput<'a>, written: &'a HashSet<TargetId>) -> Self {
        let plan = Plan { version: input.version, screen_px: input.screen_px, ..Plan::default() };
        Self {
            input,
            written,
            plan,
            targets: BTreeMap::new(),
            buffers: BTreeMap::new(),
            counts: HashMap::new(),
        }
    }

    /// Appends a pass.
    pub(super) fn push(&mut self, cell: &ResolvedCell, draft: Draft, loads: PassLoads) {
        let mut pass = draft.pass;
        for b in &pass.bindings {
            match b.what {
                Bound::Texture { target, view: TextureView::Previous, .. } => {
                    self.target(target, |t| t.previous = true);
                }
                Bound::Texture { target, .. } => self.target(target, |t| t.sampled = true),
                Bound::StorageTexture { target, .. } => self.target(target, |t| t.stored = true),
                Bound::Uniform { buffer, .. } => self.buffer(buffer, |b| b.uniform = true),
                Bound::Storage { buffer, .. } => self.buffer(buffer, |b| b.storage = true),
            }
        }
        if let PlannedWork::Raster(r) = &mut pass.work {
            for (c, load) in r.color.iter_mut().zip(loads.color) {
                c.load = load;
                if let Some(t) = c.target {
                    self.target(t, |t| t.rendered = true);
                }
            }
            if let (Some(d), Some(load)) = (&mut r.depth, loads.depth) {
                d.load = load;
                self.target(d.target, |t| t.rendered = true);
            }
            for draw in &mut r.draws {
                for source in &draw.vertex_buffers {
                    if let BufferSource::Slots(b) = source {
                        self.buffer(*b, |b| b.vertex = true);
                    }
                }
                if let Some(BufferSource::Slots(b)) = &draw.index_buffer {
                    self.buffer(*b, |b| b.index = true);
                }
                for count in [&mut draw.count, &mut draw.instances] {
                    if let PlannedCount::Dynamic(n) = count {
                        *n = self.count(cell.counts[*n as usize]);
                    }
                }
            }
        }
        match self.plan.runs.last_mut() {
            Some(run) if run.cell == cell.line => run.passes.push(pass),
            _ => self.plan.runs.push(Run {
                cell: cell.line,
                cell_name: cell.name.clone(),
                shader: cell.shader,
                passes: vec![pass],
            }),
        }
    }

    /// Returns the plan.
    pub(super) fn finish(mut self) -> Plan {
        self.plan.targets = self.targets.into_values().collect();
        self.plan.buffers = self.buffers.into_values().collect();
        self.plan
    }

    fn target(&mut self, id: TargetId, note: impl FnOnce(&mut PlannedTarget)) {
        let contract = self.input.contracts.target(id).expect("passes name targets of the contracts");
        note(self.targets.entry(id).or_insert_with(|| PlannedTarget {
            id,
            name: contract.name.clone(),
            desc: contract.desc,
            size_px: target_size_px(&contract.desc, self.input.screen_px),
            sampled: false,
            rendered: false,
            stored: false,
            previous: false,
            unfed: !self.written.contains(&id),
        }));
    }

    fn buffer(&mut self, id: BufferId, note: impl FnOnce(&mut PlannedBuffer)) {
        let contract = self.input.contracts.buffer(id).expect("passes name buffers of the contracts");
        note(self.buffers.entry(id).or_insert_with(|| PlannedBuffer {
            id,
            name: contract.name.clone(),
            capacity: u64::from(contract.capacity()),
            element_size: contract.element.size,
            uniform: false,
            storage: false,
            vertex: false,
            index: false,
        }));
    }

    fn count(&mut self, count: DynamicCount) -> u32 {
        *self.counts.entry(count).or_insert_with(|| {
            self.plan.dynamic_counts.push(count);
            self.plan.dynamic_counts.len() as u32 - 1
        })
    }
}
