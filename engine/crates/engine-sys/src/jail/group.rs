//! Control groups: memory, thread and processor limits that hold for what is really used. Version 1 and 2.
//!
//! A group belongs to whoever manages it. The engine makes groups only below one that was handed to it: the root group (a container of its own,
//! or no manager at all), a group whose folder its own user owns, or one that its manager has marked as delegated.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Layer, Missing, Quotas};
use crate::ChildProcess;

/// The controllers, and the layers that they are.
const CONTROLLERS: [(&str, Layer); 3] =
    [("memory", Layer::MemoryGroup), ("pids", Layer::ThreadGroup), ("cpu", Layer::CpuGroup)];

/// A place below which groups can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Version 1: one tree for this controller.
    Old(PathBuf),
    /// Version 2: one tree for all.
    Unified(PathBuf),
}

impl Place {
    fn dir(&self) -> &Path {
        match self {
            Self::Old(dir) | Self::Unified(dir) => dir,
        }
    }
}

/// Returns where the groups of each controller can be made, found out once.
pub(super) fn places() -> &'static [(Layer, Result<Place, String>)] {
    static PLACES: OnceLock<Vec<(Layer, Result<Place, String>)>> = OnceLock::new();
    PLACES.get_or_init(|| {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        CONTROLLERS
            .iter()
            .map(|(controller, layer)| {
                let place = find(controller, &own, &mounts).and_then(|place| {
                    prepare(&place, controller)?;
                    sweep(place.dir());
                    let trial = place.dir().join(format!("cell-{}-trial-{controller}", std::process::id()));
                    let made = fs::create_dir(&trial).and_then(|()| fs::remove_dir(&trial));
                    made.map_err(|e| format!("{}: {e}", place.dir().display()))?;
                    Ok(place)
                });
                (*layer, place)
            })
            .collect()
    })
}

/// The groups of one child. Dropping it removes them; they must be empty then.
#[derive(Debug, Default)]
pub(super) struct Group {
    dirs: Vec<PathBuf>,
}

