//! The faces: the documented JSON of other products, each a typed client of the contract's
//! services. A face knows paths, key names, statuses and error bodies; every rule and every right
//! is the services' own.

use axum::{Router, response::Response};

use crate::{env::Env, error::Error, rest::channel::Channel};

mod body;
mod contract;
#[cfg(test)]
mod document;
pub mod mailkite;
pub mod mailtd;
pub mod momail;
mod oauth;
mod pow;
mod reply;
pub mod smtpd;
#[cfg(test)]
mod testing;
pub mod user_id;

/// Every path of every face, of the server that is reached at this issuer.
pub fn router(channel: Channel, env: Env, issuer: &str) -> Router {
    Router::new()
        .merge(momail::router(channel.clone(), env.clone()))
        .merge(oauth::router(channel.clone(), env, issuer))
        .merge(mailkite::router(channel.clone()))
        .merge(mailtd::router(channel))
}

/// What every face tells the OpenAPI document.
#[cfg(test)]
fn operations() -> Vec<crate::rest::openapi::FaceOperation> {
    [
        momail::document::operations(),
        smtpd::document::operations(),
        oauth::document::operations(),
        mailkite::document::operations(),
        mailtd::document::operations(),
    ]
    .concat()
}

/// Whose form an error has. A handler that knows better than the path tells it puts it beside the error, into the
/// extensions of its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Face {
    /// `MoMail`.
    MoMail,
    /// SMTPD.
    Smtpd,
    /// SMTPD, where a token is revoked.
    SmtpdRevocation,
    /// OAuth.
    OAuth,
    /// OAuth, where clients register.
    OAuthRegistration,
    /// OAuth, where a client asks about its account.
    OAuthUserInfo,
    /// MailKite.
    MailKite,
    /// Mail.td.
    MailTd,
}

