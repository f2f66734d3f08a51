use super::*;
use naga::valid::{Capabilities, ValidationFlags, Validator};

fn parse(text: &str) -> Module {
    let module = naga::front::wgsl::parse_str(text).unwrap_or_else(|e| panic!("{}", e.emit_to_string(text)));
    valid(&module);
    module
}

fn valid(module: &Module) -> ModuleInfo {
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    validator.validate(module).unwrap_or_else(|error| panic!("{error:?}"))
}

fn fuel(module: &mut Module) -> Result<(), String> {
    let info = valid(module);
    add(module, &info)
}

/// Loops, and those that pay at their head.
fn loops(block: &Block) -> (usize, usize) {
    let mut found = (0, 0);
    for statement in block {
        if let Statement::Loop { body, .. } = statement {
            let head: Vec<&Statement> = body.iter().take(3).collect();
            let leaves = |s: &Statement| matches!(s, Statement::If { accept, .. } if matches!(accept.iter().next(), Some(Statement::Break)));
            let pays =
                matches!(&head[..], [Statement::Emit(_), leave, Statement::Store { .. }] if leaves(leave));
            found = (found.0 + 1, found.1 + usize::from(pays));
        }
        for inner in inner(statement) {
            let more = loops(inner);
            found = (found.0 + more.0, found.1 + more.1);
        }
    }
    found
}

fn all_loops(module: &Module) -> (usize, usize) {
    let entries = module.entry_points.iter().map(|e| &e.function);
    let all = module.functions.iter().map(|(_, f)| f).chain(entries).map(|f| loops(&f.body));
    all.fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
}

/// The text has as many loops; with fuel all of them pay, and it is still valid.
#[track_caller]
fn all_pay(text: &str, count: usize) {
    let mut module = parse(text);
    assert_eq!(all_loops(&module), (count, 0), "{text}");
    fuel(&mut module).unwrap();
    assert_eq!(all_loops(&module), (count, count), "{text}");
    valid(&module);
}

#[test]
fn loops_of_every_form_pay_wherever_they_stand() {
    all_pay("@compute @workgroup_size(1) fn a() { loop { } }", 1);
    all_pay("@compute @workgroup_size(1) fn a() { while true { } }", 1);
    all_pay("@compute @workgroup_size(1) fn a() { for (var i = 0; i < 3; i++) { } }", 1);
    all_pay("@compute @workgroup_size(1) fn a() { for (;;) { continue; } }", 1);
    all_pay(
        "@compute @workgroup_size(1) fn a() { var n = 0; loop { n++; continuing { n--; break if n > 3; } } }",
        1,
    );
    let inside =
        "@compute @workgroup_size(1) fn a() { var n = 0; loop { n++; continuing { while n > 1 { n--; } } } }";
    all_pay(inside, 2);
    let nested = "fn f(n: i32) -> i32 { var s = n; for (var i = 0; i < n; i++) { loop { if s > i { break; } s++; } } return s; }
        @vertex fn v() -> @builtin(position) vec4f { var s = 0; while s < 2 { s = f(s); } return vec4f(f32(s)); }
        @fragment fn p() -> @location(0) vec4f {
            switch f(2) { case 1: { loop { discard; } } default: { if f(1) > 0 { { for (;;) { return vec4f(); } } } } }
            return vec4f();
        }";
    all_pay(nested, 5);
}

#[test]
fn a_module_without_loops_has_a_counter_and_is_else_the_same() {
    let text = "@fragment fn p() -> @location(0) vec4f { return vec4f(1.0); }";
    let (plain, mut fuelled) = (parse(text), parse(text));
    fuel(&mut fuelled).unwrap();
    valid(&fuelled);
    let body = |m: &Module| format!("{:?}", m.entry_points[0].function.body);
    assert_eq!(body(&plain), body(&fuelled));
    assert_eq!(fuelled.global_variables.len(), 1);
}

#[test]
fn what_fuel_does_not_bound_is_refused_with_a_reason() {
    let refused = |text: &str| fuel(&mut parse(text)).unwrap_err();
    // Thirty functions that call the one before twice each.
    let mut calls = "fn f0() -> f32 { return 1.0; }".to_owned();
    for n in 1..30 {
        calls += &format!("fn f{n}() -> f32 {{ return f{}() + f{}(); }}", n - 1, n - 1);
    }
    calls += "@compute @workgroup_size(1) fn a() { let x = f29(); }";
    assert!(refused(&calls).contains("`a` has"), "{}", refused(&calls));
    let large = refused("@compute @workgroup_size(1) fn a() { var x: array<f32, 20000>; x[0] = 1.0; }");
    assert!(large.contains("80000 bytes"), "{large}");
    let private =
        refused("var<private> x: array<f32, 20000>; @compute @workgroup_size(1) fn a() { x[0] = 1.0; }");
    assert!(private.contains("80000 bytes"), "{private}");
    // What is no variable, but is put into one when an element of it is taken.
    let value = "@group(0) @binding(0) var<storage, read_write> out: vec4f;
        @compute @workgroup_size(1) fn a(@builtin(local_invocation_index) n: u32) { let x = array<vec4f, 4000000>(); out = x[n]; }";
    assert!(refused(value).contains("64000000 bytes"), "{}", refused(value));
    let given = "fn f() -> array<vec4f, 5000> { return array<vec4f, 5000>(); }
        @compute @workgroup_size(1) fn a() { let x = f(); }";
    assert!(refused(given).contains("of `a` and of what it calls have 160000 bytes"), "{}", refused(given));
    let small =
        "fn f() -> mat4x4f { return mat4x4f(); } @compute @workgroup_size(1) fn a() { let x = f() * f(); }";
    assert_eq!(fuel(&mut parse(small)), Ok(()));
    for waits in [
        "@compute @workgroup_size(4) fn a() { for (var i = 0; i < 3; i++) { workgroupBarrier(); } }",
        "fn w() { workgroupBarrier(); } @compute @workgroup_size(4) fn a() { for (var i = 0; i < 3; i++) { w(); } }",
    ] {
        assert!(refused(waits).contains("may not wait at a barrier"), "{waits}");
    }
    let between =
        "@compute @workgroup_size(4) fn a() { for (var i = 0; i < 3; i++) { } workgroupBarrier(); }";
    assert_eq!(fuel(&mut parse(between)), Ok(()));
}

#[test]
fn a_workgroup_has_as_many_invocations_as_are_counted() {
    let group = |before: &str, size: &str| {
        fuel(&mut parse(&format!("{before} @compute @workgroup_size({size}) fn a() {{ }}")))
    };
    for good in ["256", "16, 16", "4, 8, 8", "SIDE, SIDE"] {
        assert_eq!(group("const SIDE = 16;", good), Ok(()), "{good}");
    }
    for (large, count) in [("257", "257"), ("16, 17", "272"), ("1024, 1024, 1024", "1073741824")] {
        let why = group("", large).unwrap_err();
        assert!(why.contains(&format!("of `a` has {count} invocations")), "{why}");
    }
    for unknown in ["SIDE", "1, SIDE * 2u"] {
        let why = group("override SIDE = 16u;", unknown).unwrap_err();
        assert!(why.contains("of `a` depends on an `override`"), "{why}");
    }
}
