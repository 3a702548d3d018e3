//! Batches: lines gathered up to a count and a length, and taken apart again.
//! It sends nothing.

use super::input::Line;

/// How much a batch holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) records: usize,
    /// With a line feed for each record.
    pub(super) bytes: u64,
}

/// Records that are sent in one request; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch(Vec<Line>);

impl Batch {
    /// None when there are no lines.
    pub(super) fn of(lines: Vec<Line>) -> Option<Self> {
        (!lines.is_empty()).then_some(Self(lines))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.0
    }

    pub(super) fn into_lines(self) -> Vec<Line> {
        self.0
    }

    /// What is sent: a line each.
    pub(super) fn body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.0.iter().map(|line| line.bytes.len() + 1).sum());
        for line in &self.0 {
            body.extend_from_slice(&line.bytes);
            body.push(b'\n');
        }
        body
    }

    /// The first half and the second; a batch of one has no second.
    pub(super) fn halves(mut self) -> Vec<Self> {
        let second = self.0.split_off(self.0.len().div_ceil(2));
        [Some(self), Self::of(second)].into_iter().flatten().collect()
    }
}

/// Gathers lines into batches.
#[derive(Debug)]
pub(super) struct Batcher {
    limits: Limits,
    lines: Vec<Line>,
    bytes: u64,
}

impl Batcher {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, lines: Vec::new(), bytes: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Adds a line; gives the batch before it when there is no room for it. A line longer than a batch is
    /// one by itself.
    pub(super) fn push(&mut self, line: Line) -> Option<Batch> {
        let bytes = line.bytes.len() as u64 + 1;
        let is_full = self.lines.len() >= self.limits.records || self.bytes + bytes > self.limits.bytes;
        let full = if is_full { self.take() } else { None };
        self.lines.push(line);
        self.bytes += bytes;
        full
    }

    /// What is gathered so far.
    pub(super) fn take(&mut self) -> Option<Batch> {
        self.bytes = 0;
        Batch::of(std::mem::take(&mut self.lines))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64, length: usize) -> Line {
        Line { number, record: number, bytes: vec![b'x'; length], doubtful: false }
    }

    fn numbers(batch: &Batch) -> Vec<u64> {
        batch.lines().iter().map(|line| line.number).collect()
    }

    /// The numbers in each batch made of lines of these lengths.
    fn batches(records: usize, bytes: u64, lengths: &[usize]) -> Vec<Vec<u64>> {
        let mut batcher = Batcher::new(Limits { records, bytes });
        let mut all: Vec<Batch> =
            (1..).zip(lengths).filter_map(|(number, length)| batcher.push(line(number, *length))).collect();
        all.extend(batcher.take());
        assert!(batcher.is_empty());
        all.iter().map(numbers).collect()
    }

    #[test]
    fn a_batch_ends_at_the_count_or_before_the_length() {
        assert_eq!(batches(2, 100, &[1, 1, 1]), [vec![1, 2], vec![3]]);
        assert_eq!(batches(9, 10, &[4, 4, 4]), [vec![1, 2], vec![3]]);
        assert_eq!(batches(9, 9, &[4, 4]), [vec![1], vec![2]]);
    }

    #[test]
    fn a_line_longer_than_a_batch_is_one_by_itself() {
        assert_eq!(batches(9, 10, &[1, 50, 1]), [vec![1], vec![2], vec![3]]);
    }

    #[test]
    fn halves_keep_the_order_and_lose_nothing() {
        for count in 1..20 {
            let whole = Batch::of((0..count).map(|number| line(number, 1)).collect()).unwrap();
            let halves = whole.clone().halves();
            assert_eq!(halves.len(), if count == 1 { 1 } else { 2 });
            let again: Vec<Line> = halves.into_iter().flat_map(Batch::into_lines).collect();
            assert_eq!(again, whole.lines());
        }
    }

    #[test]
    fn a_body_is_a_line_each() {
        let batch = Batch::of(vec![line(1, 2), line(2, 1)]).unwrap();
        assert_eq!(batch.body(), b"xx\nx\n");
    }
}
