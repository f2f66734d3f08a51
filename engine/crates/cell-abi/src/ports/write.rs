//! Writing the canonical text: at run time from a table, in `const` evaluation from pieces.
use super::{
    BufferUsage, Direction, ParamValue, PortKind, PortTable, Rate, SealedPort, StartValue, TargetSize,
};
use crate::out::Out;
use core::fmt::Write as _;

/// A piece of a text that is put together in `const` evaluation.
#[derive(Clone, Copy, Debug)]
pub enum Text {
    /// As it is.
    Str(&'static str),
    /// A number in decimal.
    U32(u32),
    /// Pieces of pieces (a type's own text inside a contract's).
    All(&'static [Text]),
}

impl Text {
    /// Writes the bytes of all `pieces` to the front of `out`, as far as it has room, and returns their length.
    pub(crate) const fn write(pieces: &[Text], out: &mut [u8]) -> usize {
        let mut out = Out::new(out);
        Self::put(pieces, &mut out);
        out.len()
    }

    const fn put(pieces: &[Text], out: &mut Out<'_>) {
        let mut i = 0;
        while i < pieces.len() {
            match pieces[i] {
                Text::Str(s) => out.str(s),
                Text::U32(n) => out.number(n as usize),
                Text::All(inner) => Self::put(inner, out),
            }
            i += 1;
        }
    }

    const fn len(self) -> usize {
        match self {
            Self::Str(s) => s.len(),
            Self::U32(n) => digits(n),
            Self::All(pieces) => Self::total(pieces),
        }
    }

    /// Returns the length in bytes of all `pieces` together.
    #[must_use]
    pub const fn total(pieces: &[Text]) -> usize {
        let (mut n, mut i) = (0, 0);
        while i < pieces.len() {
            n += pieces[i].len();
            i += 1;
        }
        n
    }
}

impl core::fmt::Display for Text {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Str(s) => f.write_str(s),
            Self::U32(n) => write!(f, "{n}"),
            Self::All(pieces) => pieces.iter().try_for_each(|piece| piece.fmt(f)),
        }
    }
}

const fn digits(mut n: u32) -> usize {
    let mut d = 1;
    while n >= 10 {
        n /= 10;
        d += 1;
    }
    d
}

/// Returns the bytes of all `pieces`, one after the other. `N` is [`Text::total`] of them.
///
/// # Panics
/// When `N` is another number; in `const` evaluation that is a compile error.
#[must_use]
pub const fn const_text<const N: usize>(pieces: &[Text]) -> [u8; N] {
    let mut out = [0; N];
    let len = Text::write(pieces, &mut out);
    assert!(len == N, "the length of a text is Text::total of its pieces");
    out
}

pub(super) fn to_text(t: &PortTable) -> String {
    let mut o = String::from("cell-ports 1\n");
    let mut line = |args: core::fmt::Arguments<'_>| {
        o.write_fmt(args).expect("writing to a string cannot fail");
        o.push('\n');
    };
    line(format_args!("abi {}.{}", t.abi.0, t.abi.1));
    line(format_args!("name {}", t.name));
    match t.rate {
        Rate::Hz(hz) => line(format_args!("rate {hz}")),
        Rate::OnMail => line(format_args!("rate on_mail")),
    }
    if let Some(s) = &t.shader {
        line(format_args!("shader {s}"));
    }
    for p in &t.params {
        match &p.default {
            None => line(format_args!("param {} {}", p.kind.name(), p.name)),
            Some(v) => line(format_args!("param {} {} = {}", p.kind.name(), p.name, Value(v))),
        }
    }
    for g in &t.optional_groups {
        line(format_args!("group? {g}"));
    }
    for p in &t.ports {
        let dir = match p.direction {
            Direction::Input => "input",
            Direction::Output => "output",
            Direction::Own => "own",
        };
        let readback = if p.readback { " readback" } else { "" };
        line(format_args!("port {dir} {} {}{readback}", p.name, Kind(&p.kind)));
    }
    for ty in &t.types {
        line(format_args!("type {} {}", ty.name, ty.size));
        for f in &ty.fields {
            line(format_args!("field {} {} {} {}", ty.name, f.name, f.kind.name(), f.offset));
        }
    }
    line(format_args!("end"));
    o
}

struct Value<'a>(&'a ParamValue);

impl core::fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            ParamValue::Floats(v) => v.iter().enumerate().try_for_each(|(n, x)| {
                if n > 0 {
                    f.write_str(" ")?;
                }
                write!(f, "{x}")
            }),
            ParamValue::U32(n) => write!(f, "{n}"),
            ParamValue::I32(n) => write!(f, "{n}"),
            ParamValue::Bool(b) => write!(f, "{b}"),
            ParamValue::Text(s) => write!(f, "\"{s}\""),
        }
    }
}

struct Kind<'a>(&'a PortKind);

impl core::fmt::Display for Kind<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            PortKind::Backbuffer => f.write_str("backbuffer"),
            PortKind::Texture(t) => {
                write!(f, "texture {} ", t.format.name())?;
                match t.size {
                    TargetSize::Screen { num, den } => write!(f, "screen {num}/{den}")?,
                    TargetSize::Fixed { width, height } => write!(f, "fixed {width}x{height}")?,
                }
                write!(f, " mips {}", t.mips)?;
                match t.start {
                    StartValue::Keep => f.write_str(" keep"),
                    StartValue::Clear([a, b, c, d]) => write!(f, " clear {a} {b} {c} {d}"),
                }
            }
            PortKind::Buffer(b) => {
                let usage = BufferUsage::ALL.iter().find(|(u, _)| *u == b.usage).map_or("", |(_, n)| n);
                let element = if b.element.is_empty() { "-" } else { &b.element };
                write!(f, "{usage} {element} {}", b.max_count)?;
                if b.now {
                    f.write_str(" now")?;
                }
                if b.history {
                    f.write_str(" history")?;
                }
                Ok(())
            }
            PortKind::Sealed(s) => match s {
                SealedPort::Texture2d => f.write_str("sealed texture_2d"),
                SealedPort::Indices => f.write_str("sealed indices"),
                SealedPort::Vertices(t) => write!(f, "sealed vertices {t}"),
                SealedPort::Instances(t) => write!(f, "sealed instances {t}"),
                SealedPort::Storage(t) => write!(f, "sealed storage {t}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn const_text_puts_nested_pieces_and_numbers_together() {
        const INNER: &[Text] = &[Text::U32(1920), Text::Str("x"), Text::U32(0)];
        const ALL: &[Text] = &[Text::Str("size "), Text::All(INNER), Text::Str("\n")];
        const N: usize = Text::total(ALL);
        static BYTES: [u8; N] = const_text::<N>(ALL);
        assert_eq!(&BYTES, b"size 1920x0\n");
        assert_eq!(Text::All(ALL).to_string(), "size 1920x0\n");
    }
}
