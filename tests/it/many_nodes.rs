//! What one node changes, and when the other nodes of the database know it.

use std::time::Duration;

use countersign::{
    error::Reason,
    pb::{
        admin::v1::{
            DeleteAccountRequest, DeleteGrantRequest, Organization, UpdateOrganizationRequest,
        },
        v1::{
            DeleteApiKeyRequest, DeleteSessionRequest, ListApiKeysRequest, ListGrantsRequest, Plan,
        },
    },
};
use sea_orm::{ConnectionTrait as _, DatabaseConnection};
use tonic::Code;

use crate::{
    database_outages::Network,
    store_contract::{Base, on_postgres},
    support::{TestApp, disable, enable, with_bearer},
};

/// How long a node may go on without hearing the others.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
const ALMOST: Duration = Duration::from_millis(999);

/// Three nodes that hear each other.
async fn three_nodes(base: &Base) -> [TestApp; 3] {
    let first = TestApp::with(|config| {
        base.configure(config);
        config.database.connections = 4;
    })
    .await;
    let (second, third) = (first.second_node().await, first.second_node().await);
    let nodes = [first, second, third];
    for node in &nodes {
        hears(node).await;
    }
    nodes
}

/// One turn of the jobs, among which is what a node does every 500 ms to hear the others.
async fn hears(node: &TestApp) {
    node.parts.jobs.run_pending().await.unwrap();
}

/// Ends a session on this node.
async fn ends(node: &TestApp, session: &str, token: &str) {
    let name = session.to_owned();
    let end = with_bearer(DeleteSessionRequest { name }, token);
    node.sessions().delete_session(end).await.unwrap();
}

/// The only API key of the account whose token it is.
async fn name_of_key(node: &TestApp, token: &str) -> String {
    let request = with_bearer(ListApiKeysRequest::default(), token);
    let listed = node.api_keys().list_api_keys(request).await.unwrap();
    listed.into_inner().api_keys[0].name.clone()
}

/// The grant whose token it is.
async fn name_of_grant(node: &TestApp, token: &str) -> String {
    let request = with_bearer(ListGrantsRequest::default(), token);
    let listed = node.grants().list_grants(request).await.unwrap();
    let grants = listed.into_inner().grants.into_iter();
    grants
        .filter(|grant| grant.current)
        .map(|grant| grant.name)
        .next()
        .unwrap()
}

