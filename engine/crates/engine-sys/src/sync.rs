//! The one place where atomics come from: `std`, or loom's under `cfg(loom)`, so that the model tests run the very code of the ring.

pub(crate) use imp::*;

#[cfg(not(loom))]
mod imp {
    use std::time::Duration;

    use rustix::thread::futex;

    pub(crate) use std::hint::spin_loop;
    pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

    /// A word in shared memory that threads of any process can sleep on.
    #[derive(Debug)]
    #[repr(transparent)]
    pub(crate) struct FutexWord(pub(crate) AtomicU32);

    impl FutexWord {
        /// Sleeps while the word is `expected`, until woken or until `timeout` has passed. May return for no reason.
        pub(crate) fn sleep(&self, expected: u32, timeout: Option<Duration>) {
            // A time beyond what the kernel can hold is no limit. Flags without PRIVATE: the sleeper and the waker are different processes.
            let timeout = timeout.and_then(|t| t.try_into().ok());
            // EAGAIN (changed already), EINTR and ETIMEDOUT all mean the same to the caller: look again.
            let _ = futex::wait(&self.0, futex::Flags::empty(), expected, timeout.as_ref());
        }

        /// Wakes whoever sleeps on the word.
        pub(crate) fn wake(&self) {
            // Fails only for an address that is not mapped, and this one is borrowed.
            let _ = futex::wake(&self.0, futex::Flags::empty(), i32::MAX.unsigned_abs());
        }
    }
}

#[cfg(loom)]
mod imp {
    use std::time::Duration;

    pub(crate) use loom::hint::spin_loop;
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
    use loom::sync::{Condvar, Mutex};

    /// The kernel's futex as loom sees it: the comparison and going to sleep are one step under the kernel's bucket lock.
    /// Time-outs never pass, so a lost wake-up is a deadlock, which loom reports.
    pub(crate) struct FutexWord(pub(crate) AtomicU32, Mutex<()>, Condvar);

    impl FutexWord {
        pub(crate) fn new() -> Self {
            Self(AtomicU32::new(0), Mutex::new(()), Condvar::new())
        }

        pub(crate) fn sleep(&self, expected: u32, _timeout: Option<Duration>) {
            let bucket = self.1.lock().unwrap();
            if self.0.load(Ordering::Relaxed) == expected {
                drop(self.2.wait(bucket).unwrap());
            }
        }

        pub(crate) fn wake(&self) {
            let _bucket = self.1.lock().unwrap();
            self.2.notify_all();
        }
    }
}
