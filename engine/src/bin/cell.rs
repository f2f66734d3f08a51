//! `cell`: the engine under its short name. `cell mitosis` is `engine mitosis`.
use std::{os::unix::process::CommandExt as _, process::Command, process::ExitCode};

fn main() -> ExitCode {
    let engine = std::env::current_exe().map(|own| own.with_file_name("engine"));
    let error = match engine {
        // Returns only when it fails.
        Ok(engine) => Command::new(&engine).args(std::env::args_os().skip(1)).exec(),
        Err(error) => error,
    };
    eprintln!("error: the engine beside `cell` cannot be started ({error}); build it: cargo build -p engine");
    ExitCode::FAILURE
}
