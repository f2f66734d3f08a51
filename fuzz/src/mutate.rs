//! Inputs from good ones, the same in each run: what stands in for a fuzzer where there is none.

#[path = "random.rs"]
mod random;

pub(crate) use random::Random;

/// Numbers at which things change.
const EDGES: [u64; 12] = [0, 1, 2, 16, 255, 256, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 63, u64::MAX];

/// Returns a changed copy of one of `seeds`; `words` are put in as they are.
pub(crate) fn mutate(seeds: &[Vec<u8>], words: &[&[u8]], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..1 + random.below(4) {
        let (at, len) = (random.below(bytes.len() + 1), random.below(9));
        let end = (at + len).min(bytes.len());
        match random.below(9) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            3 if at < bytes.len() => bytes[at] = random.next() as u8,
            4 => {
                // A number at an edge, in place.
                let edge = EDGES[random.below(EDGES.len())].wrapping_sub(random.below(2) as u64);
                let width = 1 << random.below(4);
                let end = (at + width).min(bytes.len());
                bytes[at..end].copy_from_slice(&edge.to_le_bytes()[..end - at]);
            }
            5 => {
                // A part once more, somewhere else; sometimes many times.
                let part = bytes[at..(at + random.below(64)).min(bytes.len())].to_vec();
                let to = random.below(bytes.len() + 1);
                let times = if random.below(8) == 0 { 64 } else { 1 };
                bytes.splice(to..to, part.repeat(times));
            }
            6 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len());
                let part = &other[from..(from + random.below(200)).min(other.len())];
                bytes.splice(at..end, part.iter().copied());
            }
            _ if !words.is_empty() => {
                let word = words[random.below(words.len())];
                bytes.splice(at..end, word.iter().copied());
            }
            _ => bytes.insert(at, random.next() as u8),
        }
    }
    bytes.truncate(64 << 10);
    bytes
}