async fn by_hand(database: &DatabaseConnection, statement: &str) {
    database.execute_unprepared(statement).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_ends_every_node_refuses_once_it_has_heard() {
    on_postgres(|base| async move {
        let [first, second, third] = three_nodes(&base).await;
        let ann = first.sign_up("ann").await;
        let session = ann.logs_in().await;
        let (kept, key) = (ann.logs_in().await, session.makes_key(&[]).await);
        let granted = ann.logs_in().await;
        let tokens = [&session, &kept, &granted].map(|it| it.tokens.access_token.clone());
        let [ended, kept, granted_token] = &tokens;
        for node in [&first, &second, &third] {
            for credential in tokens.iter().chain([&key]) {
                assert!(node.opens(credential).await);
            }
        }
        ends(&first, &session.session, kept).await;
        let name = name_of_key(&first, kept).await;
        let end = with_bearer(DeleteApiKeyRequest { name }, kept);
        second.api_keys().delete_api_key(end).await.unwrap();
        let name = name_of_grant(&first, granted_token).await;
        let end = DeleteGrantRequest { name };
        third.operator_of_grants().delete_grant(end).await.unwrap();
        for node in [&first, &second, &third] {
            hears(node).await;
            for dead in [ended, granted_token, &key] {
                assert!(!node.opens(dead).await);
            }
            assert!(node.opens(kept).await);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_one_node_disables_or_deletes_is_dead_on_all() {
    on_postgres(|base| async move {
        let [first, second, third] = three_nodes(&base).await;
        let ann = first.sign_up("ann").await;
        let key = ann.logs_in().await.makes_key(&[]).await;
        let opens_everywhere = async |expected: bool| {
            for node in [&first, &second, &third] {
                hears(node).await;
                assert_eq!(node.opens(&key).await, expected);
            }
        };
        opens_everywhere(true).await;
        let disable = disable(&ann.account);
        second.operator().disable_account(disable).await.unwrap();
        opens_everywhere(false).await;
        let enable = enable(&ann.account);
        second.operator().enable_account(enable).await.unwrap();
        opens_everywhere(true).await;
        let name = ann.account.clone();
        let delete = DeleteAccountRequest { name };
        third.operator().delete_account(delete).await.unwrap();
        opens_everywhere(false).await;
    })
    .await;
}

/// The limits of a caller are those of the plan.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_one_node_changes_counts_on_all() {
    on_postgres(|base| async move {
        let [first, second, _] = three_nodes(&base).await;
        let ann = first.sign_up("ann").await.logs_in().await;
        let token = &ann.tokens.access_token;
        let organization = first.organization(token).await;
        let add = || second.try_add(token, &organization, "bob");
        assert_eq!(add().await.unwrap_err().code(), Code::PermissionDenied);
        let change = UpdateOrganizationRequest {
            organization: Some(Organization {
                name: organization.clone(),
                plan: Plan::Pro.into(),
                ..Organization::default()
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["plan".to_owned()],
            }),
        };
        let mut operator = first.operator_of_organizations();
        operator.update_organization(change).await.unwrap();
        hears(&second).await;
        add().await.unwrap();
    })
    .await;
}

/// As when it is frozen, or its part of the network is.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_hear_trusts_its_memory_for_a_second() {
    on_postgres(|base| async move {
        let [first, second, _] = three_nodes(&base).await;
        let ann = first.sign_up("ann").await;
        let session = ann.logs_in().await;
        let token = &session.tokens.access_token;
        assert!(second.opens(token).await);
        ends(&first, &session.session, token).await;
        first.clock.advance(ALMOST);
        assert!(second.opens(token).await, "it is remembered");
        first.clock.advance(TRUSTED_FOR - ALMOST);
        assert!(!second.opens(token).await);
    })
    .await;
}

/// Otherwise the database would be asked for every caller each second.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_hears_remembers_for_longer_than_that() {
    on_postgres(|base| async move {
        let [first, second, _] = three_nodes(&base).await;
        let token = first
            .sign_up("ann")
            .await
            .logs_in()
            .await
            .tokens
            .access_token
            .clone();
        assert!(second.opens(&token).await);
        let database = base.postgres_by_hand().await.unwrap();
        // Nobody is told.
        by_hand(&database, "UPDATE grants SET revoked_at = 0").await;
        for _ in 0..10 {
            first.clock.advance(TRUSTED_FOR);
            hears(&second).await;
            assert!(second.opens(&token).await, "it was read again");
        }
        // A newer node may say what this one does not understand.
        by_hand(
            &database,
            "SELECT pg_notify('countersign_invalidations', 'tenants/7')",
        )
        .await;
        hears(&second).await;
        assert!(!second.opens(&token).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_while_a_node_was_cut_off_is_not_missed() {
    on_postgres(|base| async move {
        let first = TestApp::with(|config| base.configure(config)).await;
        let (network, url) = Network::before_database(&base).await;
        let far = first
            .beside(|config| config.database.url = url.into())
            .await;
        hears(&far).await;
        let ann = first.sign_up("ann").await;
        let session = ann.logs_in().await;
        let token = &session.tokens.access_token;
        assert!(far.opens(token).await);
        network.cut();
        ends(&first, &session.session, token).await;
        let refused = far.parts.jobs.run_pending().await.unwrap_err();
        assert_eq!(refused.reason(), Reason::StorageUnavailable);
        network.mend();
        // What was connected before stays dead, and is found out by whoever asks first.
        drop(far.parts.store.ping().await);
        hears(&far).await;
        assert!(!far.opens(token).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_while_postgres_ended_the_connections_is_not_missed() {
    on_postgres(|base| async move {
        let [first, second, _] = three_nodes(&base).await;
        let token = first
            .sign_up("ann")
            .await
            .logs_in()
            .await
            .tokens
            .access_token
            .clone();
        assert!(second.opens(&token).await);
        let database = base.postgres_by_hand().await.unwrap();
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        by_hand(&database, end).await;
        by_hand(&database, "UPDATE grants SET revoked_at = 0").await;
        let refused = second.parts.jobs.run_pending().await.unwrap_err();
        assert_eq!(refused.reason(), Reason::StorageUnavailable);
        hears(&second).await;
        assert!(!second.opens(&token).await);
    })
    .await;
}
