//! Clients that registered themselves, as administrators see and delete them.

use std::time::Duration;

use countersign::pb::{
    admin::v1 as admin_v1,
    v1::{
        ApproveAuthorizationRequest, GetClientRequest, IssueTokensRequest,
        StartAuthorizationRequest,
    },
};
use tonic::Code;

use crate::{
    store_contract::{Base, on_both_engines},
    support::{LoggedIn, TestApp, refused, with_bearer},
};

on_both_engines! {
    clients_are_listed_newest_first_page_by_page,
    a_deleted_client_is_unknown_and_its_grants_are_over,
}

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn delete(name: &str) -> admin_v1::DeleteClientRequest {
    admin_v1::DeleteClientRequest {
        name: name.to_owned(),
    }
}

async fn page(app: &TestApp, size: i32, token: &str) -> admin_v1::ListClientsResponse {
    let request = admin_v1::ListClientsRequest {
        page_size: size,
        page_token: token.to_owned(),
    };
    let answer = app.operator_of_clients().list_clients(request).await;
    answer.unwrap().into_inner()
}

async fn all(app: &TestApp) -> Vec<admin_v1::Client> {
    let page = page(app, 0, "").await;
    assert_eq!(page.next_page_token, "");
    page.clients
}

/// An access token of the client, which this person has let in.
pub(crate) async fn lets_in(app: &TestApp, person: &LoggedIn<'_>, client: &str) -> String {
    let client_id = client.strip_prefix("clients/").unwrap();
    let request = StartAuthorizationRequest {
        response_type: "code".to_owned(),
        client_id: client_id.to_owned(),
        code_challenge: CHALLENGE.to_owned(),
        code_challenge_method: "S256".to_owned(),
        ..StartAuthorizationRequest::default()
    };
    let started = app.oauth().start_authorization(request).await.unwrap();
    let name = started.into_inner().authorization.unwrap().name;
    let approve = person.asks(ApproveAuthorizationRequest { name });
    let approved = app.oauth().approve_authorization(approve).await.unwrap();
    let url: url::Url = approved.into_inner().redirect_uri.parse().unwrap();
    let mut parameters = url.query_pairs();
    let code = parameters.find(|(name, _)| name == "code").unwrap().1;
    let exchange = IssueTokensRequest {
        grant_type: "authorization_code".to_owned(),
        client_id: client_id.to_owned(),
        code: code.into_owned(),
        code_verifier: VERIFIER.to_owned(),
        ..IssueTokensRequest::default()
    };
    let tokens = app.oauth().issue_tokens(exchange).await.unwrap();
    tokens.into_inner().access_token
}

async fn clients_are_listed_newest_first_page_by_page(base: Base) {
    let app = TestApp::with(|config| base.configure(config)).await;
    assert_eq!(all(&app).await, []);
    let mut made = Vec::new();
    for name in ["one", "two", "three"] {
        made.push(app.registers(name).await);
        app.clock.advance(Duration::from_secs(1));
    }
    let ann = app.sign_up("ann").await.logs_in().await;
    lets_in(&app, &ann, &made[0]).await;

    let listed = all(&app).await;
    let names: Vec<_> = listed.iter().map(|client| &client.name).collect();
    assert_eq!(names, [&made[2], &made[1], &made[0]]);
    assert_eq!(
        (&*listed[0].display_name, &listed[0].redirect_uris[..]),
        (
            "three",
            &["https://app.example.com/callback".to_owned()][..]
        )
    );
    let seconds = |time: &Option<prost_types::Timestamp>| time.as_ref().map(|time| time.seconds);
    let first = seconds(&listed[2].create_time).unwrap();
    assert_eq!(seconds(&listed[0].create_time), Some(first + 2));
    assert_eq!(
        [2, 1, 0].map(|at| seconds(&listed[at].last_use_time)),
        [Some(first + 3), None, None]
    );

    let mut token = String::new();
    for client in &listed {
        let page = page(&app, 1, &token).await;
        assert_eq!(page.clients, std::slice::from_ref(client));
        token = page.next_page_token;
    }
    assert_eq!(token, "");
    // The token of another list is none of this one.
    let others = admin_v1::ListAccountsRequest {
        page_size: 1,
        ..admin_v1::ListAccountsRequest::default()
    };
    app.joins("bob").await;
    let others = app.operator().list_accounts(others).await.unwrap();
    let request = admin_v1::ListClientsRequest {
        page_token: others.into_inner().next_page_token,
        ..admin_v1::ListClientsRequest::default()
    };
    let answer = app.operator_of_clients().list_clients(request).await;
    let fields = refused(answer, Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(fields, ["page_token"]);
}

async fn a_deleted_client_is_unknown_and_its_grants_are_over(base: Base) {
    let app = TestApp::with(|config| base.configure(config)).await;
    let (bad, good) = (app.registers("bad").await, app.registers("good").await);
    let ann = app.administrator("ann").await;
    let token = lets_in(&app, &ann, &bad).await;
    let other = lets_in(&app, &ann, &good).await;
    assert!(app.opens(&token).await);

    let mut admin = app.admin_of_clients();
    let by_ann = with_bearer(delete(&bad), &ann.tokens.access_token);
    admin.delete_client(by_ann).await.unwrap();
    assert!(!app.opens(&token).await);
    assert!(app.opens(&other).await && ann.is_in().await);
    let listed = all(&app).await;
    let names: Vec<_> = listed.iter().map(|client| &client.name).collect();
    assert_eq!(names, [&good]);
    let read = ann.asks(GetClientRequest { name: bad.clone() });
    let read = app.clients().get_client(read).await;
    refused(read, Code::NotFound, "CLIENT_NOT_FOUND");

    let app = app.restart().await;
    assert!(!app.opens(&token).await);
    // Only what the operator has not set up can be deleted, and once.
    for name in [
        bad.as_str(),
        "clients/countersign",
        "clients/mkc_0",
        "clients/https:%2F%2Fapp.example.com%2Fclient.json",
    ] {
        let answer = app.operator_of_clients().delete_client(delete(name)).await;
        refused(answer, Code::NotFound, "CLIENT_NOT_FOUND");
    }
}
