//! Signing in with accounts at other providers, as a client of the rpcs meets it.

use std::time::Duration;

use countersign::{
    config::ProviderKind,
    model::oauth::pkce,
    pb::v1::{
        ApiKey, CreateApiKeyRequest, CreateLinkedIdentityRequest, DeleteAccountRequest,
        DeleteLinkedIdentityRequest, FinishSignInRequest, FinishSignInResponse, IdentityProof,
        LinkedIdentity, ListIdentityProvidersRequest, ListLinkedIdentitiesRequest,
        StartSignInRequest,
    },
};
use serde_json::{Value, json};
use tonic::{Code, Request, Status};

use crate::support::{Provider, TestApp, disable, refused, with_bearer};

const NAME: &str = "identityProviders/work";
const CALLBACK: &str = "https://login.example.com/back";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

async fn app() -> (TestApp, Provider) {
    let provider = Provider::start().await;
    let app = TestApp::with(|config| provider.set_up(config, ProviderKind::Oidc, "work")).await;
    (app, provider)
}

fn id_token(token: String) -> IdentityProof {
    IdentityProof {
        id_token: token,
        ..IdentityProof::default()
    }
}

fn code(code: &str) -> IdentityProof {
    IdentityProof {
        code: code.to_owned(),
        redirect_uri: CALLBACK.to_owned(),
        code_verifier: VERIFIER.to_owned(),
        nonce: "the-nonce".to_owned(),
        ..IdentityProof::default()
    }
}

async fn finish(
    app: &TestApp,
    name: &str,
    proof: IdentityProof,
) -> Result<FinishSignInResponse, Status> {
    let request = FinishSignInRequest {
        name: name.to_owned(),
        proof: Some(proof),
        client_id: String::new(),
    };
    let answer = app.providers().finish_sign_in(request).await;
    answer.map(tonic::Response::into_inner)
}

/// Signs in with an ID token of these claims.
async fn signs_in(
    app: &TestApp,
    provider: &Provider,
    claims: &Value,
) -> Result<FinishSignInResponse, Status> {
    finish(app, NAME, id_token(provider.sign(claims))).await
}

fn token(made: &FinishSignInResponse) -> String {
    made.tokens.clone().unwrap().access_token
}

fn account(made: &FinishSignInResponse) -> String {
    made.account.clone().unwrap().name
}

async fn start(
    app: &TestApp,
    provider: &Provider,
    name: &str,
) -> std::collections::BTreeMap<String, String> {
    let request = StartSignInRequest {
        name: name.to_owned(),
        redirect_uri: CALLBACK.to_owned(),
        state: "the-state".to_owned(),
        nonce: "the-nonce".to_owned(),
        code_challenge: pkce::challenge(VERIFIER),
    };
    let answer = app.providers().start_sign_in(request).await.unwrap();
    provider.is_asked(&answer.into_inner().authorization_uri)
}

async fn link(app: &TestApp, token: &str, proof: IdentityProof) -> Result<LinkedIdentity, Status> {
    let request = CreateLinkedIdentityRequest {
        identity_provider: NAME.to_owned(),
        proof: Some(proof),
        expected_email: String::new(),
    };
    let answer = app
        .providers()
        .create_linked_identity(with_bearer(request, token))
        .await;
    answer.map(|answer| answer.into_inner().linked_identity.unwrap())
}

async fn linked(app: &TestApp, token: &str) -> Vec<LinkedIdentity> {
    let request = with_bearer(ListLinkedIdentitiesRequest::default(), token);
    let answer = app
        .providers()
        .list_linked_identities(request)
        .await
        .unwrap();
    answer.into_inner().linked_identities
}

async fn unlink(app: &TestApp, token: &str, identity: &LinkedIdentity) -> Result<(), Status> {
    let name = identity.name.clone();
    let request = with_bearer(DeleteLinkedIdentityRequest { name }, token);
    app.providers()
        .delete_linked_identity(request)
        .await
        .map(drop)
}

