use super::*;
use crate::{
    book::{DeclaredBuffer, SlotBook},
    record::SlotRead,
};
use engine_frame::{
    packet::SlotMemory,
    plan::BufferId,
    slots::{PublicationFault, Published},
};
use engine_sys::{MapRo, MapRw};

const BUFFER: BufferId = BufferId(0);
const CAPACITY: u32 = 64;

/// The engine with one buffer of an untrusted cell, and what the cell's process has mapped.
struct Stage {
    book: SlotBook,
    twins: Twins,
    record: Record,
    child: Option<(Arc<Region>, MapRw, MapRw)>,
    frame: u64,
}

/// What the cell sees of its write slot in one tick.
struct Slot<'a> {
    data: &'a MapRw,
    headers: &'a MapRw,
    /// Where the slot, and its header, begin.
    at: (usize, usize),
    stamp: u32,
    behind: Vec<DirtyRange>,
}

impl Slot<'_> {
    fn write(&self, at: usize, bytes: &[u8]) {
        self.data.copy_in(bytes, self.at.0 + at).unwrap();
    }

    /// Writes a header of these words: length, number of ranges, ranges.
    fn publish(&self, len: u64, count: u32, ranges: [[u32; 2]; 4]) {
        let mut header = [0_u8; 64];
        header[8..16].copy_from_slice(&len.to_le_bytes());
        header[16..20].copy_from_slice(&self.stamp.to_le_bytes());
        header[24..28].copy_from_slice(&count.to_le_bytes());
        for (to, from) in header[32..].chunks_exact_mut(4).zip(ranges.as_flattened()) {
            to.copy_from_slice(&from.to_le_bytes());
        }
        self.headers.copy_in(&header, self.at.1).unwrap();
    }

    fn publish_all(&self, len: u64) {
        self.publish(len, 0, [[0; 2]; 4]);
    }
}

impl Stage {
    fn new() -> Self {
        let mut book = SlotBook::default();
        let buffer = DeclaredBuffer {
            buffer: BUFFER,
            owner: "mod".into(),
            capacity: CAPACITY,
            element_size: 4,
            history: false,
            placement: Placement::Thread,
        };
        book.declare(&[buffer], |_| true).unwrap();
        Self { book, twins: Twins::default(), record: Record::default(), child: None, frame: 0 }
    }

