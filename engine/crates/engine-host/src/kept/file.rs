//! The file of an instance's records: what they are of, the turns, and what was read. Little endian:
//!
//! | at | bytes | |
//! | --- | --- | --- |
//! | 0 | 8 | `CELLRECS` |
//! | 8 | 4 | the form of this file: 3 |
//! | 12 | 32 | BLAKE3 of all that follows |
//! | 44 | | [`Head`], the parts, the contents |
use super::{
    Lack, Part, Records, Starts, Terms,
    entries::{Known, read_turns},
    shown::is_hidden,
};
use crate::{
    child_wire::{
        WireError,
        codec::{Reader, Writer},
    },
    turn::SavedState,
};
use engine_scene::Grants;
use engine_sys::jail::Quotas;
use std::{collections::BTreeMap, sync::Arc};

const MAGIC: &[u8; 8] = b"CELLRECS";
const FORM: u32 = 3;
const HEAD: usize = 44;
/// The most bytes of a file that is read: more than is ever kept of a cell.
pub const MAX_BYTES: u64 = 256 << 20;

/// What records are of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The engine's version.
    pub engine: String,
    /// The cell's name in the scene.
    pub cell: String,
    /// The cell's crate or library, as the scene names it.
    pub library: String,
    /// The BLAKE3 hash of its library, in hexadecimal digits.
    pub build: String,
    /// The fingerprint of its port table's text.
    pub ports: String,
    /// The fingerprint of its saved state's shape; empty when it saves nothing.
    pub shape: String,
    /// Where it ran.
    pub placement: String,
    /// What it was allowed. A file may say anything: see [`Terms::of_stranger`].
    pub terms: Terms,
    /// How it ended.
    pub cause: String,
    /// The frame of its last turn.
    pub frame: u64,
}

/// Why bytes are no file of records.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// Something else.
    #[error("it is no file of records: it does not begin with `CELLRECS`")]
    NotRecords,
    /// A file of another engine.
    #[error("it has the form {found}; this engine reads form {FORM}: take the engine that wrote it")]
    Form {
        /// Its form.
        found: u32,
    },
    /// Bytes are missing, or others than were written.
    #[error("it is cut off or was changed: its content does not fit its checksum")]
    Damaged,
    /// The checksum fits, but it makes no sense.
    #[error(
        "its content makes no sense ({0}), though nothing of it is missing: it was not written by an engine"
    )]
    Content(#[from] WireError),
}

/// Returns the bytes of a file.
#[must_use]
pub fn write_records(head: &Head, records: &Records) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 << 16);
    out.extend(MAGIC);
    out.extend(FORM.to_le_bytes());
    out.extend([0; 32]);
    let mut w = Writer::append(&mut out);
    for text in head.texts() {
        w.text(text);
    }
    write_terms(&mut w, &head.terms);
    w.u64(head.frame);
    let mut turns = Vec::new();
    w.list(&records.parts, |w, part| {
        w.u8(match part.starts {
            Starts::Made(_) => 0,
            Starts::Saved(_) => 1,
            Starts::TakenOver(_) => 2,
            Starts::Cut(lack) => 3 + Lack::CUTS.iter().position(|l| *l == lack).unwrap_or_default() as u8,
        });
        w.option(part.starts.state(), |w, state| {
            w.u64(state.frame);
            w.bytes(&state.bytes);
        });
        turns.clear();
        let mut known = Known::default();
        for turn in &part.turns {
            turn.write(&mut Writer::append(&mut turns), &mut known);
        }
        w.bytes(&turns);
    });
    w.u32(records.contents.len() as u32);
    for (id, bytes) in &records.contents {
        w.u64(*id);
        w.bytes(bytes);
    }
    let hash = blake3::hash(&out[HEAD..]);
    out[12..HEAD].copy_from_slice(hash.as_bytes());
    out
}

impl Head {
    fn texts(&self) -> [&String; 8] {
        [
            &self.engine,
            &self.cell,
            &self.library,
            &self.build,
            &self.ports,
            &self.shape,
            &self.placement,
            &self.cause,
        ]
    }
}

fn write_terms(w: &mut Writer<'_>, terms: &Terms) {
    let q = &terms.quotas;
    [q.memory_bytes, q.shared_bytes].into_iter().for_each(|v| w.u64(v));
    [q.threads, q.descriptors, q.cpu_weight, terms.messages].into_iter().for_each(|v| w.u32(v));
    w.option(terms.grants.as_ref(), |w, g| {
        [&g.read, &g.write, &g.send, &g.assets].into_iter().for_each(|names| w.list(names, |w, n| w.text(n)));
    });
}

