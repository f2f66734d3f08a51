//! Seeds: one number per cell and frame, the same in every run of the same scene.

/// Returns the seed of a cell's tick, from the scene's seed, the cell's name and the frame.
///
/// The name is hashed by FNV-1a (64 bit; G. Fowler, L. C. Noll, K.-P. Vo, RFC 9923), then name, seed and frame
/// go through the finaliser of SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014), one after the other. A cell's seed changes with its name, not with its line.
#[must_use]
pub fn cell_seed(world_seed: u64, cell: &str, frame: u64) -> u64 {
    let name = fnv1a(cell.as_bytes());
    splitmix(splitmix(splitmix(name).wrapping_add(world_seed)).wrapping_add(frame))
}

/// Returns the FNV-1a hash of `bytes`.
const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    hash
}

/// Returns the first output of SplitMix64 started at `state`.
const fn splitmix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_parts_are_the_published_ones() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(splitmix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(splitmix(1_234_567), 6_457_827_717_110_365_317);
    }

    #[test]
    fn neighbours_have_different_seeds() {
        let mut seen = HashSet::new();
        for seed in 0..8 {
            for cell in ["a", "b", "ab", "ba", "scene"] {
                for frame in 0..500 {
                    assert!(seen.insert(cell_seed(seed, cell, frame)), "{seed} {cell} {frame}");
                }
            }
        }
    }
}
