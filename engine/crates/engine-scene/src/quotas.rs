//! What one cell may take of the machine: one table. The scene's field `quotas` is read by it, the host hands its
//! numbers to whoever holds a cell to them, and `docs/artists.md` shows it.
use std::ops::RangeInclusive;

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// Memory of its own in MiB: heap, stacks, private maps.
    Memory,
    /// Its share of the processors against others that want them too; 100 is an ordinary process.
    Cpu,
    /// Threads, the first one included. A cell in a sandbox has no other processes.
    Threads,
    /// Open descriptors, the five that a process is born with included.
    Files,
    /// Memory shared with the engine in MiB: buffers, assets, sealed meshes and textures.
    Shared,
    /// Passes in its list.
    Passes,
    /// Draws and dispatches in its list.
    Draws,
    /// Messages that one turn sends.
    Mail,
    /// Milliseconds of GPU time of all its passes in a frame.
    GpuMs,
}

/// From when on another number counts, for a cell that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// From the next frame on, wherever the cell runs.
    AtOnce,
    /// From its next instance on, wherever the cell runs.
    NextStart,
    /// From its next process on; a cell on a thread shares these with the engine.
    NextProcess,
}

struct Row {
    quota: Quota,
    name: &'static str,
    /// What cells that were built here, and those of strangers, have when the scene is silent.
    defaults: [f64; 2],
    allowed: RangeInclusive<f64>,
    is_whole: bool,
    counts: Counts,
}

const fn row(
    quota: Quota,
    name: &'static str,
    defaults: [f64; 2],
    allowed: RangeInclusive<f64>,
    counts: Counts,
) -> Row {
    let is_whole = !matches!(quota, Quota::GpuMs);
    Row { quota, name, defaults, allowed, is_whole, counts }
}

const ROWS: [Row; 9] = {
    use Counts::{AtOnce, NextProcess, NextStart};
    [
        row(Quota::Memory, "memory_mib", [2048.0, 512.0], 16.0..=1_048_576.0, NextProcess),
        row(Quota::Cpu, "cpu", [100.0, 50.0], 1.0..=10_000.0, NextProcess),
        row(Quota::Threads, "threads", [64.0, 16.0], 2.0..=4096.0, NextProcess),
        row(Quota::Files, "files", [256.0, 64.0], 16.0..=65_536.0, NextProcess),
        row(Quota::Shared, "shared_mib", [8192.0, 1024.0], 1.0..=1_048_576.0, NextProcess),
        row(Quota::Passes, "passes", [256.0, 64.0], 0.0..=4096.0, AtOnce),
        row(Quota::Draws, "draws", [65_536.0, 1024.0], 0.0..=1_048_576.0, AtOnce),
        row(Quota::Mail, "mail", [1024.0, 64.0], 0.0..=65_536.0, NextStart),
        row(Quota::GpuMs, "gpu_ms", [f64::INFINITY, 2.0], 0.001..=1000.0, AtOnce),
    ]
};

impl Quota {
    /// All of them, in the table's order.
    pub const ALL: [Self; ROWS.len()] = {
        let mut all = [Self::Memory; ROWS.len()];
        let mut n = 0;
        while n < all.len() {
            all[n] = ROWS[n].quota;
            n += 1;
        }
        all
    };

    fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// Returns its name in a scene.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Returns from when on another number counts.
    #[must_use]
    pub fn counts(self) -> Counts {
        self.row().counts
    }

    /// Returns what a scene may say.
    #[must_use]
    pub fn allowed(self) -> RangeInclusive<f64> {
        self.row().allowed.clone()
    }

    /// Returns whether only whole numbers make sense.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self.row().is_whole
    }
}

/// What one cell may take: a number for each [`Quota`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quotas {
    values: [f64; ROWS.len()],
    given: [bool; ROWS.len()],
}

impl Default for Quotas {
    fn default() -> Self {
        Self::own()
    }
}

impl Quotas {
    /// Returns the defaults of a cell that was built here: mistakes are caught, not large scenes.
    #[must_use]
    pub fn own() -> Self {
        Self::defaults(0)
    }

    /// Returns the defaults of a stranger's cell.
    #[must_use]
    pub fn untrusted() -> Self {
        Self::defaults(1)
    }

    fn defaults(column: usize) -> Self {
        let mut values = [0.0; ROWS.len()];
        for (value, row) in values.iter_mut().zip(&ROWS) {
            *value = row.defaults[column];
        }
        Self { values, given: [false; ROWS.len()] }
    }

    /// Returns a number, in the unit that the quota's name says.
    #[must_use]
    pub fn get(&self, quota: Quota) -> f64 {
        self.values[quota as usize]
    }

    /// Returns a number that counts things.
    #[must_use]
    pub fn count(&self, quota: Quota) -> u32 {
        self.get(quota) as u32
    }

    /// Returns a number of MiB in bytes.
    #[must_use]
    pub fn bytes(&self, quota: Quota) -> u64 {
        (self.get(quota) as u64).saturating_mul(1 << 20)
    }

    /// Returns whether the scene says it.
    #[must_use]
    pub fn is_given(&self, quota: Quota) -> bool {
        self.given[quota as usize]
    }

    /// Sets what the scene says.
    pub(crate) fn give(&mut self, quota: Quota, value: f64) {
        self.values[quota as usize] = value;
        self.given[quota as usize] = true;
    }

    /// Returns the quotas in which `other` has another number.
    pub fn changed<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = Quota> + 'a {
        Quota::ALL.into_iter().filter(|q| self.get(*q).to_bits() != other.get(*q).to_bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_quota_has_its_row_and_defaults_that_a_scene_could_have_said() {
        for (n, quota) in Quota::ALL.into_iter().enumerate() {
            assert_eq!((quota as usize, quota.row().quota), (n, quota));
            for value in quota.row().defaults.into_iter().filter(|v| v.is_finite()) {
                assert!(quota.allowed().contains(&value), "{}", quota.name());
            }
            assert!(
                quota.row().defaults[1] <= quota.row().defaults[0],
                "{}: strangers get less",
                quota.name()
            );
        }
    }
}