    /// A tick, in which the cell does `what`, from its record to its publication.
    fn tick(&mut self, what: impl FnOnce(&Slot<'_>)) -> Result<Option<Published>, PublicationFault> {
        self.frame += 1;
        let r = &mut self.record;
        r.memory = Arc::clone(self.book.memory());
        r.behind.clear();
        let (generation, grant, count) = self.book.grant(BUFFER, self.frame, &mut r.behind).unwrap();
        let write = SlotWrite { buffer: BUFFER, slot: grant.slot, stamp: grant.stamp, behind: (0, count) };
        let read = self.book.latest(BUFFER).map(|p| SlotRead::of(BUFFER, p));
        r.ports = vec![PortSlots { read, write: Some(write), ..PortSlots::default() }];
        self.twins.begin(r).unwrap();
        let memory = r.memory.get(BUFFER).unwrap().clone();
        let written = self.twins.written(&memory.region).unwrap();
        let (_, data, headers) = self.child.get_or_insert_with(|| {
            assert!(written.begin_claim());
            let maps = (MapRw::new(&written.data).unwrap(), MapRw::new(&written.headers).unwrap());
            written.finish_claim().unwrap();
            (Arc::clone(&written), maps.0, maps.1)
        });
        let (first, count) = r.ports[0].write.unwrap().behind;
        let behind = r.behind[first as usize..][..count as usize].to_vec();
        let at = (memory.offset(grant.slot), memory.header_offset(grant.slot));
        what(&Slot { data, headers, at, stamp: grant.stamp, behind });
        self.twins.publish(r).unwrap();
        let publication = self.book.publication(BUFFER, &grant);
        self.book.settle(BUFFER, generation, &grant, publication.as_ref())
    }

    fn newest(&self) -> Vec<u8> {
        let p = self.book.latest(BUFFER).unwrap();
        self.book.memory().bytes(BUFFER, p.slot, 0, p.len.into()).unwrap().to_vec()
    }
}

#[test]
fn what_is_published_is_a_copy_that_the_cell_never_had() {
    let mut stage = Stage::new();
    let mut own = 0;
    let published = stage.tick(|slot| {
        slot.write(0, b"abcdefgh");
        slot.publish_all(8);
        own = slot.at.0;
    });
    assert_eq!(published.unwrap().map(|p| p.len), Some(8));
    assert_eq!(stage.newest(), b"abcdefgh");
    let (written, data, _) = stage.child.as_ref().unwrap();
    data.copy_in(b"scribble", own).unwrap();
    assert_eq!(stage.newest(), b"abcdefgh", "what it does later is its own affair");
    let twin = &stage.book.memory().get(BUFFER).unwrap().region;
    assert!(twin.id != written.id && twin.is_of_thread());
}

#[test]
fn only_what_is_said_to_have_changed_is_taken() {
    let mut stage = Stage::new();
    for _ in 0..4 {
        let all = stage.tick(|slot| {
            slot.write(0, b"aaaabbbbcccc");
            slot.publish_all(12);
        });
        all.unwrap();
    }
    let two = stage.tick(|slot| {
        slot.write(0, b"XXXXYYYYZZZZ++++");
        slot.publish(16, 1, [[4, 8], [9, 9], [0; 2], [0; 2]]);
    });
    assert_eq!(two.unwrap().map(|p| p.len), Some(16));
    assert_eq!(stage.newest(), b"aaaaYYYYcccc++++", "and what is new at the end");
    let shorter = stage.tick(|slot| slot.publish(4, 1, [[0, 0], [0; 2], [0; 2], [0; 2]]));
    assert_eq!(shorter.unwrap().map(|p| p.len), Some(4));
}

#[test]
fn a_new_process_is_behind_with_everything() {
    let mut stage = Stage::new();
    for _ in 0..4 {
        stage
            .tick(|slot| {
                slot.write(0, b"aaaabbbb");
                slot.publish_all(8);
            })
            .unwrap();
    }
    let usual =
        stage.tick(|slot| assert_eq!(slot.behind, [DirtyRange { start: 0, end: 8 }], "whole publications"));
    assert_eq!(usual, Ok(None));
    (stage.twins, stage.child) = (Twins::default(), None);
    assert!(stage.book.replace_instance("mod", Placement::Thread).is_none(), "the engine's memory stays");
    for _ in 0..3 {
        let known = stage.newest();
        let behind = stage.tick(|slot| {
            assert_eq!(slot.behind, [DirtyRange { start: 0, end: 8 }]);
            slot.write(0, &known);
            slot.write(0, b"c");
            slot.publish(8, 1, [[0, 1], [0; 2], [0; 2], [0; 2]]);
        });
        behind.unwrap();
        assert_eq!(stage.newest(), b"caaabbbb");
    }
    let usual =
        stage.tick(|slot| assert_eq!(slot.behind, [DirtyRange { start: 0, end: 4 }], "as little as anybody"));
    assert_eq!(usual, Ok(None));
}

#[test]
fn one_that_comes_back_goes_on_from_what_it_had_published() {
    let mut stage = Stage::new();
    let all = |bytes: &'static [u8]| {
        move |slot: &Slot<'_>| {
            slot.write(0, bytes);
            slot.publish_all(8);
        }
    };
    for _ in 0..4 {
        stage.tick(all(b"aaaabbbb")).unwrap();
    }
    let owner: Arc<str> = "mod".into();
    stage.book.freeze(&owner);
    let old = (std::mem::take(&mut stage.twins), stage.child.take());
    assert!(stage.book.replace_instance("mod", Placement::Thread).is_none());
    for _ in 0..6 {
        stage.tick(all(b"ccccdddd")).unwrap();
    }
    assert_eq!(stage.newest(), b"ccccdddd");
    let theirs = stage.child.as_ref().map(|c| c.0.id);
    (stage.twins, stage.child) = old;
    assert_ne!(theirs, stage.child.as_ref().map(|c| c.0.id), "each writes its own");
    stage.book.thaw("mod");
    assert_eq!(stage.newest(), b"aaaabbbb");
    for byte in b"12345678" {
        let known = stage.newest();
        let changed = stage.tick(|slot| {
            // As the `cell` crate does it.
            for range in &slot.behind {
                let end = (range.end as usize).min(known.len());
                slot.write(range.start as usize, &known[range.start as usize..end]);
            }
            slot.write(0, &[*byte]);
            slot.publish(8, 1, [[0, 1], [0; 2], [0; 2], [0; 2]]);
        });
        changed.unwrap();
        assert_eq!(stage.newest(), [&[*byte], &b"aaabbbb"[..]].concat(), "nothing of the other one is left");
    }
}

