//! What can be kept, and what is told about the rest.
use super::*;
use quote::quote;

fn faults(input: TokenStream, derive: Derive) -> Vec<String> {
    let input: DeriveInput = syn::parse2(input).unwrap();
    let mut faults = Faults::default();
    let _ = Reader::new(derive, &input.ident, &mut faults).read(&input);
    faults.messages()
}

#[test]
fn what_can_be_kept_passes() {
    for input in [
        quote!(
            struct A;
        ),
        quote!(
            struct A(f32, [u8; N], Box<Self>);
        ),
        quote!(
            struct A {
                r#type: Option<Vec<(u8, String)>>,
                map: std::collections::BTreeMap<u32, Vec<B>>,
                set: BTreeSet<char>,
            }
        ),
        quote!(
            struct A {
                #[protein(as = [f32; 3])]
                at: glam::Vec3,
                b: other::B,
                r: Result<(), E>,
            }
        ),
        quote!(
            enum A {
                B = 4,
                C(f32),
                D { e: u8 },
            }
        ),
    ] {
        assert_eq!(faults(input.clone(), Derive::Protein), [""; 0], "{input}");
    }
    let state = quote!(
        #[save(from = past::A)]
        struct A {
            #[save(skip)]
            tree: Rc<dyn Any>,
            #[save(as = u64)]
            n: usize,
        }
    );
    assert_eq!(faults(state, Derive::Save), [""; 0]);
}

#[test]
fn what_cannot_be_kept_is_told_with_the_fix() {
    for (ty, says) in [
        (quote!(usize), "`usize` cannot be kept: its size is the machine's; use `u32` or `u64`"),
        (quote!(Vec<Option<isize>>), "`isize` cannot be kept: its size is the machine's; use `i32` or `i64`"),
        (quote!(std::rc::Rc<f32>), "`std::rc::Rc<f32>` cannot be kept: what is shared"),
        (quote!(Arc<f32>), "use a `Box`, or indices"),
        (quote!(std::collections::HashMap<u32, f32>), "use a `BTreeMap`"),
        (quote!(HashSet<u32>), "use a `BTreeSet`"),
        (quote!(Vec<BTreeMap<u32, f32>>), "put it into a struct of its own"),
        (quote!(BTreeMap<u32, usize>), "`usize` cannot"),
        (quote!(Box<dyn Fn()>), "`dyn Fn ()` cannot be kept: its bytes do not say which type it is"),
        (quote!(&'static str), "own it"),
        (quote!(Box<[f32]>), "use a `Vec`"),
        (quote!(Box<str>), "use a `String`"),
        (quote!(fn(u8)), "keep what it stands for"),
        (quote!(Mutex<f32>), "keep the value itself"),
        (quote!((u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8)), "a struct with names"),
        (quote!(some_macro!()), "only named types"),
    ] {
        for input in
            [quote!(struct A { a: u8, b: #ty }), quote!(struct A(#ty);), quote!(enum A { B { c: #ty } })]
        {
            for derive in [Derive::Protein, Derive::Save] {
                let found = faults(input.clone(), derive);
                assert!(found.len() == 1 && found[0].contains(says), "{ty}: {found:?}");
            }
        }
    }
}

#[test]
fn what_a_type_is_as_a_whole_is_checked_too() {
    let many: TokenStream =
        (0..257).map(|n| Ident::new(&format!("V{n}"), Span::call_site())).map(|v| quote!(#v,)).collect();
    for (input, says) in [
        (
            quote!(
                struct A<T> {
                    a: T,
                }
            ),
            "`A` is generic",
        ),
        (
            quote!(
                struct A<const N: usize> {
                    a: [u8; N],
                }
            ),
            "`A` is generic",
        ),
        (
            quote!(
                struct A<'a> {
                    a: B<'a>,
                }
            ),
            "`A` borrows what it holds",
        ),
        (quote!(union A { a: u8 }), "use an enum"),
        (
            quote!(
                enum A {}
            ),
            "no variants",
        ),
        (quote!(enum A { #many }), "more than 256 variants"),
        (
            quote!(
                struct String {
                    a: u8,
                }
            ),
            "the name of a type of Rust",
        ),
        (
            quote!(
                struct A {
                    #[protein(skip)]
                    a: u8,
                }
            ),
            "`skip` has no meaning for `protein` on a field; known are `as`",
        ),
        (
            quote!(
                #[protein(from = B)]
                struct A;
            ),
            "`from` has no meaning for `protein` on the type; it knows nothing here",
        ),
    ] {
        let found = faults(input, Derive::Protein);
        assert!(found.len() == 1 && found[0].contains(says), "{says}: {found:?}");
    }
    for (input, says) in [
        (
            quote!(
                struct A {
                    #[save(skipp)]
                    a: u8,
                }
            ),
            "did you mean `skip`?",
        ),
        (
            quote!(
                struct A(#[save(skip)] u8);
            ),
            "only a field with a name in a struct can be left out",
        ),
        (
            quote!(
                enum A {
                    B {
                        #[save(skip)]
                        a: u8,
                    },
                }
            ),
            "only a field with a name in a struct can be left out",
        ),
    ] {
        let found = faults(input, Derive::Save);
        assert!(found.len() == 1 && found[0].contains(says), "{says}: {found:?}");
    }
    let all = faults(
        quote!(
            struct A {
                a: usize,
                b: Rc<u8>,
                c: &'static str,
            }
        ),
        Derive::Protein,
    );
    assert_eq!(all.len(), 3, "all faults are shown at once: {all:?}");
}
