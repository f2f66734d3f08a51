//! RON as a tree with places. The `ron` crate says whether the text is RON and reads its numbers and texts; the walk
//! here only finds where each value of such a text stands.
use crate::fault::{Faults, Source, Span, quoted};
use crate::token::{self, Token};
use serde::de::IgnoredAny;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Bool(bool),
    Number(Number),
    Text(String),
    /// `()`.
    Unit,
    /// `Thread`, or `World(..)`: a word, with what stands in its brackets.
    Word(String, Span, Option<Box<Node>>),
    /// `(a: 1, b: 2)`.
    Record(Vec<Entry>),
    /// `(1, 2)` or `[1, 2]`.
    List(Vec<Node>),
    /// What no scene needs (characters, bytes, maps, ranges): what it is, and its text.
    Other(&'static str, String),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) name_span: Span,
    pub(crate) value: Node,
}

/// A number: `int` when it was written as a whole one that fits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    pub(crate) float: f64,
    pub(crate) int: Option<i128>,
}

/// Reads the whole text, whose brackets are in order; notes a syntax fault and returns `None` else.
pub(crate) fn parse(source: &Source, faults: &mut Faults<'_>) -> Option<Node> {
    if let Err(e) = ron::from_str::<IgnoredAny>(source.text()) {
        let at = source.byte_at(e.span.end.line, e.span.end.col);
        let place = Span { start: at, end: at };
        if source.text()[at..].starts_with('=') {
            faults.add_help(place, "`=` gives nothing a value here", "write `name: value`");
        } else {
            faults.push(place, syntax(&e.code), None);
        }
        return None;
    }
    let mut walk = Walk { text: source.text(), at: 0 };
    let node = walk.document();
    if node.is_none() {
        faults.add(Span { start: walk.at, end: walk.at }, "this is not understood in a scene");
    }
    node
}

fn syntax(code: &ron::Error) -> String {
    use ron::Error as E;
    match code {
        E::Eof => "the text ends too early".to_owned(),
        E::ExpectedComma => "a `,` or a `:` is missing before this".to_owned(),
        E::ExpectedMapColon => "a `:` is missing before this".to_owned(),
        E::TrailingCharacters => "there is more text after the end of the scene".to_owned(),
        E::UnexpectedChar(c) => format!("{} is not expected here", quoted(&c.to_string())),
        E::SuggestRawIdentifier(w) | E::InvalidIdentifier(w) => format!("{} is no name", quoted(w)),
        other => {
            let text = other.to_string();
            let mut chars = text.chars();
            chars.next().map(|c| c.to_lowercase().chain(chars).collect()).unwrap_or_default()
        }
    }
}

/// A place in a text that is good RON, which `None` ends: there stands something that scenes have no use for.
struct Walk<'t> {
    text: &'t str,
    at: usize,
}

