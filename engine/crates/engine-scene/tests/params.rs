//! Parameters against a port table: what an author sees, and the bytes a cell gets.
#![allow(clippy::unwrap_used, reason = "tests")]
use cell_abi::ports::{ParamKind, ParamValue, PortTable};
use engine_scene::{CheckedParams, Scene, SceneFault, check_params};
use proptest::prelude::*;

const TABLE: &str = "cell-ports 1
abi 1.0
name demo_v1
rate 60
param f32 threshold = 1
param u32 count = 5
param i32 offset = -3
param bool glow = true
param text title = \"x\"
param asset hdr = \"hdr/sunset.exr\"
param vec2f tile = 1 2
param f32 sun.azimuth = 230
param vec4f sun.color = 1 1 1 1
param vec3f fly.at = 0 30 80
param asset fly.path
group? fly
end
";

fn run(table: &str, with: &str) -> Result<CheckedParams, Vec<SceneFault>> {
    let text = format!("World(cells: [(cell: \"demo\"{with})])");
    let scene = Scene::parse("s.ron", &text).unwrap();
    check_params(&scene.cells[0], &PortTable::parse(table).unwrap())
}

/// Each fault of `with: (..)` as `column what (help)`; the column counts from the bracket of `with`.
#[track_caller]
fn check(with: &str, expected: &[&str]) {
    let list = run(TABLE, &format!(", with: {with}")).expect_err(with);
    let before = "World(cells: [(cell: \"demo\", with: ".len() as u32;
    let list: Vec<_> = list
        .iter()
        .map(|f| {
            assert_eq!(f.cell.as_deref(), Some("demo"));
            let help = f.help.as_ref().map(|h| format!(" ({h})")).unwrap_or_default();
            format!("{} {}{help}", f.column - before, f.what)
        })
        .collect();
    assert_eq!(list, expected, "{with}");
}

#[test]
fn unknown_and_doubled_parameters() {
    check("(treshold: 1)", &["2 `demo_v1` has no parameter `treshold` (did you mean `threshold`?)"]);
    check(
        "(azimuth: 1)",
        &["2 `demo_v1` has no parameter `azimuth` (it belongs into a group: `sun: (azimuth: ..)`)"],
    );
    check("(sun: (azimut: 1))", &["8 `sun` has no parameter `azimut` (did you mean `azimuth`?)"]);
    check("(sun: (glow: true))", &["8 `sun` has no parameter `glow` (`glow` stands outside of the group)"]);
    check("(sun: (xyzzy: true))", &["8 `sun` has no parameter `xyzzy` (there is `azimuth`, `color`)"]);
    check("(count: 1, count: 2)", &["12 the parameter `count` is given twice"]);
    check("(sun: (azimuth: 1), sun: ())", &["21 the parameter `sun` is given twice"]);
    check("(sun: (azimuth: 1, azimuth: 2))", &["20 the parameter `sun.azimuth` is given twice"]);
    check(
        "(treshold: 1, cuont: 2)",
        &[
            "2 `demo_v1` has no parameter `treshold` (did you mean `threshold`?)",
            "15 `demo_v1` has no parameter `cuont` (did you mean `count`?)",
        ],
    );
}

#[test]
fn wrong_types() {
    check(
        "(threshold: \"1\")",
        &["13 `threshold` is a number, found the text `\"1\"` (write `threshold: 1.0`)"],
    );
    check("(threshold: true)", &["13 `threshold` is a number, found `true` (write `threshold: 1.0`)"]);
    check("(threshold: Some(1))", &["13 `threshold` is a number, found `Some(..)` (write `threshold: 1.0`)"]);
    check("(threshold: 1..2)", &["13 `threshold` is a number, found a range (write `threshold: 1.0`)"]);
    check("(count: 1.5)", &["9 `count` is a whole number from 0 to 4294967295, found `1.5`"]);
    check("(count: -1)", &["9 `count` is a whole number from 0 to 4294967295, found `-1`"]);
    check("(count: 4294967296)", &["9 `count` is a whole number from 0 to 4294967295, found `4294967296`"]);
    check(
        "(offset: 2147483648)",
        &["10 `offset` is a whole number from -2147483648 to 2147483647, found `2147483648`"],
    );
    check("(glow: 1)", &["8 `glow` is `true` or `false`, found `1` (write `glow: true`)"]);
    check("(title: 'x')", &["9 `title` is a text, found a single character (write `title: \"..\"`)"]);
    check("(title: x)", &["9 `title` is a text, found `x` (write `title: \"..\"`)"]);
    check("(sun: 3)", &["7 `sun` is a group of parameters, found `3` (write `sun: (azimuth: ..)`)"]);
    check("(fly: (1, 2))", &["7 `fly` is a group of parameters, found a list of 2 (write `fly: (at: ..)`)"]);
}

