//! Whole lines of a stream's files, one after the other, now and later.
//! It goes to the next file when there is one and this one is read to its end; it waits for nothing.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::segments::{Place, numbers, path};

/// The longest line shown, in bytes: more than the longest record takes, each byte escaped.
pub(super) const LINE_MAX: usize = 160 << 20;

/// Read of a line at once, in bytes.
const PIECE: u64 = 1 << 20;

/// What is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A line, without its line feed.
    Line(Vec<u8>),
    /// A line longer than [`LINE_MAX`] was passed over.
    TooLong,
    /// There is no whole line more, now.
    NoMore,
}

/// Reads on from a place.
#[derive(Debug)]
pub(super) struct Reader {
    directory: PathBuf,
    longest: usize,
    open: Option<Open>,
    /// What is read next where none is open: the first file from this number on.
    from: Place,
}

/// A file that is being read.
#[derive(Debug)]
struct Open {
    number: u32,
    file: BufReader<File>,
    /// Which file it is, whatever its name may be of by now.
    inode: u64,
    /// The end of the last whole line.
    whole: u64,
    /// What is read of the line behind that, at most the longest, and its length.
    partial: Vec<u8>,
    length: u64,
}

impl Reader {
    /// From that place on.
    pub(super) fn at(directory: PathBuf, place: Place) -> Self {
        Self { directory, longest: LINE_MAX, open: None, from: place }
    }

    /// From the first line on, once there is one.
    pub(super) fn waiting(directory: PathBuf) -> Self {
        Self::at(directory, Place { number: 0, offset: 0 })
    }

    /// The next line.
    pub(super) fn next(&mut self) -> io::Result<Next> {
        loop {
            if self.open.is_none() && !self.open_next()? {
                return Ok(Next::NoMore);
            }
            let Some(open) = self.open.as_mut() else { return Ok(Next::NoMore) };
            if let Some(next) = open.line(self.longest)? {
                return Ok(next);
            }
            if !self.turn()? {
                return Ok(Next::NoMore);
            }
        }
    }

