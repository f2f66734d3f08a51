//! A new region for an owner that gets a new process, with the last publications carried over.
//!
//! Made by the book on the host's thread, filled on the thread that starts the process, taken by the book when the
//! process has mapped it. Until then readers see the old region, so they see no gap.
use crate::{
    book::DeclaredBuffer,
    memory::{BufferSize, MemoryTable, Prefill, Region, RegionError},
};
use cell_abi::header::Publication;
use engine_frame::{
    packet::SlotMemory,
    plan::BufferId,
    slots::{Published, SlotTable},
};
use engine_scene::Placement;
use std::sync::Arc;

/// A new region in the making.
pub struct Renewal {
    owner: Arc<str>,
    placement: Placement,
    tables: Vec<Renewed>,
    carry: Vec<Carry>,
    old: Arc<MemoryTable>,
    region: Option<Arc<Region>>,
}

/// The new table of one buffer.
pub struct Renewed {
    /// The buffer.
    pub buffer: BufferId,
    /// The generation of the table that it replaces.
    pub replaces: u32,
    /// The table; the last publications are in it.
    pub table: SlotTable,
    size: BufferSize,
}

/// A publication that is carried over.
struct Carry {
    buffer: BufferId,
    from: u8,
    to: u8,
    len: u32,
}

impl Renewal {
    /// Returns the renewal of buffers, each with its generation, its publication before the newest, and its newest.
    /// Nothing may be published to them any more.
    pub(crate) fn new(
        owner: Arc<str>,
        placement: Placement,
        buffers: impl Iterator<Item = (DeclaredBuffer, u32, Option<Published>, Option<Published>)>,
        old: Arc<MemoryTable>,
    ) -> Self {
        let (mut tables, mut carry) = (Vec::new(), Vec::new());
        for (declared, replaces, previous, latest) in buffers {
            let buffer = declared.buffer;
            let mut table = SlotTable::new(declared.capacity, declared.element_size, declared.history);
            for p in [previous, latest].into_iter().flatten() {
                let grant = table.grant(p.frame);
                let publication = Publication {
                    frame: p.frame,
                    len_bytes: u64::from(p.len),
                    dirty_count: 0,
                    dirty: Default::default(),
                };
                if let Ok(new) = table.publish(&grant, &publication) {
                    carry.push(Carry { buffer, from: p.slot, to: new.slot, len: p.len });
                }
            }
            let size = BufferSize { buffer, capacity: declared.capacity as usize };
            tables.push(Renewed { buffer, replaces, table, size });
        }
        Self { owner, placement, tables, carry, old, region: None }
    }

    /// Returns the name of the cell whose region it is.
    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    /// Makes the region and copies the last publications into it. For a process it is a draft, to be claimed.
    ///
    /// # Errors
    /// [`RegionError`] when the system gives no memory.
    pub fn make(&mut self) -> Result<Arc<Region>, RegionError> {
        let sizes: Vec<BufferSize> = self.tables.iter().map(|t| t.size).collect();
        let prefill: Vec<Prefill<'_>> = self
            .carry
            .iter()
            .filter_map(|c| {
                let bytes = self.old.bytes(c.buffer, c.from, 0, u64::from(c.len))?;
                Some(Prefill { buffer: c.buffer, slot: c.to, bytes })
            })
            .collect();
        let region = Region::new(&self.owner, &sizes, self.placement, &prefill)?;
        self.region = Some(Arc::clone(&region));
        Ok(region)
    }

    /// Returns the owner, the region and its tables; nothing while the region is not made and mapped by its owner.
    pub(crate) fn finish(self) -> Option<(Arc<str>, Arc<Region>, Vec<Renewed>)> {
        let region = self.region.filter(|r| r.is_ready())?;
        Some((self.owner, region, self.tables))
    }
}
