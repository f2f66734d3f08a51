//! The command line.
use clap::{Parser, Subcommand, ValueEnum};
use engine_host::CellCommand;
use engine_scene::Placement;
use std::path::PathBuf;

/// Runs a world of cells.
#[derive(Debug, Parser)]
#[command(name = "engine", version, about, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    /// What to do instead of running a scene.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// What to run.
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// What to do instead of running a scene.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Checks a scene without running it: syntax, cells, parameters, assets, names, shaders.
    Check {
        /// The scene: a file, or a name under assets/scenes/.
        scene: PathBuf,
        /// Use the cells as they are built; do not call cargo.
        #[arg(long)]
        no_build: bool,
        /// The project's folder; else the one around the current folder.
        #[arg(long)]
        root: Option<PathBuf>,
    },
    /// Asks a running engine and tells it things: `engine ctl top`, `engine ctl restart bloom`.
    Ctl {
        /// Which engine, where several run: its process or its name (that of its world, or of its scene's file).
        #[arg(long, value_name = "PID|NAME", global = true)]
        engine: Option<String>,
        /// What to ask or tell it.
        #[command(subcommand)]
        what: CtlCommand,
    },
    /// Compares two runs that were written with --record: the first frame, cell, resource and byte in which they differ.
    /// The exit code is 0 when they are the same, 1 when they differ, 2 when they cannot be compared.
    Diff {
        /// A record.
        a: PathBuf,
        /// Another.
        b: PathBuf,
    },
    /// Says what this machine offers to the sandbox of cells in processes, and how to get what is missing.
    Doctor,
    /// Compares the built cells with the locks of their contracts, or takes a change. The exit code is 0 when nothing
    /// differs, 1 when something does, 2 when it cannot be known.
    Lock {
        /// What to do.
        #[command(subcommand)]
        what: LockCommand,
        /// Take the cells as they are built; do not call cargo.
        #[arg(long, global = true)]
        no_build: bool,
        /// The project's folder; else the one around the current folder.
        #[arg(long, value_name = "DIR", global = true)]
        root: Option<PathBuf>,
    },
    /// Shows what a cell declares, from its library, without running any of its code.
    Schema {
        /// What to show.
        #[command(subcommand)]
        what: SchemaCommand,
        /// The project's folder; else the one around the current folder.
        #[arg(long, value_name = "DIR", global = true)]
        root: Option<PathBuf>,
    },
    /// Builds all cells of a project, verifies each, and runs a scene; with --watch, each saved file counts at once.
    Mitosis {
        /// The project's folder, which may be another workspace with cells; else the one around the current folder.
        #[arg(conflicts_with = "root")]
        dir: Option<PathBuf>,
        /// Build what changes while the world runs, and let its cells go over to their new builds.
        #[arg(long, conflicts_with = "lockstep")]
        watch: bool,
        /// What to run.
        #[command(flatten)]
        run: Box<RunArgs>,
    },
    /// Removes what engines left behind: old copies of libraries, crash files, sockets, control groups. Nothing that a
    /// running engine uses.
    Clean {
        /// Only say what would go.
        #[arg(long)]
        dry_run: bool,
        /// The project's folder; else the one around the current folder.
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
    },
    /// Runs the last turns of a cell that crashed again, alone, from its crash file: in this process if it ran on a thread,
    /// else in a process of its own.
    Replay {
        /// The crash file: NAME-FRAME.crash.
        file: PathBuf,
        /// Stop after this frame.
        #[arg(long, value_name = "FRAME")]
        until: Option<u64>,
        /// Take the cell as it is built now, though the file is another build's.
        #[arg(long)]
        any_build: bool,
        /// Run it in this process though it ran in its own, for a debugger: only what is our own.
        #[arg(long)]
        here: bool,
        /// Do not call cargo.
        #[arg(long)]
        no_build: bool,
        /// The project's folder; else the one around the current folder.
        #[arg(long)]
        root: Option<PathBuf>,
    },
    /// Makes a new cell from the template: cells/NAME/ and shaders/NAME/.
    New {
        /// The cell's name: lower-case letters, digits and dashes.
        name: String,
        /// The project's folder; else the one around the current folder.
        #[arg(long)]
        root: Option<PathBuf>,
    },
}

/// What to do with locks.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum LockCommand {
    /// Fails when a contract is not as its committed lock says: for CI. Writes nothing.
    Check {
        /// A contract or a cell; else all.
        name: Option<String>,
    },
    /// Makes the locks say what the cells are now.
    Accept {
        /// A contract or a cell; else all.
        name: Option<String>,
    },
    /// Shows everything that differs. Writes nothing.
    Diff {
        /// A contract or a cell; else all.
        name: Option<String>,
    },
}

