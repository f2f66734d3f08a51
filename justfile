# Names for commands. The work is plain cargo: everything here can be typed without just.

# What tells a fuzzer which code an input reaches.
coverage := "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"

# Lists what there is.
default:
    @just --list --unsorted

# Runs a scene: `just run`, `just run --scene bloom.ron --headless --frames 60`.
run *ARGS='--scene world.ron':
    ./setup.sh
    cargo run -p engine -- {{ARGS}}

# Runs every test, or those whose names match: `just test`, `just test plan`.
test *ARGS:
    ./setup.sh
    cargo test --workspace {{ARGS}}

# The quick checks: format, lints.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Measures: `just bench`, `just bench frame-noop --json target/bench.json`.
bench *ARGS:
    cargo run --release -p engine-benches -- {{ARGS}}

# What the build server runs, all of it.
ci:
    ./.ci/run

# Formats the code.
fmt:
    cargo fmt --all

# Builds the pages of our own crates; warnings are errors.
doc *ARGS:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps {{ARGS}}

# Lockstep under chaos: N shuffled and delayed runs of a scene must draw the same.
chaos SCENE='bloom.ron' N='100':
    cargo build -p engine
    for n in $(seq 1 {{N}}); do rm -f target/chaos.json; target/debug/engine --scene {{SCENE}} --headless --lockstep --frames 4 --size 64x36 --chaos $n --report target/chaos.json 2>target/chaos.log || { cat target/chaos.log >&2; exit 1; }; grep -E 'picture_blake3": "' target/chaos.json || { echo "run $n has no picture" >&2; exit 1; }; done > target/chaos.txt
    sort target/chaos.txt | uniq -c
    test "$(wc -l < target/chaos.txt)" -eq {{N}} && test "$(sort -u target/chaos.txt | wc -l)" -eq 1

# Makes a cell from the template: `just new rain`.
new NAME:
    cargo run -p engine -- new {{NAME}}

# Model-checks the lock-free parts, in a target folder of its own because the flag would rebuild everything.
loom *ARGS:
    CARGO_TARGET_DIR=target/loom RUSTFLAGS="--cfg loom" cargo test -p engine-sys --lib loom {{ARGS}}

# Random kills, stops, swaps, moves and restarts of cells in a running world: `just soak 500`. About ten a second.
soak N='10000' SEED='1':
    SOAK_ACTIONS={{N}} SOAK_SEED={{SEED}} cargo test -p engine --test soak -- --nocapture

# Many processes write and read shared slots until there were N publications: no read may be torn.
torture N='10_000_000':
    TORTURE_PUBLICATIONS={{N}} cargo test -p engine-host --test torture -- --nocapture

# Feeds a decoder with libFuzzer: `just fuzz wire`, `just fuzz wgsl 3600`. Their names are in fuzz/README.md.
fuzz NAME SECONDS='600':
    RUSTFLAGS="{{coverage}}" cargo build --release --locked --manifest-path fuzz/Cargo.toml --target x86_64-unknown-linux-gnu --target-dir target/fuzz
    mkdir -p target/fuzz/corpus/{{NAME}} fuzz/corpus/{{NAME}}
    FUZZ_TARGET={{NAME}} target/fuzz/x86_64-unknown-linux-gnu/release/cell-fuzz -max_total_time={{SECONDS}} -timeout=20 -max_len=65536 -artifact_prefix=target/fuzz/{{NAME}}- target/fuzz/corpus/{{NAME}} fuzz/corpus/{{NAME}}

# Runs the tests of the crates with `unsafe` under the address sanitizer, or `just sanitize thread`.
sanitize KIND='address':
    just sanitize-{{KIND}}

# Sanitizers are unstable rustc, hence the bootstrap variable. The standard library is not built with them. The builder's tests build
# cells with the same flags, which pad what lies in the sections of a library.
[private]
sanitize-address $ASAN_OPTIONS='detect_leaks=0' $RUSTC_BOOTSTRAP='1' $RUSTFLAGS='-Zsanitizer=address':
    cargo test -p cell-abi -p engine-sys --lib --target x86_64-unknown-linux-gnu --target-dir target/asan
    cargo test -p cell --lib --test driven --test history --test idle --test keeping --test save --test shapes --target x86_64-unknown-linux-gnu --target-dir target/asan
    cargo test -p engine-host --lib --target x86_64-unknown-linux-gnu --target-dir target/asan -- --skip builder::tests
    cargo test -p engine-host --test torture --target x86_64-unknown-linux-gnu --target-dir target/asan

# What calls `clone` by itself cannot run under this one. The tests in `engine-host` are left out: their threads meet at locks and in `Arc`s,
# whose slow ways lie in the standard library, so that it reports each of them.
[private]
sanitize-thread $RUSTC_BOOTSTRAP='1' $RUSTFLAGS='-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer' $TSAN_OPTIONS=('suppressions=' + justfile_directory() + '/.ci/thread-sanitizer.txt'):
    cargo test -p cell-abi -p engine-sys --lib --target x86_64-unknown-linux-gnu --target-dir target/tsan -- --test-threads=1 --skip jail::launch
    cargo test -p cell --lib --test driven --test history --test idle --test keeping --test save --test shapes --target x86_64-unknown-linux-gnu --target-dir target/tsan -- --test-threads=1
    cargo test -p engine-host --test torture --target x86_64-unknown-linux-gnu --target-dir target/tsan
