//! Unpacks a compressed body: charged to the node's budget as it grows, and never longer than its stream
//! takes, however small it came.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

use super::content::Encoding;
use crate::admit::{Charge, Full};

/// Steps in which the unpacked body grows, in bytes.
const STEP: usize = 16 << 10;
/// The largest window that a zstd body may want: 8 MiB, what RFC 8878 tells decoders to support.
const ZSTD_WINDOW_LOG: u32 = 23;
/// What a zstd body must be.
const ZSTD: &str = "zstd with a window of at most 8 MiB";

/// Why a body can't be unpacked.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnpackError {
    /// It is not what its encoding says.
    #[error("the body is not valid {0}")]
    Broken(&'static str),
    /// It unpacks to more than its stream takes.
    #[error("the unpacked body is longer than {0} bytes")]
    TooLong(usize),
    /// The node has no room for it.
    #[error("no room for the unpacked body")]
    NoRoom(#[from] Full),
}

/// The body as it was before it was packed, at most `limit` bytes.
///
/// # Errors
/// [`UnpackError`].
pub(super) fn unpack(
    encoding: Encoding,
    body: Vec<u8>,
    limit: usize,
    charge: &mut Charge,
) -> Result<Vec<u8>, UnpackError> {
    match encoding {
        Encoding::Identity => Ok(body),
        Encoding::Gzip => grow(MultiGzDecoder::new(&*body), "gzip", limit, charge),
        Encoding::Zstd => {
            let window = 1_u64 << ZSTD_WINDOW_LOG.min(limit.max(1).ilog2() + 1);
            charge.grow(window)?;
            grow(zstd(&body).map_err(|_| UnpackError::Broken(ZSTD))?, ZSTD, limit, charge)
        }
    }
}

fn zstd(body: &[u8]) -> io::Result<impl Read> {
    let mut decoder = ::zstd::stream::read::Decoder::with_buffer(body)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG)?;
    Ok(decoder)
}

fn grow(
    mut packed: impl Read,
    name: &'static str,
    limit: usize,
    charge: &mut Charge,
) -> Result<Vec<u8>, UnpackError> {
    let mut out = Vec::new();
    loop {
        let length = out.len();
        // One byte past the limit tells a body that is too long from one that is not.
        let step = STEP.max(length / 2).min(limit - length + 1);
        charge.grow(step as u64)?;
        out.reserve_exact(step);
        let read = (&mut packed).take(step as u64).read_to_end(&mut out);
        let read = read.map_err(|_| UnpackError::Broken(name))?;
        if out.len() > limit {
            return Err(UnpackError::TooLong(limit));
        }
        if read < step {
            return Ok(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;
    use crate::admit::Budget;

    const LIMIT: usize = 100_000;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ::zstd::encode_all(bytes, 3).unwrap()
    }

    fn open(encoding: Encoding, body: Vec<u8>) -> Result<Vec<u8>, UnpackError> {
        unpack(encoding, body, LIMIT, &mut Budget::new(64 << 20).open())
    }

    #[test]
    fn a_bomb_is_too_long_and_costs_no_more_than_the_limit() {
        let zeros = vec![0; 50 << 20];
        for (encoding, bomb) in [(Encoding::Gzip, gzip(&zeros)), (Encoding::Zstd, zstd(&zeros))] {
            let budget = Budget::new(4 << 20);
            let mut charge = budget.open();
            let error = unpack(encoding, bomb, LIMIT, &mut charge).unwrap_err();
            assert!(matches!(error, UnpackError::TooLong(LIMIT)), "{error}");
            assert!(budget.used() <= 500_000, "{} bytes charged", budget.used());
        }
    }

    #[test]
    fn the_limit_itself_is_not_too_long() {
        let whole = vec![7; LIMIT];
        assert_eq!(open(Encoding::Gzip, gzip(&whole)).unwrap().len(), LIMIT);
        let over = vec![7; LIMIT + 1];
        assert!(matches!(open(Encoding::Zstd, zstd(&over)), Err(UnpackError::TooLong(_))));
    }

    #[test]
    fn what_is_cut_off_or_something_else_is_broken() {
        let whole = gzip(b"hello, hello, hello");
        let cut = whole[..whole.len() - 4].to_vec();
        for (encoding, body) in [
            (Encoding::Gzip, cut),
            (Encoding::Gzip, b"hello".to_vec()),
            (Encoding::Zstd, gzip(b"hello")),
            (Encoding::Zstd, zstd(b"hello")[..5].to_vec()),
        ] {
            let error = open(encoding, body).unwrap_err();
            assert!(matches!(error, UnpackError::Broken(_)), "{error}");
        }
    }

    #[test]
    fn a_node_without_room_refuses() {
        let mut charge = Budget::new(10_000).open();
        let error = unpack(Encoding::Gzip, gzip(&[0; 50_000]), LIMIT, &mut charge).unwrap_err();
        assert!(matches!(error, UnpackError::NoRoom(_)), "{error}");
    }

    proptest! {
        #[test]
        fn what_was_packed_unpacks_to_itself(bytes in prop::collection::vec(0_u8..4, 0..70_000)) {
            prop_assert_eq!(&open(Encoding::Gzip, gzip(&bytes)).unwrap(), &bytes);
            prop_assert_eq!(&open(Encoding::Zstd, zstd(&bytes)).unwrap(), &bytes);
        }
    }
}
