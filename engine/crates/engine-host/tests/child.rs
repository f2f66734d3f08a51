//! Cells in child processes: the same bytes as on a thread, and what a crash costs.
//!
//! This executable is its own child (`/proc/self/exe` run again), so it has its own `main`. The cells are the
//! project's, built by the engine's builder.
#![allow(clippy::print_stdout, reason = "a test runner reports")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "child/alike.rs"]
mod alike;
#[path = "child/badly.rs"]
mod badly;
#[path = "child/ends.rs"]
mod ends;
#[path = "child/heard.rs"]
mod heard;
#[path = "child/leaks.rs"]
mod leaks;
#[path = "child/pace.rs"]
mod pace;
#[path = "child/rig.rs"]
mod rig;
#[path = "child/strangers.rs"]
mod strangers;
#[path = "child/syscalls.rs"]
mod syscalls;
#[path = "child/system.rs"]
mod system;
#[path = "child/whole.rs"]
mod whole;

use engine_host::process_cell::run_if_child;
use rig::Rig;
use std::process::ExitCode;

const CUBES: &str = r#"World(name: "test", cells: [
    (cell: "camera", with: (orbit_speed: 20.0)),
    (cell: "many-cubes", with: (count: 5000, spin: 1.5)),
])"#;

type Test = (&'static str, fn(&Rig));

fn main() -> ExitCode {
    if let Some(code) = badly::run_if_bad().or_else(run_if_child) {
        return code;
    }
    let rig = Rig::new();
    let tests: [Test; 28] = [
        ("a_child_publishes_the_same_bytes_as_a_thread", alike::same_bytes),
        ("assets_and_sealed_bytes_cross_the_border", alike::assets),
        ("a_missing_asset_is_told_in_the_same_words", alike::missing_asset),
        ("a_killed_child_is_over_and_its_data_stays", ends::killed),
        ("a_child_that_ends_between_turns_is_found", ends::ended_between_turns),
        ("a_child_that_hangs_is_killed_when_it_is_replaced", ends::replaced),
        ("a_cell_moves_between_thread_and_process_without_a_gap", alike::moves),
        ("the_state_moves_with_its_cell_in_lockstep", alike::state_moves),
        ("kept_turns_give_the_same_bytes_on_a_thread_and_in_a_process", alike::replayed),
        ("a_library_that_is_no_cell_is_refused", ends::no_cell),
        ("nothing_is_left_after_twenty_starts", leaks::leaks),
        ("a_child_that_dies_while_it_claims_its_region_is_over", ends::killed_in_claim),
        ("a_child_that_hangs_in_create_is_killed_when_it_is_replaced", ends::replaced_in_create),
        ("a_child_that_never_stops_asking_is_killed_when_it_is_replaced", ends::replaced_while_asking),
        ("whoever_drops_an_instance_does_not_wait_for_its_end", ends::end_in_background),
        ("children_that_do_not_end_are_killed_all_at_once", ends::killed_together),
        ("a_child_that_fails_at_its_end_costs_nothing", ends::fails_at_end),
        ("a_long_turn_yields_and_the_next_one_does_not", pace::long_turn),
        ("what_an_untrusted_cell_scribbles_reaches_nobody", strangers::scribbles),
        ("an_untrusted_cell_goes_on_from_its_last_data_in_a_new_process", strangers::untrusted_restart),
        ("a_child_that_speaks_badly_is_ended", badly::ends_it),
        ("a_hostile_child_stays_hostile_and_is_ended", badly::stays_hostile),
        ("what_a_child_writes_is_shown_plainly", badly::shown_plainly),
        ("a_stranger_floods_no_log", badly::floods_no_log),
        ("memory_that_a_child_was_given_counts", badly::memory_counts),
        (
            "an_untrusted_cell_that_drew_when_the_gpu_was_lost_is_ended_until_its_line_changes",
            strangers::lost_gpu,
        ),
        ("two_hundred_cells_run_and_leave_nothing_behind", leaks::two_hundred),
        ("a_steady_frame_makes_no_call_but_those_that_sleep_and_wake", pace::steady_frames),
    ];
    let filter = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    let chosen: Vec<_> = tests.iter().filter(|t| t.0.contains(&filter)).collect();
    for (name, test) in &chosen {
        test(&rig);
        println!("test {name} ... ok");
    }
    if filter.is_empty() || filter == "round_trip" {
        pace::round_trip(&rig);
    }
    println!("{} tests passed", chosen.len());
    ExitCode::SUCCESS
}
