//! `quotas` and `trust` in a scene: what is taken, and what its author reads about slips.
#![allow(clippy::unwrap_used, reason = "tests")]
use cell_abi::ports::PortTable;
use engine_scene::{Grants, Placement, Quota, Scene, SceneCell, Trust, check_params};

fn cell(line: &str) -> Result<SceneCell, Vec<String>> {
    let faults = |list: Vec<engine_scene::SceneFault>| {
        list.iter()
            .map(|f| {
                let help = f.help.as_ref().map(|h| format!(" ({h})")).unwrap_or_default();
                format!("{}:{} {}{help}", f.line, f.column, f.what)
            })
            .collect()
    };
    Scene::parse("s.ron", format!("World(cells: [\n{line}\n])")).map(|s| s.cells[0].clone()).map_err(faults)
}

#[track_caller]
fn check(line: &str, expected: &[&str]) {
    assert_eq!(cell(line).unwrap_err(), expected, "{line}");
}

#[test]
fn quotas_are_numbers_with_a_name_and_a_range() {
    let silent = cell("(cell: \"a\")").unwrap().quotas;
    assert_eq!((silent.count(Quota::Memory), silent.get(Quota::GpuMs)), (2048, f64::INFINITY));
    assert!(Quota::ALL.into_iter().all(|q| !silent.is_given(q)));
    let all = "(cell: \"a\", quotas: (memory_mib: 512, cpu: 20, threads: 4, files: 32, shared_mib: 64, passes: 8, \
               draws: 9, mail: 3, gpu_ms: 0.5))";
    let quotas = cell(all).unwrap().quotas;
    let values = Quota::ALL.map(|q| quotas.get(q));
    assert_eq!(values, [512.0, 20.0, 4.0, 32.0, 64.0, 8.0, 9.0, 3.0, 0.5]);
    assert_eq!(quotas.bytes(Quota::Shared), 64 << 20);
    assert!(Quota::ALL.into_iter().all(|q| quotas.is_given(q)));
    assert_eq!(cell("(cell: \"a\", quotas: ())").unwrap().quotas, silent);

    let names = "`memory_mib`, `cpu`, `threads`, `files`, `shared_mib`, `passes`, `draws`, `mail`, `gpu_ms`";
    check(
        "(cell: \"a\", quotas: (memory: 1))",
        &["2:22 `quotas` has no field `memory` (there is ".to_owned() + names + ")"]
            .each_ref()
            .map(String::as_str),
    );
    check(
        "(cell: \"a\", quotas: (thread: 4))",
        &["2:22 `quotas` has no field `thread` (did you mean `threads`?)"],
    );
    check(
        "(cell: \"a\", quota: (threads: 4))",
        &["2:13 a cell has no field `quota` (did you mean `quotas`?)"],
    );
    check(
        "(cell: \"a\", quotas: 512)",
        &["2:21 expected named quotas, found `512` (write `quotas: (memory_mib: 512)`)"],
    );
    check(
        "(cell: \"a\", quotas: (memory_mib: 0))",
        &["2:34 `memory_mib` is a whole number from 16 to 1048576, found `0`"],
    );
    check(
        "(cell: \"a\", quotas: (threads: 4.5))",
        &["2:31 `threads` is a whole number from 2 to 4096, found `4.5`"],
    );
    check(
        "(cell: \"a\", quotas: (draws: -1))",
        &["2:29 `draws` is a whole number from 0 to 1048576, found `-1`"],
    );
    check("(cell: \"a\", quotas: (gpu_ms: 0))", &["2:30 `gpu_ms` is a number from 0.001 to 1000, found `0`"]);
    check(
        "(cell: \"a\", quotas: (gpu_ms: NaN))",
        &["2:30 `gpu_ms` is a number from 0.001 to 1000, found `NaN`"],
    );
    check(
        "(cell: \"a\", quotas: (mail: \"3\"))",
        &["2:28 expected a whole number from 0 to 65536, found the text `\"3\"`"],
    );
    check("(cell: \"a\", quotas: (mail: 3, mail: 4))", &["2:31 `mail` is given twice"]);
}

