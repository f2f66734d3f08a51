//! The rows: one file per promise, each measured by a function that returns its lines.
mod alloc;
mod calls;
mod cells;
mod frame;
mod par_for;
mod rebuild;
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
    ("par-for", par_for::measure),
    ("start", start::measure),
    ("reload", reload::measure),
    ("recovery", recovery::measure),
    ("takeover", takeover::measure),
    ("rebuild", rebuild::measure),
    ("upload", upload::measure),
];

/// Returns the groups that hold rows whose names begin with `filter`.
pub(crate) fn groups(filter: &str) -> Vec<&'static (&'static str, Measure)> {
    let of =
        |wanted: &dyn Fn(&str) -> bool| GROUPS.iter().filter(|(name, _)| wanted(name)).collect::<Vec<_>>();
    let whole = of(&|name| name.starts_with(filter));
    if whole.is_empty() { of(&|name| filter.starts_with(name)) } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_groups_or_rows_within_one() {
        let names = |filter| groups(filter).iter().map(|(name, _)| *name).collect::<Vec<_>>();
        assert_eq!(names("").len(), GROUPS.len());
        assert_eq!(names("frame"), ["frame-noop", "frame-still", "frame-lavapipe"]);
        assert_eq!(names("cells-idle"), ["cells"]);
        assert!(names("cellar").is_empty());
    }
}
