//! A turn's record as it goes to a child: slots as (region, offset), parameters and input only when they changed.
use super::codec::{Reader, WireError, Writer};
use crate::{cx::TurnKind, record::Letter};
use cell_abi::{DirtyRange, InputFrame};
use engine_frame::plan::CellLine;
use std::sync::Arc;

/// Readable bytes of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireRead {
    /// The region.
    pub region: u32,
    /// First byte in it.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
    /// The frame of the tick that published them.
    pub frame: u64,
}

/// A slot to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireWrite {
    /// The region; the child owns it.
    pub region: u32,
    /// First byte in it.
    pub offset: u64,
    /// Bytes that fit.
    pub capacity: u64,
    /// The header's first byte in the region's header memory.
    pub header: u64,
    /// The stamp to publish under.
    pub stamp: u32,
    /// The part of [`WireTurn::behind`] that belongs to it: first entry and number.
    pub behind: (u32, u32),
}

/// A port of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WirePort {
    /// The newest publication.
    pub read: Option<WireRead>,
    /// The one before.
    pub previous: Option<WireRead>,
    /// Between the two, where the frame lies.
    pub blend: f32,
    /// The slot to write.
    pub write: Option<WireWrite>,
}

/// A turn's record. Both sides keep one and fill it anew, so that its memory is reused.
#[derive(Debug, Default)]
pub struct WireTurn {
    /// The entry to call.
    pub kind: TurnKind,
    /// Steps; 0 when it is no tick.
    pub steps: u32,
    /// The frame.
    pub frame: u64,
    /// Length of a step in nanoseconds.
    pub dt_ns: u64,
    /// Simulated time since the start in nanoseconds.
    pub time_ns: u64,
    /// Seed.
    pub seed: u64,
    /// Output size in pixels.
    pub screen_px: [u32; 2],
    /// Rises when the parameters change.
    pub params_version: u64,
    /// The parameters, when they are not those of the last turn.
    pub params: Option<Arc<[u8]>>,
    /// The input, when it is not that of the last turn.
    pub input: Option<InputFrame>,
    /// Regions that no later turn names.
    pub forget: Vec<u32>,
    /// One entry per port.
    pub ports: Vec<WirePort>,
    /// What write slots are behind.
    pub behind: Vec<DirtyRange>,
    /// Mail.
    pub mail: Vec<Letter>,
}

impl WireTurn {
    pub(super) fn write(&self, w: &mut Writer<'_>) {
        w.u8(self.kind as u8);
        w.u32(self.steps);
        for v in [self.frame, self.dt_ns, self.time_ns, self.seed, self.params_version] {
            w.u64(v);
        }
        w.u32(self.screen_px[0]);
        w.u32(self.screen_px[1]);
        w.option(self.params.as_ref(), |w, p| w.bytes(p));
        w.option(self.input.as_ref(), |w, i| w.input(i));
        w.list(&self.forget, |w, id| w.u32(*id));
        w.list(&self.ports, |w, p| {
            let flags = u8::from(p.read.is_some())
                | u8::from(p.previous.is_some()) << 1
                | u8::from(p.write.is_some()) << 2;
            w.u8(flags);
            w.f32(p.blend);
            for r in [&p.read, &p.previous].into_iter().flatten() {
                w.u32(r.region);
                w.u64(r.offset);
                w.u64(r.len);
                w.u64(r.frame);
            }
            if let Some(s) = &p.write {
                w.u32(s.region);
                w.u64(s.offset);
                w.u64(s.capacity);
                w.u64(s.header);
                w.u32(s.stamp);
                w.u32(s.behind.0);
                w.u32(s.behind.1);
            }
        });
        w.list(&self.behind, |w, r| {
            w.u32(r.start);
            w.u32(r.end);
        });
        w.list(&self.mail, |w, l| {
            w.text(&l.from);
            w.u64(l.sequence);
            w.words(&l.payload, l.len);
        });
    }

    pub(super) fn read(&mut self, r: &mut Reader<'_>) -> Result<(), WireError> {
        self.kind = match r.u8()? {
            1 => TurnKind::Load,
            2 => TurnKind::Tick,
            3 => TurnKind::Passes,
            other => return Err(WireError::Tag(other)),
        };
        self.steps = r.u32()?;
        for v in
            [&mut self.frame, &mut self.dt_ns, &mut self.time_ns, &mut self.seed, &mut self.params_version]
        {
            *v = r.u64()?;
        }
        self.screen_px = [r.u32()?, r.u32()?];
        self.params = r.option(|r| Ok(r.bytes()?.into()))?;
        self.input = r.option(Reader::input)?;
        r.list(&mut self.forget, Reader::u32)?;
        r.list(&mut self.ports, |r| {
            let flags = r.u8()?;
            let blend = r.f32()?;
            let read = |r: &mut Reader<'_>| {
                Ok(WireRead { region: r.u32()?, offset: r.u64()?, len: r.u64()?, frame: r.u64()? })
            };
            let mut port = WirePort { blend, ..WirePort::default() };
            if flags & 1 != 0 {
                port.read = Some(read(r)?);
            }
            if flags & 2 != 0 {
                port.previous = Some(read(r)?);
            }
            if flags & 4 != 0 {
                port.write = Some(WireWrite {
                    region: r.u32()?,
                    offset: r.u64()?,
                    capacity: r.u64()?,
                    header: r.u64()?,
                    stamp: r.u32()?,
                    behind: (r.u32()?, r.u32()?),
                });
            }
            Ok(port)
        })?;
        r.list(&mut self.behind, |r| Ok(DirtyRange { start: r.u32()?, end: r.u32()? }))?;
        r.list(&mut self.mail, |r| {
            let (from, sequence) = (r.text()?.into(), r.u64()?);
            let (payload, len) = r.words()?;
            // The sender's line is the engine's affair.
            Ok(Letter { line: CellLine(0), from, sequence, payload, len })
        })?;
        let behind = self.behind.len() as u64;
        let inside = |s: &WireWrite| u64::from(s.behind.0) + u64::from(s.behind.1) <= behind;
        if self.ports.iter().filter_map(|p| p.write.as_ref()).all(inside) {
            Ok(())
        } else {
            Err(WireError::Range)
        }
    }
}
