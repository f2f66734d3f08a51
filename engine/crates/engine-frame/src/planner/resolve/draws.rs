//! Checking draws.
use super::{
    super::{PassProblem, SealedInfo},
    Resolver,
    raster::SlotSource,
};
use crate::{
    contracts::Resource,
    plan::{BufferSource, CountSource, DynamicCount, PlannedCount, PlannedDraw, SealedKind, SealedSlot},
};
use cell_abi::ports::{BufferUsage, PortKind, TextureFormat};
use cell_wire::{Count, Draw, Pass, SealedBind};

/// What all draws of a pass share.
pub(super) struct DrawInputs<'a> {
    pub(super) pass: &'a Pass,
    pub(super) slots: &'a [SlotSource],
    /// The index port, if it is one.
    pub(super) index_port: Option<u16>,
    /// Whether the pass asked for one.
    pub(super) indexed: bool,
    pub(super) sealed: &'a [SealedSlot],
}

/// A bound buffer and how many elements it can hold.
#[derive(Clone, Copy)]
struct Holds {
    port: u16,
    count: u64,
}

/// What a count may be.
struct Span {
    first: u32,
    bound: Option<Holds>,
    what: &'static str,
    /// The quota's word on a count that is not known yet.
    cap: u64,
}

impl Resolver<'_> {
    pub(super) fn draw(&mut self, inputs: &DrawInputs<'_>, draw: &Draw) -> PlannedDraw {
        let mut vertex_buffers = Vec::with_capacity(inputs.slots.len());
        // The smallest buffers decide.
        let (mut vertices, mut instances): (Option<Holds>, Option<Holds>) = (None, None);
        for s in inputs.slots {
            let source = self.source(inputs, draw, s.port, s.slot.stride);
            let Some((source, count)) = self.ok(source) else { continue };
            vertex_buffers.push(source);
            let least = if s.slot.per_instance { &mut instances } else { &mut vertices };
            if least.is_none_or(|b| count < b.count) {
                *least = Some(Holds { port: s.port, count });
            }
        }
        let mut indices = None;
        let index_buffer = inputs.index_port.and_then(|port| {
            let source = self.source(inputs, draw, port, 4);
            let (source, count) = self.ok(source)?;
            indices = Some(Holds { port, count });
            Some(source)
        });
        // An index may point anywhere into the vertices; GPUs clamp that.
        let (bound, what) = if inputs.indexed { (indices, "indices") } else { (vertices, "vertices") };
        // A count that is not known yet is clamped so that the draw stays within its quota.
        let max = self.limits.vertices_per_draw;
        let known = if let Count::Fixed(n) = draw.instances { u64::from(n.max(1)) } else { 1 };
        let count = self.count(draw.count, Span { first: draw.first, bound, what, cap: max / known });
        let known = count.map_or(1, |c| c.1.max(1));
        let (first, what) = (draw.first_instance, "instances");
        let instance_count =
            self.count(draw.instances, Span { first, bound: instances, what, cap: max / known });
        if let (Some((_, n)), Some((_, i))) = (count, instance_count) {
            self.work(n.saturating_mul(i));
        }
        let mut sealed = Vec::with_capacity(inputs.sealed.len());
        for slot in inputs.sealed {
            let id = self.bound_sealed(inputs, draw, *slot);
            sealed.extend(self.ok(id));
        }
        PlannedDraw {
            first: draw.first,
            count: count.map_or(PlannedCount::Fixed(0), |c| c.0),
            base_vertex: if inputs.indexed { draw.base_vertex } else { 0 },
            first_instance: draw.first_instance,
            instances: instance_count.map_or(PlannedCount::Fixed(0), |c| c.0),
            vertex_buffers,
            index_buffer,
            sealed,
        }
    }

    fn work(&mut self, count: u64) {
        self.vertices = self.vertices.saturating_add(count);
        let max = self.limits.vertices_per_draw;
        if count > max {
            self.fault(PassProblem::TooMuchWork { count, max, whole: "" });
        }
    }

    /// Returns the sealed id that a draw, or else its pass, binds to a port.
    fn sealed_id(&self, inputs: &DrawInputs<'_>, draw: &Draw, port: u16) -> Result<u64, PassProblem> {
        let of = |binds: &[SealedBind]| binds.iter().rfind(|b| b.port == port).map(|b| b.id);
        of(&draw.sealed)
            .or_else(|| of(&inputs.pass.sealed))
            .ok_or_else(|| PassProblem::SealedMissing { port: self.port_name(port) })
    }

    /// Returns where vertices, instances or indices come from, and how many there can be.
    fn source(
        &self,
        inputs: &DrawInputs<'_>,
        draw: &Draw,
        n: u16,
        stride: u32,
    ) -> Result<(BufferSource, u64), PassProblem> {
        if let Resource::Buffer(id) = self.cell.resources[usize::from(n)] {
            return Ok((BufferSource::Slots(id), u64::from(self.buffer(id).max_count)));
        }
        let id = self.sealed_id(inputs, draw, n)?;
        let bytes = self.sealed_bytes(n, id, stride)?;
        Ok((BufferSource::Sealed(id), bytes / u64::from(stride)))
    }

    /// Returns the size of a sealed buffer of whole elements.
    fn sealed_bytes(&self, n: u16, id: u64, element_size: u32) -> Result<u64, PassProblem> {
        let is = match self.sealed(n, id)? {
            SealedInfo::Buffer { bytes } if bytes > 0 && bytes.is_multiple_of(u64::from(element_size)) => {
                return Ok(bytes);
            }
            SealedInfo::Buffer { bytes } => format!("a buffer of {bytes} bytes"),
            SealedInfo::Texture2d { .. } => "a texture".to_owned(),
        };
        let wanted = format!("a buffer of elements of {element_size} bytes");
        Err(PassProblem::SealedWrong { port: self.port_name(n), is, wanted })
    }

    fn bound_sealed(
        &self,
        inputs: &DrawInputs<'_>,
        draw: &Draw,
        slot: SealedSlot,
    ) -> Result<u64, PassProblem> {
        let port = slot.binding as u16;
        let id = self.sealed_id(inputs, draw, port)?;
        match slot.kind {
            SealedKind::Texture2d => {
                use TextureFormat as F;
                let is = match self.sealed(port, id)? {
                    SealedInfo::Buffer { .. } => "a buffer".to_owned(),
                    SealedInfo::Texture2d { format: f @ (F::Depth32Float | F::R32Uint) } => {
                        format!("a {} texture", f.name())
                    }
                    SealedInfo::Texture2d { .. } => return Ok(id),
                };
                let wanted = "a texture that can be filtered".to_owned();
                Err(PassProblem::SealedWrong { port: self.port_name(port), is, wanted })
            }
            SealedKind::Storage { element_size } => {
                let bytes = self.sealed_bytes(port, id, element_size)?;
                let max = self.limits.storage_bytes;
                if bytes > max {
                    return Err(PassProblem::LargeStorage { port: self.port_name(port), bytes, max });
                }
                Ok(id)
            }
        }
    }

    /// Returns a planned count and the most it can be.
    fn count(&mut self, count: Count, span: Span) -> Option<(PlannedCount, u64)> {
        let Span { first, bound, what, cap } = span;
        let source = match count {
            Count::Fixed(n) => {
                let end = u64::from(first) + u64::from(n);
                if let Some(b) = bound
                    && n > 0
                    && end > b.count
                {
                    let port = self.port_name(b.port);
                    self.fault(PassProblem::OutOfRange { what, first, end, port, holds: b.count });
                }
                return Some((PlannedCount::Fixed(n), u64::from(n)));
            }
            Count::Published { port } => self.published(port),
            Count::FromBuffer { port, index } => self.word(port, index),
        };
        let (source, most) = self.ok(source)?;
        // Without a buffer (a shader that computes its vertices) only the quota holds.
        let holds = bound.map_or(u64::from(u32::MAX), |b| b.count);
        let max = holds.saturating_sub(u64::from(first)).min(most).min(cap);
        let max = u32::try_from(max).unwrap_or(u32::MAX);
        let count = DynamicCount { source, max };
        let counts = &mut self.counts;
        let number = *self.count_numbers.entry(count).or_insert_with(|| {
            counts.push(count);
            counts.len() as u32 - 1
        });
        Some((PlannedCount::Dynamic(number), u64::from(max)))
    }

    fn published(&self, n: u16) -> Result<(CountSource, u64), PassProblem> {
        self.port(n)?;
        let Resource::Buffer(buffer) = self.cell.resources[usize::from(n)] else {
            return Err(self.wrong_kind(n, "a buffer"));
        };
        let b = self.buffer(buffer);
        Ok((CountSource::Published { buffer, element_size: b.element.size }, u64::from(b.max_count)))
    }

    fn word(&self, n: u16, index: u32) -> Result<(CountSource, u64), PassProblem> {
        let port = self.port(n)?;
        match (&port.kind, self.cell.resources[usize::from(n)]) {
            (PortKind::Buffer(b), Resource::Buffer(buffer)) if b.usage == BufferUsage::Counts => {
                let holds = self.buffer(buffer).max_count;
                if index >= holds {
                    return Err(PassProblem::NoSuchCount { port: port.name.clone(), index, holds });
                }
                Ok((CountSource::Word { buffer, index }, u64::from(u32::MAX)))
            }
            _ => Err(self.wrong_kind(n, "Counts")),
        }
    }
}
