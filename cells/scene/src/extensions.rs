//! The extensions of glTF that this cell knows.
use crate::{
    error::{Blame, SceneError},
    notes::Notes,
};

/// Lets positions, normals, tangents and texture coordinates be small integers.
pub(crate) const QUANTIZATION: &str = "KHR_mesh_quantization";

/// All that are understood.
const KNOWN: [&str; 6] = [
    "KHR_lights_punctual",
    "KHR_materials_emissive_strength",
    "KHR_materials_ior",
    "KHR_materials_unlit",
    QUANTIZATION,
    "KHR_texture_transform",
];

/// Compares what a file uses with what is known: what it only uses becomes a note.
///
/// # Errors
/// [`SceneError::Unsupported`] with the names of all extensions that it requires and that are not known.
pub(crate) fn check(blame: Blame<'_>, root: &gltf::json::Root, notes: &mut Notes) -> Result<(), SceneError> {
    let unknown = |names: &[String]| -> Vec<String> {
        names.iter().filter(|n| !KNOWN.contains(&n.as_str())).cloned().collect()
    };
    let required = unknown(&root.extensions_required);
    if !required.is_empty() {
        let cause = format!(
            "requires {}, which this engine does not read; export without (it reads {})",
            required.join(", "),
            KNOWN.join(", ")
        );
        return Err(blame.unsupported("the file", cause));
    }
    for name in unknown(&root.extensions_used) {
        notes.add(format!("the extension {name} is not read; what it adds is left out"));
    }
    Ok(())
}
