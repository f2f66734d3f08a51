//! The main loop's side: what clients ask is served between two frames, and the world stands still when they say so.
use super::{
    folder,
    protocol::{Answer, Metrics, Request, Who},
    server::{Job, Outcome, Server},
    table::Table,
};
use crate::{args::RunArgs, screen, start::Prepared};
use engine_host::World;
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender},
    },
    time::{Duration, Instant},
};

/// The most requests that are served between two frames.
const MOST_AT_ONCE: usize = 4;
/// After so many frames without its picture a capture is asked for again: somebody else has taken it.
const ASK_AGAIN: u64 = 60;
/// How long a picture is waited for: the newest may show nothing for ever.
const PICTURE_WITHIN: Duration = Duration::from_secs(30);
/// How long a paused world waits for a picture before it looks again.
const LOOK: Duration = Duration::from_millis(2);
/// The most frames of one `step`.
const MOST_STEPS: u64 = 10_000;

/// What the main loop does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A frame.
    Frame,
    /// Nothing: the world's time stands still.
    Stand,
    /// The run ends.
    Quit,
}

/// Serves the clients of a running world.
pub(crate) struct Desk {
    who: Who,
    began: Instant,
    jobs: Option<Receiver<Job>>,
    paused: bool,
    /// Frames still to be run although it is paused, and who waits for them.
    steps: u64,
    stepping: Option<(u64, SyncSender<Outcome>)>,
    captures: Vec<Capture>,
    quits: bool,
    /// After the queue: who waits there has been told by then.
    _table: Option<Table>,
    _server: Option<Server>,
}

struct Capture {
    answer: SyncSender<Outcome>,
    since: Instant,
    /// The frame that was to be captured.
    asked: Option<u64>,
}

impl Desk {
    /// Opens the engine's socket. Without one the engine runs all the same.
    pub(crate) fn open(prepared: &Prepared, args: &RunArgs) -> Self {
        let folder = folder::folder();
        // For people: what is no UTF-8 cannot be told as it is.
        let shown = |path: &Path| PathBuf::from(path.to_string_lossy().into_owned());
        let who = Who {
            pid: std::process::id(),
            world: prepared.scene.name.clone(),
            scene: shown(&prepared.scene_path),
            root: shown(&prepared.project.root),
        };
        let (server, jobs) = match Server::open(&folder, who.clone(), prepared.project.clone()) {
            Ok((server, jobs)) => (Some(server), Some(jobs)),
            Err(error) => {
                tracing::warn!("`engine ctl` will not find this engine: {}: {error}", folder.display());
                (None, None)
            }
        };
        let table = server.as_ref().filter(|_| args.all_cells && screen::is_there());
        Self {
            // Without a thread for it there is no table.
            _table: table.and_then(|s| Table::show(s.jobs()).ok()),
            who,
            began: Instant::now(),
            jobs,
            paused: false,
            steps: 0,
            stepping: None,
            captures: Vec::new(),
            quits: false,
            _server: server,
        }
    }

    /// Serves what has come and says what is next. Waits for nothing, but `patience` while the world stands still.
    pub(crate) fn before_frame(&mut self, world: &mut World, patience: Duration) -> anyhow::Result<Next> {
        let stands = self.paused && self.steps == 0;
        let patience = if self.captures.is_empty() { patience } else { LOOK };
        for n in 0..MOST_AT_ONCE {
            let Some(jobs) = &self.jobs else { break };
            let job = if n == 0 && stands { jobs.recv_timeout(patience).ok() } else { jobs.try_recv().ok() };
            let Some(Job { request, answer }) = job else { break };
            if let Some(outcome) = self.serve(world, request, &answer) {
                // It has room; nobody waits any more if it fails.
                let _ = answer.try_send(Outcome::Answer(outcome));
            }
        }
        if self.quits {
            return Ok(Next::Quit);
        }
        if !self.captures.is_empty() {
            self.give_pictures(world)?;
        }
        if !self.paused {
            return Ok(Next::Frame);
        }
        if self.steps > 0 {
            self.steps -= 1;
            return Ok(Next::Frame);
        }
        if let Some((steps, answer)) = self.stepping.take() {
            let frame = world.frame_index();
            let done = format!("ran {steps} frame(s); the next one is {frame}");
            let _ = answer.try_send(Outcome::Answer(Answer::Done(done)));
        }
        Ok(Next::Stand)
    }

    /// Returns whether somebody waits for a frame: for its picture, or because it is one of their steps.
    pub(crate) fn awaits_frame(&self) -> bool {
        !self.captures.is_empty() || self.stepping.is_some()
    }

