//! Why a file is no scene.

/// Why a glTF file cannot be shown. Each message names the file, what is wrong, and where.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SceneError {
    /// The file is not glTF, or not a whole one.
    #[error("{file}: this is no whole glTF 2.0 file ({cause})")]
    NotGltf {
        /// The asset.
        file: String,
        /// What the parser says.
        cause: String,
    },
    /// Something in the file points outside of what it points into.
    #[error("{file}: {what} {cause}; export the file again")]
    Broken {
        /// The asset.
        file: String,
        /// Which part, `accessor 3`.
        what: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The file is fine but asks for something this cell cannot do.
    #[error("{file}: {what} {cause}")]
    Unsupported {
        /// The asset.
        file: String,
        /// Which part.
        what: String,
        /// What is asked for, and what to do instead.
        cause: String,
    },
    /// A file that this one refers to could not be had.
    #[error("{file}: {what} refers to {uri:?}: {cause}")]
    Reference {
        /// The asset.
        file: String,
        /// Which part.
        what: String,
        /// The reference, shortened.
        uri: String,
        /// Why it fails.
        cause: String,
    },
}

/// Makes errors about one file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blame<'a> {
    /// The asset.
    pub(crate) file: &'a str,
}

impl Blame<'_> {
    pub(crate) fn not_gltf(self, cause: impl ToString) -> SceneError {
        SceneError::NotGltf { file: self.file.into(), cause: cause.to_string() }
    }

    pub(crate) fn broken(self, what: impl ToString, cause: impl ToString) -> SceneError {
        SceneError::Broken { file: self.file.into(), what: what.to_string(), cause: cause.to_string() }
    }

    pub(crate) fn unsupported(self, what: impl ToString, cause: impl ToString) -> SceneError {
        SceneError::Unsupported { file: self.file.into(), what: what.to_string(), cause: cause.to_string() }
    }

    pub(crate) fn reference(self, what: impl ToString, uri: &str, cause: impl ToString) -> SceneError {
        let uri = uri.chars().take(80).collect();
        SceneError::Reference {
            file: self.file.into(),
            what: what.to_string(),
            uri,
            cause: cause.to_string(),
        }
    }
}
