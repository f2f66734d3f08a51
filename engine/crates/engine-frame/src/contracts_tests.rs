use super::*;
use cell_abi::ports::StartValue;
use proptest::prelude::*;

fn cell(line: u32, name: &str, ports: &str) -> CellDecl {
    let mut text = format!("cell-ports 1\nabi 1.0\nname {name}_v1\nrate 60\nshader {name}.wgsl\n");
    for p in ports.lines().map(str::trim).filter(|p| !p.is_empty()) {
        text += if p.starts_with("type") || p.starts_with("field") { "" } else { "port " };
        text += p;
        text += "\n";
    }
    text += "end\n";
    let table = Arc::new(PortTable::parse(&text).expect(&text));
    CellDecl { line: CellLine(line), name: name.into(), table, standing: Standing::Own }
}

const COLOR: &str = "texture rgba16float screen 1/1 mips 1 clear 0 0 0 0";
const POSE: &str = "type Pose 16\nfield Pose at vec4f 0";

fn says(faults: &[ContractFault]) -> Vec<String> {
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn inputs_and_outputs_of_one_name_are_one_resource_and_own_ports_are_private() {
    let own = "own mips texture rgba16float screen 1/2 mips 6 keep";
    let mut c = Contracts::default();
    let faults = c.declare(&[
        cell(2, "bloom", &format!("input scene_color {COLOR}\n{own}\noutput bloom_result {COLOR}")),
        cell(
            0,
            "scene",
            &format!(
                "output scene_color {COLOR}\n{own}\noutput picture backbuffer\nown albedo sealed texture_2d"
            ),
        ),
    ]);
    assert_eq!(faults, []);
    let (scene, bloom) = (c.cell(CellLine(0)).expect("declared"), c.cell(CellLine(2)).expect("declared"));
    assert_eq!(scene.resources[0], bloom.resources[0]);
    assert_ne!(scene.resources[1], bloom.resources[1]);
    assert_eq!(scene.resources[2..], [Resource::Backbuffer, Resource::Sealed]);
    let names: Vec<&str> = c.targets().iter().map(|t| &*t.name).collect();
    assert_eq!(names, ["scene_color", "scene/mips", "bloom/mips", "bloom_result"]);
    assert_eq!(c.unfed(), []);
}

#[test]
fn disagreeing_textures_name_both_cells_and_the_difference() {
    for (ports, want) in [
        (
            "input x texture rgba8unorm screen 1/1 mips 1 clear 0 0 0 0",
            "its format is rgba8unorm in `b`, rgba16float in `a`",
        ),
        (
            "input x texture rgba16float screen 1/2 mips 1 clear 0 0 0 0",
            "its size is 1/2 of the screen in `b`, the screen's in `a`",
        ),
        (
            "input x texture rgba16float screen 1/1 mips 2 clear 0 0 0 0",
            "its number of mip levels is 2 in `b`, 1 in `a`",
        ),
        (
            "output x texture rgba16float screen 1/1 mips 1 keep",
            "its start value is keep in `b`, clear(0, 0, 0, 1) in `a`",
        ),
        (
            "input x storage Pose 4\ntype Pose 16\nfield Pose at vec4f 0",
            "its kind is a buffer in `b`, a texture in `a`",
        ),
    ] {
        let mut c = Contracts::default();
        // The reader's line is first: who writes is right all the same.
        let lines = if ports.starts_with("output") { (0, 1) } else { (1, 0) };
        let faults = c.declare(&[
            cell(lines.0, "a", "output x texture rgba16float screen 1/1 mips 1 clear 0 0 0 1"),
            cell(lines.1, "b", ports),
        ]);
        let why =
            if ports.starts_with("output") { "it too and stands above" } else { "it and so says what it is" };
        let want = format!("`b` and `a` disagree on `x`: {want}; change `b`, because `a` writes {why}");
        assert_eq!(says(&faults), [want]);
        assert_eq!(faults[0].other(), Some(CellLine(lines.0)));
        assert_eq!(c.cells().len(), 1, "only the cell at fault is left out");
        assert_eq!(c.cells()[0].name.as_ref(), "a");
    }
}

#[test]
fn nobody_is_in_the_wrong_because_of_a_cell_that_is() {
    let other = "texture rgba8unorm screen 1/1 mips 1 clear 0 0 0 0";
    let mut c = Contracts::default();
    let faults = c.declare(&[
        cell(0, "scene", &format!("output color {COLOR}")),
        cell(1, "blur", &format!("input color {other}\noutput soft {other}")),
        cell(2, "tonemap", &format!("input soft {COLOR}")),
    ]);
    assert_eq!(faults.iter().map(|f| f.line().0).collect::<Vec<_>>(), [1], "{:?}", says(&faults));
    assert!(c.cell(CellLine(2)).is_some(), "what it reads is unfed now, no contradiction");
    // Each writes what the other reads otherwise: one of them is enough.
    let faults = c.declare(&[
        cell(0, "a", &format!("output x {COLOR}\ninput y {other}")),
        cell(1, "b", &format!("output y {COLOR}\ninput x {other}")),
    ]);
    assert_eq!(faults.iter().map(|f| f.line().0).collect::<Vec<_>>(), [1], "{:?}", says(&faults));
    // Two that only read.
    let faults =
        c.declare(&[cell(0, "a", &format!("input x {COLOR}")), cell(1, "b", &format!("input x {other}"))]);
    assert!(says(&faults)[0].ends_with("change `b`, because nobody writes it and `a` stands above"));
}

#[test]
fn silence_takes_the_start_value_that_somebody_says() {
    let mut c = Contracts::default();
    let faults = c.declare(&[
        cell(0, "a", &format!("output x {COLOR}")),
        cell(1, "b", "output x texture rgba16float screen 2/2 mips 1 clear 0 0 0 1"),
        cell(2, "c", &format!("input x {COLOR}")),
    ]);
    assert_eq!(faults, []);
    assert_eq!(c.targets()[0].desc.start, StartValue::Clear([0.0, 0.0, 0.0, 1.0]));
    assert_eq!(c.targets()[0].writers, [CellLine(0), CellLine(1)]);
}

#[test]
fn a_buffer_has_one_owner_whose_count_is_the_capacity() {
    let mut c = Contracts::default();
    let faults = c.declare(&[
        cell(0, "draw", &format!("input poses instances Pose 7 history\n{POSE}")),
        cell(1, "walk", &format!("output poses storage Pose 3000\n{POSE}")),
        cell(2, "swim", &format!("output poses storage Pose 3000\n{POSE}")),
    ]);
    assert_eq!(
        says(&faults),
        [
            "`swim` and `walk` both write the buffer `poses`; only one cell can, and `walk` stands above: rename it in \
          `swim`, or take one of the two out"
        ]
    );
    let b = &c.buffers()[0];
    assert_eq!((b.owner, b.max_count, b.capacity(), b.history), (Some((CellLine(1), 0)), 3000, 48_000, true));
    assert_eq!(b.readers, [(CellLine(0), 0)]);
    let other = "type Pose 16\nfield Pose at vec3f 0\nfield Pose w f32 12";
    let faults = c.declare(&[
        cell(0, "draw", &format!("input poses instances Pose 7\n{other}")),
        cell(1, "walk", &format!("output poses storage Pose 3000\n{POSE}")),
    ]);
    assert_eq!(
        says(&faults),
        [
            "`draw` and `walk` disagree on `poses`: its element is at: vec3f at byte 0 in `draw`, at: vec4f at byte 0 in `walk`; \
             change `draw`, because `walk` writes it and so says what it is"
        ]
    );
}

#[test]
fn a_name_nobody_writes_is_shown_with_what_was_probably_meant() {
    let mut c = Contracts::default();
    let faults = c.declare(&[
        cell(0, "scene", &format!("output scene_color {COLOR}")),
        cell(1, "bloom", &format!("input scene_colour {COLOR}\ninput poses storage Pose 5\n{POSE}")),
        cell(2, "tonemap", &format!("input scene_colour {COLOR}")),
    ]);
    assert_eq!(faults, []);
    let texts: Vec<String> = c.unfed().iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "nobody writes `scene_colour`, which `bloom`, `tonemap` read; did you mean `scene_color`?",
            "nobody writes `poses`, which `bloom` reads",
        ]
    );
    assert_eq!(
        (c.buffers()[0].owner, c.buffers()[0].capacity()),
        (None, 80),
        "room for what the reader expects"
    );
}

