//! What goes over a control socket: requests as the engine reads them, answers as `engine ctl` reads and shows them.
//!
//! They belong to the engine's binary, which is no library: its files are compiled here once more.
#[path = "../../../engine/src/ctl/protocol.rs"]
mod protocol;
#[path = "../../../engine/src/ctl/show.rs"]
mod show;
#[path = "../../../engine/src/ctl/wire.rs"]
mod wire;

use super::Target;
use protocol::{Answer, LogLine, LogPart, Request};
use serde::{Serialize, de::DeserializeOwned};
use std::{io::Write as _, net::Shutdown, os::unix::net::UnixStream, time::Duration};

pub(super) const REQUESTS: Target =
    Target { name: "ctl_requests", run: requests, seeds: request_seeds, words: WORDS };
pub(super) const ANSWERS: Target =
    Target { name: "ctl_answers", run: answers, seeds: answer_seeds, words: WORDS };

/// A watchdog: all bytes are there before the first one is read.
const SOON: Duration = Duration::from_secs(60);

const WORDS: &[&[u8]] = &[
    b"ctl\x01",
    b"\"who\"",
    b"\"metrics\"",
    b"{\"step\":",
    b"{\"capture\":\"",
    b"{\"log\":{\"after\":",
    b"{\"cell\":{\"name\":\"",
    b"\"command\":{\"move\":\"Process\"}",
    b"{\"graph\":",
    b"null",
    b"true",
    b"-1",
    b"18446744073709551615",
    b"1e308",
    b"1e999",
    b"\\ud800",
    b"\\u001b",
    b"[[[[[[[[",
    b"{\"a\":{\"a\":",
    b",",
    b"\"",
    b"}",
    b"]",
    b"\xff\xff\xff\xff",
];

/// Returns a frame with this body.
fn framed(body: &str) -> Vec<u8> {
    [b"ctl\x01", &(body.len() as u32).to_le_bytes()[..], body.as_bytes()].concat()
}

fn request_seeds() -> Vec<Vec<u8>> {
    let bodies = [
        "\"who\"",
        "\"pause\"",
        "{\"log\":{\"after\":7,\"cell\":\"camera\",\"wait\":true}}",
        "{\"capture\":\"/tmp/a.png\"}",
        "{\"step\":10}",
        "{\"cell\":{\"name\":\"a\",\"command\":\"swap\"}}",
        "{\"cell\":{\"name\":\"a\",\"command\":{\"move\":\"process\"}}}",
    ];
    bodies.map(framed).to_vec()
}

fn answer_seeds() -> Vec<Vec<u8>> {
    const WHO: &str = "{\"pid\":7,\"world\":\"Dusk\",\"scene\":\"/dusk.ron\",\"root\":\"/\"}";
    let load = "{\"last_us\":1.5,\"mean_us\":1.25,\"max_us\":9.0}";
    let swap = "{\"number\":1,\"cell\":\"a\",\"act\":\"swap\",\"standing\":\"refused\",\"frame\":3,\
        \"words\":\"it did not\",\"shadow\":null}";
    let cell = format!(
        "{{\"name\":\"a\",\"cell\":\"bloom\",\"state\":\"running\",\"why\":\"it hung\",\"placement\":\"process\",\"pid\":8,\
         \"build\":\"0123456789\",\"tick_us\":{load},\"gpu_us\":{load},\"shared_bytes\":1,\"sent\":2,\"received\":3,\
         \"dropped\":4,\"ticks\":5,\"late\":6,\"dropped_steps\":7,\"restarts\":8,\"zombies\":9,\"rss_bytes\":10,\
         \"cpu_ms\":11,\"swap\":{swap}}}"
    );
    let metrics = format!(
        "{{\"metrics\":{{\"engine\":{WHO},\"frame\":9,\"up_ms\":10,\"paused\":true,\"rss_bytes\":11,\"cpu_ms\":12,\
         \"cells\":[{cell}]}}}}"
    );
    let graph = "{\"graph\":{\"cells\":[{\"name\":\"a\",\"state\":\"late\"}],\"names\":[{\"name\":\"n\",\"kind\":\"buffer\",\
        \"writers\":[\"a\"],\"readers\":[\"a\"],\"now\":[]}],\"passes\":[{\"cell\":\"a\",\"label\":\"l\",\"computes\":true,\
        \"reads\":[\"n\"],\"writes\":[]}]}}";
    let log = "{\"log\":{\"newest\":5,\"lost\":1,\"lines\":[{\"cell\":\"a\",\"text\":\"hello\"}]}}";
    let bodies = [
        &format!("{{\"engine\":{WHO}}}"),
        &metrics,
        graph,
        log,
        "{\"done\":\"yes\"}",
        "{\"refused\":\"no\"}",
    ];
    bodies.map(framed).to_vec()
}

/// Returns what is read when these bytes come and then the connection ends.
fn read<T: DeserializeOwned + Serialize>(bytes: &[u8], most: usize) -> Option<T> {
    let (mut theirs, ours) = UnixStream::pair().expect("a pair of sockets");
    // More than a socket holds shows no more.
    theirs.write_all(&bytes[..bytes.len().min(64 << 10)]).expect("there is room");
    theirs.shutdown(Shutdown::Write).expect("it is open");
    match wire::read(&ours, most, SOON) {
        Ok(read) => Some(read),
        Err(error) => {
            let text = error.to_string();
            assert!(!text.is_empty() && text.len() < 2000, "{text}");
            assert!(!matches!(error, wire::WireError::TimedOut(_)), "it waits for what cannot come");
            None
        }
    }
}

/// Returns what is read of what is written.
fn again<T: DeserializeOwned + Serialize>(value: &T) -> T {
    let (theirs, ours) = UnixStream::pair().expect("a pair of sockets");
    wire::write(&theirs, value, SOON).expect("there is room");
    wire::read(&ours, wire::MAX_ANSWER, SOON).expect("its own bytes")
}

fn requests(bytes: &[u8]) -> bool {
    let Some(request) = read::<Request>(bytes, wire::MAX_REQUEST) else { return false };
    assert_eq!(format!("{:?}", again(&request)), format!("{request:?}"));
    true
}

fn answers(bytes: &[u8]) -> bool {
    let Some(answer) = read::<Answer>(bytes, wire::MAX_ANSWER) else { return false };
    match &answer {
        Answer::Metrics(m) => {
            let shown = [show::list(m), show::top(m, None), show::top(m, Some(m)), show::short(m)];
            assert!(shown.iter().all(|text| text.contains(&m.engine.world)));
        }
        Answer::Graph(g) => assert!(show::dot(g).starts_with("digraph") && show::graph(g).contains("passes")),
        Answer::Log(LogPart { lines, .. }) => {
            assert!(lines.iter().all(|LogLine { text, .. }| text.len() < bytes.len()));
        }
        Answer::Engine(_) | Answer::Done(_) | Answer::Refused(_) => {}
    }
    let _ = again(&answer);
    true
}
