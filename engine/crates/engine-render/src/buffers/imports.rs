//! Regions of shared memory that were imported: once each, and as long as a buffer has its slots there.
use crate::{gpu::Gpu, upload};
use engine_frame::packet::SlotPlace;
use engine_sys::MapRo;
use std::{
    any::Any,
    sync::{Arc, Weak},
};

/// A wgpu buffer with a number of its own: by it, what was made for the buffer is found again.
#[derive(Clone)]
pub(crate) struct Numbered {
    pub(crate) buffer: wgpu::Buffer,
    pub(crate) serial: u64,
}

/// A mapping that was imported, or that cannot be.
pub(crate) struct Import {
    mapping: Arc<dyn Any + Send + Sync>,
    made: Option<Numbered>,
}

impl Import {
    /// Returns the buffer and where the slot starts in it; `None` when it could not be imported, or is not as large as
    /// the host says.
    pub(crate) fn slot(&self, place: &SlotPlace, slot: u8, bytes: u64) -> Option<(&Numbered, u64)> {
        let made = self.made.as_ref()?;
        let start = place.offset.checked_add(place.stride.checked_mul(slot.into())?)?;
        let inside = start.checked_add(bytes).is_some_and(|end| end <= made.buffer.size());
        (inside && bytes <= place.stride && start.is_multiple_of(256)).then_some((made, start))
    }
}

/// The imports in use. A region is let go of with the last buffer that had its slots there, and with it the memory, once the
/// GPU has done what it was given.
#[derive(Default)]
pub(crate) struct Imports(Vec<Weak<Import>>);

impl Imports {
    /// Returns the import of a mapping; `last` is the one that the buffer had before, which it mostly still is.
    pub(crate) fn of<'a>(
        &mut self,
        gpu: &Gpu,
        place: &SlotPlace,
        last: &'a mut Option<Arc<Import>>,
        serials: &mut u64,
        owner: &str,
    ) -> &'a Import {
        let same = |i: &Import| Arc::ptr_eq(&i.mapping, &place.mapping);
        if !last.as_deref().is_some_and(same) {
            // First let go of the old one: it may have been its last use.
            *last = None;
            self.0.retain(|i| i.strong_count() > 0);
            let known = self.0.iter().find_map(|i| i.upgrade().filter(|i| same(i.as_ref())));
            *last = Some(known.unwrap_or_else(|| {
                let import = Arc::new(Import::new(gpu, place, serials, owner));
                self.0.push(Arc::downgrade(&import));
                import
            }));
        }
        last.as_deref().expect("set above")
    }
}

impl Import {
    fn new(gpu: &Gpu, place: &SlotPlace, serials: &mut u64, owner: &str) -> Self {
        let mapping = Arc::clone(&place.mapping);
        let made = match Arc::clone(&mapping).downcast::<MapRo>() {
            Ok(map) => upload::import(gpu, &map),
            Err(_) => Err("it is no mapping of this engine's".to_owned()),
        };
        let made = match made {
            Ok(buffer) => {
                *serials += 1;
                Some(Numbered { buffer, serial: *serials })
            }
            Err(why) => {
                tracing::warn!(
                    "the memory of `{owner}` is copied to the GPU, for it cannot be imported: {why}"
                );
                None
            }
        };
        Self { mapping, made }
    }
}
