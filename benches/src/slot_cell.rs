//! A cell inside this program, so that the `cell` crate's own work can be measured without the border of a
//! library. It sets one number per tick when `writes` is not 0.
use crate::{counting, direct::Direct};
use cell::prelude::*;

signal_receptor! {
    name: bench_slot_v1,
    params: { writes: u32 = 1 },
    own: Values { value: Uniform<f32> },
}

#[derive(Default)]
struct Slot;

impl Cell for Slot {
    fn tick(&mut self, cx: &mut Cx<bench_slot_v1>) {
        if cx.params().writes != 0 {
            cx.value().set(&1.0);
        }
    }
}

cell::export!(Slot);

/// Makes an instance with this parameter.
pub(crate) fn instance(writes: u32) -> anyhow::Result<Direct> {
    Direct::new(CELL_TABLE_V1, &writes.to_le_bytes())
}

/// Returns how often a tick allocates that writes and publishes.
pub(crate) fn allocations_per_tick(ticks: u32) -> anyhow::Result<f64> {
    let mut cell = instance(1)?;
    cell.tick();
    let before = counting::here();
    for _ in 0..ticks {
        cell.tick();
    }
    Ok((counting::here() - before) as f64 / f64::from(ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_that_writes_publishes_and_one_that_does_not_does_not() {
        let mut cell = instance(1).unwrap();
        assert_eq!(cell.published(), None);
        cell.tick();
        assert_eq!(cell.published(), Some(1.0));
        let mut silent = instance(0).unwrap();
        silent.tick();
        assert_eq!(silent.published(), None);
    }
}
