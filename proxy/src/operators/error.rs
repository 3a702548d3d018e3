//! What can go wrong between a node and its operators. Words here hold no token and no body.

use std::io;

use http::StatusCode;

/// Why a request of an operator failed.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// Not connected.
    #[error("can't connect: {0}")]
    Connect(#[source] io::Error),
    /// The certificate is not what it must be, or the other end speaks no TLS.
    #[error("no TLS: {0}")]
    Tls(#[source] io::Error),
    /// The authorities can't be read.
    #[error("the operators' authorities can't be used: {0}")]
    Authorities(String),
    /// The pod's token can't be read.
    #[error("the pod's token can't be used: {0}")]
    Token(String),
    /// Too slow.
    #[error("not in time: {0}")]
    Slow(&'static str),
    /// The connection broke, or what came is no HTTP.
    #[error("no HTTP: {0}")]
    Http(#[from] hyper::Error),
    /// Another status than 200.
    #[error("answered with {0}")]
    Status(StatusCode),
    /// An answer that can't be read.
    #[error("an odd answer: {0}")]
    Answer(String),
}
