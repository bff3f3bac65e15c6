//! `GET /authz/forward`, as nginx, Caddy and Traefik call it.

use http::{Method, header::WWW_AUTHENTICATE};
use serde_json::{Value, json};

use super::world::{World, rules, stored};
use crate::support::TestResponse;

const IDENTITY: [&str; 7] = countersign::rest::forward::IDENTITY_HEADERS;
const NGINX: [&str; 2] = ["x-original-method", "x-original-uri"];
const OTHERS: [&str; 2] = ["x-forwarded-method", "x-forwarded-uri"];

impl World {
    /// What a proxy is answered that names the request in these headers.
    async fn forwards(
        &self,
        [method, uri]: [&str; 2],
        credential: Option<&str>,
        request: [&str; 2],
    ) -> TestResponse {
        let call = self
            .app
            .get("/authz/forward")
            .header(method, request[0])
            .header(uri, request[1]);
        match credential {
            Some(credential) => call.bearer(credential).send().await,
            None => call.send().await,
        }
    }

    fn messages(&self) -> String {
        format!("/api/accounts/{}/messages", self.ann)
    }
}

fn identity(answer: &TestResponse) -> [&str; 7] {
    IDENTITY.map(|name| {
        assert_eq!(answer.headers.get_all(name).iter().count(), 1, "{name}");
        answer.header(name)
    })
}

/// Mail.td's word, since the path is one of its own.
fn word(answer: &TestResponse) -> Value {
    answer.json()["error"].take()
}

fn reason(answer: &TestResponse) -> Value {
    answer.json()["details"][0]["reason"].take()
}

#[tokio::test]
async fn every_proxy_is_answered_what_the_rpc_says() {
    let world = World::new().await;
    let path = world.messages();
    for names in [NGINX, OTHERS] {
        for (who, credential) in world.credentials() {
            let answer = world.forwards(names, credential, ["GET", &path]).await;
            let expected = match world.asks(credential, "GET", &path).await {
                Ok(_) => 200,
                Err(status) if status.code() == tonic::Code::Unauthenticated => 401,
                Err(_) => 403,
            };
            assert_eq!(answer.status(), expected, "{who}");
            assert_eq!(answer.header("cache-control"), "no-store", "{who}");
        }
    }
}

#[tokio::test]
async fn a_request_that_may_pass_passes_with_an_identity() {
    let world = World::new().await;
    let boss = stored(&world.app, "boss@example.com").await;
    let (ann, organization) = (world.ann.clone(), boss.organization.id.to_string());
    let path = world.messages();
    let answer = world
        .forwards(NGINX, Some(&world.ann_token), ["GET", &path])
        .await;
    let email = "ann@example.com";
    assert_eq!(
        identity(&answer),
        [
            &ann,
            &organization,
            email,
            "true",
            "pro",
            "account",
            "session"
        ]
    );
    assert!(answer.body.is_empty());
    let answer = world
        .forwards(OTHERS, Some(&world.boss_key), ["DELETE", &path])
        .await;
    let boss = boss.id.to_string();
    assert_eq!(
        identity(&answer),
        [
            &boss,
            &organization,
            "boss@example.com",
            "false",
            "pro",
            "account",
            "api-key"
        ]
    );
}

#[tokio::test]
async fn every_answer_that_passes_has_every_identity_header() {
    let world = World::with(rules(&["/ anyone"])).await;
    let answer = world.forwards(NGINX, None, ["GET", "/"]).await;
    assert_eq!((answer.status(), identity(&answer)), (200, [""; 7]));
    let call = world
        .app
        .get("/authz/forward")
        .header(NGINX[0], "GET")
        .header(NGINX[1], "/");
    let forged = IDENTITY
        .into_iter()
        .fold(call, |call, name| call.header(name, "forged"));
    assert_eq!(identity(&forged.send().await), [""; 7]);
}

#[tokio::test]
async fn an_address_that_the_caller_may_not_see_is_not_passed_on() {
    let world = World::with(rules(&["/ anyone"])).await;
    let boss = stored(&world.app, "boss@example.com").await;
    let organization = boss.organization.id.to_string();
    let answer = world
        .forwards(NGINX, Some(&world.ann_narrow_key), ["GET", "/"])
        .await;
    assert_eq!(
        identity(&answer),
        [
            &world.ann,
            &organization,
            "",
            "",
            "pro",
            "profile",
            "api-key"
        ]
    );
}

