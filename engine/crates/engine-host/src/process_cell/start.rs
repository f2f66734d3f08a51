//! How the processes of cells are started.
use engine_sys::jail::Jail;
use std::time::Duration;

/// How long a child may take from its start until its instance is made.
const MADE_WITHIN: Duration = Duration::from_secs(30);

/// How the processes of cells are started.
#[derive(Clone, Debug)]
pub struct Start {
    /// The sandbox that they run in.
    pub jail: Jail,
    /// How long one may take until its instance is made: its `create` may hang.
    pub made_within: Duration,
    /// Its turns yield to everyone else's.
    pub background: bool,
}

impl Default for Start {
    fn default() -> Self {
        Self { jail: Jail::default(), made_within: MADE_WITHIN, background: false }
    }
}
