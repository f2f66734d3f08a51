//! Cells that may take so much GPU time (`gpu_ms`) and take more are ended: the GPU draws for all.
//!
//! GPU time is known only when it is spent, and not the same from run to run. So a few frames above it are nobody's end,
//! if the frames after them make up for it; and a lockstep run, whose pictures are the same each time, only says it. A
//! frame so long that the driver may lose the GPU is enough at once. If the GPU is lost, the untrusted cells that drew
//! are ended too: nobody can tell whose pass it was, and with the same passes it would be lost again.
use crate::{
    cells::{CellEntry, Life},
    trust,
    world::World,
};
use engine_frame::contracts::Standing;
use engine_render::GpuTimes;
use engine_scene::{Quota, SceneCell};
use std::time::Duration;

/// So many frames above its time end a cell that does not make up for them.
const FRAMES: u32 = 30;
/// A frame of so much GPU time, if it is above the cell's, ends it at once.
const LONG: Duration = Duration::from_millis(500);

/// What is known of a cell's GPU time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GpuUse {
    /// Of the frame that is looked at.
    ns: u64,
    /// What it took above its time and has not made up for.
    owed_ns: u64,
    /// Frames above its time since it last owed nothing.
    above: u32,
    /// The first frame that its current instance answers for.
    from: u64,
    /// It was ended for what it took: it stays down until its scene line or its build changes.
    pub(crate) ended: bool,
}

impl GpuUse {
    /// Ends a frame. Returns whether it is now too much; that is said once, until it has been made up for.
    fn is_too_much(&mut self, most: Duration) -> bool {
        let most_ns = most.as_nanos() as u64;
        self.owed_ns = self.owed_ns.saturating_add(self.ns).saturating_sub(most_ns);
        let before = self.above;
        if self.owed_ns == 0 {
            self.above = 0;
        } else if self.ns > most_ns {
            let counts = if u128::from(self.ns) >= LONG.as_nanos() { FRAMES } else { 1 };
            self.above = before.saturating_add(counts);
        }
        before < FRAMES && self.above >= FRAMES
    }
}

impl CellEntry {
    /// Returns whether it was ended for its GPU time, or with the GPU, and its line says what it said `before`.
    pub(crate) fn stays_ended(&self, before: &SceneCell) -> bool {
        let now = &self.scene;
        let is_same = (&before.with, before.enabled, before.on) == (&now.with, now.enabled, now.on)
            && (before.at, before.rate, before.checkpoint) == (now.at, now.rate, now.checkpoint)
            && before.quotas.changed(&now.quotas).next().is_none();
        self.gpu.ended && is_same
    }
}

impl World {
    /// Looks for cells that may take so much GPU time and no more.
    pub(crate) fn find_gpu_limits(&mut self) {
        self.gpu_limited = self.cells.iter().any(|c| c.scene.quotas.get(Quota::GpuMs).is_finite());
        if self.gpu_limited && !self.renderer.adapter().gpu_times && !self.told_of_gpu_times {
            self.told_of_gpu_times = true;
            tracing::warn!(
                "`{}` measures no GPU time: `gpu_ms` holds no cell back, an untrusted one neither",
                self.renderer.adapter().name
            );
        }
    }

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
            if !most_ms.is_finite()
                || times.frame < entry.gpu.from
                || !entry.gpu.is_too_much(Duration::from_secs_f64(most_ms / 1e3))
            {
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

    /// The GPU was lost: ends the untrusted cells whose passes were drawn.
    pub(super) fn end_strangers_that_drew(&mut self) {
        for n in 0..self.cells.len() {
            let entry = &self.cells[n];
            let drew = entry.list.is_some() && entry.is_declared();
            if drew && trust::standing(&entry.scene) == Standing::Untrusted {
                self.end_costly(n, "the GPU was lost while it drew".to_owned());
            }
        }
    }

    /// Ends an instance. If it has just taken over, the one before goes on; else nothing of the cell is drawn any more
    /// until its scene line or its build changes.
    fn end_costly(&mut self, n: usize, why: String) {
        // What is still under way was drawn by this one.
        let from = self.frame;
        let entry = &mut self.cells[n];
        if let Some(cx) = &entry.cx {
            cx.cancel();
        }
        // A turn under way belongs to the instance before.
        entry.epoch = entry.next_epoch();
        entry.gpu = GpuUse { from, ..GpuUse::default() };
        if self.roll_back(n, &why) {
            return;
        }
        let entry = &mut self.cells[n];
        tracing::error!(
            cell = &*entry.name,
            "{why}; it is ended and draws nothing until its scene line or its build changes"
        );
        self.swaps.leave(entry, self.frame, &why);
        (entry.cx, entry.turn, entry.list) = (None, None, None);
        entry.gpu.ended = true;
        entry.life = Life::Down { why };
        self.lists.remove(engine_frame::plan::CellLine(n as u32));
        self.plan_dirty = true;
        // Nobody draws what it sealed.
        self.sealed_changed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_millis(1);

    /// Returns in which of these frames, in microseconds, it is too much, counted from 1.
    fn too_much(frames: impl IntoIterator<Item = u64>) -> Vec<usize> {
        let mut gpu = GpuUse::default();
        let mut is_too_much = |us: u64| {
            gpu.ns = us * 1000;
            gpu.is_too_much(MOST)
        };
        (1..).zip(frames).filter_map(|(n, us)| is_too_much(us).then_some(n)).collect()
    }

    #[test]
    fn frames_above_it_that_are_not_made_up_for_are_too_much() {
        let heavy = || std::iter::repeat_n(1100, 29);
        let never: [usize; 0] = [];
        assert_eq!(too_much(heavy()), never);
        assert_eq!(too_much(heavy().chain([1001])), [30]);
        assert_eq!(too_much([1000; 1000]), never, "exactly what it may take is no frame above it");
        // One light frame is no excuse, nor are many that are just as long as it may take.
        assert_eq!(too_much(heavy().chain([0, 1100])), [31]);
        assert_eq!(too_much(heavy().chain([1000; 500]).chain([1100])), [530]);
        // It owes 2.9 ms: with as much below its time it begins anew.
        assert_eq!(too_much(heavy().chain([0, 0, 100]).chain(heavy())), never);
        assert_eq!(too_much(heavy().chain([0, 0, 101]).chain(heavy())), [33]);
        assert_eq!(too_much([1100; 200]), [30], "said once");
    }

    #[test]
    fn one_frame_so_long_that_the_gpu_may_be_lost_is_too_much() {
        assert_eq!(too_much([499_999]).len(), 0);
        assert_eq!(too_much([0, 500_000, 600_000]), [2]);
        let mut gpu = GpuUse { ns: 600_000_000, ..GpuUse::default() };
        assert!(!gpu.is_too_much(Duration::from_secs(1)), "who may take so long may");
    }
}