#[test]
fn ids_stay_while_names_and_owners_live() {
    let a = || cell(0, "a", &format!("output x {COLOR}\noutput p storage Pose 8\n{POSE}"));
    let b = |line| cell(line, "b", &format!("own q storage Pose 8\nown t {COLOR}\n{POSE}"));
    let mut c = Contracts::default();
    c.declare(&[a(), b(1)]);
    let ids = |c: &Contracts| {
        (
            c.targets().iter().map(|t| (t.name.clone(), t.id)).collect::<Vec<_>>(),
            c.buffers().iter().map(|b| (b.name.clone(), b.id)).collect::<Vec<_>>(),
        )
    };
    let first = ids(&c);
    c.declare(&[a(), b(7)]);
    assert_eq!(ids(&c), first, "a cell that moves keeps what it owns");
    c.declare(&[b(7)]);
    assert_eq!(ids(&c).1, first.1[1..]);
    c.declare(&[a(), b(1)]);
    assert_eq!(
        ids(&c),
        first,
        "a target belongs to its name, and who was switched off has the same buffer again"
    );
    let other = cell(0, "c", &format!("output p storage Pose 8\n{POSE}"));
    c.declare(&[other, b(1)]);
    assert_eq!(
        c.resolve(CellLine(0), 0),
        Some(Resource::Buffer(BufferId(2))),
        "a new owner has a new buffer"
    );
    c.declare(&[cell(0, "a", &format!("output x {COLOR}\noutput p storage Pose 9\n{POSE}")), b(1)]);
    assert_eq!(
        c.resolve(CellLine(0), 1),
        Some(Resource::Buffer(BufferId(3))),
        "a larger one needs other memory"
    );
}

