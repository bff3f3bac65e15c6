//! Owners of organizations, and the accounts in them.

use countersign::pb::v1::{
    Account, CreateSessionRequest, GetAccountRequest, GetOrganizationRequest, Organization,
    ProvisionAccountRequest, ProvisionAccountResponse,
};
use tonic::Status;

use super::{PASSWORD, TestApp, with_bearer};

impl TestApp {
    /// Ann signs up, gets the paid plan, and logs in: her token.
    pub(crate) async fn pro_owner(&self, name: &str) -> String {
        let email = self.sign_up(name).await.email;
        let token = self.token(&email, "countersign").await;
        let organization = self.organization(&token).await;
        self.upgrade(&organization).await;
        // What is remembered of the first token has the old plan.
        self.token(&email, "mailtd-pro").await
    }

    /// The token of a log-in with this profile.
    pub(crate) async fn token(&self, email: &str, client_id: &str) -> String {
        let request = CreateSessionRequest {
            email: email.to_owned(),
            password: PASSWORD.to_owned(),
            client_id: client_id.to_owned(),
            ..CreateSessionRequest::default()
        };
        let made = self.sessions().create_session(request).await.unwrap();
        made.into_inner().tokens.unwrap().access_token
    }

    /// The home organization of the account whose token it is.
    pub(crate) async fn organization(&self, token: &str) -> String {
        home(&self.me(token).await)
    }

    /// Who a token is.
    pub(crate) async fn me(&self, token: &str) -> Account {
        self.read_account(token, "accounts/me").await.unwrap()
    }

    pub(crate) async fn reads_organization(
        &self,
        token: &str,
        name: &str,
    ) -> Result<Organization, Status> {
        let name = name.to_owned();
        let request = with_bearer(GetOrganizationRequest { name }, token);
        let read = self.organizations().get_organization(request).await;
        read.map(|read| read.into_inner().organization.unwrap())
    }

    pub(crate) async fn read_account(&self, token: &str, name: &str) -> Result<Account, Status> {
        let name = name.to_owned();
        let request = with_bearer(GetAccountRequest { name }, token);
        let read = self.accounts().get_account(request).await;
        read.map(|read| read.into_inner().account.unwrap())
    }

    /// Makes `bob@example.com` in the organization of whoever asks, with an e-mail token.
    pub(crate) async fn try_add(
        &self,
        token: &str,
        parent: &str,
        name: &str,
    ) -> Result<ProvisionAccountResponse, Status> {
        let request = ProvisionAccountRequest {
            parent: parent.to_owned(),
            email: format!("{name}@example.com"),
            password: PASSWORD.to_owned(),
            display_name: String::new(),
            session_client_id: "mailtd".to_owned(),
            request_id: String::new(),
        };
        let answer = self
            .accounts()
            .provision_account(with_bearer(request, token))
            .await;
        answer.map(tonic::Response::into_inner)
    }

    /// The same, as it should be: the account and its token.
    pub(crate) async fn add(&self, token: &str, name: &str) -> (Account, String) {
        let made = self.try_add(token, "organizations/me", name).await.unwrap();
        (made.account.unwrap(), made.tokens.unwrap().access_token)
    }
}

/// The name of an account's home organization.
pub(crate) fn home(account: &Account) -> String {
    account.home_membership.clone().unwrap().organization
}
