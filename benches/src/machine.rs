//! The machine that the figures are of.
use serde_json::json;
use std::{fmt, process::Command};

/// The machine that the figures are of.
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
    adapter: String,
    rustc: String,
    profile: &'static str,
}

impl Machine {
    /// Looks at this machine.
    pub(crate) fn read() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let rustc = Command::new("rustc").arg("-V").output().map(|o| o.stdout).unwrap_or_default();
        let processor = read("/proc/cpuinfo")
            .lines()
            .find_map(|l| l.strip_prefix("model name")?.split_once(':').map(|(_, n)| n.trim().to_owned()));
        Self {
            processor: processor.unwrap_or_else(|| "unknown processor".into()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            adapter: crate::bare::adapter_name(),
            rustc: String::from_utf8_lossy(&rustc).trim().to_owned(),
            profile: if cfg!(debug_assertions) {
                "dev profile: these figures promise nothing"
            } else {
                "release"
            },
        }
    }

    /// Returns it for `--json`.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        json!({
            "processor": self.processor,
            "cores": self.cores,
            "kernel": self.kernel,
            "adapter": self.adapter,
            "rustc": self.rustc,
            "profile": self.profile,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, kernel, adapter, rustc, profile } = self;
        write!(f, "{processor}, {cores} cores; Linux {kernel}; {adapter}; {rustc}; {profile}")
    }
}