#[test]
fn what_is_impossible_alone_is_found_before_it_puts_others_in_the_wrong() {
    let mut c = Contracts::default();
    let faults = c.declare(&[
        cell(
            0,
            "odd",
            "output x texture r8unorm screen 1/1 mips 1 clear 0 0 0 0\nown p vertices Odd 8\ntype Odd 6",
        ),
        cell(1, "big", "own p storage Huge 100000000\ntype Huge 16\nfield Huge a vec4f 0"),
        cell(2, "bad", "own for texture r8unorm screen 1/1 mips 1 clear 0 0 0 0"),
        cell(3, "good", &format!("output x {COLOR}")),
    ]);
    let text = says(&faults).join("\n");
    for want in [
        "`odd`: `Odd` has 6 bytes",
        "`p` of `odd` have 6 bytes",
        "`p` of `big` would have 1600000000",
        "`bad`: the port cannot be called `for`",
    ] {
        assert!(text.contains(want), "{want} in {text}");
    }
    assert_eq!(c.cells().iter().map(|c| &*c.name).collect::<Vec<_>>(), ["good"]);
}

proptest! {
    #[test]
    fn the_order_in_which_cells_arrive_says_nothing(seed in any::<u64>(), n in 2u32..12) {
        let kinds = ["input x", "output x", "output p", "input p", "own o"];
        let make = |line: u32| {
            let roll = (seed >> (line * 5)) as u32;
            let kind = kinds[roll as usize % 5];
            let ports = if kind.ends_with('p') {
                format!("{kind} storage Pose {}\n{POSE}", 1 + roll % 3)
            } else {
                format!("{kind} texture {} screen 1/1 mips 1 clear 0 0 0 0", ["rgba16float", "rgba8unorm"][(roll as usize >> 3) % 2])
            };
            cell(line, &format!("c{line}"), &ports)
        };
        let cells: Vec<CellDecl> = (0..n).map(make).collect();
        let mut shuffled = cells.clone();
        shuffled.rotate_left(seed as usize % n as usize);
        shuffled.swap(0, (seed >> 32) as usize % n as usize);
        let (mut a, mut b) = (Contracts::default(), Contracts::default());
        let (fa, fb) = (a.declare(&cells), b.declare(&shuffled));
        prop_assert_eq!(says(&fa), says(&fb));
        prop_assert_eq!(a.targets(), b.targets());
        prop_assert_eq!(a.buffers(), b.buffers());
        prop_assert_eq!(a.cells().len() + fa.len(), n as usize, "each cell here has at most one fault");
    }
}

