//! Text in, faults out: what a scene's author sees for each mistake in the file itself.
#![allow(clippy::unwrap_used, reason = "tests")]
use engine_scene::{CellRef, MAX_BYTES, MAX_FAULTS, MAX_NESTING, Placement, Scene};

/// Each fault as `line:column what [cell] (help)`, in order.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(faults(text.as_bytes()), expected, "{text}");
}

fn faults(text: &[u8]) -> Vec<String> {
    let Err(list) = Scene::parse("scenes/s.ron", text) else { return Vec::new() };
    assert!(!list.is_empty(), "an error without a fault");
    list.iter()
        .map(|f| {
            let cell = f.cell.as_ref().map(|c| format!(" [{c}]")).unwrap_or_default();
            let help = f.help.as_ref().map(|h| format!(" ({h})")).unwrap_or_default();
            format!("{}:{} {}{cell}{help}", f.line, f.column, f.what)
        })
        .collect()
}

/// The fault of one cell's line, without its place.
#[track_caller]
fn check_cell(cell: &str, expected: &str) {
    let all = faults(format!("World(cells: [\n{cell}\n])").as_bytes());
    assert_eq!(all, [expected], "{cell}");
}

const EXAMPLE: &str = r#"a scene looks like `World(name: "..", cells: [(cell: "tonemap")])`"#;

#[test]
fn no_world() {
    check("", &[&format!("1:1 the scene is empty ({EXAMPLE})")]);
    check(" \n\t\n", &[&format!("1:1 the scene is empty ({EXAMPLE})")]);
    check("\u{feff}", &[&format!("1:1 the scene is empty ({EXAMPLE})")]);
    check("Word(cells: [])", &[&format!("1:1 expected `World(..)`, found `Word(..)` ({EXAMPLE})")]);
    check("(cells: [])", &[&format!("1:1 expected `World(..)`, found named values in brackets ({EXAMPLE})")]);
    check("World", &[&format!("1:1 expected `World(..)`, found `World` ({EXAMPLE})")]);
    check("42", &[&format!("1:1 expected `World(..)`, found `42` ({EXAMPLE})")]);
    check("World(1, 2)", &[&format!("1:6 `World` has named fields ({EXAMPLE})")]);
    check("World()", &[&format!("1:6 the world has no `cells` ({EXAMPLE})")]);
    check("// nothing but this", &["1:20 the text ends too early"]);
}

#[test]
fn broken_syntax_is_told_where_it_began() {
    check("World(cells: [(cell: \"a\")", &["1:14 this `[` is never closed"]);
    check(
        "World(\n  cells: [(cell: \"a\"],\n)",
        &["2:21 `]` closes a `(` (the `(` was opened in line 2: close it first)"],
    );
    check("World(cells: []))", &["1:17 nothing is open that `)` could close"]);
    check("World(cells: [(cell: \"a)])", &["1:22 the text that begins here has no closing `\"`"]);
    check("World(cells: [r#\"a\"])", &["1:15 the raw text that begins here is not closed"]);
    check("World(cells: [])\n/* open", &["2:1 the comment that begins here has no closing `*/`"]);
    check("World(cells: []) World()", &["1:18 there is more text after the end of the scene"]);
    check("World(name: \"a\" cells: [])", &["1:17 a `,` or a `:` is missing before this"]);
    check("World(name \"a\")", &["1:12 a `,` or a `:` is missing before this"]);
    check("World(name: \"a\", cells [])", &["1:24 a `:` is missing before this"]);
    check("World(cells: [(cell: )])", &["1:22 `)` is not expected here"]);
    check("World(cells: [], rate: 4x)", &["1:25 a `,` or a `:` is missing before this"]);
    check("World(cells: [],, rate: 4)", &["1:17 expected identifier"]);
    check("World(name: \"\\q\", cells: [])", &["1:16 unknown escape character"]);
    check(
        "#![enable(implicit_some)]\nWorld(cells: [], ratte: 1)",
        &["2:18 the world has no field `ratte` (did you mean `rate`?)"],
    );
}

