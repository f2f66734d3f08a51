//! Who waits for whom outside of passes: `now` ports within a frame, buffers at start.
use crate::{
    contracts::{Contracts, Resource},
    plan::CellLine,
};
use cell_abi::ports::{Direction, PortKind};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
};

/// Cells that read one another `now`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the cells `{}` read one another `now`, so none of them can start first; `{reader}` gets `{name}` as of the \
     frame's start instead. Take `now` away from one of these ports",
    .cells.join("`, `")
)]
pub struct NowCycle {
    /// The cells of the cycle, in scene order.
    pub cells: Vec<Arc<str>>,
    /// The cell whose port is read as of the frame's start.
    pub reader: Arc<str>,
    /// The name of that port.
    pub name: Arc<str>,
}

/// Which cells start after which in a frame, because they read them `now`.
///
/// The cycles of a static scene are found when it is declared. Within one, a port whose owner is further down
/// in the scene is read as of the frame's start, as if it were not `now`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NowGraph {
    /// Ports that are read `now`, with their owners. Sorted.
    ports: BTreeMap<(CellLine, u16), CellLine>,
    after: BTreeMap<CellLine, Vec<CellLine>>,
}

impl NowGraph {
    /// Returns the graph of a world, and the cycles in it.
    #[must_use]
    pub fn new(contracts: &Contracts) -> (Self, Vec<NowCycle>) {
        let mut ports = BTreeMap::new();
        for (reader, port, owner, now) in buffer_reads(contracts) {
            if now && owner != reader {
                ports.insert((reader, port), owner);
            }
        }
        let rank = groups(contracts, &ports);
        let mut cycles = Vec::new();
        let name = |line| contracts.cell(line).map(|c: &crate::contracts::DeclaredCell| c.name.clone());
        ports.retain(|&(reader, port), owner| {
            let in_cycle = rank[&reader] == rank[owner];
            if in_cycle && *owner > reader {
                let cells = rank.iter().filter(|(_, r)| **r == rank[&reader]).filter_map(|(l, _)| name(*l));
                let port = contracts.cell(reader).map(|c| c.table.ports[usize::from(port)].name.as_str());
                cycles.push(NowCycle {
                    cells: cells.collect(),
                    reader: name(reader).unwrap_or_default(),
                    name: port.unwrap_or_default().into(),
                });
            }
            !(in_cycle && *owner > reader)
        });
        let mut after: BTreeMap<CellLine, Vec<CellLine>> = BTreeMap::new();
        for (&(reader, _), &owner) in &ports {
            let list = after.entry(reader).or_default();
            if !list.contains(&owner) {
                list.push(owner);
            }
        }
        (Self { ports, after }, cycles)
    }

    /// Returns the cells after whose ticks this one's starts, as far as they are due in the frame.
    #[must_use]
    pub fn start_after(&self, reader: CellLine) -> &[CellLine] {
        self.after.get(&reader).map_or(&[], Vec::as_slice)
    }

    /// Returns whether a port is read as of its owner's tick of the same frame. What the port table says is not
    /// enough: a port that closes a cycle is read as of the frame's start.
    #[must_use]
    pub fn is_now(&self, reader: CellLine, port: u16) -> bool {
        self.ports.contains_key(&(reader, port))
    }
}

/// Returns the order in which cells are started: owners of buffers before their readers, else scene order.
/// Where cells read one another in a circle, the first of them in the scene starts first.
#[must_use]
pub fn start_order(contracts: &Contracts) -> Vec<CellLine> {
    let mut before: BTreeMap<CellLine, usize> = contracts.cells().iter().map(|c| (c.line, 0)).collect();
    let mut readers: BTreeMap<CellLine, Vec<CellLine>> = BTreeMap::new();
    for (reader, _, owner, _) in buffer_reads(contracts) {
        if owner != reader {
            readers.entry(owner).or_default().push(reader);
            *before.entry(reader).or_default() += 1;
        }
    }
    let mut ready: BinaryHeap<Reverse<CellLine>> =
        before.iter().filter(|(_, n)| **n == 0).map(|(l, _)| Reverse(*l)).collect();
    let mut out = Vec::with_capacity(before.len());
    while !before.is_empty() {
        // A circle: nobody is ready.
        let next = ready.pop().map_or_else(|| *before.keys().next().expect("not empty"), |Reverse(l)| l);
        if before.remove(&next).is_none() {
            continue;
        }
        out.push(next);
        for reader in readers.get(&next).into_iter().flatten() {
            if let Some(n) = before.get_mut(reader) {
                *n -= 1;
                if *n == 0 {
                    ready.push(Reverse(*reader));
                }
            }
        }
    }
    out
}

