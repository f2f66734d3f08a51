//! Panics: reported where they happen, ended at the border.
use crate::host::Host;
use cell_abi::Status;
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook},
    sync::Once,
};

/// A parallel loop that did not end well; carried out of the turn by unwinding.
struct ParStopped(Status);

/// Makes panics of this library's threads go to the host of the instance that they work for. Each library has
/// its own hook, since each has its own standard library.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            let message = info.payload_as_str().unwrap_or("a panic without a text");
            let (file, line) = info.location().map_or(("", 0), |l| (l.file(), l.line()));
            if Host::with_current(|host| host.panic_report(message, file, line)).is_none() {
                before(info);
            }
        }));
    });
}

/// Ends the turn: a chunk of a parallel loop panicked (and was reported), or the instance was replaced.
pub(crate) fn stop_turn(status: Status) -> ! {
    resume_unwind(Box::new(ParStopped(status)))
}

/// Returns what a caught panic means for the host, and drops its payload, whose `drop` may panic too.
#[cold]
pub(crate) fn status_of(payload: Box<dyn Any + Send>) -> Status {
    let status = payload.downcast_ref::<ParStopped>().map_or(Status::PANICKED, |stopped| stopped.0);
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // A payload whose drop panics with such a payload again: leaked rather than tried for ever.
        std::mem::forget(again);
    }
    status
}
