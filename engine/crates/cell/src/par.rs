//! Parallel loops over the host's threads.
#![expect(unsafe_code, reason = "hands disjoint chunks of a slice to the host's threads")]
use crate::{entry::guard, host::Host, panic};
use cell_abi::Status;
use core::{ffi::c_void, marker::PhantomData};

struct Loop<'a, S, F> {
    host: Host,
    items: *mut S,
    len: usize,
    body: &'a F,
    borrow: PhantomData<&'a mut [S]>,
}

pub(crate) fn par_for<S: Send, F: Fn(usize, &mut S) + Sync>(
    host: Host,
    items: &mut [S],
    grain: usize,
    body: &F,
) {
    let mut context = Loop { host, items: items.as_mut_ptr(), len: items.len(), body, borrow: PhantomData };
    // SAFETY: `chunk` reads `context`, which lives until the call returns; `S: Send` and `F: Sync` allow other
    // threads, and the host promises disjoint chunks of `0..n`.
    let status = unsafe { host.par_for(items.len(), grain.max(1), chunk::<S, F>, (&raw mut context).cast()) };
    if !status.is_ok() {
        panic::stop_turn(status);
    }
}

unsafe extern "C" fn chunk<S: Send, F: Fn(usize, &mut S) + Sync>(
    context: *mut c_void,
    begin: usize,
    end: usize,
) -> Status {
    // SAFETY: the host passes `par_for`'s context on; it is only read while chunks run.
    let l = unsafe { &*context.cast::<Loop<'_, S, F>>() };
    if begin > end || end > l.len {
        return Status::INVALID;
    }
    let body = || {
        // SAFETY: in bounds (checked), and chunks do not overlap (the host's promise), so this is the only
        // reference to these items.
        let items = unsafe { core::slice::from_raw_parts_mut(l.items.add(begin), end - begin) };
        for (n, item) in items.iter_mut().enumerate() {
            (l.body)(begin + n, item);
        }
        Status::OK
    };
    Host::in_loop(|| guard(&l.host, body))
}
