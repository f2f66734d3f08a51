//! What differs between two shapes, in words.
use super::{Body, FieldShape, Shape, TypeShape, VariantShape};

/// Returns a sentence that names the first difference from `old` to `new`, and how many more there are; `None`
/// when they are the same.
///
/// ```
/// # use cell_abi::shape::{Shape, difference};
/// # let shape = |fields| Shape::parse(&format!("rkyv-0.8 le aligned ptr32\nshape Ship\nstruct Ship\n{fields}"));
/// let (old, new) = (shape("  hull f32\n")?, shape("  hull f64\n  fuel f32\n")?);
/// assert_eq!(difference(&old, &new).unwrap(), "field `fuel` is new in `Ship` (and 1 more)");
/// let new = shape("  hull f64\n")?;
/// assert_eq!(difference(&old, &new).unwrap(), "`Ship.hull: f32` became `f64`");
/// # Ok::<(), cell_abi::shape::ShapeError>(())
/// ```
#[must_use]
pub fn difference(old: &Shape, new: &Shape) -> Option<String> {
    if old == new {
        return None;
    }
    let mut found = Vec::new();
    if old.format != new.format {
        found.push(format!("the form of the bytes `{}` became `{}`", old.format, new.format));
    }
    if old.root != new.root {
        found.push(format!("`{}` became `{}`", old.root, new.root));
    }
    for ty in &new.types {
        // A type that only one side has is reached through a field that differs, or it is the root.
        if let Some(before) = old.types.iter().find(|before| before.name == ty.name) {
            compare(before, ty, &mut found);
        }
    }
    let first = found.first().map_or("the types are in another order", String::as_str);
    Some(match found.len() {
        0 | 1 => first.to_owned(),
        n => format!("{first} (and {} more)", n - 1),
    })
}

fn compare(old: &TypeShape, new: &TypeShape, found: &mut Vec<String>) {
    let name = &new.name;
    match (&old.body, &new.body) {
        (Body::Struct(old), Body::Struct(new)) => compare_fields(name, old, new, found),
        (Body::Enum(old), Body::Enum(new)) => {
            lists("variant", name, old, new, found);
            for variant in new {
                if let Some(before) = old.iter().find(|before| before.name == variant.name) {
                    compare_fields(
                        &format!("{name}::{}", variant.name),
                        &before.fields,
                        &variant.fields,
                        found,
                    );
                }
            }
        }
        (Body::Struct(_), Body::Enum(_)) => found.push(format!("`{name}` was a struct and is an enum")),
        (Body::Enum(_), Body::Struct(_)) => found.push(format!("`{name}` was an enum and is a struct")),
    }
}

fn compare_fields(owner: &str, old: &[FieldShape], new: &[FieldShape], found: &mut Vec<String>) {
    lists("field", owner, old, new, found);
    for FieldShape { name, ty } in new {
        if let Some(before) = old.iter().find(|before| before.name == *name && before.ty != *ty) {
            found.push(format!("`{owner}.{name}: {}` became `{ty}`", before.ty));
        }
    }
}

/// Something with a name, of which a renamed one is told from another one by what it holds.
trait Part {
    fn name(&self) -> &str;
    fn holds_as(&self, other: &Self) -> bool;
}

impl Part for FieldShape {
    fn name(&self) -> &str {
        &self.name
    }
    fn holds_as(&self, other: &Self) -> bool {
        self.ty == other.ty
    }
}

impl Part for VariantShape {
    fn name(&self) -> &str {
        &self.name
    }
    fn holds_as(&self, other: &Self) -> bool {
        self.fields == other.fields
    }
}

/// Compares the names of two lists.
fn lists<P: Part>(what: &str, owner: &str, old: &[P], new: &[P], found: &mut Vec<String>) {
    let only_in = |a: &[P], b: &[P]| -> Vec<usize> {
        (0..a.len()).filter(|n| b.iter().all(|p| p.name() != a[*n].name())).collect()
    };
    let (gone, added) = (only_in(old, new), only_in(new, old));
    if let ([was], [is]) = (gone.as_slice(), added.as_slice())
        && was == is
        && old[*was].holds_as(&new[*is])
    {
        found.push(format!("{what} `{}` of `{owner}` is now called `{}`", old[*was].name(), new[*is].name()));
        return;
    }
    found.extend(added.iter().map(|n| format!("{what} `{}` is new in `{owner}`", new[*n].name())));
    found.extend(gone.iter().map(|n| format!("{what} `{}` is gone from `{owner}`", old[*n].name())));
    let common = |list: &[P], without: &[usize]| -> Vec<String> {
        (0..list.len()).filter(|n| !without.contains(n)).map(|n| list[n].name().to_owned()).collect()
    };
    if common(old, &gone) != common(new, &added) {
        found.push(format!("the {what}s of `{owner}` are in another order"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "rkyv-0.8 le aligned ptr32
shape Fleet
struct Fleet
  ships Vec<Ship>
struct Ship
  hull f32
  crew u32
  cargo Cargo
enum Cargo
  Nothing
  Ore
    0 f32
  Guests
    names Vec<String>
";

    #[test]
    fn each_kind_of_change_is_named() {
        let old = Shape::parse(OLD).expect("a good text");
        assert_eq!(difference(&old, &old.clone()), None);
        for (from, to, says) in [
            ("  hull f32", "  hull f64", "`Ship.hull: f32` became `f64`"),
            ("  hull f32\n", "  hull f32\n  fuel f32\n", "field `fuel` is new in `Ship`"),
            ("  hull f32\n", "", "field `hull` is gone from `Ship`"),
            ("  hull f32", "  armour f32", "field `hull` of `Ship` is now called `armour`"),
            ("  hull f32", "  fuel u8", "field `fuel` is new in `Ship` (and 1 more)"),
            (
                "  hull f32\n  crew u32\n",
                "  crew u32\n  hull f32\n",
                "the fields of `Ship` are in another order",
            ),
            ("  Ore\n    0 f32\n", "  Ore\n    0 f64\n", "`Cargo::Ore.0: f32` became `f64`"),
            ("  Nothing\n", "  Nothing\n  Gas\n", "variant `Gas` is new in `Cargo`"),
            ("  Nothing\n", "  Empty\n", "variant `Nothing` of `Cargo` is now called `Empty`"),
            ("    names Vec<String>\n", "", "field `names` is gone from `Cargo::Guests`"),
            ("shape Fleet\nstruct Fleet", "shape Navy\nstruct Navy", "`Fleet` became `Navy`"),
            (
                "enum Cargo\n  Nothing\n  Ore\n    0 f32\n  Guests\n    names Vec<String>\n",
                "struct Cargo\n",
                "`Cargo` was an enum and is a struct",
            ),
            (
                "rkyv-0.8",
                "rkyv-0.9",
                "the form of the bytes `rkyv-0.8 le aligned ptr32` became `rkyv-0.9 le aligned ptr32`",
            ),
        ] {
            let new = Shape::parse(&OLD.replacen(from, to, 1)).expect(to);
            assert_eq!(difference(&old, &new).as_deref(), Some(says));
        }
    }
}
