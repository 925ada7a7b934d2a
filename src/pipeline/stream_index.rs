//! Which stream of a sync is meant: its position in the catalog, as a type of its own.
//!
//! A look-up with an index that is not there is an error of the program and ends the sync. Nothing may go on without the
//! stream: that would drop a record in silence.

use crate::error::{Error, Result};

/// A stream of the sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamIndex(usize);

/// One value for each stream of the sync, in the catalog's order.
#[derive(Debug, Clone, Default)]
pub struct PerStream<T>(Vec<T>);

impl<T> PerStream<T> {
    /// The value of `stream`.
    ///
    /// # Errors
    /// A system error where the sync does not have that stream.
    #[inline]
    pub fn get(&self, stream: StreamIndex) -> Result<&T> {
        self.0.get(stream.0).ok_or_else(|| unknown(stream, self.0.len()))
    }

    /// The value of `stream`, to be changed.
    ///
    /// # Errors
    /// A system error where the sync does not have that stream.
    #[inline]
    pub fn get_mut(&mut self, stream: StreamIndex) -> Result<&mut T> {
        let streams = self.0.len();
        self.0.get_mut(stream.0).ok_or_else(|| unknown(stream, streams))
    }

    /// All streams.
    pub fn indices(&self) -> impl Iterator<Item = StreamIndex> + use<T> {
        (0..self.0.len()).map(StreamIndex)
    }

    /// All streams with their values.
    pub fn iter(&self) -> impl Iterator<Item = (StreamIndex, &T)> {
        self.0.iter().enumerate().map(|(index, value)| (StreamIndex(index), value))
    }

    /// All streams with their values, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (StreamIndex, &mut T)> {
        self.0.iter_mut().enumerate().map(|(index, value)| (StreamIndex(index), value))
    }

    /// The values alone.
    pub fn values(&self) -> &[T] {
        &self.0
    }
}

impl<T: Default> PerStream<T> {
    /// A default value for each of `streams` streams.
    pub fn defaults(streams: usize) -> Self {
        std::iter::repeat_with(T::default).take(streams).collect()
    }
}

impl<T> FromIterator<T> for PerStream<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

#[cold]
fn unknown(stream: StreamIndex, streams: usize) -> Error {
    Error::system(format!("The program has a defect: it looked for stream {} of {streams}.", stream.0 + 1))
}

#[cfg(test)]
impl StreamIndex {
    /// The stream at `index`, for tests.
    pub fn of(index: usize) -> Self {
        Self(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_stream_that_the_sync_does_not_have_is_an_error_and_no_silence() -> Result<()> {
        let mut names: PerStream<&str> = ["a", "b"].into_iter().collect();
        let all: Vec<StreamIndex> = names.indices().collect();
        assert_eq!(all, [StreamIndex(0), StreamIndex(1)]);
        *names.get_mut(StreamIndex(1))? = "c";
        assert_eq!(names.get(StreamIndex(1))?, &"c");
        for error in [names.get(StreamIndex(2)).err(), names.get_mut(StreamIndex(2)).err()] {
            assert_eq!(error.map(|error| error.kind()), Some(Kind::System));
        }
        Ok(())
    }
}
