//! The slots of one buffer: who holds which, which is the newest, and what each copy is behind.
//!
//! A buffer is a few equal slots in shared memory. Its owner is granted a free slot for each tick, writes it
//! and publishes it; readers and packets hold published slots. This table is the host's private book-keeping:
//! nothing of it lies in shared memory, so no cell can confuse it.
//!
//! *Carry-forward.* A slot holds what was written some frames ago. The table keeps for each slot, and for the
//! GPU's copy, the bytes in which it differs from the newest publication.
use crate::ranges::RangeSet;
use cell_abi::{DirtyRange, header::Publication};

/// The most slots a buffer can have.
pub const MAX_SLOTS: u8 = 8;
/// The slots a buffer uses as long as nobody is late: slot `frame % 3` is preferred.
pub const USUAL_SLOTS: u8 = 3;

/// The right of one tick to write one slot, until [`SlotTable::publish`] or [`SlotTable::abort`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The slot; `None` is the scratch slot: the tick writes as usual, but nothing of it is published.
    pub slot: Option<u8>,
    /// The stamp under which the owner publishes; differs from grant to grant.
    pub stamp: u32,
    /// The frame of the tick.
    pub frame: u64,
    /// The slot is used for the first time: its memory is to be made ready (touched) before the tick.
    pub first_use: bool,
    instance: u32,
    base: Option<u32>,
}

/// A published slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The slot.
    pub slot: u8,
    /// The frame of the tick that wrote it.
    pub frame: u64,
    /// Bytes that hold data.
    pub len: u32,
    stamp: u32,
}

impl Published {
    /// Returns the stamp under which it was published: with the frame it names the publication.
    #[must_use]
    pub fn stamp(&self) -> u32 {
        self.stamp
    }
}

/// Why a publication does not count. The slot is free again in each case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicationFault {
    /// Too long.
    #[error("it publishes {len} bytes, but the buffer holds {capacity}")]
    TooLong {
        /// Published bytes.
        len: u64,
        /// What fits.
        capacity: u32,
    },
    /// Half an element.
    #[error("it publishes {len} bytes, which are no whole elements of {element_size} bytes")]
    NotWhole {
        /// Published bytes.
        len: u64,
        /// Bytes of one element.
        element_size: u32,
    },
    /// A dirty range outside of the slot.
    #[error("it says that bytes {start}..{end} changed, but the buffer holds {capacity}")]
    RangeOutside {
        /// First byte.
        start: u32,
        /// One past the last byte.
        end: u32,
        /// What fits.
        capacity: u32,
    },
    /// The slot was granted to an instance that was replaced meanwhile.
    #[error("it comes from an instance that was replaced")]
    Replaced,
    /// A newer frame is published already.
    #[error("frame {newest} is published already")]
    Outdated {
        /// The newest published frame.
        newest: u64,
    },
    /// A scratch slot is never published.
    #[error("all {MAX_SLOTS} slots were in use, so the tick wrote to scratch memory")]
    Scratch,
    /// The grant is over: published or aborted before.
    #[error("its grant is over")]
    NotGranted,
}

/// What a table counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotCounters {
    /// Publications that counted.
    pub published: u64,
    /// Grants of the scratch slot because all slots were in use.
    pub scratch: u64,
    /// Publications that did not count.
    pub refused: u64,
}

#[derive(Clone, Debug)]
struct Slot {
    used: bool,
    granted: Option<u32>,
    holds: u32,
    behind: RangeSet,
}

/// The slots of one buffer. See the module's text.
#[derive(Clone, Debug)]
pub struct SlotTable {
    capacity: u32,
    element_size: u32,
    history: bool,
    instance: u32,
    stamp: u32,
    slots: [Slot; MAX_SLOTS as usize],
    latest: Option<Published>,
    previous: Option<Published>,
    gpu: RangeSet,
    counters: SlotCounters,
}

impl SlotTable {
    /// Returns the table of a buffer of which nothing is published.
    ///
    /// `capacity` is the size of a slot in bytes, `element_size` that of an element. With `history`, the
    /// publication before the newest is kept too. Room for all ranges is reserved here: no later call allocates.
    ///
    /// # Panics
    /// When `element_size` is 0.
    #[must_use]
    pub fn new(capacity: u32, element_size: u32, history: bool) -> Self {
        assert!(element_size > 0, "contracts have no elements without bytes");
        let slot = || Slot { used: false, granted: None, holds: 0, behind: RangeSet::new() };
        Self {
            capacity,
            element_size,
            history,
            instance: 0,
            stamp: 0,
            slots: std::array::from_fn(|_| slot()),
            latest: None,
            previous: None,
            gpu: RangeSet::new(),
            counters: SlotCounters::default(),
        }
    }

