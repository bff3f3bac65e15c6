//! Administration, by the operator and by those whom the operator trusts.

use std::time::Duration;

use countersign::pb::{
    admin::v1 as admin_v1,
    v1::{Account, ApiKey, ClientMetadata, CreateApiKeyRequest, RegisterClientRequest},
};
use tonic::Status;

use super::{LoggedIn, Person, TestApp, home};

impl TestApp {
    /// A client of this name that has registered itself, by its name.
    pub(crate) async fn registers(&self, client_name: &str) -> String {
        let metadata = ClientMetadata {
            redirect_uris: vec!["https://app.example.com/callback".to_owned()],
            client_name: client_name.to_owned(),
            ..ClientMetadata::default()
        };
        let request = RegisterClientRequest {
            metadata: Some(metadata),
        };
        let made = self.oauth().register_client(request).await.unwrap();
        format!(
            "clients/{}",
            made.into_inner().registration.unwrap().client_id
        )
    }

    /// Somebody signs up after everybody else.
    pub(crate) async fn joins(&self, name: &str) -> Person<'_> {
        self.clock.advance(Duration::from_millis(1));
        self.sign_up(name).await
    }

    /// Somebody signs up, is made an administrator by the operator, and logs in.
    pub(crate) async fn administrator(&self, name: &str) -> LoggedIn<'_> {
        let person = self.sign_up(name).await;
        self.grant(&person.email).await;
        person.logs_in().await
    }

    pub(crate) async fn grant(&self, email: &str) {
        let request = admin_v1::GrantAdministratorRequest {
            name: format!("accounts/{email}"),
        };
        self.operator().grant_administrator(request).await.unwrap();
    }

    /// The name of the key that signs with this algorithm, as the operator sees it.
    pub(crate) async fn signing_key(&self, algorithm: &str) -> String {
        let request = admin_v1::ListSigningKeysRequest {};
        let listed = self.operator_of_keys().list_signing_keys(request).await;
        let keys = listed.unwrap().into_inner().signing_keys;
        let signs = |key: &&admin_v1::SigningKey| {
            key.algorithm == algorithm && key.phase() == admin_v1::SigningKeyPhase::Active
        };
        keys.iter().find(signs).unwrap().name.clone()
    }

    /// The operator looks at an account.
    pub(crate) async fn inspects(&self, name: &str) -> Result<Account, Status> {
        let request = admin_v1::GetAccountRequest {
            name: name.to_owned(),
        };
        let answer = self.operator().get_account(request).await;
        answer.map(|answer| answer.into_inner().account.unwrap())
    }

    pub(crate) async fn organization_of(&self, person: &Person<'_>) -> String {
        home(&self.inspects(&person.account).await.unwrap())
    }
}

impl LoggedIn<'_> {
    /// Makes an API key with these scopes; none is the full account.
    pub(crate) async fn makes_key(&self, scopes: &[&str]) -> String {
        let key = ApiKey {
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            ..ApiKey::default()
        };
        let request = CreateApiKeyRequest {
            api_key: Some(key),
            request_id: String::new(),
        };
        let answer = self.app.api_keys().create_api_key(self.asks(request)).await;
        answer.unwrap().into_inner().secret
    }
}

pub(crate) fn disable(name: &str) -> admin_v1::DisableAccountRequest {
    admin_v1::DisableAccountRequest {
        name: name.to_owned(),
    }
}

pub(crate) fn enable(name: &str) -> admin_v1::EnableAccountRequest {
    admin_v1::EnableAccountRequest {
        name: name.to_owned(),
    }
}