#[test]
fn an_untrusted_cell_runs_in_a_process_with_what_it_was_granted() {
    let line = "(cell: \"mods/fire.so\", trust: Untrusted(read: [\"depth\"], write: [\"color\"], send: [\"ui\"], assets: [\"fire\"], gpu_ms: 1))";
    let fire = cell(line).unwrap();
    let list = |s: &str| vec![s.to_owned()];
    let grants = Grants { read: list("depth"), write: list("color"), send: list("ui"), assets: list("fire") };
    assert_eq!((fire.name.as_str(), fire.at), ("fire", Placement::Process));
    assert_eq!(fire.trust, Trust::Untrusted(grants));
    assert_eq!((fire.quotas.get(Quota::GpuMs), fire.quotas.count(Quota::Memory)), (1.0, 512));
    // Silence is the least trust for what was not built here, and full trust for what was.
    assert_eq!(cell("(cell: \"m.so\")").unwrap().trust, Trust::Untrusted(Grants::default()));
    assert_eq!(cell("(cell: \"m.so\")").unwrap().at, Placement::Process);
    let own = cell("(cell: \"m.so\", trust: Own)").unwrap();
    assert_eq!((own.trust, own.at), (Trust::Own, Placement::Thread));
    assert_eq!(cell("(cell: \"m\")").unwrap().at, Placement::Thread);
    assert_eq!(
        cell("(cell: \"m\", trust: Untrusted)").unwrap().at,
        Placement::Process,
        "also one that was built here"
    );

    check(
        "(cell: \"m.so\", at: Thread)",
        &[
            "2:20 a library that was not built here is untrusted and does not run on a thread of the engine (write \
           `at: Process, trust: Untrusted(read: [\"..\"], write: [\"..\"])` with the names it may use; or `trust: Own`, \
           if you answer for its code)",
        ],
    );
    check(
        "(cell: \"m\", at: Thread, trust: Untrusted())",
        &[
            "2:17 an untrusted cell does not run on a thread of the engine (write `at: Process`, or leave `at` out)",
        ],
    );
    check("(cell: \"m\", trust: Untrustd())", &["2:20 `Untrustd` is no trust (did you mean `Untrusted`?)"]);
    check(
        "(cell: \"m\", trust: \"Own\")",
        &["2:20 expected `Own` or `Untrusted(..)`, found the text `\"Own\"`"],
    );
    check(
        "(cell: \"m\", trust: Untrusted(raed: [\"x\"]))",
        &["2:30 `Untrusted` has no field `raed` (did you mean `read`?)"],
    );
    check(
        "(cell: \"m\", trust: Untrusted(read: \"x\"))",
        &["2:36 expected a list of names, found the text `\"x\"` (write `[\"x\"]`)"],
    );
    check(
        "(cell: \"m\", trust: Untrusted(read: [x]))",
        &["2:37 expected a text, found `x` (put it in quotes: `\"x\"`)"],
    );
    check(
        "(cell: \"m\", trust: Untrusted([\"x\"]))",
        &[
            "2:29 expected named grants, found a list of 1 (write `Untrusted(read: [\"..\"], write: [\"..\"])`)",
        ],
    );
    check(
        "(cell: \"m\", trust: Untrusted(gpu_ms: 1), quotas: (gpu_ms: 2))",
        &["2:59 `gpu_ms` is given twice: here and in `trust` (leave one of them out)"],
    );
}

const TABLE: &str = "cell-ports 1
abi 1.0
name fire_v1
rate 60
param asset image
port input depth texture depth32float screen 1/1 mips 1 clear 0 0 0 0
port output color texture rgba16float screen 1/1 mips 1 clear 0 0 0 0
port own trail texture rgba16float screen 1/1 mips 1 clear 0 0 0 0
port output picture backbuffer
end
";

/// What the checked grants of `Untrusted(..)` say of the table above.
fn judged(grants: &str) -> Vec<String> {
    let table = PortTable::parse(TABLE).unwrap();
    let fire =
        cell(&format!("(cell: \"fire.so\", trust: Untrusted({grants}), with: (image: \"fire/a.png\"))"))
            .unwrap();
    let list = check_params(&fire, &table).err().unwrap_or_default();
    list.iter().map(|f| format!("{} ({})", f.what, f.help.as_deref().unwrap_or_default())).collect()
}

#[test]
fn what_was_not_granted_is_told_with_both_names_and_the_fix() {
    let all = "read: [\"depth\"], write: [\"color\", \"Backbuffer\"], assets: [\"fire\"]";
    assert_eq!(judged(all), [""; 0]);
    assert_eq!(
        judged("write: [\"depth\", \"color\", \"Backbuffer\"], assets: [\"fire\"]"),
        [""; 0],
        "who may write may read"
    );
    let none = judged("");
    assert_eq!(none.len(), 4, "{none:#?}");
    assert_eq!(
        none[0],
        "`fire` is untrusted and reads `depth`, which it was not granted (if it may, write `trust: Untrusted(.., read: \
         [\"depth\"])`)"
    );
    assert!(
        none[1].starts_with("`fire` is untrusted and writes `color`, which it was not granted"),
        "{none:#?}"
    );
    assert!(
        none[2].contains("writes `Backbuffer`"),
        "the picture has one name, whatever the port is called: {none:#?}"
    );
    assert!(
        none[3].contains("was not granted the asset `fire/a.png`")
            && none[3].contains("assets: [\"fire/a.png\"]"),
        "{none:#?}"
    );
    let slip = judged("read: [\"depht\"], write: [\"color\", \"Backbuffer\"], assets: [\"fire\"]");
    assert!(
        slip[0].contains("`depht` was granted, which it does not bind: did you mean `depth`?"),
        "{slip:#?}"
    );
    let reads_only = judged("read: [\"depth\", \"color\"], write: [\"Backbuffer\"], assets: [\"fire\"]");
    assert!(reads_only.len() == 1 && reads_only[0].contains("writes `color`"), "{reads_only:#?}");
}
