//! The program in `benches/iceoryx2`: iceoryx2 between two processes, asked for batches over its streams.
//!
//! It is a package of its own, outside of the workspace: iceoryx2 is many crates, which nothing else needs.
use anyhow::{Context as _, ensure};
use engine_host::Project;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// The running program.
pub(crate) struct Iceoryx2 {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Iceoryx2 {
    /// Builds the program, in release and in a target folder of its own, and starts it.
    pub(crate) fn start(project: &Project) -> anyhow::Result<Self> {
        let folder = project.root.join("benches/iceoryx2");
        let target = project.root.join("target/iceoryx2");
        tracing::warn!("building benches/iceoryx2");
        let built = Command::new("cargo")
            .args(["build", "--release", "--locked", "--quiet", "--manifest-path"])
            .arg(folder.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&target)
            .env_remove("RUSTFLAGS")
            .status()
            .context("cargo cannot be run")?;
        ensure!(built.success(), "benches/iceoryx2 does not build");
        let mut child = Command::new(target.join("release/bench-iceoryx2"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("benches/iceoryx2 does not start")?;
        let to = child.stdin.take().expect("it is piped");
        let from = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut program = Self { child, to, from };
        ensure!(program.line()? == "ready", "benches/iceoryx2 does not come up");
        Ok(program)
    }

    /// Returns the nanoseconds of one round trip, over `rounds` of them.
    pub(crate) fn run(&mut self, rounds: usize) -> anyhow::Result<f64> {
        writeln!(self.to, "{rounds}")?;
        self.line()?.parse().context("benches/iceoryx2 gave no number")
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

impl Drop for Iceoryx2 {
    fn drop(&mut self) {
        // It ends when its input ends; what it would still do is of no interest.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
