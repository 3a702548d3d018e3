//! The webhooks' configurations in the cluster: whom the API server trusts by each, and what changes that.
//! All else in them is whose who installed them.

use std::fmt::Debug;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::ByteString;
use k8s_openapi::ClusterResourceScope;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use kube::Resource;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A configuration of webhooks.
pub(super) trait Configuration:
    Resource<DynamicType = (), Scope = ClusterResourceScope> + Clone + Debug + DeserializeOwned + Send + 'static
{
    /// Its webhooks: the name of each, and how it is called.
    fn hooks(&self) -> Vec<(&str, &WebhookClientConfig)>;
}

impl Configuration for ValidatingWebhookConfiguration {
    fn hooks(&self) -> Vec<(&str, &WebhookClientConfig)> {
        let hooks = self.webhooks.iter().flatten();
        hooks.map(|hook| (hook.name.as_str(), &hook.client_config)).collect()
    }
}

impl Configuration for MutatingWebhookConfiguration {
    fn hooks(&self) -> Vec<(&str, &WebhookClientConfig)> {
        let hooks = self.webhooks.iter().flatten();
        hooks.map(|hook| (hook.name.as_str(), &hook.client_config)).collect()
    }
}

/// The change, of the version that was seen, after which every webhook is called by who trusts `bundle`; absent: it is so.
pub(super) fn change(configuration: &impl Configuration, bundle: &str) -> Option<Value> {
    let differs = |config: &WebhookClientConfig| {
        config.ca_bundle.as_ref().is_none_or(|ByteString(known)| known != bundle.as_bytes())
    };
    let text = STANDARD.encode(bundle);
    let hooks: Vec<Value> = configuration
        .hooks()
        .into_iter()
        .filter(|(_, config)| differs(config))
        .map(|(name, _)| json!({"name": name, "clientConfig": {"caBundle": text}}))
        .collect();
    let version = configuration.meta().resource_version.as_deref();
    (!hooks.is_empty()).then(|| json!({"metadata": {"resourceVersion": version}, "webhooks": hooks}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(bundles: &[Option<&str>]) -> ValidatingWebhookConfiguration {
        let hooks: Vec<Value> = bundles
            .iter()
            .enumerate()
            .map(|(index, bundle)| {
                json!({
                    "name": format!("hook{index}"), "admissionReviewVersions": ["v1"], "sideEffects": "None",
                    "clientConfig": {"caBundle": bundle.map(|bundle| STANDARD.encode(bundle))}
                })
            })
            .collect();
        serde_json::from_value(json!({"metadata": {"resourceVersion": "7"}, "webhooks": hooks})).unwrap()
    }

    #[test]
    fn only_webhooks_that_trust_others_are_changed_and_only_as_they_were_seen() {
        let change = change(&configuration(&[Some("ca"), None, Some("old")]), "ca").unwrap();
        let to = json!({"caBundle": "Y2E="});
        assert_eq!(
            change,
            json!({"metadata": {"resourceVersion": "7"}, "webhooks": [
                {"name": "hook1", "clientConfig": to}, {"name": "hook2", "clientConfig": to}
            ]})
        );
    }

    #[test]
    fn nothing_is_changed_where_all_are_as_they_should_be() {
        assert_eq!(change(&configuration(&[Some("ca"), Some("ca")]), "ca"), None);
        assert_eq!(change(&configuration(&[]), "ca"), None);
    }
}
