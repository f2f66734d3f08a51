//! One function per decoder of bytes that come from outside. Each takes any bytes and panics if the decoder, or what is
//! done with its answer, breaks a promise.
//!
//! A fuzzer drives them (`just fuzz NAME`), and so does a test of the workspace, from the same good inputs
//! (`engine-host/tests/fuzz.rs`). What was found once lies in `fuzz/corpus/NAME/` and is tried again by both.
#[path = "records.rs"]
mod records;

use cell_abi::{
    DirtyRange,
    header::{MAX_DIRTY_RANGES, Publication},
    ports::PortTable,
    saved::Saved,
    shape::{Shape, ShapeSection, StateShape, difference},
};
use cell_wire::{
    Blend, ColorTarget, Compare, Compute, Count, Cull, DepthTarget, Draw, Pass, PassList, Raster, Read,
    SealedBind, Store, Topology, ViewOf, Work,
};
use engine_frame::{
    contracts::{CellDecl, Contracts, Standing},
    limits::Limits,
    plan::{CellLine, ShaderId},
    planner::{CellPasses, PlanInput, plan},
    slots::SlotTable,
    wgsl,
};
use engine_host::{
    child_ring::{Inlet, Outlet},
    child_wire::{Answer, Packet, ToChild, ToHost, WirePort, WireRead, WireTurn, WireWrite},
};
use engine_render::ShaderOrigin;
use engine_scene::{Scene, check_params, diff};
use engine_sys::{MapRw, RingConsumer, RingProducer, create_ring};
use std::sync::{Arc, LazyLock};

/// A decoder, with good inputs and words that they are made of.
pub(crate) struct Target {
    /// What `just fuzz` calls it.
    pub(crate) name: &'static str,
    /// Feeds it. Returns whether the decoder took the bytes for good ones.
    pub(crate) run: fn(&[u8]) -> bool,
    /// Good inputs.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// Words of its language.
    pub(crate) words: &'static [&'static [u8]],
}

/// All of them.
pub(crate) const TARGETS: &[Target] = &[
    Target { name: "ports", run: ports, seeds: || texts(&[PORTS]), words: PORT_WORDS },
    Target { name: "shape", run: shape, seeds: shape_seeds, words: SHAPE_WORDS },
    Target { name: "saved", run: saved, seeds: saved_seeds, words: SHAPE_WORDS },
    Target { name: "wire", run: wire, seeds: wire_seeds, words: &[] },
    Target { name: "ring", run: ring, seeds: ring_seeds, words: &[] },
    Target { name: "inlet", run: inlet, seeds: ring_seeds, words: &[] },
    Target { name: "publication", run: publication, seeds: publication_seeds, words: &[] },
    Target { name: "passes", run: passes, seeds: pass_seeds, words: &[] },
    Target { name: "scene", run: scene, seeds: || texts(&[SCENE]), words: SCENE_WORDS },
    Target { name: "wgsl", run: shader, seeds: || texts(&[WGSL]), words: WGSL_WORDS },
    Target { name: "records", run: records::records, seeds: records::record_seeds, words: &[] },
    Target { name: "session", run: records::session, seeds: records::session_seeds, words: &[] },
];

/// Returns the target called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|t| t.name == name)
}

fn texts(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|t| t.as_bytes().to_vec()).collect()
}

const PORTS: &str = "cell-ports 1\nabi 1.0\nname city_v1\nrate on_mail\nshader city.wgsl\n\
    param f32 sun.azimuth = 230\nparam vec3f fly.at = 0 1.5 -2e1\nparam text s = \"a = \u{e4}\"\nparam asset gltf\n\
    param bool on = true\nparam u32 n = 7\nparam i32 m = -7\ngroup? fly\n\
    port input camera uniform Camera 1 now\nport input crowd storage Ghost 100 history\n\
    port own mesh sealed vertices Ghost\nport own maps sealed texture_2d\nport own n counts - 8\n\
    port own shadow texture depth32float fixed 1024x512 mips 1 clear 0 0 0 0\n\
    port output chain texture rgba16float screen 1/2 mips 6 keep\nport output picture backbuffer\n\
    type Camera 80\nfield Camera view mat4x4f 0\nfield Camera eye vec3f 64\nfield Camera far f32 76\n\
    type Ghost 16\nfield Ghost at vec3f 0\nfield Ghost tint u32 12\nend\n";