    /// Returns whether somebody wants the picture of the frame that is about to run.
    pub(crate) fn wants_capture(&mut self, frame: u64) -> bool {
        let mut wants = false;
        for c in &mut self.captures {
            if c.asked.is_none_or(|asked| frame > asked + ASK_AGAIN) {
                c.asked = Some(frame);
                wants = true;
            }
        }
        wants
    }

    /// Serves one request; what takes frames is answered later.
    fn serve(&mut self, world: &mut World, request: Request, answer: &SyncSender<Outcome>) -> Option<Answer> {
        let frame = world.frame_index();
        let done = |what: String| {
            tracing::info!("{what}");
            Answer::Done(what)
        };
        Some(match request {
            Request::Metrics => Answer::Metrics(self.metrics(world)),
            Request::Graph => Answer::Graph(world.graph()),
            Request::Capture(_) => {
                let (answer, since) = (answer.clone(), Instant::now());
                self.captures.push(Capture { answer, since, asked: None });
                return None;
            }
            Request::Pause if self.steps > 0 => {
                self.break_steps(&format!(
                    "it was paused before all steps were run; the next one is {frame}"
                ));
                done(format!("paused before frame {frame}: the steps that were left are not run"))
            }
            Request::Pause if self.paused => {
                Answer::Done(format!("it is paused already, before frame {frame}"))
            }
            Request::Pause => {
                self.paused = true;
                done(format!("paused before frame {frame}"))
            }
            Request::Resume if !self.paused => Answer::Done("it is not paused".to_owned()),
            Request::Resume => {
                self.break_steps("the world was resumed before all steps were run");
                self.paused = false;
                done(format!("goes on with frame {frame}"))
            }
            Request::Step(_) if !self.paused => {
                Answer::Refused("the world is not paused; `engine ctl pause` first".to_owned())
            }
            Request::Step(_) if self.stepping.is_some() => {
                Answer::Refused("somebody else's steps are not done yet".to_owned())
            }
            Request::Step(steps) if !(1..=MOST_STEPS).contains(&steps) => {
                Answer::Refused(format!("{steps} is no number of frames; take 1 to {MOST_STEPS}"))
            }
            Request::Step(steps) => {
                (self.steps, self.stepping) = (steps, Some((steps, answer.clone())));
                return None;
            }
            Request::Cell { name, command } => match world.command(&name, command) {
                Ok(what) if self.paused => {
                    Answer::Done(format!("{what} (when the world goes on: it is paused)"))
                }
                Ok(what) => Answer::Done(what),
                Err(why) => Answer::Refused(why.to_string()),
            },
            Request::Quit => {
                self.quits = true;
                done("the engine ends: `engine ctl quit`".to_owned())
            }
            // Answered by the connection's thread.
            Request::Who | Request::Log { .. } => Answer::Engine(self.who.clone()),
        })
    }

    /// Runs no further steps, and tells who waits for them.
    fn break_steps(&mut self, why: &str) {
        self.steps = 0;
        if let Some((_, answer)) = self.stepping.take() {
            let _ = answer.try_send(Outcome::Answer(Answer::Refused(why.to_owned())));
        }
    }

    fn metrics(&self, world: &World) -> Metrics {
        Metrics {
            engine: self.who.clone(),
            frame: world.frame_index(),
            up_ms: self.began.elapsed().as_millis() as u64,
            paused: self.paused,
            rss_bytes: None,
            cpu_ms: None,
            cells: world.metrics(),
        }
    }

    /// Hands out the picture that has come, and gives up those that never came; a world that stands still is drawn once more for it.
    fn give_pictures(&mut self, world: &mut World) -> anyhow::Result<()> {
        if self.paused && self.steps == 0 {
            if self.wants_capture(world.frame_index()) {
                world.redraw()?;
            }
            world.listen()?;
        }
        self.captures.retain(|c| {
            let waits = c.since.elapsed() < PICTURE_WITHIN;
            if !waits {
                let why = format!("no picture came within {} s", PICTURE_WITHIN.as_secs());
                let _ = c.answer.try_send(Outcome::Answer(Answer::Refused(why)));
            }
            waits
        });
        if !self.captures.iter().any(|c| c.asked.is_some()) {
            return Ok(());
        }
        let Some((frame, image)) = world.take_capture() else { return Ok(()) };
        let image = Arc::new(image);
        self.captures.retain(|c| {
            let is_for = c.asked.is_some_and(|asked| asked <= frame);
            if is_for {
                let _ = c.answer.try_send(Outcome::Picture(frame, Arc::clone(&image)));
            }
            !is_for
        });
        Ok(())
    }
}
