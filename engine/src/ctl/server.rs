//! The engine's side of the socket. One thread accepts, one serves each connection; what concerns the world goes to
//! the [`super::desk`] and is waited for here.
use super::{
    folder,
    protocol::{Answer, Request, Who},
    wire::{self, MAX_REQUEST, WireError},
};
use crate::{log, picture};
use engine_host::{CellCommand, CellMetrics, Project};
use engine_render::Image;
use engine_sys::{own_user, peer_user};
use std::{
    io,
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// The most connections at a time.
pub(super) const MOST_CONNECTIONS: usize = 16;
/// How long a client may be silent, and take for a request.
const SILENCE: Duration = Duration::from_secs(10);
/// How long it may take to read an answer.
const DEAFNESS: Duration = Duration::from_secs(5);
/// How long a request that is served between two frames is waited for.
const SERVED_WITHIN: Duration = Duration::from_secs(20);
/// How long a picture is waited for: longer than the desk does.
const DRAWN_WITHIN: Duration = Duration::from_secs(40);
/// How long a number of frames is waited for.
const STEPPED_WITHIN: Duration = Duration::from_secs(600);
/// How long the engine's end waits for answers that are being written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A request on its way to the main loop.
pub(super) struct Job {
    pub(super) request: Request,
    /// Has room for the answer: giving it never waits.
    pub(super) answer: SyncSender<Outcome>,
}

/// What the main loop answers.
pub(super) enum Outcome {
    /// For the client.
    Answer(Answer),
    /// A picture, still to be written, and its frame.
    Picture(u64, Arc<Image>),
}

/// What a connection needs to know.
struct Office {
    who: Who,
    project: Project,
    jobs: SyncSender<Job>,
    closing: AtomicBool,
    seats: Mutex<Vec<Seat>>,
}

struct Seat {
    stream: Arc<UnixStream>,
    thread: JoinHandle<()>,
}

/// An open socket. Dropping it removes the socket and ends its threads.
pub(super) struct Server {
    office: Arc<Office>,
    path: PathBuf,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Opens the socket; requests about the world come out of the receiver.
    pub(super) fn open(folder: &Path, who: Who, project: Project) -> io::Result<(Self, Receiver<Job>)> {
        let (listener, path) = folder::listen(folder)?;
        let (jobs, jobs_in) = sync_channel(MOST_CONNECTIONS);
        let (closing, seats) = (AtomicBool::new(false), Mutex::default());
        let office = Arc::new(Office { who, project, jobs, closing, seats });
        let own = Arc::clone(&office);
        let accepting =
            std::thread::Builder::new().name("ctl".to_owned()).spawn(move || accept(&listener, &own))?;
        Ok((Self { office, path, accepting: Some(accepting) }, jobs_in))
    }
}

impl Server {
    /// Returns the way to the desk.
    pub(super) fn jobs(&self) -> SyncSender<Job> {
        self.office.jobs.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.office.closing.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts; then nobody finds the socket any more.
        let woken = UnixStream::connect(&self.path).is_ok();
        let _ = std::fs::remove_file(&self.path);
        if let Some(thread) = self.accepting.take().filter(|_| woken) {
            let _ = thread.join();
        }
        let seats = std::mem::take(&mut *self.office.seats());
        for seat in &seats {
            // Who waits for a request ends; an answer is still written.
            let _ = seat.stream.shutdown(Shutdown::Read);
        }
        let until = Instant::now() + LAST_WORDS;
        while seats.iter().any(|s| !s.thread.is_finished()) && Instant::now() < until {
            std::thread::park_timeout(Duration::from_millis(2));
        }
        for seat in seats {
            let _ = seat.stream.shutdown(Shutdown::Both);
        }
    }
}

impl Office {
    fn seats(&self) -> std::sync::MutexGuard<'_, Vec<Seat>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &UnixListener, office: &Arc<Office>) {
    for stream in listener.incoming() {
        if office.closing.load(Ordering::Relaxed) {
            return;
        }
        let stream = match stream {
            Ok(stream) => Arc::new(stream),
            Err(error) => {
                // Descriptors may be short; they will not be less so at once.
                tracing::debug!("a control connection was not accepted: {error}");
                std::thread::park_timeout(Duration::from_millis(100));
                continue;
            }
        };
        let mut seats = office.seats();
        seats.retain(|s| !s.thread.is_finished());
        if let Err(why) = admit(&stream, seats.len()) {
            tracing::warn!("a control connection was refused: {why}");
            // The socket is empty: this waits for nobody.
            let _ = wire::write(&stream, &Answer::Refused(why), Duration::from_millis(10));
            continue;
        }
        let (own, served) = (Arc::clone(office), Arc::clone(&stream));
        let thread = std::thread::Builder::new().name("ctl-client".to_owned());
        match thread.spawn(move || serve(&served, &own)) {
            Ok(thread) => seats.push(Seat { stream, thread }),
            Err(error) => tracing::warn!("a control connection gets no thread: {error}"),
        }
    }
}

/// Returns why a connection is refused.
fn admit(stream: &UnixStream, seats: usize) -> Result<(), String> {
    match peer_user(stream) {
        Ok(user) if user == own_user() => {}
        Ok(user) => {
            return Err(format!("only user {} may use this engine's socket, not user {user}", own_user()));
        }
        Err(error) => return Err(format!("it is not known whose it is: {error}")),
    }
    if seats < MOST_CONNECTIONS {
        return Ok(());
    }
    Err(format!("{seats} connections are open already, and no more are taken; try again later"))
}

/// Serves a connection until it ends or says something that is not understood.
fn serve(stream: &UnixStream, office: &Office) {
    loop {
        let request = match wire::read(stream, MAX_REQUEST, SILENCE) {
            Ok(request) => request,
            Err(WireError::Closed) => return,
            Err(why) => {
                let refused = Answer::Refused(format!("{why}; the connection is closed"));
                let _ = wire::write(stream, &refused, DEAFNESS);
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
        };
        let answer = office.answer(request);
        if let Err(error) = wire::write(stream, &answer, DEAFNESS) {
            tracing::debug!("a control connection is given up: {error}");
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

impl Office {
    fn answer(&self, request: Request) -> Answer {
        let file = match &request {
            Request::Who => return Answer::Engine(self.who.clone()),
            Request::Log { after, cell, wait } => {
                // Short waits: the client asks again, and an engine that ends is not held up.
                let wait = if *wait { Duration::from_millis(500) } else { Duration::ZERO };
                return Answer::Log(log::since(*after, cell.as_deref(), wait));
            }
            Request::Capture(file) => Some(file.clone()),
            Request::Cell { name, command } => {
                if !matches!(command, CellCommand::Enable | CellCommand::Disable) {
                    self.read_build(name);
                }
                None
            }
            _ => None,
        };
        let patience = match request {
            Request::Capture(_) => DRAWN_WITHIN,
            Request::Step(_) => STEPPED_WITHIN,
            _ => SERVED_WITHIN,
        };
        match (self.ask(request, patience), file) {
            (Ok(Outcome::Answer(Answer::Metrics(mut m))), _) => {
                m.cells.iter_mut().for_each(CellMetrics::read_process);
                if let Some(own) = engine_sys::process_use(m.engine.pid) {
                    (m.rss_bytes, m.cpu_ms) = (Some(own.rss_bytes), Some(own.cpu.as_millis() as u64));
                }
                Answer::Metrics(m)
            }
            (Ok(Outcome::Answer(answer)), _) => answer,
            (Ok(Outcome::Picture(frame, image)), Some(file)) => match picture::write_png(&file, &image) {
                Ok(()) => {
                    let (file, size) = (file.display(), [image.width, image.height]);
                    Answer::Done(format!("wrote frame {frame} to {file} ({}x{})", size[0], size[1]))
                }
                Err(error) => Answer::Refused(format!("{error:#}")),
            },
            (Ok(Outcome::Picture(..)), None) => Answer::Refused("nobody asked for a picture".to_owned()),
            (Err(why), _) => Answer::Refused(why),
        }
    }

    /// Has the main loop serve a request.
    fn ask(&self, request: Request, patience: Duration) -> Result<Outcome, String> {
        let ended = || "the engine has ended".to_owned();
        let (answer, answered) = sync_channel(1);
        self.jobs.try_send(Job { request, answer }).map_err(|e| match e {
            TrySendError::Full(_) => "the engine has too much to do just now; try again".to_owned(),
            TrySendError::Disconnected(_) => ended(),
        })?;
        answered.recv_timeout(patience).map_err(|e| match e {
            RecvTimeoutError::Timeout => {
                let seconds = patience.as_secs();
                format!("the engine did not come to it within {seconds} s; does a frame of it hang?")
            }
            RecvTimeoutError::Disconnected => ended(),
        })
    }

    /// Reads the newest build of a cell here, so that the main loop finds it read already.
    fn read_build(&self, name: &str) {
        let Ok(Outcome::Answer(Answer::Metrics(m))) = self.ask(Request::Metrics, SERVED_WITHIN) else {
            return;
        };
        if let Some(cell) = m.cells.iter().find(|c| c.name == name) {
            // What is wrong with it is said when it is to be used.
            let _ = self.project.stage(&cell.cell);
        }
    }
}
