//! Which copies of libraries running engines may still load: each engine has a file beside the copies that it holds
//! locked as long as it lives, with a line for each copy. A copy that no such file names is nobody's.
//!
//! Claims and removals take turns on one more lock file, so that no copy goes between somebody's look and their claim.
use super::{BuildError, Project, answered::remove_copy};
use crate::staged::HASH_DIGITS;
use std::{
    collections::BTreeSet,
    fs::{self, File, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

/// What the name of an engine's file begins with.
const LEASE: &str = ".engine-";
/// Held for a moment by whoever claims or removes copies.
const TURNS: &str = ".leases";
/// How many of its newest builds of a cell a running engine keeps, besides those that cells run.
const NEWEST: usize = 2;

/// An engine's claim, given up when it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    file: File,
    path: PathBuf,
}

/// A file that nobody needs any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// The right to claim or remove copies in a folder, for a moment.
pub(super) struct Turn(#[expect(dead_code, reason = "held for its lock")] File);

impl Turn {
    /// Waits for it.
    pub(super) fn take(folder: &Path) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(folder.join(TURNS))?;
        file.lock()?;
        Ok(Self(file))
    }
}

impl Lease {
    /// Makes this engine's file in `folder`.
    pub(super) fn new(folder: &Path, _: &Turn) -> io::Result<Self> {
        let mut number = 0;
        loop {
            // Another engine may have the same process id elsewhere.
            let path = folder.join(format!("{LEASE}{}-{number}", std::process::id()));
            let file = File::options().create(true).read(true).append(true).open(&path)?;
            match file.try_lock() {
                Ok(()) => {
                    file.set_len(0)?;
                    return Ok(Self { file, path });
                }
                Err(TryLockError::WouldBlock) => number += 1,
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// Claims one more copy, by its file's name.
    pub(super) fn claim(&mut self, copy: &str, _: &Turn) -> io::Result<()> {
        self.file.write_all(format!("{copy}\n").as_bytes())
    }

    /// Claims these copies and no others. Whatever fails, those that were claimed before are claimed still.
    fn claim_only<'a>(&mut self, copies: impl Iterator<Item = &'a str>, _: &Turn) -> io::Result<()> {
        let lines: String = copies.map(|c| format!("{c}\n")).collect();
        // Named as a claim: one that stays because the engine is killed now is found dead.
        let new = self.path.with_extension("new");
        let mut file = File::options().create(true).read(true).append(true).open(&new)?;
        let locked = file.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
            TryLockError::Error(error) => error,
        });
        locked.and_then(|()| file.set_len(0))?;
        file.write_all(lines.as_bytes()).and_then(|()| fs::rename(&new, &self.path)).inspect_err(|_| {
            // The first error is the one worth telling.
            let _ = fs::remove_file(&new);
        })?;
        self.file = file;
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // One that stays is found dead by the next who looks.
        let _ = fs::remove_file(&self.path);
    }
}

/// Returns the names of the copies that running engines have claimed, and the files of engines that have ended.
pub(super) fn claimed(folder: &Path, _: &Turn) -> io::Result<(BTreeSet<String>, Vec<PathBuf>)> {
    let (mut names, mut dead) = (BTreeSet::new(), Vec::new());
    for path in named(folder, |name| name.starts_with(LEASE))? {
        let Ok(mut file) = File::open(&path) else { continue };
        match file.try_lock_shared() {
            Ok(()) => dead.push(path),
            Err(_) => {
                let mut lines = String::new();
                file.read_to_string(&mut lines)?;
                names.extend(lines.lines().map(str::to_owned));
            }
        }
    }
    Ok((names, dead))
}

/// Returns the cell's name in the name of a copy: `bloom` of `bloom-0123456789abcdef.so`.
fn cell_of(copy: &str) -> Option<&str> {
    let (cell, hash) = copy.strip_suffix(".so")?.rsplit_once('-')?;
    (hash.len() == HASH_DIGITS && hash.bytes().all(|b| b.is_ascii_hexdigit())).then_some(cell)
}

/// Returns whether this is a half-written copy of a process that has ended.
fn is_broken_off(name: &str) -> bool {
    name.contains(".so.") && being_written_by(name).is_some_and(|pid| !is_running(pid))
}

/// Returns the process that writes a file of this name, to rename it when it is whole.
fn being_written_by(name: &str) -> Option<u32> {
    let (_, process) = name.strip_suffix(".tmp")?.rsplit_once('.')?;
    process.split_once('-')?.0.parse().ok()
}

fn is_running(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

/// Returns whether somebody who runs is about to write this file: what `engine clean` leaves alone.
#[must_use]
pub fn is_being_written(path: &Path) -> bool {
    being_written_by(name_of(path)).is_some_and(is_running)
}

fn named(folder: &Path, is_meant: impl Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|e| e.file_name().to_str().is_some_and(&is_meant) && e.file_type().is_ok_and(|t| t.is_file()))
        .map(|e| e.path())
        .collect();
    found.sort();
    Ok(found)
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|n| n.to_str()).unwrap_or_default()
}

