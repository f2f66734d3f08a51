//! Upload tiers: which there are, that slots are the GPU's while it reads them, and when memory is let go.
use crate::kit::*;
use cell_abi::ports::{StartValue, TextureFormat};
use cell_wire::Blend;
use engine_frame::packet::{Packet, SlotMemory, SlotPlace, SlotUse};
use engine_frame::plan::*;
use engine_frame::slots::SlotTable;
use engine_render::{OpenError, RenderConfig, RenderEvent, Renderer, UploadTier};
use engine_sys::{MapRo, MapRw, Memfd};
use std::sync::{Arc, Weak};
use std::time::Duration;

const GREEN_PX: [u8; 4] = [0, 255, 0, 255];
/// Floats of the buffer in the torture.
const FLOATS: usize = 16_384;
const STRIDE: usize = FLOATS * 4;
/// What a cell is granted beyond the ceiling.
const SLOTS: usize = 8;

in_each_tier!(
    a_buffer_without_elements_is_seen_as_one_of_zeros,
    a_region_that_is_replaced_or_grows_is_another_import,
);

/// So that no test above passes because it ran in no tier.
#[test]
fn the_software_driver_can_do_every_tier() {
    let auto = Kit::vulkan();
    let adapter = auto.renderer.adapter();
    println!("`{}` by itself takes `{}`: {}", adapter.name, adapter.upload.tier, adapter.upload.why);
    let ran: Vec<_> = UploadTier::ALL.into_iter().filter(|t| Kit::in_tier(*t).is_some()).collect();
    assert!(ran.contains(&auto.tier) && ran.contains(&UploadTier::Staging), "{ran:?}");
    if adapter.name.contains("llvmpipe") {
        assert_eq!((ran, auto.tier), (UploadTier::ALL.to_vec(), UploadTier::InPlace));
    }
}

#[test]
fn a_tier_that_the_driver_cannot_do_is_refused_with_the_way_out() {
    for tier in [UploadTier::InPlace, UploadTier::Snapshot] {
        let error =
            Renderer::start(RenderConfig { upload: Some(tier), ..RenderConfig::noop() }).err().unwrap();
        assert!(matches!(error, OpenError::Upload { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(tier.name()) && text.contains("RENDER_UPLOAD=staging"), "{text}");
    }
    let kit = Kit::start(RenderConfig { upload: Some(UploadTier::Staging), ..RenderConfig::noop() });
    assert_eq!(kit.tier, UploadTier::Staging);
    assert_eq!(Kit::noop().tier, UploadTier::Staging, "taken where nothing else works");
}

/// Shows the number of elements in red, the first one in green.
const COUNT: &str = "
    @fragment fn fs(in: Full) -> @location(0) vec4f {
        return vec4f(f32(arrayLength(&colors)) / 255.0, colors[0].g, view.offset.b, 1.0);
    }";

fn count_plan(version: u64, capacity: u64) -> Arc<Plan> {
    let storage =
        PlannedBinding { binding: 3, what: Bound::Storage { buffer: BufferId(3), element_size: 16 } };
    let uniform = PlannedBinding { binding: 2, what: Bound::Uniform { buffer: BufferId(3), size: 16 } };
    let pass = full("fs").reads(uniform).reads(storage);
    let mut plan = plan(version, [4, 4], vec![run(0, vec![pass])]);
    plan.buffers = vec![buffer(3, capacity, 16)];
    Arc::new(plan)
}

fn shown(kit: &mut Kit, plan: &Arc<Plan>) -> [u8; 3] {
    let [r, g, b, _] = kit.picture(plan).pixel(1, 1);
    // Back to what the shader wrote: the picture is sRGB.
    let linear = |v: u8| {
        let v = f64::from(v) / 255.0;
        let v = if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) };
        (v * 255.0).round() as u8
    };
    [r, g, b].map(linear)
}

