//! What a cell may do besides what every cell may: its part of the scene's `trust` and `quotas`, as its instances
//! carry it.
use engine_frame::contracts::Standing;
use engine_render::ShaderOrigin;
use engine_scene::{Grants, Placement, Quota, Quotas, SceneCell};
use engine_sys::jail::probe;
use std::sync::{Arc, OnceLock};

/// Returns how much a cell's word counts where names meet.
#[must_use]
pub fn standing(cell: &SceneCell) -> Standing {
    if cell.trust.is_untrusted() { Standing::Untrusted } else { Standing::Own }
}

/// Returns whose code a cell's shader is.
#[must_use]
pub fn shader_origin(cell: &SceneCell) -> ShaderOrigin {
    if cell.trust.is_untrusted() { ShaderOrigin::Untrusted } else { ShaderOrigin::Own }
}

/// Returns who writes the regions of a cell that everybody sees, when its instance runs at `at`: it, or for an untrusted
/// one the engine.
#[must_use]
pub fn writer(cell: &SceneCell, at: Placement) -> Placement {
    if cell.trust.is_untrusted() { Placement::Thread } else { at }
}

/// What one instance may do, from its start to its end.
#[derive(Clone, Debug)]
pub struct Rights {
    /// Messages of one turn.
    pub messages: usize,
    /// Bytes that it may have sealed at a time.
    pub sealed_bytes: u64,
    /// What it may use; `None`: it is our own.
    pub grants: Option<Arc<Grants>>,
}

impl Default for Rights {
    fn default() -> Self {
        Self::with(&Quotas::own(), None)
    }
}

impl Rights {
    /// Returns those of a scene's line.
    #[must_use]
    pub fn of(cell: &SceneCell) -> Self {
        Self::with(&cell.quotas, cell.trust.grants().cloned())
    }

    fn with(quotas: &Quotas, grants: Option<Grants>) -> Self {
        Self {
            messages: quotas.count(Quota::Mail) as usize,
            sealed_bytes: quotas.bytes(Quota::Shared),
            grants: grants.map(Arc::new),
        }
    }
}

/// Returns why this machine runs no untrusted cell, if so: what it lacks of the sandbox.
#[must_use]
pub fn sandbox_fault() -> Option<String> {
    static LACKS: OnceLock<String> = OnceLock::new();
    let lacks = LACKS.get_or_init(|| probe().lacks());
    (!lacks.is_empty()).then(|| {
        format!(
            "it is untrusted and needs the whole sandbox, which this machine does not give; missing: {lacks}. \
             `engine doctor` says what each means and how to get it"
        )
    })
}
