//! A live table of cells below the log: a client of the desk that sits in the same terminal.
use super::{
    protocol::{Answer, Request},
    server::{Job, Outcome},
    show,
};
use crate::screen;
use engine_host::CellMetrics;
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    thread::JoinHandle,
    time::Duration,
};

/// How often the figures change.
const EVERY: Duration = Duration::from_millis(500);
/// How long they are waited for; a frame may load something large.
const PATIENCE: Duration = Duration::from_secs(20);

/// The table. It goes when this is dropped, after the desk's queue.
pub(super) struct Table {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Table {
    /// Shows the table of the desk that `jobs` leads to.
    pub(super) fn show(jobs: SyncSender<Job>) -> std::io::Result<Self> {
        let (stop, stopped) = sync_channel(0);
        let thread =
            std::thread::Builder::new().name("table".to_owned()).spawn(move || refresh(&jobs, &stopped))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A table that panicked is no loss.
            let _ = thread.join();
        }
    }
}

fn refresh(jobs: &SyncSender<Job>, stopped: &Receiver<()>) {
    let mut rows: Vec<ProgressBar> = Vec::new();
    loop {
        let (answer, answered) = sync_channel(1);
        match jobs.try_send(Job { request: Request::Metrics, answer }) {
            Ok(()) => match answered.recv_timeout(PATIENCE) {
                Ok(Outcome::Answer(Answer::Metrics(mut m))) => {
                    m.cells.iter_mut().for_each(CellMetrics::read_process);
                    draw(&mut rows, &show::short(&m));
                }
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            },
            Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Disconnected(_)) => break,
        }
        if stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Disconnected) {
            break;
        }
    }
    draw(&mut rows, "");
}

/// Lets the rows below the log show these lines.
fn draw(rows: &mut Vec<ProgressBar>, text: &str) {
    let lines: Vec<&str> = text.lines().collect();
    for row in rows.drain(lines.len().min(rows.len())..) {
        row.finish_and_clear();
    }
    while rows.len() < lines.len() {
        let row = screen::add(ProgressBar::new_spinner());
        row.set_style(ProgressStyle::with_template("{wide_msg}").expect("the template is fixed and valid"));
        rows.push(row);
    }
    for (row, line) in rows.iter().zip(lines) {
        row.set_message(line.to_owned());
    }
}
