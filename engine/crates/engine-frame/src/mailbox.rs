//! Mail between cells: sent in frame F, handed over in F+1, ordered by (sender's line, sequence).
//!
//! A turn collects what it sends in an [`Outbox`]; the host drains it at commit into the receivers'
//! [`Mailbox`]es. Both are bounded, neither allocates once it has its size. Answers to open calls ([`crate::calls`])
//! have room of their own in the caller's box, whatever else is in it.
use crate::plan::CellLine;
use std::ops::Range;

/// A block of payload: payloads start on 16-byte borders, which is what decoding in place needs.
const BLOCK: usize = size_of::<u128>();

/// How much a box takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxLimits {
    /// Messages.
    pub messages: usize,
    /// Bytes of all payloads, each rounded up to 16.
    pub bytes: usize,
}

impl Default for BoxLimits {
    fn default() -> Self {
        Self { messages: 1024, bytes: 1 << 20 }
    }
}

/// Why a message was not sent: try again in a later turn, or send less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the outbox is full: one turn can send {} messages with {} bytes", .limits.messages, .limits.bytes)]
pub struct OutboxFull {
    /// What fits.
    pub limits: BoxLimits,
}

/// Bytes of many payloads, one after the other.
#[derive(Clone, Debug, Default)]
struct Payloads {
    blocks: Vec<u128>,
}

impl Payloads {
    fn bytes(&self) -> usize {
        self.blocks.len() * BLOCK
    }

    /// Appends a payload; its place is what [`Payloads::get`] takes.
    fn push(&mut self, payload: &[u8]) -> Range<usize> {
        let start = self.bytes();
        self.blocks.resize(self.blocks.len() + payload.len().div_ceil(BLOCK), 0);
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut self.blocks);
        bytes[start..start + payload.len()].copy_from_slice(payload);
        start..start + payload.len()
    }

    fn get(&self, place: Range<usize>) -> &[u8] {
        &bytemuck::cast_slice(&self.blocks)[place]
    }
}

/// What one turn sends.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    limits: BoxLimits,
    messages: Vec<(CellLine, Range<usize>)>,
    payloads: Payloads,
}

impl Outbox {
    /// Returns an empty outbox.
    #[must_use]
    pub fn new(limits: BoxLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Queues a message.
    ///
    /// # Errors
    /// [`OutboxFull`]; nothing was queued.
    pub fn send(&mut self, to: CellLine, payload: &[u8]) -> Result<(), OutboxFull> {
        let bytes = self.payloads.bytes() + payload.len().next_multiple_of(BLOCK);
        if self.messages.len() >= self.limits.messages || bytes > self.limits.bytes {
            return Err(OutboxFull { limits: self.limits });
        }
        let place = self.payloads.push(payload);
        self.messages.push((to, place));
        Ok(())
    }

    /// Returns the messages in the order in which they were sent.
    pub fn iter(&self) -> impl Iterator<Item = (CellLine, &[u8])> {
        self.messages.iter().map(|(to, place)| (*to, self.payloads.get(place.clone())))
    }

    /// Empties the outbox: its mail was handed on, or its tick failed.
    pub fn clear(&mut self) {
        self.messages.clear();
        self.payloads.blocks.clear();
    }
}

/// A message that a turn is handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mail<'a> {
    /// The sender's line in the scene.
    pub from: CellLine,
    /// The sender's count of messages so far, starting with 0.
    pub sequence: u64,
    /// The bytes as sent, aligned to 16.
    pub payload: &'a [u8],
}

#[derive(Clone, Debug)]
struct Message {
    from: CellLine,
    sequence: u64,
    place: Range<usize>,
    is_answer: bool,
}

#[derive(Clone, Debug, Default)]
struct Batch {
    messages: Vec<Message>,
    payloads: Payloads,
    answers: Taken,
}

/// What the answers of a batch take of it.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    messages: usize,
    bytes: usize,
}

impl Batch {
    fn clear(&mut self) {
        self.messages.clear();
        self.payloads.blocks.clear();
        self.answers = Taken::default();
    }

    /// Returns what the messages that are no answers take.
    fn others(&self) -> Taken {
        Taken {
            messages: self.messages.len() - self.answers.messages,
            bytes: self.payloads.bytes() - self.answers.bytes,
        }
    }

    fn iter(&self) -> impl ExactSizeIterator<Item = Mail<'_>> {
        self.messages.iter().map(|m| Mail {
            from: m.from,
            sequence: m.sequence,
            payload: self.payloads.get(m.place.clone()),
        })
    }

    fn push(&mut self, from: CellLine, sequence: u64, is_answer: bool, payload: &[u8]) {
        let place = self.payloads.push(payload);
        if is_answer {
            self.answers.messages += 1;
            self.answers.bytes += payload.len().next_multiple_of(BLOCK);
        }
        self.messages.push(Message { from, sequence, place, is_answer });
    }
}

