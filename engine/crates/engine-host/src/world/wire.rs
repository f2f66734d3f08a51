//! Names are resolved: who writes which buffer, who reads it, who waits for whom.
use super::World;
use crate::{
    book::DeclaredBuffer,
    cells::{CellEntry, PortUse},
    trust,
};
use cell_abi::ports::{Direction, PortKind, PortTable};
use engine_frame::{
    contracts::{CellDecl, ContractFault, Contracts, Resource},
    links::NowGraph,
    plan::CellLine,
    slots::{MAX_SLOTS, USUAL_SLOTS},
};
use engine_scene::{Placement, Quota};
use std::sync::Arc;

impl World {
    /// Resolves all names anew: after cells came, went, moved or were switched.
    pub(crate) fn wire(&mut self) {
        self.lines.clear();
        self.lines.resize(self.next_key as usize, None);
        self.switches.clear();
        self.awake.clear();
        for (n, c) in self.cells.iter_mut().enumerate() {
            self.lines[c.key as usize] = Some(n);
            self.switches.extend(c.scene.on.map(|key| (key, n)));
            c.awake = true;
            self.awake.push(n);
        }
        self.params_changed = true;
        self.find_gpu_limits();
        self.names = self.cells.iter().map(|c| Arc::clone(&c.name)).collect();
        self.by_name = self.cells.iter().enumerate().map(|(n, c)| (Arc::clone(&c.name), n)).collect();
        for c in &mut self.cells {
            c.contract_fault = None;
        }
        let faults = self.contracts.declare(&self.declarations(None));
        for f in faults {
            let other = f.other().map(|o| self.cells[o.0 as usize].scene.clone());
            let entry = &mut self.cells[f.line().0 as usize];
            let fault = match &other {
                Some(other) => entry.scene.fault_with(f.to_string(), other),
                None => entry.scene.fault(f.to_string(), None),
            };
            tracing::error!(cell = &*entry.name, "\n{fault}");
            entry.contract_fault = Some(f.to_string());
        }
        for unfed in self.contracts.unfed() {
            // A switched-off cell is no fault; a name that looks like a typing mistake is worth a warning.
            if unfed.did_you_mean.is_some() {
                tracing::warn!("{unfed}");
            } else {
                tracing::debug!("{unfed}");
            }
        }
        for n in 0..self.cells.len() {
            self.resolve_ports(n);
        }
        self.declare_buffers();
        for c in &mut self.cells {
            c.names_resolved();
        }
        let (now, cycles) = NowGraph::new(&self.contracts);
        for cycle in cycles {
            tracing::error!("{cycle}");
        }
        // A port of a cycle is read as of the frame's start, whatever it declares.
        for (n, c) in self.cells.iter_mut().enumerate() {
            for (p, port) in c.ports.iter_mut().enumerate() {
                if let PortUse::Reads { now: is_now, .. } = port {
                    *is_now = now.is_now(CellLine(n as u32), p as u16);
                }
            }
        }
        self.now = now;
        self.followers.clear();
        self.followers.resize(self.cells.len(), Vec::new());
        for n in 0..self.cells.len() {
            for owner in self.now.start_after(CellLine(n as u32)) {
                self.followers[owner.0 as usize].push(n);
            }
        }
        self.plan_dirty = true;
    }

    /// Returns what the cells that are on declare; for the cell in one line, another table instead.
    fn declarations(&self, instead: Option<(usize, &Arc<PortTable>)>) -> Vec<CellDecl> {
        let of = |(n, c): (usize, &CellEntry)| {
            let instead = instead.filter(|i| i.0 == n).map(|i| i.1);
            let table = instead.or_else(|| c.built.as_ref().map(|b| &b.ports)).filter(|_| c.on)?;
            Some(CellDecl {
                line: CellLine(n as u32),
                name: Arc::clone(&c.name),
                table: Arc::clone(table),
                standing: trust::standing(&c.scene),
            })
        };
        self.cells.iter().enumerate().filter_map(of).collect()
    }

    /// Returns why the names of a port table would not fit the other cells', as a sentence.
    pub(crate) fn misfit(&self, n: usize, table: &Arc<PortTable>) -> Option<String> {
        let faults = Contracts::default().declare(&self.declarations(Some((n, table))));
        let is_new = |f: &&ContractFault| {
            let line = f.line().0 as usize;
            line == n || self.cells[line].contract_fault.is_none()
        };
        faults.iter().find(is_new).map(|f| {
            let whose = &self.cells[f.line().0 as usize].name;
            format!("the names would not fit any more (`{whose}`): {f}")
        })
    }

