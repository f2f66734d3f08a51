//! What is wrong with passes, one mistake each, and passes of strangers.
use super::{tests::*, *};
use crate::plan::{BufferSource, PlannedCount, PlannedWork};
use cell_wire::{
    Blend, ColorTarget, Compute, Count, DepthTarget, Draw, Pass, Raster, Read, SealedBind, Store, ViewOf,
    Work,
};
use proptest::prelude::*;

/// A pass with one fault each, and what is said of it.
fn faulty() -> Vec<(Pass, &'static str)> {
    let edited = |edit: fn(&mut Raster)| {
        draw("p", |r| {
            with_mesh(r);
            edit(r);
        })
    };
    let reading = |port, view| {
        let mut p = draw("p", to_color);
        p.reads = vec![Read { port, view }];
        p
    };
    let computing = |groups, store: (u16, u8)| Pass {
        label: "p".into(),
        work: Work::Compute(Compute {
            entry: "cs".into(),
            groups,
            stores: vec![Store { port: store.0, level: store.1 }],
        }),
        reads: Vec::new(),
        sealed: Vec::new(),
    };
    let with_sealed = |mut p: Pass, port, id| {
        p.sealed.push(SealedBind { port, id });
        p
    };
    vec![
        (reading(99, W), "names port 99, but the cell has 18 ports"),
        (reading(4, W), "`cubes` is Instances; a texture, Uniform or Buffer is needed"),
        (reading(2, W), "`albedo` is a SealedTexture; a texture, Uniform"),
        (reading(13, W), "`picture` is the backbuffer"),
        (reading(10, ViewOf::Previous), "`camera` is a buffer: it has no levels"),
        (reading(12, ViewOf::Level(3)), "level 3 of `mips` is not there; it has 3"),
        (reading(8, W), "it reads level 0 of `color` while it writes it"),
        (edited(|r| r.color[0].port = 14), "`other` is an input and cannot be written"),
        (edited(|r| r.depth = depth_of(14, true)), "`other` is an input and cannot be written"),
        (edited(|r| r.color[0].port = 9), "`depth` is depth32float, which cannot be drawn to as colour"),
        (
            edited(|r| r.color[0].port = 16),
            "`packed` is rg11b10ufloat, which cannot be drawn to on every GPU",
        ),
        (
            edited(|r| r.color[0] = ColorTarget { port: 15, level: 0, blend: Blend::Add }),
            "`ids` is r32uint, which cannot be blended",
        ),
        (edited(|r| r.depth = depth_of(8, true)), "`color` is rgba16float, which cannot be used as depth"),
        (edited(|r| r.color[0].port = 4), "`cubes` is Instances; a texture or the backbuffer"),
        (edited(|r| r.color[0].port = 12), "differ in size: `mips` is 32x18, `depth` is 64x36"),
        (edited(|r| r.color.push(r.color[0])), "it writes level 0 of `color` twice"),
        (edited(|r| r.color = vec![r.color[0]; 5]), "it has 5 colour targets; a pass can have 4"),
        (edited(|r| r.color[0] = ColorTarget { port: 13, level: 1, blend: SET }), "level 1 of `picture`"),
        (edited(|r| r.color[0].port = 17), "`huge` would be 4096x2304"),
        (edited(|r| r.vertex = Some(String::new())), "its vertex entry point has no name"),
        (edited(|r| r.fragment = None), "writes colour but has no fragment"),
        (edited(|r| r.vertex = None), "a full pass draws one triangle"),
        (edited(|r| r.draws.clear()), "it has no draws"),
        (edited(|r| (r.color, r.depth) = (Vec::new(), None)), "it draws to nothing"),
        (edited(|r| r.vertex_ports = vec![8]), "`color` is a texture; Vertices or Instances"),
        (edited(|r| r.vertex_ports = vec![0, 6]), "`quads` is read twice"),
        (edited(|r| r.vertex_ports = vec![4; 9]), "it has 9 vertex buffers"),
        (edited(|r| r.index_port = Some(4)), "`cubes` is Instances; Indices is needed"),
        (edited(|r| r.draws[0].count = Count::Fixed(37)), "draws indices 0 to 37, but `tris` holds 36"),
        (edited(|r| (r.draws[0].first, r.draws[0].count) = (u32::MAX, Count::Fixed(u32::MAX))), "holds 36"),
        (
            edited(|r| {
                (r.index_port, r.draws) = (
                    Some(7),
                    vec![Draw {
                        count: Count::Fixed(73),
                        sealed: r.draws[0].sealed.clone(),
                        ..Draw::triangle()
                    }],
                )
            }),
            "indices 0 to 73, but `order` holds 72",
        ),
        (
            edited(|r| r.draws[0].instances = Count::Fixed(1001)),
            "draws instances 0 to 1001, but `cubes` holds 1000",
        ),
        (
            edited(|r| (r.vertex_ports, r.index_port, r.draws[0].count) = (vec![6], None, Count::Fixed(40))),
            "draws vertices 0 to 40, but `quads` holds 36",
        ),
        (
            edited(|r| r.draws[0].count = Count::FromBuffer { port: 4, index: 0 }),
            "`cubes` is Instances; Counts is needed",
        ),
        (
            edited(|r| r.draws[1].instances = Count::FromBuffer { port: 5, index: 4 }),
            "pass 0 (`p`), draw 1: the count 4 of `counts` is not there",
        ),
        (
            edited(|r| r.draws[0].instances = Count::Published { port: 8 }),
            "`color` is a texture; a buffer is needed",
        ),
        (
            edited(|r| {
                (r.vertex_ports, r.index_port, r.draws) = (
                    vec![],
                    None,
                    vec![Draw {
                        count: Count::Fixed(1 << 20),
                        instances: Count::Fixed(1 << 20),
                        ..Draw::triangle()
                    }],
                )
            }),
            "may draw 1099511627776 vertices",
        ),
        (edited(|r| r.draws[0].sealed.remove(0).port = 0), "nothing is bound to the sealed port `mesh`"),
        (
            edited(|r| {
                r.draws[0].sealed.pop();
            }),
            "nothing is bound to the sealed port `albedo`",
        ),
        (
            edited(|r| r.draws[0].sealed[0].id = 50),
            "the resource 50 bound to `mesh` is not one that this cell sealed",
        ),
        (
            edited(|r| r.draws[0].sealed[0].id = 1),
            "bound to `mesh` is a texture; a buffer of elements of 12 bytes",
        ),
        (edited(|r| r.draws[0].sealed[0].id = 121), "bound to `mesh` is a buffer of 121 bytes"),
        (edited(|r| r.draws[0].sealed[2].id = 100), "bound to `albedo` is a buffer; a texture"),
        (edited(|r| r.draws[0].sealed[2].id = 3), "bound to `albedo` is a depth32float texture"),
        (
            edited(|r| r.depth = depth_of(9, true).map(|d| DepthTarget { slope_bias: f32::NAN, ..d })),
            "bias is not finite",
        ),
        (with_sealed(draw("p", to_color), 8, 1), "`color` is a texture; a sealed port is needed"),
        (with_sealed(computing([1, 1, 1], (12, 0)), 2, 1), "a compute pass cannot bind the sealed `albedo`"),
        (computing([1, 70_000, 1], (12, 0)), "1x70000x1 workgroups"),
        (computing([60_000, 60_000, 1], (12, 0)), "60000x60000x1 workgroups"),
        (computing([1, 1, 1], (9, 0)), "`depth` is depth32float, which cannot be stored to"),
        (computing([1, 1, 1], (12, 9)), "level 9 of `mips`"),
        (computing([1, 1, 1], (14, 0)), "`other` is an input"),
        (computing([1, 1, 1], (13, 0)), "`picture` is the backbuffer; a texture"),
    ]
}

