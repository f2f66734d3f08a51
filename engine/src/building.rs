//! Builds cells with a progress bar; compiler messages appear as cargo prints them.
use crate::screen;
use engine_host::{BuildError, BuildEvent, Project};
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// Builds the cells `names` if one of their sources changed. Those that do not compile are refused when they are to
/// be loaded; the others run.
pub(crate) fn build(project: &Project, names: &[String]) -> Result<(), BuildError> {
    let mut bar: Option<ProgressBar> = None;
    let mut compiled = 0_u64;
    let result = project.build(names, |event| match event {
        BuildEvent::Started => {
            let b = screen::add(ProgressBar::new_spinner());
            b.set_style(
                ProgressStyle::with_template("{spinner} building cells: {pos} crates, {msg} ({elapsed})")
                    .expect("the template is fixed and valid"),
            );
            b.enable_steady_tick(Duration::from_millis(100));
            if b.is_hidden() {
                tracing::info!("building cells with cargo");
            }
            bar = Some(b);
        }
        BuildEvent::Compiled(name) => {
            compiled += 1;
            if let Some(b) = &bar {
                b.set_position(compiled);
                b.set_message(name.to_owned());
            }
        }
        BuildEvent::Message(text) => screen::print(text),
        BuildEvent::Locked(what) => tracing::info!("{what}"),
        BuildEvent::NotLocked(what) => tracing::warn!("{what}"),
        BuildEvent::Finished => {
            if let Some(b) = bar.take() {
                b.finish_and_clear();
            }
        }
    });
    let failed = result?;
    if compiled > 0 {
        tracing::info!("built {compiled} crate(s)");
    }
    for name in failed.iter().filter(|n| !names.contains(n)) {
        tracing::warn!("the cell `{name}` cannot be used either; this scene does not need it");
    }
    Ok(())
}
