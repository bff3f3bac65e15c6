//! HTTP calls into the program, without a socket.

use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use countersign::layers::Connection;

use super::TestApp;

/// A call that is being put together.
pub(crate) struct Call<'a> {
    app: &'a TestApp,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    from: Connection,
}

impl TestApp {
    /// A call with any method.
    pub(crate) fn call(&self, method: Method, path: &str) -> Call<'_> {
        Call {
            app: self,
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            from: Self::connection(),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Call<'_> {
        self.call(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> Call<'_> {
        self.call(Method::POST, path)
    }

    pub(crate) fn patch(&self, path: &str) -> Call<'_> {
        self.call(Method::PATCH, path)
    }

    pub(crate) fn delete(&self, path: &str) -> Call<'_> {
        self.call(Method::DELETE, path)
    }

    pub(crate) async fn post_json(&self, path: &str, body: Value) -> TestResponse {
        self.post(path).json(body).send().await
    }
}

impl Call<'_> {
    pub(crate) fn json(self, value: Value) -> Self {
        self.body("application/json", value.to_string().into_bytes())
    }

    pub(crate) fn form(self, fields: &[(&str, &str)]) -> Self {
        let body = serde_urlencoded::to_string(fields).unwrap();
        self.body("application/x-www-form-urlencoded", body.into_bytes())
    }

    pub(crate) fn body(mut self, content_type: &str, bytes: impl Into<Bytes>) -> Self {
        self.body = bytes.into();
        self.header(header::CONTENT_TYPE.as_str(), content_type)
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header(header::AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    pub(crate) fn basic(self, user: &str, password: &str) -> Self {
        let credentials = STANDARD.encode(format!("{user}:{password}"));
        self.header(
            header::AUTHORIZATION.as_str(),
            &format!("Basic {credentials}"),
        )
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.append(
            name.parse::<HeaderName>().unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
        self
    }

    /// A header whose value need not be ASCII.
    pub(crate) fn header_value(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    /// From another address than the tests' own.
    pub(crate) fn from(mut self, address: &str) -> Self {
        self.from.peer.set_ip(address.parse().unwrap());
        self
    }

    /// On a connection of the test's choice.
    pub(crate) fn on(self, connection: Connection) -> Self {
        Self {
            from: connection,
            ..self
        }
    }

    pub(crate) async fn send(self) -> TestResponse {
        let mut request = Request::builder()
            .method(self.method)
            .uri(self.path)
            .body(Body::from(self.body))
            .unwrap();
        *request.headers_mut() = self.headers;
        request.extensions_mut().insert(self.from);
        self.app.send(request).await
    }
}

impl TestApp {
    /// Sends a request through every layer of the program.
    pub(crate) async fn raw(&self, mut request: Request<Body>) -> Response<Body> {
        address(&mut request);
        if request.extensions().get::<Connection>().is_none() {
            request.extensions_mut().insert(Self::connection());
        }
        self.http.clone().oneshot(request).await.unwrap()
    }

    /// Sends a request, and reads the answer to its end.
    pub(crate) async fn send(&self, request: Request<Body>) -> TestResponse {
        let response = self.raw(request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        TestResponse {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }
}

/// Says whom a request is for, as every client does.
pub(crate) fn address<B>(request: &mut Request<B>) {
    let host = HeaderValue::from_static("127.0.0.1:8080");
    request.headers_mut().entry(header::HOST).or_insert(host);
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct TestResponse {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl TestResponse {
    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header, or the empty string.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }
}
