//! Faults and how they are printed; positions in a text.
use std::fmt;
use std::sync::Arc;

/// The most faults that one reading reports.
pub const MAX_FAULTS: usize = 50;

/// A range of bytes in the text of a scene.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// The text of a scene with its name; what positions refer to.
#[derive(Debug)]
pub(crate) struct Source {
    path: String,
    text: String,
    /// The byte at which each line begins.
    lines: Vec<usize>,
}

/// One fault of a scene: where, what, and what to do.
///
/// Its `Display` is several lines, like a compiler's message:
///
/// ```text
/// error: unknown parameter `treshold`
///   --> scenes/glow.ron:3:30
///    |
///  3 |     (cell: "bloom", with: (treshold: 1.2)),
///    |                            ^^^^^^^^
///    = in the cell `bloom`
///    = help: did you mean `threshold`?
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SceneFault {
    /// The scene's file, as it was given.
    pub path: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// What is wrong: a sentence without its full stop.
    pub what: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The name of the cell it belongs to.
    pub cell: Option<String>,
    /// The part of the line that is shown, the columns before the caret in it, and the caret's width.
    excerpt: (String, usize, usize),
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Arc<Self> {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(n, _)| n + 1)).collect();
        Arc::new(Self { path: path.to_owned(), text: text.to_owned(), lines })
    }

    /// Returns the byte at `line` and `column` (both from 1, the column in characters), or the nearest there is.
    pub(crate) fn byte_at(&self, line: usize, column: usize) -> usize {
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len());
        let rest = &self.text[start..];
        let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
        start + line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(n, _)| n)
    }

    /// Returns the line of a byte, from 1.
    pub(crate) fn line_of(&self, byte: usize) -> usize {
        self.lines.partition_point(|l| *l <= byte).max(1)
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn fault(
        &self,
        span: Span,
        what: String,
        help: Option<String>,
        cell: Option<&str>,
    ) -> SceneFault {
        let start = span.start.min(self.text.len());
        let line = self.line_of(start) - 1;
        let from = self.lines[line];
        let rest = &self.text[from..];
        let whole = rest[..rest.find('\n').unwrap_or(rest.len())].trim_end_matches('\r');
        let before = whole.get(..start - from).unwrap_or(whole);
        let end = span.end.clamp(start, from + whole.len().max(start - from));
        let width = self.text.get(start..end).map_or(1, |s| s.chars().count()).max(1);
        SceneFault {
            path: self.path.clone(),
            line: u32::try_from(line + 1).unwrap_or(u32::MAX),
            column: u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX),
            what,
            help,
            cell: cell.map(str::to_owned),
            excerpt: excerpt(whole, before.chars().count(), width),
        }
    }
}

/// Cuts what is shown of a long line to the part around the caret, one column per character.
fn excerpt(line: &str, before: usize, width: usize) -> (String, usize, usize) {
    const SHOWN: usize = 120;
    let skip = if before + width.min(40) <= SHOWN { 0 } else { before.saturating_sub(40) };
    let mut shown: String = line.chars().skip(skip).take(SHOWN).map(printable).collect();
    if skip > 0 {
        shown.replace_range(..shown.chars().next().map_or(0, char::len_utf8), "…");
    }
    if line.chars().nth(skip + SHOWN).is_some() {
        shown.push('…');
    }
    let before = before - skip;
    (shown, before, width.min((SHOWN + 1).saturating_sub(before)).max(1))
}

/// A scene may come from a stranger: nothing of it reaches a terminal as a command.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// Returns a word of the scene as it may stand in a message: short, in backticks, without control characters.
pub(crate) fn quoted(word: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = word.chars().take(LONGEST).map(printable).collect();
    if word.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

impl fmt::Display for SceneFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, before, width) = &self.excerpt;
        let number = self.line.to_string();
        let gap = " ".repeat(number.len());
        writeln!(f, "error: {}", self.what)?;
        writeln!(f, " {gap}--> {}:{}:{}", self.path, self.line, self.column)?;
        writeln!(f, " {gap} |")?;
        writeln!(f, " {number} | {text}")?;
        write!(f, " {gap} | {}{}", " ".repeat(*before), "^".repeat(*width))?;
        if let Some(cell) = &self.cell {
            write!(f, "\n {gap} = in the cell `{cell}`")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n {gap} = help: {help}")?;
        }
        Ok(())
    }
}

/// Faults as they are found, in the order of their places when done.
pub(crate) struct Faults<'a> {
    source: &'a Source,
    cell: Option<String>,
    found: Vec<(Span, SceneFault)>,
}

impl<'a> Faults<'a> {
    pub(crate) fn new(source: &'a Source) -> Self {
        Self { source, cell: None, found: Vec::new() }
    }

    /// From here on faults belong to this cell.
    pub(crate) fn in_cell(&mut self, cell: Option<&str>) {
        self.cell = cell.map(str::to_owned);
    }

    pub(crate) fn add(&mut self, span: Span, what: impl Into<String>) {
        self.push(span, what.into(), None);
    }

    pub(crate) fn add_help(&mut self, span: Span, what: impl Into<String>, help: impl Into<String>) {
        self.push(span, what.into(), Some(help.into()));
    }

    pub(crate) fn push(&mut self, span: Span, what: String, help: Option<String>) {
        if !self.is_full() {
            self.found.push((span, self.source.fault(span, what, help, self.cell.as_deref())));
        }
    }

    /// Returns whether there are as many as are told: a reader stops then.
    pub(crate) fn is_full(&self) -> bool {
        self.found.len() == MAX_FAULTS
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn into_list(mut self) -> Vec<SceneFault> {
        self.found.sort_by_key(|(span, _)| span.start);
        let stopped = self.is_full().then(|| format!("reading stopped after {MAX_FAULTS} faults"));
        let mut list: Vec<SceneFault> = self.found.into_iter().map(|(_, f)| f).collect();
        if let (Some(last), Some(stopped)) = (list.last_mut(), stopped) {
            last.help = Some(last.help.take().map_or(stopped.clone(), |h| format!("{h} ({stopped})")));
        }
        list
    }
}
