//! `with: (..)` against what the cell's library declares.
use crate::fault::{Faults, SceneFault, Span, quoted};
use crate::node::{Entry, Node, Number, Value};
use crate::scene::SceneCell;
use crate::{suggest, trust};
use cell_abi::ports::{Param, ParamKind, ParamValue, PortTable};
use std::collections::HashMap;

/// A cell's parameters, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckedParams {
    /// The values (defaults where the scene is silent), encoded as [`ParamKind`] describes.
    pub encoded: Vec<u8>,
    /// The files that parameters name, in the table's order.
    pub assets: Vec<AssetParam>,
}

/// A parameter that names a file of the assets folder. Whether it exists is for the host to find out; it reports with
/// [`SceneCell::fault_at`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetParam {
    /// The parameter, `gltf` or `group.gltf`.
    pub param: String,
    /// The path below the assets folder, with `/`; it never leaves the folder.
    pub path: String,
    /// Where the scene says so, or the cell's place for a default.
    pub span: Span,
}

/// Checks the parameters that `cell` was given against its table and encodes them; of an untrusted cell also whether it
/// was granted what it binds.
///
/// # Errors
/// Every fault: unknown, doubled and missing parameters, wrong types and counts, numbers that are not finite or do not
/// fit, paths that leave the assets folder, names and assets that were not granted.
pub fn check_params(cell: &SceneCell, table: &PortTable) -> Result<CheckedParams, Vec<SceneFault>> {
    let mut check = Check { table, faults: cell.faults(), given: HashMap::new(), groups: HashMap::new() };
    let nothing = Vec::new();
    let fields = match cell.with.node.as_ref().map(|n| &n.value) {
        Some(Value::Record(fields)) => fields,
        _ => &nothing,
    };
    check.level(fields, None);
    let place = cell
        .with
        .node
        .as_ref()
        .map_or(cell.cell_span, |n| Span { start: n.span.start, end: n.span.start + 1 });
    let (mut out, mut preceded) = (CheckedParams::default(), Vec::new());
    for p in &table.params {
        let group = p.name.split_once('.').map(|(g, _)| g);
        let there = group.is_none_or(|g| !check.is_optional(g) || check.groups.contains_key(g));
        if let Some(g) = group.filter(|g| check.is_optional(g) && !preceded.contains(g)) {
            ParamValue::Bool(there).encode(&mut out.encoded);
            preceded.push(g);
        }
        let (value, span) = match (check.given.remove(p.name.as_str()), &p.default) {
            (Some((value, span)), _) => (value, span),
            (None, Some(default)) => (Some(default.clone()), cell.cell_span),
            (None, None) if there => {
                let at = group.and_then(|g| check.groups.get(g)).copied().unwrap_or(place);
                let what = format!("the parameter `{}` is missing ({})", p.name, article(p.kind));
                check.faults.add_help(at, what, format!("write `{}`", example(p)));
                continue;
            }
            (None, None) => (Some(ParamValue::zero(p.kind)), cell.cell_span),
        };
        let Some(value) = value else { continue };
        value.encode(&mut out.encoded);
        if let (ParamKind::Asset, ParamValue::Text(path), true) = (p.kind, value, there) {
            if cell.trust.grants().is_some_and(|g| !g.may_open(&path)) {
                let what =
                    format!("`{}` is untrusted and was not granted the asset {}", cell.name, quoted(&path));
                let help = format!(
                    "if it may open it, write `trust: Untrusted(.., assets: [\"{}\"])`",
                    path.escape_default()
                );
                check.faults.add_help(span, what, help);
            }
            out.assets.push(AssetParam { param: p.name.clone(), path, span });
        }
    }
    let mut faults = trust::check(cell, table);
    if check.faults.is_empty() && faults.is_empty() {
        return Ok(out);
    }
    faults.extend(check.faults.into_list());
    Err(faults)
}

struct Check<'a> {
    table: &'a PortTable,
    faults: Faults<'a>,
    /// What the scene gave for a parameter; no value where it was faulty.
    given: HashMap<&'a str, (Option<ParamValue>, Span)>,
    /// The groups that the scene gave, and where.
    groups: HashMap<&'a str, Span>,
}

