//! Turns are written and read.
use super::*;

fn bytes_of(turns: &[KeptTurn]) -> Vec<u8> {
    let (mut out, mut known) = (Vec::new(), Known::default());
    turns.iter().for_each(|t| t.write(&mut Writer::append(&mut out), &mut known));
    out
}

#[test]
fn a_negative_zero_after_a_zero_is_read_as_one() {
    let turn = |zero: f32| {
        let port = KeptPort { blend: zero, ..KeptPort::default() };
        let mut turn = KeptTurn { ports: vec![port], ..KeptTurn::default() };
        turn.input.mouse_delta_px[1] = zero;
        turn
    };
    let read = read_turns(&bytes_of(&[turn(0.0), turn(-0.0)])).unwrap();
    let bits = |n: usize| [read[n].ports[0].blend, read[n].input.mouse_delta_px[1]].map(f32::to_bits);
    assert_eq!([bits(0), bits(1)], [[0; 2], [(-0.0_f32).to_bits(); 2]]);
}

#[test]
fn what_follows_from_the_turn_before_takes_no_room_and_all_is_read_as_it_was() {
    let read = KeptRead { slot: 3, len: 640, frame: 4, content: Content::Kept(9) };
    let still = KeptPort { read: Some(read), blend: 1.0, ..KeptPort::default() };
    let moving = |n: u64| {
        let write = KeptWrite { slot: Some((n % 3) as u8), stamp: n as u32, capacity: 64, behind: (0, 0) };
        KeptPort { write: Some(write), blend: 0.5, ..KeptPort::default() }
    };
    let turn = |n: u64| KeptTurn {
        work: Work { tick: true, ..Work::default() },
        frame: 100 + n,
        steps: 1,
        dt_ns: 1000,
        time_ns: 70 + 1000 * n,
        seed: n * 77,
        screen_px: [64, 36],
        params: vec![5; 300].into(),
        params_version: 2,
        ports: vec![still, still, moving(n)],
        end: Some(KeptEnd { ticked: true, went_on: true, ..KeptEnd::default() }),
        ..KeptTurn::default()
    };
    let mut turns: Vec<KeptTurn> = (0..20).map(turn).collect();
    let bytes = bytes_of(&turns);
    assert_eq!(read_turns(&bytes).unwrap(), turns);
    let [one, two] = [1, 2].map(|n| bytes_of(&turns[..n]).len());
    assert!(one > 400 && two - one < 40, "the first takes {one} bytes, the next {}", two - one);
    // Each by itself changes, and the one after it changes back.
    let changes: [fn(&mut KeptTurn); 10] = [
        |t| t.frame += 5,
        |t| t.steps = 2,
        |t| t.time_ns = 3,
        |t| t.screen_px[1] = 7,
        |t| (t.params, t.params_version) = (Arc::new([1]), 9),
        |t| t.input.buttons_down = 1,
        |t| t.ports.truncate(1),
        |t| t.behind.push(DirtyRange { start: 1, end: 2 }),
        |t| t.ports[1].blend = 0.25,
        |t| t.end = Some(KeptEnd { mail: 5, ..KeptEnd::default() }),
    ];
    changes.iter().zip(&mut turns[1..]).for_each(|(change, turn)| change(turn));
    turns.swap(3, 15);
    assert_eq!(read_turns(&bytes_of(&turns)).unwrap(), turns);
    // Who begins in the middle, or finds a port too many, has nothing to go by.
    assert!(read_turns(&bytes[one..]).is_err());
    let mut other = bytes_of(&[KeptTurn { ports: vec![still], ..turn(0) }]);
    let at = other.iter().rposition(|b| *b == END).unwrap() - 22;
    assert_eq!(other[at], 1, "the port");
    other[at] = SAME_PORT;
    assert!(read_turns(&other).is_err());
}