impl Group {
    /// Makes groups with these limits and puts the child into them, before it has run anything of the cell.
    pub(super) fn around(child: &ChildProcess, quotas: &Quotas) -> (Self, Vec<Missing>) {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // Relaxed: only a number of its own matters.
        let name = format!("cell-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let (mut group, mut missing) = (Self::default(), Vec::new());
        for (layer, place) in places() {
            let made = place.as_ref().map_err(Clone::clone).and_then(|place| {
                group
                    .add(&place.dir().join(&name), place, *layer, quotas, child.pid())
                    .map_err(|e| e.to_string())
            });
            if let Err(why) = made {
                missing.push(Missing::new(*layer, why));
            }
        }
        (group, missing)
    }

    fn add(&mut self, dir: &Path, place: &Place, layer: Layer, quotas: &Quotas, pid: u32) -> io::Result<()> {
        if !self.dirs.iter().any(|d| d == dir) {
            fs::create_dir(dir)?;
            self.dirs.push(dir.to_owned());
        }
        if let (Place::Unified(_), Layer::MemoryGroup) = (place, layer) {
            // The limit is one of all memory. A kernel that does not count swap has no such file, and perhaps no swap.
            let _ = fs::write(dir.join("memory.swap.max"), "0");
        }
        for (file, value) in settings(place, layer, quotas) {
            let path = dir.join(file);
            fs::write(&path, value)
                .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
        }
        fs::write(dir.join("cgroup.procs"), pid.to_string())
    }

    /// Returns whether the kernel has ended something in it for want of memory.
    pub(super) fn ran_out_of_memory(&self) -> bool {
        self.dirs.iter().any(|d| {
            ["memory.events", "memory.oom_control"].iter().any(|f| {
                let text = fs::read_to_string(d.join(f)).unwrap_or_default();
                let count = text.lines().find_map(|l| l.strip_prefix("oom_kill "));
                count.is_some_and(|n| n != "0")
            })
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for dir in &self.dirs {
            // One that is still in use is removed by `sweep` of a later engine.
            let _ = fs::remove_dir(dir);
        }
    }
}

/// Returns which files of a group hold its limits, and what to write.
fn settings(place: &Place, layer: Layer, q: &Quotas) -> Vec<(&'static str, String)> {
    // What the child touches first of the shared memory is counted as its own.
    let memory = q.memory_bytes.saturating_add(q.shared_bytes).min(i64::MAX as u64).to_string();
    // Not the filter's errand: a few more than the process's own limit, so that this one says no first.
    let threads = (q.threads.saturating_add(2)).to_string();
    let weight = q.cpu_weight.clamp(1, 10_000);
    match (place, layer) {
        (Place::Unified(_), Layer::MemoryGroup) => {
            vec![("memory.max", memory), ("memory.oom.group", "1".to_owned())]
        }
        (Place::Unified(_), Layer::CpuGroup) => vec![("cpu.weight", weight.to_string())],
        (Place::Old(_), Layer::MemoryGroup) => vec![("memory.limit_in_bytes", memory)],
        // 100 is 1024 here.
        (Place::Old(_), Layer::CpuGroup) => {
            vec![("cpu.shares", (u64::from(weight) * 1024 / 100).max(2).to_string())]
        }
        _ => vec![("pids.max", threads)],
    }
}

/// Finds where this process's group of a controller is, from `/proc/self/cgroup` and `/proc/self/mountinfo`, and whether it was handed to us.
fn find(controller: &str, own: &str, mounts: &str) -> Result<Place, String> {
    let has = |list: &str| list.split(',').any(|c| c == controller);
    let line = |pick: &dyn Fn(&str) -> bool| {
        own.lines().find_map(|l| {
            let (_, rest) = l.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            pick(controllers).then_some(path)
        })
    };
    let mount = |kind: &str, pick: &dyn Fn(&str) -> bool| {
        mounts.lines().find_map(|l| {
            let (left, right) = l.split_once(" - ")?;
            let [.., root, point] = left.split(' ').take(5).collect::<Vec<_>>()[..] else { return None };
            let mut right = right.split(' ');
            (right.next() == Some(kind) && pick(right.nth(1)?)).then_some((root, point))
        })
    };
    let (path, (root, point), is_old) = if let Some(path) = line(&has) {
        (path, mount("cgroup", &has).ok_or("its tree is not mounted")?, true)
    } else {
        let path = line(&|c| c.is_empty()).ok_or("this kernel has no control groups")?;
        (path, mount("cgroup2", &|_| true).ok_or("its tree is not mounted")?, false)
    };
    // The mount may show a part of the tree only.
    let below = path
        .strip_prefix(root)
        .or((root == "/").then_some(path))
        .ok_or("this process's group is not mounted")?;
    let below = below.trim_matches('/');
    let is_root = below.is_empty();
    let dir = if is_root { PathBuf::from(point) } else { Path::new(point).join(below) };
    if !is_root && !is_delegated(&dir) {
        return Err(format!("{} belongs to whoever started the engine", dir.display()));
    }
    Ok(if is_old { Place::Old(dir) } else { Place::Unified(dir) })
}

fn is_delegated(dir: &Path) -> bool {
    let uid = rustix::process::geteuid();
    let is_ours = !uid.is_root() && fs::metadata(dir).is_ok_and(|m| m.uid() == uid.as_raw());
    let mut value = [0; 8];
    let marked = |name| rustix::fs::getxattr(dir, name, &mut value).is_ok_and(|n| n > 0);
    is_ours || ["user.delegate", "trusted.delegate"].into_iter().any(marked)
}

/// Makes sure that groups below `place` have the controller. In version 2 a group that hands controllers down may hold no process itself:
/// an engine that is alone in its group moves to one below it.
fn prepare(place: &Place, controller: &str) -> Result<(), String> {
    let Place::Unified(dir) = place else { return Ok(()) };
    let has = |file: &str| {
        let text = fs::read_to_string(dir.join(file)).unwrap_or_default();
        text.split_whitespace().any(|c| c == controller)
    };
    if !has("cgroup.controllers") {
        return Err(format!("{} has no {controller} controller", dir.display()));
    }
    if has("cgroup.subtree_control") {
        return Ok(());
    }
    let enable = || fs::write(dir.join("cgroup.subtree_control"), format!("+{controller}"));
    enable().or_else(|_| {
        let own = std::process::id().to_string();
        let held = fs::read_to_string(dir.join("cgroup.procs")).map_err(|e| e.to_string())?;
        if held.lines().any(|pid| pid != own) {
            return Err(format!("{} holds other processes too", dir.display()));
        }
        let leaf = dir.join("engine");
        let moved = fs::create_dir_all(&leaf).and_then(|()| fs::write(leaf.join("cgroup.procs"), &own));
        moved.and_then(|()| enable()).map_err(|e| e.to_string())
    })
}

/// Returns the control groups that killed engines have left behind.
pub fn dead_groups() -> Vec<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let places = CONTROLLERS.iter().filter_map(|(controller, _)| find(controller, &own, &mounts).ok());
    let mut groups: Vec<PathBuf> = places.flat_map(|place| dead_in(place.dir())).collect();
    groups.sort();
    groups.dedup();
    groups
}

/// Removes the groups of engines that were killed, and returns those that are gone: not those whose processes are still ending.
pub fn remove_dead_groups() -> Vec<PathBuf> {
    dead_groups().into_iter().filter(|group| fs::remove_dir(group).is_ok()).collect()
}

fn dead_in(dir: &Path) -> Vec<PathBuf> {
    let mut dead = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|n| n.strip_prefix("cell-")?.split_once('-')).map(|(pid, _)| pid);
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            dead.push(entry.path());
        }
    }
    dead
}

