//! Parameters as a test gives them.
use crate::Contract;
use cell_abi::ports::{Param, ParamKind, ParamValue, PortTable, Text};
use std::{collections::HashMap, sync::Arc};

/// The value of a parameter: a number, a bool, a text, or an array of two to four numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Value(ParamValue);

macro_rules! values {
    ($($from:ty: |$v:ident| $value:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($v: $from) -> Self {
                Self($value)
            }
        }
    )*};
}

values! {
    f32: |v| ParamValue::Floats(vec![v]);
    f64: |v| ParamValue::Floats(vec![v as f32]);
    u32: |v| ParamValue::U32(v);
    i32: |v| ParamValue::I32(v);
    bool: |v| ParamValue::Bool(v);
    &str: |v| ParamValue::Text(v.to_owned());
    String: |v| ParamValue::Text(v);
}

impl<const N: usize> From<[f32; N]> for Value {
    fn from(v: [f32; N]) -> Self {
        Self(ParamValue::Floats(v.to_vec()))
    }
}

impl<const N: usize> From<[f64; N]> for Value {
    fn from(v: [f64; N]) -> Self {
        v.map(|x| x as f32).into()
    }
}

impl Value {
    /// Returns the value as one of this kind, as a scene's would be taken; a whole number fits any number.
    fn fit(self, kind: ParamKind) -> Option<ParamValue> {
        match (kind, self.0) {
            (ParamKind::U32, ParamValue::I32(n)) => n.try_into().ok().map(ParamValue::U32),
            (ParamKind::I32, ParamValue::U32(n)) => n.try_into().ok().map(ParamValue::I32),
            (ParamKind::F32, ParamValue::I32(n)) => Some(ParamValue::Floats(vec![n as f32])),
            (ParamKind::F32, ParamValue::U32(n)) => Some(ParamValue::Floats(vec![n as f32])),
            (kind, ParamValue::Floats(v)) => (v.len() == kind.floats()).then_some(ParamValue::Floats(v)),
            (ParamKind::U32, v @ ParamValue::U32(_))
            | (ParamKind::I32, v @ ParamValue::I32(_))
            | (ParamKind::Bool, v @ ParamValue::Bool(_))
            | (ParamKind::Text | ParamKind::Asset, v @ ParamValue::Text(_)) => Some(v),
            _ => None,
        }
    }
}

/// The parameters of the cell under test.
pub(super) struct Params {
    table: PortTable,
    given: HashMap<String, ParamValue>,
    groups: Vec<String>,
    /// The bytes for the records, made anew when something was given.
    encoded: Option<Arc<[u8]>>,
    version: u64,
}

impl Params {
    pub(super) fn new(table: PortTable) -> Self {
        Self { table, given: HashMap::new(), groups: Vec::new(), encoded: None, version: 0 }
    }

    #[track_caller]
    pub(super) fn set(&mut self, name: &str, value: Value) {
        let cell = &self.table.name;
        let Some(param) = self.table.params.iter().find(|p| p.name == name) else {
            let known: Vec<&str> = self.table.params.iter().map(|p| p.name.as_str()).collect();
            panic!("`{cell}` has no parameter `{name}`; there are: {}", known.join(", "));
        };
        let kind = param.kind;
        let Some(value) = value.clone().fit(kind) else {
            panic!("the parameter `{name}` of `{cell}` is of type {}, not {:?}", kind.name(), value.0);
        };
        self.given.insert(name.to_owned(), value);
        if let Some(group) = optional_group(&self.table, param) {
            self.groups.push(group.to_owned());
        }
        self.encoded = None;
    }

    #[track_caller]
    pub(super) fn give(&mut self, group: &str) {
        let known = &self.table.optional_groups;
        assert!(
            known.iter().any(|g| g == group),
            "`{}` has no optional group `{group}`; there are: {}",
            self.table.name,
            known.join(", ")
        );
        self.groups.push(group.to_owned());
        self.encoded = None;
    }

    pub(super) fn set_encoded(&mut self, bytes: Vec<u8>) {
        self.encoded = Some(bytes.into());
        self.version += 1;
    }

    /// Returns the bytes and the version for a record.
    pub(super) fn encoded(&mut self) -> (Arc<[u8]>, u64) {
        if self.encoded.is_none() {
            let bytes = self.encode();
            self.set_encoded(bytes);
        }
        (self.encoded.clone().unwrap_or_default(), self.version)
    }

    fn encode(&self) -> Vec<u8> {
        let (mut out, mut preceded) = (Vec::new(), Vec::new());
        for param in &self.table.params {
            let group = optional_group(&self.table, param);
            let is_there = group.is_none_or(|g| self.groups.iter().any(|given| given == g));
            if let Some(group) = group.filter(|g| !preceded.contains(g)) {
                ParamValue::Bool(is_there).encode(&mut out);
                preceded.push(group);
            }
            let value = self.given.get(&param.name).or(param.default.as_ref());
            match value {
                Some(value) => value.encode(&mut out),
                None if !is_there => ParamValue::zero(param.kind).encode(&mut out),
                None => panic!(
                    "the parameter `{}` of `{}` has no default: `set` it before the first turn",
                    param.name, self.table.name
                ),
            }
        }
        out
    }
}

fn optional_group<'t>(table: &'t PortTable, param: &Param) -> Option<&'t str> {
    let (group, _) = param.name.split_once('.')?;
    table.optional_groups.iter().find(|g| *g == group).map(String::as_str)
}

/// Returns the text of the port table of `C`, with the rate that matters to nobody here.
pub(super) fn table_text<C: Contract>() -> String {
    format!("{}{}\nrate 60\n{}", Text::All(crate::__private::HEAD), C::NAME, Text::All(C::TEXT))
}