impl Project {
    /// Returns the folders with copies of libraries, one for each profile.
    fn copies(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.target).into_iter().flatten().flatten();
        let mut folders: Vec<PathBuf> =
            entries.map(|e| e.path().join("cells")).filter(|f| f.is_dir()).collect();
        folders.sort();
        folders
    }

    /// Returns the copies of libraries, and what lies beside them, that no running engine has claimed.
    ///
    /// # Errors
    /// [`BuildError::Io`] when a folder cannot be read.
    pub fn leftovers(&self) -> Result<Vec<Leftover>, BuildError> {
        self.leftovers_with(|_| Ok(()))
    }

    /// Removes what [`Project::leftovers`] returns, and returns it.
    ///
    /// # Errors
    /// [`BuildError::Io`] when one cannot be removed; those before it are gone.
    pub fn remove_leftovers(&self) -> Result<Vec<Leftover>, BuildError> {
        self.leftovers_with(remove_copy)
    }

    fn leftovers_with(&self, each: impl Fn(&Path) -> io::Result<()>) -> Result<Vec<Leftover>, BuildError> {
        let mut found = Vec::new();
        for folder in self.copies() {
            let io = |source| BuildError::Io { path: folder.clone(), source };
            let turn = Turn::take(&folder).map_err(io)?;
            let (claimed, dead) = claimed(&folder, &turn).map_err(io)?;
            let is_left =
                |name: &str| cell_of(name).is_some() && !claimed.contains(name) || is_broken_off(name);
            for path in named(&folder, is_left).map_err(io)?.into_iter().chain(dead) {
                let bytes = fs::metadata(&path).map_or(0, |m| m.len());
                match each(&path) {
                    Ok(()) => found.push(Leftover { path, bytes }),
                    // Somebody else was faster.
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                    Err(source) => return Err(BuildError::Io { path, source }),
                }
            }
        }
        Ok(found)
    }

    /// Gives up this engine's claims on all builds of cells but those in `running`, and its two newest of each, and
    /// removes their copies if no other engine has claimed them. Returns how many went.
    pub fn forget_builds(&self, running: &BTreeSet<PathBuf>) -> usize {
        let folder = self.output().join("cells");
        let Ok(turn) = Turn::take(&folder) else { return 0 };
        let given_up = self.known.give_up(|all| {
            let newest_of = |path: &Path| {
                let same = all.iter().rev().filter(|p| cell_of(name_of(p)) == cell_of(name_of(path)));
                same.take(NEWEST).any(|p| *p == path)
            };
            all.iter().filter(|p| !running.contains(*p) && !newest_of(p)).cloned().collect()
        });
        let kept = self.known.copies();
        self.known.with_lease(|lease| lease.claim_only(kept.iter().map(|p| name_of(p)), &turn));
        let Ok((claimed, _)) = claimed(&folder, &turn) else { return 0 };
        let gone = |path: &&PathBuf| !claimed.contains(name_of(path)) && remove_copy(path).is_ok();
        given_up.iter().filter(gone).count()
    }

    /// Removes copies of a cell's builds that no engine has claimed and nobody has asked for in this time: each edit
    /// leaves one.
    pub(super) fn forget_old_copies(&self, folder: &Path, cell: &str, kept: Duration, turn: &Turn) {
        let Ok((claimed, _)) = claimed(folder, turn) else { return };
        let is_old = |path: &Path| {
            let modified = fs::metadata(path).and_then(|m| m.modified()).ok();
            modified.and_then(|m| m.elapsed().ok()).is_some_and(|age| age > kept)
        };
        let is_free = |name: &str| cell_of(name) == Some(cell) && !claimed.contains(name);
        for path in named(folder, is_free).unwrap_or_default().into_iter().filter(|p| is_old(p)) {
            // One that cannot be removed is no reason to fail a build.
            let _ = remove_copy(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_told_from_other_files() {
        assert_eq!(cell_of("so-bad-0123456789abcdef.so"), Some("so-bad"));
        for other in
            ["bloom.so", "bloom-0123.so", "bloom-0123456789abcdeg.so", "bloom-0123456789abcdef.so.tmp"]
        {
            assert_eq!(cell_of(other), None, "{other}");
        }
        assert!(is_broken_off(".bloom-0123456789abcdef.so.4194305-0.tmp"));
        let own = format!(".bloom-0123456789abcdef.so.{}-0.tmp", std::process::id());
        assert!(!is_broken_off(&own) && !is_broken_off("notes.tmp"));
        assert!(is_being_written(Path::new(&own)));
        assert!(!is_being_written(Path::new(".rain-5.crash.4194305-0.tmp")));
        assert!(!is_being_written(Path::new("rain-5.crash")));
    }

    #[test]
    fn what_an_engine_has_claimed_is_claimed_until_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let turn = Turn::take(dir.path()).unwrap();
        let mut one = Lease::new(dir.path(), &turn).unwrap();
        let mut other = Lease::new(dir.path(), &turn).unwrap();
        one.claim("a", &turn).unwrap();
        one.claim("b", &turn).unwrap();
        other.claim("c", &turn).unwrap();
        let names = || claimed(dir.path(), &turn).unwrap().0.into_iter().collect::<Vec<_>>().concat();
        assert_eq!(names(), "abc");
        one.claim_only(["b"].into_iter(), &turn).unwrap();
        one.claim("d", &turn).unwrap();
        assert_eq!(names(), "bcd");
        // What cannot be written, as on a full disk, costs no claim.
        fs::create_dir(one.path.with_extension("new")).unwrap();
        assert!(one.claim_only([].into_iter(), &turn).is_err());
        assert_eq!(names(), "bcd");
        fs::remove_dir(one.path.with_extension("new")).unwrap();
        // Killed: its file is there, its lock is not.
        fs::write(dir.path().join(".engine-7-0"), "x\n").unwrap();
        drop(other);
        let (names, dead) = claimed(dir.path(), &turn).unwrap();
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["b", "d"]);
        assert_eq!(dead, [dir.path().join(".engine-7-0")]);
    }
}
