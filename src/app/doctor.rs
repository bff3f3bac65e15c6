//! `countersign doctor`: what is wrong around a server that its settings alone do not show. Everything is asked the way that
//! others ask it: the database and the mail server as the server does, the server as its clients do.

mod issuer;
mod surroundings;

use serde::Serialize;

use super::check;
use crate::{
    config::{Config, Loaded},
    env::Env,
};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// It works, and not as well or as safely as it could.
    Warning,
    /// Some clients cannot use the server, or none can.
    Failed,
}

/// What came of one check.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was looked at, in a word or two.
    pub check: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was found. Holds no secret.
    pub found: String,
    /// What to do about it; empty where nothing is to be done.
    pub advice: String,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(Severity::Ok, check, found, "")
    }

    fn warning(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Severity::Warning, check, found, advice)
    }

    fn failed(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Severity::Failed, check, found, advice)
    }

    fn new(
        severity: Severity,
        check: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            check,
            severity,
            found: found.into(),
            advice: advice.into(),
        }
    }
}

/// Looks at everything, and changes nothing.
pub async fn examine(loaded: &Loaded, env: &Env) -> Vec<Finding> {
    let config = &loaded.config;
    let mut findings = vec![match check(loaded).await {
        Ok(()) => Finding::ok("settings", "every file that they name can be used"),
        Err(refused) => Finding::failed("settings", refused.what(), refused.advice()),
    }];
    findings.extend(unsafe_settings(config));
    findings.push(surroundings::open_files(config));
    findings.push(surroundings::disk(config));
    findings.extend(surroundings::database(config, env).await);
    findings.push(surroundings::mail(config).await);
    findings.extend(issuer::examine(config, env).await);
    findings
}

/// Settings that are allowed, and that nobody should serve strangers with.
fn unsafe_settings(config: &Config) -> Vec<Finding> {
    let issuer = config.issuer_at(config.listen);
    let behind_proxy = issuer.is_https() && !config.tls.is_enabled();
    let metrics = config.metrics.listen_at();
    let open = metrics.filter(|address| !address.ip().is_loopback());
    let mut findings = Vec::new();
    if !config.limits.enabled {
        findings.push(Finding::warning(
            "limits",
            "anybody may guess passwords and sign up as often as they like",
            "set limits.enabled to true",
        ));
    }
    if behind_proxy && config.trusted_proxies.is_empty() {
        findings.push(Finding::failed(
            "proxy",
            "the issuer is https, this server has no certificate, and no proxy is trusted: what a proxy passes on is taken \
             for plain HTTP, and refused",
            "name the network of the proxy in trusted_proxies, or set tls.cert and tls.key",
        ));
    }
    if let Some(address) = open {
        findings.push(Finding::warning(
            "metrics",
            format!("whoever reaches {address} can read the metrics"),
            "let only the monitoring system reach it, or set metrics.listen to a loopback address",
        ));
    }
    if config.metrics.are_on_main_port() {
        findings.push(Finding::warning(
            "metrics",
            "whoever reaches the server can read the metrics",
            "have the proxy refuse /metrics, or unset metrics.on_main_port",
        ));
    }
    findings
}
