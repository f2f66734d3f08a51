//! The child's side of a cell in a process of its own: goes into its jail, loads the library, runs turns, asks the
//! engine for the rest.
//!
//! The engine's side is [`crate::process_cell`]. Here the cell is called exactly as in the engine; only its records
//! come over a ring, and its slots are found in regions that the engine sent.
#![expect(unsafe_code, reason = "calls the cell with a record made of pointers")]

use crate::{
    child_link::{ChildLink, LinkError, recv},
    child_ring::{Inlet, InletError, Outlet},
    child_wire::{Answer, Packet, ToChild, ToHost, WireRead, WireTurn, WireWrite},
    cx::{InstanceCx, TurnKind, set_log_level},
    library::{CellLibrary, Declared, LibraryError},
    spawner::CHILD_ARGUMENT,
    thread_cell::ThreadCell,
    turn::Placed,
};
use cell_abi::{BufHeader, Bytes, InputFrame, MailView, PortView, SlotView, Status, TickRecord};
use engine_sys::{
    ControlError, ControlSocket, MapRo, MapRw, Memfd, RingAttachError, Seals, WaitOutcome,
    jail::{Inmate, JailError},
    thread::ThreadId,
};
use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::OwnedFd,
    path::Path,
    process::ExitCode,
    sync::Arc,
    thread::ScopedJoinHandle,
    time::Duration,
};

/// The exit code of a child that cannot go on.
const BROKEN: u8 = 70;
/// How often an idle child looks whether the engine is still there, should the kernel not have ended it.
const LOOK: Duration = Duration::from_secs(5);

/// Bytes of the stack of the cell's thread, as of the engine's tick threads.
const STACK: usize = 8 << 20;

/// Runs the child side when this process was started as one. To be called first in `main`: nothing may have opened
/// a descriptor or started a thread before.
#[must_use]
pub fn run_if_child() -> Option<ExitCode> {
    if std::env::args_os().nth(1)? != CHILD_ARGUMENT {
        return None;
    }
    Some(match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The engine logs it, and sees the exit code.
            let _ = writeln!(std::io::stderr(), "a cell's process cannot go on: {error}");
            ExitCode::from(BROKEN)
        }
    })
}