/// Removes the groups of engines that were killed.
fn sweep(dir: &Path) {
    for group in dead_in(dir) {
        // Not empty: its processes are still ending.
        let _ = fs::remove_dir(group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "9:name=systemd:/\n8:pids:/\n4:memory:/jobs/7\n1:cpu,cpuacct:/\n0::/\n";
    const OLD_MOUNTS: &str = "30 29 0:26 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
        33 29 0:29 /jobs /sys/fs/cgroup/memory rw,relatime shared:3 - cgroup cgroup rw,memory\n\
        38 29 0:34 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

    #[test]
    fn the_own_group_is_found_in_both_versions() {
        let cpu = find("cpu", OLD, OLD_MOUNTS);
        assert_eq!(cpu, Ok(Place::Old("/sys/fs/cgroup/cpu".into())));
        let foreign = find("memory", OLD, OLD_MOUNTS).unwrap_err();
        assert_eq!(foreign, "/sys/fs/cgroup/memory/7 belongs to whoever started the engine");
        assert_eq!(find("pids", OLD, OLD_MOUNTS).unwrap_err(), "its tree is not mounted");
        let container = "33 29 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(find("memory", "0::/\n", container), Ok(Place::Unified("/sys/fs/cgroup".into())));
        assert!(find("memory", "", container).is_err());
    }

    #[test]
    fn limits_are_written_as_each_version_wants_them() {
        let quotas = Quotas {
            memory_bytes: 1 << 20,
            shared_bytes: 1 << 20,
            threads: 5,
            descriptors: 9,
            cpu_weight: 50,
        };
        let dir = tempfile::tempdir().unwrap();
        let mut group = Group::default();
        let unified = Place::Unified(dir.path().to_owned());
        let child = dir.path().join("cell-1-1");
        for (_, layer) in CONTROLLERS {
            group.add(&child, &unified, layer, &quotas, 77).unwrap();
        }
        let read = |dir: &Path, file| fs::read_to_string(dir.join(file)).unwrap();
        let files =
            ["memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.weight", "cgroup.procs"];
        assert_eq!(files.map(|f| read(&child, f)), ["2097152", "0", "1", "7", "50", "77"]);
        let old = Place::Old(dir.path().to_owned());
        let child = dir.path().join("cell-1-2");
        for (_, layer) in CONTROLLERS {
            group.add(&child, &old, layer, &quotas, 77).unwrap();
        }
        let files = ["memory.limit_in_bytes", "pids.max", "cpu.shares", "cgroup.procs"];
        assert_eq!(files.map(|f| read(&child, f)), ["2097152", "7", "512", "77"]);
        assert!(!group.ran_out_of_memory());
        fs::write(child.join("memory.oom_control"), "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n").unwrap();
        assert!(group.ran_out_of_memory());
    }

    #[test]
    fn an_engine_among_others_is_not_moved() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::Unified(dir.path().to_owned());
        let write = |file: &str, text: &str| fs::write(dir.path().join(file), text).unwrap();
        assert!(prepare(&place, "memory").unwrap_err().contains("has no memory controller"));
        write("cgroup.controllers", "cpu memory pids\n");
        // A folder where the file should be: writing is refused, as by a group that holds processes.
        fs::create_dir(dir.path().join("cgroup.subtree_control")).unwrap();
        write("cgroup.procs", "1\n");
        assert!(prepare(&place, "memory").unwrap_err().contains("holds other processes too"));
        fs::remove_dir(dir.path().join("cgroup.subtree_control")).unwrap();
        write("cgroup.subtree_control", "cpu memory\n");
        assert_eq!(prepare(&place, "memory"), Ok(()));
        assert!(!dir.path().join("engine").exists());
    }

    #[test]
    fn groups_of_dead_engines_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let own = format!("cell-{}-0", std::process::id());
        for name in [&own, "cell-4194305-3", "other"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        sweep(dir.path());
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [own.as_str(), "other"]);
    }
}
