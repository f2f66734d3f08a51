use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

fn ring(capacity: usize) -> (RingProducer, RingConsumer, MapRw) {
    let memfd = create_ring("test", capacity).unwrap();
    (
        RingProducer::attach(&memfd).unwrap(),
        RingConsumer::attach(&memfd).unwrap(),
        MapRw::new(&memfd).unwrap(),
    )
}

fn poke_u32(map: &MapRw, payload_offset: usize, value: u32) {
    map.copy_in(&value.to_le_bytes(), HEADER_LEN + payload_offset).unwrap();
}

const TAIL: usize = 64;
const HEAD: usize = 128;

#[test]
fn sizes_seals_and_claims_are_checked() {
    for bad in [0, 32, 100, (1 << 30) + 1, usize::MAX] {
        assert!(matches!(create_ring("bad", bad), Err(RingAttachError::BadSize { .. })));
    }
    let unsealed = Memfd::create("unsealed", 64 + HEADER_LEN).unwrap();
    assert!(matches!(RingProducer::attach(&unsealed), Err(RingAttachError::SizeNotSealed)));
    let memfd = create_ring("claims", 64).unwrap();
    let _producer = RingProducer::attach(&memfd).unwrap();
    assert!(matches!(RingProducer::attach(&memfd), Err(RingAttachError::Taken { end: "writing" })));
    let _consumer = RingConsumer::attach(&memfd).unwrap();
    assert!(matches!(RingConsumer::attach(&memfd), Err(RingAttachError::Taken { end: "reading" })));
}

#[test]
fn the_longest_message_fits_wherever_the_empty_ring_stands() {
    let (mut tx, mut rx, _) = ring(256);
    let mut out = Vec::new();
    let max = tx.max_message();
    assert_eq!(tx.try_push(&[&vec![0; max + 1]]), Err(PushError::TooLarge { len: max + 1, max }));
    for step in 0..64u8 {
        tx.try_push(&[&[step; 50], &vec![step; max - 50]]).unwrap();
        assert!(rx.try_pop(&mut out).unwrap());
        assert_eq!(out, vec![step; max]);
        tx.try_push(&[]).unwrap(); // moves the start by one grain
        assert!(rx.try_pop(&mut out).unwrap());
        assert!(out.is_empty());
    }
    assert!(!rx.try_pop(&mut out).unwrap());
}

#[test]
fn positions_that_cannot_be_are_errors() {
    let mut out = Vec::new();
    for tail in [8u64, 272, u64::MAX, 1 << 40] {
        let (_tx, mut rx, map) = ring(256);
        map.copy_in(&tail.to_le_bytes(), TAIL).unwrap();
        assert_eq!(rx.try_pop(&mut out), Err(RingCorrupt::Position { own: 0, peer: tail }));
    }
    for head in [8u64, 80, u64::MAX, 1 << 40] {
        let (mut tx, _rx, map) = ring(64);
        tx.try_push(&[&[1; 16]]).unwrap(); // 32 of 64 bytes
        map.copy_in(&head.to_le_bytes(), HEAD).unwrap();
        tx.try_push(&[&[1; 16]]).unwrap(); // fits without a look at the peer's position
        assert_eq!(
            tx.try_push(&[&[1; 16]]),
            Err(PushError::Corrupt(RingCorrupt::Position { own: 64, peer: head }))
        );
    }
}

#[test]
fn lengths_and_markers_that_cannot_be_are_errors() {
    let mut out = Vec::new();
    for len in [17, 113, 4096, WRAP - 1] {
        let (mut tx, mut rx, map) = ring(256);
        tx.try_push(&[&[1; 16]]).unwrap();
        poke_u32(&map, 0, len);
        assert_eq!(rx.try_pop(&mut out), Err(RingCorrupt::Length { len, position: 0, available: 32 }));
    }
    // A marker at the start, and one with nothing behind it.
    let (mut tx, mut rx, map) = ring(256);
    tx.try_push(&[&[1; 16]]).unwrap();
    poke_u32(&map, 0, WRAP);
    assert_eq!(rx.try_pop(&mut out), Err(RingCorrupt::WrapMarker { position: 0 }));
    poke_u32(&map, 0, 16);
    assert!(rx.try_pop(&mut out).unwrap());
    tx.try_push(&[&[1; 16]]).unwrap();
    poke_u32(&map, 32, WRAP);
    assert_eq!(rx.try_pop(&mut out), Err(RingCorrupt::WrapMarker { position: 32 }));
    // A marker that leads to a marker.
    let (mut tx, mut rx, map) = ring(64);
    tx.try_push(&[]).unwrap();
    tx.try_push(&[&[1; 16]]).unwrap();
    while rx.try_pop(&mut out).unwrap() {}
    tx.try_push(&[&[2; 16]]).unwrap();
    poke_u32(&map, 0, WRAP);
    assert!(matches!(rx.try_pop(&mut out), Err(RingCorrupt::Length { len: WRAP, .. })));
}

