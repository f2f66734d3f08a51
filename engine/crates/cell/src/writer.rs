//! Writing buffer ports.
#![expect(unsafe_code, reason = "hands out the write slot that belongs to this turn")]
use crate::{Gpu, raw};
use cell_abi::{DirtyRange, PortView, TickRecord, header::MAX_DIRTY_RANGES};
use core::{cell::Cell, marker::PhantomData, ops::Range};

/// What a turn has written so far, per port. Published when the turn returns.
pub(crate) struct Writes {
    touched: Cell<u64>,
    ports: Box<[PortWrite]>,
}

/// What a turn has written to one port.
#[derive(Default)]
pub(crate) struct PortWrite {
    touched: Cell<bool>,
    /// A closure of the author holds the slot.
    busy: Cell<bool>,
    len_bytes: Cell<usize>,
    /// Everything changed, so `dirty` does not count.
    all: Cell<bool>,
    dirty: Cell<Dirty>,
}

#[derive(Clone, Copy, Default)]
struct Dirty {
    ranges: [DirtyRange; MAX_DIRTY_RANGES],
    count: usize,
}

impl Dirty {
    /// Adds a range; when there are too many, the two whose cover adds the fewest bytes become one.
    fn add(&mut self, new: DirtyRange) {
        if new.start >= new.end {
            return;
        }
        for r in &mut self.ranges[..self.count] {
            if new.start <= r.end && r.start <= new.end {
                *r = cover(*r, new);
                return;
            }
        }
        if self.count < MAX_DIRTY_RANGES {
            self.ranges[self.count] = new;
            self.count += 1;
            return;
        }
        let cost = |r: DirtyRange| {
            let c = cover(r, new);
            (c.end - c.start) - (r.end - r.start)
        };
        if let Some(r) = self.ranges.iter_mut().min_by_key(|r| cost(**r)) {
            *r = cover(*r, new);
        }
    }
}

fn cover(a: DirtyRange, b: DirtyRange) -> DirtyRange {
    DirtyRange { start: a.start.min(b.start), end: a.end.max(b.end) }
}

impl PortWrite {
    fn publish(&self, view: &PortView, frame: u64) {
        let len = self.len_bytes.get() as u64;
        if self.all.get() {
            raw::publish(view, frame, len, &[]);
        } else {
            let dirty = self.dirty.take();
            if dirty.count > 0 {
                raw::publish(view, frame, len, &dirty.ranges[..dirty.count]);
            }
        }
        self.touched.set(false);
    }
}

impl Writes {
    pub(crate) fn new(ports: usize) -> Self {
        Self { touched: Cell::new(0), ports: (0..ports).map(|_| PortWrite::default()).collect() }
    }

    /// Publishes every slot that the turn wrote, and forgets them. A turn that panics does not get here, and its
    /// instance has no further turn.
    #[inline]
    pub(crate) fn publish(&self, record: &TickRecord) {
        let mut bits = self.touched.take();
        while bits != 0 {
            let index = bits.trailing_zeros();
            bits &= bits - 1;
            self.ports[index as usize].publish(raw::port(record, index as u16), record.frame);
        }
    }
}

/// Writes an array port of this cell.
///
/// What is written is published when the tick returns; a tick that writes nothing leaves the last publication
/// in place. All methods may be called several times in a tick; the last state counts.
///
/// ```no_run
/// # use cell::prelude::*;
/// # fn tick(cubes: Writer<'_, f32>) {
/// cubes.write(&[1.0, 2.0]);                             // all of it
/// cubes.write_with(1000, |c| c.fill(0.5));              // all of it, in place: no copy
/// cubes.update_range(10..20, |c| c[0] = 7.0);           // a part; the rest stays as last published
/// # }
/// ```
pub struct Writer<'r, T> {
    name: &'static str,
    index: u16,
    view: &'r PortView,
    writes: &'r Writes,
    element: PhantomData<fn(T)>,
}

/// Frees the slot for the next closure, also when one panics.
struct Busy<'a>(&'a Cell<bool>);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl<'r, T: Gpu> Writer<'r, T> {
    pub(crate) fn new(name: &'static str, index: u16, view: &'r PortView, writes: &'r Writes) -> Self {
        Self { name, index, view, writes, element: PhantomData }
    }

