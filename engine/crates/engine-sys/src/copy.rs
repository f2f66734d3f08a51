//! Copies between own memory and memory that another process may be writing at the same moment.
//!
//! The compiler must neither assume that foreign bytes stay as they were nor read them twice, so they are touched by volatile words or, for
//! larger blocks on x86-64, by one `rep movsb` that it cannot look into. What arrives may be a mixture of old and new bytes: check the copy.

#![expect(unsafe_code, reason = "raw memory shared with other processes")]

const WORD: usize = size_of::<u64>();
/// From here on `rep movsb` beats words.
#[cfg(target_arch = "x86_64")]
const BLOCK: usize = 192;

/// Copies `dst.len()` bytes out of shared memory, each byte read exactly once.
///
/// # Safety
/// `src` must be readable for `dst.len()` bytes and the two must not overlap. Others may write to `src` meanwhile.
pub unsafe fn copy_out(src: *const u8, dst: &mut [u8]) {
    // SAFETY: the caller vouches for `src`; `dst` is a slice of that length.
    unsafe { copy_out_raw(src, dst.as_mut_ptr(), dst.len()) }
}

/// Copies `src` into shared memory.
///
/// # Safety
/// `dst` must be writable for `src.len()` bytes and the two must not overlap. Other processes may read or write it meanwhile;
/// in this process nothing may hold a reference into it.
pub unsafe fn copy_in(src: &[u8], dst: *mut u8) {
    #[cfg(target_arch = "x86_64")]
    if src.len() >= BLOCK {
        // SAFETY: the caller vouches for `dst`; `src` is a slice of that length.
        return unsafe { move_block(src.as_ptr(), dst, src.len()) };
    }
    let (mut at, len) = (0, src.len());
    while at < len {
        // SAFETY: `at < len`, and a word is taken only where one fits and `dst` is aligned for it.
        unsafe {
            let to = dst.add(at);
            if len - at >= WORD && to.addr().is_multiple_of(WORD) {
                let word = src.as_ptr().add(at).cast::<u64>().read_unaligned();
                to.cast::<u64>().write_volatile(word);
                at += WORD;
            } else {
                to.write_volatile(src[at]);
                at += 1;
            }
        }
    }
}

/// As [`copy_out`], into memory that need not be initialised.
///
/// # Safety
/// As [`copy_out`]; `dst` must be writable for `len` bytes and nobody else's.
pub(crate) unsafe fn copy_out_raw(src: *const u8, dst: *mut u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    if len >= BLOCK {
        // SAFETY: the caller vouches for both.
        return unsafe { move_block(src, dst, len) };
    }
    let mut at = 0;
    while at < len {
        // SAFETY: `at < len`, and a word is taken only where one fits and `src` is aligned for it.
        unsafe {
            let from = src.add(at);
            if len - at >= WORD && from.addr().is_multiple_of(WORD) {
                let word = from.cast::<u64>().read_volatile();
                dst.add(at).cast::<u64>().write_unaligned(word);
                at += WORD;
            } else {
                dst.add(at).write(from.read_volatile());
                at += 1;
            }
        }
    }
}

/// # Safety
/// `src` readable and `dst` writable for `len` bytes, without overlap.
#[cfg(target_arch = "x86_64")]
unsafe fn move_block(src: *const u8, dst: *mut u8, len: usize) {
    // SAFETY: the caller vouches for the ranges; the direction flag is clear by the ABI.
    unsafe {
        std::arch::asm!(
            "rep movsb",
            inout("rcx") len => _,
            inout("rsi") src => _,
            inout("rdi") dst => _,
            options(nostack, preserves_flags)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_and_alignment_is_copied_exactly() {
        let source: Vec<u8> = (0..2000u32).map(|i| (i * 7) as u8).collect();
        for len in (0..40).chain([191, 192, 193, 1900]) {
            for shift in 0..9 {
                let (mut shared, mut back) = (vec![0xAA_u8; 2048], vec![0; len]);
                let src = &source[shift..shift + len];
                // SAFETY: `shift + 8 + len` stays inside `shared`.
                unsafe {
                    copy_in(src, shared.as_mut_ptr().add(8 + shift));
                    copy_out(shared.as_ptr().add(8 + shift), &mut back);
                }
                assert_eq!(back, src, "len {len} shift {shift}");
                assert_eq!((shared[7 + shift], shared[8 + shift + len]), (0xAA, 0xAA));
            }
        }
    }
}
