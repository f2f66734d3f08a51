//! Hand-made plans, a memory of slots, and a renderer that is asked frame by frame.
use cell_abi::DirtyRange;
use cell_abi::ports::{StartValue, TargetDesc, TargetSize, TextureFormat};
use cell_wire::{Blend, Compare, Cull, DepthTarget, Topology};
use engine_frame::packet::{Packet, Readback, SlotMemory, SlotPlace, SlotUse};
use engine_frame::plan::*;
use engine_render::*;
use engine_sys::{MapRo, MapRw, Memfd};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What `engine_frame::wgsl` puts in front of a shader, for a cell with the ports that tests use.
pub(crate) const HEADER: &str = "
struct Frame { screen: vec2f, time: f32, dt: f32, index: u32, history_valid: u32, pad0: u32, pad1: u32 }
@group(0) @binding(0) var<uniform> frame: Frame;
struct Params { tint: vec4f }
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var linear_clamp: sampler;
@group(0) @binding(3) var nearest_clamp: sampler;
@group(0) @binding(4) var linear_repeat: sampler;
@group(0) @binding(5) var shadow_compare: sampler_comparison;
@group(1) @binding(0) var scene: texture_2d<f32>;
@group(1) @binding(64) var scene_prev: texture_2d<f32>;
@group(1) @binding(128) var scene_out: texture_storage_2d<rgba16float, write>;
@group(1) @binding(1) var depth: texture_depth_2d;
struct View { offset: vec4f }
@group(1) @binding(2) var<uniform> view: View;
@group(1) @binding(3) var<storage, read> colors: array<vec4f>;
@group(2) @binding(4) var albedo: texture_2d<f32>;
struct Vertex { @location(0) pos: vec2f }
struct Instance { @location(1) at: vec2f, @location(2) color: vec4f }
struct Full { @builtin(position) position: vec4f, @location(0) uv: vec2f }
@vertex fn engine_full(@builtin(vertex_index) i: u32) -> Full {
    let uv = vec2f(f32((i << 1u) & 2u), f32(i & 2u));
    return Full(vec4f(uv * vec2f(2.0, -2.0) + vec2f(-1.0, 1.0), 0.0, 1.0), uv);
}
";

/// Bytes before the first slot, so that no slot starts where the mapping does.
const OFFSET: usize = 256;

/// The slots of one buffer in shared memory, as the host makes it: sealed once it is mapped for writing.
struct Slots {
    writer: MapRw,
    reader: Arc<MapRo>,
    stride: usize,
    /// Where the newest bytes are, and a copy of what each slot holds.
    latest: usize,
    bytes: [&'static [u8]; SLOTS],
}

const SLOTS: usize = 3;

impl Slots {
    fn new(stride: usize) -> Self {
        let memfd = Memfd::create("test", (OFFSET + SLOTS * stride).next_multiple_of(4096)).unwrap();
        let writer = MapRw::new(&memfd).unwrap();
        memfd.seal_future_write().unwrap();
        let reader = Arc::new(MapRo::new(&memfd).unwrap());
        Self { writer, reader, stride, latest: SLOTS - 1, bytes: [&[]; SLOTS] }
    }
}

/// The slots of all buffers, each buffer in a region of its own; and what the renderer wrote into slots that it was
/// granted.
#[derive(Default)]
pub(crate) struct Memory(Mutex<BTreeMap<BufferId, Slots>>, Mutex<BTreeMap<(BufferId, u8), Vec<u8>>>);

impl Memory {
    /// Takes what the renderer wrote into a slot.
    pub(crate) fn take_filled(&self, buffer: u32, slot: u8) -> Vec<u8> {
        self.1.lock().unwrap().remove(&(BufferId(buffer), slot)).unwrap_or_default()
    }

    /// Puts bytes into the next slot of a buffer; into a new region when they are too many. They are leaked: a test's
    /// memory is small and short-lived.
    pub(crate) fn put<T: Copy>(&self, buffer: u32, values: &[T], bytes: impl Fn(&T) -> Vec<u8>) {
        let bytes: Vec<u8> = values.iter().flat_map(bytes).collect();
        let mut all = self.0.lock().unwrap();
        let stride = (bytes.len() * 2).next_multiple_of(256).max(1024);
        let slots = all.entry(BufferId(buffer)).or_insert_with(|| Slots::new(stride));
        if bytes.len() > slots.stride {
            *slots = Slots::new(stride);
        }
        slots.latest = (slots.latest + 1) % SLOTS;
        slots.writer.copy_in(&bytes, OFFSET + slots.latest * slots.stride).unwrap();
        slots.bytes[slots.latest] = bytes.leak();
    }

