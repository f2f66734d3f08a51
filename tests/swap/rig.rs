//! An engine over a project with a cell whose library can be replaced, and what its ticks tell.
use crate::EXE;
use engine_tests::{Engine, Library, Live, Ran, scratch_project};
use std::{fs, path::PathBuf};

/// What a copy of the faulty cell's library says of itself. Other words are another build.
const WELL: &str = "was built to: do well....";
/// Real time, until it is ended.
pub(crate) const RUN: [&str; 5] = ["--headless", "--frames", "100000", "--size", "16x16"];

/// An engine over a project with a faulty cell whose library can be replaced.
pub(crate) struct Rig {
    pub(crate) engine: Engine,
    pub(crate) project: tempfile::TempDir,
    pub(crate) trust: &'static str,
    /// What else its line says.
    pub(crate) line: &'static str,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let project = tempfile::tempdir().unwrap();
        scratch_project(project.path());
        let shaders = project.path().join("shaders");
        fs::create_dir(shaders.join("twin")).unwrap();
        fs::copy(shaders.join("faulty/faulty.wgsl"), shaders.join("twin/faulty.wgsl")).unwrap();
        let rig = Self { engine: Engine::new(EXE).at(project.path()), project, trust: "Own", line: "" };
        rig.build("do well");
        rig
    }

    pub(crate) fn library(&self) -> PathBuf {
        self.project.path().join("assets/twin.so")
    }

    /// Makes a build that fails in this way.
    pub(crate) fn build(&self, how: &str) {
        self.save(&self.made(how));
    }

    pub(crate) fn made(&self, how: &str) -> Library {
        let text = format!("was built to: {how:.<11}");
        self.engine.library("faulty").with_bytes(WELL.as_bytes(), text.as_bytes())
    }

    pub(crate) fn save(&self, library: &Library) {
        let next = self.library().with_extension("next");
        library.save(&next);
        fs::rename(next, self.library()).unwrap();
    }

    /// A scene with a neighbour, the cell and the tone map.
    pub(crate) fn scene(&self, with: &str, at: &str) -> String {
        let (trust, line) = (self.trust, self.line);
        let text = format!(
            r#"World(rate: 60, cells: [
                (cell: "camera", name: "neighbour", with: (fly: (at: (0, 0, 9), look: (0, 0, 0)))),
                (cell: "assets/twin.so", trust: {trust}, name: "faulty", at: {at}, {line} with: (tell_ticks: true, {with})),
                (cell: "tonemap"),
            ])"#
        );
        self.engine.scene("swap.ron", &text)
    }

    pub(crate) fn live(&self, at: &str) -> Live {
        let mut live = Live::start(&self.engine, &[&["--scene", &self.scene("", at)], &RUN[..]].concat());
        live.until("it has ticked 5");
        live
    }

    pub(crate) fn lockstep(&self, with: &str, at: &str, frames: &str, acts: &[&str]) -> Ran {
        let acts = acts.iter().flat_map(|a| ["--act", a]);
        let args: Vec<&str> = ["--frames", frames, "--size", "32x18"].into_iter().chain(acts).collect();
        self.engine.lockstep(&self.scene(with, at), &args)
    }
}

/// Returns the frames of the cell's ticks and how many it had counted, as far as these lines tell.
pub(crate) fn ticks<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(u64, u64)> {
    let told = lines.filter_map(|l| l.split_once("[faulty] in frame ")?.1.split_once(" it has ticked "));
    told.map(|(frame, count)| (frame.parse().unwrap(), count.parse().unwrap())).collect()
}

/// Asserts that each tick is the one after the one before it, from the state that that one left.
pub(crate) fn assert_counts_on(ticks: &[(u64, u64)], what: &str) {
    for pair in ticks.windows(2) {
        assert!(pair[0].0 < pair[1].0 && pair[0].1 + 1 == pair[1].1, "{what}: {ticks:?}");
    }
}

pub(crate) fn is_green(ran: &Ran) -> bool {
    let p = ran.picture.as_ref().unwrap_or_else(|| panic!("no picture:\n{}", ran.log)).get_pixel(16, 9).0;
    p[1] > 100 && p[0] < 90
}

/// Returns how far the newest replacement of a run has come.
pub(crate) fn standing(ran: &Ran) -> &str {
    ran.report["swaps"].as_array().and_then(|s| s.last()).map_or("none", |s| s["standing"].as_str().unwrap())
}
