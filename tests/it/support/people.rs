//! Owners of organizations, and the accounts in them.

use countersign::pb::v1::{
    Account, CreateOrganizationAccountRequest, CreateOrganizationAccountResponse,
    CreateSessionRequest, GetAccountRequest, SessionProfile,
};
use tonic::Status;

use super::{PASSWORD, TestApp, with_bearer};

impl TestApp {
    /// Ann signs up, gets the paid plan, and logs in: her token.
    pub(crate) async fn pro_owner(&self, name: &str) -> String {
        let email = self.sign_up(name).await.email;
        let token = self.token(&email, SessionProfile::Native).await;
        let organization = self.me(&token).await.organization;
        self.upgrade(&organization).await;
        // What is remembered of the first token has the old plan.
        self.token(&email, SessionProfile::MailtdPro).await
    }

    /// The token of a log-in with this profile.
    pub(crate) async fn token(&self, email: &str, profile: SessionProfile) -> String {
        let request = CreateSessionRequest {
            email: email.to_owned(),
            password: PASSWORD.to_owned(),
            profile: profile.into(),
            ..CreateSessionRequest::default()
        };
        let made = self.sessions().create_session(request).await.unwrap();
        made.into_inner().tokens.unwrap().access_token
    }

    /// Who a token is.
    pub(crate) async fn me(&self, token: &str) -> Account {
        self.read_account(token, "accounts/me").await.unwrap()
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
    ) -> Result<CreateOrganizationAccountResponse, Status> {
        let request = CreateOrganizationAccountRequest {
            parent: parent.to_owned(),
            email: format!("{name}@example.com"),
            password: PASSWORD.to_owned(),
            display_name: String::new(),
            session_profile: SessionProfile::Mailtd.into(),
        };
        let answer = self
            .accounts()
            .create_organization_account(with_bearer(request, token))
            .await;
        answer.map(tonic::Response::into_inner)
    }

    /// The same, as it should be: the account and its token.
    pub(crate) async fn add(&self, token: &str, name: &str) -> (Account, String) {
        let made = self.try_add(token, "organizations/me", name).await.unwrap();
        (made.account.unwrap(), made.tokens.unwrap().access_token)
    }
}
