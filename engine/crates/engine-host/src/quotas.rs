//! The scene's table of quotas in the words of those who hold a cell to it.
//!
//! | quotas | held by |
//! |---|---|
//! | memory, cpu, threads, files, shared | the kernel, for a cell in a process ([`jail()`]); shared memory also here |
//! | passes, draws | the planner, before anything reaches the GPU ([`limits`]) |
//! | mail | the cell's host functions, and for a cell in a process the engine again ([`crate::trust::Rights`]) |
//! | gpu_ms | `frame/gpu_time.rs` |
use crate::cells::CellEntry;
use engine_frame::limits::Limits;
use engine_scene::{Counts, Placement, Quota, Quotas, SceneCell};
use engine_sys::jail;

/// Returns what the kernel is to hold a cell's process to.
#[must_use]
pub fn jail(quotas: &Quotas) -> jail::Quotas {
    jail::Quotas {
        memory_bytes: quotas.bytes(Quota::Memory),
        shared_bytes: quotas.bytes(Quota::Shared),
        threads: quotas.count(Quota::Threads),
        descriptors: quotas.count(Quota::Files),
        cpu_weight: quotas.count(Quota::Cpu),
    }
}

/// Returns what a cell's pass list may ask for.
#[must_use]
pub fn limits(cell: &SceneCell) -> Limits {
    let others = if cell.trust.is_untrusted() { Limits::UNTRUSTED } else { Limits::OWN };
    Limits {
        passes: cell.quotas.count(Quota::Passes) as usize,
        draws: cell.quotas.count(Quota::Draws) as usize,
        ..others
    }
}

/// The most bytes of a list with as many passes and draws as a cell may have: each takes less than this, names included.
const PASS_BYTES: usize = 4096;

/// Returns the most bytes of a cell's pass list.
pub(crate) fn list_bytes(cell: &SceneCell) -> usize {
    let limits = limits(cell);
    (1 + limits.passes + limits.draws).saturating_mul(PASS_BYTES)
}

impl CellEntry {
    /// Says which of the scene's quotas do nothing for a cell that runs at `placement`.
    pub(crate) fn warn_of_quotas(&self, placement: Placement) {
        let idle = Quota::ALL.into_iter().filter(|q| q.counts() == Counts::NextProcess);
        let idle: Vec<&str> = idle.filter(|q| self.scene.quotas.is_given(*q)).map(Quota::name).collect();
        if placement == Placement::Thread && !idle.is_empty() {
            let names = idle.join("`, `");
            let what = format!("`{names}` does nothing on a thread, which shares these with the engine");
            let help = "write `at: Process`, or leave it out".to_owned();
            tracing::warn!(cell = &*self.name, "\n{}", self.scene.fault(what, Some(help)));
        }
    }

    /// Takes changed quotas of its scene line; `old` are those before.
    pub(crate) fn change_quotas(&mut self, old: &Quotas, placement: Placement) {
        let changed: Vec<Quota> = old.changed(&self.scene.quotas).collect();
        let named = |counts: &[Counts]| {
            let names = changed.iter().filter(|q| counts.contains(&q.counts())).map(|q| q.name());
            names.collect::<Vec<_>>().join("`, `")
        };
        let (now, later) = match placement {
            Placement::Process => {
                (named(&[Counts::AtOnce]), named(&[Counts::NextStart, Counts::NextProcess]))
            }
            Placement::Thread => (named(&[Counts::AtOnce]), named(&[Counts::NextStart])),
        };
        if !now.is_empty() {
            tracing::info!(cell = &*self.name, "its new `{now}` counts from now on");
        }
        if !later.is_empty() {
            tracing::info!(cell = &*self.name, "its new `{later}` counts from its next start on");
        }
        self.warn_of_quotas(placement);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_scene_does_not_say_is_what_a_jail_has_anyway() {
        assert_eq!(jail(&Quotas::own()), jail::Quotas::default());
        let own = engine_scene::Scene::parse("s.ron", r#"World(cells: [(cell: "a")])"#).unwrap();
        assert_eq!(limits(&own.cells[0]), Limits::OWN);
        let text =
            r#"World(cells: [(cell: "a", trust: Untrusted), (cell: "b", quotas: (passes: 3, draws: 4))])"#;
        let scene = engine_scene::Scene::parse("s.ron", text).unwrap();
        assert_eq!(limits(&scene.cells[0]), Limits::UNTRUSTED);
        assert_eq!(limits(&scene.cells[1]), Limits { passes: 3, draws: 4, ..Limits::OWN });
    }
}
