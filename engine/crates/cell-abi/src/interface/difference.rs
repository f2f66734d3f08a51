//! What differs between two interfaces, in words.
use super::{Entry, Interface};

/// Something that is not the same in two interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is about: `half_color`, or `camera.eye` for a field.
    pub name: String,
    /// What it is in the first one, as far as it differs; `None` when it is not there.
    pub first: Option<String>,
    /// What it is in the second one.
    pub second: Option<String>,
}

impl Difference {
    /// Says it, with `first` and `second` for where the two are: ``"`half_color`: screen 1/2 in the lock, screen 1/4
    /// here"``.
    #[must_use]
    pub fn say(&self, first: &str, second: &str) -> String {
        let Self { name, .. } = self;
        match (&self.first, &self.second) {
            (Some(a), Some(b)) => format!("`{name}`: {a} {first}, {b} {second}"),
            (Some(a), None) => format!("`{name}`: {a} {first}, not there {second}"),
            (None, Some(b)) => format!("`{name}`: not there {first}, {b} {second}"),
            (None, None) => format!("`{name}` differs"),
        }
    }
}

/// Returns everything that differs, in the order of names.
///
/// ```
/// # use cell_abi::interface::{Interface, differences, in_short};
/// # let of = |lines| Interface::parse(&format!("cell-interface 1\ncontract bloom_v1\n{lines}"));
/// let lock = of("input half_color: texture, rgba16float, screen 1/2, mips 1\n")?;
/// let here = of("input half_color: texture, rgba16float, screen 1/4, mips 1\n")?;
/// assert_eq!(
///     in_short(&differences(&lock, &here), "in the lock", "here"),
///     "`half_color`: screen 1/2 in the lock, screen 1/4 here"
/// );
/// # Ok::<(), cell_abi::interface::InterfaceError>(())
/// ```
#[must_use]
pub fn differences(first: &Interface, second: &Interface) -> Vec<Difference> {
    let mut out = Vec::new();
    if first.contract != second.contract {
        out.push(Difference {
            name: "contract".to_owned(),
            first: Some(first.contract.clone()),
            second: Some(second.contract.clone()),
        });
    }
    for entry in first.entries() {
        let same = second.entry(&entry.kind, &entry.name);
        // An input that became an output, and the like.
        let turned = || {
            let mut others = second.entries().iter().filter(|e| e.name == entry.name);
            others.find(|e| first.entry(&e.kind, &e.name).is_none())
        };
        match (same, turned()) {
            (Some(other), _) => compare(entry, other, &mut out),
            (None, Some(other)) => out.push(Difference {
                name: entry.name.clone(),
                first: Some(format!("{} {}", entry.kind, entry.what)),
                second: Some(format!("{} {}", other.kind, other.what)),
            }),
            (None, None) => out.push(only(entry, |what| (Some(what), None))),
        }
    }
    for entry in second.entries() {
        let turned = |e: &&Entry| e.name == entry.name && second.entry(&e.kind, &e.name).is_none();
        if first.entry(&entry.kind, &entry.name).is_none() && !first.entries().iter().any(|e| turned(&e)) {
            out.push(only(entry, |what| (None, Some(what))));
        }
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    out
}

fn only(entry: &Entry, sides: impl FnOnce(String) -> (Option<String>, Option<String>)) -> Difference {
    let (first, second) = sides(format!("{} {}", entry.kind, entry.what));
    Difference { name: entry.name.clone(), first, second }
}

fn compare(first: &Entry, second: &Entry, out: &mut Vec<Difference>) {
    let name = &first.name;
    if first.what != second.what {
        let (a, b) = narrowed(&first.what, &second.what);
        out.push(Difference { name: name.clone(), first: Some(a), second: Some(b) });
    }
    let field = |of: &Entry, field: &str| of.fields.iter().find(|(n, _)| n == field).map(|(_, w)| w.clone());
    for (n, what) in &first.fields {
        let other = field(second, n);
        if other.as_ref() != Some(what) {
            out.push(Difference { name: format!("{name}.{n}"), first: Some(what.clone()), second: other });
        }
    }
    for (n, what) in &second.fields {
        if field(first, n).is_none() {
            out.push(Difference { name: format!("{name}.{n}"), first: None, second: Some(what.clone()) });
        }
    }
    let moved = first.fields != second.fields && first.fields.len() == second.fields.len();
    if moved && first.fields.iter().all(|f| second.fields.contains(f)) {
        let order = |of: &Entry| {
            let names: Vec<&str> = of.fields.iter().map(|(n, _)| n.as_str()).collect();
            Some(format!("fields in the order {}", names.join(", ")))
        };
        out.push(Difference { name: name.clone(), first: order(first), second: order(second) });
    }
}

/// Returns the parts that differ.
fn narrowed(first: &str, second: &str) -> (String, String) {
    let (a, b): (Vec<&str>, Vec<&str>) = (first.split(", ").collect(), second.split(", ").collect());
    let front = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let room = a.len().min(b.len()) - front;
    let back = a.iter().rev().zip(b.iter().rev()).take(room).take_while(|(a, b)| a == b).count();
    let part = |all: &[&str]| match &all[front..all.len() - back] {
        // It has more than the other.
        [] => "nothing more".to_owned(),
        some => some.join(", "),
    };
    (part(&a), part(&b))
}

/// Says the first few of `all` in one line, and how many more there are.
#[must_use]
pub fn in_short(all: &[Difference], first: &str, second: &str) -> String {
    const SAID: usize = 3;
    let said: Vec<String> = all.iter().take(SAID).map(|d| d.say(first, second)).collect();
    match all.len().saturating_sub(SAID) {
        0 => said.join("; "),
        more => format!("{}; and {more} more", said.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "cell-interface 1
contract bloom_v1
input camera: buffer, 80 bytes each
  view_proj: mat4x4f at 0
  eye: vec3f at 64
input half_color: texture, rgba16float, screen 1/2, mips 1
param knee: f32
param threshold: f32
";

    fn said(from: &str, to: &str) -> String {
        assert!(LOCK.contains(from), "{from}");
        let (lock, here) = (Interface::parse(LOCK), Interface::parse(&LOCK.replacen(from, to, 1)));
        in_short(&differences(&lock.expect("good"), &here.expect(to)), "in the lock", "here")
    }

    #[test]
    fn each_kind_of_change_is_named() {
        for (from, to, says) in [
            ("mips 1", "mips 1", ""),
            ("screen 1/2", "screen 1/4", "`half_color`: screen 1/2 in the lock, screen 1/4 here"),
            (
                "rgba16float, screen 1/2",
                "rgba8unorm, screen 1/4",
                "`half_color`: rgba16float, screen 1/2 in the lock, rgba8unorm, screen 1/4 here",
            ),
            ("mips 1", "mips 1, keep", "`half_color`: nothing more in the lock, keep here"),
            ("eye: vec3f", "eye: vec4f", "`camera.eye`: vec3f at 64 in the lock, vec4f at 64 here"),
            ("  eye: vec3f at 64\n", "", "`camera.eye`: vec3f at 64 in the lock, not there here"),
            ("param knee: f32\n", "", "`knee`: param f32 in the lock, not there here"),
            (
                "param knee: f32\n",
                "param knee: f32\nparam more: u32\n",
                "`more`: not there in the lock, param u32 here",
            ),
            (
                "input half_color: texture, rgba16float, screen 1/2, mips 1\n",
                "output half_color: backbuffer\n",
                "`half_color`: input texture, rgba16float, screen 1/2, mips 1 in the lock, output backbuffer here",
            ),
            (
                "  view_proj: mat4x4f at 0\n  eye: vec3f at 64\n",
                "  eye: vec3f at 64\n  view_proj: mat4x4f at 0\n",
                "`camera`: fields in the order view_proj, eye in the lock, fields in the order eye, view_proj here",
            ),
            ("contract bloom_v1", "contract bloom_v2", "`contract`: bloom_v1 in the lock, bloom_v2 here"),
        ] {
            assert_eq!(said(from, to), says);
        }
    }

    #[test]
    fn many_changes_are_counted() {
        let none = Interface::parse("cell-interface 1\ncontract bloom_v1\n").expect("good");
        let all = differences(&Interface::parse(LOCK).expect("good"), &none);
        assert_eq!(all.len(), 4);
        assert!(in_short(&all, "in the lock", "here").ends_with("; and 1 more"));
    }
}
