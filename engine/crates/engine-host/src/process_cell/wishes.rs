//! What a child asks for while it has a turn: assets, and memory to be sealed.
use super::{Lost, ProcessCell, lost};
use crate::{child_wire::Packet, sealed};
use cell_abi::{SealDesc, Status};
use engine_sys::Memfd;

/// The longest reason that goes with a refusal, in bytes: a packet has little room.
const LONGEST_REASON: usize = 4096;

/// Memory that a child was given to fill, to be sealed.
pub(super) struct Filling {
    desc: SealDesc,
    memfd: Memfd,
    len: usize,
}

impl ProcessCell {
    pub(super) fn give_asset(&mut self, path: &str) -> Result<(), Lost> {
        match self.cx.asset(path) {
            Ok(asset) => {
                let packet = Packet::Asset { len: asset.bytes().len() as u64, version: asset.version };
                self.packet(&packet, &[asset.memfd().as_fd()])
            }
            Err(status) => self.refuse(status),
        }
    }

    pub(super) fn give_memory(&mut self, desc: SealDesc, len: u64) -> Result<(), Lost> {
        if let Some(left) = self.filling.take() {
            // It could not fill it, or says so; the memory stays with it.
            self.cx.waste(left.len as u64);
        }
        let status = match self.cx.may_seal(len).map(|()| memory(&desc, len)) {
            Ok(Ok(memfd)) => {
                self.packet(&Packet::SealMemory { len: memfd.len() as u64 }, &[memfd.as_fd()])?;
                self.filling = Some(Filling { desc, memfd, len: len as usize });
                return Ok(());
            }
            Ok(Err(why)) => {
                self.cx.failed(&why);
                Status::INVALID
            }
            Err(status) => status,
        };
        self.refuse(status)
    }

    pub(super) fn seal(&mut self) -> Result<(), Lost> {
        let Filling { desc, memfd, len } =
            self.filling.take().ok_or_else(|| lost("it filled memory it was not given"))?;
        match self.cx.seal_memfd(desc, &memfd, len) {
            Ok(id) => self.packet(&Packet::Sealed { id }, &[]),
            Err(status) => self.refuse(status),
        }
    }

    /// Refuses a wish, with the reason that the host's side has just noted.
    fn refuse(&mut self, status: Status) -> Result<(), Lost> {
        let mut why = self.cx.io().failure.clone().unwrap_or_default();
        why.truncate(why.floor_char_boundary(LONGEST_REASON));
        self.packet(&Packet::Refused { status, why }, &[])
    }
}

/// Makes memory for `len` bytes that are to be sealed as `desc` says.
fn memory(desc: &SealDesc, len: u64) -> Result<Memfd, String> {
    sealed::check(desc, len).map_err(|e| e.to_string())?;
    // A mapping has at least one byte; the sealed length is what counts.
    let memfd = Memfd::create("sealed", (len as usize).max(1)).map_err(|e| e.to_string())?;
    memfd.seal_size().map_err(|e| e.to_string())?;
    Ok(memfd)
}