    /// Gives a buffer another region, as its owner gets with another process.
    pub(crate) fn renew(&self, buffer: u32) {
        let mut all = self.0.lock().unwrap();
        let slots = all.get_mut(&BufferId(buffer)).unwrap();
        *slots = Slots::new(slots.stride);
    }

    pub(crate) fn put_floats(&self, buffer: u32, values: &[f32]) {
        self.put(buffer, values, |v| v.to_le_bytes().to_vec());
    }

    pub(crate) fn put_words(&self, buffer: u32, values: &[u32]) {
        self.put(buffer, values, |v| v.to_le_bytes().to_vec());
    }

    /// Returns the newest slot and its bytes.
    fn latest(&self, buffer: u32) -> (u8, u64) {
        let slots = &self.0.lock().unwrap()[&BufferId(buffer)];
        (slots.latest as u8, slots.bytes[slots.latest].len() as u64)
    }

    /// Returns the mapping of a buffer's region.
    pub(crate) fn mapping(&self, buffer: u32) -> Arc<MapRo> {
        Arc::clone(&self.0.lock().unwrap()[&BufferId(buffer)].reader)
    }
}

impl SlotMemory for Memory {
    fn fill(&self, buffer: BufferId, slot: u8, offset: u64, bytes: &[u8]) -> bool {
        let mut all = self.1.lock().unwrap();
        let filled = all.entry((buffer, slot)).or_default();
        filled.resize(filled.len().max(offset as usize + bytes.len()), 0xEE);
        filled[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        true
    }

    fn bytes(&self, buffer: BufferId, slot: u8, offset: u64, len: u64) -> Option<&[u8]> {
        let bytes: &'static [u8] = self.0.lock().unwrap().get(&buffer)?.bytes[usize::from(slot)];
        bytes.get(offset as usize..(offset + len) as usize)
    }

    fn place(&self, buffer: BufferId, slot: u8) -> Option<SlotPlace> {
        let all = self.0.lock().unwrap();
        let slots = all.get(&buffer)?;
        let mapping = Arc::clone(&slots.reader);
        let chunk = 0..mapping.len() as u64;
        let start = OFFSET + usize::from(slot) * slots.stride;
        Some(SlotPlace { mapping, chunk, start: start as u64, len: slots.stride as u64 })
    }
}

pub(crate) struct Kit {
    pub(crate) renderer: Renderer,
    pub(crate) memory: Arc<Memory>,
    pub(crate) tier: UploadTier,
    pub(crate) frame: u64,
    /// Everything that came besides frames.
    pub(crate) events: Vec<RenderEvent>,
    /// What the next packet brings.
    pub(crate) params: Vec<(CellLine, Arc<[u8]>)>,
    pub(crate) slots: Vec<SlotUse>,
    pub(crate) counts: Vec<u32>,
    /// What each packet asks for.
    pub(crate) readbacks: Vec<Readback>,
}

impl Kit {
    pub(crate) fn noop() -> Self {
        Self::start(RenderConfig::noop())
    }

    /// Fails where there is no driver: `./setup.sh` installs one.
    pub(crate) fn vulkan() -> Self {
        Self::start(RenderConfig::headless())
    }

    /// Starts in an upload tier; where the driver cannot, says so and returns `None`.
    pub(crate) fn in_tier(tier: UploadTier) -> Option<Self> {
        Self::in_tier_of(RenderConfig::headless(), tier)
    }

    pub(crate) fn in_tier_of(config: RenderConfig, tier: UploadTier) -> Option<Self> {
        match Renderer::start(RenderConfig { upload: Some(tier), ..config }) {
            Ok(renderer) => Some(Self::over(renderer)),
            Err(OpenError::Upload { why, .. }) => {
                eprintln!("NOT RUN in the tier `{tier}`: {why}");
                None
            }
            Err(other) => panic!("{other}"),
        }
    }

