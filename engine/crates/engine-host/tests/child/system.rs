//! What the system says of processes.
use std::process::Command;

/// Returns the threads of a process with their nice values, the first one first.
pub(crate) fn nice_values(pid: u32) -> Vec<(u32, i32)> {
    let nice = |(thread, stat): (u32, Vec<String>)| (thread, stat[16].parse().unwrap());
    threads(pid).into_iter().map(nice).collect()
}

/// Returns the threads of a process, the first one first, with the words that /proc has about each after its name.
fn threads(pid: u32) -> Vec<(u32, Vec<String>)> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let mut all: Vec<_> = threads
        .filter_map(|t| {
            let t = t.unwrap();
            // A thread may end meanwhile.
            let stat = std::fs::read_to_string(t.path().join("stat")).ok()?;
            let words = stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect();
            Some((t.file_name().to_str()?.parse().ok()?, words))
        })
        .collect();
    all.sort_unstable_by_key(|(thread, _)| (*thread != pid, *thread));
    all
}

pub(crate) fn signal(pid: u32, name: &str) {
    let done = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap();
    assert!(done.success());
    // It takes a moment until each thread has stopped.
    while name == "STOP" && threads(pid).iter().any(|(_, words)| words[0] != "T") {
        std::thread::yield_now();
    }
}

pub(crate) fn exists(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

pub(crate) fn shared_maps() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap().lines().filter(|l| l.contains("/memfd:")).count()
}

pub(crate) fn open_fds() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

pub(crate) fn children() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let of = |task: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default()
    };
    tasks.map(of).map(|list| list.split_whitespace().count()).sum()
}
