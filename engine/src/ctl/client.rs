//! `engine ctl ...`: finds the engine, asks it, and prints what it says.
use super::{
    folder::{self, SocketFile},
    protocol::{Answer, LogLine, LogPart, Metrics, Request, Who},
    show,
    wire::{self, MAX_ANSWER, WireError},
};
use crate::args::CtlCommand;
use anyhow::{Context as _, bail};
use engine_frame::names::did_you_mean;
use engine_host::CellCommand;
use std::{
    io::{self, IsTerminal as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    process::ExitCode,
    time::Duration,
};

/// How long an engine may take to say who it is.
const WHO_WITHIN: Duration = Duration::from_secs(5);
/// How long an answer is waited for: longer than the engine itself waits.
const ANSWER_WITHIN: Duration = Duration::from_secs(900);
/// How often `top` asks.
const EVERY: Duration = Duration::from_secs(1);

/// Runs one command. `engine` is a process or a name, needed where several run.
pub(crate) fn run(what: &CtlCommand, engine: Option<&str>) -> anyhow::Result<ExitCode> {
    let (found, silent) = engines(&folder::folder())?;
    let mut peer = choose(found, silent, engine)?;
    match talk(&mut peer, what) {
        // Who reads our output has seen enough.
        Err(e) if e.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) => {
            Ok(ExitCode::SUCCESS)
        }
        other => other,
    }
}

/// An engine that does not answer, and why.
type Silent = (u32, String);

/// A connection to an engine.
pub(crate) struct Peer {
    /// Who it is.
    pub(crate) who: Who,
    socket: SocketFile,
    stream: UnixStream,
}

impl Peer {
    /// Connects to the engine of a socket; `None` when it has ended.
    fn connect(socket: &SocketFile) -> anyhow::Result<Option<Self>> {
        let Some(stream) = socket.connect()? else { return Ok(None) };
        // One that was refused is closed already, and its answer says why.
        let sent = wire::write(&stream, &Request::Who, WHO_WITHIN);
        match wire::read(&stream, MAX_ANSWER, WHO_WITHIN) {
            Ok(Answer::Engine(who)) => Ok(Some(Self { who, socket: socket.clone(), stream })),
            Ok(Answer::Refused(why)) => bail!(why),
            Ok(_) => bail!("it answers something else than it was asked"),
            // It has ended meanwhile, or it has not and had no word for us: its socket tells.
            Err(WireError::Closed | WireError::Cut) if socket.connect()?.is_none() => Ok(None),
            Err(WireError::Closed | WireError::Cut) => bail!("it closed the connection without an answer"),
            Err(error) => Err(sent.err().unwrap_or(error).into()),
        }
    }

    fn ask(&self, request: &Request) -> anyhow::Result<Answer> {
        self.hear(wire::write(&self.stream, request, WHO_WITHIN))
    }

    /// Asks what changes nothing: over a new connection if the engine has given up this one, because we were silent.
    fn look(&mut self, request: &Request) -> anyhow::Result<Answer> {
        let mut sent = wire::write(&self.stream, request, WHO_WITHIN);
        if matches!(sent, Err(WireError::Cut))
            && let Ok(Some(anew)) = Self::connect(&self.socket)
            && anew.who == self.who
        {
            *self = anew;
            sent = wire::write(&self.stream, request, WHO_WITHIN);
        }
        self.hear(sent)
    }

    /// Returns the answer to what was sent.
    fn hear(&self, sent: Result<(), WireError>) -> anyhow::Result<Answer> {
        match sent {
            // Why the connection was closed may still wait to be read.
            Ok(()) | Err(WireError::Cut) => {}
            Err(error) => return Err(error.into()),
        }
        match wire::read(&self.stream, MAX_ANSWER, ANSWER_WITHIN) {
            Ok(Answer::Refused(why)) => bail!(why),
            Ok(answer) => Ok(answer),
            Err(WireError::Closed | WireError::Cut) => bail!("the engine has ended"),
            Err(error) => Err(error.into()),
        }
    }

    fn metrics(&mut self) -> anyhow::Result<Metrics> {
        match self.look(&Request::Metrics)? {
            Answer::Metrics(metrics) => Ok(metrics),
            _ => bail!("the engine answers something else than it was asked"),
        }
    }

    fn log(&mut self, after: u64, cell: Option<&str>, wait: bool) -> anyhow::Result<LogPart> {
        match self.look(&Request::Log { after, cell: cell.map(str::to_owned), wait })? {
            Answer::Log(part) => Ok(part),
            _ => bail!("the engine answers something else than it was asked"),
        }
    }
}

/// Returns this user's running engines, and those that do not answer, each with the reason. Sockets of engines that
/// have ended are removed.
fn engines(folder: &Path) -> anyhow::Result<(Vec<Peer>, Vec<Silent>)> {
    let sockets = folder::sockets(folder)
        .with_context(|| format!("the folder of control sockets {} cannot be used", folder.display()))?;
    let (mut found, mut silent) = (Vec::new(), Vec::new());
    for socket in sockets {
        match Peer::connect(&socket) {
            Ok(Some(peer)) => found.push(peer),
            // Somebody else may be faster.
            Ok(None) => drop(socket.remove()),
            Err(error) => silent.push((socket.pid, format!("{error:#}"))),
        }
    }
    Ok((found, silent))
}

