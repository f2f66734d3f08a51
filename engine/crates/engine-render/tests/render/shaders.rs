//! Shaders from text to pixels: what is taken, what is not, and what the author reads.
use crate::kit::*;
use cell_abi::ports::{StartValue, TextureFormat};
use engine_frame::plan::*;
use engine_render::{
    FUEL, RenderEvent,
    ShaderOrigin::{Own, Untrusted},
};
use std::sync::Arc;

const RED_PX: [u8; 4] = [255, 0, 0, 255];
const GREEN_PX: [u8; 4] = [0, 255, 0, 255];

fn red_plan(version: u64) -> Arc<Plan> {
    Arc::new(plan(version, [4, 4], vec![run(0, vec![full("red")])]))
}

#[test]
fn a_saved_shader_changes_the_picture_and_a_broken_one_does_not() {
    let mut kit = Kit::vulkan();
    kit.shader(0, RED);
    let plan = red_plan(1);
    assert_eq!(kit.picture(&plan).pixel(1, 1), RED_PX);
    assert_eq!(kit.verdict(0), Ok(()));
    let green = RED.replace("1.0, 0.0, 0.0", "0.0, 1.0, 0.0");
    kit.shader(0, &green);
    assert_eq!(kit.picture(&plan).pixel(1, 1), GREEN_PX);
    assert_eq!(kit.verdict(0), Ok(()));

    let broken = [
        ("", "the file is empty"),
        ("// all gone\n", "the file is empty"),
        (
            "@fragment fn red(in: Full) -> @location(0) vec4f { return vec4f(1.0) }",
            "shaders/cell0/cell0.wgsl:1:",
        ),
        ("@fragment fn red(in: Full) -> @location(0) vec4f { return 1.0; }", "shaders/cell0/cell0.wgsl:1:"),
        ("fn other() {}", "does not have"),
        ("@vertex fn red() -> @builtin(position) vec4f { return vec4f(); }", "is a @vertex function"),
    ];
    for (body, expected) in broken {
        kit.shader(0, body);
        assert_eq!(kit.picture(&plan).pixel(1, 1), GREEN_PX, "the last good one stays: {body}");
        let message = kit.verdict(0).unwrap_err();
        assert!(message.contains(expected), "{message}");
        assert!(message.contains("shaders/cell0/cell0.wgsl"), "{message}");
    }
    assert_eq!(kit.faults(), vec![], "the shader is to blame, not the passes");

    kit.shader(0, RED);
    assert_eq!(kit.picture(&plan).pixel(1, 1), RED_PX, "a good one is taken after bad ones");
}

#[test]
fn a_broken_shader_is_reported_once_and_survives_device_loss_and_new_plans() {
    let mut kit = Kit::vulkan();
    kit.shader(0, RED);
    kit.picture(&red_plan(1));
    assert_eq!(kit.verdict(0), Ok(()));
    kit.shader(0, "nonsense");
    for version in 2..5 {
        assert_eq!(kit.picture(&red_plan(version)).pixel(1, 1), RED_PX);
    }
    kit.renderer.simulate_device_loss().unwrap();
    assert_eq!(kit.picture(&red_plan(4)).pixel(1, 1), RED_PX, "made again from the last good text");
    let rejections = kit.events.iter().filter(|e| matches!(e, RenderEvent::ShaderRejected { .. })).count();
    assert_eq!(rejections, 1);
}

#[test]
fn a_text_is_checked_without_a_device() {
    assert_eq!(engine_render::check_shader("a.wgsl", HEADER, RED, Own), Ok(()));
    let message =
        engine_render::check_shader("a.wgsl", HEADER, &RED.replace("1.0)", "1.0, oops)"), Own).unwrap_err();
    assert!(message.contains("a.wgsl:1:"), "{message}");
    let sum = format!("fn f() {{ let x = 1{}; }}", "+1".repeat(100_000));
    assert!(engine_render::check_shader("a.wgsl", HEADER, &sum, Own).unwrap_err().contains("2000 tokens"));
}

