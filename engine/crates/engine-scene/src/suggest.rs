//! "did you mean": the nearest of some known words.

/// Returns the candidate nearest to `word`, if one is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let plain = plain(word);
    let near_enough = (plain.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|c| c.len() <= LONGEST)
        .map(|c| (strsim::damerau_levenshtein(&plain, &self::plain(c)), c))
        .filter(|(d, _)| *d <= near_enough)
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

/// Returns the help that names the nearest candidate, or else lists all when they are few.
pub(crate) fn help(word: &str, candidates: &[&str]) -> Option<String> {
    const FEW: usize = 12;
    match nearest(word, candidates.iter().copied()) {
        Some(c) => Some(format!("did you mean `{c}`?")),
        None if candidates.is_empty() || candidates.len() > FEW => None,
        None => {
            let list: Vec<String> = candidates.iter().map(|c| format!("`{c}`")).collect();
            Some(format!("there is {}", list.join(", ")))
        }
    }
}

/// Case and the choice between `-` and `_` are not what distinguishes names.
fn plain(word: &str) -> String {
    word.to_lowercase().replace('-', "_")
}