#[test]
fn vectors_and_floats() {
    check("(tile: (1, 2, 3))", &["8 `tile` is 2 numbers, found 3 (write `tile: (0, 0)`)"]);
    check("(tile: 1)", &["8 `tile` is 2 numbers, found `1` (write `tile: (0, 0)`)"]);
    check(
        "(tile: (x: 1, y: 2))",
        &["8 `tile` is 2 numbers, found named values in brackets (write `tile: (0, 0)`)"],
    );
    check("(tile: (1, \"2\"))", &["12 expected a number in `tile`, found the text `\"2\"`"]);
    check(
        "(tile: [NaN, inf])",
        &["9 `tile` takes finite numbers only", "14 `tile` takes finite numbers only"],
    );
    check("(threshold: inf)", &["13 `threshold` takes finite numbers only"]);
    check("(threshold: -NaN)", &["13 `threshold` takes finite numbers only"]);
    check("(threshold: 1e39)", &["13 the number is too large for `threshold` (32-bit float)"]);
    check("(threshold: 1e999)", &["13 `threshold` takes finite numbers only"]);
}

#[test]
fn assets_stay_in_their_folder() {
    let help = "(name a file below the assets folder, like `\"hdr/sunset.exr\"`)";
    for (path, what) in [
        ("/etc/passwd", "the path is absolute"),
        ("C:/x", "the path is absolute"),
        ("../x", "the path leaves the assets folder"),
        ("a/../../x", "the path leaves the assets folder"),
        ("a//x", "the path has an empty part"),
        ("./x", "the path has an empty part"),
        ("", "the path is empty"),
        ("a\\\\x", "the path has a backslash; folders are separated by `/`"),
        ("a\\u{0}", "the path has control characters"),
    ] {
        check(&format!("(hdr: \"{path}\")"), &[&format!("7 `hdr`: {what} {help}")]);
    }
    let good = run(TABLE, ", with: (hdr: \"a/b.exr\", fly: (path: \"p\"))").unwrap();
    let paths: Vec<_> = good.assets.iter().map(|a| (a.param.as_str(), a.path.as_str())).collect();
    assert_eq!(paths, [("hdr", "a/b.exr"), ("fly.path", "p")]);
    let text = "World(cells: [(cell: \"demo\", with: (hdr: \"a/b.exr\"))])";
    let scene = Scene::parse("s.ron", text).unwrap();
    let fault = scene.cells[0].fault_at(good.assets[0].span, "there is no such file", None);
    assert_eq!(fault.column as usize, 1 + text.find("\"a/b").unwrap(), "the host reports at the path");
}

#[test]
fn missing_parameters() {
    check(
        "(fly: (at: (1, 2, 3)))",
        &["2 the parameter `fly.path` is missing (the path of an asset) (write `path: \"folder/file\"`)"],
    );
    let required = "cell-ports 1\nabi 1.0\nname need_v1\nrate 60\nparam f32 a\nparam asset g.b\nend\n";
    for with in ["", ", with: ()", ", with: (g: ())"] {
        let list = run(required, with).expect_err(with);
        let what: Vec<_> = list.iter().map(|f| f.what.as_str()).collect();
        let a = "the parameter `a` is missing (a number)";
        let b = "the parameter `g.b` is missing (the path of an asset)";
        assert!(what.len() == 2 && what.contains(&a) && what.contains(&b), "{with}: {what:?}");
    }
    let none = "cell-ports 1\nabi 1.0\nname none_v1\nrate 60\nend\n";
    assert_eq!(run(none, ", with: ()").unwrap(), CheckedParams::default());
    assert_eq!(
        run(none, ", with: (a: 1)").unwrap_err()[0].help.as_deref(),
        Some("this cell has no parameters")
    );
}

