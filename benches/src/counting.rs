//! An allocator that counts, per thread.
#![expect(unsafe_code, reason = "an allocator is an unsafe trait; every call goes on to the system's")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

/// The most threads that are counted; later ones are counted together in the last place.
const PLACES: usize = 512;

struct Place {
    thread: AtomicU32,
    count: AtomicU64,
}

static TABLE: [Place; PLACES] =
    [const { Place { thread: AtomicU32::new(0), count: AtomicU64::new(0) } }; PLACES];
static NEXT: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static MINE: Cell<u32> = const { Cell::new(u32::MAX) };
}

/// Counts every allocation of its thread, then goes on to the system's allocator.
pub(crate) struct Counting;

fn count() {
    // A thread that is ending has no place any more; what it frees does not matter here.
    let _ = MINE.try_with(|mine| {
        if mine.get() == u32::MAX {
            let place = NEXT.fetch_add(1, Ordering::Relaxed).min(PLACES as u32 - 1);
            TABLE[place as usize]
                .thread
                .store(engine_sys::thread::ThreadId::current().as_u32(), Ordering::Relaxed);
            mine.set(place);
        }
        TABLE[mine.get() as usize].count.fetch_add(1, Ordering::Relaxed);
    });
}

// SAFETY: every method passes its arguments on to `System` unchanged, which keeps the trait's promises; counting
// touches atomics and a thread-local without a destructor, and allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise; `ptr` came from `System`.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise; `ptr` came from `System`.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

/// How often each thread has allocated: thread id and number. Made without allocating.
pub(crate) struct Counts([(u32, u64); PLACES]);

impl Counts {
    /// Reads all counts.
    pub(crate) fn read() -> Self {
        let mut counts = [(0, 0); PLACES];
        for (to, place) in counts.iter_mut().zip(&TABLE) {
            *to = (place.thread.load(Ordering::Relaxed), place.count.load(Ordering::Relaxed));
        }
        Self(counts)
    }

    /// Returns the allocations since `earlier` by thread id.
    pub(crate) fn since<'a>(&'a self, earlier: &'a Self) -> impl Iterator<Item = (u32, u64)> + 'a {
        self.0.iter().zip(&earlier.0).filter(|(now, _)| now.0 != 0).map(|(now, then)| (now.0, now.1 - then.1))
    }
}

/// Returns how often this thread has allocated so far.
pub(crate) fn here() -> u64 {
    let mine = MINE.get();
    TABLE.get(mine as usize).map_or(0, |p| p.count.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocations_count_for_the_thread_that_makes_them() {
        let before = here();
        let boxes = [Box::new(1), Box::new(2)];
        assert_eq!(here() - before, boxes.len() as u64);
        let other = std::thread::scope(|s| {
            s.spawn(|| {
                let before = here();
                drop(std::hint::black_box(Vec::<u8>::with_capacity(100)));
                here() - before
            })
            .join()
            .unwrap()
        });
        assert_eq!(other, 1);
    }
}
