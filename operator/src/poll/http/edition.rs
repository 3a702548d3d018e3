//! Bodies of answers about a fleet's configuration (`sluice_wire::polling`). Pure.
//! A group's name and a number need no escape in JSON; all else that is put in is JSON already.

use std::collections::BTreeMap;

use serde_json::json;
use sluice_wire::document::Group;
use sluice_wire::polling::STREAM;

use crate::poll::board::Claim;
use crate::poll::content::{Content, Served};
use crate::poll::edition::{Delta, Edition};

/// Groups that are asked for, and the MD5 of what the client has of each, where it says so.
pub(super) type Bases = [(String, Option<String>)];

/// The answer of fetch: groups in the order asked, of [`STREAM`] only what changed where that is known.
pub(super) fn fetched(edition: &Edition, asked: &Bases) -> Vec<u8> {
    let mut body = br#"{"code":200,"message":"success","data":{"#.to_vec();
    for (index, (group, base)) in asked.iter().enumerate() {
        let absent = || Served { content: Content::nothing(), last_modify_time: 0 };
        let Served { content, last_modify_time } = edition.group(group).cloned().unwrap_or_else(absent);
        let (comma, md5) = (if index > 0 { "," } else { "" }, json!(&*content.md5));
        put(&mut body, &format!(r#"{comma}"{group}":{{"md5":{md5},"lastModifyTime":{last_modify_time},"#));
        let base = base.as_deref().filter(|_| group == STREAM);
        match base.and_then(|base| Some((base, edition.streams_since(base)?))) {
            Some((base, delta)) => put_delta(&mut body, base, "data", &delta),
            None => {
                put(&mut body, r#""data":"#);
                body.extend_from_slice(&content.bytes);
            }
        }
        body.push(b'}');
    }
    put(&mut body, &format!(r#"}},"major":{},"revision":{}}}"#, edition.major, edition.revision));
    body
}

/// The answer of the listener to a client that has these groups: their names, and what changed in them. `None`: what
/// changed is not remembered, or the client did not ask for all groups.
pub(super) fn updated(edition: &Edition, claims: &[Claim]) -> Option<Vec<u8>> {
    let mut names = Vec::new();
    let mut changes = Vec::new();
    for (group, served) in edition.groups() {
        let md5 = &*claims.iter().find(|claim| claim.group == group)?.md5;
        if *md5 == *served.content.md5 {
            continue;
        }
        put(&mut changes, &format!(r#"{}"{group}":{{"#, if names.is_empty() { "" } else { "," }));
        if group == STREAM {
            put_delta(&mut changes, md5, "put", &edition.streams_since(md5)?);
        } else {
            put(&mut changes, r#""put":"#);
            changes.extend_from_slice(&served.content.bytes);
        }
        changes.push(b'}');
        names.push(group);
    }
    let group = |(name, served): (&'static str, &Served)| {
        let md5 = served.content.md5.to_string();
        (name, Group { md5, last_modify_time: served.last_modify_time })
    };
    let groups: BTreeMap<_, _> = edition.groups().map(group).collect();
    let (names, groups) = (json!(names), json!(groups));
    let (major, revision) = (edition.major, edition.revision);
    let mut body = format!(
        r#"{{"code":200,"message":"success","data":{names},"update":{{"major":{major},"revision":{revision},"groups":{groups},"changes":{{"#
    )
    .into_bytes();
    body.append(&mut changes);
    put(&mut body, "}}}");
    Some(body)
}

fn put(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(text.as_bytes());
}

/// `"since":"..","<name>":[..]`, and `gone` where something is.
fn put_delta(body: &mut Vec<u8>, since: &str, name: &str, delta: &Delta<'_>) {
    put(body, &format!(r#""since":{},"{name}":["#, json!(since)));
    for (index, json) in delta.put.iter().enumerate() {
        put(body, if index > 0 { "," } else { "" });
        body.extend_from_slice(json);
    }
    body.push(b']');
    if !delta.gone.is_empty() {
        put(body, &format!(r#","gone":{}"#, json!(delta.gone)));
    }
}

#[cfg(test)]
mod tests;
