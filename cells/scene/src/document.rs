//! A glTF file with all the bytes it refers to.
use crate::{
    error::{Blame, SceneError},
    extensions,
    notes::Notes,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use gltf::{
    buffer,
    image::Source,
    json::{
        self,
        validation::{Checked, Validate as _},
    },
};

/// Returns the bytes of another asset, by its path in the assets folder; the error is a cause without the path.
pub(crate) type Fetch<'a> = &'a mut dyn FnMut(&str) -> Result<Vec<u8>, String>;

/// A parsed file and its buffers.
pub(crate) struct Document {
    /// The asset.
    pub(crate) file: String,
    /// What the JSON says; its indices are checked.
    pub(crate) json: gltf::Document,
    buffers: Vec<Vec<u8>>,
}

impl Document {
    /// Parses `bytes` of the asset `file` and gets the buffers it refers to.
    ///
    /// # Errors
    /// [`SceneError`] when the file is not glTF, cut, inconsistent, requires an unknown extension, or refers to
    /// what cannot be had.
    pub(crate) fn open(
        file: &str,
        bytes: &[u8],
        fetch: Fetch<'_>,
        notes: &mut Notes,
    ) -> Result<Self, SceneError> {
        let blame = Blame { file };
        check_container(bytes).map_err(|cause| blame.not_gltf(cause))?;
        let gltf::Gltf { document: json, mut blob } =
            gltf::Gltf::from_slice_without_validation(bytes).map_err(|e| blame.not_gltf(e))?;
        extensions::check(blame, json.as_json(), notes)?;
        let json = valid(json).map_err(|cause| blame.not_gltf(cause))?;
        let version = &json.as_json().asset.version;
        if !version.starts_with("2.") {
            return Err(blame.not_gltf(format_args!("it says version {version}")));
        }
        let mut buffers = Vec::new();
        for b in json.buffers() {
            let what = format!("buffer {}", b.index());
            let data = match b.source() {
                buffer::Source::Bin => {
                    blob.take().ok_or_else(|| blame.broken(&what, "has no bytes in the file"))?
                }
                buffer::Source::Uri(uri) => resolve(blame, &what, uri, fetch)?,
            };
            if data.len() < b.length() {
                let cause = format!("has {} bytes, but {} are announced", data.len(), b.length());
                return Err(blame.broken(what, cause));
            }
            buffers.push(data);
        }
        Ok(Self { file: file.into(), json, buffers })
    }

    /// Returns whether the file says that it uses an extension.
    pub(crate) fn uses(&self, extension: &str) -> bool {
        self.json.extensions_used().any(|name| name == extension)
    }

    /// Makes errors about this file.
    pub(crate) fn blame(&self) -> Blame<'_> {
        Blame { file: &self.file }
    }

    /// Returns the bytes of a view.
    ///
    /// # Errors
    /// [`SceneError::Broken`] when it reaches beyond its buffer.
    pub(crate) fn view(&self, view: &buffer::View<'_>) -> Result<&[u8], SceneError> {
        let (start, buffer) = (view.offset(), &self.buffers[view.buffer().index()]);
        start.checked_add(view.length()).and_then(|end| buffer.get(start..end)).ok_or_else(|| {
            let cause = format!(
                "takes bytes {start} and {} on, but buffer {} has {}",
                view.length(),
                view.buffer().index(),
                buffer.len()
            );
            self.blame().broken(format_args!("buffer view {}", view.index()), cause)
        })
    }

    /// Returns the file bytes of an image.
    ///
    /// # Errors
    /// [`SceneError`] when it lies outside the file or the reference fails.
    pub(crate) fn image(&self, image: &gltf::Image<'_>, fetch: Fetch<'_>) -> Result<Vec<u8>, SceneError> {
        match image.source() {
            Source::View { view, .. } => self.view(&view).map(<[u8]>::to_vec),
            Source::Uri { uri, .. } => resolve(self.blame(), &format!("image {}", image.index()), uri, fetch),
        }
    }
}

