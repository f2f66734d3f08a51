//! The terminal: bars and tables stay below the lines of the log.
use indicatif::{MultiProgress, ProgressBar};
use std::{io::Write as _, sync::LazyLock};

/// Everything that is drawn below the lines; nothing where standard error is no terminal.
static BELOW: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Shows a bar below the lines, until it is cleared.
pub(crate) fn add(bar: ProgressBar) -> ProgressBar {
    BELOW.add(bar)
}

/// Writes whole lines to standard error, at once, so that lines of several threads do not mix.
pub(crate) fn print(lines: &str) {
    // A closed terminal is no error.
    BELOW.suspend(|| drop(std::io::stderr().lock().write_all(lines.as_bytes())));
}

/// Returns whether anything is drawn below the lines: standard error is a terminal.
pub(crate) fn is_there() -> bool {
    !BELOW.is_hidden()
}
