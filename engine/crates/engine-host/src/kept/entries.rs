//! The bytes of kept turns.
//!
//! A turn is two entries: what it was given, and what came of it. Input and parameters are there when they are not
//! those of the turn before.
use super::{
    sum::sum,
    turns::{Content, KeptAsset, KeptEnd, KeptPort, KeptPublication, KeptRead, KeptTurn, KeptWrite},
};
use crate::{
    child_wire::{
        WireError,
        codec::{Reader, Writer},
    },
    cx::Outgoing,
    memory::SLOTS,
    record::{Letter, Record, SlotRead},
    turn::Work,
};
use cell_abi::{DirtyRange, InputFrame};
use engine_frame::plan::CellLine;
use std::sync::Arc;

const BEGIN: u8 = 1;
const END: u8 = 2;
/// Stands for [`Content::Own`].
const OWN: u64 = u64::MAX;
/// Stands for [`Content::Lost`].
const LOST: u64 = u64::MAX - 1;
/// Stands for scratch memory.
const SCRATCH: u8 = u8::MAX;

/// What an entry leaves out because the reader knows it from the turn before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    pub(super) input: Option<InputFrame>,
    pub(super) params: Option<u64>,
}

/// Writes what a turn of `record` is given; `content` says where what it reads is.
pub(super) fn write_begin(
    w: &mut Writer<'_>,
    known: &mut Known,
    record: &Record,
    work: Work,
    makes: bool,
    mut content: impl FnMut(usize, &SlotRead) -> Content,
) {
    let input = (known.input != Some(record.input)).then_some(record.input);
    let params = (known.params != Some(record.params_version)).then(|| Arc::clone(&record.params));
    (known.input, known.params) = (Some(record.input), Some(record.params_version));
    let numbers = [record.frame, record.dt_ns, record.time_ns, record.seed, record.params_version];
    write_head(w, flags(work, makes, false), record.steps, numbers, record.screen_px);
    w.option(params.as_ref(), |w, p| w.bytes(p));
    w.option(input.as_ref(), |w, i| w.input(i));
    w.u32(record.ports.len() as u32);
    for (n, p) in record.ports.iter().enumerate() {
        let mut read = |r: &SlotRead| KeptRead {
            slot: r.slot,
            len: u32::try_from(r.len).unwrap_or(u32::MAX),
            frame: r.frame,
            content: content(n, r),
        };
        let write = p.write.map(|s| KeptWrite {
            slot: s.slot,
            stamp: s.stamp,
            capacity: record.memory.get(s.buffer).map_or(0, |m| m.part.capacity as u32),
            behind: s.behind,
        });
        let (newest, previous) = (p.read.as_ref().map(&mut read), p.previous.as_ref().map(&mut read));
        write_port(w, &KeptPort { read: newest, previous, blend: p.blend, write });
    }
    write_behind_and_mail(w, &record.behind, &record.mail);
}

/// Writes what each turn has, at once: this is done for each tick of each cell.
fn write_head(w: &mut Writer<'_>, flags: u8, steps: u32, numbers: [u64; 5], screen_px: [u32; 2]) {
    let mut head = [0; 54];
    (head[0], head[1]) = (BEGIN, flags);
    head[2..6].copy_from_slice(&steps.to_le_bytes());
    for (n, v) in numbers.iter().enumerate() {
        head[6 + 8 * n..14 + 8 * n].copy_from_slice(&v.to_le_bytes());
    }
    head[46..50].copy_from_slice(&screen_px[0].to_le_bytes());
    head[50..].copy_from_slice(&screen_px[1].to_le_bytes());
    w.raw(&head);
}

fn flags(work: Work, makes: bool, again: bool) -> u8 {
    let all = [work.load, work.tick, work.passes, work.save, makes, again];
    all.iter().enumerate().fold(0, |flags, (n, is)| flags | u8::from(*is) << n)
}

/// The bit of [`flags`] for a load that is kept again.
pub(super) const AGAIN: u8 = 1 << 5;

