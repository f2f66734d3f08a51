//! A large slot to the GPU, in place, beside `queue.write_buffer`: what remains for the CPU to do.
use crate::{
    Bench,
    bare::Write,
    harness::{Row, Unit, interleave, median},
    threads::{self, CpuClocks},
    world,
};
use anyhow::{Context as _, bail, ensure};
use cell_abi::DirtyRange;
use engine_frame::{
    packet::{Packet, SlotMemory, SlotPlace, SlotUse},
    plan::{
        Bound, BufferId, CellLine, Load, Plan, PlannedBinding, PlannedBuffer, PlannedColor, PlannedCount,
        PlannedDraw, PlannedPass, PlannedRaster, PlannedWork, Run, ShaderId,
    },
};
use engine_render::{
    Backend, FrameReport, RenderConfig, RenderEvent, Renderer, ShaderOrigin, ShaderSource, UploadTier,
};
use engine_sys::{MapRo, MapRw, Memfd};
use std::{sync::Arc, time::Duration};

const LARGE: usize = 64 << 20;
const SMALL: usize = 64 << 10;
const SLOTS: usize = 3;
const BUFFER: BufferId = BufferId(0);
/// Frames of one sample.
const BATCH: u64 = 6;
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads the first and the last element.
const SHADER: &str = "
    @group(1) @binding(0) var<storage, read> data: array<vec4u>;
    @vertex fn vs(@builtin(vertex_index) i: u32) -> @builtin(position) vec4f {
        return vec4f(f32(i & 1u) * 4.0 - 1.0, f32(i >> 1u) * 4.0 - 1.0, 0.5, 1.0);
    }
    @fragment fn fs() -> @location(0) vec4f {
        let same = all(data[0] == data[arrayLength(&data) - 1u]) && data[0].x > 0u;
        return vec4f(0.0, f32(same), 0.0, 1.0);
    }";

/// Measures the row.
pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let open = |tier, bytes| Side::open(tier, bytes);
    let (mut large, mut small) = (open(UploadTier::InPlace, LARGE)?, open(UploadTier::InPlace, SMALL)?);
    let mut copied = open(UploadTier::Snapshot, LARGE)?;
    let mut bare = Write::open(LARGE as u64)?;
    bare.write()?;
    let (mut of_small, mut of_copied, mut of_empty) = (Vec::new(), Vec::new(), Vec::new());
    let (whole, written) = interleave(
        bench.effort.rounds(21),
        || {
            of_small.push(small.cost()?);
            of_copied.push(copied.cost()?);
            large.cost()
        },
        || {
            of_empty.push(bare.empty()?);
            bare.write()
        },
    )?;
    let (without, empty) = (median(&mut of_small), median(&mut of_empty));
    let beside = written - empty;
    Ok(vec![Row {
        name: "upload",
        what: "64 MiB of a slot to the GPU, in place: CPU of the render thread, less a frame with 64 KiB",
        unit: Unit::Ns,
        ours: (whole - without).max(0.0),
        beside: Some(("queue.write_buffer, less a dispatch", beside)),
        limit: 0.02 * beside,
        target: "0.02 x",
        notes: vec![
            format!("a frame takes {}, with 64 KiB {}", Unit::Ns.show(whole), Unit::Ns.show(without)),
            format!("copied by the GPU (`snapshot`): {}", Unit::Ns.show(median(&mut of_copied) - without)),
            format!("bare, a dispatch alone: {}", Unit::Ns.show(empty)),
        ],
    }])
}

/// A renderer that draws from one buffer, which changes wholly in each frame.
struct Side {
    renderer: Renderer,
    thread: u32,
    memory: Arc<Slots>,
    plan: Arc<Plan>,
    frame: u64,
}

/// Slots as the host makes them.
struct Slots {
    writer: MapRw,
    reader: Arc<MapRo>,
    bytes: usize,
}

impl SlotMemory for Slots {
    fn bytes(&self, _: BufferId, _: u8, _: u64, _: u64) -> Option<&[u8]> {
        // Only who copies asks, and then there is nothing to measure.
        None
    }

    fn place(&self, _: BufferId, slot: u8) -> Option<SlotPlace> {
        let (start, len) = (u64::from(slot) * self.bytes as u64, self.bytes as u64);
        Some(SlotPlace { mapping: Arc::clone(&self.reader) as _, chunk: start..start + len, start, len })
    }
}

