//! Things with buffers of their own, kept for reuse when they were emptied.

/// The most bytes that are kept: as much as a turn can send.
const MOST_BYTES: usize = crate::cx::OUTBOX_BYTES;

/// What is kept. See the module's text.
#[derive(Clone, Debug)]
pub(crate) struct Spares<T> {
    kept: Vec<(T, usize)>,
    bytes: usize,
}

impl<T> Default for Spares<T> {
    fn default() -> Self {
        Self { kept: Vec::new(), bytes: 0 }
    }
}

impl<T> Spares<T> {
    /// Returns one of those that were given.
    pub(crate) fn take(&mut self) -> Option<T> {
        let (one, bytes) = self.kept.pop()?;
        self.bytes -= bytes;
        Some(one)
    }

    /// Keeps one that holds buffers of `bytes`; drops it when too many bytes would be kept.
    pub(crate) fn give(&mut self, one: T, bytes: usize) {
        if self.bytes + bytes <= MOST_BYTES {
            self.bytes += bytes;
            self.kept.push((one, bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_is_taken_again_up_to_a_sum_of_bytes() {
        let mut spares = Spares::default();
        assert_eq!(spares.take(), None);
        spares.give('a', MOST_BYTES - 10);
        spares.give('b', 11);
        spares.give('c', 10);
        assert_eq!([spares.take(), spares.take(), spares.take()], [Some('c'), Some('a'), None]);
        spares.give('d', MOST_BYTES);
        assert_eq!(spares.take(), Some('d'), "what was taken counts no more");
    }
}
