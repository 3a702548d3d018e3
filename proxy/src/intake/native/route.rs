//! The path of the native route. Pure.

use crate::intake::form::decode_path;

/// The path as it is described.
pub(super) const RECORDS: &str = "/v1/groups/{groupId}/streams/{streamId}/records";

/// The groupId and streamId of `/v1/groups/{groupId}/streams/{streamId}/records`; `None` for any other path.
#[must_use]
pub(super) fn stream(path: &str) -> Option<(String, String)> {
    let mut parts = path.strip_prefix("/v1/groups/")?.split('/');
    let group_id = segment(parts.next()?)?;
    let rest = (parts.next()?, parts.next()?, parts.next()?, parts.next());
    let ("streams", stream_id, "records", None) = rest else { return None };
    Some((group_id, segment(stream_id)?))
}

fn segment(text: &str) -> Option<String> {
    String::from_utf8(decode_path(text).ok()?).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_group_and_a_stream() {
        let ids = |path| stream(path).map(|(group_id, stream_id)| format!("{group_id} {stream_id}"));
        assert_eq!(ids("/v1/groups/shop/streams/orders/records").as_deref(), Some("shop orders"));
        assert_eq!(ids("/v1/groups/a%2Eb/streams/c+d/records").as_deref(), Some("a.b c+d"));
        for path in [
            "/v1/groups/shop/streams/orders",
            "/v1/groups/shop/streams/orders/records/",
            "/v1/groups/shop/streams/orders/records/x",
            "/v1/groups//streams/orders/records",
            "/v1/groups/%ff/streams/orders/records",
            "/v1/groups/%4/streams/orders/records",
            "/v2/groups/shop/streams/orders/records",
        ] {
            assert_eq!(ids(path), None, "{path}");
        }
    }
}
