use super::*;
use naga::valid::{Capabilities, ValidationFlags, Validator};

fn parse(text: &str) -> Module {
    let module = naga::front::wgsl::parse_str(text).unwrap_or_else(|e| panic!("{}", e.emit_to_string(text)));
    valid(&module);
    module
}

fn valid(module: &Module) {
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    if let Err(error) = validator.validate(module) {
        panic!("{error:?}");
    }
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
    add(&mut module).unwrap();
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
    add(&mut fuelled).unwrap();
    valid(&fuelled);
    let body = |m: &Module| format!("{:?}", m.entry_points[0].function.body);
    assert_eq!(body(&plain), body(&fuelled));
    assert_eq!(fuelled.global_variables.len(), 1);
}

#[test]
fn what_fuel_does_not_bound_is_refused_with_a_reason() {
    let refused = |text: &str| add(&mut parse(text)).unwrap_err();
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
    for waits in [
        "@compute @workgroup_size(4) fn a() { for (var i = 0; i < 3; i++) { workgroupBarrier(); } }",
        "fn w() { workgroupBarrier(); } @compute @workgroup_size(4) fn a() { for (var i = 0; i < 3; i++) { w(); } }",
    ] {
        assert!(refused(waits).contains("may not wait at a barrier"), "{waits}");
    }
    let between =
        "@compute @workgroup_size(4) fn a() { for (var i = 0; i < 3; i++) { } workgroupBarrier(); }";
    assert_eq!(add(&mut parse(between)), Ok(()));
}
