use super::*;
use naga::{AddressSpace, ResourceBinding, TypeInner};

const TABLE: &str = "cell-ports 1
abi 1.0
name all_v1
rate 60
shader all.wgsl
param f32 threshold = 1
param vec3f tint = 1 1 1
param f32 after = 2
param asset gltf
param bool on = true
param vec3f fly.at = 0 30 80
param f32 fly.speed = 2
param vec2f pair = 1 2
group? fly
port input scene_color texture rgba16float screen 1/1 mips 1 clear 0 0 0 0
port input scene_depth texture depth32float screen 1/1 mips 1 clear 0 0 0 0
port own mips texture rgba16float screen 1/2 mips 6 clear 0 0 0 0
port output ids texture r32uint screen 1/1 mips 1 clear 0 0 0 0
port output shadow texture depth32float fixed 2048x2048 mips 1 clear 0 0 0 0
port output srgb texture rgba8unorm-srgb screen 1/1 mips 1 clear 0 0 0 0
port output picture backbuffer
port input camera uniform CameraView 1 now
port input lamps storage Lamp 1000
port own levels storage f32 64
port own cubes instances Cube 20000
port own corners vertices Corner 36
port own tris indices - 36
port own counts counts - 4
port own mesh sealed vertices Corner
port own copies sealed instances Model
port own albedo sealed texture_2d
port own bones sealed storage Bone
type CameraView 144
field CameraView view_proj mat4x4f 0
field CameraView position vec3f 64
field CameraView near f32 76
field CameraView size vec2f 80
field CameraView id vec2u 88
field CameraView more vec4f 96
field CameraView a u32 112
field CameraView b i32 116
field CameraView c vec2f 120
field CameraView d vec4u 128
type Lamp 160
field Lamp sh array<vec4f,9> 0
field Lamp position vec3f 144
field Lamp power f32 156
type f32 4
type Cube 32
field Cube center vec3f 0
field Cube angle f32 12
field Cube color vec4f 16
type Corner 24
field Corner position vec3f 0
field Corner color unorm8x4 12
field Corner uv vec2f 16
type Model 64
field Model model mat4x4f 0
type Bone 64
field Bone world mat4x4f 0
end
";

fn table() -> PortTable {
    let t = PortTable::parse(TABLE).expect("a good table");
    assert_eq!(check(&t), Ok(()));
    t
}

fn module(source: &str) -> naga::Module {
    let module = naga::front::wgsl::parse_str(source)
        .unwrap_or_else(|e| panic!("{}", e.emit_to_string_with_path(source, "header.wgsl")));
    let flags = naga::valid::ValidationFlags::all();
    naga::valid::Validator::new(flags, naga::valid::Capabilities::empty())
        .validate(&module)
        .unwrap_or_else(|e| panic!("{}", e.emit_to_string_with_path(source, "header.wgsl")));
    module
}

/// The cell's own file: uses vertex types as entry inputs and everything else once.
const SHADER: &str = "
@vertex fn vs(c: Corner, i: Cube) -> Full {
    return Full(camera.view_proj * vec4f(c.position + i.center, 1.0), c.uv + vec2f(params.fly_speed));
}
@vertex fn placed(c: Corner, m: Model) -> Full {
    let model = mat4x4f(m.model_0, m.model_1, m.model_2, m.model_3);
    return Full(camera.view_proj * model * bones[0].world * vec4f(c.position, 1.0), c.uv);
}
@fragment fn fs(in: Full) -> @location(0) vec4f {
    let lit = textureSampleCompare(shadow, shadow_compare, in.uv, 0.5) + lamps[0].sh[3].x + levels[0];
    return textureSample(scene_color, linear_clamp, in.uv) * lit + textureSample(mips_prev, linear_repeat, in.uv);
}
@compute @workgroup_size(8, 8) fn cs(@builtin(global_invocation_id) id: vec3u) {
    textureStore(mips_out, id.xy, textureLoad(scene_color, id.xy, 0) * params.threshold);
    textureStore(ids_out, id.xy, vec4u(1u));
}
";

