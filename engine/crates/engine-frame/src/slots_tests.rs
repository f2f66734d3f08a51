use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

fn all(len: u64) -> Publication {
    Publication { frame: 0, len_bytes: len, dirty_count: 0, dirty: Default::default() }
}

fn part(len: u64, ranges: &[(u32, u32)]) -> Publication {
    let mut p = all(len);
    p.dirty_count = ranges.len() as u32;
    for (to, r) in p.dirty.iter_mut().zip(ranges) {
        *to = DirtyRange { start: r.0, end: r.1 };
    }
    p
}

fn behind(t: &SlotTable, g: &Grant) -> Vec<(u32, u32)> {
    let mut out = Vec::new();
    t.behind_into(g, &mut out);
    out.iter().map(|r| (r.start, r.end)).collect()
}

#[test]
fn in_time_owners_rotate_through_three_slots() {
    let mut t = SlotTable::new(64, 4, false);
    for frame in 0..30 {
        let g = t.grant(frame);
        assert_eq!(g.slot, Some((frame % 3) as u8));
        assert_eq!(g.first_use, frame < 3);
        t.publish(&g, &all(64)).expect("valid");
    }
    assert_eq!(t.counters(), SlotCounters { published: 30, scratch: 0, refused: 0 });
}

#[test]
fn a_slot_is_behind_by_what_was_published_since_it_was_written() {
    let mut t = SlotTable::new(64, 4, false);
    for frame in 0..3 {
        let g = t.grant(frame);
        t.publish(&g, &all(64)).expect("valid");
    }
    let g = t.grant(3);
    t.publish(&g, &part(64, &[(0, 4)])).expect("valid");
    let g = t.grant(4);
    assert_eq!(behind(&t, &g), [(0, 64)], "slot 1 was last whole at frame 1; frame 2 changed everything");
    t.publish(&g, &part(64, &[(8, 12)])).expect("valid");
    let g = t.grant(5);
    assert_eq!(behind(&t, &g), [(0, 4), (8, 12)], "slot 2 is behind frames 3 and 4");
    t.abort(&g);
    let g = t.grant(5);
    assert_eq!(behind(&t, &g), [(0, 64)], "after an abort nothing of a slot is trusted");
}

#[test]
fn growing_and_shrinking_count_as_changed() {
    let mut t = SlotTable::new(64, 4, false);
    for (frame, len) in [(0, 32), (1, 32), (2, 32)] {
        let g = t.grant(frame);
        t.publish(&g, &all(len)).expect("valid");
    }
    let mut gpu = Vec::new();
    t.take_gpu_behind_into(&mut gpu);
    let g = t.grant(3);
    t.publish(&g, &part(48, &[(0, 4)])).expect("valid");
    gpu.clear();
    t.take_gpu_behind_into(&mut gpu);
    assert_eq!(gpu, [DirtyRange { start: 0, end: 4 }, DirtyRange { start: 32, end: 48 }]);
    let g = t.grant(4);
    t.publish(&g, &part(16, &[(0, 4)])).expect("valid");
    let g = t.grant(5);
    assert_eq!(behind(&t, &g), [(0, 4)], "what shrank away is nothing to copy");
    t.abort(&g);
}

#[test]
fn at_the_ceiling_a_tick_gets_scratch_and_a_counter_rises() {
    let mut t = SlotTable::new(64, 4, false);
    let grants: Vec<Grant> = (0..8).map(|f| t.grant(f)).collect();
    let mut slots: Vec<_> = grants.iter().map(|g| g.slot).collect();
    slots.sort();
    assert_eq!(slots, (0..8).map(Some).collect::<Vec<_>>());
    let scratch = t.grant(8);
    assert_eq!((scratch.slot, t.counters().scratch), (None, 1));
    assert_eq!(t.publish(&scratch, &all(4)), Err(PublicationFault::Scratch));
    assert_eq!(t.latest(), None);
}

#[test]
fn a_late_publication_counts_once_and_only_for_the_current_instance() {
    let mut t = SlotTable::new(64, 4, false);
    let late = t.grant(0);
    for frame in 1..20 {
        assert_ne!(t.grant(frame).slot, late.slot, "the slot belongs to its tick until it returns");
    }
    let mut t = SlotTable::new(64, 4, false);
    let late = t.grant(0);
    assert_eq!(t.publish(&late, &all(8)).map(|p| p.frame), Ok(0));
    assert_eq!(t.publish(&late, &all(8)), Err(PublicationFault::NotGranted), "counts once");
    let zombie = t.grant(1);
    t.replace_instance();
    let fresh = t.grant(2);
    assert_ne!(fresh.slot, zombie.slot);
    t.publish(&fresh, &all(8)).expect("valid");
    assert_eq!(t.publish(&zombie, &all(4)), Err(PublicationFault::Replaced));
    assert_eq!(t.latest().map(|l| (l.frame, l.len)), Some((2, 8)));
    assert!(t.is_idle(), "its slot is free again");
}

