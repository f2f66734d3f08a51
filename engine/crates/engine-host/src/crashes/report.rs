//! One crash: its two files, and the room for them.
use super::{MOST_BYTES, MOST_FILES, reach};
use crate::{
    builder::answered,
    kept::{Head, Kept, Records, Terms, write_records},
    library::ports_section,
};
use cell_abi::{Fingerprint, shape::ShapeSection};
use std::{
    backtrace::Backtrace,
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

/// What is known of a crash.
pub(super) struct Case {
    pub(super) cell: Arc<str>,
    pub(super) library: String,
    pub(super) scene: String,
    pub(super) frame: u64,
    pub(super) cause: String,
    /// How far it had come, when it was to take over from another instance and had not stayed yet.
    pub(super) standing: Option<String>,
    /// The library's copy.
    pub(super) build: PathBuf,
    pub(super) shape: Option<Arc<ShapeSection>>,
    pub(super) placement: &'static str,
    pub(super) terms: Terms,
    pub(super) kept: Arc<Kept>,
    pub(super) lines: Vec<String>,
    pub(super) backtrace: Option<Backtrace>,
}

/// The files of a crash.
pub(super) struct Files {
    pub(super) records: PathBuf,
    pub(super) report: PathBuf,
    /// How many turns are in them.
    pub(super) turns: usize,
}

impl Files {
    /// Writes them to `folder`.
    pub(super) fn write(case: Case, folder: &Path) -> io::Result<Self> {
        let records = case.kept.records();
        let run = records.run();
        let frame = run.turns.last().filter(|t| t.work.tick).map_or(case.frame, |t| t.frame);
        let turns = run.turns.len();
        let head = case.head(frame);
        let bytes = write_records(&head, &records);
        std::fs::create_dir_all(folder)?;
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let stem: String = case.cell.chars().map(plain).collect();
        let path = folder.join(format!("{stem}-{frame}.crash"));
        let report = path.with_extension("txt");
        let text = case.text(&head, &records, &path);
        make_room(folder, (bytes.len() + text.len()) as u64)?;
        engine_sys::write_atomically(&path, &bytes)?;
        engine_sys::write_atomically(&report, text.as_bytes())?;
        if !case.terms.are_of_stranger()
            && let Err(error) = answered::answer_for(&case.build)
        {
            tracing::debug!(cell = &*case.cell, "its turns will be run again in the sandbox only: {error}");
        }
        Ok(Self { records: path, report, turns })
    }
}

impl Case {
    fn head(&self, frame: u64) -> Head {
        let elf = std::fs::read(&self.build).unwrap_or_default();
        let ports = ports_section(&elf).map(|text| Fingerprint::of(text).to_string());
        Head {
            engine: env!("CARGO_PKG_VERSION").to_owned(),
            cell: self.cell.to_string(),
            library: self.library.clone(),
            build: blake3::hash(&elf).to_hex().to_string(),
            ports: ports.unwrap_or_default(),
            shape: self.shape.as_ref().map(|s| s.fingerprint.to_string()).unwrap_or_default(),
            placement: self.placement.to_owned(),
            terms: self.terms.clone(),
            cause: self.cause.clone(),
            frame,
        }
    }

    fn text(&self, head: &Head, records: &Records, path: &Path) -> String {
        let mut t = String::new();
        let shown = path.display();
        let or_none = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
        // Writing to a string cannot fail.
        let _ = writeln!(t, "The cell `{}` ended in frame {}:\n\n{}\n", self.cell, head.frame, self.cause);
        if let Some(standing) = &self.standing {
            let _ = writeln!(t, "It failed {standing} from an instance that waited.\n");
        }
        let _ = writeln!(t, "run it again     engine replay {shown}");
        if !self.terms.are_of_stranger() {
            let _ = writeln!(t, "in a debugger    rust-gdb --args {} replay --here {shown}", engine());
        }
        let _ = writeln!(t, "what is kept     {}\n", reach(records));
        let _ = writeln!(t, "scene            {}", self.scene);
        let _ = writeln!(t, "cell             {} (`{}`), on {}", self.cell, self.library, self.placement);
        let _ = writeln!(t, "its build        {}\n                 {}", head.build, self.build.display());
        let _ = writeln!(t, "its ports        {}", or_none(&head.ports));
        let _ = writeln!(t, "its state        {}", or_none(&head.shape));
        let _ = writeln!(t, "engine           {}, {}\n", head.engine, engine_build());
        let _ = writeln!(t, "Its last lines in the log:");
        self.lines.iter().for_each(|line| _ = writeln!(t, "  {line}"));
        let _ = writeln!(t, "{}\n", if self.lines.is_empty() { "  none" } else { "" });
        let _ = writeln!(t, "Backtrace:");
        match &self.backtrace {
            Some(backtrace) => t.push_str(&trimmed(&backtrace.to_string())),
            None => _ = writeln!(t, "  none; run it again in a debugger for one"),
        }
        t
    }
}

/// Returns the part of a backtrace that is the cell's: how the engine came to call it is always the same.
fn trimmed(text: &str) -> String {
    let ours = |line: &&str| !line.contains("engine_host::thread_cell");
    text.lines().take_while(ours).flat_map(|line| [line, "\n"]).collect()
}

fn engine() -> String {
    std::env::current_exe().map_or_else(|_| "engine".to_owned(), |exe| exe.display().to_string())
}

/// Returns which build of the engine runs.
fn engine_build() -> String {
    let file = std::env::current_exe().and_then(std::fs::metadata);
    let changed = file.as_ref().ok().and_then(|m| m.modified().ok());
    let seconds = changed.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok()).map(|d| d.as_secs());
    match (file, seconds) {
        (Ok(file), Some(seconds)) => {
            format!("a file of {} bytes, built {seconds} s after 1970 began", file.len())
        }
        _ => "its file is gone".to_owned(),
    }
}

