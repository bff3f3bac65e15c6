//! `OAuthService`: registrations, authorizations and tokens.

mod convert;

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::{
    domain::{
        Domain,
        oauth::{ClientCredentials, CodeExchange, LogOutRequest, Started, UserInfo},
    },
    grpc::{auth, convert as contract},
    pb::v1::{
        ApproveAuthorizationRequest, ApproveAuthorizationResponse, DeleteClientRegistrationRequest,
        DeleteClientRegistrationResponse, DenyAuthorizationRequest, DenyAuthorizationResponse,
        GetAuthorizationRequest, GetAuthorizationResponse, GetClientRegistrationRequest,
        GetClientRegistrationResponse, GetUserInfoRequest, GetUserInfoResponse,
        IntrospectTokenRequest, IntrospectTokenResponse, IssueTokensRequest, IssueTokensResponse,
        RegisterClientRequest, RegisterClientResponse, ResolveLogOutRequest, ResolveLogOutResponse,
        RevokeTokenRequest, RevokeTokenResponse, StartAuthorizationRequest,
        StartAuthorizationResponse, UpdateClientRegistrationRequest,
        UpdateClientRegistrationResponse, o_auth_service_server::OAuthService,
    },
};

/// The OAuth service over the use cases.
pub(super) struct Service {
    domain: Arc<Domain>,
}

impl Service {
    pub(super) fn new(domain: Arc<Domain>) -> Self {
        Self { domain }
    }
}

#[tonic::async_trait]
impl OAuthService for Service {
    async fn register_client(
        &self,
        request: Request<RegisterClientRequest>,
    ) -> Result<Response<RegisterClientResponse>, Status> {
        let metadata = convert::metadata(request.into_inner().metadata)?;
        let made = self.domain.oauth.register(metadata).await?;
        Ok(Response::new(RegisterClientResponse {
            registration: Some(convert::registration(made)),
        }))
    }

    async fn get_client_registration(
        &self,
        request: Request<GetClientRegistrationRequest>,
    ) -> Result<Response<GetClientRegistrationResponse>, Status> {
        let mut message = request.into_inner();
        let token = contract::secret(&mut message.registration_access_token);
        let client = self
            .domain
            .oauth
            .registration(&message.client_id, &token)
            .await?;
        Ok(Response::new(GetClientRegistrationResponse {
            registration: Some(convert::registered(client)),
        }))
    }

    async fn update_client_registration(
        &self,
        request: Request<UpdateClientRegistrationRequest>,
    ) -> Result<Response<UpdateClientRegistrationResponse>, Status> {
        let mut message = request.into_inner();
        let token = contract::secret(&mut message.registration_access_token);
        let metadata = convert::metadata(message.metadata)?;
        let oauth = &self.domain.oauth;
        let changed = oauth
            .update_registration(&message.client_id, &token, metadata)
            .await?;
        Ok(Response::new(UpdateClientRegistrationResponse {
            registration: Some(convert::registration(changed)),
        }))
    }

    async fn delete_client_registration(
        &self,
        request: Request<DeleteClientRegistrationRequest>,
    ) -> Result<Response<DeleteClientRegistrationResponse>, Status> {
        let mut message = request.into_inner();
        let token = contract::secret(&mut message.registration_access_token);
        self.domain
            .oauth
            .delete_registration(&message.client_id, &token)
            .await?;
        Ok(Response::new(DeleteClientRegistrationResponse {}))
    }

    async fn start_authorization(
        &self,
        request: Request<StartAuthorizationRequest>,
    ) -> Result<Response<StartAuthorizationResponse>, Status> {
        let address = auth::client_address(request.extensions());
        let message = request.into_inner();
        let (client_id, redirect_uri) = (message.client_id.clone(), message.redirect_uri.clone());
        let parameters = convert::parameters(message);
        let started = self
            .domain
            .oauth
            .start(&client_id, &redirect_uri, parameters, address)
            .await?;
        Ok(Response::new(match started {
            Started::Pending(pending) => StartAuthorizationResponse {
                authorization: Some(convert::authorization(&pending)),
                redirect_uri: String::new(),
                error_description: String::new(),
            },
            Started::Redirect(redirect_uri, description) => StartAuthorizationResponse {
                authorization: None,
                redirect_uri,
                error_description: description,
            },
        }))
    }

    async fn get_authorization(
        &self,
        request: Request<GetAuthorizationRequest>,
    ) -> Result<Response<GetAuthorizationResponse>, Status> {
        let caller = auth::optional_caller(&request);
        let id = convert::authorization_id(&request.get_ref().name)?;
        let pending = self.domain.oauth.pending(caller.as_deref(), id).await?;
        Ok(Response::new(GetAuthorizationResponse {
            authorization: Some(convert::authorization(&pending)),
        }))
    }

