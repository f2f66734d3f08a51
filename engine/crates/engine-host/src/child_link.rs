//! What a cell in a child asks of the engine: log lines, assets, sealed memory.
use crate::{
    assets::Asset,
    child_ring::{Outlet, OutletError},
    child_wire::{MAX_PACKET, Packet, ToHost, WireError},
    par::ParPool,
};
use cell_abi::{LogLevel, SealDesc, Status};
use engine_sys::{ControlError, ControlSocket, ForeignMemfdError, MapRw, Memfd, Seals};
use std::{
    os::fd::OwnedFd,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Why the child cannot go on: the engine is gone, or one of the two is broken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error(transparent)]
    Socket(#[from] ControlError),
    #[error(transparent)]
    Outlet(#[from] OutletError),
    #[error("a message of the engine makes no sense: {0}")]
    Wire(#[from] WireError),
    #[error("the engine sent memory that does not fit: {0}")]
    Memory(String),
    #[error("the engine sent {0} when something else was due")]
    Unexpected(&'static str),
}

impl From<ForeignMemfdError> for LinkError {
    fn from(error: ForeignMemfdError) -> Self {
        Self::Memory(error.to_string())
    }
}

impl From<engine_sys::MemfdError> for LinkError {
    fn from(error: engine_sys::MemfdError) -> Self {
        Self::Memory(error.to_string())
    }
}

/// The child's way to the engine, for all threads of the cell.
pub(crate) struct ChildLink {
    outlet: Mutex<(Outlet, Vec<u8>)>,
    /// Locked from a wish to its answer.
    control: Mutex<ControlSocket>,
    /// The engine waits for an answer and takes what comes meanwhile.
    is_heard: AtomicBool,
    pool: OnceLock<ParPool>,
    /// How many processors there are. Asked before the jail, where it would take a file.
    cores: usize,
}

impl std::fmt::Debug for ChildLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChildLink")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ChildLink {
    pub(crate) fn new(outlet: Outlet, control: ControlSocket, cores: usize) -> Self {
        Self {
            outlet: Mutex::new((outlet, Vec::new())),
            control: Mutex::new(control),
            is_heard: AtomicBool::new(true),
            pool: OnceLock::new(),
            cores,
        }
    }

    /// Sends the answer that the engine waits for.
    pub(crate) fn answer(&self, message: &ToHost) -> Result<(), LinkError> {
        // Relaxed: a line that is written at this very moment may be sent either way.
        self.is_heard.store(false, Ordering::Relaxed);
        self.send(message)
    }

    /// Notes that the engine waits for an answer from now on.
    pub(crate) fn begin(&self) {
        self.is_heard.store(true, Ordering::Relaxed);
    }

    /// Sends a message that is no answer.
    pub(crate) fn send(&self, message: &ToHost) -> Result<(), LinkError> {
        let (outlet, bytes) = &mut *lock(&self.outlet);
        message.encode(bytes);
        // The kernel ends this process with the engine, so waiting for room never lasts.
        Ok(outlet.send(bytes, || Ok(()))?)
    }

    /// Receives a packet; none within `timeout` is an error.
    pub(crate) fn recv(&self, timeout: Option<Duration>) -> Result<(Packet, Vec<OwnedFd>), LinkError> {
        recv(&lock(&self.control), timeout)
    }

    /// Hands a line to the engine. Between turns nobody takes it, so that it is dropped when the ring is full then.
    pub(crate) fn log(&self, level: LogLevel, target: &str, message: &str, file: &str, line: u32) {
        let (target, message, file) = (target.to_owned(), message.to_owned(), file.to_owned());
        let (outlet, bytes) = &mut *lock(&self.outlet);
        ToHost::Log { level, target, message, file, line }.encode(bytes);
        if self.is_heard.load(Ordering::Relaxed) {
            // A broken ring fails the answer likewise, which ends this process.
            let _ = outlet.send(bytes, || Ok(()));
        } else {
            outlet.try_send(bytes);
        }
    }

    /// Opens an asset.
    pub(crate) fn asset(&self, path: &str) -> Result<Asset, (Status, String)> {
        let control = lock(&self.control);
        let answer = self.send(&ToHost::Asset(path.to_owned())).and_then(|()| recv(&control, None));
        match answer.map_err(broken)? {
            (Packet::Asset { len, version }, fds) => {
                let memfd = sealed_memfd(fds, len).map_err(broken)?;
                Asset::from_memfd(memfd, len as usize, version).map_err(|e| broken(LinkError::Memory(e)))
            }
            (Packet::Refused { status, why }, _) => Err((status, why)),
            _ => Err(broken(LinkError::Unexpected("a packet"))),
        }
    }

    /// Seals bytes.
    pub(crate) fn seal(&self, desc: SealDesc, bytes: &[u8]) -> Result<u64, (Status, String)> {
        let control = lock(&self.control);
        let answer =
            self.send(&ToHost::Seal { desc, len: bytes.len() as u64 }).and_then(|()| recv(&control, None));
        match answer.map_err(broken)? {
            (Packet::SealMemory { len }, fds) => fill(fds, len, bytes).map_err(broken)?,
            (Packet::Refused { status, why }, _) => return Err((status, why)),
            _ => return Err(broken(LinkError::Unexpected("a packet"))),
        }
        let answer = self.send(&ToHost::Filled).and_then(|()| recv(&control, None));
        match answer.map_err(broken)? {
            (Packet::Sealed { id }, _) => Ok(id),
            (Packet::Refused { status, why }, _) => Err((status, why)),
            _ => Err(broken(LinkError::Unexpected("a packet"))),
        }
    }

    /// Returns the child's own threads for parallel loops. Chunk edges are those of the engine's pool.
    pub(crate) fn pool(&self) -> &ParPool {
        self.pool.get_or_init(|| {
            // The caller is one of the threads.
            match self.cores - 1 {
                0 => ParPool::without_threads(),
                helpers => ParPool::new(helpers).unwrap_or_else(|error| {
                    let what = format!("{error}; they run on one thread");
                    self.log(LogLevel::WARN, "engine", &what, "", 0);
                    ParPool::without_threads()
                }),
            }
        })
    }
}

pub(crate) fn recv(
    control: &ControlSocket,
    timeout: Option<Duration>,
) -> Result<(Packet, Vec<OwnedFd>), LinkError> {
    let mut bytes = Vec::new();
    let fds = control.recv(&mut bytes, MAX_PACKET, timeout)?;
    Ok((Packet::decode(&bytes)?, fds))
}

/// A wish failed on the way. The cell is told; if the engine is gone, the next message ends the process.
fn broken(error: LinkError) -> (Status, String) {
    (Status::FAILED, error.to_string())
}

fn sealed_memfd(fds: Vec<OwnedFd>, len: u64) -> Result<Memfd, LinkError> {
    let fd = fds.into_iter().next().ok_or(LinkError::Unexpected("no descriptor"))?;
    Ok(Memfd::from_received(fd, (len as usize).max(1), Seals::WRITE | Seals::SHRINK | Seals::GROW)?)
}

/// Fills memory that is to be sealed. It is no longer mapped when this returns.
fn fill(fds: Vec<OwnedFd>, len: u64, bytes: &[u8]) -> Result<(), LinkError> {
    let fd = fds.into_iter().next().ok_or(LinkError::Unexpected("no descriptor"))?;
    let memfd = Memfd::from_received(fd, len as usize, Seals::SHRINK | Seals::GROW)?;
    MapRw::new(&memfd)?.copy_in(bytes, 0).map_err(|e| LinkError::Memory(e.to_string()))
}
