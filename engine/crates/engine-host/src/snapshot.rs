//! A contract as JSON, for programs that are not Rust: `.cell/schema/NAME.json`, beside the lock.
//!
//! It tells the same as the interface, which its hash is of, and besides what types are called. The same contract gives
//! the same bytes.
use cell_abi::{
    interface::{Interface, lowest},
    ports::{
        BufferUsage, Direction, FieldKind, ParamKind, PortKind, PortTable, StartValue, TargetSize, TypeLayout,
    },
};
use serde::Serialize;
use std::collections::BTreeSet;

#[derive(Serialize)]
struct Snapshot<'a> {
    name: &'a str,
    fingerprint: String,
    format: &'static str,
    hash: String,
    types: Vec<Type<'a>>,
    routes: [(); 0],
    params: Vec<Param<'a>>,
    resources: Vec<Resource<'a>>,
}

#[derive(Serialize)]
struct Type<'a> {
    name: &'a str,
    kind: &'static str,
    size: u32,
    align: u32,
    fields: Vec<Field<'a>>,
}

#[derive(Serialize)]
struct Field<'a> {
    name: &'a str,
    ty: &'static str,
    at: u32,
}

#[derive(Serialize)]
struct Param<'a> {
    name: &'a str,
    ty: &'static str,
    required: bool,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum What<'a> {
    Texture {
        format: &'static str,
        size: String,
        mips: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        start: Option<String>,
    },
    Buffer {
        element: &'a str,
        size: u32,
        at_most: Option<u32>,
    },
    Backbuffer {},
}

#[derive(Serialize)]
struct Resource<'a> {
    name: &'a str,
    direction: &'static str,
    #[serde(flatten)]
    what: What<'a>,
}

/// Returns the snapshot of a cell's contract: JSON, indented by two, with an end of line.
///
/// # Panics
/// Never: names and numbers can always be told in JSON.
#[must_use]
pub fn snapshot(table: &PortTable) -> String {
    let interface = Interface::of(table);
    let fingerprint = interface.fingerprint();
    let mut resources: Vec<Resource<'_>> =
        table.ports.iter().filter_map(|p| resource(p.direction, &p.name, &p.kind, table)).collect();
    resources.sort_by_key(|r| (r.direction, r.name));
    let mut params: Vec<Param<'_>> = table
        .params
        .iter()
        .map(|p| Param { name: &p.name, ty: param_type(p.kind), required: p.default.is_none() })
        .collect();
    params.sort_by_key(|p| p.name);
    let named = |r: &Resource<'_>| match r.what {
        What::Buffer { element, .. } => Some(element.to_owned()),
        _ => None,
    };
    let used: BTreeSet<String> = resources.iter().filter_map(named).collect();
    let mut types: Vec<Type<'_>> =
        table.types.iter().filter(|t| used.contains(&t.name) && !is_plain(t)).map(layout).collect();
    types.sort_by_key(|t| t.name);
    let whole = Snapshot {
        name: &table.name,
        fingerprint: fingerprint.to_string(),
        format: "cell-interface 1",
        hash: fingerprint.to_hex(),
        types,
        routes: [],
        params,
        resources,
    };
    serde_json::to_string_pretty(&whole).expect("names and numbers can be told in JSON") + "\n"
}

fn resource<'a>(
    direction: Direction,
    name: &'a str,
    kind: &'a PortKind,
    table: &PortTable,
) -> Option<Resource<'a>> {
    let direction = match direction {
        Direction::Input => "input",
        Direction::Output => "output",
        Direction::Own => return None,
    };
    let what = match kind {
        PortKind::Backbuffer => What::Backbuffer {},
        PortKind::Sealed(_) => return None,
        PortKind::Texture(t) => What::Texture {
            format: t.format.name(),
            size: match t.size {
                TargetSize::Screen { num, den } => {
                    let [num, den] = lowest(num, den);
                    format!("screen {num}/{den}")
                }
                TargetSize::Fixed { width, height } => format!("{width}x{height}"),
            },
            mips: t.mips,
            start: match t.start {
                StartValue::Keep => Some("keep".to_owned()),
                // Zeros are silence.
                start if start == StartValue::Clear([0.0; 4]) => None,
                StartValue::Clear([a, b, c, d]) => Some(format!("clear {a} {b} {c} {d}")),
            },
        },
        PortKind::Buffer(b) => What::Buffer {
            element: match b.usage {
                BufferUsage::Indices | BufferUsage::Counts => "u32",
                _ => &b.element,
            },
            size: b.element_size(table),
            at_most: (direction == "output").then_some(b.max_count),
        },
    };
    Some(Resource { name, direction, what })
}

