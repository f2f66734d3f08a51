//! A host for one cell, as small as the border allows: two slots for each buffer port, everything recorded.
//!
//! Shared by the tests of `cell` and `cell-ecs`, each of which uses a part of it.
#![expect(unsafe_code, reason = "plays the host's side of the C border")]
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]
use cell_abi::{
    AssetView, BufHeader, Bytes, CellState, CellTable, DirtyRange, HostCx, HostTable, InputFrame, LogLevel,
    MailView, PortView, Request, SealDesc, SlotView, Status, TickRecord,
    header::Publication,
    table::{ParBody, TurnFn},
};
use std::{collections::HashMap, ffi::c_void, ptr, sync::Mutex};

/// What the cell told its host.
#[derive(Default)]
pub struct Told {
    pub log: Vec<(u32, String, String)>,
    pub panics: Vec<(String, String)>,
    pub fails: Vec<String>,
    pub sent: Vec<(String, Vec<u8>)>,
    pub passes: Vec<Vec<u8>>,
    pub sealed: Vec<(SealDesc, Vec<u8>)>,
    pub requests: Vec<Request>,
}

/// The host's side of one instance.
pub struct Host {
    pub told: Mutex<Told>,
    pub assets: HashMap<String, Vec<u8>>,
    pub log_level: LogLevel,
    /// What `send` and `par_for` answer in place of doing their work.
    pub refuse: Option<Status>,
}

#[repr(C, align(256))]
#[derive(Clone, Copy)]
struct Block([u8; 256]);

/// The two slots of a buffer port.
struct Slots {
    blocks: [Vec<Block>; 2],
    headers: [BufHeader; 2],
    capacity: usize,
    owner: bool,
    /// Which slot is the latest, with its length and frame.
    latest: Option<(usize, usize, u64)>,
    previous: Option<(usize, usize, u64)>,
    behind: Vec<DirtyRange>,
}

impl Slots {
    fn new(capacity: usize, owner: bool) -> Self {
        let blocks = vec![Block([0xAA; 256]); capacity.div_ceil(256)];
        Self {
            blocks: [blocks.clone(), blocks],
            headers: Default::default(),
            capacity,
            owner,
            latest: None,
            previous: None,
            behind: Vec::new(),
        }
    }

    fn bytes(&mut self, slot: usize) -> &mut [u8] {
        let blocks = &mut self.blocks[slot];
        // SAFETY: a `Block` is 256 plain bytes.
        unsafe { std::slice::from_raw_parts_mut(blocks.as_mut_ptr().cast(), blocks.len() * 256) }
    }

    fn view(&self, at: Option<(usize, usize, u64)>) -> SlotView {
        at.map_or(SlotView::EMPTY, |(slot, len, frame)| SlotView {
            ptr: self.blocks[slot].as_ptr().cast(),
            len,
            frame,
        })
    }
}

/// Drives one instance of a cell.
pub struct Driver {
    pub host: Box<Host>,
    pub frame: u64,
    pub steps: u32,
    pub screen_px: [u32; 2],
    pub input: InputFrame,
    pub params: Vec<u8>,
    pub params_version: u64,
    pub mail: Vec<(String, Vec<u8>)>,
    pub blend: f32,
    table: &'static CellTable,
    state: *mut CellState,
    ports: Vec<Option<Slots>>,
}

impl Driver {
    /// Makes an instance with `ports` ports, all of them without buffers yet.
    pub fn new(
        table: &'static CellTable,
        ports: usize,
        params: Vec<u8>,
    ) -> Result<Self, (Status, Box<Host>)> {
        let host = Box::new(Host {
            told: Mutex::default(),
            assets: HashMap::new(),
            log_level: LogLevel::DEBUG,
            refuse: None,
        });
        let mut state = ptr::null_mut();
        // SAFETY: the table is the cell's, the host outlives the driver.
        let status = unsafe { (table.create)(&HOST, (&raw const *host).cast(), &mut state) };
        if !status.is_ok() {
            return Err((status, host));
        }
        Ok(Self {
            host,
            frame: 0,
            steps: 1,
            screen_px: [64, 36],
            input: InputFrame::default(),
            params,
            params_version: 1,
            mail: Vec::new(),
            blend: 1.0,
            table,
            state,
            ports: (0..ports).map(|_| None).collect(),
        })
    }

    /// Gives an output or own port two slots of `capacity` bytes, filled with 0xAA.
    pub fn own(&mut self, port: u16, capacity: usize) {
        self.ports[usize::from(port)] = Some(Slots::new(capacity, true));
    }