/// The mail of one cell.
///
/// Two batches: one that a turn reads, and one that collects. [`Mailbox::open`] begins a turn: the collected
/// mail is handed over whole, so a turn sees nothing that arrives while it runs.
#[derive(Clone, Debug, Default)]
pub struct Mailbox {
    limits: BoxLimits,
    reading: Batch,
    collecting: Batch,
    dropped: u64,
}

impl Mailbox {
    /// Returns an empty mailbox.
    #[must_use]
    pub fn new(limits: BoxLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Puts a message in; it is handed over at the next [`Mailbox::open`]. When the box is full, the message is
    /// dropped and counted, and `false` is returned.
    pub fn deliver(&mut self, from: CellLine, sequence: u64, payload: &[u8]) -> bool {
        let (batch, bytes) = (&mut self.collecting, payload.len().next_multiple_of(BLOCK));
        let others = batch.others();
        if others.messages >= self.limits.messages || others.bytes + bytes > self.limits.bytes {
            self.dropped += 1;
            return false;
        }
        batch.push(from, sequence, false, payload);
        true
    }

    /// Puts the answer to an open call in. Answers take no room from other mail, nor that from them; how many there can
    /// be is bounded by the calls. When those that wait are too long together, the answer is not taken, and `false` is
    /// returned; one of `short` bytes at most always is.
    pub fn deliver_answer(&mut self, from: CellLine, sequence: u64, payload: &[u8], short: usize) -> bool {
        let (batch, bytes) = (&mut self.collecting, payload.len().next_multiple_of(BLOCK));
        let fits = payload.len() <= short || batch.answers.bytes + bytes <= self.limits.bytes;
        if fits {
            batch.push(from, sequence, true, payload);
        }
        fits
    }

    /// Returns the mail that waits for the next turn, in the order in which it came.
    pub fn waiting(&self) -> impl Iterator<Item = Mail<'_>> {
        self.collecting.iter()
    }

    /// Begins a turn: forgets the mail of the one before, and hands over what was collected since, ordered by
    /// (sender's line, sequence).
    pub fn open(&mut self) {
        self.reading.clear();
        std::mem::swap(&mut self.reading, &mut self.collecting);
        self.reading.messages.sort_unstable_by_key(|m| (m.from, m.sequence));
    }

    /// Takes the mail of the current turn back, which does not begin: the next one gets it. However full the box is,
    /// nothing of it is dropped.
    pub fn give_back(&mut self) {
        for m in self.reading.messages.drain(..) {
            let payload = self.reading.payloads.get(m.place.clone());
            self.collecting.push(m.from, m.sequence, m.is_answer, payload);
        }
        self.reading.clear();
    }

    /// Gives the senders of waiting mail the lines that `new_line` returns; mail of senders for which it returns none
    /// is dropped: they left the scene. Answers stay, since somebody waits for them: they come from `own` then, the
    /// line of the cell whose box it is.
    pub fn renumber(&mut self, own: CellLine, new_line: impl Fn(CellLine) -> Option<CellLine>) {
        self.collecting.messages.retain_mut(|m| {
            let line = new_line(m.from).or(m.is_answer.then_some(own));
            line.map(|line| m.from = line).is_some()
        });
    }

    /// Returns whether mail waits for the next turn.
    #[must_use]
    pub fn has_mail(&self) -> bool {
        !self.collecting.messages.is_empty()
    }