    /// Grants a slot to the owner's tick of `frame`: `frame % 3` if it is free, else the lowest free one, else
    /// the scratch slot. Never a slot that is the newest, kept for history, held, or granted.
    pub fn grant(&mut self, frame: u64) -> Grant {
        let preferred = (frame % u64::from(USUAL_SLOTS)) as u8;
        let slot = Some(preferred)
            .filter(|s| self.is_free(*s))
            .or_else(|| (0..MAX_SLOTS).find(|s| self.is_free(*s)));
        // 0 is what a fresh header holds, so it is no stamp.
        self.stamp = self.stamp.checked_add(1).unwrap_or(1);
        let mut first_use = false;
        match slot {
            None => self.counters.scratch += 1,
            Some(s) => {
                let slot = &mut self.slots[usize::from(s)];
                slot.granted = Some(self.stamp);
                first_use = !slot.used;
                if first_use {
                    slot.used = true;
                    slot.behind.set_all(self.capacity);
                }
            }
        }
        let base = self.latest.map(|l| l.stamp);
        Grant { slot, stamp: self.stamp, frame, first_use, instance: self.instance, base }
    }

    /// Appends the byte ranges in which the granted slot is behind the newest publication; all of it for the
    /// scratch slot, nothing when nothing is published.
    pub fn behind_into(&self, grant: &Grant, out: &mut Vec<DirtyRange>) {
        let len = self.latest.map_or(0, |l| l.len);
        match grant.slot {
            Some(s) => self.slots[usize::from(s)].behind.clipped_into(len, out),
            None if len > 0 => out.push(DirtyRange { start: 0, end: len }),
            None => {}
        }
    }

    /// Ends a grant: what its tick wrote is the newest content from now on.
    ///
    /// An instance that is late publishes when its tick returns, as long as it is the current one. The frame
    /// that counts is the grant's; what the header says of it is ignored.
    ///
    /// # Errors
    /// [`PublicationFault`]; the grant is over and the newest content stays what it was.
    pub fn publish(
        &mut self,
        grant: &Grant,
        publication: &Publication,
    ) -> Result<Published, PublicationFault> {
        let result = self.check(grant, publication);
        match result {
            Ok(published) => {
                self.accept(grant, publication, published);
                self.counters.published += 1;
            }
            Err(_) => {
                self.counters.refused += 1;
                self.abort(grant);
            }
        }
        result
    }

    /// Ends a grant whose tick published nothing: the slot is free again, its content unknown.
    pub fn abort(&mut self, grant: &Grant) {
        if let Some(s) = grant.slot {
            let slot = &mut self.slots[usize::from(s)];
            if slot.granted == Some(grant.stamp) {
                slot.granted = None;
                slot.behind.set_all(self.capacity);
            }
        }
    }

    /// Says that the owner was replaced: what earlier grants publish no longer counts. Their slots stay taken
    /// until their ticks return (publish or abort).
    pub fn replace_instance(&mut self) {
        self.instance = self.instance.wrapping_add(1);
    }

    /// Goes back to earlier publications, whose slots were held meanwhile: what was published since then is gone, and
    /// nothing that was granted since then counts.
    pub fn go_back(&mut self, latest: Option<Published>, previous: Option<Published>) {
        self.replace_instance();
        self.latest = latest;
        self.previous = previous.filter(|_| self.history);
        for (n, slot) in self.slots.iter_mut().enumerate().filter(|(_, s)| s.used) {
            if latest.is_some_and(|l| usize::from(l.slot) == n) {
                slot.behind.clear();
            } else {
                slot.behind.set_all(self.capacity);
            }
        }
        self.gpu.set_all(self.capacity);
    }

    /// Returns the newest publication.
    #[must_use]
    pub fn latest(&self) -> Option<Published> {
        self.latest
    }

    /// Returns the publication before the newest; always `None` without history.
    #[must_use]
    pub fn previous(&self) -> Option<Published> {
        self.previous
    }

    /// Notes that a running tick's record or an unfinished packet names a slot.
    pub fn hold(&mut self, slot: u8) {
        self.slots[usize::from(slot)].holds += 1;
    }

    /// Ends one hold.
    ///
    /// # Panics
    /// When nobody holds the slot: the caller lost count, and going on would hand out a slot in use.
    pub fn release(&mut self, slot: u8) {
        let holds = &mut self.slots[usize::from(slot)].holds;
        *holds = holds.checked_sub(1).expect("each release ends a hold");
    }

