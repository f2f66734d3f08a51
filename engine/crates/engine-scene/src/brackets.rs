//! Brackets, quotes and comments, before the RON reader sees the text: a missing bracket is named where it was opened,
//! and deep nesting ends here instead of on the stack.
use crate::fault::{Faults, Source, Span};
use crate::scene::MAX_NESTING;
use crate::token::{self, Token};

/// Notes the first fault, if there is one.
pub(crate) fn check(source: &Source, faults: &mut Faults<'_>) {
    let mut open: Vec<(u8, usize)> = Vec::new();
    let mut at = 0;
    while let Some(token) = token::next(source.text(), at) {
        let here = Span { start: at, end: at + 1 };
        let (token, end) = match token {
            Ok(token) => token,
            Err(what) => return faults.add(here, what),
        };
        match token {
            Token::Open(_) if open.len() == MAX_NESTING => {
                return faults.add(here, format!("brackets are nested more than {MAX_NESTING} deep"));
            }
            Token::Open(b) => open.push((b, at)),
            Token::Close(b) => match open.pop() {
                Some((o, _)) if closing(o) == b => {}
                Some((o, from)) => {
                    let help = format!(
                        "the `{}` was opened in line {}: close it first",
                        o as char,
                        source.line_of(from)
                    );
                    return faults.add_help(here, format!("`{}` closes a `{}`", b as char, o as char), help);
                }
                None => return faults.add(here, format!("nothing is open that `{}` could close", b as char)),
            },
            Token::Mark(b'\'') => {
                return faults.add_help(here, "a text does not stand in `'`", "write it as `\"..\"`");
            }
            _ => {}
        }
        at = end;
    }
    if let Some((b, from)) = open.pop() {
        faults.add(Span { start: from, end: from + 1 }, format!("this `{}` is never closed", b as char));
    }
}

const fn closing(open: u8) -> u8 {
    match open {
        b'(' => b')',
        b'[' => b']',
        _ => b'}',
    }
}