    pub(crate) fn start(config: RenderConfig) -> Self {
        Self::over(Renderer::start(config).unwrap())
    }

    fn over(renderer: Renderer) -> Self {
        Self {
            tier: renderer.adapter().upload.tier,
            renderer,
            memory: Arc::default(),
            frame: 0,
            events: Vec::new(),
            params: Vec::new(),
            slots: Vec::new(),
            counts: Vec::new(),
            readbacks: Vec::new(),
        }
    }

    pub(crate) fn shader(&self, id: u32, body: &str) {
        self.shader_of(id, body, ShaderOrigin::Own);
    }

    pub(crate) fn shader_of(&self, id: u32, body: &str, origin: ShaderOrigin) {
        let path = format!("shaders/cell{id}/cell{id}.wgsl");
        let source =
            ShaderSource { id: ShaderId(id), path, header: HEADER.into(), body: body.into(), origin };
        self.renderer.set_shader(source).unwrap();
    }

    /// Publishes all bytes of a buffer in the next packet, of which `dirty` changed.
    pub(crate) fn publish(&mut self, buffer: u32, dirty: &[(u32, u32)]) {
        let dirty = dirty.iter().map(|&(start, end)| DirtyRange { start, end }).collect();
        let (slot, len) = self.memory.latest(buffer);
        self.slots.retain(|s| s.buffer != BufferId(buffer));
        self.slots.push(SlotUse { buffer: BufferId(buffer), slot, len, dirty });
    }

    pub(crate) fn packet(&mut self, plan: &Arc<Plan>, capture: bool) -> Packet {
        let packet = Packet {
            frame: self.frame,
            time_ns: self.frame * 16_000_000,
            dt_ns: 16_000_000,
            plan: Arc::clone(plan),
            slots: self.slots.clone(),
            memory: Arc::clone(&self.memory) as Arc<dyn SlotMemory>,
            counts: self.counts.clone(),
            params: std::mem::take(&mut self.params),
            readbacks: self.readbacks.clone(),
            capture,
        };
        self.frame += 1;
        packet
    }

    /// Runs one frame and returns its report.
    pub(crate) fn run(&mut self, plan: &Arc<Plan>, capture: bool) -> FrameReport {
        let packet = self.packet(plan, capture);
        self.renderer.submit(packet).unwrap();
        let report = self.next_report();
        for slot in &mut self.slots {
            slot.dirty.clear();
        }
        report
    }

    /// Runs frames until none of their passes is left out.
    pub(crate) fn run_until_whole(&mut self, plan: &Arc<Plan>) {
        while !self.run(plan, false).skipped.is_empty() {}
    }

    /// Waits for a frame; keeps what else comes.
    pub(crate) fn next_report(&mut self) -> FrameReport {
        loop {
            match self.next_event() {
                RenderEvent::FrameDone(report) => return report,
                other => self.events.push(other),
            }
        }
    }

    pub(crate) fn next_event(&mut self) -> RenderEvent {
        self.renderer.events().recv_timeout(Duration::from_secs(100)).expect("the renderer answers")
    }

    /// Runs one frame and returns its picture.
    pub(crate) fn picture(&mut self, plan: &Arc<Plan>) -> Image {
        let report = self.run(plan, true);
        report.capture.expect("a picture was asked for")
    }

    /// Waits until shader `id` is taken or not.
    pub(crate) fn verdict(&mut self, id: u32) -> Result<(), String> {
        loop {
            let at = self.events.iter().position(|e| match e {
                RenderEvent::ShaderReady { id: of, .. } | RenderEvent::ShaderRejected { id: of, .. } => {
                    of.0 == id
                }
                _ => false,
            });
            if let Some(at) = at {
                return match self.events.remove(at) {
                    RenderEvent::ShaderRejected { message, .. } => Err(message),
                    _ => Ok(()),
                };
            }
            let event = self.next_event();
            self.events.push(event);
        }
    }