const PORT_WORDS: &[&[u8]] = &[
    b"\n",
    b" ",
    b"port ",
    b"param ",
    b"type ",
    b"field ",
    b"group? ",
    b"end\n",
    b"input ",
    b"output ",
    b"own ",
    b" now",
    b" history",
    b"texture ",
    b"uniform ",
    b"storage ",
    b"sealed ",
    b"screen 0/0",
    b"fixed 99999999999x1",
    b" mips 99",
    b" clear nan inf 0 0",
    b" keep",
    b"mat4f",
    b"vec3f",
    b"4294967295",
    b"-",
    b"= ",
    b"\"\\",
    b"backbuffer",
    b"rate 0\n",
];

fn ports(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(table) = PortTable::parse(text) else { return false };
    let canonical = table.to_text();
    let again = PortTable::parse(&canonical).expect("the canonical text of a table is one");
    assert_eq!(again.to_text(), canonical, "and stays what it is");
    for port in &table.ports {
        if let cell_abi::ports::PortKind::Buffer(buffer) = &port.kind {
            let _ = buffer.element_size(&table);
        }
    }
    let _ = wgsl::header(&table);
    let decl = |line, name: &str, table: PortTable| CellDecl {
        line: CellLine(line),
        name: name.into(),
        table: Arc::new(table),
        standing: if line == 0 { Standing::Own } else { Standing::Untrusted },
    };
    let mut contracts = Contracts::default();
    let faults = contracts.declare(&[decl(0, "a", table), decl(1, "b", again)]);
    for fault in faults {
        let _ = fault.to_string();
    }
    true
}

const SHAPE: &str = "rkyv-0.8 le aligned ptr32\nshape Ship\nstruct Ship\n  hull f32\n  crew Vec<Crew>\n\
    enum Crew\n  Nobody\n  Named\n    0 String\n    age u8\n";
const OLD: StateShape = StateShape::of(SHAPE_BYTES, None);
const SHAPE_BYTES: &[u8] = SHAPE.as_bytes();
const SHAPE_WORDS: &[&[u8]] = &[
    b"\n",
    b"  ",
    b"    ",
    b"struct ",
    b"enum ",
    b"shape ",
    b"f32",
    b"Vec<",
    b"Option<",
    b"[f32; 3]",
    b">",
    b"#2",
    b"(",
    b")",
    b"HashMap<String, ",
    b"[[[[[[[[",
    b"<<<<<<<<",
    b"end\n",
    b"reads ",
    b"fingerprint ",
    b"Box<Ship>",
];

fn shape_seeds() -> Vec<Vec<u8>> {
    let section = format!("cell-shape 1\nfingerprint {}\n{SHAPE}end\n", OLD.fingerprint.to_hex());
    texts(&[SHAPE, &section])
}

