//! A second probe that writes what the first one reads.
use crate::{Engine, scratch_project, swapped};

impl Engine {
    /// Returns the engine `exe` over a project in which `twin.so` is a probe that writes what the probe reads, and reads
    /// what it writes; and the project's folder.
    #[must_use]
    pub fn with_twin(exe: &str) -> (Self, tempfile::TempDir) {
        let project = tempfile::tempdir().expect("a temporary folder");
        scratch_project(project.path());
        let engine = Self::new(exe).at(project.path());
        let twin = |text: &str| {
            let names = [("tally", "heard"), ("says", "told"), ("given", "taken")];
            names.iter().fold(text.to_owned(), |t, (a, b)| swapped(&t, a, b))
        };
        engine.library("probe").with_ports(twin).save(&project.path().join("twin.so"));
        let shaders = project.path().join("shaders");
        let shader =
            std::fs::read_to_string(shaders.join("probe/probe.wgsl")).expect("the probe has a shader");
        std::fs::create_dir(shaders.join("twin")).expect("a folder can be made");
        std::fs::write(shaders.join("twin/probe.wgsl"), twin(&shader)).expect("a shader can be written");
        (engine, project)
    }
}
