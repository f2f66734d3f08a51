//! Whether cells are built, by the times of their sources.
//!
//! A stamp file beside the libraries has the time at which the last build began, and in it the names of the cells
//! that did not compile: an old library of theirs is no build of what they are now.
use super::{BuildError, Project};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::SystemTime,
};

impl Project {
    fn stamp(&self) -> PathBuf {
        self.output().join(".cells-built")
    }

    /// Returns whether every one of `names` was built after its newest source.
    #[must_use]
    pub fn is_fresh(&self, names: &[String]) -> bool {
        let stamp = self.stamp();
        let Some(built) = modified(&stamp) else { return false };
        let Ok(failed) = std::fs::read_to_string(&stamp) else { return false };
        let older = |path: &Path| modified(path).is_some_and(|m| m < built);
        let manifests = ["Cargo.toml", "Cargo.lock"].iter().all(|f| older(&self.root.join(f)));
        manifests
            && names.iter().all(|name| {
                let library = self.library(name);
                let manifest = self.root.join("cells").join(name).join("Cargo.toml");
                let Ok(info) = std::fs::read_to_string(library.with_extension("d")) else { return false };
                failed.lines().all(|f| f != name)
                    && library.is_file()
                    && older(&manifest)
                    && sources(&info).all(|s| older(Path::new(&s)))
            })
    }

    /// Notes a build that began at `started` and in which `failed` did not compile.
    pub(super) fn write_stamp(
        &self,
        started: SystemTime,
        failed: &BTreeSet<String>,
    ) -> Result<(), BuildError> {
        let stamp = self.stamp();
        let io = |source| BuildError::Io { path: stamp.clone(), source };
        let names: String = failed.iter().map(|n| format!("{n}\n")).collect();
        // Content and time appear at once.
        let temp = stamp.with_extension(format!("{}.tmp", std::process::id()));
        std::fs::write(&temp, names)
            .and_then(|()| std::fs::File::options().write(true).open(&temp))
            .and_then(|f| f.set_modified(started))
            .and_then(|()| std::fs::rename(&temp, &stamp))
            .map_err(io)
    }

    /// Returns those of the cells `names` that one of the files `saved` belongs to: by what the last build read, or
    /// because it lies in the cell's folder.
    #[must_use]
    pub fn cells_with(&self, saved: &[PathBuf], names: &[String]) -> Vec<String> {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
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
}
