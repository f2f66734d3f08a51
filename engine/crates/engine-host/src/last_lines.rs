//! The last lines that an instance logged: they are repeated when its cell is given up.
use cell_abi::LogLevel;
use std::{
    collections::VecDeque,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
};

/// How many lines are kept.
const LINES: usize = 20;
/// How many of them end a message.
const SHOWN: usize = 8;
/// How many characters of each.
const LONGEST: usize = 300;

/// The newest lines, oldest first.
#[derive(Debug, Default)]
pub(crate) struct LastLines(Mutex<VecDeque<String>>);

impl LastLines {
    /// Keeps a line, and forgets the oldest for it.
    pub(crate) fn push(&self, level: LogLevel, message: &str) {
        let name = match level {
            LogLevel::ERROR => "error",
            LogLevel::WARN => "warn",
            LogLevel::INFO => "info",
            LogLevel::DEBUG => "debug",
            _ => "trace",
        };
        let message: String = message.chars().take(LONGEST).collect();
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(format!("{name} {message}"));
    }

    /// Returns all lines that are kept.
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Returns the newest lines as the end of a message; nothing when there are none.
    pub(crate) fn as_ending(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for (n, line) in lines.iter().skip(lines.len().saturating_sub(SHOWN)).enumerate() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{}\n  {line}", if n == 0 { "; its last lines were" } else { "" });
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_are_kept_in_order_and_cut() {
        let lines = LastLines::default();
        assert_eq!(lines.as_ending(), "");
        for n in 0..20 {
            lines.push(LogLevel::INFO, &format!("line {n}"));
        }
        lines.push(LogLevel::WARN, &"ä".repeat(5000));
        let text = lines.as_ending();
        assert!(text.starts_with("; its last lines were\n  info line 13\n  info line 14\n"), "{text}");
        assert!(text.ends_with(&format!("\n  info line 19\n  warn {}", "ä".repeat(LONGEST))), "{text}");
        let all = lines.all();
        assert_eq!((all.len(), &*all[0]), (LINES, "info line 1"));
    }
}
