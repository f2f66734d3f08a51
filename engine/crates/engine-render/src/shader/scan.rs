//! A flat scan of a shader's tokens before a real parser sees it.
//!
//! naga's parser and wgpu's back-ends call themselves once per operator and per level of nesting, so a small
//! file can overflow any stack. This scan calls nothing: it counts.

/// The most bytes of a shader file.
const MAX_BYTES: usize = 256 * 1024;
/// The most tokens of one statement.
const MAX_STATEMENT_TOKENS: usize = 2_000;
/// The most levels of `(`, `[` and `{`.
const MAX_NESTING: usize = 64;
/// The most `else if` after one `if`.
const MAX_ELSE_IF: usize = 64;

/// Why a text is refused, and the bytes of it that are to blame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) why: String,
    pub(crate) at: std::ops::Range<usize>,
}

/// Returns the first reason not to parse `text`.
pub(crate) fn scan(text: &str) -> Result<(), Refused> {
    if text.len() > MAX_BYTES {
        let why = format!("the file has {} KiB; at most {} are allowed", text.len() / 1024, MAX_BYTES / 1024);
        return Err(Refused { why, at: 0..0 });
    }
    let mut tokens = Tokens { text, at: 0 };
    let mut depth = 0_usize;
    let mut in_statement = 0_usize;
    let mut statement_start = 0;
    // For each level of braces, how many `else if` the chain in progress has.
    let mut chains = [0_usize; MAX_NESTING + 1];
    let mut last: [&str; 2] = [""; 2];
    let mut any = false;
    while let Some((token, at)) = tokens.next()? {
        any = true;
        if in_statement == 0 {
            statement_start = at.start;
        }
        in_statement += 1;
        if in_statement > MAX_STATEMENT_TOKENS {
            let why = format!("this statement has more than {MAX_STATEMENT_TOKENS} tokens; split it");
            let end = text[statement_start..].find('\n').map_or(text.len(), |n| statement_start + n);
            return Err(Refused { why, at: statement_start..end });
        }
        match token {
            "(" | "[" | "{" => {
                depth += 1;
                if depth > MAX_NESTING {
                    return Err(Refused {
                        why: format!("this is nested more than {MAX_NESTING} levels deep"),
                        at,
                    });
                }
                if token == "{" {
                    chains[depth] = 0;
                    in_statement = 0;
                }
            }
            ")" | "]" => depth = depth.saturating_sub(1),
            "}" => {
                depth = depth.saturating_sub(1);
                in_statement = 0;
            }
            ";" => in_statement = 0,
            "if" if last[1] == "else" => {
                chains[depth] += 1;
                if chains[depth] > MAX_ELSE_IF {
                    let why = format!("more than {MAX_ELSE_IF} `else if` in a row; use `switch`");
                    return Err(Refused { why, at });
                }
            }
            "if" => chains[depth] = 0,
            _ => {}
        }
        last = [last[1], token];
    }
    if any { Ok(()) } else { Err(Refused { why: "the file is empty".to_owned(), at: 0..0 }) }
}

/// The tokens of a text: words and numbers, and every other character for itself. Comments are left out.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Result<Option<(&'a str, std::ops::Range<usize>)>, Refused> {
        self.skip_blank()?;
        let rest = &self.text[self.at..];
        let Some(first) = rest.chars().next() else { return Ok(None) };
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let len =
            if is_word(first) { rest.find(|c| !is_word(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        let at = self.at..self.at + len;
        self.at += len;
        Ok(Some((&rest[..len], at)))
    }

    fn skip_blank(&mut self) -> Result<(), Refused> {
        loop {
            let rest = &self.text[self.at..];
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("//") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                self.at += self.block_comment(trimmed)?;
            } else {
                return Ok(());
            }
        }
    }

    /// Returns the length of the block comment (they nest) that `rest` starts with.
    fn block_comment(&self, rest: &str) -> Result<usize, Refused> {
        let bytes = rest.as_bytes();
        let (mut level, mut n) = (0_usize, 0);
        while n + 1 < bytes.len() {
            match &bytes[n..n + 2] {
                b"/*" => level += 1,
                b"*/" => level -= 1,
                _ => {
                    n += 1;
                    continue;
                }
            }
            n += 2;
            if level == 0 {
                return Ok(n);
            }
        }
        Err(Refused { why: "this comment is never closed".to_owned(), at: self.at..self.at + 2 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let r = scan(text).unwrap_err();
        assert!(text.get(r.at.clone()).is_some(), "{r:?} points into the text");
        r.why
    }

    #[test]
    fn an_ordinary_shader_passes() {
        scan("// a\n/* b /* c */ */ fn f(a: array<vec4f, 3>) -> f32 { if a > 0 { return 1.0; } else { return -1.0; } }")
            .unwrap();
    }

    #[test]
    fn nothing_but_comments_is_empty() {
        for text in ["", " \n\t", "// only this", "/* and this */\n"] {
            assert_eq!(refused(text), "the file is empty", "{text:?}");
        }
    }

    #[test]
    fn long_statements_are_refused_where_they_start() {
        let text = format!("fn f() -> f32 {{\n  let x = 1.0;\n  return x{};\n}}", "+x".repeat(5_000));
        let r = scan(&text).unwrap_err();
        assert!(r.why.contains("2000 tokens"), "{}", r.why);
        assert!(text[r.at].starts_with("return x+x"));
        // As long, but of many statements.
        scan(&format!("fn f() {{ {} }}", "x += x;".repeat(5_000))).unwrap();
    }

    #[test]
    fn nesting_is_counted_over_all_brackets() {
        for (open, close) in [("(", ")"), ("[", "]"), ("{", "}"), ("([{", "}])")] {
            let deep = |n: usize| format!("{}{}", open.repeat(n), close.repeat(n));
            scan(&deep(MAX_NESTING / open.len())).unwrap();
            assert!(refused(&deep(MAX_NESTING + 1)).contains("nested"));
        }
        scan(&"{}".repeat(10_000)).unwrap();
    }

    #[test]
    fn else_if_chains_are_counted_per_chain() {
        let chain = |n: usize| format!("if a {{}}{}", " else if b {}".repeat(n));
        scan(&chain(MAX_ELSE_IF)).unwrap();
        assert!(refused(&chain(MAX_ELSE_IF + 1)).contains("switch"));
        scan(&format!("{} {}", chain(40), chain(40))).unwrap();
        assert!(refused(&format!("if c {{ {} }}", chain(MAX_ELSE_IF + 1))).contains("switch"));
    }

    #[test]
    fn size_and_open_comments_are_refused() {
        assert!(refused(&"x ".repeat(MAX_BYTES)).contains("KiB"));
        assert!(refused("fn f() {} /* /* */").contains("never closed"));
        assert!(refused("/*").contains("never closed"));
    }

    #[test]
    fn any_text_is_scanned_without_panic() {
        for text in ["é /* é", "/*/", "*/", "}}}))", "\u{feff}fn f() {}", "// \u{2028}x", "/**//"] {
            let _ = scan(text);
        }
    }
}