/// Returns the engine that is meant: the only one, or the one with this process or name.
fn choose(mut found: Vec<Peer>, silent: Vec<Silent>, wanted: Option<&str>) -> anyhow::Result<Peer> {
    let list =
        |peers: &[Peer]| -> String { peers.iter().map(|p| format!("\n  {}", described(&p.who))).collect() };
    let Some(wanted) = wanted else {
        let not_answering: String =
            silent.iter().map(|(pid, why)| format!("\nthe engine {pid} does not answer: {why}")).collect();
        return match found.len() {
            1 => Ok(found.remove(0)),
            0 => bail!(
                "no engine runs here for you; start one, like `engine --scene world.ron`{not_answering}"
            ),
            n => bail!("{n} engines run; say which with --engine PID or --engine NAME:{}", list(&found)),
        };
    };
    if let Some((_, why)) = silent.iter().find(|(pid, _)| pid.to_string() == wanted) {
        bail!("the engine {wanted} does not answer: {why}");
    }
    let mut meant: Vec<usize> =
        (0..found.len()).filter(|n| found[*n].who.pid.to_string() == wanted).collect();
    if meant.is_empty() {
        let is_called =
            |n: &usize| names(&found[*n].who).iter().any(|name| name.eq_ignore_ascii_case(wanted));
        meant = (0..found.len()).filter(is_called).collect();
    }
    match meant[..] {
        [n] => Ok(found.swap_remove(n)),
        [] if found.is_empty() => bail!("no engine runs here for you; so there is none called `{wanted}`"),
        [] => {
            let known: Vec<String> = found.iter().flat_map(|p| names(&p.who)).collect();
            let hint = did_you_mean(wanted, known.iter().map(String::as_str));
            let hint = hint.map_or_else(|| ":".to_owned(), |m| format!("; did you mean `{m}`? These run:"));
            bail!("no engine is called `{wanted}`{hint}{}", list(&found));
        }
        _ => {
            let several: Vec<String> = meant.iter().map(|n| described(&found[*n].who)).collect();
            bail!(
                "several engines are called `{wanted}`; say which by its process:\n  {}",
                several.join("\n  ")
            );
        }
    }
}

/// Returns what an engine is called: its world, and its scene's file without the ending.
fn names(who: &Who) -> Vec<String> {
    let stem = who.scene.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
    vec![who.world.clone(), stem.to_owned()]
}

fn described(who: &Who) -> String {
    format!("{}  `{}`  {}", who.pid, who.world, who.scene.display())
}