#[test]
fn the_header_is_valid_and_reflection_equals_the_contract() {
    let table = table();
    let m = module(&(header(&table) + SHADER));
    let mut bound: Vec<(String, u32, u32)> = Vec::new();
    for (_, v) in m.global_variables.iter() {
        let ResourceBinding { group, binding } = v.binding.expect("all of ours are bound");
        let name = v.name.clone().expect("named");
        if group != GROUP_ENGINE {
            let base = name.strip_suffix("_prev").or(name.strip_suffix("_out")).unwrap_or(&name);
            let (port, p) = table.port(base).expect("a port");
            let inner = &m.types[v.ty].inner;
            check_variable(&table, p, v.space, inner, &m, binding - u32::from(port));
        }
        bound.push((name, group, binding));
    }
    for want in [
        ("frame", 0, 0),
        ("params", 0, 1),
        ("linear_clamp", 0, 2),
        ("nearest_clamp", 0, 3),
        ("linear_repeat", 0, 4),
        ("shadow_compare", 0, 5),
        ("scene_color", 1, 0),
        ("scene_color_prev", 1, 64),
        ("mips", 1, 2),
        ("mips_out", 1, 130),
        ("ids_out", 1, 131),
        ("camera", 1, 7),
        ("lamps", 1, 8),
        ("levels", 1, 9),
        ("albedo", 2, 16),
        ("bones", 2, 17),
    ] {
        let want = (want.0.to_owned(), want.1, want.2);
        assert!(bound.contains(&want), "{want:?} in {bound:?}");
    }
    for absent in ["picture", "cubes", "tris", "counts", "mesh", "scene_color_out", "shadow_out", "srgb_out"]
    {
        assert!(!bound.iter().any(|b| b.0 == absent), "{absent} is nothing a shader binds");
    }
}

fn check_variable(
    table: &PortTable,
    port: &Port,
    space: AddressSpace,
    inner: &TypeInner,
    m: &naga::Module,
    offset: u32,
) {
    match (&port.kind, inner) {
        (PortKind::Texture(t), TypeInner::Image { class, .. }) => match class {
            naga::ImageClass::Depth { .. } => assert!(t.format.is_depth()),
            naga::ImageClass::Storage { .. } => assert_eq!(offset, OUT),
            _ => assert!(!t.format.is_depth() && (offset == 0 || offset == PREVIOUS)),
        },
        (PortKind::Sealed(SealedPort::Texture2d), TypeInner::Image { .. }) => {}
        (PortKind::Buffer(b), _) if b.usage == BufferUsage::Uniform => {
            assert_eq!(space, AddressSpace::Uniform);
            check_type(table, &b.element, inner, m);
        }
        (_, TypeInner::Array { base, stride, .. }) => {
            let (name, _) = element(port).expect("a storage port");
            assert_eq!(*stride, table.layout(name).expect("declared").size);
            check_type(table, name, &m.types[*base].inner, m);
        }
        other => panic!("{other:?}"),
    }
}

fn check_type(table: &PortTable, name: &str, inner: &TypeInner, m: &naga::Module) {
    let layout = table.layout(name).expect("declared");
    let TypeInner::Struct { members, span } = inner else {
        assert!(plain(layout).is_some(), "{name}");
        return;
    };
    assert_eq!(*span, layout.size, "{name}");
    for (f, member) in layout.fields.iter().zip(members) {
        assert_eq!(member.name.as_deref(), Some(&*f.name));
        assert_eq!(member.offset, f.offset, "{name}.{}", f.name);
        assert_eq!(m.types[member.ty].inner.size(m.to_ctx()), f.kind.size(), "{name}.{}", f.name);
    }
    assert_eq!(members.len(), layout.fields.len());
}

#[test]
fn vertex_locations_run_on_in_port_order_and_matrices_take_one_per_column() {
    let t = table();
    let a = |e| vertex_attributes(&t, e).expect("a vertex type");
    assert_eq!(a("Cube"), [(0, FieldKind::Vec3, 0), (1, FieldKind::F32, 12), (2, FieldKind::Vec4, 16)]);
    assert_eq!(
        a("Corner"),
        [(3, FieldKind::Vec3, 0), (4, FieldKind::Unorm8x4, 12), (5, FieldKind::Vec2, 16)]
    );
    assert_eq!(
        a("Model").iter().map(|x| (x.0, x.2)).collect::<Vec<_>>(),
        [(6, 0), (7, 16), (8, 32), (9, 48)]
    );
    assert_eq!(vertex_attributes(&t, "Lamp"), None);
}

#[test]
fn params_are_laid_out_as_wgsl_reads_them() {
    let table = table();
    let m = module(&header(&table));
    let (_, ty) = m.types.iter().find(|(_, t)| t.name.as_deref() == Some("Params")).expect("declared");
    let TypeInner::Struct { members, span } = &ty.inner else { panic!("a struct") };
    let layout = params_layout(&table);
    assert_eq!(members.len(), layout.len());
    for (member, f) in members.iter().zip(&layout) {
        assert_eq!((member.name.as_deref(), member.offset), (Some(&*f.name), f.offset));
    }
    assert_eq!(params_bytes(&table), span.next_multiple_of(16));
    let names: Vec<&str> = layout.iter().map(|f| &*f.name).collect();
    assert_eq!(names, ["threshold", "tint", "after", "on", "fly", "fly_at", "fly_speed", "pair"]);
}

