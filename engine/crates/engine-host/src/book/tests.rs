use super::*;

pub(super) fn buffer(id: u32, owner: &str, capacity: u32) -> DeclaredBuffer {
    let placement = Placement::Thread;
    DeclaredBuffer {
        buffer: BufferId(id),
        owner: owner.into(),
        capacity,
        element_size: 4,
        history: false,
        placement,
    }
}

pub(super) fn publish(book: &mut SlotBook, id: u32, frame: u64) {
    let (generation, grant, _) = book.grant(BufferId(id), frame, &mut Vec::new()).unwrap();
    book.memory().get(BufferId(id)).unwrap().header(grant.slot).publish(grant.stamp, frame, 8, &[]);
    let p = book.publication(BufferId(id), &grant).unwrap();
    book.settle(BufferId(id), generation, &grant, Some(&p)).unwrap();
}

#[test]
fn an_unchanged_owner_keeps_its_content_and_a_changed_one_starts_anew() {
    let mut book = SlotBook::default();
    book.declare(&[buffer(0, "a", 64), buffer(1, "b", 64)], |_| false).unwrap();
    publish(&mut book, 0, 1);
    publish(&mut book, 1, 1);
    let (generation, held) = book.hold_latest(BufferId(1)).unwrap();
    book.declare(&[buffer(0, "a", 64), buffer(1, "b", 128)], |_| false).unwrap();
    assert!(book.latest(BufferId(0)).is_some());
    assert!(book.latest(BufferId(1)).is_none(), "another size is another buffer");
    book.release(BufferId(1), generation, held.slot);
    publish(&mut book, 1, 2);
    book.declare(&[buffer(0, "a", 64)], |_| false).unwrap();
    assert!(book.memory().get(BufferId(1)).is_none());
    assert!(book.hold_latest(BufferId(1)).is_none());
}

#[test]
fn a_publication_of_an_earlier_life_is_ignored() {
    let mut book = SlotBook::default();
    book.declare(&[buffer(0, "a", 64)], |_| false).unwrap();
    let (generation, grant, _) = book.grant(BufferId(0), 1, &mut Vec::new()).unwrap();
    let p = Publication { frame: 1, len_bytes: 8, dirty_count: 0, dirty: Default::default() };
    book.declare(&[], |_| false).unwrap();
    book.declare(&[buffer(0, "a", 64)], |_| false).unwrap();
    assert_eq!(book.settle(BufferId(0), generation, &grant, Some(&p)), Ok(None));
    assert!(book.latest(BufferId(0)).is_none());
}

#[test]
fn a_new_process_gets_a_new_region_with_the_last_publications() {
    let mut book = SlotBook::default();
    let both = DeclaredBuffer { history: true, ..buffer(0, "a", 64) };
    book.declare(std::slice::from_ref(&both), |_| false).unwrap();
    for (frame, byte) in [(5, 5_u8), (6, 6)] {
        let (generation, grant, _) = book.grant(BufferId(0), frame, &mut Vec::new()).unwrap();
        let memory = book.memory().get(BufferId(0)).unwrap().clone();
        #[expect(unsafe_code, reason = "the test plays the owner")]
        // SAFETY: the slot was granted to the test.
        unsafe {
            std::ptr::write_bytes(memory.write_ptr(grant.slot.unwrap()), byte, 8);
        }
        memory.header(grant.slot).publish(grant.stamp, frame, 8, &[]);
        let p = book.publication(BufferId(0), &grant).unwrap();
        book.settle(BufferId(0), generation, &grant, Some(&p)).unwrap();
    }
    book.take_gpu_behind_into(BufferId(0), &mut Vec::new());
    let (held_generation, held) = book.hold_latest(BufferId(0)).unwrap();
    let old = book.memory().get(BufferId(0)).unwrap().region.id;

    assert!(book.replace_instance("a", Placement::Thread).is_none(), "a thread keeps its region");
    let mut renewal = book.replace_instance("a", Placement::Process).unwrap();
    let region = renewal.make().unwrap();
    assert!(region.begin_claim());
    region.finish_claim().unwrap();
    let counted = book.counters().next().unwrap().1.published;
    assert!(book.adopt(renewal));
    assert_ne!(book.memory().get(BufferId(0)).unwrap().region.id, old);
    book.release(BufferId(0), held_generation, held.slot);
    let (_, latest) = book.hold_latest(BufferId(0)).unwrap();
    let (_, previous) = book.hold_previous(BufferId(0)).unwrap();
    assert_eq!((previous.frame, latest.frame, latest.len), (5, 6, 8));
    use engine_frame::packet::SlotMemory;
    let memory = Arc::clone(book.memory());
    assert_eq!(memory.bytes(BufferId(0), latest.slot, 0, 8), Some(&[6; 8][..]));
    assert_eq!(memory.bytes(BufferId(0), previous.slot, 0, 8), Some(&[5; 8][..]));
    let mut behind = Vec::new();
    book.take_gpu_behind_into(BufferId(0), &mut behind);
    assert_eq!(behind, [DirtyRange { start: 0, end: 8 }], "the GPU gets all of it again");
    assert!(book.counters().next().unwrap().1.published >= counted, "counters go on");

    let mut renewal = book.replace_instance("a", Placement::Thread).unwrap();
    renewal.make().unwrap();
    assert!(book.adopt(renewal), "nobody has to claim it");
    assert!(book.memory().get(BufferId(0)).unwrap().region.is_of_thread());
    assert_eq!(book.latest(BufferId(0)).map(|l| l.frame), Some(6));
}

#[test]
fn a_renewal_of_buffers_that_have_changed_is_refused() {
    let mut book = SlotBook::default();
    book.declare(&[buffer(0, "a", 64)], |_| false).unwrap();
    let mut renewal = book.replace_instance("a", Placement::Process).unwrap();
    renewal.make().unwrap();
    book.declare(&[buffer(0, "a", 128)], |_| false).unwrap();
    assert!(!book.adopt(renewal));
    assert!(book.memory().get(BufferId(0)).unwrap().part.capacity == 128);
}