    /// Publishes `bytes` on an input port, in place of its owner.
    pub fn feed(&mut self, port: u16, frame: u64, bytes: &[u8]) {
        let slots = self.ports[usize::from(port)].get_or_insert_with(|| Slots::new(4096, false));
        let slot = slots.latest.map_or(0, |(s, ..)| 1 - s);
        slots.bytes(slot)[..bytes.len()].copy_from_slice(bytes);
        slots.previous = slots.latest.replace((slot, bytes.len(), frame));
    }

    pub fn load(&mut self) -> Status {
        self.turn(self.table.load)
    }

    pub fn passes(&mut self) -> Status {
        self.turn(self.table.passes)
    }

    /// Runs one tick and commits what it published, as a host does: with carry-forward.
    pub fn tick(&mut self) -> Status {
        let status = self.turn(self.table.tick);
        let stamp = self.stamp();
        for slots in self.ports.iter_mut().flatten().filter(|s| s.owner) {
            let written = slots.latest.map_or(0, |(s, ..)| 1 - s);
            if let Some(p) = slots.headers[written].published(stamp).filter(|_| status.is_ok()) {
                slots.previous = slots.latest.replace((written, p.len_bytes as usize, p.frame));
                slots.behind = match p.dirty_count {
                    0 => vec![DirtyRange { start: 0, end: slots.capacity as u32 }],
                    n => p.dirty[..n as usize].to_vec(),
                };
                if slots.previous.is_none() {
                    slots.behind = vec![DirtyRange { start: 0, end: slots.capacity as u32 }];
                }
            }
        }
        self.frame += 1;
        self.mail.clear();
        status
    }

    fn stamp(&self) -> u32 {
        self.frame as u32 + 1
    }

    fn turn(&mut self, f: TurnFn) -> Status {
        let (blend, stamp) = (self.blend, self.stamp());
        let views: Vec<PortView> = self
            .ports
            .iter()
            .map(|p| {
                let Some(s) = p else { return PortView::EMPTY };
                let mut v = PortView { read: s.view(s.latest), blend, stamp, ..PortView::EMPTY };
                if s.owner {
                    let slot = s.latest.map_or(0, |(n, ..)| 1 - n);
                    v.write = s.blocks[slot].as_ptr().cast::<u8>().cast_mut();
                    v.capacity = s.capacity;
                    v.header = &raw const s.headers[slot];
                    v.behind = s.behind.as_ptr();
                    v.behind_count = s.behind.len();
                } else {
                    v.previous = s.view(s.previous);
                }
                v
            })
            .collect();
        let mail: Vec<MailView> = self
            .mail
            .iter()
            .enumerate()
            .map(|(n, (from, payload))| MailView {
                from: Bytes::of(from.as_bytes()),
                sequence: n as u64,
                payload: Bytes::of(payload),
            })
            .collect();
        let record = TickRecord {
            size: size_of::<TickRecord>() as u32,
            steps: self.steps,
            frame: self.frame,
            dt_ns: 1_000_000_000 / 50,
            time_ns: self.frame * 1_000_000_000 / 50,
            seed: 77,
            screen_px: self.screen_px,
            input: &self.input,
            ports: views.as_ptr(),
            port_count: views.len(),
            mail: mail.as_ptr(),
            mail_count: mail.len(),
            params: Bytes::of(&self.params),
            params_version: self.params_version,
        };
        // SAFETY: the state is the cell's own, and all that the record points to lives until the call returns.
        unsafe { f(self.state, &record) }
    }

    /// Returns the newest publication of an own port: its bytes.
    pub fn latest(&mut self, port: u16) -> Option<Vec<u8>> {
        let slots = self.ports[usize::from(port)].as_mut()?;
        let (slot, len, _) = slots.latest?;
        Some(slots.bytes(slot)[..len].to_vec())
    }

    /// Returns what the header of the newest publication says.
    pub fn publication(&self, port: u16) -> Option<Publication> {
        let slots = self.ports[usize::from(port)].as_ref()?;
        let (slot, ..) = slots.latest?;
        // The frame has moved on since the tick.
        slots.headers[slot].published(self.frame as u32)
    }

    /// Ends the instance.
    pub fn destroy(&mut self) -> Status {
        let state = std::mem::replace(&mut self.state, ptr::null_mut());
        // SAFETY: the state is what `create` made, and is given back once.
        unsafe { (self.table.destroy)(state) }
    }

    pub fn told<R>(&self, f: impl FnOnce(&mut Told) -> R) -> R {
        f(&mut self.host.told.lock().unwrap())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if !self.state.is_null() {
            self.destroy();
        }
    }
}