/// A number, a vector or a matrix, which needs no layout of its own.
fn is_plain(layout: &TypeLayout) -> bool {
    matches!(layout.fields.as_slice(), [only] if only.name == "value" && only.kind.name() == layout.name)
}

fn layout(of: &TypeLayout) -> Type<'_> {
    let fields = of.fields.iter().map(|f| Field { name: &f.name, ty: rust_type(f.kind), at: f.offset });
    let align = |kind: FieldKind| if kind == FieldKind::Unorm8x4 { 1 } else { 4 };
    Type {
        name: &of.name,
        kind: "struct",
        size: of.size,
        align: of.fields.iter().map(|f| align(f.kind)).max().unwrap_or(1),
        fields: fields.collect(),
    }
}

/// Returns the type in Rust's words.
fn rust_type(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::F32 => "f32",
        FieldKind::U32 => "u32",
        FieldKind::I32 => "i32",
        FieldKind::Vec2 => "[f32; 2]",
        FieldKind::Vec3 => "[f32; 3]",
        FieldKind::Vec4 => "[f32; 4]",
        FieldKind::UVec2 => "[u32; 2]",
        FieldKind::UVec4 => "[u32; 4]",
        FieldKind::Mat4 => "[[f32; 4]; 4]",
        FieldKind::Vec4x9 => "[[f32; 4]; 9]",
        FieldKind::Unorm8x4 => "[u8; 4]",
    }
}

fn param_type(kind: ParamKind) -> &'static str {
    match kind {
        ParamKind::F32 => "f32",
        ParamKind::U32 => "u32",
        ParamKind::I32 => "i32",
        ParamKind::Bool => "bool",
        ParamKind::Vec2 => "[f32; 2]",
        ParamKind::Vec3 => "[f32; 3]",
        ParamKind::Vec4 => "[f32; 4]",
        ParamKind::Text => "String",
        ParamKind::Asset => "Asset",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "cell-ports 1\nabi 1.1\nname demo_v1\nrate 60\nparam f32 gain = 1\nparam asset file\n\
        port input camera uniform Cam 1\nport input levels storage f32 16\nport own mine uniform Mine 1\n\
        port output glow texture rgba16float screen 1/2 mips 1 clear 0 0 0 1\nport output picture backbuffer\n\
        type Cam 16\nfield Cam eye vec3f 0\nfield Cam near f32 12\ntype f32 4\nfield f32 value f32 0\n\
        type Mine 4\nfield Mine n u32 0\nend\n";

    #[test]
    fn a_snapshot_tells_the_contract_and_is_always_the_same() {
        let table = PortTable::parse(TABLE).unwrap();
        let text = snapshot(&table);
        assert_eq!(text, snapshot(&table));
        assert!(
            text.starts_with("{\n  \"name\": \"demo_v1\",\n  \"fingerprint\": \"0x") && text.ends_with("}\n")
        );
        let v: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(v["hash"], Interface::of(&table).fingerprint().to_hex());
        assert_eq!(v["types"].as_array().unwrap().len(), 1, "own and plain ones are not told: {text}");
        assert_eq!(v["types"][0]["fields"][1], serde_json::json!({"name": "near", "ty": "f32", "at": 12}));
        assert_eq!(v["params"][0], serde_json::json!({"name": "file", "ty": "Asset", "required": true}));
        assert_eq!(
            v["resources"][2],
            serde_json::json!({"name": "glow", "direction": "output", "kind": "texture", "format": "rgba16float",
                "size": "screen 1/2", "mips": 1, "start": "clear 0 0 0 1"})
        );
        assert!(text.len() < 20_000);
    }
}
