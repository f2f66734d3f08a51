//! Step 4: pass lists become a plan, when any of them or what they name has changed.
use crate::{quotas, sealed::Sealed, world::World};
use cell_abi::{SealKind, ports::TextureFormat};
use cell_wire::PassList;
use engine_frame::{lists, plan::CellLine, planner::SealedInfo};
use std::sync::Arc;

impl World {
    pub(super) fn take_list(&mut self, n: usize, bytes: &[u8]) {
        let entry = &mut self.cells[n];
        let most = quotas::list_bytes(&entry.scene);
        if bytes.len() > most {
            entry.counters.refused_lists += 1;
            let bytes = bytes.len();
            return tracing::error!(
                cell = &*entry.name,
                "its pass list was refused: it has {bytes} bytes, at most {most} with its `passes` and `draws`"
            );
        }
        match cell_wire::decode::<PassList>(bytes) {
            Ok(list) => {
                entry.counters.lists += 1;
                if entry.list.as_deref() != Some(&list) {
                    let list = Arc::new(list);
                    entry.list = Some(Arc::clone(&list));
                    self.lists.submit(CellLine(n as u32), entry.shader, list);
                    self.plan_dirty = true;
                }
            }
            Err(error) => {
                entry.counters.refused_lists += 1;
                tracing::error!(cell = &*entry.name, "its pass list was refused: {error}");
            }
        }
    }

    /// Checks and orders all lists; a faulty one is replaced by the cell's last good one.
    pub(super) fn replan(&mut self) {
        self.plan_dirty = false;
        let services = Arc::clone(&self.services);
        let cells = &self.cells;
        // A cell draws what it sealed itself: the id of another's is as good as none.
        let sealed = |line: CellLine, id: u64| {
            let owns = cells.get(line.0 as usize).is_some_and(|c| c.sealed.contains(&id));
            services.sealed.get(id).filter(|_| owns).and_then(|s| sealed_info(&s))
        };
        let outcome = self.lists.plan(&lists::World {
            contracts: &self.contracts,
            sealed: &sealed,
            limits: &|line| quotas::limits(&cells[line.0 as usize].scene),
            screen_px: self.options.screen_px,
        });
        for entry in &mut self.cells {
            entry.list_faults.clear();
        }
        for fault in &outcome.faults {
            tracing::error!(cell = &*fault.cell, "{fault}");
            let entry = &mut self.cells[fault.line.0 as usize];
            entry.counters.refused_lists += 1;
            entry.list_faults.push(fault.to_string());
        }
        self.plan = Arc::new(outcome.plan);
        self.stats.plans += 1;
    }
}

fn sealed_info(s: &Sealed) -> Option<SealedInfo> {
    match s.desc.kind {
        SealKind::BUFFER => Some(SealedInfo::Buffer { bytes: s.len as u64 }),
        SealKind::TEXTURE_2D => {
            TextureFormat::from_number(s.desc.format).map(|format| SealedInfo::Texture2d { format })
        }
        _ => None,
    }
}
