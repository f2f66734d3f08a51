//! The publication of a slot (ARCHITECTURE.md, memory rule 4): the owner fills the slot, stores the frame, then `ready` with release;
//! the host loads `ready` with acquire and then sees the frame and the data that belong to it.

#![expect(unsafe_code, reason = "loom's checked cells")]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::sync::{AtomicU32, AtomicU64, Ordering};

struct Slot {
    ready: AtomicU32,
    frame: AtomicU64,
    data: UnsafeCell<[u64; 2]>,
}

#[test]
fn who_sees_ready_sees_frame_and_data() {
    loom::model(|| {
        let slot = Arc::new(Slot {
            ready: AtomicU32::new(0),
            frame: AtomicU64::new(0),
            data: UnsafeCell::new([0; 2]),
        });
        let owner = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || {
                // SAFETY: loom panics if the reader is in here.
                slot.data.with_mut(|d| unsafe { *d = [41, 42] });
                slot.frame.store(7, Ordering::Relaxed);
                // SYNC: pairs with the load below.
                slot.ready.store(1, Ordering::Release);
            })
        };
        // SYNC: pairs with the store above.
        if slot.ready.load(Ordering::Acquire) == 1 {
            assert_eq!(slot.frame.load(Ordering::Relaxed), 7);
            // SAFETY: loom panics if the owner is in here.
            assert_eq!(slot.data.with(|d| unsafe { *d }), [41, 42]);
        }
        owner.join().unwrap();
    });
}