fn write_port(w: &mut Writer<'_>, p: &KeptPort) {
    let has =
        [p.read.is_some(), p.previous.is_some(), p.write.is_some(), p.blend.to_bits() != 1.0_f32.to_bits()];
    w.u8(has.iter().enumerate().fold(0, |flags, (n, is)| flags | u8::from(*is) << n));
    if has[3] {
        w.f32(p.blend);
    }
    for r in [&p.read, &p.previous].into_iter().flatten() {
        let content = match r.content {
            Content::Own => OWN,
            Content::Lost => LOST,
            Content::Kept(id) => id,
        };
        let mut all = [0; 21];
        all[0] = r.slot;
        all[1..5].copy_from_slice(&r.len.to_le_bytes());
        all[5..13].copy_from_slice(&r.frame.to_le_bytes());
        all[13..].copy_from_slice(&content.to_le_bytes());
        w.raw(&all);
    }
    if let Some(s) = &p.write {
        let mut all = [0; 17];
        all[0] = s.slot.unwrap_or(SCRATCH);
        for (n, v) in [s.stamp, s.capacity, s.behind.0, s.behind.1].iter().enumerate() {
            all[1 + 4 * n..5 + 4 * n].copy_from_slice(&v.to_le_bytes());
        }
        w.raw(&all);
    }
}

fn write_behind_and_mail(w: &mut Writer<'_>, behind: &[DirtyRange], mail: &[Letter]) {
    w.list(behind, |w, r| {
        w.u32(r.start);
        w.u32(r.end);
    });
    w.list(mail, |w, l| {
        w.u32(l.line.0);
        w.text(&l.from);
        w.u64(l.sequence);
        w.words(&l.payload, l.len);
    });
}

/// Returns the sum of all messages of a turn; 0 of none.
pub(super) fn mail_sum(outbox: &[Outgoing]) -> u64 {
    let message =
        |all: u64, m: &Outgoing| all.rotate_left(7) ^ sum(m.to.as_bytes()) ^ sum(&m.payload).rotate_left(32);
    outbox.iter().fold(0, message)
}

/// Writes what came of a turn.
pub(super) fn write_end(w: &mut Writer<'_>, end: &KeptEnd) {
    w.u8(END);
    w.u8(u8::from(end.ticked) | u8::from(end.went_on) << 1);
    w.u64(end.mail);
    w.list(&end.publications, |w, p| {
        w.u32(p.port);
        w.u64(p.len);
        w.option(p.sum.as_ref(), |w, s| w.u64(*s));
    });
    w.list(&end.assets, |w, a| {
        w.text(&a.path);
        w.option(a.hash.as_ref(), |w, h| w.bytes(h));
    });
}

impl KeptTurn {
    /// Writes it for a reader who knows `known`.
    pub(super) fn write(&self, w: &mut Writer<'_>, known: &mut Known) {
        let input = (known.input != Some(self.input)).then_some(self.input);
        let params = (known.params != Some(self.params_version)).then_some(&self.params);
        (known.input, known.params) = (Some(self.input), Some(self.params_version));
        let numbers = [self.frame, self.dt_ns, self.time_ns, self.seed, self.params_version];
        write_head(w, flags(self.work, self.makes, self.again), self.steps, numbers, self.screen_px);
        w.option(params, |w, p| w.bytes(p));
        w.option(input.as_ref(), |w, i| w.input(i));
        w.u32(self.ports.len() as u32);
        self.ports.iter().for_each(|p| write_port(w, p));
        write_behind_and_mail(w, &self.behind, &self.mail);
        if let Some(end) = &self.end {
            write_end(w, end);
        }
    }
}

/// Reads turns to the end of `bytes`.
///
/// # Errors
/// [`WireError`] when the bytes are no turns.
pub(super) fn read_turns(bytes: &[u8]) -> Result<Vec<KeptTurn>, WireError> {
    let mut turns: Vec<KeptTurn> = Vec::new();
    let mut r = Reader::new(bytes);
    let mut params: Option<(u64, Arc<[u8]>)> = None;
    let mut input: Option<InputFrame> = None;
    while !r.is_empty() {
        match r.u8()? {
            BEGIN => turns.push(read_begin(&mut r, &mut params, &mut input)?),
            END => {
                let end = read_end(&mut r)?;
                // Each turn ends once.
                let turn = turns.last_mut().filter(|t| t.end.is_none()).ok_or(WireError::Tag(END))?;
                let ports = turn.ports.len() as u64;
                if end.publications.iter().any(|p| u64::from(p.port) >= ports) {
                    return Err(WireError::Range);
                }
                turn.end = Some(end);
            }
            other => return Err(WireError::Tag(other)),
        }
    }
    Ok(turns)
}

