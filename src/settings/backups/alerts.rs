//! Who hears of what went wrong, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

/// Who hears of what went wrong
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    /// Mail addresses, commas between
    #[schemars(example = &"ops@example.org")]
    pub email: Option<String>,
    /// The mail server; not together with sendmail
    pub smtp: Option<Smtp>,
    /// Hand mails to the host's own sendmail; default: false
    pub sendmail: Option<bool>,
    /// The directory of node_exporter's textfile collector
    #[schemars(example = &"/var/lib/node_exporter/textfile")]
    pub prometheus_textfile: Option<String>,
}

/// A mail server; its user and password are in the vault
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// The server's name
    #[schemars(example = &"localhost")]
    pub host: String,
    /// The server's port; default: 25 without TLS, 587 with starttls, 465 with tls
    #[schemars(range(min = 1, max = 65535), example = 587)]
    pub port: Option<u32>,
    /// The sender's address; default: root at the host
    #[schemars(example = &"backups@example.org")]
    pub from: Option<String>,
    /// How the connection is kept private; default: starttls
    pub tls: Option<Tls>,
}

/// How the connection to the mail server is kept private
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Tls {
    #[serde(rename = "none")]
    Off,
    #[serde(rename = "starttls")]
    Upgraded,
    #[serde(rename = "tls")]
    FromTheStart,
}
