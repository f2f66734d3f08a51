//! Read-backs: the renderer owns a buffer for each texture whose pixels some cell wants.
//!
//! Each packet grants it a slot of each; it fills them when the GPU has drawn the frame, and they are published when the
//! packet has come back: at the start of the next frame, in lockstep of the next but one. Nobody waits for them.
use crate::world::World;
use cell_abi::{
    DirtyRange,
    header::{MAX_DIRTY_RANGES, Publication},
};
use engine_frame::{
    packet::{Packet, Readback},
    plan::BufferId,
    slots::Grant,
};

/// A slot that the renderer writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadbackGrant {
    buffer: BufferId,
    generation: u32,
    grant: Grant,
    /// Its packet is back: whether the pixels are there.
    came: Option<bool>,
}

impl World {
    /// Grants the slots for the pixels of this frame. A texture that no pass writes has no new ones.
    pub(super) fn grant_readbacks(&mut self, out: &mut Vec<Readback>) {
        for &(target, buffer) in self.contracts.readbacks() {
            let Some(len) = self.contracts.buffer(buffer).map(|b| u64::from(b.capacity())) else { continue };
            if self.plan.target(target).is_none_or(|t| t.unfed) {
                continue;
            }
            // They are written anew as a whole, so that it does not matter what the slot is behind.
            self.readback_behind.clear();
            let granted = self.book.grant(buffer, self.frame, &mut self.readback_behind);
            let Some((generation, grant, _)) = granted else { continue };
            match grant.slot {
                Some(slot) => {
                    out.push(Readback { target, buffer, slot, len, arrived: false });
                    self.readbacks.push(ReadbackGrant { buffer, generation, grant, came: None });
                }
                // Its readers hold all slots: they keep what they have.
                None => drop(self.book.settle(buffer, generation, &grant, None)),
            }
        }
    }

    /// Takes note of what a packet has brought back.
    pub(super) fn note_readbacks(&mut self, packet: &Packet) {
        for r in &packet.readbacks {
            let granted = self.readbacks.iter_mut();
            let mut granted = granted.filter(|g| g.grant.frame == packet.frame && g.buffer == r.buffer);
            if let Some(granted) = granted.next() {
                granted.came = Some(r.arrived);
            }
        }
    }

    /// Publishes the pixels that have come back. In lockstep those of the frame before the last and no others, however early
    /// they came.
    pub(super) fn land_readbacks(&mut self) {
        let (frame, lockstep) = (self.frame, self.options.lockstep);
        let is_due = |r: &ReadbackGrant| r.came.is_some() && (!lockstep || r.grant.frame + 2 <= frame);
        while let Some(at) = self.readbacks.iter().position(is_due) {
            let r = self.readbacks.remove(at);
            let arrived = r.came == Some(true);
            let publication = self.contracts.buffer(r.buffer).filter(|_| arrived).map(|b| Publication {
                frame: r.grant.frame,
                len_bytes: b.capacity().into(),
                dirty_count: 0,
                dirty: [DirtyRange { start: 0, end: 0 }; MAX_DIRTY_RANGES],
            });
            match self.book.settle(r.buffer, r.generation, &r.grant, publication.as_ref()) {
                Ok(Some(published)) => self.add_pixels_to_session(r.buffer, published),
                Ok(None) => {}
                Err(fault) => tracing::debug!("pixels of frame {} do not count: {fault}", r.grant.frame),
            }
        }
    }
}