/// Removes the oldest crash files until there is room for one of `bytes` bytes.
fn make_room(folder: &Path, bytes: u64) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_crash = path.extension().is_some_and(|e| e == "crash");
        if let Some(m) = path.metadata().ok().filter(|m| is_crash && m.is_file()) {
            files.push((m.modified().unwrap_or(SystemTime::UNIX_EPOCH), m.len(), path));
        }
    }
    files.sort();
    let mut left: u64 = files.iter().map(|f| f.1).sum();
    for (n, (_, len, path)) in files.iter().enumerate() {
        if files.len() - n < MOST_FILES && left + bytes <= MOST_BYTES {
            break;
        }
        left -= len;
        // What cannot be removed stays; it is no reason to lose the new one.
        let _ = (std::fs::remove_file(path), std::fs::remove_file(path.with_extension("txt")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_files_go_first_and_other_files_stay() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("notes.md"), "mine").unwrap();
        for n in 0..MOST_FILES + 5 {
            make_room(dir.path(), 10).unwrap();
            for extension in ["crash", "txt"] {
                let path = dir.path().join(format!("cell-{n}.{extension}"));
                std::fs::write(&path, "x").unwrap();
                let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(n as u64);
                std::fs::File::options().append(true).open(&path).unwrap().set_modified(at).unwrap();
            }
        }
        let there = |name: &str| dir.path().join(name).exists();
        assert!(there("notes.md") && there("cell-20.crash") && there("cell-20.txt"));
        assert!(there("cell-5.crash") && !there("cell-4.crash") && !there("cell-4.txt"));
        make_room(dir.path(), MOST_BYTES).unwrap();
        assert!(there("notes.md") && !there("cell-20.crash"), "a large one needs all the room");
    }

    #[test]
    fn a_backtrace_ends_where_the_engine_begins() {
        let text = "0: panic\n1: mine::tick\n2: engine_host::thread_cell::enter\n3: main\n";
        assert_eq!(trimmed(text), "0: panic\n1: mine::tick\n");
    }
}
