//! The bytes of kept turns.
//!
//! A turn is two entries: what it was given, and what came of it. Both are short, since they are made for each tick of
//! each cell: what is as it was in the turn before, or follows from it, is left out. So the first turn is whole.
mod known;

pub(super) use known::Known;

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
use cell_abi::DirtyRange;
use engine_frame::plan::CellLine;
use known::{Given, next_frame, next_time, same};
use std::sync::Arc;

const BEGIN: u8 = 1;
const END: u8 = 2;
/// Stands for [`Content::Own`].
const OWN: u64 = u64::MAX;
/// Stands for [`Content::Lost`].
const LOST: u64 = u64::MAX - 1;
/// Stands for scratch memory.
const SCRATCH: u8 = u8::MAX;

/// A port that is as in the turn before.
const SAME_PORT: u8 = 1 << 7;

/// Writes what a turn of `record` is given; `content` says where what it reads is.
pub(super) fn write_begin(
    w: &mut Writer<'_>,
    known: &mut Known,
    record: &Record,
    work: Work,
    makes: bool,
    mut content: impl FnMut(usize, &SlotRead) -> Content,
) {
    let r = record;
    let given = Given {
        work,
        makes,
        again: false,
        frame: r.frame,
        steps: r.steps,
        dt_ns: r.dt_ns,
        time_ns: r.time_ns,
        seed: r.seed,
        screen_px: r.screen_px,
        params_version: r.params_version,
        params: &r.params,
        input: &r.input,
        behind: &r.behind,
        mail: &r.mail,
    };
    let ports = r.ports.iter().enumerate();
    write_given(w, known, &given, ports.map(|(n, p)| KeptPort::of(record, p, |read| content(n, read))));
}

/// Writes what a turn was given, for a reader who knows `known`.
fn write_given(
    w: &mut Writer<'_>,
    known: &mut Known,
    given: &Given<'_>,
    ports: impl ExactSizeIterator<Item = KeptPort>,
) {
    let same = known.take(given, ports.len());
    let is_same = |bit| same & bit != 0;
    let mut head = [0; 11];
    (head[0], head[1], head[2]) = (BEGIN, flags(given.work, given.makes, given.again), same);
    head[3..].copy_from_slice(&given.seed.to_le_bytes());
    w.raw(&head);
    if !is_same(same::TERMS) {
        w.u32(given.steps);
        w.u64(given.dt_ns);
        w.u32(given.screen_px[0]);
        w.u32(given.screen_px[1]);
    }
    if !is_same(same::FRAME) {
        w.u64(given.frame);
    }
    if !is_same(same::TIME) {
        w.u64(given.time_ns);
    }
    if !is_same(same::PARAMS) {
        w.u64(given.params_version);
        w.bytes(given.params);
    }
    if !is_same(same::INPUT) {
        w.input(given.input);
    }
    if !is_same(same::PORTS) {
        w.u32(ports.len() as u32);
        known.ports.clear();
    }
    for (n, port) in ports.enumerate() {
        match known.ports.get_mut(n) {
            Some(before) if *before == port => w.u8(SAME_PORT),
            Some(before) => {
                write_port(w, &port);
                *before = port;
            }
            None => {
                write_port(w, &port);
                known.ports.push(port);
            }
        }
    }
    if !is_same(same::EMPTY) {
        write_behind_and_mail(w, given.behind, given.mail);
    }
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
    let has = [end.ticked, end.went_on, end.mail != 0, !end.publications.is_empty(), !end.assets.is_empty()];
    w.raw(&[END, has.iter().enumerate().fold(0, |flags, (n, is)| flags | u8::from(*is) << n)]);
    if has[2] {
        w.u64(end.mail);
    }
    if has[3] {
        w.list(&end.publications, |w, p| {
            w.u32(p.port);
            w.u64(p.len);
            w.option(p.sum.as_ref(), |w, s| w.u64(*s));
        });
    }
    if has[4] {
        w.list(&end.assets, |w, a| {
            w.text(&a.path);
            w.option(a.hash.as_ref(), |w, h| w.bytes(h));
        });
    }
}

