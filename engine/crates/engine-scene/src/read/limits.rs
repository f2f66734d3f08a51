//! `quotas: (..)` and `trust: ..`: what a cell may take and use.
use super::{Fields, Reader};
use crate::fault::quoted;
use crate::node::{Node, Value};
use crate::quotas::{Quota, Quotas};
use crate::scene::{CellRef, Placement};
use crate::suggest;
use crate::trust::{Grants, Trust};

const TRUSTS: [&str; 2] = ["Own", "Untrusted"];
const GRANTS: [&str; 5] = ["read", "write", "send", "assets", "gpu_ms"];

impl Reader<'_, '_> {
    /// Returns whose code the cell is, and the GPU time that stands among its grants.
    pub(super) fn trust(&mut self, node: Option<&Node>, cell: Option<&CellRef>) -> (Trust, Option<f64>) {
        let Some(node) = node else {
            // A library that was not built here is a stranger's until the scene says otherwise.
            return match cell {
                Some(CellRef::Library(_)) => (Trust::Untrusted(Grants::default()), None),
                _ => (Trust::Own, None),
            };
        };
        let nothing = Vec::new();
        let list = match &node.value {
            Value::Word(word, _, None) if word == "Own" => return (Trust::Own, None),
            Value::Word(word, _, None) if word == "Untrusted" => &nothing,
            Value::Word(word, _, Some(body)) if word == "Untrusted" => match &body.value {
                Value::Record(list) => list,
                Value::Unit => &nothing,
                other => {
                    let what = format!("expected named grants, found {}", other.found());
                    self.faults.add_help(
                        body.span,
                        what,
                        "write `Untrusted(read: [\"..\"], write: [\"..\"])`",
                    );
                    &nothing
                }
            },
            Value::Word(word, span, _) => {
                let what = format!("{} is no trust", quoted(word));
                self.faults.push(*span, what, suggest::help(word, &TRUSTS));
                &nothing
            }
            other => {
                let what = format!("expected `Own` or `Untrusted(..)`, found {}", other.found());
                self.faults.add(node.span, what);
                &nothing
            }
        };
        let fields = self.fields(list, "`Untrusted`", &GRANTS);
        let mut names = |field: &str| fields.get(field).map(|n| self.names(n)).unwrap_or_default();
        let grants = Grants {
            read: names("read"),
            write: names("write"),
            send: names("send"),
            assets: names("assets"),
        };
        let gpu_ms = fields.get("gpu_ms").and_then(|n| self.quota(Quota::GpuMs, n));
        (Trust::Untrusted(grants), gpu_ms)
    }

    fn names(&mut self, node: &Node) -> Vec<String> {
        match &node.value {
            Value::List(list) => list.iter().filter_map(|n| self.text(n)).collect(),
            Value::Text(name) => {
                let what = format!("expected a list of names, found {}", node.value.found());
                self.faults.add_help(
                    node.span,
                    what,
                    format!("write `[{}]`", quoted(&format!("\"{name}\"")).trim_matches('`')),
                );
                Vec::new()
            }
            Value::Unit => Vec::new(),
            _ => {
                self.expected(node, "a list of names: `[\"..\"]`");
                Vec::new()
            }
        }
    }

    /// Returns what the cell may take.
    pub(super) fn quotas(&mut self, node: Option<&Node>, trust: &Trust, gpu_ms: Option<f64>) -> Quotas {
        let mut quotas = if trust.is_untrusted() { Quotas::untrusted() } else { Quotas::own() };
        if let Some(ms) = gpu_ms {
            quotas.give(Quota::GpuMs, ms);
        }
        let list = match node.map(|n| (&n.value, n)) {
            None | Some((Value::Unit, _)) => return quotas,
            Some((Value::Record(list), _)) => list,
            Some((other, node)) => {
                let what = format!("expected named quotas, found {}", other.found());
                self.faults.add_help(node.span, what, "write `quotas: (memory_mib: 512)`");
                return quotas;
            }
        };
        let fields = self.fields(list, "`quotas`", &Quota::ALL.map(Quota::name));
        for quota in Quota::ALL {
            let Some(node) = fields.get(quota.name()) else { continue };
            if quotas.is_given(quota) {
                let what = format!("`{}` is given twice: here and in `trust`", quota.name());
                self.faults.add_help(node.span, what, "leave one of them out");
            } else if let Some(value) = self.quota(quota, node) {
                quotas.give(quota, value);
            }
        }
        quotas
    }

    fn quota(&mut self, quota: Quota, node: &Node) -> Option<f64> {
        let whole = if quota.is_whole() { "a whole number" } else { "a number" };
        let allowed = format!("{whole} from {} to {}", quota.allowed().start(), quota.allowed().end());
        let Value::Number(n) = &node.value else {
            self.expected(node, &allowed);
            return None;
        };
        let fits = quota.allowed().contains(&n.float) && (n.float.fract() == 0.0 || !quota.is_whole());
        if !fits {
            let what = format!("`{}` is {allowed}, found {}", quota.name(), node.value.found());
            self.faults.add(node.span, what);
        }
        fits.then_some(n.float)
    }

    /// Returns where the cell runs: a stranger's in a process.
    pub(super) fn place(&mut self, fields: &Fields<'_>, trust: &Trust) -> Option<Placement> {
        let Some(node) = fields.get("at") else {
            return Some(if trust.is_untrusted() { Placement::Process } else { Placement::Thread });
        };
        let place = self.placement(node)?;
        if trust.is_untrusted() && place == Placement::Thread {
            let (what, help) = match fields.get("trust") {
                Some(_) => (
                    "an untrusted cell does not run on a thread of the engine",
                    "write `at: Process`, or leave `at` out",
                ),
                None => (
                    "a library that was not built here is untrusted and does not run on a thread of the engine",
                    "write `at: Process, trust: Untrusted(read: [\"..\"], write: [\"..\"])` with the names it may use; or `trust: Own`, if \
                     you answer for its code",
                ),
            };
            self.faults.add_help(node.span, what, help);
            return None;
        }
        Some(place)
    }
}
