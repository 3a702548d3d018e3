//! Reads a request's body: charged to the node's budget as it grows, never longer than its stream
//! takes, and not slower than it may be.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::{Instant, timeout_at};

use super::form::Prefix;
use super::text::is_blank;
use crate::admit::Charge;
use crate::catalog::{Catalog, longest_form};

/// Between two pieces of a body.
const BETWEEN_PIECES: Duration = Duration::from_secs(15);
/// From a body's begin to its end.
const IN_ALL: Duration = Duration::from_secs(120);
/// From this size on a buffer is memory of its own, which grows without leaving a hole.
const LARGE: usize = 256 << 10;
/// How much of an unwanted body is read for the sake of the connection, in bytes.
const UNWANTED: usize = 64 << 10;

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReadError {
    /// It is longer than its stream takes, or than any does.
    #[error("the request's body is longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// It is to a stream that is not there, and longer than is worth reading.
    #[error("no such stream")]
    NoStream,
    /// The node has no room for it.
    #[error("no room for the body")]
    NoRoom,
    /// It came too slowly.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// It broke off, or was not framed as HTTP wants it.
    #[error("the body broke off")]
    Broken,
}

/// Reads a form whole. The buffer's bytes are on `charge`.
///
/// # Errors
/// [`ReadError`]; what was read is dropped.
pub(super) async fn form(
    body: impl Body<Data = Bytes> + Unpin,
    catalog: &Catalog,
    charge: &mut Charge,
) -> Result<Vec<u8>, ReadError> {
    let mut limit = Limit::new(catalog);
    let first = limit.bytes;
    collect(body, charge, first, |buffer| {
        limit.narrow(buffer, catalog)?;
        Ok(limit.bytes)
    })
    .await
}

/// Reads a body of at most `limit` bytes whole. The buffer's bytes are on `charge`.
///
/// # Errors
/// [`ReadError`]; what was read is dropped.
pub(super) async fn whole(
    body: impl Body<Data = Bytes> + Unpin,
    limit: usize,
    charge: &mut Charge,
) -> Result<Vec<u8>, ReadError> {
    // One whose head says that it is too long need not be sent.
    if body.size_hint().lower() > limit as u64 {
        return Err(ReadError::TooLong { limit });
    }
    collect(body, charge, limit, |_| Ok(limit)).await
}

/// Reads a body; after each piece `narrow` says how long it may be.
async fn collect(
    mut body: impl Body<Data = Bytes> + Unpin,
    charge: &mut Charge,
    mut limit: usize,
    mut narrow: impl FnMut(&[u8]) -> Result<usize, ReadError>,
) -> Result<Vec<u8>, ReadError> {
    let begin = Instant::now();
    let mut buffer = Vec::new();
    loop {
        let deadline = (Instant::now() + BETWEEN_PIECES).min(begin + IN_ALL);
        let frame = match timeout_at(deadline, body.frame()).await {
            Err(_) => return Err(ReadError::TooSlow),
            Ok(None) => return Ok(buffer),
            Ok(Some(Err(_))) => return Err(ReadError::Broken),
            Ok(Some(Ok(frame))) => frame,
        };
        if let Ok(piece) = frame.into_data() {
            append(&mut buffer, &piece, limit, charge)?;
            limit = narrow(&buffer)?;
            if buffer.len() > limit {
                return Err(ReadError::TooLong { limit });
            }
        }
    }
}

/// Reads a body that nobody wants; true if it came to its end soon and was short.
pub(super) async fn to_its_end(mut body: impl Body<Data = Bytes> + Unpin) -> bool {
    let deadline = Instant::now() + BETWEEN_PIECES;
    let mut left = UNWANTED;
    while let Ok(frame) = timeout_at(deadline, body.frame()).await {
        match frame {
            None => return true,
            Some(Err(_)) => return false,
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                let Some(rest) = left.checked_sub(length) else { return false };
                left = rest;
            }
        }
    }
    false
}

/// How long the form may be: any stream's limit at first, its own stream's once that is known.
struct Limit {
    bytes: usize,
    prefix: Option<Prefix>,
}

impl Limit {
    fn new(catalog: &Catalog) -> Self {
        Self { bytes: catalog.longest_form, prefix: Some(Prefix::default()) }
    }

    fn narrow(&mut self, buffer: &[u8], catalog: &Catalog) -> Result<(), ReadError> {
        // A form this short is within any stream's limit.
        if buffer.len() as u64 <= longest_form(0) {
            return Ok(());
        }
        let Some(prefix) = &mut self.prefix else { return Ok(()) };
        let Some((group_id, stream_id)) = prefix.look(buffer) else { return Ok(()) };
        if is_blank(group_id) || is_blank(stream_id) {
            return Ok(());
        }
        // Ids that are no text are an error of the form, which is found when it is decoded.
        let (Ok(group_id), Ok(stream_id)) = (std::str::from_utf8(group_id), std::str::from_utf8(stream_id))
        else {
            return Ok(());
        };
        let stream = catalog.find(group_id, stream_id).ok_or(ReadError::NoStream)?;
        let own = usize::try_from(longest_form(stream.spec.max_body_bytes)).unwrap_or(usize::MAX);
        self.bytes = self.bytes.min(own);
        self.prefix = None;
        Ok(())
    }
}

fn append(buffer: &mut Vec<u8>, piece: &Bytes, limit: usize, charge: &mut Charge) -> Result<(), ReadError> {
    let needed = buffer.len() + piece.len();
    if needed > limit {
        return Err(ReadError::TooLong { limit });
    }
    if needed > buffer.capacity() {
        // The first piece is most often the whole form. Later ones make room in few steps while it is small,
        // because each leaves a hole behind in the heap that the next, being larger, can't use.
        let step = if buffer.capacity() < LARGE { 4 } else { 2 };
        let room = if buffer.is_empty() { needed } else { needed.max(buffer.capacity() * step).min(limit) };
        charge.grow((room - buffer.capacity()) as u64).map_err(|_| ReadError::NoRoom)?;
        buffer.reserve_exact(room - buffer.len());
    }
    buffer.extend_from_slice(piece);
    Ok(())
}
