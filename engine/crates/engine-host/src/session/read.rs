//! Reads a session, frame by frame; whatever its bytes are, it is understood or refused.
use super::{
    ALL, CHANGES, END, FORM, FRAME, HASH, ITEM, MAGIC, NAME,
    hash::{FrameHash, FrameHasher, item_hash},
};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

/// The most bytes of a resource or text: more than a buffer can have.
const MOST_BYTES: u32 = 1 << 30;
/// The most bytes of all resources that are held, and of the items of a frame: a file says in a few bytes that there are
/// many zeros.
pub(super) const MOST_HELD: u64 = 4 << 30;

/// Why a file is no session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Something else.
    #[error("it is no session: it does not begin with `CELLSESS`; `engine --record FILE` writes one")]
    NotSession,
    /// A file of another engine.
    #[error("it has the form {0}; this engine reads form {FORM}")]
    Form(u32),
    /// It makes no sense.
    #[error("it was changed: {0}")]
    Damaged(&'static str),
}

/// A resource in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) cell: String,
    pub(super) resource: String,
    pub(super) tick: u64,
    pub(super) hash: [u8; 16],
    /// Its bytes, where they are known.
    pub(super) bytes: Option<Vec<u8>>,
    pub(super) len: usize,
}

/// A frame.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) number: u64,
    pub(super) items: Vec<Seen>,
    /// Made of the items and of the frame before's.
    pub(super) hash: FrameHash,
}

pub(super) struct Sessions<R> {
    from: R,
    pub(super) about: String,
    names: BTreeMap<u32, String>,
    contents: BTreeMap<(u32, u32), Option<Vec<u8>>>,
    /// Bytes of the contents, and of the items of the frame under way; and how many there may be.
    held: u64,
    seen: u64,
    most: u64,
    /// The hash of the frame before.
    hash: FrameHash,
    /// Whether the file was read to its proper end.
    pub(super) ended: bool,
}

impl Sessions<BufReader<File>> {
    pub(super) fn open(path: &Path) -> Result<Self, SessionError> {
        Self::new(BufReader::new(File::open(path)?), MOST_HELD)
    }
}

impl<R: Read> Sessions<R> {
    /// Reads a session that holds at most `most` bytes of resources at a time.
    pub(super) fn new(mut from: R, most: u64) -> Result<Self, SessionError> {
        let mut head = [0; 12];
        let read = read_up_to(&mut from, &mut head)?;
        if read < head.len() || !head.starts_with(MAGIC) {
            return Err(SessionError::NotSession);
        }
        let form = u32::from_le_bytes(head[8..].try_into().expect("a range of 4 bytes"));
        if form != FORM {
            return Err(SessionError::Form(form));
        }
        let mut session = Self {
            from,
            about: String::new(),
            names: BTreeMap::new(),
            contents: BTreeMap::new(),
            held: 0,
            seen: 0,
            most,
            hash: [0; 16],
            ended: false,
        };
        session.about = session.text().map_err(|e| e.unwrap_or(SessionError::NotSession))?;
        Ok(session)
    }

    /// Returns the next frame; `None` at the end, or where the file is cut off.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, SessionError> {
        match self.read() {
            Ok(frame) => Ok(frame),
            Err(None) => Ok(None),
            Err(Some(error)) => Err(error),
        }
    }

    fn read(&mut self) -> Result<Option<Frame>, Option<SessionError>> {
        let mut items = Vec::new();
        self.seen = 0;
        loop {
            match self.array::<1>()?[0] {
                NAME => {
                    let number = self.u32()?;
                    let text = self.text()?;
                    self.names.insert(number, text);
                }
                ITEM => items.push(self.item()?),
                FRAME => {
                    let number = self.u64()?;
                    let mut hash = FrameHasher::after(&self.hash);
                    for s in &items {
                        hash.add(&s.cell, &s.resource, s.tick, s.len, &s.hash);
                    }
                    self.hash = hash.finish();
                    if self.array::<16>()? != self.hash {
                        return Err(Some(SessionError::Damaged("the items of a frame do not fit its hash")));
                    }
                    return Ok(Some(Frame { number, items, hash: self.hash }));
                }
                END => {
                    self.ended = true;
                    return Ok(None);
                }
                _ => return Err(Some(SessionError::Damaged("it has an unknown entry"))),
            }
        }
    }

    fn item(&mut self) -> Result<Seen, Option<SessionError>> {
        let damaged = |what| Some(SessionError::Damaged(what));
        let key = (self.u32()?, self.u32()?);
        let (tick, len) = (self.u64()?, self.u32()?);
        let hash = self.array()?;
        if len > MOST_BYTES {
            return Err(damaged("a resource is too long"));
        }
        let kind = self.array::<1>()?[0];
        if kind > ALL {
            return Err(damaged("it has an unknown kind of item"));
        }
        let before = self.contents.remove(&key);
        self.held -= before.as_ref().map_or(0, |b| b.as_ref().map_or(0, |b| b.len() as u64));
        let mut bytes = None;
        if kind != HASH {
            let before = if kind == CHANGES { before.unwrap_or(Some(Vec::new())) } else { Some(Vec::new()) };
            let mut whole = before.ok_or_else(|| damaged("content comes after hashes"))?;
            self.seen += u64::from(len);
            if self.seen > self.most || self.held + u64::from(len) > self.most {
                return Err(damaged("its resources are longer than any world's"));
            }
            whole.resize(len as usize, 0);
            for _ in 0..self.u32()? {
                let (start, count) = (self.u32()? as usize, self.u32()? as usize);
                let run = start.checked_add(count).and_then(|end| whole.get_mut(start..end));
                let run = run.ok_or_else(|| damaged("bytes lie outside of their resource"))?;
                self.from.read_exact(run).map_err(cut_or)?;
            }
            if item_hash(&whole) != hash {
                return Err(damaged("the bytes of a resource do not fit their hash"));
            }
            bytes = Some(whole);
        }
        if kind != ALL {
            self.held += bytes.as_ref().map_or(0, |b| b.len() as u64);
            self.contents.insert(key, bytes.clone());
        }
        let name = |n| self.names.get(&n).cloned().ok_or_else(|| damaged("a name is missing"));
        let (cell, resource) = (name(key.0)?, name(key.1)?);
        Ok(Seen { cell, resource, tick, hash, bytes, len: len as usize })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Option<SessionError>> {
        let mut out = [0; N];
        self.from.read_exact(&mut out).map_err(cut_or)?;
        Ok(out)
    }

    fn u32(&mut self) -> Result<u32, Option<SessionError>> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, Option<SessionError>> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn text(&mut self) -> Result<String, Option<SessionError>> {
        let len = self.u32()?;
        let mut bytes = Vec::new();
        // Memory is taken for what is there, not for what the file says.
        let read = self.from.by_ref().take(u64::from(len.min(MOST_BYTES))).read_to_end(&mut bytes);
        if read.map_err(cut_or)? < len as usize {
            return Err(None);
        }
        String::from_utf8(bytes).map_err(|_| Some(SessionError::Damaged("a text is no UTF-8")))
    }
}

/// Returns `None` where the file is cut off.
fn cut_or(error: io::Error) -> Option<SessionError> {
    (error.kind() != io::ErrorKind::UnexpectedEof).then_some(SessionError::Io(error))
}

fn read_up_to(from: &mut impl Read, to: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < to.len() {
        match from.read(&mut to[read..])? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}
