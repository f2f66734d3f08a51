use super::*;
use std::sync::{
    Barrier,
    atomic::{AtomicUsize, Ordering},
};

unsafe extern "C" fn add_one(context: *mut c_void, begin: usize, end: usize) -> Status {
    // SAFETY: the tests pass a slice of at least `end` counters that outlives the loop.
    let all = unsafe { std::slice::from_raw_parts(context.cast::<AtomicUsize>(), end) };
    for x in &all[begin..end] {
        x.fetch_add(1, Ordering::Relaxed);
    }
    if begin == 70 { Status::PANICKED } else { Status::OK }
}

fn count(pool: &ParPool, n: usize, grain: usize) -> (Status, Vec<usize>) {
    let counters: Vec<AtomicUsize> = (0..n).map(|_| AtomicUsize::new(0)).collect();
    // SAFETY: the counters outlive the call and are atomics.
    let status = unsafe { pool.run(n, grain, add_one, counters.as_ptr().cast_mut().cast()) };
    (status, counters.into_iter().map(AtomicUsize::into_inner).collect())
}

#[test]
fn every_index_runs_exactly_once() {
    for pool in [ParPool::new(3).unwrap(), ParPool::without_threads()] {
        for n in [0, 1, 9, 10, 11, 65] {
            assert_eq!(count(&pool, n, 10), (Status::OK, vec![1; n]), "n = {n}");
        }
        assert_eq!(count(&pool, 5, 0), (Status::OK, vec![1; 5]), "a grain of 0 is one of 1");
    }
}

#[test]
fn a_failed_chunk_is_reported_and_the_others_finish() {
    for pool in [ParPool::new(2).unwrap(), ParPool::without_threads()] {
        assert_eq!(count(&pool, 100, 10), (Status::PANICKED, vec![1; 100]));
        assert_eq!(count(&pool, 60, 10).0, Status::OK, "the next loop on the seat knows nothing of it");
    }
}

#[test]
fn more_callers_than_seats_run_many_loops_at_a_time() {
    let pool = ParPool::new(3).unwrap();
    std::thread::scope(|s| {
        for caller in 0..SEATS + 8 {
            let pool = &pool;
            s.spawn(move || {
                for round in 0..200 {
                    let n = 2 + (caller * 7 + round) % 60;
                    assert_eq!(count(pool, n, 1 + round % 3), (Status::OK, vec![1; n]));
                }
            });
        }
    });
}

struct Blocked {
    begun: Barrier,
    go_on: Barrier,
}

unsafe extern "C" fn block(context: *mut c_void, _: usize, _: usize) -> Status {
    // SAFETY: the test passes a `Blocked` that outlives the loop.
    let blocked = unsafe { &*context.cast::<Blocked>() };
    blocked.begun.wait();
    blocked.go_on.wait();
    Status::OK
}

#[test]
fn a_loop_does_not_wait_for_helpers_that_another_loop_keeps() {
    let pool = ParPool::new(1).unwrap();
    // Both chunks block: the caller's and the only helper's.
    let blocked = Blocked { begun: Barrier::new(3), go_on: Barrier::new(3) };
    std::thread::scope(|s| {
        s.spawn(|| {
            // SAFETY: `blocked` outlives the call and is made of barriers.
            let status = unsafe { pool.run(2, 1, block, (&raw const blocked).cast_mut().cast()) };
            assert_eq!(status, Status::OK);
        });
        blocked.begun.wait();
        assert_eq!(count(&pool, 50, 10), (Status::OK, vec![1; 50]));
        blocked.go_on.wait();
    });
}

struct Nested<'a> {
    pool: &'a ParPool,
    counters: Vec<AtomicUsize>,
}

unsafe extern "C" fn nested(context: *mut c_void, begin: usize, end: usize) -> Status {
    // SAFETY: the test passes a `Nested` that outlives the loop.
    let outer = unsafe { &*context.cast::<Nested<'_>>() };
    let part = &outer.counters[begin * 60..end * 60];
    // SAFETY: the counters outlive the call and are atomics.
    unsafe { outer.pool.run(part.len(), 7, add_one, part.as_ptr().cast_mut().cast()) }
}

#[test]
fn loops_run_within_the_chunks_of_others() {
    let pool = ParPool::new(2).unwrap();
    let outer = Nested { pool: &pool, counters: (0..600).map(|_| AtomicUsize::new(0)).collect() };
    // SAFETY: `outer` outlives the call; its chunks touch atomics only.
    let status = unsafe { pool.run(10, 1, nested, (&raw const outer).cast_mut().cast()) };
    assert_eq!(status, Status::OK);
    assert!(outer.counters.iter().all(|c| c.load(Ordering::Relaxed) == 1));
}