fn a_buffer_without_elements_is_seen_as_one_of_zeros(mut kit: Kit) {
    kit.shader(0, COUNT);
    let plan = count_plan(1, 320);
    assert_eq!(shown(&mut kit, &plan), [1, 0, 0], "not published");
    // Every slot has held ones before.
    for _ in 0..3 {
        kit.memory.put_floats(3, &[1.0; 12]);
        kit.publish(3, &[(0, 48)]);
        assert_eq!(shown(&mut kit, &plan), [3, 255, 255]);
    }
    kit.memory.put_floats(3, &[]);
    kit.publish(3, &[]);
    assert_eq!(shown(&mut kit, &plan), [1, 0, 0], "published without elements");
    kit.memory.put_floats(3, &[1.0; 8]);
    kit.publish(3, &[(0, 32)]);
    assert_eq!(shown(&mut kit, &plan), [2, 255, 255]);
    assert_eq!(kit.faults(), vec![]);
}

fn a_region_that_is_replaced_or_grows_is_another_import(mut kit: Kit) {
    kit.shader(0, COUNT);
    let plan = count_plan(1, 320);
    kit.memory.put_floats(3, &[1.0; 12]);
    let first = kit.memory.mapping(3);
    let alone = Arc::strong_count(&first);
    for _ in 0..6 {
        kit.memory.put_floats(3, &[1.0; 12]);
        kit.publish(3, &[(0, 48)]);
        assert_eq!(shown(&mut kit, &plan), [3, 255, 255]);
    }
    // One import keeps the mapping however many slots were drawn with.
    let kept = Arc::strong_count(&first) - alone;
    assert_eq!(kept > 0, kit.tier != UploadTier::Staging);
    kit.publish(3, &[]);
    kit.run(&plan, false);
    assert_eq!(Arc::strong_count(&first) - alone, kept, "imported once");

    // Another region under the same plan, as after a change of process.
    let gone = |of: Arc<MapRo>| Arc::downgrade(&of);
    let first = gone(first);
    kit.memory.renew(3);
    kit.memory.put_floats(3, &[1.0; 8]);
    kit.publish(3, &[(0, 32)]);
    assert_eq!(shown(&mut kit, &plan), [2, 255, 255]);
    kit.run(&plan, false);
    assert!(first.upgrade().is_none(), "the old region is let go of once the GPU is done with it");

    // More than the region holds: another one, and another plan.
    let second = gone(kit.memory.mapping(3));
    kit.memory.put_floats(3, &[1.0; 1000]);
    let plan = count_plan(2, 4000);
    kit.publish(3, &[(0, 4000)]);
    assert_eq!(shown(&mut kit, &plan), [250, 255, 255]);
    kit.run(&plan, false);
    assert!(second.upgrade().is_none(), "here too");
    let third = gone(kit.memory.mapping(3));
    // Nobody binds it any more.
    kit.slots.clear();
    let none = Arc::new(engine_frame::plan::Plan { version: 3, screen_px: [4, 4], ..Plan::default() });
    kit.run(&none, false);
    kit.run(&none, false);
    assert_eq!(Weak::strong_count(&third), 1, "only its owner has it");
    assert_eq!(kit.faults(), vec![]);
}

/// Memory whose places lead nowhere: not the engine's mappings, or not as long as said.
struct Odd(Memory, fn(SlotPlace) -> SlotPlace);

impl SlotMemory for Odd {
    fn bytes(&self, buffer: BufferId, slot: u8, offset: u64, len: u64) -> Option<&[u8]> {
        self.0.bytes(buffer, slot, offset, len)
    }

    fn place(&self, buffer: BufferId, slot: u8) -> Option<SlotPlace> {
        self.0.place(buffer, slot).map(self.1)
    }
}

#[test]
fn memory_that_cannot_be_read_in_place_is_copied() {
    let odd: [fn(SlotPlace) -> SlotPlace; 7] = [
        |place| SlotPlace { mapping: Arc::new(()), ..place },
        |place| SlotPlace { chunk: 0..1 << 40, ..place },
        |place| SlotPlace { chunk: 64..4096, ..place },
        |place| SlotPlace { chunk: 0..0, ..place },
        |place| SlotPlace { start: u64::MAX - 255, ..place },
        |place| SlotPlace { start: place.start + 16, ..place },
        |place| SlotPlace { len: 16, ..place },
    ];
    for odd in odd {
        let mut kit = Kit::vulkan();
        kit.shader(0, COUNT);
        let plan = count_plan(1, 320);
        let memory = Odd(Memory::default(), odd);
        memory.0.put_floats(3, &[1.0; 12]);
        memory.0.put_floats(3, &[1.0; 12]);
        let slots = vec![SlotUse { buffer: BufferId(3), slot: 1, len: 48, dirty: Vec::new() }];
        let packet = kit.packet(&plan, true);
        kit.renderer.submit(Packet { slots, memory: Arc::new(memory), ..packet }).unwrap();
        let report = kit.next_report();
        assert_eq!(report.uploaded_bytes, 48);
        assert_eq!(report.capture.unwrap().pixel(1, 1)[1..3], [255, 255]);
        assert_eq!(kit.faults(), vec![]);
    }
}

