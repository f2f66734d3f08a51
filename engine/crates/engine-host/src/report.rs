//! What a run measured.
use crate::{
    metrics::{CellMetrics, LastSecond},
    swap::SwapReport,
    world::World,
};
use engine_frame::packet::Packet;
use engine_render::{FrameReport, GpuTimes, Image, PassLabel};
use serde::Serialize;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// The newest samples of a time, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    ring: Vec<u64>,
    next: usize,
    count: u64,
}

/// How many samples are kept.
const KEPT: usize = 1024;

impl Samples {
    /// Adds a sample.
    pub fn add(&mut self, ns: u64) {
        if self.ring.capacity() == 0 {
            self.ring.reserve_exact(KEPT);
        }
        if self.ring.len() < KEPT {
            self.ring.push(ns);
        } else {
            self.ring[self.next] = ns;
        }
        self.next = (self.next + 1) % KEPT;
        self.count += 1;
    }

    /// Returns the median and the 99th percentile in microseconds.
    #[must_use]
    pub fn summary(&self) -> TimeSummary {
        let mut sorted = self.ring.clone();
        sorted.sort_unstable();
        let at = |share: usize| sorted.get((sorted.len() * share / 100).min(sorted.len().saturating_sub(1)));
        let us = |ns: Option<&u64>| ns.map_or(0.0, |n| *n as f64 / 1000.0);
        TimeSummary { samples: self.count, median_us: us(at(50)), p99_us: us(at(99)) }
    }
}

/// A time, summed up.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct TimeSummary {
    /// How many there were; the figures are of the newest 1,024.
    pub samples: u64,
    /// Median in microseconds.
    pub median_us: f64,
    /// 99th percentile in microseconds.
    pub p99_us: f64,
}

/// GPU times of a cell's passes of one label.
#[derive(Debug)]
pub struct PassTimes {
    /// The cell.
    pub cell: Arc<str>,
    /// The passes' label.
    pub pass: Arc<str>,
    /// Their times.
    pub times: Samples,
}

/// GPU time of all passes of a cell.
#[derive(Debug)]
struct GpuOfCell {
    cell: Arc<str>,
    /// Of the frame that is summed up.
    frame_ns: u64,
    times: LastSecond,
}

/// What the world counts besides its cells.
#[derive(Default)]
pub struct WorldStats {
    /// The host's own steps per frame.
    pub host_ns: Samples,
    /// The render thread's CPU time per frame.
    pub render_ns: Samples,
    /// GPU time per pass.
    pub gpu: Vec<PassTimes>,
    /// GPU time per cell.
    gpu_cells: Vec<GpuOfCell>,
    /// The passes that the newest times belong to, and for each its place in `gpu` and its cell's in `gpu_cells`.
    gpu_places: (Arc<[PassLabel]>, Vec<(usize, usize)>),
    /// Frames done.
    pub frames_done: u64,
    /// The fewest and the most submits of a frame.
    pub submits: Option<(u32, u32)>,
    /// Bytes copied to the GPU.
    pub uploaded_bytes: u64,
    /// Plans made.
    pub plans: u64,
    /// Messages to nobody.
    pub undeliverable: u64,
    /// The newest picture.
    pub capture: Option<(u64, Image)>,
    /// Frames in which passes were left out because their shaders were not ready or refused.
    pub incomplete_frames: u64,
}

impl WorldStats {
    /// Takes a done frame's figures and gives its packet back.
    pub(crate) fn take_frame(&mut self, report: FrameReport) -> Packet {
        self.frames_done += 1;
        let (least, most) = self.submits.unwrap_or((report.submits, report.submits));
        self.submits = Some((least.min(report.submits), most.max(report.submits)));
        self.uploaded_bytes += report.uploaded_bytes;
        self.render_ns.add(report.cpu.total_ns());
        self.incomplete_frames += u64::from(!report.skipped.is_empty());
        if let Some(gpu) = &report.gpu {
            self.take_gpu(gpu, report.packet.time_ns);
        }
        if let Some(image) = report.capture {
            self.capture = Some((report.frame, image));
        }
        report.packet
    }

    /// Returns the GPU time of a cell's passes, if there was any.
    pub(crate) fn gpu_of(&self, cell: &str) -> Option<&LastSecond> {
        self.gpu_cells.iter().find(|c| *c.cell == *cell).map(|c| &c.times)
    }

    fn take_gpu(&mut self, gpu: &GpuTimes, at_ns: u64) {
        // The passes are the same from frame to frame until there is another plan.
        if !Arc::ptr_eq(&self.gpu_places.0, &gpu.passes) {
            let places =
                gpu.passes.iter().map(|label| (self.gpu_place(label), self.gpu_cell(label))).collect();
            self.gpu_places = (Arc::clone(&gpu.passes), places);
        }
        for ((pass, cell), ns) in self.gpu_places.1.iter().zip(&gpu.ns) {
            self.gpu[*pass].times.add(*ns);
            self.gpu_cells[*cell].frame_ns += *ns;
        }
        for cell in &mut self.gpu_cells {
            cell.times.add(at_ns, std::mem::take(&mut cell.frame_ns));
        }
    }

