//! What filling transforms through a cell's API is compared with: the same stores by hand, in a plain C function.
#![expect(unsafe_code, reason = "stores through the pointers of a record")]

use cell_abi::{BufHeader, CellState, Status, TickRecord};
use std::sync::LazyLock;

/// How many transforms there are.
pub(crate) const COUNT: usize = 3000;
/// Bytes of them all.
pub(crate) const BYTES: usize = COUNT * size_of::<Transform>();

/// As in `cells/bench-fill`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Transform {
    position: [f32; 3],
    rotation: [f32; 4],
    scale: [f32; 3],
}

impl Transform {
    /// As in `cells/bench-fill`; the row compares the bytes.
    #[inline]
    fn of(n: usize, frame: u64) -> Self {
        let (n, t) = (n as f32, frame as f32);
        let scale = 1.0 + t * 0.125;
        Self { position: [n, t, n + t], rotation: [0.0, 0.0, 0.0, 1.0], scale: [scale, scale, scale] }
    }
}

/// Transforms that are ready, those of the record that all instances here get.
static READY: LazyLock<Vec<Transform>> = LazyLock::new(|| (0..COUNT).map(|n| Transform::of(n, 1)).collect());

/// Copies transforms that are ready into the slot.
pub(crate) unsafe extern "C" fn copies(_: *mut CellState, record: *const TickRecord) -> Status {
    // SAFETY: called by `Direct::call_plain`: the record and its one port are there, and the slot holds `BYTES`.
    unsafe {
        let port = &*(*record).ports;
        port.write.cast::<Transform>().copy_from_nonoverlapping(READY.as_ptr(), COUNT);
        publish(&*port.header, port.stamp, (*record).frame)
    }
}

/// Makes transforms in the slot.
pub(crate) unsafe extern "C" fn stores(_: *mut CellState, record: *const TickRecord) -> Status {
    // SAFETY: as in `copies`.
    unsafe {
        let (port, frame) = (&*(*record).ports, (*record).frame);
        let out = port.write.cast::<Transform>();
        for n in 0..COUNT {
            out.add(n).write(Transform::of(n, frame));
        }
        publish(&*port.header, port.stamp, frame)
    }
}

fn publish(header: &BufHeader, stamp: u32, frame: u64) -> Status {
    header.publish(stamp, frame, BYTES as u64, &[]);
    Status::OK
}
