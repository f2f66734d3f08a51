//! From text to a checked module, and what its entry points need.
use super::{compiler::STACK_BYTES, fuel, message::Text, scan};
use crate::{
    command::{ShaderOrigin, ShaderSource},
    gpu::Gpu,
};
use naga::valid::ValidationFlags;
use std::{borrow::Cow, thread};

/// A shader's text as of one call of `set_shader`.
pub(crate) struct ShaderText {
    pub(crate) source: ShaderSource,
    /// Rises with each text of a run.
    pub(crate) version: u64,
}

impl ShaderText {
    pub(crate) fn text(&self) -> Text<'_> {
        Text { path: &self.source.path, header: &self.source.header, body: &self.source.body }
    }
}

/// A module that is good in itself. Whether it fits a pass is asked with [`Module::fault`].
pub(crate) struct Module {
    pub(crate) module: wgpu::ShaderModule,
    entries: Vec<Entry>,
}

struct Entry {
    name: String,
    stage: naga::ShaderStage,
    uses: Vec<Use>,
}

/// A binding that an entry point uses, itself or in a function it calls.
struct Use {
    group: u32,
    binding: u32,
    name: String,
}

/// What a pass asks of a shader.
pub(crate) struct Need<'a> {
    pub(crate) label: &'a str,
    pub(crate) entry: &'a str,
    pub(crate) stage: naga::ShaderStage,
    /// The binding numbers of groups 1 and 2 that the pass fills.
    pub(crate) groups: [&'a [u32]; 2],
}

/// Checks a shader's text by itself, without a device: size, nesting, syntax, types. `path` is the file as
/// messages name it, `header` the engine's declarations before `body` (see `engine_frame::wgsl`). Of an untrusted one also
/// what only those may not do.
///
/// # Errors
/// The message for the file's author, with line and caret.
pub fn check_shader(path: &str, header: &str, body: &str, origin: ShaderOrigin) -> Result<(), String> {
    let text = Text { path, header, body };
    thread::scope(|scope| {
        // Any caller may have a small stack.
        let checked = thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, || {
            let (mut module, info) = parse(&text, wgpu::Features::empty(), wgpu::DownlevelFlags::all())?;
            fuelled(&text, &mut module, &info, origin)
        });
        match checked.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(checked)) => checked,
            Ok(Err(_)) => Err(text.crashed()),
            Err(error) => Err(format!("error: {path} cannot be checked: {error}")),
        }
    })
}

fn parse(
    text: &Text<'_>,
    features: wgpu::Features,
    downlevel: wgpu::DownlevelFlags,
) -> Result<(naga::Module, naga::valid::ModuleInfo), String> {
    scan::scan(text.body).map_err(|e| text.refused(&e))?;
    let module = naga::front::wgsl::parse_str(&text.whole()).map_err(|e| text.parse_error(&e))?;
    let mut validator = wgpu_naga_bridge::create_validator(features, downlevel, ValidationFlags::all());
    let info = validator.validate(&module).map_err(|e| text.invalid(&e))?;
    Ok((module, info))
}

/// Puts fuel into a stranger's module.
fn fuelled(
    text: &Text<'_>,
    module: &mut naga::Module,
    info: &naga::valid::ModuleInfo,
    origin: ShaderOrigin,
) -> Result<(), String> {
    match origin {
        ShaderOrigin::Own => Ok(()),
        ShaderOrigin::Untrusted => {
            fuel::add(module, info).map_err(|why| format!("error: {why}\n  --> {}", text.path))
        }
    }
}

/// Checks a text and makes its module. Returns the message for its author.
///
/// Needs a large stack: naga calls itself as deep as the text is nested.
pub(crate) fn compile(gpu: &Gpu, shader: &ShaderText) -> Result<Module, String> {
    let text = shader.text();
    let (mut module, info) = parse(&text, gpu.features, gpu.downlevel)?;
    let entries = entries(&module, &info);
    fuelled(&text, &mut module, &info, shader.source.origin)?;
    let (module, fault) = gpu.creating(|| {
        gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(text.path),
            source: wgpu::ShaderSource::Naga(Cow::Owned(module)),
        })
    });
    match fault {
        None => Ok(Module { module, entries }),
        Some(fault) => Err(format!("error: {fault}\n  --> {}", text.path)),
    }
}

