//! Threads: their kernel ids, priorities and processor time.

use std::io;
use std::time::Duration;

use rustix::process::setpriority_process;
use rustix::thread::{Pid, gettid};
use rustix::time::{ClockId, clock_gettime};

/// The kernel's id of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ThreadId(Pid);

impl ThreadId {
    /// Returns the id of the calling thread.
    pub fn current() -> Self {
        Self(gettid())
    }

    /// Returns the number, as `top -H` shows it.
    pub fn as_u32(self) -> u32 {
        self.0.as_raw_nonzero().get().unsigned_abs()
    }
}

/// Sets the nice value of one thread: 0 is normal, 19 yields to everyone. On Linux this concerns the thread alone, not its process.
///
/// # Errors
/// `EACCES` or `EPERM` for a value below the present one without the privilege for it, `ESRCH` if the thread has ended.
pub fn set_nice(thread: ThreadId, nice: i32) -> io::Result<()> {
    Ok(setpriority_process(Some(thread.0), nice)?)
}

/// Returns the nice value of a thread.
///
/// # Errors
/// `ESRCH` if the thread has ended.
pub fn read_nice(thread: ThreadId) -> io::Result<i32> {
    Ok(rustix::process::getpriority_process(Some(thread.0))?)
}

/// Returns the processor time the calling thread has used.
pub fn thread_cpu_time() -> Duration {
    clock(ClockId::ThreadCPUTime)
}

/// Returns the processor time all threads of this process have used.
pub fn process_cpu_time() -> Duration {
    clock(ClockId::ProcessCPUTime)
}

fn clock(id: ClockId) -> Duration {
    clock_gettime(id).try_into().expect("CPU clocks start at zero and only rise")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nice_concerns_one_thread() {
        let main = ThreadId::current();
        let before = read_nice(main).unwrap();
        let nicer = (before + 5).min(19);
        std::thread::spawn(move || {
            assert_ne!(ThreadId::current(), main);
            set_nice(ThreadId::current(), nicer).unwrap();
            assert_eq!(read_nice(ThreadId::current()).unwrap(), nicer);
        })
        .join()
        .unwrap();
        assert_eq!(read_nice(main).unwrap(), before);
    }

    #[test]
    fn work_shows_on_both_clocks() {
        // The process first: what runs between the two calls must not be missing from its clock.
        let process = process_cpu_time();
        let thread = thread_cpu_time();
        while thread_cpu_time() < thread + Duration::from_millis(2) {
            std::hint::spin_loop();
        }
        assert!(process_cpu_time() >= process + Duration::from_millis(2));
    }
}