/// Returns each buffer port that reads another's buffer: reader, port, owner, whether `now`.
fn buffer_reads(contracts: &Contracts) -> impl Iterator<Item = (CellLine, u16, CellLine, bool)> {
    contracts.cells().iter().flat_map(move |cell| {
        (0_u16..).zip(cell.table.ports.iter().zip(&cell.resources)).filter_map(
            move |(n, (port, resource))| {
                let (PortKind::Buffer(b), Resource::Buffer(id), Direction::Input) =
                    (&port.kind, *resource, port.direction)
                else {
                    return None;
                };
                let (owner, _) = contracts.buffer(id)?.owner?;
                Some((cell.line, n, owner, b.now))
            },
        )
    })
}

/// Returns a group number per cell: cells that wait for one another in a circle share one.
fn groups(contracts: &Contracts, ports: &BTreeMap<(CellLine, u16), CellLine>) -> BTreeMap<CellLine, usize> {
    let cells = contracts.cells();
    let at = |line: CellLine| cells.binary_search_by_key(&line, |c| c.line).expect("owners are declared");
    let mut after = vec![Vec::new(); cells.len()];
    for (&(reader, _), &owner) in ports {
        after[at(owner)].push((at(reader), 0));
    }
    let groups = crate::order::strongly_connected(&after);
    cells.iter().zip(groups).map(|(c, g)| (c.line, g)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contracts::{CellDecl, Standing};
    use cell_abi::ports::PortTable;

    /// `(name, what it writes, what it reads, what it reads now)`, words apart by spaces.
    fn world(cells: &[(&str, &str, &str, &str)]) -> Contracts {
        let decls: Vec<CellDecl> = cells
            .iter()
            .enumerate()
            .map(|(n, (name, writes, reads, now))| {
                let mut text = format!("cell-ports 1\nabi 1.0\nname {name}_v1\nrate 60\n");
                for (words, direction, flag) in
                    [(writes, "output", ""), (reads, "input", ""), (now, "input", " now")]
                {
                    for w in words.split_whitespace() {
                        text += &format!("port {direction} {w} counts - 4{flag}\n");
                    }
                }
                let table = Arc::new(PortTable::parse(&(text + "end\n")).expect("good"));
                CellDecl { line: CellLine(n as u32), name: (*name).into(), table, standing: Standing::Own }
            })
            .collect();
        let mut c = Contracts::default();
        assert_eq!(c.declare(&decls), []);
        c
    }

    fn lines(l: &[CellLine]) -> Vec<u32> {
        l.iter().map(|l| l.0).collect()
    }

    #[test]
    fn a_reader_starts_after_the_owner_of_its_now_port() {
        let w = world(&[
            ("scene", "", "", "camera"),
            ("camera", "camera", "keys", "input"),
            ("input", "input keys", "", ""),
        ]);
        let (g, cycles) = NowGraph::new(&w);
        assert_eq!(cycles, []);
        assert_eq!(lines(g.start_after(CellLine(0))), [1]);
        assert_eq!(lines(g.start_after(CellLine(1))), [2]);
        assert!(g.is_now(CellLine(1), 2) && !g.is_now(CellLine(1), 1));
    }

    #[test]
    fn a_cycle_names_its_cells_and_is_cut_at_the_port_that_looks_down() {
        let w = world(&[("a", "x", "", "y"), ("b", "y", "", "x"), ("c", "", "", "x y")]);
        let (g, cycles) = NowGraph::new(&w);
        assert_eq!(cycles.len(), 1);
        let text = cycles[0].to_string();
        assert!(text.contains("the cells `a`, `b`") && text.contains("`a` gets `y`"), "{text}");
        assert_eq!(lines(g.start_after(CellLine(0))), [0_u32; 0]);
        assert_eq!(lines(g.start_after(CellLine(1))), [0]);
        assert_eq!(lines(g.start_after(CellLine(2))), [0, 1]);
    }

    #[test]
    fn cells_start_after_the_owners_of_what_they_read() {
        // Listed in reverse.
        let w = world(&[("c", "z", "y", ""), ("b", "y", "x", ""), ("a", "x", "", ""), ("d", "", "", "")]);
        assert_eq!(lines(&start_order(&w)), [2, 1, 0, 3]);
        let w = world(&[("c", "z", "y", ""), ("b", "y", "z", ""), ("a", "", "y z", "")]);
        assert_eq!(lines(&start_order(&w)), [0, 1, 2], "a circle falls back to scene order");
    }
}