impl Face {
    /// Whose this path and query are, if they are a face's. Whether the body says that it is JSON tells SMTPD from OAuth.
    #[must_use]
    pub fn of(target: &str, is_json: bool) -> Option<Self> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if momail::owns(path) {
            Some(Self::MoMail)
        } else if oauth::owns(path) {
            Some(oauth::face(path, query, is_json))
        } else if mailkite::owns(path) {
            Some(Self::MailKite)
        } else if mailtd::owns(path) {
            Some(Self::MailTd)
        } else {
            None
        }
    }

    /// The answer to an error.
    #[must_use]
    pub fn render(self, error: &Error) -> Response {
        match self {
            Self::MoMail => momail::render(error),
            Self::Smtpd => smtpd::render(error, false),
            Self::SmtpdRevocation => smtpd::render(error, true),
            Self::OAuth => oauth::render(error, oauth::Endpoint::Token),
            Self::OAuthRegistration => oauth::render(error, oauth::Endpoint::Registration),
            Self::OAuthUserInfo => oauth::render(error, oauth::Endpoint::UserInfo),
            Self::MailKite => mailkite::render(error),
            Self::MailTd => mailtd::render(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use axum::body::Body;
    use http::Request;
    use serde_json::Value;

    use super::*;
    use crate::{error::Reason, rest::openapi};

    #[test]
    fn every_path_is_its_faces() {
        for operation in operations() {
            assert!(
                Face::of(operation.path, true).is_some(),
                "{}",
                operation.path
            );
        }
        for path in ["/", "/v1/accounts", "/authority", "/oauthority"] {
            assert!(Face::of(path, true).is_none(), "{path}");
        }
    }

    /// What each face answers: its status, and its word for a program.
    async fn row(reason: Reason) -> String {
        let mut cells = format!("| `{}` |", reason.meaning().name);
        for (target, is_json) in [
            ("/api/auth/login", true),
            ("/oauth/me", true),
            ("/auth/login", true),
            ("/api/token", true),
            ("/oauth/token", false),
        ] {
            let response = Face::of(target, is_json).unwrap().render(&reason.into());
            let status = response.status().as_u16();
            let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
            let body: Value = serde_json::from_slice(&body.unwrap()).unwrap();
            let word = [&body["error"]["code"], &body["code"], &body["error"]]
                .into_iter()
                .find(|word| word.is_string() || word.is_u64())
                .map(|word| format!(" `{}`", word.to_string().trim_matches('"')));
            cells.push_str(&format!(" {status}{} |", word.unwrap_or_default()));
        }
        cells
    }

    #[tokio::test]
    async fn the_document_says_what_each_face_answers_for_every_reason() {
        let document = include_str!("../docs/ERRORS.md");
        let mut missing = String::new();
        for reason in Reason::ALL {
            let row = row(*reason).await;
            if !document.lines().any(|line| line == row) {
                missing.push_str(&format!("{row}\n"));
            }
        }
        assert!(missing.is_empty(), "docs/ERRORS.md lacks:\n{missing}");
    }

    #[test]
    fn every_schema_stands_by_itself() {
        for operation in operations() {
            let answers = operation
                .responses
                .iter()
                .filter_map(|answer| answer.schema.as_ref());
            let schemas = answers.chain(operation.request.iter().map(|request| &request.schema));
            for schema in schemas {
                let text = schema.as_value().to_string();
                assert!(!text.contains("$ref"), "{}: {text}", operation.path);
                assert!(!text.contains("$schema"), "{}: {text}", operation.path);
            }
        }
    }

    /// The document with all that they say.
    fn written() -> Value {
        openapi::document(operations()).unwrap()
    }

    #[test]
    fn the_document_that_is_served_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/rest/openapi/openapi.json");
        let written = serde_json::to_string_pretty(&written()).unwrap() + "\n";
        if std::env::var_os("COUNTERSIGN_WRITE_OPENAPI").is_some() {
            std::fs::write(path, &written).unwrap();
        }
        let served = std::fs::read_to_string(path).unwrap();
        let advice = "out of date: run `COUNTERSIGN_WRITE_OPENAPI=1 cargo test --lib up_to_date`";
        assert!(served == written, "{path} is {advice}");
    }

    fn patterns(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(pattern)) = object.get("pattern") {
                    found.insert(pattern.clone());
                }
                object.values().for_each(|value| patterns(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| patterns(item, found)),
            _ => {}
        }
    }

    #[test]
    fn patterns_mean_the_same_in_ecma_262() {
        let mut found = BTreeSet::new();
        patterns(&written(), &mut found);
        assert!(found.len() > 10, "{found:?}");
        for pattern in found {
            assert!(
                pattern.starts_with('^') == pattern.ends_with('$'),
                "{pattern}"
            );
            for only_rust in [r"\p", r"\A", r"\z", "(?", "[[", "&&", "--", "~~"] {
                assert!(!pattern.contains(only_rust), "{pattern}");
            }
        }
    }

    #[test]
    fn a_face_states_the_rules_of_the_fields_that_it_fills() {
        let document = written();
        let contract = &document["components"]["schemas"]["CreateAccountRequest"]["properties"];
        let sign_up = &document["paths"]["/api/auth/signup"]["post"]["requestBody"];
        let face = &sign_up["content"]["application/json"]["schema"]["properties"];
        for rule in ["minLength", "maxLength", "pattern"] {
            assert!(!face["email"][rule].is_null(), "{rule}");
            assert_eq!(face["email"][rule], contract["email"][rule], "{rule}");
        }
        assert!(!document.to_string().contains("x-field"));
    }

    #[tokio::test]
    async fn every_operation_is_served_and_said_once() {
        let caller = testing::Caller::new();
        let mut said = HashSet::new();
        for operation in operations() {
            let path = operation.path;
            let request = Request::builder().method(&operation.method).uri(path);
            let answer = caller.send(request.body(Body::empty()).unwrap()).await;
            assert!(![404, 405].contains(&answer.status), "{path}");
            assert!(said.insert((operation.method, path)), "{path}");
        }
    }
}
