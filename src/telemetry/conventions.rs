//! What spans are called: OpenTelemetry's semantic conventions, of which every name stands here.

use http::{HeaderMap, Method, StatusCode};
use opentelemetry::{
    KeyValue,
    trace::{SpanBuilder, SpanKind},
};
use tonic::Code;

use super::{Span, Telemetry, here};
use crate::error::Error;

/// The name of what has none of its own.
const OTHER: &str = "_OTHER";
/// An error of the database, of which nothing more is told.
pub const DATABASE_ERROR: &str = OTHER;

impl Telemetry {
    /// Begins the span of a call over gRPC to this path. Trusted headers may name its parent.
    #[must_use]
    pub fn grpc_request(&self, path: &str, trusted: Option<&HeaderMap>) -> Span {
        self.begin(trusted, || rpc_span(path, SpanKind::Server))
    }

    /// Begins the span of any other request to this path. Trusted headers may name its parent.
    #[must_use]
    pub fn http_request(
        &self,
        method: &Method,
        path: &str,
        is_tls: bool,
        trusted: Option<&HeaderMap>,
    ) -> Span {
        self.begin(trusted, || {
            let method = known(method);
            SpanBuilder::from_name(name_of(method))
                .with_kind(SpanKind::Server)
                .with_attributes([
                    KeyValue::new("http.request.method", method),
                    KeyValue::new("url.scheme", if is_tls { "https" } else { "http" }),
                    KeyValue::new("url.path", path.to_owned()),
                ])
        })
    }
}

impl Span {
    /// Says which request it is, as the log does.
    pub fn set_request_id(&mut self, id: &str) {
        if self.is_on() {
            self.set("countersign.request_id", id.to_owned());
        }
    }

    /// How a call over gRPC was answered.
    pub fn end_grpc(&mut self, code: Code) {
        if !self.is_on() {
            return;
        }
        let name = code_name(code);
        self.set("rpc.response.status_code", name.clone());
        let is_ours = matches!(
            code,
            Code::Unknown
                | Code::DeadlineExceeded
                | Code::Unimplemented
                | Code::Internal
                | Code::Unavailable
                | Code::DataLoss
        );
        if is_ours {
            self.fail(name);
        }
    }

    /// How any other request was answered.
    pub fn end_http(&mut self, method: &Method, status: StatusCode) {
        if !self.is_on() {
            return;
        }
        let found = self.here();
        let route = found.place().and_then(|place| place.route.get());
        if let Some(route) = route {
            self.rename(format!("{} {route}", name_of(known(method))));
            self.set("http.route", route.clone());
        }
        self.set("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() {
            self.fail(status.as_u16().to_string());
        }
    }

    /// How another server answered.
    pub fn end_outgoing(&mut self, status: StatusCode) {
        self.set("http.response.status_code", i64::from(status.as_u16()));
        if self.is_on() && (status.is_client_error() || status.is_server_error()) {
            self.fail(status.as_u16().to_string());
        }
    }
}

/// Notes at which of the paths that are served the request of the current task came: a template, and not what was sent.
pub fn route(template: &str) {
    if let Some(place) = here().place() {
        // Set already: whoever comes first knows it best.
        let _ = place.route.set(template.to_owned());
    }
}

/// The call of an rpc in this process.
#[must_use]
pub fn rpc(path: &str) -> Span {
    here().begin(|| rpc_span(path, SpanKind::Internal))
}

/// One statement: what it does and to which table. Its values are bound, and not looked at.
#[must_use]
pub fn statement(system: &'static str, sql: &str) -> Span {
    here().begin(|| {
        let (operation, table) = summary(sql);
        let name = format!("{operation} {table}");
        SpanBuilder::from_name(name.trim_end().to_owned())
            .with_kind(SpanKind::Client)
            .with_attributes([
                KeyValue::new("db.system.name", system),
                KeyValue::new("db.operation.name", operation.to_owned()),
                KeyValue::new("db.collection.name", table.to_owned()),
            ])
    })
}