/// Checks all that the JSON says, most of all its indices. The extensions have been checked before: the parser
/// does not know all that this cell knows.
fn valid(parsed: gltf::Document) -> Result<gltf::Document, String> {
    let mut root = parsed.into_json();
    unchecked(&root)?;
    let required = std::mem::take(&mut root.extensions_required);
    let mut faults = Vec::new();
    root.validate(&root, json::Path::new, &mut |path, fault| {
        if faults.len() < 4 {
            faults.push(format!("{}: {fault}", path()));
        }
    });
    root.extensions_required = required;
    if faults.is_empty() {
        Ok(gltf::Document::from_json_without_validation(root))
    } else {
        Err(faults.join("; "))
    }
}

/// Checks what the parser's own checks leave out, or look up before they have checked it.
fn unchecked(root: &json::Root) -> Result<(), String> {
    for (m, mesh) in root.meshes.iter().enumerate() {
        for (p, primitive) in mesh.primitives.iter().enumerate() {
            let position = primitive.attributes.get(&Checked::Valid(json::mesh::Semantic::Positions));
            if position.is_some_and(|index| index.value() >= root.accessors.len()) {
                return Err(format!(
                    "meshes[{m}].primitives[{p}].attributes[\"POSITION\"]: Index out of bounds"
                ));
            }
        }
    }
    for (a, animation) in root.animations.iter().enumerate() {
        for (c, channel) in animation.channels.iter().enumerate() {
            let at = || format!("animations[{a}].channels[{c}]");
            if channel.target.node.value() >= root.nodes.len() {
                return Err(format!("{}.target.node: Index out of bounds", at()));
            }
            if channel.sampler.value() >= animation.samplers.len() {
                return Err(format!("{}.sampler: Index out of bounds", at()));
            }
            if channel.target.path == Checked::Invalid {
                return Err(format!("{}.target.path: Invalid value", at()));
            }
        }
    }
    for (i, image) in root.images.iter().enumerate() {
        if image.uri.is_none() && (image.buffer_view.is_none() || image.mime_type.is_none()) {
            return Err(format!("images[{i}]: Missing data"));
        }
    }
    Ok(())
}

/// Checks the outer layer of a binary file, whose lengths the parser trusts.
fn check_container(bytes: &[u8]) -> Result<(), String> {
    if !bytes.starts_with(b"glTF") {
        return Ok(());
    }
    let word = |at: usize| {
        let four = bytes.get(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes(four.try_into().ok()?) as usize)
    };
    let announced = word(8).ok_or("it ends within its header")?;
    if announced > bytes.len() {
        return Err(format!("it has {} bytes, but announces {announced}: it was cut", bytes.len()));
    }
    let mut at = 12usize;
    while at < announced {
        let length = word(at).ok_or("it ends within a chunk's header")?;
        let end = at.checked_add(8).and_then(|body| body.checked_add(length));
        at = end.filter(|end| *end <= announced).ok_or("a chunk reaches beyond the file's end")?;
    }
    if at == 12 { Err("it holds no chunk".into()) } else { Ok(()) }
}

fn resolve(blame: Blame<'_>, what: &str, uri: &str, fetch: Fetch<'_>) -> Result<Vec<u8>, SceneError> {
    let fail = |cause: &str| blame.reference(what, uri, cause);
    if let Some(data) = uri.strip_prefix("data:") {
        let (kind, text) = data.split_once(',').ok_or_else(|| fail("a data URI needs a comma"))?;
        if !kind.ends_with(";base64") {
            return Err(fail("only base64 data URIs are read"));
        }
        return STANDARD.decode(text).map_err(|e| fail(&format!("the base64 is broken ({e})")));
    }
    if uri.contains("://") || uri.starts_with('/') || uri.split(['/', '\\']).any(|part| part == "..") {
        return Err(fail("only files beside or below the glTF file are read"));
    }
    let name = percent_decode(uri).ok_or_else(|| fail("the percent escapes are broken"))?;
    let path = match blame.file.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{name}"),
        None => name,
    };
    fetch(&path).map_err(|cause| fail(&cause))
}

