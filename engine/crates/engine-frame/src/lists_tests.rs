use super::*;
use crate::contracts::{CellDecl, Standing};
use cell_abi::ports::PortTable;
use cell_wire::{Blend, ColorTarget, Draw, Pass, Raster, Work};

fn world() -> Contracts {
    let text = "cell-ports 1\nabi 1.0\nname a_v1\nrate 60\nport output picture backbuffer\nend\n";
    let table = Arc::new(PortTable::parse(text).expect("good"));
    let cell = |line, name: &str| CellDecl {
        line: CellLine(line),
        name: name.into(),
        table: table.clone(),
        standing: Standing::Own,
    };
    let mut c = Contracts::default();
    assert_eq!(c.declare(&[cell(0, "a"), cell(1, "b")]), []);
    c
}

/// A list of one pass; the port 0 is right, any other is not there.
fn list(label: &str, port: u16) -> Arc<PassList> {
    let work = Work::Raster(Raster {
        fragment: Some(label.into()),
        color: vec![ColorTarget { port, level: 0, blend: Blend::Replace }],
        draws: vec![Draw::triangle()],
        ..Raster::default()
    });
    Arc::new(PassList { passes: vec![Pass { label: label.into(), work, reads: vec![], sealed: vec![] }] })
}

fn plan_of(book: &mut ListBook, contracts: &Contracts) -> (Vec<String>, usize, u64) {
    let world = World { contracts, sealed: &|_, _| None, limits: &|_| Limits::OWN, screen_px: [64, 36] };
    let o = book.plan(&world);
    let labels = o.plan.runs.iter().flat_map(|r| &r.passes).map(|p| p.label.to_string()).collect();
    (labels, o.faults.len(), o.plan.version)
}

#[test]
fn a_faulty_list_leaves_the_last_good_one_on_screen() {
    let (w, mut book) = (world(), ListBook::default());
    book.submit(CellLine(0), ShaderId(0), list("a1", 0));
    book.submit(CellLine(1), ShaderId(1), list("b1", 0));
    let (labels, faults, version) = plan_of(&mut book, &w);
    assert_eq!((labels.join(" "), faults), ("a1 b1".into(), 0));
    book.drawn(version, &[]);
    book.submit(CellLine(1), ShaderId(1), list("b2", 9));
    let (labels, faults, _) = plan_of(&mut book, &w);
    assert_eq!((labels.join(" "), faults), ("a1 b1".into(), 1));
    book.submit(CellLine(1), ShaderId(1), list("b3", 0));
    assert_eq!(plan_of(&mut book, &w).0.join(" "), "a1 b3");
}

#[test]
fn a_list_that_was_never_drawn_is_no_fallback() {
    let (w, mut book) = (world(), ListBook::default());
    book.submit(CellLine(0), ShaderId(0), list("a1", 0));
    let (_, _, old) = plan_of(&mut book, &w);
    book.submit(CellLine(0), ShaderId(0), list("a2", 9));
    assert_eq!(plan_of(&mut book, &w).0, [""; 0]);
    book.drawn(old, &[]);
    assert_eq!(plan_of(&mut book, &w).0, [""; 0], "an old frame says nothing of the newest plan");
}

#[test]
fn a_cell_without_its_shader_costs_no_other_cell_its_fallback() {
    let (w, mut book) = (world(), ListBook::default());
    book.submit(CellLine(0), ShaderId(0), list("a1", 0));
    book.submit(CellLine(1), ShaderId(1), list("b1", 0));
    let (_, _, v) = plan_of(&mut book, &w);
    book.drawn(v, &[CellLine(0)]);
    book.submit(CellLine(0), ShaderId(0), list("a2", 9));
    book.submit(CellLine(1), ShaderId(1), list("b2", 9));
    assert_eq!(plan_of(&mut book, &w).0, ["b1"], "b1 was seen, a1 never was");
}

#[test]
fn what_the_gpu_refuses_goes_back_to_the_last_good_list() {
    let (w, mut book) = (world(), ListBook::default());
    book.submit(CellLine(0), ShaderId(0), list("a1", 0));
    let (_, _, v) = plan_of(&mut book, &w);
    book.drawn(v, &[]);
    book.submit(CellLine(0), ShaderId(0), list("a2", 0));
    assert_eq!(plan_of(&mut book, &w).0, ["a2"]);
    book.refused(CellLine(0));
    assert_eq!(plan_of(&mut book, &w).0, ["a1"]);
    book.refused(CellLine(0));
    assert_eq!(plan_of(&mut book, &w).0, [""; 0], "the good one was refused too");
    assert!(book.shader_changed(CellLine(0)), "it was refused, so it is time to plan again");
    assert_eq!(plan_of(&mut book, &w).0, ["a2"], "a new shader may make it work");
}

#[test]
fn lists_move_with_their_cells() {
    let (w, mut book) = (world(), ListBook::default());
    book.submit(CellLine(0), ShaderId(0), list("a", 0));
    book.submit(CellLine(1), ShaderId(1), list("b", 0));
    book.renumber(|l| Some(CellLine(1 - l.0)));
    assert_eq!(plan_of(&mut book, &w).0, ["b", "a"]);
    book.renumber(|l| (l.0 == 0).then_some(l));
    assert_eq!(plan_of(&mut book, &w).0, ["b"]);
    book.remove(CellLine(0));
    assert_eq!(plan_of(&mut book, &w).0, [""; 0]);
}

#[test]
fn every_list_that_may_be_drawn_again_is_named() {
    let (w, mut book) = (world(), ListBook::default());
    let (first, second) = (list("a1", 0), list("a2", 0));
    book.submit(CellLine(0), ShaderId(0), first.clone());
    let (_, _, v) = plan_of(&mut book, &w);
    book.drawn(v, &[]);
    book.submit(CellLine(0), ShaderId(0), second.clone());
    for kept in [first, second] {
        assert!(book.lists().any(|l| Arc::ptr_eq(l, &kept)), "what it names must stay sealed");
    }
}
