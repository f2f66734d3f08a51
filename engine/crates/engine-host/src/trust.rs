//! What a cell may do besides what every cell may.
use engine_render::ShaderOrigin;
use engine_scene::SceneCell;

/// Returns whose code a cell's shader is.
#[must_use]
pub fn shader_origin(cell: &SceneCell) -> ShaderOrigin {
    if cell.trust.is_untrusted() { ShaderOrigin::Untrusted } else { ShaderOrigin::Own }
}
