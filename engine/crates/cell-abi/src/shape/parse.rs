//! Reading a canonical text back. It may come from a stranger's file: every fault is an error with its line.
use super::FORMAT;
use core::fmt;
use std::collections::BTreeSet;

/// What a canonical text says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The form of the bytes: [`FORMAT`] if this build wrote it.
    pub format: String,
    /// The type whose shape it is.
    pub root: String,
    /// The structs and enums that it reaches.
    pub types: Vec<TypeShape>,
}

/// A struct or an enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeShape {
    /// Its name; with `#2` and so on for further types of one name.
    pub name: String,
    /// Its parts.
    pub body: Body,
}

/// The parts of a struct or an enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Fields in order.
    Struct(Vec<FieldShape>),
    /// Variants in order.
    Enum(Vec<VariantShape>),
}

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldShape {
    /// Its name; its number in a tuple.
    pub name: String,
    /// Its type as text, `Option<[f32; 3]>`.
    pub ty: String,
}

/// A variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariantShape {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub fields: Vec<FieldShape>,
}

/// What is wrong with the text of a shape, or of the section around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeError {
    /// The line, from 1.
    pub line: usize,
    /// A sentence.
    pub what: String,
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the shape: {}", self.line, self.what)
    }
}

impl core::error::Error for ShapeError {}

const MAX_LINES: usize = 16_384;
const MAX_NAME: usize = 256;
const MAX_TYPE: usize = 4096;

impl Shape {
    /// Reads a canonical text.
    ///
    /// # Errors
    /// [`ShapeError`] with the line and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ShapeError> {
        let mut lines = text.split_terminator('\n');
        let format = lines.next().unwrap_or_default();
        if format.split(' ').next().is_none_or(|word| !word.starts_with("rkyv-")) || !is_type(format) {
            return Err(fail(1, format!("the first line names no form of bytes, such as `{FORMAT}`")));
        }
        let root = lines.next().and_then(|l| l.strip_prefix("shape ")).filter(|root| is_type(root));
        let root = root.ok_or_else(|| fail(2, "the second line is not `shape` and a type".into()))?;
        let mut shape = Self { format: format.to_owned(), root: root.to_owned(), types: Vec::new() };
        let mut names = Names::default();
        for (n, line) in lines.enumerate() {
            let at = n + 3;
            if at > MAX_LINES {
                return Err(fail(at, format!("more than {MAX_LINES} lines")));
            }
            shape.add(line, &mut names).map_err(|what| fail(at, what))?;
        }
        if shape.to_text() != text {
            return Err(fail(text.lines().count(), "the text does not end with a line's end".into()));
        }
        Ok(shape)
    }

    fn add(&mut self, line: &str, names: &mut Names) -> Result<(), String> {
        let body = match line.split_once(' ') {
            Some(("struct", name)) => Some((name, Body::Struct(Vec::new()))),
            Some(("enum", name)) => Some((name, Body::Enum(Vec::new()))),
            _ => None,
        };
        if let Some((name, body)) = body {
            self.types.push(TypeShape { name: names.start_type(name)?, body });
            return Ok(());
        }
        let body = self.types.last_mut().map(|ty| &mut ty.body);
        match (body, line.strip_prefix("    "), line.strip_prefix("  ")) {
            (Some(Body::Enum(variants)), Some(inner), _) => {
                let variant = variants.last_mut().ok_or("a field stands before the first variant")?;
                variant.fields.push(names.field(inner)?);
            }
            (Some(Body::Enum(variants)), None, Some(name)) => {
                variants.push(VariantShape { name: names.start_variant(name)?, fields: Vec::new() });
            }
            (Some(Body::Struct(fields)), None, Some(inner)) => fields.push(names.field(inner)?),
            _ => return Err("it is no type, no variant and no field".into()),
        }
        Ok(())
    }

    /// Returns the canonical text: what [`Shape::parse`] reads.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = format!("{}\nshape {}\n", self.format, self.root);
        let fields = |out: &mut String, indent: &str, fields: &[FieldShape]| {
            for FieldShape { name, ty } in fields {
                out.extend([indent, name, " ", ty, "\n"]);
            }
        };
        for TypeShape { name, body } in &self.types {
            match body {
                Body::Struct(all) => {
                    out.extend(["struct ", name, "\n"]);
                    fields(&mut out, "  ", all);
                }
                Body::Enum(variants) => {
                    out.extend(["enum ", name, "\n"]);
                    for variant in variants {
                        out.extend(["  ", &variant.name, "\n"]);
                        fields(&mut out, "    ", &variant.fields);
                    }
                }
            }
        }
        out
    }
}

