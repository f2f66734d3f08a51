//! Ports: reading their types, writing their lines and items.
use crate::{
    faults::{Faults, did_you_mean},
    lock::Fact,
};
use cell_abi::ports::TextureFormat;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Expr, GenericArgument, Ident, LitFloat, LitInt, PathArguments, Token, Type, parenthesized,
    parse::ParseStream, spanned::Spanned,
};

/// Shader bindings are numbered by port, and each port has three numbers of its own.
pub(crate) const MAX_PORTS: usize = 64;

/// Who writes a port.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Input,
    Own,
    Output,
}

impl Direction {
    fn word(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Own => "own",
            Self::Output => "output",
        }
    }

    fn marker(self) -> TokenStream {
        match self {
            Self::Input => quote!(::cell::ports::Input),
            Self::Own => quote!(::cell::ports::Own),
            Self::Output => quote!(::cell::ports::Output),
        }
    }
}

/// A declared port.
pub(crate) struct Port {
    pub(crate) name: Ident,
    pub(crate) direction: Direction,
    pub(crate) kind: Kind,
    pub(crate) now: bool,
    pub(crate) history: bool,
    pub(crate) readback: bool,
    /// ` clear 0 0 0 1` or ` keep`, for textures.
    start: Option<String>,
}

/// The type of a port with its arguments as written.
pub(crate) struct Kind {
    shape: &'static Shape,
    name: Ident,
    format: Option<Ident>,
    element: Option<Type>,
    numbers: Vec<GenericArgument>,
}

/// A port type that exists.
struct Shape {
    name: &'static str,
    /// How it is written, for messages.
    usage: &'static str,
    format: bool,
    element: bool,
    numbers: usize,
    class: Class,
    /// Its word in the port table.
    word: &'static str,
    /// Whether shaders see the elements through a uniform or storage binding, in WGSL's layout.
    shader_layout: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Texture,
    Backbuffer,
    Buffer,
    Sealed,
}

const fn shape(
    name: &'static str,
    usage: &'static str,
    (format, element, numbers): (bool, bool, usize),
    class: Class,
    word: &'static str,
    shader_layout: bool,
) -> Shape {
    Shape { name, usage, format, element, numbers, class, word, shader_layout }
}

static SHAPES: [Shape; 15] = [
    shape("Screen", "Screen<FORMAT, NUM, DEN>", (true, false, 2), Class::Texture, "screen", false),
    shape(
        "ScreenMips",
        "ScreenMips<FORMAT, NUM, DEN, LEVELS>",
        (true, false, 3),
        Class::Texture,
        "screen",
        false,
    ),
    shape(
        "TextureRef",
        "TextureRef<FORMAT, WIDTH, HEIGHT>",
        (true, false, 2),
        Class::Texture,
        "fixed",
        false,
    ),
    shape("Backbuffer", "Backbuffer", (false, false, 0), Class::Backbuffer, "backbuffer", false),
    shape("Uniform", "Uniform<T>", (false, true, 0), Class::Buffer, "uniform", true),
    shape("Buffer", "Buffer<T, N>", (false, true, 1), Class::Buffer, "storage", true),
    shape("Vertices", "Vertices<T, N>", (false, true, 1), Class::Buffer, "vertices", false),
    shape("Instances", "Instances<T, N>", (false, true, 1), Class::Buffer, "instances", false),
    shape("Indices", "Indices<N>", (false, false, 1), Class::Buffer, "indices", false),
    shape("Counts", "Counts<N>", (false, false, 1), Class::Buffer, "counts", false),
    shape("SealedTexture", "SealedTexture", (false, false, 0), Class::Sealed, "texture_2d", false),
    shape("SealedVertices", "SealedVertices<T>", (false, true, 0), Class::Sealed, "vertices", false),
    shape("SealedInstances", "SealedInstances<T>", (false, true, 0), Class::Sealed, "instances", false),
    shape("SealedIndices", "SealedIndices", (false, false, 0), Class::Sealed, "indices", false),
    shape("SealedStorage", "SealedStorage<T>", (false, true, 0), Class::Sealed, "storage", true),
];