    /// Returns the most elements that fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.view.capacity / size_of::<T>()
    }

    /// Returns what this cell published last, before this tick.
    #[must_use]
    pub fn last(&self) -> &'r [T] {
        raw::elements(&self.view.read)
    }

    /// Writes `items` as the port's whole content.
    ///
    /// # Panics
    /// When there are more than [`Writer::capacity`].
    pub fn write(&self, items: &[T]) {
        self.write_with(items.len(), |slot| slot.copy_from_slice(items));
    }

    /// Lets `fill` write `len` elements in place as the port's whole content. They start with whatever an
    /// earlier frame left there: fill all of them.
    ///
    /// # Panics
    /// When `len` is above [`Writer::capacity`], or inside another closure of the same port.
    pub fn write_with<R>(&self, len: usize, fill: impl FnOnce(&mut [T]) -> R) -> R {
        assert!(
            len <= self.capacity(),
            "the port `{}` holds {} elements, but {len} were written; raise its count in signal_receptor!",
            self.name,
            self.capacity()
        );
        let (port, _busy) = self.begin();
        // Noted before `fill` runs: should it panic and the author catch that, the slot is what `fill` left.
        self.touch(port);
        port.all.set(true);
        port.len_bytes.set(len * size_of::<T>());
        // SAFETY: `begin` showed that no other reference into the slot lives and that it is there; the capacity
        // was checked.
        fill(unsafe { raw::elements_mut(self.view, len) })
    }

    /// Lets `change` change any of the elements; they start as last published (or as written in this tick).
    ///
    /// # Panics
    /// Inside another closure of the same port.
    pub fn update<R>(&self, change: impl FnOnce(&mut [T]) -> R) -> R {
        let (port, _busy) = self.begin();
        let len = self.current(port);
        port.all.set(true);
        // SAFETY: as in `write_with`; `current` clamps to the capacity.
        change(unsafe { raw::elements_mut(self.view, len) })
    }

    /// Lets `change` change the elements in `range`; all others stay as last published (or as written in this
    /// tick). Only the range is sent on to readers and the GPU.
    ///
    /// # Panics
    /// When the range is not within the published elements, or inside another closure of the same port.
    pub fn update_range<R>(&self, range: Range<usize>, change: impl FnOnce(&mut [T]) -> R) -> R {
        let (port, _busy) = self.begin();
        let len = self.current(port);
        assert!(
            range.start <= range.end && range.end <= len,
            "the port `{}` has {len} elements, so {}..{} cannot be updated; `write` them first",
            self.name,
            range.start,
            range.end
        );
        let byte = |n: usize| (n * size_of::<T>()) as u32;
        let mut dirty = port.dirty.get();
        dirty.add(DirtyRange { start: byte(range.start), end: byte(range.end) });
        port.dirty.set(dirty);
        // SAFETY: as in `update`.
        change(&mut unsafe { raw::elements_mut(self.view, len) }[range])
    }

    fn begin(&self) -> (&'r PortWrite, Busy<'r>) {
        let port = &self.writes.ports[usize::from(self.index)];
        assert!(!self.view.write.is_null(), "the port `{}` can only be written in a tick", self.name);
        assert!(
            !port.busy.replace(true),
            "the port `{}` is being written already, by a closure around this call",
            self.name
        );
        (port, Busy(&port.busy))
    }

    /// Brings the slot up to date on its first touch and returns how many elements it has.
    fn current(&self, port: &PortWrite) -> usize {
        if !port.touched.get() {
            // SAFETY: `begin` showed that the slot is there and unborrowed.
            unsafe { raw::catch_up(self.view) };
            port.all.set(false);
            port.dirty.take();
            port.len_bytes.set(self.view.read.len.min(self.view.capacity));
            self.touch(port);
        }
        port.len_bytes.get() / size_of::<T>()
    }

    fn touch(&self, port: &PortWrite) {
        port.touched.set(true);
        let bits = &self.writes.touched;
        bits.set(bits.get() | 1 << self.index);
    }
}

/// Writes a `Uniform` port of this cell.
pub struct UniformWriter<'r, T> {
    array: Writer<'r, T>,
}

impl<'r, T: Gpu> UniformWriter<'r, T> {
    pub(crate) fn new(array: Writer<'r, T>) -> Self {
        Self { array }
    }

    /// Writes the value; published when the tick returns.
    pub fn set(&self, value: &T) {
        self.array.write(core::slice::from_ref(value));
    }

    /// Returns what this cell published last, before this tick; zeros before the first time.
    #[must_use]
    pub fn last(&self) -> &'r T {
        self.array.last().first().unwrap_or(T::ZEROED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u32, end: u32) -> DirtyRange {
        DirtyRange { start, end }
    }

    #[test]
    fn touching_ranges_become_one_and_too_many_cover_the_least() {
        let mut d = Dirty::default();
        for r in [range(0, 4), range(4, 8), range(100, 104), range(200, 204), range(300, 304)] {
            d.add(r);
        }
        assert_eq!((d.count, d.ranges[0]), (4, range(0, 8)));
        d.add(range(206, 208));
        assert_eq!((d.count, d.ranges[2]), (4, range(200, 208)));
        d.add(range(5, 5));
        assert_eq!(d.count, 4);
    }
}
