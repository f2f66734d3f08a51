//! The headers of slots.
use super::Target;
use cell_abi::{
    DirtyRange,
    header::{MAX_DIRTY_RANGES, Publication},
};
use engine_frame::slots::SlotTable;

pub(super) const TARGET: Target =
    Target { name: "publication", run: publication, seeds: publication_seeds, words: &[] };

fn publication_seeds() -> Vec<Vec<u8>> {
    let mut good = Vec::new();
    for word in [128_u32, 0, 1, 0, 64, 0, 0, 0, 0, 0, 0] {
        good.extend(word.to_le_bytes());
    }
    vec![good.repeat(3)]
}

/// What a process that owns a slot says of it in its header, turn after turn.
fn publication(bytes: &[u8]) -> bool {
    const CAPACITY: u32 = 4096;
    const ELEMENT: u32 = 16;
    let mut table = SlotTable::new(CAPACITY, ELEMENT, true);
    let (words, _) = bytes.as_chunks::<4>();
    let words: Vec<u32> = words.iter().map(|w| u32::from_le_bytes(*w)).collect();
    let mut ranges = Vec::new();
    for (frame, says) in (1..).zip(words.chunks_exact(3 + 2 * MAX_DIRTY_RANGES)) {
        let grant = table.grant(frame);
        let mut dirty = [DirtyRange::default(); MAX_DIRTY_RANGES];
        for (to, from) in dirty.iter_mut().zip(says[3..].chunks_exact(2)) {
            *to = DirtyRange { start: from[0], end: from[1] };
        }
        let told = Publication {
            frame: says[1].into(),
            len_bytes: u64::from(says[0]) | u64::from(says[1]) << 32,
            // As the header's reader clamps it.
            dirty_count: says[2].min(MAX_DIRTY_RANGES as u32),
            dirty,
        };
        let before = table.latest();
        match table.publish(&grant, &told) {
            Ok(p) => assert!(p.len <= CAPACITY && p.len.is_multiple_of(ELEMENT) && p.frame == frame),
            Err(fault) => {
                assert!(!fault.to_string().is_empty());
                assert_eq!(table.latest(), before, "what is refused changes nothing");
            }
        }
        ranges.clear();
        let next = table.grant(frame + 1);
        table.behind_into(&next, &mut ranges);
        table.abort(&next);
        table.take_gpu_behind_into(&mut ranges);
        assert!(ranges.iter().all(|r| r.start <= r.end && r.end <= CAPACITY), "{ranges:?}");
    }
    table.latest().is_some()
}
