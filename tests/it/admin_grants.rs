//! Grants and consents of everybody, as administrators see and take them back.

use std::time::Duration;

use countersign::pb::{
    admin::v1 as admin_v1,
    v1::{Consent, Grant},
};
use http::Method;
use tonic::Code;

use crate::{
    admin_clients::lets_in,
    store_contract::{Base, on_both_engines},
    support::{LoggedIn, TestApp, refused},
};

on_both_engines! {
    an_administrator_finds_what_clients_may_do_and_takes_it_back,
    an_administrator_finds_what_people_have_allowed_and_takes_it_back,
}

async fn grants(app: &TestApp, filter: &str) -> Vec<Grant> {
    let request = admin_v1::ListGrantsRequest {
        filter: filter.to_owned(),
        ..admin_v1::ListGrantsRequest::default()
    };
    let answer = app.operator_of_grants().list_grants(request).await;
    answer.unwrap().into_inner().grants
}

async fn consents(app: &TestApp, filter: &str) -> Vec<Consent> {
    let request = admin_v1::ListConsentsRequest {
        filter: filter.to_owned(),
        ..admin_v1::ListConsentsRequest::default()
    };
    let answer = app.operator_of_consents().list_consents(request).await;
    answer.unwrap().into_inner().consents
}

/// What somebody has allowed a client.
pub(crate) struct Allowed {
    pub(crate) grant: String,
    pub(crate) consent: String,
    token: String,
}

/// This person lets the client in.
pub(crate) async fn allows(app: &TestApp, person: &LoggedIn<'_>, client: &str) -> Allowed {
    app.clock.advance(Duration::from_secs(1));
    let token = lets_in(app, person, client).await;
    let filter = id(client);
    Allowed {
        grant: grants(app, &filter).await[0].name.clone(),
        consent: consents(app, &filter).await[0].name.clone(),
        token,
    }
}

fn id(client: &str) -> String {
    format!("client_id = {:?}", client.strip_prefix("clients/").unwrap())
}

async fn an_administrator_finds_what_clients_may_do_and_takes_it_back(base: Base) {
    let app = TestApp::with(|config| base.configure(config)).await;
    let (one, two) = (app.registers("one").await, app.registers("two").await);
    let (anna, robert) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let (ann, bob) = (anna.logs_in().await, robert.logs_in().await);
    let mut allowed = Vec::new();
    for (person, client) in [(&ann, &one), (&bob, &one), (&bob, &two)] {
        allowed.push(allows(&app, person, client).await);
    }
    let names = |grants: Vec<Grant>| grants.into_iter().map(|grant| grant.name);
    let expected = |which: &[usize]| {
        which
            .iter()
            .map(|at| allowed[*at].grant.clone())
            .collect::<Vec<_>>()
    };
    let of_one: Vec<_> = names(grants(&app, &id(&one)).await).collect();
    assert_eq!(of_one, expected(&[1, 0]));
    let account = format!("account = {:?}", robert.account);
    let of_bob = format!("{account} AND {}", id(&two));
    assert_eq!(
        names(grants(&app, &of_bob).await).collect::<Vec<_>>(),
        expected(&[2])
    );
    let of_bob = grants(&app, &account).await;
    assert!(of_bob.iter().all(|grant| grant.account == robert.account));
    // With the grant of the log-in itself.
    assert_eq!(of_bob.len(), 3);

    let delete = |name: &str| admin_v1::DeleteGrantRequest {
        name: name.to_owned(),
    };
    let mut operator = app.operator_of_grants();
    operator
        .delete_grant(delete(&allowed[1].grant))
        .await
        .unwrap();
    assert!(!app.opens(&allowed[1].token).await);
    assert!(app.opens(&allowed[0].token).await && app.opens(&allowed[2].token).await);
    assert!(bob.is_in().await);
    let of_one: Vec<_> = names(grants(&app, &id(&one)).await).collect();
    assert_eq!(of_one, expected(&[0]));
    // The client has to ask again.
    assert_eq!(consents(&app, &id(&one)).await.len(), 1);
    for name in [
        &allowed[1].grant,
        "grants/none",
        "grants/01a21fb7-7273-74d8-9c9b-1ca94b719736",
    ] {
        let answer = operator.delete_grant(delete(name)).await;
        refused(answer, Code::NotFound, "GRANT_NOT_FOUND");
    }
    for filter in [
        "client",
        "account = \"ann\"",
        "scope = \"mcp\"",
        "account = \"x\" OR client_id = \"x\"",
    ] {
        let request = admin_v1::ListGrantsRequest {
            filter: filter.to_owned(),
            ..admin_v1::ListGrantsRequest::default()
        };
        let answer = operator.list_grants(request).await;
        let fields = refused(answer, Code::InvalidArgument, "INVALID_FIELD");
        assert_eq!(fields, ["filter"], "{filter}");
    }
}

async fn an_administrator_finds_what_people_have_allowed_and_takes_it_back(base: Base) {
    let app = TestApp::with(|config| base.configure(config)).await;
    let client = app.registers("one").await;
    let (anna, robert) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let (ann, bob) = (anna.logs_in().await, robert.logs_in().await);
    let of_ann = allows(&app, &ann, &client).await;
    let of_bob = allows(&app, &bob, &client).await;
    let found = consents(&app, &id(&client)).await;
    let found: Vec<_> = found.iter().map(|one| (&one.name, &one.account)).collect();
    assert_eq!(
        found,
        [
            (&of_bob.consent, &robert.account),
            (&of_ann.consent, &anna.account)
        ]
    );

    let delete = |name: &str| admin_v1::DeleteConsentRequest {
        name: name.to_owned(),
    };
    let mut operator = app.operator_of_consents();
    operator
        .delete_consent(delete(&of_bob.consent))
        .await
        .unwrap();
    assert!(!app.opens(&of_bob.token).await && app.opens(&of_ann.token).await);
    assert_eq!(consents(&app, &id(&client)).await.len(), 1);
    assert_eq!(grants(&app, &id(&client)).await.len(), 1);
    let answer = operator.delete_consent(delete(&of_bob.consent)).await;
    refused(answer, Code::NotFound, "CONSENT_NOT_FOUND");

    // The next page is that of the same filter alone.
    let page = |filter: &str, token: &str| admin_v1::ListConsentsRequest {
        page_size: 1,
        page_token: token.to_owned(),
        filter: filter.to_owned(),
    };
    allows(&app, &bob, &client).await;
    let first = operator
        .list_consents(page("", ""))
        .await
        .unwrap()
        .into_inner();
    let token = first.next_page_token;
    let second = operator
        .list_consents(page("", &token))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(second.consents[0].name, of_ann.consent);
    let answer = operator.list_consents(page(&id(&client), &token)).await;
    let fields = refused(answer, Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(fields, ["page_token"]);
}

#[tokio::test]
async fn an_administrator_sees_which_grant_is_the_one_of_the_call() {
    let app = TestApp::start().await;
    app.sign_up("ann").await.logs_in().await;
    let administrator = app.administrator("root").await;
    let call = app.call(Method::GET, "/admin/v1/grants");
    let answer = call.bearer(&administrator.tokens.access_token).send().await;
    let grants = answer.json()["grants"].as_array().unwrap().clone();
    let current = grants.iter().map(|grant| &grant["current"] == true);
    assert_eq!(current.collect::<Vec<_>>(), [true, false]);
}