/// What to show of libraries.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// A cell's contract, and the state that it keeps.
    Show {
        /// A cell of the project, as it is built, or the file of a library.
        #[arg(value_name = "CELL|FILE.so")]
        of: String,
        /// For programs: what `.cell/schema/` holds.
        #[arg(long)]
        json: bool,
    },
    /// What differs between two. The exit code is 0 when nothing does, 1 when something does, 2 when it cannot be known.
    Diff {
        /// One.
        #[arg(value_name = "CELL|FILE.so")]
        a: String,
        /// The other.
        #[arg(value_name = "CELL|FILE.so")]
        b: String,
    },
}

/// What to ask or tell a running engine.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum CtlCommand {
    /// The cells: what they are doing, where they run, and why they are down that are.
    List,
    /// What each cell costs, anew each second.
    Top {
        /// All figures, once, as JSON.
        #[arg(long)]
        json: bool,
        /// Once.
        #[arg(long)]
        once: bool,
    },
    /// Who writes and reads which name, and the passes in their order.
    Graph {
        /// In the language of Graphviz: `engine ctl graph --dot | dot -Tsvg > world.svg`.
        #[arg(long)]
        dot: bool,
    },
    /// The newest lines of the log, of one cell or of all.
    Log {
        /// The cell.
        name: Option<String>,
        /// Go on with the lines that come.
        #[arg(long, short)]
        follow: bool,
    },
    /// Writes the next picture to a PNG file; of a world that is paused, the one that stands.
    Capture {
        /// The file.
        file: PathBuf,
    },
    /// Lets the world's time stand still.
    Pause,
    /// Lets it go on.
    Resume,
    /// Runs frames of a world that is paused.
    Step {
        /// How many.
        #[arg(default_value_t = 1, value_name = "N")]
        frames: u64,
    },
    /// Gives a cell a new instance of its newest build, which begins from its defaults.
    Restart {
        /// The cell.
        name: String,
    },
    /// Switches a cell on.
    Enable {
        /// The cell.
        name: String,
    },
    /// Switches a cell off.
    Disable {
        /// The cell.
        name: String,
    },
    /// Lets a cell run its newest build, if that is another one; it keeps its state.
    Swap {
        /// The cell.
        name: String,
    },
    /// Lets a cell run elsewhere; it keeps its state.
    Move {
        /// The cell.
        name: String,
        /// Where to.
        #[arg(value_enum, ignore_case = true)]
        to: PlacementArg,
    },
    /// Ends the engine.
    Quit,
}

/// How to run a scene.
#[derive(Clone, Debug, Parser)]
pub(crate) struct RunArgs {
    /// The scene: a file, or a name under assets/scenes/.
    #[arg(long, default_value = "world.ron")]
    pub(crate) scene: PathBuf,
    /// Without a window.
    #[arg(long)]
    pub(crate) headless: bool,
    /// End after this many frames.
    #[arg(long, value_name = "N")]
    pub(crate) frames: Option<u64>,
    /// Size of the picture in pixels [default: 1280x720; 640x360 where the CPU draws].
    #[arg(long, value_name = "WxH", value_parser = parse_size)]
    pub(crate) size: Option<[u32; 2]>,
    /// Write the last frame to this PNG file.
    #[arg(long, value_name = "FILE")]
    pub(crate) capture: Option<PathBuf>,
    /// Write what was measured to this JSON file.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Write to this file what each cell makes in each frame, for `engine diff`.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Keep the last turns of each cell, for crash files: not in a rehearsal.
    #[arg(skip = true)]
    pub(crate) keep_records: bool,
    /// The folder for crash files [default: crashes/ beside the built engine].
    #[arg(long, value_name = "DIR")]
    pub(crate) crashes: Option<PathBuf>,
    /// The same scene gives the same pixels: fixed steps, no cut-off, no file watching.
    #[arg(long)]
    pub(crate) lockstep: bool,
    /// Shuffle starts and delay turns by this seed; with --lockstep the pixels stay the same.
    #[arg(long, value_name = "N")]
    pub(crate) chaos: Option<u64>,
    /// Take this seed instead of the scene's.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Run every cell here, whatever the scene says.
    #[arg(long, value_enum, ignore_case = true)]
    pub(crate) placement: Option<PlacementArg>,
    /// Use the cells as they are built; do not call cargo.
    #[arg(long)]
    pub(crate) no_build: bool,
    /// The project's folder; else the one around the current folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// What draws: the Vulkan driver, or nothing (checks everything, draws nothing).
    #[arg(long, value_enum, default_value = "vulkan", ignore_case = true)]
    pub(crate) backend: BackendArg,
    /// Refuse to run where cells in processes would not get the full sandbox (see `engine doctor`).
    #[arg(long)]
    pub(crate) require_sandbox: bool,
    /// How much to log: error, warn, info, debug or trace.
    #[arg(long, default_value = "info")]
    pub(crate) log: tracing::Level,
    /// Lockstep: a tick longer than this many milliseconds ends the run.
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    pub(crate) tick_limit_ms: u64,
    /// Build and verify all cells of the project, not only those of the scene.
    #[arg(skip)]
    pub(crate) all_cells: bool,
    /// Build cells that change, and let them go over to their new builds.
    #[arg(skip)]
    pub(crate) follow_code: bool,
    /// Keys to press while headless: FRAME:KEY, for example 30:W (held until the end) or 30:W:60.
    #[arg(long, value_name = "FRAME:KEY[:UNTIL]", value_parser = parse_press)]
    pub(crate) press: Vec<Press>,
    /// What to do to cells while headless, each just before a frame: FRAME:swap:CELL (take its newest build),
    /// FRAME:move:CELL:PLACEMENT, FRAME:restart:CELL, FRAME:enable:CELL or FRAME:disable:CELL.
    #[arg(long, value_name = "FRAME:ACT:CELL", value_parser = parse_act)]
    pub(crate) act: Vec<CellAct>,
}

