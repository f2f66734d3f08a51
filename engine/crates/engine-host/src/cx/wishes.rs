//! What an instance asks of the engine in its load: sealed resources and assets, as many as it may have.
//!
//! A child's cell asks in its process first, and the engine's side of the instance judges anew.
use super::{InstanceCx, ServedBy, TurnIo, TurnKind};
use crate::{
    assets::Asset,
    sealed::{MAX_BYTES_PER_CELL, SealError, Sealed},
};
use cell_abi::{SealDesc, Status};
use engine_frame::plain::plain;
use engine_sys::Memfd;
use std::sync::Arc;

/// The most sealed resources that a cell may have at a time. Each takes a mapping, of which a process may have some 65,000.
const MOST_SEALED: usize = 4096;
/// What a sealed resource counts at least, in bytes: memory comes in pages.
const PAGE: u64 = 4096;
/// The most assets that a load may ask for: each is watched.
pub(super) const MOST_ASSETS: usize = 4096;
/// The longest path of an asset, in bytes.
const LONGEST_PATH: usize = 1024;

impl InstanceCx {
    /// Seals bytes for the instance's passes.
    pub fn seal(&self, desc: SealDesc, bytes: &[u8]) -> Result<u64, Status> {
        self.may_seal(bytes.len() as u64)?;
        let sealed = match &self.services {
            ServedBy::Link(link) => return link.seal(desc, bytes).map_err(|refused| self.refused(refused)),
            ServedBy::Engine(services) => services.sealed.seal(desc, bytes),
        };
        self.keep_sealed(sealed)
    }

    /// Seals the first `len` bytes of memory that the instance's process has filled. What becomes of it or not, the
    /// process may still have the memory: it counts.
    pub(crate) fn seal_memfd(&self, desc: SealDesc, memfd: &Memfd, len: usize) -> Result<u64, Status> {
        let sealed = self.may_seal(len as u64).and_then(|()| match &self.services {
            ServedBy::Link(_) => Err(Status::NOT_NOW),
            ServedBy::Engine(services) => self.keep_sealed(services.sealed.seal_memfd(desc, memfd, len)),
        });
        if sealed.is_err() {
            self.waste(len as u64);
        }
        sealed
    }

    /// Counts memory of this many bytes that its process was given and did not have sealed, for as long as it lives.
    pub(crate) fn waste(&self, len: u64) {
        self.io().wasted += len.max(PAGE);
    }

    /// Returns whether it may seal as many more bytes now: in a load, and within what it may have at a time.
    ///
    /// # Errors
    /// What the cell is told.
    pub(crate) fn may_seal(&self, len: u64) -> Result<(), Status> {
        let io = self.io();
        if io.kind != TurnKind::Load {
            return Err(Status::NOT_NOW);
        }
        let fits = self.has_room(&io, len);
        drop(io);
        fits.map_err(|why| {
            self.failed(&why);
            Status::QUOTA
        })
    }

    fn has_room(&self, io: &TurnIo, len: u64) -> Result<(), String> {
        if io.sealed.len() >= MOST_SEALED {
            return Err(format!("it has sealed {MOST_SEALED} resources; no cell may have more at a time"));
        }
        let most = self.rights.sealed_bytes.min(MAX_BYTES_PER_CELL);
        let used = io.sealed.iter().fold(io.wasted, |sum, s| sum.saturating_add((s.len as u64).max(PAGE)));
        if used.saturating_add(len.max(PAGE)) > most {
            return Err(format!(
                "it has {used} bytes of sealed memory and wants {len} more; it may have {most} (`quotas: \
                 (shared_mib: ..)` in its scene line, at most {} MiB)",
                MAX_BYTES_PER_CELL >> 20
            ));
        }
        Ok(())
    }

    fn keep_sealed(&self, sealed: Result<Arc<Sealed>, SealError>) -> Result<u64, Status> {
        let sealed = sealed.map_err(|e| {
            self.failed(&e.to_string());
            Status::INVALID
        })?;
        let mut io = self.hand_over();
        let id = sealed.id;
        if !io.sealed.iter().any(|s| s.id == id) {
            // Again: another thread of the cell may have sealed meanwhile.
            if let Err(why) = self.has_room(&io, sealed.len as u64) {
                io.failure = Some(why);
                return Err(Status::QUOTA);
            }
            io.sealed.push(sealed);
        }
        Ok(id)
    }

    /// Notes why the engine refused something.
    fn refused(&self, (status, why): (Status, String)) -> Status {
        if !why.is_empty() {
            self.failed(&why);
        }
        status
    }

    /// Opens an asset for the instance's load.
    pub fn asset(&self, path: &str) -> Result<Asset, Status> {
        self.may_open(path)?;
        let opened = match &self.services {
            ServedBy::Link(link) => Ok(link.asset(path).map_err(|refused| self.refused(refused))?),
            ServedBy::Engine(services) => services.assets.open(path),
        };
        match opened {
            Ok(asset) => {
                self.hand_over().keep_asset(path, Some(asset.clone()));
                Ok(asset)
            }
            Err(e) => {
                // The path in it is the cell's.
                self.failed(&plain(&e.to_string()));
                self.hand_over().keep_asset(path, None);
                Err(Status::NOT_FOUND)
            }
        }
    }

    fn may_open(&self, path: &str) -> Result<(), Status> {
        let io = self.io();
        if io.kind != TurnKind::Load {
            return Err(Status::NOT_NOW);
        }
        let is_one_more = io.assets.len() >= MOST_ASSETS && io.assets.iter().all(|(p, _)| **p != *path);
        drop(io);
        let refuse = |status, why: String| {
            self.failed(&why);
            Err(status)
        };
        if path.len() > LONGEST_PATH {
            let why = format!("the path of an asset has {} bytes; it may have {LONGEST_PATH}", path.len());
            return refuse(Status::QUOTA, why);
        }
        if is_one_more {
            let why = format!("it has asked for {MOST_ASSETS} assets in a load; no cell may ask for more");
            return refuse(Status::QUOTA, why);
        }
        if self.rights.grants.as_ref().is_some_and(|g| !g.may_open(path)) {
            let why = format!(
                "the asset `{}` was not granted to it; if it may open it, name it or its folder in its scene line: \
                 `trust: Untrusted(.., assets: [..])`",
                path.escape_default()
            );
            return refuse(Status::NOT_FOUND, why);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "wishes_tests.rs"]
mod tests;
