//! Whether clients reach the server at its issuer's URL, over everything that stands between.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, Method, Request, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, DATE, TE},
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};
use tokio::time::timeout;

use super::{Finding, Severity, surroundings::clock};
use crate::{
    config::Config,
    env::{Env, Timestamp},
    outbound,
};

/// How long to wait for one answer.
const LIMIT: Duration = Duration::from_secs(5);
/// The most that is read of an answer, in bytes.
const MOST: usize = 64 * 1024;
const REQUEST_ID: &str = "x-request-id";
/// The frame of an empty message, which is what a health check asks with.
const EMPTY_FRAME: &[u8] = &[0; 5];
const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// Whoever asks as a client does, by one version of HTTP.
struct Caller {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    issuer: String,
}

struct Answer {
    status: StatusCode,
    /// With what came after the body.
    headers: HeaderMap,
    body: Bytes,
}

/// Asks for the discovery document, and when it is the server's, by gRPC, by grpc-web and with a credential.
pub(super) async fn examine(config: &Config, env: &Env) -> Vec<Finding> {
    let issuer = config.issuer_at(config.listen).as_str().to_owned();
    let (plain, multiplexed) = match callers(config, &issuer).await {
        Ok(callers) => callers,
        Err(cause) => {
            return vec![Finding::failed(
                "issuer",
                cause,
                "correct the [outbound] section",
            )];
        }
    };
    let answer = match plain
        .get(
            "/.well-known/openid-configuration",
            &[(CACHE_CONTROL.as_str(), "no-cache")],
        )
        .await
    {
        Ok(answer) => answer,
        Err(cause) => {
            return vec![Finding::failed(
                "issuer",
                format!("nobody answers at {issuer}: {cause}"),
                "start the server, and check DNS, certificate, proxy and firewall, or correct `issuer`",
            )];
        }
    };
    let found = discovered(&issuer, &answer);
    if found.severity != Severity::Ok {
        return vec![found];
    }
    let mut findings = vec![found, grpc(&multiplexed).await, grpc_web(&plain).await];
    let headers = [(AUTHORIZATION.as_str(), "Bearer none")];
    let refused = plain.get("/v1/accounts/me", &headers).await;
    // No cache keeps that answer.
    let theirs = refused
        .as_ref()
        .ok()
        .and_then(|answer| date(&answer.headers));
    findings.extend(theirs.map(|theirs| {
        let now = env.now();
        clock("server's", theirs, now..=now)
    }));
    findings.push(credential(refused));
    findings.push(request_id(&plain).await);
    findings
}

async fn callers(config: &Config, issuer: &str) -> Result<(Caller, Caller), String> {
    let roots = config.outbound.trusted_roots_file.as_deref();
    let tls = outbound::client_config(roots)
        .await
        .map_err(|cause| cause.to_string())?;
    let https = || {
        HttpsConnectorBuilder::new()
            .with_tls_config(tls.clone())
            .https_or_http()
    };
    let mut by_http2 = Client::builder(TokioExecutor::new());
    by_http2.http2_only(true);
    let caller = |client| Caller {
        client,
        issuer: issuer.to_owned(),
    };
    let plain = Client::builder(TokioExecutor::new()).build(https().enable_http1().build());
    let multiplexed = by_http2.build(https().enable_http2().build());
    Ok((caller(plain), caller(multiplexed)))
}

impl Caller {
    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
        self.ask(Method::GET, path, headers, &[]).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &'static [u8],
    ) -> Result<Answer, String> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.issuer));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::from(body))
            .map_err(|cause| cause.to_string())?;
        let answered = timeout(LIMIT, async {
            let answer = self
                .client
                .request(request)
                .await
                .map_err(|cause| innermost(&cause))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MOST).collect().await;
            let body = body.map_err(|cause| innermost(cause.as_ref()))?;
            let mut headers = head.headers;
            headers.extend(body.trailers().cloned().unwrap_or_default());
            Ok(Answer {
                status: head.status,
                headers,
                body: body.to_bytes(),
            })
        });
        answered
            .await
            .unwrap_or_else(|_| Err("there is no answer in time".to_owned()))
    }
}

