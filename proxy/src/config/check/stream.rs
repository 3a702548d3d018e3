//! Checks one stream of a document, by the bounds that the definitions have.
//! It knows the document's sinks and limits, and no other stream.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use sluice_wire::access::{MAX_CIDRS, MAX_CLIENT_NAME, MAX_CLIENT_NAMES, Sources};
use sluice_wire::auth::{Auth, MAX_ACCOUNTS, MAX_TOKENS};
use sluice_wire::bounds::{
    MAX_BYTES_PER_SECOND, MAX_HEADER_NAME, MAX_PARAMETER, MAX_POINTER, MAX_RECORDS_PER_SECOND,
    MIN_BYTES_PER_SECOND, is_header_name, is_key_parameter, is_pointer, is_reserved_header, is_secret_header,
};
use sluice_wire::document::{Document, KeySource, MAX_HEADERS, SinkKind, Stream};

use super::{Problem, is_file_name, wrong};
use crate::catalog::longest_form;

/// The largest `maxBodyBytes`.
const MAX_BODY: u64 = 20 << 20;
/// The longest an id or a name may be.
const MAX_ID: usize = 100;
/// The longest name of a topic Kafka takes.
const MAX_TOPIC: usize = 249;

pub(super) fn check(place: &str, stream: &Stream, document: &Document) -> Result<(), Problem> {
    check_ids(place, stream)?;
    check_sink(place, stream, document)?;
    if stream.success_code > 1 {
        return wrong(format!("{place}.successCode"), "must be 0 or 1");
    }
    stream.key.as_ref().map_or(Ok(()), |key| check_key(place, key))?;
    check_headers(place, &stream.headers)?;
    check_sources(place, &stream.sources)?;
    check_auth(place, &stream.auth)?;
    check_limits(place, stream, document.overload.max_inflight_bytes)
}

fn check_ids(place: &str, stream: &Stream) -> Result<(), Problem> {
    for (name, id) in [("groupId", &stream.group_id), ("streamId", &stream.stream_id)] {
        if id.len() > MAX_ID || !is_file_name(id) {
            return wrong(
                format!("{place}.{name}"),
                format!("{id:?} must be 1 to {MAX_ID} of A-Z a-z 0-9 _ . - and begin with a letter or digit"),
            );
        }
    }
    Ok(())
}

fn check_sink(place: &str, stream: &Stream, document: &Document) -> Result<(), Problem> {
    let Some(sink) = document.sinks.iter().find(|sink| sink.name == stream.sink) else {
        return wrong(format!("{place}.sink"), format!("there is no sink {:?}", stream.sink));
    };
    if matches!(sink.kind, SinkKind::Kafka(_)) && !is_topic(&stream.topic) {
        return wrong(
            format!("{place}.topic"),
            format!("{:?} can't be the name of a topic, or is one of Kafka's own", stream.topic),
        );
    }
    Ok(())
}

fn check_key(place: &str, key: &KeySource) -> Result<(), Problem> {
    match key {
        KeySource::FromParameter(name) if !is_key_parameter(name) => wrong(
            format!("{place}.key.fromParameter"),
            format!("must be 1 to {MAX_PARAMETER} of A-Z a-z 0-9 _ . - and neither body nor callback"),
        ),
        KeySource::FromHeader(name) if !is_header_name(name) || is_secret_header(name) => wrong(
            format!("{place}.key.fromHeader"),
            format!(
                "must be an HTTP header's name of at most {MAX_HEADER_NAME}, and none that holds a secret"
            ),
        ),
        KeySource::FromJson(pointer) if !is_pointer(pointer) => wrong(
            format!("{place}.key.fromJson"),
            format!("must be a JSON pointer of at most {MAX_POINTER} characters"),
        ),
        _ => Ok(()),
    }
}

fn check_headers(place: &str, headers: &[String]) -> Result<(), Problem> {
    if headers.len() > MAX_HEADERS {
        return wrong(format!("{place}.headers"), format!("must be at most {MAX_HEADERS}"));
    }
    let mut seen = HashSet::new();
    for (index, name) in headers.iter().enumerate() {
        let reason = if !is_header_name(name) {
            format!("must be an HTTP header's name of at most {MAX_HEADER_NAME}")
        } else if is_reserved_header(name) {
            format!("{name} is a record header of the proxy's own")
        } else if is_secret_header(name) {
            format!("{name} holds a producer's secret")
        } else if !seen.insert(name.to_ascii_lowercase()) {
            format!("{name} stands there twice")
        } else {
            continue;
        };
        return wrong(format!("{place}.headers[{index}]"), reason);
    }
    Ok(())
}

fn check_sources(place: &str, sources: &Sources) -> Result<(), Problem> {
    let lengths = [
        ("allow", sources.allow.len(), MAX_CIDRS),
        ("deny", sources.deny.len(), MAX_CIDRS),
        ("clientNames", sources.client_names.len(), MAX_CLIENT_NAMES),
    ];
    for (name, length, most) in lengths {
        if length > most {
            return wrong(format!("{place}.sources.{name}"), format!("must be at most {most}"));
        }
    }
    let odd = sources.client_names.iter().position(|name| name.is_empty() || name.len() > MAX_CLIENT_NAME);
    odd.map_or(Ok(()), |index| {
        let place = format!("{place}.sources.clientNames[{index}]");
        wrong(place, format!("must have 1 to {MAX_CLIENT_NAME} characters"))
    })
}

fn check_auth(place: &str, auth: &Auth) -> Result<(), Problem> {
    let (name, length, most) = match auth {
        Auth::None => return Ok(()),
        Auth::Tokens(tokens) => ("tokens", tokens.len(), MAX_TOKENS),
        Auth::ServiceAccounts(accounts) => ("serviceAccounts", accounts.len(), MAX_ACCOUNTS),
    };
    if length <= most {
        Ok(())
    } else {
        wrong(format!("{place}.auth.{name}"), format!("must be at most {most}"))
    }
}

fn check_limits(place: &str, stream: &Stream, budget: u64) -> Result<(), Problem> {
    let longest = stream.max_body_bytes;
    if !(1..=MAX_BODY).contains(&longest) {
        return wrong(format!("{place}.maxBodyBytes"), format!("must be 1 to {MAX_BODY}"));
    }
    if longest_form(longest) > budget {
        return wrong(
            format!("{place}.maxBodyBytes"),
            format!(
                "an encoded report may take {} bytes, more than overload.maxInflightBytes ({budget})",
                longest_form(longest)
            ),
        );
    }
    let records = 1..=MAX_RECORDS_PER_SECOND;
    check_quota(place, "recordsPerSecond", stream.records_per_second, &records)?;
    let bytes = MIN_BYTES_PER_SECOND..=MAX_BYTES_PER_SECOND;
    check_quota(place, "bytesPerSecond", stream.bytes_per_second, &bytes)
}

fn check_quota(
    place: &str,
    name: &str,
    quota: Option<u64>,
    bounds: &RangeInclusive<u64>,
) -> Result<(), Problem> {
    if quota.is_none_or(|quota| bounds.contains(&quota)) {
        return Ok(());
    }
    wrong(format!("{place}.{name}"), format!("must be {} to {}", bounds.start(), bounds.end()))
}

fn is_topic(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MAX_TOPIC).contains(&name.len())
        && name.bytes().all(allowed)
        && !matches!(name, "." | "..")
        && !name.starts_with("__")
}
