//! The body of an operator's answer: read whole within a bound, before and after it is unpacked.
//! It does not look at what it says.

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::Response;
use http::header::CONTENT_ENCODING;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::OperatorError;

/// Longer bodies than this are unpacked on a thread of their own.
const LARGE: usize = 16 << 10;

/// The body of an answer of status 200: plain or gzip, at most `longest` bytes, within `patience`.
///
/// # Errors
/// [`OperatorError`] where the status is another one, or the body too long, too slow, or not what its encoding says.
pub async fn read(
    answer: Response<Incoming>,
    longest: usize,
    patience: Duration,
) -> Result<Bytes, OperatorError> {
    if answer.status() != http::StatusCode::OK {
        return Err(OperatorError::Status(answer.status()));
    }
    let encoding = answer.headers().get(CONTENT_ENCODING).cloned();
    let reading = Limited::new(answer.into_body(), longest).collect();
    let read = timeout(patience, reading).await.map_err(|_| OperatorError::Slow("the end of an answer"))?;
    let body = read.map_err(|error| OperatorError::Answer(error.to_string()))?.to_bytes();
    match encoding.as_ref().map(http::HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(body),
        Some(b"gzip") if body.len() > LARGE => {
            let unpacked = tokio::task::spawn_blocking(move || unpack(&body, longest)).await;
            unpacked.unwrap_or_else(|error| Err(OperatorError::Answer(error.to_string())))
        }
        Some(b"gzip") => unpack(&body, longest),
        Some(_) => Err(OperatorError::Answer("neither plain nor gzip".to_owned())),
    }
}

fn unpack(body: &[u8], longest: usize) -> Result<Bytes, OperatorError> {
    let mut unpacked = Vec::new();
    let read = MultiGzDecoder::new(body).take(longest as u64 + 1).read_to_end(&mut unpacked);
    read.map_err(|error| OperatorError::Answer(format!("not gzip: {error}")))?;
    if unpacked.len() > longest {
        return Err(OperatorError::Answer(format!("longer than {longest} bytes")));
    }
    Ok(unpacked.into())
}
