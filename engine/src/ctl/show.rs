//! Tables and graphs as text.
use super::protocol::Metrics;
use engine_host::{
    CellMetrics, Load, Standing,
    graph::{NameKind, WorldGraph},
};
use engine_scene::Placement;
use std::fmt::Write as _;

/// Returns `rows` below a heading, in columns as wide as they need be; those named in `right` are aligned to the right.
fn table(heading: &[&str], right: &[&str], rows: &[Vec<String>]) -> String {
    let heading_row: Vec<String> = heading.iter().map(|h| (*h).to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&heading_row).chain(rows).collect();
    let wide = |n: usize| all.iter().map(|r| r[n].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heading.len()).map(wide).collect();
    let mut text = String::new();
    for row in all {
        let mut line = String::new();
        for (n, cell) in row.iter().enumerate() {
            let width = widths[n];
            // Writing to a string cannot fail.
            let _ = if right.contains(&heading[n]) {
                write!(line, "{cell:>width$}  ")
            } else {
                write!(line, "{cell:<width$}  ")
            };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn place(m: &CellMetrics) -> String {
    match (m.placement, m.pid) {
        (Placement::Thread, _) => "thread".to_owned(),
        (Placement::Process, Some(pid)) => format!("process {pid}"),
        (Placement::Process, None) => "process".to_owned(),
    }
}

fn build(m: &CellMetrics) -> String {
    m.build.as_ref().map_or_else(|| "-".to_owned(), |b| b.chars().take(8).collect())
}

/// Returns the cells of an engine, a line each, and below why those are down that are.
pub(crate) fn list(m: &Metrics) -> String {
    let row =
        |c: &CellMetrics| vec![c.name.clone(), c.cell.clone(), c.state.name().to_owned(), place(c), build(c)];
    let rows: Vec<Vec<String>> = m.cells.iter().map(row).collect();
    let table = table(&["NAME", "CELL", "STATE", "RUNS", "BUILD"], &[], &rows);
    format!("{}{table}{}", head(m, None), reasons(m))
}

/// Returns what the cells of an engine cost. `before` is what they did up to an earlier moment, for rates.
pub(crate) fn top(m: &Metrics, before: Option<&Metrics>) -> String {
    let rows: Vec<Vec<String>> = m.cells.iter().map(row).collect();
    let heading = [
        "NAME", "STATE", "RUNS", "BUILD", "TICK us", "MEAN", "MAX", "GPU us", "SHARED", "SENT", "GOT",
        "LOST", "LATE", "SKIPPED", "RESTARTS", "RSS",
    ];
    format!("{}{}{}", head(m, before), table(&heading, &heading[4..], &rows), reasons(m))
}

/// Returns the least of it, for a place with few columns.
pub(crate) fn short(m: &Metrics) -> String {
    let heading = ["NAME", "STATE", "RUNS", "BUILD", "TICK us", "GPU us", "LATE", "RESTARTS", "RSS"];
    let us = |us: f64| format!("{us:.0}");
    let row = |c: &CellMetrics| {
        let gpu = c.gpu_us.map_or_else(|| "-".to_owned(), |g| us(g.mean_us));
        let state = c.state.name().to_owned();
        let counts = [c.late.to_string(), c.restarts.to_string(), bytes(c.rss_bytes)];
        [vec![c.name.clone(), state, place(c), build(c), us(c.tick_us.mean_us), gpu], counts.to_vec()]
            .concat()
    };
    let rows: Vec<Vec<String>> = m.cells.iter().map(row).collect();
    format!("{}{}", head(m, None), table(&heading, &heading[4..], &rows))
}

fn row(c: &CellMetrics) -> Vec<String> {
    let us = |us: f64| if us > 0.0 { format!("{us:.0}") } else { "-".to_owned() };
    let Load { last_us, mean_us, max_us } = c.tick_us;
    vec![
        c.name.clone(),
        c.state.name().to_owned(),
        place(c),
        build(c),
        us(last_us),
        us(mean_us),
        us(max_us),
        c.gpu_us.map_or_else(|| "-".to_owned(), |g| us(g.mean_us)),
        bytes(Some(c.shared_bytes)),
        c.sent.to_string(),
        c.received.to_string(),
        c.dropped.to_string(),
        c.late.to_string(),
        c.dropped_steps.to_string(),
        c.restarts.to_string(),
        bytes(c.rss_bytes),
    ]
}

fn head(m: &Metrics, before: Option<&Metrics>) -> String {
    let rates = before.filter(|b| m.up_ms > b.up_ms).map_or_else(String::new, |b| {
        let passed = (m.up_ms - b.up_ms) as f64;
        let frames = m.frame.saturating_sub(b.frame) as f64 * 1000.0 / passed;
        let cpu = m
            .cpu_ms
            .zip(b.cpu_ms)
            .map_or(0.0, |(now, then)| now.saturating_sub(then) as f64 * 100.0 / passed);
        format!(", {frames:.1} frames/s, {cpu:.0} % CPU")
    });
    let paused = if m.paused { ", PAUSED" } else { "" };
    format!(
        "`{}`, process {}: frame {}, up {:.0} s{rates}, {} of memory{paused}\n",
        m.engine.world,
        m.engine.pid,
        m.frame,
        m.up_ms as f64 / 1000.0,
        bytes(m.rss_bytes)
    )
}

/// Returns why cells are down, how the last instances of others ended, and what came of replacements that did not just
/// go well.
fn reasons(m: &Metrics) -> String {
    let with_reason = m.cells.iter().filter_map(|c| Some((c, c.why.as_ref()?)));
    let why = with_reason.map(|(c, why)| format!("{} ({}): {}\n", c.name, c.state.name(), why.trim()));
    let swaps = m.cells.iter().filter_map(|c| c.swap.as_ref());
    let told = swaps.filter(|s| !matches!(s.standing, Standing::Done | Standing::Unchanged));
    why.chain(told.map(|s| format!("{}: {}\n", s.cell, s.words))).collect()
}

/// Returns a number of bytes for people.
pub(crate) fn bytes(bytes: Option<u64>) -> String {
    match bytes {
        None => "-".to_owned(),
        Some(b) if b < 10_000 => format!("{b} B"),
        Some(b) if b < 10 << 20 => format!("{} KiB", b >> 10),
        Some(b) => format!("{} MiB", b >> 20),
    }
}

/// Returns a graph as text.
pub(crate) fn graph(g: &WorldGraph) -> String {
    let mut text = String::from("cells, back to front\n");
    for (n, c) in g.cells.iter().enumerate() {
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(text, "  {:>3}  {}  ({})", n + 1, c.name, c.state.name());
    }
    text += "names, who writes them > who reads them (* in the same frame)\n";
    let all = |names: &[String]| if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
    let mut rows = Vec::new();
    for n in &g.names {
        let star = |r: &String| if n.now.contains(r) { format!("{r}*") } else { r.clone() };
        let readers: Vec<String> = n.readers.iter().map(star).collect();
        rows.push(vec![
            format!("  {}", n.name),
            kind(n.kind).to_owned(),
            format!("{} > {}", all(&n.writers), all(&readers)),
        ]);
    }
    text += &table(&["  NAME", "IS A", "WRITTEN > READ"], &[], &rows);
    text += "passes, in order\n";
    for (n, p) in g.passes.iter().enumerate() {
        let kind = if p.computes { "computes" } else { "draws" };
        let _ = write!(text, "  {:>3}  {} \"{}\" {kind} {}", n + 1, p.cell, p.label, all(&p.writes));
        if !p.reads.is_empty() {
            let _ = write!(text, " from {}", p.reads.join(", "));
        }
        text.push('\n');
    }
    text
}

fn kind(kind: NameKind) -> &'static str {
    match kind {
        NameKind::Texture => "texture",
        NameKind::Buffer => "buffer",
        NameKind::Picture => "picture",
    }
}

/// Returns a graph in the language of Graphviz: cells are boxes, names are ovals (buffers dashed).
pub(crate) fn dot(g: &WorldGraph) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
    let cell = |name: &str| quoted(&format!("cell {name}"));
    let mut text = String::from("digraph world {\n    rankdir=LR;\n");
    for c in &g.cells {
        let _ = writeln!(text, "    {} [shape=box, label={}];", cell(&c.name), quoted(&c.name));
    }
    for n in &g.names {
        let style = if n.kind == NameKind::Buffer { ", style=dashed" } else { "" };
        let _ = writeln!(text, "    {} [shape=ellipse{style}];", quoted(&n.name));
        for writer in &n.writers {
            let _ = writeln!(text, "    {} -> {};", cell(writer), quoted(&n.name));
        }
        for reader in &n.readers {
            let now = if n.now.contains(reader) { " [label=now]" } else { "" };
            let _ = writeln!(text, "    {} -> {}{now};", quoted(&n.name), cell(reader));
        }
    }
    text + "}\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_host::{
        CellState,
        graph::{GraphCell, GraphName, GraphPass},
    };

    #[test]
    fn columns_are_as_wide_as_their_words_and_numbers_stand_at_the_right() {
        let rows = [vec!["\u{e4}".to_owned(), "1".to_owned()], vec!["long".to_owned(), "1000".to_owned()]];
        assert_eq!(table(&["A", "N"], &["N"], &rows), "A        N\n\u{e4}        1\nlong  1000\n");
    }

    #[test]
    fn sizes_are_short() {
        let of = |n| bytes(Some(n));
        assert_eq!([of(0), of(9999), of(10_240), of(10 << 20)], ["0 B", "9999 B", "10 KiB", "10 MiB"]);
        assert_eq!(bytes(None), "-");
    }

    #[test]
    fn a_graph_names_everybody_in_both_languages() {
        let s = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let name = |name: &str, kind, writers, readers, now| GraphName {
            name: name.to_owned(),
            kind,
            writers: s(writers),
            readers: s(readers),
            now: s(now),
        };
        let graph_of = WorldGraph {
            cells: s(&["eye", "say \"hi\""])
                .into_iter()
                .map(|name| GraphCell { name, state: CellState::Running })
                .collect(),
            names: vec![
                name("colour", NameKind::Texture, &[], &["eye"], &[]),
                name("camera", NameKind::Buffer, &["eye"], &["say \"hi\""], &["say \"hi\""]),
            ],
            passes: vec![GraphPass {
                cell: "eye".to_owned(),
                label: "look".to_owned(),
                computes: false,
                reads: s(&["camera"]),
                writes: s(&["colour"]),
            }],
        };
        let text = graph(&graph_of);
        for line in [
            "    1  eye  (running)",
            "nobody > eye",
            "eye > say \"hi\"*",
            "  1  eye \"look\" draws colour from camera",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        let dot = dot(&graph_of);
        for line in [
            "\"cell say \\\"hi\\\"\" [shape=box, label=\"say \\\"hi\\\"\"];",
            "\"cell eye\" -> \"camera\";",
            "\"camera\" -> \"cell say \\\"hi\\\"\" [label=now];",
            "\"camera\" [shape=ellipse, style=dashed];",
        ] {
            assert!(dot.contains(line), "{line}\n{dot}");
        }
    }
}