#[test]
fn packed_params_hold_each_number_at_its_offset() {
    let table = table();
    let mut encoded = Vec::new();
    let mut word = |w: u32| encoded.extend(w.to_le_bytes());
    let f = f32::to_bits;
    word(f(0.5));
    [1.0, 2.0, 3.0].iter().for_each(|x: &f32| word(f(*x)));
    word(f(4.0));
    word(5); // "a.glb", padded
    word(u32::from_le_bytes(*b"a.gl"));
    word(u32::from_le_bytes(*b"b\0\0\0"));
    word(1); // on
    word(1); // fly is there
    [5.0, 6.0, 7.0].iter().for_each(|x: &f32| word(f(*x)));
    word(f(8.0));
    [9.0, 10.0].iter().for_each(|x: &f32| word(f(*x)));
    let packed = pack_params(&table, &encoded);
    assert_eq!(packed.len() as u32, params_bytes(&table));
    let at = |name: &str, i: usize| {
        let f = params_layout(&table).into_iter().find(|f| f.name == name).expect("a member");
        u32::from_le_bytes(packed[f.offset as usize + 4 * i..][..4].try_into().expect("four bytes"))
    };
    for (name, i, want) in [
        ("threshold", 0, f(0.5)),
        ("tint", 2, f(3.0)),
        ("after", 0, f(4.0)),
        ("on", 0, 1),
        ("fly", 0, 1),
        ("fly_at", 0, f(5.0)),
        ("fly_at", 2, f(7.0)),
        ("fly_speed", 0, f(8.0)),
        ("pair", 1, f(10.0)),
    ] {
        assert_eq!(at(name, i), want, "{name}[{i}]");
    }
    for cut in 0..encoded.len() {
        assert_eq!(pack_params(&table, &encoded[..cut]).len(), packed.len(), "cut text is no panic");
    }
    assert_eq!(pack_params(&table, &[0xff; 64]).len(), packed.len());
}

#[test]
fn a_contract_without_numbers_still_has_a_params_block() {
    let t = PortTable::parse("cell-ports 1\nabi 1.0\nname a\nrate 60\nparam text s = \"x\"\nend\n")
        .expect("good");
    module(&header(&t));
    assert_eq!((params_bytes(&t), pack_params(&t, &[]).len()), (16, 16));
}

#[test]
fn what_wgsl_cannot_say_is_a_sentence() {
    for (from, to, says) in [
        ("port input scene_color", "port input frame", "the port cannot be called `frame`"),
        ("port input scene_color", "port input loop", "`loop`"),
        ("port input scene_color", "port input mips_prev", "`mips_prev`"),
        ("param f32 threshold", "param f32 fly_at", "the parameter cannot be called `fly_at`"),
        ("field Lamp power", "field Lamp switch", "the field cannot be called `switch`"),
        (
            "position vec3f 144\nfield Lamp power f32 156",
            "power f32 144\nfield Lamp at vec3f 148",
            "byte 148, but shaders read it at byte 160",
        ),
        ("type Lamp 160", "type Lamp 164", "has 164 bytes, but shaders take 160"),
        ("field Lamp power f32", "field Lamp power unorm8x4", "only vertices"),
        ("field Cube color vec4f 16", "field Cube color array<vec4f,9> 16", "a GPU takes 16"),
    ] {
        let text = TABLE.replace(from, to).replace("type Cube 32", "type Cube 160");
        let table = PortTable::parse(&text).expect(to);
        let e = check(&table).expect_err(to).to_string();
        assert!(e.contains(says), "{to}: {e}");
    }
}

#[test]
fn the_covering_triangle_is_counter_clockwise_and_starts_upper_left() {
    // As the header computes it, for its three vertices.
    let p = [0_u32, 1, 2].map(|i| {
        let uv = [(i & 2) as f32, ((i << 1) & 2) as f32];
        [uv[0] * 2.0 - 1.0, 1.0 - uv[1] * 2.0]
    });
    assert_eq!(p[0], [-1.0, 1.0]);
    let area = (p[1][0] - p[0][0]) * (p[2][1] - p[0][1]) - (p[2][0] - p[0][0]) * (p[1][1] - p[0][1]);
    assert!(area > 0.0, "{p:?}");
}
