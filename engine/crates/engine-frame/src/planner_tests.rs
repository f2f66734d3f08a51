use super::*;
use crate::{
    contracts::{CellDecl, Standing},
    plan::{
        Bound, BufferId, BufferSource, CountSource, DynamicCount, Load, PlannedCount, PlannedRaster,
        PlannedWork, SealedKind, TextureView,
    },
};
use cell_abi::ports::PortTable;
use cell_wire::{
    Blend, ColorTarget, Compare, Compute, Count, DepthTarget, Draw, Pass, Raster, Read, SealedBind, Store,
    ViewOf, Work,
};

use proptest::prelude::*;

const COLOR: &str = "texture rgba16float screen 1/1 mips 1 clear 0 0 0 0";
const DEPTH: &str = "texture depth32float screen 1/1 mips 1 clear 0 0 0 0";

/// A world of cells at lines 0, 1, 2, ... with their lists.
pub(super) struct Scene {
    pub(super) contracts: Contracts,
    pub(super) lists: Vec<CellPasses>,
    pub(super) screen_px: [u32; 2],
    pub(super) limits: Limits,
}

pub(super) fn scene(cells: &[(&str, &str, Vec<Pass>)]) -> Scene {
    let decls: Vec<CellDecl> = (0..)
        .zip(cells)
        .map(|(n, (name, ports, _))| {
            let mut text = format!("cell-ports 1\nabi 1.0\nname {name}_v1\nrate 60\nshader {name}.wgsl\n");
            for p in ports.lines().map(str::trim).filter(|p| !p.is_empty()) {
                text += if p.starts_with("type") || p.starts_with("field") { "" } else { "port " };
                text += p;
                text += "\n";
            }
            let table = PortTable::parse(&(text + "end\n")).expect(ports);
            CellDecl {
                line: CellLine(n),
                name: (*name).into(),
                table: Arc::new(table),
                standing: Standing::Own,
            }
        })
        .collect();
    let mut contracts = Contracts::default();
    assert_eq!(contracts.declare(&decls), []);
    let lists = (0..)
        .zip(cells)
        .map(|(n, (_, _, passes))| CellPasses {
            line: CellLine(n),
            shader: ShaderId(n),
            list: Arc::new(PassList { passes: passes.clone() }),
        })
        .collect();
    Scene { contracts, lists, screen_px: [64, 36], limits: Limits::OWN }
}

impl Scene {
    pub(super) fn plan(&self) -> PlanOutcome {
        plan(&PlanInput {
            version: 7,
            contracts: &self.contracts,
            lists: &self.lists,
            sealed: &sealed,
            limits: &|_| self.limits,
            screen_px: self.screen_px,
        })
    }

    fn good(&self) -> Plan {
        let outcome = self.plan();
        let faults: Vec<String> = outcome.faults.iter().map(ToString::to_string).collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        outcome.plan
    }
}

/// 1 and 2 are textures, 3 is a depth texture, from 100 on buffers of that many bytes; cell 0 made them.
fn sealed(line: CellLine, id: u64) -> Option<SealedInfo> {
    match id {
        _ if line != CellLine(0) => None,
        1 | 2 => Some(SealedInfo::Texture2d { format: TextureFormat::Rgba8UnormSrgb }),
        3 => Some(SealedInfo::Texture2d { format: TextureFormat::Depth32Float }),
        100.. => Some(SealedInfo::Buffer { bytes: id }),
        _ => None,
    }
}

pub(super) fn full(label: &str, reads: &[(u16, ViewOf)], writes: &[(u16, u8, Blend)]) -> Pass {
    Pass {
        label: label.into(),
        work: Work::Raster(Raster {
            fragment: Some(label.into()),
            color: writes
                .iter()
                .map(|(port, level, blend)| ColorTarget { port: *port, level: *level, blend: *blend })
                .collect(),
            draws: vec![Draw::triangle()],
            ..Raster::default()
        }),
        reads: reads.iter().map(|(port, view)| Read { port: *port, view: *view }).collect(),
        sealed: Vec::new(),
    }
}

pub(super) fn draw(label: &str, edit: impl FnOnce(&mut Raster)) -> Pass {
    let mut r = Raster {
        vertex: Some("vs".into()),
        fragment: Some("fs".into()),
        draws: vec![Draw::triangle()],
        ..Raster::default()
    };
    edit(&mut r);
    Pass { label: label.into(), work: Work::Raster(r), reads: Vec::new(), sealed: Vec::new() }
}

