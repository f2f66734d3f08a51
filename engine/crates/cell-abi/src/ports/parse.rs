//! Reading the canonical text. It may come from a stranger's file: every fault is an error with its line.
use super::{
    BufferDesc, BufferUsage, Direction, Field, FieldKind, Param, ParamKind, ParamValue, Port, PortKind,
    PortTable, Rate, SealedPort, StartValue, TargetDesc, TargetSize, TextureFormat, TypeLayout,
};

/// What is wrong with the text of a port table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortTableError {
    /// The line, from 1.
    pub line: usize,
    /// A sentence.
    pub what: String,
}

impl core::fmt::Display for PortTableError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "line {} of the port table: {}", self.line, self.what)
    }
}

impl core::error::Error for PortTableError {}

const MAX_LINES: usize = 4096;

type Words<'a> = core::iter::Peekable<core::str::SplitAsciiWhitespace<'a>>;

pub(super) fn parse(text: &str) -> Result<PortTable, PortTableError> {
    let mut t = PortTable::default();
    let (mut head, mut end) = (false, false);
    for (n, line) in text.lines().enumerate() {
        let fail = |what: String| PortTableError { line: n + 1, what };
        if n >= MAX_LINES {
            return Err(fail(format!("more than {MAX_LINES} lines")));
        }
        if end {
            return Err(fail("text after `end`".into()));
        }
        let mut w = line.split_ascii_whitespace().peekable();
        let Some(key) = w.next() else { return Err(fail("an empty line".into())) };
        if !head {
            if key != "cell-ports" || w.next() != Some("1") {
                return Err(fail("the first line is not `cell-ports 1`".into()));
            }
            head = true;
            continue;
        }
        match key {
            "abi" => {
                let v = word(&mut w).map_err(fail)?;
                let (a, b) = v.split_once('.').ok_or_else(|| fail("the ABI is not `major.minor`".into()))?;
                t.abi = (number(a).map_err(fail)?, number(b).map_err(fail)?);
            }
            "name" => t.name = name(&mut w).map_err(fail)?,
            "rate" => {
                t.rate = match word(&mut w).map_err(fail)? {
                    "on_mail" => Rate::OnMail,
                    hz => match number(hz).map_err(fail)? {
                        hz @ 1..=1000 => Rate::Hz(hz),
                        hz => return Err(fail(format!("a rate of {hz} is not within 1 to 1000"))),
                    },
                }
            }
            "shader" => t.shader = Some(file_name(word(&mut w).map_err(fail)?).map_err(fail)?),
            "param" => {
                let p = param(&mut w, line).map_err(fail)?;
                if t.params.iter().any(|q| q.name == p.name) {
                    return Err(fail(format!("the parameter `{}` is declared twice", p.name)));
                }
                t.params.push(p);
                w = "".split_ascii_whitespace().peekable();
            }
            "group?" => t.optional_groups.push(name(&mut w).map_err(fail)?),
            "port" => {
                let p = port(&mut w).map_err(fail)?;
                if t.ports.iter().any(|q| q.name == p.name) {
                    return Err(fail(format!("the port `{}` is declared twice", p.name)));
                }
                t.ports.push(p);
            }
            "type" => {
                let name = name(&mut w).map_err(fail)?;
                let size = number(word(&mut w).map_err(fail)?).map_err(fail)?;
                // Two ports of one element type declare it twice, alike.
                t.types.push(TypeLayout { name, size, fields: Vec::new() });
            }
            "field" => {
                let of = name(&mut w).map_err(fail)?;
                let field = field(&mut w).map_err(fail)?;
                match t.types.last_mut() {
                    Some(ty) if ty.name == of && field.offset + field.kind.size() <= ty.size => {
                        ty.fields.push(field);
                    }
                    _ => return Err(fail(format!("the field `{}` does not fit its type", field.name))),
                }
            }
            "end" => end = true,
            other => return Err(fail(format!("the word `{other}` starts no line"))),
        }
        if let Some(extra) = w.next() {
            return Err(fail(format!("`{extra}` is too much")));
        }
    }
    let lines = text.lines().count();
    let fail = |what: String| PortTableError { line: lines, what };
    if !end {
        return Err(fail("the text is cut: it has no `end`".into()));
    }
    if t.name.is_empty() {
        return Err(fail("the table has no `name`".into()));
    }
    dedupe_types(&mut t.types).map_err(fail)?;
    check_elements(&t).map_err(fail)?;
    Ok(t)
}

