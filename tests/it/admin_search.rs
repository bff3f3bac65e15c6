//! What administrators find.

use countersign::pb::v1::{
    ListOrganizationsRequest, SearchAccountsRequest, SearchAccountsResponse,
};
use tonic::Code;

use crate::support::{TestApp, disable, refused};

impl TestApp {
    async fn found(&self, request: SearchAccountsRequest) -> Vec<String> {
        let answer = self.operator().search_accounts(request).await.unwrap();
        emails(&answer.into_inner())
    }
}

fn emails(page: &SearchAccountsResponse) -> Vec<String> {
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
    let all = SearchAccountsRequest::default;
    let query = |text: &str| SearchAccountsRequest {
        query: text.to_owned(),
        ..all()
    };
    for (request, found) in [
        (query("ANN@"), vec!["ann@example.com"]),
        (query("_"), vec!["b_b@example.com"]),
        (query("%"), vec![]),
        (query("example"), vec!["b_b@example.com", "ann@example.com"]),
        (
            SearchAccountsRequest {
                disabled_only: true,
                ..all()
            },
            vec!["ann@example.com"],
        ),
        (
            SearchAccountsRequest {
                administrators_only: true,
                ..all()
            },
            vec!["b_b@example.com"],
        ),
        (
            SearchAccountsRequest {
                organization: app.organization_of(&ann).await,
                ..all()
            },
            vec!["ann@example.com"],
        ),
    ] {
        assert_eq!(app.found(request.clone()).await, found, "{request:?}");
    }
    for (request, field) in [
        (query("a\nb"), "query"),
        (query(&"a".repeat(201)), "query"),
        (
            SearchAccountsRequest {
                organization: "organization/x".to_owned(),
                ..all()
            },
            "organization",
        ),
        (
            SearchAccountsRequest {
                organization: "organizations/x".to_owned(),
                ..all()
            },
            "organization",
        ),
        (
            SearchAccountsRequest {
                page_token: "forged".to_owned(),
                ..all()
            },
            "page_token",
        ),
    ] {
        let answer = app.operator().search_accounts(request).await;
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
    let page = |query: &str, page_token: &str| SearchAccountsRequest {
        query: query.to_owned(),
        page_size: 2,
        page_token: page_token.to_owned(),
        ..SearchAccountsRequest::default()
    };
    let first = app
        .operator()
        .search_accounts(page("example", ""))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(emails(&first), ["cid@example.com", "bob@example.com"]);
    let token = first.next_page_token;
    let second = app
        .operator()
        .search_accounts(page("example", &token))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (emails(&second), second.next_page_token.as_str()),
        (vec!["ann@example.com".to_owned()], "")
    );
    let other = app.operator().search_accounts(page("exam", &token)).await;
    assert_eq!(
        refused(other, Code::InvalidArgument, "INVALID_FIELD"),
        ["page_token"]
    );

    let list = |page_token: &str| ListOrganizationsRequest {
        page_size: 2,
        page_token: page_token.to_owned(),
        ..ListOrganizationsRequest::default()
    };
    let first = app
        .operator()
        .list_organizations(list(""))
        .await
        .unwrap()
        .into_inner();
    let second = app
        .operator()
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
    let foreign = app.operator().list_organizations(list(&token)).await;
    assert_eq!(
        refused(foreign, Code::InvalidArgument, "INVALID_FIELD"),
        ["page_token"]
    );
}
