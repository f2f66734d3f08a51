//! Words of a cell or a file, as they may be shown.

/// Returns `text` with another sign for each control character, which could change a terminal. Ends of lines and tabs
/// stay.
#[must_use]
pub fn shown(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect()
}

/// Returns whether a character does something else than to be seen.
pub(super) fn is_hidden(c: char) -> bool {
    c.is_control() && c != '\n' && c != '\t'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_change_a_terminal_is_not_shown() {
        assert_eq!(shown("a\n\tb\x1b[2J\u{9b}1m\r"), "a\n\tb\u{fffd}[2J\u{fffd}1m\u{fffd}");
    }
}