    /// At a file's end: whether there is something to read on from. What the writer put into this file before it
    /// began the next one is read first.
    fn turn(&mut self) -> io::Result<bool> {
        let Some(open) = self.open.as_mut() else { return Ok(true) };
        let is_last = numbers(&self.directory)?.last().is_none_or(|last| *last <= open.number);
        if open.has_more()? {
            return Ok(true);
        }
        if !is_last {
            self.from = Place { number: open.number + 1, offset: 0 };
            self.open = None;
            return Ok(true);
        }
        match fs::metadata(path(&self.directory, open.number)) {
            // Removed, and perhaps made anew.
            Ok(metadata) if metadata.ino() != open.inode => self.from = Place { number: 0, offset: 0 },
            Err(error) if error.kind() == ErrorKind::NotFound => self.from = Place { number: 0, offset: 0 },
            Ok(metadata) => {
                if metadata.len() < open.whole + open.length {
                    // A torn line was cut.
                    open.rewind(metadata.len())?;
                }
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        self.open = None;
        Ok(true)
    }

    fn open_next(&mut self) -> io::Result<bool> {
        let Some(number) = numbers(&self.directory)?.into_iter().find(|number| *number >= self.from.number)
        else {
            return Ok(false);
        };
        let mut file = match File::open(path(&self.directory, number)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let whole = if number == self.from.number { self.from.offset } else { 0 };
        file.seek(SeekFrom::Start(whole))?;
        let inode = file.metadata()?.ino();
        let file = BufReader::with_capacity(64 << 10, file);
        self.open = Some(Open { number, file, inode, whole, partial: Vec::new(), length: 0 });
        Ok(true)
    }
}

impl Open {
    /// The next whole line.
    fn line(&mut self, longest: usize) -> io::Result<Option<Next>> {
        loop {
            let mut piece = Vec::new();
            let read = self.file.by_ref().take(PIECE).read_until(b'\n', &mut piece)?;
            if read == 0 {
                return Ok(None);
            }
            self.length += read as u64;
            let is_end = piece.pop_if(|byte| *byte == b'\n').is_some();
            if self.partial.len() + piece.len() <= longest {
                self.partial.extend_from_slice(&piece);
            }
            if is_end {
                let length = std::mem::take(&mut self.length);
                self.whole += length;
                let line = std::mem::take(&mut self.partial);
                let is_all = line.len() as u64 + 1 == length;
                return Ok(Some(if is_all { Next::Line(line) } else { Next::TooLong }));
            }
        }
    }

    fn has_more(&mut self) -> io::Result<bool> {
        self.file.fill_buf().map(|bytes| !bytes.is_empty())
    }

    /// Reads on from the last whole line, or from `end` if that is gone too.
    fn rewind(&mut self, end: u64) -> io::Result<()> {
        self.whole = self.whole.min(end);
        self.partial.clear();
        self.length = 0;
        self.file.seek(SeekFrom::Start(self.whole)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write as _;
    use std::path::Path;

    use super::*;

    fn append(directory: &Path, number: u32, text: &str) {
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).open(path(directory, number)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// All lines that are there now.
    fn lines(reader: &mut Reader) -> Vec<String> {
        let next = || match reader.next().unwrap() {
            Next::Line(line) => Some(String::from_utf8(line).unwrap()),
            Next::TooLong => Some("too long".to_owned()),
            Next::NoMore => None,
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn a_line_is_read_once_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let mut reader = Reader::waiting(directory.path().to_owned());
        assert_eq!(lines(&mut reader), [""; 0]);
        append(directory.path(), 1, "a\nb");
        assert_eq!(lines(&mut reader), ["a"]);
        append(directory.path(), 1, "c");
        assert_eq!(lines(&mut reader), [""; 0]);
        append(directory.path(), 1, "d\n\n");
        assert_eq!(lines(&mut reader), ["bcd", ""]);
    }

    #[test]
    fn it_goes_on_in_the_next_file_and_leaves_none_out() {
        let directory = tempfile::tempdir().unwrap();
        append(directory.path(), 1, "a\nb\n");
        let mut reader = Reader::at(directory.path().to_owned(), Place { number: 1, offset: 2 });
        assert_eq!(lines(&mut reader), ["b"]);
        append(directory.path(), 1, "c\n");
        append(directory.path(), 2, "d\n");
        append(directory.path(), 3, "");
        append(directory.path(), 5, "e\n");
        assert_eq!(lines(&mut reader), ["c", "d", "e"]);
    }

    #[test]
    fn a_directory_that_appears_later_is_read_from_its_start() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("g/s");
        let mut reader = Reader::waiting(below.clone());
        assert_eq!(lines(&mut reader), [""; 0]);
        fs::create_dir_all(&below).unwrap();
        append(&below, 1, "a\n");
        assert_eq!(lines(&mut reader), ["a"]);
    }

    #[test]
    fn a_torn_line_that_was_cut_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        append(directory.path(), 1, "a\ntor");
        let mut reader = Reader::waiting(directory.path().to_owned());
        assert_eq!(lines(&mut reader), ["a"]);
        OpenOptions::new().write(true).open(path(directory.path(), 1)).unwrap().set_len(2).unwrap();
        assert_eq!(lines(&mut reader), [""; 0]);
        append(directory.path(), 1, "b\n");
        assert_eq!(lines(&mut reader), ["b"]);
    }

    #[test]
    fn files_that_were_removed_and_made_anew_are_read_from_their_start() {
        let directory = tempfile::tempdir().unwrap();
        append(directory.path(), 1, "a\n");
        append(directory.path(), 2, "b\n");
        let mut reader = Reader::waiting(directory.path().to_owned());
        assert_eq!(lines(&mut reader), ["a", "b"]);
        // Kept open, so that its inode is not given to the next one.
        let _kept = File::open(path(directory.path(), 2)).unwrap();
        for number in [1, 2] {
            fs::remove_file(path(directory.path(), number)).unwrap();
        }
        assert_eq!(lines(&mut reader), [""; 0]);
        append(directory.path(), 1, "c\n");
        assert_eq!(lines(&mut reader), ["c"]);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        append(directory.path(), 1, "1234\n12345\n123456789012\nc\n");
        let mut reader = Reader { longest: 4, ..Reader::waiting(directory.path().to_owned()) };
        assert_eq!(lines(&mut reader), ["1234", "too long", "too long", "c"]);
    }
}
