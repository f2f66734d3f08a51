//! The only place where pointers of a record become slices.
//!
//! The host promises (`cell-abi`) that what a record points to stays as it is while the turn runs, that slots
//! are aligned to 256 and that a write slot belongs to its turn alone. Each function here takes the record's
//! lifetime `'r`, which ends with the turn.
#![expect(unsafe_code, reason = "views over the memory that a record points to")]
use crate::{Gpu, gpu::Texel};
use cell_abi::{Bytes, InputFrame, MailView, PortView, SlotView, TickRecord};

/// Returns the elements of a slot; none when nothing was published.
pub(crate) fn elements<T: Gpu>(slot: &SlotView) -> &[T] {
    if slot.ptr.is_null() || !slot.ptr.cast::<T>().is_aligned() {
        return &[];
    }
    // SAFETY: the host promises `len` readable bytes at `ptr` that nobody changes during the turn; they are
    // aligned (checked), and `T: Gpu` is valid for every bit pattern.
    unsafe { core::slice::from_raw_parts(slot.ptr.cast::<T>(), slot.len / size_of::<T>()) }
}

/// Returns the bytes of a slot; none when nothing was published.
pub(crate) fn slot_bytes(slot: &SlotView) -> &[u8] {
    if slot.ptr.is_null() {
        return &[];
    }
    // SAFETY: the host promises `len` readable bytes at `ptr` that nobody changes during the turn.
    unsafe { core::slice::from_raw_parts(slot.ptr, slot.len) }
}

/// Returns the pixels that `bytes` are.
pub(crate) fn texels<T: Texel>(bytes: &[u8]) -> &[T] {
    if !bytes.as_ptr().cast::<T>().is_aligned() {
        return &[];
    }
    // SAFETY: the bytes are aligned (checked), as many as there are whole pixels, borrowed for as long as the result, and
    // `T: Texel` is valid for every bit pattern.
    unsafe { core::slice::from_raw_parts(bytes.as_ptr().cast::<T>(), bytes.len() / size_of::<T>()) }
}

/// Returns the first `len` elements of a write slot.
///
/// # Safety
/// No other reference into the slot lives; `len * size_of::<T>()` is at most the view's capacity; `write` is not
/// null.
pub(crate) unsafe fn elements_mut<'a, T: Gpu>(view: &PortView, len: usize) -> &'a mut [T] {
    debug_assert!(view.write.cast::<T>().is_aligned() && len * size_of::<T>() <= view.capacity);
    // SAFETY: the slot belongs to this turn alone and has the capacity (the caller checked); slots are aligned
    // to 256, and `T: Gpu` is valid for every bit pattern, so what an earlier frame left is a valid `T`.
    unsafe { core::slice::from_raw_parts_mut(view.write.cast::<T>(), len) }
}

/// Brings the write slot up to date with the newest publication, copying only the ranges in which it is behind.
///
/// # Safety
/// No reference into the write slot lives; `write` is not null.
pub(crate) unsafe fn catch_up(view: &PortView) {
    let len = view.read.len.min(view.capacity);
    if view.read.ptr.is_null() || view.behind.is_null() {
        return;
    }
    // SAFETY: the host gives `behind_count` ranges at `behind` for the turn.
    let behind = unsafe { core::slice::from_raw_parts(view.behind, view.behind_count) };
    for range in behind {
        let (start, end) = ((range.start as usize).min(len), (range.end as usize).min(len));
        if start < end {
            // SAFETY: both slots hold at least `len` bytes and are different slots (the write slot is never the
            // latest), so the ranges are in bounds and do not overlap.
            unsafe {
                core::ptr::copy_nonoverlapping(view.read.ptr.add(start), view.write.add(start), end - start);
            }
        }
    }
}

/// Tells the host that the write slot is published.
#[inline]
pub(crate) fn publish(view: &PortView, frame: u64, len: u64, dirty: &[cell_abi::DirtyRange]) {
    // SAFETY: null or, for an owner, the header of its write slot, which is mapped while the turn runs; all its
    // fields are atomics.
    if let Some(header) = unsafe { view.header.as_ref() } {
        header.publish(view.stamp, frame, len, dirty);
    }
}

/// Returns the bytes that were borrowed for the turn.
pub(crate) fn bytes(b: Bytes, _record: &TickRecord) -> &[u8] {
    borrowed(b)
}

/// Returns the bytes of a message.
pub(crate) fn mail_bytes(b: Bytes, _mail: &MailView) -> &[u8] {
    borrowed(b)
}

/// Returns the bytes of an asset: they live as long as the instance, hence longer than any turn.
pub(crate) fn asset_bytes<'r>(asset: &cell_abi::AssetView, _turn: &'r TickRecord) -> &'r [u8] {
    borrowed(asset.bytes)
}

/// Returns the bytes that were borrowed for a call.
pub(crate) fn call_bytes(b: &Bytes) -> &[u8] {
    borrowed(*b)
}

fn borrowed<'a>(b: Bytes) -> &'a [u8] {
    if b.ptr.is_null() {
        return &[];
    }
    // SAFETY: `Bytes` from the host are `len` readable bytes for the turn; the callers above bound the lifetime.
    unsafe { core::slice::from_raw_parts(b.ptr, b.len) }
}

/// Returns the view of port `index`, or one of nothing if the host knows fewer ports.
pub(crate) fn port(record: &TickRecord, index: u16) -> &PortView {
    static NOTHING: Nothing = Nothing(PortView::EMPTY);
    struct Nothing(PortView);
    // SAFETY: the view of nothing holds null pointers only.
    unsafe impl Sync for Nothing {}

    if record.ports.is_null() || usize::from(index) >= record.port_count {
        return &NOTHING.0;
    }
    // SAFETY: the host gives `port_count` views at `ports` for the turn, and the index is below.
    unsafe { &*record.ports.add(usize::from(index)) }
}

/// Returns the mail of the turn.
pub(crate) fn mail(record: &TickRecord) -> &[MailView] {
    if record.mail.is_null() {
        return &[];
    }
    // SAFETY: the host gives `mail_count` messages at `mail` for the turn.
    unsafe { core::slice::from_raw_parts(record.mail, record.mail_count) }
}

/// Returns the input of the frame.
pub(crate) fn input(record: &TickRecord) -> &InputFrame {
    static NONE: InputFrame = InputFrame {
        keys_down: [0; 2],
        keys_pressed: [0; 2],
        keys_released: [0; 2],
        buttons_down: 0,
        buttons_pressed: 0,
        mouse_px: [0.0; 2],
        mouse_delta_px: [0.0; 2],
        wheel_lines: [0.0; 2],
        focused: 0,
        reserved: 0,
    };
    // SAFETY: null or an input that the host lends for the turn.
    unsafe { record.input.as_ref() }.unwrap_or(&NONE)
}

/// Returns the bytes of pixels.
pub(crate) fn texel_bytes<T: Texel>(texels: &[T]) -> &[u8] {
    // SAFETY: `T: Texel` has no padding, so every byte is initialised.
    unsafe { core::slice::from_raw_parts(texels.as_ptr().cast::<u8>(), size_of_val(texels)) }
}

/// Returns the bytes of elements.
pub(crate) fn as_bytes<T: Gpu>(elements: &[T]) -> &[u8] {
    // SAFETY: `T: Gpu` has no padding, so every byte is initialised.
    unsafe { core::slice::from_raw_parts(elements.as_ptr().cast::<u8>(), size_of_val(elements)) }
}
