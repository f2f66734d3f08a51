//! Loading: assets in, sealed resources out.
use crate::{
    Contract, Gpu, Sealed,
    host::Host,
    ports::{SealedIndices, SealedInstances, SealedStorage, SealedTexture, SealedVertices},
    raw,
};
use cell_abi::{SealDesc, SealKind, Status, TickRecord, ports::TextureFormat};
use core::{fmt, ops::Deref};

/// A load of a cell with the contract `C`: at its start, and again on the same state when an asset that it read
/// or a parameter of type `Asset` changed.
///
/// ```no_run
/// # use cell::prelude::*;
/// # signal_receptor! { name: demo_v1, params: { picture: Asset }, own: DemoOwn { albedo: SealedTexture } }
/// # #[derive(Default)]
/// # struct Demo { albedo: Option<Sealed<SealedTexture>> }
/// impl Cell for Demo {
///     fn load(&mut self, cx: &mut Load<demo_v1>) -> Result<(), LoadError> {
///         let file = cx.asset(&cx.params().picture)?;
///         let grey = file.first().ok_or_else(|| LoadError::new("the picture is empty"))?;
///         let pixel = [*grey, *grey, *grey, 255];
///         self.albedo = Some(cx.seal_texture(TextureFormat::Rgba8UnormSrgb, [1, 1], 1, &pixel)?);
///         Ok(())
///     }
/// }
/// # fn main() {}
/// ```
pub struct Load<'r, C: Contract> {
    record: &'r TickRecord,
    host: Host,
    params: &'r C::Params,
}

impl<'r, C: Contract> Load<'r, C> {
    pub(crate) fn new(record: &'r TickRecord, host: Host, params: &'r C::Params) -> Self {
        Self { record, host, params }
    }

    /// Returns the parameters, as the scene gives them.
    #[must_use]
    pub fn params(&self) -> &'r C::Params {
        self.params
    }

    /// Returns the output size in pixels, `[width, height]`.
    #[must_use]
    pub fn screen_px(&self) -> [u32; 2] {
        self.record.screen_px
    }

    /// Opens a file of the assets folder; it is watched from now on.
    ///
    /// # Errors
    /// [`LoadError`] when there is no such file or it cannot be read.
    pub fn asset(&self, path: impl AsRef<str>) -> Result<Asset<'r>, LoadError> {
        let path = path.as_ref();
        match self.host.asset(path) {
            Ok(view) => Ok(Asset { bytes: raw::asset_bytes(&view, self.record), version: view.version }),
            Err(Status::NOT_FOUND) => Err(LoadError::NoSuchAsset { path: path.to_owned() }),
            Err(status) => Err(LoadError::Unreadable { path: path.to_owned(), why: why(status) }),
        }
    }

    /// Seals a 2-D texture: `bytes` holds `mips` levels one after the other, largest first, rows without gaps.
    /// Level n has the size `max(1, size_px >> n)`.
    ///
    /// # Errors
    /// [`LoadError`] when the bytes do not fit the size or the host refuses.
    pub fn seal_texture(
        &self,
        format: TextureFormat,
        size_px: [u32; 2],
        mips: u32,
        bytes: &[u8],
    ) -> Result<Sealed<SealedTexture>, LoadError> {
        let expected: u64 = (0..mips.min(32))
            .map(|n| size_px.map(|s| u64::from((s >> n).max(1))))
            .map(|[w, h]| w * h * u64::from(format.bytes()))
            .sum();
        if expected != bytes.len() as u64 || mips == 0 {
            return Err(LoadError::TextureSize {
                format: format.name(),
                width: size_px[0],
                height: size_px[1],
                mips,
                expected,
                found: bytes.len() as u64,
            });
        }
        let desc = SealDesc {
            size: size_of::<SealDesc>() as u32,
            kind: SealKind::TEXTURE_2D,
            format: format as u32,
            width: size_px[0],
            height: size_px[1],
            mips,
        };
        let id = self.host.seal(&desc, bytes).map_err(|s| refused("a texture", bytes.len(), s))?;
        Ok(Sealed::new(id, 1))
    }

    /// Seals vertices for a `SealedVertices<T>` port.
    ///
    /// # Errors
    /// [`LoadError`] when the host refuses.
    pub fn seal_vertices<T: Gpu>(&self, vertices: &[T]) -> Result<Sealed<SealedVertices<T>>, LoadError> {
        self.seal_buffer("vertices", vertices)
    }

    /// Seals instances for a `SealedInstances<T>` port.
    ///
    /// # Errors
    /// [`LoadError`] when the host refuses.
    pub fn seal_instances<T: Gpu>(&self, instances: &[T]) -> Result<Sealed<SealedInstances<T>>, LoadError> {
        self.seal_buffer("instances", instances)
    }

    /// Seals indices for a `SealedIndices` port.
    ///
    /// # Errors
    /// [`LoadError`] when the host refuses.
    pub fn seal_indices(&self, indices: &[u32]) -> Result<Sealed<SealedIndices>, LoadError> {
        self.seal_buffer("indices", indices)
    }

    /// Seals values for a `SealedStorage<T>` port.
    ///
    /// # Errors
    /// [`LoadError`] when the host refuses.
    pub fn seal_storage<T: Gpu>(&self, values: &[T]) -> Result<Sealed<SealedStorage<T>>, LoadError> {
        self.seal_buffer("storage", values)
    }

    fn seal_buffer<T: Gpu, K>(&self, what: &'static str, elements: &[T]) -> Result<Sealed<K>, LoadError> {
        let bytes = raw::as_bytes(elements);
        let count = u32::try_from(elements.len()).map_err(|_| refused(what, bytes.len(), Status::QUOTA))?;
        let desc = SealDesc {
            size: size_of::<SealDesc>() as u32,
            kind: SealKind::BUFFER,
            format: 0,
            width: 0,
            height: 0,
            mips: 0,
        };
        let id = self.host.seal(&desc, bytes).map_err(|s| refused(what, bytes.len(), s))?;
        Ok(Sealed::new(id, count))
    }
}

