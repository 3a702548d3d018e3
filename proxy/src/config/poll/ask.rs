//! The two questions of long polling, on a connection to one operator. It decides nothing.

use std::time::Duration;

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::Request;
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderValue};
use http::request::Builder;
use http_body_util::Full;
use sluice_wire::document::Group;
use sluice_wire::parts::MAX_DOCUMENT;
use sluice_wire::polling::{Fetched, GroupUpdate, HOLD, LONGEST_HOLD_MS, REVISION, Update};

use super::base::Base;
use super::error::PollError;
use crate::args::FleetName;
use crate::operators::{Connection, OperatorError, read};

/// How long an operator may hold a listener and then be late: the contract's read timeout.
const HELD: Duration = Duration::from_secs(90);
/// How long an operator holds a listener that is asked briefly: longer than what counts as hasty.
const BRIEF_HOLD_MS: u64 = 2_000;
/// How long the head of any other answer may take.
const HEAD: Duration = Duration::from_secs(30);
/// How long a body may take.
const BODY: Duration = Duration::from_secs(60);
/// The longest body taken: a document, and what stands around it.
const LONGEST: usize = MAX_DOCUMENT + (1 << 20);

/// Asks to be told what changes, and waits for that: as long as an operator holds a listener, or `briefly`.
pub(super) async fn listen(
    connection: &mut Connection,
    fleet: &FleetName,
    base: &Base,
    briefly: bool,
) -> Result<Bytes, OperatorError> {
    let hold = if briefly { BRIEF_HOLD_MS } else { LONGEST_HOLD_MS };
    let answer = connection.send(listening(fleet, base, hold)?, HELD).await?;
    read(answer, LONGEST, BODY).await
}

/// Asks for what there is: what changed since `base`, or everything.
pub(super) async fn fetch(
    connection: &mut Connection,
    fleet: &FleetName,
    base: &Base,
    whole: bool,
) -> Result<Bytes, OperatorError> {
    let answer = connection.send(fetching(fleet, base, whole)?, HEAD).await?;
    read(answer, LONGEST, BODY).await
}

fn listening(fleet: &FleetName, base: &Base, hold: u64) -> Result<Request<Full<Bytes>>, OperatorError> {
    let mut form = Serializer::new(String::new());
    form.append_pair("namespaceId", &fleet.to_string());
    for (group, md5, time) in base.claims() {
        form.append_pair(group, &format!("{md5},{time}"));
    }
    let request = Request::post("/configs/listener")
        .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
        .header(HOLD, hold);
    finish(request, base, form.finish())
}

fn fetching(fleet: &FleetName, base: &Base, whole: bool) -> Result<Request<Full<Bytes>>, OperatorError> {
    let mut query = Serializer::new(String::new());
    query.append_pair("namespaceId", &fleet.to_string());
    for (group, _, _) in base.claims() {
        query.append_pair("groupKeys", group);
    }
    for (_, md5, _) in base.claims().filter(|_| !whole) {
        query.append_pair("since", md5);
    }
    finish(Request::get(format!("/configs/fetch?{}", query.finish())), base, String::new())
}

fn finish(request: Builder, base: &Base, body: String) -> Result<Request<Full<Bytes>>, OperatorError> {
    request
        .header(ACCEPT_ENCODING, HeaderValue::from_static("gzip"))
        .header(REVISION, base.revision())
        .body(Full::from(body))
        .map_err(|error| OperatorError::Answer(error.to_string()))
}

/// What was fetched, as the update that it is.
pub(super) fn update(fetched: Fetched) -> Result<Update, PollError> {
    let (Some(major), Some(revision)) = (fetched.major, fetched.revision) else {
        return Err(PollError::Unusable("it is of no fleet".to_owned()));
    };
    let mut update = Update { major, revision, groups: Default::default(), changes: Default::default() };
    for (name, group) in fetched.data {
        let change = GroupUpdate { since: group.since, put: group.data, gone: group.gone };
        let digest = Group { md5: group.md5, last_modify_time: group.last_modify_time };
        update.groups.insert(name.clone(), digest);
        update.changes.insert(name, change);
    }
    Ok(update)
}
