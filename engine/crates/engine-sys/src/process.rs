//! What the system tells of a running process.

use std::fs;
use std::time::Duration;

/// Parts of a second in which the kernel reports processor time: a constant of its interface, also on Arm.
const TICK: Duration = Duration::from_millis(10);

/// What a process uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessUse {
    /// Memory that it holds, shared memory that it has touched included.
    pub rss_bytes: u64,
    /// Processor time that all its threads took, to 10 ms.
    pub cpu: Duration,
}

/// Returns what the process `pid` uses; nothing when it has ended, or belongs to somebody else.
pub fn process_use(pid: u32) -> Option<ProcessUse> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib: u64 =
        status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, brackets too.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some(ProcessUse { rss_bytes: kib * 1024, cpu: TICK * ticks()?.saturating_add(ticks()?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::thread::process_cpu_time;

    #[test]
    fn this_process_holds_memory_and_took_time() {
        while process_cpu_time() < Duration::from_millis(40) {
            std::hint::spin_loop();
        }
        let used = process_use(std::process::id()).unwrap();
        assert!(used.rss_bytes > 100_000, "{used:?}");
        let clock = process_cpu_time();
        assert!(
            used.cpu >= Duration::from_millis(20) && used.cpu <= clock + TICK * 3,
            "{used:?} at {clock:?}"
        );
        // No process has this number.
        assert_eq!(process_use(4_194_305), None);
    }
}
