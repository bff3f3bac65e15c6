//! One request over one connection, and its answer.

use std::pin::pin;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header, response};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{error::FetchErrorKind, target::Target};

/// The largest head of an answer, in bytes.
const HEAD_BYTES: usize = 16 * 1024;

pub(super) type Request = http::Request<Full<Bytes>>;
pub(super) type Answer = (response::Parts, Bytes);

/// A request to this end: a GET, or with a form a POST.
///
/// # Errors
/// The URL cannot stand in a request line.
pub(super) fn request(
    target: &Target<'_>,
    authorization: Option<HeaderValue>,
    form: Option<String>,
) -> Result<Request, FetchErrorKind> {
    let mut request = http::Request::builder()
        .uri(target.path_and_query())
        .header(header::HOST, target.authority())
        .header(header::USER_AGENT, "Countersign")
        .header(header::ACCEPT, "application/json, */*;q=0.1")
        // A body that is packed small and unpacks large would pass the bound on its size.
        .header(header::ACCEPT_ENCODING, "identity")
        .header(header::CONNECTION, "close")
        .body(Full::default())
        .map_err(|_| FetchErrorKind::InvalidUrl)?;
    if let Some(mut authorization) = authorization {
        authorization.set_sensitive(true);
        request
            .headers_mut()
            .insert(header::AUTHORIZATION, authorization);
    }
    if let Some(form) = form {
        *request.method_mut() = Method::POST;
        let headers = request.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        // GitHub takes one that also takes anything else for a browser's, and answers it in its own way.
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        *request.body_mut() = form.into();
    }
    Ok(request)
}

/// Sends the request and reads the answer, with a body of so many bytes at most. To a GET it must be 200; the body
/// of any other is not read.
pub(super) async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin,
    request: Request,
    most: usize,
) -> Result<Answer, FetchErrorKind> {
    let must_be_ok = request.method() == Method::GET;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(FetchErrorKind::Http)?;
    let mut answer = pin!(async move {
        let answer = sender.send_request(request).await.map_err(broken)?;
        if must_be_ok && answer.status() != StatusCode::OK {
            return Err(FetchErrorKind::Status(answer.status()));
        }
        let (head, body) = answer.into_parts();
        Ok((head, whole(body, most).await?))
    });
    // The connection is driven here and by nothing else: who gives up on the answer closes it.
    tokio::select! {
        answer = &mut answer => answer,
        _ = connection => answer.await,
    }
}

async fn whole(mut body: Incoming, most: usize) -> Result<Bytes, FetchErrorKind> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > most {
        return Err(FetchErrorKind::TooLarge);
    }
    let mut read = Vec::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        // What is no data are trailers, which nobody here reads.
        if let Ok(data) = frame.map_err(FetchErrorKind::Http)?.into_data() {
            if data.len() > most - read.len() {
                return Err(FetchErrorKind::TooLarge);
            }
            read.extend_from_slice(&data);
        }
    }
    Ok(read.into())
}

fn broken(cause: hyper::Error) -> FetchErrorKind {
    if cause.is_parse_too_large() {
        FetchErrorKind::TooLarge
    } else {
        FetchErrorKind::Http(cause)
    }
}