/// Reads `now history readback Type<...> = start`. `None` when the type is faulty (and noted).
pub(crate) fn read(
    name: Ident,
    direction: Direction,
    input: ParseStream<'_>,
    faults: &mut Faults,
) -> syn::Result<Option<Port>> {
    let (mut now, mut history, mut readback) = (None, None, None);
    while input.peek(Ident) && input.peek2(Ident) {
        // Two words in a row are a flag and a type, or a type and a port behind a missing comma.
        if input.fork().parse::<Ident>().is_ok_and(|word| SHAPES.iter().any(|s| word == s.name)) {
            break;
        }
        let flag: Ident = input.parse()?;
        match flag.to_string().as_str() {
            "now" => now = Some(flag.span()),
            "history" => history = Some(flag.span()),
            "readback" => readback = Some(flag.span()),
            other => {
                let hint = did_you_mean(other, ["now", "history", "readback"]);
                faults.add(flag.span(), format!("a port is not `{other}`{hint}"));
            }
        }
    }
    let ty: Type = input.parse()?;
    let equals: Option<Token![=]> = input.parse()?;
    let start = if equals.is_some() { Some(start_value(input, faults)?) } else { None };
    let Some(kind) = faults.take(kind(&ty)) else { return Ok(None) };
    let class = kind.shape.class;
    if let Some(span) = now.or(history)
        && !(class == Class::Buffer && direction == Direction::Input)
    {
        faults.add(span, "`now` and `history` are for buffers under `input:`, which this is not");
    }
    if let Some(span) = readback
        && kind.shape.word != "fixed"
    {
        faults.add(
            span,
            "`readback` is for textures of a fixed size, `TextureRef<FORMAT, WIDTH, HEIGHT>`: draw what you need of this \
             into one, in a pass",
        );
    }
    if let (Some(equals), false) = (&equals, class == Class::Texture) {
        faults.add(equals.span(), "only textures have a start value");
    }
    match (class, direction) {
        (Class::Backbuffer, d) if d != Direction::Output => {
            faults.add(ty.span(), "the backbuffer can only be written: declare it under `output:`");
        }
        (Class::Sealed, d) if d != Direction::Own => {
            faults.add(ty.span(), "only `own` ports can be sealed: declare it under `own:`");
        }
        _ => {}
    }
    let start = (class == Class::Texture).then(|| start.unwrap_or_else(|| " clear 0 0 0 0".to_owned()));
    let (now, history, readback) = (now.is_some(), history.is_some(), readback.is_some());
    Ok(Some(Port { name, direction, kind, now, history, readback, start }))
}

fn start_value(input: ParseStream<'_>, faults: &mut Faults) -> syn::Result<String> {
    let word: Ident = input.parse()?;
    match word.to_string().as_str() {
        "keep" => Ok(" keep".to_owned()),
        "clear" => {
            let body;
            parenthesized!(body in input);
            let numbers = body.call(syn::punctuated::Punctuated::<Expr, Token![,]>::parse_terminated)?;
            let mut v: Vec<f32> =
                numbers.iter().filter_map(|e| faults.take(crate::params::number(e))).collect();
            if !matches!(v.len(), 1 | 4) {
                faults.add(
                    word.span(),
                    "write all four channels, `clear(0.0, 0.0, 0.0, 1.0)`, or one for depth",
                );
            }
            v.resize(4, 0.0);
            Ok(format!(" clear {} {} {} {}", v[0], v[1], v[2], v[3]))
        }
        other => {
            let hint = did_you_mean(other, ["keep", "clear"]);
            faults.add(word.span(), format!("there is no start value `{other}`{hint}"));
            if input.peek(syn::token::Paren) {
                input.parse::<proc_macro2::TokenTree>()?;
            }
            Ok(" keep".to_owned())
        }
    }
}

