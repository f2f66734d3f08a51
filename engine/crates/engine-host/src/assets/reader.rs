//! Reading saved files again, on a worker thread that lives as long as there is something to read.
use super::{Asset, AssetError, AssetStore, Files};
use std::{
    collections::BTreeSet,
    sync::{Arc, MutexGuard, PoisonError},
};

/// What came of reading a saved file again.
#[derive(Debug)]
pub struct Refreshed {
    /// The asset's path.
    pub path: String,
    /// Its newest content and whether that is another one than before; on an error the last one stays.
    pub read: Result<(Asset, bool), AssetError>,
}

/// Files to read again.
#[derive(Debug, Default)]
pub(super) struct Refreshing {
    wanted: BTreeSet<String>,
    /// A worker takes from `wanted` until it is empty.
    works: bool,
    done: Vec<Refreshed>,
}

impl AssetStore {
    /// Has a saved asset read again, not on this thread; what comes of it is in [`AssetStore::take_refreshed`].
    pub fn refresh_soon(&self, path: &str) {
        let mut refreshing = self.0.refreshing();
        refreshing.wanted.insert(path.to_owned());
        if std::mem::replace(&mut refreshing.works, true) {
            return;
        }
        drop(refreshing);
        let files = Arc::clone(&self.0);
        let worker = std::thread::Builder::new().name("assets".to_owned()).spawn(move || files.refresh_all());
        if worker.is_err() {
            // No thread is left for it: better late here than never.
            self.0.refresh_all();
        }
    }

    /// Returns what was read again since the last call, in order. Never blocks for long.
    #[must_use]
    pub fn take_refreshed(&self) -> Vec<Refreshed> {
        std::mem::take(&mut self.0.refreshing().done)
    }
}

impl Files {
    fn refreshing(&self) -> MutexGuard<'_, Refreshing> {
        self.refreshing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refresh_all(&self) {
        loop {
            let next = {
                let mut refreshing = self.refreshing();
                let next = refreshing.wanted.pop_first();
                refreshing.works = next.is_some();
                next
            };
            let Some(path) = next else { return };
            let read = self.refresh(&path);
            self.refreshing().done.push(Refreshed { path, read });
        }
    }

    fn refresh(&self, path: &str) -> Result<(Asset, bool), AssetError> {
        let known = self.known(path)?;
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.version;
        let asset = self.read(path, &mut known)?;
        let changed = asset.version != before;
        Ok((asset, changed))
    }
}