/// Thousands of small damages to a shader: each gets a verdict with a place in the file, none a crash.
#[test]
fn damaged_texts_are_messages() {
    let text = "// é\nstruct Wave { height: f32, at: vec2<f32> }\nconst STEPS = 3u;
        fn sum(w: Wave) -> f32 { var s = 0.0; for (var i = 0u; i < STEPS; i++) { s += w.height * f32(i); } return s; }
        @fragment fn red(in: Full) -> @location(0) vec4f {
            let w = Wave(params.tint.x, in.uv); if sum(w) > 1.0 { discard; }
            return textureSample(scene, linear_clamp, w.at) * array<f32, 2>(1.0, 0.5)[u32(w.at.x)];
        }";
    assert_eq!(engine_render::check_shader("a.wgsl", HEADER, text, Own), Ok(()));
    let chars: Vec<char> = text.chars().collect();
    let junk: Vec<char> = "(){}[]<>;:,.@+-*/&|!=\"'#$é\u{feff}\n\0 0xu_a".chars().collect();
    let mut seed = 7_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for _ in 0..3_000 {
        let mut damaged = chars.clone();
        for _ in 0..=random(3) {
            let at = random(damaged.len());
            match random(4) {
                0 => drop(damaged.remove(at)),
                1 => damaged.insert(at, junk[random(junk.len())]),
                2 => damaged[at] = junk[random(junk.len())],
                _ => damaged.truncate(at.max(1)),
            }
        }
        let damaged: String = damaged.into_iter().collect();
        if let Err(message) = engine_render::check_shader("a.wgsl", HEADER, &damaged, Own) {
            assert!(message.starts_with("error: ") && message.contains("--> a.wgsl"), "{message}\n{damaged}");
            assert!(!message.contains("crashed"), "{message}\n{damaged}");
        }
    }
}

#[test]
fn hundreds_of_shaders_at_once_are_all_answered() {
    let mut kit = Kit::noop();
    (0..300).for_each(|n| kit.shader(n, RED));
    let runs = (0..300).map(|n| run(n, vec![full("red")])).collect();
    assert_eq!(kit.run(&Arc::new(plan(1, [4, 4], runs)), false).skipped.len(), 0);
    assert!((0..300).all(|n| kit.verdict(n) == Ok(())));
}

#[test]
fn the_first_frame_with_a_new_shader_finds_it_compiled() {
    let config = engine_render::RenderConfig { wait_gpu: true, ..engine_render::RenderConfig::headless() };
    let mut kit = Kit::start(config);
    let plan = red_plan(1);
    let with = |kit: &mut Kit, n: u32| {
        // Big enough for the driver's compiler to take a while.
        let body: String = (0..60).map(|k| format!("x = sin(x * {k}.{n}) + cos(x + {n}.{k});")).collect();
        kit.shader(0, &format!("@fragment fn red(in: Full) -> @location(0) vec4f {{ var x = in.uv.x; {body} return vec4f(x); }}"));
        while kit.verdict(0).is_err() {}
        let first = std::time::Instant::now();
        kit.run(&plan, false);
        first.elapsed().as_secs_f64() * 1e3
    };
    with(&mut kit, 1);
    let frames: Vec<f64> = (2..6).map(|n| with(&mut kit, n)).collect();
    println!("first frame with a new shader: {frames:.1?} ms");
}

/// Every text that overflows a stack somewhere in naga or wgpu when given to them plainly.
#[test]
fn stack_breaking_texts_are_messages() {
    let mut kit = Kit::noop();
    let wrap = |body: &str| {
        format!(
            "@fragment fn red(in: Full) -> @location(0) vec4f {{ let x = in.uv.x; {body} return vec4f(1.0); }}"
        )
    };
    let texts = [
        ("10 KB sum", wrap(&format!("let y = x{};", "+x".repeat(5_000)))),
        ("200 KB sum", wrap(&format!("let y = x{};", "+x".repeat(100_000)))),
        ("1 MB sum", wrap(&format!("let y = x{};", "+x".repeat(500_000)))),
        ("brackets", wrap(&format!("let y = {}x{};", "(".repeat(1_000), ")".repeat(1_000)))),
        ("minus", wrap(&format!("let y = {}x;", "-".repeat(10_000)))),
        ("blocks", wrap(&format!("{}{}", "{".repeat(5_000), "}".repeat(5_000)))),
        ("loops", wrap(&format!("{}{}", "loop{".repeat(3_000), "}".repeat(3_000)))),
        ("else if", wrap(&format!("if x > 0 {{}}{}", " else if x > 1 {}".repeat(5_000)))),
        ("templates", wrap(&format!("let y: {}f32{} = 0;", "array<".repeat(3_000), ">".repeat(3_000)))),
        ("calls", wrap(&format!("let y = {}x{};", "abs(".repeat(3_000), ")".repeat(3_000)))),
        ("indices", wrap(&format!("let y = x{};", "[0]".repeat(5_000)))),
        ("comment", "/*".repeat(100_000)),
    ];
    for (what, text) in texts {
        kit.shader(0, &text);
        let message = kit.verdict(0).unwrap_err();
        assert!(message.contains("shaders/cell0/cell0.wgsl"), "{what}: {message}");
    }
    // Just within the limits: the stacks hold, those of the driver's compiler too.
    let mut kit = Kit::vulkan();
    let plan = red_plan(1);
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(60), close.repeat(60));
    let fine = [
        wrap(&format!("let y = x{};", "+x".repeat(990))),
        wrap(&format!("var y = {}x;", "-".repeat(1_990))),
        wrap(&format!("let y = {}x{};", "abs(".repeat(60), ")".repeat(60))),
        wrap(&deep("{", "}")),
        wrap(&deep("if x > 0 {", "}")),
        wrap(&deep("loop { break; ", "}")),
        wrap(&format!("if x > 0 {{}}{}", " else if x > 1 {}".repeat(64))),
    ];
    for text in fine {
        kit.shader(0, &text);
        kit.run(&plan, false);
        let verdict = kit.verdict(0);
        // "--" is no operator in WGSL; a message will do, a crash will not.
        assert!(verdict.is_ok() || text.contains("--"), "{verdict:?}");
    }
    // Long chains of short statements.
    let chain = |line: &dyn Fn(usize) -> String| (0..7_000).map(line).collect::<String>();
    let chains = [
        format!("const c0 = 1; {}", chain(&|n| format!("const c{} = c{n};", n + 1))),
        format!("{} const c7000 = 1;", chain(&|n| format!("const c{n} = c{};", n + 1))),
        format!("{} fn f7000() {{}}", chain(&|n| format!("fn f{n}() {{ f{}(); }}", n + 1))),
        format!("{} alias t7000 = f32;", chain(&|n| format!("alias t{n} = t{};", n + 1))),
    ];
    for text in chains {
        assert!(text.len() < 256 * 1024);
        kit.shader(0, &format!("{text} {RED}"));
        kit.run(&plan, false);
        let _ = kit.verdict(0);
    }
    kit.shader(0, RED);
    assert_eq!(kit.verdict(0), Ok(()), "the compile thread lives");
}