fn kind(ty: &Type) -> syn::Result<Kind> {
    let Type::Path(path) = ty else {
        return Err(syn::Error::new(ty.span(), "a port type is written like `Screen<Rgba16Float, 1, 1>`"));
    };
    let segment = path.path.segments.last().expect("a path has a segment");
    let word = segment.ident.to_string();
    let Some(shape) = SHAPES.iter().find(|s| s.name == word) else {
        let hint = did_you_mean(&word, SHAPES.iter().map(|s| s.name));
        return Err(syn::Error::new(segment.ident.span(), format!("there is no port type `{word}`{hint}")));
    };
    let args: Vec<&GenericArgument> = match &segment.arguments {
        PathArguments::AngleBracketed(a) => a.args.iter().collect(),
        _ => Vec::new(),
    };
    let usage = || syn::Error::new(ty.span(), format!("`{}` is written `{}`", shape.name, shape.usage));
    if args.len() != usize::from(shape.format) + usize::from(shape.element) + shape.numbers {
        return Err(usage());
    }
    let mut args = args.into_iter();
    let mut kind =
        Kind { shape, name: segment.ident.clone(), format: None, element: None, numbers: Vec::new() };
    if shape.format {
        kind.format = Some(format(args.next().ok_or_else(usage)?)?);
    }
    if shape.element {
        match args.next() {
            Some(GenericArgument::Type(t)) => kind.element = Some(t.clone()),
            _ => return Err(usage()),
        }
    }
    for arg in args {
        if let GenericArgument::Const(Expr::Lit(syn::ExprLit { lit: syn::Lit::Int(n), .. })) = arg {
            check_number(n)?;
        }
        kind.numbers.push(arg.clone());
    }
    Ok(kind)
}

/// Returns the value of a const argument as an expression: `{ 2 * N }` without its braces.
fn value(arg: &GenericArgument) -> TokenStream {
    if let GenericArgument::Const(Expr::Block(block)) = arg
        && let [syn::Stmt::Expr(only, None)] = block.block.stmts.as_slice()
    {
        return only.to_token_stream();
    }
    arg.to_token_stream()
}

fn check_number(n: &LitInt) -> syn::Result<()> {
    match n.base10_parse::<u32>() {
        Ok(0) => Err(syn::Error::new(n.span(), "0 is not possible here")),
        Ok(_) => Ok(()),
        Err(e) => Err(e),
    }
}

fn format(arg: &GenericArgument) -> syn::Result<Ident> {
    let ident = match arg {
        GenericArgument::Type(Type::Path(p)) => p.path.segments.last().map(|s| s.ident.clone()),
        _ => None,
    };
    let ident =
        ident.ok_or_else(|| syn::Error::new(arg.span(), "a pixel format is a name like `Rgba16Float`"))?;
    let names: Vec<String> = TextureFormat::ALL.iter().map(|f| format!("{f:?}")).collect();
    if names.iter().any(|n| ident == n) {
        return Ok(ident);
    }
    let hint = did_you_mean(&ident.to_string(), names.iter().map(String::as_str));
    Err(syn::Error::new(ident.span(), format!("there is no pixel format `{ident}`{hint}")))
}

