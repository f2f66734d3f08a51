//! Lists of passes, and the plan that is made of them.
use super::{Target, assert_shown, ports::PORTS};
use cell_abi::ports::PortTable;
use cell_wire::{
    Blend, ColorTarget, Compare, Compute, Count, Cull, DepthTarget, Draw, Pass, PassList, Raster, Read,
    SealedBind, Store, Topology, ViewOf, Work,
};
use engine_frame::{
    contracts::{CellDecl, Contracts, Standing},
    limits::Limits,
    plan::{CellLine, ShaderId},
    planner::{CellPasses, PlanInput, plan},
};
use std::sync::{Arc, LazyLock};

pub(super) const TARGET: Target = Target { name: "passes", run: passes, seeds: pass_seeds, words: &[] };

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
        assert_shown(&fault.to_string());
    }
    true
}