/// Why the child cannot go on.
#[derive(Debug, thiserror::Error)]
enum ChildError {
    #[error(transparent)]
    Jail(#[from] JailError),
    #[error("it was started without a sandbox; a cell's process is started by the engine, not by hand")]
    NoJail,
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Ring(#[from] RingAttachError),
    #[error(transparent)]
    Inlet(#[from] InletError),
    #[error("there is no thread for the cell: {0}")]
    Thread(std::io::Error),
    #[error("a record names region {region}, {len} bytes at {offset}, where there is no such memory")]
    Region { region: u32, offset: u64, len: u64 },
}

impl From<ControlError> for ChildError {
    fn from(error: ControlError) -> Self {
        Self::Link(error.into())
    }
}

fn serve() -> Result<(), ChildError> {
    let inmate = Inmate::inherited()?.ok_or(ChildError::NoJail)?;
    let control = ControlSocket::take_inherited()?;
    let (Packet::Hello { path, name, log_level, mail, rings }, fds) = recv(&control, None)? else {
        return Err(LinkError::Unexpected("no hello").into());
    };
    let [to_child, to_host, library] =
        <[OwnedFd; 3]>::try_from(fds).map_err(|_| LinkError::Unexpected("no rings and library"))?;
    let ring = |fd, len: u64| Memfd::from_received(fd, len as usize, Seals::SHRINK).map_err(LinkError::from);
    let mut inlet = Inlet::attach(&ring(to_child, rings[0])?)?;
    let outlet = Outlet::attach(&ring(to_host, rings[1])?)?;
    set_log_level(log_level);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let link = Arc::new(ChildLink::new(outlet, control, cores));
    let cx = InstanceCx::in_child(name.into(), Arc::clone(&link), mail as usize);
    let made = load_in_jail(inmate, library.into(), Path::new(&path))
        .map_err(|e| e.to_string())
        .and_then(|library| ThreadCell::create(&Arc::new(library), &cx));
    let cell = match made {
        Ok(cell) => cell,
        Err(why) => return Ok(link.answer(&ToHost::Made(Err(why)))?),
    };
    link.answer(&ToHost::Made(Ok(())))?;
    let mut child = Child { cell, cx, link, regions: Vec::new(), state: State::default() };
    loop {
        // The engine lowers a thread whose turn takes long, and the kernel lets nobody rise again: the next turns get
        // a new thread. This one starts it, so it has no turns itself.
        let turns = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("cell".to_owned()).stack_size(STACK);
            thread.spawn_scoped(scope, || child.turns(&mut inlet)).map(ScopedJoinHandle::join)
        });
        match turns.map_err(ChildError::Thread)? {
            Ok(Ok(Next::Thread)) => {}
            Ok(Ok(Next::End)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Why the library is not loaded.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Jail(#[from] JailError),
    #[error(transparent)]
    Library(#[from] LibraryError),
}

/// Reads what the library at `path` declares from its descriptor, goes into the jail with it, loads it there and
/// closes the door: from here on this process opens nothing and gets no new code.
fn load_in_jail(inmate: Inmate, mut file: File, path: &Path) -> Result<CellLibrary, LoadError> {
    let mut elf = Vec::new();
    file.read_to_end(&mut elf).map_err(|source| LibraryError::Read { path: path.to_owned(), source })?;
    let declared = Declared::read(&elf, path)?;
    drop(elf);
    // The rings are mapped, the control socket stays anyway.
    let entered = inmate.enter(file.into(), &[])?;
    let library = declared.load(path, entered.library())?;
    entered.lock()?;
    Ok(library)
}

/// What is to follow after a thread has had its turns.
enum Next {
    Thread,
    End,
}

/// A region as this process maps it.
struct ChildRegion {
    id: u32,
    data: Data,
    headers: Option<MapRw>,
}

enum Data {
    Own(MapRw),
    Read(MapRo),
}

impl ChildRegion {
    fn len(&self) -> usize {
        match &self.data {
            Data::Own(map) => map.len(),
            Data::Read(map) => map.len(),
        }
    }

    fn read_ptr(&self) -> *const u8 {
        match &self.data {
            Data::Own(map) => map.as_ptr(),
            Data::Read(map) => map.as_ptr(),
        }
    }
}

struct Child {
    // Before the context and the regions: its end may still use them.
    cell: ThreadCell,
    cx: Arc<InstanceCx>,
    link: Arc<ChildLink>,
    regions: Vec<ChildRegion>,
    state: State,
}

/// What stays from turn to turn.
#[derive(Default)]
struct State {
    params: Arc<[u8]>,
    input: InputFrame,
    views: Vec<PortView>,
    mail: Vec<MailView>,
}

// SAFETY: `views` and `mail` hold raw pointers; they are made anew before each use, on the thread that uses them. The
// rest is `Send`.
unsafe impl Send for State {}

impl Child {
    /// Runs the turns that the engine asks for, on a thread of its own.
    fn turns(&mut self, inlet: &mut Inlet) -> Result<Next, ChildError> {
        self.link.send(&ToHost::Thread(ThreadId::current().as_u32()))?;
        let (mut bytes, mut turn) = (Vec::new(), WireTurn::default());
        loop {
            if !inlet.try_recv(&mut bytes)? {
                if inlet.wait(LOOK, 0) == WaitOutcome::TimedOut {
                    self.take_packet(Some(Duration::ZERO))?;
                }
                continue;
            }
            let message = ToChild::decode(&bytes, &mut turn).map_err(LinkError::from)?;
            if !matches!(message, ToChild::NewThread | ToChild::Stop) {
                self.link.begin();
            }
            match message {
                ToChild::Turn => self.turn(&mut turn)?,
                ToChild::Save => {
                    self.cx.io().begin(TurnKind::Save);
                    let saved = self.cell.save();
                    let status = saved.as_ref().err().copied().unwrap_or(Status::OK);
                    self.link.answer(&ToHost::Answer(Answer { saved: saved.ok(), ..self.answer(status) }))?;
                }
                ToChild::Restore(state) => {
                    self.cx.io().begin(TurnKind::Restore);
                    let status = self.cell.restore(&state);
                    // What a large state needed is not kept.
                    bytes = Vec::new();
                    self.link.answer(&ToHost::Answer(self.answer(status)))?;
                }
                ToChild::Claim(region) => {
                    self.wait_for_region(region)?;
                    self.link.answer(&ToHost::Mapped(region))?;
                }
                ToChild::NewThread => return Ok(Next::Thread),
                ToChild::Stop => return Ok(Next::End),
            }
        }
    }

    /// Takes a packet if one is there within `timeout`.
    fn take_packet(&mut self, timeout: Option<Duration>) -> Result<(), LinkError> {
        match self.link.recv(timeout) {
            Ok((Packet::Region { region, data, headers }, fds)) => {
                self.regions.push(map_region(region, data, headers, fds)?);
                Ok(())
            }
            Ok(_) => Err(LinkError::Unexpected("a packet")),
            Err(LinkError::Socket(ControlError::TimedOut)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn wait_for_region(&mut self, id: u32) -> Result<(), LinkError> {
        while !self.regions.iter().any(|r| r.id == id) {
            self.take_packet(None)?;
        }
        Ok(())
    }

    fn turn(&mut self, turn: &mut WireTurn) -> Result<(), ChildError> {
        self.regions.retain(|r| !turn.forget.contains(&r.id));
        if let Some(params) = turn.params.take() {
            self.state.params = params;
        }
        if let Some(input) = turn.input {
            self.state.input = input;
        }
        for p in &turn.ports {
            let reads = [p.read, p.previous].into_iter().flatten().map(|r| r.region);
            for region in reads.chain(p.write.map(|w| w.region)) {
                self.wait_for_region(region)?;
            }
        }
        self.view(turn)?;
        self.cx.io().begin(turn.kind);
        let state = &self.state;
        let record = TickRecord {
            size: size_of::<TickRecord>() as u32,
            steps: turn.steps,
            frame: turn.frame,
            dt_ns: turn.dt_ns,
            time_ns: turn.time_ns,
            seed: turn.seed,
            screen_px: turn.screen_px,
            input: &raw const state.input,
            ports: state.views.as_ptr(),
            port_count: state.views.len(),
            mail: state.mail.as_ptr(),
            mail_count: state.mail.len(),
            params: Bytes::of(&state.params),
            params_version: turn.params_version,
        };
        // SAFETY: `state`, `turn` and the regions live for the call, and `view` has checked that all slots are
        // within them; the engine's slot tables keep the slots apart, as for a cell in the engine.
        let status = unsafe { self.cell.enter(turn.kind, &record) };
        if turn.kind == TurnKind::Load {
            self.cx.io().end_load(status);
        }
        Ok(self.link.answer(&ToHost::Answer(self.answer(status)))?)
    }

    /// Makes the views of a record's ports and mail.
    fn view(&mut self, turn: &WireTurn) -> Result<(), ChildError> {
        let (regions, state) = (&self.regions, &mut self.state);
        state.views.clear();
        for p in &turn.ports {
            let mut view = PortView::EMPTY;
            view.blend = p.blend;
            view.read = slot_view(regions, p.read)?;
            view.previous = slot_view(regions, p.previous)?;
            if let Some(w) = p.write {
                let (data, header) = write_slot(regions, &w)?;
                (view.write, view.header) = (data, header);
                (view.capacity, view.stamp) = (w.capacity as usize, w.stamp);
                // The range was checked when the record was read.
                view.behind = turn.behind.as_ptr().wrapping_add(w.behind.0 as usize);
                view.behind_count = w.behind.1 as usize;
            }
            state.views.push(view);
        }
        state.mail.clear();
        state.mail.extend(turn.mail.iter().map(|l| MailView {
            from: Bytes::of(l.from.as_bytes()),
            sequence: l.sequence,
            payload: Bytes { ptr: l.payload.as_ptr().cast(), len: l.len },
        }));
        Ok(())
    }

    /// Returns what the turn handed over.
    fn answer(&self, status: Status) -> Answer {
        let mut answer = Answer {
            status,
            requests: 0,
            outbox: Vec::new(),
            passes: None,
            failure: None,
            panic: None,
            saved: None,
        };
        if self.cx.take_touched() {
            let mut io = self.cx.io();
            answer.requests = std::mem::take(&mut io.requests);
            answer.outbox = std::mem::take(&mut io.outbox);
            answer.passes = io.passes.take();
            answer.failure = io.failure.take();
            answer.panic = io.panic.take();
        }
        answer
    }
}

fn map_region(id: u32, data: u64, headers: u64, fds: Vec<OwnedFd>) -> Result<ChildRegion, LinkError> {
    let mut fds = fds.into_iter();
    let mut memfd = |len: u64, seals| {
        let fd = fds.next().ok_or(LinkError::Unexpected("no descriptor"))?;
        Memfd::from_received(fd, len as usize, seals).map_err(LinkError::from)
    };
    if headers == 0 {
        let closed = Seals::FUTURE_WRITE | Seals::SHRINK | Seals::GROW | Seals::SEAL;
        let map = MapRo::new(&memfd(data, closed)?)?;
        return Ok(ChildRegion { id, data: Data::Read(map), headers: None });
    }
    // The engine seals the data when this process has mapped it: nobody else can map it for writing then.
    let map = MapRw::new(&memfd(data, Seals::empty())?)?;
    let headers = MapRw::new(&memfd(headers, Seals::SHRINK | Seals::GROW)?)?;
    Ok(ChildRegion { id, data: Data::Own(map), headers: Some(headers) })
}

/// Returns the region when it has `len` bytes at `offset`.
fn region_with(
    regions: &[ChildRegion],
    region: u32,
    offset: u64,
    len: u64,
) -> Result<&ChildRegion, ChildError> {
    let found = regions.iter().find(|r| r.id == region);
    let fits = |r: &&ChildRegion| offset.checked_add(len).is_some_and(|end| end <= r.len() as u64);
    found.filter(fits).ok_or(ChildError::Region { region, offset, len })
}

fn slot_view(regions: &[ChildRegion], read: Option<WireRead>) -> Result<SlotView, ChildError> {
    let Some(r) = read else { return Ok(SlotView::EMPTY) };
    let region = region_with(regions, r.region, r.offset, r.len)?;
    Ok(SlotView {
        ptr: region.read_ptr().wrapping_add(r.offset as usize),
        len: r.len as usize,
        frame: r.frame,
    })
}

fn write_slot(regions: &[ChildRegion], w: &WireWrite) -> Result<(*mut u8, *const BufHeader), ChildError> {
    let region = region_with(regions, w.region, w.offset, w.capacity)?;
    let (header, size) = (w.header as usize, size_of::<BufHeader>());
    let fits = |h: &&MapRw| {
        header.is_multiple_of(size) && header.checked_add(size).is_some_and(|end| end <= h.len())
    };
    match (&region.data, region.headers.as_ref().filter(fits)) {
        (Data::Own(data), Some(headers)) => Ok((
            data.as_ptr().wrapping_add(w.offset as usize),
            headers.as_ptr().wrapping_add(header).cast_const().cast(),
        )),
        _ => Err(ChildError::Region { region: w.region, offset: w.header, len: size as u64 }),
    }
}
