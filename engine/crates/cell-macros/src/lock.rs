//! A contract against its lock, while it compiles. Nothing is written here: an editor's check runs this code too, with
//! contracts that are half typed.
//!
//! At home, in a plain build, nothing is compared: the engine's builder moves the lock when the change has reached all
//! who take part. With `CELL_LOCK=frozen`, and in a workspace that uses another one's locks (`CELL_DIR`), each fact is
//! compared where it is declared. What an element holds is only the compiler's to know, so that the comparison itself
//! runs as a constant.
use crate::{faults::Faults, grammar::Receptor, params, ports::Port};
use cell_abi::interface::{Entry, LockFile, LockMode};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use std::path::{Path, PathBuf};

/// A fact of a contract, as the macro knows it.
pub(crate) struct Fact {
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) span: Span,
    /// Its lines in the interface.
    pub(crate) text: Vec<TokenStream>,
}

/// Where the lock of a contract lies, and how strictly it is taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    /// The folder `.cell`, where the crate takes part in contracts.
    folder: Option<PathBuf>,
    mode: LockMode,
    /// The locks are those of the crate's own workspace.
    home: bool,
    /// What the environment says that cannot be meant.
    fault: Option<String>,
}

impl Terms {
    /// Returns the terms of the crate that is being compiled.
    pub(crate) fn from_env() -> Self {
        let var = |name| std::env::var_os(name).filter(|v| !v.is_empty());
        let Some(manifest) = var("CARGO_MANIFEST_DIR").map(PathBuf::from) else { return Self::default() };
        let value = var(LockMode::VARIABLE).unwrap_or_default();
        Self::of(&manifest, var("CELL_DIR").map(PathBuf::from), &value.to_string_lossy())
    }

    fn of(manifest: &Path, given: Option<PathBuf>, value: &str) -> Self {
        let Some(root) = root(manifest) else { return Self::default() };
        // What lies beside the cells (the engine's own tests) declares contracts that nobody shares.
        if root.join("cells").is_dir() && !manifest.starts_with(root.join("cells")) {
            return Self::default();
        }
        let mode = match LockMode::from_value(value) {
            Ok(mode) => mode,
            Err(fault) => return Self { fault: Some(fault), folder: Some(root), ..Self::default() },
        };
        let own = root.join(".cell");
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let folder = given.unwrap_or_else(|| own.clone());
        Self { home: real(&folder) == real(&own), folder: Some(folder), mode, fault: None }
    }
}

/// Returns the folder that holds `.cell`: the project as the engine finds it, else the outermost folder with a
/// `Cargo.lock`.
fn root(manifest: &Path) -> Option<PathBuf> {
    let is_project = |dir: &&Path| dir.join("Cargo.toml").is_file() && dir.join("cells").is_dir();
    let locked = || manifest.ancestors().filter(|dir| dir.join("Cargo.lock").is_file()).last();
    manifest.ancestors().find(is_project).or_else(locked).map(Path::to_owned)
}