/// A file of the assets folder, borrowed for the load; derefs to its bytes.
#[derive(Clone, Copy)]
pub struct Asset<'r> {
    bytes: &'r [u8],
    version: u64,
}

impl<'r> Asset<'r> {
    /// Returns the bytes for as long as the load lasts.
    #[must_use]
    pub fn bytes(&self) -> &'r [u8] {
        self.bytes
    }

    /// Returns a number that rises when the file's content changed.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }
}

impl Deref for Asset<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

impl fmt::Debug for Asset<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asset").field("len", &self.bytes.len()).field("version", &self.version).finish()
    }
}

/// Why a cell could not load. It is shown in the engine's log under the cell's name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file is not there.
    #[error("the assets folder has no file `{path}`")]
    NoSuchAsset {
        /// The path within the assets folder.
        path: String,
    },
    /// The file is there but cannot be had.
    #[error("the asset `{path}` cannot be read: {why}")]
    Unreadable {
        /// The path within the assets folder.
        path: String,
        /// The reason.
        why: &'static str,
    },
    /// A texture's bytes do not fit its size.
    #[error(
        "a {format} texture of {width}x{height} pixels with {mips} levels has {expected} bytes, but {found} were given"
    )]
    TextureSize {
        /// The format's name.
        format: &'static str,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Levels.
        mips: u32,
        /// Bytes that it should have.
        expected: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// The host did not seal a resource.
    #[error("the host did not seal {what} of {bytes} bytes: {why}")]
    NotSealed {
        /// What was to be sealed.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The reason.
        why: &'static str,
    },
    /// A reason of the cell's own, from [`LoadError::new`].
    #[error("{0}")]
    Other(String),
}

impl LoadError {
    /// Makes an error of the cell's own from anything that can be shown: a sentence or another error.
    ///
    /// ```
    /// # use cell::LoadError;
    /// let number: Result<u32, LoadError> = "x".parse().map_err(LoadError::new);
    /// assert!(number.is_err());
    /// ```
    #[must_use]
    pub fn new(reason: impl fmt::Display) -> Self {
        Self::Other(reason.to_string())
    }
}

fn refused(what: &'static str, bytes: usize, status: Status) -> LoadError {
    LoadError::NotSealed { what, bytes, why: why(status) }
}

fn why(status: Status) -> &'static str {
    match status {
        Status::NOT_FOUND => "there is no such file",
        Status::NOT_NOW => "this belongs to `load`",
        Status::INVALID => "it is out of the possible range",
        Status::QUOTA => "the cell's memory limit is reached",
        Status::CANCELLED => "this instance of the cell was replaced",
        _ => "the host failed; its log says why",
    }
}
