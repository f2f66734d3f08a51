//! Landlock: the kernel's own list of what this process may open, connect to and signal.

use std::os::fd::BorrowedFd;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, RestrictionStatus, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use super::{Layer, Missing};

/// Restricts the calling thread and all threads it starts, for ever: of all files they may read `library` only.
pub(super) fn apply(library: BorrowedFd<'_>, missing: &mut Vec<Missing>) {
    match restrict(library) {
        Ok(status) if status.ruleset == RulesetStatus::NotEnforced => {
            missing.push(Missing::new(Layer::Landlock, "the kernel does not offer it"));
        }
        // Partly: an older kernel. Everything about files and paths is there from the first version on.
        Ok(_) => {}
        Err(error) => missing.push(Missing::new(Layer::Landlock, error)),
    }
}

fn restrict(library: BorrowedFd<'_>) -> Result<RestrictionStatus, RulesetError> {
    let newest = ABI::V6;
    let rules = || {
        let rules = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(newest))?
            .handle_access(AccessNet::from_all(newest))?
            .scope(Scope::from_all(newest))?;
        rules.create()
    };
    // A library that is memory without a name is refused as a rule, and needs none.
    let with_library = rules()?.add_rule(PathBeneath::new(library, AccessFs::ReadFile));
    with_library.or_else(|_| rules())?.restrict_self()
}
