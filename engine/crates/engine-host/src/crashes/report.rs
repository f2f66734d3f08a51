//! One crash: its two files, and the room for them.
use super::{MOST_BYTES, MOST_FILES, MOST_OF_CELL, reach};
use crate::{
    builder::answered,
    kept::{Head, Kept, Records, Terms, shown, write_records},
    library::ports_section,
};
use cell_abi::{Fingerprint, shape::ShapeSection};
use std::{
    backtrace::Backtrace,
    fmt::Write as _,
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt as _,
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
    /// Writes them to `folder`, in which the file `first` stays as long as others of its cell are there to go.
    pub(super) fn write(case: Case, folder: &Path, first: Option<&Path>) -> io::Result<Self> {
        let records = case.kept.records();
        let run = records.run();
        let frame = run.turns.last().filter(|t| t.work.tick).map_or(case.frame, |t| t.frame);
        let turns = run.turns.len();
        let head = case.head(frame)?;
        let bytes = write_records(&head, &records);
        make_folder(folder)?;
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let stem: String = case.cell.chars().map(plain).collect();
        let path = free_path(folder, &stem, frame);
        let report = path.with_extension("txt");
        let text = case.text(&head, &records, &path);
        make_room(folder, &stem, first, (bytes.len() + text.len()) as u64)?;
        // What keys were pressed and what mail said is in them.
        engine_sys::write_privately(&path, &bytes)?;
        engine_sys::write_privately(&report, text.as_bytes())?;
        if !case.terms.are_of_stranger()
            && let Err(error) = answered::answer_for(&case.build)
        {
            tracing::debug!(cell = &*case.cell, "its turns will be run again in the sandbox only: {error}");
        }
        Ok(Self { records: path, report, turns })
    }
}

impl Case {
    fn head(&self, frame: u64) -> io::Result<Head> {
        let elf = std::fs::read(&self.build).map_err(|e| {
            io::Error::new(e.kind(), format!("its library's copy {}: {e}", self.build.display()))
        })?;
        let ports = ports_section(&elf).map(|text| Fingerprint::of(text).to_string());
        Ok(Head {
            engine: env!("CARGO_PKG_VERSION").to_owned(),
            cell: self.cell.to_string(),
            library: self.library.clone(),
            build: blake3::hash(&elf).to_hex().to_string(),
            ports: ports.unwrap_or_default(),
            shape: self.shape.as_ref().map(|s| s.fingerprint.to_string()).unwrap_or_default(),
            placement: self.placement.to_owned(),
            terms: self.terms.clone(),
            cause: shown(&self.cause),
            frame,
        })
    }

