//! What is refused, and in which words.

use std::time::Duration;

use http::Method;

use super::{
    super::super::testing::{GOOD_CONTENT_TYPES, bad_bodies},
    *,
};

#[tokio::test]
async fn bad_bodies_are_refused_before_any_rpc_and_never_repeated() {
    for (kind, body, status) in bad_bodies("username", "password") {
        let caller = Caller::new();
        let text = String::from_utf8_lossy(&body).into_owned();
        let answer = caller.post(PASSWORD, kind, body).await;
        // What is not known is ignored here.
        if text.contains("\"hunter\":") {
            assert_eq!(answer.status, 200, "{text}");
            continue;
        }
        assert_eq!(answer.status, status, "{kind} {text:.80}");
        assert!(answer.body["code"].is_u64(), "{text:.80}");
        assert!(
            !answer.body.to_string().contains("hunter2"),
            "{}",
            answer.body
        );
        assert!(caller.services.seen().is_empty(), "{text:.80}");
    }
    for form in [
        "username=a%40x.org&password=p&password=p",
        "username=a%40x.org&password=p&x=1&x=2",
        "username=a%40x.org&password=%FF",
        "username=a%40x.org",
        "username=a%40x.org&password=",
        "",
    ] {
        let caller = Caller::new();
        let answer = caller.form(PASSWORD, form).await;
        assert_eq!(answer.status, 400, "{form}");
        assert!(caller.services.seen().is_empty(), "{form}");
    }
    for kind in GOOD_CONTENT_TYPES {
        let answer = Caller::new()
            .post(PASSWORD, kind, login().to_string())
            .await;
        assert_eq!(answer.status, 200, "{kind}");
    }
}

#[tokio::test]
async fn other_methods_are_refused_in_the_words_of_the_face() {
    let caller = Caller::new();
    for (method, path, allow) in [
        (Method::GET, PASSWORD, "POST"),
        (Method::DELETE, REVOKE, "POST"),
        (Method::POST, ME, "GET,HEAD"),
    ] {
        let request = Request::builder().method(method).uri(path);
        let json = request.header("content-type", "application/json");
        let answer = caller.send(json.body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status, &answer.body["code"]), (405, &json!(40501)));
        assert_eq!(answer.header("allow"), [allow]);
    }
}

#[tokio::test]
async fn what_is_not_smtpds_is_refused_in_the_words_of_oauth() {
    const FORM: &str = "application/x-www-form-urlencoded";
    let large = "a".repeat((64 << 10) + 1);
    for (method, path, kind, body, status) in [
        ("GET", TOKEN, "", "", 405),
        ("DELETE", REVOKE, FORM, "", 405),
        ("GET", "/oauth/authorize", "", "", 404),
        ("POST", "/oauth/token/", FORM, "grant_type=password", 404),
        ("POST", TOKEN, FORM, large.as_str(), 413),
        ("POST", REVOKE, FORM, large.as_str(), 413),
        ("POST", TOKEN, "text/plain", "grant_type=password", 415),
        ("POST", REVOKE, "", "token=x", 415),
        ("POST", TOKEN, FORM, "", 400),
        ("POST", TOKEN, FORM, "grant_type=a&grant_type=b", 400),
        ("POST", TOKEN, FORM, "grant_type=a&\"\\=1&\"\\=2", 400),
        ("POST", REVOKE, FORM, "token=a&token=b", 400),
    ] {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("content-type", kind);
        let answer = Caller::new()
            .send(request.body(Body::from(body.to_owned())).unwrap())
            .await;
        assert_eq!(answer.status, status, "{method} {path} {body:.40}");
        assert_eq!(answer.body["error"], "invalid_request", "{method} {path}");
        let description = answer.body["error_description"].as_str().unwrap();
        assert!(!description.contains(['"', '\\']), "{description}");
        assert_eq!(answer.header("allow").is_empty(), status != 405, "{path}");
    }
}

#[tokio::test]
async fn a_limit_says_when_to_come_back() {
    let caller = Caller::new();
    let wait = Duration::from_millis(1_500);
    caller
        .services
        .refuse(move || Error::new(Reason::RateLimited).retry_after(wait));
    let answer = caller.json(PASSWORD, login()).await;
    assert_eq!((answer.status, &answer.body["code"]), (429, &json!(42901)));
    assert_eq!(answer.header("retry-after"), ["2"]);
}

#[tokio::test]
async fn bodies_that_are_encoded_or_too_large_or_cut_short_are_refused() {
    let caller = Caller::new();
    let request = Request::post(PASSWORD)
        .header("content-type", "application/json")
        .header("content-encoding", "gzip")
        .body(Body::from(login().to_string()))
        .unwrap();
    assert_eq!(caller.send(request).await.status, 415);
    let request = Request::post(PASSWORD)
        .header("content-type", "application/json")
        .body(Body::from(" ".repeat((64 << 10) + 1)))
        .unwrap();
    assert_eq!(caller.send(request).await.status, 413);
    let pieces = [Ok(login().to_string()), Err(std::io::Error::other("reset"))];
    let request = Request::post(PASSWORD)
        .header("content-type", "application/json")
        .body(Body::new(Cut(pieces.into_iter())))
        .unwrap();
    let answer = caller.send(request).await;
    assert_eq!((answer.status, &answer.body["code"]), (400, &json!(40002)));
}

/// A body whose connection breaks.
struct Cut(std::array::IntoIter<std::result::Result<String, std::io::Error>, 2>);

impl http_body::Body for Cut {
    type Data = bytes::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<std::result::Result<http_body::Frame<bytes::Bytes>, std::io::Error>>>
    {
        let piece = self.0.next();
        std::task::Poll::Ready(
            piece.map(|piece| piece.map(|text| http_body::Frame::data(text.into()))),
        )
    }
}

#[tokio::test]
async fn a_member_or_parameter_that_comes_twice_is_named() {
    let caller = Caller::new();
    let body = r#"{"username":"a@x.org","password":"hunter2","password":"x"}"#;
    let form = "username=a%40x.org&password=hunter2&password=x";
    let expected = json!({"code": 40002, "message": "password must be given once."});
    for answer in [
        caller.post(PASSWORD, "application/json", body).await,
        caller.form(PASSWORD, form).await,
    ] {
        assert_eq!((answer.status, answer.body), (400, expected.clone()));
    }
}