    fn gpu_cell(&mut self, label: &PassLabel) -> usize {
        let known = self.gpu_cells.iter().position(|c| c.cell == label.cell_name);
        known.unwrap_or_else(|| {
            let cell = Arc::clone(&label.cell_name);
            self.gpu_cells.push(GpuOfCell { cell, frame_ns: 0, times: LastSecond::default() });
            self.gpu_cells.len() - 1
        })
    }

    fn gpu_place(&mut self, label: &PassLabel) -> usize {
        let known = self.gpu.iter().position(|p| p.cell == label.cell_name && p.pass == label.pass);
        known.unwrap_or_else(|| {
            let (cell, pass) = (Arc::clone(&label.cell_name), Arc::clone(&label.pass));
            self.gpu.push(PassTimes { cell, pass, times: Samples::default() });
            self.gpu.len() - 1
        })
    }
}

/// What `--report` writes about a cell.
#[derive(Clone, Debug, Serialize)]
pub struct CellReport {
    /// What it costs and does.
    #[serde(flatten)]
    pub metrics: CellMetrics,
    /// Mean wall time of a tick over the whole run in microseconds.
    pub turn_us: f64,
    /// The longest turn of the run in microseconds.
    pub longest_turn_us: f64,
    /// Pass lists taken and refused.
    pub lists: (u64, u64),
    /// GPU time of each of its passes.
    pub gpu: BTreeMap<String, TimeSummary>,
    /// Grants of scratch memory because all slots were in use.
    pub scratch: u64,
}

/// How slots reach the GPU.
#[derive(Clone, Debug, Serialize)]
pub struct UploadSummary {
    /// `inplace`, `snapshot` or `staging`.
    pub tier: String,
    /// Why it is that one.
    pub why: String,
}

/// What `--report` writes about a world.
#[derive(Clone, Debug, Serialize)]
pub struct WorldReport {
    /// Frames run.
    pub frames: u64,
    /// The fewest and the most submits of a frame.
    pub submits_per_frame: Option<(u32, u32)>,
    /// The host's own steps per frame.
    pub host: TimeSummary,
    /// The render thread's CPU time per frame.
    pub render: TimeSummary,
    /// Bytes of slots copied to the GPU, by us or by the GPU.
    pub uploaded_bytes: u64,
    /// How slots reach the GPU: the tier and why it is that one.
    pub upload: UploadSummary,
    /// Plans made.
    pub plans: u64,
    /// Frames with passes left out.
    pub incomplete_frames: u64,
    /// The adapter.
    pub adapter: String,
    /// Size of the picture in pixels.
    pub size_px: [u32; 2],
    /// The cells in scene order.
    pub cells: Vec<CellReport>,
    /// The instances that were replaced lately, the oldest first.
    pub swaps: Vec<SwapReport>,
}

impl World {
    /// Returns what was measured so far; the system is asked about the processes of cells.
    #[must_use]
    pub fn report(&self) -> WorldReport {
        let (upload, shared) = (&self.renderer.adapter().upload, self.shared_bytes());
        WorldReport {
            frames: self.frame,
            submits_per_frame: self.stats.submits,
            host: self.stats.host_ns.summary(),
            render: self.stats.render_ns.summary(),
            uploaded_bytes: self.stats.uploaded_bytes,
            upload: UploadSummary { tier: upload.tier.to_string(), why: upload.why.clone() },
            plans: self.stats.plans,
            incomplete_frames: self.stats.incomplete_frames,
            adapter: self.renderer.adapter().name.clone(),
            size_px: self.options.screen_px,
            cells: (0..self.cells.len()).map(|n| self.cell_report(n, &shared)).collect(),
            swaps: self.swaps().cloned().collect(),
        }
    }

    fn cell_report(&self, n: usize, shared: &HashMap<&str, u64>) -> CellReport {
        let c = &self.cells[n];
        let k = &c.counters;
        let own = self.book.counters().filter(|(b, _)| *b.owner == *c.name);
        let passes = self.stats.gpu.iter().filter(|p| p.cell == c.name);
        let mut metrics = self.cell_metrics(n, shared);
        metrics.read_process();
        CellReport {
            metrics,
            turn_us: k.turn_ns as f64 / 1000.0 / (k.ticks.max(1)) as f64,
            longest_turn_us: k.longest_turn_ns as f64 / 1000.0,
            lists: (k.lists, k.refused_lists),
            gpu: passes.map(|p| (p.pass.to_string(), p.times.summary())).collect(),
            scratch: own.map(|(_, counters)| counters.scratch).sum(),
        }
    }

    /// Takes the newest captured picture and its frame.
    pub fn take_capture(&mut self) -> Option<(u64, Image)> {
        self.stats.capture.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_keep_the_newest_and_sum_up() {
        let mut s = Samples::default();
        for n in 0..2000_u64 {
            s.add(n * 1000);
        }
        let sum = s.summary();
        assert_eq!(sum.samples, 2000);
        assert!((sum.median_us - 1488.0).abs() < 2.0, "{sum:?}");
        assert!(sum.p99_us > 1980.0);
    }
}
