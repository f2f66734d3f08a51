//! The names of the world: what every cell's port table declares, put together and checked.
//!
//! Inputs and outputs share one space of names; an own port is called `cell/port`. Declarations of one name
//! agree when:
//! - *textures*: format, size and mips are equal. A start value of zero (the default) is silence: it takes what
//!   the others say; two cells that both say something say the same. A name can have many writers.
//! - *read-backs*: who declares a texture `readback` sees its pixels in a buffer that the renderer writes. It is called
//!   after the texture, `mood readback`, and is there as long as somebody reads it.
//! - *buffers*: the elements have the same size and fields. How a cell sees them (uniform, storage, instances)
//!   is its own matter. A buffer has one owner, whose count is the capacity; a reader's count says nothing.
//!
//! Declarations of writers count before those of readers, then the line in the scene decides: the later one is
//! at fault. What an untrusted cell declares counts after all of that, so that it puts nobody else in the wrong; and it
//! says no start value where one of our own was silent. A cell at fault is left out as a whole, and nobody is in the
//! wrong because of it; the rest goes on.
mod agree;
mod fault;
mod world;

pub use fault::{ContractFault, Declarer, Unfed};

use crate::{
    names::{Names, did_you_mean},
    plan::{BufferId, CellLine, TargetId},
    wgsl,
};
use agree::same_elements;
use cell_abi::ports::{PortKind, PortTable, TargetDesc, TypeLayout};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use world::{World, world_name};

/// The largest buffer: dirty ranges are 32-bit, and a slot is mapped several times.
pub const MAX_BUFFER_BYTES: u64 = 1 << 30;
/// The largest texture that is read back: the render thread copies it in each frame.
pub const MAX_READBACK_BYTES: u64 = 64 << 20;

/// Whose word counts first when cells mean different things by one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Built here, or vouched for.
    #[default]
    Own,
    /// A stranger's: its word counts last.
    Untrusted,
}

/// An enabled cell of the scene.
#[derive(Clone, Debug)]
pub struct CellDecl {
    /// Its line in the scene. Different for each cell.
    pub line: CellLine,
    /// Its name in the scene.
    pub name: Arc<str>,
    /// What it declares.
    pub table: Arc<PortTable>,
    /// How much its word counts.
    pub standing: Standing,
}

/// What a port stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A render target.
    Target(TargetId),
    /// A buffer in slots.
    Buffer(BufferId),
    /// The picture.
    Backbuffer,
    /// Whatever sealed resource a pass or draw binds.
    Sealed,
}

/// A cell whose declarations hold.
#[derive(Clone, Debug)]
pub struct DeclaredCell {
    /// Its line in the scene.
    pub line: CellLine,
    /// Its name in the scene.
    pub name: Arc<str>,
    /// What it declares.
    pub table: Arc<PortTable>,
    /// One entry per port of the table.
    pub resources: Vec<Resource>,
}

/// A render target of the world.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetContract {
    /// Its id: the same for the same name, for the whole run.
    pub id: TargetId,
    /// The name as users know it.
    pub name: Arc<str>,
    /// What all agreed on.
    pub desc: TargetDesc,
    /// The cells that may write it, in scene order.
    pub writers: Vec<CellLine>,
}

/// A buffer of the world.
#[derive(Clone, Debug, PartialEq)]
pub struct BufferContract {
    /// Its id: kept while its owner lives and declares it alike; then never used again.
    pub id: BufferId,
    /// The name as users know it.
    pub name: Arc<str>,
    /// The owner and the index of its port; `None` when nobody writes it: it reads as zeros.
    pub owner: Option<(CellLine, u16)>,
    /// The cells that read it, in scene order, with their ports.
    pub readers: Vec<(CellLine, u16)>,
    /// The most elements it can hold: the owner's count, or the readers' largest.
    pub max_count: u32,
    /// The element's size and fields.
    pub element: TypeLayout,
    /// Some reader wants the publication before the newest.
    pub history: bool,
    /// The texture of which these are the pixels: the renderer writes it. See [`Contracts::readback`].
    pub pixels_of: Option<TargetId>,
}

impl BufferContract {
    /// Returns the size of a slot in bytes.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        // Checked against MAX_BUFFER_BYTES when declared.
        self.element.size * self.max_count
    }
}

/// The names of the world. See the module's text.
#[derive(Debug, Default)]
pub struct Contracts {
    names: Names,
    next_buffer: u32,
    cells: Vec<DeclaredCell>,
    targets: Vec<TargetContract>,
    buffers: Vec<BufferContract>,
    /// What each owner's buffer of a name was last, and its id: who is switched off and on again has the same ones.
    known: HashMap<(Arc<str>, Arc<str>), BufferContract>,
    unfed: Vec<Unfed>,
    /// The textures that are read back, and the buffers for their pixels.
    readbacks: Vec<(TargetId, BufferId)>,
}

