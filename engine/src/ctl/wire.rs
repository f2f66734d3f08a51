//! Frames on a control socket: a head of 8 bytes (`ctl`, the version, the length of the body, little-endian), then the
//! body, which is JSON. What comes from the other end is not trusted: lengths are limited before anything is read,
//! and a whole frame has a time by which it must be there.
use serde::{Serialize, de::DeserializeOwned};
use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

/// The first bytes of a frame; the last of them is the version of the protocol.
const HEAD: [u8; 4] = *b"ctl\x01";
/// The longest request.
pub(super) const MAX_REQUEST: usize = 64 << 10;
/// The longest answer.
pub(super) const MAX_ANSWER: usize = 64 << 20;

/// Why a frame did not come or go.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// The other end has closed the connection between two frames.
    #[error("the connection was closed")]
    Closed,
    /// It ended within a frame.
    #[error("the connection ended within a message")]
    Cut,
    /// The frame did not come, or was not taken, in time.
    #[error("nothing came for {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// What came is no frame.
    #[error("what came is no message of `engine ctl`: it does not begin with `ctl`")]
    NoFrame,
    /// Another version of the protocol.
    #[error("it speaks version {0} of the protocol, this is version {own}; use `ctl` of the same build", own = HEAD[3])]
    Version(u8),
    /// The frame is too long.
    #[error("a message of {len} bytes is too long; at most {most} are taken")]
    TooLong {
        /// Its length.
        len: u32,
        /// The most.
        most: usize,
    },
    /// The body is not understood.
    #[error("a message is not understood: {0}")]
    Body(#[from] serde_json::Error),
    /// The system's error.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads a frame of at most `most` bytes that must be there within `time`.
pub(super) fn read<T: DeserializeOwned>(
    from: &UnixStream,
    most: usize,
    time: Duration,
) -> Result<T, WireError> {
    let until = Instant::now() + time;
    let mut head = [0; 8];
    fill(from, &mut head[..1], until, time).map_err(|e| match e {
        WireError::Cut => WireError::Closed,
        other => other,
    })?;
    // As soon as it is clear that it is none: who types into the socket need not type 8 letters.
    if head[0] != HEAD[0] {
        return Err(WireError::NoFrame);
    }
    fill(from, &mut head[1..], until, time)?;
    if head[..3] != HEAD[..3] {
        return Err(WireError::NoFrame);
    }
    if head[3] != HEAD[3] {
        return Err(WireError::Version(head[3]));
    }
    let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    if len as usize > most {
        return Err(WireError::TooLong { len, most });
    }
    let mut body = vec![0; len as usize];
    fill(from, &mut body, until, time)?;
    Ok(serde_json::from_slice(&body)?)
}

/// Writes a frame that must be taken within `time`.
pub(super) fn write(to: &UnixStream, what: &impl Serialize, time: Duration) -> Result<(), WireError> {
    let mut frame = [HEAD, [0; 4]].concat();
    serde_json::to_writer(&mut frame, what)?;
    let len = u32::try_from(frame.len() - 8).ok().filter(|len| *len as usize <= MAX_ANSWER);
    let too_long = WireError::TooLong { len: u32::MAX, most: MAX_ANSWER };
    frame[4..8].copy_from_slice(&len.ok_or(too_long)?.to_le_bytes());
    let until = Instant::now() + time;
    let (mut left, mut to) = (&frame[..], to);
    while !left.is_empty() {
        to.set_write_timeout(Some(remaining(until, time)?))?;
        match to.write(left) {
            Ok(0) => return Err(WireError::Cut),
            Ok(n) => left = &left[n..],
            Err(e) => judge(e, time)?,
        }
    }
    Ok(())
}

fn fill(mut from: &UnixStream, mut into: &mut [u8], until: Instant, time: Duration) -> Result<(), WireError> {
    while !into.is_empty() {
        from.set_read_timeout(Some(remaining(until, time)?))?;
        match from.read(into) {
            Ok(0) => return Err(WireError::Cut),
            Ok(n) => into = &mut into[n..],
            Err(e) => judge(e, time)?,
        }
    }
    Ok(())
}

fn remaining(until: Instant, time: Duration) -> Result<Duration, WireError> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(WireError::TimedOut(time)) } else { Ok(left) }
}

fn judge(error: io::Error, time: Duration) -> Result<(), WireError> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Err(WireError::TimedOut(time)),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Err(WireError::Cut),
        _ => Err(WireError::Io(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    /// Returns what comes of these bytes, after which the other end closes its side.
    fn read_of(bytes: &[u8]) -> Result<String, WireError> {
        let (mut a, b) = UnixStream::pair().unwrap();
        a.write_all(bytes).unwrap();
        a.shutdown(std::net::Shutdown::Write).unwrap();
        read(&b, 100, SOON)
    }

    #[test]
    fn what_is_written_is_read_and_what_is_no_frame_is_refused_with_the_reason() {
        let (a, b) = UnixStream::pair().unwrap();
        for text in ["", "hello", "\u{1F9EC}"] {
            write(&a, &text, SOON).unwrap();
            assert_eq!(read::<String>(&b, 100, SOON).unwrap(), text);
        }
        for (bytes, says) in [
            (&b""[..], "was closed"),
            (b"c", "within a message"),
            (b"ctl\x01\x05\0\0\0\"ab", "within a message"),
            (b"GET / HTTP/1.1\r\n", "does not begin with `ctl`"),
            (b"cats and", "does not begin with `ctl`"),
            (b"ctl\x07\x05\0\0\0", "version 7"),
            (b"ctl\x01\xff\xff\xff\xff", "4294967295 bytes is too long; at most 100"),
            (b"ctl\x01\x65\0\0\0", "101 bytes is too long"),
            (b"ctl\x01\x02\0\0\0{}", "not understood"),
            (b"ctl\x01\0\0\0\0", "not understood"),
        ] {
            let error = read_of(bytes).unwrap_err().to_string();
            assert!(error.contains(says), "{bytes:?}: {error}");
        }
    }

    #[test]
    fn a_silent_a_dripping_and_a_deaf_end_are_given_up() {
        let (_a, b) = UnixStream::pair().unwrap();
        assert!(matches!(read::<String>(&b, 100, SOON), Err(WireError::TimedOut(_))));
        let (mut a, b) = UnixStream::pair().unwrap();
        a.write_all(b"ctl\x01\0\0\x10\0").unwrap();
        let drip = std::thread::spawn(move || {
            // A byte now and then does not make the time longer.
            while a.write_all(b" ").is_ok() {
                std::thread::park_timeout(SOON / 10);
            }
        });
        assert!(matches!(read::<String>(&b, 1 << 20, SOON), Err(WireError::TimedOut(_))));
        drop(b);
        drip.join().unwrap();
        let (_a, b) = UnixStream::pair().unwrap();
        let large = "x".repeat(4 << 20);
        assert!(matches!(write(&b, &large, SOON), Err(WireError::TimedOut(_))));
    }
}
