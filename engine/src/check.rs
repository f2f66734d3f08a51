//! `engine check SCENE`: everything that can be known about a scene without running it.
//!
//! First the words: syntax, cells, parameters, assets, shaders, declarations. Then a rehearsal of the cells that are
//! well so far: each is made, loads and submits its passes, and one frame is planned and drawn on a GPU that draws
//! nothing. No cell ticks.
use crate::{
    args::{BackendArg, RunArgs},
    building,
    start::{self, Prepared},
};
use anyhow::Context as _;
use clap::Parser as _;
use engine_frame::{
    contracts::{CellDecl, Contracts},
    links::NowGraph,
    plan::CellLine,
    wgsl,
};
use engine_host::{Project, builder::BuiltCell, trust};
use engine_scene::{Scene, SceneCell, SceneFault, check_params};
use std::{path::Path, process::ExitCode, sync::Arc};
use tracing::subscriber::{NoSubscriber, with_default};

/// Checks a scene and prints every fault.
pub(crate) fn check(scene: &Path, no_build: bool, root: Option<&Path>) -> anyhow::Result<ExitCode> {
    let project = start::project(root)?;
    let path = start::scene_path(&project, scene)?;
    let shown = path.strip_prefix(&project.root).unwrap_or(&path).display().to_string();
    let scene = match start::read_scene(&project, &path)? {
        Ok(scene) => scene,
        Err(faults) => return Ok(verdict(&shown, &faults, 0)),
    };
    start::warn_if_empty(&scene);
    let names = start::crates_of(&project, &scene)?;
    if !no_build {
        building::build(&project, &names)?;
    }
    let mut faults = words(&project, &scene)?;
    faults.extend(rehearsal(project, &path, &scene, &faults)?);
    faults.sort_by_key(|f| f.line);
    Ok(verdict(&shown, &faults, scene.cells.len()))
}

/// Returns the faults that show before any code of a cell runs.
fn words(project: &Project, scene: &Scene) -> anyhow::Result<Vec<SceneFault>> {
    let mut faults = scene.check_cells(&project.cells()?);
    let mut decls = Vec::new();
    for (n, cell) in scene.cells.iter().enumerate() {
        if is_faulty(cell, &faults) {
            continue;
        }
        let built = match project.stage(cell.cell.as_str()) {
            Ok(built) => built,
            Err(error) => {
                faults.push(cell.fault(error.to_string(), None));
                continue;
            }
        };
        match check_params(cell, &built.ports) {
            Err(more) => faults.extend(more),
            Ok(checked) => {
                for a in checked.assets {
                    let file = project.root.join("assets").join(&a.path);
                    if !file.is_file() {
                        let what = format!("the asset `{}` of `{}` does not exist", a.path, a.param);
                        let help = Some(format!("put the file at assets/{}", a.path));
                        faults.push(cell.fault_at(a.span, what, help));
                    }
                }
            }
        }
        faults.extend(shader_fault(project, cell, &built));
        if takes_part(cell) {
            let (line, table) = (CellLine(n as u32), Arc::clone(&built.ports));
            decls.push(CellDecl {
                line,
                name: cell.name.as_str().into(),
                table,
                standing: trust::standing(cell),
            });
        }
    }
    faults.extend(declarations(scene, &decls));
    Ok(faults)
}

fn shader_fault(project: &Project, cell: &SceneCell, built: &BuiltCell) -> Option<SceneFault> {
    let path = built.shaders.join(built.ports.shader.as_ref()?);
    let shown = path.strip_prefix(&project.root).unwrap_or(&path).display().to_string();
    let origin = trust::shader_origin(cell);
    let what = match std::fs::read_to_string(&path) {
        Err(error) => format!("the shader {shown} cannot be read: {error}"),
        Ok(body) => {
            let message =
                engine_render::check_shader(&shown, &wgsl::header(&built.ports), &body, origin).err()?;
            format!("its shader has a fault:\n{message}")
        }
    };
    Some(cell.fault(what, None))
}

/// Returns what is wrong between the cells, and tells which names nobody writes.
fn declarations(scene: &Scene, decls: &[CellDecl]) -> Vec<SceneFault> {
    let mut contracts = Contracts::default();
    let cell = |line: CellLine| &scene.cells[line.0 as usize];
    let mut faults: Vec<SceneFault> = contracts
        .declare(decls)
        .iter()
        .map(|f| match f.other() {
            Some(other) => cell(f.line()).fault_with(f.to_string(), cell(other)),
            None => cell(f.line()).fault(f.to_string(), None),
        })
        .collect();
    for cycle in NowGraph::new(&contracts).1 {
        faults.extend(scene.cell(&cycle.reader).map(|c| c.fault(cycle.to_string(), None)));
    }
    for unfed in contracts.unfed() {
        match unfed.did_you_mean {
            Some(_) => tracing::warn!("{unfed}"),
            None => tracing::info!("{unfed}: it is read as its start value"),
        }
    }
    faults
}

/// Returns what shows only when cells load and a frame is planned; those with `faults` are left out.
fn rehearsal(
    project: Project,
    path: &Path,
    scene: &Scene,
    faults: &[SceneFault],
) -> anyhow::Result<Vec<SceneFault>> {
    let mut rehearsed = scene.clone();
    rehearsed.cells.retain(|c| takes_part(c) && !is_faulty(c, faults));
    for cell in &mut rehearsed.cells {
        // What a key switches on is looked at too.
        cell.enabled = true;
    }
    let args = RunArgs {
        headless: true,
        lockstep: true,
        backend: BackendArg::Noop,
        keep_records: false,
        ..RunArgs::parse_from(["engine"])
    };
    let prepared = Prepared { project, scene_path: path.to_owned(), scene: rehearsed, upload: None };
    // What the world says of its faults is said below, with their places.
    let found = with_default(NoSubscriber::new(), || {
        let renderer = start::renderer(&args, &prepared, None)?;
        let mut world = start::world(&args, &prepared, renderer, start::SIZE_CPU)?;
        let found = world.rehearse()?;
        world.close();
        anyhow::Ok(found)
    });
    let found = found.context("the cells cannot be made and asked for their passes")?;
    let fault = |f: engine_host::Finding| {
        // What is wrong with a shader comes with its own place.
        let head = if f.what.contains("\n  -->") { "its shader has a fault:\n" } else { "" };
        scene.cell(&f.cell).map(|c| c.fault(format!("{head}{}", f.what.trim()), None))
    };
    Ok(found.into_iter().filter_map(fault).collect())
}

/// Returns whether the cell is on, or can be switched on.
fn takes_part(cell: &SceneCell) -> bool {
    cell.enabled || cell.on.is_some()
}

fn is_faulty(cell: &SceneCell, faults: &[SceneFault]) -> bool {
    faults.iter().any(|f| f.cell.as_deref() == Some(&cell.name))
}

fn verdict(shown: &str, faults: &[SceneFault], cells: usize) -> ExitCode {
    for f in faults {
        tracing::error!("\n{f}");
    }
    if faults.is_empty() {
        tracing::info!("{shown}: {cells} cells, no fault");
        ExitCode::SUCCESS
    } else {
        tracing::error!("{shown}: {} fault(s)", faults.len());
        ExitCode::FAILURE
    }
}