fn dedupe_types(types: &mut Vec<TypeLayout>) -> Result<(), String> {
    let mut out: Vec<TypeLayout> = Vec::new();
    for ty in types.drain(..) {
        match out.iter().find(|o| o.name == ty.name) {
            None => out.push(ty),
            Some(same) if *same == ty => {}
            Some(_) => return Err(format!("the type `{}` has two layouts", ty.name)),
        }
    }
    *types = out;
    Ok(())
}

fn check_elements(t: &PortTable) -> Result<(), String> {
    for p in &t.ports {
        let element = match &p.kind {
            PortKind::Buffer(b) if !matches!(b.usage, BufferUsage::Indices | BufferUsage::Counts) => {
                &b.element
            }
            PortKind::Sealed(SealedPort::Vertices(e) | SealedPort::Instances(e) | SealedPort::Storage(e)) => {
                e
            }
            _ => continue,
        };
        match t.layout(element) {
            None => return Err(format!("the port `{}` is of type `{element}`, which has no layout", p.name)),
            Some(l) if l.size == 0 => return Err(format!("the type `{element}` has no bytes")),
            Some(_) => {}
        }
    }
    Ok(())
}

fn word<'a>(w: &mut Words<'a>) -> Result<&'a str, String> {
    w.next().ok_or_else(|| "the line is cut".to_owned())
}

fn number<T: core::str::FromStr>(s: &str) -> Result<T, String> {
    s.parse().map_err(|_| format!("`{s}` is no number that fits"))
}

/// A file below the cell's folder of shaders.
fn file_name(s: &str) -> Result<String, String> {
    let inside = s.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if inside && !s.bytes().any(|b| b.is_ascii_control() || b == b'\\') {
        Ok(s.to_owned())
    } else {
        Err(format!("the shader `{}` is not below the cell's folder of shaders", s.escape_default()))
    }
}

fn name(w: &mut Words<'_>) -> Result<String, String> {
    let s = word(w)?;
    let ok = s.len() <= 64
        && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && s.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    if ok { Ok(s.to_owned()) } else { Err(format!("`{s}` is no name")) }
}

fn param(w: &mut Words<'_>, line: &str) -> Result<Param, String> {
    let kind = word(w)?;
    let kind = ParamKind::ALL
        .iter()
        .find(|(_, n)| *n == kind)
        .map(|(k, _)| *k)
        .ok_or_else(|| format!("`{kind}` is no type of a parameter"))?;
    let full = word(w)?;
    let parts: Vec<&str> = full.split('.').collect();
    if parts.len() > 2 {
        return Err(format!("`{full}` is nested too deep"));
    }
    for part in &parts {
        name(&mut part.split_ascii_whitespace().peekable())?;
    }
    let default = match line.split_once(" = ") {
        None => None,
        Some((_, text)) => Some(value(kind, text.trim())?),
    };
    Ok(Param { name: full.to_owned(), kind, default })
}

fn value(kind: ParamKind, text: &str) -> Result<ParamValue, String> {
    Ok(match kind {
        ParamKind::U32 => ParamValue::U32(number(text)?),
        ParamKind::I32 => ParamValue::I32(number(text)?),
        ParamKind::Bool => ParamValue::Bool(number(text)?),
        ParamKind::Text | ParamKind::Asset => ParamValue::Text(
            text.strip_prefix('"')
                .and_then(|t| t.strip_suffix('"'))
                // There are no escapes, so that a text reads as it stands here.
                .filter(|t| !t.contains(|c: char| c.is_control() || c == '"' || c == '\\'))
                .ok_or_else(|| format!("{text} is no quoted text, or holds a quote or backslash"))?
                .to_owned(),
        ),
        _ => {
            let v = text.split_ascii_whitespace().map(number).collect::<Result<Vec<f32>, _>>()?;
            if v.len() != kind.floats() || v.iter().any(|x| !x.is_finite()) {
                return Err(format!("`{text}` is not {} finite numbers", kind.floats()));
            }
            ParamValue::Floats(v)
        }
    })
}

