use super::*;
use crate::{cx::TurnKind, record::Letter};
use cell_abi::{DirtyRange, InputFrame};
use engine_frame::plan::CellLine;
use std::sync::Arc;

fn turn() -> WireTurn {
    let read = WireRead { region: 7, offset: 65_536, len: 48, frame: 40 };
    WireTurn {
        kind: TurnKind::Tick,
        steps: 2,
        frame: 41,
        dt_ns: 16_666_666,
        time_ns: 683_333_333,
        seed: u64::MAX,
        screen_px: [64, 36],
        params_version: 3,
        params: Some(Arc::from(&b"\x01\x02\x03\x04"[..])),
        input: Some(InputFrame {
            keys_down: [1, 1 << 40],
            wheel_lines: [0.5, -1.0],
            focused: 1,
            ..InputFrame::default()
        }),
        forget: vec![1, 2],
        ports: vec![
            WirePort { blend: 1.0, ..WirePort::default() },
            WirePort {
                read: Some(read),
                previous: Some(WireRead { frame: 39, ..read }),
                blend: 0.25,
                write: None,
            },
            WirePort {
                read: Some(read),
                previous: None,
                blend: 1.0,
                write: Some(WireWrite {
                    region: 7,
                    offset: 0,
                    capacity: 1 << 33,
                    header: 128,
                    stamp: 9,
                    behind: (1, 1),
                }),
            },
        ],
        behind: vec![DirtyRange { start: 0, end: 4 }, DirtyRange { start: 8, end: 16 }],
        mail: vec![
            Letter {
                line: CellLine(0),
                from: "ears".into(),
                sequence: 5,
                payload: vec![u128::MAX, 3],
                len: 17,
            },
            Letter { line: CellLine(0), from: "".into(), sequence: 6, payload: vec![], len: 0 },
        ],
    }
}

fn texts() -> Vec<ToHost> {
    let desc = SealDesc { size: 24, kind: SealKind::TEXTURE_2D, format: 1, width: 2, height: 3, mips: 4 };
    let empty = Answer {
        status: Status::OK,
        requests: 0,
        outbox: vec![],
        passes: None,
        failure: None,
        panic: None,
        saved: None,
    };
    let full = Answer {
        status: Status::PANICKED,
        requests: 18,
        outbox: vec![
            Outgoing { to: "a".into(), payload: vec![1, 2, 3] },
            Outgoing { to: "b".into(), payload: vec![] },
        ],
        passes: Some(vec![9; 300]),
        failure: Some("no".to_owned()),
        panic: Some(("oh".to_owned(), "lib.rs".to_owned(), 12)),
        saved: Some(vec![5; 70]),
    };
    vec![
        ToHost::Made(Ok(())),
        ToHost::Made(Err("it panicked".to_owned())),
        ToHost::Mapped(4),
        ToHost::Answer(empty),
        ToHost::Answer(full),
        ToHost::Log {
            level: LogLevel::WARN,
            target: "bloom".to_owned(),
            message: "Grüße".to_owned(),
            file: "lib.rs".to_owned(),
            line: 1,
        },
        ToHost::Asset("city.glb".to_owned()),
        ToHost::Filled,
        ToHost::Thread(77),
        ToHost::Seal { desc, len: 1 << 30 },
    ]
}

fn packets() -> Vec<Packet> {
    vec![
        Packet::Hello {
            path: "/t/libbloom.so".to_owned(),
            name: "bloom".to_owned(),
            log_level: LogLevel::DEBUG,
            mail: 64,
            rings: [262_400, 1280],
        },
        Packet::Region { region: 3, data: 1 << 32, headers: 4096 },
        Packet::Asset { len: 0, version: 2 },
        Packet::SealMemory { len: 1 },
        Packet::Sealed { id: u64::MAX },
        Packet::Refused { status: Status::NOT_FOUND, why: "there is no such file".to_owned() },
    ]
}

/// Debug text, because not all that a record holds can be compared.
fn shown(message: ToChild, turn: &WireTurn) -> String {
    format!("{message:?} {turn:?}")
}

