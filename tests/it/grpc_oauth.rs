//! OAuth over gRPC: a log-in page and its client that speak the contract.

use countersign::pb::v1::{
    self, ApproveAuthorizationRequest, AuthorizationStep, ClientMetadata,
    DeleteClientRegistrationRequest, DenyAuthorizationRequest, GetAuthorizationRequest,
    GetClientRegistrationRequest, GetUserInfoRequest, IntrospectTokenRequest, IssueTokensRequest,
    RegisterClientRequest, ResolveLogOutRequest, RevokeTokenRequest, StartAuthorizationRequest,
    UpdateClientRegistrationRequest,
};
use tonic::Code;

use crate::support::{TestApp, refused, with_bearer};

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn metadata(uri: &str) -> Option<ClientMetadata> {
    Some(ClientMetadata {
        redirect_uris: vec![uri.to_owned()],
        client_name: "Editor".to_owned(),
        ..ClientMetadata::default()
    })
}

async fn start(app: &TestApp, client_id: &str) -> String {
    let request = StartAuthorizationRequest {
        response_type: "code".to_owned(),
        client_id: client_id.to_owned(),
        code_challenge: CHALLENGE.to_owned(),
        code_challenge_method: "S256".to_owned(),
        ..StartAuthorizationRequest::default()
    };
    let answer = app
        .oauth()
        .start_authorization(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.redirect_uri, "");
    answer.authorization.unwrap().name
}

#[tokio::test]
async fn a_program_is_let_in_and_out_again() {
    let app = TestApp::start().await;
    let here = app.sign_up("ann").await.logs_in().await;
    let metadata = metadata("https://app.example.com/cb");
    let made = app
        .oauth()
        .register_client(RegisterClientRequest { metadata })
        .await;
    let client = made.unwrap().into_inner().registration.unwrap();
    let client_id = client.client_id.clone();

    let name = start(&app, &client_id).await;
    let read = here.asks(GetAuthorizationRequest { name: name.clone() });
    let asked = app
        .oauth()
        .get_authorization(read)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        asked.authorization.unwrap().next_step(),
        AuthorizationStep::Consent
    );
    let approve = here.asks(ApproveAuthorizationRequest { name: name.clone() });
    let approved = app
        .oauth()
        .approve_authorization(approve)
        .await
        .unwrap()
        .into_inner();
    let url: url::Url = approved.redirect_uri.parse().unwrap();
    let code = url
        .query_pairs()
        .find(|(name, _)| name == "code")
        .unwrap()
        .1
        .into_owned();
    let deny = DenyAuthorizationRequest { name, reason: 0 };
    let denied = app.oauth().deny_authorization(deny).await;
    refused(denied, Code::NotFound, "AUTHORIZATION_NOT_FOUND");

    let exchange = IssueTokensRequest {
        grant_type: "authorization_code".to_owned(),
        client_id: client_id.clone(),
        code,
        code_verifier: VERIFIER.to_owned(),
        ..IssueTokensRequest::default()
    };
    let tokens = app
        .oauth()
        .issue_tokens(exchange)
        .await
        .unwrap()
        .into_inner();
    assert!(app.opens(&tokens.access_token).await);
    let introspect = async || {
        let request = IntrospectTokenRequest {
            client_id: client_id.clone(),
            token: tokens.access_token.clone(),
            ..IntrospectTokenRequest::default()
        };
        app.oauth().introspect_token(request).await
    };
    // It cannot show who it is (RFC 7662 section 2.1).
    let reason = "CLIENT_AUTHENTICATION_FAILED";
    refused(introspect().await, Code::Unauthenticated, reason);
    // One without a secret needs no name to be rid of its token.
    let revoke = RevokeTokenRequest {
        token: tokens.refresh_token.clone(),
        ..RevokeTokenRequest::default()
    };
    app.oauth().revoke_token(revoke).await.unwrap();
    assert!(!app.opens(&tokens.access_token).await && here.is_in().await);
}

