//! The files of a stream, `00000001.ndjson` and so on, and the place where its last lines begin.
//! It holds no more than a block of a file.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Read at once, in bytes.
const BLOCK: u64 = 64 << 10;

/// A place in a stream's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Which file.
    pub(super) number: u32,
    /// Where in it, in bytes; a line begins there.
    pub(super) offset: u64,
}

/// The file of a number.
pub(super) fn path(directory: &Path, number: u32) -> PathBuf {
    directory.join(format!("{number:08}.ndjson"))
}

/// The numbers of the files that are there, in their order; none without a directory.
pub(super) fn numbers(directory: &Path) -> io::Result<Vec<u32>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".ndjson")?.parse().ok());
        // Another way to write the number is another file, which is not the sink's.
        numbers.extend(number.filter(|number| path(directory, *number).file_name() == Some(&name)));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Where the last `lines` whole lines begin, or the first if there are fewer; nothing without a file.
pub(super) fn last_lines(directory: &Path, lines: u64) -> io::Result<Option<Place>> {
    let mut wanted = lines;
    let mut place = None;
    for number in numbers(directory)?.into_iter().rev() {
        let (offset, found) = match File::open(path(directory, number)) {
            Ok(mut file) => last_lines_of(&mut file, wanted)?,
            // Removed since it was listed.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        place = Some(Place { number, offset });
        wanted -= found;
        if wanted == 0 {
            break;
        }
    }
    Ok(place)
}

/// Where the last `wanted` whole lines of a file begin, and how many there are, at most `wanted`.
fn last_lines_of(file: &mut File, wanted: u64) -> io::Result<(u64, u64)> {
    let mut end = file.metadata()?.len();
    let mut ends = 0;
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        Read::by_ref(file).take(end - start).read_to_end(&mut block)?;
        for at in memchr::memrchr_iter(b'\n', &block) {
            // Behind this line feed lie as many whole lines as line feeds were met before.
            if ends == wanted {
                return Ok((start + at as u64 + 1, wanted));
            }
            ends += 1;
        }
        end = start;
    }
    Ok((0, ends))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What lies from the place on, over all files.
    fn rest(directory: &Path, lines: u64) -> Option<String> {
        let place = last_lines(directory, lines).unwrap()?;
        let numbers = numbers(directory).unwrap().into_iter().filter(|number| *number >= place.number);
        let mut text: String =
            numbers.map(|number| fs::read_to_string(path(directory, number)).unwrap()).collect();
        text.drain(..usize::try_from(place.offset).unwrap());
        Some(text)
    }

    #[test]
    fn the_last_lines_are_found_across_files() {
        let directory = tempfile::tempdir().unwrap();
        for (number, text) in [(1, "a\nb\n"), (2, "c\n"), (3, ""), (10, "d\ne\n")] {
            fs::write(path(directory.path(), number), text).unwrap();
        }
        for name in ["notes.txt", "x.ndjson", "4.ndjson"] {
            fs::write(directory.path().join(name), "no\n").unwrap();
        }
        for (lines, expected) in [(0, ""), (1, "e\n"), (2, "d\ne\n"), (3, "c\nd\ne\n"), (4, "b\nc\nd\ne\n")] {
            assert_eq!(rest(directory.path(), lines).as_deref(), Some(expected), "{lines}");
        }
        for lines in [5, 6, u64::MAX] {
            assert_eq!(rest(directory.path(), lines).as_deref(), Some("a\nb\nc\nd\ne\n"), "{lines}");
        }
    }

    #[test]
    fn a_torn_last_line_does_not_count() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(path(directory.path(), 1), "a\nb\nto").unwrap();
        assert_eq!(rest(directory.path(), 1).as_deref(), Some("b\nto"));
        assert_eq!(rest(directory.path(), 0).as_deref(), Some("to"));
    }

    #[test]
    fn lines_longer_than_a_block_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let long = "x".repeat(200_000);
        fs::write(path(directory.path(), 1), format!("a\n{long}\nb\n")).unwrap();
        assert_eq!(rest(directory.path(), 2), Some(format!("{long}\nb\n")));
        assert_eq!(rest(directory.path(), 3), Some(format!("a\n{long}\nb\n")));
    }

    #[test]
    fn without_files_there_is_no_place() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(rest(directory.path(), 1), None);
        assert_eq!(rest(&directory.path().join("none"), 1), None);
    }
}
