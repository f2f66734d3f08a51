//! From the tree to a scene.
use crate::fault::{Faults, SceneFault, Source, Span, quoted};
use crate::node::{self, Entry, Node, Value};
use crate::scene::{CellRef, MAX_BYTES, MAX_CELLS, MAX_CHECKPOINT_S, Params, Placement, Scene, SceneCell};
use crate::{brackets, suggest};
use cell_abi::input::Key;
use cell_abi::ports::Rate;
use std::sync::Arc;

mod limits;

const WORLD: [&str; 4] = ["name", "rate", "seed", "cells"];
const CELL: [&str; 10] =
    ["cell", "name", "at", "rate", "with", "on", "enabled", "checkpoint", "trust", "quotas"];
const PLACES: [&str; 2] = ["Thread", "Process"];
const EXAMPLE: &str = "a scene looks like `World(name: \"..\", cells: [(cell: \"tonemap\")])`";

pub(crate) fn scene(path: &str, bytes: &[u8]) -> Result<Scene, Vec<SceneFault>> {
    let whole = |text: &str, what: String, help: &str| {
        let at = Span { start: text.len(), end: text.len() };
        vec![Source::new(path, text).fault(at, what, Some(help.to_owned()), None)]
    };
    if bytes.len() > MAX_BYTES {
        let what = format!("the file has {} bytes; a scene has at most {MAX_BYTES}", bytes.len());
        return Err(whole("", what, "big data belongs into assets that the scene names"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => {
            let good = String::from_utf8_lossy(&bytes[..e.valid_up_to()]);
            return Err(whole(&good, "the file is not UTF-8 text from here on".into(), "save it as UTF-8"));
        }
    };
    if text.trim().is_empty() {
        return Err(whole("", "the scene is empty".into(), EXAMPLE));
    }
    let source = Source::new(path, text);
    let mut faults = Faults::new(&source);
    brackets::check(&source, &mut faults);
    let root = if faults.is_empty() { node::parse(&source, &mut faults) } else { None };
    let scene = root.and_then(|root| Reader { faults: &mut faults, source: &source }.world(&root));
    match scene {
        Some(scene) if faults.is_empty() => Ok(scene),
        _ => Err(faults.into_list()),
    }
}

struct Reader<'a, 's> {
    faults: &'a mut Faults<'s>,
    source: &'s Arc<Source>,
}

impl Reader<'_, '_> {
    fn world(&mut self, root: &Node) -> Option<Scene> {
        let nothing = Vec::new();
        let (body, fields) = match &root.value {
            Value::Word(word, _, Some(body)) if word == "World" => match &body.value {
                Value::Record(fields) => (body, fields),
                Value::Unit => (body, &nothing),
                _ => {
                    self.faults.add_help(body.span, "`World` has named fields", EXAMPLE);
                    return None;
                }
            },
            Value::Word(word, span, _) if word != "World" => {
                self.faults.add_help(
                    *span,
                    format!("expected `World(..)`, found {}", root.value.found()),
                    EXAMPLE,
                );
                return None;
            }
            value => {
                let at = Span { start: root.span.start, end: root.span.start + 1 };
                self.faults.add_help(at, format!("expected `World(..)`, found {}", value.found()), EXAMPLE);
                return None;
            }
        };
        let fields = self.fields(fields, "the world", &WORLD);
        let name = fields.get("name").and_then(|n| self.title(n)).unwrap_or_else(|| stem(self.source.path()));
        let rate = fields.get("rate").and_then(|n| self.hertz(n)).unwrap_or(60);
        let seed = fields.get("seed").and_then(|n| self.seed(n)).unwrap_or(0);
        let cells = match fields.get("cells") {
            Some(Node { value: Value::List(list), .. }) => self.cells(list),
            Some(Node { value: Value::Unit, .. }) => Vec::new(),
            Some(other) => {
                self.expected(other, "a list: `cells: [(cell: \"..\"), ..]`");
                Vec::new()
            }
            None => {
                let at = Span { start: body.span.start, end: body.span.start + 1 };
                self.faults.add_help(at, "the world has no `cells`", EXAMPLE);
                Vec::new()
            }
        };
        Some(Scene { name, rate, seed, cells })
    }

    fn cells(&mut self, list: &[Node]) -> Vec<SceneCell> {
        let mut cells: Vec<SceneCell> = Vec::with_capacity(list.len());
        let mut places = std::collections::HashMap::new();
        if let Some(first_beyond) = list.get(MAX_CELLS) {
            let what = format!("the scene has {} cells; a scene has at most {MAX_CELLS}", list.len());
            let help = "one cell holds many things: let its entities or its buffers hold them";
            self.faults.add_help(first_beyond.span, what, help);
        }
        for entry in list.iter().take(MAX_CELLS) {
            if self.faults.is_full() {
                break;
            }
            self.faults.in_cell(None);
            let Some((cell, named_at)) = self.cell(entry) else { continue };
            let first = *places.entry(cell.name.clone()).or_insert(named_at.start);
            if first != named_at.start {
                let line = self.source.line_of(first);
                let what = format!("two cells are called `{}`; the first is in line {line}", cell.name);
                let help = format!("give this one its own name: `name: \"{}-2\"`", cell.name);
                self.faults.add_help(named_at, what, help);
            }
            cells.push(cell);
        }
        self.faults.in_cell(None);
        cells
    }

    /// Returns the cell and where its name stands.
    fn cell(&mut self, entry: &Node) -> Option<(SceneCell, Span)> {
        let Value::Record(list) = &entry.value else {
            let named = match &entry.value {
                Value::Text(t) => Some(t),
                Value::List(list) => match list.as_slice() {
                    [Node { value: Value::Text(t), .. }] => Some(t),
                    _ => None,
                },
                _ => None,
            };
            let help = match (named, &entry.value) {
                (Some(t), _) => format!("write `(cell: \"{}\")`", quoted(t).trim_matches('`')),
                (None, Value::Other("a map", _)) => "use round brackets: `(cell: \"..\")`".to_owned(),
                (None, _) => "write `(cell: \"..\")`".to_owned(),
            };
            let what = format!("expected a cell, found {}", entry.value.found());
            self.faults.add_help(entry.span, what, help);
            return None;
        };
        // The name comes first: every other fault names the cell.
        let find = |name: &str| list.iter().find(|e| e.name == name).map(|e| &e.value);
        let called = [find("name"), find("cell")].into_iter().flatten().find_map(|n| match &n.value {
            Value::Text(t) => Some(t.clone()),
            _ => None,
        });
        let called = called.map(|c| quoted(&stem(&c)).trim_matches('`').to_owned());
        self.faults.in_cell(called.as_deref());

        let fields = self.fields(list, "a cell", &CELL);
        let Some(cell_node) = fields.get("cell") else {
            let meant = |e: &Entry| e.name != "cell" && suggest::nearest(&e.name, CELL) == Some("cell");
            if list.iter().any(meant) {
                return None;
            }
            let at = Span { start: entry.span.start, end: entry.span.start + 1 };
            self.faults.add_help(
                at,
                "this entry does not say which cell it is",
                "write `cell: \"..\"` first",
            );
            return None;
        };
        let cell = self.cell_ref(cell_node);
        let (trust, gpu_ms) = self.trust(fields.get("trust"), cell.as_ref());
        let at = self.place(&fields, &trust);
        let quotas = self.quotas(fields.get("quotas"), &trust, gpu_ms);
        let trust_span = fields.get("trust").map_or(cell_node.span, |n| n.span);
        let rate = fields.get("rate").and_then(|n| self.rate(n));
        let on = fields.get("on").and_then(|n| self.key(n));
        let enabled = match fields.get("enabled") {
            Some(Node { value: Value::Bool(b), .. }) => *b,
            Some(other) => {
                let what = format!("expected `true` or `false`, found {}", other.value.found());
                let lower = match &other.value {
                    Value::Word(w, _, None) => w.to_lowercase(),
                    _ => String::new(),
                };
                let meant = matches!(&*lower, "true" | "false").then(|| format!("write `enabled: {lower}`"));
                self.faults.push(other.span, what, meant);
                true
            }
            None => on.is_none(),
        };
        let checkpoint = fields.get("checkpoint").and_then(|n| self.checkpoint(n));
        let with = fields.get("with").cloned();
        if let Some(Node { span, value }) = &with
            && !matches!(value, Value::Record(_) | Value::Unit)
        {
            let what = format!("expected named parameters, found {}", value.found());
            self.faults.add_help(*span, what, "write `with: (name: value)`");
        }
        let cell = cell?;
        let (name, named_at) = match fields.get("name") {
            Some(node) => (self.instance_name(node)?, node.span),
            None => (stem(cell.as_str()), cell_node.span),
        };
        if !is_name(&name) {
            let what = format!("{} cannot be a cell's name", quoted(&name));
            self.faults.add_help(named_at, what, "give it one of letters, digits, `-`, `_`: `name: \"..\"`");
            return None;
        }
        let (source, cell_span, with) = (self.source.clone(), cell_node.span, Params { node: with });
        let at = at?;
        let cell = SceneCell {
            name,
            cell,
            at,
            rate,
            on,
            enabled,
            checkpoint,
            trust,
            quotas,
            with,
            source,
            cell_span,
            trust_span,
        };
        Some((cell, named_at))
    }

    fn cell_ref(&mut self, node: &Node) -> Option<CellRef> {
        let text = self.text(node)?;
        if text.ends_with(".so") && !text.contains('\0') {
            return Some(CellRef::Library(text));
        }
        if !is_name(&text) || text.contains('.') {
            let what = format!("{} is neither a cell's name nor a path that ends in `.so`", quoted(&text));
            self.faults.add_help(node.span, what, "a cell is named as its folder in `cells/`");
            return None;
        }
        Some(CellRef::Crate(text))
    }

    fn instance_name(&mut self, node: &Node) -> Option<String> {
        self.text(node)
    }

    fn placement(&mut self, node: &Node) -> Option<Placement> {
        let word = match &node.value {
            Value::Word(word, _, None) => word,
            Value::Word(word, _, Some(_)) if word == "Remote" => {
                let help = "use `Thread` or `Process` for now";
                self.faults.add_help(node.span, "`Remote` comes with a later release", help);
                return None;
            }
            Value::Text(word) if PLACES.contains(&word.as_str()) => {
                let what = format!("expected a place, found {}", node.value.found());
                self.faults.add_help(node.span, what, format!("leave the quotes out: `at: {word}`"));
                return None;
            }
            other => {
                let what = format!("expected a place, found {}", other.found());
                self.faults.add_help(node.span, what, "there is `Thread`, `Process`");
                return None;
            }
        };
        match word.as_str() {
            "Thread" => Some(Placement::Thread),
            "Process" => Some(Placement::Process),
            other => {
                let what = format!("{} is no place to run a cell", quoted(other));
                self.faults.push(node.span, what, suggest::help(other, &PLACES));
                None
            }
        }
    }

    fn rate(&mut self, node: &Node) -> Option<Rate> {
        match &node.value {
            Value::Word(word, _, None) if word == "OnMail" => Some(Rate::OnMail),
            Value::Word(..) => {
                let what = format!("expected a rate, found {}", node.value.found());
                self.faults.add_help(node.span, what, "write ticks per second, or `OnMail`");
                None
            }
            Value::Number(n) if n.int == Some(0) => {
                let help = "for a cell that ticks only when it has mail write `rate: OnMail`";
                self.faults.add_help(node.span, "a cell cannot tick `0` times per second", help);
                None
            }
            _ => self.hertz(node).map(Rate::Hz),
        }
    }

    fn hertz(&mut self, node: &Node) -> Option<u32> {
        let number = match &node.value {
            Value::Number(n) => n,
            other => {
                let what = format!("expected a number of ticks per second, found {}", other.found());
                self.faults.add(node.span, what);
                return None;
            }
        };
        match number.int {
            Some(hz @ 1..=1000) => u32::try_from(hz).ok(),
            _ => {
                let what = format!("the rate {} is not a whole number from 1 to 1000", node.value.found());
                self.faults.add(node.span, what);
                None
            }
        }
    }

    fn checkpoint(&mut self, node: &Node) -> Option<f64> {
        let Value::Number(n) = &node.value else {
            self.expected(node, "a number of seconds between two checkpoints");
            return None;
        };
        if n.float > 0.0 && n.float <= MAX_CHECKPOINT_S {
            return Some(n.float);
        }
        let what = format!("`{}` is no time between two checkpoints", n.float);
        let help =
            format!("write seconds above 0, at most {MAX_CHECKPOINT_S}; without the line there are none");
        self.faults.add_help(node.span, what, help);
        None
    }

    fn seed(&mut self, node: &Node) -> Option<u64> {
        let seed = match &node.value {
            Value::Number(n) => n.int.and_then(|i| u64::try_from(i).ok()),
            _ => None,
        };
        if seed.is_none() {
            self.expected(node, "a whole number from 0 to 18446744073709551615");
        }
        seed
    }

    fn title(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        if text.chars().any(char::is_control) || text.len() > 200 {
            self.faults.add(node.span, "a world's name has at most 200 bytes and no control characters");
            return None;
        }
        Some(text)
    }

    fn key(&mut self, node: &Node) -> Option<Key> {
        let text = match &node.value {
            Value::Text(text) => text,
            other => {
                let what = format!("expected a key in quotes, found {}", other.found());
                self.faults.add_help(node.span, what, "for example `on: \"F1\"`");
                return None;
            }
        };
        let key = Key::from_name(text);
        if key.is_none() {
            let other_name = match text.to_ascii_lowercase().as_str() {
                "esc" => Some("Escape"),
                "return" => Some("Enter"),
                "shift" => Some("ShiftLeft"),
                "ctrl" | "control" => Some("ControlLeft"),
                "alt" => Some("AltLeft"),
                _ => None,
            };
            let digit =
                (text.len() == 1 && text.as_bytes()[0].is_ascii_digit()).then(|| format!("Digit{text}"));
            let names = Key::ALL.iter().map(|k| k.name());
            let near = other_name
                .map(str::to_owned)
                .or(digit)
                .or_else(|| suggest::nearest(text, names).map(str::to_owned));
            let help = near.map(|n| format!("did you mean `{n}`?"));
            self.faults.push(node.span, format!("there is no key {}", quoted(text)), help);
        }
        key
    }

    fn text(&mut self, node: &Node) -> Option<String> {
        match &node.value {
            Value::Text(text) => Some(text.clone()),
            Value::Word(word, _, None) => {
                let what = format!("expected a text, found {}", quoted(word));
                self.faults.add_help(node.span, what, format!("put it in quotes: `\"{word}\"`"));
                None
            }
            _ => {
                self.expected(node, "a text in quotes");
                None
            }
        }
    }

    fn expected(&mut self, node: &Node, what: &str) {
        self.faults.add(node.span, format!("expected {what}, found {}", node.value.found()));
    }

    /// Sorts fields by name; notes those that are unknown or doubled.
    fn fields<'n>(&mut self, list: &'n [Entry], of: &str, known: &[&str]) -> Fields<'n> {
        let mut fields = Fields(Vec::with_capacity(list.len()));
        for e in list {
            if self.faults.is_full() {
                break;
            }
            if !known.contains(&e.name.as_str()) {
                let what = format!("{of} has no field {}", quoted(&e.name));
                let nowhere_near = suggest::nearest(&e.name, known.iter().copied()).is_none();
                let help = if of == "a cell" && nowhere_near {
                    Some(format!(
                        "if it is a parameter, write it in `with: ({}: ..)`",
                        quoted(&e.name).trim_matches('`')
                    ))
                } else {
                    suggest::help(&e.name, known)
                };
                self.faults.push(e.name_span, what, help);
            } else if fields.get(&e.name).is_some() {
                self.faults.add(e.name_span, format!("`{}` is given twice", e.name));
            } else {
                fields.0.push((&e.name, &e.value));
            }
        }
        fields
    }
}

struct Fields<'n>(Vec<(&'n str, &'n Node)>);

impl<'n> Fields<'n> {
    fn get(&self, name: &str) -> Option<&'n Node> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, node)| *node)
    }
}

/// Returns the file's name without folders and ending.
fn stem(path: &str) -> String {
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
    file.strip_suffix(".so").or_else(|| file.strip_suffix(".ron")).unwrap_or(file).to_owned()
}

/// Names become parts of file names, routes and messages.
fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
}
