//! The functions of a cell's C table: each catches panics, decodes the record, calls the author's code.
#![expect(unsafe_code, reason = "the C border: raw state and record pointers")]
use crate::{
    Contract, Cx, Load, Passes, Save,
    calls::{Exchange, Tasks, take_mail},
    contract::Plugin,
    cx::Turn,
    host::Host,
    log, panic,
    params::{DecodeParams, Decoder, ParamsFault},
    raw,
    writer::Writes,
};
use cell_abi::{
    ABI_MAJOR, ABI_MINOR, Bytes, CellState, CellTable, HostCx, HostTable, Status, TickRecord,
    table::{FLAG_TICKS, FLAG_UNWIND, SinkFn},
};
use core::ffi::c_void;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// An instance of a plugin: its host apart from the rest, so that a turn has the one while it changes the other.
struct Instance<T: Plugin> {
    host: Host,
    state: State<T>,
}

/// A plugin with what its entries keep for it.
struct State<T: Plugin> {
    writes: Writes,
    params: Option<Versioned<<T::Contract as Contract>::Params>>,
    exchange: Arc<Exchange>,
    /// Before the cell: a task that is dropped may hold what the cell lent it.
    tasks: Tasks,
    cell: T,
}

struct Versioned<P> {
    version: u64,
    value: P,
    /// A tick has seen them.
    ticked: bool,
}

/// Makes the table that [`crate::export!`] exports, for a cell that keeps no state.
#[must_use]
pub const fn table<T: Plugin>() -> CellTable {
    CellTable {
        size: size_of::<CellTable>() as u32,
        abi_major: ABI_MAJOR,
        abi_minor: ABI_MINOR,
        flags: FLAG_TICKS | if cfg!(panic = "unwind") { FLAG_UNWIND } else { 0 },
        create: create::<T>,
        load: load::<T>,
        tick: tick::<T>,
        passes: passes::<T>,
        destroy: destroy::<T>,
        save: None,
        restore: None,
    }
}

/// Runs a turn of the author's code. A panic ends here: its payload is dropped where another panic cannot get
/// out either.
#[inline]
pub(crate) fn guard(host: &Host, f: impl FnOnce() -> Status) -> Status {
    host.enter(|| catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(panic::status_of))
}

unsafe extern "C" fn create<T: Plugin>(
    table: *const HostTable,
    cx: *const HostCx,
    out: *mut *mut CellState,
) -> Status {
    // SAFETY: a host passes its table; its first fields are the same in every version.
    let of_this_abi = unsafe { table.as_ref() }
        .is_some_and(|t| t.abi_major == ABI_MAJOR && t.size as usize >= size_of::<HostTable>());
    if !of_this_abi || out.is_null() {
        return Status::INVALID;
    }
    // SAFETY: checked above; the lifetimes are the host's promise.
    let host = unsafe { Host::new(table, cx) };
    panic::install();
    log::install();
    guard(&host, || {
        let writes = Writes::new(T::Contract::PORTS.len());
        let (exchange, tasks) = (Exchange::new(&host), Tasks::default());
        let state = State::<T> { writes, params: None, exchange, tasks, cell: T::default() };
        let instance = Box::new(Instance { host, state });
        // SAFETY: `out` is not null and the host's to be written.
        unsafe { out.write(Box::into_raw(instance).cast()) };
        Status::OK
    })
}

unsafe extern "C" fn load<T: Plugin>(state: *mut CellState, record: *const TickRecord) -> Status {
    // SAFETY: the host passes what `create` made and a record that lives for the turn, one turn at a time.
    unsafe {
        turn::<T>(state, record, |host, state, record| {
            let params = &current(&mut state.params).value;
            match state.cell.load(&mut Load::new(record, *host, params)) {
                Ok(()) => Status::OK,
                Err(e) => {
                    host.fail(&e.to_string());
                    Status::FAILED
                }
            }
        })
    }
}