impl Side {
    fn open(tier: UploadTier, bytes: usize) -> anyhow::Result<Self> {
        let memfd = Memfd::create("upload", bytes * SLOTS)?;
        let writer = MapRw::new(&memfd)?;
        memfd.seal_future_write()?;
        let memory = Slots { reader: Arc::new(MapRo::new(&memfd)?), writer, bytes };
        for slot in 0..SLOTS {
            memory.writer.copy_in(&vec![1; bytes], slot * bytes)?;
        }
        let before = threads::names();
        let config = RenderConfig { upload: Some(tier), gpu_times: false, ..world::config(Backend::Vulkan) };
        let renderer = Renderer::start(config)?;
        let thread = threads::render_thread(&before).context("the renderer has no thread")?;
        renderer.set_shader(ShaderSource {
            id: ShaderId(0),
            path: "upload.wgsl".to_owned(),
            header: String::new(),
            body: SHADER.to_owned(),
            origin: ShaderOrigin::Own,
        })?;
        let mut side =
            Self { renderer, thread, memory: Arc::new(memory), plan: Arc::new(plan(bytes)), frame: 0 };
        // Every slot twice: each is imported and gets its bind group the first time.
        for _ in 0..2 * SLOTS {
            let picture = side.frame(true)?.capture.context("the frame was not captured")?;
            ensure!(picture.rgba8[1] == 255, "the GPU did not read what was written");
        }
        Ok(side)
    }

    /// Returns the CPU time of the render thread for a frame in nanoseconds, over a batch.
    fn cost(&mut self) -> anyhow::Result<f64> {
        threads::settle();
        let before = CpuClocks::read_thread(self.thread);
        for _ in 0..BATCH {
            self.frame(false)?;
        }
        threads::settle();
        Ok(CpuClocks::read_thread(self.thread).since(&before) / BATCH as f64)
    }

    /// Writes the ends of the next slot, and draws from it.
    fn frame(&mut self, capture: bool) -> anyhow::Result<FrameReport> {
        let bytes = self.memory.bytes;
        let slot = self.frame as usize % SLOTS;
        let value = [self.frame as u8 | 1; 16];
        for at in [0, bytes - value.len()] {
            self.memory.writer.copy_in(&value, slot * bytes + at)?;
        }
        let packet = Packet {
            frame: self.frame,
            time_ns: 0,
            dt_ns: 0,
            plan: Arc::clone(&self.plan),
            slots: vec![SlotUse {
                buffer: BUFFER,
                slot: slot as u8,
                len: bytes as u64,
                dirty: vec![DirtyRange { start: 0, end: bytes as u32 }],
            }],
            memory: Arc::clone(&self.memory) as _,
            counts: Vec::new(),
            params: Vec::new(),
            readbacks: Vec::new(),
            capture,
        };
        self.frame += 1;
        self.renderer.submit(packet).map_err(|_| engine_render::RendererGone)?;
        loop {
            match self.renderer.events().recv_timeout(PATIENCE)? {
                RenderEvent::FrameDone(report) => return Ok(report),
                RenderEvent::ShaderRejected { message, .. } => bail!("{message}"),
                RenderEvent::PassesRejected(faults) => bail!("{faults:?}"),
                _ => {}
            }
        }
    }
}

fn plan(bytes: usize) -> Plan {
    let size = [4, 4];
    let raster = PlannedRaster {
        vertex: Some("vs".into()),
        fragment: Some("fs".into()),
        color: vec![PlannedColor {
            target: None,
            level: 0,
            blend: cell_wire::Blend::Replace,
            load: Load::Clear([0.0; 4]),
        }],
        depth: None,
        vertex_slots: Vec::new(),
        indexed: false,
        cull: cell_wire::Cull::None,
        topology: cell_wire::Topology::Triangles,
        draws: vec![PlannedDraw {
            first: 0,
            count: PlannedCount::Fixed(3),
            base_vertex: 0,
            first_instance: 0,
            instances: PlannedCount::Fixed(1),
            vertex_buffers: Vec::new(),
            index_buffer: None,
            sealed: Vec::new(),
        }],
    };
    let pass = PlannedPass {
        index: 0,
        label: "read".into(),
        work: PlannedWork::Raster(raster),
        bindings: vec![PlannedBinding {
            binding: 0,
            what: Bound::Storage { buffer: BUFFER, element_size: 16 },
        }],
        sealed: Vec::new(),
    };
    Plan {
        version: 1,
        screen_px: size,
        buffers: vec![PlannedBuffer {
            id: BUFFER,
            name: "data".into(),
            capacity: bytes as u64,
            element_size: 16,
            uniform: false,
            storage: true,
            vertex: false,
            index: false,
        }],
        runs: vec![Run {
            cell: CellLine(0),
            cell_name: "upload".into(),
            shader: ShaderId(0),
            passes: vec![pass],
        }],
        ..Plan::default()
    }
}
