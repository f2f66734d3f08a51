//! The keeper of a jailed child: whether it lives, which calls its sandbox refused, and what it writes.
//!
//! All of this comes from the cell: bytes of a stranger, bounded here and logged under the cell's name.
use super::{Lost, flow::Flow, lost};
use crate::cx::InstanceCx;
use cell_abi::LogLevel;
use engine_frame::plain::LONGEST;
use engine_sys::{
    ChildProcess, ExitCause,
    jail::{Jailed, Layer, Missing, Offence},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How often a child that answers quickly is listened to.
const LISTEN: Duration = Duration::from_millis(100);
/// How many lines of its output are logged at a time.
const MOST_LINES: usize = 50;
/// How many kinds of calls that its sandbox refused are named.
const MOST_CALLS: usize = 20;

/// A child in its jail, and what was heard of it.
pub(super) struct Keeper {
    jailed: Jailed,
    cx: Arc<InstanceCx>,
    /// The calls that were refused, by number: the first, and how often it was made in all.
    refused: BTreeMap<i64, (Offence, u64)>,
    /// Output that has no end of a line yet.
    output: Vec<u8>,
    /// How much an untrusted cell logs.
    flow: Option<Flow>,
    listen_at: Instant,
    /// Why it is to be ended, for good.
    verdict: Option<String>,
}

impl Keeper {
    pub(super) fn new(jailed: Jailed, cx: &Arc<InstanceCx>) -> Self {
        let (cx, listen_at) = (Arc::clone(cx), Instant::now());
        let flow = cx.rights().grants.is_some().then(|| Flow::new(listen_at));
        let (refused, output) = (BTreeMap::new(), Vec::new());
        Self { jailed, cx, refused, output, flow, listen_at, verdict: None }
    }

    pub(super) fn process(&self) -> &ChildProcess {
        self.jailed.process()
    }

    pub(super) fn process_mut(&mut self) -> &mut ChildProcess {
        self.jailed.process_mut()
    }

    /// Returns an error when the child has ended, or is to be ended: its instance was replaced, or it is hostile.
    pub(super) fn check(&mut self) -> Result<(), Lost> {
        self.listen()?;
        match self.process_mut().try_wait() {
            Ok(None) if !self.cx.is_cancelled() => Ok(()),
            Ok(None) => Err(Lost("it was replaced, and its process ended".to_owned())),
            Ok(Some(cause)) => Err(self.ended(cause)),
            Err(error) => Err(lost(error)),
        }
    }

    /// Waits for the child's end for a moment and returns how it ended.
    pub(super) fn wait_for_end(&mut self, timeout: Duration) -> Option<Lost> {
        let cause = self.process_mut().wait_timeout(timeout).ok()??;
        Some(self.ended(cause))
    }

    fn ended(&mut self, cause: ExitCause) -> Lost {
        // Its last words. Whatever they are, it is over.
        let _ = self.listen();
        let memory =
            if self.jailed.ran_out_of_memory() { "; it took more memory than it may have" } else { "" };
        Lost(format!("its process is over: {cause}{memory}"))
    }

    /// Listens to the child if that was long ago.
    pub(super) fn listen_if_due(&mut self, now: Instant) -> Result<(), Lost> {
        if now < self.listen_at { self.verdict() } else { self.listen() }
    }

    /// Returns whether nothing that it says counts any more.
    pub(super) fn is_hostile(&self) -> bool {
        self.verdict.is_some()
    }

    fn verdict(&self) -> Result<(), Lost> {
        self.verdict.clone().map_or(Ok(()), |why| Err(Lost(why)))
    }

    /// Logs what the child has written and which of its calls were refused since the last time.
    ///
    /// # Errors
    /// It made a call that only an attack makes; it is to be ended.
    pub(super) fn listen(&mut self) -> Result<(), Lost> {
        self.listen_at = Instant::now() + LISTEN;
        self.jailed.take_output(&mut self.output);
        self.log_output();
        let report = self.jailed.take_reports();
        if let Some(missing) = &report.entered {
            tell_missing(missing);
        }
        if let Some(call) = report.offences.iter().find(|o| o.is_hostile()).map(name) {
            let what = "it made a call that only code makes that looks for a way out of its sandbox";
            // Kept: whoever asks now may have an answer of it in hand.
            self.verdict.get_or_insert(format!("{what} (`{call}`), and its process was ended"));
        }
        for offence in report.offences {
            self.note(offence);
        }
        if self.flow.is_some() {
            self.tell_left_out(Instant::now());
        }
        self.verdict()
    }

    /// Logs a line of the cell.
    pub(super) fn log(&mut self, level: LogLevel, target: &str, message: &str, file: &str, line: u32) {
        if self.flow.is_some() {
            self.tell_left_out(Instant::now());
        }
        if self.flow.as_mut().is_none_or(Flow::admits) {
            self.cx.log(level, target, message, file, line);
        }
    }

    fn tell_left_out(&mut self, now: Instant) {
        if let Some(left) = self.flow.as_mut().and_then(|f| f.next_span(now)) {
            self.warn(&format!("{left} more lines of it are left out"));
        }
    }

    /// Logs a kind of call when it is refused for the first time, and counts it.
    fn note(&mut self, offence: Offence) {
        let count = u64::from(offence.count);
        match self.refused.get_mut(&offence.number) {
            Some((_, all)) => *all += count,
            None => {
                match self.refused.len() {
                    ..MOST_CALLS => self.warn(&format!("its sandbox refused the call {offence}")),
                    MOST_CALLS => self.warn("its sandbox refused other calls too, which are not named"),
                    _ => {}
                }
                self.refused.insert(offence.number, (offence, count));
            }
        }
    }

    /// Logs the lines of the output that are whole.
    fn log_output(&mut self) {
        let end = self.output.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let whole = if self.output.len() - end > LONGEST { self.output.len() } else { end };
        let lines: Vec<u8> = self.output.drain(..whole).collect();
        let text = String::from_utf8_lossy(&lines);
        let mut lines = text.lines().filter(|l| !l.trim().is_empty());
        for line in lines.by_ref().take(MOST_LINES) {
            self.log(LogLevel::INFO, "output", line, "", 0);
        }
        let left = lines.count();
        if left > 0 && self.flow.as_mut().is_none_or(Flow::admits) {
            self.warn(&format!("{left} more lines of its output are left out"));
        }
    }

    fn warn(&self, what: &str) {
        self.cx.log(LogLevel::WARN, "sandbox", what, "", 0);
    }
}

impl Drop for Keeper {
    /// Says what is left to be said. The process is ended afterwards, if it still runs.
    fn drop(&mut self) {
        let _ = self.listen();
        self.output.push(b'\n');
        self.log_output();
        let again = self.refused.values().filter(|(first, all)| u64::from(first.count) < *all);
        let again = again.take(MOST_CALLS);
        let again: Vec<String> = again.map(|(first, all)| format!("{} {all} times", name(first))).collect();
        if !again.is_empty() {
            self.warn(&format!("calls that its sandbox refused, in all: {}", again.join(", ")));
        }
        if let Some(left) = self.flow.as_mut().and_then(Flow::end) {
            self.warn(&format!("{left} more lines of it are left out"));
        }
    }
}

/// Returns a call's name.
fn name(offence: &Offence) -> String {
    Offence { path: None, count: 1, ..offence.clone() }.to_string()
}

/// Says which layers of the jail this machine refuses, each once in the life of the engine.
fn tell_missing(missing: &[Missing]) {
    static TOLD: Mutex<BTreeSet<Layer>> = Mutex::new(BTreeSet::new());
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    let new: Vec<&Missing> = missing.iter().filter(|m| told.insert(m.layer)).collect();
    if new.is_empty() {
        return;
    }
    let listed: Vec<String> = new.iter().map(|m| format!("{} ({})", m.layer.title(), m.why)).collect();
    let what = format!(
        "this machine refuses a part of the sandbox in which cells `at: Process` run: {}; `engine doctor` says what \
         that means",
        listed.join(", ")
    );
    if new.iter().any(|m| m.layer.is_wall()) {
        tracing::warn!("{what}");
    } else {
        tracing::info!("{what}");
    }
}
