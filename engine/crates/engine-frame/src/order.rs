//! The order of passes: nobody draws edges, names and places say it all.
//!
//! A pass's place is (its cell's line in the scene, its index in the list). For each name: first all passes, by
//! place, of the cells that write it, then the passes of the cells that only read it; ties by place. So the
//! scene's order is the stack of layers, and a pass that reads and writes one name reads what lies below it.
use crate::plan::CellLine;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};

/// How a pass uses a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It reads this frame's content.
    Read,
    /// It writes; it may read too.
    Write,
}

/// A pass as far as its order is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassUse {
    /// Its cell's line in the scene.
    pub line: CellLine,
    /// Its index in the cell's list.
    pub index: u32,
    /// The names it uses, as numbers.
    pub uses: Vec<(u32, Access)>,
}

/// Cells whose passes wait for one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// The cells, in scene order.
    pub cells: Vec<CellLine>,
    /// The names over which they wait, as numbers, ascending.
    pub names: Vec<u32>,
    /// The cell whose list was left out. Every cycle has a cell that reads what a cell further down the scene
    /// writes; that one (the last of them, if there are several) could be moved down, so it loses, and a sky
    /// that reads the depth of what is drawn over it does not cost the whole city.
    pub left_out: CellLine,
}

/// What [`order`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Indices into the given passes, in the order in which they run.
    pub passes: Vec<usize>,
    /// The cycles. The passes of the cells they left out are missing from `passes`.
    pub cycles: Vec<Cycle>,
}

/// Returns the order of `passes`, which may come in any order themselves.
///
/// Takes time proportional to the uses of names, but for sorting; once more for each round of cycles.
#[must_use]
pub fn order(passes: &[PassUse]) -> Order {
    let mut by_place: Vec<usize> = (0..passes.len()).collect();
    by_place.sort_by_key(|&i| (passes[i].line, passes[i].index));
    let mut out = Order::default();
    loop {
        let edges = Edges::of(passes, &by_place);
        let sorted = edges.sort(by_place.len());
        if sorted.len() == by_place.len() {
            out.passes = sorted.into_iter().map(|n| by_place[n]).collect();
            out.cycles.sort_by(|a, b| a.cells.cmp(&b.cells));
            return out;
        }
        let cycles = edges.cycles(passes, &by_place);
        let lost: BTreeSet<CellLine> = cycles.iter().map(|c| c.left_out).collect();
        by_place.retain(|&i| !lost.contains(&passes[i].line));
        out.cycles.extend(cycles);
    }
}

/// Who waits for whom, by number in the order of places.
struct Edges {
    /// Per pass: those that come after it, with the name that says so.
    after: Vec<Vec<(usize, u32)>>,
    /// Per pass: how many come before it.
    before: Vec<u32>,
}

impl Edges {
    fn of(passes: &[PassUse], by_place: &[usize]) -> Self {
        /// The passes that use a name, by place, and the cells that write it.
        #[derive(Default)]
        struct Uses {
            passes: Vec<usize>,
            writers: BTreeSet<CellLine>,
        }
        let mut names: BTreeMap<u32, Uses> = BTreeMap::new();
        for (n, &i) in by_place.iter().enumerate() {
            for &(name, access) in &passes[i].uses {
                let uses = names.entry(name).or_default();
                if uses.passes.last() != Some(&n) {
                    uses.passes.push(n);
                }
                if access == Access::Write {
                    uses.writers.insert(passes[i].line);
                }
            }
        }
        let mut edges = Self { after: vec![Vec::new(); by_place.len()], before: vec![0; by_place.len()] };
        for (name, uses) in names {
            let writes = |n: &usize| uses.writers.contains(&passes[by_place[*n]].line);
            let mut last = None;
            for &n in uses.passes.iter().filter(|n| writes(n)) {
                if let Some(last) = last {
                    edges.add(last, n, name);
                }
                last = Some(n);
            }
            let Some(last) = last else { continue };
            for &n in uses.passes.iter().filter(|n| !writes(n)) {
                edges.add(last, n, name);
            }
        }
        edges
    }

    fn add(&mut self, from: usize, to: usize, name: u32) {
        self.after[from].push((to, name));
        self.before[to] += 1;
    }

    /// Of all passes that may come next, always the first by place. Passes on or behind a cycle are missing.
    fn sort(&self, count: usize) -> Vec<usize> {
        let mut before = self.before.clone();
        let mut ready: BinaryHeap<Reverse<usize>> =
            (0..count).filter(|n| before[*n] == 0).map(Reverse).collect();
        let mut out = Vec::with_capacity(count);
        while let Some(Reverse(n)) = ready.pop() {
            out.push(n);
            for &(next, _) in &self.after[n] {
                before[next] -= 1;
                if before[next] == 0 {
                    ready.push(Reverse(next));
                }
            }
        }
        out
    }

    fn cycles(&self, passes: &[PassUse], by_place: &[usize]) -> Vec<Cycle> {
        #[derive(Default)]
        struct Found {
            cells: BTreeSet<CellLine>,
            names: BTreeSet<u32>,
            left_out: Option<CellLine>,
        }
        let groups = strongly_connected(&self.after);
        let line = |n: usize| passes[by_place[n]].line;
        let mut cycles: BTreeMap<usize, Found> = BTreeMap::new();
        for (from, after) in self.after.iter().enumerate() {
            for &(to, name) in after.iter().filter(|(to, _)| groups[*to] == groups[from]) {
                let found = cycles.entry(groups[from]).or_default();
                found.cells.extend([line(from), line(to)]);
                // What holds a cell's own passes together is no reason that a user could change.
                if line(from) != line(to) {
                    found.names.insert(name);
                }
                if line(from) > line(to) {
                    found.left_out = found.left_out.max(Some(line(to)));
                }
            }
        }
        cycles
            .into_values()
            .map(|found| Cycle {
                cells: found.cells.into_iter().collect(),
                names: found.names.into_iter().collect(),
                left_out: found.left_out.expect("a cycle leads back up the scene somewhere"),
            })
            .collect()
    }
}

/// Returns a group number per node; nodes that reach one another share one.
///
/// R. Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Comput. 1(2), 1972; with an explicit
/// stack, since a scene can have thousands of passes in one chain.
pub(crate) fn strongly_connected(after: &[Vec<(usize, u32)>]) -> Vec<usize> {
    const NEW: usize = usize::MAX;
    let n = after.len();
    let (mut index, mut low, mut group) = (vec![NEW; n], vec![0; n], vec![NEW; n]);
    let (mut next, mut stack, mut calls) = (0, Vec::new(), Vec::new());
    for root in 0..n {
        if index[root] != NEW {
            continue;
        }
        calls.push((root, 0));
        while let Some((v, edge)) = calls.pop() {
            if edge == 0 {
                (index[v], low[v]) = (next, next);
                next += 1;
                stack.push(v);
            } else {
                let (child, _) = after[v][edge - 1];
                low[v] = low[v].min(low[child]);
            }
            let mut e = edge;
            let mut child = None;
            while child.is_none() && e < after[v].len() {
                let (to, _) = after[v][e];
                e += 1;
                if index[to] == NEW {
                    child = Some(to);
                } else if group[to] == NEW {
                    low[v] = low[v].min(index[to]);
                }
            }
            if let Some(child) = child {
                calls.push((v, e));
                calls.push((child, 0));
            } else if low[v] == index[v] {
                while let Some(w) = stack.pop() {
                    group[w] = v;
                    if w == v {
                        break;
                    }
                }
            }
        }
    }
    group
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
