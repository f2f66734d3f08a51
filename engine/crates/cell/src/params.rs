//! Reading a record's parameters; the encoding is described at [`cell_abi::ports::ParamKind`].
use core::fmt;

/// Parameters that can be read from a record. Made by [`crate::signal_receptor!`].
pub trait DecodeParams: Sized + Send + Sync + 'static {
    /// Reads them.
    ///
    /// # Errors
    /// [`ParamsFault`] when the bytes are not those of this contract.
    fn decode(from: &mut Decoder<'_>) -> Result<Self, ParamsFault>;
}

/// The bytes of the record are not the parameters of this contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamsFault {
    /// At which byte reading stopped.
    pub at: usize,
}

impl fmt::Display for ParamsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the host gave parameters that do not fit this build's port table (byte {}); rebuild the cell",
            self.at
        )
    }
}

/// Reads parameters one after the other, in the port table's order.
#[derive(Debug)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Decoder<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], ParamsFault> {
        let word = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>());
        let word = *word.ok_or(ParamsFault { at: self.at })?;
        self.at += N;
        Ok(word)
    }

    /// Reads a `u32`.
    ///
    /// # Errors
    /// [`ParamsFault`] when the bytes end here.
    pub fn u32(&mut self) -> Result<u32, ParamsFault> {
        self.take().map(u32::from_le_bytes)
    }

    /// Reads an `i32`.
    ///
    /// # Errors
    /// [`ParamsFault`] when the bytes end here.
    pub fn i32(&mut self) -> Result<i32, ParamsFault> {
        self.take().map(i32::from_le_bytes)
    }

    /// Reads an `f32`.
    ///
    /// # Errors
    /// [`ParamsFault`] when the bytes end here.
    pub fn f32(&mut self) -> Result<f32, ParamsFault> {
        self.take().map(f32::from_le_bytes)
    }

    /// Reads a `bool`.
    ///
    /// # Errors
    /// [`ParamsFault`] when the bytes end here or the word is neither 0 nor 1.
    pub fn bool(&mut self) -> Result<bool, ParamsFault> {
        let at = self.at;
        match self.u32()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(ParamsFault { at }),
        }
    }

    /// Reads `N` floats.
    ///
    /// # Errors
    /// [`ParamsFault`] when the bytes end here.
    pub fn floats<const N: usize>(&mut self) -> Result<[f32; N], ParamsFault> {
        let mut v = [0.0; N];
        for x in &mut v {
            *x = self.f32()?;
        }
        Ok(v)
    }

    /// Reads text.
    ///
    /// # Errors
    /// [`ParamsFault`] when the bytes end here or are no UTF-8.
    pub fn text(&mut self) -> Result<String, ParamsFault> {
        let len = self.u32()? as usize;
        let fault = ParamsFault { at: self.at };
        let bytes = self.bytes.get(self.at..).and_then(|rest| rest.get(..len)).ok_or(fault)?;
        let text = core::str::from_utf8(bytes).map_err(|_| fault)?;
        self.at += len.next_multiple_of(4);
        Ok(text.to_owned())
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// [`ParamsFault`] when something is.
    pub fn finish(self) -> Result<(), ParamsFault> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(ParamsFault { at: self.at }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_text_are_read_in_order() {
        let mut bytes = Vec::new();
        bytes.extend(1.5f32.to_le_bytes());
        bytes.extend(5u32.to_le_bytes());
        bytes.extend(b"hello\0\0\0");
        bytes.extend(1u32.to_le_bytes());
        let mut d = Decoder::new(&bytes);
        assert_eq!((d.f32(), d.text(), d.bool()), (Ok(1.5), Ok("hello".into()), Ok(true)));
        assert_eq!(d.finish(), Ok(()));
    }

    #[test]
    fn cut_long_and_wrong_bytes_are_faults() {
        let mut d = Decoder::new(&[0, 0]);
        assert_eq!(d.u32(), Err(ParamsFault { at: 0 }));
        let mut d = Decoder::new(&[255, 255, 255, 255, b'x']);
        assert_eq!(d.text(), Err(ParamsFault { at: 4 }));
        let mut d = Decoder::new(&[2, 0, 0, 0]);
        assert_eq!(d.bool(), Err(ParamsFault { at: 0 }));
        assert_eq!(Decoder::new(&[0]).finish(), Err(ParamsFault { at: 0 }));
    }
}