fn read_terms(r: &mut Reader<'_>) -> Result<Terms, WireError> {
    let (memory_bytes, shared_bytes) = (r.u64()?, r.u64()?);
    let (threads, descriptors, cpu_weight, messages) = (r.u32()?, r.u32()?, r.u32()?, r.u32()?);
    let quotas = Quotas { memory_bytes, shared_bytes, threads, descriptors, cpu_weight };
    let grants = r.option(|r| {
        let mut grants = Grants::default();
        for names in [&mut grants.read, &mut grants.write, &mut grants.send, &mut grants.assets] {
            r.list(names, |r| r.text().map(str::to_owned))?;
        }
        Ok(grants)
    })?;
    Ok(Terms { quotas, messages, grants })
}

/// Reads a file.
///
/// # Errors
/// [`RecordsError`]: whatever the bytes are, they are refused or understood.
pub fn read_records(bytes: &[u8]) -> Result<(Head, Records), RecordsError> {
    let begins_so = bytes.iter().zip(MAGIC).all(|(a, b)| a == b);
    if !begins_so || bytes.is_empty() {
        return Err(RecordsError::NotRecords);
    }
    let (fixed, content) = bytes.split_at_checked(HEAD).ok_or(RecordsError::Damaged)?;
    let form = u32::from_le_bytes(fixed[8..12].try_into().expect("a range of 4 bytes"));
    if form != FORM {
        return Err(RecordsError::Form { found: form });
    }
    if blake3::hash(content).as_bytes() != &fixed[12..HEAD] {
        return Err(RecordsError::Damaged);
    }
    read_content(content)
}

/// Reads what follows a file's checksum.
///
/// # Errors
/// [`RecordsError::Content`]: the checksum is no proof of an author.
pub fn read_content(content: &[u8]) -> Result<(Head, Records), RecordsError> {
    let mut r = Reader::new(content);
    let mut text = || r.text().map(str::to_owned);
    let mut head = Head {
        engine: text()?,
        cell: text()?,
        library: text()?,
        build: text()?,
        ports: text()?,
        shape: text()?,
        placement: text()?,
        cause: text()?,
        terms: Terms::default(),
        frame: 0,
    };
    // They are shown, and only the last may have several lines.
    let is_line = |text: &&String| text.chars().all(|c| !is_hidden(c) && c != '\n');
    if !head.texts()[..7].iter().all(is_line) || head.cause.chars().any(is_hidden) {
        return Err(WireError::Text.into());
    }
    head.terms = read_terms(&mut r)?;
    head.frame = r.u64()?;
    let mut records = Records::default();
    r.list(&mut records.parts, |r| {
        let kind = r.u8()?;
        let state = r.option(|r| Ok(SavedState { frame: r.u64()?, bytes: r.bytes()?.into() }))?;
        let starts = match (kind, state) {
            (0, state) => Starts::Made(state),
            (1, Some(state)) => Starts::Saved(state),
            (2, Some(state)) => Starts::TakenOver(state),
            (other, None) => {
                let lack = usize::from(other).checked_sub(3).and_then(|n| Lack::CUTS.get(n));
                Starts::Cut(*lack.ok_or(WireError::Tag(other))?)
            }
            (other, Some(_)) => return Err(WireError::Tag(other)),
        };
        Ok(Part { starts, turns: read_turns(r.bytes()?)? })
    })?;
    let mut contents: BTreeMap<u64, Arc<[u8]>> = BTreeMap::new();
    for _ in 0..r.u32()? {
        let id = r.u64()?;
        contents.insert(id, r.bytes()?.into());
    }
    records.contents = contents;
    let short = |read: &super::KeptRead| match read.content {
        super::Content::Kept(id) => {
            records.contents.get(&id).is_some_and(|bytes| bytes.len() != read.len as usize)
        }
        _ => false,
    };
    let turns = records.parts.iter().flat_map(|p| &p.turns);
    if turns.flat_map(|t| &t.ports).flat_map(|p| [p.read, p.previous]).flatten().any(|r| short(&r)) {
        return Err(WireError::Range.into());
    }
    r.end((head, records)).map_err(RecordsError::from)
}
