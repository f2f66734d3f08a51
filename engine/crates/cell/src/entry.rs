//! The functions of a cell's C table: each catches panics, decodes the record, calls the author's code.
#![expect(unsafe_code, reason = "the C border: raw state and record pointers")]
use crate::{
    Contract, Cx, Load, Passes,
    contract::Plugin,
    cx::Turn,
    host::Host,
    log, panic,
    params::{DecodeParams, Decoder, ParamsFault},
    raw,
    writer::Writes,
};
use cell_abi::{
    ABI_MAJOR, ABI_MINOR, CellState, CellTable, HostCx, HostTable, Status, TickRecord,
    table::{FLAG_TICKS, FLAG_UNWIND},
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A plugin with what its entries keep for it.
struct Instance<T: Plugin> {
    host: Host,
    writes: Writes,
    params: Option<Versioned<<T::Contract as Contract>::Params>>,
    /// The version of the parameters that the last tick saw.
    ticked_version: Option<u64>,
    cell: T,
}

struct Versioned<P> {
    version: u64,
    value: P,
}

/// Makes the table that [`crate::export!`] exports.
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
        let instance = Box::new(Instance::<T> {
            host,
            writes: Writes::new(T::Contract::PORTS.len()),
            params: None,
            ticked_version: None,
            cell: T::default(),
        });
        // SAFETY: `out` is not null and the host's to be written.
        unsafe { out.write(Box::into_raw(instance).cast()) };
        Status::OK
    })
}

unsafe extern "C" fn load<T: Plugin>(state: *mut CellState, record: *const TickRecord) -> Status {
    // SAFETY: the host passes what `create` made and a record that lives for the turn, one turn at a time.
    unsafe {
        turn::<T>(state, record, |i, record| {
            let (params, host) = (&current(&i.params).value, i.host);
            match i.cell.load(&mut Load::new(record, host, params)) {
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
        turn::<T>(state, record, |i, record| {
            let params = current(&i.params);
            let changed = i.ticked_version.replace(params.version) != Some(params.version);
            i.cell.tick(&mut Cx::new(
                Turn { record, host: i.host, writes: &i.writes },
                &params.value,
                changed,
            ));
            i.writes.publish(record);
            Status::OK
        })
    }
}

unsafe extern "C" fn passes<T: Plugin>(state: *mut CellState, record: *const TickRecord) -> Status {
    // SAFETY: as in `load`.
    unsafe {
        turn::<T>(state, record, |i, record| {
            let mut passes = Passes::new(record.screen_px, &current(&i.params).value);
            i.cell.passes(&mut passes);
            i.host.submit_passes(&cell_wire::encode(&passes.into_list()))
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

/// Runs a turn with the parameters of its record decoded.
///
/// # Safety
/// `state` is what `create` made and no other turn of it runs; `record` lives during the call.
unsafe fn turn<T: Plugin>(
    state: *mut CellState,
    record: *const TickRecord,
    f: impl for<'r> FnOnce(&'r mut Instance<T>, &'r TickRecord) -> Status,
) -> Status {
    // SAFETY: the caller's promise.
    let (instance, record) = unsafe { (state.cast::<Instance<T>>().as_mut(), record.as_ref()) };
    let (Some(instance), Some(record)) = (instance, record) else { return Status::INVALID };
    let host = instance.host;
    guard(&host, || {
        if instance.params.as_ref().is_none_or(|p| p.version != record.params_version) {
            match decode(record) {
                Ok(value) => instance.params = Some(Versioned { version: record.params_version, value }),
                Err(fault) => {
                    host.fail(&fault.to_string());
                    return Status::FAILED;
                }
            }
        }
        f(instance, record)
    })
}

fn current<P>(params: &Option<Versioned<P>>) -> &Versioned<P> {
    params.as_ref().expect("`turn` decodes the parameters before the author's code runs")
}

fn decode<P: DecodeParams>(record: &TickRecord) -> Result<P, ParamsFault> {
    let mut from = Decoder::new(raw::bytes(record.params, record));
    let value = P::decode(&mut from)?;
    from.finish()?;
    Ok(value)
}