#[test]
fn messages_arrive_as_they_were_sent() {
    let (mut bytes, mut read) = (Vec::new(), WireTurn::default());
    ToChild::Turn.encode(&turn(), &mut bytes);
    let message = ToChild::decode(&bytes, &mut read).unwrap();
    assert_eq!(shown(message, &read), shown(ToChild::Turn, &turn()));
    let state = Arc::from(&b"state"[..]);
    for message in
        [ToChild::Claim(77), ToChild::NewThread, ToChild::Stop, ToChild::Save, ToChild::Restore(state)]
    {
        message.encode(&turn(), &mut bytes);
        assert_eq!(ToChild::decode(&bytes, &mut read), Ok(message));
    }
    for message in texts() {
        message.encode(&mut bytes);
        assert_eq!(format!("{:?}", ToHost::decode(&bytes).unwrap()), format!("{message:?}"));
    }
    for packet in packets() {
        assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
    }
}

#[test]
fn a_quiet_turn_is_short() {
    let mut bytes = Vec::new();
    let quiet =
        WireTurn { kind: TurnKind::Tick, ports: turn().ports, behind: turn().behind, ..WireTurn::default() };
    ToChild::Turn.encode(&quiet, &mut bytes);
    assert!(bytes.len() < 256, "{} bytes", bytes.len());
}

/// Every prefix, every changed byte and every extra byte is refused or read as another message, without a panic and
/// without believing a length.
#[test]
fn garbage_is_refused() {
    let mut all: Vec<Vec<u8>> = packets().iter().map(Packet::encode).collect();
    for message in texts() {
        all.push(Vec::new());
        message.encode(all.last_mut().unwrap());
    }
    all.push(Vec::new());
    ToChild::Turn.encode(&turn(), all.last_mut().unwrap());
    all.push(Vec::new());
    ToChild::Restore(Arc::from(&b"state"[..])).encode(&turn(), all.last_mut().unwrap());
    let mut read = WireTurn::default();
    let mut decode = |bytes: &[u8]| {
        (
            ToChild::decode(bytes, &mut read).is_err(),
            ToHost::decode(bytes).is_err(),
            Packet::decode(bytes).is_err(),
        )
    };
    for bytes in &all {
        for len in 0..bytes.len() {
            decode(&bytes[..len]);
        }
        for at in 0..bytes.len() {
            for value in [0, 1, 2, 127, 255] {
                let mut changed = bytes.clone();
                changed[at] = value;
                decode(&changed);
            }
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        decode(&longer);
    }
    assert_eq!(decode(&[]), (true, true, true));
    assert_eq!(ToHost::decode(&[9]).map(|_| ()), Err(WireError::Tag(9)));
    assert_eq!(ToHost::decode(&[6, 0]).map(|_| ()), Err(WireError::Long(1)));
    assert_eq!(ToHost::decode(&[4, 255, 255, 255, 255]).map(|_| ()), Err(WireError::Short));
    assert_eq!(ToHost::decode(&[4, 1, 0, 0, 0, 255]).map(|_| ()), Err(WireError::Text));
}

#[test]
fn a_record_cannot_name_ranges_that_are_not_there() {
    let mut bytes = Vec::new();
    let mut bad = turn();
    bad.ports[2].write.as_mut().unwrap().behind = (1, u32::MAX);
    ToChild::Turn.encode(&bad, &mut bytes);
    assert_eq!(ToChild::decode(&bytes, &mut WireTurn::default()), Err(WireError::Range));
}

#[test]
fn an_outbox_of_more_messages_than_any_cell_may_send_is_not_read() {
    let answer = |count: u32| {
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out);
        w.u8(2);
        w.u32(0);
        w.u32(0);
        w.u32(count);
        // Of each message two empty texts, and then nothing more.
        (0..2 * count + 1).for_each(|_| w.u32(0));
        ToHost::decode(&out).map(|_| ())
    };
    assert_eq!(answer(MAX_OUTBOX), Ok(()));
    assert_eq!(answer(MAX_OUTBOX + 1), Err(WireError::Many(MAX_OUTBOX + 1)));
}
