//! What a run leaves behind: its last picture, its report, its record.
use crate::{args::RunArgs, picture, reports, sessions};
use anyhow::Context as _;
use engine_host::World;
use engine_render::Image;
use std::{path::Path, time::Duration};

/// A run that is over.
pub(crate) struct Ran {
    /// Why it ended.
    pub(crate) ended: &'static str,
    /// How long it took to its first picture.
    pub(crate) first_frame: Option<Duration>,
    /// How long it took in all.
    pub(crate) took: Duration,
}

/// Writes what was asked for. What cannot be written keeps nothing else from it; the first fault is returned, and
/// further ones are told.
pub(crate) fn leave(
    args: &RunArgs,
    world: &mut World,
    ran: &Ran,
    picture: Option<&(u64, Image)>,
) -> anyhow::Result<()> {
    let captured = args.capture.as_ref().map_or(Ok(()), |path| capture(path, picture));
    let reported = args
        .report
        .as_ref()
        .map_or(Ok(()), |path| reports::write(path, world, ran.ended, ran.first_frame, ran.took, picture));
    let recorded = sessions::end(args, world);
    let mut faults = [captured, reported, recorded].into_iter().filter_map(Result::err);
    let Some(first) = faults.next() else { return Ok(()) };
    for further in faults {
        tracing::error!("{further:#}");
    }
    Err(first)
}

fn capture(path: &Path, picture: Option<&(u64, Image)>) -> anyhow::Result<()> {
    let (_, image) = picture.context("the last frame was not captured")?;
    picture::write_png(path, image)?;
    tracing::info!("wrote {} ({}x{})", path.display(), image.width, image.height);
    Ok(())
}
