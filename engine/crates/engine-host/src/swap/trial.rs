//! Whether a new build is tried in a shadow, and what follows from it.
use super::{
    Act, PROBATION_NS, Phase, SHADOW_TICKS, Staged, Swap,
    shadow::{Job, Shadow, ShadowPort, Verdict},
};
use crate::{
    cells::{Life, PortUse},
    frame::LOAD_LIMIT,
    record::Record,
    world::World,
};
use cell_abi::ports::{Port, Rate};
use engine_scene::check_params;
use std::{sync::Arc, time::Duration};

/// How long a takeover may take at least.
const LEAST_PATIENCE: Duration = Duration::from_nanos(PROBATION_NS);

impl World {
    /// Has a build tried on what the running instance is given.
    pub(super) fn try_in_shadow(&mut self, n: usize, swap: Swap, staged: Staged) -> bool {
        let entry = &self.cells[n];
        let same = entry.built.as_ref().is_some_and(|b| b.ports == staged.built.ports);
        let keeps = entry.built.as_ref().is_some_and(|b| b.shape.is_some()) && staged.built.shape.is_some();
        let keeps = keeps && swap.ask.act != Act::Restart;
        let ticks = same && entry.is_declared() && !entry.no_ticks && entry.rate != Rate::OnMail;
        let port = |(at, port): (usize, &Port)| {
            let buffer = match entry.ports.get(at).filter(|_| same) {
                Some(PortUse::Writes(buffer)) => Some((*buffer, true)),
                Some(PortUse::Reads { buffer, .. }) => Some((*buffer, false)),
                _ => None,
            };
            let info = buffer.and_then(|(buffer, _)| self.contracts.buffer(buffer));
            ShadowPort {
                name: port.name.clone(),
                buffer: buffer.filter(|_| info.is_some()),
                capacity: info.map_or(0, |i| i.capacity()),
                element_size: info.map_or(1, |i| i.element.size),
                history: info.is_some_and(|i| i.history),
            }
        };
        let mut record = Record::default();
        (record.frame, record.time_ns, record.screen_px) = (self.frame, self.time_ns, self.options.screen_px);
        record.params_version = entry.params_version;
        // They fit: the build was judged by them.
        record.params = match check_params(&entry.scene, &staged.built.ports) {
            Ok(checked) => checked.encoded.into(),
            Err(_) => Arc::clone(&entry.params),
        };
        let (start, rights) = self.terms(entry);
        let job = Job {
            name: Arc::clone(&entry.name),
            built: staged.built.clone(),
            services: Arc::clone(&self.services),
            start,
            rights,
            ends: self.closer.ends(),
            ports: staged.built.ports.ports.iter().enumerate().map(port).collect(),
            record,
            list: entry.list.clone(),
            load_fails: entry.load_fault.is_some(),
            keeps,
        };
        tracing::info!(cell = &*entry.name, "{} is tried in a shadow; the old one runs on", staged.subject);
        match Shadow::start(job, if ticks { SHADOW_TICKS } else { 0 }) {
            Ok(shadow) => {
                let phase = Phase::Shadowing { staged: Box::new(staged), shadow };
                self.cells[n].swap = Some(Box::new(Swap { phase, ..swap }));
                // One without ticks may be done by now; in lockstep it is waited for.
                !ticks && self.options.lockstep
            }
            Err(error) => {
                self.refuse(
                    n,
                    &swap,
                    &staged.subject,
                    &format!("there is no thread for its shadow: {error}"),
                );
                false
            }
        }
    }

    pub(super) fn step_shadow(
        &mut self,
        n: usize,
        mut swap: Swap,
        mut staged: Box<Staged>,
        shadow: Shadow,
    ) -> bool {
        let entry = &self.cells[n];
        if matches!(entry.life, Life::Waiting { .. } | Life::Down { .. }) {
            // There is no old one any more that could go on.
            shadow.stop();
            return self.make(n, swap, *staged);
        }
        if !entry.is_declared() || entry.no_ticks {
            // Nothing more comes, and in lockstep it would be waited for.
            shadow.copy_no_more();
        }
        match shadow.poll(self.options.lockstep) {
            Err(shadow) => {
                swap.phase = Phase::Shadowing { staged, shadow };
                self.cells[n].swap = Some(Box::new(swap));
                false
            }
            Ok(Verdict::Passed { words, loaded_in }) => {
                staged.patience = (loaded_in * 4).clamp(LEAST_PATIENCE, LOAD_LIMIT);
                tracing::info!(cell = &*entry.name, "{}: {words}", staged.subject);
                self.swaps.tell_shadow(swap.number, words);
                self.make(n, swap, *staged)
            }
            Ok(Verdict::Rejected(why)) => {
                self.swaps.tell_shadow(swap.number, why.clone());
                self.cells[n].rejected = Some(staged.built.path.clone());
                self.refuse(n, &swap, &staged.subject, &why);
                false
            }
        }
    }
}