pub(super) fn depth_of(port: u16, write: bool) -> Option<DepthTarget> {
    Some(DepthTarget { port, write, compare: Compare::Greater, bias: 0, slope_bias: 0.0 })
}

pub(super) const W: ViewOf = ViewOf::Whole;
pub(super) const SET: Blend = Blend::Replace;

fn bloom() -> (&'static str, &'static str, Vec<Pass>) {
    let mut passes = vec![full("threshold", &[(0, W)], &[(1, 0, SET)])];
    passes.extend((1..6).map(|i| full("down", &[(1, ViewOf::Level(i - 1))], &[(1, i, SET)])));
    passes.extend((0..5).rev().map(|i| full("up", &[(1, ViewOf::Level(i + 1))], &[(1, i, Blend::Add)])));
    passes.push(full("composite", &[(1, ViewOf::Level(0))], &[(2, 0, SET)]));
    let ports = "input scene_color texture rgba16float screen 1/1 mips 1 clear 0 0 0 0
        own mips texture rgba16float screen 1/2 mips 6 clear 0 0 0 0
        output bloom_result texture rgba16float screen 1/1 mips 1 clear 0 0 0 0";
    ("bloom", ports, passes)
}

fn the_design_s_scene() -> Scene {
    let tonemap = vec![full("tonemap", &[(0, W), (1, W)], &[(2, 0, SET)])];
    let geometry = draw("geometry", |r| {
        r.color = vec![ColorTarget { port: 0, level: 0, blend: SET }];
        r.depth = depth_of(1, true);
    });
    scene(&[
        (
            "tonemap",
            &format!("input scene_color {COLOR}\ninput bloom_result {COLOR}\noutput picture backbuffer"),
            tonemap,
        ),
        bloom(),
        ("sky", &format!("output scene_color {COLOR}"), vec![full("sky", &[], &[(0, 0, SET)])]),
        ("city", &format!("output scene_color {COLOR}\noutput scene_depth {DEPTH}"), vec![geometry]),
    ])
}

fn raster(plan: &Plan, label: &str) -> PlannedRaster {
    let passes = plan.runs.iter().flat_map(|r| &r.passes);
    match passes.filter(|p| &*p.label == label).map(|p| &p.work).next() {
        Some(PlannedWork::Raster(r)) => r.clone(),
        other => panic!("{label}: {other:?}"),
    }
}

fn labels(plan: &Plan) -> Vec<&str> {
    plan.runs.iter().flat_map(|r| &r.passes).map(|p| &*p.label).collect()
}

#[test]
fn the_design_s_scene_is_planned_from_names_alone() {
    let p = the_design_s_scene().good();
    let runs: Vec<&str> = p.runs.iter().map(|r| &*r.cell_name).collect();
    assert_eq!(runs, ["sky", "city", "bloom", "tonemap"]);
    assert_eq!(labels(&p)[2..4], ["threshold", "down"]);
    assert_eq!((p.version, p.screen_px), (7, [64, 36]));
    let target = |name: &str| p.targets.iter().find(|t| &*t.name == name).expect(name);
    let (color, mips, depth) = (target("scene_color"), target("bloom/mips"), target("scene_depth"));
    assert!(color.sampled && color.rendered && !color.unfed && !color.stored && !color.previous);
    assert!(!depth.sampled && depth.rendered);
    assert_eq!(mips.size_px, [32, 18]);
    assert_eq!(raster(&p, "sky").color[0].load, Load::Clear([0.0; 4]), "the first writer clears");
    assert_eq!(raster(&p, "geometry").color[0].load, Load::Keep);
    assert_eq!(raster(&p, "geometry").depth.map(|d| d.load), Some(Load::Clear([0.0; 4])));
    assert_eq!(raster(&p, "tonemap").color[0].load, Load::Clear([0.0, 0.0, 0.0, 1.0]));
    assert_eq!(raster(&p, "tonemap").color[0].target, None);
    let bloom: Vec<Load> = p.runs[2]
        .passes
        .iter()
        .map(|p| match &p.work {
            PlannedWork::Raster(r) => r.color[0].load,
            PlannedWork::Compute { .. } => panic!("none"),
        })
        .collect();
    let clears = bloom.iter().filter(|l| **l != Load::Keep).count();
    assert_eq!(clears, 7, "six levels and the result; the way up adds to what is there");
    let reads: Vec<Bound> = p.runs[2].passes[1].bindings.iter().map(|b| b.what).collect();
    let view = TextureView::Level(0);
    assert_eq!(reads, [Bound::Texture { target: mips.id, view, format: TextureFormat::Rgba16Float }]);
}

