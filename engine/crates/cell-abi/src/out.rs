//! Writing text in `const` evaluation.

/// A text being written, or only measured once there is no room left.
pub(crate) struct Out<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl<'a> Out<'a> {
    pub(crate) const fn new(out: &'a mut [u8]) -> Self {
        Self { out, len: 0 }
    }

    /// Returns the number of bytes so far, also of those that had no room.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn str(&mut self, s: &str) {
        self.bytes(s.as_bytes());
    }

    pub(crate) const fn bytes(&mut self, s: &[u8]) {
        let end = self.len + s.len();
        if end <= self.out.len() {
            let (_, rest) = self.out.split_at_mut(self.len);
            let (place, _) = rest.split_at_mut(s.len());
            place.copy_from_slice(s);
        }
        self.len = end;
    }

    pub(crate) const fn number(&mut self, n: usize) {
        let mut unit = 1;
        while n / unit >= 10 {
            unit *= 10;
        }
        while unit > 0 {
            self.str(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"][n / unit % 10]);
            unit /= 10;
        }
    }
}
