//! What lies in a slot: lines of 64 bytes, the last of which says of which frame they are and what they add up to.
//!
//! The words of each line are random, so that lines of two frames do not add up.
use crate::random::Random;

/// Bytes of a line, and of an element of the buffers.
pub(crate) const LINE: usize = 64;

fn sum(lines: &[u8]) -> u64 {
    let (words, _) = lines.as_chunks::<8>();
    words.iter().fold(words.len() as u64, |sum, word| {
        (sum ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    })
}

/// Fills one line with random words.
pub(crate) fn scribble(line: &mut [u8], random: &mut Random) {
    for word in line.as_chunks_mut::<8>().0 {
        *word = random.next().to_le_bytes();
    }
}

/// Writes the last line of a slot's content, all others of which are there.
pub(crate) fn close(content: &mut [u8], frame: u64) {
    let (lines, last) = content.split_at_mut(content.len() - LINE);
    last.fill(0);
    last[..8].copy_from_slice(&frame.to_le_bytes());
    last[8..16].copy_from_slice(&(sum(lines) ^ frame).to_le_bytes());
}

/// Says what is wrong with the content of a slot that was published in `frame`.
pub(crate) fn fault(content: &[u8], frame: u64) -> Option<String> {
    if !content.len().is_multiple_of(LINE) || content.len() < 2 * LINE {
        return Some(format!("{} bytes are no lines", content.len()));
    }
    let (lines, last) = content.split_at(content.len() - LINE);
    let word = |at: usize| u64::from_le_bytes(last[at..at + 8].try_into().unwrap());
    if word(0) != frame {
        return Some(format!("frame {frame} was published, but the slot holds frame {}", word(0)));
    }
    (word(8) != sum(lines) ^ frame).then(|| format!("torn: the lines of frame {frame} do not add up"))
}

/// Shows that `fault` finds what it is for.
pub(crate) fn check_the_check() {
    let mut random = Random::new(1);
    let mut content = vec![0; 8 * LINE];
    let (lines, _) = content.split_at_mut(7 * LINE);
    lines.chunks_mut(LINE).for_each(|line| scribble(line, &mut random));
    close(&mut content, 7);
    assert_eq!(fault(&content, 7), None);
    assert!(fault(&content, 8).unwrap().contains("frame 7"));
    for n in 0..7 {
        let mut torn = content.clone();
        scribble(&mut torn[n * LINE..(n + 1) * LINE], &mut random);
        assert!(fault(&torn, 7).unwrap().contains("torn"));
    }
    content.copy_within(0..LINE, LINE);
    assert!(fault(&content, 7).unwrap().contains("torn"));
}
