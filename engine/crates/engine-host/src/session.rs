//! A whole run on record: what each cell published, drew and sent in each frame, to be compared with another run.
//!
//! The file holds a hash of each publication, pass list and message, and what changed in it, so that a difference can
//! be told to the byte. Past [`MOST_CONTENT`] only hashes are written. The pixels that came back from the GPU are the renderer's
//! items. A frame's hash is made of the one before and of its items: whose last hashes are the same, those runs are.
//!
//! | entry | tag | holds |
//! | --- | --- | --- |
//! | name | 1 | number, text |
//! | item | 2 | the cell's and the resource's name, frame of the tick, length, hash, what follows: nothing (0), the runs of bytes that changed (1), all bytes as runs, and the next item has no use for them (2) |
//! | frame | 3 | its number, its hash; the items before it are its own |
//! | end | 4 | nothing follows |
mod diff;
mod hash;
mod read;

pub use diff::{Comparison, DiffError, compare, compare_readers};
pub use hash::FrameHash;
pub use read::SessionError;

use crate::{graph::RENDERER, turn::Turn, world::World};
use engine_frame::{packet::SlotMemory as _, plan::BufferId, slots::Published};
use hash::{FrameHasher, ItemHash, item_hash};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

const MAGIC: &[u8; 8] = b"CELLSESS";
const FORM: u32 = 3;
/// Bytes that are compared together: one that changed brings these with it.
const BLOCK: usize = 64;
/// Bytes of content in a file; of what comes then there are only hashes.
pub const MOST_CONTENT: u64 = 2 << 30;

/// Receivers of mail, which a cell can make up, that are told apart.
const MOST_RECEIVERS: usize = 4096;

/// What an item is besides its hash.
const HASH: u8 = 0;
const CHANGES: u8 = 1;
const ALL: u8 = 2;

const NAME: u8 = 1;
const ITEM: u8 = 2;
const FRAME: u8 = 3;
const END: u8 = 4;

/// Writes a session. See the module's text.
pub struct Session {
    path: PathBuf,
    out: BufWriter<File>,
    names: BTreeMap<Arc<str>, u32>,
    /// The names by their numbers.
    texts: Vec<Arc<str>>,
    /// How many names are those of receivers of mail.
    receivers: usize,
    /// What was last written of each resource, by cell and resource.
    last: BTreeMap<(u32, u32), Vec<u8>>,
    /// The items of this frame, by line, cell and resource.
    items: Vec<Item>,
    /// The hash of the frame before.
    hash: FrameHash,
    content: u64,
    fault: Option<io::Error>,
}

struct Item {
    line: usize,
    cell: u32,
    resource: u32,
    tick: u64,
    bytes: Vec<u8>,
    /// It has nothing to do with the one before of that name.
    is_mail: bool,
}

impl Session {
    /// Begins the file at `path`. `about` says what runs, for people.
    ///
    /// # Errors
    /// The system's, when the file cannot be made.
    pub fn create(path: &Path, about: &str) -> io::Result<Self> {
        // What keys were pressed and what mail said is in it.
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        let mut out = BufWriter::new(file);
        out.write_all(MAGIC)?;
        out.write_all(&FORM.to_le_bytes())?;
        out.write_all(&(about.len() as u32).to_le_bytes())?;
        out.write_all(about.as_bytes())?;
        Ok(Self {
            path: path.to_owned(),
            out,
            names: BTreeMap::new(),
            texts: Vec::new(),
            receivers: 0,
            last: BTreeMap::new(),
            items: Vec::new(),
            hash: [0; 16],
            content: 0,
            fault: None,
        })
    }

    fn name(&mut self, name: &str) -> u32 {
        if let Some(number) = self.names.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        let text: Arc<str> = name.into();
        self.texts.push(Arc::clone(&text));
        self.names.insert(text, number);
        self.write(&[&[NAME], &number.to_le_bytes(), &(name.len() as u32).to_le_bytes(), name.as_bytes()]);
        number
    }

    fn add(&mut self, line: usize, cell: &str, resource: &str, tick: u64, bytes: &[u8]) {
        let (cell, resource) = (self.name(cell), self.name(resource));
        self.items.push(Item { line, cell, resource, tick, bytes: bytes.to_vec(), is_mail: false });
    }

    fn add_mail(&mut self, line: usize, cell: &str, to: &str, tick: u64, bytes: &[u8]) {
        let mut name = format!("its mail to {to}");
        if !self.names.contains_key(&*name) {
            self.receivers += 1;
            if self.receivers > MOST_RECEIVERS {
                "its mail to others".clone_into(&mut name);
            }
        }
        let (cell, resource) = (self.name(cell), self.name(&name));
        self.items.push(Item { line, cell, resource, tick, bytes: bytes.to_vec(), is_mail: true });
    }