fn port(w: &mut Words<'_>) -> Result<Port, String> {
    let direction = match word(w)? {
        "input" => Direction::Input,
        "output" => Direction::Output,
        "own" => Direction::Own,
        other => return Err(format!("`{other}` is not input, output or own")),
    };
    let name = name(w)?;
    let kind = match word(w)? {
        "texture" => PortKind::Texture(target(w)?),
        "backbuffer" => PortKind::Backbuffer,
        "sealed" => PortKind::Sealed(sealed(w)?),
        usage => {
            let usage = BufferUsage::ALL
                .iter()
                .find(|(_, n)| *n == usage)
                .map(|(u, _)| *u)
                .ok_or_else(|| format!("`{usage}` is no kind of port"))?;
            PortKind::Buffer(buffer(w, usage)?)
        }
    };
    match (&kind, direction) {
        (PortKind::Backbuffer, Direction::Output) | (PortKind::Sealed(_), Direction::Own) => {}
        (PortKind::Backbuffer, _) => return Err("the backbuffer can only be an output".into()),
        (PortKind::Sealed(_), _) => return Err("a sealed port can only be an own port".into()),
        _ => {}
    }
    let readback = match (w.peek().copied(), &kind) {
        (Some("readback"), PortKind::Texture(t)) => {
            if !matches!(t.size, TargetSize::Fixed { .. }) || t.mips != 1 {
                return Err("only a texture of a fixed size with one mip level can be read back".into());
            }
            w.next();
            true
        }
        _ => false,
    };
    Ok(Port { name, direction, kind, readback })
}

fn target(w: &mut Words<'_>) -> Result<TargetDesc, String> {
    let format = word(w)?;
    let format = TextureFormat::from_name(format).ok_or_else(|| format!("`{format}` is no pixel format"))?;
    let size = match (word(w)?, word(w)?) {
        ("screen", s) => {
            let (num, den) = s.split_once('/').ok_or("a screen size is not `num/den`")?;
            TargetSize::Screen { num: number(num)?, den: number(den)? }
        }
        ("fixed", s) => {
            let (width, height) = s.split_once('x').ok_or("a fixed size is not `WxH`")?;
            TargetSize::Fixed { width: number(width)?, height: number(height)? }
        }
        (other, _) => return Err(format!("`{other}` is no kind of size")),
    };
    let ok = match size {
        TargetSize::Screen { num, den } => (1..=64).contains(&num) && (1..=64).contains(&den),
        TargetSize::Fixed { width, height } => (1..=8192).contains(&width) && (1..=8192).contains(&height),
    };
    if !ok {
        return Err("the size is out of range (1/64 to 64/1 of the screen, 1 to 8192 pixels)".into());
    }
    if word(w)? != "mips" {
        return Err("the number of mip levels is missing".into());
    }
    let mips = number(word(w)?)?;
    if !(1..=14).contains(&mips) {
        return Err(format!("{mips} mip levels are not within 1 to 14"));
    }
    let start = match word(w)? {
        "keep" => StartValue::Keep,
        "clear" => {
            let mut v = [0.0; 4];
            for x in &mut v {
                *x = number(word(w)?)?;
            }
            StartValue::Clear(v)
        }
        other => return Err(format!("`{other}` is no start value")),
    };
    Ok(TargetDesc { format, size, mips, start })
}

