//! The log on standard error: short lines, cells by name.
use std::{fmt::Write as _, io::IsTerminal as _};
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
        let line = if says_so {
            format!("{}{rest}\n", message.trim_start())
        } else if self.colour {
            format!("\x1b[{ansi}m{head}\x1b[0m{gap}{message}{rest}\n")
        } else {
            format!("{head}{gap}{message}{rest}\n")
        };
        // One write per line, so that lines of several threads do not mix. A closed terminal is no error.
        let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), line.as_bytes());
    }
}
