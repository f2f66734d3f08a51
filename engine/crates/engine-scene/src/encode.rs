//! Parameters as words for [`cell_abi::TickRecord::params`].
use cell_abi::ports::{ParamKind, ParamValue};

/// Appends one value.
pub(crate) fn value(value: &ParamValue, out: &mut Vec<u8>) {
    match value {
        ParamValue::Floats(v) => v.iter().for_each(|x| out.extend(x.to_le_bytes())),
        ParamValue::U32(v) => out.extend(v.to_le_bytes()),
        ParamValue::I32(v) => out.extend(v.to_le_bytes()),
        ParamValue::Bool(v) => out.extend(u32::from(*v).to_le_bytes()),
        ParamValue::Text(v) => {
            let len = u32::try_from(v.len()).expect("a scene's text is smaller than a scene");
            out.extend(len.to_le_bytes());
            out.extend(v.as_bytes());
            out.resize(out.len().next_multiple_of(4), 0);
        }
    }
}

/// Appends whether a group is there.
pub(crate) fn presence(there: bool, out: &mut Vec<u8>) {
    out.extend(u32::from(there).to_le_bytes());
}

/// Returns zeros, or an empty text: for members without default of a group that is not there.
pub(crate) fn nothing(kind: ParamKind) -> ParamValue {
    match kind {
        ParamKind::U32 => ParamValue::U32(0),
        ParamKind::I32 => ParamValue::I32(0),
        ParamKind::Bool => ParamValue::Bool(false),
        ParamKind::Text | ParamKind::Asset => ParamValue::Text(String::new()),
        floats => ParamValue::Floats(vec![0.0; floats.floats()]),
    }
}