fn buffer(w: &mut Words<'_>, usage: BufferUsage) -> Result<BufferDesc, String> {
    let element = match word(w)? {
        "-" => String::new(),
        e => name(&mut e.split_ascii_whitespace().peekable())?,
    };
    let max_count = number(word(w)?)?;
    if max_count == 0 || (usage == BufferUsage::Uniform && max_count != 1) {
        return Err(format!("{max_count} elements are not possible here"));
    }
    let (mut now, mut history) = (false, false);
    for flag in w.by_ref() {
        match flag {
            "now" => now = true,
            "history" => history = true,
            other => return Err(format!("`{other}` is neither `now` nor `history`")),
        }
    }
    Ok(BufferDesc { usage, element, max_count, now, history })
}

fn sealed(w: &mut Words<'_>) -> Result<SealedPort, String> {
    Ok(match word(w)? {
        "texture_2d" => SealedPort::Texture2d,
        "indices" => SealedPort::Indices,
        "vertices" => SealedPort::Vertices(name(w)?),
        "instances" => SealedPort::Instances(name(w)?),
        "storage" => SealedPort::Storage(name(w)?),
        other => return Err(format!("`{other}` cannot be sealed")),
    })
}

fn field(w: &mut Words<'_>) -> Result<Field, String> {
    let name = name(w)?;
    let kind = word(w)?;
    let kind = FieldKind::from_name(kind).ok_or_else(|| format!("`{kind}` is no type of a field"))?;
    let offset: u32 = number(word(w)?)?;
    if offset > 1 << 20 {
        return Err(format!("the offset {offset} is too large"));
    }
    Ok(Field { name, kind, offset })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "cell-ports 1
abi 1.0
name demo_v1
rate 30
shader demo.wgsl
param f32 threshold = 1.5
param vec3f fly.at = 0 30 80
param asset gltf
param text title = \"a = b\u{feff}\"
group? fly
port input scene_color texture rgba16float screen 1/1 mips 1 clear 0 0 0 1
port own mips texture rgba16float screen 1/2 mips 6 keep
port output backbuffer backbuffer
port input camera uniform Cam 1 now history
port own counts counts - 4
port input mood texture r32float fixed 2x1 mips 1 clear 0 0 0 0 readback
port own albedo sealed texture_2d
port own mesh sealed vertices Vertex
type Cam 64
field Cam view_proj mat4x4f 0
type Vertex 12
field Vertex position vec3f 0
end
";

    #[test]
    fn the_canonical_text_survives_a_round_trip() {
        let t = parse(ALL).expect("a good table");
        assert_eq!(t.to_text(), ALL);
        assert_eq!(t.rate, Rate::Hz(30));
        assert_eq!(t.port("mips").map(|(n, _)| n), Some(1));
    }

    #[test]
    fn each_cut_or_changed_line_is_an_error_and_never_a_panic() {
        for n in 1..ALL.lines().count() {
            let cut: String = ALL.lines().take(n).map(|l| format!("{l}\n")).collect();
            assert!(parse(&cut).is_err(), "cut after line {n}");
        }
        for (from, to, says) in [
            ("cell-ports 1", "cell-ports 2", "first line"),
            ("rate 30", "rate 0", "1 to 1000"),
            ("rgba16float screen", "rgba17float screen", "rgba17float"),
            ("screen 1/2", "screen 1/0", "out of range"),
            ("mips 6", "mips 60", "1 to 14"),
            ("fixed 2x1", "screen 2/1", "can be read back"),
            ("fixed 2x1 mips 1", "fixed 2x1 mips 2", "can be read back"),
            ("mips 6 keep", "mips 6 keep readback", "can be read back"),
            ("0 0 readback", "0 0 readpack", "readpack"),
            ("uniform Cam 1 now", "uniform Nope 1 now", "no layout"),
            ("port own albedo", "port input albedo", "own port"),
            ("view_proj mat4x4f 0", "view_proj mat4x4f 4", "does not fit"),
            ("port own mips", "port own scene_color", "twice"),
            ("= 0 30 80", "= 0 30", "3 finite"),
            ("name demo_v1", "name 1demo", "no name"),
            ("a = b", "a \"= b", "holds a quote"),
            ("a = b", "a \\n b", "holds a quote"),
        ] {
            let e = parse(&ALL.replace(from, to)).expect_err(from);
            assert!(e.what.contains(says), "{from}: {e}");
        }
    }
}
