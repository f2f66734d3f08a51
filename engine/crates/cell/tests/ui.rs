//! What the macros say: programs that compile without a warning, and programs that fail with a readable message.
#[test]
fn messages_are_as_recorded() {
    let t = trybuild::TestCases::new();
    t.pass("tests/ui/pass/*.rs");
    t.compile_fail("tests/ui/fail/*.rs");
}
