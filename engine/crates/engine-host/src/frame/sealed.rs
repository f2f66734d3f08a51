//! Sealed resources go to the renderer once, and leave it when nothing names them any more.
use crate::{
    cells::Life,
    sealed::Sealed,
    turn::Turn,
    world::{World, WorldError},
};
use cell_abi::{SealKind, ports::TextureFormat};
use engine_render::{SealedData, SealedShape};
use std::{collections::BTreeSet, sync::Arc};

impl World {
    /// Hands what a load sealed to the renderer.
    pub(super) fn take_sealed(&mut self, turn: &Turn) {
        self.sealed_changed = true;
        let new: Vec<Arc<Sealed>> = turn.cx.io().sealed.clone();
        if let Some(n) = self.line(turn.cell) {
            self.cells[n].sealed.extend(new.iter().map(|s| s.id));
        }
        for s in new {
            if !self.services.sealed.mark_sent(s.id) {
                continue;
            }
            let kind = match s.desc.kind {
                SealKind::TEXTURE_2D => SealedShape::Texture {
                    format: TextureFormat::from_number(s.desc.format).unwrap_or(TextureFormat::Rgba8Unorm),
                    size_px: [s.desc.width, s.desc.height],
                    mips: s.desc.mips,
                },
                _ => SealedShape::Buffer,
            };
            let id = s.id;
            if let Err(error) = self.renderer.seal(SealedData { id, kind, bytes: s }) {
                tracing::error!(cell = &*turn.cx.name, "what it sealed cannot be drawn: {error}");
            }
        }
    }

    /// Drops sealed resources that no instance and no pass list names any more.
    pub(super) fn collect_sealed(&mut self) -> Result<(), WorldError> {
        if self.cells.iter().any(|c| matches!(c.life, Life::Busy { ticks: false, .. })) {
            // A load is under way: what it has just sealed is known only when it returns.
            self.sealed_changed = true;
            return Ok(());
        }
        let mut live = BTreeSet::new();
        for c in &self.cells {
            // What the instance before drew is drawn again if it comes back.
            for cx in [c.cx.as_ref(), c.probation.as_ref().map(|f| &f.cx)].into_iter().flatten() {
                live.extend(cx.io().sealed.iter().map(|s| s.id));
            }
        }
        for pass in self.lists.lists().flat_map(|l| &l.passes) {
            live.extend(pass.sealed.iter().map(|b| b.id));
            if let cell_wire::Work::Raster(raster) = &pass.work {
                live.extend(raster.draws.iter().flat_map(|d| d.sealed.iter().map(|b| b.id)));
            }
        }
        for c in &mut self.cells {
            c.sealed.retain(|id| live.contains(id));
        }
        for id in self.services.sealed.collect_unused(&live) {
            self.renderer.unseal(id)?;
        }
        Ok(())
    }
}