/// A buffer as the host keeps it: one writer, slots by the table, holds until the frame is done.
struct Owner {
    writer: MapRw,
    reader: Arc<MapRo>,
    table: SlotTable,
    /// The slots that frames hold, by frame.
    held: Vec<(u64, u8)>,
    most: usize,
}

struct Shared(Arc<MapRo>, Vec<u8>);

impl SlotMemory for Shared {
    fn bytes(&self, _: BufferId, _: u8, offset: u64, len: u64) -> Option<&[u8]> {
        self.1.get(offset as usize..(offset + len) as usize)
    }

    fn place(&self, _: BufferId, slot: u8) -> Option<SlotPlace> {
        let start = u64::from(slot) * STRIDE as u64;
        // A large slot is a chunk of its own.
        Some(SlotPlace {
            mapping: self.0.clone(),
            chunk: start..start + STRIDE as u64,
            start,
            len: STRIDE as u64,
        })
    }
}

impl Owner {
    fn new() -> Self {
        let memfd = Memfd::create("owner", SLOTS * STRIDE).unwrap();
        let writer = MapRw::new(&memfd).unwrap();
        memfd.seal_future_write().unwrap();
        let reader = Arc::new(MapRo::new(&memfd).unwrap());
        let table = SlotTable::new(STRIDE as u32, 4, false);
        Self { writer, reader, table, held: Vec::new(), most: 0 }
    }

    /// Publishes `value` over and over, as the tick of `frame`, and returns the held slot and its bytes.
    fn publish(&mut self, frame: u64, value: f32) -> (SlotUse, Vec<u8>) {
        let grant = self.table.grant(frame);
        let slot = grant.slot.expect("eight slots are enough for frames that end");
        let bytes: Vec<u8> = value.to_le_bytes().repeat(FLOATS);
        self.writer.copy_in(&bytes, usize::from(slot) * STRIDE).unwrap();
        let publication = cell_abi::header::Publication {
            frame,
            len_bytes: STRIDE as u64,
            dirty_count: 0,
            dirty: Default::default(),
        };
        self.table.publish(&grant, &publication).unwrap();
        self.table.hold(slot);
        self.held.push((frame, slot));
        self.most = self.most.max(self.held.len());
        let mut dirty = Vec::new();
        self.table.take_gpu_behind_into(&mut dirty);
        (SlotUse { buffer: BufferId(3), slot, len: STRIDE as u64, dirty }, bytes)
    }

    fn done(&mut self, frame: u64) {
        let at = self.held.iter().position(|h| h.0 == frame).unwrap();
        self.table.release(self.held.swap_remove(at).1);
    }
}

#[test]
fn only_slots_that_were_drawn_from_are_imported_and_each_once() {
    let Some(mut kit) = Kit::in_tier(UploadTier::InPlace) else { return };
    kit.shader(0, COUNT);
    let plan = count_plan(1, STRIDE as u64);
    let mut owner = Owner::new();
    let alone = Arc::strong_count(&owner.reader);
    let mut kept = Vec::new();
    for frame in 0..9 {
        let (slot, bytes) = owner.publish(frame, frame as f32);
        let memory = Arc::new(Shared(Arc::clone(&owner.reader), bytes));
        let packet = kit.packet(&plan, true);
        kit.renderer.submit(Packet { slots: vec![slot], memory, ..packet }).unwrap();
        let report = kit.next_report();
        assert_eq!(report.uploaded_bytes, 0);
        assert_eq!(report.capture.unwrap().pixel(1, 1)[2] > 0, frame > 0, "frame {frame}");
        drop(report.packet);
        owner.done(frame);
        kept.push(Arc::strong_count(&owner.reader) - alone);
    }
    let one = kept[0];
    assert!(one > 0);
    assert_eq!(kept, [1, 2, 3, 3, 3, 3, 3, 3, 3].map(|slots| slots * one), "three slots of eight");
}

