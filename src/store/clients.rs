//! OAuth clients that registered themselves, and the list of all that the operator has not set up.

use std::cmp::Reverse;

use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, Query},
};
use uuid::Uuid;

use super::{
    entity::{client, client_document, consent, grant, session},
    grants::{self, revoked},
    transaction::{Reader, Tx, page, page_limit},
};
use crate::{
    env::Timestamp,
    error::{Error, Result},
    model::{
        administration::ListedClient,
        id::GrantId,
        oauth::{document::ClientDocument, registration::RegisteredClient},
        page::{Page, PageRequest},
    },
};

/// How many unused clients go at a time.
const BATCH: u64 = 100;

impl Reader<'_> {
    /// The client with this id, unless it was deleted.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn client(&self, id: Uuid) -> Result<Option<RegisteredClient>> {
        let row = client::Entity::find_by_id(id)
            .filter(client::Column::DeletedAt.is_null())
            .one(&self.database)
            .await?;
        row.map(RegisteredClient::try_from).transpose()
    }

    /// The clients that registered themselves and were not deleted, and those whose document was fetched, the newest first.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn listed_clients(&self, request: PageRequest) -> Result<Page<ListedClient>> {
        let mut registered = client::Entity::find()
            .filter(client::Column::DeletedAt.is_null())
            .order_by_desc(client::Column::Id)
            .limit(page_limit(request));
        let mut documents = client_document::Entity::find()
            .order_by_desc(client_document::Column::Id)
            .limit(page_limit(request));
        if let Some(id) = request.after {
            registered = registered.filter(client::Column::Id.lt(id));
            documents = documents.filter(client_document::Column::Id.lt(id));
        }
        let mut listed = Vec::new();
        for row in registered.all(&self.database).await? {
            listed.push(RegisteredClient::try_from(row)?.into());
        }
        for row in documents.all(&self.database).await? {
            listed.push(ClientDocument::try_from(row)?.into());
        }
        listed.sort_by_key(|client: &ListedClient| Reverse(client.id));
        Ok(page(listed, request, |client| client.id))
    }
}

impl Tx<'_> {
    /// Writes a new client.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn insert_client(&self, client: &RegisteredClient) -> Result<()> {
        client::Entity::insert(client::ActiveModel::try_from(client)?)
            .exec_without_returning(&self.database)
            .await?;
        Ok(())
    }

    /// Replaces what a client has registered, and its secret. False when it was deleted.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn update_client(&self, client: &RegisteredClient) -> Result<bool> {
        let metadata = serde_json::to_string(&client.metadata).map_err(Error::internal)?;
        let secret = client.secret_hash.map(|hash| hash.to_vec());
        let changed = client::Entity::update_many()
            .filter(client::Column::Id.eq(client.id))
            .filter(client::Column::DeletedAt.is_null())
            .col_expr(client::Column::Metadata, Expr::val(metadata))
            .col_expr(client::Column::SecretHash, Expr::val(secret))
            .exec(&self.database)
            .await?;
        Ok(changed.rows_affected == 1)
    }

    /// Notes that somebody signed in with the client. False when it was deleted. Nobody else deletes it until this
    /// transaction ends.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn touch_client(&self, id: Uuid, now: Timestamp) -> Result<bool> {
        let touched = client::Entity::update_many()
            .filter(client::Column::Id.eq(id))
            .filter(client::Column::DeletedAt.is_null())
            .col_expr(client::Column::UsedAt, Expr::val(now.millis()))
            .exec(&self.database)
            .await?;
        Ok(touched.rows_affected == 1)
    }

    /// Deletes a client and ends all that was granted to it, and tells which grants ended. What is deleted stays known by
    /// its id alone.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn delete_client(
        &self,
        client: &RegisteredClient,
        now: Timestamp,
    ) -> Result<Vec<GrantId>> {
        // Before the sessions, as whoever redeems a code does.
        self.forget_client(client.id, now).await?;
        self.take_back_from(&client.client_id(), now).await
    }

    /// Ends all that was granted to a client, forgets what people have allowed it, and tells which grants ended.
    pub(super) async fn take_back_from(
        &self,
        client_id: &str,
        now: Timestamp,
    ) -> Result<Vec<GrantId>> {
        let sessions = Query::select()
            .column(grant::Column::SessionId)
            .from(grant::Entity)
            .and_where(grant::Column::ClientId.eq(client_id))
            .take();
        let sessions = session::Column::Id.in_subquery(sessions);
        self.lock_sessions(sessions.into()).await?;
        let ended = revoked(self, grant::Column::ClientId.eq(client_id).into(), now).await?;
        consent::Entity::delete_many()
            .filter(consent::Column::ClientId.eq(client_id))
            .exec(&self.database)
            .await?;
        Ok(ended)
    }

    /// Leaves of a client that it was deleted.
    async fn forget_client(&self, id: Uuid, now: Timestamp) -> Result<()> {
        client::Entity::update_many()
            .filter(client::Column::Id.eq(id))
            .col_expr(client::Column::DeletedAt, Expr::val(now.millis()))
            .col_expr(client::Column::Metadata, Expr::val("{}"))
            .col_expr(client::Column::SecretHash, Expr::val(None::<Vec<u8>>))
            .exec(&self.database)
            .await?;
        Ok(())
    }

    /// Deletes a batch of the clients that nobody has signed in with since then and to which nothing is granted, and tells
    /// how many went. Their ids stay known.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn delete_unused_clients(&self, since: Timestamp, now: Timestamp) -> Result<u64> {
        let unused = client::Entity::find()
            .filter(client::Column::UsedAt.lt(since.millis()))
            .filter(client::Column::DeletedAt.is_null())
            .order_by_asc(client::Column::UsedAt)
            .limit(BATCH)
            .all(&self.database)
            .await?;
        let mut deleted = 0;
        for row in unused {
            let client = RegisteredClient::try_from(row)?;
            if self.has_live_grant_to(&client.client_id(), now).await? {
                // It is in use: looked at again when it has been so long from now.
                self.touch_client(client.id, now).await?;
            } else {
                self.forget_client(client.id, now).await?;
            }
            deleted += 1;
        }
        Ok(deleted)
    }

    async fn has_live_grant_to(&self, client_id: &str, now: Timestamp) -> Result<bool> {
        let live = grant::Entity::find()
            .filter(grant::Column::ClientId.eq(client_id))
            .filter(grants::live(now))
            .one(&self.database)
            .await?;
        Ok(live.is_some())
    }

    /// Deletes a batch of the clients that were registered before then and with which nobody has ever signed in, and tells
    /// how many went.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn delete_clients_never_used(&self, before: Timestamp) -> Result<u64> {
        let unused = Query::select()
            .column(client::Column::Id)
            .from(client::Entity)
            .and_where(client::Column::UsedAt.lt(before.millis()))
            .and_where(Expr::col(client::Column::UsedAt).eq(Expr::col(client::Column::CreatedAt)))
            .limit(BATCH)
            .take();
        let deleted = client::Entity::delete_many()
            .filter(client::Column::Id.in_subquery(unused))
            .exec(&self.database)
            .await?;
        Ok(deleted.rows_affected)
    }
}
