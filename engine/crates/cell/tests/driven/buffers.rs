//! Reading and writing buffer ports.
use super::*;

#[test]
fn what_a_tick_writes_is_published_under_its_frame() {
    let mut cell = probe("write");
    cell.tick().unwrap();
    cell.tick().unwrap();
    assert_eq!(cell.published(heard), [0.5, 0.02, 0.02]);
    let p = cell.publication(heard).unwrap();
    assert_eq!((p.frame, p.len_bytes, p.dirty_count), (1, 12, 0), "everything counts as changed");
    assert_eq!(cell.published(view), [Cam { view_proj: [[1.0; 4]; 4], eye: [2.0; 3], near: 3.0 }]);
    assert_eq!(cell.published(counts), [7, 8]);
}

#[test]
fn a_tick_that_writes_nothing_leaves_the_last_publication() {
    let mut cell = probe("write");
    cell.tick().unwrap();
    cell.set("mode", "");
    cell.tick().unwrap();
    assert!(cell.publication(heard).is_none(), "nothing under this tick's stamp");
    assert_eq!(cell.published(heard).len(), 3);
}

#[test]
fn updates_carry_forward_what_the_slot_is_behind() {
    let mut cell = probe("update");
    let mut expected: Vec<f32> = (0..40).map(|n| n as f32).collect();
    let dirty = |cell: &TestCell<Probe>| {
        let p = cell.publication(heard).unwrap();
        p.dirty[..p.dirty_count as usize].iter().map(|r| (r.start, r.end)).collect::<Vec<_>>()
    };
    cell.tick().unwrap();
    assert_eq!(cell.published(heard), expected);
    cell.tick().unwrap();
    expected[3..5].fill(-1.0);
    assert_eq!((cell.published(heard), dirty(&cell)), (expected.clone(), vec![(12, 20)]));
    cell.tick().unwrap();
    (expected[0], expected[39]) = (-2.0, -3.0);
    assert_eq!((cell.published(heard), dirty(&cell)), (expected.clone(), vec![(0, 4), (156, 160)]));
    cell.tick().unwrap();
    expected[20] = 120.0;
    assert_eq!((cell.published(heard), dirty(&cell)), (expected.clone(), vec![]));
    cell.tick().unwrap();
    assert!(cell.publication(heard).is_none(), "an empty range changes nothing");
    cell.tick().unwrap();
    assert_eq!(cell.published(heard), [0.0f32; 0], "an empty publication is one too");
    assert_eq!(cell.publication(heard).unwrap().len_bytes, 0);
}

#[test]
fn writing_too_much_or_inside_a_write_ends_the_tick_with_a_sentence_at_the_authors_line() {
    for (mode, says) in
        [("too much", "`heard` holds 64 elements, but 65"), ("nested", "is being written already")]
    {
        let Err(TurnError::Panicked(panic)) = probe(mode).tick() else { panic!("{mode}") };
        assert!(panic.message.contains(says), "{mode}: {panic}");
        assert!(panic.file.ends_with("driven/main.rs"), "{mode}: {panic}");
    }
}

#[test]
fn parallel_loops_reach_each_item_once_and_work_inside_a_slot() {
    let mut cell = probe("par");
    cell.tick().unwrap();
    assert_eq!(cell.published(heard), (0..10).map(|n| n as f32).collect::<Vec<_>>());
    let mut cell = probe("par in slot");
    cell.tick().unwrap();
    assert_eq!(cell.published(heard)[9], 18.0);
}

#[test]
fn ports_are_read_as_published_and_are_zero_before() {
    let mut cell = probe("read");
    let pose = |scale| Pose { at: [0.0; 3], scale };
    cell.tick().unwrap();
    assert_eq!(cell.published(heard), [0.0, 0.0, 0.0, 0.0, 1.0, -1.0, 0.0]);
    cell.feed(camera, &[Cam { view_proj: [[0.0; 4]; 4], eye: [0.0; 3], near: 0.25 }]);
    cell.feed(levels, &[1.0, 2.0, 3.0]);
    cell.feed(poses, &[pose(10.0)]);
    cell.tick().unwrap();
    assert_eq!(
        cell.published(heard),
        [0.25, 1.0, 10.0, 10.0, 1.0, 0.0, 3.0],
        "one publication is its own previous"
    );
    cell.feed(poses, &[pose(20.0)]);
    cell.blend = 0.5;
    cell.tick().unwrap();
    assert_eq!(cell.published(heard)[2..6], [10.0, 20.0, 0.5, 1.0]);
}