fn read_begin(
    r: &mut Reader<'_>,
    known_params: &mut Option<(u64, Arc<[u8]>)>,
    known_input: &mut Option<InputFrame>,
) -> Result<KeptTurn, WireError> {
    let flags = r.u8()?;
    let is = |n: u8| flags & 1 << n != 0;
    let mut turn = KeptTurn {
        work: Work { load: is(0), tick: is(1), passes: is(2), save: is(3) },
        makes: is(4),
        again: is(5),
        steps: r.u32()?,
        ..KeptTurn::default()
    };
    for v in [&mut turn.frame, &mut turn.dt_ns, &mut turn.time_ns, &mut turn.seed, &mut turn.params_version] {
        *v = r.u64()?;
    }
    turn.screen_px = [r.u32()?, r.u32()?];
    if let Some(params) = r.option(|r| Ok(r.bytes()?.into()))? {
        *known_params = Some((turn.params_version, params));
    }
    turn.params = match known_params {
        Some((version, params)) if *version == turn.params_version => Arc::clone(params),
        _ => return Err(WireError::Range),
    };
    *known_input = r.option(Reader::input)?.or(*known_input);
    turn.input = known_input.ok_or(WireError::Range)?;
    r.list(&mut turn.ports, read_port)?;
    r.list(&mut turn.behind, |r| Ok(DirtyRange { start: r.u32()?, end: r.u32()? }))?;
    r.list(&mut turn.mail, |r| {
        let (line, from, sequence) = (CellLine(r.u32()?), r.text()?.into(), r.u64()?);
        let (payload, len) = r.words()?;
        Ok(Letter { line, from, sequence, payload, len })
    })?;
    if turn.ports.iter().all(|p| is_sound(p, &turn.behind)) { Ok(turn) } else { Err(WireError::Range) }
}

/// Returns whether all that the port says lies within what it speaks of.
fn is_sound(port: &KeptPort, behind: &[DirtyRange]) -> bool {
    let is_slot = |slot: u8| usize::from(slot) < SLOTS;
    let reads = [port.read, port.previous].into_iter().flatten().all(|r| is_slot(r.slot));
    let writes = port.write.is_none_or(|w| {
        let (first, count) = (w.behind.0 as usize, w.behind.1 as usize);
        let ranges = first.checked_add(count).and_then(|end| behind.get(first..end));
        // It is copied from what the port reads.
        let most = port.read.map_or(0, |r| r.len).min(w.capacity);
        ranges.is_some_and(|all| all.iter().all(|r| r.start <= r.end && r.end <= most))
            && w.slot.is_none_or(is_slot)
    });
    reads && writes
}

fn read_port(r: &mut Reader<'_>) -> Result<KeptPort, WireError> {
    let flags = r.u8()?;
    let blend = if flags & 8 != 0 { r.f32()? } else { 1.0 };
    let read = |r: &mut Reader<'_>| {
        let (slot, len, frame) = (r.u8()?, r.u32()?, r.u64()?);
        let content = match r.u64()? {
            OWN => Content::Own,
            LOST => Content::Lost,
            id => Content::Kept(id),
        };
        Ok::<_, WireError>(KeptRead { slot, len, frame, content })
    };
    let newest = if flags & 1 != 0 { Some(read(r)?) } else { None };
    let previous = if flags & 2 != 0 { Some(read(r)?) } else { None };
    let write = if flags & 4 != 0 {
        let slot = Some(r.u8()?).filter(|s| *s != SCRATCH);
        let (stamp, capacity, behind) = (r.u32()?, r.u32()?, (r.u32()?, r.u32()?));
        Some(KeptWrite { slot, stamp, capacity, behind })
    } else {
        None
    };
    Ok(KeptPort { read: newest, previous, blend, write })
}

fn read_end(r: &mut Reader<'_>) -> Result<KeptEnd, WireError> {
    let flags = r.u8()?;
    let mut end =
        KeptEnd { ticked: flags & 1 != 0, went_on: flags & 2 != 0, mail: r.u64()?, ..KeptEnd::default() };
    r.list(&mut end.publications, |r| {
        Ok(KeptPublication { port: r.u32()?, len: r.u64()?, sum: r.option(Reader::u64)? })
    })?;
    r.list(&mut end.assets, |r| {
        let path = r.text()?.to_owned();
        let hash = r.option(|r| r.bytes()?.try_into().map_err(|_| WireError::Range))?;
        Ok(KeptAsset { path, hash })
    })?;
    Ok(end)
}

impl PartialEq for KeptTurn {
    fn eq(&self, other: &Self) -> bool {
        let mut bytes = [Vec::new(), Vec::new()];
        for (turn, out) in [self, other].into_iter().zip(&mut bytes) {
            turn.write(&mut Writer::new(out), &mut Known::default());
        }
        bytes[0] == bytes[1]
    }
}
