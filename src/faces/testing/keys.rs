//! Stand-ins for the contract's services of keys and challenges.

use tonic::{Response, Status};

use super::services::{ACCOUNT_ID, CREATED, Message, NOW, Services, time};
use crate::pb::v1::{
    self, api_key_service_server::ApiKeyService, challenge_service_server::ChallengeService,
};

pub(in crate::faces) const KEY_ID: &str = "0190163d-8694-739b-aea5-966c26f8ad91";

fn key(display_name: &str) -> v1::ApiKey {
    v1::ApiKey {
        name: format!("apiKeys/{KEY_ID}"),
        account: format!("accounts/{ACCOUNT_ID}"),
        display_name: display_name.to_owned(),
        kind: v1::ApiKeyKind::Mailtd.into(),
        scopes: vec!["mcp".to_owned()],
        create_time: time(CREATED),
        hint: "tm_pro_AbCd".to_owned(),
        ..v1::ApiKey::default()
    }
}

#[tonic::async_trait]
impl ApiKeyService for Services {
    async fn create_api_key(
        &self,
        request: tonic::Request<v1::CreateApiKeyRequest>,
    ) -> Result<Response<v1::CreateApiKeyResponse>, Status> {
        let sent = request.get_ref().api_key.clone().unwrap_or_default();
        let answer = v1::CreateApiKeyResponse {
            api_key: Some(key(&sent.display_name)),
            secret: "tm_pro_AbCdSecret".to_owned(),
        };
        self.answer(request, Message::CreateApiKey, answer)
    }

    async fn get_api_key(
        &self,
        request: tonic::Request<v1::GetApiKeyRequest>,
    ) -> Result<Response<v1::GetApiKeyResponse>, Status> {
        let answer = v1::GetApiKeyResponse {
            api_key: Some(key("first")),
        };
        self.answer(request, Message::GetApiKey, answer)
    }

    /// Two pages: the first says that there is another.
    async fn list_api_keys(
        &self,
        request: tonic::Request<v1::ListApiKeysRequest>,
    ) -> Result<Response<v1::ListApiKeysResponse>, Status> {
        let answer = if request.get_ref().page_token.is_empty() {
            v1::ListApiKeysResponse {
                api_keys: vec![key("first")],
                next_page_token: "more".to_owned(),
            }
        } else {
            let used = v1::ApiKey {
                last_use_time: time(NOW),
                ..key("second")
            };
            v1::ListApiKeysResponse {
                api_keys: vec![used],
                next_page_token: String::new(),
            }
        };
        self.answer(request, Message::ListApiKeys, answer)
    }

    async fn update_api_key(
        &self,
        _request: tonic::Request<v1::UpdateApiKeyRequest>,
    ) -> Result<Response<v1::UpdateApiKeyResponse>, Status> {
        Err(Status::unimplemented("no face calls this"))
    }

    async fn rotate_api_key(
        &self,
        _request: tonic::Request<v1::RotateApiKeyRequest>,
    ) -> Result<Response<v1::RotateApiKeyResponse>, Status> {
        Err(Status::unimplemented("no face calls this"))
    }

    async fn delete_api_key(
        &self,
        request: tonic::Request<v1::DeleteApiKeyRequest>,
    ) -> Result<Response<v1::DeleteApiKeyResponse>, Status> {
        let answer = v1::DeleteApiKeyResponse {};
        self.answer(request, Message::DeleteApiKey, answer)
    }
}

#[tonic::async_trait]
impl ChallengeService for Services {
    async fn create_challenge(
        &self,
        request: tonic::Request<v1::CreateChallengeRequest>,
    ) -> Result<Response<v1::CreateChallengeResponse>, Status> {
        let challenge = v1::Challenge {
            id: "the-challenge".to_owned(),
            salt: "00ff".to_owned(),
            difficulty: 20,
            algorithm: v1::ChallengeAlgorithm::Sha256.into(),
            expire_time: time(NOW),
            memory_kib: 0,
            iterations: 0,
        };
        let challenge = Some(challenge);
        let answer = v1::CreateChallengeResponse { challenge };
        self.answer(request, Message::CreateChallenge, answer)
    }
}