#[test]
fn a_binding_that_the_pass_lacks_is_named_with_the_fix() {
    let mut kit = Kit::noop();
    let cases = [
        ("textureLoad(scene, vec2i(0), 0)", "`bad` reads `scene`, but the pass does not: add .read(scene)"),
        (
            "textureLoad(scene_prev, vec2i(0), 0)",
            "`bad` reads `scene_prev`, but the pass does not: add .read_previous(scene)",
        ),
        (
            "textureSample(albedo, linear_repeat, in.uv)",
            "`bad` reads `albedo`, but the pass does not: add .bind(albedo, &..) to the pass or its draws",
        ),
        ("helper()", "`bad` reads `view`, but the pass does not: add .read(view)"),
        (
            "own",
            "`bad` uses `own` (@group(3) @binding(0)), but it is none of the bindings that the engine declares from the cell's ports",
        ),
    ];
    for (n, (value, expected)) in (1..).zip(cases) {
        kit.shader(
            0,
            &format!(
                "fn helper() -> vec4f {{ return view.offset; }}
                @group(3) @binding(0) var<uniform> own: vec4f;
                @fragment fn bad(in: Full) -> @location(0) vec4f {{ return {value}; }}"
            ),
        );
        let plan = Arc::new(plan(n, [4, 4], vec![run(0, vec![full("bad")])]));
        let report = kit.run(&plan, false);
        assert_eq!(report.skipped.len(), 1);
        let message = loop {
            if let Err(message) = kit.verdict(0) {
                break message;
            }
        };
        assert!(message.starts_with(&format!("error: {expected}\n")), "{message}");
        assert!(message.contains("cell0.wgsl:3:30"), "it points at the entry point: {message}");
    }
}

#[test]
fn a_misspelt_entry_point_gets_a_suggestion() {
    let mut kit = Kit::noop();
    kit.shader(0, RED);
    let plan = Arc::new(plan(1, [4, 4], vec![run(0, vec![full("rde")])]));
    assert_eq!(kit.run(&plan, false).skipped.len(), 1);
    assert_eq!(kit.verdict(0), Ok(()));
    let message = kit.verdict(0).unwrap_err();
    assert!(message.contains("wants the @fragment function `rde`"), "{message}");
    assert!(message.contains("did you mean `red`?"), "{message}");
}

