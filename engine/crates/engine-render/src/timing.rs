//! GPU time per pass: timestamps, read some frames later without waiting.
use crate::{
    encode::Queries,
    event::{GpuTimes, PassLabel},
    gpu::Gpu,
};
use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

const FREE: u8 = 0;
const COPYING: u8 = 1;
const READY: u8 = 2;

/// Passes whose times one query set holds. wgpu resets a pass's queries by a list as long as the whole set, so many small
/// sets cost less than one large one; and their results start on the 256 bytes that resolving asks for.
pub(crate) const PASSES_PER_SET: u32 = 64;

pub(crate) struct Timing {
    sets: Vec<wgpu::QuerySet>,
    resolved: wgpu::Buffer,
    ring: [Readback; 3],
    /// Reports given out before; one that the host dropped is used again.
    reports: Vec<Arc<GpuTimes>>,
    /// Nanoseconds per tick.
    period: f64,
    passes: u32,
}

struct Readback {
    buffer: wgpu::Buffer,
    state: Arc<AtomicU8>,
    frame: u64,
    labels: Arc<[PassLabel]>,
}

impl Timing {
    /// Returns `None` where the adapter has no timestamps.
    pub(crate) fn new(gpu: &Gpu, passes: usize) -> Option<Self> {
        if !gpu.features.contains(wgpu::Features::TIMESTAMP_QUERY) {
            return None;
        }
        let passes = (passes.max(1) as u32).next_multiple_of(PASSES_PER_SET).next_power_of_two();
        let size = u64::from(passes) * 16;
        let buffer = |label, usage| {
            gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        use wgpu::BufferUsages as U;
        let readback = || Readback {
            buffer: buffer("gpu times, read back", U::COPY_DST | U::MAP_READ),
            state: Arc::new(AtomicU8::new(FREE)),
            frame: 0,
            labels: Arc::from([]),
        };
        Some(Self {
            sets: (0..passes / PASSES_PER_SET)
                .map(|_| {
                    gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
                        label: Some("gpu times"),
                        ty: wgpu::QueryType::Timestamp,
                        count: PASSES_PER_SET * 2,
                    })
                })
                .collect(),
            resolved: buffer("gpu times", U::QUERY_RESOLVE | U::COPY_SRC),
            ring: [readback(), readback(), readback()],
            reports: Vec::new(),
            period: gpu.queue.get_timestamp_period().into(),
            passes,
        })
    }

    /// Returns whether so many passes fit.
    pub(crate) fn fits(&self, passes: usize) -> bool {
        passes <= self.passes as usize
    }

    /// Returns a free place for the times of the next frame, if there is one.
    pub(crate) fn free(&self) -> Option<usize> {
        // SYNC: pairs with the stores in `Timing::submitted`'s callback and `Timing::take`.
        self.ring.iter().position(|r| r.state.load(Ordering::Acquire) == FREE)
    }

    pub(crate) fn queries(&self) -> Queries<'_> {
        Queries { sets: &self.sets }
    }

    /// Records the copy of the times of `passes` passes.
    pub(crate) fn resolve(&self, encoder: &mut wgpu::CommandEncoder, at: usize, passes: usize) {
        let passes = (passes as u32).min(self.passes);
        for (n, set) in (0_u32..).zip(&self.sets) {
            let first = n * PASSES_PER_SET;
            let here = passes.saturating_sub(first).min(PASSES_PER_SET);
            if here > 0 {
                encoder.resolve_query_set(set, 0..here * 2, &self.resolved, u64::from(first) * 16);
            }
        }
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.ring[at].buffer, 0, u64::from(passes) * 16);
    }

    /// Asks for the times once the GPU has done the frame.
    pub(crate) fn submitted(&mut self, at: usize, frame: u64, labels: &Arc<[PassLabel]>) {
        let readback = &mut self.ring[at];
        readback.frame = frame;
        readback.labels = Arc::clone(labels);
        readback.state.store(COPYING, Ordering::Relaxed);
        let state = Arc::clone(&readback.state);
        readback.buffer.map_async(wgpu::MapMode::Read, .., move |mapped| {
            // SYNC: pairs with the load in `Timing::take`; the callback may run on the compile thread.
            state.store(if mapped.is_ok() { READY } else { FREE }, Ordering::Release);
        });
    }

    /// Returns the times of the oldest frame that have arrived.
    pub(crate) fn take(&mut self) -> Option<Arc<GpuTimes>> {
        // SYNC: pairs with the store in `Timing::submitted`'s callback.
        let ready = self.ring.iter().filter(|r| r.state.load(Ordering::Acquire) == READY);
        let readback = ready.min_by_key(|r| r.frame)?;
        let mut report = match self.reports.iter().position(|r| Arc::strong_count(r) == 1) {
            Some(at) => self.reports.swap_remove(at),
            None => Arc::default(),
        };
        if let (Some(times), Ok(bytes)) = (Arc::get_mut(&mut report), readback.buffer.get_mapped_range(..)) {
            times.frame = readback.frame;
            times.passes = Arc::clone(&readback.labels);
            times.ns.clear();
            let tick = |word: &[u8]| u64::from_le_bytes(word.try_into().expect("eight bytes"));
            let spans = bytes.chunks_exact(16).take(readback.labels.len());
            times.ns.extend(spans.map(|span| {
                let ticks = tick(&span[8..]).saturating_sub(tick(&span[..8]));
                (ticks as f64 * self.period) as u64
            }));
        }
        readback.buffer.unmap();
        readback.state.store(FREE, Ordering::Release);
        if self.reports.len() < 4 {
            self.reports.push(Arc::clone(&report));
        }
        Some(report)
    }
}