#[test]
fn an_untrusted_cell_puts_nobody_else_in_the_wrong() {
    let stranger = |line, ports: &str| CellDecl { standing: Standing::Untrusted, ..cell(line, "mod", ports) };
    let half = "texture rgba16float screen 1/2 mips 1 clear 0 0 0 0";
    let mut c = Contracts::default();
    // It stands first and writes, and still the one that only reads is right.
    for (theirs, ours, words) in [
        ("output x", "input x", "its size is 1/2 of the screen in `mod`, the screen's in `ours`"),
        ("output x", "output x", "because `ours` is trusted and it is not"),
        ("input x", "input x", "because `ours` is trusted and it is not"),
        ("input x", "output x", "because `ours` writes it and so says what it is"),
    ] {
        let faults = c.declare(&[
            stranger(0, &format!("{theirs} {half}")),
            cell(1, "ours", &format!("{ours} {COLOR}")),
        ]);
        assert_eq!(faults.iter().map(|f| f.line()).collect::<Vec<_>>(), [CellLine(0)], "{theirs} {ours}");
        assert!(faults[0].to_string().contains(words), "{}", faults[0]);
    }
    let buffer = format!("output y storage Pose 4\n{POSE}");
    let faults = c.declare(&[stranger(0, &buffer), cell(1, "ours", &buffer)]);
    assert_eq!(faults.len(), 1);
    assert!(faults[0].to_string().contains("only one cell can, and `ours` is trusted"), "{}", faults[0]);
    // What it was granted to write it writes in its place.
    let faults = c
        .declare(&[stranger(0, &format!("output x {COLOR}")), cell(1, "ours", &format!("output x {COLOR}"))]);
    assert_eq!((faults.len(), &c.targets()[0].writers), (0, &vec![CellLine(0), CellLine(1)]));
    // What a target starts with is not its word, where one of our own is silent.
    for (theirs, ours) in [("input x", "output x"), ("input x", "input x"), ("output x", "input x")] {
        for start in ["clear 1 1 1 1", "keep"] {
            let loud = COLOR.replace("clear 0 0 0 0", start);
            let faults = c.declare(&[
                stranger(0, &format!("{theirs} {loud}")),
                cell(1, "ours", &format!("{ours} {COLOR}")),
            ]);
            assert_eq!(faults.iter().map(|f| f.line()).collect::<Vec<_>>(), [CellLine(0)], "{theirs} {ours}");
            let words = "in `mod`, clear(0, 0, 0, 0) in `ours`; change `mod`";
            assert!(faults[0].to_string().contains(words), "{}", faults[0]);
            assert_eq!(c.targets()[0].desc.start, StartValue::Clear([0.0; 4]));
        }
    }
    // Where nobody else has the name, or somebody says the same, it is.
    let loud = format!("input x {}", COLOR.replace("clear 0 0 0 0", "keep"));
    assert_eq!(c.declare(&[stranger(0, &loud)]), []);
    assert_eq!(c.declare(&[stranger(0, &loud), cell(1, "ours", &loud)]), []);
    assert_eq!(c.targets()[0].desc.start, StartValue::Keep);
}

#[test]
fn who_reads_a_texture_back_shares_a_buffer_that_goes_with_the_last_reader() {
    let mood = |flag: &str| format!("mood texture rgba16float fixed 3x2 mips 1 clear 0 0 0 0 {flag}");
    let draws = cell(0, "draws", &format!("output {}", mood("")));
    let reads = cell(
        1,
        "reads",
        &format!("input {}\nown {}", mood("readback"), mood("readback").replacen("mood", "mine", 1)),
    );
    let also = cell(2, "also", &format!("input {}", mood("readback")));
    let mut c = Contracts::default();
    assert_eq!(c.declare(&[draws.clone(), reads.clone(), also.clone()]), []);
    let Some(Resource::Target(target)) = c.resolve(CellLine(0), 0) else { panic!("a texture") };
    let id = c.readback(target).expect("read back");
    let buffer = c.buffer(id).expect("declared");
    assert_eq!((&*buffer.name, buffer.owner, buffer.pixels_of), ("mood readback", None, Some(target)));
    assert_eq!(buffer.readers, [(CellLine(1), 0), (CellLine(2), 0)]);
    assert_eq!((buffer.capacity(), buffer.element.size), (48, 8));
    let Some(Resource::Target(mine)) = c.resolve(CellLine(1), 1) else { panic!("a texture") };
    let own = c.readback(mine).and_then(|id| c.buffer(id)).expect("read back");
    assert_eq!(&*own.name, "reads/mine readback");
    assert_eq!(c.unfed(), [], "the renderer feeds them");

    assert_eq!(c.declare(&[draws.clone(), also]), []);
    assert_eq!(c.readback(target), Some(id), "the others' stays the same");
    assert_eq!(c.declare(std::slice::from_ref(&draws)), []);
    assert_eq!(c.readbacks(), [], "nobody looks");
    assert_eq!(c.declare(&[draws, reads]), []);
    assert_eq!(c.readback(target), Some(id));
}

#[test]
fn a_texture_too_large_to_come_back_in_each_frame_is_refused() {
    let large = cell(0, "large", "own sky texture rgba32float fixed 4096x1025 mips 1 clear 0 0 0 0 readback");
    let faults = says(&Contracts::default().declare(&[large]));
    assert!(faults.len() == 1 && faults[0].contains("`large` reads back `sky`"), "{faults:?}");
    assert!(faults[0].contains("draw what it needs of it into a smaller texture"), "{faults:?}");
}
