//! Names: stable numbers for them, and what a user may have meant.
use std::{collections::HashMap, sync::Arc};

/// Returns the candidate that `word` was probably meant to be, if one is near enough.
///
/// Ties go to the candidate that comes first. `word` itself is no candidate.
#[must_use]
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may differ; `scene_colour` must find `scene_color`, `a` must not find `b`.
    let limit = word.chars().count().div_ceil(3).min(4);
    let mut best: Option<(usize, &str)> = None;
    for c in candidates.into_iter().filter(|c| *c != word) {
        let d = strsim::osa_distance(&word.to_lowercase(), &c.to_lowercase());
        if d <= limit && d < c.chars().count() && best.is_none_or(|(b, _)| d < b) {
            best = Some((d, c));
        }
    }
    best.map(|(_, c)| c)
}

/// Gives each name a number that it keeps for the whole run.
#[derive(Debug, Default)]
pub struct Names {
    numbers: HashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
}

impl Names {
    /// Returns the number of `name`, a new one when it is new: 0, 1, 2, ...
    pub fn number(&mut self, name: &str) -> u32 {
        if let Some(n) = self.numbers.get(name) {
            return *n;
        }
        let number =
            u32::try_from(self.names.len()).expect("names come from scenes, which are far below 4 G");
        let name: Arc<str> = name.into();
        self.names.push(name.clone());
        self.numbers.insert(name, number);
        number
    }

    /// Returns the name with this number.
    #[must_use]
    pub fn name(&self, number: u32) -> Option<&Arc<str>> {
        self.names.get(number as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = ["scene_color", "scene_depth", "camera", "ldr_color"];
        assert_eq!(did_you_mean("scene_colour", names), Some("scene_color"));
        assert_eq!(did_you_mean("Camera", names), Some("camera"));
        assert_eq!(did_you_mean("caemra", names), Some("camera"), "swapped letters are one slip");
        assert_eq!(did_you_mean("voxels", names), None);
        assert_eq!(did_you_mean("a", ["b"]), None);
        assert_eq!(did_you_mean("camera", ["camera"]), None, "the word itself says nothing");
    }

    #[test]
    fn a_name_keeps_its_number() {
        let mut n = Names::default();
        assert_eq!((n.number("a"), n.number("b"), n.number("a")), (0, 1, 0));
        assert_eq!(n.name(1).map(|s| &**s), Some("b"));
    }
}
