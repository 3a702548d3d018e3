//! Who may reach a fleet, and who may report to a stream: listeners, addresses and the names of clients.
//! It describes them; nothing here looks at a connection, and certificates are named, never held.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pattern;

/// Where producers reach the proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Listeners {
    /// Reports over HTTP.
    #[serde(default)]
    #[schemars(extend("default" = {}))]
    pub http: HttpListener,
    /// Present: the same reports over TLS too. Discovery names no node for it, because no certificate covers the
    /// addresses of pods: producers use the Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https: Option<HttpsListener>,
    /// Addresses of proxies and gateways before the fleet whose X-Forwarded-For header is believed, such as
    /// 10.1.0.0/16, at most 64. The client is then the rightmost address in it that is none of these. From anyone else
    /// the header is ignored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(max = 43)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub trusted_proxies: Vec<String>,
}

impl Listeners {
    /// Where reports are taken: each port, and its name, which is that of its protocol and of its field.
    pub fn ports(&self) -> impl Iterator<Item = (&'static str, u16)> + use<> {
        let https = self.https.as_ref().map(|https| ("https", https.port));
        [("http", self.http.port)].into_iter().chain(https)
    }
}

/// Reports over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpListener {
    /// The port. 9102 is taken by metrics and probes. It can't be changed.
    #[serde(default = "default_http_port")]
    #[schemars(range(min = 1, max = 65_535), extend("format" = "int32", "default" = 46_802))]
    pub port: u16,
}

const fn default_http_port() -> u16 {
    46_802
}

impl Default for HttpListener {
    fn default() -> Self {
        Self { port: default_http_port() }
    }
}

/// Reports over TLS, 1.2 and 1.3. Secrets are the fleet's own namespace's; their new content is used without a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpsListener {
    /// The port. 9102 is taken by metrics and probes. It can't be changed.
    #[serde(default = "default_https_port")]
    #[schemars(range(min = 1, max = 65_535), extend("format" = "int32", "default" = 46_803))]
    pub port: u16,
    /// Secret of type kubernetes.io/tls with tls.crt, the certificate and those between it and its authority, and
    /// tls.key. The certificate must be for the Service's name, such as sluice-default.shop.svc.
    #[schemars(length(max = 253), regex(pattern = pattern::SECRET))]
    pub secret: String,
    /// Present: a client must have a certificate of one of these authorities, or is not connected. Whose reports a
    /// stream takes is said by its sources.clientNames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<ClientCa>,
}

const fn default_https_port() -> u16 {
    46_803
}

/// The authorities of clients' certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientCa {
    /// Secret with ca.crt.
    #[schemars(length(max = 253), regex(pattern = pattern::SECRET))]
    pub secret: String,
}

/// Who may report to a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sources {
    /// Addresses that may, IPv4 and IPv6, such as 10.0.0.0/8 or fd00::/8, at most 64. The default is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(max = 43)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub allow: Vec<String>,
    /// Addresses that may not, whatever is allowed, at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(max = 43)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub deny: Vec<String>,
    /// Names that a client's certificate must have one of, at most 64: DNS names and URIs of its subject alternative
    /// names, such as orders.shop.svc, *.shop.svc (one label in the place of the asterisk) or
    /// spiffe://cluster.local/ns/shop/sa/orders. Its common name does not count. The fleet must have
    /// listeners.https.clientCa, and reports over plain HTTP are then refused. The default asks for no certificate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(max = 253), regex(pattern = pattern::CLIENT_NAME)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub client_names: Vec<String>,
}