#[tokio::test]
async fn without_a_good_credential_one_is_asked_for() {
    let world = World::new().await;
    let path = world.messages();
    let missing = world.forwards(NGINX, None, ["GET", &path]).await;
    assert_eq!(
        (missing.status(), word(&missing)),
        (401, "invalid_or_expired_token".into())
    );
    let basic = r#"Basic realm="countersign", charset="UTF-8""#;
    let bearer = r#"Bearer realm="countersign""#;
    assert_eq!(
        missing.header("www-authenticate"),
        format!("{bearer}, {basic}")
    );
    let bad = world.forwards(NGINX, Some("bad"), ["GET", &path]).await;
    assert_eq!(
        (bad.status(), word(&bad)),
        (401, "invalid_or_expired_token".into())
    );
    let invalid = format!(r#"{bearer}, error="invalid_token", {basic}"#);
    assert_eq!(bad.header("www-authenticate"), invalid);
    assert_eq!(bad.headers.get_all(WWW_AUTHENTICATE).iter().count(), 1);
    // A browser would open a dialog for what a script fetches.
    for (mode, challenge) in [
        ("cors", bearer),
        ("navigate", &format!("{bearer}, {basic}")),
    ] {
        let call = world
            .app
            .get("/authz/forward")
            .header("sec-fetch-mode", mode);
        let answer = call
            .header(OTHERS[0], "GET")
            .header(OTHERS[1], &path)
            .send()
            .await;
        assert_eq!(answer.header("www-authenticate"), challenge, "{mode}");
    }
    let denied = world
        .forwards(NGINX, Some(&world.stranger_token), ["GET", &path])
        .await;
    assert_eq!(
        (denied.status(), denied.header("www-authenticate")),
        (403, "")
    );
    let key = world.app.get("/authz/forward").basic(&world.ann_key, "");
    let answer = key
        .header(NGINX[0], "GET")
        .header(NGINX[1], &path)
        .send()
        .await;
    assert_eq!(answer.header("x-countersign-credential"), "api-key");
}

#[tokio::test]
async fn the_client_reads_a_refusal_in_the_form_of_whoever_owns_its_path() {
    let world = World::new().await;
    let messages = world.messages();
    for (path, status, body) in [
        (
            messages.as_str(),
            401,
            json!({"error": "invalid_or_expired_token"}),
        ),
        (
            "/api/auth/me?x=/auth/",
            403,
            json!({"error": {"code": "forbidden", "message": "This credential may not do this."}}),
        ),
        (
            "/v1/auth/profile",
            403,
            json!({
                "success": false,
                "error": {"code": "FORBIDDEN", "message": "This credential may not do this."},
            }),
        ),
        (
            "/oauth/me",
            403,
            json!({"code": 40301, "message": "This credential may not do this."}),
        ),
        (
            "/oauth/introspect",
            403,
            json!({"error": "unauthorized_client", "error_description": "This credential may not do this."}),
        ),
        (
            "/oauth/userinfo",
            403,
            json!({"error": "insufficient_scope", "error_description": "This credential may not do this."}),
        ),
    ] {
        for names in [NGINX, OTHERS] {
            let answer = world.forwards(names, None, ["GET", path]).await;
            assert_eq!(
                (answer.status(), answer.json()),
                (status, body.clone()),
                "{path}"
            );
            assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        }
    }
    let other = world.forwards(NGINX, None, ["GET", "/notes"]).await;
    assert_eq!(
        (other.status(), reason(&other)),
        (403, "PERMISSION_DENIED".into())
    );
}

#[tokio::test]
async fn a_request_that_is_not_named_once_is_denied_and_never_passes() {
    let world = World::with(rules(&["/ anyone"])).await;
    let long = format!("/{}", "a".repeat(40_000));
    let lines = |lines: &[(&'static str, &str)]| {
        let call = world.app.get("/authz/forward").bearer(&world.ann_token);
        let call = lines
            .iter()
            .fold(call, |call, (name, value)| call.header(name, value));
        call.send()
    };
    let good = [(NGINX[0], "GET"), (NGINX[1], "/")];
    assert_eq!(lines(&good).await.status(), 200);
    let agreeing = [&good[..], &[(OTHERS[0], "GET"), (OTHERS[1], "/")]].concat();
    assert_eq!(lines(&agreeing).await.status(), 200);
    for wrong in [
        &[][..],
        &good[..1],
        &good[1..],
        &[good[0], good[1], good[1]],
        &[good[0], good[0], good[1]],
        &[good[0], good[1], (OTHERS[0], "GET")],
        &[good[0], good[1], (OTHERS[1], "/")],
        &[good[0], good[1], (OTHERS[0], "GET"), (OTHERS[1], "/a")],
        &[good[0], good[1], (OTHERS[0], "PUT"), (OTHERS[1], "/")],
        &[good[0], (NGINX[1], "")],
        &[good[0], (NGINX[1], "*")],
        &[good[0], (NGINX[1], "a")],
        &[good[0], (NGINX[1], "http://h/")],
        &[good[0], (NGINX[1], "/a/../b")],
        &[good[0], (NGINX[1], "/a/%2e%2e/b")],
        &[good[0], (NGINX[1], "//")],
        &[good[0], (NGINX[1], &long)],
        &[(NGINX[0], ""), good[1]],
        &[(NGINX[0], "G T"), good[1]],
        &[(NGINX[0], "GETGETGETGETGETGETGETGETGETGETGETGET"), good[1]],
    ] {
        let answer = lines(wrong).await;
        assert_eq!(
            (answer.status(), reason(&answer)),
            (403, "PERMISSION_DENIED".into()),
            "{wrong:?}"
        );
        assert!(IDENTITY.iter().all(|name| answer.header(name).is_empty()));
    }
}

#[tokio::test]
async fn proxies_ask_with_get_or_head_whatever_they_ask_about() {
    let world = World::with(rules(&["/ anyone"])).await;
    let call = |method: Method| {
        let call = world.app.call(method, "/authz/forward");
        // What the client sent along is not the proxy's.
        let call = call.header(NGINX[0], "POST").header(NGINX[1], "/");
        call.header("content-type", "application/grpc")
            .header("grpc-timeout", "1n")
    };
    assert_eq!(call(Method::GET).send().await.status(), 200);
    let head = call(Method::HEAD).bearer("bad").send().await;
    assert_eq!((head.status(), head.body.len()), (401, 0));
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let answer = call(method.clone()).send().await;
        assert_eq!(
            (answer.status(), answer.header("allow")),
            (405, "GET, HEAD"),
            "{method}"
        );
        assert_eq!(reason(&answer), "HTTP_METHOD_NOT_ALLOWED");
    }
}

#[tokio::test]
async fn questions_are_limited_like_the_calls_of_whoever_is_asked_about() {
    let change = rules(&["/ anyone"]);
    let world = World::with(|config| {
        change(config);
        config.limits.enabled = false;
    })
    .await;
    let tokens = [&world.stranger_token, &world.boss_token].map(ToString::to_string);
    let limited = world
        .app
        .restart_with(|config| config.limits.enabled = true)
        .await;
    let ask = |from: &'static str, credential: Option<String>| {
        let call = limited.get("/authz/forward").from(from);
        let call = call.header(NGINX[0], "GET").header(NGINX[1], "/");
        async move {
            match credential {
                Some(credential) => call.bearer(&credential).send().await,
                None => call.send().await,
            }
        }
    };
    let [free, pro] = tokens;
    for (from, credential, calls, limit) in [
        ("192.0.2.1", None, 8, "public"),
        ("192.0.2.2", Some("bad".to_owned()), 8, "failed-credentials"),
        ("192.0.2.3", Some(free), 8, "free"),
        ("192.0.2.4", Some(pro), 20, "pro"),
    ] {
        for _ in 0..calls {
            assert_ne!(ask(from, credential.clone()).await.status(), 429, "{limit}");
        }
        let answer = ask(from, credential).await;
        assert_eq!(
            (answer.status(), answer.header("retry-after")),
            (429, "1"),
            "{limit}"
        );
        assert!(answer.header("ratelimit").contains(limit), "{limit}");
    }
}
