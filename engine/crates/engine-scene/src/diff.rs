//! What changed between two readings of a scene.
use crate::scene::Scene;

/// What changed, by the cells' names. A name that now means another cell, or the same under another trust, is in
/// `removed` and in `added`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SceneChanges {
    /// Cells of the new scene that the old one did not have, in the new order.
    pub added: Vec<String>,
    /// Cells that are gone, in the old order.
    pub removed: Vec<String>,
    /// The cells that both have follow each other in another order.
    pub reordered: bool,
    /// Their parameters say something else.
    pub reparametrised: Vec<String>,
    /// They run somewhere else.
    pub moved: Vec<String>,
    /// They tick at another rate.
    pub rated: Vec<String>,
    /// Their state is saved after another time, or no longer, or from now on.
    pub checkpointed: Vec<String>,
    /// They may take more or less.
    pub limited: Vec<String>,
    /// They are on now and were off, or the other way round, or listen to another key.
    pub toggled: Vec<String>,
    /// The world's name changed.
    pub renamed: bool,
    /// The world's rate or seed changed: what a running world cannot follow without starting anew.
    pub clock: bool,
}

impl SceneChanges {
    /// Returns whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Returns what a host must do to come from `old` to `new`.
#[must_use]
pub fn diff(old: &Scene, new: &Scene) -> SceneChanges {
    let mut changes = SceneChanges {
        renamed: old.name != new.name,
        clock: (old.rate, old.seed) != (new.rate, new.seed),
        ..SceneChanges::default()
    };
    for was in &old.cells {
        if new.cell(&was.name).is_none_or(|is| !is.is_same_code(was)) {
            changes.removed.push(was.name.clone());
        }
    }
    for is in &new.cells {
        let Some(was) = old.cell(&is.name).filter(|was| is.is_same_code(was)) else {
            changes.added.push(is.name.clone());
            continue;
        };
        for (list, changed) in [
            (&mut changes.reparametrised, was.with != is.with),
            (&mut changes.moved, was.at != is.at),
            (&mut changes.rated, was.rate != is.rate),
            (&mut changes.checkpointed, was.checkpoint != is.checkpoint),
            (&mut changes.limited, was.quotas.changed(&is.quotas).next().is_some()),
            (&mut changes.toggled, (was.enabled, was.on) != (is.enabled, is.on)),
        ] {
            if changed {
                list.push(is.name.clone());
            }
        }
    }
    let kept = |of: &Scene, gone: &[String]| -> Vec<String> {
        of.cells.iter().map(|c| c.name.clone()).filter(|n| !gone.contains(n)).collect()
    };
    changes.reordered = kept(old, &changes.removed) != kept(new, &changes.added);
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(old: &str, new: &str) -> SceneChanges {
        let scene = |cells: &str| Scene::parse("s.ron", format!("World(cells: [{cells}])")).unwrap();
        diff(&scene(old), &scene(new))
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn the_same_words_elsewhere_in_the_file_are_no_change() {
        let same = changes(
            r#"(cell: "a", with: (x: 1, g: (y: [1, 2]))), (cell: "b")"#,
            "// moved\n (with: (x: 1,\n g: (y: [1, 2])), cell: \"a\"),\n\n (cell: \"b\", at: Thread, enabled: true)",
        );
        assert!(same.is_empty(), "{same:?}");
    }

    #[test]
    fn each_kind_of_change_is_told_by_name() {
        let c = changes(
            r#"(cell: "gone"), (cell: "a"), (cell: "b"), (cell: "c"), (cell: "d"), (cell: "e"), (cell: "x", name: "swapped")"#,
            r#"(cell: "a", with: (n: 1)), (cell: "b", at: Process), (cell: "c", rate: 30), (cell: "d", enabled: false),
               (cell: "e", checkpoint: 2),
               (cell: "y", name: "swapped"), (cell: "new")"#,
        );
        let expected = SceneChanges {
            added: names(&["swapped", "new"]),
            removed: names(&["gone", "swapped"]),
            reparametrised: names(&["a"]),
            moved: names(&["b"]),
            rated: names(&["c"]),
            checkpointed: names(&["e"]),
            toggled: names(&["d"]),
            ..SceneChanges::default()
        };
        assert_eq!(c, expected);
    }

    #[test]
    fn another_trust_is_another_cell_and_other_quotas_are_not() {
        let c = changes(
            r#"(cell: "a"), (cell: "b"), (cell: "m.so", trust: Untrusted(read: ["x"]))"#,
            r#"(cell: "a", quotas: (draws: 7)), (cell: "b", at: Process, trust: Untrusted), (cell: "m.so", trust: Untrusted(read: ["x", "y"]))"#,
        );
        let expected = SceneChanges {
            added: names(&["b", "m"]),
            removed: names(&["b", "m"]),
            limited: names(&["a"]),
            ..SceneChanges::default()
        };
        assert_eq!(c, expected);
        let same = changes(r#"(cell: "m.so")"#, r#"(cell: "m.so", at: Process, trust: Untrusted())"#);
        assert!(same.is_empty(), "{same:?}");
    }

    #[test]
    fn order_counts_only_between_cells_that_stay() {
        assert!(changes(r#"(cell: "a"), (cell: "b")"#, r#"(cell: "b"), (cell: "a")"#).reordered);
        assert!(
            !changes(r#"(cell: "a"), (cell: "b")"#, r#"(cell: "n"), (cell: "a"), (cell: "m"), (cell: "b")"#)
                .reordered
        );
    }

    #[test]
    fn the_worlds_settings_are_told_apart() {
        let scene = |t: &str| Scene::parse("s.ron", format!("World({t} cells: [])")).unwrap();
        let old = scene("name: \"a\", rate: 60,");
        assert!(diff(&old, &scene("name: \"b\", rate: 60,")).renamed);
        assert!(!diff(&old, &scene("name: \"b\", rate: 60,")).clock);
        assert!(diff(&old, &scene("name: \"a\", rate: 30,")).clock);
        assert!(diff(&old, &scene("name: \"a\", seed: 1,")).clock);
    }
}