#[test]
fn a_new_list_that_the_shader_does_not_fit_is_given_back() {
    let mut kit = Kit::vulkan();
    kit.shader(0, RED);
    kit.picture(&red_plan(1));
    let bad = Arc::new(plan(2, [4, 4], vec![run(0, vec![full("red"), full("later")])]));
    assert_eq!(kit.picture(&bad).pixel(1, 1), RED_PX, "nothing draws; the picture keeps what it had");
    let faults = kit.faults();
    assert_eq!(faults.len(), 1);
    assert!(faults[0].1.contains("`later`"), "{}", faults[0].1);
    // The host goes back to the old list, or the shader follows.
    assert_eq!(kit.run(&red_plan(3), false).skipped.len(), 0);
    kit.shader(
        0,
        &format!("{RED} {}", RED.replace("red", "later").replace("1.0, 0.0, 0.0", "0.0, 1.0, 0.0")),
    );
    kit.run(&red_plan(3), false);
    let good = Arc::new(plan(4, [4, 4], vec![run(0, vec![full("red"), full("later")])]));
    assert_eq!(kit.picture(&good).pixel(1, 1), GREEN_PX);
    assert_eq!(kit.faults(), vec![]);
}

#[test]
fn a_shader_that_draws_to_the_wrong_format_is_explained() {
    let mut kit = Kit::noop();
    kit.shader(0, RED);
    let pass = full("red").raster(|r| r.color = vec![color(0, Load::Clear([0.0; 4]))]);
    let mut plan = plan(1, [4, 4], vec![run(0, vec![pass])]);
    plan.targets = vec![target(0, "ids", TextureFormat::R32Uint, [4, 4], StartValue::Clear([0.0; 4]))];
    kit.run(&Arc::new(plan), false);
    assert_eq!(kit.verdict(0), Ok(()));
    let message = kit.verdict(0).unwrap_err();
    assert!(message.contains("pass `red` cannot use `red`"), "{message}");
    assert!(message.contains("cell0.wgsl:1:14"), "{message}");
}

#[test]
fn frames_go_on_while_shaders_compile() {
    let mut kit = Kit::start(engine_render::RenderConfig::default());
    let plan = red_plan(1);
    kit.shader(0, RED);
    // Without waiting, the run is left out until its pipeline is there.
    while kit.run(&plan, false).skipped.len() == 1 {}
    assert_eq!(kit.picture(&plan).pixel(1, 1), RED_PX);
    kit.shader(0, &RED.replace("1.0, 0.0, 0.0", "0.0, 1.0, 0.0"));
    while kit.picture(&plan).pixel(1, 1) == RED_PX {}
    assert_eq!(kit.picture(&plan).pixel(1, 1), GREEN_PX);
    assert_eq!(kit.faults(), vec![]);
}

/// A shader that counts its iterations in a loop that does not end by itself: red when it was left after `count` of them.
fn counting(head: &str, count: u32) -> String {
    format!(
        "@fragment fn red(in: Full) -> @location(0) vec4f {{
            var n = 0u; {head} {{ n++; }}
            return select(vec4f(0.0, 1.0, 0.0, 1.0), vec4f(1.0, 0.0, 0.0, 1.0), n == {count}u);
        }}"
    )
}

#[test]
fn an_endless_loop_of_an_untrusted_shader_ends_when_its_fuel_is_used_up() {
    let mut kit = Kit::vulkan();
    let plan = red_plan(1);
    for head in ["while n < 4294967295u", "for (;n < 4294967295u;)", "for (; n < 4294967295u; n += 0u)"] {
        kit.shader_of(0, &counting(head, FUEL), Untrusted);
        assert_eq!(kit.picture(&plan).pixel(1, 1), RED_PX, "{head}");
        assert_eq!(kit.verdict(0), Ok(()), "{head}");
    }
    // Short loops run as they are written, one after the other, and all of them on one tank.
    kit.shader_of(0, &counting("for (var i = 0u; i < 1000u; i++)", 1000), Untrusted);
    assert_eq!(kit.picture(&plan).pixel(1, 1), RED_PX);
    let half = FUEL / 2;
    let first = format!("for (var i = 0u; i < {half}u; i++) {{ n++; }} while n < 4294967295u");
    // The look that ends the first one costs as well.
    kit.shader_of(0, &counting(&first, FUEL - 1), Untrusted);
    assert_eq!(kit.picture(&plan).pixel(1, 1), RED_PX);
    // Our own run as they are written.
    let more = FUEL + 1000;
    kit.shader_of(0, &counting(&format!("for (var i = 0u; i < {more}u; i++)"), more), Own);
    assert_eq!(kit.picture(&plan).pixel(1, 1), RED_PX);
}

#[test]
fn what_no_untrusted_shader_may_do_is_a_message() {
    let barrier =
        "@compute @workgroup_size(4) fn a() { for (var i = 0; i < 3; i++) { workgroupBarrier(); } }";
    assert_eq!(engine_render::check_shader("a.wgsl", HEADER, barrier, Own), Ok(()));
    let message = engine_render::check_shader("a.wgsl", HEADER, barrier, Untrusted).unwrap_err();
    assert!(message.contains("barrier") && message.ends_with("--> a.wgsl"), "{message}");
}
