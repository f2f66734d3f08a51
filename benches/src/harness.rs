//! How rows are measured and shown: two things run in turn (A, B, A, B, ..), medians compared.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use engine_sys::thread::thread_cpu_time;
use serde_json::json;
use std::time::Instant;

/// How thoroughly to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// As little as shows that the row works.
    Once,
    /// Enough for a figure.
    Full,
}

impl Effort {
    /// Returns `full` repetitions, or 2.
    pub(crate) fn rounds(self, full: usize) -> usize {
        if self == Self::Once { full.min(2) } else { full }
    }
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Nanoseconds.
    Ns,
    /// Things.
    Count,
}

impl Unit {
    /// Returns `value` with three digits and a unit that suits its size.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Count => format!("{value:.1}"),
            Self::Ns if value.abs() < 1e3 => format!("{value:.1} ns"),
            Self::Ns if value.abs() < 1e6 => format!("{:.2} us", value / 1e3),
            Self::Ns if value.abs() < 1e9 => format!("{:.2} ms", value / 1e6),
            Self::Ns => format!("{:.2} s", value / 1e9),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ns => "ns",
            Self::Count => "count",
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Its name; what `ROW` on the command line filters.
    pub(crate) name: &'static str,
    /// What is measured.
    pub(crate) what: &'static str,
    /// Of what.
    pub(crate) unit: Unit,
    /// Our figure.
    pub(crate) ours: f64,
    /// What was run beside it, and its figure.
    pub(crate) beside: Option<(&'static str, f64)>,
    /// Our figure may not be larger.
    pub(crate) limit: f64,
    /// The promise in words.
    pub(crate) target: &'static str,
    /// What else was seen.
    pub(crate) notes: Vec<String>,
}

impl Row {
    /// Returns whether the promise is kept.
    pub(crate) fn is_held(&self) -> bool {
        self.ours <= self.limit
    }

    fn ratio(&self) -> Option<f64> {
        self.beside.map(|(_, beside)| self.ours / beside).filter(|r| r.is_finite())
    }

    /// Prints the line.
    pub(crate) fn print(&self) {
        let beside = self.beside.map_or("-".to_owned(), |(what, b)| format!("{} {what}", self.unit.show(b)));
        let ratio = self.ratio().map_or("-".to_owned(), |r| format!("{r:.2}"));
        println!(
            "{:<18} {:>10}  beside {beside:<32} ratio {ratio:<6} target {} (<= {})  {}",
            self.name,
            self.unit.show(self.ours),
            self.target,
            self.unit.show(self.limit),
            if self.is_held() { "held" } else { "MISSED" },
        );
        println!("    {}", self.what);
        for note in &self.notes {
            println!("    {note}");
        }
    }

    /// Returns the line for `--json`.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        json!({
            "name": self.name,
            "what": self.what,
            "unit": self.unit.name(),
            "ours": self.ours,
            "beside": self.beside.map(|(what, value)| json!({ "what": what, "value": value })),
            "ratio": self.ratio(),
            "target": self.target,
            "limit": self.limit,
            "held": self.is_held(),
            "notes": self.notes,
        })
    }
}

/// Returns the middle of `samples`, or 0 of none.
pub(crate) fn median(samples: &mut [f64]) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(0.0)
}

/// Runs `a` and `b` in turn, `rounds` times, and returns the medians of what they return.
pub(crate) fn interleave<E>(
    rounds: usize,
    mut a: impl FnMut() -> Result<f64, E>,
    mut b: impl FnMut() -> Result<f64, E>,
) -> Result<(f64, f64), E> {
    let (mut of_a, mut of_b) = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
    for _ in 0..rounds {
        of_a.push(a()?);
        of_b.push(b()?);
    }
    Ok((median(&mut of_a), median(&mut of_b)))
}

/// Returns the wall time of `run` in nanoseconds, and what it returned.
pub(crate) fn wall<T>(run: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let out = run();
    (start.elapsed().as_nanos() as f64, out)
}

/// Returns the CPU time that `run` took of this thread in nanoseconds, and what it returned.
pub(crate) fn cpu<T>(run: impl FnOnce() -> T) -> (f64, T) {
    let start = thread_cpu_time();
    let out = run();
    ((thread_cpu_time() - start).as_nanos() as f64, out)
}

/// Returns the wall time of one call of `run` in nanoseconds, over `calls` calls.
pub(crate) fn per_call(calls: u32, mut run: impl FnMut()) -> f64 {
    wall(|| (0..calls).for_each(|_| run())).0 / f64::from(calls)
}

/// Prints a bare number for the process that asked for it.
pub(crate) fn print_number(value: f64) {
    println!("{value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_both_sides_run_in_turn() {
        assert_eq!(median(&mut [9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(&mut []), 0.0);
        let log = std::cell::RefCell::new(String::new());
        let side = |name, value| {
            let log = &log;
            move || {
                log.borrow_mut().push(name);
                Ok::<f64, ()>(value)
            }
        };
        assert_eq!(interleave(3, side('a', 1.0), side('b', 2.0)), Ok((1.0, 2.0)));
        assert_eq!(*log.borrow(), "ababab");
    }

    #[test]
    fn a_row_is_held_up_to_its_limit() {
        let row = |ours| Row {
            name: "x",
            what: "",
            unit: Unit::Ns,
            ours,
            beside: Some(("bare", 100.0)),
            limit: 125.0,
            target: "",
            notes: Vec::new(),
        };
        assert!(row(125.0).is_held() && !row(125.1).is_held());
        assert_eq!(row(250.0).to_json()["ratio"], 2.5);
        assert_eq!(Unit::Ns.show(1234.0), "1.23 us");
    }
}
