//! The two slots of a buffer port, published in turn.
use cell_abi::{BufHeader, DirtyRange, PortView, SlotView, header::Publication};
use core::ptr;

#[repr(C, align(256))]
#[derive(Clone, Copy)]
struct Block([u8; 256]);

/// Bytes, aligned as the border promises.
pub(super) struct Blocks {
    blocks: Vec<Block>,
    len: usize,
}

impl Blocks {
    /// Returns `len` bytes that no cell should take for data.
    fn unwritten(len: usize) -> Self {
        Self { blocks: vec![Block([0xAA; 256]); len.div_ceil(256).max(1)], len }
    }

    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut out = Self::unwritten(bytes.len());
        out.bytes_mut().copy_from_slice(bytes);
        out
    }

    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: a `Block` is 256 plain bytes, and there are at least `len` of them.
        unsafe { core::slice::from_raw_parts(self.blocks.as_ptr().cast(), self.len) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`.
        unsafe { core::slice::from_raw_parts_mut(self.blocks.as_mut_ptr().cast(), self.len) }
    }
}

/// A slot that was published.
#[derive(Clone, Copy)]
struct Published {
    slot: usize,
    len: usize,
    frame: u64,
}

/// The slots of a buffer port: the newest publication lies in one while the other is written.
pub(super) struct Slots {
    memory: [Blocks; 2],
    headers: [BufHeader; 2],
    is_owner: bool,
    latest: Option<Published>,
    previous: Option<Published>,
    /// In which bytes the slot to be written is behind the latest.
    behind: Vec<DirtyRange>,
    /// What the last tick told.
    publication: Option<Publication>,
}

impl Slots {
    pub(super) fn new(capacity: usize, is_owner: bool) -> Self {
        Self {
            memory: [Blocks::unwritten(capacity), Blocks::unwritten(capacity)],
            headers: Default::default(),
            is_owner,
            latest: None,
            previous: None,
            behind: Vec::new(),
            publication: None,
        }
    }

    /// Returns the bytes that a slot holds.
    pub(super) fn capacity(&self) -> usize {
        self.memory[0].len
    }

    fn next(&self) -> usize {
        self.latest.map_or(0, |p| 1 - p.slot)
    }

    fn slot_view(&self, published: Option<Published>) -> SlotView {
        published.map_or(SlotView::EMPTY, |p| SlotView {
            ptr: self.memory[p.slot].blocks.as_ptr().cast(),
            len: p.len,
            frame: p.frame,
        })
    }

    /// Returns the newest publication.
    pub(super) fn latest(&self) -> SlotView {
        self.slot_view(self.latest)
    }

    pub(super) fn publication(&self) -> Option<Publication> {
        self.publication
    }

    /// Returns what a record shows of the port.
    pub(super) fn view(&mut self, blend: f32, stamp: u32) -> PortView {
        let mut view = PortView { read: self.latest(), blend, stamp, ..PortView::EMPTY };
        if self.is_owner {
            let next = self.next();
            view.write = self.memory[next].blocks.as_mut_ptr().cast();
            view.capacity = self.memory[next].len;
            view.header = ptr::from_ref(&self.headers[next]);
            view.behind = self.behind.as_ptr();
            view.behind_count = self.behind.len();
        } else {
            view.previous = self.slot_view(self.previous);
        }
        view
    }

    /// Publishes bytes in place of the port's owner.
    #[track_caller]
    pub(super) fn feed(&mut self, bytes: &[u8], frame: u64) {
        let slot = self.next();
        let memory = self.memory[slot].bytes_mut();
        let capacity = memory.len();
        assert!(bytes.len() <= capacity, "the port holds {capacity} bytes, but {} were fed", bytes.len());
        memory[..bytes.len()].copy_from_slice(bytes);
        self.previous = self.latest.replace(Published { slot, len: bytes.len(), frame });
    }

    /// Takes what the tick with this stamp published; a tick that went wrong published nothing.
    pub(super) fn commit(&mut self, stamp: u32, is_ok: bool) {
        if !self.is_owner {
            return;
        }
        let slot = self.next();
        self.publication = self.headers[slot].published(stamp).filter(|_| is_ok);
        let Some(p) = self.publication else { return };
        let is_first = self.latest.is_none();
        self.latest = Some(Published { slot, len: p.len_bytes as usize, frame: p.frame });
        self.behind = if is_first || p.dirty_count == 0 {
            vec![DirtyRange { start: 0, end: self.memory[slot].len as u32 }]
        } else {
            p.dirty[..p.dirty_count as usize].to_vec()
        };
    }
}
