//! Ends instances away from the host's thread: an end is the cell's code, and a process takes its time.
//!
//! An [`Instance`] hands itself over wherever it is dropped. Processes are told to stop at that moment and then
//! waited for all together, so that fifty of them take no longer than the slowest; one that does not end is
//! killed. Cells of this process are destroyed one after another by the `destroyer`.
use crate::{
    cx::TurnKind, destroyer::Destroyer, process_cell::ProcessCell, record::Record, renewal::Renewal,
    thread_cell::ThreadCell, turn::Placed,
};
use cell_abi::Status;
use crossbeam::channel::{Receiver, Sender, bounded};
use engine_sys::wait_for_any;
use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// How long no child may end before those that were told to are killed.
const STOP: Duration = Duration::from_millis(500);
/// However many others end meanwhile, a child is killed after this many times [`STOP`].
const MOST_STOPS: u32 = 4;
/// How often to look for further instances while some are ending.
const LOOK: Duration = Duration::from_millis(10);
/// Instances that can wait for the closing thread; beyond that they are killed where they are dropped.
const QUEUE: usize = 4096;

/// Ends instances. Dropping it waits until all have ended, which takes `STOP` after the last one that ends by
/// itself.
pub struct Closer {
    ends: Ends,
    thread: Option<JoinHandle<()>>,
}

/// The way to a [`Closer`].
#[derive(Clone)]
pub struct Ends {
    processes: Sender<Job>,
    pub(crate) threads: Arc<Destroyer>,
}

enum Job {
    End(Box<ProcessCell>),
    /// Nothing more is to come: end what is there.
    Finish,
}

impl Closer {
    /// Returns a closer that gives a child that does not end `STOP`.
    ///
    /// # Errors
    /// The system's, when it gives no thread.
    pub fn new() -> std::io::Result<Self> {
        Self::with_patience(STOP)
    }

    /// Returns a closer that waits for the next child to end for `patience` before it kills those that are left.
    ///
    /// # Errors
    /// The system's, when it gives no thread.
    pub fn with_patience(patience: Duration) -> std::io::Result<Self> {
        let (processes, jobs) = bounded(QUEUE);
        let thread = std::thread::Builder::new()
            .name("closer".to_owned())
            .spawn(move || end_processes(&jobs, patience))?;
        Ok(Self { ends: Ends { processes, threads: Arc::default() }, thread: Some(thread) })
    }

    /// Sees to cells that wait behind one whose `destroy` hangs. To be called now and then.
    pub fn look(&self) {
        self.ends.threads.look();
    }

    /// Returns the way to it.
    #[must_use]
    pub fn ends(&self) -> Ends {
        self.ends.clone()
    }
}

impl Drop for Closer {
    fn drop(&mut self) {
        // Fails only if the thread has ended.
        let _ = self.ends.processes.send(Job::Finish);
        self.ends.threads.finish();
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the thread that ends processes has panicked; the kernel ends what is left");
        }
    }
}

impl Ends {
    /// Returns `cell` as an instance that is handed over when it is dropped.
    pub fn hold<C: Close>(&self, cell: C) -> Instance<C> {
        Instance { cell: Some(cell), ends: self.clone() }
    }
}

/// What a [`Closer`] can end.
pub trait Close: Placed {
    /// Begins the end, without waiting for it.
    fn close(self, ends: &Ends);
}

impl Close for ThreadCell {
    fn close(self, ends: &Ends) {
        let name = self.name();
        ends.threads.hand_over(name, Box::new(self));
    }
}

impl Close for ProcessCell {
    fn close(mut self, ends: &Ends) {
        self.stop();
        // Without the closing thread, or with a full queue, it is killed here: dropping it does that.
        let _ = ends.processes.try_send(Job::End(Box::new(self)));
    }
}

/// An instance of a cell; its [`Closer`] ends it when it is dropped.
pub struct Instance<C: Close> {
    /// Taken when it is dropped.
    cell: Option<C>,
    ends: Ends,
}

const HELD: &str = "it is taken only when the instance is dropped";

impl<C: Close> Deref for Instance<C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.cell.as_ref().expect(HELD)
    }
}

impl<C: Close> DerefMut for Instance<C> {
    fn deref_mut(&mut self) -> &mut C {
        self.cell.as_mut().expect(HELD)
    }
}

impl<C: Close> Placed for Instance<C> {
    fn call(&mut self, kind: TurnKind, record: &mut Record) -> Status {
        C::call(self, kind, record)
    }

    fn save(&mut self) -> Result<Vec<u8>, Status> {
        C::save(self)
    }

    fn restore(&mut self, state: &Arc<[u8]>) -> Status {
        C::restore(self, state)
    }

    fn renew(&mut self, renewal: Renewal) -> Result<(), String> {
        C::renew(self, renewal)
    }

    fn take_renewal(&mut self) -> Option<Renewal> {
        C::take_renewal(self)
    }

    fn ended(&mut self) -> Option<String> {
        C::ended(self)
    }
}

impl<C: Close> Drop for Instance<C> {
    fn drop(&mut self) {
        if let Some(cell) = self.cell.take() {
            cell.close(&self.ends);
        }
    }
}

/// A child that was told to stop, and when.
type Ending = (Box<ProcessCell>, Instant);

/// The closing thread: waits for all children that were told to stop, and kills those that do not.
fn end_processes(jobs: &Receiver<Job>, patience: Duration) {
    let (mut open, mut finish): (Vec<Ending>, bool) = (Vec::new(), false);
    // When an instance last came or went.
    let mut progress = Instant::now();
    while !finish || !open.is_empty() || !jobs.is_empty() {
        let next = if open.is_empty() { jobs.recv().ok() } else { jobs.try_recv().ok() };
        for job in next.into_iter().chain(jobs.try_iter()) {
            progress = Instant::now();
            match job {
                Job::End(cell) => open.push((cell, progress)),
                Job::Finish => finish = true,
            }
        }
        if wait_for_any(open.iter().map(|o| o.0.child()), LOOK).is_err() {
            // Too many for one call: look at each.
            std::thread::sleep(LOOK);
        }
        let (now, before) = (Instant::now(), open.len());
        open.retain_mut(|(cell, _)| !cell.has_ended());
        if open.len() < before {
            progress = now;
        }
        let quiet = now.saturating_duration_since(progress) > patience;
        for (cell, since) in &mut open {
            if quiet || now.saturating_duration_since(*since) > patience * MOST_STOPS {
                cell.kill();
            }
        }
    }
}