/// What it came to: hyper's own words say only in which step.
fn innermost(mut cause: &(dyn Error + 'static)) -> String {
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

fn discovered(issuer: &str, answer: &Answer) -> Finding {
    let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match document["issuer"].as_str() {
        Some(named) if named == issuer => {
            Finding::ok("issuer", format!("{issuer} is this server, and says so"))
        }
        Some(named) => Finding::failed(
            "issuer",
            format!("what answers at {issuer} calls itself {named}"),
            "give the server and this command the same settings, or correct `issuer`",
        ),
        None => Finding::failed(
            "issuer",
            format!(
                "what answers at {issuer} ({}) is not this server",
                answer.status
            ),
            "have the proxy pass every path on to this server, or correct `issuer`",
        ),
    }
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = headers.get(DATE)?.to_str().ok()?;
    let date = OffsetDateTime::parse(date, &Rfc2822).ok()?;
    Some(Timestamp::from_seconds(date.unix_timestamp()))
}

async fn grpc(multiplexed: &Caller) -> Finding {
    let headers = [
        (CONTENT_TYPE.as_str(), "application/grpc"),
        (TE.as_str(), "trailers"),
    ];
    match multiplexed
        .ask(Method::POST, HEALTH, &headers, EMPTY_FRAME)
        .await
    {
        // Proxies say by a status of their own that they reach nobody.
        Ok(answer)
            if answer
                .headers
                .get("grpc-status")
                .is_some_and(|status| status == "0")
                && !answer.body.is_empty() =>
        {
            Finding::ok("gRPC", "native gRPC gets through")
        }
        Ok(answer) if answer.headers.contains_key("grpc-status") => Finding::failed(
            "gRPC",
            "a gRPC call is answered by a proxy, or by a server that is not ready",
            "have the proxy pass gRPC on to this server too, and see /readyz",
        ),
        Ok(answer) => Finding::failed(
            "gRPC",
            format!(
                "the answer to a gRPC call ({}) has lost its trailers",
                answer.status
            ),
            "have the proxy speak gRPC or HTTP/2 to this server, as the files in deploy/ do",
        ),
        Err(cause) => Finding::failed(
            "gRPC",
            format!("HTTP/2 does not get through: {cause}"),
            "have the proxy speak HTTP/2 at both ends, as the files in deploy/ do; until then clients need grpc-web",
        ),
    }
}

async fn grpc_web(plain: &Caller) -> Finding {
    const TYPE: &str = "application/grpc-web+proto";
    let headers = [(CONTENT_TYPE.as_str(), TYPE)];
    let answer = plain.ask(Method::POST, HEALTH, &headers, EMPTY_FRAME).await;
    let is_web = |answer: &Answer| {
        let kind = answer.headers.get(CONTENT_TYPE);
        let end = b"grpc-status:0";
        kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc-web"))
            && answer.body.windows(end.len()).any(|part| part == end)
    };
    match answer {
        Ok(answer) if is_web(&answer) => Finding::ok("grpc-web", "grpc-web gets through"),
        Ok(answer) => Finding::failed(
            "grpc-web",
            format!("grpc-web is answered by somebody else ({})", answer.status),
            "have the proxy pass POST requests of every content type on as they are",
        ),
        Err(cause) => Finding::failed("grpc-web", cause, "see what the log of the proxy says"),
    }
}

/// A credential that is none is told from none at all.
fn credential(answer: Result<Answer, String>) -> Finding {
    let text = answer.map(|answer| String::from_utf8_lossy(&answer.body).into_owned());
    match text {
        Ok(text) if text.contains("CREDENTIAL_MISSING") => Finding::failed(
            "headers",
            "the Authorization header is lost on the way",
            "have the proxy pass it on",
        ),
        Ok(text) if text.contains("CREDENTIAL_INVALID") => {
            Finding::ok("headers", "the Authorization header gets through")
        }
        Ok(text) if text.contains("RATE_LIMITED") => Finding::warning(
            "headers",
            "too many calls come from this address for the server to say what of them gets through",
            "run this again in a minute",
        ),
        Ok(_) => Finding::failed(
            "headers",
            "a call with a credential is answered by somebody else",
            "have the proxy pass every path and every header on",
        ),
        Err(cause) => Finding::failed("headers", cause, "see what the log of the proxy says"),
    }
}

async fn request_id(plain: &Caller) -> Finding {
    const ID: &str = "countersign-doctor";
    let answer = plain.get("/livez", &[(REQUEST_ID, ID)]).await;
    let kept = answer.is_ok_and(|answer| answer.headers.get(REQUEST_ID).is_some_and(|id| id == ID));
    if kept {
        return Finding::ok("request id", "x-request-id gets through both ways");
    }
    Finding::warning(
        "request id",
        "x-request-id is lost or replaced on the way, so that the log cannot be searched for what a client was told",
        "have the proxy pass x-request-id on, in both directions",
    )
}
