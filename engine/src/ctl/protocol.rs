//! What is asked over a control socket, and what is answered.
use engine_host::{CellCommand, CellMetrics, graph::WorldGraph};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a client asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// Who are you?
    Who,
    /// What each cell costs and does.
    Metrics,
    /// Who writes and reads what, and which passes run.
    Graph,
    /// The lines of the log after number `after`, of the cell `cell` alone if it says so. With `wait` there is no answer
    /// before there is one.
    Log {
        /// Numbers of lines begin at 1.
        after: u64,
        /// Whose.
        cell: Option<String>,
        /// For the next line.
        wait: bool,
    },
    /// Write the next picture to this file.
    Capture(PathBuf),
    /// Stop the world's time.
    Pause,
    /// Let it go on.
    Resume,
    /// Run so many frames of a world that is paused.
    Step(u64),
    /// Tell one cell something.
    Cell {
        /// Which.
        name: String,
        /// What.
        command: CellCommand,
    },
    /// End the engine.
    Quit,
}

/// What the engine answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// To [`Request::Who`].
    Engine(Who),
    /// To [`Request::Metrics`].
    Metrics(Metrics),
    /// To [`Request::Graph`].
    Graph(WorldGraph),
    /// To [`Request::Log`].
    Log(LogPart),
    /// What came of a command, as a sentence.
    Done(String),
    /// It was not done, and why.
    Refused(String),
}

/// An engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Who {
    /// Its process.
    pub(crate) pid: u32,
    /// The world's name.
    pub(crate) world: String,
    /// The scene's file, as text.
    pub(crate) scene: PathBuf,
    /// The project's folder, as text.
    pub(crate) root: PathBuf,
}

/// What a world costs and does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Metrics {
    /// The engine.
    pub(crate) engine: Who,
    /// The next frame.
    pub(crate) frame: u64,
    /// How long the engine has run, in milliseconds.
    pub(crate) up_ms: u64,
    /// Its time stands still.
    pub(crate) paused: bool,
    /// Memory that the engine's own process holds: thread cells included, processes of cells not.
    pub(crate) rss_bytes: Option<u64>,
    /// Processor time that it took, in milliseconds.
    pub(crate) cpu_ms: Option<u64>,
    /// Its cells, in scene order.
    pub(crate) cells: Vec<CellMetrics>,
}

/// Lines of the log.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LogPart {
    /// The number of the newest line, whosever it is: what to ask for next.
    pub(crate) newest: u64,
    /// Lines that came since and are no longer kept.
    pub(crate) lost: u64,
    /// The lines, oldest first.
    pub(crate) lines: Vec<LogLine>,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogLine {
    /// The cell that it is about.
    pub(crate) cell: Option<String>,
    /// The line as it was printed, without colours.
    pub(crate) text: String,
}