impl Contracts {
    /// Replaces all declarations. Ids of what stays are kept, and those of what was there before and is the same.
    ///
    /// Returns all faults, in scene order; the cells they belong to are left out.
    pub fn declare(&mut self, cells: &[CellDecl]) -> Vec<ContractFault> {
        let mut sorted: Vec<&CellDecl> = cells.iter().collect();
        sorted.sort_by_key(|c| c.line);
        let mut faults = Vec::new();
        // Who declares something impossible is out before it can put others in the wrong.
        sorted.retain(|c| {
            let own = fault::alone(c);
            let good = own.is_empty();
            faults.extend(own);
            good
        });
        let world = loop {
            let mut world = World::default();
            let mut found = Vec::new();
            for standing in [Standing::Own, Standing::Untrusted] {
                for readers in [false, true] {
                    for cell in sorted.iter().filter(|c| c.standing == standing) {
                        world.add(cell, readers, &mut found);
                    }
                }
            }
            if found.is_empty() {
                break world;
            }
            let lines = |f: &[ContractFault]| f.iter().map(ContractFault::line).collect::<HashSet<_>>();
            // What contradicts only cells that are out themselves is judged again without them.
            let out = lines(&found);
            let innocent = |f: &ContractFault| f.other().is_some_and(|other| out.contains(&other));
            if found.iter().all(innocent) {
                // They contradict one another in a circle: the last one breaks it.
                let last = found.iter().map(ContractFault::line).max();
                found.retain(|f| Some(f.line()) == last);
            } else {
                found.retain(|f| !innocent(f));
            }
            let out = lines(&found);
            sorted.retain(|c| !out.contains(&c.line));
            faults.append(&mut found);
        };
        faults.sort_by_key(ContractFault::line);
        self.take(&sorted, world);
        faults
    }

    /// Returns the cells whose declarations hold, in scene order.
    #[must_use]
    pub fn cells(&self) -> &[DeclaredCell] {
        &self.cells
    }

    /// Returns the cell of this line, unless it was left out.
    #[must_use]
    pub fn cell(&self, line: CellLine) -> Option<&DeclaredCell> {
        self.cells.binary_search_by_key(&line, |c| c.line).ok().map(|n| &self.cells[n])
    }

    /// Returns what a port stands for.
    #[must_use]
    pub fn resolve(&self, line: CellLine, port: u16) -> Option<Resource> {
        self.cell(line)?.resources.get(usize::from(port)).copied()
    }

    /// Returns the targets, ascending by id.
    #[must_use]
    pub fn targets(&self) -> &[TargetContract] {
        &self.targets
    }

    /// Returns the target with this id.
    #[must_use]
    pub fn target(&self, id: TargetId) -> Option<&TargetContract> {
        self.targets.binary_search_by_key(&id, |t| t.id).ok().map(|n| &self.targets[n])
    }

    /// Returns the buffers, ascending by id.
    #[must_use]
    pub fn buffers(&self) -> &[BufferContract] {
        &self.buffers
    }

    /// Returns the buffer with this id.
    #[must_use]
    pub fn buffer(&self, id: BufferId) -> Option<&BufferContract> {
        self.buffers.binary_search_by_key(&id, |b| b.id).ok().map(|n| &self.buffers[n])
    }

    /// Returns the textures that somebody reads back, and the buffers for their pixels.
    #[must_use]
    pub fn readbacks(&self) -> &[(TargetId, BufferId)] {
        &self.readbacks
    }

    /// Returns the buffer for the pixels of a texture, if somebody reads it back.
    #[must_use]
    pub fn readback(&self, target: TargetId) -> Option<BufferId> {
        self.readbacks.iter().find(|(t, _)| *t == target).map(|(_, buffer)| *buffer)
    }

    /// Returns the names that somebody reads and nobody writes. They read as their start value or as zeros;
    /// that is no fault (a cell may be switched off), but worth showing.
    #[must_use]
    pub fn unfed(&self) -> &[Unfed] {
        &self.unfed
    }

