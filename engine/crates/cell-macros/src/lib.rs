//! The macros of `cell`: [`signal_receptor!`], [`export!`], [`macro@service`], [`macro@Gpu`], [`macro@Protein`]
//! and [`macro@Save`].
//!
//! All logic is in plain functions over `proc_macro2`, tested without a compiler: `grammar` reads
//! `signal_receptor!` into a tree and collects every fault, `contract` writes the items, `params` and `ports` are
//! the two halves of both, `lock` compares a contract with its lock. `kept` reads what is sent or kept, `protein` and `save`
//! write what is needed for it; `service` does both for interfaces and handlers. The generated code names everything
//! through `::cell`.
//!
//! Neighbours: `cell` re-exports these macros and holds what the generated code calls. This crate must not know
//! what a port is used for.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod builder;
mod contract;
mod export;
mod faults;
mod gpu;
mod grammar;
mod kept;
mod lock;
mod names;
mod params;
mod ports;
mod protein;
mod save;
mod service;

/// Declares a cell's ports and parameters.
///
/// It makes, in the module where it stands: the contract (`bloom_v1`), a function for each port, `Params`, the
/// trait `Cell` to implement, and a method of [`Cx`] for each buffer port. See the crate `cell` for the words.
///
/// With `CELL_LOCK=frozen`, and for a crate of another workspace (`CELL_DIR`), it compares the contract with its lock.
///
/// [`Cx`]: https://docs.rs/cell
#[proc_macro]
pub fn signal_receptor(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    contract::signal_receptor(input.into(), &lock::Terms::from_env()).into()
}

/// Exports a cell: `cell::export!(Bloom);`, `cell::export!(Ears, rate: 30);` or `cell::export!(Tool, rate: OnMail);`.
///
/// Stands once in a crate, in the module of its `signal_receptor!`. Without a rate, a cell ticks 60 times a second.
#[proc_macro]
pub fn export(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    export::export(input.into()).into()
}

/// Makes a `#[repr(C)]` struct an element of buffer ports.
#[proc_macro_derive(Gpu)]
pub fn gpu(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    gpu::derive(input.into()).into()
}

/// Declares an interface, or serves one.
///
/// On a module of functions without bodies, which stands in a `cells/NAME-api` crate, it makes a `Client` with a method
/// for each. `#[cell::service(button_service)]` on an `impl` of a cell lets its functions with `#[cell::handler]` serve
/// it. See the page `docs/calling-cells.md`.
#[proc_macro_attribute]
pub fn service(attribute: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    service::expand(attribute.into(), item.into()).into()
}

/// Marks a function that serves the interface which `#[cell::service(..)]` on its `impl` names.
#[proc_macro_attribute]
pub fn handler(_: proc_macro::TokenStream, _: proc_macro::TokenStream) -> proc_macro::TokenStream {
    service::stray_handler().into()
}

/// Makes a struct or an enum a message, or a part of one or of saved state: gives it a shape and a checked form in
/// bytes. See the trait `cell::Protein` for what it may hold.
///
/// `#[protein(as = [f32; 3])]` on a field keeps it as another Protein, which it converts into and from.
#[proc_macro_derive(Protein, attributes(protein))]
pub fn protein(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    protein::derive(input.into()).into()
}

/// Makes a builder of a struct: `Order::builder().id("x").count(3).build()`. A field that was not given is a compile
/// error; fields of the type `Option` need not be.
#[proc_macro_derive(Builder)]
pub fn builder(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    builder::derive(input.into()).into()
}

/// Makes a cell's state outlive its instance: it is handed over at a swap or a move, and kept for a restart. See the
/// trait `cell::Save`.
///
/// `#[save(skip)]` leaves a field out: it is as `Default` makes it. `#[save(as = [f32; 3])]` keeps it as a Protein
/// that it converts into and from. `#[save(from = past::Physics)]` on the type reads the state of an older shape too.
#[proc_macro_derive(Save, attributes(save))]
pub fn save(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    save::derive(input.into()).into()
}