impl Walk<'_> {
    /// The one value of the text; extensions (`#![enable(..)]`) before it change nothing for scenes.
    fn document(&mut self) -> Option<Node> {
        self.blank();
        while self.take(b'#') && self.take(b'!') {
            self.skip_brackets()?;
            self.blank();
        }
        self.value()
    }

    /// What comes next, and where it ends.
    fn peek(&self) -> Option<(Token, usize)> {
        token::next(self.text, self.at)?.ok()
    }

    fn blank(&mut self) {
        while let Some((Token::Blank, end)) = self.peek() {
            self.at = end;
        }
    }

    fn take(&mut self, mark: u8) -> bool {
        let there = self.text.as_bytes().get(self.at) == Some(&mark);
        self.at += usize::from(there);
        there
    }

    fn value(&mut self) -> Option<Node> {
        self.blank();
        let start = self.at;
        let (token, end) = self.peek()?;
        let slice = self.text.get(start..end)?;
        let value = match token {
            Token::Open(b'{') => {
                self.skip_brackets()?;
                Value::Other("a map", self.text[start..self.at].to_owned())
            }
            Token::Open(open) => self.brackets(open)?,
            Token::Word => {
                self.at = end;
                match slice {
                    "true" => Value::Bool(true),
                    "false" => Value::Bool(false),
                    "inf" | "inff32" | "inff64" | "NaN" | "NaNf32" | "NaNf64" => scalar(slice)?,
                    _ => self.word(slice, start)?,
                }
            }
            Token::Number | Token::Text | Token::Quoted => {
                self.at = end;
                scalar(slice)?
            }
            Token::Close(_) | Token::Blank | Token::Mark(_) => return None,
        };
        Some(Node { span: Span { start, end: self.at }, value })
    }

    /// A word, and its brackets if it has some.
    fn word(&mut self, word: &str, start: usize) -> Option<Value> {
        let end = self.at;
        self.blank();
        let body = match self.peek() {
            Some((Token::Open(b'('), _)) => Some(Box::new(self.value()?)),
            _ => {
                self.at = end;
                None
            }
        };
        Some(Value::Word(name(word), Span { start, end }, body))
    }

    fn brackets(&mut self, open: u8) -> Option<Value> {
        self.at += 1;
        let (mut items, mut entries) = (Vec::new(), Vec::new());
        let close = if open == b'(' { b')' } else { b']' };
        loop {
            self.blank();
            if self.take(close) {
                break;
            }
            match self.field_name().filter(|_| open == b'(') {
                Some((name, name_span)) => entries.push(Entry { name, name_span, value: self.value()? }),
                None => items.push(self.value()?),
            }
            self.blank();
            self.take(b',');
        }
        match (open, entries.is_empty(), items.is_empty()) {
            (b'(', true, true) => Some(Value::Unit),
            (_, true, _) => Some(Value::List(items)),
            (_, false, true) => Some(Value::Record(entries)),
            (_, false, false) => None,
        }
    }

    /// Steps over `name:` if it stands here.
    fn field_name(&mut self) -> Option<(String, Span)> {
        let start = self.at;
        if let Some((Token::Word, end)) = self.peek() {
            self.at = end;
            self.blank();
            if self.take(b':') {
                return Some((name(&self.text[start..end]), Span { start, end }));
            }
            self.at = start;
        }
        None
    }

    /// Steps over brackets whose inside does not matter.
    fn skip_brackets(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            let (token, end) = self.peek()?;
            self.at = end;
            match token {
                Token::Open(_) => depth += 1,
                Token::Close(_) => depth = depth.checked_sub(1)?,
                _ => {}
            }
            if depth == 0 {
                return Some(());
            }
        }
    }
}

fn name(word: &str) -> String {
    word.strip_prefix("r#").unwrap_or(word).to_owned()
}

fn scalar(slice: &str) -> Option<Value> {
    use ron::value::{Number as N, Value as V};
    Some(match ron::from_str::<V>(slice).ok()? {
        V::String(s) => Value::Text(s),
        V::Number(n) => {
            let int = match n {
                N::I8(v) => Some(v.into()),
                N::I16(v) => Some(v.into()),
                N::I32(v) => Some(v.into()),
                N::I64(v) => Some(v.into()),
                N::U8(v) => Some(v.into()),
                N::U16(v) => Some(v.into()),
                N::U32(v) => Some(v.into()),
                N::U64(v) => Some(v.into()),
                _ => None,
            };
            Value::Number(Number { float: n.into_f64(), int })
        }
        V::Char(_) => Value::Other("a single character", slice.to_owned()),
        V::Bytes(_) => Value::Other("bytes", slice.to_owned()),
        V::Map(_) => Value::Other("a range", slice.to_owned()),
        _ => Value::Other("something else", slice.to_owned()),
    })
}

impl Value {
    /// Says what it is, for "expected .., found ..".
    pub(crate) fn found(&self) -> String {
        match self {
            Self::Bool(b) => format!("`{b}`"),
            Self::Number(n) => n.int.map_or_else(|| format!("`{}`", n.float), |i| format!("`{i}`")),
            Self::Text(t) => format!("the text {}", quoted(&format!("\"{t}\""))),
            Self::Unit => "`()`".to_owned(),
            Self::Word(w, _, None) => quoted(w),
            Self::Word(w, _, Some(_)) => quoted(&format!("{w}(..)")),
            Self::Record(_) => "named values in brackets".to_owned(),
            Self::List(l) => format!("a list of {}", l.len()),
            Self::Other(what, _) => (*what).to_owned(),
        }
    }

    /// Returns whether two values are the same, wherever they stand.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a.float.to_bits() == b.float.to_bits() && a.int == b.int,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Unit, Self::Unit) => true,
            (Self::Word(a, _, x), Self::Word(b, _, y)) => {
                a == b
                    && match (x, y) {
                        (None, None) => true,
                        (Some(x), Some(y)) => x.value.same(&y.value),
                        _ => false,
                    }
            }
            (Self::Record(a), Self::Record(b)) => {
                let same = |(x, y): (&Entry, &Entry)| x.name == y.name && x.value.value.same(&y.value.value);
                a.len() == b.len() && a.iter().zip(b).all(same)
            }
            (Self::List(a), Self::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.value.same(&y.value))
            }
            (Self::Other(_, a), Self::Other(_, b)) => a == b,
            _ => false,
        }
    }
}