impl Port {
    /// Returns the port's type as tokens, `::cell::ports::Screen<::cell::ports::Rgba16Float, 1, 1>`.
    fn kind_tokens(&self) -> TokenStream {
        let Kind { name, format, element, numbers, .. } = &self.kind;
        let format = format.iter().map(|f| quote!(::cell::ports::#f));
        let args: Vec<TokenStream> = format
            .chain(element.iter().map(ToTokens::to_token_stream))
            .chain(numbers.iter().map(ToTokens::to_token_stream))
            .collect();
        if args.is_empty() { quote!(::cell::ports::#name) } else { quote!(::cell::ports::#name<#(#args),*>) }
    }

    /// Returns the type of the port's handle.
    pub(crate) fn handle(&self) -> TokenStream {
        let (kind, direction) = (self.kind_tokens(), self.direction.marker());
        quote!(::cell::Port<#kind, #direction>)
    }

    /// Returns the pieces of the port's line in the port table.
    pub(crate) fn text(&self) -> Vec<TokenStream> {
        let (kind, shape) = (&self.kind, self.kind.shape);
        let str = |s: String| quote!(::cell::__private::Text::Str(#s));
        let number = |n: usize| {
            let value = kind.numbers.get(n).map_or_else(|| quote!(1), value);
            quote!(::cell::__private::Text::U32(#value))
        };
        let element =
            kind.element.as_ref().map(|t| quote!(::cell::__private::Text::Str(<#t as ::cell::Gpu>::NAME)));
        let head = format!("port {} {} ", self.direction.word(), self.name);
        let mut out = Vec::new();
        match shape.class {
            Class::Texture => {
                let format = self.format_name();
                out.push(str(format!("{head}texture {format} {} ", shape.word)));
                out.push(number(0));
                out.push(str((if shape.word == "screen" { "/" } else { "x" }).to_owned()));
                out.push(number(1));
                out.push(str(" mips ".to_owned()));
                out.push(number(2));
                let readback = if self.readback { " readback" } else { "" };
                out.push(str(format!("{}{readback}\n", self.start.as_deref().unwrap_or_default())));
            }
            Class::Backbuffer => out.push(str(format!("{head}backbuffer\n"))),
            Class::Buffer => {
                out.push(str(format!("{head}{} ", shape.word)));
                out.push(element.unwrap_or_else(|| str("-".to_owned())));
                out.push(str(" ".to_owned()));
                out.push(number(0));
                let flags = match (self.now, self.history) {
                    (true, true) => " now history\n",
                    (true, false) => " now\n",
                    (false, true) => " history\n",
                    (false, false) => "\n",
                };
                out.push(str(flags.to_owned()));
            }
            Class::Sealed => {
                out.push(str(format!("{head}sealed {}", shape.word)));
                if let Some(element) = element {
                    out.push(str(" ".to_owned()));
                    out.push(element);
                }
                out.push(str("\n".to_owned()));
            }
        }
        out
    }

    /// Returns what others see of the port; `None` when it is the cell's own.
    pub(crate) fn fact(&self) -> Option<Fact> {
        let (kind, shape) = (&self.kind, self.kind.shape);
        let word = match self.direction {
            Direction::Input => "input",
            Direction::Output => "output",
            Direction::Own => return None,
        };
        let str = |s: String| quote!(::cell::__private::Text::Str(#s));
        let u32 = |value: TokenStream| quote!(::cell::__private::Text::U32(#value));
        let number = |n: usize| kind.numbers.get(n).map_or_else(|| quote!(1), value);
        let head = format!("{word} {}: ", self.name);
        let text = match shape.class {
            Class::Texture => {
                let (format, a, b) = (self.format_name(), number(0), number(1));
                let lowest = |n: usize| u32(quote!(::cell::__private::lowest(#a, #b)[#n]));
                let (by, size) = if shape.word == "screen" {
                    ("/", [lowest(0), lowest(1)])
                } else {
                    ("x", [u32(quote!(#a)), u32(quote!(#b))])
                };
                let [a, b] = size;
                let end = format!("{}\n", self.start_fact());
                let head = str(format!("{head}texture, {format}, {} ", shape.word));
                vec![head, a, str(by.to_owned()), b, str(", mips ".to_owned()), u32(number(2)), str(end)]
            }
            Class::Backbuffer => vec![str(format!("{head}backbuffer\n"))],
            Class::Buffer => {
                let element = self.element();
                let size = element.map_or_else(|| quote!(4), |t| quote!(::core::mem::size_of::<#t>() as u32));
                let mut out = vec![str(format!("{head}buffer, ")), u32(size), str(" bytes each".to_owned())];
                // A reader's count says nothing.
                if self.direction == Direction::Output {
                    out.extend([str(", at most ".to_owned()), u32(number(0))]);
                }
                out.push(str("\n".to_owned()));
                out.extend(
                    element.map(|t| quote!(::cell::__private::Text::All(<#t as ::cell::Gpu>::FIELDS))),
                );
                out
            }
            Class::Sealed => return None,
        };
        Some(Fact { kind: word, name: self.name.to_string(), span: self.name.span(), text })
    }

    /// Returns the name of the port's pixel format in texts.
    fn format_name(&self) -> &'static str {
        let format = self.kind.format.as_ref().map(ToString::to_string).unwrap_or_default();
        TextureFormat::ALL.iter().find(|f| format!("{f:?}") == format).map_or("", |f| f.name())
    }

    /// Returns the start value as others see it: zeros say nothing.
    fn start_fact(&self) -> String {
        let start = self.start.as_deref().unwrap_or_default();
        let is_zero = |word: &str| word.parse::<f32>() == Ok(0.0);
        match start.strip_prefix(" clear ") {
            Some(numbers) if numbers.split(' ').all(is_zero) => String::new(),
            _ => format!(",{start}"),
        }
    }

    /// Returns the element type, for ports that have one of the author's.
    pub(crate) fn element(&self) -> Option<&Type> {
        self.kind.element.as_ref()
    }

    /// Returns the item that checks the element's layout against WGSL's.
    pub(crate) fn layout_check(&self) -> Option<TokenStream> {
        let element = self.kind.element.as_ref().filter(|_| self.kind.shape.shader_layout)?;
        Some(quote_spanned! {element.span()=>
            const _: () = ::core::assert!(
                <#element as ::cell::Gpu>::LAYOUT_FAULT.is_empty(),
                "{}",
                <#element as ::cell::Gpu>::LAYOUT_FAULT
            );
        })
    }

    /// Returns the bind group in which shaders find the port.
    pub(crate) fn bind_group(&self) -> Option<u32> {
        match self.kind.shape.class {
            Class::Texture => Some(1),
            Class::Buffer if self.kind.shape.shader_layout => Some(1),
            Class::Sealed if self.kind.shape.shader_layout || self.kind.shape.word == "texture_2d" => Some(2),
            _ => None,
        }
    }

    /// Returns the return type and the body of the port's method of `Cx`; `None` when a tick sees nothing of it.
    pub(crate) fn accessor(&self, index: u16) -> Option<(TokenStream, TokenStream)> {
        if self.readback {
            let (format, numbers) = (self.kind.format.as_ref()?, &self.kind.numbers);
            let size = numbers.iter().map(value);
            return Some((
                quote!(::cell::Pixels<'r, ::cell::ports::#format>),
                quote!(self.port_pixels(#index, [#(#size),*])),
            ));
        }
        if self.kind.shape.class != Class::Buffer {
            return None;
        }
        let element = self.kind.element.as_ref().map_or_else(|| quote!(u32), ToTokens::to_token_stream);
        let uniform = self.kind.shape.word == "uniform";
        let own = self.direction != Direction::Input;
        let (method, view) = match (own, uniform, self.history) {
            (true, true, _) => ("port_value_writer", quote!(UniformWriter<'r, #element>)),
            (true, false, _) => ("port_writer", quote!(Writer<'r, #element>)),
            (false, true, false) => ("port_value", quote!(View<'r, #element>)),
            (false, true, true) => ("port_value_history", quote!(History<'r, #element>)),
            (false, false, false) => ("port_array", quote!(View<'r, [#element]>)),
            (false, false, true) => ("port_array_history", quote!(History<'r, [#element]>)),
        };
        // At the element's place, so that an element that is no `Gpu` is blamed there.
        let span = self.kind.element.as_ref().map_or_else(|| self.name.span(), Spanned::span);
        let method = Ident::new(method, span);
        Some((quote!(::cell::#view), quote_spanned!(span=> self.#method(#index))))
    }
}

/// Returns the value of a number in a float place: `1.0` or `1`.
pub(crate) fn float(lit: &syn::Lit) -> Option<syn::Result<f32>> {
    match lit {
        syn::Lit::Float(f) => Some(LitFloat::base10_parse(f)),
        syn::Lit::Int(n) => Some(n.base10_parse::<i64>().map(|n| n as f32)),
        _ => None,
    }
}