    fn text(&self, head: &Head, records: &Records, path: &Path) -> String {
        let mut t = String::new();
        let file = path.display();
        let or_none = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
        // Writing to a string cannot fail.
        let _ = writeln!(t, "The cell `{}` ended in frame {}:\n\n{}\n", self.cell, head.frame, head.cause);
        if let Some(standing) = &self.standing {
            let _ = writeln!(t, "It failed {standing} from an instance that waited.\n");
        }
        let _ = writeln!(t, "run it again     engine replay {file}");
        if !self.terms.are_of_stranger() {
            let _ = writeln!(t, "in a debugger    rust-gdb --args {} replay --here {file}", engine());
        }
        let _ = writeln!(t, "what is kept     {}\n", reach(records));
        let _ = writeln!(t, "scene            {}", self.scene);
        let _ = writeln!(t, "cell             {} (`{}`), on {}", self.cell, self.library, self.placement);
        let _ = writeln!(t, "its build        {}\n                 {}", head.build, self.build.display());
        let _ = writeln!(t, "its ports        {}", or_none(&head.ports));
        let _ = writeln!(t, "its state        {}", or_none(&head.shape));
        let _ = writeln!(t, "engine           {}, {}\n", head.engine, engine_build());
        let _ = writeln!(t, "Its last lines in the log:");
        self.lines.iter().for_each(|line| _ = writeln!(t, "  {}", shown(line)));
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

/// Makes a folder that only its owner may look into. One that is there stays as it is.
fn make_folder(folder: &Path) -> io::Result<()> {
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

/// Returns a path that no file has: another run's crash in the same frame stays.
fn free_path(folder: &Path, stem: &str, frame: u64) -> PathBuf {
    let numbered = (2..).map(|n| format!("{stem}-{frame}.{n}.crash"));
    let names = std::iter::once(format!("{stem}-{frame}.crash")).chain(numbered);
    let mut free = names.map(|name| folder.join(name)).filter(|path| !path.exists());
    free.next().expect("a folder holds fewer files than there are numbers")
}

/// A crash file and the report beside it.
struct Old {
    written: SystemTime,
    bytes: u64,
    path: PathBuf,
    /// It is of the cell of the new one.
    same: bool,
}

impl Old {
    fn remove(&self) {
        // What cannot be removed stays; it is no reason to lose the new one.
        let _ = (std::fs::remove_file(&self.path), std::fs::remove_file(self.path.with_extension("txt")));
    }
}

/// Removes the oldest crash files until there is room for one of `bytes` bytes of the cell `stem`: its own before those of
/// others, so that one that crashes again and again does not take theirs; and of its own not the `first` of this run.
fn make_room(folder: &Path, stem: &str, first: Option<&Path>, bytes: u64) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(m) = path.metadata().ok().filter(std::fs::Metadata::is_file) else { continue };
        let name = path.file_stem().and_then(|n| n.to_str()).and_then(|n| n.rsplit_once('-'));
        if path.extension().is_some_and(|e| e == "crash") {
            let report = path.with_extension("txt").metadata().map_or(0, |m| m.len());
            let (written, same) =
                (m.modified().unwrap_or(SystemTime::UNIX_EPOCH), name.is_some_and(|n| n.0 == stem));
            files.push(Old { written, bytes: m.len() + report, path, same });
        }
    }
    files.sort_by(|a, b| (a.written, &a.path).cmp(&(b.written, &b.path)));
    let mut own = files.iter().filter(|f| f.same).count();
    files.retain(|f| {
        let goes = f.same && own >= MOST_OF_CELL && first != Some(&*f.path);
        if goes {
            own -= 1;
            f.remove();
        }
        !goes
    });
    let mut left: u64 = files.iter().map(|f| f.bytes).sum();
    for (n, file) in files.iter().enumerate() {
        if files.len() - n < MOST_FILES && left + bytes <= MOST_BYTES {
            break;
        }
        left -= file.bytes;
        file.remove();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    /// Writes a crash file of `cell` and its report, the `n`th.
    fn put(folder: &Path, cell: &str, n: usize) {
        make_room(folder, cell, Some(&folder.join("light-2-10.crash")), 10).unwrap();
        let crash = free_path(folder, cell, n as u64);
        for path in [crash.with_extension("txt"), crash] {
            std::fs::write(&path, "x").unwrap();
            let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(n as u64);
            std::fs::File::options().append(true).open(&path).unwrap().set_modified(at).unwrap();
        }
    }

    #[test]
    fn the_oldest_files_go_first_and_other_files_stay() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("notes.md"), "mine").unwrap();
        for n in 0..MOST_FILES + 5 {
            put(dir.path(), &format!("cell{}", n / 2), n);
        }
        let there = |name: &str| dir.path().join(name).exists();
        assert!(there("notes.md") && there("cell10-20.crash") && there("cell10-20.txt"));
        assert!(there("cell2-5.crash") && !there("cell2-4.crash") && !there("cell2-4.txt"));
        make_room(dir.path(), "cell", None, MOST_BYTES).unwrap();
        assert!(there("notes.md") && !there("cell10-20.crash"), "a large one needs all the room");
    }

    #[test]
    fn one_that_crashes_again_and_again_takes_no_others_files() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "light", 3);
        put(dir.path(), "light-2", 4);
        (0..50).for_each(|n| put(dir.path(), "light-2", 10 + n));
        let mut names: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.retain(|n| n.ends_with(".crash"));
        names.sort();
        assert_eq!(
            names,
            ["light-2-10.crash", "light-2-57.crash", "light-2-58.crash", "light-2-59.crash", "light-3.crash"]
        );
        // Another run's file is not replaced.
        put(dir.path(), "light-2", 59);
        assert!(
            dir.path().join("light-2-59.2.crash").exists() && dir.path().join("light-2-59.crash").exists()
        );
    }

    #[test]
    fn nobody_else_may_read_them() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("target/crashes");
        make_folder(&folder).unwrap();
        make_folder(&folder).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        let path = folder.join("a-1.crash");
        engine_sys::write_privately(&path, b"keys").unwrap();
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_backtrace_ends_where_the_engine_begins() {
        let text = "0: panic\n1: mine::tick\n2: engine_host::thread_cell::enter\n3: main\n";
        assert_eq!(trimmed(text), "0: panic\n1: mine::tick\n");
    }
}
