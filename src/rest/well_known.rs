//! What stands under `/.well-known/` (RFC 8615): the public keys, and what clients discover this server by (RFC 8414, OpenID
//! Connect Discovery, RFC 9728). All but the keys is made once, at the start.

mod metadata;

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::get,
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Uri,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
};
use serde_json::Value;
use url::{Url, form_urlencoded};

pub use self::metadata::Facts;
use crate::{
    error::{Error, Reason},
    model::{
        etag,
        oauth::resource::{METADATA, metadata_url},
    },
};

/// Verifiers may keep the keys for five minutes; the next key is published long before it signs. The other documents change
/// with the settings alone.
const KEPT: &str = "public, max-age=300";
const PREFIX: &str = "/.well-known/";
const OAUTH: &str = "oauth-authorization-server";
const OPENID: &str = "openid-configuration";

/// `GET /.well-known/jwks.json`: the public keys, as `application/jwk-set+json` (RFC 7517 section 8.5.2); and what clients
/// discover the server by.
pub fn router(
    jwks: impl Fn() -> Bytes + Clone + Send + Sync + 'static,
    discovery: Discovery,
) -> Router {
    let keys = move |request: HeaderMap| {
        let keys = Document::new(jwks(), "application/jwk-set+json");
        async move { keys.answer(&request) }
    };
    let document = get(document).fallback(another_method);
    // An issuer's path may hold what stood for a parameter in axum once.
    let mut router = Router::new()
        .without_v07_checks()
        .route("/.well-known/jwks.json", get(keys))
        .route("/.well-known/{*path}", document.clone());
    if !discovery.appended.starts_with(PREFIX) {
        router = router.route(&discovery.appended, document);
    }
    router.with_state(Arc::new(discovery))
}

/// What clients discover the server by, and where each document stands.
pub struct Discovery {
    /// By the path of a document, with its query where it has one.
    documents: HashMap<String, Document>,
    /// By the identifier of the resource that a document is about.
    resources: HashMap<String, Document>,
    /// Where OpenID Connect looks below an issuer (Discovery section 4).
    appended: String,
}

impl Discovery {
    /// The documents of a server with these facts.
    #[must_use]
    pub fn new(facts: &Facts) -> Self {
        let issuer = facts.issuer.as_str();
        let origin = origin(issuer).unwrap_or_default();
        let path = issuer.strip_prefix(&origin).unwrap_or_default();
        let appended = format!("{path}{PREFIX}{OPENID}");
        let mut documents = HashMap::new();
        let mut resources = HashMap::new();
        for resource in facts.resources() {
            let document = Document::json(&facts.protected_resource(resource));
            resources.insert(resource.to_owned(), document.clone());
            // The others are served by the hosts of their resources.
            let url = metadata_url(resource, METADATA);
            if let Some(target) = url
                .strip_prefix(&origin)
                .filter(|_| is_at(&origin, resource))
            {
                documents.entry(target.to_owned()).or_insert(document);
            }
        }
        let server = Document::json(&facts.authorization_server());
        // A proxy in front may take the issuer's path off.
        for path in ["", path] {
            for suffix in [OAUTH, OPENID] {
                documents.insert(format!("{PREFIX}{suffix}{path}"), server.clone());
            }
        }
        documents.insert(appended.clone(), server);
        Self {
            documents,
            resources,
            appended,
        }
    }

    fn find(&self, uri: &Uri) -> Option<&Document> {
        let path = uri.path();
        let Some(query) = uri.query() else {
            return self.documents.get(path);
        };
        if let Some(found) = self.documents.get(&format!("{path}?{query}")) {
            return Some(found);
        }
        let mut named = form_urlencoded::parse(query.as_bytes());
        match named.find(|(name, _)| name == "resource") {
            Some((_, resource)) if path.strip_prefix(PREFIX) == Some(METADATA) => {
                self.resources.get(&*resource)
            }
            _ => self.documents.get(path),
        }
    }
}

/// The origin of an http or https URL.
fn origin(url: &str) -> Option<String> {
    Some(Url::parse(url).ok()?.origin().ascii_serialization())
}

fn is_at(origin_of_issuer: &str, resource: &str) -> bool {
    origin(resource).is_some_and(|origin| origin == origin_of_issuer)
}

/// A document, and the tag that changes with it.
#[derive(Clone)]
struct Document {
    body: Bytes,
    content_type: &'static str,
    etag: String,
}

impl Document {
    fn new(body: Bytes, content_type: &'static str) -> Self {
        Self {
            etag: etag::strong(&body),
            content_type,
            body,
        }
    }

    fn json(value: &Value) -> Self {
        Self::new(value.to_string().into(), "application/json")
    }

    fn answer(&self, request: &HeaderMap) -> Response {
        let headers = [(ETAG, self.etag.as_str()), (CACHE_CONTROL, KEPT)];
        let known = request.get_all(IF_NONE_MATCH).iter();
        if etag::is_known(&self.etag, known.filter_map(|line| line.to_str().ok())) {
            return (http::StatusCode::NOT_MODIFIED, headers).into_response();
        }
        let kind = [(CONTENT_TYPE, self.content_type)];
        (headers, kind, self.body.clone()).into_response()
    }
}

async fn document(State(discovery): State<Arc<Discovery>>, request: Request) -> Response {
    match discovery.find(request.uri()) {
        Some(document) => document.answer(request.headers()),
        None => Error::new(Reason::MethodNotFound).into_response(),
    }
}

async fn another_method(State(discovery): State<Arc<Discovery>>, request: Request) -> Response {
    if discovery.find(request.uri()).is_none() {
        return Error::new(Reason::MethodNotFound).into_response();
    }
    let allowed = HeaderValue::from_static("GET, HEAD");
    Error::new(Reason::HttpMethodNotAllowed)
        .with_header(ALLOW, allowed)
        .into_response()
}