    async fn approve_authorization(
        &self,
        request: Request<ApproveAuthorizationRequest>,
    ) -> Result<Response<ApproveAuthorizationResponse>, Status> {
        let caller = auth::caller(&request)?;
        let id = convert::authorization_id(&request.get_ref().name)?;
        let redirect_uri = self.domain.oauth.approve(&caller, id).await?;
        Ok(Response::new(ApproveAuthorizationResponse { redirect_uri }))
    }

    async fn deny_authorization(
        &self,
        request: Request<DenyAuthorizationRequest>,
    ) -> Result<Response<DenyAuthorizationResponse>, Status> {
        let message = request.into_inner();
        let id = convert::authorization_id(&message.name)?;
        let error = convert::denial(message.reason());
        let redirect_uri = self.domain.oauth.deny(id, error).await?;
        Ok(Response::new(DenyAuthorizationResponse { redirect_uri }))
    }

    async fn issue_tokens(
        &self,
        request: Request<IssueTokensRequest>,
    ) -> Result<Response<IssueTokensResponse>, Status> {
        let address = auth::client_address(request.extensions());
        let mut message = request.into_inner();
        let secret = contract::secret(&mut message.client_secret);
        let assertion = contract::secret(&mut message.client_assertion);
        let credentials = ClientCredentials {
            id: &message.client_id,
            secret: &secret,
            assertion: &assertion,
            assertion_type: &message.client_assertion_type,
            address,
        };
        let oauth = &self.domain.oauth;
        let tokens = match message.grant_type.as_str() {
            "authorization_code" => {
                let code = contract::secret(&mut message.code);
                let verifier = contract::secret(&mut message.code_verifier);
                let sent = CodeExchange {
                    code: &code,
                    redirect_uri: &message.redirect_uri,
                    verifier: &verifier,
                    resources: &message.resources,
                };
                oauth.redeem(credentials, sent).await?
            }
            "refresh_token" => {
                let token = contract::secret(&mut message.refresh_token);
                oauth
                    .refresh(credentials, &token, &message.scope, &message.resources)
                    .await?
            }
            "client_credentials" => {
                let (scope, resources) = (&message.scope, &message.resources);
                let token = oauth.issue_to_client(credentials, scope, resources).await?;
                return Ok(Response::new(convert::issued_to_client(token)));
            }
            _ => return Err(oauth.refuse_grant_type(credentials).await.into()),
        };
        Ok(Response::new(convert::issued(tokens)))
    }

    async fn introspect_token(
        &self,
        request: Request<IntrospectTokenRequest>,
    ) -> Result<Response<IntrospectTokenResponse>, Status> {
        let address = auth::client_address(request.extensions());
        let mut message = request.into_inner();
        let secret = contract::secret(&mut message.client_secret);
        let token = contract::secret(&mut message.token);
        let assertion = contract::secret(&mut message.client_assertion);
        let credentials = ClientCredentials {
            id: &message.client_id,
            secret: &secret,
            assertion: &assertion,
            assertion_type: &message.client_assertion_type,
            address,
        };
        let found = self.domain.oauth.introspect(credentials, &token).await?;
        Ok(Response::new(found.map_or_else(
            IntrospectTokenResponse::default,
            convert::live,
        )))
    }

    async fn revoke_token(
        &self,
        request: Request<RevokeTokenRequest>,
    ) -> Result<Response<RevokeTokenResponse>, Status> {
        let address = auth::client_address(request.extensions());
        let mut message = request.into_inner();
        let secret = contract::secret(&mut message.client_secret);
        let token = contract::secret(&mut message.token);
        let assertion = contract::secret(&mut message.client_assertion);
        let credentials = ClientCredentials {
            id: &message.client_id,
            secret: &secret,
            assertion: &assertion,
            assertion_type: &message.client_assertion_type,
            address,
        };
        self.domain.oauth.revoke(credentials, &token).await?;
        Ok(Response::new(RevokeTokenResponse {}))
    }

    async fn get_user_info(
        &self,
        request: Request<GetUserInfoRequest>,
    ) -> Result<Response<GetUserInfoResponse>, Status> {
        let caller = auth::caller(&request)?;
        Ok(Response::new(convert::user_info(&UserInfo::of(&caller))))
    }

    async fn resolve_log_out(
        &self,
        request: Request<ResolveLogOutRequest>,
    ) -> Result<Response<ResolveLogOutResponse>, Status> {
        let mut message = request.into_inner();
        let hint = contract::secret(&mut message.id_token_hint);
        let request = LogOutRequest {
            id_token_hint: &hint,
            client_id: &message.client_id,
            post_logout_redirect_uri: &message.post_logout_redirect_uri,
            state: &message.state,
        };
        let found = self.domain.oauth.resolve_log_out(request).await?;
        Ok(Response::new(convert::log_out(found)))
    }
}