    /// Returns the mail of the current turn, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Mail<'_>> {
        self.reading.iter()
    }

    /// Returns how many messages were dropped because the box was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waiting_mail_follows_its_sender_to_another_line_and_goes_with_it() {
        let mut b = Mailbox::default();
        b.deliver(CellLine(1), 0, b"stays");
        b.deliver(CellLine(2), 0, b"gone");
        b.renumber(CellLine(0), |line| (line == CellLine(1)).then_some(CellLine(7)));
        b.open();
        let all: Vec<_> = b.iter().map(|m| (m.from, m.payload.to_vec())).collect();
        assert_eq!(all, [(CellLine(7), b"stays".to_vec())]);
    }

    #[test]
    fn an_answer_stays_when_the_cell_that_was_asked_leaves() {
        let mut b = Mailbox::default();
        assert!(b.deliver_answer(CellLine(2), 0, b"answer", 32) && b.deliver(CellLine(2), 1, b"gone"));
        b.renumber(CellLine(4), |_| None);
        assert!(b.deliver(CellLine(1), 0, b"later"), "what the box holds is still counted right");
        b.open();
        let all: Vec<_> = b.iter().map(|m| (m.from, m.payload.to_vec())).collect();
        assert_eq!(all, [(CellLine(1), b"later".to_vec()), (CellLine(4), b"answer".to_vec())]);
    }

    #[test]
    fn mail_comes_with_the_next_turn_and_only_then() {
        let mut m = Mailbox::default();
        m.deliver(CellLine(1), 0, b"one");
        assert_eq!(m.iter().len(), 0);
        assert!(m.has_mail());
        m.open();
        m.deliver(CellLine(0), 0, b"two");
        assert_eq!(m.iter().map(|m| m.payload.to_vec()).collect::<Vec<_>>(), [b"one"]);
        m.open();
        assert_eq!(m.iter().map(|m| m.payload.to_vec()).collect::<Vec<_>>(), [b"two"]);
        m.open();
        assert_eq!(m.iter().len(), 0);
    }

    #[test]
    fn a_full_box_drops_and_counts_and_a_full_outbox_says_so() {
        let limits = BoxLimits { messages: 2, bytes: 64 };
        let mut m = Mailbox::new(limits);
        assert!(m.deliver(CellLine(0), 0, &[1; 17]));
        assert!(!m.deliver(CellLine(0), 1, &[1; 33]), "17 bytes take 32, so 32 are left");
        assert!(m.deliver(CellLine(0), 2, &[1; 32]));
        assert!(!m.deliver(CellLine(0), 3, &[]), "two messages are the limit");
        assert_eq!(m.dropped(), 2);
        m.open();
        assert_eq!(m.iter().map(|m| m.sequence).collect::<Vec<_>>(), [0, 2]);
        let mut o = Outbox::new(limits);
        assert_eq!(o.send(CellLine(0), &[0; 65]), Err(OutboxFull { limits }));
        assert_eq!(o.send(CellLine(0), &[0; 64]), Ok(()));
        assert!(o.send(CellLine(0), &[0; 1]).is_err());
        o.clear();
        assert_eq!(o.iter().count(), 0);
        assert_eq!(o.send(CellLine(0), &[0; 1]), Ok(()));
    }

    #[test]
    fn answers_and_other_mail_take_no_room_from_each_other() {
        let limits = BoxLimits { messages: 1, bytes: 64 };
        let mut m = Mailbox::new(limits);
        assert!(m.deliver(CellLine(1), 0, &[1; 64]));
        assert!(m.deliver_answer(CellLine(1), 1, &[2; 48], 32));
        assert!(!m.deliver_answer(CellLine(1), 2, &[3; 48], 32), "their bytes are bounded too");
        assert!(m.deliver_answer(CellLine(1), 3, &[4; 32], 32), "but a short one always fits");
        assert_eq!(m.waiting().map(|m| m.sequence).collect::<Vec<_>>(), [0, 1, 3]);
        m.open();
        m.give_back();
        assert!(!m.deliver(CellLine(1), 4, &[]), "what is given back takes what it took before");
        m.open();
        assert_eq!((m.iter().len(), m.dropped()), (3, 1));
        assert!(m.deliver(CellLine(1), 5, &[1; 64]), "and a new turn has all of it again");
    }

    #[test]
    fn mail_that_is_given_back_comes_with_the_next_turn_even_when_the_box_is_full() {
        let limits = BoxLimits { messages: 2, bytes: 64 };
        let mut m = Mailbox::new(limits);
        assert!(m.deliver(CellLine(3), 0, b"late") && m.deliver(CellLine(3), 1, b"too"));
        m.open();
        assert!(m.deliver(CellLine(1), 0, &[1; 32]) && m.deliver(CellLine(1), 1, &[2; 32]));
        m.give_back();
        assert_eq!((m.iter().len(), m.dropped()), (0, 0));
        assert!(!m.deliver(CellLine(1), 2, b"more"), "it is fuller than full");
        m.open();
        let all: Vec<_> = m.iter().map(|m| (m.from.0, m.sequence, m.payload.len())).collect();
        assert_eq!(all, [(1, 0, 32), (1, 1, 32), (3, 0, 4), (3, 1, 3)]);
    }

    proptest! {
        #[test]
        fn any_order_of_delivery_is_read_in_one_order(
            mut sent in prop::collection::vec((0u32..5, prop::collection::vec(any::<u8>(), 0..40)), 0..60),
            swaps in prop::collection::vec((any::<usize>(), any::<usize>()), 0..60),
        ) {
            sent.sort_by_key(|m| m.0);
            let mut sequence = [0_u64; 5];
            let numbered: Vec<(CellLine, u64, Vec<u8>)> = sent
                .into_iter()
                .map(|(from, payload)| {
                    sequence[from as usize] += 1;
                    (CellLine(from), sequence[from as usize] - 1, payload)
                })
                .collect();
            let mut arriving = numbered.clone();
            for (a, b) in swaps {
                if let n @ 1.. = arriving.len() {
                    arriving.swap(a % n, b % n);
                }
            }
            let mut m = Mailbox::default();
            for (from, sequence, payload) in &arriving {
                m.deliver(*from, *sequence, payload);
            }
            m.open();
            let read: Vec<_> = m.iter().map(|m| (m.from, m.sequence, m.payload.to_vec())).collect();
            prop_assert_eq!(read, numbered);
            for mail in m.iter() {
                prop_assert_eq!(mail.payload.as_ptr() as usize % 16, 0);
            }
        }
    }
}
