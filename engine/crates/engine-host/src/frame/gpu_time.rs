//! Cells that may take so much GPU time (`gpu_ms`) and take more are ended: the GPU draws for all.
//!
//! GPU time is known only when it is spent, and not the same from run to run. So a few frames above it are nobody's end,
//! and a lockstep run, whose pictures are the same each time, only says it.
use crate::{cells::Life, world::World};
use engine_render::GpuTimes;
use engine_scene::Quota;
use std::time::Duration;

/// So many frames in a row above its time end a cell.
const FRAMES: u32 = 30;

/// What is known of a cell's GPU time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GpuUse {
    /// Of the frame that is looked at.
    ns: u64,
    /// Frames in a row above what it may take.
    above: u32,
}

impl GpuUse {
    /// Ends a frame. Returns whether there were too many above `most` in a row.
    fn is_too_much(&mut self, most: Duration) -> bool {
        let above = u128::from(self.ns) > most.as_nanos();
        self.above = if above { self.above + 1 } else { 0 };
        self.above == FRAMES
    }
}

impl World {
    /// Looks whether the cells keep to the GPU time that they may take, in a frame that is done.
    pub(super) fn watch_gpu(&mut self, times: &GpuTimes) {
        if !self.gpu_limited {
            return;
        }
        for c in &mut self.cells {
            c.gpu.ns = 0;
        }
        for (label, ns) in times.passes.iter().zip(&times.ns) {
            if let Some(&n) = self.by_name.get(&label.cell_name) {
                self.cells[n].gpu.ns += ns;
            }
        }
        for n in 0..self.cells.len() {
            let entry = &mut self.cells[n];
            let most_ms = entry.scene.quotas.get(Quota::GpuMs);
            if !most_ms.is_finite() || !entry.gpu.is_too_much(Duration::from_secs_f64(most_ms / 1e3)) {
                continue;
            }
            let took_ms = entry.gpu.ns as f64 / 1e6;
            let why = format!(
                "its passes take {took_ms:.2} ms of GPU time in a frame and may take {most_ms} (`gpu_ms` in its scene line)"
            );
            if self.options.lockstep {
                tracing::warn!(cell = &*entry.name, "{why}; a lockstep run goes on");
            } else {
                self.end_costly(n, why);
            }
        }
    }

    /// Ends an instance. If it has just taken over, the one before goes on; else nothing of the cell is drawn any more
    /// until its scene line changes.
    fn end_costly(&mut self, n: usize, why: String) {
        let entry = &mut self.cells[n];
        if let Some(cx) = &entry.cx {
            cx.cancel();
        }
        // A turn under way belongs to the instance before.
        entry.epoch = entry.next_epoch();
        entry.gpu = GpuUse::default();
        if self.roll_back(n, &why) {
            return;
        }
        let entry = &mut self.cells[n];
        tracing::error!(
            cell = &*entry.name,
            "{why}; it is ended and draws nothing until its scene line changes"
        );
        self.swaps.leave(entry, self.frame, &why);
        (entry.cx, entry.turn, entry.list) = (None, None, None);
        entry.life = Life::Down { why };
        self.lists.remove(engine_frame::plan::CellLine(n as u32));
        self.plan_dirty = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_frames_in_a_row_are_too_much() {
        let mut gpu = GpuUse { ns: 1_100_000, above: 0 };
        let most = Duration::from_millis(1);
        assert!((1..FRAMES).all(|_| !gpu.is_too_much(most)));
        gpu.ns = 1_000_000;
        assert!(!gpu.is_too_much(most), "exactly what it may take is a good frame");
        gpu.ns = 1_000_001;
        let first = (1..100).find(|_| gpu.is_too_much(most));
        assert_eq!(first, Some(FRAMES), "counted anew");
    }
}
