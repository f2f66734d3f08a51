//! Frames as the host sees them: queue, reports, times, steady state.
use crate::kit::*;
use cell_abi::ports::{StartValue, TextureFormat};
use engine_frame::plan::*;
use engine_render::{RenderConfig, RenderEvent, SubmitError};
use std::sync::Arc;

const HALF: TextureFormat = TextureFormat::Rgba16Float;

/// A chain of full-screen passes over several cells, as post-processing has it.
fn chain(version: u64, cells: u32, passes: u32) -> Plan {
    let size = [64, 36];
    let at = |n: u32| texture(0, n, TextureView::Whole);
    let pass = |n: u32| {
        full("copy").reads(at(n % 2)).raster(|r| r.color = vec![color((n + 1) % 2, Load::Clear([0.0; 4]))])
    };
    let runs = (0..cells).map(|c| run(c, (0..passes).map(|n| pass(c * passes + n)).collect())).collect();
    let start = StartValue::Clear([0.0, 1.0, 0.0, 1.0]);
    Plan { targets: (0..2).map(|n| target(n, "t", HALF, size, start)).collect(), ..plan(version, size, runs) }
}

const COPY: &str = "
    @fragment fn copy(in: Full) -> @location(0) vec4f { return textureSample(scene, linear_clamp, in.uv); }";

#[test]
fn every_frame_is_one_submit_on_noop_too() {
    let mut kit = Kit::noop();
    (0..10).for_each(|c| kit.shader(c, COPY));
    let plan = Arc::new(chain(1, 10, 5));
    for frame in 0..5 {
        let report = kit.run(&plan, false);
        assert_eq!((report.frame, report.submits, report.skipped.len()), (frame, 1, 0));
        assert!(Arc::ptr_eq(&report.packet.plan, &plan), "the packet comes back");
    }
    let image = kit.picture(&plan);
    assert_eq!(
        (image.width, image.height, image.rgba8.len()),
        (64, 36, 64 * 36 * 4),
        "noop gives a picture of zeros"
    );
    assert_eq!(kit.faults(), vec![]);
}

#[test]
fn gpu_times_arrive_with_the_names_of_the_passes() {
    let mut kit = Kit::vulkan();
    assert!(kit.renderer.adapter().gpu_times);
    (0..3).for_each(|c| kit.shader(c, COPY));
    let plan = Arc::new(chain(1, 3, 20));
    let mut seen = Vec::new();
    while seen.len() < 4 {
        let report = kit.run(&plan, false);
        if let Some(times) = report.gpu {
            assert!(times.frame <= report.frame);
            assert_eq!((times.passes.len(), times.ns.len()), (60, 60));
            assert_eq!((times.passes[0].cell, &*times.passes[59].cell_name), (CellLine(0), "cell2"));
            assert!(times.ns.iter().all(|ns| *ns < 10_000_000_000));
            assert!(times.ns.iter().sum::<u64>() > 0);
            seen.push(times.frame);
        }
    }
    assert!(seen.is_sorted_by(|a, b| a < b), "each frame once, in order: {seen:?}");
}

#[test]
fn no_times_when_none_are_wanted() {
    let mut kit = Kit::start(RenderConfig { gpu_times: false, wait_gpu: true, ..RenderConfig::headless() });
    kit.shader(0, COPY);
    let plan = Arc::new(chain(1, 1, 3));
    assert!((0..6).all(|_| kit.run(&plan, false).gpu.is_none()));
}

#[test]
fn the_queue_holds_one_packet() {
    let mut kit = Kit::noop();
    kit.shader(0, COPY);
    let plan = Arc::new(chain(1, 1, 1));
    let mut refused = 0;
    let mut taken = 0;
    while refused == 0 {
        let packet = kit.packet(&plan, false);
        match kit.renderer.try_submit(packet) {
            Ok(()) => taken += 1,
            Err(SubmitError::Full(packet)) => {
                assert!(Arc::ptr_eq(&packet.plan, &plan), "a refused packet comes back");
                refused += 1;
            }
            Err(SubmitError::Gone(_)) => panic!("the thread lives"),
        }
    }
    for _ in 0..taken {
        kit.next_report();
    }
    // Far more events than the channel holds, read only at the end: nothing is lost, nothing hangs.
    for _ in 0..300 {
        let packet = kit.packet(&plan, false);
        kit.renderer.submit(packet).unwrap();
    }
    let frames: Vec<u64> = (0..300).map(|_| kit.next_report().frame).collect();
    assert!(frames.is_sorted_by(|a, b| a + 1 == *b), "in order");
}

#[test]
fn dropping_the_handle_ends_the_thread_and_closes_the_events() {
    let mut kit = Kit::vulkan();
    kit.shader(0, COPY);
    let events = kit.renderer.events().clone();
    let packet = kit.packet(&Arc::new(chain(1, 1, 3)), false);
    kit.renderer.submit(packet).unwrap();
    drop(kit);
    let rest: Vec<RenderEvent> = events.try_iter().collect();
    assert!(rest.iter().any(|e| matches!(e, RenderEvent::FrameDone(_))), "the frame before the end is done");
    assert!(events.recv().is_err(), "closed");
}

/// Prints what a frame costs on `noop`; asserts only that an unchanged plan is not prepared again.
#[test]
fn an_unchanged_plan_costs_nothing_to_prepare() {
    for (cells, passes) in [(5, 2), (20, 5), (200, 5)] {
        let mut kit = Kit::start(RenderConfig { gpu_times: false, ..RenderConfig::noop() });
        (0..cells).for_each(|c| kit.shader(c, COPY));
        let plan = Arc::new(chain(1, cells, passes));
        kit.run(&plan, false);
        let mut reports: Vec<_> = (0..200).map(|_| kit.run(&plan, false).cpu).collect();
        reports.sort_by_key(|c| c.total_ns());
        let c = reports[100];
        println!(
            "noop, {cells} cells of {passes} passes: prepare {:.1} upload {:.1} encode {:.1} submit {:.1} us",
            c.prepare_ns as f64 / 1e3,
            c.upload_ns as f64 / 1e3,
            c.encode_ns as f64 / 1e3,
            c.submit_ns as f64 / 1e3
        );
        assert!(c.prepare_ns * 5 < c.encode_ns, "{c:?}");
    }
}