#[test]
fn a_switched_off_bloom_is_unfed_and_reads_as_its_start_value() {
    let mut s = the_design_s_scene();
    s.lists.retain(|l| l.line != CellLine(1));
    let p = s.good();
    let result = p.targets.iter().find(|t| &*t.name == "bloom_result").expect("read by tonemap");
    assert!(result.unfed && result.sampled && !result.rendered);
}

#[test]
fn any_arrival_order_of_lists_gives_the_same_plan() {
    let mut s = the_design_s_scene();
    let want = format!("{:?}", s.good());
    for _ in 0..4 {
        s.lists.rotate_left(1);
        assert_eq!(format!("{:?}", s.good()), want);
        s.lists.swap(0, 1);
        assert_eq!(format!("{:?}", s.good()), want);
    }
}

#[test]
fn a_tiny_output_keeps_all_mip_levels() {
    let mut s = the_design_s_scene();
    s.screen_px = [3, 2];
    let p = s.good();
    let mips = p.targets.iter().find(|t| &*t.name == "bloom/mips").expect("bloom's");
    assert_eq!(mips.size_px, [32, 1]);
}

pub(super) const CITY: &str = "own mesh sealed vertices Corner
    own tris sealed indices
    own albedo sealed texture_2d
    own bones sealed storage Bone
    own cubes instances Cube 1000
    own counts counts - 4
    own quads vertices Corner 36
    own order indices - 72
    output color texture rgba16float screen 1/1 mips 1 clear 0 0 0 0
    output depth texture depth32float screen 1/1 mips 1 clear 0 0 0 0
    input camera uniform Cam 1
    input lamps storage Bone 10
    own mips texture rgba16float screen 1/2 mips 3 clear 0 0 0 0
    output picture backbuffer
    input other texture depth32float screen 1/1 mips 1 clear 0 0 0 0
    own ids texture r32uint screen 1/1 mips 1 clear 0 0 0 0
    own packed texture rg11b10ufloat screen 1/1 mips 1 clear 0 0 0 0
    own huge texture r8unorm screen 64/1 mips 1 clear 0 0 0 0
    type Corner 12\nfield Corner at vec3f 0
    type Cube 16\nfield Cube at vec4f 0
    type Bone 64\nfield Bone m mat4x4f 0
    type Cam 64\nfield Cam m mat4x4f 0";

pub(super) fn city(pass: Pass) -> Scene {
    scene(&[("city", CITY, vec![pass])])
}

pub(super) fn to_color(r: &mut Raster) {
    r.color = vec![ColorTarget { port: 8, level: 0, blend: SET }];
}

pub(super) fn with_mesh(r: &mut Raster) {
    to_color(r);
    r.depth = depth_of(9, true);
    r.vertex_ports = vec![0, 4];
    r.index_port = Some(1);
    let sealed = |mesh: u64| {
        vec![SealedBind { port: 0, id: mesh }, SealedBind { port: 1, id: 144 }, SealedBind { port: 2, id: 2 }]
    };
    let base = Draw { count: Count::Fixed(36), instances: Count::Published { port: 4 }, ..Draw::triangle() };
    r.draws = vec![
        Draw { sealed: sealed(120), base_vertex: 3, ..base.clone() },
        Draw {
            sealed: sealed(240),
            instances: Count::FromBuffer { port: 5, index: 3 },
            first_instance: 200,
            ..base
        },
    ];
}

