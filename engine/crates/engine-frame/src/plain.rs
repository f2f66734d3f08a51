//! Text of a cell, made fit to be shown: it can neither change a terminal nor pass for a line of somebody else.
use std::borrow::Cow;

/// How many characters are shown of a text.
pub const LONGEST: usize = 4000;

/// How many characters are shown of a name.
const LONGEST_NAME: usize = 100;

/// Returns `text` without control characters, its lines after the first indented, and cut to [`LONGEST`] characters.
///
/// ```
/// use engine_frame::plain::plain;
///
/// assert_eq!(plain("it fell\n\u{1b}[31mhard"), "it fell\n    \u{fffd}[31mhard");
/// ```
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| !c.is_control() || c == '\t';
    // There are at most as many characters as bytes.
    if text.len() <= LONGEST && text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    for c in text.chars().take(LONGEST) {
        match c {
            '\n' => shown.push_str("\n    "),
            c if is_plain(c) => shown.push(c),
            _ => shown.push('\u{fffd}'),
        }
    }
    if text.chars().nth(LONGEST).is_some() {
        shown.push_str(" ...");
    }
    Cow::Owned(shown)
}

/// Returns `name` in one line, without control characters and cut to 100 characters: what a cell calls a part of itself,
/// within a sentence of ours.
#[must_use]
pub fn plain_name(name: &str) -> Cow<'_, str> {
    if name.len() <= LONGEST_NAME && !name.contains(char::is_control) {
        return Cow::Borrowed(name);
    }
    let shown = name.chars().take(LONGEST_NAME).map(|c| if c.is_control() { '\u{fffd}' } else { c });
    Cow::Owned(shown.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_stranger_is_one_block_without_control_characters() {
        assert_eq!(plain("Grüße\tund mehr"), "Grüße\tund mehr");
        assert_eq!(plain("a\x1b[2J\rb\u{9b}c\0"), "a\u{fffd}[2J\u{fffd}b\u{fffd}c\u{fffd}");
        assert_eq!(plain("x\nerror [camera] it is broken"), "x\n    error [camera] it is broken");
        assert_eq!(plain(&"ä".repeat(LONGEST)), "ä".repeat(LONGEST));
        assert_eq!(plain(&"ä".repeat(LONGEST + 1)), "ä".repeat(LONGEST) + " ...");
    }

    #[test]
    fn a_name_is_one_short_line() {
        assert_eq!(plain_name("blur \u{e4}"), "blur \u{e4}");
        assert_eq!(plain_name("a\nerror [camera]\t\x1b[2J"), "a\u{fffd}error [camera]\u{fffd}\u{fffd}[2J");
        assert_eq!(plain_name(&"\u{e4}".repeat(1000)), "\u{e4}".repeat(100));
    }
}
