//! Messages between the engine and the process of a cell, in the rings and in packets.
use super::Target;
use cell_abi::DirtyRange;
use engine_host::child_wire::{Answer, Packet, ToChild, ToHost, WirePort, WireRead, WireTurn, WireWrite};

pub(super) const TARGET: Target = Target { name: "wire", run: wire, seeds: wire_seeds, words: &[] };

fn wire_seeds() -> Vec<Vec<u8>> {
    let read = WireRead { region: 7, offset: 256, len: 1024, frame: 40 };
    let write = WireWrite { region: 8, offset: 0, capacity: 4096, header: 64, stamp: 3, behind: (0, 1) };
    let turn = WireTurn {
        kind: engine_host::cx::TurnKind::Tick,
        steps: 1,
        frame: 41,
        params: Some([1, 2, 3].into()),
        input: Some(cell_abi::InputFrame::default()),
        forget: vec![5],
        ports: vec![
            WirePort { read: Some(read), previous: Some(read), blend: 0.5, write: None },
            WirePort { read: None, previous: None, blend: 1.0, write: Some(write) },
        ],
        behind: vec![DirtyRange { start: 0, end: 64 }],
        ..WireTurn::default()
    };
    let mut all = Vec::new();
    for message in [ToChild::Turn, ToChild::Claim(3), ToChild::Restore([9; 20].into())] {
        let mut bytes = vec![0];
        let mut out = Vec::new();
        message.encode(&turn, &mut out);
        bytes.append(&mut out);
        all.push(bytes);
    }
    let answer = Answer {
        status: cell_abi::Status::OK,
        requests: 1,
        outbox: Vec::new(),
        passes: Some(vec![1; 40]),
        failure: Some("no".to_owned()),
        panic: Some(("it broke".to_owned(), "lib.rs".to_owned(), 7)),
        saved: Some(vec![2; 20]),
    };
    for message in
        [ToHost::Answer(answer), ToHost::Made(Err("no".to_owned())), ToHost::Asset("a.png".to_owned())]
    {
        let mut out = Vec::new();
        message.encode(&mut out);
        all.push([&[1], out.as_slice()].concat());
    }
    let hello = Packet::Hello {
        path: "/x.so".to_owned(),
        name: "x".to_owned(),
        log_level: cell_abi::LogLevel::WARN,
        mail: 64,
        rings: [65_792, 65_792],
    };
    let region = Packet::Region { region: 1, data: 4096, headers: 4096 };
    all.extend([hello, region].map(|p| [&[2], p.encode().as_slice()].concat()));
    all
}

/// The first byte says whose message it is.
fn wire(bytes: &[u8]) -> bool {
    let Some((who, bytes)) = bytes.split_first() else { return false };
    // What was read reads again as the same.
    match who % 3 {
        0 => {
            let (mut turn, mut out) = (WireTurn::default(), Vec::new());
            let Ok(message) = ToChild::decode(bytes, &mut turn) else { return false };
            message.encode(&turn, &mut out);
            let mut again = WireTurn::default();
            assert_eq!(ToChild::decode(&out, &mut again), Ok(message.clone()));
            let mut twice = Vec::new();
            message.encode(&again, &mut twice);
            assert_eq!(out, twice);
            let ranges = turn.behind.len() as u64;
            let inside = |w: &WireWrite| u64::from(w.behind.0) + u64::from(w.behind.1) <= ranges;
            assert!(
                message != ToChild::Turn || turn.ports.iter().filter_map(|p| p.write.as_ref()).all(inside)
            );
        }
        1 => {
            let Ok(message) = ToHost::decode(bytes) else { return false };
            let (mut out, mut twice) = (Vec::new(), Vec::new());
            message.encode(&mut out);
            ToHost::decode(&out).expect("its own bytes").encode(&mut twice);
            assert_eq!(out, twice);
        }
        _ => {
            let Ok(packet) = Packet::decode(bytes) else { return false };
            assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
        }
    }
    true
}