#[test]
fn deep_nesting_ends_before_the_stack() {
    let deep = "(".repeat(2_000_000);
    let place = format!("1:{} brackets are nested more than {MAX_NESTING} deep", MAX_NESTING + 1);
    assert_eq!(faults(deep.as_bytes()), [place.as_str()]);
    let alternating = format!("World(cells: {}", "[(a: Some(".repeat(10_000));
    assert!(faults(alternating.as_bytes())[0].contains("nested more than"));
    let allowed = format!("World(cells: [(cell: \"a\", with: (x: {}{}))])", "[".repeat(28), "]".repeat(28));
    assert!(Scene::parse("s.ron", allowed).is_ok(), "the deepest nesting that is allowed");
}

#[test]
fn brackets_in_texts_and_comments_open_nothing() {
    let text = r###"// ([{
        World(/* ( /* [ */ */ name: "(((", cells: [
            (cell: "a", with: (t: "\"(", r: r#"(" ["#, c: '(', d: '\'', q: '"')), // )
        ]) // the end ("###;
    let scene = Scene::parse("s.ron", text).unwrap();
    assert_eq!((scene.name.as_str(), scene.cells.len()), ("(((", 1));
}

#[test]
fn files_that_are_no_text_or_too_big() {
    assert_eq!(
        faults(b"World(\n cells: \xff)"),
        ["2:9 the file is not UTF-8 text from here on (save it as UTF-8)"]
    );
    let big = vec![b' '; MAX_BYTES + 1];
    assert_eq!(
        faults(&big),
        [
            "1:1 the file has 4194305 bytes; a scene has at most 4194304 (big data belongs into assets that the scene names)"
        ]
    );
}

#[test]
fn a_scene_has_no_more_cells_than_an_engine_can_hold() {
    let of = |cells: usize| {
        let lines: String = (0..cells).map(|n| format!("(cell:\"x\",name:\"n{n}\"),\n")).collect();
        Scene::parse("s.ron", format!("World(cells:[\n{lines}])"))
    };
    assert_eq!(of(engine_scene::MAX_CELLS).unwrap().cells.len(), engine_scene::MAX_CELLS);
    let faults = of(engine_scene::MAX_CELLS + 7).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].line, 10_002, "it points at the first that is too many");
    assert!(
        faults[0].to_string().contains("the scene has 10007 cells; a scene has at most 10000"),
        "{}",
        faults[0]
    );
}

#[test]
fn a_byte_order_mark_is_no_fault() {
    let scene = Scene::parse("s.ron", "\u{feff}World(cells: [])").unwrap();
    assert_eq!(scene.cells.len(), 0);
    check(
        "\u{feff}World(cels: [], cells: [])",
        &["1:7 the world has no field `cels` (did you mean `cells`?)"],
    );
}

#[test]
fn the_worlds_fields() {
    check("World(cells: [], rate: 0)", &["1:24 the rate `0` is not a whole number from 1 to 1000"]);
    check("World(cells: [], rate: -60)", &["1:24 the rate `-60` is not a whole number from 1 to 1000"]);
    check("World(cells: [], rate: 59.94)", &["1:24 the rate `59.94` is not a whole number from 1 to 1000"]);
    check("World(cells: [], rate: NaN)", &["1:24 the rate `NaN` is not a whole number from 1 to 1000"]);
    check("World(cells: [], rate: inf)", &["1:24 the rate `inf` is not a whole number from 1 to 1000"]);
    check(
        "World(cells: [], rate: 4294967296)",
        &["1:24 the rate `4294967296` is not a whole number from 1 to 1000"],
    );
    check(
        "World(cells: [], rate: \"60\")",
        &["1:24 expected a number of ticks per second, found the text `\"60\"`"],
    );
    check("World(cells: [], rate: 1, rate: 2)", &["1:27 `rate` is given twice"]);
    check(
        "World(cells: [], seed: -1)",
        &["1:24 expected a whole number from 0 to 18446744073709551615, found `-1`"],
    );
    check(
        "World(cells: [], seed: 18446744073709551616)",
        &["1:24 expected a whole number from 0 to 18446744073709551615, found `18446744073709552000`"],
    );
    check(
        "World(cells: [], name: Munich)",
        &["1:24 expected a text, found `Munich` (put it in quotes: `\"Munich\"`)"],
    );
    check(
        "World(cells: [], name: \"a\\u{0}\")",
        &["1:24 a world's name has at most 200 bytes and no control characters"],
    );
    check("World(cells: 3)", &["1:14 expected a list: `cells: [(cell: \"..\"), ..]`, found `3`"]);
    check("World(cells: {\"a\": 1})", &["1:14 expected a list: `cells: [(cell: \"..\"), ..]`, found a map"]);
    check(
        "World(cells: [], fog: 1)",
        &["1:18 the world has no field `fog` (there is `name`, `rate`, `seed`, `cells`)"],
    );
}