fn percent_decode(uri: &str) -> Option<String> {
    let mut out = Vec::with_capacity(uri.len());
    let mut rest = uri.bytes();
    while let Some(b) = rest.next() {
        out.push(match b {
            b'%' => {
                let mut digit = || (rest.next()? as char).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            _ => b,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"{"asset":{"version":"2.0"},"buffers":[{"uri":"URI","byteLength":4}]}"#;

    fn open(uri: &str) -> Result<(Document, Vec<String>), String> {
        let mut asked = Vec::new();
        let mut fetch = |path: &str| {
            asked.push(path.to_owned());
            if path.contains("missing") { Err("there is no such file".into()) } else { Ok(vec![1, 2, 3, 4]) }
        };
        let text = SMALL.replace("URI", uri);
        let doc = Document::open("city/a.gltf", text.as_bytes(), &mut fetch, &mut Notes::default())
            .map_err(|e| e.to_string())?;
        Ok((doc, asked))
    }

    #[test]
    fn buffers_come_from_data_uris_and_from_files_beside_the_file() {
        let (doc, asked) = open("data:application/octet-stream;base64,AQIDBA==").expect("data URI");
        assert_eq!((doc.buffers, asked.len()), (vec![vec![1, 2, 3, 4]], 0));
        let (_, asked) = open("bits/my%20file.bin").expect("relative");
        assert_eq!(asked, ["city/bits/my file.bin"]);
    }

    #[test]
    fn bad_references_are_sentences_with_the_file_and_the_reference() {
        for (uri, cause) in [
            ("missing.bin", "there is no such file"),
            ("../secret", "beside or below"),
            ("a/../../b", "beside or below"),
            ("/etc/passwd", "beside or below"),
            ("https://x.org/a.bin", "beside or below"),
            ("data:;base64,AQ", "base64 is broken"),
            ("data:text/plain,abcd", "only base64"),
            ("data:;base64", "needs a comma"),
            ("a%2", "percent escapes"),
        ] {
            let e = open(uri).err().unwrap_or_default();
            assert!(e.starts_with("city/a.gltf: buffer 0") && e.contains(cause), "{uri}: {e:?}");
        }
        let short = open("data:;base64,AQID").err().unwrap_or_default();
        assert_eq!(short, "city/a.gltf: buffer 0 has 3 bytes, but 4 are announced; export the file again");
    }

    #[test]
    fn every_cut_of_a_binary_file_and_garbage_is_an_error() {
        let json = br#"{"asset":{"version":"2.0"},"buffers":[{"byteLength":4}]}    "#;
        let mut glb = b"glTF\x02\0\0\0\0\0\0\0".to_vec();
        glb.extend((json.len() as u32).to_le_bytes());
        glb.extend(b"JSON");
        glb.extend(json);
        glb.extend(4u32.to_le_bytes());
        glb.extend(b"BIN\0abcd");
        let length = glb.len() as u32;
        glb[8..12].copy_from_slice(&length.to_le_bytes());
        let mut none = |_: &str| Err(String::new());
        let mut open = |bytes: &[u8]| Document::open("a.glb", bytes, &mut none, &mut Notes::default());
        assert!(open(&glb).is_ok());
        for cut in 0..glb.len() {
            let e = open(&glb[..cut]).err().map(|e| e.to_string());
            assert!(e.as_ref().is_some_and(|e| e.starts_with("a.glb: ")), "cut at {cut}: {e:?}");
        }
        for at in 0..glb.len() {
            let mut bad = glb.clone();
            bad[at] ^= 0xff;
            drop(open(&bad));
        }
    }
}
