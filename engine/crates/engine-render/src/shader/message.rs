//! Messages about a shader: file, line, caret, in the author's file and never in the declarations before it.
use super::scan::Refused;
use engine_frame::plain::plain;
use std::{error::Error, fmt::Write as _, ops::Range};

/// A shader's text in its two parts, which the compiler sees as one.
pub(crate) struct Text<'a> {
    pub(crate) path: &'a str,
    pub(crate) header: &'a str,
    pub(crate) body: &'a str,
}

impl Text<'_> {
    /// Returns what the compiler sees.
    pub(crate) fn whole(&self) -> String {
        [self.header, self.body].concat()
    }

    pub(crate) fn refused(&self, refused: &Refused) -> String {
        let labels = (!refused.at.is_empty()).then(|| (shift(&refused.at, self.header.len()), ""));
        self.diagnostic(&refused.why, labels.into_iter(), &[])
    }

    pub(crate) fn parse_error(&self, error: &naga::front::wgsl::ParseError) -> String {
        let labels = error.labels().filter_map(|(span, text)| Some((span.to_range()?, text)));
        let notes: Vec<_> = error.notes().map(str::to_owned).collect();
        self.diagnostic(error.message(), labels, &notes)
    }

    pub(crate) fn invalid(&self, error: &naga::WithSpan<naga::valid::ValidationError>) -> String {
        let mut notes = Vec::new();
        let mut cause: &dyn Error = error.as_inner();
        while let Some(next) = cause.source() {
            notes.push(next.to_string());
            cause = next;
        }
        // naga labels some spans with the names of its own types: "naga::ir::Expression [5]".
        let labels = error.spans().filter_map(|(span, text)| {
            Some((span.to_range()?, if text.starts_with("naga::") { "" } else { text.as_str() }))
        });
        let mut labels: Vec<_> = labels.collect();
        if labels.iter().all(|(at, _)| at.start < self.header.len())
            && let Some(at) = name_of(error.as_inner()).and_then(|name| self.definition(name))
        {
            labels.insert(0, (at, ""));
        }
        let title = error.as_inner().to_string();
        self.diagnostic(&title, labels.into_iter(), &notes)
    }

    /// Returns the message for a text on which the compiler itself gave up.
    pub(crate) fn crashed(&self) -> String {
        self.diagnostic(
            "the shader compiler crashed on this text, which is a fault of its own",
            [].into_iter(),
            &["undo the last change, or write it in another way".to_owned()],
        )
    }

    /// Returns a message that points at the definition of function `name`, if the file has it.
    pub(crate) fn at_function(&self, name: &str, why: &str) -> String {
        let labels = self.definition(name).map(|at| (at, ""));
        self.diagnostic(why, labels.into_iter(), &[])
    }

    /// Returns where the file defines `name`, as bytes of the whole text.
    fn definition(&self, name: &str) -> Option<Range<usize>> {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        self.body.match_indices(name).map(|(at, _)| at).find_map(|at| {
            let before = self.body[..at].trim_end();
            let keyword = ["fn", "struct", "const", "var", "override", "alias", ">"]
                .iter()
                .any(|k| before.ends_with(k));
            let whole = !self.body[at + name.len()..].starts_with(is_word) && before.len() < at;
            (keyword && whole).then(|| shift(&(at..at + name.len()), self.header.len()))
        })
    }

    fn diagnostic<'a>(
        &self,
        title: &str,
        labels: impl Iterator<Item = (Range<usize>, &'a str)>,
        notes: &[String],
    ) -> String {
        // Words of a stranger's file, or of a list of its passes, are among them.
        let mut out = format!("error: {}\n", plain(title));
        let mut placed = false;
        let mut in_header = Vec::new();
        for (at, label) in labels {
            if at.start < self.header.len() {
                in_header.push(line_of(self.header, at.start).1.trim().to_owned());
                continue;
            }
            let start = (at.start - self.header.len()).min(self.body.len());
            let end = (at.end.saturating_sub(self.header.len())).clamp(start, self.body.len());
            self.excerpt(&mut out, start..end, label);
            placed = true;
        }
        if !placed {
            let _ = writeln!(out, "  --> {}", self.path);
        }
        for line in in_header {
            let _ = writeln!(out, "  = the engine declares, from the cell's ports: `{line}`");
        }
        for note in notes {
            let _ = writeln!(out, "  = {}", plain(note));
        }
        out.truncate(out.trim_end().len());
        out
    }

    fn excerpt(&self, out: &mut String, at: Range<usize>, label: &str) {
        let (number, line, column) = line_of(self.body, at.start);
        let gutter = " ".repeat(number.to_string().len());
        // A line that is too long is shown from shortly before the place.
        let is_long = line.chars().count() > SHOWN;
        let before = line[..column].char_indices().rev().nth(SHOWN / 2).filter(|_| is_long);
        let (dots, from) = before.map_or(("", 0), |(at, _)| ("...", at));
        // Tabs keep their width, so that the caret stands below its place.
        let indent: String = dots
            .chars()
            .chain(line[from..column].chars())
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let marked = &line[column..line.len().min(column + at.len())];
        let carets = "^".repeat(marked.chars().count().max(1));
        let column = line[..column].chars().count() + 1;
        let _ = writeln!(out, "{gutter}--> {}:{number}:{column}", self.path);
        let _ = writeln!(out, "{gutter} |");
        let _ = writeln!(out, "{number} | {}", plain(short(&format!("{dots}{}", &line[from..]))));
        let _ =
            writeln!(out, "{gutter} | {}", short(format!("{indent}{carets} {}", plain(label)).trim_end()));
    }
}

