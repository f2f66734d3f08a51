//! What an instance was allowed, so that it is allowed no more when its turns are run again.
use crate::{process_cell::Start, quotas, trust::Rights};
use engine_scene::{Grants, Quota, Quotas, SceneCell};
use engine_sys::jail;
use std::sync::Arc;

/// The terms of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What the kernel holds its process to.
    pub quotas: jail::Quotas,
    /// Messages of one turn.
    pub messages: u32,
    /// What a stranger's may use; `None`: it is our own.
    pub grants: Option<Grants>,
}

impl Default for Terms {
    fn default() -> Self {
        Self::with(&Quotas::own(), None)
    }
}

impl Terms {
    /// Returns those of a scene's line.
    #[must_use]
    pub fn of(cell: &SceneCell) -> Self {
        Self::with(&cell.quotas, cell.trust.grants().cloned())
    }

    fn with(all: &Quotas, grants: Option<Grants>) -> Self {
        Self { quotas: quotas::jail(all), messages: all.count(Quota::Mail), grants }
    }

    /// Returns whether they are a stranger's.
    #[must_use]
    pub fn are_of_stranger(&self) -> bool {
        self.grants.is_some()
    }

    /// Returns those of code for which nobody here answers, whatever a file says of it: a stranger's, and in nothing more
    /// than our own cells have when the scene is silent.
    #[must_use]
    pub fn of_stranger(&self) -> Self {
        let Some(grants) = &self.grants else {
            return Self::with(&Quotas::untrusted(), Some(Grants::default()));
        };
        let (said, most) = (&self.quotas, Self::default());
        let quotas = jail::Quotas {
            memory_bytes: said.memory_bytes.min(most.quotas.memory_bytes),
            shared_bytes: said.shared_bytes.min(most.quotas.shared_bytes),
            threads: said.threads.min(most.quotas.threads),
            descriptors: said.descriptors.min(most.quotas.descriptors),
            cpu_weight: said.cpu_weight.min(most.quotas.cpu_weight),
        };
        Self { quotas, messages: self.messages.min(most.messages), grants: Some(grants.clone()) }
    }

    /// Returns how its process is started: a stranger's in the whole sandbox or not at all.
    #[must_use]
    pub fn start(&self) -> Start {
        let mut start = Start::default();
        start.jail = start.jail.with_quotas(self.quotas);
        if self.are_of_stranger() {
            start.jail = start.jail.require_full();
        }
        start
    }

    /// Returns what its instance may do.
    #[must_use]
    pub fn rights(&self) -> Rights {
        Rights {
            messages: self.messages as usize,
            sealed_bytes: self.quotas.shared_bytes,
            grants: self.grants.clone().map(Arc::new),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_scene::Scene;

    #[test]
    fn a_stranger_gets_its_grants_and_no_more_than_our_own_whatever_is_said_of_it() {
        let text = r#"World(cells: [(cell: "a"), (cell: "b.so", trust: Untrusted(assets: ["mods/"]),
            quotas: (memory_mib: 1048576, threads: 3, files: 65536, mail: 65536))])"#;
        let scene = Scene::parse("test.ron", text).unwrap();
        let [own, theirs] = [0, 1].map(|n| Terms::of(&scene.cells[n]));
        assert_eq!(own, Terms::default());
        assert!(!own.are_of_stranger() && own.of_stranger().are_of_stranger());
        assert_eq!(own.of_stranger(), Terms::with(&Quotas::untrusted(), Some(Grants::default())));
        let bounded = theirs.of_stranger();
        assert_eq!(bounded.grants, theirs.grants);
        assert_eq!(
            bounded.quotas,
            jail::Quotas { threads: 3, shared_bytes: 1 << 30, cpu_weight: 50, ..own.quotas }
        );
        assert_eq!(bounded.messages, own.messages);
        assert!(bounded.rights().grants.is_some());
    }
}
