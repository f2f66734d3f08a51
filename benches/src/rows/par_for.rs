//! `par_for` against rayon.
#![expect(unsafe_code, reason = "hands a slice to a C callback, as the `cell` crate does")]

use crate::{
    Bench, bare,
    harness::{Row, Unit, interleave, wall},
};
use cell_abi::Status;
use core::ffi::c_void;
use engine_host::par::ParPool;
use rayon::prelude::*;

/// Items per chunk.
const GRAIN: usize = 1024;

/// Measures the rows.
pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let ours_pool = ParPool::new(threads)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let of = |n: usize, rounds: usize| {
        let mut items: Vec<bare::Cube> = (0..n).map(work).collect();
        let mut others = items.clone();
        interleave::<anyhow::Error>(
            bench.effort.rounds(rounds),
            || Ok(wall(|| ours(&ours_pool, &mut items)).0),
            || Ok(wall(|| pool.install(|| rayons(&mut others))).0),
        )
    };
    let (small, small_rayon) = of(20_000, 400)?;
    let (large, large_rayon) = of(200_000, 100)?;
    Ok(vec![Row {
        name: "par-for",
        what: "200,000 cubes computed in chunks of 1,024; wall time, as many threads on both sides",
        unit: Unit::Ns,
        ours: large,
        beside: Some(("rayon", large_rayon)),
        limit: 1.15 * large_rayon,
        target: "1.15 x",
        notes: vec![format!(
            "20,000 cubes: {} beside {}, ratio {:.2}",
            Unit::Ns.show(small),
            Unit::Ns.show(small_rayon),
            small / small_rayon
        )],
    }])
}

fn work(i: usize) -> bare::Cube {
    bare::cube(59, i as u32, 1.0, 2.0)
}

fn rayons(items: &mut [bare::Cube]) {
    items.par_chunks_mut(GRAIN).enumerate().for_each(|(chunk, items)| {
        for (n, item) in items.iter_mut().enumerate() {
            *item = work(chunk * GRAIN + n);
        }
    });
}

fn ours(pool: &ParPool, items: &mut [bare::Cube]) {
    // SAFETY: `chunk` writes the items of its range only; ranges are disjoint and within the slice, which is
    // borrowed until `run` returns.
    let status = unsafe { pool.run(items.len(), GRAIN, chunk, items.as_mut_ptr().cast()) };
    assert!(status.is_ok(), "the loop does not fail");
}

unsafe extern "C" fn chunk(context: *mut c_void, begin: usize, end: usize) -> Status {
    // SAFETY: `context` is the slice of `ours`; the pool calls with disjoint ranges within it.
    let items =
        unsafe { std::slice::from_raw_parts_mut(context.cast::<bare::Cube>().add(begin), end - begin) };
    for (n, item) in items.iter_mut().enumerate() {
        *item = work(begin + n);
    }
    Status::OK
}