proptest! {
    /// Whatever is pushed and popped, in whatever turns, comes out as from a queue; nothing is refused that would fit.
    #[test]
    fn any_sequence_comes_out_equal(
        log_capacity in 6u32..11,
        turns in prop::collection::vec((any::<bool>(), 0usize..600, any::<u8>()), 1..200),
    ) {
        let (mut tx, mut rx, _) = ring(1 << log_capacity);
        let mut model = VecDeque::new();
        let mut out = Vec::new();
        for (push, size, fill) in turns {
            if push {
                let message = vec![fill; size % (tx.max_message() + 1)];
                let (a, b) = message.split_at(size.min(message.len()) / 3);
                match tx.try_push(&[a, b]) {
                    Ok(()) => model.push_back(message),
                    Err(PushError::Full) => prop_assert!(!model.is_empty()),
                    Err(error) => return Err(TestCaseError::fail(error.to_string())),
                }
            } else {
                let expected = model.pop_front();
                prop_assert_eq!(rx.try_pop(&mut out).unwrap(), expected.is_some());
                if let Some(expected) = expected {
                    prop_assert_eq!(&out, &expected);
                }
            }
        }
    }

    /// A peer that writes anything anywhere gets messages within bounds or an error, and never a panic or an endless loop.
    #[test]
    fn garbage_is_an_error_or_a_message_within_bounds(
        garbage in prop::collection::vec((0usize..(512 / 4), prop_oneof![any::<u32>(), 0u32..200, Just(WRAP)]), 0..40),
        tail in prop_oneof![any::<u64>(), (0u64..20).prop_map(|grains| grains * 16)],
    ) {
        let (mut tx, mut rx, map) = ring(256);
        for (word, value) in garbage {
            map.copy_in(&value.to_le_bytes(), word * 4).unwrap();
        }
        map.copy_in(&tail.to_le_bytes(), TAIL).unwrap();
        let mut out = Vec::new();
        for _ in 0..17 {
            match rx.try_pop(&mut out) {
                Ok(true) => prop_assert!(out.len() <= 112),
                Ok(false) | Err(_) => break,
            }
        }
        for _ in 0..17 {
            if tx.try_push(&[&[1; 16]]).is_err() { break; }
        }
    }
}

/// A peer that changes a length again and again while it is looked at: it is taken once, checked, then used.
#[test]
fn a_length_that_changes_while_it_is_read_is_one_of_those_it_was() {
    const HUGE: u32 = 1 << 31;
    let (mut popped, mut refused) = (0, 0);
    // Until both have come, which the test runner's watchdog bounds: on one processor it may take a while.
    while popped < 200 || refused < 200 {
        let (mut tx, mut rx, map) = ring(256);
        tx.try_push(&[&[7; 40]]).unwrap();
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    for len in [HUGE, 40, 8, WRAP, 40, 0] {
                        poke_u32(&map, 0, len);
                    }
                }
            });
            let mut out = Vec::new();
            for _ in 0..1000 {
                match rx.try_pop(&mut out) {
                    Ok(true) => {
                        assert!([0, 8, 40].contains(&out.len()), "{}", out.len());
                        popped += 1;
                        break;
                    }
                    Ok(false) => break,
                    Err(_) => refused += 1,
                }
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }
}

#[test]
fn a_million_messages_arrive_in_order() {
    const COUNT: u64 = 1_000_000;
    let (mut tx, mut rx, _) = ring(1 << 14);
    let writer = std::thread::spawn(move || {
        let filler = [0x5A; 64];
        for i in 0..COUNT {
            let parts: [&[u8]; 2] = [&i.to_le_bytes(), &filler[..(i % 65) as usize]];
            while tx.try_push(&parts) == Err(PushError::Full) {
                std::thread::yield_now();
            }
        }
    });
    let mut out = Vec::new();
    for i in 0..COUNT {
        while !rx.try_pop(&mut out).unwrap() {
            std::thread::yield_now();
        }
        assert_eq!(out[..8], i.to_le_bytes());
        assert_eq!(out.len() as u64, 8 + i % 65);
        assert!(out[8..].iter().all(|b| *b == 0x5A));
    }
    writer.join().unwrap();
}

#[test]
fn no_wake_is_lost_in_a_ping_pong() {
    const ROUNDS: u64 = 20_000;
    // A watchdog only: a lost wake would hang here for good.
    let patience = Some(Duration::from_secs(120));
    let (mut to, mut inbox, _) = ring(64);
    let (mut back, mut answers, _) = ring(64);
    let echo = std::thread::spawn(move || {
        let mut out = Vec::new();
        for round in 0..ROUNDS {
            assert_eq!(inbox.wait(patience, (round % 3) as u32 * 50), WaitOutcome::Ready);
            assert!(inbox.try_pop(&mut out).unwrap());
            back.try_push(&[&out]).unwrap();
            back.wake();
        }
    });
    let mut out = Vec::new();
    for round in 0..ROUNDS {
        to.try_push(&[&round.to_le_bytes()]).unwrap();
        to.wake();
        assert_eq!(answers.wait(patience, 0), WaitOutcome::Ready);
        assert!(answers.try_pop(&mut out).unwrap());
        assert_eq!(out, round.to_le_bytes());
    }
    echo.join().unwrap();
}

#[test]
fn waiting_ends_by_time_too() {
    let (_tx, mut rx, _) = ring(64);
    let start = Instant::now();
    assert_eq!(rx.wait(Some(Duration::from_millis(20)), 10), WaitOutcome::TimedOut);
    assert!(start.elapsed() >= Duration::from_millis(20));
}