    /// Gives ids to what a world holds.
    fn take(&mut self, sorted: &[&CellDecl], world: World) {
        let cell_names: HashMap<CellLine, &Arc<str>> = sorted.iter().map(|c| (c.line, &c.name)).collect();
        let owner_name = |b: &BufferContract| -> Arc<str> {
            b.owner.map_or_else(|| Arc::from(""), |o| cell_names[&o.0].clone())
        };
        let World { targets, mut buffers, .. } = world;
        self.targets.clear();
        for mut t in targets {
            t.contract.writers.sort_unstable();
            let id = TargetId(self.names.number(&t.contract.name));
            self.targets.push(TargetContract { id, ..t.contract });
        }
        self.targets.sort_by_key(|t| t.id);
        buffers.extend(self.readback_buffers(sorted));
        for b in &mut buffers {
            // Those of untrusted cells were added last.
            b.readers.sort_unstable();
            let key = (owner_name(b), b.name.clone());
            let kept = self
                .known
                .get(&key)
                .filter(|o| o.max_count == b.max_count && same_elements(&o.element, &b.element));
            b.id = kept.map_or_else(
                || {
                    self.next_buffer += 1;
                    BufferId(self.next_buffer - 1)
                },
                |o| o.id,
            );
            self.known.insert(key, b.clone());
        }
        buffers.sort_by_key(|b| b.id);
        self.readbacks = buffers.iter().filter_map(|b| Some((b.pixels_of?, b.id))).collect();
        self.buffers = buffers;
        self.cells = sorted
            .iter()
            .map(|c| DeclaredCell {
                line: c.line,
                name: c.name.clone(),
                table: c.table.clone(),
                resources: Vec::with_capacity(c.table.ports.len()),
            })
            .collect();
        let by_name: HashMap<Arc<str>, Resource> = self
            .targets
            .iter()
            .map(|t| (t.name.clone(), Resource::Target(t.id)))
            .chain(self.buffers.iter().map(|b| (b.name.clone(), Resource::Buffer(b.id))))
            .collect();
        for cell in &mut self.cells {
            for port in &cell.table.ports {
                let name = world_name(&cell.name, port.direction, &port.name);
                cell.resources.push(match port.kind {
                    PortKind::Backbuffer => Resource::Backbuffer,
                    PortKind::Sealed(_) => Resource::Sealed,
                    PortKind::Texture(_) | PortKind::Buffer(_) => by_name[&*name],
                });
            }
        }
        self.find_unfed();
    }

    /// Returns the buffers with the pixels of the textures that somebody reads back. Their ids are not given yet.
    fn readback_buffers(&self, sorted: &[&CellDecl]) -> Vec<BufferContract> {
        let mut found: Vec<BufferContract> = Vec::new();
        for cell in sorted {
            for (n, port) in (0_u16..).zip(&cell.table.ports).filter(|(_, p)| p.readback) {
                let name = world_name(&cell.name, port.direction, &port.name);
                let Some(target) = self.targets.iter().find(|t| *t.name == *name) else { continue };
                let reader = (cell.line, n);
                if let Some(known) = found.iter_mut().find(|b| b.pixels_of == Some(target.id)) {
                    known.readers.push(reader);
                    continue;
                }
                let [width, height] = target.desc.size.resolve([1, 1]);
                let (format, size) = (target.desc.format.name().to_owned(), target.desc.format.bytes());
                found.push(BufferContract {
                    id: BufferId(0),
                    name: format!("{name} readback").into(),
                    owner: None,
                    readers: vec![reader],
                    // The size was checked when it was declared.
                    max_count: width * height,
                    element: TypeLayout { name: format, size, fields: Vec::new() },
                    history: false,
                    pixels_of: Some(target.id),
                });
            }
        }
        found
    }

    fn find_unfed(&mut self) {
        let fed: Vec<&str> = (self.targets.iter().filter(|t| !t.writers.is_empty()).map(|t| &*t.name))
            .chain(self.buffers.iter().filter(|b| b.owner.is_some()).map(|b| &*b.name))
            .filter(|n| !n.contains('/'))
            .collect();
        let mut found: HashMap<&str, Vec<Arc<str>>> = HashMap::new();
        let mut order: Vec<&str> = Vec::new();
        for cell in &self.cells {
            for (port, resource) in cell.table.ports.iter().zip(&cell.resources) {
                let unfed = match *resource {
                    Resource::Target(id) => self.target(id).is_some_and(|t| t.writers.is_empty()),
                    Resource::Buffer(id) => self.buffer(id).is_some_and(|b| b.owner.is_none()),
                    Resource::Backbuffer | Resource::Sealed => false,
                };
                if unfed {
                    let readers = found.entry(&port.name).or_default();
                    if readers.is_empty() {
                        order.push(&port.name);
                    }
                    readers.push(cell.name.clone());
                }
            }
        }
        self.unfed = order
            .into_iter()
            .map(|name| Unfed {
                name: name.into(),
                readers: found.remove(name).unwrap_or_default(),
                did_you_mean: did_you_mean(name, fed.iter().copied()).map(Arc::from),
            })
            .collect();
    }
}

#[cfg(test)]
#[path = "contracts_tests.rs"]
mod tests;