/// The names that were used so far: in the text, in the type, in the variant or struct.
#[derive(Default)]
struct Names {
    types: BTreeSet<String>,
    variants: BTreeSet<String>,
    fields: BTreeSet<String>,
}

impl Names {
    fn start_type(&mut self, name: &str) -> Result<String, String> {
        self.variants.clear();
        self.fields.clear();
        once(&mut self.types, "type", name)
    }

    fn start_variant(&mut self, name: &str) -> Result<String, String> {
        self.fields.clear();
        once(&mut self.variants, "variant", name)
    }

    fn field(&mut self, line: &str) -> Result<FieldShape, String> {
        let (name, ty) = line.split_once(' ').ok_or("a field has no type")?;
        if !is_type(ty) {
            return Err("it holds what is no type".into());
        }
        Ok(FieldShape { name: once(&mut self.fields, "field", name)?, ty: ty.to_owned() })
    }
}

fn once(known: &mut BTreeSet<String>, what: &str, name: &str) -> Result<String, String> {
    if name.is_empty()
        || name.len() > MAX_NAME
        || !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '#'))
    {
        return Err(format!("a {what} has a name that is none"));
    }
    if !known.insert(name.to_owned()) {
        return Err(format!("the {what} `{name}` is there twice"));
    }
    Ok(name.to_owned())
}

/// Returns whether every character can stand in a type: such a text is safe to show.
fn is_type(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_TYPE
        && text.chars().all(|c| c.is_alphanumeric() || "_#<>[](),;-. ".contains(c))
}

pub(super) fn fail(line: usize, what: String) -> ShapeError {
    ShapeError { line, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "rkyv-0.8 le aligned ptr32
shape Physics
struct Physics
  bodies Vec<Body>
  lucky Option<(u8, String)>
struct Body
  at [f32; 3]
  what What
  other Body#2
enum What
  Rock
  Ship
    name String
    0 u8
struct Body#2
";

    #[test]
    fn a_text_survives_a_round_trip() {
        let shape = Shape::parse(GOOD).expect("a good text");
        assert_eq!(shape.to_text(), GOOD);
        assert_eq!((shape.root.as_str(), shape.types.len()), ("Physics", 4));
        let Body::Enum(variants) = &shape.types[2].body else { panic!("an enum") };
        assert_eq!(variants[1].fields[0], FieldShape { name: "name".into(), ty: "String".into() });
    }

    #[test]
    fn faults_are_named_with_their_line() {
        for (from, to, line, says) in [
            ("rkyv-0.8", "cbor-1", 1, "no form of bytes"),
            ("shape Physics", "shape", 2, "`shape` and a type"),
            ("  lucky", "  bodies", 5, "`bodies` is there twice"),
            ("struct Body\n", "struct Physics\n", 6, "`Physics` is there twice"),
            ("  at [f32; 3]", "  at", 7, "no type"),
            ("  at [f32; 3]", "  at \u{1b}[31m", 7, "no type"),
            ("  at [f32; 3]", "    at [f32; 3]", 7, "no type, no variant"),
            ("  Rock\n", "    Rock u8\n", 11, "before the first variant"),
            ("  Ship\n", "  Ship x\n", 12, "name that is none"),
            ("  Ship\n", "Ship\n", 12, "no type, no variant"),
            ("struct Body#2\n", "struct Body#2", 15, "line's end"),
            ("enum What\n", "enum What\r\n", 10, "name that is none"),
        ] {
            let e = Shape::parse(&GOOD.replacen(from, to, 1)).expect_err(from);
            assert_eq!((e.line, e.what.contains(says)), (line, true), "{from:?} to {to:?}: {e}");
        }
        assert!(Shape::parse("").is_err());
    }

    #[test]
    fn cut_and_flipped_texts_never_panic() {
        for n in 0..GOOD.len() {
            let _ = Shape::parse(&GOOD[..n]);
            for bit in 0..7 {
                let mut bytes = GOOD.as_bytes().to_vec();
                bytes[n] ^= 1 << bit;
                if let Ok(shape) = Shape::parse(&String::from_utf8(bytes.clone()).expect("ASCII")) {
                    assert_eq!(shape.to_text().as_bytes(), bytes, "what is read is what stands there");
                }
            }
        }
    }
}