#[tokio::test]
async fn a_registration_is_looked_after() {
    let app = TestApp::start().await;
    let request = RegisterClientRequest {
        metadata: metadata("https://app.example.com/cb"),
    };
    let made = app
        .oauth()
        .register_client(request)
        .await
        .unwrap()
        .into_inner();
    let made = made.registration.unwrap();
    let (client_id, token) = (
        made.client_id.clone(),
        made.registration_access_token.clone(),
    );
    let read = async |token: &str| {
        let request = GetClientRegistrationRequest {
            client_id: client_id.clone(),
            registration_access_token: token.to_owned(),
        };
        app.oauth().get_client_registration(request).await
    };
    let stored = read(&token)
        .await
        .unwrap()
        .into_inner()
        .registration
        .unwrap();
    assert_eq!(
        (stored.metadata, stored.registration_access_token),
        (made.metadata, String::new())
    );
    refused(read("x").await, Code::Unauthenticated, "CREDENTIAL_INVALID");

    let update = UpdateClientRegistrationRequest {
        client_id: client_id.clone(),
        registration_access_token: token.clone(),
        metadata: metadata("http://evil.example/cb"),
    };
    let bad = app.oauth().update_client_registration(update.clone()).await;
    let fields = refused(bad, Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(fields, ["metadata.redirect_uris[0]"]);
    let update = UpdateClientRegistrationRequest {
        metadata: metadata("https://new.example.com/cb"),
        ..update
    };
    app.oauth()
        .update_client_registration(update)
        .await
        .unwrap();
    let delete = DeleteClientRegistrationRequest {
        client_id: client_id.clone(),
        registration_access_token: token.clone(),
    };
    app.oauth()
        .delete_client_registration(delete)
        .await
        .unwrap();
    refused(
        read(&token).await,
        Code::Unauthenticated,
        "CREDENTIAL_INVALID",
    );
}

/// A scope that a credential lacks leaves a field empty.
#[tokio::test]
async fn a_credential_learns_of_its_account_what_its_scopes_reach() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let here = ann.logs_in().await;
    for (scopes, email) in [
        (&["openid"][..], ""),
        (&["openid", "email"], "ann@example.com"),
        (&[], "ann@example.com"),
    ] {
        let key = here.makes_key(scopes).await;
        let request = with_bearer(GetUserInfoRequest {}, &key);
        let info = app.oauth().get_user_info(request).await.unwrap();
        let info = info.into_inner();
        assert_eq!(
            (info.account.as_str(), info.email.as_str()),
            (ann.account.as_str(), email)
        );
    }
    let key = here.makes_key(&["email"]).await;
    let request = with_bearer(GetUserInfoRequest {}, &key);
    let denied = app.oauth().get_user_info(request).await;
    refused(denied, Code::PermissionDenied, "PERMISSION_DENIED");
    let nobody = app.oauth().get_user_info(GetUserInfoRequest {}).await;
    refused(nobody, Code::Unauthenticated, "CREDENTIAL_MISSING");
}

/// What a log-out page of somebody's own asks.
#[tokio::test]
async fn a_log_out_request_says_who_asks_and_where_it_goes() {
    let app = TestApp::start().await;
    let metadata = metadata("https://app.example.com/cb").map(|metadata| ClientMetadata {
        post_logout_redirect_uris: vec!["http://127.0.0.1/bye".to_owned()],
        ..metadata
    });
    let made = app
        .oauth()
        .register_client(RegisterClientRequest { metadata })
        .await;
    let client = made.unwrap().into_inner().registration.unwrap();
    let request = ResolveLogOutRequest {
        client_id: client.client_id.clone(),
        post_logout_redirect_uri: "http://127.0.0.1:4711/bye".to_owned(),
        state: "x".to_owned(),
        ..ResolveLogOutRequest::default()
    };
    let found = app.oauth().resolve_log_out(request.clone()).await.unwrap();
    let found = found.into_inner();
    assert_eq!(
        (found.client_id, found.client_name.as_str()),
        (client.client_id, "Editor")
    );
    assert_eq!(
        (found.redirect_uri.as_str(), found.account.as_str()),
        ("http://127.0.0.1:4711/bye?state=x", "")
    );
    let nothing = app
        .oauth()
        .resolve_log_out(ResolveLogOutRequest::default())
        .await
        .unwrap();
    assert_eq!(nothing.into_inner(), v1::ResolveLogOutResponse::default());
    for (wrong, field) in [
        (
            ResolveLogOutRequest {
                client_id: String::new(),
                ..request.clone()
            },
            "post_logout_redirect_uri",
        ),
        (
            ResolveLogOutRequest {
                post_logout_redirect_uri: "https://app.example.com/cb".to_owned(),
                ..request.clone()
            },
            "post_logout_redirect_uri",
        ),
        (
            ResolveLogOutRequest {
                id_token_hint: "x".to_owned(),
                ..request.clone()
            },
            "id_token_hint",
        ),
    ] {
        let refusal = app.oauth().resolve_log_out(wrong).await;
        let fields = refused(refusal, Code::InvalidArgument, "INVALID_FIELD");
        assert_eq!(fields, [field]);
    }
    let unknown = ResolveLogOutRequest {
        client_id: "mkc_0".to_owned(),
        ..request
    };
    let refusal = app.oauth().resolve_log_out(unknown).await;
    refused(refusal, Code::NotFound, "CLIENT_NOT_FOUND");
}