/// Reads the encoding as `ParamKind` documents it: the values, and which optional groups are there.
fn decode(table: &PortTable, bytes: &[u8]) -> (Vec<ParamValue>, Vec<(String, bool)>) {
    assert!(bytes.len().is_multiple_of(4), "whole words");
    let mut words = bytes.chunks_exact(4).map(|w| u32::from_le_bytes(w.try_into().unwrap()));
    let (mut values, mut groups): (Vec<_>, Vec<(String, bool)>) = (Vec::new(), Vec::new());
    for p in &table.params {
        let group =
            p.name.split_once('.').map(|(g, _)| g.to_owned()).filter(|g| table.optional_groups.contains(g));
        if let Some(g) = group.filter(|g| groups.iter().all(|(seen, _)| seen != g)) {
            let there = words.next().unwrap();
            assert!(there <= 1);
            groups.push((g, there == 1));
        }
        values.push(match p.kind {
            ParamKind::U32 => ParamValue::U32(words.next().unwrap()),
            ParamKind::I32 => ParamValue::I32(words.next().unwrap().cast_signed()),
            ParamKind::Bool => ParamValue::Bool(words.next().unwrap() == 1),
            ParamKind::Text | ParamKind::Asset => {
                let len = words.next().unwrap() as usize;
                let text: Vec<u8> =
                    (0..len.div_ceil(4)).flat_map(|_| words.next().unwrap().to_le_bytes()).collect();
                assert!(text[len..].iter().all(|b| *b == 0), "padded with zeros");
                ParamValue::Text(String::from_utf8(text[..len].to_vec()).unwrap())
            }
            floats => ParamValue::Floats(
                (0..floats.floats()).map(|_| f32::from_bits(words.next().unwrap())).collect(),
            ),
        });
    }
    assert_eq!(words.next(), None, "nothing is left over");
    (values, groups)
}

#[test]
fn a_silent_scene_gives_the_defaults() {
    let table = PortTable::parse(TABLE).unwrap();
    let checked = run(TABLE, "").unwrap();
    let (values, groups) = decode(&table, &checked.encoded);
    for (p, v) in table.params.iter().zip(&values) {
        assert_eq!(p.default.clone().unwrap_or(ParamValue::Text(String::new())), *v, "{}", p.name);
    }
    assert_eq!(groups, [("fly".to_owned(), false)]);
    let assets: Vec<_> = checked.assets.iter().map(|a| a.path.as_str()).collect();
    assert_eq!(assets, ["hdr/sunset.exr"], "not the one of the group that is not there");
}

#[test]
fn the_bytes_are_those_that_cell_abi_documents() {
    let table =
        "cell-ports 1\nabi 1.0\nname b_v1\nrate 60\nparam text t\nparam i32 fly.n = 2\ngroup? fly\nend\n";
    let bytes = |with: &str| run(table, with).unwrap().encoded;
    assert_eq!(bytes(", with: (t: \"abcde\")"), *b"\x05\0\0\0abcde\0\0\0\0\0\0\0\x02\0\0\0");
    assert_eq!(bytes(", with: (t: \"\", fly: (n: -1))"), *b"\0\0\0\0\x01\0\0\0\xff\xff\xff\xff");
    assert_eq!(bytes(", with: (t: \"abcd\", fly: ())"), *b"\x04\0\0\0abcd\x01\0\0\0\x02\0\0\0");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// What is written in a scene is what the cell reads, for each kind, integers for floats included.
    #[test]
    fn values_come_through(
        x in -1e30f32..1e30, count: u32, offset: i32, glow: bool, title in ".{0,40}",
        at in prop::array::uniform3(-1000i32..1000), fly: bool, list: bool,
    ) {
        let quoted = title.chars().map(|c| format!("\\u{{{:x}}}", c as u32)).collect::<String>();
        let [a, b, c] = at;
        let at_text = if list { format!("[{a}, {b}, {c}]") } else { format!("({a}, {b}, {c})") };
        let fly_text = if fly { format!("fly: (path: \"p\", at: {at_text}),") } else { String::new() };
        let with = format!(
            ", with: (offset: {offset}, threshold: {x:?}, glow: {glow}, {fly_text} count: {count}, title: \"{quoted}\")"
        );
        let checked = run(TABLE, &with).map_err(|f| TestCaseError::fail(format!("{with}: {}", f[0])))?;
        let table = PortTable::parse(TABLE).unwrap();
        let (values, groups) = decode(&table, &checked.encoded);
        let get = |name: &str| &values[table.params.iter().position(|p| p.name == name).unwrap()];
        prop_assert_eq!(get("threshold"), &ParamValue::Floats(vec![x]));
        prop_assert_eq!(get("count"), &ParamValue::U32(count));
        prop_assert_eq!(get("offset"), &ParamValue::I32(offset));
        prop_assert_eq!(get("glow"), &ParamValue::Bool(glow));
        prop_assert_eq!(get("title"), &ParamValue::Text(title));
        prop_assert_eq!(groups, vec![("fly".to_owned(), fly)]);
        let expected = if fly { [a as f32, b as f32, c as f32] } else { [0.0, 30.0, 80.0] };
        prop_assert_eq!(get("fly.at"), &ParamValue::Floats(expected.to_vec()));
    }
}