impl<'a> Check<'a> {
    fn is_optional(&self, group: &str) -> bool {
        self.table.optional_groups.iter().any(|g| g == group)
    }

    /// Checks the fields of the parameters or of one group.
    fn level(&mut self, fields: &[Entry], group: Option<&'a str>) {
        let table = self.table;
        for field in fields {
            if self.faults.is_full() {
                return;
            }
            let full = group.map_or(field.name.clone(), |g| format!("{g}.{}", field.name));
            let param = table.params.iter().find(|p| p.name == full);
            let inner = (group.is_none())
                .then(|| {
                    table.params.iter().find_map(|p| p.name.split_once('.').filter(|(g, _)| *g == field.name))
                })
                .flatten()
                .map(|(g, _)| g);
            let doubled = param.is_some_and(|p| self.given.contains_key(p.name.as_str()))
                || inner.is_some_and(|g| self.groups.contains_key(g));
            if doubled {
                self.faults.add(field.name_span, format!("the parameter `{full}` is given twice"));
            } else if let Some(p) = param {
                let value = self.value(p, &field.value);
                self.given.insert(&p.name, (value, field.value.span));
            } else if let Some(g) = inner {
                self.groups.insert(g, field.name_span);
                match &field.value.value {
                    Value::Record(members) => self.level(members, Some(g)),
                    Value::Unit => {}
                    other => {
                        let what = format!("`{g}` is a group of parameters, found {}", other.found());
                        let help = format!("write `{g}: ({}: ..)`", self.members(g).first().unwrap_or(&".."));
                        self.faults.add_help(field.value.span, what, help);
                        // Its members count as given: the fault above is the one that matters.
                        for p in table
                            .params
                            .iter()
                            .filter(|p| p.name.split_once('.').is_some_and(|(x, _)| x == g))
                        {
                            self.given.insert(&p.name, (None, field.value.span));
                        }
                    }
                }
            } else {
                self.unknown(field, group);
            }
        }
    }

    fn unknown(&mut self, field: &Entry, group: Option<&str>) {
        let table = self.table;
        let name = field.name.as_str();
        let what = match group {
            Some(g) => format!("`{g}` has no parameter {}", quoted(name)),
            None => format!("`{}` has no parameter {}", table.name, quoted(name)),
        };
        let known: Vec<&str> = group.map_or_else(|| self.tops(), |g| self.members(g));
        let elsewhere = table.params.iter().find(|p| p.name.rsplit('.').next() == Some(name));
        let help = match (suggest::nearest(name, known.iter().copied()), elsewhere) {
            (None, Some(p)) => Some(match p.name.split_once('.') {
                Some((g, m)) => format!("it belongs into a group: `{g}: ({m}: ..)`"),
                None => format!("`{name}` stands outside of the group"),
            }),
            (None, None) if known.is_empty() => Some("this cell has no parameters".to_owned()),
            _ => suggest::help(name, &known),
        };
        self.faults.push(field.name_span, what, help);
    }

