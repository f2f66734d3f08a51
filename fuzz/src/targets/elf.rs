//! The file of a library, whose sections are read before any of its code runs: port table, shape of its state, exports.
use super::{
    Target, assert_shown,
    ports::{PORT_WORDS, PORTS},
    shape::section,
};
use cell_abi::{ABI_MAJOR, CELL_TABLE_SYMBOL, PORTS_SECTION, SHAPE_SECTION, ports::PortTable};
use engine_host::library::{ports_of, ports_section, shape_of};
use std::path::Path;

pub(super) const TARGET: Target = Target { name: "elf", run: elf, seeds, words: PORT_WORDS };

fn seeds() -> Vec<Vec<u8>> {
    let shape = section();
    let all = |class| library(class, &[(PORTS_SECTION, PORTS), (SHAPE_SECTION, &shape)]);
    vec![all(Class::Wide), library(Class::Wide, &[(PORTS_SECTION, PORTS)]), all(Class::Narrow)]
}

/// How wide an address is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// 8 bytes, as here.
    Wide,
    /// 4 bytes: a library for another machine, whose sections are read like any other's.
    Narrow,
}

/// Returns a library with these sections that exports a cell's table, and nothing else.
fn library(class: Class, sections: &[(&str, &str)]) -> Vec<u8> {
    const TEXT: u32 = 1;
    const STRINGS: u32 = 3;
    const SYMBOLS: u32 = 11;
    let wide = class == Class::Wide;
    let symbol = if wide { 24 } else { 16 };
    let exported = format!("\0{CELL_TABLE_SYMBOL}\0");
    let mut symbols = vec![0; 2 * symbol];
    // Its name; global, an object, in the first section.
    symbols[symbol] = 1;
    let (info, index) = if wide { (4, 6) } else { (12, 14) };
    symbols[symbol + info] = 0x11;
    symbols[symbol + index] = 1;
    // Name, kind, content, the section that it refers to, the size of an entry.
    let mut all: Vec<(&str, u32, &[u8], usize, usize)> =
        sections.iter().map(|(name, text)| (*name, TEXT, text.as_bytes(), 0, 0)).collect();
    all.push((".dynsym", SYMBOLS, &symbols, all.len() + 2, symbol));
    all.push((".dynstr", STRINGS, exported.as_bytes(), 0, 0));
    let mut names = String::from("\0");
    let starts: Vec<usize> = all
        .iter()
        .map(|section| section.0)
        .chain([".shstrtab"])
        .map(|name| {
            let start = names.len();
            names.push_str(name);
            names.push('\0');
            start
        })
        .collect();
    let names = names.into_bytes();
    all.push((".shstrtab", STRINGS, &names, 0, 0));

    let (head, entry) = if wide { (64, 64) } else { (52, 40) };
    let number = |value: usize| (value as u64).to_le_bytes()[..if wide { 8 } else { 4 }].to_vec();
    let half = |value: usize| (value as u16).to_le_bytes().to_vec();
    let word = |value: usize| (value as u32).to_le_bytes().to_vec();
    let table = head;
    let mut at = table + entry * (all.len() + 1);
    let (mut headers, mut contents) = (vec![0; entry], Vec::new());
    for ((_, kind, content, link, size), start) in all.iter().zip(starts) {
        let fields =
            [number(0), number(0), number(at), number(content.len()), word(*link), word(1), number(8)];
        headers.extend([word(start), word(*kind as usize), fields.concat(), number(*size)].concat());
        contents.extend_from_slice(content);
        at += content.len();
    }
    let machine = if wide { 62 } else { 3 };
    let start = [0x7f, b'E', b'L', b'F', if wide { 2 } else { 1 }, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let about = [half(3), half(machine), word(1), number(0), number(0), number(table), word(0), half(head)];
    let parts = [half(0), half(0), half(entry), half(all.len() + 1), half(all.len())];
    [&start[..], &about.concat(), &parts.concat(), &headers, &contents].concat()
}

fn elf(bytes: &[u8]) -> bool {
    let path = Path::new("/mods/a.so");
    let (ports, shape) = (ports_of(bytes, path), shape_of(bytes, path));
    let faults = [ports.as_ref().err(), shape.as_ref().err()];
    for text in faults.into_iter().flatten().map(ToString::to_string) {
        assert_shown(&text);
        assert!(text.contains("/mods/a.so"), "{text}");
    }
    let Ok(table) = ports else { return false };
    assert_eq!(table.abi.0, ABI_MAJOR);
    let section = ports_section(bytes).expect("it was read");
    let text = std::str::from_utf8(section).expect("it was read");
    assert_eq!(PortTable::parse(text).expect("it was read").to_text(), table.to_text());
    shape.is_ok()
}
