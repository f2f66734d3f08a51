//! The rows: one file per promise, each measured by a function that returns its lines.
mod alloc;
mod calls;
mod cells;
mod fill;
mod frame;
mod ipc;
mod par_for;
mod rebuild;
mod records;
mod recovery;
mod reload;
pub(crate) mod start;
mod takeover;
mod upload;

use crate::{Bench, harness::Row};

/// Measures the rows of a group.
pub(crate) type Measure = fn(&Bench) -> anyhow::Result<Vec<Row>>;

/// All groups by the beginning of their rows' names, in the order in which they run.
pub(crate) const GROUPS: &[(&str, Measure)] = &[
    ("frame-noop", frame::noop),
    ("frame-still", frame::still),
    ("frame-lavapipe", frame::lavapipe),
    ("cells", cells::measure),
    ("alloc", alloc::measure),
    ("slot", calls::slot),
    ("guarded-call", calls::guarded_call),
    ("fill", fill::measure),
    ("ipc-awake", ipc::awake),
    ("ipc-asleep", ipc::asleep),
    ("iceoryx2", ipc::iceoryx2),
    ("par-for", par_for::measure),
    ("records", records::measure),
    ("start", start::measure),
    ("reload", reload::measure),
    ("recovery", recovery::measure),
    ("takeover", takeover::measure),
    ("rebuild", rebuild::measure),
    ("upload", upload::measure),
];

/// Groups that run only when their name is given: they build a program that nothing else needs.
const ASKED_FOR: &[&str] = &["iceoryx2"];

/// Returns the groups that hold rows whose names begin with `filter`.
pub(crate) fn groups(filter: &str) -> Vec<&'static (&'static str, Measure)> {
    let of = |wanted: &dyn Fn(&str) -> bool| {
        let runs = |name: &str| wanted(name) && (!ASKED_FOR.contains(&name) || filter == name);
        GROUPS.iter().filter(|(name, _)| runs(name)).collect::<Vec<_>>()
    };
    let whole = of(&|name| name.starts_with(filter));
    if whole.is_empty() { of(&|name| filter.starts_with(name)) } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_groups_or_rows_within_one() {
        let names = |filter| groups(filter).iter().map(|(name, _)| *name).collect::<Vec<_>>();
        assert_eq!(names("").len(), GROUPS.len() - ASKED_FOR.len());
        assert_eq!(names("iceoryx2"), ["iceoryx2"]);
        assert_eq!(names("ipc"), ["ipc-awake", "ipc-asleep"]);
        assert_eq!(names("frame"), ["frame-noop", "frame-still", "frame-lavapipe"]);
        assert_eq!(names("cells-idle"), ["cells"]);
        assert!(names("cellar").is_empty());
    }
}