#[test]
fn the_gpu_is_given_the_twin_and_never_what_the_cell_writes() {
    let mut stage = Stage::new();
    let mut own = 0;
    let published = stage.tick(|slot| {
        slot.write(0, b"abcdefgh");
        slot.publish_all(8);
        own = slot.at.0;
    });
    let memory = Arc::clone(stage.book.memory());
    let place = memory.place(BUFFER, published.unwrap().unwrap().slot).unwrap();
    let (_, data, _) = stage.child.as_ref().unwrap();
    data.copy_in(b"scribble", own).unwrap();
    let mut seen = [0; 8];
    let mapping = place.mapping.downcast_ref::<MapRo>().unwrap();
    mapping.copy_out(place.start as usize, &mut seen).unwrap();
    assert_eq!(&seen, b"abcdefgh");
}

#[test]
fn garbage_in_a_header_is_refused_with_a_reason_and_readers_keep_what_they_had() {
    let mut stage = Stage::new();
    stage
        .tick(|slot| {
            slot.write(0, b"good");
            slot.publish_all(4);
        })
        .unwrap();
    let none = [[0; 2]; 4];
    let cases: [(u64, u32, [[u32; 2]; 4], &str); 7] = [
        (u64::MAX, 0, none, "but the buffer holds 64"),
        (u64::from(CAPACITY) + 4, 0, none, "it publishes 68 bytes"),
        (1 << 32, 0, none, "it publishes 4294967296 bytes"),
        (6, 0, none, "no whole elements"),
        (8, 1, [[8, 4], [0; 2], [0; 2], [0; 2]], "bytes 8..4 changed"),
        (8, 1, [[0, u32::MAX], [0; 2], [0; 2], [0; 2]], "bytes 0..4294967295 changed"),
        (8, u32::MAX, [[0, 4], [0, 4], [0, 4], [4, 65]], "bytes 4..65 changed"),
    ];
    for (len, count, ranges, words) in cases {
        let refused = stage.tick(|slot| {
            slot.write(0, &[0xEE; CAPACITY as usize]);
            slot.publish(len, count, ranges);
        });
        let why = refused.unwrap_err().to_string();
        assert!(why.contains(words), "{why}");
        assert_eq!(stage.newest(), b"good", "{why}");
    }
    // Any bytes at all.
    let mut seed = 7_u64;
    for _ in 0..2000 {
        let mut word = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Small numbers and large ones.
            (seed >> 32) as u32 >> (seed % 32)
        };
        let (len, count) = (u64::from(word()), word());
        let ranges = std::array::from_fn(|_| [word(), word()]);
        let before = stage.newest();
        match stage.tick(|slot| slot.publish(len, count, ranges)) {
            Ok(Some(p)) => assert!(u64::from(p.len) == len && p.len <= CAPACITY && p.len % 4 == 0),
            Ok(None) => panic!("the header has the stamp"),
            Err(_) => assert_eq!(stage.newest(), before),
        }
    }
}
