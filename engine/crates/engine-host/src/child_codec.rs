//! The bytes of [`super`]'s messages: little-endian numbers, lengths of four bytes before bytes, text and lists.
use cell_abi::InputFrame;

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// They end too early.
    #[error("it ends in the middle")]
    Short,
    /// They go on after the message.
    #[error("it has {0} bytes too many")]
    Long(usize),
    /// An unknown kind of message, or an impossible flag.
    #[error("it has the unknown tag {0}")]
    Tag(u8),
    /// Text that is no UTF-8.
    #[error("its text is no UTF-8")]
    Text,
    /// A range leaves what it is a part of.
    #[error("a range in it leaves its list")]
    Range,
    /// A list that nobody makes so long.
    #[error("a list in it has {0} entries")]
    Many(u32),
}

pub(crate) struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        out.clear();
        Self { out }
    }

    /// Writes after what `out` holds.
    pub(crate) fn append(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Writes bytes without their length.
    pub(crate) fn raw(&mut self, v: &[u8]) {
        self.out.extend_from_slice(v);
    }

    pub(crate) fn u8(&mut self, v: u8) {
        self.out.push(v);
    }

    pub(crate) fn u32(&mut self, v: u32) {
        self.out.extend_from_slice(&v.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, v: u64) {
        self.out.extend_from_slice(&v.to_le_bytes());
    }

    pub(crate) fn f32(&mut self, v: f32) {
        self.u32(v.to_bits());
    }

    /// Lengths are below 4 GiB by the limits of what is sent: outboxes, pass lists, parameters.
    fn len(&mut self, len: usize) {
        self.u32(u32::try_from(len).expect("messages are far below 4 GiB"));
    }

    pub(crate) fn bytes(&mut self, v: &[u8]) {
        self.len(v.len());
        self.out.extend_from_slice(v);
    }

    pub(crate) fn text(&mut self, v: &str) {
        self.bytes(v.as_bytes());
    }

    /// Writes the first `len` bytes of `words`.
    pub(crate) fn words(&mut self, words: &[u128], len: usize) {
        let end = self.out.len() + 4 + len;
        self.len(len);
        for w in words {
            self.out.extend_from_slice(&w.to_ne_bytes());
        }
        self.out.truncate(end);
    }

    pub(crate) fn option<T>(&mut self, v: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.u8(u8::from(v.is_some()));
        if let Some(v) = v {
            write(self, v);
        }
    }

    pub(crate) fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.len(items.len());
        for item in items {
            write(self, item);
        }
    }

    pub(crate) fn input(&mut self, v: &InputFrame) {
        for keys in [v.keys_down, v.keys_pressed, v.keys_released] {
            self.u64(keys[0]);
            self.u64(keys[1]);
        }
        self.u32(v.buttons_down);
        self.u32(v.buttons_pressed);
        for pair in [v.mouse_px, v.mouse_delta_px, v.wheel_lines] {
            self.f32(pair[0]);
            self.f32(pair[1]);
        }
        self.u32(v.focused);
    }
}

pub(crate) struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    /// Returns whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// Returns `message` if nothing is left.
    pub(crate) fn end<T>(self, message: T) -> Result<T, WireError> {
        if self.left.is_empty() { Ok(message) } else { Err(WireError::Long(self.left.len())) }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let (taken, left) = self.left.split_at_checked(len).ok_or(WireError::Short)?;
        self.left = left;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (taken, left) = self.left.split_first_chunk().ok_or(WireError::Short)?;
        self.left = left;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, WireError> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32, WireError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, WireError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn f32(&mut self) -> Result<f32, WireError> {
        Ok(f32::from_bits(self.u32()?))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let len = self.u32()? as usize;
        self.take(len)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| WireError::Text)
    }

    /// Returns bytes in whole words, and how many of them count.
    pub(crate) fn words(&mut self) -> Result<(Vec<u128>, usize), WireError> {
        let bytes = self.bytes()?;
        let words = bytes.chunks(16).map(|chunk| {
            let mut word = [0; 16];
            word[..chunk.len()].copy_from_slice(chunk);
            u128::from_ne_bytes(word)
        });
        Ok((words.collect(), bytes.len()))
    }

    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, WireError>,
    ) -> Result<Option<T>, WireError> {
        match self.u8()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            other => Err(WireError::Tag(other)),
        }
    }

    /// Replaces the content of `out`. Each item takes a byte at least, so a false length ends with the bytes,
    /// and nothing is reserved on its word.
    pub(crate) fn list<T>(
        &mut self,
        out: &mut Vec<T>,
        read: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<(), WireError> {
        self.short_list(out, u32::MAX, read)
    }

    /// The same for a list of at most `most` items: what they become may be larger than their bytes.
    pub(crate) fn short_list<T>(
        &mut self,
        out: &mut Vec<T>,
        most: u32,
        mut read: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<(), WireError> {
        out.clear();
        let count = self.u32()?;
        if count > most {
            return Err(WireError::Many(count));
        }
        for _ in 0..count {
            out.push(read(self)?);
        }
        Ok(())
    }

    pub(crate) fn input(&mut self) -> Result<InputFrame, WireError> {
        let mut keys = || Ok([self.u64()?, self.u64()?]);
        let (keys_down, keys_pressed, keys_released) = (keys()?, keys()?, keys()?);
        let (buttons_down, buttons_pressed) = (self.u32()?, self.u32()?);
        let mut pair = || Ok([self.f32()?, self.f32()?]);
        let (mouse_px, mouse_delta_px, wheel_lines) = (pair()?, pair()?, pair()?);
        Ok(InputFrame {
            keys_down,
            keys_pressed,
            keys_released,
            buttons_down,
            buttons_pressed,
            mouse_px,
            mouse_delta_px,
            wheel_lines,
            focused: self.u32()?,
            reserved: 0,
        })
    }
}