#[test]
fn draws_with_sealed_meshes_instances_and_counts_are_resolved() {
    let mut pass = draw("city", with_mesh);
    pass.sealed = vec![SealedBind { port: 3, id: 128 }, SealedBind { port: 2, id: 1 }];
    pass.reads = vec![Read { port: 11, view: W }, Read { port: 10, view: W }, Read { port: 10, view: W }];
    let s = city(pass);
    let p = s.good();
    let r = raster(&p, "city");
    assert_eq!(
        r.vertex_slots.iter().map(|s| (s.stride, s.per_instance)).collect::<Vec<_>>(),
        [(12, false), (16, true)]
    );
    assert_eq!(r.vertex_slots[1].attributes[0].0, 1, "locations run on through the table");
    let BufferId(cubes) = p.buffers.iter().find(|b| &*b.name == "city/cubes").expect("bound").id;
    let cubes = BufferId(cubes);
    assert_eq!(r.draws[1].vertex_buffers, [BufferSource::Sealed(240), BufferSource::Slots(cubes)]);
    assert_eq!(r.draws[0].index_buffer, Some(BufferSource::Sealed(144)));
    assert_eq!(r.draws[0].base_vertex, 3);
    let pass = &p.runs[0].passes[0];
    assert_eq!(
        pass.sealed.iter().map(|s| (s.binding, s.kind)).collect::<Vec<_>>(),
        [(2, SealedKind::Texture2d), (3, SealedKind::Storage { element_size: 64 })]
    );
    assert_eq!(r.draws[0].sealed, [2, 128], "the draw's texture over the pass's");
    assert_eq!(
        pass.bindings.iter().map(|b| b.binding).collect::<Vec<_>>(),
        [10, 11],
        "ascending, and once each"
    );
    let PlannedCount::Dynamic(n) = r.draws[0].instances else { panic!("published") };
    let source = CountSource::Published { buffer: cubes, element_size: 16 };
    assert_eq!(p.dynamic_counts[n as usize], DynamicCount { source, max: 1000 });
    let PlannedCount::Dynamic(n) = r.draws[1].instances else { panic!("a word") };
    assert!(matches!(
        p.dynamic_counts[n as usize],
        DynamicCount { source: CountSource::Word { index: 3, .. }, max: 800 }
    ));
    let names: Vec<&str> = p.buffers.iter().map(|b| &*b.name).collect();
    assert_eq!(names, ["city/cubes", "camera", "lamps"], "counts are read by the host, not bound");
    assert!(p.buffers[1].uniform && p.buffers[2].storage && p.buffers[0].vertex);
}

#[test]
fn depth_that_is_only_tested_may_be_sampled_and_is_not_cleared() {
    let mut pass = draw("decals", |r| {
        to_color(r);
        r.depth = depth_of(14, false);
    });
    pass.reads = vec![Read { port: 14, view: W }];
    let p = city(pass).good();
    let r = raster(&p, "decals");
    assert_eq!(r.depth.map(|d| d.load), Some(Load::Keep));
    let other = p.targets.iter().find(|t| &*t.name == "other").expect("tested");
    assert!(other.unfed && other.sampled && other.rendered);
}

#[test]
fn compute_passes_store_and_previous_frames_are_read() {
    let pass = Pass {
        label: "blur".into(),
        work: Work::Compute(Compute {
            entry: "blur".into(),
            groups: [8, 5, 1],
            stores: vec![Store { port: 12, level: 1 }],
        }),
        reads: vec![Read { port: 12, view: ViewOf::Level(0) }, Read { port: 8, view: ViewOf::Previous }],
        sealed: Vec::new(),
    };
    let p = city(pass).good();
    let b: Vec<u32> = p.runs[0].passes[0].bindings.iter().map(|b| b.binding).collect();
    assert_eq!(b, [12, 64 + 8, 128 + 12]);
    let color = p.targets.iter().find(|t| &*t.name == "color").expect("read");
    assert!(color.previous && color.unfed && !color.sampled);
    assert!(p.targets.iter().any(|t| &*t.name == "city/mips" && t.stored && !t.unfed));
}

#[test]
fn a_faulty_list_costs_its_cell_only() {
    let mut s = the_design_s_scene();
    let bloom = s.lists.iter_mut().find(|l| l.line == CellLine(1)).expect("bloom's");
    bloom.list = Arc::new(PassList { passes: vec![full("bad", &[(7, W)], &[(1, 0, SET)])] });
    let outcome = s.plan();
    assert_eq!(outcome.faults.len(), 1);
    assert_eq!(labels(&outcome.plan), ["sky", "geometry", "tonemap"]);
}

