//! The head of a message that belongs to a call or a signal.
//!
//! Such a message is mail like any other: 32 bytes of head, then the arguments or the answer as rkyv bytes, which so
//! lie on a 16-byte border. The host reads heads only: it knows which calls are open, answers those that nobody else
//! can, and hands signals to those who want them. What begins with other bytes is mail of the authors' own.

/// Who a message is for, the route it takes and the call it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageHead {
    /// What it is.
    pub kind: MessageKind,
    /// How a call ended; [`CallStatus::DONE`] in all but answers.
    pub status: CallStatus,
    /// Calls: after how many frames without an answer the host says [`CallStatus::TIMEOUT`].
    pub frames: u16,
    /// The caller's number of the call; 0 in signals. No two open calls of a cell have the same.
    pub id: u64,
    /// The route that is called, or the signal: see [`crate::Fingerprint::key`].
    pub route: [u8; 16],
}

/// What a message is.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageKind(pub u8);

impl MessageKind {
    /// Arguments, to the cell that is asked.
    pub const CALL: Self = Self(1);
    /// What comes back.
    pub const ANSWER: Self = Self(2);
    /// A signal: to the host, under no name, and from it to every cell that wants it.
    pub const SIGNAL: Self = Self(3);
    /// A wish to get a signal from now on: to the host, under no name.
    pub const SUBSCRIBE: Self = Self(4);
}

/// How a call ended.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallStatus(pub u8);

impl CallStatus {
    /// The route's answer follows, which may be an error of its own.
    pub const DONE: Self = Self(0);
    /// Host: nobody answered in time.
    pub const TIMEOUT: Self = Self(1);
    /// Host: the mailbox of the cell that is asked is full, or that of the caller for an answer of this length.
    pub const MAILBOX_FULL: Self = Self(2);
    /// Host: the instance that was asked is over.
    pub const CELL_RESTARTED: Self = Self(3);
    /// Host: no cell of the scene has that name, or none that the caller may send to.
    pub const NO_SUCH_CELL: Self = Self(4);
    /// The cell serves no route of this fingerprint. The names and fingerprints of those it has follow.
    pub const DRIFT: Self = Self(5);
    /// The route is right, but the arguments are none of it: the caller did not say the truth.
    pub const UNREADABLE: Self = Self(6);
    /// Host: the caller has too many open calls.
    pub const TOO_MANY: Self = Self(7);
    /// The answer did not fit into what the asked cell may send in one turn.
    pub const ANSWER_TOO_LARGE: Self = Self(8);
}

/// What heads begin with.
const MAGIC: [u8; 4] = [0xce, 0x11, 0xca, 0x11];

impl MessageHead {
    /// Its length in bytes.
    pub const BYTES: usize = 32;

    /// Returns the head's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        out[..4].copy_from_slice(&MAGIC);
        (out[4], out[5]) = (self.kind.0, self.status.0);
        out[6..8].copy_from_slice(&self.frames.to_le_bytes());
        out[8..16].copy_from_slice(&self.id.to_le_bytes());
        out[16..].copy_from_slice(&self.route);
        out
    }

    /// Returns the head of a message and what follows it; `None` for other mail.
    #[must_use]
    pub fn read(message: &[u8]) -> Option<(Self, &[u8])> {
        let (head, content) = message.split_first_chunk::<{ Self::BYTES }>()?;
        let (magic, rest) = head.split_first_chunk::<4>()?;
        let (&[kind, status, f0, f1], rest) = rest.split_first_chunk::<4>()?;
        let (id, route) = rest.split_first_chunk::<8>()?;
        let head = Self {
            kind: MessageKind(kind),
            status: CallStatus(status),
            frames: u16::from_le_bytes([f0, f1]),
            id: u64::from_le_bytes(*id),
            route: route.try_into().ok()?,
        };
        (*magic == MAGIC).then_some((head, content))
    }

    /// Returns whether a message has a head: whether it is no mail of the authors' own.
    #[must_use]
    pub fn is_in(message: &[u8]) -> bool {
        message.len() >= Self::BYTES && message.starts_with(&MAGIC)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: MessageHead = MessageHead {
        kind: MessageKind::ANSWER,
        status: CallStatus::DRIFT,
        frames: 0x1234,
        id: 0x0102_0304_0506_0708,
        route: [9; 16],
    };

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let mut message = HEAD.to_bytes().to_vec();
        message.extend(b"content");
        assert_eq!(MessageHead::read(&message), Some((HEAD, &b"content"[..])));
        assert!(MessageHead::is_in(&message));
        assert_eq!(message[..8], [0xce, 0x11, 0xca, 0x11, 2, 5, 0x34, 0x12]);
    }

    #[test]
    fn what_is_cut_or_begins_with_other_bytes_is_other_mail() {
        let bytes = HEAD.to_bytes();
        for n in 0..bytes.len() {
            assert!(MessageHead::read(&bytes[..n]).is_none() && !MessageHead::is_in(&bytes[..n]), "{n}");
        }
        for n in 0..MAGIC.len() {
            let mut other = bytes;
            other[n] ^= 1;
            assert!(MessageHead::read(&other).is_none() && !MessageHead::is_in(&other));
        }
    }
}