/// The owner writes a new value over all of a slot for each frame and goes on as soon as there is room in the queue; the
/// GPU takes its time with each frame, and notes wherever two elements differ.
#[test]
fn a_slot_is_never_overwritten_while_the_gpu_reads_it() {
    for tier in UploadTier::ALL {
        let Some(mut kit) = Kit::in_tier_of(RenderConfig::default(), tier) else { continue };
        kit.shader(
            0,
            "@fragment fn compare(in: Full) -> @location(0) vec4f {
                let at = u32(in.position.x) * 7u + u32(in.position.y) * 131u;
                let n = arrayLength(&colors);
                var torn = 0.0;
                for (var i = 0u; i < 6000u; i++) {
                    let c = colors[(at + i * 61u) % n];
                    torn += f32(any(c != vec4f(colors[i % n].x)));
                }
                return vec4f(min(torn, 1.0), colors[0].x / 64.0, 0.0, 1.0);
            }
            @fragment fn show(in: Full) -> @location(0) vec4f {
                let c = textureLoad(scene, vec2i(in.position.xy), 0);
                return vec4f(f32(c.r > 0.0), f32(c.r == 0.0), 0.0, 1.0);
            }",
        );
        let storage =
            PlannedBinding { binding: 3, what: Bound::Storage { buffer: BufferId(3), element_size: 16 } };
        let add = PlannedColor { blend: Blend::Add, ..color(0, Load::Keep) };
        let passes = vec![
            full("compare").reads(storage).raster(|r| r.color = vec![add]),
            full("show").reads(texture(0, 0, TextureView::Whole)),
        ];
        let mut plan = plan(1, [32, 32], vec![run(0, passes)]);
        plan.targets =
            vec![target(0, "torn", TextureFormat::Rgba16Float, [32, 32], StartValue::Clear([0.0; 4]))];
        plan.buffers = vec![buffer(3, STRIDE as u64, 16)];
        let plan = Arc::new(plan);

        let mut owner = Owner::new();
        let frames = 60;
        let mut done = 0;
        let take = |owner: &mut Owner, event| match event {
            RenderEvent::FrameDone(report) => {
                owner.done(report.frame);
                report.capture
            }
            RenderEvent::PassesRejected(faults) => panic!("{faults:?}"),
            _ => None,
        };
        kit.run_until_whole(&plan);
        for frame in kit.frame..kit.frame + frames {
            let (slot, bytes) = owner.publish(frame, frame as f32);
            let memory = Arc::new(Shared(Arc::clone(&owner.reader), bytes));
            let packet = kit.packet(&plan, false);
            kit.renderer.submit(Packet { slots: vec![slot], memory, ..packet }).unwrap();
            while let Ok(event) = kit.renderer.events().try_recv() {
                done += usize::from(matches!(event, RenderEvent::FrameDone(_)));
                take(&mut owner, event);
            }
        }
        assert!(done > 0, "frames are done while others are under way");
        let (slot, bytes) = owner.publish(kit.frame, 1.0);
        let memory = Arc::new(Shared(Arc::clone(&owner.reader), bytes));
        let packet = kit.packet(&plan, true);
        kit.renderer.submit(Packet { slots: vec![slot], memory, ..packet }).unwrap();
        let image = loop {
            let event = kit.renderer.events().recv_timeout(Duration::from_secs(100)).unwrap();
            if let Some(image) = take(&mut owner, event) {
                break image;
            }
        };
        let torn = image.rgba8.chunks(4).filter(|p| **p != GREEN_PX).count();
        println!("`{tier}`: at most {} frames held slots", owner.most);
        assert_eq!(torn, 0, "`{tier}`: pixels saw a slot that was written meanwhile");
        assert_eq!(owner.held, [], "all slots are free in the end");
    }
}
