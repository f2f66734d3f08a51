//! `engine schema show|diff`: what libraries say of themselves.
use crate::{args::SchemaCommand, lock::verdict, start};
use anyhow::bail;
use cell_abi::{
    interface::{Interface, differences},
    ports::{Direction, PortTable, Rate},
    shape::{ShapeSection, difference},
};
use engine_frame::names::did_you_mean;
use engine_host::{library::read_record, snapshot::snapshot};
use std::{
    fmt::Write as _,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

type Record = (PortTable, Option<ShapeSection>);

/// Runs it.
pub(crate) fn run(what: &SchemaCommand, root: Option<&Path>) -> ExitCode {
    verdict(match what {
        SchemaCommand::Show { of, json } => show(of, *json, root),
        SchemaCommand::Diff { a, b } => diff(a, b, root),
    })
}

/// Returns the library of a cell as it is built, or the file that is named.
fn file(of: &str, root: Option<&Path>) -> anyhow::Result<PathBuf> {
    if of.ends_with(".so") {
        return Ok(PathBuf::from(of));
    }
    let project = start::project(root)?;
    let cells = project.cells()?;
    if !cells.iter().any(|c| c == of) {
        let hint = did_you_mean(of, cells.iter().map(String::as_str));
        let hint = hint.map(|m| format!("; did you mean `{m}`?")).unwrap_or_default();
        bail!("there is no cell `{of}` in this project{hint}");
    }
    let library = project.library(of);
    if !library.is_file() {
        bail!(
            "{} is missing; build the cell first: engine mitosis, or any scene that uses it",
            library.display()
        );
    }
    Ok(library)
}

fn record(of: &str, root: Option<&Path>) -> anyhow::Result<Record> {
    Ok(read_record(&file(of, root)?)?)
}

fn show(of: &str, json: bool, root: Option<&Path>) -> anyhow::Result<bool> {
    let (table, shape) = record(of, root)?;
    let text = if json { snapshot(&table) } else { told(&table, shape.as_ref()) };
    io::stdout().write_all(text.as_bytes())?;
    Ok(false)
}

fn told(table: &PortTable, shape: Option<&ShapeSection>) -> String {
    let interface = Interface::of(table);
    let rate = match table.rate {
        Rate::Hz(hz) => format!("{hz} ticks a second"),
        Rate::OnMail => "runs on mail".to_owned(),
    };
    let shader = table.shader.as_ref().map(|s| format!(", shader {s}")).unwrap_or_default();
    let mut out = format!(
        "{} {}\n{rate}{shader}, built for ABI {}.{}\n\nwhat others rely on:\n",
        table.name,
        interface.fingerprint(),
        table.abi.0,
        table.abi.1
    );
    for line in interface.entries().iter().map(ToString::to_string).collect::<String>().lines() {
        out += &format!("  {line}\n");
    }
    let own: Vec<&str> =
        table.ports.iter().filter(|p| p.direction == Direction::Own).map(|p| p.name.as_str()).collect();
    if !own.is_empty() {
        out += &format!("\nits own: {}\n", own.join(", "));
    }
    if let Some(kept) = shape {
        write!(out, "\nstate that it keeps, {}:\n", kept.fingerprint)
            .expect("writing to a string cannot fail");
        for line in kept.text.lines().skip(2) {
            out += &format!("  {line}\n");
        }
    }
    out
}

fn diff(a: &str, b: &str, root: Option<&Path>) -> anyhow::Result<bool> {
    let ((first, first_shape), (second, second_shape)) = (record(a, root)?, record(b, root)?);
    let (first, second) = (Interface::of(&first), Interface::of(&second));
    let (in_a, in_b) = (format!("in {a}"), format!("in {b}"));
    let mut lines: Vec<String> = differences(&first, &second).iter().map(|d| d.say(&in_a, &in_b)).collect();
    lines.extend(match (&first_shape, &second_shape) {
        (Some(x), Some(y)) => difference(&x.shape, &y.shape).map(|d| format!("the state that it keeps: {d}")),
        (Some(_), None) => Some(format!("it keeps state {in_a}, none {in_b}")),
        (None, Some(_)) => Some(format!("it keeps state {in_b}, none {in_a}")),
        (None, None) => None,
    });
    let text: String = lines.iter().map(|l| format!("{l}\n")).collect();
    io::stdout().write_all(text.as_bytes())?;
    Ok(!lines.is_empty())
}
