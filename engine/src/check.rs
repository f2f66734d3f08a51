//! `engine check SCENE`: everything that can be known about a scene without running it.
use crate::{building, start};
use anyhow::Context as _;
use engine_frame::{
    contracts::{CellDecl, Contracts},
    plan::CellLine,
    wgsl,
};
use engine_scene::{SceneFault, check_params};
use std::{path::Path, process::ExitCode, sync::Arc};

/// Checks a scene and prints every fault.
pub(crate) fn check(scene: &Path, no_build: bool, root: Option<&Path>) -> anyhow::Result<ExitCode> {
    let project = start::project(root)?;
    let path = start::scene_path(&project, scene)?;
    let shown = path.strip_prefix(&project.root).unwrap_or(&path).display().to_string();
    let scene = match start::read_scene(&project, &path)? {
        Ok(scene) => scene,
        Err(faults) => return Ok(verdict(&shown, &faults, 0)),
    };
    let names = start::crates_of(&project, &scene)?;
    if !no_build {
        building::build(&project, &names)?;
    }
    let mut faults = scene.check_cells(&project.cells()?);
    let mut decls = Vec::new();
    for (n, cell) in scene.cells.iter().enumerate() {
        if faults.iter().any(|f| f.cell.as_deref() == Some(&cell.name)) {
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
        if let Some(file) = &built.ports.shader {
            let path = built.shaders.join(file);
            let shown = path.strip_prefix(&project.root).unwrap_or(&path).display().to_string();
            let checked = std::fs::read_to_string(&path)
                .with_context(|| format!("the shader {shown} cannot be read"))
                .map_err(|e| format!("{e:#}"))
                .and_then(|body| engine_render::check_shader(&shown, &wgsl::header(&built.ports), &body));
            if let Err(message) = checked {
                faults.push(cell.fault(format!("its shader has a fault:\n{message}"), None));
            }
        }
        decls.push(CellDecl {
            line: CellLine(n as u32),
            name: cell.name.as_str().into(),
            table: Arc::clone(&built.ports),
        });
    }
    for fault in Contracts::default().declare(&decls) {
        let cell = &scene.cells[fault.line().0 as usize];
        faults.push(cell.fault(fault.to_string(), None));
    }
    Ok(verdict(&shown, &faults, scene.cells.len()))
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
