//! Every error as every dialect tells it, whole: a change of any of them is a change that callers see.

use std::{fmt::Write as _, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use http::{
    HeaderMap, Request,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body_util::BodyExt as _;
use regex::{Captures, Regex};
use tonic::Status;
use tonic_types::StatusExt as _;

use super::render;
use crate::{
    error::{Error, FieldReason, FieldViolation, Limit, Reason},
    layers::call::Call,
    model::request::RequestContext,
};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const RPC: &str = "/countersign.v1.SessionService/GetSession";

/// The answer to a call that ends in this error.
fn answer(request: &Request<()>, error: &Error) -> Response {
    render(&Call::of(request), error, error.clone().into_response())
}

fn request(target: &str, content_type: &str) -> Request<()> {
    let mut request = Request::post(target).body(()).unwrap();
    if !content_type.is_empty() {
        let content_type = content_type.parse().unwrap();
        request.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    let context = RequestContext::new("request-7".into(), [192, 0, 2, 1].into());
    request.extensions_mut().insert(context);
    request
}

fn limit() -> Limit {
    Limit {
        name: "calls".into(),
        calls: 5,
        window_seconds: 60,
    }
}

/// Errors that say more than their reason.
fn told() -> Vec<Error> {
    let wait = Duration::from_millis(1_200);
    let violation = |field, reason, rule| FieldViolation::new(field, reason, rule);
    let of_type = |rule| {
        let violation = violation("content-type", FieldReason::InvalidValue, rule);
        Error::new(Reason::UnsupportedMediaType).violating(violation)
    };
    let compressed = violation(
        "content-encoding",
        FieldReason::InvalidValue,
        "must be identity, not compressed",
    );
    vec![
        Error::invalid(vec![
            violation("email", FieldReason::InvalidFormat, "must be an address"),
            violation("display_name", FieldReason::TooLong, "is \"too\" long…"),
        ]),
        Error::invalid_field("refresh_token", FieldReason::Required, "is required"),
        Error::invalid_field("proof_of_work.nonce", FieldReason::Required, "is required"),
        Error::new(Reason::MalformedRequest).violating(violation(
            "grpc-timeout",
            FieldReason::InvalidFormat,
            "must be short",
        )),
        Error::new(Reason::PasswordTooCommon).on_field("password"),
        Error::new(Reason::EmailAlreadyExists).on_field_because("email", "is taken"),
        Error::new(Reason::PermissionDenied).on_field("kind"),
        Error::new(Reason::RateLimited)
            .retry_after(wait)
            .limited_by(limit()),
        Error::new(Reason::RateLimited).retry_after(Duration::from_secs(2)),
        Error::new(Reason::QuotaExceeded).limited_by(limit()),
        Error::new(Reason::Overloaded).retry_after(Duration::from_nanos(1)),
        of_type("must be application/json"),
        of_type("must be application/json or application/x-www-form-urlencoded").or_a_form(true),
        Error::new(Reason::UnsupportedMediaType).violating(compressed),
        Error::internal("the password of the database is hunter2"),
    ]
}

/// A limit is a map in protobuf, whose members have no order.
fn without_order(body: &str) -> String {
    let values = Regex::new(r#""value":"([^"]*)""#).unwrap();
    let shown = values.replace_all(body, |found: &Captures<'_>| {
        let value = STANDARD_NO_PAD.decode(&found[1]).unwrap();
        if String::from_utf8_lossy(&value).contains("limit_calls") {
            r#""value":"[a limit]""#.to_owned()
        } else {
            found[0].to_owned()
        }
    });
    shown.into_owned()
}

fn shown_header(headers: &HeaderMap, name: &str, value: &str) -> String {
    if name != Status::GRPC_STATUS_DETAILS {
        return value.to_owned();
    }
    let status = Status::from_header_map(headers).unwrap();
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    let mut metadata: Vec<_> = info.metadata.iter().collect();
    metadata.sort();
    let mut shown = format!(
        "{} {} {metadata:?} {:?} {:?}",
        info.domain,
        info.reason,
        details.bad_request(),
        details.retry_info(),
    );
    if metadata.is_empty() {
        write!(shown, " {value}").unwrap();
    }
    shown
}

async fn shown(response: Response) -> String {
    let (head, body) = response.into_parts();
    let body = Body::new(body).collect().await.unwrap().to_bytes();
    let mut lines: Vec<_> = head
        .headers
        .iter()
        .filter(|(name, value)| {
            *name != CONTENT_LENGTH || value.as_bytes() != body.len().to_string().as_bytes()
        })
        .map(|(name, value)| {
            let value = shown_header(&head.headers, name.as_str(), value.to_str().unwrap());
            format!("{name}: {value}\n")
        })
        .collect();
    lines.sort();
    let body = String::from_utf8(body.to_vec()).unwrap();
    format!(
        "{}\n{}{}\n\n",
        head.status.as_u16(),
        lines.concat(),
        without_order(&body)
    )
}

async fn every_error(target: &str, content_type: &str) -> String {
    let request = request(target, content_type);
    let bare = Reason::ALL.iter().map(|reason| Error::new(*reason));
    let mut all = String::new();
    for error in bare.chain(told()) {
        let name = error.reason().meaning().name;
        write!(all, "{name} ").unwrap();
        all.push_str(&shown(answer(&request, &error)).await);
    }
    all
}

macro_rules! every_error {
    ($($name:ident: $target:expr, $content_type:expr;)+) => {
        $(#[tokio::test]
        async fn $name() {
            insta::assert_snapshot!(every_error($target, $content_type).await);
        })+
    };
}

every_error! {
    grpc: RPC, "application/grpc";
    grpc_web: RPC, "application/grpc-web+proto";
    grpc_web_text: RPC, "application/grpc-web-text";
    connect: RPC, JSON;
    rest: "/v1/sessions", JSON;
    momail: "/v1/auth/login", JSON;
    smtpd: "/oauth/me", "";
    oauth: "/oauth/token", FORM;
    mailkite: "/api/auth/login", JSON;
    mailtd: "/api/token", JSON;
}

/// On the paths that SMTPD and OAuth share, and beside those above.
#[tokio::test]
async fn whose_form_it_is() {
    let mut all = String::new();
    for (target, content_type) in [
        ("/oauth/token", JSON),
        ("/oauth/token", "application/json; charset=utf-8"),
        ("/oauth/token", ""),
        ("/oauth/token?grant_type=password", FORM),
        ("/oauth/token?grant_type=", FORM),
        ("/oauth/token?a=b&grant_type=x", FORM),
        ("/oauth/revoke", JSON),
        ("/oauth/revoke", FORM),
        ("/oauth/revoke?grant_type=password", FORM),
        ("/oauth/me", FORM),
        ("/oauth/me?a", JSON),
        ("/oauth/", JSON),
        ("/oauth/other", JSON),
        ("/oauth/other?grant_type=password", FORM),
        ("/oauth", JSON),
        ("/oauthority", JSON),
        ("/auth/login", JSON),
        ("/auth/other?x", ""),
        ("/v1/auth/other", ""),
        ("/authority", ""),
        ("/api/auth/other", ""),
        ("/api/authority", ""),
        ("/api/challenge", ""),
        ("/api/accounts/x?y", ""),
        ("/api", ""),
        ("/livez", ""),
        ("/authz/forward", "application/grpc"),
        ("/.well-known/jwks.json", ""),
        ("/", ""),
        ("/a.B/C", ""),
        ("/a.B/C", "text/plain"),
    ] {
        let request = request(target, content_type);
        writeln!(all, "{target} {content_type}").unwrap();
        for reason in [
            Reason::RateLimited,
            Reason::InvalidCredentials,
            Reason::CredentialInvalid,
        ] {
            all.push_str(&shown(answer(&request, &Error::new(reason))).await);
        }
    }
    insta::assert_snapshot!(all);
}
