//! What administrators find.

use countersign::pb::admin::v1 as admin_v1;
use tonic::Code;

use crate::support::{TestApp, disable, refused};

impl TestApp {
    async fn found(&self, request: admin_v1::ListAccountsRequest) -> Vec<String> {
        let answer = self.operator().list_accounts(request).await.unwrap();
        emails(&answer.into_inner())
    }
}

fn emails(page: &admin_v1::ListAccountsResponse) -> Vec<String> {
    let accounts = page.accounts.iter();
    accounts.map(|account| account.email.clone()).collect()
}

#[tokio::test]
async fn accounts_are_found_by_what_is_in_their_address_or_name() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.joins("ann").await, app.joins("b_b").await);
    app.grant(&bob.email).await;
    app.operator()
        .disable_account(disable(&ann.account))
        .await
        .unwrap();
    let all = admin_v1::ListAccountsRequest::default;
    let filter = |filter: &str| admin_v1::ListAccountsRequest {
        filter: filter.to_owned(),
        ..all()
    };
    let organization = app.organization_of(&ann).await;
    for (wanted, found) in [
        ("ANN@", vec!["ann@example.com"]),
        ("\"_\"", vec!["b_b@example.com"]),
        ("\"%\"", vec![]),
        ("example", vec!["b_b@example.com", "ann@example.com"]),
        ("disabled = true", vec!["ann@example.com"]),
        ("disabled = false", vec!["b_b@example.com"]),
        ("administrator = true", vec!["b_b@example.com"]),
        ("administrator=false", vec!["ann@example.com"]),
        (
            "example AND administrator = true AND disabled = true",
            vec![],
        ),
        (
            &format!("organization = \"{organization}\" AND ann"),
            vec!["ann@example.com"],
        ),
    ] {
        assert_eq!(app.found(filter(wanted)).await, found, "{wanted}");
    }
    let forged = admin_v1::ListAccountsRequest {
        page_token: "forged".to_owned(),
        ..all()
    };
    for (request, field) in [
        (filter("a\nb"), "filter"),
        (filter(&"a".repeat(501)), "filter"),
        (filter("organization = \"organization/x\""), "filter"),
        (filter("organization = \"organizations/x\""), "filter"),
        (filter("disabled = maybe"), "filter"),
        (filter("disabled = true AND disabled = true"), "filter"),
        (filter("email = ann"), "filter"),
        (filter("ann OR bob"), "filter"),
        (forged, "page_token"),
    ] {
        let answer = app.operator().list_accounts(request).await;
        assert_eq!(
            refused(answer, Code::InvalidArgument, "INVALID_FIELD"),
            [field]
        );
    }
}

#[tokio::test]
async fn a_page_goes_on_with_its_own_filter_alone() {
    let app = TestApp::start().await;
    for name in ["ann", "bob", "cid"] {
        app.joins(name).await;
    }
    let page = |filter: &str, page_token: &str| admin_v1::ListAccountsRequest {
        filter: filter.to_owned(),
        page_size: 2,
        page_token: page_token.to_owned(),
    };
    let first = app
        .operator()
        .list_accounts(page("example", ""))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(emails(&first), ["cid@example.com", "bob@example.com"]);
    let token = first.next_page_token;
    let second = app
        .operator()
        .list_accounts(page("example", &token))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (emails(&second), second.next_page_token.as_str()),
        (vec!["ann@example.com".to_owned()], "")
    );
    let other = app.operator().list_accounts(page("exam", &token)).await;
    assert_eq!(
        refused(other, Code::InvalidArgument, "INVALID_FIELD"),
        ["page_token"]
    );

    let list = |page_token: &str| admin_v1::ListOrganizationsRequest {
        page_size: 2,
        page_token: page_token.to_owned(),
        ..admin_v1::ListOrganizationsRequest::default()
    };
    let first = app
        .operator_of_organizations()
        .list_organizations(list(""))
        .await
        .unwrap()
        .into_inner();
    let second = app
        .operator_of_organizations()
        .list_organizations(list(&first.next_page_token))
        .await
        .unwrap();
    assert_eq!(
        (
            first.organizations.len(),
            second.into_inner().organizations.len()
        ),
        (2, 1)
    );
    let foreign = app
        .operator_of_organizations()
        .list_organizations(list(&token))
        .await;
    assert_eq!(
        refused(foreign, Code::InvalidArgument, "INVALID_FIELD"),
        ["page_token"]
    );
}
