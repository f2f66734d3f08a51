//! CPU time of the engine's threads, by their names.
use std::{collections::BTreeMap, time::Duration};

/// What the names of the engine's threads start with, the render thread aside.
const ENGINE: [&str; 3] = ["tick-", "par-", "shader-compile"];
/// The same for the threads on which cells run.
const CELLS: [&str; 2] = ["tick-", "par-"];
/// What the names of the bare program's threads start with.
pub(crate) const BARE: &str = "bare-";
/// The name of the render thread. A software driver's threads inherit it, so it takes the id to tell them apart.
const RENDER: &str = "render";

/// Waits until threads that have nothing to do have parked, so that their clocks are right.
pub(crate) fn settle() {
    std::thread::sleep(Duration::from_millis(1));
}

/// CPU time used so far by some threads of this process, in nanoseconds, by thread id.
///
/// Times of running threads lag behind: let them park first.
#[derive(Clone, Debug, Default)]
pub(crate) struct CpuClocks(BTreeMap<u32, u64>);

impl CpuClocks {
    /// Reads the clocks of the engine's threads, the render thread aside.
    pub(crate) fn read_engine() -> Self {
        Self::read(|_, name| ENGINE.iter().any(|n| name.starts_with(n)))
    }

    /// Reads the clocks of the threads on which cells run.
    pub(crate) fn read_cells() -> Self {
        Self::read(|_, name| CELLS.iter().any(|n| name.starts_with(n)))
    }

    /// Reads the clocks of the bare program's parallel loops.
    pub(crate) fn read_bare() -> Self {
        Self::read(|_, name| name.starts_with(BARE))
    }

    /// Reads the clock of one thread.
    pub(crate) fn read_thread(thread: u32) -> Self {
        Self::read(|id, _| id == thread)
    }

    fn read(wanted: impl Fn(u32, &str) -> bool) -> Self {
        let clock = |(id, name): (u32, String)| {
            let stat =
                wanted(id, &name).then(|| std::fs::read_to_string(format!("/proc/self/task/{id}/schedstat")));
            let ns = stat?.ok()?.split_whitespace().next()?.parse().ok()?;
            Some((id, ns))
        };
        Self(names().into_iter().filter_map(clock).collect())
    }

    /// Returns how much was used since `earlier`, in nanoseconds.
    pub(crate) fn since(&self, earlier: &Self) -> f64 {
        self.0.iter().map(|(id, ns)| ns - earlier.0.get(id).unwrap_or(&0).min(ns)).sum::<u64>() as f64
    }
}

/// Returns the names of this process's threads by id.
pub(crate) fn names() -> BTreeMap<u32, String> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks
        .filter_map(|task| {
            let name = std::fs::read_to_string(task.path().join("comm")).ok()?;
            Some((task.file_name().to_str()?.parse().ok()?, name.trim().to_owned()))
        })
        .collect()
}

/// Returns the render thread that was started since `before` was read: the first of its name.
pub(crate) fn render_thread(before: &BTreeMap<u32, String>) -> Option<u32> {
    names().into_iter().find(|(id, name)| name == RENDER && !before.contains_key(id)).map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_of_a_named_thread_shows_and_others_do_not() {
        let before = CpuClocks::read_cells();
        let spin = || {
            let start = engine_sys::thread::thread_cpu_time();
            while (engine_sys::thread::thread_cpu_time() - start).as_millis() < 30 {
                std::hint::spin_loop();
            }
        };
        let (done, wait) = std::sync::mpsc::sync_channel::<()>(0);
        let thread = std::thread::Builder::new().name("tick-77".into()).spawn(move || {
            spin();
            let _ = done.send(());
            let _ = done.send(());
        });
        wait.recv().unwrap();
        spin();
        let used = CpuClocks::read_cells().since(&before);
        assert!((20e6..60e6).contains(&used), "{used}");
        wait.recv().unwrap();
        thread.unwrap().join().unwrap();
    }
}