/// Returns the bytes of words.
pub fn words<const N: usize>(values: [u32; N]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Returns the bytes of floats.
pub fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Returns the floats in bytes.
pub fn as_floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|c| f32::from_le_bytes(*c)).collect()
}

/// The encoding of a text parameter.
pub fn text(value: &str) -> Vec<u8> {
    let mut out = words([value.len() as u32]);
    out.extend(value.as_bytes());
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

static HOST: HostTable = HostTable {
    size: size_of::<HostTable>() as u32,
    abi_major: cell_abi::ABI_MAJOR,
    abi_minor: cell_abi::ABI_MINOR,
    log_level,
    log,
    panic_report,
    fail,
    par_for,
    send,
    submit_passes,
    seal,
    asset,
    request,
};

fn host<'a>(cx: *const HostCx) -> &'a Host {
    // SAFETY: `Driver` passes its boxed host as `cx`, which outlives the instance.
    unsafe { &*cx.cast::<Host>() }
}

fn bytes(b: Bytes) -> Vec<u8> {
    if b.len == 0 {
        return Vec::new();
    }
    // SAFETY: the cell lends `len` bytes for the call.
    unsafe { std::slice::from_raw_parts(b.ptr, b.len) }.to_vec()
}

fn string(b: Bytes) -> String {
    String::from_utf8(bytes(b)).unwrap()
}

fn tell(cx: *const HostCx, f: impl FnOnce(&mut Told)) -> Status {
    f(&mut host(cx).told.lock().unwrap());
    Status::OK
}

unsafe extern "C" fn log_level(cx: *const HostCx) -> LogLevel {
    host(cx).log_level
}

unsafe extern "C" fn log(
    cx: *const HostCx,
    level: LogLevel,
    target: Bytes,
    message: Bytes,
    _: Bytes,
    _: u32,
) {
    tell(cx, |t| t.log.push((level.0, string(target), string(message))));
}

unsafe extern "C" fn panic_report(cx: *const HostCx, message: Bytes, file: Bytes, line: u32) {
    assert!(line > 0);
    tell(cx, |t| t.panics.push((string(message), string(file))));
}

unsafe extern "C" fn fail(cx: *const HostCx, reason: Bytes) {
    tell(cx, |t| t.fails.push(string(reason)));
}

struct Context(*mut c_void);
// SAFETY: `par_for`'s contract: the context may be used from any thread.
unsafe impl Sync for Context {}

unsafe extern "C" fn par_for(
    cx: *const HostCx,
    n: usize,
    grain: usize,
    body: ParBody,
    context: *mut c_void,
) -> Status {
    if let Some(status) = host(cx).refuse {
        return status;
    }
    let context = &Context(context);
    let run = |parity: usize| {
        (0..n.div_ceil(grain)).filter(|c| c % 2 == parity).fold(Status::OK, |worst, c| {
            // SAFETY: chunks do not overlap, and `scope` waits for all of them.
            let status = unsafe { body(context.0, c * grain, ((c + 1) * grain).min(n)) };
            if status.is_ok() { worst } else { status }
        })
    };
    std::thread::scope(|s| {
        let helper = s.spawn(|| run(1));
        let own = run(0);
        let helped = helper.join().unwrap();
        if own.is_ok() { helped } else { own }
    })
}

unsafe extern "C" fn send(cx: *const HostCx, to: Bytes, payload: Bytes) -> Status {
    host(cx).refuse.unwrap_or_else(|| tell(cx, |t| t.sent.push((string(to), bytes(payload)))))
}

unsafe extern "C" fn submit_passes(cx: *const HostCx, list: Bytes) -> Status {
    tell(cx, |t| t.passes.push(bytes(list)))
}

unsafe extern "C" fn seal(cx: *const HostCx, desc: *const SealDesc, data: Bytes, out: *mut u64) -> Status {
    tell(cx, |t| {
        // SAFETY: both pointers live during the call.
        unsafe {
            t.sealed.push((*desc, bytes(data)));
            *out = 100 + t.sealed.len() as u64;
        }
    })
}

unsafe extern "C" fn asset(cx: *const HostCx, path: Bytes, out: *mut AssetView) -> Status {
    let Some(content) = host(cx).assets.get(&string(path)) else { return Status::NOT_FOUND };
    // SAFETY: `out` lives during the call.
    unsafe { *out = AssetView { bytes: Bytes::of(content), version: 1 } };
    Status::OK
}

unsafe extern "C" fn request(cx: *const HostCx, what: Request) -> Status {
    tell(cx, |t| t.requests.push(what))
}
