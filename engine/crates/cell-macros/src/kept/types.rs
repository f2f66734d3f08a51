//! The types of fields: in which form they are kept, and why some cannot be.
use super::Form;
use crate::faults::Faults;
use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{GenericArgument, PathArguments, PathSegment, Type};

const MAX_TUPLE: usize = 12;

/// Returns the form of a field's type, and notes what cannot be kept.
pub(super) fn form(ty: &Type, faults: &mut Faults) -> Form {
    if let Some((last, args)) = last_segment(ty).map(|s| (s, types_of(s))) {
        match (last.ident.to_string().as_str(), args.as_slice()) {
            ("BTreeMap", [key, value]) => {
                check(key, faults);
                check(value, faults);
                return Form::Map(Box::new(((*key).clone(), (*value).clone())));
            }
            ("BTreeSet", [of]) => {
                check(of, faults);
                return Form::Set((*of).clone());
            }
            _ => {}
        }
    }
    check(ty, faults);
    Form::Own
}

/// Notes everything in a type that cannot be kept.
pub(crate) fn check(ty: &Type, faults: &mut Faults) {
    let why = match ty {
        Type::Array(array) => return check(&array.elem, faults),
        Type::Paren(paren) => return check(&paren.elem, faults),
        Type::Group(group) => return check(&group.elem, faults),
        Type::Tuple(tuple) => {
            tuple.elems.iter().for_each(|ty| check(ty, faults));
            if tuple.elems.len() <= MAX_TUPLE {
                return;
            }
            "a tuple of more than 12: use a struct with names"
        }
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return };
            match name_fault(&last.ident.to_string(), !last.arguments.is_empty()) {
                Some(why) => why,
                None => return types_of(last).into_iter().for_each(|ty| check(ty, faults)),
            }
        }
        Type::Reference(_) => "a borrow does not outlive the turn: own it (`String`, `Vec`, `Box`)",
        Type::Slice(_) => "a slice has no length of its own: use a `Vec`",
        Type::TraitObject(_) | Type::ImplTrait(_) => {
            "its bytes do not say which type it is: use an enum of the types that there are"
        }
        Type::BareFn(_) | Type::Ptr(_) => "an address means nothing elsewhere: keep what it stands for",
        _ => "only named types, arrays and tuples can be kept",
    };
    faults.push(syn::Error::new_spanned(ty, format!("`{}` cannot be kept: {why}", shown(ty))));
}

/// Returns why a type of this name cannot be kept. A name without arguments may be a type of the author's own; where
/// it is not, the compiler finds that it is no Protein.
fn name_fault(name: &str, has_args: bool) -> Option<&'static str> {
    Some(match name {
        "usize" => "its size is the machine's; use `u32` or `u64`",
        "isize" => "its size is the machine's; use `i32` or `i64`",
        "str" => "it has no size of its own; use a `String`",
        _ if !has_args => return None,
        "HashMap" | "IndexMap" => {
            "its order differs from run to run, so the same state would have many forms; use a `BTreeMap`, which \
             is kept as sorted pairs"
        }
        "HashSet" | "IndexSet" => {
            "its order differs from run to run, so the same state would have many forms; use a `BTreeSet`, which \
             is kept as a sorted list"
        }
        "BTreeMap" | "BTreeSet" => {
            "it is kept as a sorted list only where it is the whole type of a field; put it into a struct of its own"
        }
        "VecDeque" | "LinkedList" | "BinaryHeap" => "use a `Vec`",
        "Rc" | "Arc" | "Weak" => "what is shared would be kept once for each owner; use a `Box`, or indices",
        "Cell" | "RefCell" | "OnceCell" | "OnceLock" | "Mutex" | "RwLock" => {
            "keep the value itself: one turn at a time reaches a cell's state"
        }
        "Cow" => "own it (`String`, `Vec`)",
        _ => return None,
    })
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// Returns the types in `<..>` of a path's segment.
fn types_of(segment: &PathSegment) -> Vec<&Type> {
    let PathArguments::AngleBracketed(args) = &segment.arguments else { return Vec::new() };
    args.args
        .iter()
        .filter_map(|arg| match arg {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
        .collect()
}

/// Returns a type as people write it.
fn shown(ty: &Type) -> String {
    let text = ty.to_token_stream().to_string();
    let tight =
        [(" < ", "<"), ("< ", "<"), (" >", ">"), (" ,", ","), (" :: ", "::"), ("& ", "&"), (" ;", ";")];
    tight.iter().fold(text, |text, (from, to)| text.replace(from, to))
}

/// Returns a type with `Self` replaced by the name that it stands for: the derive uses it in other items.
pub(super) fn without_self(ty: &Type, name: &Ident) -> Type {
    fn replaced(tokens: TokenStream, name: &Ident) -> TokenStream {
        tokens
            .into_iter()
            .map(|token| match token {
                TokenTree::Ident(word) if word == "Self" => Ident::new(&name.to_string(), word.span()).into(),
                TokenTree::Group(group) => {
                    let mut inner = Group::new(group.delimiter(), replaced(group.stream(), name));
                    inner.set_span(group.span());
                    TokenTree::Group(inner)
                }
                other => other,
            })
            .collect()
    }
    syn::parse2(replaced(ty.to_token_stream(), name)).unwrap_or_else(|_| ty.clone())
}
