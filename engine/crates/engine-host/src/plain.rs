//! Text of a cell, made fit to be shown: it can neither change a terminal nor pass for a line of somebody else.

/// How many characters are shown.
pub(crate) const LONGEST: usize = 1000;

/// Returns `text` without control characters, its lines after the first indented, and cut to [`LONGEST`] characters.
pub(crate) fn plain(text: String) -> String {
    let is_plain = |c: char| !c.is_control() || c == '\t';
    // There are at most as many characters as bytes.
    if text.len() <= LONGEST && text.chars().all(is_plain) {
        return text;
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
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_stranger_is_one_block_without_control_characters() {
        let plain = |text: &str| plain(text.to_owned());
        assert_eq!(plain("Grüße\tund mehr"), "Grüße\tund mehr");
        assert_eq!(plain("a\x1b[2J\rb\u{9b}c\0"), "a\u{fffd}[2J\u{fffd}b\u{fffd}c\u{fffd}");
        assert_eq!(plain("x\nerror [camera] it is broken"), "x\n    error [camera] it is broken");
        assert_eq!(plain(&"ä".repeat(LONGEST)), "ä".repeat(LONGEST));
        assert_eq!(plain(&"ä".repeat(LONGEST + 1)), "ä".repeat(LONGEST) + " ...");
    }
}
