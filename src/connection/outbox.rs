//! Pending output: bytes and files that were queued for a connection and that the kernel has not taken yet.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use crate::connection::file::FilePiece;

/// The pending output of one connection, or of standard output.
///
/// Invariants: `bytes[start..]` are the unsent bytes, oldest byte first; `others` and `relayed` together are at most
/// their length. `others` counts the bytes that others have queued, which [`max_queue`](crate::Limits::max_queue)
/// limits. Of the unsent bytes, the peer's own count as sent first, then the relayed ones, then those of others. Files
/// are in the order of their positions among the bytes.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    start: usize,
    others: usize,
    /// Bytes that were relayed. While there are many, their source is not read.
    relayed: usize,
    /// Number of unsent bytes up to the last one that others, except the console, have queued. If the peer does not
    /// take them in time, it is closed.
    others_end: usize,
    /// The number of bytes ever sent: the position of the first unsent byte.
    sent: u64,
    /// The unsent files. They are no memory, so [`len`](Self::len) does not count them.
    files: VecDeque<FilePiece>,
    /// The number of unsent bytes in all files.
    file_bytes: u64,
}

impl Outbox {
    /// Queues output that the peer's own input caused.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        // The unsent bytes are moved to the front when no more of them are left than were sent. So each byte is moved
        // at most once.
        if self.start >= self.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Queues output that another connection, a timer or a worker caused.
    pub(crate) fn push_others(&mut self, bytes: &[u8]) {
        self.push_console(bytes);
        self.others_end = self.len();
    }

    /// Counts this many more of the unsent bytes as those of others.
    pub(crate) fn add_others(&mut self, count: usize) {
        self.others += count;
        debug_assert!(self.others <= self.len(), "{} bytes of others in {}", self.others, self.len());
        if count > 0 {
            self.others_end = self.len();
        }
    }

    /// Queues output that the operator caused.
    pub(crate) fn push_console(&mut self, bytes: &[u8]) {
        self.push(bytes);
        self.others += bytes.len();
    }

    /// Queues output that another connection relays.
    pub(crate) fn push_relayed(&mut self, bytes: &[u8]) {
        self.push(bytes);
        self.relayed += bytes.len();
    }

    /// Counts this many of the unsent bytes as relayed.
    pub(crate) fn set_relayed(&mut self, count: usize) {
        self.relayed = count.min(self.len() - self.others);
    }

    /// Queues a range of a file, which must not be empty, after the bytes queued so far.
    pub(crate) fn push_file(&mut self, file: Arc<File>, range: Range<u64>) {
        debug_assert!(!range.is_empty(), "an empty range could not be told from the end of its file");
        self.file_bytes += range.end - range.start;
        self.files.push_back(FilePiece { file, range, at: self.sent + self.len() as u64 });
    }

    /// The unsent bytes, which may have files between them.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// The number of unsent bytes, those of files not included.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// The number of unsent bytes that were relayed, if the peer's own bytes are sent first, and those of others last.
    pub(crate) fn relayed(&self) -> usize {
        self.relayed
    }

    /// An upper bound of the unsent bytes that others, including the console, have queued: the peer's own bytes count
    /// as sent first.
    pub(crate) fn others(&self) -> usize {
        self.others
    }

    /// Whether there are unsent bytes that others, except the console, have queued.
    pub(crate) fn has_others(&self) -> bool {
        self.others_end > 0
    }

