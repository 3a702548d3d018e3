//! The service account that a fleet's pods run as. It has no permissions and no token.

use k8s_openapi::api::core::v1::ServiceAccount;
use serde_json::Value;

use super::{labels, names, value};
use crate::resolve::ResolvedFleet;

pub(super) fn service_account(fleet: &ResolvedFleet) -> Value {
    let account = ServiceAccount {
        metadata: labels::meta(fleet, names::fleet(&fleet.name)),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    };
    value(&account)
}