#[test]
fn each_mistake_is_a_sentence_with_its_place() {
    for (pass, says) in faulty() {
        let mut s = city(pass);
        s.limits.target_edge_px = 4000;
        let outcome = s.plan();
        let text: Vec<String> = outcome.faults.iter().map(ToString::to_string).collect();
        assert!(text.iter().any(|t| t.contains(says)), "{says:?} in {text:?}");
        assert!(text[0].starts_with("`city`, pass 0 (`p`)"), "{text:?}");
        assert_eq!(outcome.left_out(), [CellLine(0)]);
        assert!(outcome.plan.runs.is_empty(), "the list is left out as a whole");
    }
}

#[test]
fn all_faults_of_a_list_are_told_but_not_thousands() {
    let mut pass = draw("p", with_mesh);
    let Work::Raster(r) = &mut pass.work else { panic!("a raster pass") };
    r.draws = vec![Draw { count: Count::Fixed(99), ..r.draws[0].clone() }; 1000];
    let faults = city(pass).plan().faults;
    assert_eq!(faults.len(), 21);
    assert!(faults.iter().any(|f| f.problem == PassProblem::AndMore));
}

#[test]
fn quotas_of_a_stranger() {
    let one = || draw("p", to_color);
    let cell = |passes: Vec<Pass>| {
        let mut s = scene(&[("mod", CITY, passes)]);
        s.limits = Limits::UNTRUSTED;
        s.plan().faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(cell(vec![one(); 64]), "");
    assert!(cell(vec![one(); 65]).contains("has 65 passes; a cell may have 64"));
    let mut many = one();
    let Work::Raster(r) = &mut many.work else { panic!("a raster pass") };
    r.draws = vec![Draw::triangle(); 1025];
    assert!(cell(vec![many.clone()]).contains("1025 draws and dispatches; a cell may have 1024"));
    let Work::Raster(r) = &mut many.work else { panic!("a raster pass") };
    r.draws = vec![Draw { count: Count::Fixed(60 << 20), ..Draw::triangle() }; 5];
    assert!(cell(vec![many]).contains("the most is 268435456 in a frame"));
}

fn any_pass() -> impl Strategy<Value = Pass> {
    let port = || prop_oneof![4 => 0u16..18, 1 => any::<u16>()];
    let view = prop_oneof![Just(W), Just(ViewOf::Previous), (0u8..8).prop_map(ViewOf::Level)];
    let count = move || {
        prop_oneof![
            any::<u32>().prop_map(Count::Fixed),
            (0u32..40).prop_map(Count::Fixed),
            port().prop_map(|port| Count::Published { port }),
            (port(), 0u32..6).prop_map(|(port, index)| Count::FromBuffer { port, index }),
        ]
    };
    let bind =
        move || (port(), prop_oneof![0u64..4, 100u64..300]).prop_map(|(port, id)| SealedBind { port, id });
    let draw = (0u32..50, count(), 0u32..50, count(), prop::collection::vec(bind(), 0..3)).prop_map(
        |(first, count, first_instance, instances, sealed)| Draw {
            first,
            count,
            base_vertex: 1,
            first_instance,
            instances,
            sealed,
        },
    );
    let color = (port(), 0u8..3, prop_oneof![Just(SET), Just(Blend::Add)])
        .prop_map(|(port, level, blend)| ColorTarget { port, level, blend });
    let depth = (port(), any::<bool>()).prop_map(|(p, w)| depth_of(p, w));
    let raster = (
        prop::option::of(Just("vs".to_owned())),
        prop::option::of(Just("fs".to_owned())),
        prop::collection::vec(color, 0..3),
        prop_oneof![Just(None), depth],
        prop::collection::vec(port(), 0..3),
        prop::option::of(port()),
        prop::collection::vec(draw, 0..3),
    )
        .prop_map(|(vertex, fragment, color, depth, vertex_ports, index_port, draws)| {
            Work::Raster(Raster {
                vertex,
                fragment,
                color,
                depth,
                vertex_ports,
                index_port,
                draws,
                ..Raster::default()
            })
        });
    let compute =
        (any::<[u32; 3]>(), prop::collection::vec((port(), 0u8..3), 0..2)).prop_map(|(groups, stores)| {
            let stores = stores.into_iter().map(|(port, level)| Store { port, level }).collect();
            Work::Compute(Compute { entry: "cs".into(), groups, stores })
        });
    let reads = prop::collection::vec((port(), view), 0..3);
    (prop_oneof![3 => raster, 1 => compute], reads, prop::collection::vec(bind(), 0..3)).prop_map(
        |(work, reads, sealed)| Pass {
            label: "any".into(),
            work,
            reads: reads.into_iter().map(|(port, view)| Read { port, view }).collect(),
            sealed,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    /// Lists may come from strangers: whatever is in one, it is planned or refused, never a panic, and what is
    /// planned keeps within its buffers.
    #[test]
    fn any_list_is_planned_or_refused(passes in prop::collection::vec(any_pass(), 0..4)) {
        let mut s = scene(&[("city", CITY, passes.clone())]);
        s.limits = Limits::UNTRUSTED;
        let outcome = s.plan();
        prop_assert_eq!(outcome.faults.is_empty(), outcome.left_out().is_empty());
        let planned: usize = outcome.plan.runs.iter().map(|r| r.passes.len()).sum();
        prop_assert_eq!(planned, if outcome.faults.is_empty() { passes.len() } else { 0 });
        for pass in outcome.plan.runs.iter().flat_map(|r| &r.passes) {
            prop_assert!(pass.bindings.is_sorted_by_key(|b| b.binding));
            let PlannedWork::Raster(r) = &pass.work else { continue };
            for d in &r.draws {
                prop_assert_eq!(d.vertex_buffers.len(), r.vertex_slots.len());
                prop_assert_eq!(d.index_buffer.is_some(), r.indexed);
                prop_assert_eq!(d.sealed.len(), pass.sealed.len());
                let most = |c: PlannedCount| match c {
                    PlannedCount::Fixed(n) => u64::from(n),
                    PlannedCount::Dynamic(n) => u64::from(outcome.plan.dynamic_counts[n as usize].max),
                };
                prop_assert!(most(d.count) * most(d.instances) <= s.limits.vertices_per_draw);
                for (slot, source) in r.vertex_slots.iter().zip(&d.vertex_buffers) {
                    let holds = match source {
                        BufferSource::Slots(id) => outcome.plan.buffer(*id).expect("planned").capacity / u64::from(slot.stride),
                        BufferSource::Sealed(bytes) => bytes / u64::from(slot.stride),
                    };
                    if slot.per_instance && most(d.instances) > 0 {
                        prop_assert!(u64::from(d.first_instance) + most(d.instances) <= holds);
                    } else if !slot.per_instance && !r.indexed && most(d.count) > 0 {
                        prop_assert!(u64::from(d.first) + most(d.count) <= holds);
                    }
                }
            }
        }
    }
}