fn talk(peer: &mut Peer, what: &CtlCommand) -> anyhow::Result<ExitCode> {
    let cell = |name: &str, command| Request::Cell { name: name.to_owned(), command };
    let request = match what {
        CtlCommand::List => {
            print(&show::list(&peer.metrics()?))?;
            return Ok(ExitCode::SUCCESS);
        }
        CtlCommand::Top { json, once } => return top(peer, *json, *once),
        CtlCommand::Log { name, follow } => return log(peer, name.as_deref(), *follow),
        CtlCommand::Graph { dot } => {
            let Answer::Graph(graph) = peer.ask(&Request::Graph)? else {
                bail!("the engine answers something else than it was asked");
            };
            print(&if *dot { show::dot(&graph) } else { show::graph(&graph) })?;
            return Ok(ExitCode::SUCCESS);
        }
        CtlCommand::Capture { file } => {
            // The engine writes it, from a folder of its own.
            let file = std::path::absolute(file).context("the current folder is gone")?;
            crate::output::check("the picture", &file)?;
            if file.to_str().is_none() {
                bail!("the path {} cannot be told to the engine: it is not UTF-8", file.display());
            }
            Request::Capture(file)
        }
        CtlCommand::Pause => Request::Pause,
        CtlCommand::Resume => Request::Resume,
        CtlCommand::Step { frames } => Request::Step(*frames),
        CtlCommand::Restart { name } => cell(name, CellCommand::Restart),
        CtlCommand::Enable { name } => cell(name, CellCommand::Enable),
        CtlCommand::Disable { name } => cell(name, CellCommand::Disable),
        CtlCommand::Swap { name } => cell(name, CellCommand::Swap),
        CtlCommand::Move { name, to } => cell(name, CellCommand::Move(to.placement())),
        CtlCommand::Quit => Request::Quit,
    };
    match peer.ask(&request)? {
        Answer::Done(what) => print(&format!("{what}\n"))?,
        _ => bail!("the engine answers something else than it was asked"),
    }
    Ok(ExitCode::SUCCESS)
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints what the cells cost: once, or again and again until the engine or its reader ends.
fn top(peer: &mut Peer, json: bool, once: bool) -> anyhow::Result<ExitCode> {
    let mut before = peer.metrics()?;
    if json {
        print(&(serde_json::to_string_pretty(&before)? + "\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let clear = if io::stdout().is_terminal() { "\x1b[H\x1b[2J" } else { "" };
    print(&format!("{}{}", if once { "" } else { clear }, show::top(&before, None)))?;
    if once {
        return Ok(ExitCode::SUCCESS);
    }
    loop {
        std::thread::sleep(EVERY);
        match peer.metrics() {
            Ok(now) => {
                print(&format!("{clear}{}", show::top(&now, Some(&before))))?;
                before = now;
            }
            Err(error) => {
                print(&format!("{error:#}\n"))?;
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
}

/// Prints the lines of the log that the engine has kept, and with `follow` those that come.
fn log(peer: &mut Peer, cell: Option<&str>, follow: bool) -> anyhow::Result<ExitCode> {
    let mut part = peer.log(0, cell, false)?;
    if let (Some(name), true) = (cell, part.lines.is_empty()) {
        let names: Vec<String> = peer.metrics()?.cells.into_iter().map(|c| c.name).collect();
        if !names.iter().any(|n| n == name) {
            let meant = did_you_mean(name, names.iter().map(String::as_str));
            let hint = meant.map_or_else(String::new, |m| format!("; did you mean `{m}`?"));
            bail!("the scene has no cell `{name}`{hint}");
        }
    }
    // What was before the oldest line that is kept is no loss of ours.
    part.lost = 0;
    loop {
        let gap = if part.lost > 0 {
            format!("... {} lines are no longer kept\n", part.lost)
        } else {
            String::new()
        };
        let lines: String = part.lines.iter().map(|LogLine { text, .. }| format!("{text}\n")).collect();
        print(&(gap + &lines))?;
        if !follow {
            return Ok(ExitCode::SUCCESS);
        }
        part = match peer.log(part.newest, cell, true) {
            Ok(part) => part,
            Err(error) => {
                tracing::info!("{error:#}");
                return Ok(ExitCode::SUCCESS);
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::wire::MAX_REQUEST;
    use std::{os::unix::net::UnixListener, path::PathBuf};

    /// Serves one connection after the other in an engine's place: each answers so many requests and is then refused.
    fn pretend(folder: &Path, connections: &'static [usize]) -> std::thread::JoinHandle<()> {
        engine_sys::private_folder(folder).unwrap();
        let listener = UnixListener::bind(folder.join("8.sock")).unwrap();
        std::thread::spawn(move || {
            for answers in connections {
                let (stream, _) = listener.accept().unwrap();
                for _ in 0..*answers {
                    let request = wire::read(&stream, MAX_REQUEST, WHO_WITHIN).unwrap();
                    let answer = match request {
                        Request::Who => Answer::Engine(who()),
                        _ => Answer::Log(LogPart { newest: 5, ..LogPart::default() }),
                    };
                    wire::write(&stream, &answer, WHO_WITHIN).unwrap();
                }
                if *answers > 0 {
                    let why = Answer::Refused("nothing came for 10000 ms".to_owned());
                    wire::write(&stream, &why, WHO_WITHIN).unwrap();
                }
            }
        })
    }

    fn who() -> Who {
        Who { pid: 8, world: "Dusk".to_owned(), scene: PathBuf::from("/dusk.ron"), root: PathBuf::from("/") }
    }

    #[test]
    fn a_socket_stays_as_long_as_somebody_listens() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("cell");
        // It closes the first connection without a word; the second is there to see whether it has ended.
        let engine = pretend(&folder, &[0, 0, 1]);
        let (found, silent) = engines(&folder).unwrap();
        assert!(found.is_empty() && silent[0].1.contains("without an answer"), "{silent:?}");
        let (found, _) = engines(&folder).unwrap();
        assert_eq!(found[0].who, who());
        engine.join().unwrap();
        let (found, silent) = engines(&folder).unwrap();
        assert!(found.is_empty() && silent.is_empty());
        assert!(!folder.join("8.sock").exists(), "nobody listens: it has gone");
    }

    #[test]
    fn who_was_silent_for_too_long_looks_again_and_does_not_say_that_the_engine_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("cell");
        let engine = pretend(&folder, &[1, 2, 0]);
        let (mut found, _) = engines(&folder).unwrap();
        let peer = &mut found[0];
        let closed = |peer: &Peer| {
            // Writing fails when the other end is closed.
            while wire::write(&peer.stream, &Request::Who, WHO_WITHIN).is_ok() {
                std::thread::yield_now();
            }
        };
        closed(peer);
        assert_eq!(peer.log(0, None, false).unwrap().newest, 5, "over a new connection");
        closed(peer);
        // What changes something is not said twice; why it was not done is.
        let error = peer.ask(&Request::Pause).unwrap_err().to_string();
        assert_eq!(error, "nothing came for 10000 ms");
        // Ends it.
        drop(UnixStream::connect(folder.join("8.sock")).unwrap());
        engine.join().unwrap();
        assert_eq!(peer.ask(&Request::Pause).unwrap_err().to_string(), "the engine has ended");
    }
}