unsafe extern "C" fn tick<T: Plugin>(state: *mut CellState, record: *const TickRecord) -> Status {
    // SAFETY: as in `load`.
    unsafe {
        turn::<T>(state, record, |host, state, record| {
            let params = current(&mut state.params);
            let changed = !core::mem::replace(&mut params.ticked, true);
            let (exchange, cell) = (&state.exchange, &mut state.cell);
            exchange.begin(record.frame);
            let turn = Turn { record, host, writes: &state.writes, exchange, serves: !T::ROUTES.is_empty() };
            let mut cx = Cx::new(turn, &params.value, changed);
            // Answers before the tick, so that it sees what came of them, and calls that it makes go out with it.
            take_mail(record, host, cell, &mut cx, exchange);
            state.tasks.run(exchange, cell);
            cell.tick(&mut cx);
            state.tasks.run(exchange, cell);
            state.writes.publish(record);
            Status::OK
        })
    }
}

unsafe extern "C" fn passes<T: Plugin>(state: *mut CellState, record: *const TickRecord) -> Status {
    // SAFETY: as in `load`.
    unsafe {
        turn::<T>(state, record, |host, state, record| {
            let mut passes = Passes::new(record.screen_px, &current(&mut state.params).value);
            state.cell.passes(&mut passes);
            host.submit_passes(&cell_wire::encode(&passes.into_list()))
        })
    }
}

unsafe extern "C" fn destroy<T: Plugin>(state: *mut CellState) -> Status {
    if state.is_null() {
        return Status::INVALID;
    }
    // SAFETY: the host passes what `create` made, once, and no turn runs.
    let instance = unsafe { Box::from_raw(state.cast::<Instance<T>>()) };
    let host = instance.host;
    guard(&host, || {
        drop(instance);
        Status::OK
    })
}

pub(crate) unsafe extern "C" fn save<T: Plugin + Save>(
    state: *mut CellState,
    sink: SinkFn,
    context: *mut c_void,
) -> Status {
    // SAFETY: the host passes what `create` made, one turn at a time.
    let Some(instance) = (unsafe { state.cast::<Instance<T>>().as_mut() }) else { return Status::INVALID };
    guard(&instance.host, || {
        let bytes = instance.state.cell.save();
        // SAFETY: `context` is what the host wants beside its own function; the bytes live during the call.
        unsafe { sink(context, Bytes::of(&bytes)) }
    })
}

pub(crate) unsafe extern "C" fn restore<T: Plugin + Save>(state: *mut CellState, bytes: Bytes) -> Status {
    // SAFETY: as in `save`.
    let Some(instance) = (unsafe { state.cast::<Instance<T>>().as_mut() }) else { return Status::INVALID };
    let host = instance.host;
    guard(&host, || match instance.state.cell.restore(raw::call_bytes(&bytes)) {
        Ok(()) => Status::OK,
        Err(e) => {
            host.fail(&e.to_string());
            Status::FAILED
        }
    })
}

/// Runs a turn with the parameters of its record decoded.
///
/// # Safety
/// `state` is what `create` made and no other turn of it runs; `record` lives during the call.
unsafe fn turn<T: Plugin>(
    state: *mut CellState,
    record: *const TickRecord,
    f: impl for<'r> FnOnce(&'r Host, &'r mut State<T>, &'r TickRecord) -> Status,
) -> Status {
    // SAFETY: the caller's promise.
    let (instance, record) = unsafe { (state.cast::<Instance<T>>().as_mut(), record.as_ref()) };
    let (Some(Instance { host, state }), Some(record)) = (instance, record) else { return Status::INVALID };
    guard(host, || {
        if state.params.as_ref().is_none_or(|p| p.version != record.params_version) {
            match decode(host, record) {
                Ok(params) => state.params = Some(params),
                Err(status) => return status,
            }
        }
        f(host, state, record)
    })
}

fn current<P>(params: &mut Option<Versioned<P>>) -> &mut Versioned<P> {
    params.as_mut().expect("`turn` decodes the parameters before the author's code runs")
}

/// Reads the record's parameters. Apart from the turns, of which nearly none need it.
#[cold]
#[inline(never)]
fn decode<P: DecodeParams>(host: &Host, record: &TickRecord) -> Result<Versioned<P>, Status> {
    let read = || {
        let mut from = Decoder::new(raw::bytes(record.params, record));
        let value = P::decode(&mut from)?;
        from.finish()?;
        Ok::<_, ParamsFault>(value)
    };
    match read() {
        Ok(value) => Ok(Versioned { version: record.params_version, value, ticked: false }),
        Err(fault) => {
            host.fail(&fault.to_string());
            Err(Status::FAILED)
        }
    }
}
