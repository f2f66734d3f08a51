use super::*;
use crate::renewal::Renewal;
use cell_abi::header::Publication;
use engine_frame::packet::SlotMemory as _;
use engine_scene::Placement;

const ID: BufferId = BufferId(0);

fn declared(buffer: BufferId, history: bool) -> DeclaredBuffer {
    let (placement, capacity) = (Placement::Thread, 64);
    DeclaredBuffer { buffer, owner: "a".into(), capacity, element_size: 4, history, placement }
}

fn book(history: bool) -> (SlotBook, Arc<str>) {
    let mut book = SlotBook::default();
    book.declare(&[declared(ID, history)], |_| false).unwrap();
    (book, "a".into())
}

fn switch(book: &mut SlotBook, on: bool) {
    let buffers = [declared(ID, false)];
    book.declare(if on { &buffers } else { &[] }, |owner| owner == "a").unwrap();
}

/// Returns the renewal of a process that has mapped its region.
fn mapped(renewal: Option<Renewal>) -> Renewal {
    let mut renewal = renewal.unwrap();
    let region = renewal.make().unwrap();
    assert!(region.begin_claim());
    region.finish_claim().unwrap();
    renewal
}

fn region(book: &SlotBook) -> u32 {
    book.memory().get(ID).unwrap().region.id
}

/// Asserts that one slot is taken, by the newest publication, and no other.
fn all_but_one_are_free(book: &mut SlotBook, what: &str) {
    let grants: Vec<_> = (30..37).map(|f| book.grant(ID, f, &mut Vec::new()).unwrap().1.slot).collect();
    assert!(grants.iter().all(Option::is_some), "{what}: {grants:?}");
}

fn publish(book: &mut SlotBook, frame: u64) {
    let (generation, grant, _) = book.grant(ID, frame, &mut Vec::new()).unwrap();
    let slot = grant.slot.unwrap();
    let memory = book.memory().get(ID).unwrap().clone();
    if memory.region.is_of_thread() {
        #[expect(unsafe_code, reason = "the test plays the owner")]
        // SAFETY: the slot was granted to the test.
        unsafe {
            std::ptr::write_bytes(memory.write_ptr(slot), frame as u8, 8);
        }
    }
    let p = Publication { frame, len_bytes: 8, dirty_count: 0, dirty: Default::default() };
    book.settle(ID, generation, &grant, Some(&p)).unwrap();
}

fn bytes(book: &SlotBook) -> (u64, Vec<u8>) {
    let latest = book.latest(ID).unwrap();
    (latest.frame, book.memory().bytes(ID, latest.slot, 0, 8).unwrap().to_vec())
}

/// What takes over: the same region, or one of a process.
fn take_over(book: &mut SlotBook, placement: Placement) {
    let renewal: Option<Renewal> = book.replace_instance("a", placement);
    assert_eq!(renewal.is_none(), placement == Placement::Thread);
    if renewal.is_some() {
        assert!(book.adopt(mapped(renewal)));
    }
}

#[test]
fn what_was_published_before_is_there_again_whoever_took_over() {
    for placement in [Placement::Thread, Placement::Process] {
        let (mut book, owner) = book(true);
        for frame in [5, 6] {
            publish(&mut book, frame);
        }
        // A packet that is still being drawn.
        let (generation, held) = book.hold_latest(ID).unwrap();
        book.freeze(&owner);
        take_over(&mut book, placement);
        for frame in 7..30 {
            publish(&mut book, frame);
        }
        book.thaw("a");
        assert_eq!(bytes(&book), (6, vec![6; 8]), "{placement:?}");
        assert_eq!(book.hold_previous(ID).unwrap().1.frame, 5, "{placement:?}");
        for frame in 40..80 {
            publish(&mut book, frame);
            let memory = book.memory().bytes(ID, held.slot, 0, 8).unwrap();
            assert_eq!(memory, [6; 8], "{placement:?}: who held it before holds it still");
        }
        book.release(ID, generation, held.slot);
        assert_eq!(book.counters().next().unwrap().1.scratch, 0);
        // A new region counts what it was filled with too.
        assert!(book.counters().next().unwrap().1.published >= 2 + 23 + 40, "{placement:?}");
    }
}