impl KeptTurn {
    /// Writes it for a reader who knows `known`.
    pub(super) fn write(&self, w: &mut Writer<'_>, known: &mut Known) {
        let given = Given {
            work: self.work,
            makes: self.makes,
            again: self.again,
            frame: self.frame,
            steps: self.steps,
            dt_ns: self.dt_ns,
            time_ns: self.time_ns,
            seed: self.seed,
            screen_px: self.screen_px,
            params_version: self.params_version,
            params: &self.params,
            input: &self.input,
            behind: &self.behind,
            mail: &self.mail,
        };
        write_given(w, known, &given, self.ports.iter().copied());
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
    while !r.is_empty() {
        match r.u8()? {
            BEGIN => turns.push(read_begin(&mut r, turns.last())?),
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

fn read_begin(r: &mut Reader<'_>, before: Option<&KeptTurn>) -> Result<KeptTurn, WireError> {
    let (flags, same) = (r.u8()?, r.u8()?);
    let is = |n: u8| flags & 1 << n != 0;
    // Nothing is as in the turn before when there was none.
    let before_if = |bit: u8| match before {
        _ if same & bit == 0 => Ok(None),
        Some(turn) => Ok(Some(turn)),
        None => Err(WireError::Tag(same)),
    };
    let mut turn = KeptTurn {
        work: Work { load: is(0), tick: is(1), passes: is(2), save: is(3) },
        makes: is(4),
        again: is(5),
        seed: r.u64()?,
        ..KeptTurn::default()
    };
    (turn.steps, turn.dt_ns, turn.screen_px) = match before_if(same::TERMS)? {
        Some(b) => (b.steps, b.dt_ns, b.screen_px),
        None => (r.u32()?, r.u64()?, [r.u32()?, r.u32()?]),
    };
    turn.frame = match before_if(same::FRAME)? {
        Some(b) => next_frame(b.frame),
        None => r.u64()?,
    };
    turn.time_ns = match before_if(same::TIME)? {
        Some(b) => next_time(b.time_ns, turn.dt_ns, turn.steps),
        None => r.u64()?,
    };
    (turn.params_version, turn.params) = match before_if(same::PARAMS)? {
        Some(b) => (b.params_version, Arc::clone(&b.params)),
        None => (r.u64()?, r.bytes()?.into()),
    };
    turn.input = match before_if(same::INPUT)? {
        Some(b) => b.input,
        None => r.input()?,
    };
    let known = before.map_or(&[][..], |b| &b.ports);
    let mut n = 0;
    let mut next = |r: &mut Reader<'_>| {
        let port = read_port(r, known.get(n));
        n += 1;
        port
    };
    if before_if(same::PORTS)?.is_some() {
        turn.ports = known.iter().map(|_| next(r)).collect::<Result<_, _>>()?;
    } else {
        r.list(&mut turn.ports, next)?;
    }
    if same & same::EMPTY == 0 {
        r.list(&mut turn.behind, |r| Ok(DirtyRange { start: r.u32()?, end: r.u32()? }))?;
        r.list(&mut turn.mail, |r| {
            let (line, from, sequence) = (CellLine(r.u32()?), r.text()?.into(), r.u64()?);
            let (payload, len) = r.words()?;
            Ok(Letter { line, from, sequence, payload, len })
        })?;
    }
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

fn read_port(r: &mut Reader<'_>, before: Option<&KeptPort>) -> Result<KeptPort, WireError> {
    let flags = r.u8()?;
    if flags == SAME_PORT {
        return before.copied().ok_or(WireError::Tag(SAME_PORT));
    }
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
    let is = |n: u8| flags & 1 << n != 0;
    let mut end = KeptEnd { ticked: is(0), went_on: is(1), ..KeptEnd::default() };
    if is(2) {
        end.mail = r.u64()?;
    }
    if is(3) {
        r.list(&mut end.publications, |r| {
            Ok(KeptPublication { port: r.u32()?, len: r.u64()?, sum: r.option(Reader::u64)? })
        })?;
    }
    if is(4) {
        r.list(&mut end.assets, |r| {
            let path = r.text()?.to_owned();
            let hash = r.option(|r| r.bytes()?.try_into().map_err(|_| WireError::Range))?;
            Ok(KeptAsset { path, hash })
        })?;
    }
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

#[cfg(test)]
mod tests;
