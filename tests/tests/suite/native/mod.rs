//! The native route: that it does what its description says, that what it says of records is true, and that
//! HTTP as it should not come stores nothing.
//!
//! | file | holds |
//! |---|---|
//! | `description` | the document the node serves, and answers held against it |
//! | `contract` | every answer described comes, every answer that comes is described, every example is taken |
//! | `provoke` | how each answer is brought about |
//! | `truth` | outcomes of records under faults, against the topic |
//! | `framing` | requests split, piled up, cut short, left |

mod contract;
mod description;
mod framing;
mod provoke;
mod truth;

use sluice_tests::history::Outcome;
use sluice_tests::http::Answer;
use sluice_tests::native::{outcomes, post, target};
use sluice_tests::proxy::Proxy;

/// A POST of text to `g`/`stream`, as bytes.
fn text(stream: &str, body: &str) -> Vec<u8> {
    post(&target("g", stream), "text/plain", "", body.as_bytes())
}

/// Sends one record and returns the answer with what it tells of the record.
fn send(proxy: &Proxy, stream: &str, record: &str) -> (Answer, Outcome) {
    let answer = proxy.exchange(&text(stream, record));
    let outcome = outcomes(Some(&answer), 1)[0];
    (answer, outcome)
}
