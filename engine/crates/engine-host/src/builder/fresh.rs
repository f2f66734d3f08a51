//! Whether cells are built, by the times of their sources.
//!
//! A stamp file beside the libraries says of each cell when its last build began, and whether it did compile: an old
//! library of one that did not is no build of what it is now.
use super::{BuildError, Project};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// What the stamp file says of a cell.
struct Stamp {
    /// When its last build began.
    began: SystemTime,
    /// It did compile.
    compiled: bool,
}

impl Project {
    fn stamp(&self) -> PathBuf {
        self.output().join(".cells-built")
    }

    /// Returns what the stamp file says, by the cells' folders: a project with links has the same cells as the real one,
    /// and two projects with cells of the same name know nothing of one another's.
    fn read_stamps(&self) -> BTreeMap<PathBuf, Stamp> {
        let text = std::fs::read_to_string(self.stamp()).unwrap_or_default();
        text.lines().filter_map(read_stamp).collect()
    }

    /// Returns whether every one of `names` was built after its newest source.
    #[must_use]
    pub fn is_fresh(&self, names: &[String]) -> bool {
        let stamps = self.read_stamps();
        names.iter().all(|name| {
            let folder = self.folder(name);
            let Some(Stamp { began, compiled: true }) = stamps.get(&real(&folder)) else { return false };
            let older = |path: &Path| modified(path).is_some_and(|m| m < *began);
            let library = self.library(name);
            let Ok(info) = std::fs::read_to_string(library.with_extension("d")) else { return false };
            ["Cargo.toml", "Cargo.lock"].iter().all(|f| older(&self.root.join(f)))
                && library.is_file()
                && older(&folder.join("Cargo.toml"))
                && sources(&info).all(|s| older(Path::new(&s)))
        })
    }

    /// Returns those of the cells `all` whose library is newer than their last build that was noted, or whose last build
    /// did not run: somebody has to look at what they are now.
    pub(super) fn unsettled(&self, all: &[String]) -> BTreeSet<String> {
        let stamps = self.read_stamps();
        let is_settled = |name: &&String| {
            let stamp = stamps.get(&real(&self.folder(name))).filter(|s| s.compiled);
            stamp.is_some_and(|s| modified(&self.library(name)).is_some_and(|m| m < s.began))
        };
        all.iter().filter(|n| !is_settled(n)).cloned().collect()
    }

    /// Notes a build of the cells `all` that began at `began` and in which `failed` did not compile.
    pub(super) fn write_stamp(
        &self,
        began: SystemTime,
        all: &[String],
        failed: &BTreeSet<String>,
    ) -> Result<(), BuildError> {
        let mut stamps = self.read_stamps();
        // Cells that are gone need no line.
        stamps.retain(|folder, _| folder.is_dir());
        for name in all {
            let compiled = !failed.contains(name);
            stamps.insert(real(&self.folder(name)), Stamp { began, compiled });
        }
        let line = |(folder, stamp): (&PathBuf, &Stamp)| {
            let word = if stamp.compiled { "built" } else { "failed" };
            let began = stamp.began.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            format!("{} {word} {}\n", began.as_nanos(), folder.display())
        };
        let text: String = stamps.iter().map(line).collect();
        let path = self.stamp();
        engine_sys::write_atomically(&path, text.as_bytes()).map_err(|source| BuildError::Io { path, source })
    }

    /// Returns the folders in the project from whose files the cells `names` were built: their own, and those of what
    /// they share.
    #[must_use]
    pub fn source_folders(&self, names: &[String]) -> BTreeSet<PathBuf> {
        let (root, output) = (real(&self.root), real(&self.output()));
        let mut found = BTreeSet::new();
        for name in names {
            let info = std::fs::read_to_string(self.library(name).with_extension("d")).unwrap_or_default();
            // A path may lead by `..` from a cell's folder to elsewhere.
            let folders = sources(&info).filter_map(|s| Path::new(&s).parent()?.canonicalize().ok());
            // What cargo makes while it builds is nobody's to save.
            found.extend(folders.filter(|f| f.starts_with(&root) && !f.starts_with(&output)));
        }
        found
    }

    /// Returns those of the cells `names` that one of the files `saved` belongs to: by what the last build read, or
    /// because it lies in the cell's folder.
    #[must_use]
    pub fn cells_with(&self, saved: &[PathBuf], names: &[String]) -> Vec<String> {
        let saved: BTreeSet<PathBuf> = saved.iter().map(|s| real(s)).collect();
        let reads = |name: &&String| {
            let folder = real(&self.root.join("cells").join(name));
            let info = std::fs::read_to_string(self.library(name).with_extension("d")).unwrap_or_default();
            saved.iter().any(|s| s.starts_with(&folder))
                || sources(&info).any(|s| saved.contains(&real(Path::new(&s))))
        };
        names.iter().filter(reads).cloned().collect()
    }
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Reads a line of the stamp file: `NANOSECONDS built FOLDER`.
fn read_stamp(line: &str) -> Option<(PathBuf, Stamp)> {
    let (began, rest) = line.split_once(' ')?;
    let (word, folder) = rest.split_once(' ')?;
    let began = SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(began.parse().ok()?))?;
    Some((PathBuf::from(folder), Stamp { began, compiled: word == "built" }))
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|m| m.modified()).ok()
}

/// Returns the sources that a dep-info file names: `target: source source`, spaces escaped.
fn sources(info: &str) -> impl Iterator<Item = String> {
    let mut found = BTreeMap::new();
    for line in info.lines() {
        let Some((_, list)) = line.split_once(": ") else { continue };
        let mut word = String::new();
        let mut chars = list.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' if chars.peek() == Some(&' ') => {
                    chars.next();
                    word.push(' ');
                }
                ' ' => {
                    found.insert(std::mem::take(&mut word), ());
                }
                c => word.push(c),
            }
        }
        found.insert(word, ());
    }
    found.into_keys().filter(|w| !w.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dep_info_names_its_sources_also_with_spaces() {
        let all: Vec<String> = sources("/t/liba.so: /my\\ dir/a.rs /b.rs\n\n/my\\ dir/a.rs:\n").collect();
        assert_eq!(all, ["/b.rs", "/my dir/a.rs"]);
    }

    #[test]
    fn a_line_of_the_stamp_file_is_read_and_one_of_an_older_engine_is_not() {
        let (folder, stamp) = read_stamp("1500000000 built /my dir/a").unwrap();
        assert_eq!(folder, Path::new("/my dir/a"));
        assert!(stamp.compiled && stamp.began == SystemTime::UNIX_EPOCH + Duration::from_millis(1500));
        assert!(!read_stamp("1 failed /b").unwrap().1.compiled);
        for other in ["", "bloom", "99999999999999999999999 built /a", "soon built /a"] {
            assert!(read_stamp(other).is_none(), "{other}");
        }
    }
}