    /// Appends the byte ranges in which the GPU's copy is behind the newest publication, 4-byte aligned, and
    /// counts them as uploaded.
    pub fn take_gpu_behind_into(&mut self, out: &mut Vec<DirtyRange>) {
        let len = self.latest.map_or(0, |l| l.len);
        self.gpu.clipped_into(len, out);
        self.gpu.clear();
    }

    /// Says that the GPU's copy is lost.
    pub fn gpu_lost(&mut self) {
        self.gpu.set_all(self.capacity);
    }

    /// Keeps the publication before the newest from now on, or no longer.
    pub fn set_history(&mut self, history: bool) {
        self.history = history;
        if !history {
            self.previous = None;
        }
    }

    /// Returns whether no tick and no packet names any slot: the memory may be freed.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.slots.iter().all(|s| s.granted.is_none() && s.holds == 0)
    }

    /// Returns the size of a slot in bytes.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Counts from zero again: somebody else keeps what was counted.
    pub fn forget_counters(&mut self) {
        self.counters = SlotCounters::default();
    }

    /// Returns the counters.
    #[must_use]
    pub fn counters(&self) -> SlotCounters {
        self.counters
    }

    fn is_free(&self, slot: u8) -> bool {
        let s = &self.slots[usize::from(slot)];
        let kept = |p: Option<Published>| p.is_some_and(|p| p.slot == slot);
        s.granted.is_none() && s.holds == 0 && !kept(self.latest) && !kept(self.previous)
    }

    fn check(&self, grant: &Grant, p: &Publication) -> Result<Published, PublicationFault> {
        let slot = grant.slot.ok_or(PublicationFault::Scratch)?;
        if self.slots[usize::from(slot)].granted != Some(grant.stamp) {
            return Err(PublicationFault::NotGranted);
        }
        if grant.instance != self.instance {
            return Err(PublicationFault::Replaced);
        }
        if let Some(newest) = self.latest.map(|l| l.frame).filter(|f| *f > grant.frame) {
            return Err(PublicationFault::Outdated { newest });
        }
        let len = content_len(p, self.capacity, self.element_size)?;
        Ok(Published { slot, frame: grant.frame, len, stamp: grant.stamp })
    }

    fn accept(&mut self, grant: &Grant, p: &Publication, published: Published) {
        let own = usize::from(published.slot);
        let latest_stamp = self.latest.map(|l| l.stamp);
        let old_len = self.latest.map_or(0, |l| l.len);
        let everything = p.dirty_count == 0 || grant.base != latest_stamp;
        let capacity = self.capacity;
        let mark = |set: &mut RangeSet| {
            if everything {
                set.set_all(capacity);
                return;
            }
            for r in dirty(p).iter().filter(|r| r.start < r.end) {
                let end = r.end.checked_next_multiple_of(4).map_or(capacity, |e| e.min(capacity));
                set.insert(r.start & !3, end);
            }
            // What came or went at the end counts as changed.
            set.insert(old_len.min(published.len) & !3, old_len.max(published.len));
        };
        for (_, slot) in self.slots.iter_mut().enumerate().filter(|(n, s)| *n != own && s.used) {
            mark(&mut slot.behind);
        }
        mark(&mut self.gpu);
        let slot = &mut self.slots[own];
        slot.behind.clear();
        slot.granted = None;
        if self.history {
            self.previous = self.latest;
        }
        self.latest = Some(published);
    }
}

/// Returns how many bytes a publication holds, when they fit a buffer with slots of `capacity` bytes.
///
/// # Errors
/// [`PublicationFault`] when they do not, or when half an element or bytes outside of the slot are among them.
pub fn content_len(p: &Publication, capacity: u32, element_size: u32) -> Result<u32, PublicationFault> {
    let len = u32::try_from(p.len_bytes)
        .ok()
        .filter(|l| *l <= capacity)
        .ok_or(PublicationFault::TooLong { len: p.len_bytes, capacity })?;
    if !len.is_multiple_of(element_size) {
        return Err(PublicationFault::NotWhole { len: p.len_bytes, element_size });
    }
    for r in dirty(p) {
        if r.start > r.end || r.end > capacity {
            return Err(PublicationFault::RangeOutside { start: r.start, end: r.end, capacity });
        }
    }
    Ok(len)
}

fn dirty(p: &Publication) -> &[DirtyRange] {
    &p.dirty[..(p.dirty_count as usize).min(p.dirty.len())]
}

#[cfg(test)]
#[path = "slots_tests.rs"]
mod tests;