    fn resolve_ports(&mut self, n: usize) {
        let line = CellLine(n as u32);
        let entry = &mut self.cells[n];
        entry.ports.clear();
        let Some(built) = entry.built.as_ref().filter(|_| entry.on && entry.contract_fault.is_none()) else {
            return;
        };
        for (p, port) in built.ports.ports.iter().enumerate() {
            let resolved = match self.contracts.resolve(line, p as u16) {
                Some(Resource::Buffer(buffer)) => match (&port.kind, port.direction) {
                    (PortKind::Buffer(b), Direction::Input) => {
                        PortUse::Reads { buffer, now: false, history: b.history }
                    }
                    _ => PortUse::Writes(buffer),
                },
                Some(Resource::Target(target)) if port.readback => {
                    let reads = |buffer| PortUse::Reads { buffer, now: false, history: false };
                    self.contracts.readback(target).map_or(PortUse::None, reads)
                }
                _ => PortUse::None,
            };
            entry.ports.push(resolved);
        }
    }

    fn declare_buffers(&mut self) {
        let mut buffers = Vec::new();
        for n in 0..self.cells.len() {
            let first = buffers.len();
            let c = &self.cells[n];
            let mut readback_bytes = 0;
            for port in &c.ports {
                if let PortUse::Reads { buffer, .. } = *port
                    && let Some(info) = self.contracts.buffer(buffer).filter(|b| b.pixels_of.is_some())
                {
                    readback_bytes += u64::from(info.capacity());
                }
                if let PortUse::Writes(buffer) = *port
                    && let Some(info) = self.contracts.buffer(buffer)
                {
                    buffers.push(DeclaredBuffer {
                        buffer,
                        owner: Arc::clone(&c.name),
                        capacity: info.capacity(),
                        element_size: info.element.size,
                        history: info.history,
                        placement: trust::writer(&c.scene, self.placement(c)),
                    });
                }
            }
            if let Some(why) = self.shared_fault(c, &buffers[first..], readback_bytes) {
                buffers.truncate(first);
                tracing::error!(cell = &*c.name, "\n{}", c.scene.fault(why.clone(), None));
                self.cells[n].contract_fault = Some(why);
            }
        }
        let readbacks = self.contracts.readbacks().iter();
        for b in readbacks.filter_map(|(_, buffer)| self.contracts.buffer(*buffer)) {
            // Each has a region of its own: who reads one back gets the pixels of no other.
            buffers.push(DeclaredBuffer {
                buffer: b.id,
                owner: Arc::clone(&b.name),
                capacity: b.capacity(),
                element_size: b.element.size,
                history: false,
                placement: Placement::Thread,
            });
        }
        // Who is off, or at fault with its names, goes on some day where it was: with what it had published.
        let rests = |owner: &str| self.by_name.get(owner).is_some_and(|&n| self.cells[n].epoch > 0);
        for error in self.book.declare(&buffers, rests).err().into_iter().flatten() {
            // Without its buffers it does nothing; when the scene changes, it is tried again.
            if let Some(&n) = self.by_name.get(error.owner()) {
                tracing::error!(cell = error.owner(), "{error}");
                self.cells[n].contract_fault = Some(error.to_string());
            } else {
                tracing::error!("{error}; nobody gets these pixels");
            }
        }
        self.renew_idle_records();
    }

    /// Returns why the buffers of a cell in a process are more than it may share, if they are.
    fn shared_fault(&self, c: &CellEntry, buffers: &[DeclaredBuffer], readback_bytes: u64) -> Option<String> {
        let most = c.scene.quotas.bytes(Quota::Shared);
        let (slots, with) = if c.scene.trust.is_untrusted() {
            // It can fill each of them, and the scratch slot, and lies twice: where it writes, and where others read.
            let slots = u64::from(MAX_SLOTS) + 1;
            (2 * slots, format!("{slots} slots each and a copy of each slot"))
        } else {
            (u64::from(USUAL_SLOTS), format!("{USUAL_SLOTS} slots each"))
        };
        let bytes: u64 = buffers.iter().map(|b| u64::from(b.capacity) * slots).sum();
        let bytes = bytes + readback_bytes * u64::from(USUAL_SLOTS);
        (self.placement(c) == Placement::Process && bytes > most).then(|| {
            format!(
                "its buffers take {} MiB of shared memory with {with}; it may have {} (`shared_mib` in its scene line)",
                bytes.div_ceil(1 << 20),
                most >> 20
            )
        })
    }

    /// Lets idle turns name the memory as it is now: a cell that never has another turn must not keep old regions. One that
    /// is recorded names slots of the memory that it has, and is about to start.
    pub(crate) fn renew_idle_records(&mut self) {
        for c in self.cells.iter_mut().filter(|c| !c.recorded) {
            if let Some(turn) = c.turn.as_mut() {
                turn.record.memory = Arc::clone(self.book.memory());
            }
        }
    }
}
