//! Which language a request speaks, and what a refusal has to know of it.

use std::sync::Arc;

use http::{HeaderMap, Method, Request, Uri, header::CONTENT_TYPE, uri::PathAndQuery};

use crate::model::request::RequestContext;

/// Where proxies ask about the requests of their clients, whose headers they send along: the content type there is that
/// of the client's request, which may be gRPC's, and not of the call.
const FORWARD_AUTH: &str = "/authz/forward";

/// The language of a request, which is the language of its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dialect {
    /// gRPC over HTTP/2.
    Grpc,
    /// grpc-web, which a browser speaks over any version of HTTP.
    GrpcWeb {
        /// Whether the body is base64 (`application/grpc-web-text`).
        text: bool,
    },
    /// Connect: an rpc path with any other content type.
    Connect,
    /// Everything else.
    Rest,
}

impl Dialect {
    /// The language of a request with these headers to this path.
    fn of(headers: &HeaderMap, path: &str) -> Self {
        if path == FORWARD_AUTH {
            return Self::Rest;
        }
        let content_type = content_type(headers);
        if starts_with(content_type, "application/grpc-web") {
            Self::GrpcWeb {
                text: starts_with(content_type, "application/grpc-web-text"),
            }
        } else if starts_with(content_type, "application/grpc") {
            Self::Grpc
        } else if is_rpc_path(path) {
            Self::Connect
        } else {
            Self::Rest
        }
    }

    /// The name in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::GrpcWeb { .. } => "grpc-web",
            Self::Connect => "connect",
            Self::Rest => "rest",
        }
    }
}

/// The content type without its parameters; empty when there is none.
#[must_use]
pub fn content_type(headers: &HeaderMap) -> &str {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
}

fn starts_with(content_type: &str, prefix: &str) -> bool {
    content_type
        .get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Whether a path is `/package.Service/Method`, which no REST path is: those have no dot between
/// identifiers in their first segment.
#[must_use]
pub fn is_rpc_path(path: &str) -> bool {
    path.strip_prefix('/')
        .and_then(|path| path.split_once('/'))
        .is_some_and(|(service, method)| {
            service.contains('.') && service.split('.').all(is_identifier) && is_identifier(method)
        })
}

fn is_identifier(text: &str) -> bool {
    !text.starts_with(|first: char| first.is_ascii_digit())
        && !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// What remains known of a request once it has gone inwards. Deliberately has no `Debug`: a query can
/// hold a secret.
pub struct Call {
    /// Names the call in the log and in answers.
    pub request_id: Arc<str>,
    /// The HTTP method.
    pub method: Method,
    /// The language to answer in.
    pub dialect: Dialect,
    /// Whether the body says that it is JSON.
    pub is_json: bool,
    uri: Uri,
}

impl Call {
    /// What is to be remembered of this request. The outermost layer finds it once.
    #[must_use]
    pub fn of<B>(request: &Request<B>) -> Arc<Self> {
        let found = request.extensions().get().cloned();
        found.unwrap_or_else(|| Arc::new(Self::find(request)))
    }

    fn find<B>(request: &Request<B>) -> Self {
        let request_id = request
            .extensions()
            .get::<RequestContext>()
            .map_or_else(|| Arc::from(""), |context| Arc::clone(&context.request_id));
        Self {
            request_id,
            method: request.method().clone(),
            dialect: Dialect::of(request.headers(), request.uri().path()),
            is_json: content_type(request.headers()).eq_ignore_ascii_case("application/json"),
            uri: request.uri().clone(),
        }
    }

    /// The path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The path and the query, which can hold a secret.
    #[must_use]
    pub fn target(&self) -> &str {
        self.uri
            .path_and_query()
            .map_or_else(|| self.uri.path(), PathAndQuery::as_str)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn dialect(content_type: &str, path: &str) -> Dialect {
        let mut headers = HeaderMap::new();
        if !content_type.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
        }
        Dialect::of(&headers, path)
    }

    #[test]
    fn the_content_type_tells_grpc() {
        let rpc = "/countersign.v1.SessionService/CreateSession";
        assert_eq!(dialect("application/grpc", rpc), Dialect::Grpc);
        assert_eq!(dialect("Application/gRPC+proto", rpc), Dialect::Grpc);
        assert_eq!(
            dialect("application/grpc-web+proto", rpc),
            Dialect::GrpcWeb { text: false }
        );
        assert_eq!(
            dialect("application/grpc-web-text", rpc),
            Dialect::GrpcWeb { text: true }
        );
    }

    #[test]
    fn the_path_tells_connect_from_rest() {
        for path in ["/countersign.v1.SessionService/GetSession", "/a.B/_C1"] {
            assert_eq!(
                dialect("application/json", path),
                Dialect::Connect,
                "{path}"
            );
            assert_eq!(dialect("", path), Dialect::Connect, "{path}");
        }
        for path in [
            "/",
            "/openapi.json",
            "/.well-known/jwks.json",
            "/v1.2/thing",
            "/v1/auth/login",
            "/a.B/C/D",
            "/a.B/",
            "/a..B/C",
            "/a.B/c.json",
            "//a.B/C",
            "/a.Bé/C",
        ] {
            assert_eq!(dialect("application/json", path), Dialect::Rest, "{path}");
        }
    }

    #[test]
    fn a_proxy_that_asks_about_a_grpc_call_does_not_speak_grpc() {
        for content_type in ["application/grpc", "application/grpc-web+proto"] {
            assert_eq!(dialect(content_type, FORWARD_AUTH), Dialect::Rest);
        }
    }

    #[test]
    fn a_content_type_that_cannot_be_read_is_none() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(content_type(&headers), "");
    }
}