fn entries(module: &naga::Module, info: &naga::valid::ModuleInfo) -> Vec<Entry> {
    let entries = module.entry_points.iter().enumerate().map(|(n, entry)| {
        let used = info.get_entry_point(n);
        let uses = module.global_variables.iter().filter(|(handle, _)| !used[*handle].is_empty());
        let uses = uses.filter_map(|(_, var)| {
            let at = var.binding?;
            Some(Use { group: at.group, binding: at.binding, name: var.name.clone().unwrap_or_default() })
        });
        Entry { name: entry.name.clone(), stage: entry.stage, uses: uses.collect() }
    });
    entries.collect()
}

impl Module {
    /// Returns why this shader does not fit a pass.
    pub(crate) fn fault(&self, text: &Text<'_>, need: &Need<'_>) -> Option<String> {
        let Some(entry) = self.entries.iter().find(|e| e.name == need.entry && e.stage == need.stage) else {
            return Some(text.at_function(need.entry, &self.missing(need)));
        };
        let unbound = entry.uses.iter().find(|u| match u.group {
            0 => false,
            1 | 2 => !need.groups[u.group as usize - 1].contains(&u.binding),
            _ => true,
        })?;
        Some(text.at_function(need.entry, &unbound.sentence(need)))
    }

    fn missing(&self, need: &Need<'_>) -> String {
        let stage = stage_name(need.stage);
        let (entry, label) = (need.entry, need.label);
        if let Some(other) = self.entries.iter().find(|e| e.name == entry) {
            return format!(
                "`{entry}` is a @{} function, pass `{label}` wants a @{stage} one",
                stage_name(other.stage)
            );
        }
        let near = self.entries.iter().filter(|e| e.stage == need.stage && !e.name.starts_with("engine_"));
        let near = near.map(|e| (strsim::damerau_levenshtein(&e.name, entry), &e.name)).min();
        let hint = match near {
            Some((distance, name)) if distance <= entry.len() / 3 + 1 => format!("; did you mean `{name}`?"),
            _ => format!("; add `@{stage} fn {entry}(..)`"),
        };
        format!("pass `{label}` wants the @{stage} function `{entry}`, which this shader does not have{hint}")
    }
}

impl Use {
    fn sentence(&self, need: &Need<'_>) -> String {
        let (entry, name) = (need.entry, &self.name);
        let (verb, fix) = match (self.group, self.binding) {
            (1, 0..64) => ("reads", format!("add .read({name})")),
            (1, 64..128) => {
                ("reads", format!("add .read_previous({})", name.strip_suffix("_prev").unwrap_or(name)))
            }
            (1, 128..192) => {
                ("stores to", format!("add .store({})", name.strip_suffix("_out").unwrap_or(name)))
            }
            (2, _) => ("reads", format!("add .bind({name}, &..) to the pass or its draws")),
            (group, binding) => {
                let why = "it is none of the bindings that the engine declares from the cell's ports";
                return format!("`{entry}` uses `{name}` (@group({group}) @binding({binding})), but {why}");
            }
        };
        let pass = if need.label == entry { "the pass".to_owned() } else { format!("pass `{}`", need.label) };
        format!("`{entry}` {verb} `{name}`, but {pass} does not: {fix}")
    }
}

fn stage_name(stage: naga::ShaderStage) -> &'static str {
    match stage {
        naga::ShaderStage::Vertex => "vertex",
        naga::ShaderStage::Fragment => "fragment",
        naga::ShaderStage::Compute => "compute",
        _ => "other",
    }
}
