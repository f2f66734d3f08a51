//! Checking render passes.
use super::{
    super::{PassProblem, level_size_px},
    Resolver, TouchKind,
    draws::DrawInputs,
};
use crate::{
    contracts::Resource,
    limits::MAX_VERTEX_SLOTS,
    plan::{Load, PlannedColor, PlannedDepth, PlannedRaster, SealedKind, SealedSlot, VertexSlot},
    wgsl,
};
use cell_abi::ports::{BufferUsage, PortKind, SealedPort, TextureFormat};
use cell_wire::{Blend, ColorTarget, DepthTarget, Draw, Pass, Raster};

/// A vertex slot with where it comes from.
pub(super) struct SlotSource {
    pub(super) port: u16,
    pub(super) slot: VertexSlot,
}

/// The attachments so far: port and size in pixels.
type Sizes = Vec<(u16, [u32; 2])>;

impl Resolver<'_> {
    pub(super) fn raster(&mut self, pass: &Pass, r: &Raster) -> (PlannedRaster, Vec<SealedSlot>) {
        self.stages(r);
        let mut sizes = Sizes::new();
        let color = self.colors(r, &mut sizes);
        let depth = r.depth.and_then(|d| {
            let planned = self.depth(d, &mut sizes);
            self.ok(planned)
        });
        self.same_size(&sizes);
        let slots = self.vertex_slots(r);
        let index_port = r.index_port.filter(|p| {
            let fits = self.check_index_port(*p);
            self.ok(fits).is_some()
        });
        let sealed = self.sealed_slots(pass, r);
        let indexed = r.index_port.is_some();
        let inputs = DrawInputs { pass, slots: &slots, index_port, indexed, sealed: &sealed };
        let mut draws = Vec::with_capacity(r.draws.len());
        for (n, draw) in (0_u32..).zip(&r.draws) {
            self.at_draw(Some(n));
            draws.push(self.draw(&inputs, draw));
        }
        self.at_draw(None);
        let planned = PlannedRaster {
            vertex: r.vertex.as_deref().map(Into::into),
            fragment: r.fragment.as_deref().map(Into::into),
            color,
            depth,
            vertex_slots: slots.into_iter().map(|s| s.slot).collect(),
            indexed,
            cull: r.cull,
            topology: r.topology,
            draws,
        };
        (planned, sealed)
    }

    fn at_draw(&mut self, draw: Option<u32>) {
        if let Some(p) = &mut self.place {
            p.draw = draw;
        }
    }

    fn stages(&mut self, r: &Raster) {
        if r.vertex.as_deref() == Some("") {
            self.fault(PassProblem::NoEntry { stage: "vertex" });
        }
        if r.fragment.as_deref() == Some("") || (r.fragment.is_none() && r.vertex.is_none()) {
            self.fault(PassProblem::NoEntry { stage: "fragment" });
        } else if r.fragment.is_none() && !r.color.is_empty() {
            self.fault(PassProblem::NoFragment);
        }
        if r.color.is_empty() && r.depth.is_none() {
            self.fault(PassProblem::NoTarget);
        }
        if r.draws.is_empty() {
            self.fault(PassProblem::NoDraws);
        }
        if r.vertex.is_none() {
            let triangle = |d: &Draw| Draw { sealed: Vec::new(), ..d.clone() } == Draw::triangle();
            let own = !r.vertex_ports.is_empty() || r.index_port.is_some();
            if own || r.draws.len() > 1 || !r.draws.iter().all(triangle) {
                self.fault(PassProblem::FullPass);
            }
        }
    }

    fn colors(&mut self, r: &Raster, sizes: &mut Sizes) -> Vec<PlannedColor> {
        let (count, max) = (r.color.len(), self.limits.color_targets);
        if count > max {
            self.fault(PassProblem::ColorTargets { count, max });
            return Vec::new();
        }
        let mut out = Vec::with_capacity(count);
        for c in &r.color {
            let planned = self.color(*c, sizes);
            out.extend(self.ok(planned));
        }
        out
    }

    fn color(&mut self, c: ColorTarget, sizes: &mut Sizes) -> Result<PlannedColor, PassProblem> {
        let target = self.writable(c.port)?;
        let (level, size) = match target {
            None if c.level > 0 => {
                let (port, level) = (self.port_name(c.port), u32::from(c.level));
                return Err(PassProblem::NoSuchLevel { port, level, mips: 1 });
            }
            None => (0, self.input.screen_px),
            Some(id) => {
                let format = self.target(id).desc.format;
                if let Some(used) = impossible(format, c.blend) {
                    let port = self.port_name(c.port);
                    return Err(PassProblem::Format { port, format: format.name(), used });
                }
                let level = self.level(c.port, id, c.level)?;
                (level, level_size_px(self.target_size(c.port, id)?, level))
            }
        };
        sizes.push((c.port, size));
        self.attach(c.port, target, level, TouchKind::Color)?;
        Ok(PlannedColor { target, level, blend: c.blend, load: Load::Keep })
    }

    fn depth(&mut self, d: DepthTarget, sizes: &mut Sizes) -> Result<PlannedDepth, PassProblem> {
        self.port(d.port)?;
        let Resource::Target(target) = self.cell.resources[usize::from(d.port)] else {
            return Err(self.wrong_kind(d.port, "a Depth32Float texture"));
        };
        let format = self.target(target).desc.format;
        if !format.is_depth() {
            let port = self.port_name(d.port);
            return Err(PassProblem::Format { port, format: format.name(), used: "used as depth" });
        }
        if d.write && self.is_input(d.port) {
            return Err(PassProblem::WritesInput { port: self.port_name(d.port) });
        }
        if !d.slope_bias.is_finite() {
            return Err(PassProblem::Bias);
        }
        sizes.push((d.port, self.target_size(d.port, target)?));
        let kind = if d.write { TouchKind::DepthWritten } else { TouchKind::DepthTested };
        self.attach(d.port, Some(target), 0, kind)?;
        Ok(PlannedDepth { target, state: d, load: Load::Keep })
    }

    fn same_size(&mut self, sizes: &[(u16, [u32; 2])]) {
        let Some(&(first, first_px)) = sizes.first() else { return };
        if let Some(&(second, second_px)) = sizes.iter().find(|s| s.1 != first_px) {
            let (first, second) = (self.port_name(first), self.port_name(second));
            self.fault(PassProblem::SizesDiffer { first, first_px, second, second_px });
        }
    }

    fn vertex_slots(&mut self, r: &Raster) -> Vec<SlotSource> {
        let count = r.vertex_ports.len();
        if count > MAX_VERTEX_SLOTS {
            self.fault(PassProblem::VertexSlots { count });
            return Vec::new();
        }
        let mut out: Vec<SlotSource> = Vec::with_capacity(count);
        for &port in &r.vertex_ports {
            let slot = self.vertex_slot(port);
            let Some(slot) = self.ok(slot) else { continue };
            // Two buffers of one type would feed the same inputs of the shader.
            let location = |s: &VertexSlot| s.attributes.first().map(|a| a.0);
            if out.iter().any(|o| location(&o.slot) == location(&slot)) {
                let port = self.port_name(port);
                self.fault(PassProblem::ReadTwice { port });
            }
            out.push(SlotSource { port, slot });
        }
        out
    }

    fn vertex_slot(&self, n: u16) -> Result<VertexSlot, PassProblem> {
        let (element, per_instance) = match &self.port(n)?.kind {
            PortKind::Buffer(b) if b.usage == BufferUsage::Vertices => (&b.element, false),
            PortKind::Buffer(b) if b.usage == BufferUsage::Instances => (&b.element, true),
            PortKind::Sealed(SealedPort::Vertices(e)) => (e, false),
            PortKind::Sealed(SealedPort::Instances(e)) => (e, true),
            _ => return Err(self.wrong_kind(n, "Vertices or Instances")),
        };
        let table = &self.cell.table;
        let no_layout = || self.wrong_kind(n, "a vertex type with a layout");
        let stride = table.layout(element).ok_or_else(no_layout)?.size;
        let attributes = wgsl::vertex_attributes(table, element).ok_or_else(no_layout)?;
        Ok(VertexSlot { stride, per_instance, attributes })
    }

    fn check_index_port(&self, n: u16) -> Result<(), PassProblem> {
        match &self.port(n)?.kind {
            PortKind::Buffer(b) if b.usage == BufferUsage::Indices => Ok(()),
            PortKind::Sealed(SealedPort::Indices) => Ok(()),
            _ => Err(self.wrong_kind(n, "Indices")),
        }
    }

    /// Returns the bindings of group 2: every sealed texture or storage that the pass or one of its draws binds.
    fn sealed_slots(&mut self, pass: &Pass, r: &Raster) -> Vec<SealedSlot> {
        let mut ports: Vec<u16> =
            pass.sealed.iter().chain(r.draws.iter().flat_map(|d| &d.sealed)).map(|b| b.port).collect();
        ports.sort_unstable();
        ports.dedup();
        let mut out = Vec::new();
        for n in ports {
            let kind = match self.port(n).map(|p| &p.kind) {
                Ok(PortKind::Sealed(SealedPort::Texture2d)) => SealedKind::Texture2d,
                Ok(PortKind::Sealed(SealedPort::Storage(e))) => {
                    SealedKind::Storage { element_size: self.cell.table.layout(e).map_or(4, |l| l.size) }
                }
                Ok(PortKind::Sealed(_)) => continue,
                Ok(_) | Err(_) => {
                    let fault = self.wrong_kind(n, "a sealed port");
                    self.fault(fault);
                    continue;
                }
            };
            out.push(SealedSlot { binding: u32::from(n), kind });
        }
        out
    }
}

/// Returns what a format cannot do that a colour target must.
fn impossible(format: TextureFormat, blend: Blend) -> Option<&'static str> {
    let blends = blend != Blend::Replace;
    match format {
        TextureFormat::Depth32Float => Some("drawn to as colour; use it as the pass's depth"),
        TextureFormat::Rg11b10Ufloat => Some("drawn to on every GPU; use Rgba16Float"),
        TextureFormat::R32Uint if blends => Some("blended; use `.write(..)`"),
        TextureFormat::R32Float | TextureFormat::Rgba32Float if blends => {
            Some("blended on every GPU; use a 16-bit format, or `.write(..)`")
        }
        _ => None,
    }
}
