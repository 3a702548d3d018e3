//! The files of one stream: `<directory>/<groupId>/<streamId>/00000001.ndjson` and so on, the last one
//! open. A line is whole or not there: what a crash tore off is cut when the stream is opened, and what
//! a failed write left is cut at once.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::writer::is_removed;

/// At this size the next segment is begun, in bytes.
pub(super) const SEGMENT_BYTES: u64 = 64 << 20;

/// The open segment of a stream.
#[derive(Debug)]
pub(super) struct Segment {
    directory: PathBuf,
    number: u32,
    file: File,
    length: u64,
}

/// What a failed write left behind.
#[derive(Debug)]
pub(super) enum AppendError {
    /// Nothing: the file is as it was.
    Clean(io::Error),
    /// Perhaps a part of it.
    Torn(io::Error),
}

impl Segment {
    /// Opens a stream's last segment, or its first. Returns it with the bytes cut off its end.
    pub(super) fn open(directory: PathBuf) -> io::Result<(Self, u64)> {
        create_durably(&directory)?;
        let number = last_number(&directory)?.unwrap_or(1);
        let (mut file, _) = open_file(&directory, number)?;
        let whole = whole_length(&mut file)?;
        let length = file.metadata()?.len();
        if whole < length {
            file.set_len(whole)?;
            file.sync_data()?;
        }
        file.seek(SeekFrom::End(0))?;
        Ok((Self { directory, number, file, length: whole }, length - whole))
    }

    /// Writes whole lines, in the next segment if this one is full.
    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), AppendError> {
        if self.length > 0 && self.length + lines.len() as u64 > SEGMENT_BYTES {
            self.rotate().map_err(AppendError::Clean)?;
        }
        if let Err(error) = self.file.write_all(lines) {
            return Err(self.cut_back(error));
        }
        self.length += lines.len() as u64;
        Ok(())
    }

    /// Whether somebody removed the file.
    pub(super) fn is_removed(&self) -> bool {
        is_removed(&self.file)
    }

    /// Makes what was written safe.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn cut_back(&mut self, error: io::Error) -> AppendError {
        let cut = self
            .file
            .set_len(self.length)
            .and_then(|()| self.file.sync_data())
            .and_then(|()| self.file.seek(SeekFrom::End(0)));
        match cut {
            Ok(_) => AppendError::Clean(error),
            Err(_) => AppendError::Torn(error),
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        let number = self.number + 1;
        let (file, length) = open_file(&self.directory, number)?;
        (self.file, self.number, self.length) = (file, number, length);
        Ok(())
    }
}

/// Makes a directory and those above it; their names must survive a crash as well as the file.
fn create_durably(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(above) = directory.parent().filter(|above| !above.as_os_str().is_empty()) {
        create_durably(above)?;
        std::fs::create_dir_all(directory)?;
        return File::open(above)?.sync_all();
    }
    std::fs::create_dir_all(directory)
}

fn open_file(directory: &Path, number: u32) -> io::Result<(File, u64)> {
    let path = directory.join(format!("{number:08}.ndjson"));
    let is_new = !path.exists();
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    if is_new {
        // The file's name must survive too.
        File::open(directory)?.sync_all()?;
    }
    let length = file.metadata()?.len();
    Ok((file, length))
}

fn last_number(directory: &Path) -> io::Result<Option<u32>> {
    let mut last = None;
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".ndjson")?.parse().ok());
        last = last.max(number);
    }
    Ok(last)
}

/// Length up to and with the last line end.
fn whole_length(file: &mut File) -> io::Result<u64> {
    const STEP: u64 = 64 << 10;
    let mut end = file.metadata()?.len();
    let mut buffer = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(start))?;
        buffer.clear();
        Read::by_ref(file).take(end - start).read_to_end(&mut buffer)?;
        if let Some(at) = memchr::memrchr(b'\n', &buffer) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(directory: &Path, number: u32) -> String {
        std::fs::read_to_string(directory.join(format!("{number:08}.ndjson"))).unwrap()
    }

    #[test]
    fn lines_are_appended_across_opens() {
        let directory = tempfile::tempdir().unwrap();
        for line in ["one\n", "two\n"] {
            let (mut segment, cut) = Segment::open(directory.path().join("g/s")).unwrap();
            assert_eq!(cut, 0);
            segment.append(line.as_bytes()).unwrap();
            segment.sync().unwrap();
        }
        assert_eq!(content(&directory.path().join("g/s"), 1), "one\ntwo\n");
    }

    #[test]
    fn a_torn_last_line_is_cut_wherever_it_was_torn() {
        let whole = "{\"a\":1}\n";
        for torn in 1..whole.len() {
            let directory = tempfile::tempdir().unwrap();
            let text = format!("{whole}{}", &whole[..torn]);
            std::fs::write(directory.path().join("00000001.ndjson"), text).unwrap();
            let (mut segment, cut) = Segment::open(directory.path().to_owned()).unwrap();
            assert_eq!(cut, if torn == whole.len() { 0 } else { torn as u64 });
            segment.append(b"next\n").unwrap();
            assert_eq!(content(directory.path(), 1), format!("{whole}next\n"));
        }
    }

    #[test]
    fn a_torn_line_longer_than_a_step_is_cut() {
        let directory = tempfile::tempdir().unwrap();
        let text = format!("first\n{}", "x".repeat(200_000));
        std::fs::write(directory.path().join("00000001.ndjson"), text).unwrap();
        Segment::open(directory.path().to_owned()).unwrap();
        assert_eq!(content(directory.path(), 1), "first\n");
    }

    #[test]
    fn a_full_segment_is_followed_by_the_next_and_the_next_is_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let (mut segment, _) = Segment::open(directory.path().to_owned()).unwrap();
        segment.append(&vec![b'\n'; usize::try_from(SEGMENT_BYTES).unwrap()]).unwrap();
        segment.append(b"second\n").unwrap();
        drop(segment);
        let (mut segment, _) = Segment::open(directory.path().to_owned()).unwrap();
        segment.append(b"third\n").unwrap();
        assert_eq!(content(directory.path(), 2), "second\nthird\n");
    }
}
