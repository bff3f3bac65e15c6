//! Everybody who may or may not make a request, and how they ask.

use countersign::{
    config::{Config, Sources},
    env::Timestamp,
    model::{
        account::{Account, Organization, Plan, Role},
        id::{AccountId, OrganizationId},
    },
    pb::v1::{
        ApiKey, CheckAccessRequest, CheckAccessResponse, CreateApiKeyRequest, CreateSessionRequest,
    },
};
use tonic::{Code, Request, Status};
use uuid::Uuid;

use crate::support::{PASSWORD, TestApp, refused, with_bearer};

/// Credentials of everybody who may or may not read the mail of Ann.
pub(super) struct World {
    pub(super) app: TestApp,
    /// The id of Ann, who is a member of the Pro organization but does not own it.
    pub(super) ann: String,
    /// The id of the owner of the Pro organization.
    pub(super) boss: String,
    pub(super) ann_token: String,
    pub(super) ann_key: String,
    pub(super) ann_narrow_key: String,
    pub(super) boss_token: String,
    pub(super) boss_key: String,
    pub(super) boss_narrow_key: String,
    boss_email_token: String,
    pub(super) stranger_token: String,
    stranger_email_token: String,
    other_boss_token: String,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let app = TestApp::with(change).await;
        for name in ["boss", "stranger", "otherboss"] {
            app.sign_up(name).await;
        }
        let [boss, other_boss] = [pro(&app, "boss").await, pro(&app, "otherboss").await];
        let ann = join(&app, "ann", &boss).await;
        let native = "countersign";
        let ann_token = token(&app, "ann", native).await;
        let boss_token = token(&app, "boss", "mailtd-pro").await;
        assert_ne!(boss.organization.id, other_boss.organization.id);
        Self {
            ann: ann.to_string(),
            boss: boss.id.to_string(),
            ann_key: key(&app, &ann_token, &[]).await,
            ann_narrow_key: key(&app, &ann_token, &["profile"]).await,
            boss_key: key(&app, &boss_token, &[]).await,
            boss_narrow_key: key(&app, &boss_token, &["profile", "email"]).await,
            boss_email_token: token(&app, "boss", "mailtd").await,
            stranger_token: token(&app, "stranger", native).await,
            stranger_email_token: token(&app, "stranger", "mailtd").await,
            other_boss_token: token(&app, "otherboss", native).await,
            ann_token,
            boss_token,
            app,
        }
    }

    /// Every credential by its name, none included.
    pub(super) fn credentials(&self) -> [(&'static str, Option<&str>); 12] {
        [
            ("none", None),
            ("bad", Some("cs_live_bad")),
            ("ann's token", Some(&self.ann_token)),
            ("ann's key", Some(&self.ann_key)),
            ("ann's narrow key", Some(&self.ann_narrow_key)),
            ("the boss's token", Some(&self.boss_token)),
            ("the boss's key", Some(&self.boss_key)),
            ("the boss's narrow key", Some(&self.boss_narrow_key)),
            ("the boss's e-mail token", Some(&self.boss_email_token)),
            ("the stranger's token", Some(&self.stranger_token)),
            (
                "the stranger's e-mail token",
                Some(&self.stranger_email_token),
            ),
            ("another boss's token", Some(&self.other_boss_token)),
        ]
    }

    pub(super) async fn asks(
        &self,
        credential: Option<&str>,
        method: &str,
        path: &str,
    ) -> Result<CheckAccessResponse, Status> {
        let message = CheckAccessRequest {
            method: method.to_owned(),
            path: path.to_owned(),
        };
        let request = match credential {
            Some(credential) => with_bearer(message, credential),
            None => Request::new(message),
        };
        let answer = self.app.authorization().check_access(request).await;
        answer.map(tonic::Response::into_inner)
    }

    /// Who of all may make a request; the others get what is theirs: 401 without a good credential, else 403.
    pub(super) async fn who_may(&self, method: &str, path: &str) -> Vec<&'static str> {
        let mut passed = Vec::new();
        for (who, credential) in self.credentials() {
            match self.asks(credential, method, path).await {
                Ok(_) => passed.push(who),
                answer if who == "bad" => {
                    refused(answer, Code::Unauthenticated, "CREDENTIAL_INVALID");
                }
                Err(status) if status.code() == Code::Unauthenticated => {
                    assert_eq!(who, "none", "{path}");
                    refused::<()>(Err(status), Code::Unauthenticated, "CREDENTIAL_MISSING");
                }
                answer => {
                    refused(answer, Code::PermissionDenied, "PERMISSION_DENIED");
                }
            }
        }
        passed
    }
}

/// Puts this person's organization on the paid plan, with nobody else in it.
async fn pro(app: &TestApp, name: &str) -> Account {
    let email = format!("{name}@example.com");
    let mut account = stored(app, &email).await;
    let organization = Organization {
        id: OrganizationId::from(Uuid::from_u128(account.id.uuid().as_u128() ^ 1)),
        plan: Plan::Pro,
        created_at: Timestamp::from_seconds(0),
        disabled_at: None,
    };
    account.organization = organization.clone();
    rewrite(app, account, Some(organization)).await;
    stored(app, &email).await
}

/// Signs somebody up who is a member of this person's organization.
async fn join(app: &TestApp, name: &str, boss: &Account) -> AccountId {
    app.sign_up(name).await;
    let mut account = stored(app, &format!("{name}@example.com")).await;
    account.organization = boss.organization.clone();
    account.role = Role::Member;
    account.email_verified = true;
    let id = account.id;
    rewrite(app, account, None).await;
    id
}

pub(super) async fn stored(app: &TestApp, email: &str) -> Account {
    let reader = app.parts.store.read();
    reader.account_by_email(email).await.unwrap().unwrap()
}

/// Writes an account once more, in another organization.
async fn rewrite(app: &TestApp, account: Account, organization: Option<Organization>) {
    let written = app.parts.store.write(move |tx| {
        Box::pin(async move {
            tx.delete_account(account.id, None, Timestamp::default())
                .await?;
            while tx.purge_deleted().await? > 0 {}
            if let Some(organization) = &organization {
                tx.insert_organization(organization).await?;
            }
            tx.insert_account(&account).await
        })
    });
    assert!(written.await.unwrap());
}

async fn token(app: &TestApp, name: &str, client_id: &str) -> String {
    let request = CreateSessionRequest {
        email: format!("{name}@example.com"),
        password: PASSWORD.to_owned(),
        client_id: client_id.to_owned(),
        ..CreateSessionRequest::default()
    };
    let answer = app.sessions().create_session(request).await.unwrap();
    answer.into_inner().tokens.unwrap().access_token
}

async fn key(app: &TestApp, token: &str, scopes: &[&str]) -> String {
    let request = CreateApiKeyRequest {
        api_key: Some(ApiKey {
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            ..ApiKey::default()
        }),
        request_id: String::new(),
    };
    let answer = app
        .api_keys()
        .create_api_key(with_bearer(request, token))
        .await;
    answer.unwrap().into_inner().secret
}

pub(super) fn rules(texts: &'static [&'static str]) -> impl FnOnce(&mut Config) {
    move |config| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            format!("data_dir = '/x'\n[authz]\nrules = {texts:?}"),
        )
        .unwrap();
        let sources = Sources::default().file(Some(file.path().to_owned()));
        config.authz = Config::load(&sources).unwrap().authz;
    }
}