#[test]
fn when_the_new_one_stays_nothing_is_held_any_more() {
    for placement in [Placement::Thread, Placement::Process] {
        let (mut book, owner) = book(false);
        publish(&mut book, 1);
        book.freeze(&owner);
        take_over(&mut book, placement);
        publish(&mut book, 2);
        book.discard("a");
        all_but_one_are_free(&mut book, &format!("{placement:?}"));
        book.thaw("a");
        assert_eq!(book.latest(ID).unwrap().frame, 2, "{placement:?}: there is no way back");
    }
}

#[test]
fn a_buffer_that_is_declared_otherwise_by_then_is_left_as_it_is() {
    let (mut book, owner) = book(false);
    publish(&mut book, 1);
    book.freeze(&owner);
    let placement = Placement::Thread;
    let declared =
        DeclaredBuffer { buffer: ID, owner, capacity: 128, element_size: 4, history: false, placement };
    book.declare(&[declared], |_| false).unwrap();
    publish(&mut book, 2);
    book.thaw("a");
    assert_eq!(bytes(&book), (2, vec![2; 8]));
}

#[test]
fn a_probation_that_ends_while_the_owner_is_off_costs_no_slot() {
    let (mut book, owner) = book(false);
    publish(&mut book, 1);
    book.freeze(&owner);
    take_over(&mut book, Placement::Thread);
    publish(&mut book, 2);
    switch(&mut book, false);
    book.discard("a");
    switch(&mut book, true);
    assert_eq!(book.latest(ID).unwrap().frame, 2);
    all_but_one_are_free(&mut book, "switched on again");
}

#[test]
fn who_is_switched_off_as_it_takes_over_gets_memory_that_it_can_write() {
    let (mut book, owner) = book(false);
    publish(&mut book, 1);
    let before = region(&book);
    book.freeze(&owner);
    let renewal = mapped(book.replace_instance("a", Placement::Process));
    switch(&mut book, false);
    assert!(!book.adopt(renewal));
    switch(&mut book, true);
    assert_ne!(region(&book), before, "that one is the old instance's");
    book.thaw("a");
    assert_eq!((region(&book), bytes(&book)), (before, (1, vec![1; 8])), "the old one is back");
    all_but_one_are_free(&mut book, "the old one");
}

#[test]
fn who_is_taken_back_while_it_is_off_finds_nobody_else_s_memory() {
    for placement in [Placement::Thread, Placement::Process] {
        let (mut book, owner) = book(false);
        publish(&mut book, 1);
        book.freeze(&owner);
        take_over(&mut book, placement);
        let others = region(&book);
        publish(&mut book, 2);
        switch(&mut book, false);
        book.thaw("a");
        switch(&mut book, true);
        assert!(region(&book) != others && book.latest(ID).is_none(), "{placement:?}");
        all_but_one_are_free(&mut book, "new memory");
    }
}

#[test]
fn a_build_with_one_more_buffer_keeps_what_the_one_before_published() {
    for placement in [Placement::Thread, Placement::Process] {
        let (mut book, owner) = book(true);
        publish(&mut book, 5);
        publish(&mut book, 6);
        let (generation, held) = book.hold_latest(ID).unwrap();
        let before = region(&book);
        book.freeze(&owner);
        book.declare(&[declared(ID, true), declared(BufferId(1), false)], |_| false).unwrap();
        let mut renewal = book.replace_instance("a", placement).unwrap();
        if placement == Placement::Process {
            renewal = mapped(Some(renewal));
        } else {
            renewal.make().unwrap();
        }
        assert!(book.adopt(renewal));
        assert_ne!(region(&book), before);
        assert_eq!(bytes(&book), (6, vec![6; 8]), "{placement:?}");
        assert_eq!(book.hold_previous(ID).unwrap().1.frame, 5, "{placement:?}");
        assert!(book.latest(BufferId(1)).is_none());
        publish(&mut book, 7);
        // It is taken back: the build before has its buffer, with its readers.
        book.declare(&[declared(ID, true)], |_| false).unwrap();
        book.thaw("a");
        assert_eq!((region(&book), bytes(&book)), (before, (6, vec![6; 8])), "{placement:?}");
        book.release(ID, generation, held.slot);
    }
}

#[test]
fn a_process_that_waits_and_has_not_ticked_shares_its_region_with_nobody() {
    let mut book = SlotBook::default();
    let declared = DeclaredBuffer { placement: Placement::Process, ..declared(ID, false) };
    book.declare(&[declared], |_| false).unwrap();
    assert!(book.replace_instance("a", Placement::Process).is_none(), "the first one claims it");
    book.freeze(&"a".into());
    assert!(book.replace_instance("a", Placement::Process).is_some());
}