#[test]
fn a_part_of_something_that_is_no_longer_the_newest_counts_as_all() {
    let mut t = SlotTable::new(64, 4, false);
    for frame in 0..3 {
        let g = t.grant(frame);
        t.publish(&g, &all(64)).expect("valid");
    }
    let (first, second) = (t.grant(3), t.grant(4));
    t.publish(&first, &part(64, &[(0, 4)])).expect("valid");
    t.publish(&second, &part(64, &[(8, 12)])).expect("valid");
    let mut gpu = Vec::new();
    t.take_gpu_behind_into(&mut gpu);
    assert_eq!(gpu, [DirtyRange { start: 0, end: 64 }]);
    let g = t.grant(5);
    assert_eq!(behind(&t, &g), [(0, 64)], "the second never saw what the first wrote");
    t.abort(&g);
    let old = t.grant(3);
    let outdated = PublicationFault::Outdated { newest: 4 };
    assert_eq!(t.publish(&old, &all(64)), Err(outdated), "nor does an older frame replace a newer one");
}

#[test]
fn a_wrong_publication_changes_nothing() {
    let mut t = SlotTable::new(64, 8, false);
    let g = t.grant(0);
    t.publish(&g, &all(16)).expect("valid");
    for (bad, fault) in [
        (all(72), PublicationFault::TooLong { len: 72, capacity: 64 }),
        (all(u64::MAX), PublicationFault::TooLong { len: u64::MAX, capacity: 64 }),
        (all(12), PublicationFault::NotWhole { len: 12, element_size: 8 }),
        (part(16, &[(8, 4)]), PublicationFault::RangeOutside { start: 8, end: 4, capacity: 64 }),
        (part(16, &[(0, 65)]), PublicationFault::RangeOutside { start: 0, end: 65, capacity: 64 }),
    ] {
        let g = t.grant(1);
        assert_eq!(t.publish(&g, &bad), Err(fault));
        assert_eq!(t.latest().map(|l| (l.frame, l.len)), Some((0, 16)));
        assert!(t.is_idle());
    }
    assert_eq!(t.counters().refused, 5);
}

#[test]
fn a_gpu_copy_that_was_lost_is_behind_by_everything() {
    let mut t = SlotTable::new(64, 4, false);
    let mut out = Vec::new();
    t.gpu_lost();
    t.take_gpu_behind_into(&mut out);
    assert!(out.is_empty(), "nothing is published");
    let g = t.grant(0);
    t.publish(&g, &all(32)).expect("valid");
    t.take_gpu_behind_into(&mut out);
    out.clear();
    t.take_gpu_behind_into(&mut out);
    assert!(out.is_empty(), "taken means uploaded");
    t.gpu_lost();
    t.take_gpu_behind_into(&mut out);
    assert_eq!(out, [DirtyRange { start: 0, end: 32 }]);
}

const CAPACITY: usize = 96;

/// What happens to a buffer in one step of the model.
#[derive(Clone, Debug)]
enum Step {
    /// A tick begins. `len` and the edits are what it will do.
    Begin { len: u32, edits: Vec<(u32, u32)>, whole: bool },
    /// The n-th running tick returns and publishes.
    Publish(usize),
    /// The n-th running tick returns without publishing.
    Abort(usize),
    /// A wrong length comes in from the n-th running tick.
    Garbage(usize),
    /// A packet takes the newest slot, uploading what the GPU is behind.
    Draw,
    /// The oldest packet is done.
    Drawn,
    /// The owner is replaced.
    Replace,
    /// The GPU's copies are gone.
    Lost,
}

fn step() -> impl Strategy<Value = Step> {
    let edit = (0..CAPACITY as u32, 0u32..24);
    prop_oneof![
        4 => ((0..=CAPACITY as u32 / 4), prop::collection::vec(edit, 0..4), prop::bool::weighted(0.2))
            .prop_map(|(n, edits, whole)| Step::Begin { len: n * 4, edits, whole }),
        4 => (0usize..4).prop_map(Step::Publish),
        1 => (0usize..4).prop_map(Step::Abort),
        1 => (0usize..4).prop_map(Step::Garbage),
        3 => Just(Step::Draw),
        3 => Just(Step::Drawn),
        1 => Just(Step::Replace),
        1 => Just(Step::Lost),
    ]
}