/// A line is shown up to this many characters.
const SHOWN: usize = 160;

fn short(line: &str) -> &str {
    line.char_indices().nth(SHOWN).map_or(line, |(at, _)| &line[..at])
}

/// Returns the number (from 1) and text of the line with byte `at`, and `at`'s byte in it.
fn line_of(text: &str, at: usize) -> (usize, &str, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let start = text[..at].rfind('\n').map_or(0, |n| n + 1);
    let end = text[start..].find('\n').map_or(text.len(), |n| start + n);
    let line = text[start..end].trim_end_matches('\r');
    (text[..start].matches('\n').count() + 1, line, (at - start).min(line.len()))
}

fn shift(range: &Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

/// Returns the name of the definition that is invalid.
fn name_of(error: &naga::valid::ValidationError) -> Option<&str> {
    use naga::valid::ValidationError as E;
    match error {
        E::Type { name, .. }
        | E::Constant { name, .. }
        | E::Override { name, .. }
        | E::GlobalVariable { name, .. }
        | E::Function { name, .. }
        | E::EntryPoint { name, .. } => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "struct Frame { time: f32 }\n@group(0) @binding(0) var<uniform> frame: Frame;\n";

    fn message(body: &str) -> String {
        let text = Text { path: "shaders/bloom/bloom.wgsl", header: HEADER, body };
        let module = match naga::front::wgsl::parse_str(&text.whole()) {
            Ok(module) => module,
            Err(e) => return text.parse_error(&e),
        };
        let (flags, caps) = (naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty());
        text.invalid(&naga::valid::Validator::new(flags, caps).validate(&module).unwrap_err())
    }

    #[test]
    fn a_parse_error_points_into_the_file() {
        let m = message("\nfn f() -> f32 {\n\treturn frame.tim;\n}\n");
        assert!(m.contains("--> shaders/bloom/bloom.wgsl:3:"), "{m}");
        assert!(m.contains("\n3 | \treturn frame.tim;\n"), "{m}");
        assert!(m.contains(" | \t             ^^^"), "{m}");
    }

    #[test]
    fn what_could_change_a_terminal_is_not_shown() {
        let m = message("fn f() -> f32 { return \u{1b}[2J; }");
        assert!(m.contains("1 | fn f() -> f32 { return \u{fffd}[2J; }") && !m.contains('\u{1b}'), "{m}");
        let text = Text { path: "a.wgsl", header: HEADER, body: "" };
        let forged = text.at_function("x", "pass `a` cannot use `b\nerror [camera] it is broken`");
        assert!(forged.contains("`b\n    error [camera]"), "{forged}");
    }

    #[test]
    fn a_fault_without_a_place_points_at_the_entry_point() {
        let m = message("fn g() {}\n@fragment fn blur() -> @location(0) vec4f { return 1.0; }\n");
        assert!(m.contains("bloom.wgsl:2:"), "{m}");
    }

    #[test]
    fn a_name_of_the_header_is_explained() {
        let m = message("struct Frame { a: f32 }\n");
        assert!(m.contains("bloom.wgsl:1:8"), "{m}");
        assert!(
            m.contains("the engine declares, from the cell's ports: `struct Frame { time: f32 }`"),
            "{m}"
        );
    }

    #[test]
    fn a_long_line_is_shown_around_its_place() {
        let body = format!("fn f() -> f32 {{ return {}nowhere{}; }}", "1.0+".repeat(100), "+1.0".repeat(100));
        let m = message(&body);
        let lines: Vec<&str> = m.lines().collect();
        let column = lines[4].find("^^^^^^^").unwrap();
        assert_eq!(&lines[3][column..column + 7], "nowhere", "{m}");
        assert!(lines[3].contains("| ...") && lines[1].contains(":1:424"), "{m}");
    }

    #[test]
    fn places_at_the_end_and_in_wide_text_are_safe() {
        for body in ["fn f() {", "fn é() { let a = ; }", "fn f() -> f32 { return \"é", "@", "é"] {
            let m = message(body);
            assert!(m.contains("bloom.wgsl:1:"), "{body}: {m}");
        }
    }
}
