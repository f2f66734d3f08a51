use super::*;
use crate::renewal::Renewal;
use cell_abi::header::Publication;
use engine_frame::packet::SlotMemory as _;
use engine_scene::Placement;

const ID: BufferId = BufferId(0);

fn book(history: bool) -> (SlotBook, Arc<str>) {
    let (mut book, owner): (_, Arc<str>) = (SlotBook::default(), "a".into());
    let (placement, capacity) = (Placement::Thread, 64);
    let owner_of = Arc::clone(&owner);
    let declared =
        DeclaredBuffer { buffer: ID, owner: owner_of, capacity, element_size: 4, history, placement };
    book.declare(&[declared], |_| false).unwrap();
    (book, owner)
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
    if let Some(mut renewal) = renewal {
        let region = renewal.make().unwrap();
        assert!(region.begin_claim());
        region.finish_claim().unwrap();
        assert!(book.adopt(renewal));
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
        // All slots but the newest are free again: as many grants as that.
        let grants: Vec<_> = (3..10).map(|f| book.grant(ID, f, &mut Vec::new()).unwrap().1.slot).collect();
        assert!(grants.iter().all(Option::is_some), "{placement:?}: {grants:?}");
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
