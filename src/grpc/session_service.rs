//! `SessionService`: log in, refresh, look, log out.

use std::{mem, sync::Arc};

use tonic::{Request, Response, Status};

use crate::{
    domain::Domain,
    grpc::{auth, convert, device},
    pb::v1::{
        CreateSessionRequest, CreateSessionResponse, DeleteSessionRequest, DeleteSessionResponse,
        GetSessionRequest, GetSessionResponse, ListSessionsRequest, ListSessionsResponse,
        RefreshSessionRequest, RefreshSessionResponse, RevokeRefreshTokenRequest,
        RevokeRefreshTokenResponse, session_service_server::SessionService,
    },
};

/// The session service over the use cases.
pub(super) struct Service {
    domain: Arc<Domain>,
}

impl Service {
    pub(super) fn new(domain: Arc<Domain>) -> Self {
        Self { domain }
    }
}

#[tonic::async_trait]
impl SessionService for Service {
    async fn create_session(
        &self,
        request: Request<CreateSessionRequest>,
    ) -> Result<Response<CreateSessionResponse>, Status> {
        let mut origin = auth::origin(&self.domain, &request);
        let mut message = request.into_inner();
        if !message.device_token.is_empty() {
            origin.device = Some(mem::take(&mut message.device_token));
        }
        let client = match convert::client(&self.domain.clients, "client_id", &message.client_id)? {
            Some(chosen) => chosen,
            None => self.domain.clients.own(),
        };
        let password = convert::secret(&mut message.password);
        let made = self
            .domain
            .sessions
            .log_in(
                &message.email,
                &password,
                client,
                origin,
                convert::request_id(&message.request_id),
            )
            .await?;
        let mut answer = Response::new(CreateSessionResponse {
            session: Some(convert::session(&made.session, false)),
            tokens: Some(convert::tokens(made.tokens)),
            account: Some(convert::account(&made.account)),
            device_token: made.device,
            organization: Some(convert::organization(&made.account.organization)),
        });
        let device = answer.get_ref().device_token.clone();
        device::set_cookie(self.domain.is_https, answer.extensions_mut(), &device);
        Ok(answer)
    }

    async fn refresh_session(
        &self,
        request: Request<RefreshSessionRequest>,
    ) -> Result<Response<RefreshSessionResponse>, Status> {
        let mut message = request.into_inner();
        let token = convert::secret(&mut message.refresh_token);
        let tokens = self
            .domain
            .sessions
            .refresh(&token, message.keep_refresh_token)
            .await?;
        Ok(Response::new(RefreshSessionResponse {
            tokens: Some(convert::tokens(tokens)),
        }))
    }

    async fn get_session(
        &self,
        request: Request<GetSessionRequest>,
    ) -> Result<Response<GetSessionResponse>, Status> {
        let caller = auth::caller(&request)?;
        let current = caller.session_id;
        let id = convert::session_id(&request.get_ref().name, current)?;
        let session = self.domain.sessions.get(&caller, id).await?;
        Ok(Response::new(GetSessionResponse {
            session: Some(convert::session(&session, current == Some(session.id))),
        }))
    }

    async fn list_sessions(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        let caller = auth::caller(&request)?;
        let (current, message) = (caller.session_id, request.into_inner());
        let (sessions, next_page_token) = self
            .domain
            .sessions
            .list(&caller, message.page_size, &message.page_token)
            .await?;
        let sessions = sessions
            .iter()
            .map(|session| convert::session(session, current == Some(session.id)));
        Ok(Response::new(ListSessionsResponse {
            sessions: sessions.collect(),
            next_page_token,
        }))
    }

    async fn delete_session(
        &self,
        request: Request<DeleteSessionRequest>,
    ) -> Result<Response<DeleteSessionResponse>, Status> {
        let caller = auth::caller(&request)?;
        let id = convert::session_id(&request.get_ref().name, caller.session_id)?;
        self.domain.sessions.revoke(&caller, id).await?;
        Ok(Response::new(DeleteSessionResponse {}))
    }

    async fn revoke_refresh_token(
        &self,
        request: Request<RevokeRefreshTokenRequest>,
    ) -> Result<Response<RevokeRefreshTokenResponse>, Status> {
        let token = convert::secret(&mut request.into_inner().refresh_token);
        self.domain.sessions.revoke_refresh_token(&token).await?;
        Ok(Response::new(RevokeRefreshTokenResponse {}))
    }
}
