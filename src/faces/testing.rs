//! Stand-ins for the contract's services, and a caller, for the tests of the faces.

mod keys;
mod services;

use std::{sync::Arc, time::Instant};

use axum::{Router, body::Body};
use http::{HeaderMap, Request, header::CONTENT_TYPE};
use serde_json::Value;
use tonic::{Status, service::Routes};
use tower::{ServiceExt as _, service_fn};

pub(super) use self::{
    keys::KEY_ID,
    services::{ACCOUNT_ID, CREATED, Message, NOW, ORGANIZATION_ID, Seen, Services},
};
use super::Face;
use crate::{
    env::{Clock, Env, RandomnessUnavailable, Rng, Timestamp},
    error::{Error, Reason, fill},
    model::request::AuthorizeOnly,
    pb::v1::{
        account_service_server::AccountServiceServer, api_key_service_server::ApiKeyServiceServer,
        challenge_service_server::ChallengeServiceServer,
        session_service_server::SessionServiceServer,
    },
    rest::{channel, unary},
};

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        // Some time passes between the making of a token and its answer.
        Timestamp::from_millis(NOW + 3)
    }

    fn monotonic(&self) -> Instant {
        panic!("faces measure nothing")
    }
}

impl Rng for Still {
    fn fill(&self, _buffer: &mut [u8]) -> Result<(), RandomnessUnavailable> {
        Err(RandomnessUnavailable)
    }
}

/// Calls the faces.
pub(super) struct Caller {
    router: Router,
    pub(super) services: Services,
}

/// What a face answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Answer {
    /// All values of a header.
    pub(super) fn header(&self, name: &str) -> Vec<&str> {
        self.headers
            .get_all(name)
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect()
    }
}

impl Caller {
    /// A caller of all faces, in front of services of its own.
    pub(super) fn new() -> Self {
        let services = Services::default();
        let routes = Routes::new(AccountServiceServer::new(services.clone()))
            .add_service(SessionServiceServer::new(services.clone()))
            .add_service(ApiKeyServiceServer::new(services.clone()))
            .add_service(ChallengeServiceServer::new(services.clone()));
        let routes = routes.prepare();
        let channel = channel::to(service_fn(move |request: Request<_>| {
            let routes = routes.clone();
            async move {
                // Here the services alone refuse.
                if request.extensions().get::<AuthorizeOnly>().is_some() {
                    return Ok(Status::ok("").into_http());
                }
                // Nobody stands in for OAuth, which is tested with its services.
                if request
                    .uri()
                    .path()
                    .starts_with("/countersign.v1.OAuthService/")
                {
                    return Ok(Status::from(Error::new(Reason::CredentialMissing)).into_http());
                }
                routes.oneshot(request).await
            }
        }));
        let env = Env::new(Arc::new(Still), Arc::new(Still));
        Self {
            router: super::router(channel, env, "http://localhost:8080"),
            services,
        }
    }

    /// Sends a request.
    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let is_json = unary::media_type(request.headers()).as_deref() == Some("application/json");
        let face = Face::of(&request.uri().to_string(), is_json);
        let response = self.router.clone().oneshot(request).await.unwrap();
        let stated = response.extensions().get::<Face>().copied();
        let response = match Error::carried_by(response.extensions()) {
            Some(error) => fill(response, stated.or(face).unwrap().render(&error)),
            None => response,
        };
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        assert_eq!(parts.headers["cache-control"], "no-store");
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    /// Sends a body of any kind.
    pub(super) async fn post(&self, path: &str, kind: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post(path).header(CONTENT_TYPE, kind);
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Sends JSON.
    pub(super) async fn json(&self, path: &str, body: Value) -> Answer {
        self.post(path, "application/json", body.to_string()).await
    }

    /// Sends a form.
    pub(super) async fn form(&self, path: &str, body: &'static str) -> Answer {
        self.post(path, "application/x-www-form-urlencoded", body)
            .await
    }
}

/// Bodies that no face may accept on a path that takes these two fields in JSON, with the status
/// that answers them.
pub(super) fn bad_bodies(first: &str, second: &str) -> Vec<(&'static str, Vec<u8>, u16)> {
    const JSON: &str = "application/json";
    let pair = format!(r#"{{"{first}":"user@example.com","{second}":"secure_password_123"}}"#);
    let with = |more: &str| pair.replacen('{', &format!("{{{more},"), 1).into_bytes();
    let large = |size: usize| {
        let padding = size - pair.len();
        format!("{pair}{}", " ".repeat(padding)).into_bytes()
    };
    vec![
        (JSON, b"".to_vec(), 400),
        (JSON, b"{".to_vec(), 400),
        (JSON, b"[]".to_vec(), 400),
        (JSON, b"null".to_vec(), 400),
        (JSON, b"\"hunter2\"".to_vec(), 400),
        (JSON, b"{}".to_vec(), 400),
        (JSON, format!("{pair}{pair}").into_bytes(), 400),
        (JSON, with(&format!(r#""{first}":"hunter2""#)), 400),
        (JSON, with(r#""hunter":"hunter2""#), 400),
        (
            JSON,
            pair.replace("\"secure_password_123\"", "123").into_bytes(),
            400,
        ),
        (
            JSON,
            pair.replace("\"secure_password_123\"", "null").into_bytes(),
            400,
        ),
        (
            JSON,
            pair.replace("\"secure_password_123\"", "[\"hunter2\"]")
                .into_bytes(),
            400,
        ),
        (
            JSON,
            pair.replace("\"secure_password_123\"", "\"\"").into_bytes(),
            400,
        ),
        (JSON, pair.replace("secure", "\u{1}").into_bytes(), 400),
        (
            JSON,
            pair.as_bytes().iter().chain(b"\xff").copied().collect(),
            400,
        ),
        (JSON, large((64 << 10) + 1), 413),
        ("text/plain", pair.clone().into_bytes(), 415),
        ("application/jsonp", pair.clone().into_bytes(), 415),
        ("", pair.clone().into_bytes(), 415),
    ]
}

/// Ways to send JSON that every face accepts.
pub(super) const GOOD_CONTENT_TYPES: [&str; 10] = [
    "application/json",
    "Application/JSON",
    "application/json; charset=utf-8",
    "application/json;charset=\"UTF-8\"",
    "application/json ; charset=utf-8",
    "application/json;\tcharset=utf-8;",
    "application/json; charset=latin1",
    "application/json; profile=\"https://a.example/b;c\"",
    "application/json; a=\"b\\\"c\"; v=1",
    "application/json;odata.metadata=minimal;IEEE754Compatible=true",
];