/// A tick that runs: it has written its slot and will say so.
struct Running {
    grant: Grant,
    publication: Publication,
    /// What a reader must see once this is published.
    want: Vec<u8>,
    /// The slot it read from, held by its record.
    read: Option<u8>,
    current: bool,
}

/// Real bytes beside the table: slots, the GPU's copy, and what readers must see.
struct Model {
    table: SlotTable,
    slots: Vec<[u8; CAPACITY]>,
    gpu: [u8; CAPACITY],
    latest: Vec<u8>,
    previous: Option<Vec<u8>>,
    running: Vec<Running>,
    packets: VecDeque<(u8, Vec<u8>)>,
    frame: u64,
    next_byte: u8,
    late: u32,
}

impl Model {
    fn new(history: bool) -> Self {
        Self {
            table: SlotTable::new(CAPACITY as u32, 4, history),
            slots: vec![[0xEE; CAPACITY]; usize::from(MAX_SLOTS)],
            gpu: [0xDD; CAPACITY],
            latest: Vec::new(),
            previous: None,
            running: Vec::new(),
            packets: VecDeque::new(),
            frame: 0,
            next_byte: 0,
            late: 0,
        }
    }

    fn begin(&mut self, len: u32, edits: &[(u32, u32)], whole: bool) -> Result<(), TestCaseError> {
        // One turn at a time for the current instance: what is still running belongs to replaced ones.
        if self.running.iter().any(|r| r.current) {
            self.frame += 1;
            self.late += 1;
            return Ok(());
        }
        self.frame += 1;
        let grant = self.table.grant(self.frame);
        if let Some(s) = grant.slot {
            let used = self.table.latest().map(|l| l.slot).into_iter();
            let used = used.chain(self.table.previous().map(|p| p.slot));
            let used = used.chain(self.running.iter().flat_map(|r| [r.grant.slot, r.read]).flatten());
            let mut used = used.chain(self.packets.iter().map(|p| p.0));
            prop_assert!(!used.any(|u| u == s), "slot {s} is in use");
        }
        let read = self.table.latest().map(|l| l.slot);
        if let Some(s) = read {
            self.table.hold(s);
        }
        let mut ranges = Vec::new();
        self.table.behind_into(&grant, &mut ranges);
        let mut scratch = [0xCC; CAPACITY];
        let source = read.map(|s| self.slots[usize::from(s)]);
        let slot = match grant.slot {
            Some(s) => &mut self.slots[usize::from(s)],
            None => &mut scratch,
        };
        let mut want = self.latest.clone();
        want.resize(len as usize, 0);
        let mut dirty = Vec::new();
        if whole {
            self.next_byte = self.next_byte.wrapping_add(1);
            slot[..len as usize].fill(self.next_byte);
            want.fill(self.next_byte);
        } else {
            for r in &ranges {
                let source = source.expect("behind something that was published");
                let r = r.start as usize..r.end as usize;
                slot[r.clone()].copy_from_slice(&source[r]);
            }
            // A growing array is filled by its writer.
            let old = self.latest.len();
            if len as usize > old {
                slot[old..len as usize].fill(0);
            }
            for (start, n) in edits {
                let range = *start.min(&len) as usize..(start + n).min(len) as usize;
                self.next_byte = self.next_byte.wrapping_add(1);
                slot[range.clone()].fill(self.next_byte);
                want[range.clone()].fill(self.next_byte);
                dirty.push((range.start as u32, range.end as u32));
            }
            if dirty.is_empty() {
                dirty.push((0, 0));
            }
        }
        self.running.push(Running {
            grant,
            publication: part(u64::from(len), &dirty),
            want,
            read,
            current: true,
        });
        Ok(())
    }