/// Where to run every cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlacementArg {
    /// On threads of the engine.
    Thread,
    /// In child processes.
    Process,
}

impl PlacementArg {
    /// Returns the placement.
    pub(crate) fn placement(self) -> Placement {
        match self {
            Self::Thread => Placement::Thread,
            Self::Process => Placement::Process,
        }
    }
}

/// What is done to a cell before a frame, for headless runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CellAct {
    /// The frame.
    pub(crate) frame: u64,
    /// What is done.
    pub(crate) command: CellCommand,
    /// To which cell.
    pub(crate) cell: String,
}

/// What draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendArg {
    /// The Vulkan driver.
    Vulkan,
    /// Nothing: for tests without a driver and for measuring the engine itself.
    Noop,
}

/// A key held for some frames, for headless runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Press {
    /// The frame in which it goes down.
    pub(crate) from: u64,
    /// The frame in which it goes up.
    pub(crate) until: u64,
    /// The key.
    pub(crate) key: cell_abi::Key,
}

fn parse_size(text: &str) -> Result<[u32; 2], String> {
    let wrong = || format!("`{text}` is no size; write it like 1280x720");
    let (w, h) = text.split_once(['x', 'X']).ok_or_else(wrong)?;
    let size = [w.parse().map_err(|_| wrong())?, h.parse().map_err(|_| wrong())?];
    if size.iter().all(|s| (1..=8192).contains(s)) {
        Ok(size)
    } else {
        Err(format!("`{text}` is out of range; a side has 1 to 8192 pixels"))
    }
}

fn parse_press(text: &str) -> Result<Press, String> {
    let wrong = || format!("`{text}` is no key press; write it like 30:W or 30:W:60");
    let mut parts = text.split(':');
    let from = parts.next().and_then(|p| p.parse().ok()).ok_or_else(wrong)?;
    let name = parts.next().ok_or_else(wrong)?;
    let key = cell_abi::Key::from_name(name).ok_or_else(|| {
        let names = cell_abi::Key::ALL.iter().map(|k| k.name());
        match engine_frame::names::did_you_mean(name, names) {
            Some(meant) => format!("there is no key `{name}`; did you mean `{meant}`?"),
            None => format!("there is no key `{name}`"),
        }
    })?;
    let until = match parts.next() {
        None => u64::MAX,
        Some(p) => p.parse().map_err(|_| wrong())?,
    };
    Ok(Press { from, until, key })
}

fn parse_act(text: &str) -> Result<CellAct, String> {
    let wrong = || format!("`{text}` is no act; write it like 30:swap:bloom or 30:move:bloom:Process");
    let parts: Vec<&str> = text.split(':').collect();
    let (command, [frame, cell]) = match parts[..] {
        [frame, "move", cell, at] => {
            let at = PlacementArg::from_str(at, true).map_err(|_| wrong())?;
            (CellCommand::Move(at.placement()), [frame, cell])
        }
        [frame, "swap", cell] => (CellCommand::Swap, [frame, cell]),
        [frame, "restart", cell] => (CellCommand::Restart, [frame, cell]),
        [frame, "enable", cell] => (CellCommand::Enable, [frame, cell]),
        [frame, "disable", cell] => (CellCommand::Disable, [frame, cell]),
        _ => return Err(wrong()),
    };
    Ok(CellAct { frame: frame.parse().map_err(|_| wrong())?, command, cell: cell.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_presses_are_read_and_mistakes_named() {
        assert_eq!(parse_size("640x360"), Ok([640, 360]));
        assert!(parse_size("640").unwrap_err().contains("like 1280x720"));
        assert!(parse_size("0x9").unwrap_err().contains("out of range"));
        let p = parse_press("3:W:9").unwrap();
        assert_eq!((p.from, p.until, p.key), (3, 9, cell_abi::Key::W));
        assert!(parse_press("3:Escap").unwrap_err().contains("did you mean `Escape`"));
        let moved =
            CellAct { frame: 30, command: CellCommand::Move(Placement::Process), cell: "bloom".to_owned() };
        assert_eq!(parse_act("30:move:bloom:process"), Ok(moved));
        for wrong in
            ["30:move:bloom", "swap:bloom", "x:swap:bloom", "30:swap:bloom:Thread", "30:move:bloom:Moon"]
        {
            assert!(parse_act(wrong).unwrap_err().contains("like 30:swap:bloom"), "{wrong}");
        }
    }
}