/// One transaction, with the wait for its turn and its commit.
#[must_use]
pub fn transaction(system: &'static str) -> Span {
    let begin = |system| KeyValue::new("db.system.name", system);
    here().begin(|| SpanBuilder::from_name("transaction").with_attributes([begin(system)]))
}

/// The wait of a hash for a thread.
#[must_use]
pub fn hash_queue() -> Span {
    here().begin(|| SpanBuilder::from_name("hash queue"))
}

/// One hash.
#[must_use]
pub fn hash(here: &super::Here) -> Span {
    here.begin(|| SpanBuilder::from_name("argon2id"))
}

/// One signature.
#[must_use]
pub fn signature() -> Span {
    here().begin(|| SpanBuilder::from_name("sign"))
}

/// A request to another server.
#[must_use]
pub fn outgoing(method: &Method, host: &str, port: u16) -> Span {
    here().begin(|| {
        let method = known(method);
        SpanBuilder::from_name(name_of(method))
            .with_kind(SpanKind::Client)
            .with_attributes([
                KeyValue::new("http.request.method", method),
                KeyValue::new("server.address", host.to_owned()),
                KeyValue::new("server.port", i64::from(port)),
            ])
    })
}

/// The name of an error that is the server's and not the caller's.
#[must_use]
pub fn failure(error: &Error) -> Option<&'static str> {
    let meaning = error.reason().meaning();
    (meaning.http >= 500).then_some(meaning.name)
}

fn rpc_span(path: &str, kind: SpanKind) -> SpanBuilder {
    let method = path.trim_start_matches('/').to_owned();
    SpanBuilder::from_name(method.clone())
        .with_kind(kind)
        .with_attributes([
            KeyValue::new("rpc.system.name", "grpc"),
            KeyValue::new("rpc.method", method),
        ])
}

/// The methods that a span may be named by: any other is whatever somebody wrote.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => OTHER,
    }
}

fn name_of(method: &'static str) -> &'static str {
    if method == OTHER { "HTTP" } else { method }
}

/// The name of a status as gRPC's documents write it, `DEADLINE_EXCEEDED`.
fn code_name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// The operation and the first table of a statement of ours.
fn summary(sql: &str) -> (&str, &str) {
    let mut words = sql.split_ascii_whitespace();
    let operation = words.clone().next().unwrap_or_default();
    let is_name = |word: &&str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let mut table = "";
    while let Some(word) = words.next() {
        if matches!(word, "FROM" | "INTO" | "UPDATE") {
            let named = words.clone().next().map(|word| word.trim_matches('"'));
            if let Some(name) = named.filter(is_name) {
                table = name;
                break;
            }
        }
    }
    (operation, table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_told_by_its_operation_and_its_table() {
        for (sql, expected) in [
            (
                r#"SELECT "a"."id" FROM "accounts" AS "a" WHERE "a"."id" = $1"#,
                ("SELECT", "accounts"),
            ),
            (
                r#"INSERT INTO "refresh_tokens" ("id") VALUES (?)"#,
                ("INSERT", "refresh_tokens"),
            ),
            (
                r#"UPDATE "sessions" SET "ended_at" = ?"#,
                ("UPDATE", "sessions"),
            ),
            (r#"DELETE FROM outbox"#, ("DELETE", "outbox")),
            (
                r#"SELECT 1 FROM (SELECT 1 FROM "accounts")"#,
                ("SELECT", ""),
            ),
            ("", ("", "")),
        ] {
            assert_eq!(summary(sql), expected, "{sql}");
        }
    }

    #[test]
    fn codes_have_the_names_of_grpc() {
        assert_eq!(code_name(Code::Ok), "OK");
        assert_eq!(code_name(Code::DeadlineExceeded), "DEADLINE_EXCEEDED");
        assert_eq!(code_name(Code::Unauthenticated), "UNAUTHENTICATED");
    }

    #[tokio::test]
    async fn nothing_is_put_together_where_nothing_is_traced() {
        let begun = here().begin(|| panic!("nobody reads it"));
        assert!(!begun.is_on() && begun.trace_id().is_none());
        assert!(here().traceparent().is_none());
    }
}
