//! Step 5: the packet from which the render thread draws the frame.
use crate::world::{World, WorldError};
use engine_frame::{
    packet::{Packet, SlotMemory, SlotUse},
    plan::{CellLine, CountSource},
    wgsl,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

impl World {
    /// Makes and sends the frame's packet. Returns how long the renderer let it wait.
    pub(super) fn send_packet(&mut self, dt_ns: u64, capture: bool) -> Result<Duration, WorldError> {
        let mut packet = self.spare_packets.pop().unwrap_or_else(|| Packet {
            frame: 0,
            time_ns: 0,
            dt_ns: 0,
            plan: Arc::clone(&self.plan),
            slots: Vec::new(),
            memory: Arc::clone(&self.no_memory) as _,
            counts: Vec::new(),
            params: Vec::new(),
            readbacks: Vec::new(),
            capture: false,
        });
        let mut holds = self.spare_holds.pop().unwrap_or_default();
        packet.frame = self.frame;
        packet.time_ns = self.time_ns;
        packet.dt_ns = dt_ns;
        packet.capture = capture;
        packet.plan = Arc::clone(&self.plan);
        packet.memory = Arc::clone(self.book.memory()) as _;
        let mut used = 0;
        for b in &self.plan.buffers {
            let Some((generation, latest)) = self.book.hold_latest(b.id) else { continue };
            holds.push((b.id, generation, latest.slot));
            if packet.slots.len() <= used {
                packet.slots.push(SlotUse { buffer: b.id, slot: 0, len: 0, dirty: Vec::new() });
            }
            let slot = &mut packet.slots[used];
            slot.buffer = b.id;
            slot.slot = latest.slot;
            slot.len = u64::from(latest.len);
            slot.dirty.clear();
            self.book.take_gpu_behind_into(b.id, &mut slot.dirty);
            used += 1;
        }
        packet.slots.truncate(used);
        packet.counts.clear();
        for c in &self.plan.dynamic_counts {
            packet.counts.push(self.count(c.source).min(c.max));
        }
        packet.params.clear();
        let changed = std::mem::take(&mut self.params_changed);
        for (n, c) in self.cells.iter_mut().enumerate().filter(|_| changed) {
            if c.params_sent || !c.is_declared() {
                continue;
            }
            if let Some(built) = &c.built {
                let block: Arc<[u8]> = wgsl::pack_params(&built.ports, &c.params).into();
                packet.params.push((CellLine(n as u32), block));
                c.params_sent = true;
            }
        }
        packet.readbacks.clear();
        // A frame that is drawn again for a picture is none that cells see.
        if dt_ns > 0 {
            self.grant_readbacks(&mut packet.readbacks);
        }
        self.packet_holds.push((self.frame, holds));
        let submitting = Instant::now();
        self.renderer.submit(packet).map_err(|_| engine_render::RendererGone)?;
        let waited = submitting.elapsed();
        if std::mem::take(&mut self.sealed_changed) {
            self.collect_sealed()?;
        }
        Ok(waited)
    }

    fn count(&self, source: CountSource) -> u32 {
        match source {
            CountSource::Published { buffer, element_size } => {
                self.book.latest(buffer).map_or(0, |l| l.len / element_size.max(1))
            }
            CountSource::Word { buffer, index } => {
                let Some(latest) = self.book.latest(buffer) else { return 0 };
                let at = u64::from(index) * 4;
                if at + 4 > u64::from(latest.len) {
                    return 0;
                }
                let bytes = self.book.memory().bytes(buffer, latest.slot, at, 4);
                bytes.and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
            }
        }
    }
}
