//! The interface of a port table.
use super::{Entry, Interface, lowest};
use crate::ports::{
    BufferDesc, BufferUsage, Direction, Param, Port, PortKind, PortTable, StartValue, TargetDesc, TargetSize,
};

impl Interface {
    /// Returns what others rely on of what a cell declares.
    #[must_use]
    pub fn of(table: &PortTable) -> Self {
        let ports = table.ports.iter().filter_map(|port| entry(port, table));
        let groups = table.optional_groups.iter().map(|name| plain("group", name, "optional".to_owned()));
        let params = table.params.iter().map(param);
        Self::new(&table.name, ports.chain(groups).chain(params).collect())
    }
}

fn plain(kind: &str, name: &str, what: String) -> Entry {
    Entry { kind: kind.to_owned(), name: name.to_owned(), what, fields: Vec::new() }
}

fn param(param: &Param) -> Entry {
    let required = if param.default.is_none() { ", required" } else { "" };
    plain("param", &param.name, format!("{}{required}", param.kind.name()))
}

fn entry(port: &Port, table: &PortTable) -> Option<Entry> {
    let kind = match port.direction {
        Direction::Input => "input",
        Direction::Output => "output",
        Direction::Own => return None,
    };
    let (what, fields) = match &port.kind {
        PortKind::Texture(target) => (texture(target), Vec::new()),
        PortKind::Backbuffer => ("backbuffer".to_owned(), Vec::new()),
        PortKind::Buffer(buffer) => (elements(buffer, port.direction, table), fields(buffer, table)),
        // Only own ports are sealed.
        PortKind::Sealed(_) => return None,
    };
    Some(Entry { fields, ..plain(kind, &port.name, what) })
}

fn texture(target: &TargetDesc) -> String {
    let size = match target.size {
        TargetSize::Screen { num, den } => {
            let [num, den] = lowest(num, den);
            format!("screen {num}/{den}")
        }
        TargetSize::Fixed { width, height } => format!("fixed {width}x{height}"),
    };
    let start = match target.start {
        StartValue::Keep => ", keep".to_owned(),
        // Zeros are silence: the name takes what others say.
        start if start == StartValue::Clear([0.0; 4]) => String::new(),
        StartValue::Clear([a, b, c, d]) => format!(", clear {a} {b} {c} {d}"),
    };
    format!("texture, {}, {size}, mips {}{start}", target.format.name(), target.mips)
}

fn elements(buffer: &BufferDesc, direction: Direction, table: &PortTable) -> String {
    let each = format!("buffer, {} bytes each", buffer.element_size(table));
    match direction {
        Direction::Output => format!("{each}, at most {}", buffer.max_count),
        // A reader's count says nothing.
        _ => each,
    }
}

fn fields(buffer: &BufferDesc, table: &PortTable) -> Vec<(String, String)> {
    let layout = match buffer.usage {
        BufferUsage::Indices | BufferUsage::Counts => None,
        _ => table.layout(&buffer.element),
    };
    let fields = layout.into_iter().flat_map(|layout| &layout.fields);
    fields.map(|f| (f.name.clone(), format!("{} at {}", f.kind.name(), f.offset))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "cell-ports 1
abi 1.1
name demo_v1
rate 30
shader demo.wgsl
param f32 gain = 1
param asset file
param vec3f fly.at = 0 30 80
group? fly
port input scene_color texture rgba16float screen 2/4 mips 1 clear 0 0 0 0
port input poses instances Pose 8 now history
port own mips texture rgba16float screen 1/2 mips 6 keep
port own mesh sealed vertices Pose
port output tris indices - 64
port output shadow texture depth32float fixed 512x256 mips 1 clear 1 0 0 0
port output trail texture rgba8unorm screen 1/1 mips 1 keep
port output picture backbuffer
type Pose 16
field Pose at vec3f 0
field Pose scale f32 12
end
";
    const TEXT: &str = "cell-interface 1
contract demo_v1
group fly: optional
input poses: buffer, 16 bytes each
  at: vec3f at 0
  scale: f32 at 12
input scene_color: texture, rgba16float, screen 1/2, mips 1
output picture: backbuffer
output shadow: texture, depth32float, fixed 512x256, mips 1, clear 1 0 0 0
output trail: texture, rgba8unorm, screen 1/1, mips 1, keep
output tris: buffer, 4 bytes each, at most 64
param file: asset, required
param fly.at: vec3f
param gain: f32
";

    fn of(table: &str) -> Interface {
        Interface::of(&PortTable::parse(table).expect("a good table"))
    }

    #[test]
    fn an_interface_is_what_others_see() {
        let found = of(TABLE);
        assert_eq!(found.to_text(), TEXT);
        assert_eq!(Interface::parse(TEXT), Ok(found));
        // The known answer: it may change only together with the first line of the text.
        assert_eq!(
            of(TABLE).fingerprint().to_hex(),
            "efdcacb74dbf9cca012323950dcd2b718e7fb266f401e137402d1085a68d3b0c"
        );
    }

    #[test]
    fn what_nobody_else_can_tell_changes_nothing() {
        for (from, to) in [
            ("rate 30", "rate 60"),
            ("abi 1.1", "abi 1.0"),
            ("demo.wgsl", "other.wgsl"),
            ("gain = 1", "gain = 2"),
            ("port own mesh sealed vertices Pose\n", ""),
            ("port own mips", "port own levels"),
            ("instances Pose 8 now history", "storage Pose 9"),
            ("screen 2/4", "screen 1/2"),
            ("clear 0 0 0 0", "clear -0 0 0 0"),
        ] {
            assert!(TABLE.contains(from), "{from}");
            assert_eq!(of(&TABLE.replacen(from, to, 1)).to_text(), TEXT, "{from} -> {to}");
        }
        assert_eq!(of(&TABLE.replace("Pose", "Place")).to_text(), TEXT);
    }

    #[test]
    fn what_others_see_changes_it() {
        for (from, to) in [
            ("name demo_v1", "name demo_v2"),
            ("param f32 gain = 1", "param f32 gain"),
            ("param f32 gain", "param u32 gain"),
            ("param f32 gain", "param f32 loss"),
            ("group? fly\n", ""),
            ("input scene_color", "output scene_color"),
            ("rgba16float screen 2/4", "rgba8unorm screen 2/4"),
            ("screen 2/4", "screen 1/4"),
            ("fixed 512x256", "fixed 512x512"),
            ("mips 1 clear 1", "mips 2 clear 1"),
            ("clear 1 0 0 0", "clear 0.5 0 0 0"),
            ("mips 1 keep", "mips 1 clear 0 0 0 0"),
            ("tris indices - 64", "tris indices - 65"),
            ("at vec3f 0\nfield Pose scale f32 12", "scale f32 0\nfield Pose at vec3f 4"),
            ("field Pose scale", "field Pose size"),
            ("type Pose 16", "type Pose 32"),
        ] {
            assert!(TABLE.contains(from), "{from}");
            assert_ne!(of(&TABLE.replacen(from, to, 1)).to_text(), TEXT, "{from} -> {to}");
        }
    }
}
