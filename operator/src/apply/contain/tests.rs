//! What is a difference, and what is not.

use proptest::prelude::*;
use serde_json::json;

use super::*;

#[track_caller]
fn same(live: &Value, desired: &Value) {
    assert!(contains(live, desired), "{live} should have {desired}");
}

#[track_caller]
fn different(live: &Value, desired: &Value) {
    assert!(!contains(live, desired), "{live} should not have {desired}");
}

#[test]
fn what_the_api_server_added_is_no_difference() {
    same(
        &json!({"spec": {"replicas": 2, "progressDeadlineSeconds": 600}, "status": {"replicas": 2}}),
        &json!({"spec": {"replicas": 2}}),
    );
    same(
        &json!({"metadata": {"labels": {"a": "1", "b": "2"}}}),
        &json!({"metadata": {"labels": {"a": "1"}}}),
    );
}

#[test]
fn a_changed_or_missing_field_is_a_difference() {
    different(&json!({"spec": {"replicas": 3}}), &json!({"spec": {"replicas": 2}}));
    different(&json!({"spec": {}}), &json!({"spec": {"replicas": 2}}));
    different(&json!({"data": {"a": "x"}}), &json!({"data": {"a": "y"}}));
    different(
        &json!({"automountServiceAccountToken": true}),
        &json!({"automountServiceAccountToken": false}),
    );
    different(&json!({}), &json!({"automountServiceAccountToken": false}));
    different(&json!({}), &json!({"replicas": 0}));
}

#[test]
fn empty_null_and_absent_are_alike() {
    for nothing in [json!(null), json!({}), json!([]), json!("")] {
        same(&json!({}), &json!({"field": nothing}));
    }
    for nothing in [json!(null), json!("")] {
        same(&json!({"value": nothing}), &json!({"value": ""}));
    }
    different(&json!({"value": "x"}), &json!({"value": ""}));
}

#[test]
fn objects_of_a_list_may_have_company_and_any_order() {
    let desired = json!({"env": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]});
    let live = json!({"env": [
        {"name": "c", "value": "3"}, {"name": "b", "value": "2"}, {"name": "a", "value": "1"}
    ]});
    same(&live, &desired);
    different(&json!({"env": [{"name": "a", "value": "1"}]}), &desired);
    different(&json!({"env": [{"name": "a", "value": "2"}, {"name": "b", "value": "2"}]}), &desired);
}

#[test]
fn plain_lists_are_compared_whole() {
    same(&json!({"args": ["a", "b"]}), &json!({"args": ["a", "b"]}));
    different(&json!({"args": ["b", "a"]}), &json!({"args": ["a", "b"]}));
    different(&json!({"args": ["a", "b", "c"]}), &json!({"args": ["a", "b"]}));
    same(&json!({"finalizers": ["theirs", "ours"]}), &json!({"finalizers": ["ours"]}));
}

#[test]
fn equal_amounts_are_equal_where_amounts_stand() {
    let requests = |cpu: Value| json!({"resources": {"requests": {"cpu": cpu}}});
    same(&requests(json!("1")), &requests(json!("1000m")));
    same(&requests(json!("1")), &requests(json!(1)));
    different(&requests(json!("2")), &requests(json!("1000m")));
    same(&json!({"emptyDir": {"sizeLimit": "1Gi"}}), &json!({"emptyDir": {"sizeLimit": "1024Mi"}}));
    different(&json!({"labels": {"cpu": "1"}}), &json!({"labels": {"cpu": "1000m"}}));
    different(&requests(json!("odd")), &requests(json!("strange")));
}

#[test]
fn a_port_by_name_is_not_a_port_by_number() {
    same(&json!({"targetPort": "http"}), &json!({"targetPort": "http"}));
    same(&json!({"targetPort": 80}), &json!({"targetPort": 80}));
    different(&json!({"targetPort": 80}), &json!({"targetPort": "http"}));
}

#[test]
fn a_zero_that_the_api_server_leaves_out_is_no_difference() {
    same(&json!({}), &json!({"tty": false, "initialDelaySeconds": 0}));
    different(&json!({"tty": true}), &json!({"tty": false}));
    different(&json!({"initialDelaySeconds": 5}), &json!({"initialDelaySeconds": 0}));
    same(&json!({"timeoutSeconds": 1}), &json!({"timeoutSeconds": 0}));
}

/// What was applied to a real API server, and what it gave back.
fn recorded() -> (Value, Value) {
    let wanted = serde_yaml::from_str(include_str!("recorded/wanted.yaml")).unwrap();
    let live = serde_yaml::from_str(include_str!("recorded/live.yaml")).unwrap();
    (wanted, live)
}

#[test]
fn what_a_real_api_server_gives_back_is_no_difference() {
    let (wanted, live) = recorded();
    same(&live, &wanted);
}

#[test]
fn any_text_that_is_wanted_otherwise_is_a_difference_to_what_a_real_api_server_gave_back() {
    let (wanted, live) = recorded();
    let mut places = Vec::new();
    leaves(&wanted, "", &mut places);
    assert!(places.len() > 100, "{places:?}");
    for place in places {
        let mut changed = wanted.clone();
        let text = changed.pointer_mut(&place).unwrap();
        *text = format!("{}x", text.as_str().unwrap()).into();
        assert!(!contains(&live, &changed), "{place}");
    }
}

/// Any JSON of a few levels, with names that mean something here among others.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2_i64..4).prop_map(Value::from),
        prop_oneof!["", "[a-c]{1,2}", "[1-3](m|Ki)?"].prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let field = prop_oneof!["[a-c]", Just("resources".to_owned()), Just("tty".to_owned())];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((field, inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// `value` with what the API server may add or change: further fields, further objects in lists of objects,
/// their order turned round, and no nulls.
fn given_back(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            let kept = kept.map(|(name, value)| (name.clone(), given_back(value)));
            kept.chain([("added".to_owned(), json!("by the API server"))]).collect()
        }
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_object) => {
            let items = items.iter().rev().map(given_back);
            std::iter::once(json!({"name": "added"})).chain(items).collect()
        }
        other => other.clone(),
    }
}

/// The places of all texts in `value` that say something, as JSON pointers.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                leaves(value, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                leaves(value, &format!("{at}/{index}"), found);
            }
        }
        Value::String(text) if !text.is_empty() => found.push(at.to_owned()),
        _ => {}
    }
}

proptest! {
    #[test]
    fn every_value_has_itself(value in any_json()) {
        prop_assert!(contains(&value, &value));
    }

    #[test]
    fn every_value_is_in_what_the_api_server_makes_of_it(value in any_json()) {
        let live = given_back(&value);
        prop_assert!(contains(&live, &value), "{live} {value}");
    }

    #[test]
    fn a_text_that_was_changed_is_seen(value in any_json()) {
        let mut places = Vec::new();
        leaves(&value, "", &mut places);
        let live = given_back(&value);
        for place in places {
            let mut changed = value.clone();
            if let Some(text) = changed.pointer_mut(&place) {
                *text = json!("something else");
                prop_assert!(!contains(&live, &changed), "{place}: {live} {changed}");
            }
        }
    }
}
