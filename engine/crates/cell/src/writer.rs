//! Writing buffer ports.
#![expect(unsafe_code, reason = "hands out the write slot that belongs to this turn")]
use crate::{Gpu, raw};
use cell_abi::{DirtyRange, PortView, TickRecord, header::MAX_DIRTY_RANGES};
use core::{
    cell::Cell,
    marker::PhantomData,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// What a turn has written so far, per port. Published when the turn returns.
pub(crate) struct Writes {
    touched: Touched,
    ports: Box<[PortWrite]>,
}

/// The ports that were written, one bit each.
///
/// Only its thread uses it. It is atomic so that it is always stored as a whole: `|= 1` on a plain word becomes a
/// store of one byte, and reading the word when the tick returns would wait for that store to leave the core.
#[derive(Default)]
struct Touched(AtomicU64);

impl Touched {
    #[inline]
    fn has(&self, port: u16) -> bool {
        self.0.load(Relaxed) & 1 << port != 0
    }

    #[inline]
    fn add(&self, port: u16) {
        self.0.store(self.0.load(Relaxed) | 1 << port, Relaxed);
    }

    #[inline]
    fn take(&self) -> u64 {
        let bits = self.0.load(Relaxed);
        if bits != 0 {
            self.0.store(0, Relaxed);
        }
        bits
    }
}

/// What a turn has written to one port.
#[derive(Default)]
pub(crate) struct PortWrite {
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
    #[inline]
    fn publish(&self, view: &PortView, frame: u64) {
        if self.all.get() {
            raw::publish(view, frame, self.len_bytes.get() as u64, &[]);
        } else {
            self.publish_ranges(view, frame);
        }
    }

    /// Apart from [`PortWrite::publish`], which each tick has in itself and which stays short for it.
    #[inline(never)]
    fn publish_ranges(&self, view: &PortView, frame: u64) {
        let dirty = self.dirty.take();
        if dirty.count > 0 {
            raw::publish(view, frame, self.len_bytes.get() as u64, &dirty.ranges[..dirty.count]);
        }
    }
}

impl Writes {
    pub(crate) fn new(ports: usize) -> Self {
        Self { touched: Touched::default(), ports: (0..ports).map(|_| PortWrite::default()).collect() }
    }

    /// Publishes every slot that the turn wrote, and forgets them. A turn that panics does not get here, and its
    /// instance has no further turn.
    #[inline]
    pub(crate) fn publish(&self, record: &TickRecord) {
        let mut touched = self.touched.take();
        while touched != 0 {
            let index = touched.trailing_zeros();
            touched &= touched - 1;
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

/// Holds the slot for a closure of the author, and frees it for the next, also when one panics.
struct Busy<'a>(&'a Cell<bool>);

impl<'a> Busy<'a> {
    fn new(port: &'a PortWrite) -> Self {
        port.busy.set(true);
        Self(&port.busy)
    }
}

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
    /// When there are more than [`Writer::capacity`], or inside a closure of the same port.
    #[inline]
    #[track_caller]
    pub fn write(&self, items: &[T]) {
        self.whole(items.len());
        // SAFETY: `whole` showed that the slot is there, has the capacity, and that no reference into it lives.
        unsafe { raw::elements_mut(self.view, items.len()) }.copy_from_slice(items);
    }

    /// Lets `fill` write `len` elements in place as the port's whole content. They start with whatever an
    /// earlier frame left there: fill all of them.
    ///
    /// # Panics
    /// When `len` is above [`Writer::capacity`], or inside another closure of the same port.
    #[track_caller]
    pub fn write_with<R>(&self, len: usize, fill: impl FnOnce(&mut [T]) -> R) -> R {
        let port = self.whole(len);
        let _busy = Busy::new(port);
        // SAFETY: as in `write`.
        fill(unsafe { raw::elements_mut(self.view, len) })
    }

    /// Lets `change` change any of the elements; they start as last published (or as written in this tick).
    ///
    /// # Panics
    /// Inside another closure of the same port.
    #[track_caller]
    pub fn update<R>(&self, change: impl FnOnce(&mut [T]) -> R) -> R {
        let port = self.free();
        let len = self.current(port);
        port.all.set(true);
        let _busy = Busy::new(port);
        // SAFETY: as in `write`; `current` clamps to the capacity.
        change(unsafe { raw::elements_mut(self.view, len) })
    }

    /// Lets `change` change the elements in `range`; all others stay as last published (or as written in this
    /// tick). Only the range is sent on to readers and the GPU.
    ///
    /// # Panics
    /// When the range is not within the published elements, or inside another closure of the same port.
    #[track_caller]
    pub fn update_range<R>(&self, range: Range<usize>, change: impl FnOnce(&mut [T]) -> R) -> R {
        let port = self.free();
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
        let _busy = Busy::new(port);
        // SAFETY: as in `update`.
        change(&mut unsafe { raw::elements_mut(self.view, len) }[range])
    }

    /// Notes that the whole port changes to `len` elements. The caller fills them; should it panic on the way and
    /// the author catch that, the slot is what was left.
    #[inline]
    #[track_caller]
    fn whole(&self, len: usize) -> &'r PortWrite {
        let port = self.free();
        if len > self.capacity() {
            too_many(self.name, self.capacity(), len);
        }
        port.all.set(true);
        port.len_bytes.set(len * size_of::<T>());
        self.writes.touched.add(self.index);
        port
    }

    /// Returns the port's notes: its slot is there and no closure of the author holds it.
    #[inline]
    #[track_caller]
    fn free(&self) -> &'r PortWrite {
        let port = &self.writes.ports[usize::from(self.index)];
        if self.view.write.is_null() || port.busy.get() {
            not_free(self.name, self.view);
        }
        port
    }

    /// Brings the slot up to date on its first touch and returns how many elements it has.
    fn current(&self, port: &PortWrite) -> usize {
        if !self.writes.touched.has(self.index) {
            // SAFETY: `free` showed that the slot is there and unborrowed.
            unsafe { raw::catch_up(self.view) };
            port.all.set(false);
            port.dirty.take();
            port.len_bytes.set(self.view.read.len.min(self.view.capacity));
            self.writes.touched.add(self.index);
        }
        port.len_bytes.get() / size_of::<T>()
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn too_many(name: &str, capacity: usize, len: usize) -> ! {
    panic!(
        "the port `{name}` holds {capacity} elements, but {len} were written; raise its count in signal_receptor!"
    )
}

#[cold]
#[inline(never)]
#[track_caller]
fn not_free(name: &str, view: &PortView) -> ! {
    if view.write.is_null() {
        panic!("the port `{name}` can only be written in a tick");
    }
    panic!("the port `{name}` is being written already, by a closure around this call")
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
    #[inline]
    #[track_caller]
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
