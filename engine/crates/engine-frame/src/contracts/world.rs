//! Putting declarations together.
use super::{
    BufferContract, CellDecl, ContractFault, Declarer, Standing, TargetContract,
    agree::{self, buffer_difference, is_silent, target_difference},
};
use crate::plan::{BufferId, TargetId};
use cell_abi::ports::{Direction, Port, PortKind, StartValue, TargetDesc, TypeLayout};
use std::collections::HashMap;

/// Returns the name of a port in the world.
pub(super) fn world_name(cell: &str, direction: Direction, port: &str) -> String {
    match direction {
        Direction::Own => format!("{cell}/{port}"),
        Direction::Input | Direction::Output => port.to_owned(),
    }
}

/// All declarations so far, while they are put together.
#[derive(Default)]
pub(super) struct World {
    entries: HashMap<String, Entry>,
    pub(super) targets: Vec<TargetEntry>,
    pub(super) buffers: Vec<BufferContract>,
}

struct Entry {
    /// Who declared the name first.
    by: Declarer,
    /// How much that word counts. Those that count most come first.
    standing: Standing,
    kind: EntryKind,
}

#[derive(Clone, Copy)]
enum EntryKind {
    Target(usize),
    Buffer(usize),
}

pub(super) struct TargetEntry {
    pub(super) contract: TargetContract,
    /// Who said a start value.
    start_by: Option<Declarer>,
}

fn declarer(cell: &CellDecl, readers: bool) -> Declarer {
    Declarer { line: cell.line, cell: cell.name.clone(), writes: !readers }
}

impl World {
    /// Adds the declarations of a cell that write (or own), or those that read; none of them if one is at
    /// fault.
    pub(super) fn add(&mut self, cell: &CellDecl, readers: bool, faults: &mut Vec<ContractFault>) {
        let ports = || {
            let wanted = move |p: &&(u16, &Port)| {
                (p.1.direction == Direction::Input) == readers
                    && matches!(p.1.kind, PortKind::Texture(_) | PortKind::Buffer(_))
            };
            (0_u16..).zip(&cell.table.ports).filter(move |p| wanted(&p))
        };
        let before = faults.len();
        for (_, port) in ports() {
            faults.extend(self.fault(cell, port, &world_name(&cell.name, port.direction, &port.name)));
        }
        if faults.len() > before {
            return;
        }
        for (n, port) in ports() {
            let name = world_name(&cell.name, port.direction, &port.name);
            match &port.kind {
                PortKind::Texture(desc) => self.add_target(cell, name, *desc, readers),
                PortKind::Buffer(desc) => {
                    let element = agree::element_of(desc, &cell.table);
                    let at = self.buffer(cell, readers, name, element);
                    let b = &mut self.buffers[at];
                    if readers {
                        b.readers.push((cell.line, n));
                        b.history |= desc.history;
                        if b.owner.is_none() {
                            b.max_count = b.max_count.max(desc.max_count);
                        }
                    } else {
                        b.owner = Some((cell.line, n));
                        b.max_count = desc.max_count;
                    }
                }
                PortKind::Backbuffer | PortKind::Sealed(_) => {}
            }
        }
    }

    /// Returns in what a declaration contradicts those before it.
    fn fault(&self, cell: &CellDecl, port: &Port, name: &str) -> Option<ContractFault> {
        let entry = self.entries.get(name)?;
        let disagree =
            |(property, here, there): agree::Difference, other: &Declarer| ContractFault::Disagree {
                line: cell.line,
                cell: cell.name.clone(),
                writes: port.direction != Direction::Input,
                name: name.into(),
                other: other.clone(),
                property,
                here,
                there,
            };
        match (&port.kind, entry.kind) {
            (PortKind::Texture(desc), EntryKind::Target(at)) => {
                let t = &self.targets[at];
                if let Some(d) = target_difference(desc, &t.contract.desc) {
                    return Some(disagree(d, &entry.by));
                }
                if is_silent(desc.start) {
                    return None;
                }
                // To a stranger the silence of our own says zero.
                let ours = entry.standing == Standing::Own && cell.standing == Standing::Untrusted;
                let said = t.start_by.as_ref().or(ours.then_some(&entry.by))?;
                (desc.start != t.contract.desc.start).then(|| {
                    let (here, there) =
                        (agree::start_text(desc.start), agree::start_text(t.contract.desc.start));
                    disagree(("start value", here, there), said)
                })
            }
            (PortKind::Buffer(desc), EntryKind::Buffer(at)) => {
                let b = &self.buffers[at];
                if port.direction != Direction::Input && b.owner.is_some() {
                    return Some(ContractFault::TwoOwners {
                        line: cell.line,
                        cell: cell.name.clone(),
                        name: name.into(),
                        other: entry.by.clone(),
                    });
                }
                let element = agree::element_of(desc, &cell.table);
                buffer_difference(&element, &b.element).map(|d| disagree(d, &entry.by))
            }
            (PortKind::Texture(_), EntryKind::Buffer(_)) => {
                Some(disagree(("kind", "a texture".into(), "a buffer".into()), &entry.by))
            }
            (PortKind::Buffer(_), EntryKind::Target(_)) => {
                Some(disagree(("kind", "a buffer".into(), "a texture".into()), &entry.by))
            }
            (PortKind::Backbuffer | PortKind::Sealed(_), _) => None,
        }
    }

    fn add_target(&mut self, cell: &CellDecl, name: String, desc: TargetDesc, readers: bool) {
        let at = match self.entries.get(&name).map(|e| e.kind) {
            Some(EntryKind::Target(at)) => at,
            _ => {
                let kind = EntryKind::Target(self.targets.len());
                self.targets.push(TargetEntry {
                    contract: TargetContract {
                        id: TargetId(0),
                        name: (*name).into(),
                        desc: TargetDesc { start: StartValue::Clear([0.0; 4]), ..desc },
                        writers: Vec::new(),
                    },
                    start_by: None,
                });
                let by = declarer(cell, readers);
                self.entries.insert(name, Entry { by, standing: cell.standing, kind });
                self.targets.len() - 1
            }
        };
        let t = &mut self.targets[at];
        if !is_silent(desc.start) {
            t.contract.desc.start = desc.start;
            t.start_by = Some(declarer(cell, readers));
        }
        if !readers {
            t.contract.writers.push(cell.line);
        }
    }

    fn buffer(&mut self, cell: &CellDecl, readers: bool, name: String, element: TypeLayout) -> usize {
        if let Some(EntryKind::Buffer(at)) = self.entries.get(&name).map(|e| e.kind) {
            return at;
        }
        self.buffers.push(BufferContract {
            id: BufferId(0),
            name: (*name).into(),
            owner: None,
            readers: Vec::new(),
            max_count: 0,
            element,
            history: false,
            pixels_of: None,
        });
        let kind = EntryKind::Buffer(self.buffers.len() - 1);
        let by = declarer(cell, readers);
        self.entries.insert(name, Entry { by, standing: cell.standing, kind });
        self.buffers.len() - 1
    }
}