#[test]
fn reading_what_is_written_later_is_told_unless_the_target_keeps_its_content() {
    for (start, faults) in [("clear 0 0 0 0", 1), ("keep", 0)] {
        let ports = format!(
            "own a texture rgba16float screen 1/1 mips 1 {start}\nown b texture rgba16float screen 1/1 mips 1 {start}\nown c {COLOR}"
        );
        let passes =
            vec![full("first", &[(1, W)], &[(0, 0, SET)]), full("second", &[(0, W)], &[(1, 0, SET)])];
        let outcome = scene(&[("pingpong", &ports, passes)]).plan();
        let text: Vec<String> = outcome.faults.iter().map(ToString::to_string).collect();
        assert_eq!(text.len(), faults, "{text:?}");
        if let Some(t) = text.first() {
            assert!(t.contains("pass 0 (`first`): it reads `pingpong/b` before anything wrote it"), "{t}");
        }
    }
}

#[test]
fn a_cycle_is_told_by_the_names_of_cells_and_targets() {
    let (a, b) = (format!("input x {COLOR}\noutput y {COLOR}"), format!("output x {COLOR}\ninput y {COLOR}"));
    let s = scene(&[
        ("a", &a, vec![full("a", &[(0, W)], &[(1, 0, SET)])]),
        ("b", &b, vec![full("b", &[(1, W)], &[(0, 0, SET)])]),
    ]);
    let outcome = s.plan();
    let text = outcome.faults[0].to_string();
    assert!(text.starts_with("`a`: `a` and `b` wait for one another over `y` and `x`"), "{text}");
    assert_eq!(labels(&outcome.plan), ["b"]);
}

#[test]
fn a_list_of_a_cell_that_is_not_in_the_world_is_ignored() {
    let mut s = the_design_s_scene();
    s.lists[0].line = CellLine(77);
    assert_eq!(s.plan().faults, []);
}

/// Cells that read and write `a`, `b` and an own texture at random; some lists are faulty, some in cycles.
fn any_world() -> impl Strategy<Value = Vec<(bool, Vec<Pass>)>> {
    let pass = (0u16..4, 0u16..3, any::<bool>(), any::<u32>()).prop_map(|(read, write, previous, n)| {
        let view = if previous { ViewOf::Previous } else { W };
        full(&format!("p{n}"), &[(read, view)], &[(write, 0, SET)])
    });
    prop::collection::vec((any::<bool>(), prop::collection::vec(pass, 0..4)), 1..7)
}

proptest! {
    #[test]
    fn any_arrival_order_of_any_lists_gives_the_same_plan_and_faults(world in any_world(), by in any::<usize>()) {
        let writer = format!("output a {COLOR}\noutput b {COLOR}\nown c {COLOR}");
        let reader = format!("input a {COLOR}\noutput b {COLOR}\nown c {COLOR}");
        let names: Vec<String> = (0..world.len()).map(|n| format!("cell{n}")).collect();
        let cells: Vec<(&str, &str, Vec<Pass>)> = world
            .into_iter()
            .zip(&names)
            .map(|((writes, passes), name)| (name.as_str(), if writes { &*writer } else { &*reader }, passes))
            .collect();
        let mut s = scene(&cells);
        let first = s.plan();
        let n = s.lists.len();
        s.lists.rotate_left(by % n);
        s.lists.swap(0, by / n % n);
        let again = s.plan();
        prop_assert_eq!(format!("{first:?}"), format!("{again:?}"));
        // Who is left out has a fault, and nobody else is.
        let left_out = first.left_out();
        for list in &s.lists {
            let planned = first.plan.runs.iter().filter(|r| r.cell == list.line).map(|r| r.passes.len()).sum::<usize>();
            let want = if left_out.contains(&list.line) { 0 } else { list.list.passes.len() };
            prop_assert_eq!(planned, want);
        }
        // Whatever is attached first in a frame starts from its start value.
        let mut seen = std::collections::HashSet::new();
        for pass in first.plan.runs.iter().flat_map(|r| &r.passes) {
            let PlannedWork::Raster(r) = &pass.work else { continue };
            for c in &r.color {
                prop_assert_eq!(c.load == Load::Keep, !seen.insert((c.target, c.level)));
            }
        }
    }
}
