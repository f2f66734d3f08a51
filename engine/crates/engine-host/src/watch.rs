//! Watches shaders, assets and the scene. Reports what was saved; reading it is the host's work.
use crossbeam::channel::{Receiver, TrySendError, bounded};
use notify::{
    EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode},
};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// The most changes that wait for the host. With more, the host looks at everything anew.
const MAX_WAITING: usize = 4096;

/// Why files cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be watched: {source}; files saved there are picked up at the next start only")]
pub struct WatchError {
    path: PathBuf,
    source: notify::Error,
}

/// How much of a folder is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The files in it.
    Flat,
    /// Everything below it.
    Deep,
}

/// Watches folders and files.
#[derive(Debug)]
pub struct FileWatch {
    // Dropping it ends the watch.
    watcher: RecommendedWatcher,
    changes: Receiver<PathBuf>,
    overflow: Arc<AtomicBool>,
}

/// What changed since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Files that were saved, moved or removed, and folders that came or went, each once, in order of path.
    pub paths: Vec<PathBuf>,
    /// There were too many: look at everything.
    pub all: bool,
}

impl Changes {
    /// Returns whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && !self.all
    }

    /// Returns whether `file` may have changed: itself, or a folder around it came or went.
    #[must_use]
    pub fn touch(&self, file: &Path) -> bool {
        self.all || file.ancestors().any(|f| self.paths.binary_search_by(|p| p.as_path().cmp(f)).is_ok())
    }
}

impl FileWatch {
    /// Returns a watch over nothing.
    ///
    /// # Errors
    /// [`WatchError`] when the system has no watches left.
    pub fn new() -> Result<Self, WatchError> {
        let (send, changes) = bounded(MAX_WAITING);
        let overflow = Arc::new(AtomicBool::new(false));
        let full = Arc::clone(&overflow);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else {
                full.store(true, Ordering::Relaxed);
                return;
            };
            // A file that is being written is not looked at before it is closed; editors that save by
            // renaming are seen by the rename. In a new folder files may lie that nobody has watched yet.
            let complete = matches!(
                event.kind,
                EventKind::Access(AccessKind::Close(AccessMode::Write))
                    | EventKind::Modify(ModifyKind::Name(
                        RenameMode::To | RenameMode::Both | RenameMode::From
                    ))
                    | EventKind::Create(CreateKind::Folder)
                    | EventKind::Remove(_)
            );
            if complete {
                for path in event.paths {
                    if let Err(TrySendError::Full(_)) = send.try_send(path) {
                        full.store(true, Ordering::Relaxed);
                    }
                }
            }
        })
        .map_err(|source| WatchError { path: PathBuf::from("/"), source })?;
        Ok(Self { watcher, changes, overflow })
    }

    /// Watches `folder`.
    ///
    /// # Errors
    /// [`WatchError`] when it does not exist or the system has no watches left.
    pub fn watch(&mut self, folder: &Path, depth: Depth) -> Result<(), WatchError> {
        let mode = match depth {
            Depth::Flat => RecursiveMode::NonRecursive,
            Depth::Deep => RecursiveMode::Recursive,
        };
        self.watcher.watch(folder, mode).map_err(|source| WatchError { path: folder.to_owned(), source })
    }

    /// Returns what changed since the last call. Never blocks.
    #[must_use]
    pub fn take(&self) -> Changes {
        let mut paths: Vec<PathBuf> = self.changes.try_iter().collect();
        paths.sort_unstable();
        paths.dedup();
        Changes { paths, all: self.overflow.swap(false, Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_a_renamed_and_a_removed_file_are_reported() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let mut watch = FileWatch::new().unwrap();
        watch.watch(&root, Depth::Deep).unwrap();
        let seen = |file: &str| {
            let want = root.join(file);
            // The watchdog of the test runner ends this loop if the event never comes.
            while !watch.take().paths.contains(&want) {
                std::thread::yield_now();
            }
        };
        std::fs::write(root.join("a.wgsl"), "one").unwrap();
        seen("a.wgsl");
        std::fs::write(root.join("a.tmp"), "two").unwrap();
        std::fs::rename(root.join("a.tmp"), root.join("b.wgsl")).unwrap();
        seen("b.wgsl");
        std::fs::remove_file(root.join("b.wgsl")).unwrap();
        seen("b.wgsl");
        std::fs::create_dir(root.join("new")).unwrap();
        seen("new");
    }

    #[test]
    fn a_flat_watch_sees_the_folder_s_files_and_nothing_below() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("target/debug")).unwrap();
        let mut watch = FileWatch::new().unwrap();
        watch.watch(&root, Depth::Flat).unwrap();
        std::fs::write(root.join("target/debug/lib.so"), "").unwrap();
        std::fs::write(root.join("scene.ron"), "").unwrap();
        let mut seen = Vec::new();
        while !seen.contains(&root.join("scene.ron")) {
            seen.extend(watch.take().paths);
            std::thread::yield_now();
        }
        assert_eq!(seen, [root.join("scene.ron")], "events come in order: nothing of target/ was seen");
    }

    #[test]
    fn a_folder_stands_for_the_files_in_it() {
        let changes =
            Changes { paths: vec![PathBuf::from("/p/assets/city"), PathBuf::from("/p/b.ron")], all: false };
        for (file, touched) in [
            ("/p/assets/city/a.glb", true),
            ("/p/assets/city", true),
            ("/p/assets/citya.glb", false),
            ("/p/b.ron", true),
            ("/p/a.ron", false),
        ] {
            assert_eq!(changes.touch(Path::new(file)), touched, "{file}");
        }
        assert!(Changes { all: true, ..Changes::default() }.touch(Path::new("/any")));
    }
}
