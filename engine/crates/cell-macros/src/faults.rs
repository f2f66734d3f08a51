//! Collecting faults, and guessing what was meant.
use proc_macro2::{Span, TokenStream};
use std::fmt::Display;

/// The faults found so far. Reading goes on after a fault, so that all are shown at once.
#[derive(Default)]
pub(crate) struct Faults(Option<syn::Error>);

impl Faults {
    pub(crate) fn add(&mut self, span: Span, message: impl Display) {
        self.push(syn::Error::new(span, message));
    }

    pub(crate) fn push(&mut self, e: syn::Error) {
        match &mut self.0 {
            Some(all) => all.combine(e),
            none => *none = Some(e),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Takes over what another has found; returns whether that is nothing.
    pub(crate) fn append(&mut self, other: Self) -> bool {
        other.0.map(|e| self.push(e)).is_none()
    }

    /// Returns the value, or `None` with the fault noted.
    pub(crate) fn take<T>(&mut self, r: syn::Result<T>) -> Option<T> {
        r.map_err(|e| self.push(e)).ok()
    }

    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.map(syn::Error::into_compile_error).unwrap_or_default()
    }

    #[cfg(test)]
    pub(crate) fn messages(self) -> Vec<String> {
        self.0.into_iter().flatten().map(|e| e.to_string()).collect()
    }
}

/// Returns `; did you mean X?` for the nearest of `known`, or what is known when nothing is near.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let near = known
        .iter()
        .map(|k| (strsim::damerau_levenshtein(&word.to_lowercase(), &k.to_lowercase()), *k))
        .min()
        .filter(|(distance, k)| *distance <= k.len().max(3) / 3);
    match near {
        Some((_, k)) => format!("; did you mean `{k}`?"),
        None => {
            format!("; known are {}", known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_named_and_far_ones_list_all() {
        assert_eq!(did_you_mean("Scren", ["Screen", "Uniform"]), "; did you mean `Screen`?");
        assert_eq!(did_you_mean("inptu", ["input", "output"]), "; did you mean `input`?");
        assert_eq!(did_you_mean("zzzzz", ["a", "b"]), "; known are `a`, `b`");
    }
}
