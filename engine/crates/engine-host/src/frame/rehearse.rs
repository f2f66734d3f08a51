//! A frame without ticks: what is wrong with the cells' loads, passes and shaders shows, and nothing runs.
use crate::{
    cells::Life,
    world::{World, WorldError},
};

/// How often faulty lists are replaced by what is left: each time costs at least one list.
const MOST_PLANS: usize = 64;

/// What a rehearsal found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The cell's name in the scene.
    pub cell: String,
    /// What is wrong; may have several lines.
    pub what: String,
}

impl World {
    /// Plans and draws one frame of a world that was just opened, without a tick, and returns what is wrong with its
    /// cells, in scene order. Nothing that is missing here is a promise that a tick will be well.
    ///
    /// # Errors
    /// [`WorldError`] when the render thread has ended.
    pub fn rehearse(&mut self) -> Result<Vec<Finding>, WorldError> {
        let mut of_lists: Vec<(usize, String)> = Vec::new();
        for _ in 0..MOST_PLANS {
            if !self.plan_dirty {
                break;
            }
            self.replan();
            self.send_packet(0, false)?;
            self.frame += 1;
            self.drain()?;
            for (n, c) in self.cells.iter().enumerate() {
                of_lists.extend(c.list_faults.iter().map(|f| (n, f.clone())));
            }
        }
        let mut found = Vec::new();
        for (n, c) in self.cells.iter().enumerate() {
            let down = if let Life::Down { why } = &c.life { Some(why) } else { c.crash.as_ref() };
            let one = [down, c.contract_fault.as_ref(), c.load_fault.as_ref(), c.shader_fault.as_ref()];
            let lists = of_lists.iter().filter(|(m, _)| *m == n).map(|(_, what)| what);
            let mut all: Vec<&String> = one.into_iter().flatten().chain(lists).collect();
            let mut seen = std::collections::BTreeSet::new();
            all.retain(|what| seen.insert(*what));
            found
                .extend(all.into_iter().map(|what| Finding { cell: c.name.to_string(), what: what.clone() }));
        }
        Ok(found)
    }
}
