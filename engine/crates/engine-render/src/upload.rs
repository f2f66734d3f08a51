//! Upload tiers: how the bytes of slots reach the GPU, and how one is chosen.
mod import;
mod probe;

pub(crate) use import::{Opened, import, open};

use crate::{config::OpenError, gpu::Gpu};
use std::str::FromStr;

/// How the bytes of slots reach the GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UploadTier {
    /// The GPU reads the slots where they are: shared memory imported once as a buffer. Nothing is copied, save
    /// indices, which are checked by nobody but the GPU and must not change under it.
    InPlace,
    /// The GPU copies what changed from imported memory into a buffer of its own, at the head of the frame.
    Snapshot,
    /// What changed is written with `queue.write_buffer`: two copies, and the first is ours.
    Staging,
}

impl UploadTier {
    /// All of them, best first.
    pub const ALL: [Self; 3] = [Self::InPlace, Self::Snapshot, Self::Staging];

    /// Returns the word for it, as in `RENDER_UPLOAD`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InPlace => "inplace",
            Self::Snapshot => "snapshot",
            Self::Staging => "staging",
        }
    }
}

impl std::fmt::Display for UploadTier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no tier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no upload tier; there are `inplace`, `snapshot` and `staging`{}", .meant.map_or_else(String::new, |m| format!("; did you mean `{m}`?")))]
pub struct UnknownTier {
    word: String,
    meant: Option<UploadTier>,
}

impl FromStr for UploadTier {
    type Err = UnknownTier;

    fn from_str(word: &str) -> Result<Self, UnknownTier> {
        if let Some(tier) = Self::ALL.into_iter().find(|t| t.name() == word) {
            return Ok(tier);
        }
        let near = |t: &Self| strsim::jaro_winkler(&word.to_lowercase(), t.name());
        let best = Self::ALL.into_iter().max_by(|a, b| near(a).total_cmp(&near(b)));
        Err(UnknownTier { word: word.to_owned(), meant: best.filter(|t| near(t) > 0.8) })
    }
}

/// The tier in use, and why it is that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadReport {
    /// The tier.
    pub tier: UploadTier,
    /// Why: what the probe found, or who asked for it.
    pub why: String,
}

/// Decides on the tier of an open device: `wanted`, or the best that works.
pub(crate) fn choose(gpu: &Gpu, wanted: Option<UploadTier>) -> Result<UploadReport, OpenError> {
    if wanted == Some(UploadTier::Staging) {
        return Ok(UploadReport { tier: UploadTier::Staging, why: "asked for".to_owned() });
    }
    let info = gpu.adapter.get_info();
    match (wanted, probe::probe(gpu)) {
        (Some(tier), Ok(())) => Ok(UploadReport { tier, why: "asked for".to_owned() }),
        (Some(tier), Err(why)) => Err(OpenError::Upload { adapter: info.name, tier, why }),
        (None, Ok(())) => {
            let (tier, why) = match info.device_type {
                wgpu::DeviceType::Cpu | wgpu::DeviceType::IntegratedGpu => {
                    (UploadTier::InPlace, "it imports memory, and shares it with the CPU")
                }
                _ => (UploadTier::Snapshot, "it imports memory, but has a faster one of its own"),
            };
            Ok(UploadReport { tier, why: why.to_owned() })
        }
        (None, Err(why)) => Ok(UploadReport { tier: UploadTier::Staging, why }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_tiers_and_others_are_answered() {
        for tier in UploadTier::ALL {
            assert_eq!(tier.name().parse(), Ok(tier));
        }
        let error = |word: &str| word.parse::<UploadTier>().unwrap_err().to_string();
        assert_eq!(
            error("in-place"),
            "`in-place` is no upload tier; there are `inplace`, `snapshot` and `staging`; did you mean `inplace`?"
        );
        assert!(error("").ends_with("`snapshot` and `staging`"), "{}", error(""));
        assert!(error("Staging").ends_with("did you mean `staging`?"));
    }
}