    /// Takes the pass faults that came so far, as `(line, message)`.
    pub(crate) fn faults(&mut self) -> Vec<(u32, String)> {
        let mut faults = Vec::new();
        self.events.retain(|e| match e {
            RenderEvent::PassesRejected(list) => {
                faults.extend(list.iter().map(|f| (f.cell.0, f.message.clone())));
                false
            }
            _ => true,
        });
        faults
    }
}

pub(crate) fn plan(version: u64, size: [u32; 2], runs: Vec<Run>) -> Plan {
    Plan { version, screen_px: size, runs, ..Plan::default() }
}

pub(crate) fn run(cell: u32, passes: Vec<PlannedPass>) -> Run {
    Run { cell: CellLine(cell), cell_name: format!("cell{cell}").into(), shader: ShaderId(cell), passes }
}

pub(crate) fn target(
    id: u32,
    name: &str,
    format: TextureFormat,
    size: [u32; 2],
    start: StartValue,
) -> PlannedTarget {
    let [width, height] = size;
    PlannedTarget {
        id: TargetId(id),
        name: name.into(),
        desc: TargetDesc { format, size: TargetSize::Fixed { width, height }, mips: 1, start },
        size_px: size,
        sampled: true,
        rendered: true,
        stored: false,
        previous: false,
        unfed: false,
    }
}

pub(crate) fn buffer(id: u32, capacity: u64, element_size: u32) -> PlannedBuffer {
    PlannedBuffer {
        id: BufferId(id),
        name: format!("buffer{id}").into(),
        capacity,
        element_size,
        uniform: true,
        storage: true,
        vertex: true,
        index: false,
    }
}

pub(crate) fn index_buffer(id: u32, capacity: u64) -> PlannedBuffer {
    PlannedBuffer { index: true, ..buffer(id, capacity, 4) }
}

/// A full-screen pass to the picture.
pub(crate) fn full(entry: &str) -> PlannedPass {
    let raster = PlannedRaster {
        vertex: None,
        fragment: Some(entry.into()),
        color: vec![picture(Load::Clear([0.0, 0.0, 0.0, 1.0]))],
        depth: None,
        vertex_slots: Vec::new(),
        indexed: false,
        cull: Cull::None,
        topology: Topology::Triangles,
        draws: vec![draw(3, 1)],
    };
    PlannedPass {
        index: 0,
        label: entry.into(),
        work: PlannedWork::Raster(raster),
        bindings: Vec::new(),
        sealed: Vec::new(),
    }
}

pub(crate) fn draw(count: u32, instances: u32) -> PlannedDraw {
    PlannedDraw {
        first: 0,
        count: PlannedCount::Fixed(count),
        base_vertex: 0,
        first_instance: 0,
        instances: PlannedCount::Fixed(instances),
        vertex_buffers: Vec::new(),
        index_buffer: None,
        sealed: Vec::new(),
    }
}

pub(crate) fn picture(load: Load) -> PlannedColor {
    PlannedColor { target: None, level: 0, blend: Blend::Replace, load }
}

pub(crate) fn color(id: u32, load: Load) -> PlannedColor {
    PlannedColor { target: Some(TargetId(id)), ..picture(load) }
}

pub(crate) fn depth(id: u32, load: Load) -> PlannedDepth {
    let state = DepthTarget { port: 0, write: true, compare: Compare::Greater, bias: 0, slope_bias: 0.0 };
    PlannedDepth { target: TargetId(id), state, load }
}

pub(crate) fn texture(binding: u32, id: u32, view: TextureView) -> PlannedBinding {
    PlannedBinding {
        binding,
        what: Bound::Texture { target: TargetId(id), view, format: TextureFormat::Rgba16Float },
    }
}

/// Changes the render pass of a pass.
pub(crate) trait WithRaster {
    fn raster(self, change: impl FnOnce(&mut PlannedRaster)) -> Self;
    fn reads(self, binding: PlannedBinding) -> Self;
}

impl WithRaster for PlannedPass {
    fn raster(mut self, change: impl FnOnce(&mut PlannedRaster)) -> Self {
        if let PlannedWork::Raster(raster) = &mut self.work {
            change(raster);
        }
        self
    }

    fn reads(mut self, binding: PlannedBinding) -> Self {
        self.bindings.push(binding);
        self
    }
}

/// A pass that writes one colour to the picture.
pub(crate) const RED: &str =
    "@fragment fn red(in: Full) -> @location(0) vec4f { return vec4f(1.0, 0.0, 0.0, 1.0); }";
