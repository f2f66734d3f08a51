//! Pass lists.
use super::*;
use cell_wire::{
    ColorTarget, Compute, DepthTarget, Draw, Pass, PassList, Raster, Read, SealedBind, Store, ViewOf, Work,
};

#[test]
fn passes_arrive_as_the_list_that_was_built() {
    let mut cell = probe("");
    cell.load().unwrap();
    let list = cell.passes().unwrap();

    let pass = |label: &str, raster: Raster| Pass {
        label: label.into(),
        work: Work::Raster(raster),
        reads: Vec::new(),
        sealed: Vec::new(),
    };
    let color = |port, level, blend| ColorTarget { port, level, blend };
    let read = |port, view| Read { port, view };
    let bind = |port, id| SealedBind { port, id };
    let depth =
        |port, write, compare, bias, slope_bias| Some(DepthTarget { port, write, compare, bias, slope_bias });
    let published = |port| Count::Published { port };
    let vs_fs = || Raster { vertex: Some("vs".into()), fragment: Some("fs".into()), ..Raster::default() };
    let draw = |first, count, base_vertex, first_instance, instances, sealed: &[SealedBind]| Draw {
        first,
        count,
        base_vertex,
        first_instance,
        instances,
        sealed: sealed.to_vec(),
    };
    let mesh_binds = [bind(6, 2), bind(7, 3)];
    let expected = PassList {
        passes: vec![
            Pass {
                reads: vec![read(0, ViewOf::Whole), read(0, ViewOf::Previous), read(1, ViewOf::Whole)],
                ..pass(
                    "threshold",
                    Raster {
                        fragment: Some("threshold".into()),
                        color: vec![color(4, 0, Blend::Replace)],
                        draws: vec![Draw::triangle()],
                        ..Raster::default()
                    },
                )
            },
            Pass {
                reads: vec![read(4, ViewOf::Level(1))],
                ..pass(
                    "up 1",
                    Raster {
                        fragment: Some("up".into()),
                        color: vec![color(4, 0, Blend::Add), color(15, 0, Blend::Alpha)],
                        draws: vec![Draw::triangle()],
                        ..Raster::default()
                    },
                )
            },
            Pass {
                sealed: vec![bind(5, 1)],
                ..pass(
                    "fs",
                    Raster {
                        color: vec![color(14, 0, Blend::Replace)],
                        depth: depth(12, true, Compare::Greater, 0, 0.0),
                        vertex_ports: vec![6, 8],
                        index_port: Some(7),
                        cull: Cull::Back,
                        draws: vec![
                            draw(0, Count::Fixed(6), 0, 0, published(8), &mesh_binds),
                            draw(3, Count::Fixed(3), 1, 2, Count::Fixed(1), &mesh_binds),
                            draw(0, Count::Fixed(6), 0, 0, Count::FromBuffer { port: 9, index: 1 }, &[]),
                        ],
                        ..vs_fs()
                    },
                )
            },
            pass(
                "vs",
                Raster {
                    vertex: Some("vs".into()),
                    depth: depth(13, true, Compare::Greater, 2, 1.5),
                    vertex_ports: vec![8],
                    draws: vec![draw(0, Count::Fixed(3), 0, 0, published(8), &[])],
                    ..Raster::default()
                },
            ),
            pass(
                "fs",
                Raster {
                    color: vec![color(15, 0, Blend::Replace)],
                    depth: depth(12, false, Compare::GreaterEqual, 0, 0.0),
                    vertex_ports: vec![2],
                    topology: Topology::Points,
                    draws: vec![draw(0, Count::Fixed(36), 0, 0, published(2), &[])],
                    ..vs_fs()
                },
            ),
            Pass {
                label: "cs".into(),
                work: Work::Compute(Compute {
                    entry: "cs".into(),
                    groups: [8, 1, 2],
                    stores: vec![Store { port: 4, level: 2 }],
                }),
                reads: vec![read(3, ViewOf::Whole)],
                sealed: Vec::new(),
            },
        ],
    };
    for (n, (found, expected)) in list.passes.iter().zip(&expected.passes).enumerate() {
        assert_eq!(found, expected, "pass {n}");
    }
    assert_eq!(list, expected);
}
