//! What a file asks for and this cell leaves out: each is told once.
use std::collections::BTreeSet;

/// The warnings about one file, each once, in alphabetical order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes(BTreeSet<String>);

impl Notes {
    /// Adds a sentence that says what is left out; the file's name is put in front when it is shown.
    pub(crate) fn add(&mut self, sentence: impl Into<String>) {
        self.0.insert(sentence.into());
    }

    /// Returns the sentences.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}
