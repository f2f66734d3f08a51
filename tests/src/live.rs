//! A running engine whose log is read line by line, for tests that do something meanwhile.
use crate::Engine;
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    time::{Duration, Instant},
};

/// Ends a wait that hangs. A watchdog, not a measure.
const WATCHDOG: Duration = Duration::from_secs(300);

/// A running engine. It is killed when dropped.
#[derive(Debug)]
pub struct Live {
    /// The engine's process.
    pub child: Child,
    lines: Receiver<String>,
    /// What it has said so far, as far as it was waited for.
    pub seen: Vec<String>,
}

impl Live {
    /// Starts the engine with `args`.
    #[must_use]
    pub fn start(engine: &Engine, args: &[&str]) -> Self {
        Self::spawn(engine.command(args))
    }

    /// Starts a command of the engine.
    #[must_use]
    pub fn spawn(mut command: Command) -> Self {
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the engine starts");
        let stderr = child.stderr.take().expect("it was asked for");
        let (send, lines) = sync_channel(10_000);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    /// Waits until a line says `words`.
    pub fn until(&mut self, words: &str) {
        let begun = Instant::now();
        loop {
            match self.lines.recv_timeout(WATCHDOG.saturating_sub(begun.elapsed())) {
                Ok(line) => {
                    let found = line.contains(words);
                    self.seen.push(line);
                    if found {
                        return;
                    }
                }
                Err(_) => panic!("the log never said `{words}`:\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Waits until each of these was said since the last wait, in whatever order: threads speak for themselves.
    pub fn until_all(&mut self, words: &[&str]) {
        let from = self.seen.len();
        for words in words {
            if !self.seen[from..].iter().any(|l| l.contains(words)) {
                self.until(words);
            }
        }
    }

    /// Returns the processes that the engine has started and that still run: one for each cell `at: Process`.
    #[must_use]
    pub fn children(&self) -> Vec<u32> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the engine runs");
        let of = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children"));
        let lists: Vec<String> = tasks.flatten().filter_map(|t| of(t).ok()).collect();
        lists.iter().flat_map(|l| l.split_whitespace()).map(|n| n.parse().expect("a number")).collect()
    }

    /// Takes the lines that have come, without waiting.
    pub fn listen(&mut self) {
        self.seen.extend(self.lines.try_iter());
    }

    /// Asserts that the engine runs on.
    pub fn assert_running(&mut self) {
        let status = self.child.try_wait().expect("a child can be waited for");
        assert_eq!(status, None, "the engine runs on:\n{}", self.seen.join("\n"));
    }

    /// Waits until the engine has ended; what it said last is in `seen`.
    pub fn end(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            match self.lines.recv_timeout(WATCHDOG.saturating_sub(begun.elapsed())) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => {
                    return self.child.wait().expect("a child can be waited for");
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("the engine does not end:\n{}", self.seen.join("\n"))
                }
            }
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
