//! Which streams have an open file in the staging folder, so that there are never too many.

use std::collections::VecDeque;

use super::stream_index::StreamIndex;

/// The streams whose file is open.
pub struct OpenFiles {
    most: usize,
    /// The one written to last is at the end.
    streams: VecDeque<StreamIndex>,
}

impl OpenFiles {
    /// No open file, and at most `most` of them later.
    pub fn new(most: usize) -> Self {
        Self { most, streams: VecDeque::new() }
    }

    /// The file of `stream` is written to, which opens it. The answer is the stream whose file has to be ended for it: the
    /// one that was not written to for longest.
    #[must_use]
    pub fn written(&mut self, stream: StreamIndex) -> Option<StreamIndex> {
        self.ended(stream);
        self.streams.push_back(stream);
        if self.streams.len() > self.most { self.streams.pop_front() } else { None }
    }

    /// The file of `stream` is ended.
    pub fn ended(&mut self, stream: StreamIndex) {
        self.streams.retain(|open| *open != stream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_not_written_to_for_longest_is_ended_first() {
        let mut files = OpenFiles::new(2);
        let [a, b, c] = [0, 1, 2].map(StreamIndex::of);
        assert_eq!([files.written(a), files.written(b), files.written(a)], [None; 3]);
        assert_eq!(files.written(c), Some(b));
        files.ended(a);
        assert_eq!(files.written(b), None);
        assert_eq!(files.written(a), Some(c));
    }
}
