//! Reads a request's body, bounded in size and time.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use tokio::time::timeout;

use super::answer::Refusal;

/// How long a body may be on its way.
const WITHIN: Duration = Duration::from_secs(10);

/// The whole body, of at most `longest` bytes.
pub(super) async fn read<B>(body: B, longest: usize) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match timeout(WITHIN, Limited::new(body, longest).collect()).await {
        Ok(Ok(read)) => Ok(read.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLong(longest)),
        Ok(Err(_)) => Err(Refusal::bad("the body did not come whole")),
        Err(_) => Err(Refusal::TooSlow),
    }
}