/// Returns the pieces of the interface's text.
pub(crate) fn text(r: &Receptor) -> Vec<TokenStream> {
    let head = format!("cell-interface 1\ncontract {}\n", r.name);
    let facts = facts(r).into_iter().flat_map(|fact| fact.text);
    std::iter::once(quote!(::cell::__private::Text::Str(#head))).chain(facts).collect()
}

/// Returns all facts in the order of the text.
fn facts(r: &Receptor) -> Vec<Fact> {
    let mut all = params::facts(&r.params);
    all.extend(r.ports.iter().filter_map(Port::fact));
    all.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    all
}

/// Returns what compares the contract with its lock, and has cargo look again when that may come out otherwise.
pub(crate) fn checks(r: &Receptor, terms: &Terms, faults: &mut Faults) -> TokenStream {
    let Some(folder) = &terms.folder else { return TokenStream::new() };
    let name = &r.name;
    if let Some(fault) = &terms.fault {
        faults.add(name.span(), format!("C0008: {fault}; see docs/errors/C0008.md"));
    }
    // Cargo sees a variable that is read, and compiles anew when it changes.
    let seen = quote! {
        const _: [::core::option::Option<&str>; 2] =
            [::core::option_env!("CELL_LOCK"), ::core::option_env!("CELL_DIR")];
    };
    let is_strict = match terms.mode {
        LockMode::Normal => !terms.home,
        LockMode::Frozen => true,
        LockMode::Accept => false,
    };
    if !is_strict || terms.fault.is_some() {
        return seen;
    }
    let path = folder.join("lock").join(format!("{name}.lock"));
    let shown = path.display().to_string();
    let Ok(text) = std::fs::read_to_string(&path) else {
        if terms.mode == LockMode::Frozen {
            faults.add(
                name.span(),
                format!(
                    "C0001: `{name}` has no lock, and nothing new is taken now (CELL_LOCK=frozen); build it once with the \
                     engine and commit {shown}; see docs/errors/C0001.md"
                ),
            );
        }
        return seen;
    };
    let tracked = quote!(
        const _: &[u8] = ::core::include_bytes!(#shown);
    );
    let compared = match LockFile::parse(&text) {
        Ok(lock) if name == &lock.interface.contract => compare(r, &lock),
        Ok(lock) => {
            faults.add(
                name.span(),
                broken(&shown, &format!("it is the lock of `{}`", lock.interface.contract)),
            );
            TokenStream::new()
        }
        Err(error) => {
            faults.add(name.span(), broken(&shown, &error.to_string()));
            TokenStream::new()
        }
    };
    quote!(#seen #tracked #compared)
}

fn broken(path: &str, what: &str) -> String {
    format!(
        "C0002: the lock {path} cannot be used: {what}; take it from version control, or make it anew with `engine lock \
         accept`; see docs/errors/C0002.md"
    )
}

fn compare(r: &Receptor, lock: &LockFile) -> TokenStream {
    let (facts, fingerprint) = (facts(r), lock.interface.fingerprint().to_string());
    let here = facts.iter().map(|fact| {
        let locked = lock.interface.entry(fact.kind, &fact.name).map(Entry::to_string).unwrap_or_default();
        check(&r.name, &fingerprint, fact.span, &fact.name, &locked, &fact.text)
    });
    let is_here = |entry: &&Entry| facts.iter().any(|f| f.kind == entry.kind && f.name == entry.name);
    let gone = lock.interface.entries().iter().filter(|e| !is_here(e));
    let gone = gone.map(|e| check(&r.name, &fingerprint, r.name.span(), &e.name, &e.to_string(), &[]));
    here.chain(gone).collect()
}

fn check(
    contract: &Ident,
    fingerprint: &str,
    span: Span,
    name: &str,
    locked: &str,
    here: &[TokenStream],
) -> TokenStream {
    let contract_name = contract.to_string();
    quote_spanned! {span=>
        const _: () = {
            let drift = ::cell::__private::drift(
                &::cell::__private::Locked { contract: #contract_name, fingerprint: #fingerprint },
                #name,
                #locked,
                &[#(#here),*],
                <#contract as ::cell::Contract>::INTERFACE,
            );
            ::core::assert!(drift.as_str().is_empty(), "{}", drift.as_str());
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::signal_receptor;

    const LOCK: &str = "cell-lock 1\nhash HASH\nparticipant bloom\n";
    const TEXT: &str = "cell-interface 1\ncontract bloom_v1\nparam knee: f32\nparam threshold: f32\n";

    /// A workspace with a cell and the lock of its contract.
    fn workspace(lock: Option<&str>) -> (PathBuf, PathBuf) {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("cell-macros-{}-{number}", std::process::id()));
        let cell = root.join("cells/bloom");
        std::fs::create_dir_all(&cell).unwrap();
        std::fs::create_dir_all(root.join(".cell/lock")).unwrap();
        std::fs::write(root.join("Cargo.toml"), "").unwrap();
        if let Some(lock) = lock {
            std::fs::write(root.join(".cell/lock/bloom_v1.lock"), lock).unwrap();
        }
        (root, cell)
    }

    fn good() -> String {
        LOCK.replace("HASH", &cell_abi::Fingerprint::of(TEXT.as_bytes()).to_hex()) + TEXT
    }

    fn expand(terms: &Terms) -> String {
        let input = quote!(name: bloom_v1, params: { threshold: f32 = 1.0, sharp: bool = true });
        signal_receptor(input, terms).to_string()
    }

    #[test]
    fn a_plain_build_at_home_compares_nothing_and_only_strict_ones_do() {
        let (root, cell) = workspace(Some(&good()));
        let plain = expand(&Terms::of(&cell, None, ""));
        assert!(plain.contains("option_env") && !plain.contains("include_bytes") && !plain.contains("drift"));
        let frozen = expand(&Terms::of(&cell, None, "frozen"));
        assert!(frozen.contains("include_bytes") && !frozen.contains("compile_error"), "{frozen}");
        assert_eq!(frozen.matches("drift (").count(), 3, "threshold, sharp, and knee that is gone: {frozen}");
        let guest_root = workspace(None);
        let guest = Terms::of(&guest_root.1, Some(root.join(".cell")), "");
        assert_eq!(expand(&guest).matches("drift (").count(), 3);
        assert_eq!(expand(&Terms::of(&cell, None, "accept")), plain);
        assert!(expand(&Terms::of(&cell, None, "Frozen")).contains("C0008"));
        // Beside the cells, contracts are nobody's to lock.
        let beside = root.join("engine/crates/cell");
        std::fs::create_dir_all(&beside).unwrap();
        assert!(!expand(&Terms::of(&beside, None, "frozen")).contains("option_env"));
        assert_eq!(std::fs::read_dir(root.join(".cell/lock")).unwrap().count(), 1, "nothing is written");
        for dir in [root, guest_root.0] {
            std::fs::remove_dir_all(dir).unwrap();
        }
    }

    #[test]
    fn locks_that_are_missing_or_broken_are_faults_when_frozen() {
        let cut = good()[..60].to_owned();
        let other = good().replace("bloom_v1", "other_v1");
        let text = TEXT.replace("bloom_v1", "other_v1");
        let other = other.replace(
            &cell_abi::Fingerprint::of(TEXT.as_bytes()).to_hex(),
            &cell_abi::Fingerprint::of(text.as_bytes()).to_hex(),
        );
        for (lock, says) in [
            (None, "C0001"),
            (Some(cut.as_str()), "C0002"),
            (Some(&good().replace("knee", "neck")), "C0002"),
            (Some(&other), "it is the lock of `other_v1`"),
        ] {
            let (root, cell) = workspace(lock);
            let said = expand(&Terms::of(&cell, None, "frozen"));
            assert!(said.contains("compile_error") && said.contains(says), "{says}: {said}");
            assert!(!expand(&Terms::of(&cell, None, "")).contains("compile_error"));
            std::fs::remove_dir_all(root).unwrap();
        }
    }

    #[test]
    fn spaces_comments_and_the_order_of_declarations_change_nothing() {
        let of = |text: &str| {
            let mut faults = Faults::default();
            let r = crate::grammar::read(text.parse().unwrap(), &mut faults).unwrap();
            assert_eq!(faults.messages(), Vec::<String>::new());
            super::text(&r).into_iter().map(|t| t.to_string()).collect::<String>()
        };
        let one = of(
            "name: a_v1, params: { x: f32 = 1.0, y: u32 = 2 }, input: In { p: Screen<Rgba16Float, 1, 2> },
                      output: Out { q: Backbuffer }",
        );
        let two = of("/* which */ output:Out{q:Backbuffer,}, name : a_v1, // the name
                      input: Other { // It comes
                          p: Screen < Rgba16Float , 1 , 2 > }, params: { y: u32 = 3, x: f32 = 1.0, }");
        assert_eq!(one, two);
    }
}