    fn end(&mut self, n: usize, how: &Step) -> Result<(), TestCaseError> {
        if self.running.is_empty() {
            return Ok(());
        }
        let r = self.running.remove(n % self.running.len());
        if let Some(s) = r.read {
            self.table.release(s);
        }
        let before = self.table.latest();
        match how {
            Step::Abort(_) => self.table.abort(&r.grant),
            Step::Garbage(_) => {
                let garbage = all(CAPACITY as u64 + 4);
                prop_assert!(self.table.publish(&r.grant, &garbage).is_err());
            }
            _ => {
                let result = self.table.publish(&r.grant, &r.publication);
                prop_assert_eq!(result.is_ok(), r.current && r.grant.slot.is_some());
                if result.is_ok() {
                    self.previous =
                        Some(std::mem::replace(&mut self.latest, r.want)).filter(|_| before.is_some());
                    prop_assert!(self.table.publish(&r.grant, &r.publication).is_err(), "counts once");
                    return Ok(());
                }
            }
        }
        prop_assert_eq!(self.table.latest(), before);
        Ok(())
    }

    fn draw(&mut self) -> Result<(), TestCaseError> {
        let Some(l) = self.table.latest() else { return Ok(()) };
        self.table.hold(l.slot);
        let mut ranges = Vec::new();
        self.table.take_gpu_behind_into(&mut ranges);
        for r in ranges {
            prop_assert!(r.start % 4 == 0 && r.end % 4 == 0 && r.end <= l.len);
            let r = r.start as usize..r.end as usize;
            self.gpu[r.clone()].copy_from_slice(&self.slots[usize::from(l.slot)][r]);
        }
        prop_assert_eq!(&self.gpu[..l.len as usize], &self.latest[..], "the GPU draws the newest bytes");
        self.packets.push_back((l.slot, self.latest.clone()));
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        if let Some(l) = self.table.latest() {
            prop_assert_eq!(&self.slots[usize::from(l.slot)][..l.len as usize], &self.latest[..]);
        }
        if let (Some(p), Some(want)) = (self.table.previous(), &self.previous) {
            prop_assert_eq!(&self.slots[usize::from(p.slot)][..p.len as usize], &want[..]);
        }
        for (slot, bytes) in &self.packets {
            prop_assert_eq!(
                &self.slots[usize::from(*slot)][..bytes.len()],
                &bytes[..],
                "a held slot changed"
            );
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    /// Real owners write real bytes by the rules: copy `behind`, change a part, say which. Whatever is late,
    /// aborted, wrong or replaced, readers, packets and the GPU see exactly the reference bytes.
    #[test]
    fn carry_forward_never_loses_a_byte_and_no_slot_in_use_is_granted(
        history in any::<bool>(),
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut m = Model::new(history);
        for s in &steps {
            match s {
                Step::Begin { len, edits, whole } => m.begin(*len, edits, *whole)?,
                Step::Publish(n) | Step::Abort(n) | Step::Garbage(n) => m.end(*n, s)?,
                Step::Draw => m.draw()?,
                Step::Drawn => {
                    if let Some((slot, _)) = m.packets.pop_front() {
                        m.table.release(slot);
                    }
                }
                Step::Replace => {
                    m.table.replace_instance();
                    for r in &mut m.running {
                        r.current = false;
                    }
                }
                Step::Lost => {
                    m.gpu = [0xDD; CAPACITY];
                    m.table.gpu_lost();
                }
            }
            m.check()?;
        }
    }
}

#[test]
fn going_back_makes_an_earlier_publication_the_newest_again() {
    let mut t = SlotTable::new(64, 4, true);
    for frame in 0..2 {
        let g = t.grant(frame);
        t.publish(&g, &all(64)).expect("valid");
    }
    let (latest, previous) = (t.latest(), t.previous());
    for p in [latest, previous].into_iter().flatten() {
        t.hold(p.slot);
    }
    let mut late = t.grant(2);
    for frame in 3..20 {
        t.publish(&late, &all(32)).expect("valid");
        late = t.grant(frame);
        assert!(![latest, previous].iter().flatten().any(|p| Some(p.slot) == late.slot), "held slots stay");
    }
    t.take_gpu_behind_into(&mut Vec::new());
    t.go_back(latest, previous);
    assert_eq!((t.latest(), t.previous()), (latest, previous));
    assert_eq!(t.publish(&late, &all(32)), Err(PublicationFault::Replaced), "of the one that is gone");
    let mut gpu = Vec::new();
    t.take_gpu_behind_into(&mut gpu);
    assert_eq!(gpu, [DirtyRange { start: 0, end: 64 }], "the GPU gets all of it again");
    let g = t.grant(40);
    assert_eq!(behind(&t, &g), [(0, 64)], "whatever the other left in a slot is not trusted");
    t.publish(&g, &all(64)).expect("frames only rise from what it went back to");
    for p in [latest, previous].into_iter().flatten() {
        t.release(p.slot);
    }
}
