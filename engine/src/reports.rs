//! `--report`: what a run measured, as JSON.
use crate::output;
use anyhow::Context as _;
use engine_host::{World, WorldReport};
use engine_render::Image;
use serde::Serialize;
use std::{path::Path, time::Duration};

/// A run's report.
#[derive(Debug, Serialize)]
struct RunReport<'a> {
    /// The scene's name.
    scene: &'a str,
    /// Frames that the run was to have, and why it ended.
    ended: &'a str,
    /// Wall time from the start of the process's work to the first finished frame, in milliseconds.
    first_frame_ms: Option<f64>,
    /// Wall time of the run in seconds.
    seconds: f64,
    /// BLAKE3 of the last picture's pixels, when one was captured.
    picture_blake3: Option<String>,
    /// The frame of that picture.
    picture_frame: Option<u64>,
    machine: Machine,
    #[serde(flatten)]
    world: WorldReport,
}

#[derive(Debug, Serialize)]
struct Machine {
    cores: usize,
    kernel: String,
    processor: String,
}

fn machine() -> Machine {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processor = read("/proc/cpuinfo")
        .lines()
        .find_map(|l| l.strip_prefix("model name")?.split_once(':').map(|(_, n)| n.trim().to_owned()))
        .unwrap_or_default();
    Machine {
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        processor,
    }
}

/// Returns the hash of a picture's pixels.
pub(crate) fn picture_hash(image: &Image) -> String {
    let mut h = blake3::Hasher::new();
    h.update(&image.width.to_le_bytes()).update(&image.height.to_le_bytes()).update(&image.rgba8);
    h.finalize().to_hex().to_string()
}

/// Writes the report of a run.
pub(crate) fn write(
    path: &Path,
    world: &World,
    ended: &str,
    first_frame: Option<Duration>,
    ran: Duration,
    picture: Option<&(u64, Image)>,
) -> anyhow::Result<()> {
    let report = RunReport {
        scene: &world.scene().name,
        ended,
        first_frame_ms: first_frame.map(|d| d.as_secs_f64() * 1000.0),
        seconds: ran.as_secs_f64(),
        picture_blake3: picture.map(|(_, i)| picture_hash(i)),
        picture_frame: picture.map(|(f, _)| *f),
        machine: machine(),
        world: world.report(),
    };
    let text = serde_json::to_string_pretty(&report).context("the report cannot be encoded")?;
    output::write("the report", path, text.as_bytes())
}