#[tokio::test]
async fn whoever_comes_back_with_a_code_gets_an_account_and_later_signs_in_to_it() {
    let (app, provider) = app().await;
    let request = ListIdentityProvidersRequest::default();
    let answer = app.providers().list_identity_providers(request).await;
    let listed = answer.unwrap().into_inner().identity_providers;
    assert_eq!(
        (listed[0].name.as_str(), listed[0].display_name.as_str()),
        (NAME, "The work")
    );

    let asked = start(&app, &provider, NAME).await;
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "client-at-the-provider"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid email profile"),
        ("state", "the-state"),
        ("nonce", "the-nonce"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(asked[name], value);
    }
    provider.has_somebody(provider.claims(&app, "1", "ann@example.com"));
    let made = finish(&app, NAME, code("good")).await.unwrap();
    let ann = made.account.clone().unwrap();
    assert_eq!(
        (ann.email.as_str(), ann.display_name.as_str()),
        ("ann@example.com", "Ann Lee")
    );
    assert!(made.account_created && ann.email_verified);
    assert_eq!(
        made.session.clone().unwrap().authentication_methods,
        ["fed"]
    );
    assert!(app.opens(&token(&made)).await);

    // The subject alone counts: the address may change.
    let again = signs_in(
        &app,
        &provider,
        &provider.claims(&app, "1", "lee@example.com"),
    )
    .await
    .unwrap();
    assert_eq!(
        (account(&again), again.account_created),
        (ann.name.clone(), false)
    );
    assert_eq!(again.account.unwrap().email, "ann@example.com");
    // The account has no password.
    refused(
        app.try_log_in("ann@example.com", "").await,
        Code::InvalidArgument,
        "INVALID_FIELD",
    );
    let guess = app
        .try_log_in("ann@example.com", "a long enough guess")
        .await;
    refused(guess, Code::Unauthenticated, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn an_account_is_shared_only_where_both_have_verified_the_address() {
    let (app, provider) = app().await;
    let unverified = |subject: &str, email: &str| {
        let mut claims = provider.claims(&app, subject, email);
        claims["email_verified"] = json!(false);
        claims
    };
    // A password account: its address was never verified, so that anybody could have made it.
    app.sign_up("ann").await;
    for claims in [
        provider.claims(&app, "1", "Ann@Example.com"),
        unverified("1", "ann@example.com"),
    ] {
        let refusal = signs_in(&app, &provider, &claims).await;
        assert_eq!(
            refused(refusal, Code::AlreadyExists, "EMAIL_ALREADY_EXISTS"),
            ["email"]
        );
    }
    // One whose address the provider had verified is linked to another identity with the same address.
    let bob = signs_in(
        &app,
        &provider,
        &provider.claims(&app, "2", "bob@example.com"),
    )
    .await
    .unwrap();
    let refusal = signs_in(&app, &provider, &unverified("3", "bob@example.com")).await;
    refused(refusal, Code::AlreadyExists, "EMAIL_ALREADY_EXISTS");
    let other = signs_in(
        &app,
        &provider,
        &provider.claims(&app, "4", "bob@example.com"),
    )
    .await
    .unwrap();
    assert_eq!(
        (account(&other), other.account_created),
        (account(&bob), false)
    );
    assert_eq!(linked(&app, &token(&bob)).await.len(), 2);
    // One that the provider has not verified makes an account of its own, which nobody joins.
    let cid = signs_in(&app, &provider, &unverified("5", "cid@example.com"))
        .await
        .unwrap();
    assert!(cid.account_created && !cid.account.unwrap().email_verified);
    let refusal = signs_in(
        &app,
        &provider,
        &provider.claims(&app, "6", "cid@example.com"),
    )
    .await;
    refused(refusal, Code::AlreadyExists, "EMAIL_ALREADY_EXISTS");
}

#[tokio::test]
async fn people_link_identities_to_their_accounts_and_unlink_them() {
    let (app, provider) = app().await;
    let ann = app.sign_up("ann").await;
    let here = ann.logs_in().await.tokens.access_token;
    let proof = || id_token(provider.sign(&provider.claims(&app, "1", "ann@work.example")));
    let made = link(&app, &here, proof()).await.unwrap();
    assert_eq!(
        (made.identity_provider.as_str(), made.subject.as_str()),
        (NAME, "1")
    );
    assert_eq!(link(&app, &here, proof()).await.unwrap(), made);
    assert_eq!(linked(&app, &here).await, std::slice::from_ref(&made));
    assert_eq!(
        account(&finish(&app, NAME, proof()).await.unwrap()),
        ann.account
    );

    // It is Ann's, and nobody else's to link, to see or to unlink.
    let bob = app.sign_up("bob").await.logs_in().await.tokens.access_token;
    refused(
        link(&app, &bob, proof()).await,
        Code::AlreadyExists,
        "IDENTITY_ALREADY_LINKED",
    );
    assert_eq!(linked(&app, &bob).await, []);
    refused(
        unlink(&app, &bob, &made).await,
        Code::NotFound,
        "LINKED_IDENTITY_NOT_FOUND",
    );
    unlink(&app, &here, &made).await.unwrap();
    refused(
        unlink(&app, &here, &made).await,
        Code::NotFound,
        "LINKED_IDENTITY_NOT_FOUND",
    );
    link(&app, &bob, proof()).await.unwrap();
}

#[tokio::test]
async fn only_whoever_has_logged_in_makes_a_way_in_that_stays() {
    let (app, provider) = app().await;
    let here = app.sign_up("ann").await.logs_in().await.tokens.access_token;
    let proof = |subject: &str| {
        id_token(provider.sign(&provider.claims(&app, subject, "ann@work.example")))
    };
    let made = link(&app, &here, proof("1")).await.unwrap();
    let key = CreateApiKeyRequest {
        api_key: Some(ApiKey {
            display_name: "a key".to_owned(),
            ..ApiKey::default()
        }),
        request_id: String::new(),
    };
    let key = app
        .api_keys()
        .create_api_key(with_bearer(key, &here))
        .await
        .unwrap();
    let key = key.into_inner().secret;
    assert!(app.opens(&key).await);
    refused(
        link(&app, &key, proof("2")).await,
        Code::PermissionDenied,
        "PERMISSION_DENIED",
    );
    refused(
        unlink(&app, &key, &made).await,
        Code::PermissionDenied,
        "PERMISSION_DENIED",
    );
    // Nor is the identity linked of whoever is signed in at the provider by chance.
    let request = CreateLinkedIdentityRequest {
        identity_provider: NAME.to_owned(),
        proof: Some(proof("3")),
        expected_email: "ann@example.com".to_owned(),
    };
    let answer = app
        .providers()
        .create_linked_identity(with_bearer(request, &here))
        .await;
    refused(answer, Code::Unauthenticated, "IDENTITY_INVALID");
    for subject in 4..35 {
        link(&app, &here, proof(&subject.to_string()))
            .await
            .unwrap();
    }
    refused(
        link(&app, &here, proof("35")).await,
        Code::ResourceExhausted,
        "QUOTA_EXCEEDED",
    );
}

#[tokio::test]
async fn a_provider_is_believed_about_its_own_addresses_alone() {
    let provider = Provider::start().await;
    let app = TestApp::with(|config| {
        provider.set_up(config, ProviderKind::Oidc, "work");
        provider.set_up(config, ProviderKind::Oidc, "other");
        config.federation.providers.0[0].email_domains = vec!["example.com".to_owned()];
        config.federation.providers.0[1].email_domains.clear();
    })
    .await;
    let claims = |subject: &str, email: &str| provider.claims(&app, subject, email);
    let ann = signs_in(&app, &provider, &claims("1", "ann@example.com"))
        .await
        .unwrap();
    assert!(ann.account.unwrap().email_verified);
    let bob = signs_in(&app, &provider, &claims("2", "bob@gmail.com"))
        .await
        .unwrap();
    assert!(!bob.account.unwrap().email_verified);
    // Of two spellings that are one account here, the other may be another's mailbox.
    let refusal = signs_in(&app, &provider, &claims("3", "ann@Example.com")).await;
    refusal.unwrap();
    let mise = signs_in(&app, &provider, &claims("4", "mise@example.com"))
        .await
        .unwrap();
    assert!(mise.account_created);
    let refusal = signs_in(&app, &provider, &claims("5", "mi\u{17f}e@example.com")).await;
    refused(refusal, Code::AlreadyExists, "EMAIL_ALREADY_EXISTS");
    // The same provider under another name is the same provider: `sub` is its own.
    let again = finish(
        &app,
        "identityProviders/other",
        id_token(provider.sign(&claims("1", "x@example.com"))),
    );
    assert!(!again.await.unwrap().account_created);
    let refusal = finish(
        &app,
        "identityProviders/other",
        id_token(provider.sign(&claims("6", "ann@example.com"))),
    );
    refused(refusal.await, Code::AlreadyExists, "EMAIL_ALREADY_EXISTS");
}

#[tokio::test]
async fn the_last_way_into_an_account_stays() {
    let (app, provider) = app().await;
    let made = signs_in(
        &app,
        &provider,
        &provider.claims(&app, "1", "ann@example.com"),
    )
    .await
    .unwrap();
    let here = token(&made);
    let first = linked(&app, &here).await.remove(0);
    refused(
        unlink(&app, &here, &first).await,
        Code::FailedPrecondition,
        "LAST_SIGN_IN_METHOD",
    );
    let second = id_token(provider.sign(&provider.claims(&app, "2", "ann@example.org")));
    let second = link(&app, &here, second).await.unwrap();
    unlink(&app, &here, &first).await.unwrap();
    refused(
        unlink(&app, &here, &second).await,
        Code::FailedPrecondition,
        "LAST_SIGN_IN_METHOD",
    );
}

#[tokio::test]
async fn an_identity_of_a_deleted_account_begins_anew() {
    let (app, provider) = app().await;
    let claims = provider.claims(&app, "1", "ann@example.com");
    let first = signs_in(&app, &provider, &claims).await.unwrap();
    let delete = DeleteAccountRequest {
        name: account(&first),
        etag: String::new(),
    };
    app.accounts()
        .delete_account(with_bearer(delete, &token(&first)))
        .await
        .unwrap();
    let second = signs_in(&app, &provider, &claims).await.unwrap();
    assert!(second.account_created);
    assert_ne!(account(&second), account(&first));
}

#[tokio::test]
async fn nobody_signs_in_to_a_disabled_account() {
    let (app, provider) = app().await;
    let claims = provider.claims(&app, "1", "ann@example.com");
    let made = signs_in(&app, &provider, &claims).await.unwrap();
    let request = disable(&account(&made));
    app.operator().disable_account(request).await.unwrap();
    let refusal = signs_in(&app, &provider, &claims).await;
    refused(refusal, Code::Unauthenticated, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn two_first_calls_at_once_make_one_account() {
    let (app, provider) = app().await;
    let claims = provider.claims(&app, "1", "ann@example.com");
    let calls = (0..8).map(|_| signs_in(&app, &provider, &claims));
    let made = futures_util::future::join_all(calls).await;
    let made: Vec<_> = made.into_iter().map(Result::unwrap).collect();
    assert!(made.iter().all(|one| account(one) == account(&made[0])));
    assert_eq!(made.iter().filter(|one| one.account_created).count(), 1);
}

#[tokio::test]
async fn what_the_provider_does_not_confirm_is_refused() {
    let (app, provider) = app().await;
    let with = |name: &str, value: Value| {
        let mut claims = provider.claims(&app, "1", "ann@example.com");
        claims[name] = value;
        claims
    };
    for claims in [
        with("iss", json!("https://other.example")),
        with("aud", json!("another client")),
        with("exp", json!(1)),
        with("sub", Value::Null),
        with("email", json!("")),
        with("email", json!("no address")),
    ] {
        let refusal = signs_in(&app, &provider, &claims).await;
        refused(refusal, Code::Unauthenticated, "IDENTITY_INVALID");
    }
    let good = provider.sign(&provider.claims(&app, "1", "ann@example.com"));
    let elsewhere = Provider::start().await;
    let forged = elsewhere.sign(&provider.claims(&app, "1", "ann@example.com"));
    let (head, _) = good.rsplit_once('.').unwrap();
    for bad in [
        forged,
        format!("{head}."),
        head.to_owned(),
        "a.b.c".to_owned(),
    ] {
        let refusal = finish(&app, NAME, id_token(bad)).await;
        refused(refusal, Code::Unauthenticated, "IDENTITY_INVALID");
    }
    // A nonce that is sent is that of the token.
    let proof = IdentityProof {
        nonce: "mine".to_owned(),
        ..id_token(good.clone())
    };
    refused(
        finish(&app, NAME, proof).await,
        Code::Unauthenticated,
        "IDENTITY_INVALID",
    );
    let both = IdentityProof {
        code: "good".to_owned(),
        ..id_token(good.clone())
    };
    for neither_nor in [both, IdentityProof::default()] {
        let refusal = finish(&app, NAME, neither_nor).await;
        assert_eq!(
            refused(refusal, Code::InvalidArgument, "INVALID_FIELD"),
            ["proof.id_token"]
        );
    }
    let nowhere = finish(&app, "identityProviders/other", id_token(good)).await;
    refused(nowhere, Code::NotFound, "IDENTITY_PROVIDER_NOT_FOUND");
}

#[tokio::test]
async fn a_code_is_held_to_its_verifier_its_address_and_its_nonce() {
    let (app, provider) = app().await;
    provider.has_somebody(provider.claims(&app, "1", "ann@example.com"));
    start(&app, &provider, NAME).await;
    let other = |change: fn(&mut IdentityProof)| {
        let mut proof = code("good");
        change(&mut proof);
        proof
    };
    for proof in [
        code("bad"),
        other(|proof| proof.redirect_uri.push('x')),
        other(|proof| proof.code_verifier.push('x')),
        other(|proof| proof.code_verifier.clear()),
        other(|proof| proof.nonce.push('x')),
    ] {
        refused(
            finish(&app, NAME, proof).await,
            Code::Unauthenticated,
            "IDENTITY_INVALID",
        );
    }
    finish(&app, NAME, code("good")).await.unwrap();
}

#[tokio::test]
async fn an_address_that_is_not_in_the_id_token_is_asked_for() {
    let (app, provider) = app().await;
    start(&app, &provider, NAME).await;
    let mut somebody = provider.claims(&app, "1", "");
    let claims = somebody.as_object_mut().unwrap();
    claims.remove("email");
    claims.remove("email_verified");
    let with = |sub: &str| {
        let mut somebody = somebody.clone();
        somebody["userinfo"] =
            json!({"sub": sub, "email": "ann@example.com", "email_verified": true, "iss": "x"});
        somebody
    };
    // What is said of somebody else counts for nothing.
    provider.has_somebody(with("2"));
    let refusal = finish(&app, NAME, code("good")).await;
    refused(refusal, Code::Unauthenticated, "IDENTITY_INVALID");
    provider.has_somebody(with("1"));
    let made = finish(&app, NAME, code("good")).await.unwrap();
    let ann = made.account.unwrap();
    assert!(ann.email == "ann@example.com" && ann.email_verified);
    // Where it is in the ID token, nobody is asked.
    provider.has_somebody(provider.claims(&app, "3", "bob@example.com"));
    finish(&app, NAME, code("good")).await.unwrap();
    assert_eq!(provider.calls("userinfo"), 2);
}

#[tokio::test]
async fn keys_are_kept_and_fetched_again_for_a_new_one_once_a_minute() {
    let (app, provider) = app().await;
    let claims = |app: &TestApp| provider.claims(app, "1", "ann@example.com");
    for _ in 0..3 {
        signs_in(&app, &provider, &claims(&app)).await.unwrap();
    }
    assert_eq!((provider.calls("metadata"), provider.calls("keys")), (1, 1));
    app.clock.advance(Duration::from_secs(61));
    provider.has_new_key();
    signs_in(&app, &provider, &claims(&app)).await.unwrap();
    provider.has_new_key();
    for _ in 0..3 {
        let refusal = signs_in(&app, &provider, &claims(&app)).await;
        refused(refusal, Code::Unauthenticated, "IDENTITY_INVALID");
    }
    assert_eq!((provider.calls("metadata"), provider.calls("keys")), (1, 2));
}

#[tokio::test]
async fn a_provider_that_is_out_of_order_is_told_as_that() {
    let (app, provider) = app().await;
    start(&app, &provider, NAME).await;
    for (status, body) in [
        (500, json!({})),
        (401, json!({"error": "invalid_client"})),
        (302, json!({})),
        (200, json!("nothing")),
    ] {
        provider.breaks(status, body);
        let refusal = finish(&app, NAME, code("good")).await;
        let why = if status == 200 {
            "IDENTITY_INVALID"
        } else {
            "IDENTITY_PROVIDER_UNAVAILABLE"
        };
        let expected = if status == 200 {
            Code::Unauthenticated
        } else {
            Code::Unavailable
        };
        refused(refusal, expected, why);
    }
    let nowhere = TestApp::with(|config| {
        provider.set_up(config, ProviderKind::Oidc, "work");
        config.federation.providers.0[0].issuer = "http://127.0.0.1:9".to_owned();
    });
    let request = Request::new(StartSignInRequest {
        name: NAME.to_owned(),
        redirect_uri: CALLBACK.to_owned(),
        state: "s".to_owned(),
        nonce: String::new(),
        code_challenge: pkce::challenge(VERIFIER),
    });
    let refusal = nowhere.await.providers().start_sign_in(request).await;
    refused(refusal, Code::Unavailable, "IDENTITY_PROVIDER_UNAVAILABLE");
}

#[tokio::test]
async fn github_tells_who_it_is_by_its_api() {
    let provider = Provider::start().await;
    let app = TestApp::with(|config| provider.set_up(config, ProviderKind::GitHub, "github")).await;
    let asked = start(&app, &provider, "identityProviders/github").await;
    assert_eq!(asked["scope"], "read:user user:email");
    let user = json!({"id": 42, "login": "ann", "name": null});
    let emails = json!([
        {"email": "other@example.com", "primary": false, "verified": true},
        {"email": "ann@example.com", "primary": true, "verified": true},
    ]);
    provider.has_somebody(json!({"user": user, "emails": emails}));
    let made = finish(&app, "identityProviders/github", code("good"))
        .await
        .unwrap();
    let ann = made.account.clone().unwrap();
    assert_eq!(
        (ann.email.as_str(), ann.display_name.as_str()),
        ("ann@example.com", "ann")
    );
    assert!(ann.email_verified && made.account_created);
    assert_eq!(linked(&app, &token(&made)).await[0].subject, "42");
    // There are no ID tokens, and whoever hides the address has none.
    let proof = id_token(provider.sign(&provider.claims(&app, "42", "ann@example.com")));
    let refusal = finish(&app, "identityProviders/github", proof).await;
    refused(refusal, Code::InvalidArgument, "INVALID_FIELD");
    provider.has_somebody(json!({"user": {"id": 43, "login": "bob", "name": "Bob"}, "emails": []}));
    let refusal = finish(&app, "identityProviders/github", code("good")).await;
    refused(refusal, Code::Unauthenticated, "IDENTITY_INVALID");
    let emails = json!([{"email": "cid@example.com", "primary": true, "verified": false}]);
    provider
        .has_somebody(json!({"user": {"id": 44, "login": "cid", "name": ""}, "emails": emails}));
    let made = finish(&app, "identityProviders/github", code("good"));
    assert!(!made.await.unwrap().account.unwrap().email_verified);
    provider.breaks(200, json!({"error": "bad_verification_code"}));
    let refusal = finish(&app, "identityProviders/github", code("good")).await;
    refused(refusal, Code::Unauthenticated, "IDENTITY_INVALID");
}