    /// Whether nothing is left to be sent.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0 && self.files.is_empty()
    }

    /// The number of unsent bytes in files.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// What counts for the marks: the unsent bytes that the peer's own input caused, and files. Each file counts for
    /// its entry, too, so that many small ones are bounded. At most [`isize::MAX`], so that a sum does not overflow.
    pub(crate) fn own(&self) -> usize {
        let own = self.len() - self.relayed - self.others;
        if self.files.is_empty() {
            return own;
        }
        let entries = self.files.len() * size_of::<FilePiece>();
        let files = usize::try_from(self.file_bytes).unwrap_or(usize::MAX);
        files.saturating_add(own + entries).min(isize::MAX as usize)
    }

    /// The first file.
    pub(crate) fn first_file(&self) -> Option<&FilePiece> {
        self.files.front()
    }

    /// The unsent bytes before the first file, or all of them.
    pub(crate) fn before_files(&self) -> &[u8] {
        let count = self.files.front().map_or(self.len(), |file| (file.at - self.sent) as usize);
        &self.unsent()[..count]
    }

    /// The number of unsent bytes after the last file, or of all.
    pub(crate) fn after_files(&self) -> usize {
        let end = self.sent + self.len() as u64;
        self.files.back().map_or(self.len(), |file| (end - file.at) as usize)
    }

    /// Removes and returns the bytes after the last file, or all of them.
    pub(crate) fn take_after_files(&mut self) -> Vec<u8> {
        let taken = self.bytes.split_off(self.bytes.len() - self.after_files());
        self.others = self.others.min(self.len());
        self.set_relayed(self.relayed);
        self.others_end = self.others_end.min(self.len());
        taken
    }

    /// Removes the first `count` bytes of the first file, which the kernel has taken.
    pub(crate) fn consume_file(&mut self, count: usize) {
        let Some(file) = self.files.front_mut() else { return };
        debug_assert!(file.at == self.sent && count as u64 <= file.left(), "sent {count} bytes of {file:?}");
        file.range.start += count as u64;
        self.file_bytes -= count as u64;
        if file.range.is_empty() {
            self.files.pop_front();
        }
    }

    /// Removes the oldest `count` bytes, which the kernel has taken.
    ///
    /// # Panics
    /// If there are fewer than `count` bytes, which is a bug of the caller.
    pub(crate) fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "consumed {count} of {} bytes", self.len());
        self.start += count;
        self.sent += count as u64;
        self.others = self.others.min(self.len());
        self.set_relayed(self.relayed);
        self.others_end = self.others_end.saturating_sub(count);
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Outbox { bytes: std::mem::take(&mut self.bytes), ..Outbox::default() };
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_count_of_others_is_at_most_what_is_left() {
        let mut outbox = Outbox::default();
        outbox.push(b"own");
        outbox.push_others(b"others");
        assert_eq!((outbox.len(), outbox.others()), (9, 6));
        outbox.consume(3);
        assert_eq!((outbox.unsent(), outbox.others()), (&b"others"[..], 6));
        outbox.consume(5);
        assert_eq!((outbox.unsent(), outbox.others()), (&b"s"[..], 1));
        outbox.consume(1);
        assert_eq!((outbox.len(), outbox.others()), (0, 0));
    }

    #[test]
    fn output_of_the_console_does_not_count_as_others() {
        let mut outbox = Outbox::default();
        outbox.push_console(b"typed");
        assert_eq!((outbox.others(), outbox.has_others()), (5, false));
        outbox.push_others(b"sent");
        outbox.push_console(b"typed");
        outbox.consume(8);
        assert!(outbox.has_others());
        outbox.consume(1);
        assert_eq!((outbox.unsent(), outbox.others(), outbox.has_others()), (&b"typed"[..], 5, false));
        outbox.push_others(b"sent");
        outbox.clear();
        assert!(!outbox.has_others());
    }

    #[test]
    fn own_bytes_count_as_sent_first_and_those_of_others_last() {
        let mut outbox = Outbox::default();
        outbox.push_others(b"others");
        outbox.push_relayed(b"relay");
        outbox.push(b"own");
        let counts = |outbox: &Outbox| (outbox.own(), outbox.relayed(), outbox.others());
        assert_eq!(counts(&outbox), (3, 5, 6));
        for (sent, left) in [(2, (1, 5, 6)), (2, (0, 4, 6)), (4, (0, 0, 6)), (5, (0, 0, 1)), (1, (0, 0, 0))] {
            outbox.consume(sent);
            assert_eq!(counts(&outbox), left);
        }
        outbox.push_relayed(b"relay");
        outbox.clear();
        assert_eq!(counts(&outbox), (0, 0, 0));
    }

    #[test]
    #[should_panic(expected = "consumed 4 of 3 bytes")]
    fn consuming_more_than_is_queued_is_a_bug() {
        let mut outbox = Outbox::default();
        outbox.push(b"abc");
        outbox.consume(4);
    }

    #[test]
    fn the_buffer_does_not_grow_if_it_is_drained_as_fast() {
        let mut outbox = Outbox::default();
        outbox.push(&[0; 1000]);
        for _ in 0..10_000 {
            outbox.push(&[0; 100]);
            outbox.consume(100);
        }
        assert_eq!(outbox.len(), 1000);
        assert!(outbox.bytes.capacity() <= 8000, "{}", outbox.bytes.capacity());
    }

    #[test]
    fn bytes_move_only_when_no_more_are_left_than_sent() {
        let mut outbox = Outbox::default();
        outbox.push(&[0; 10]);
        outbox.consume(4);
        outbox.push(&[0; 1]);
        assert_eq!(outbox.start, 4, "moving 6 bytes would cost more than the 4 sent");
        outbox.consume(3);
        outbox.push(&[0; 1]);
        assert_eq!((outbox.start, outbox.len()), (0, 5), "moving 4 bytes after 7 sent is cheap");
    }

    #[test]
    fn files_count_for_the_marks_and_not_as_memory() {
        let file = Arc::new(tempfile::tempfile().expect("a temporary file"));
        let mut outbox = Outbox::default();
        outbox.push_others(b"others");
        outbox.push(b"own");
        assert_eq!((outbox.len(), outbox.own()), (9, 3));
        outbox.push_file(file.clone(), 5..5_000_000_005);
        let entry = size_of::<FilePiece>();
        assert_eq!((outbox.len(), outbox.own(), outbox.file_bytes()), (9, 5_000_000_003 + entry, 5_000_000_000));
        outbox.consume(9);
        outbox.consume_file(5_000_000_000 - 1);
        assert_eq!((outbox.own(), outbox.is_empty()), (1 + entry, false));
        outbox.consume_file(1);
        assert_eq!((outbox.own(), outbox.is_empty()), (0, true));
        outbox.push_file(file, 0..i64::MAX as u64);
        assert_eq!(outbox.own(), isize::MAX as usize);
        outbox.clear();
        assert_eq!((outbox.own(), outbox.file_bytes(), outbox.is_empty()), (0, 0, true));
    }

    /// What is done to an outbox. A share is one of what is next.
    #[derive(Clone, Debug)]
    enum Step {
        Push(Vec<u8>),
        PushOthers(Vec<u8>),
        PushFile(u64, u64),
        Consume(prop::sample::Index),
        TakeAfterFiles,
    }

    fn step() -> impl Strategy<Value = Step> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
        prop_oneof![
            4 => bytes().prop_map(Step::Push),
            1 => bytes().prop_map(Step::PushOthers),
            2 => (0..1000u64, 1..9u64).prop_map(|(start, length)| Step::PushFile(start, start + length)),
            6 => any::<prop::sample::Index>().prop_map(Step::Consume),
            1 => Just(Step::TakeAfterFiles),
        ]
    }

    /// A byte of the model, or the offset of one of a file.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Item {
        Byte(u8),
        Offset(u64),
    }

    /// All that an outbox has, in order.
    fn items(outbox: &Outbox) -> Vec<Item> {
        let (mut items, mut at) = (Vec::new(), 0);
        let bytes =
            |range: Range<usize>| outbox.unsent()[range].iter().map(|&byte| Item::Byte(byte)).collect::<Vec<_>>();
        for file in &outbox.files {
            let end = (file.at - outbox.sent) as usize;
            items.extend(bytes(at..end));
            items.extend(file.range.clone().map(Item::Offset));
            at = end;
        }
        items.extend(bytes(at..outbox.len()));
        items
    }

    proptest! {
        #[test]
        fn is_a_queue_of_bytes_and_files(steps in proptest::collection::vec(step(), 0..60)) {
            let file = Arc::new(tempfile::tempfile().expect("a temporary file"));
            let (mut outbox, mut model) = (Outbox::default(), Vec::new());
            for step in steps {
                match step {
                    Step::Push(bytes) => {
                        outbox.push(&bytes);
                        model.extend(bytes.into_iter().map(Item::Byte));
                    }
                    Step::PushOthers(bytes) => {
                        outbox.push_others(&bytes);
                        model.extend(bytes.into_iter().map(Item::Byte));
                    }
                    Step::PushFile(start, end) => {
                        outbox.push_file(file.clone(), start..end);
                        model.extend((start..end).map(Item::Offset));
                    }
                    Step::Consume(index) => {
                        let bytes = outbox.before_files().len();
                        let file = outbox.first_file().map_or(0, |file| file.left() as usize);
                        let count = index.index(if bytes > 0 { bytes } else { file } + 1);
                        if bytes > 0 { outbox.consume(count) } else { outbox.consume_file(count) }
                        model.drain(..count);
                    }
                    Step::TakeAfterFiles => {
                        let taken = outbox.take_after_files();
                        let rest = model.split_off(model.len() - taken.len());
                        prop_assert_eq!(rest, taken.into_iter().map(Item::Byte).collect::<Vec<_>>());
                        prop_assert!(!matches!(model.last(), Some(Item::Byte(_))));
                    }
                }
                prop_assert_eq!(items(&outbox), model.clone());
                let in_files = model.iter().filter(|item| matches!(item, Item::Offset(_))).count();
                prop_assert_eq!(outbox.file_bytes(), in_files as u64);
                prop_assert_eq!(outbox.len(), model.len() - in_files);
                prop_assert_eq!(outbox.is_empty(), model.is_empty());
                prop_assert!(outbox.others <= outbox.len() && outbox.others_end <= outbox.len());
            }
        }
    }
}