    /// The names at the top: parameters and groups.
    fn tops(&self) -> Vec<&'a str> {
        let mut tops: Vec<&str> = self
            .table
            .params
            .iter()
            .map(|p| p.name.split_once('.').map_or(p.name.as_str(), |(g, _)| g))
            .collect();
        tops.dedup();
        tops
    }

    fn members(&self, group: &str) -> Vec<&'a str> {
        let member = |p: &'a Param| p.name.split_once('.').filter(|(g, _)| *g == group).map(|(_, m)| m);
        self.table.params.iter().filter_map(member).collect()
    }

    /// Returns the value, or `None` with a fault noted.
    fn value(&mut self, p: &Param, node: &Node) -> Option<ParamValue> {
        match (p.kind, &node.value) {
            (ParamKind::F32, Value::Number(n)) => {
                self.float(p, *n, node.span).map(|x| ParamValue::Floats(vec![x]))
            }
            (ParamKind::Vec2 | ParamKind::Vec3 | ParamKind::Vec4, Value::List(items)) => {
                self.vector(p, items, node)
            }
            (ParamKind::U32, Value::Number(n)) => {
                let value = n.int.and_then(|i| u32::try_from(i).ok()).map(ParamValue::U32);
                value.or_else(|| self.out_of(p, node, "a whole number from 0 to 4294967295"))
            }
            (ParamKind::I32, Value::Number(n)) => {
                let value = n.int.and_then(|i| i32::try_from(i).ok()).map(ParamValue::I32);
                value.or_else(|| self.out_of(p, node, "a whole number from -2147483648 to 2147483647"))
            }
            (ParamKind::Bool, Value::Bool(b)) => Some(ParamValue::Bool(*b)),
            (ParamKind::Text, Value::Text(t)) => Some(ParamValue::Text(t.clone())),
            (ParamKind::Asset, Value::Text(t)) => match asset_fault(t) {
                None => Some(ParamValue::Text(t.clone())),
                Some(what) => {
                    let help = "name a file below the assets folder, like `\"hdr/sunset.exr\"`";
                    self.faults.add_help(node.span, format!("`{}`: {what}", p.name), help);
                    None
                }
            },
            (_, other) => {
                let what = format!("`{}` is {}, found {}", p.name, article(p.kind), other.found());
                self.faults.add_help(node.span, what, format!("write `{}`", example(p)));
                None
            }
        }
    }

    fn vector(&mut self, p: &Param, items: &[Node], node: &Node) -> Option<ParamValue> {
        if items.len() != p.kind.floats() {
            let what = format!("`{}` is {}, found {}", p.name, article(p.kind), items.len());
            self.faults.add_help(node.span, what, format!("write `{}`", example(p)));
            return None;
        }
        let mut floats = Vec::with_capacity(items.len());
        for item in items {
            match &item.value {
                Value::Number(n) => floats.extend(self.float(p, *n, item.span)),
                other => {
                    let what = format!("expected a number in `{}`, found {}", p.name, other.found());
                    self.faults.add(item.span, what);
                }
            }
        }
        (floats.len() == items.len()).then_some(ParamValue::Floats(floats))
    }

    fn float(&mut self, p: &Param, n: Number, span: Span) -> Option<f32> {
        let x = n.float as f32;
        if !n.float.is_finite() {
            self.faults.add(span, format!("`{}` takes finite numbers only", p.name));
        } else if !x.is_finite() {
            self.faults.add(span, format!("the number is too large for `{}` (32-bit float)", p.name));
        }
        x.is_finite().then_some(x)
    }

    fn out_of(&mut self, p: &Param, node: &Node, range: &str) -> Option<ParamValue> {
        self.faults.add(node.span, format!("`{}` is {range}, found {}", p.name, node.value.found()));
        None
    }
}

/// Says what is wrong with a path, if anything.
fn asset_fault(path: &str) -> Option<&'static str> {
    let drive = path.as_bytes().get(1) == Some(&b':');
    if path.is_empty() {
        Some("the path is empty")
    } else if path.starts_with('/') || drive {
        Some("the path is absolute")
    } else if path.contains('\\') {
        Some("the path has a backslash; folders are separated by `/`")
    } else if path.chars().any(char::is_control) {
        Some("the path has control characters")
    } else if path.split('/').any(|part| part == "..") {
        Some("the path leaves the assets folder")
    } else if path.split('/').any(|part| part.is_empty() || part == ".") {
        Some("the path has an empty part")
    } else {
        None
    }
}

const fn article(kind: ParamKind) -> &'static str {
    match kind {
        ParamKind::F32 => "a number",
        ParamKind::U32 | ParamKind::I32 => "a whole number",
        ParamKind::Bool => "`true` or `false`",
        ParamKind::Vec2 => "2 numbers",
        ParamKind::Vec3 => "3 numbers",
        ParamKind::Vec4 => "4 numbers",
        ParamKind::Text => "a text",
        ParamKind::Asset => "the path of an asset",
    }
}

/// How the parameter would be written.
fn example(p: &Param) -> String {
    let value = match p.kind {
        ParamKind::F32 => "1.0",
        ParamKind::U32 | ParamKind::I32 => "1",
        ParamKind::Bool => "true",
        ParamKind::Vec2 => "(0, 0)",
        ParamKind::Vec3 => "(0, 0, 0)",
        ParamKind::Vec4 => "(0, 0, 0, 1)",
        ParamKind::Text => "\"..\"",
        ParamKind::Asset => "\"folder/file\"",
    };
    format!("{}: {value}", p.name.rsplit('.').next().unwrap_or(&p.name))
}