    /// Writes the items that were added, as those of `frame`.
    fn end_frame(&mut self, frame: u64) {
        let mut items = std::mem::take(&mut self.items);
        // Turns return in any order, and names are numbered in the order in which they come.
        let text = |number: u32| &*self.texts[number as usize];
        items.sort_by(|a, b| {
            let names = |i: &Item| (text(i.cell), text(i.resource));
            a.line.cmp(&b.line).then_with(|| names(a).cmp(&names(b))).then(a.tick.cmp(&b.tick))
        });
        let mut frame_hash = FrameHasher::after(&self.hash);
        for item in items.drain(..) {
            let hash = item_hash(&item.bytes);
            let name = |number: u32| &*self.texts[number as usize];
            frame_hash.add(name(item.cell), name(item.resource), item.tick, item.bytes.len(), &hash);
            self.write_item(item, &hash);
        }
        self.items = items;
        self.hash = frame_hash.finish();
        let hash = self.hash;
        self.write(&[&[FRAME], &frame.to_le_bytes(), &hash]);
    }

    fn write_item(&mut self, item: Item, hash: &ItemHash) {
        let mut head = vec![ITEM];
        head.extend(item.cell.to_le_bytes());
        head.extend(item.resource.to_le_bytes());
        head.extend(item.tick.to_le_bytes());
        head.extend((item.bytes.len() as u32).to_le_bytes());
        head.extend(hash);
        let is_whole = self.content < MOST_CONTENT;
        head.push(match (is_whole, item.is_mail) {
            (false, _) => HASH,
            (true, false) => CHANGES,
            (true, true) => ALL,
        });
        if is_whole {
            let last = self.last.remove(&(item.cell, item.resource)).filter(|_| !item.is_mail);
            let mut last = last.unwrap_or_default();
            last.resize(item.bytes.len(), 0);
            let runs = changes(&last, &item.bytes);
            head.extend((runs.len() as u32).to_le_bytes());
            for run in runs {
                head.extend((run.start as u32).to_le_bytes());
                head.extend((run.len() as u32).to_le_bytes());
                head.extend(&item.bytes[run]);
            }
            self.content += head.len() as u64;
        }
        self.write(&[&head]);
        if is_whole && !item.is_mail {
            self.last.insert((item.cell, item.resource), item.bytes);
        }
    }

    fn write(&mut self, parts: &[&[u8]]) {
        if self.fault.is_none() {
            self.fault = parts.iter().try_for_each(|p| self.out.write_all(p)).err();
        }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// The system's, when something could not be written.
    fn finish(mut self) -> io::Result<Recorded> {
        self.write(&[&[END]]);
        match self.fault.take() {
            Some(error) => Err(error),
            None => self.out.flush().map(|()| Recorded { path: self.path, hash: self.hash }),
        }
    }
}

/// A session that was written whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its file.
    pub path: PathBuf,
    /// The hash of its last frame: that of another run is the same if all frames of both are.
    pub hash: FrameHash,
}

/// Returns where `new` differs from `old`, which has the same length.
fn changes(old: &[u8], new: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for (n, (a, b)) in old.chunks(BLOCK).zip(new.chunks(BLOCK)).enumerate() {
        let block = n * BLOCK..n * BLOCK + b.len();
        match runs.last_mut() {
            _ if a == b => {}
            Some(run) if run.end == block.start => run.end = block.end,
            _ => runs.push(block),
        }
    }
    runs
}

impl World {
    /// Puts what each cell makes from now on into `session`.
    pub fn record_session(&mut self, session: Session) {
        self.session = Some(session);
    }

    /// Ends the session, if there is one, and returns its file.
    ///
    /// # Errors
    /// The system's, when it could not be written whole.
    pub fn end_session(&mut self) -> io::Result<Option<Recorded>> {
        self.session.take().map(Session::finish).transpose()
    }

    /// Adds what came of a turn, whose slots have been settled.
    pub(crate) fn add_to_session(&mut self, n: usize, turn: &Turn) {
        let Some(session) = &mut self.session else { return };
        let entry = &self.cells[n];
        let tick = turn.record.frame;
        let ports = entry.built.as_ref().map(|b| &b.ports.ports[..]).unwrap_or_default();
        let writes = turn.record.ports.iter().zip(ports).filter_map(|(p, port)| Some((p.write?, port)));
        for (write, port) in writes.filter(|_| turn.outcome.ticked) {
            let published = self.book.latest(write.buffer).filter(|p| p.stamp() == write.stamp);
            let bytes =
                published.and_then(|p| turn.record.memory.bytes(write.buffer, p.slot, 0, u64::from(p.len)));
            if let Some(bytes) = bytes {
                session.add(n, &entry.name, &port.name, tick, bytes);
            }
        }
        if let Some(list) = &turn.outcome.passes {
            session.add(n, &entry.name, "its passes", tick, list);
        }
        for out in &turn.outcome.outbox {
            session.add_mail(n, &entry.name, &out.to, tick, &out.payload);
        }
    }

    /// Adds pixels that came back from the GPU and have been published.
    pub(crate) fn add_pixels_to_session(&mut self, buffer: BufferId, published: Published) {
        let Some(session) = &mut self.session else { return };
        let bytes = self.book.memory().bytes(buffer, published.slot, 0, u64::from(published.len));
        if let (Some(bytes), Some(contract)) = (bytes, self.contracts.buffer(buffer)) {
            session.add(usize::MAX, RENDERER, &contract.name, published.frame, bytes);
        }
    }

    /// Ends a frame of the session.
    pub(crate) fn end_session_frame(&mut self) {
        if let Some(session) = &mut self.session {
            session.end_frame(self.frame);
        }
    }
}

#[cfg(test)]
mod tests;
