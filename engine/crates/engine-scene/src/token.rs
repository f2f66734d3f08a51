//! Where the words, texts, comments and brackets of RON begin and end. What they mean is `ron`'s to say.

/// A piece of text between two places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// `(`, `[` or `{`.
    Open(u8),
    /// `)`, `]` or `}`.
    Close(u8),
    /// White space or a comment.
    Blank,
    /// A name or a key word.
    Word,
    /// A number, or a range of them.
    Number,
    /// Text in quotes, raw or not.
    Text,
    /// A character, or bytes in quotes.
    Quoted,
    /// Anything else: one byte (the first of a character).
    Mark(u8),
}

/// Returns the token at `at` and where it ends, or what is not closed; `None` at the end.
pub(crate) fn next(text: &str, at: usize) -> Option<Result<(Token, usize), &'static str>> {
    let bytes = text.as_bytes();
    let first = *bytes.get(at)?;
    let run = |more: fn(u8) -> bool| at + bytes[at..].iter().take_while(|b| more(**b)).count();
    Some(Ok(match first {
        b'(' | b'[' | b'{' => (Token::Open(first), at + 1),
        b')' | b']' | b'}' => (Token::Close(first), at + 1),
        b'"' => match end_of_text(bytes, at) {
            Some(end) => (Token::Text, end),
            None => return Some(Err("the text that begins here has no closing `\"`")),
        },
        b'\'' => match end_of_character(bytes, at) {
            Some(end) => (Token::Quoted, end),
            None => (Token::Mark(first), at + 1),
        },
        b'/' => match end_of_comment(bytes, at) {
            Some(Some(end)) => (Token::Blank, end),
            Some(None) => return Some(Err("the comment that begins here has no closing `*/`")),
            None => (Token::Mark(first), at + 1),
        },
        b'0'..=b'9' | b'+' | b'-' | b'.' => (Token::Number, run(is_number)),
        b'_' | b'a'..=b'z' | b'A'..=b'Z' => return Some(word(bytes, at, run(is_word))),
        _ => {
            let blank: usize = text
                .get(at..)
                .map_or(0, |t| t.chars().take_while(|c| is_blank(*c)).map(char::len_utf8).sum());
            match blank {
                0 if first >= 0x80 => (Token::Word, run(is_word)),
                0 => (Token::Mark(first), at + 1),
                n => (Token::Blank, at + n),
            }
        }
    }))
}

/// A word, or what its first letters make of what follows: `r"..", b"..", b'.', r#word`.
fn word(bytes: &[u8], at: usize, end: usize) -> Result<(Token, usize), &'static str> {
    let hashes = bytes[end..].iter().take_while(|b| **b == b'#').count();
    let quote = bytes.get(end + hashes) == Some(&b'"');
    match &bytes[at..end] {
        raw @ (b"r" | b"br") if quote => match end_of_raw(bytes, end + hashes + 1, hashes) {
            Some(end) => Ok((if raw == b"r" { Token::Text } else { Token::Quoted }, end)),
            None => Err("the raw text that begins here is not closed"),
        },
        b"r" if hashes == 1 => {
            let more = |b: &&u8| is_word(**b) || matches!(**b, b'.' | b'+' | b'-');
            Ok((Token::Word, end + 1 + bytes[end + 1..].iter().take_while(more).count()))
        }
        b"b" if quote && hashes == 0 => match end_of_text(bytes, end) {
            Some(end) => Ok((Token::Quoted, end)),
            None => Err("the bytes that begin here have no closing `\"`"),
        },
        b"b" if bytes.get(end) == Some(&b'\'') => Ok(match end_of_character(bytes, end) {
            Some(end) => (Token::Quoted, end),
            None => (Token::Word, end),
        }),
        _ => Ok((Token::Word, end)),
    }
}

const fn is_word(b: u8) -> bool {
    b == b'_' || b >= 0x80 || b.is_ascii_alphanumeric()
}

const fn is_number(b: u8) -> bool {
    matches!(b, b'.' | b'+' | b'-' | b'_' | b'=') || b.is_ascii_alphanumeric()
}

/// What RON calls white space: two marks of direction besides Unicode's.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200e}' | '\u{200f}')
}

fn end_of_text(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

fn end_of_raw(bytes: &[u8], start: usize, hashes: usize) -> Option<usize> {
    let mut at = start;
    loop {
        at += bytes.get(at..)?.iter().position(|b| *b == b'"')? + 1;
        if bytes[at..].iter().take(hashes).filter(|b| **b == b'#').count() == hashes {
            return Some(at + hashes);
        }
    }
}

/// The end of a character literal, so that `'('` opens nothing; `None` for a stray quote.
fn end_of_character(bytes: &[u8], start: usize) -> Option<usize> {
    const LONGEST: usize = 12;
    let escaped = bytes.get(start + 1) == Some(&b'\\');
    let from = start + if escaped { 3 } else { 2 };
    let until = if escaped { LONGEST } else { 4 };
    bytes.get(from..)?.iter().take(until).position(|b| *b == b'\'').map(|n| from + n + 1)
}

/// The end of a comment (block comments nest, as in Rust): outer `None` for a stray slash, inner for an open one.
fn end_of_comment(bytes: &[u8], start: usize) -> Option<Option<usize>> {
    match bytes.get(start + 1) {
        Some(b'/') => Some(Some(start + bytes[start..].iter().take_while(|b| **b != b'\n').count())),
        Some(b'*') => {
            let (mut at, mut level) = (start + 2, 1);
            while level > 0 {
                match bytes.get(at..at + 2) {
                    Some(b"/*") => (at, level) = (at + 2, level + 1),
                    Some(b"*/") => (at, level) = (at + 2, level - 1),
                    Some(_) => at += 1,
                    None => return Some(None),
                }
            }
            Some(Some(at))
        }
        _ => None,
    }
}
