//! How much of the machine a cell's process may take: one table.

/// Limits of one cell's process. The defaults suit a cell that computes; a scene may set them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Memory of its own, in bytes: heap, stacks, private maps.
    pub memory_bytes: u64,
    /// Memory shared with the engine (slots, assets, sealed memory) that it may have mapped, in bytes.
    pub shared_bytes: u64,
    /// Threads, the first one included.
    pub threads: u32,
    /// Open descriptors, the five it is born with included.
    pub descriptors: u32,
    /// Its share of the processors against others that want them too: 100 is an ordinary process, 1 the least, 10,000 the most.
    pub cpu_weight: u32,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { memory_bytes: 2 << 30, shared_bytes: 8 << 30, threads: 64, descriptors: 256, cpu_weight: 100 }
    }
}

/// Address space a thread costs besides what it uses: its stack and what the allocator reserves for it (not memory, only addresses).
const ADDRESSES_PER_THREAD: u64 = 160 << 20;
/// The executable, libraries, and room between maps.
const ADDRESSES_AT_LEAST: u64 = 2 << 30;

impl Quotas {
    /// Returns the address space that these quotas come to, in bytes.
    pub(super) fn address_space(&self) -> u64 {
        let threads = u64::from(self.threads).saturating_mul(ADDRESSES_PER_THREAD);
        [self.memory_bytes, self.shared_bytes, threads]
            .iter()
            .fold(ADDRESSES_AT_LEAST, |a, b| a.saturating_add(*b))
    }

    /// Returns the nice value that comes nearest to the weight, for machines without control groups. Never below 0, which needs a privilege.
    pub(super) fn nice(&self) -> i32 {
        // One step of nice is a factor of 1.25 in weight.
        let steps = (100.0 / f64::from(self.cpu_weight.max(1))).ln() / 1.25f64.ln();
        (steps.round() as i32).clamp(0, 19)
    }

    /// Returns the numbers as text for the child's environment.
    pub(super) fn encode(&self) -> String {
        let Self { memory_bytes, shared_bytes, threads, descriptors, cpu_weight } = self;
        format!("{memory_bytes} {shared_bytes} {threads} {descriptors} {cpu_weight}")
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let mut n = text.split(' ').map(|n| n.parse::<u64>().ok());
        let quotas = Self {
            memory_bytes: n.next()??,
            shared_bytes: n.next()??,
            threads: n.next()??.try_into().ok()?,
            descriptors: n.next()??.try_into().ok()?,
            cpu_weight: n.next()??.try_into().ok()?,
        };
        n.next().is_none().then_some(quotas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_survive_the_way_to_the_child() {
        let quotas =
            Quotas { memory_bytes: 1, shared_bytes: u64::MAX, threads: 3, descriptors: 4, cpu_weight: 5 };
        assert_eq!(Quotas::decode(&quotas.encode()), Some(quotas));
        assert_eq!(Quotas::decode("1 2 3 4"), None);
        assert_eq!(Quotas::decode("1 2 3 4 5 6"), None);
        assert_eq!(Quotas::decode("1 2 3 4 -5"), None);
        assert_eq!(quotas.address_space(), u64::MAX, "and do not overflow");
    }

    #[test]
    fn a_small_weight_is_a_high_nice_value() {
        let nice = |cpu_weight| Quotas { cpu_weight, ..Quotas::default() }.nice();
        assert_eq!([nice(10_000), nice(100), nice(33), nice(1), nice(0)], [0, 0, 5, 19, 19]);
    }
}
