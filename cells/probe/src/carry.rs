//! A buffer that is changed a little at a time, and the check that whoever reads it sees all of it.
use cell::prelude::*;
use std::array::from_fn;

/// Elements of the buffer: the number of changes, then 63 places. Change m meets place 1 + m % 63.
const SIZE: usize = 64;
const PLACES: u32 = SIZE as u32 - 1;

/// What the buffer holds after `changes`: each place the last change that met it, or 0.
fn after(changes: u32) -> [u32; SIZE] {
    from_fn(|i| match i as u32 {
        0 => changes,
        place => changes.saturating_sub((changes + PLACES - (place - 1)) % PLACES),
    })
}

#[derive(Default)]
pub(crate) struct Carry {
    ticks: u32,
    changes: u32,
}

impl Carry {
    /// Checks what this cell published last and what it hears from another, and changes its own buffer: mostly
    /// two elements of it, now and then through all of it, sometimes not at all.
    pub(crate) fn tick(&mut self, tally: &Writer<'_, u32>, heard: &[u32]) {
        if self.ticks > 0 {
            check("its own", tally.last(), self.changes);
        }
        if let Some(changes) = heard.first() {
            check("the other's", heard, *changes);
            info!("heard {changes} changes");
        }
        self.ticks += 1;
        let place = 1 + ((self.changes + 1) % PLACES) as usize;
        match self.ticks {
            1 => return tally.write(&after(0)),
            n if n.is_multiple_of(8) => return,
            n if n.is_multiple_of(5) => tally.update(|all| {
                all[0] += 1;
                all[place] = all[0];
            }),
            _ => {
                tally.update_range(0..1, |count| count[0] += 1);
                tally.update_range(place..place + 1, |one| one[0] = self.changes + 1);
            }
        }
        self.changes += 1;
    }
}

fn check(whose: &str, found: &[u32], changes: u32) {
    let expected = after(changes);
    if found != expected {
        error!("{whose} buffer lost something after {changes} changes: {found:?}");
    }
}
