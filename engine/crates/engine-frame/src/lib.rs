//! The frame as pure state machines: names, slots, records, pass order, plan.
//!
//! Everything the host decides in a frame is decided here, from values alone, so that it can be tested without
//! threads, time or a GPU, and so that the same inputs give the same frame in every run.
//!
//! | question | answered by |
//! |---|---|
//! | what is called what, and do all agree? | [`contracts::Contracts`] |
//! | who waits for whom? | [`links::NowGraph`], [`links::start_order`] |
//! | who is due, for how many steps? | [`schedule::CellClock`] |
//! | which slots does a turn read and write, what does the GPU lack? | [`slots::SlotTable`], one per buffer |
//! | what mail does it get, what seed? | [`mailbox`], [`seed::cell_seed`] |
//! | which passes run, in what order, with what? | [`lists::ListBook`], over [`planner::plan`] and [`order`] |
//! | what stands in front of a shader? | [`wgsl::header`], [`wgsl::pack_params`] |
//! | what if it crashes, hangs, is late? | [`supervise`] |
//! | how is a text of its shown? | [`plain::plain`] |
//!
//! A frame, as a host runs it:
//!
//! ```
//! use cell_abi::{header::BufHeader, ports::PortTable};
//! use engine_frame::{contracts::*, limits::*, links::*, lists::*, plan::*, schedule::*, slots::*};
//! use std::sync::Arc;
//!
//! // Declared once, and again when the scene changes.
//! let table = PortTable::parse("cell-ports 1\nabi 1.0\nname walk_v1\nrate 60\nport output n counts - 8\nend\n")?;
//! let cells = [CellDecl { line: CellLine(0), name: "walk".into(), table: Arc::new(table), standing: Standing::Own }];
//! let mut contracts = Contracts::default();
//! assert!(contracts.declare(&cells).is_empty(), "a fault names the cell, the port and the difference");
//! let (now, _cycles) = NowGraph::new(&contracts);
//! let buffer = &contracts.buffers()[0];
//! let mut slots = SlotTable::new(buffer.capacity(), buffer.element.size, buffer.history);
//! let header = BufHeader::default(); // in shared memory, one per slot
//! let mut lists = ListBook::default(); // fed by `submit` when a cell sends its passes
//!
//! // Per frame: record. What a turn reads is held, what it writes is granted.
//! let mut clock = CellClock::new(contracts.cells()[0].table.rate, 60);
//! let due = clock.open(0, false, false).expect("due in the first frame");
//! assert_eq!((due.steps, now.start_after(CellLine(0))), (1, &[][..]));
//! let grant = slots.grant(0);
//! let mut behind = Vec::new();
//! slots.behind_into(&grant, &mut behind);
//!
//! // Tick, on some thread: the cell fills the slot and says so.
//! header.publish(grant.stamp, 0, 8, &[]);
//!
//! // Commit, in scene order.
//! match header.published(grant.stamp) {
//!     Some(publication) => drop(slots.publish(&grant, &publication)?),
//!     None => slots.abort(&grant),
//! }
//!
//! // Plan, only if a list, a size, a shader or the scene changed.
//! let world = World { contracts: &contracts, sealed: &|_, _| None, limits: &|_| Limits::OWN, screen_px: [64, 36] };
//! let outcome = lists.plan(&world);
//! assert!(outcome.faults.is_empty());
//!
//! // Packet: the newest slot is held until its frame is done.
//! let newest = slots.latest().expect("published");
//! slots.hold(newest.slot);
//! let mut dirty = Vec::new();
//! slots.take_gpu_behind_into(&mut dirty);
//! assert_eq!((newest.len, dirty[0].start, dirty[0].end), (8, 0, 8));
//! slots.release(newest.slot);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Neighbours: below, `cell-abi` (tables, records, headers) and `cell-wire` (pass lists); above, `engine-host`
//! drives this and `engine-render` runs a [`packet::Packet`]. This crate knows no GPU, no clock, no syscall, no
//! thread and no file; what is per frame allocates nothing once its buffers have grown.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

pub mod calls;
pub mod contracts;
pub mod limits;
pub mod links;
pub mod lists;
pub mod mailbox;
pub mod names;
pub mod order;
pub mod packet;
pub mod plain;
pub mod plan;
pub mod planner;
pub mod ranges;
pub mod schedule;
pub mod seed;
pub mod signals;
pub mod slots;
pub mod supervise;
pub mod wgsl;
