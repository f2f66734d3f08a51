//! The log on standard error: short lines, cells by name. The newest lines are kept for `engine ctl log`.
use crate::{
    ctl::protocol::{LogLine, LogPart},
    screen,
};
use std::{
    collections::VecDeque,
    fmt::Write as _,
    io::IsTerminal as _,
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tracing::{Event, Level, Subscriber, field::Visit};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    layer::{Context, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

/// Installs the log with `level` for the engine and its cells, warnings only for everything else.
pub(crate) fn install(level: Level) {
    let targets =
        ["engine", "engine_host", "engine_render", "engine_frame", "engine_scene", "engine_sys", "cell"]
            .into_iter()
            .fold(Targets::new().with_default(LevelFilter::ERROR), |t, name| t.with_target(name, level));
    let colour = std::io::stderr().is_terminal();
    // A second installation can only come from a test; the first one stays.
    let _ = tracing_subscriber::registry().with(Lines { colour }.with_filter(targets)).try_init();
    engine_host::cx::set_log_level(cell_abi::LogLevel(match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        _ => 5,
    }));
}

/// How many lines are kept.
const KEPT: usize = 1000;
/// How many characters of each.
const LONGEST: usize = 4000;

/// The newest lines.
static NEWEST: Newest = Newest { lines: Mutex::new((0, VecDeque::new())), came: Condvar::new() };

struct Newest {
    /// The number of the newest, and the lines, oldest first.
    lines: Mutex<(u64, VecDeque<LogLine>)>,
    came: Condvar,
}

impl Newest {
    fn push(&self, line: LogLine) {
        let mut kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.1.len() == KEPT {
            kept.1.pop_front();
        }
        kept.0 += 1;
        kept.1.push_back(line);
        drop(kept);
        self.came.notify_all();
    }

    fn since(&self, after: u64, cell: Option<&str>, wait: Duration) -> LogPart {
        let until = Instant::now() + wait;
        let mut kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut part = LogPart { newest: after, ..LogPart::default() };
        loop {
            let (newest, lines) = &*kept;
            let oldest = newest - lines.len() as u64;
            part.lost += oldest.saturating_sub(part.newest);
            let seen = part.newest.saturating_sub(oldest) as usize;
            part.newest = *newest;
            let is_meant = |l: &&LogLine| cell.is_none_or(|name| l.cell.as_deref() == Some(name));
            part.lines.extend(lines.iter().skip(seen).filter(is_meant).cloned());
            let left = until.saturating_duration_since(Instant::now());
            if !part.lines.is_empty() || left.is_zero() {
                return part;
            }
            kept = self.came.wait_timeout(kept, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Returns the lines after number `after` that are still kept, of the cell `cell` alone if it says so. If there are none,
/// waits for one, at most `wait`.
pub(crate) fn since(after: u64, cell: Option<&str>, wait: Duration) -> LogPart {
    NEWEST.since(after, cell, wait)
}

struct Lines {
    colour: bool,
}

#[derive(Default)]
struct Words {
    cell: Option<String>,
    message: String,
    rest: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "cell" => self.cell = Some(format!("{value:?}").trim_matches('"').to_owned()),
            "module" | "file" | "line" => {}
            name => {
                // Writing to a string cannot fail.
                let _ = write!(self.rest, " {name}={value:?}");
            }
        }
    }

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            "cell" => self.cell = Some(value.to_owned()),
            "module" | "file" => {}
            name => {
                let _ = write!(self.rest, " {name}={value}");
            }
        }
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        let level = *event.metadata().level();
        let (name, ansi) = match level {
            Level::ERROR => ("error", "31;1"),
            Level::WARN => ("warn", "33;1"),
            Level::INFO => ("info", "32"),
            Level::DEBUG => ("debug", "36"),
            _ => ("trace", "90"),
        };
        let head = match &words.cell {
            Some(cell) => format!("{name} [{cell}]"),
            None => name.to_owned(),
        };
        let Words { message, rest, cell } = words;
        // A fault of several lines begins on a line of its own; one that says so itself needs no other head.
        let gap = if message.starts_with('\n') { "" } else { " " };
        let says_so = cell.is_none() && message.trim_start().starts_with(&format!("{name}:"));
        let plain = if says_so {
            format!("{}{rest}", message.trim_start())
        } else {
            format!("{head}{gap}{message}{rest}")
        };
        let line = match plain.strip_prefix(&head).filter(|_| self.colour && !says_so) {
            Some(tail) => format!("\x1b[{ansi}m{head}\x1b[0m{tail}\n"),
            None => format!("{plain}\n"),
        };
        screen::print(&line);
        let text = match plain.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{} ...", &plain[..end]),
            None => plain,
        };
        NEWEST.push(LogLine { cell, text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(part: &LogPart) -> Vec<&str> {
        part.lines.iter().map(|l| l.text.as_str()).collect()
    }

    #[test]
    fn lines_are_handed_out_once_by_cell_and_those_that_are_gone_are_counted() {
        let log = Newest { lines: Mutex::default(), came: Condvar::new() };
        let push = |cell: Option<&str>, n: usize| {
            log.push(LogLine { cell: cell.map(str::to_owned), text: format!("line {n}") });
        };
        assert_eq!(log.since(0, None, Duration::ZERO).newest, 0);
        push(Some("a"), 1);
        push(None, 2);
        let part = log.since(0, None, Duration::ZERO);
        assert_eq!((part.newest, part.lost, texts(&part)), (2, 0, vec!["line 1", "line 2"]));
        let of_a = log.since(0, Some("a"), Duration::ZERO);
        assert_eq!((of_a.newest, texts(&of_a)), (2, vec!["line 1"]));
        assert_eq!(texts(&log.since(2, None, Duration::ZERO)), [""; 0]);
        for n in 3..=KEPT + 12 {
            push(Some("b"), n);
        }
        let part = log.since(2, None, Duration::ZERO);
        assert_eq!((part.newest, part.lost, part.lines.len()), (KEPT as u64 + 12, 10, KEPT));
        assert_eq!(part.lines[0].text, "line 13");
    }

    #[test]
    fn a_line_that_is_waited_for_comes() {
        let log = std::sync::Arc::new(Newest { lines: Mutex::default(), came: Condvar::new() });
        let reader = std::sync::Arc::clone(&log);
        let waits = std::thread::spawn(move || reader.since(0, Some("a"), Duration::from_secs(60)));
        log.push(LogLine { cell: None, text: "other".to_owned() });
        log.push(LogLine { cell: Some("a".to_owned()), text: "meant".to_owned() });
        let part = waits.join().unwrap();
        assert_eq!((part.newest, texts(&part)), (2, vec!["meant"]));
    }
}