fn shape(bytes: &[u8]) -> bool {
    if let Ok(Some(section)) = ShapeSection::parse(bytes) {
        assert_eq!(section.shape.to_text(), section.text);
        return true;
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(new) = Shape::parse(text) else { return false };
    assert_eq!(new.to_text(), text, "a shape that is read has one text");
    let old = Shape::parse(SHAPE).expect("a good shape");
    for (a, b) in [(&old, &new), (&new, &old)] {
        assert!(difference(a, b).is_some() || a == b, "what differs is told");
    }
    assert_eq!(difference(&new, &new), None);
    true
}

fn saved_seeds() -> Vec<Vec<u8>> {
    vec![Saved::write(&OLD, &[]), Saved::write(&OLD, &[7; 50])]
}

fn saved(bytes: &[u8]) -> bool {
    let read = Saved::read(bytes);
    match &read {
        Ok(saved) => {
            let told = saved.difference(SHAPE);
            assert_eq!(told.is_none(), saved.text == SHAPE, "{told:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    // Past the checksum, which hardly any input passes.
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Saved { fingerprint: OLD.fingerprint, text, payload: &[] }.difference(SHAPE);
    }
    read.is_ok()
}

fn wire_seeds() -> Vec<Vec<u8>> {
    let read = WireRead { region: 7, offset: 256, len: 1024, frame: 40 };
    let write = WireWrite { region: 8, offset: 0, capacity: 4096, header: 64, stamp: 3, behind: (0, 1) };
    let turn = WireTurn {
        kind: engine_host::cx::TurnKind::Tick,
        steps: 1,
        frame: 41,
        params: Some([1, 2, 3].into()),
        input: Some(cell_abi::InputFrame::default()),
        forget: vec![5],
        ports: vec![
            WirePort { read: Some(read), previous: Some(read), blend: 0.5, write: None },
            WirePort { read: None, previous: None, blend: 1.0, write: Some(write) },
        ],
        behind: vec![DirtyRange { start: 0, end: 64 }],
        ..WireTurn::default()
    };
    let mut all = Vec::new();
    for message in [ToChild::Turn, ToChild::Claim(3), ToChild::Restore([9; 20].into())] {
        let mut bytes = vec![0];
        let mut out = Vec::new();
        message.encode(&turn, &mut out);
        bytes.append(&mut out);
        all.push(bytes);
    }
    let answer = Answer {
        status: cell_abi::Status::OK,
        requests: 1,
        outbox: Vec::new(),
        passes: Some(vec![1; 40]),
        failure: Some("no".to_owned()),
        panic: Some(("it broke".to_owned(), "lib.rs".to_owned(), 7)),
        saved: Some(vec![2; 20]),
    };
    for message in
        [ToHost::Answer(answer), ToHost::Made(Err("no".to_owned())), ToHost::Asset("a.png".to_owned())]
    {
        let mut out = Vec::new();
        message.encode(&mut out);
        all.push([&[1], out.as_slice()].concat());
    }
    let hello = Packet::Hello {
        path: "/x.so".to_owned(),
        name: "x".to_owned(),
        log_level: cell_abi::LogLevel::WARN,
        mail: 64,
        rings: [65_792, 65_792],
    };
    let region = Packet::Region { region: 1, data: 4096, headers: 4096 };
    all.extend([hello, region].map(|p| [&[2], p.encode().as_slice()].concat()));
    all
}

/// The first byte says whose message it is.
fn wire(bytes: &[u8]) -> bool {
    let Some((who, bytes)) = bytes.split_first() else { return false };
    // What was read reads again as the same.
    match who % 3 {
        0 => {
            let (mut turn, mut out) = (WireTurn::default(), Vec::new());
            let Ok(message) = ToChild::decode(bytes, &mut turn) else { return false };
            message.encode(&turn, &mut out);
            let mut again = WireTurn::default();
            assert_eq!(ToChild::decode(&out, &mut again), Ok(message.clone()));
            let mut twice = Vec::new();
            message.encode(&again, &mut twice);
            assert_eq!(out, twice);
            let ranges = turn.behind.len() as u64;
            let inside = |w: &WireWrite| u64::from(w.behind.0) + u64::from(w.behind.1) <= ranges;
            assert!(
                message != ToChild::Turn || turn.ports.iter().filter_map(|p| p.write.as_ref()).all(inside)
            );
        }
        1 => {
            let Ok(message) = ToHost::decode(bytes) else { return false };
            let (mut out, mut twice) = (Vec::new(), Vec::new());
            message.encode(&mut out);
            ToHost::decode(&out).expect("its own bytes").encode(&mut twice);
            assert_eq!(out, twice);
        }
        _ => {
            let Ok(packet) = Packet::decode(bytes) else { return false };
            assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
        }
    }
    true
}

/// Bytes of the ring that is scribbled on, and of the header before them.
const RING: usize = 256;
const RING_HEADER: usize = 256;

fn ring_seeds() -> Vec<Vec<u8>> {
    // Push, pop; scribble over the tail, pop; over a length, pop; over the head, push.
    vec![
        vec![0, 20, 1, 0, 0, 100, 1, 0],
        vec![0, 5, 2, 64, 2, 8, 16, 1, 0, 1, 0],
        vec![0, 30, 3, 0, 0, 255, 1, 0, 0, 9, 1, 0],
        vec![0, 40, 0, 40, 2, 128, 1, 255, 0, 90, 0, 90, 1, 0],
    ]
}

/// The bytes are steps: push, pop, and what a hostile peer does to the shared memory meanwhile.
fn ring(bytes: &[u8]) -> bool {
    let memory = create_ring("fuzz", RING).expect("a small ring");
    let hostile = MapRw::new(&memory).expect("its mapping");
    let mut producer = RingProducer::attach(&memory).expect("the first");
    let mut consumer = RingConsumer::attach(&memory).expect("the first");
    let (mut honest, mut sent) = (true, std::collections::VecDeque::new());
    let mut out = Vec::new();
    let mut steps = bytes.iter().copied();
    // More steps show no more.
    for _ in 0..64 {
        let (Some(what), Some(arg)) = (steps.next(), steps.next()) else { break };
        match what % 4 {
            0 => {
                let message = vec![arg; usize::from(arg)];
                if producer.try_push(&[&message]).is_ok() {
                    sent.push_back(message);
                }
            }
            1 => match consumer.try_pop(&mut out) {
                Ok(true) => {
                    assert!(out.len() <= RING, "a message is no longer than the ring");
                    let expected = sent.pop_front();
                    assert!(!honest || expected.as_ref() == Some(&out), "an honest ring gives what was sent");
                }
                Ok(false) => assert!(!honest || sent.is_empty(), "an honest ring loses nothing"),
                Err(error) => assert!(!honest, "an honest ring is whole: {error}"),
            },
            // A word of the header.
            2 => {
                let word = [steps.next().unwrap_or(0), steps.next().unwrap_or(0), 0, 0, 0, 0, 0, 0];
                hostile.copy_in(&word, usize::from(arg) / 8 * 8 % RING_HEADER).expect("inside");
                honest = false;
            }
            // A length, or a part of a message.
            _ => {
                let word = [steps.next().unwrap_or(0); 4];
                hostile.copy_in(&word, RING_HEADER + usize::from(arg) / 4 * 4 % RING).expect("inside");
                honest = false;
            }
        }
    }
    true
}

/// The same for messages in pieces: send, receive, and what a hostile peer does to the shared memory meanwhile.
fn inlet(bytes: &[u8]) -> bool {
    let memory = create_ring("fuzz", RING).expect("a small ring");
    let hostile = MapRw::new(&memory).expect("its mapping");
    let mut outlet = Outlet::attach(&memory).expect("the first");
    let mut inlet = Inlet::attach(&memory).expect("the first");
    let (mut honest, mut sent) = (true, std::collections::VecDeque::new());
    let mut out = Vec::new();
    let mut steps = bytes.iter().copied();
    // More steps show no more.
    for _ in 0..64 {
        let (Some(what), Some(arg)) = (steps.next(), steps.next()) else { break };
        match what % 4 {
            0 => {
                let message = vec![arg; usize::from(arg)];
                match outlet.send(&message, || Err("full".to_owned())) {
                    Ok(()) => sent.push_back(message),
                    // A part of it may be there for ever.
                    Err(_) => honest = false,
                }
            }
            1 => {
                // What lies in a ring that nobody writes comes to an end: a record takes 16 bytes.
                let mut ended = false;
                for _ in 0..=RING / 16 {
                    match inlet.try_recv(&mut out) {
                        Ok(true) => {
                            let expected = sent.pop_front();
                            assert!(
                                !honest || expected.as_ref() == Some(&out),
                                "what was sent, whole and in order"
                            );
                        }
                        Ok(false) => {
                            assert!(!honest || sent.is_empty(), "nothing is lost");
                            ended = true;
                        }
                        Err(error) => {
                            assert!(!honest, "an honest sender is understood: {error}");
                            return true;
                        }
                    }
                    if ended {
                        break;
                    }
                }
                assert!(ended, "it gives messages without end");
            }
            // A word of the header.
            2 => {
                let word = [steps.next().unwrap_or(0), steps.next().unwrap_or(0), 0, 0, 0, 0, 0, 0];
                hostile.copy_in(&word, usize::from(arg) / 8 * 8 % RING_HEADER).expect("inside");
                honest = false;
            }
            // A length, or a part of a piece.
            _ => {
                let word = [steps.next().unwrap_or(0); 4];
                hostile.copy_in(&word, RING_HEADER + usize::from(arg) / 4 * 4 % RING).expect("inside");
                honest = false;
            }
        }
    }
    true
}

fn publication_seeds() -> Vec<Vec<u8>> {
    let mut good = Vec::new();
    for word in [128_u32, 0, 1, 0, 64, 0, 0, 0, 0, 0, 0] {
        good.extend(word.to_le_bytes());
    }
    vec![good.repeat(3)]
}

/// What a process that owns a slot says of it in its header, turn after turn.
fn publication(bytes: &[u8]) -> bool {
    const CAPACITY: u32 = 4096;
    const ELEMENT: u32 = 16;
    let mut table = SlotTable::new(CAPACITY, ELEMENT, true);
    let (words, _) = bytes.as_chunks::<4>();
    let words: Vec<u32> = words.iter().map(|w| u32::from_le_bytes(*w)).collect();
    let mut ranges = Vec::new();
    for (frame, says) in (1..).zip(words.chunks_exact(3 + 2 * MAX_DIRTY_RANGES)) {
        let grant = table.grant(frame);
        let mut dirty = [DirtyRange::default(); MAX_DIRTY_RANGES];
        for (to, from) in dirty.iter_mut().zip(says[3..].chunks_exact(2)) {
            *to = DirtyRange { start: from[0], end: from[1] };
        }
        let told = Publication {
            frame: says[1].into(),
            len_bytes: u64::from(says[0]) | u64::from(says[1]) << 32,
            // As the header's reader clamps it.
            dirty_count: says[2].min(MAX_DIRTY_RANGES as u32),
            dirty,
        };
        let before = table.latest();
        match table.publish(&grant, &told) {
            Ok(p) => assert!(p.len <= CAPACITY && p.len.is_multiple_of(ELEMENT) && p.frame == frame),
            Err(fault) => {
                assert!(!fault.to_string().is_empty());
                assert_eq!(table.latest(), before, "what is refused changes nothing");
            }
        }
        ranges.clear();
        let next = table.grant(frame + 1);
        table.behind_into(&next, &mut ranges);
        table.abort(&next);
        table.take_gpu_behind_into(&mut ranges);
        assert!(ranges.iter().all(|r| r.start <= r.end && r.end <= CAPACITY), "{ranges:?}");
    }
    table.latest().is_some()
}

fn pass_seeds() -> Vec<Vec<u8>> {
    let draw = Draw { sealed: vec![SealedBind { port: 2, id: 9 }], ..Draw::triangle() };
    let raster = Raster {
        vertex: Some("v".into()),
        fragment: Some("f".into()),
        color: vec![ColorTarget { port: 6, level: 1, blend: Blend::Alpha }],
        depth: Some(DepthTarget {
            port: 5,
            write: true,
            compare: Compare::Greater,
            bias: 1,
            slope_bias: 0.5,
        }),
        vertex_ports: vec![2],
        index_port: None,
        cull: Cull::Back,
        topology: Topology::Lines,
        draws: vec![draw, Draw { count: Count::FromBuffer { port: 4, index: 3 }, ..Draw::triangle() }],
    };
    let compute = Compute { entry: "c".into(), groups: [1, 2, 3], stores: vec![Store { port: 6, level: 0 }] };
    let pass = |label: &str, work| Pass {
        label: label.into(),
        work,
        reads: vec![Read { port: 0, view: ViewOf::Whole }, Read { port: 6, view: ViewOf::Previous }],
        sealed: vec![SealedBind { port: 3, id: 1 }],
    };
    let full = Raster {
        fragment: Some("f".into()),
        color: vec![ColorTarget { port: 7, level: 0, blend: Blend::Replace }],
        draws: vec![Draw::triangle()],
        ..Raster::default()
    };
    let bare = Pass { label: "full".into(), work: Work::Raster(full), reads: Vec::new(), sealed: Vec::new() };
    let lists = [
        PassList { passes: vec![bare.clone()] },
        PassList {
            passes: vec![pass("draw", Work::Raster(raster)), pass("run", Work::Compute(compute)), bare],
        },
    ];
    lists.iter().map(|l| cell_wire::encode(l).to_vec()).collect()
}

fn passes(bytes: &[u8]) -> bool {
    static WORLD: LazyLock<Contracts> = LazyLock::new(|| {
        let table = Arc::new(PortTable::parse(PORTS).expect("a good table"));
        let mut contracts = Contracts::default();
        let (line, name, standing) = (CellLine(0), "city".into(), Standing::Own);
        contracts.declare(&[CellDecl { line, name, table, standing }]);
        contracts
    });
    let Ok(list) = cell_wire::decode::<PassList>(bytes) else { return false };
    let own = cell_wire::encode(&list);
    let again = cell_wire::decode::<PassList>(&own).expect("its own bytes");
    // Bytes, because a number that is none is not equal to itself.
    assert_eq!(cell_wire::encode(&again).as_slice(), own.as_slice());
    let outcome = plan(&PlanInput {
        version: 1,
        contracts: &WORLD,
        lists: &[CellPasses { line: CellLine(0), shader: ShaderId(0), list: Arc::new(list) }],
        sealed: &|_, _| None,
        limits: &|_| Limits::UNTRUSTED,
        screen_px: [64, 36],
    });
    for fault in outcome.faults {
        let _ = fault.to_string();
    }
    true
}

const SCENE: &str = r##"World( // comment
    name: "Munich", rate: 60, seed: 7, /* block */
    cells: [
        (cell: "camera", with: (fly: (at: (0, 30, 80), look: [0, 1e1, 0x1F]))),
        (cell: "a.so", at: Process, on: "F1", rate: OnMail, enabled: true, with: (t: r#"raw"#, c: 'x', n: -1.5, m: None)),
        (cell: "scene", checkpoint: 1.0, with: (gltf: "city/munich.glb", sun: (azimuth: 230, height: 12))),
    ],
)"##;

const SCENE_WORDS: &[&[u8]] = &[
    b"World(",
    b"cells: [",
    b"(cell: \"",
    b"name:",
    b"with: (",
    b"at: Process",
    b"rate: OnMail",
    b")",
    b"]",
    b"(",
    b"[",
    b"{",
    b"}",
    b",",
    b":",
    b"\"",
    b"r#\"",
    b"\"#",
    b"//",
    b"/*",
    b"*/",
    b"'",
    b"'('",
    b"\\u{",
    b"inf",
    b"NaN",
    b"Some(",
    b"None",
    b"1e999",
    b"0x",
    b"-",
    b"#![enable(implicit_some)]",
    b"\xc2\x85",
    b"\xe2\x80\x8e",
    b"\xef\xbb\xbf",
    b"((((((((",
];

fn scene(bytes: &[u8]) -> bool {
    let table = PortTable::parse(PORTS).expect("a good table");
    match Scene::parse("s.ron", bytes) {
        Ok(scene) => {
            for cell in &scene.cells {
                if let Ok(checked) = check_params(cell, &table) {
                    assert!(!checked.encoded.is_empty());
                }
            }
            assert!(diff(&scene, &scene.clone()).is_empty());
            true
        }
        Err(faults) => {
            let lines = 1 + bytes.iter().filter(|b| **b == b'\n').count();
            assert!(!faults.is_empty());
            for f in faults {
                assert!(f.line >= 1 && f.line as usize <= lines && f.column >= 1, "{f}");
                assert!(f.to_string().len() < 2000);
            }
            false
        }
    }
}

const WGSL: &str = "struct V { @builtin(position) at: vec4f, @location(0) uv: vec2f }\n\
    @group(1) @binding(0) var t: texture_2d<f32>;\nconst N: u32 = 4u; // four\n\
    fn f(x: f32) -> f32 { if x > 1.0 { return x; } else if x < 0.0 { return -x; } else { return x * 0.5; } }\n\
    @vertex fn vs(@builtin(vertex_index) n: u32) -> V { var v: V; v.at = vec4f(f32(n), 0, 0, 1); return v; }\n\
    @fragment fn fs(v: V) -> @location(0) vec4f { var s = vec4f(); for (var i = 0u; i < N; i++) {\n\
    s += textureLoad(t, vec2i(v.uv), 0) * f(s.x); } return s; }\n";

const WGSL_WORDS: &[&[u8]] = &[
    b"(",
    b")",
    b"{",
    b"}",
    b"[",
    b"]",
    b";",
    b"<",
    b">",
    b"+x",
    b"-",
    b"*",
    b"&",
    b"else if x {",
    b"if ",
    b"loop {",
    b"vec4f(",
    b"/*",
    b"*/",
    b"//",
    b"array<",
    b"ptr<function, ",
    b"@location(",
    b"0x",
    b"1e99",
    b"fn ",
    b"var ",
    b"const ",
    b"switch ",
    b"((((((((((((((((",
    b"x+x+x+x+x+x+x+x+x+x+",
    b"\xe2\x80\xa8",
    b"alias a = ",
    b"@must_use ",
    b"enable f16;",
    b"_ = ",
];

fn shader(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let check = |origin| engine_render::check_shader("s.wgsl", "", text, origin);
    let (own, theirs) = (check(ShaderOrigin::Own), check(ShaderOrigin::Untrusted));
    for message in [&own, &theirs].into_iter().filter_map(|checked| checked.as_ref().err()) {
        assert!(message.contains("s.wgsl"), "{message}");
    }
    assert!(own.is_ok() || theirs.is_err(), "a stranger's shader may not do more");
    own.is_ok()
}