#[test]
fn a_cells_fields() {
    check_cell(r#""bloom""#, r#"2:1 expected a cell, found the text `"bloom"` (write `(cell: "bloom")`)"#);
    check_cell("bloom", r#"2:1 expected a cell, found `bloom` (write `(cell: "..")`)"#);
    check_cell(
        "(name: \"b\")",
        r#"2:1 this entry does not say which cell it is [b] (write `cell: ".."` first)"#,
    );
    check_cell("(cell: 3)", "2:8 expected a text in quotes, found `3`");
    check_cell("(cell: bloom)", "2:8 expected a text, found `bloom` (put it in quotes: `\"bloom\"`)");
    check_cell(
        "(cell: \"../bloom\")",
        "2:8 `../bloom` is neither a cell's name nor a path that ends in `.so` [bloom] (a cell is named as its folder in `cells/`)",
    );
    check_cell(
        "(cell: \"\")",
        "2:8 `` is neither a cell's name nor a path that ends in `.so` [] (a cell is named as its folder in `cells/`)",
    );
    check_cell(
        "(cell: \"a\", name: \"a b\")",
        "2:19 `a b` cannot be a cell's name [a b] (give it one of letters, digits, `-`, `_`: `name: \"..\"`)",
    );
    check_cell("(cell: \"a\", wiht: (x: 1))", "2:13 a cell has no field `wiht` [a] (did you mean `with`?)");
    check_cell(
        "(cell: \"a\", threshold: 1.0)",
        "2:13 a cell has no field `threshold` [a] (if it is a parameter, write it in `with: (threshold: ..)`)",
    );
    check_cell("(cell: \"a\", cell: \"b\")", "2:13 `cell` is given twice [a]");
    check_cell(
        "(cell: \"a\", with: 3)",
        "2:19 expected named parameters, found `3` [a] (write `with: (name: value)`)",
    );
    check_cell(
        "(cell: \"a\", with: (1, 2))",
        "2:19 expected named parameters, found a list of 2 [a] (write `with: (name: value)`)",
    );
    check_cell("(cell: \"a\", enabled: 1)", "2:22 expected `true` or `false`, found `1` [a]");
}

#[test]
fn places_rates_and_keys() {
    check_cell(
        "(cell: \"a\", at: Proces)",
        "2:17 `Proces` is no place to run a cell [a] (did you mean `Process`?)",
    );
    check_cell(
        "(cell: \"a\", at: Moon)",
        "2:17 `Moon` is no place to run a cell [a] (there is `Thread`, `Process`)",
    );
    check_cell(
        "(cell: \"a\", at: \"Process\")",
        "2:17 expected a place, found the text `\"Process\"` [a] (leave the quotes out: `at: Process`)",
    );
    check_cell(
        "(cell: \"a\", at: Remote(\"cell://host/name\"))",
        "2:17 `Remote` comes with a later release [a] (use `Thread` or `Process` for now)",
    );
    check_cell(
        "(cell: \"a\", checkpoint: \"1 s\")",
        "2:25 expected a number of seconds between two checkpoints, found the text `\"1 s\"` [a]",
    );
    for wrong in ["0", "-1", "3600.1"] {
        check_cell(
            &format!("(cell: \"a\", checkpoint: {wrong})"),
            &format!(
                "2:25 `{wrong}` is no time between two checkpoints [a] (write seconds above 0, at most 3600; without \
                 the line there are none)"
            ),
        );
    }
    check_cell("(cell: \"a\", rate: 1001)", "2:19 the rate `1001` is not a whole number from 1 to 1000 [a]");
    check_cell(
        "(cell: \"a\", rate: OnMial)",
        "2:19 expected a rate, found `OnMial` [a] (write ticks per second, or `OnMail`)",
    );
    check_cell(
        "(cell: \"a\", on: F1)",
        "2:17 expected a key in quotes, found `F1` [a] (for example `on: \"F1\"`)",
    );
    check_cell("(cell: \"a\", on: \"f1\")", "2:17 there is no key `f1` [a] (did you mean `F1`?)");
    check_cell("(cell: \"a\", on: \"Esc\")", "2:17 there is no key `Esc` [a] (did you mean `Escape`?)");
    check_cell("(cell: \"a\", on: \"1\")", "2:17 there is no key `1` [a] (did you mean `Digit1`?)");
    check_cell(
        "(cell: \"a\", on: \"ArowLeft\")",
        "2:17 there is no key `ArowLeft` [a] (did you mean `ArrowLeft`?)",
    );
    check_cell("(cell: \"a\", on: \"Enter the dragon\")", "2:17 there is no key `Enter the dragon` [a]");
}

#[test]
fn two_cells_of_one_name() {
    check(
        "World(cells: [\n (cell: \"a\"),\n (cell: \"b\", name: \"a\"),\n (cell: \"mods/a.so\"),\n])",
        &[
            "3:20 two cells are called `a`; the first is in line 2 [a] (give this one its own name: `name: \"a-2\"`)",
            "4:9 two cells are called `a`; the first is in line 2 [a] (give this one its own name: `name: \"a-2\"`)",
        ],
    );
}

#[test]
fn all_faults_of_a_file_are_told_in_its_order() {
    check(
        "World(\n rate: 0,\n cells: [\n  (cell: \"a\", at: Proces, on: \"F13\"),\n  (cel: \"b\"),\n ],\n sed: 1,\n)",
        &[
            "2:8 the rate `0` is not a whole number from 1 to 1000",
            "4:19 `Proces` is no place to run a cell [a] (did you mean `Process`?)",
            "4:31 there is no key `F13` [a] (did you mean `F1`?)",
            "5:4 a cell has no field `cel` (did you mean `cell`?)",
            "7:2 the world has no field `sed` (did you mean `seed`?)",
        ],
    );
}

#[test]
fn a_file_full_of_faults_ends_the_reading() {
    let stop = format!("reading stopped after {MAX_FAULTS} faults");
    for part in
        ["1, ", "(cell: \"a\"), ", "(cell: \"a\", nmae: 1), ", "(ce: 1), ", "(cell: \"a\", x: 1, with: 1), "]
    {
        let text = format!("World(cells: [\n{}])", part.repeat(MAX_BYTES / part.len() - 8));
        let list = faults(text.as_bytes());
        assert_eq!(list.len(), MAX_FAULTS, "{part}");
        assert!(list[MAX_FAULTS - 1].contains(&stop), "{}", list[MAX_FAULTS - 1]);
    }
    let fields = format!("World(cells: [(cell: \"a\", {})])", "nmae: 1, ".repeat(400_000));
    assert_eq!(faults(fields.as_bytes()).len(), MAX_FAULTS);
}

#[test]
fn unknown_cells_are_told_with_the_nearest() {
    let text = "World(cells: [(cell: \"blom\"), (cell: \"many_cubes\"), (cell: \"zebra\"), (cell: \"x/y.so\"), (cell: \"sky\")])";
    let scene = Scene::parse("s.ron", text).unwrap();
    let found = scene.check_cells(&["bloom", "many-cubes", "sky"]);
    let found: Vec<_> =
        found.iter().map(|f| format!("{} ({})", f.what, f.help.as_deref().unwrap_or("-"))).collect();
    let expected = [
        "there is no cell `blom` in `cells/` (did you mean `bloom`?)",
        "there is no cell `many_cubes` in `cells/` (did you mean `many-cubes`?)",
        "there is no cell `zebra` in `cells/` (there is `bloom`, `many-cubes`, `sky`)",
    ];
    assert_eq!(found, expected);
    assert!(scene.check_cells(&[""; 0])[2].help.as_deref().unwrap().contains("engine new zebra"));
}

#[test]
fn a_fault_is_printed_like_a_compilers() {
    let text = "World(cells: [\n\t(cell: \"ä\", naem: \"x\"),\n])";
    let printed = Scene::parse("scenes/s.ron", text).unwrap_err()[1].to_string();
    let expected = "\
error: a cell has no field `naem`
  --> scenes/s.ron:2:14
   |
 2 |  (cell: \"ä\", naem: \"x\"),
   |              ^^^^
   = in the cell `ä`
   = help: did you mean `name`?";
    assert_eq!(printed, expected);
}

#[test]
fn long_lines_are_cut_around_the_caret_and_control_characters_are_not_printed() {
    let text = format!("World(name: \"{}\", \u{1b}x: 1, cells: [])", "é".repeat(5000));
    let fault = Scene::parse("s.ron", &text).unwrap_err().remove(0);
    let printed = fault.to_string();
    assert!(fault.column > 5000 && printed.len() < 800 && !printed.contains('\u{1b}'), "{printed}");
    let long = format!("World(cells: [], {}: 1)", "x".repeat(5000));
    let printed = Scene::parse("s.ron", &long).unwrap_err()[0].to_string();
    assert!(printed.len() < 800, "{printed}");
}

#[test]
fn a_good_scene_says_what_it_says() {
    let text = r#"World(
        name: "Munich at dusk", rate: 50, seed: 7,
        cells: [
            (cell: "camera", with: (fly: (at: (0, 30, 80), look: (0, 10, 0)))),
            (cell: "crowd", name: "left-crowd", rate: 30),
            (cell: "tool", rate: OnMail, enabled: true, on: "F2"),
            (cell: "mods/fireworks.so", at: Process),
            (cell: "debug-draw", on: "F1",),
        ],
    ) // the end"#;
    let scene = Scene::parse("assets/scenes/world.ron", text).unwrap();
    assert_eq!((scene.name.as_str(), scene.rate, scene.seed), ("Munich at dusk", 50, 7));
    let names: Vec<_> = scene.cells.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["camera", "left-crowd", "tool", "fireworks", "debug-draw"]);
    assert_eq!(scene.cells[3].cell, CellRef::Library("mods/fireworks.so".into()));
    assert_eq!((scene.cells[3].at, scene.cells[0].at), (Placement::Process, Placement::Thread));
    let on: Vec<_> = scene.cells.iter().map(|c| c.enabled).collect();
    assert_eq!(on, [true, true, true, true, false], "a cell that waits for a key is off until then");
    assert_eq!(Scene::parse("assets/scenes/world.ron", "World(cells: [])").unwrap().name, "world");
}

#[test]
fn the_scenes_of_the_house_are_good() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../assets/scenes");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "ron") {
            let scene = Scene::parse(&path.display().to_string(), std::fs::read(&path).unwrap());
            let scene = scene.unwrap_or_else(|faults| panic!("{}", faults[0]));
            assert!(scene.cells.iter().any(|c| c.name == "tonemap"), "{path:?} shows something");
            seen += 1;
        }
    }
    assert!(seen >= 4, "world, bloom, minimal, many-cubes");
}

#[test]
fn what_other_languages_would_write_is_told_how_to_write_here() {
    check("World(cells: [(cell: 'tonemap')])", &["1:22 a text does not stand in `'` (write it as `\"..\"`)"]);
    check("World(cells: [(cell = \"a\")])", &["1:21 `=` gives nothing a value here (write `name: value`)"]);
    check_cell(r#"("tonemap")"#, r#"2:1 expected a cell, found a list of 1 (write `(cell: "tonemap")`)"#);
    check_cell(
        r#"{"cell": "a"}"#,
        r#"2:1 expected a cell, found a map (use round brackets: `(cell: "..")`)"#,
    );
    check_cell(
        r#"(cell: "a", enabled: True)"#,
        "2:22 expected `true` or `false`, found `True` [a] (write `enabled: true`)",
    );
    check_cell(
        r#"(cell: "a", rate: 0)"#,
        "2:19 a cell cannot tick `0` times per second [a] (for a cell that ticks only when it has mail write `rate: OnMail`)",
    );
}
