//! Shared memory that was imported: each chunk once, and as long as a buffer has slots there.
use crate::{gpu::Gpu, upload};
use engine_frame::packet::SlotPlace;
use engine_sys::MapRo;
use std::{
    any::Any,
    ops::Range,
    sync::{Arc, Weak},
};

/// A wgpu buffer with a number of its own: by it, what was made for the buffer is found again.
#[derive(Clone)]
pub(crate) struct Numbered {
    pub(crate) buffer: wgpu::Buffer,
    pub(crate) serial: u64,
}

/// A chunk of a mapping that was imported, or that cannot be.
pub(crate) struct Import {
    mapping: Arc<dyn Any + Send + Sync>,
    chunk: Range<u64>,
    made: Option<Numbered>,
}

impl Import {
    /// Returns the buffer and where the slot starts in it; `None` when it could not be imported, or when the slot has no
    /// room for `bytes`.
    pub(crate) fn slot(&self, place: &SlotPlace, bytes: u64) -> Option<(&Numbered, u64)> {
        let made = self.made.as_ref()?;
        let start = place.start.checked_sub(self.chunk.start)?;
        let inside = start.checked_add(bytes).is_some_and(|end| end <= made.buffer.size());
        (inside && bytes <= place.len && start.is_multiple_of(256)).then_some((made, start))
    }

    /// Returns whether this is the number of its buffer.
    pub(crate) fn is(&self, serial: u64) -> bool {
        self.made.as_ref().is_some_and(|m| m.serial == serial)
    }

    fn new(gpu: &Gpu, place: &SlotPlace, serials: &mut u64, owner: &str) -> Self {
        let (mapping, chunk) = (Arc::clone(&place.mapping), place.chunk.clone());
        let made = match Arc::clone(&mapping).downcast::<MapRo>() {
            Ok(map) => upload::import(gpu, &map, chunk.clone()),
            Err(_) => Err("it is no mapping of this engine's".to_owned()),
        };
        let made = match made {
            Ok(buffer) => {
                *serials += 1;
                Some(Numbered { buffer, serial: *serials })
            }
            Err(why) => {
                tracing::warn!("memory of `{owner}` is copied to the GPU, for it cannot be imported: {why}");
                None
            }
        };
        Self { mapping, chunk, made }
    }
}

/// The imports in use. A chunk is let go of with the last buffer that had slots there, and with it the memory, once the
/// GPU has done what it was given.
#[derive(Default)]
pub(crate) struct Imports(Vec<Weak<Import>>);

impl Imports {
    /// Returns the import of a slot's chunk; `had` are those of the buffer, among which it mostly is.
    pub(crate) fn of<'a>(
        &mut self,
        gpu: &Gpu,
        place: &SlotPlace,
        had: &'a mut Vec<Arc<Import>>,
        serials: &mut u64,
        owner: &str,
    ) -> &'a Import {
        let same = |i: &Arc<Import>| Arc::ptr_eq(&i.mapping, &place.mapping) && i.chunk == place.chunk;
        if let Some(at) = had.iter().position(same) {
            return &had[at];
        }
        // Memory that the owner had before: this may have been its last use.
        had.retain(|i| Arc::ptr_eq(&i.mapping, &place.mapping));
        self.0.retain(|i| i.strong_count() > 0);
        let known = self.0.iter().find_map(|i| i.upgrade().filter(same));
        had.push(known.unwrap_or_else(|| {
            let import = Arc::new(Import::new(gpu, place, serials, owner));
            self.0.push(Arc::downgrade(&import));
            import
        }));
        &had[had.len() - 1]
    }
}
